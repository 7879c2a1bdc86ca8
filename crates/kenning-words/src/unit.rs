//! The best rows by what they say themselves.
//!
//! Rows are gone through in windows. In a window, what each word adds is summed up row by row, and
//! whoever has come far enough is a candidate. Once there are enough candidates, words that are so
//! common that all of them together can't bring a row in are not gone through any more: they are
//! looked up for those whom the other words have brought up (this is MaxScore). Where a filter or a
//! word that must be there leaves few rows, these are looked up and nothing is gone through.

use kenning_index::{Bitmap, WordHit, WordPart};
use kenning_store::Result;
use tantivy::TERMINATED;
use tantivy::postings::BlockSegmentPostings;

use crate::asked::{Asked, Rows};
use crate::part::Piece;
use crate::question::Sign;
use crate::score;
use crate::top::Top;

/// Rows of a window.
const WINDOW: u32 = 4096;

/// How much dearer it is to look a row up than to come across it.
const LOOK_UP_COST: u64 = 16;

/// The best rows of all pieces.
pub(crate) fn best(pieces: &[Piece<'_>], asked: &[Asked], rows_max: usize) -> Result<Vec<WordHit>> {
    let places = pieces.iter().map(|piece| piece.places).sum();
    let rows = pieces.iter().map(|piece| piece.rows).sum();
    let dampings = score::dampings(score::usual(places, rows));
    let mut top = Top::new(rows_max);
    let mut sums = vec![0; WINDOW as usize];
    for (piece_idx, piece) in pieces.iter().enumerate() {
        let search = Search { piece, piece_idx, dampings: &dampings };
        search.run(asked, &mut sums, &mut top)?;
    }
    Ok(top.hits())
}

struct Search<'a> {
    piece: &'a Piece<'a>,
    piece_idx: usize,
    dampings: &'a [f32; 256],
}

