//! Vectors to parts.

use std::sync::Arc;

use kenning_index::{NearQuestion, VectorIndex, VectorPart};
use kenning_record::VectorSpec;
use kenning_store::{Bytes, Error, Result, World};

use crate::build::build;
use crate::format::{DIMENSIONS_MAX, ROWS_MAX};
use crate::kernel::{Kernel, fastest};
use crate::part::Part;
use crate::write::{Coded, body};

/// The index over vectors.
pub struct Vectors {
    world: Arc<dyn World>,
    kernel: &'static dyn Kernel,
}

impl Vectors {
    /// With the fastest kernel of this processor. Graphs are built by threads of `world`.
    pub fn new(world: Arc<dyn World>) -> Self {
        Vectors::with(world, fastest())
    }

    /// With a kernel that this processor has. Every kernel gives the same parts and answers.
    pub fn with(world: Arc<dyn World>, kernel: &'static dyn Kernel) -> Self {
        Vectors { world, kernel }
    }
}

impl VectorIndex for Vectors {
    fn build(
        &self,
        spec: VectorSpec,
        vectors: &[f32],
        graph: bool,
        threads: usize,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<u8>> {
        check_spec(spec)?;
        assert!(vectors.len().is_multiple_of(spec.dimensions), "vectors are whole");
        let rows = vectors.len() / spec.dimensions;
        if rows > ROWS_MAX {
            let fact = format!("a part of {rows} vectors, the most is {ROWS_MAX}");
            return Err(Error::exhausted("TOO_MANY_VECTORS", fact));
        }
        let coded = Arc::new(Coded::new(spec, vectors, self.kernel));
        let graph = match graph {
            true => Some(build(&coded, &self.world, threads, stop)?),
            false => None,
        };
        Ok(body(&coded, vectors, graph.as_ref()))
    }

    fn open(&self, spec: VectorSpec, body: Bytes) -> Result<Arc<dyn VectorPart>> {
        check_spec(spec)?;
        Ok(Arc::new(Part::open(spec, body, self.kernel)?))
    }
}

fn check_spec(spec: VectorSpec) -> Result<()> {
    if !(1..=DIMENSIONS_MAX).contains(&spec.dimensions) {
        let given = spec.dimensions;
        let fact = format!("vectors of {given} numbers, they have 1 to {DIMENSIONS_MAX}");
        return Err(Error::invalid("DIMENSIONS", fact));
    }
    Ok(())
}

/// A question has vectors of the index's length.
pub(crate) fn check(spec: VectorSpec, question: &NearQuestion<'_>) -> Result<()> {
    let (given, expected) = (question.vector.len(), spec.dimensions);
    if given != expected {
        let fact = format!("a vector of {given} numbers, the index has vectors of {expected}");
        return Err(Error::invalid("DIMENSION_MISMATCH", fact));
    }
    Ok(())
}
