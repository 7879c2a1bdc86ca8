//! What is near, against a plain search; bytes that are damaged; what every kernel says.

mod damage; // bytes that nobody wrote
mod graph; // near enough, and at which cost
mod kernels; // the same bits from all of them
mod oracle; // the exact answer, against a plain one

use std::sync::Arc;

use kenning_index::{VectorIndex, VectorPart};
use kenning_record::{Metric, VectorSpec};
use kenning_store::{Bytes, World};
use kenning_test::ManualWorld;
use kenning_vectors::Vectors;

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::InnerProduct, Metric::L2];

fn world() -> Arc<dyn World> {
    ManualWorld::new(1)
}

fn index() -> Vectors {
    Vectors::new(world())
}

fn part(spec: VectorSpec, vectors: &[f32], graph: bool) -> Arc<dyn VectorPart> {
    let body = index().build(spec, vectors, graph, 2, &|| false).expect("it can be built");
    index().open(spec, Bytes::from(body)).expect("it was just built")
}

/// Numbers from a seed.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut hash = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ hash >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// -1 to 1, mostly near 0.
    fn float(&mut self) -> f32 {
        let mut one = || (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        (one() + one() + one()) / 3.0
    }

    fn vector(&mut self, dimensions: usize) -> Vec<f32> {
        (0..dimensions).map(|_| self.float()).collect()
    }
}

/// Vectors around some centres, of unequal lengths.
fn clustered(rows: usize, dimensions: usize, seed: u64) -> Vec<f32> {
    let mut chance = Chance(seed);
    let centres: Vec<Vec<f32>> = (0..1 + rows / 50).map(|_| chance.vector(dimensions)).collect();
    let row = |_| {
        let centre = &centres[chance.below(centres.len())];
        let length = 1.0 + chance.float();
        let vector: Vec<f32> = centre.iter().map(|v| (v + 0.5 * chance.float()) * length).collect();
        vector
    };
    (0..rows).flat_map(row).collect()
}
