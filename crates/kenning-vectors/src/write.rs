//! A part as bytes.

use std::sync::Arc;

use kenning_record::{Metric, VectorSpec};

use crate::build::Built;
use crate::code::{Facts, Space, code_bytes};
use crate::format::{HEAD_BYTES, Head, LEVELS_MAX, Section};
use crate::kernel::Kernel;
use crate::raw::{bytes_of_codes, bytes_of_floats};
use crate::rows::Rows;

/// Vectors that have codes.
pub(crate) struct Coded {
    pub(crate) spec: VectorSpec,
    pub(crate) kernel: &'static dyn Kernel,
    origin: Vec<f32>,
    codes: Vec<i8>,
    facts: Vec<Facts>,
}

impl Coded {
    /// Makes the codes of `vectors`, which are whole.
    pub(crate) fn new(spec: VectorSpec, vectors: &[f32], kernel: &'static dyn Kernel) -> Self {
        let origin = match spec.metric {
            Metric::Cosine | Metric::InnerProduct => Vec::new(),
            Metric::L2 => middle(spec.dimensions, vectors),
        };
        let rows = vectors.len() / spec.dimensions;
        let mut codes = vec![0; rows * code_bytes(spec.dimensions)];
        let space = Space { spec, origin: &origin };
        let mut moved = Vec::new();
        let coded = vectors.chunks_exact(spec.dimensions);
        let coded = coded.zip(codes.chunks_exact_mut(code_bytes(spec.dimensions)));
        let facts = coded.map(|(vector, code)| space.encode(vector, code, &mut moved)).collect();
        Coded { spec, kernel, origin, codes, facts }
    }

    /// The rows, without their vectors.
    pub(crate) fn rows(&self) -> Rows<'_> {
        Rows {
            dimensions: self.spec.dimensions,
            full: &[],
            codes: &self.codes,
            facts: &self.facts,
            kernel: self.kernel,
        }
    }
}

/// The mean of all vectors, or the zero vector where there is none.
fn middle(dimensions: usize, vectors: &[f32]) -> Vec<f32> {
    let mut sums = vec![0.0; dimensions];
    for vector in vectors.chunks_exact(dimensions) {
        sums.iter_mut().zip(vector).for_each(|(sum, v)| *sum += f64::from(*v));
    }
    let rows = (vectors.len() / dimensions).max(1) as f64;
    let mean = |sum: f64| Some((sum / rows) as f32).filter(|mean| mean.is_finite());
    sums.into_iter().map(|sum| mean(sum).unwrap_or(0.0)).collect()
}

/// The body of a part.
pub(crate) fn body(coded: &Arc<Coded>, vectors: &[f32], graph: Option<&Built>) -> Vec<u8> {
    let mut levels = [0; LEVELS_MAX];
    let built = graph.iter().flat_map(|graph| &graph.upper);
    levels.iter_mut().zip(built).for_each(|(rows, level)| *rows = level.rows.len() as u32);
    let rows = coded.rows().count();
    let linked = graph.is_some();
    let mut head = Head { spec: coded.spec, rows, linked, levels, sums: [0; _] };
    let size = usize::try_from(head.body_bytes()).expect("the vectors are in memory");
    let mut body = Vec::with_capacity(size);
    body.resize(HEAD_BYTES, 0);
    for section in Section::ALL {
        assert_eq!(body.len(), head.range(section).start, "sections are in order");
        section_bytes(section, coded, vectors, graph, &mut body);
        assert_eq!(body.len(), head.range(section).end, "a section is as long as the head says");
        body.resize(head.summed(section).end, 0);
        head.sums[section as usize] = crc32fast::hash(&body[head.summed(section)]);
    }
    head.write(&mut body);
    body
}

fn section_bytes(
    section: Section,
    coded: &Coded,
    vectors: &[f32],
    graph: Option<&Built>,
    body: &mut Vec<u8>,
) {
    match section {
        Section::Origin => body.extend_from_slice(bytes_of_floats(&coded.origin)),
        Section::Full => body.extend_from_slice(bytes_of_floats(vectors)),
        Section::Codes => body.extend_from_slice(bytes_of_codes(&coded.codes)),
        Section::Facts => coded.facts.iter().for_each(|facts| {
            body.extend_from_slice(&facts.scale.to_le_bytes());
            body.extend_from_slice(&facts.error.to_le_bytes());
            body.extend_from_slice(&facts.length.to_le_bytes());
            body.extend_from_slice(&facts.sum.to_le_bytes());
        }),
        Section::Twins => graph.iter().for_each(|graph| numbers(&graph.twins, body)),
        Section::Links => graph.iter().for_each(|graph| numbers(&graph.links, body)),
        Section::Upper => {
            for level in graph.iter().flat_map(|graph| &graph.upper) {
                numbers(&level.rows, body);
                numbers(&level.links, body);
            }
        }
    }
}

fn numbers(numbers: &[u32], body: &mut Vec<u8>) {
    numbers.iter().for_each(|number| body.extend_from_slice(&number.to_le_bytes()));
}
