//! Kenning's index over vectors, without a database around it: one part in a mapped file.

use std::path::Path;
use std::sync::Arc;

use kenning::SystemWorld;
use kenning_index::{Mask, NearCost, NearQuestion, VectorIndex, VectorPart};
use kenning_record::{Metric, VectorSpec};
use kenning_store::{Create, Folder, PartId};
use kenning_vectors::Vectors;

use crate::Result;
use crate::exam::{Exam, NEAREST};
use crate::measure::timed;

/// Threads that build.
const THREADS: usize = 2;
/// The name of the engine in the folder, which is no database.
const ENGINE: &str = "bench";

/// A part that was built.
pub(crate) struct Indexed {
    pub(crate) part: Arc<dyn VectorPart>,
    pub(crate) build_s: f64,
    /// Bytes of its file that are not the full vectors: what a search reads all over.
    pub(crate) dense_bytes: usize,
}

fn spec(dimensions: usize) -> VectorSpec {
    VectorSpec { dimensions, metric: Metric::Cosine }
}

fn index() -> Vectors {
    Vectors::new(Arc::new(SystemWorld::new()))
}

/// Builds a part of all `vectors`, and opens it where it lies.
pub(crate) fn build(
    folder: &Path,
    name: u128,
    vectors: &[f32],
    dimensions: usize,
) -> Result<Indexed> {
    let (build_s, body) =
        timed(|| Ok(index().build(spec(dimensions), vectors, true, THREADS, &|| false)?))?;
    let mut parts = Folder::open(folder, ENGINE, Create::IfMissing)?;
    if parts.is_new() {
        parts.finish()?;
    }
    parts.put_part(PartId(name), &body)?;
    let dense_bytes = body.len() - size_of_val(vectors);
    drop((parts, body));
    Ok(Indexed { part: open(folder, name, dimensions)?, build_s, dense_bytes })
}

/// Opens a part in its file.
pub(crate) fn open(folder: &Path, name: u128, dimensions: usize) -> Result<Arc<dyn VectorPart>> {
    let folder = Folder::open(folder, ENGINE, Create::IfMissing)?;
    let bytes = folder.map_part(PartId(name))?.ok_or("the part was just written")?;
    Ok(index().open(spec(dimensions), bytes)?)
}

/// The rows that are nearest.
pub(crate) fn nearest(
    part: &dyn VectorPart,
    vector: &[f32],
    effort: Effort,
    mask: &Mask<'_>,
) -> Result<Vec<(u32, f32)>> {
    let (candidates, exact) = match effort {
        Effort::Candidates(candidates) => (candidates, false),
        Effort::Exact => (0, true),
    };
    let question = NearQuestion { vector, rows_max: NEAREST, candidates, exact };
    let near = part.nearest(&question, mask, &mut NearCost::default())?;
    Ok(near.iter().map(|near| (near.row, near.distance)).collect())
}

/// How a part is asked.
#[derive(Clone, Copy)]
pub(crate) enum Effort {
    Candidates(usize),
    Exact,
}

/// The same, rows only.
pub(crate) fn rows(
    part: &dyn VectorPart,
    vector: &[f32],
    effort: Effort,
    mask: &Mask<'_>,
) -> Result<Vec<u32>> {
    Ok(nearest(part, vector, effort, mask)?.into_iter().map(|(row, _)| row).collect())
}

/// Questions about a part, of which a scan says what is right.
pub(crate) fn exam(
    part: &dyn VectorPart,
    questions: &[f32],
    dimensions: usize,
    mask: &Mask<'_>,
) -> Result<Exam> {
    let right = questions.chunks(dimensions).map(|vector| rows(part, vector, Effort::Exact, mask));
    let right = right.collect::<Result<_>>()?;
    Ok(Exam { dimensions, questions: questions.to_vec(), right, rate_ms: 1_000 })
}
