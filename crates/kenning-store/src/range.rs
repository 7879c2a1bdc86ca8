//! Which keys, in which direction, and how many at a time.

use crate::Bytes;
use crate::limits::{PAGE_BYTES_MAX, PAGE_ROWS_MAX};

/// Keys from `from` (included) until `until` (excluded; `None` is past every key).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    /// The first key.
    pub from: Vec<u8>,
    /// The first key that is not included any more.
    pub until: Option<Vec<u8>>,
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Smallest key first.
    Forward,
    /// Largest key first.
    Backward,
}

/// A question for one page.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The keys.
    pub range: Range,
    /// The order.
    pub direction: Direction,
    /// At most so many rows. The engine may return fewer and says so with `Page::rest`.
    pub rows_max: usize,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its key.
    pub key: Bytes,
    /// Its value.
    pub value: Bytes,
}

/// Some rows in order, and what is left to ask for.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Row>,
    /// The rest of the scan; `None` when the range has ended. Its `rows_max` is the original one.
    pub rest: Option<Scan>,
}

impl Range {
    /// Every key.
    pub fn all() -> Self {
        Range { from: Vec::new(), until: None }
    }

    /// Keys from `from` until `until`.
    pub fn new(from: impl Into<Vec<u8>>, until: impl Into<Vec<u8>>) -> Self {
        Range { from: from.into(), until: Some(until.into()) }
    }

    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: impl Into<Vec<u8>>) -> Self {
        let from = prefix.into();
        let until = successor(&from);
        Range { from, until }
    }

    /// Whether `key` is in it.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.from.as_slice() <= key && self.until.as_deref().is_none_or(|until| key < until)
    }

    /// Whether no key can be in it.
    pub fn is_empty(&self) -> bool {
        self.until.as_deref().is_some_and(|until| until <= self.from.as_slice())
    }

    /// The same range, smallest key first, in pages of the engine's choice.
    pub fn forward(self) -> Scan {
        Scan { range: self, direction: Direction::Forward, rows_max: PAGE_ROWS_MAX }
    }

    /// The same range, largest key first, in pages of the engine's choice.
    pub fn backward(self) -> Scan {
        Scan { range: self, direction: Direction::Backward, rows_max: PAGE_ROWS_MAX }
    }
}

impl Scan {
    /// Asks for at most `rows_max` rows a page.
    #[must_use]
    pub fn rows(mut self, rows_max: usize) -> Self {
        self.rows_max = rows_max.clamp(1, PAGE_ROWS_MAX);
        self
    }

    /// What is left of this scan after the row with `key`.
    pub fn after(&self, key: &[u8]) -> Self {
        let mut rest = self.clone();
        match self.direction {
            // `key` followed by a zero byte is the least key greater than it.
            Direction::Forward => rest.range.from = [key, &[0]].concat(),
            Direction::Backward => rest.range.until = Some(key.to_vec()),
        }
        rest
    }

    /// Whether a page that has `rows` rows of `bytes` bytes is full.
    pub fn is_full(&self, rows: usize, bytes: usize) -> bool {
        rows >= self.rows_max.clamp(1, PAGE_ROWS_MAX) || bytes >= PAGE_BYTES_MAX
    }
}

/// The least key that is greater than every key with `prefix`; `None` if there is none.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut until = prefix[..=last].to_vec();
    until[last] += 1;
    Some(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_its_successor_begins() {
        let range = Range::prefix([1, 0xff, 0xff]);
        assert_eq!(range.until, Some(vec![2]));
        assert!(range.contains(&[1, 0xff, 0xff, 0xff, 7]));
        assert!(!range.contains(&[2]));
        assert_eq!(Range::prefix([0xff, 0xff]).until, None);
    }
}
