//! The bodies of parts of vectors, asked although they are damaged.

use std::sync::{Arc, OnceLock};

use kenning_index::{Mask, NearCost, NearQuestion, VectorIndex};
use kenning_record::{Metric, VectorSpec};
use kenning_store::{BoxFuture, Bytes, World};
use kenning_vectors::Vectors;

use crate::bytes::{array, choice};
use crate::stored_as;

const ROWS: usize = 60;
const DIMENSIONS: usize = 3;
const METRICS: [Metric; 3] = [Metric::Cosine, Metric::InnerProduct, Metric::L2];
const HEAD_BYTES: usize = 128;
/// Where the checksum of a head is.
const AT_HEAD_SUM: usize = 124;

/// The first byte chooses what the others are: a body, or what is changed in one.
pub fn vectors(mut data: &[u8]) {
    let chosen = usize::from(choice(&mut data));
    let spec = VectorSpec { dimensions: DIMENSIONS, metric: METRICS[chosen % METRICS.len()] };
    match chosen / METRICS.len() % 2 {
        0 => ask(spec, changed(spec, data)),
        _ => ask(spec, sealed(data.to_vec())),
    }
}

/// A body with other numbers here and there.
fn changed(spec: VectorSpec, mut data: &[u8]) -> Vec<u8> {
    let mut body = whole(spec.metric).to_vec();
    while !data.is_empty() {
        let at = usize::from(u16::from_le_bytes(array(&mut data))) * 4 % body.len();
        body[at..at + 4].copy_from_slice(&array::<4>(&mut data));
    }
    sealed(body)
}

/// The checksum of the head is right, so that what it says is believed.
fn sealed(mut body: Vec<u8>) -> Vec<u8> {
    if body.len() >= AT_HEAD_SUM + 4 {
        let sum = crc32fast::hash(&body[..AT_HEAD_SUM]);
        body[AT_HEAD_SUM..AT_HEAD_SUM + 4].copy_from_slice(&sum.to_le_bytes());
    }
    body
}

fn ask(spec: VectorSpec, body: Vec<u8>) {
    let is_whole = body == whole(spec.metric);
    let head = body[..body.len().min(HEAD_BYTES)].to_vec();
    let opened = index().open(spec, Bytes::from(body));
    assert!(opened.is_ok() || !is_whole, "a part was refused that is whole");
    let Some(part) = stored_as(opened) else { return };
    for (exact, rows_max) in [(false, 1), (false, 2), (true, 5)] {
        let vector = [0.3, -0.2, 0.9];
        let question = NearQuestion { vector: &vector, rows_max, candidates: 1, exact };
        let mut cost = NearCost::default();
        let near = stored_as(part.nearest(&question, &Mask::ALL, &mut cost));
        let near = near.unwrap_or_default();
        assert!(near.len() <= rows_max && near.iter().all(|near| near.row < part.rows()));
        assert!(near.iter().all(|near| part.vector(near.row).len() == DIMENSIONS));
    }
    // Who writes other checksums may seal other bytes.
    let is_sure = is_whole || head == whole(spec.metric)[..HEAD_BYTES];
    let verified = stored_as(part.verify()).is_some();
    assert!(!is_sure || verified == is_whole, "damage was not noticed");
}

/// A body that nobody changed.
fn whole(metric: Metric) -> &'static [u8] {
    static BODIES: [OnceLock<Vec<u8>>; METRICS.len()] = [const { OnceLock::new() }; METRICS.len()];
    BODIES[metric as usize].get_or_init(|| {
        let number = |idx: usize| ((idx * 7919 % 1009) as f32 / 1009.0 - 0.5) * (idx % 5) as f32;
        let vectors: Vec<f32> = (0..ROWS * DIMENSIONS).map(number).collect();
        let spec = VectorSpec { dimensions: DIMENSIONS, metric };
        index().build(spec, &vectors, true, 1, &|| false).expect("it can be built")
    })
}

/// A body for the corpus, as it is.
pub(crate) fn seed() -> Vec<u8> {
    let spec = VectorSpec { dimensions: DIMENSIONS, metric: Metric::Cosine };
    index()
        .build(spec, &[1.0, 0.0, 2.0, 0.5, 0.5, 0.0], true, 1, &|| false)
        .expect("it can be built")
}

fn index() -> Vectors {
    Vectors::new(Arc::new(Still))
}

/// A world in which nothing happens: one thread needs none.
struct Still;

impl World for Still {
    fn now_ms(&self) -> u64 {
        0
    }

    fn random(&self) -> u64 {
        0
    }

    fn sleep(&self, _: u64) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    fn spawn(&self, _: &'static str, work: Box<dyn FnOnce() + Send>) {
        work();
    }
}
