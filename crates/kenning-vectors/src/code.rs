//! Vectors as bytes: a quarter of the memory, and an error that is known.
//!
//! A vector is first moved to where its metric is an inner product: for the cosine it gets length
//! 1, for L2 the origin moves into the middle of the rows, for the inner product it stays. There,
//! each number becomes a byte, `number = scale * byte`, with a scale for each row. What that loses
//! is one number, the length of the difference. So, with `x` the row, `y` the question, `~` for
//! what their bytes say, and Cauchy and Schwarz:
//!
//! ```text
//! x.y = ~x.~y + (x - ~x).~y + x.(y - ~y)
//! |x.y - ~x.~y| <= |x - ~x| |~y| + |x| |y - ~y|
//! ```
//!
//! An exact search reads bytes only, until it meets a row that might be near enough after all. What
//! floats lose in all these sums is a slack on top, far larger than it can be.

use kenning_record::{Metric, VectorSpec};

use crate::kernel::{CODE_BYTES, Kernel};

/// What is known of a row beside its code.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub(crate) struct Facts {
    /// What one step of its code is.
    pub(crate) scale: f32,
    /// The length of what its code leaves out.
    pub(crate) error: f32,
    /// Its length: as it was given, for L2 from the origin.
    pub(crate) length: f32,
    /// The sum of its code.
    pub(crate) sum: i32,
}

/// The largest step of a code to each side.
const STEPS_MAX: f32 = 127.0;
/// Kernels multiply bytes without a sign by bytes with one: a question is this much higher.
const RAISED: u8 = 128;
/// Bits of a scale that are not used, so that equal directions of unequal lengths have one scale.
const SCALE_BITS: u32 = 12;

/// Where vectors of one index are compared.
pub(crate) struct Space<'a> {
    pub(crate) spec: VectorSpec,
    /// Where L2 is measured from, a vector; nowhere for the others.
    pub(crate) origin: &'a [f32],
}

/// Bytes of a code of so many numbers.
pub(crate) fn code_bytes(dimensions: usize) -> usize {
    dimensions.next_multiple_of(CODE_BYTES)
}

impl Space<'_> {
    /// The length of a vector and the vector, moved.
    fn moved(&self, vector: &[f32], moved: &mut Vec<f32>) -> f32 {
        moved.clear();
        match self.spec.metric {
            Metric::Cosine | Metric::InnerProduct => moved.extend_from_slice(vector),
            Metric::L2 => moved.extend(vector.iter().zip(self.origin).map(|(v, o)| v - o)),
        }
        let length = length_of(moved);
        if self.spec.metric == Metric::Cosine && length > 0.0 {
            // Divided as doubles: the inverse of a very short length is not a float.
            moved.iter_mut().for_each(|v| *v = (f64::from(*v) / length) as f32);
        }
        length as f32
    }

    /// Writes the code of `vector`, and says what is known of it. `moved` is room to work in.
    pub(crate) fn encode(&self, vector: &[f32], code: &mut [i8], moved: &mut Vec<f32>) -> Facts {
        let length = self.moved(vector, moved);
        let scale = scale_of(moved);
        let mut facts = Facts { scale, error: 0.0, length, sum: 0 };
        let mut lost = 0.0;
        for (code, number) in code.iter_mut().zip(moved.iter()) {
            // A cast of what is not a number is 0, of what is too large the largest.
            *code = if scale > 0.0 { (number / scale).round_ties_even() as i8 } else { 0 };
            let difference = f64::from(*number) - f64::from(scale) * f64::from(*code);
            lost += difference * difference;
            facts.sum += i32::from(*code);
        }
        facts.error = lost.sqrt() as f32;
        facts
    }

    /// `vector` as a question.
    pub(crate) fn question(&self, vector: &[f32]) -> Question {
        let mut full = Vec::new();
        let mut code = vec![0; code_bytes(vector.len())];
        let facts = self.encode(vector, &mut code, &mut full);
        let length = length_of(&full) as f32;
        if self.spec.metric == Metric::L2 {
            // Distances of L2 are measured between the vectors as they were given.
            full.clear();
            full.extend_from_slice(vector);
        }
        let raised = code.iter().map(|code| raise(*code)).collect();
        let lanes = vector.len() as f32 / CODE_BYTES as f32;
        let slack = (lanes + 32.0) * f32::EPSILON;
        Question { metric: self.spec.metric, full, raised, facts, length, slack }
    }
}

