//! What an index over vectors promises.
//!
//! Rows are numbered from 0 in the order in which they were given; what a row belongs to, and when
//! it is there, is known above. The answers of a graph are near enough; those of an exact search
//! are exact; the distances of both are those of the full vectors.

use std::sync::Arc;

use kenning_record::VectorSpec;
use kenning_store::{Bytes, Result};

use crate::Mask;

/// A row that is near.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Near {
    /// Its number.
    pub row: u32,
    /// How far it is, by the full vectors.
    pub distance: f32,
}

/// What is asked.
#[derive(Clone, Copy)]
pub struct NearQuestion<'a> {
    /// From where.
    pub vector: &'a [f32],
    /// How many rows at most.
    pub rows_max: usize,
    /// Candidates that a graph keeps; more are slower and nearer. At least `rows_max` are kept.
    pub candidates: usize,
    /// Whether nothing but the exact answer will do.
    pub exact: bool,
}

/// What an answer cost, so that a test can see what was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NearCost {
    /// Searches that went through a graph.
    pub graphs: u64,
    /// Searches that looked at every row that the mask lets through.
    pub scans: u64,
    /// Distances between vectors, quantised ones included.
    pub distances: u64,
}

/// How vectors become parts and answers.
pub trait VectorIndex: Send + Sync {
    /// The body of a part that has these vectors, one behind the other. Without a graph it is there
    /// at once; with one it takes long, and is fast from then on. `threads` may work at it. Soon
    /// after `stop` says so it ends as `Closed STOPPED`.
    fn build(
        &self,
        spec: VectorSpec,
        vectors: &[f32],
        graph: bool,
        threads: usize,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<u8>>;

    /// Opens the body of a part. Reads little of it: the bytes may be mapped from a file. Refuses
    /// what it did not write as `Corrupt`, without reading all.
    fn open(&self, spec: VectorSpec, body: Bytes) -> Result<Arc<dyn VectorPart>>;
}

/// The vectors of one part.
pub trait VectorPart: Send + Sync {
    /// Rows that it has.
    fn rows(&self) -> u32;

    /// Whether it has a graph.
    fn has_graph(&self) -> bool;

    /// The vector of a row, as it was given.
    fn vector(&self, row: u32) -> &[f32];

    /// The nearest rows that `mask` lets through, nearest first, equal ones in the order of their
    /// rows.
    fn nearest(
        &self,
        question: &NearQuestion<'_>,
        mask: &Mask<'_>,
        cost: &mut NearCost,
    ) -> Result<Vec<Near>>;

    /// Checks every byte.
    fn verify(&self) -> Result<()>;
}
