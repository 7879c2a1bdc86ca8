//! BM25 in whole numbers.
//!
//! What a word adds to the score of a row is `idf * (k1 + 1) * n / (n + k1 * (1 - b + b * length /
//! usual))`, where `n` is how often the row has it and `idf` is `ln(1 + (rows - df + 0.5) / (df +
//! 0.5))`. It is rounded to a whole number of 65536ths, at least one. So a score is the same in
//! whatever order it is added up, over however many parts, and rows that say the same have equal
//! scores.

use crate::lengths;

/// How soon one more of a word stops to matter, and how much a long text has to have more of it.
pub(crate) const K1: f32 = 1.2;
pub(crate) const B: f32 = 0.75;

/// One, as a score.
const ONE: f32 = 65536.0;

/// The score of a row as people see it.
pub(crate) fn shown(score: u32) -> f32 {
    score as f32 / ONE
}

/// What a word weighs that `with` of `rows` rows have and that is asked for `times` times. With the
/// bounds of a question, all that it asks for together weighs less than 2^32.
pub(crate) fn weight(rows: u64, with: u64, times: u32) -> f32 {
    let (rows, with) = (rows as f64, with as f64);
    let idf = (1.0 + (rows - with + 0.5) / (with + 0.5)).ln();
    (idf * f64::from(K1 + 1.0) * f64::from(times)) as f32 * ONE
}

/// What a word of this weight adds at most.
pub(crate) fn most(weight: f32) -> u32 {
    // One more, for what is rounded in between.
    weight as u32 + 2
}

/// What a word of this weight adds to a row that has it `count` times, where `damping` is that of
/// the row's length.
#[inline]
pub(crate) fn part(weight: f32, count: f32, damping: f32) -> u32 {
    ((weight * (count / (count + damping))) as u32).max(1)
}

/// What the length of a text does to the words in it.
#[inline]
pub(crate) fn damping(length: u64, usual: f32) -> f32 {
    K1 * (1.0 - B + B * (length as f32 / usual))
}

/// The same for every byte of a length.
pub(crate) fn dampings(usual: f32) -> [f32; 256] {
    std::array::from_fn(|byte| damping(lengths::of_byte(byte as u8).into(), usual))
}

/// How long a text usually is.
pub(crate) fn usual(places: u64, rows: u64) -> f32 {
    (places as f64 / rows.max(1) as f64).max(1.0) as f32
}