/// A code as a question: without a sign.
pub(crate) fn raise(code: i8) -> u8 {
    code.cast_unsigned() ^ RAISED
}

/// What the kernel says of a raised question and a row, of the question as it was.
pub(crate) fn lower(dot: i32, facts: &Facts) -> f32 {
    // Facts may be damaged; as 64 bits nothing overflows.
    (i64::from(dot) - i64::from(RAISED) * i64::from(facts.sum)) as f32
}

fn length_of(vector: &[f32]) -> f64 {
    vector.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt()
}

/// The least scale that reaches the largest number, in the upper bits of a float.
fn scale_of(vector: &[f32]) -> f32 {
    let most = vector.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    let scale = most / STEPS_MAX;
    if !scale.is_normal() {
        return 0.0;
    }
    let mask = (1 << SCALE_BITS) - 1;
    let rounded = f32::from_bits((scale.to_bits() | mask).saturating_add(1));
    if rounded.is_finite() { rounded } else { 0.0 }
}

/// A vector that is asked about.
pub(crate) struct Question {
    metric: Metric,
    /// Itself; of length 1 for the cosine.
    full: Vec<f32>,
    /// Its code, raised.
    pub(crate) raised: Vec<u8>,
    facts: Facts,
    /// Its length where it was encoded.
    length: f32,
    /// What floats may lose, as a part of the lengths.
    slack: f32,
}

impl Question {
    /// The distance to a row, by the full vectors.
    pub(crate) fn distance(&self, kernel: &dyn Kernel, row: &[f32], facts: &Facts) -> f32 {
        let distance = match self.metric {
            Metric::Cosine if self.facts.length == 0.0 || facts.length == 0.0 => 1.0,
            Metric::Cosine => (1.0 - kernel.dot(&self.full, row) / facts.length).clamp(0.0, 2.0),
            Metric::InnerProduct => -kernel.dot(&self.full, row),
            Metric::L2 => kernel.apart(&self.full, row),
        };
        // What can't be said is far: only vectors that are not numbers get here.
        if distance.is_nan() { f32::INFINITY } else { distance }
    }

    /// What codes say of the distance to a row, up to what all rows have in common.
    pub(crate) fn near(&self, dot: i32, facts: &Facts) -> f32 {
        let dot = self.facts.scale * facts.scale * lower(dot, facts);
        let near = match self.metric {
            Metric::Cosine | Metric::InnerProduct => -dot,
            Metric::L2 => facts.length * facts.length - 2.0 * dot,
        };
        if near.is_nan() { f32::INFINITY } else { near }
    }

    /// The least that the distance to a row can be.
    pub(crate) fn least(&self, dot: i32, facts: &Facts) -> f32 {
        let length = match self.metric {
            Metric::Cosine => 1.0,
            Metric::InnerProduct | Metric::L2 => facts.length,
        };
        let said = self.facts.scale * facts.scale * lower(dot, facts);
        let lost = facts.error * (self.length + self.facts.error) + self.facts.error * length;
        let most = said + lost * (1.0 + self.slack) + self.slack * self.length * length;
        match self.metric {
            Metric::Cosine => 1.0 - most - self.slack,
            Metric::InnerProduct => -most,
            Metric::L2 => {
                let lengths = self.length * self.length + length * length;
                lengths * (1.0 - 2.0 * self.slack) - 2.0 * most
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_directions_have_one_code() {
        let spec = VectorSpec { dimensions: 5, metric: Metric::Cosine };
        let space = Space { spec, origin: &[] };
        let coded = |factor: f32| {
            let vector = [0.3, -0.7, 0.2, 0.01, -0.4].map(|v: f32| v * factor);
            let mut code = [0; CODE_BYTES];
            let facts = space.encode(&vector, &mut code, &mut Vec::new());
            (code, facts.scale)
        };
        for factor in [1e-30, 0.1, 3.0, 7.7, 1e30] {
            assert_eq!(coded(factor), coded(1.0));
        }
    }
}
