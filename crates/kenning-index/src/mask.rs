//! Which rows of a part a question may see.
//!
//! A row is what one version of one record says to an index. It is there from that version on until
//! another one replaced it, and a search looks at the rows that are there at the version of its
//! view. Parts never change, so the second number lives beside them, in memory.

use std::sync::atomic::{AtomicU64, Ordering};

use kenning_record::Version;

/// The rows of one part that a question may return.
#[derive(Clone, Copy)]
pub struct Mask<'a> {
    /// Since when each row is there; none if every one was there before `at`.
    pub from: Option<&'a [Version]>,
    /// Until when each row is there, [`Version::MAX`] if it still is; none if every one is.
    pub until: Option<&'a [AtomicU64]>,
    /// The version of the view.
    pub at: Version,
    /// The rows that pass the filter of the question; none if every one does.
    pub filter: Option<&'a Bitmap>,
}

impl Mask<'_> {
    /// Every row, at every version.
    pub const ALL: Mask<'static> =
        Mask { from: None, until: None, at: Version::MAX - 1, filter: None };

    /// Whether it lets every row through.
    pub fn is_all(&self) -> bool {
        self.from.is_none() && self.until.is_none() && self.filter.is_none()
    }

    /// The first `rows` rows that are there at the version, whatever the filter says.
    pub fn there(&self, rows: u32) -> Bitmap {
        let mut there = Bitmap::all(rows);
        let count = rows as usize;
        // Rows whose words are alike are looked at in one go: this is done for every question.
        if let Some(from) = self.from {
            for (word, from) in there.words.iter_mut().zip(from[..count].chunks(64)) {
                *word &= bits(from, |from| *from <= self.at);
            }
        }
        if let Some(until) = self.until {
            for (word, until) in there.words.iter_mut().zip(until[..count].chunks(64)) {
                *word &= bits(until, |until| self.at < until.load(Ordering::Acquire));
            }
        }
        there.counted()
    }

    /// Whether it lets `row` through.
    #[inline]
    pub fn sees(&self, row: u32) -> bool {
        let idx = row as usize;
        self.from.is_none_or(|from| from[idx] <= self.at)
            && self.until.is_none_or(|until| self.at < until[idx].load(Ordering::Acquire))
            && self.filter.is_none_or(|filter| filter.has(row))
    }
}

/// A bit for each of 64 versions at most.
fn bits<T>(versions: &[T], is_set: impl Fn(&T) -> bool) -> u64 {
    versions.iter().rev().fold(0, |bits, version| bits << 1 | u64::from(is_set(version)))
}

/// A set of rows of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    words: Vec<u64>,
    rows: u32,
    count: u32,
}

impl Bitmap {
    /// None of `rows` rows.
    pub fn none(rows: u32) -> Self {
        Bitmap { words: vec![0; rows.div_ceil(64) as usize], rows, count: 0 }
    }

    /// All of `rows` rows.
    pub fn all(rows: u32) -> Self {
        Bitmap::from_fn(rows, |_| true)
    }

    /// The rows that `is_in` says.
    pub fn from_fn(rows: u32, mut is_in: impl FnMut(u32) -> bool) -> Self {
        let mut bitmap = Bitmap::none(rows);
        for (idx, word) in bitmap.words.iter_mut().enumerate() {
            let first = idx as u32 * 64;
            for row in first..rows.min(first.saturating_add(64)) {
                *word |= u64::from(is_in(row)) << (row - first);
            }
            bitmap.count += word.count_ones();
        }
        bitmap
    }

    /// Rows that may be in it.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Rows that are in it.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether `row` is in it.
    #[inline]
    pub fn has(&self, row: u32) -> bool {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        self.words[row as usize / 64] >> (row % 64) & 1 == 1
    }

    /// Puts `row` in.
    pub fn insert(&mut self, row: u32) {
        self.count += u32::from(!self.has(row));
        self.words[row as usize / 64] |= 1 << (row % 64);
    }

    /// The rows that are in both.
    #[must_use]
    pub fn and(mut self, other: &Bitmap) -> Self {
        assert_eq!(self.rows, other.rows, "both are of one part");
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= other);
        self.counted()
    }

    /// The rows that are in one of the two.
    #[must_use]
    pub fn or(mut self, other: &Bitmap) -> Self {
        assert_eq!(self.rows, other.rows, "both are of one part");
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
        self.counted()
    }

    /// The rows that are not in it.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "it stands beside `and` and `or`")]
    pub fn not(mut self) -> Self {
        self.words.iter_mut().for_each(|word| *word = !*word);
        if let (Some(last), spare @ 1..) = (self.words.last_mut(), self.rows % 64) {
            *last &= (1 << spare) - 1;
        }
        self.counted()
    }

    /// The rows in it, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(idx, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(idx as u32 * 64 + bit)
            })
        })
    }

    fn counted(mut self) -> Self {
        self.count = self.words.iter().map(|word| word.count_ones()).sum();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bitmap_is_a_set() {
        for rows in [0, 1, 63, 64, 65, 200] {
            let thirds = Bitmap::from_fn(rows, |row| row % 3 == 0);
            let evens = Bitmap::from_fn(rows, |row| row % 2 == 0);
            let rows_of = |is_in: &dyn Fn(u32) -> bool| (0..rows).filter(|r| is_in(*r)).collect();
            let check = |bitmap: Bitmap, expected: Vec<u32>| {
                assert_eq!(bitmap.count() as usize, expected.len());
                assert_eq!(bitmap.iter().collect::<Vec<_>>(), expected);
            };
            check(thirds.clone().and(&evens), rows_of(&|row| row % 6 == 0));
            check(thirds.clone().or(&evens), rows_of(&|row| row % 2 == 0 || row % 3 == 0));
            check(thirds.clone().not(), rows_of(&|row| row % 3 != 0));
            assert_eq!(Bitmap::all(rows), Bitmap::none(rows).not());
        }
    }

    #[test]
    fn a_row_is_seen_between_its_versions() {
        let until = [AtomicU64::new(5), AtomicU64::new(Version::MAX)];
        let mask = |at| Mask { from: Some(&[2, 5]), until: Some(&until), at, filter: None };
        let seen = |at| [mask(at).sees(0), mask(at).sees(1)];
        for at in 0..10 {
            assert_eq!(mask(at).there(2), Bitmap::from_fn(2, |row| mask(at).sees(row)));
        }
        assert_eq!(
            [1, 2, 4, 5, 9].map(seen),
            [[false, false], [true, false], [true, false], [false, true], [false, true],]
        );
        assert!(Mask::ALL.sees(7));
    }
}
