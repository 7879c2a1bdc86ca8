//! Vectors that resemble those of sentences.

use std::fs;

/// Dimensions in which they really differ, and centres around which they lie.
const INNER: usize = 48;
const CENTRES: usize = 2000;

/// A generator of numbers, for data and nothing else.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut hash = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ hash >> 31
    }

    fn uniform(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Nearly normal, with a deviation of 1.
    fn normal(&mut self) -> f32 {
        ((0..4).map(|_| self.uniform()).sum::<f32>() - 2.0) * 1.732
    }
}

/// Unit vectors of a mixture.
pub(crate) fn sentences(rows: usize, dimensions: usize, seed: u64) -> Vec<f32> {
    let mut chance = Chance(seed);
    let spread: Vec<f32> = (0..INNER).map(|idx| (1.0 + idx as f32).powf(-0.4)).collect();
    let centres: Vec<f32> =
        (0..CENTRES * INNER).map(|idx| chance.normal() * spread[idx % INNER]).collect();
    let throw: Vec<f32> = (0..INNER * dimensions).map(|_| chance.normal()).collect();
    let mut all = Vec::with_capacity(rows * dimensions);
    for _ in 0..rows {
        let centre = (chance.next() % CENTRES as u64) as usize * INNER;
        let mut vector: Vec<f32> = (0..dimensions).map(|_| 0.25 * chance.normal()).collect();
        for idx in 0..INNER {
            let inner = centres[centre + idx] + 0.6 * spread[idx] * chance.normal();
            let throw = &throw[idx * dimensions..][..dimensions];
            vector.iter_mut().zip(throw).for_each(|(v, t)| *v += inner * t);
        }
        let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
        all.extend(vector.iter().map(|v| v / length));
    }
    all
}

/// So many floats of a file.
pub(crate) fn read(file: &str, count: usize) -> Vec<f32> {
    let bytes = fs::read(file).expect("the file can be read");
    let floats = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let floats: Vec<f32> = floats.take(count).collect();
    assert_eq!(floats.len(), count, "the file is too short");
    floats
}

/// Keeps floats in a file.
pub(crate) fn write(file: &str, floats: &[f32]) {
    let bytes: Vec<u8> = floats.iter().flat_map(|float| float.to_le_bytes()).collect();
    fs::write(file, bytes).expect("there is room");
}