impl Search<'_> {
    fn run(&self, asked: &[Asked], sums: &mut [u32], top: &mut Top) -> Result<()> {
        let mut lists = Vec::new();
        for clause in asked.iter().filter(|clause| clause.sign != Sign::Not) {
            lists.extend(List::of(self.piece, &clause.rows[self.piece_idx], clause.weight)?);
        }
        let banned = self.banned(asked)?;
        let sees = |row| {
            self.piece.mask.sees(row) && !banned.as_ref().is_some_and(|banned| banned.has(row))
        };
        match self.few(asked, &lists)? {
            Some(rows) => self.look_up(rows.into_iter().filter(|row| sees(*row)), lists, top),
            None => self.go_through(sees, lists, sums, top),
        }
        Ok(())
    }

    /// The rows that a question says not to return.
    fn banned(&self, asked: &[Asked]) -> Result<Option<Bitmap>> {
        let mut banned: Option<Bitmap> = None;
        for clause in asked.iter().filter(|clause| clause.sign == Sign::Not) {
            let Some(mut list) = List::of(self.piece, &clause.rows[self.piece_idx], 0.0)? else {
                continue;
            };
            let banned = banned.get_or_insert_with(|| Bitmap::none(self.piece.part.rows()));
            list.each(u32::MAX, |row, _| {
                if !banned.has(row) {
                    banned.insert(row);
                }
            });
        }
        Ok(banned)
    }

    /// The rows that may be hits at all, if they are few.
    fn few(&self, asked: &[Asked], lists: &[List<'_>]) -> Result<Option<Vec<u32>>> {
        let mut must: Vec<&Rows> = Vec::new();
        for clause in asked.iter().filter(|clause| clause.sign == Sign::Must) {
            must.push(&clause.rows[self.piece_idx]);
        }
        must.sort_by_key(|rows| rows.count());
        if let Some((rarest, others)) = must.split_first() {
            return self.intersection(rarest, others).map(Some);
        }
        let all: u64 = lists.iter().map(|list| list.count).sum();
        let filter = self.piece.mask.filter;
        let filter = filter.filter(|filter| u64::from(filter.count()) * LOOK_UP_COST < all);
        Ok(filter.map(|filter| filter.iter().collect()))
    }

    fn intersection(&self, rarest: &Rows, others: &[&Rows]) -> Result<Vec<u32>> {
        let mut rows = Vec::new();
        let Some(mut list) = List::of(self.piece, rarest, 0.0)? else { return Ok(rows) };
        list.each(u32::MAX, |row, _| rows.push(row));
        for other in others {
            match List::of(self.piece, other, 0.0)? {
                Some(mut list) => rows.retain(|row| list.count_at(*row).is_some()),
                None => rows.clear(),
            }
        }
        Ok(rows)
    }

    fn look_up(&self, rows: impl Iterator<Item = u32>, mut lists: Vec<List<'_>>, top: &mut Top) {
        for row in rows {
            let damping = self.damping(row);
            let mut sum = 0;
            for list in &mut lists {
                sum += list.part_at(row, damping);
            }
            if sum > top.least() {
                top.push(sum, self.piece_idx, row);
            }
        }
    }

    fn go_through(
        &self,
        sees: impl Fn(u32) -> bool,
        mut lists: Vec<List<'_>>,
        sums: &mut [u32],
        top: &mut Top,
    ) {
        lists.sort_by_key(|list| list.most);
        let mut from = 0;
        loop {
            // Who has the least score of those who are in comes behind them and is not in.
            let (late, late_sum) = late(&lists, top.least());
            let (late, early) = lists.split_at_mut(late);
            let Some(next) = early.iter().filter_map(List::next_row).min() else { return };
            from = next.max(from) / WINDOW * WINDOW;
            for list in early.iter_mut() {
                self.sum_up(list, from, sums);
            }
            each_sum(sums, |idx, early_sum| {
                let row = from + idx;
                // The sum of what is late is below the least score, or nothing is late.
                if early_sum + late_sum <= top.least() || !sees(row) {
                    return;
                }
                let sum = early_sum + self.late_parts(late, row, early_sum, late_sum, top.least());
                if sum > top.least() {
                    top.push(sum, self.piece_idx, row);
                }
            });
            from = from.saturating_add(WINDOW);
        }
    }

    /// Adds what a word adds to the rows of the window.
    fn sum_up(&self, list: &mut List<'_>, from: u32, sums: &mut [u32]) {
        let (weight, lengths) = (list.weight, self.piece.part.lengths());
        list.each(from.saturating_add(WINDOW), |row, count| {
            let damping = self.dampings[usize::from(lengths[row as usize])];
            sums[(row - from) as usize] += score::part(weight, count, damping);
        });
    }

    /// What the words that are late add to a row, as long as it may still come in.
    fn late_parts(
        &self,
        late: &mut [List<'_>],
        row: u32,
        early_sum: u32,
        mut left: u32,
        least: u32,
    ) -> u32 {
        let damping = self.damping(row);
        let mut sum = 0;
        for list in late.iter_mut().rev() {
            if early_sum + sum + left <= least {
                break;
            }
            left -= list.most;
            sum += list.part_at(row, damping);
        }
        sum
    }

    fn damping(&self, row: u32) -> f32 {
        self.dampings[usize::from(self.piece.part.lengths()[row as usize])]
    }
}

/// How many of the lists, the least first, do not bring a row in all together, and what they add.
fn late(lists: &[List<'_>], least: u32) -> (usize, u32) {
    let mut sum = 0;
    for (idx, list) in lists.iter().enumerate() {
        if sum + list.most > least {
            return (idx, sum);
        }
        sum += list.most;
    }
    (lists.len(), sum)
}

/// Calls `visit` with every sum that is not zero, and makes all zero.
fn each_sum(sums: &mut [u32], mut visit: impl FnMut(u32, u32)) {
    const CHUNK: usize = 16;
    for (chunk_idx, chunk) in sums.chunks_exact_mut(CHUNK).enumerate() {
        if chunk.iter().fold(0, |any, sum| any | sum) == 0 {
            continue;
        }
        for (idx, sum) in chunk.iter_mut().enumerate() {
            if *sum > 0 {
                visit((chunk_idx * CHUNK + idx) as u32, std::mem::take(sum));
            }
        }
    }
}

/// The rows that have a word, which is gone through once, from the first to the last.
struct List<'a> {
    weight: f32,
    most: u32,
    count: u64,
    rows: Cursor<'a>,
}

enum Cursor<'a> {
    Blocks { postings: Box<BlockSegmentPostings>, at: usize },
    Listed { rows: &'a [(u32, f32)] },
}

impl<'a> List<'a> {
    fn of(piece: &Piece<'_>, rows: &'a Rows, weight: f32) -> Result<Option<Self>> {
        let cursor = match rows {
            Rows::Nowhere => return Ok(None),
            Rows::Term(term) => {
                let postings = Box::new(piece.part.rows_of(term, true)?);
                Cursor::Blocks { postings, at: 0 }
            }
            Rows::Listed(rows) => Cursor::Listed { rows },
        };
        let most = score::most(weight);
        Ok(Some(List { weight, most, count: rows.count(), rows: cursor }))
    }

    /// The row it has come to; none behind the last.
    fn next_row(&self) -> Option<u32> {
        match &self.rows {
            Cursor::Blocks { postings, at } => postings.docs().get(*at).copied(),
            Cursor::Listed { rows } => rows.first().map(|(row, _)| *row),
        }
    }

    /// Calls `visit` with every row before `until`, and how often it has the word.
    #[inline]
    fn each(&mut self, until: u32, mut visit: impl FnMut(u32, f32)) {
        match &mut self.rows {
            Cursor::Blocks { postings, at } => loop {
                let (docs, counts) = (postings.docs(), postings.freqs());
                let end = *at + docs[*at..].partition_point(|row| *row < until);
                for (row, count) in docs[*at..end].iter().zip(&counts[*at..end]) {
                    visit(*row, *count as f32);
                }
                *at = end;
                if end < docs.len() || docs.is_empty() {
                    return;
                }
                postings.advance();
                *at = 0;
            },
            Cursor::Listed { rows } => {
                let (before, behind) = rows.split_at(rows.partition_point(|row| row.0 < until));
                before.iter().for_each(|(row, count)| visit(*row, *count));
                *rows = behind;
            }
        }
    }

    /// How often `row` has the word. Rows are asked for in order.
    fn count_at(&mut self, row: u32) -> Option<f32> {
        match &mut self.rows {
            Cursor::Blocks { postings, at } => {
                *at = postings.seek(row);
                let is_there = postings.doc(*at) == row && row != TERMINATED;
                is_there.then(|| postings.freq(*at) as f32)
            }
            Cursor::Listed { rows } => {
                *rows = &rows[rows.partition_point(|behind| behind.0 < row)..];
                rows.first().filter(|first| first.0 == row).map(|(_, count)| *count)
            }
        }
    }

    fn part_at(&mut self, row: u32, damping: f32) -> u32 {
        self.count_at(row).map_or(0, |count| score::part(self.weight, count, damping))
    }
}
