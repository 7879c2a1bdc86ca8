//! Rows as a search sees them, wherever they are.

use crate::code::{Facts, Question, code_bytes};
use crate::kernel::Kernel;

/// Rows one behind the other: the vectors, their codes, and what is known of them.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) dimensions: usize,
    pub(crate) full: &'a [f32],
    pub(crate) codes: &'a [i8],
    pub(crate) facts: &'a [Facts],
    pub(crate) kernel: &'static dyn Kernel,
}

impl<'a> Rows<'a> {
    /// How many.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.facts.len()).expect("rows have numbers of 32 bits")
    }

    /// The vector of a row.
    pub(crate) fn vector(&self, row: u32) -> &'a [f32] {
        &self.full[row as usize * self.dimensions..][..self.dimensions]
    }

    /// The code of a row.
    pub(crate) fn code(&self, row: u32) -> &'a [i8] {
        let size = code_bytes(self.dimensions);
        &self.codes[row as usize * size..][..size]
    }

    /// The distance from the question to a row, by the full vectors.
    pub(crate) fn distance(&self, question: &Question, row: u32) -> f32 {
        question.distance(self.kernel, self.vector(row), &self.facts[row as usize])
    }

    /// What the kernel says of the question and each of these rows.
    pub(crate) fn dots(&self, question: &[u8], rows: &[u32], dots: &mut [i32]) {
        self.kernel.dots(question, self.codes, rows, dots);
    }
}
