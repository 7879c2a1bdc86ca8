//! The arithmetic under every search, for the processor that is there.
//!
//! All kernels give the same bits, so that an answer doesn't depend on the machine that gives it.
//! For whole numbers that is free. For sums of floats it takes an order: element `i` is added to
//! lane `i % 64`, product and sum rounded each by itself, and the lanes are added in halves: 64 to
//! 32 to 16, down to one. That order fits four registers of AVX-512, eight of AVX2 and sixteen of
//! NEON, and lanes that a short vector doesn't reach add nothing.

mod raw; // the instructions of each processor

/// Distances between vectors, and between rows of bytes.
pub trait Kernel: Send + Sync {
    /// How the processor calls it.
    fn name(&self) -> &'static str;

    /// The inner product of two vectors of one length.
    fn dot(&self, a: &[f32], b: &[f32]) -> f32;

    /// The square of the distance between two vectors of one length.
    fn apart(&self, a: &[f32], b: &[f32]) -> f32;

    /// The inner products of `question` with some rows of `codes`, which has rows of the
    /// question's length, one behind the other. That length is a multiple of [`CODE_BYTES`].
    fn dots(&self, question: &[u8], codes: &[i8], rows: &[u32], dots: &mut [i32]);
}

/// Rows of codes are as long as a multiple of this, so that no kernel has a rest.
pub const CODE_BYTES: usize = 64;

/// Lanes of a sum of floats.
const LANES: usize = 64;

/// The fastest kernel of this processor.
pub fn fastest() -> &'static dyn Kernel {
    kernels()[0]
}

/// Every kernel that this processor has, fastest first.
pub fn kernels() -> Vec<&'static dyn Kernel> {
    let mut kernels = raw::kernels();
    kernels.push(&Scalar);
    kernels
}

/// What every processor can.
struct Scalar;

impl Kernel for Scalar {
    fn name(&self) -> &'static str {
        "scalar"
    }

    fn dot(&self, a: &[f32], b: &[f32]) -> f32 {
        sum(a, b, |a, b| a * b)
    }

    fn apart(&self, a: &[f32], b: &[f32]) -> f32 {
        sum(a, b, |a, b| (a - b) * (a - b))
    }

    fn dots(&self, question: &[u8], codes: &[i8], rows: &[u32], dots: &mut [i32]) {
        check(question, codes, rows, dots);
        for (row, dot) in rows.iter().zip(dots) {
            let row = &codes[*row as usize * question.len()..][..question.len()];
            let products = question.iter().zip(row).map(|(q, c)| i32::from(*q) * i32::from(*c));
            *dot = products.sum();
        }
    }
}

fn sum(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    assert_eq!(a.len(), b.len(), "vectors of one index have one length");
    let mut lanes = [0.0; LANES];
    for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += term(*a, *b);
        }
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        let (low, high) = lanes.split_at_mut(width);
        low.iter_mut().zip(high).for_each(|(low, high)| *low += *high);
    }
    lanes[0]
}

/// What the instructions rely on, for every kernel alike.
fn check(question: &[u8], codes: &[i8], rows: &[u32], dots: &[i32]) {
    assert!(question.len().is_multiple_of(CODE_BYTES), "rows of codes are padded");
    assert_eq!(rows.len(), dots.len(), "there is one answer for each row");
    let there = codes.len() / question.len().max(1);
    let last = rows.iter().copied().max();
    assert!(last.is_none_or(|last| (last as usize) < there), "row {last:?} of {there}");
}
