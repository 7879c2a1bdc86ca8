//! The best rows by what stands around them.
//!
//! The neighbourhood of a row says what its rows say together. Nothing of it is stored. Every row
//! that has a word gives it to all around it; who got any has the word, and how many those are says
//! how rare it is. How long a neighbourhood is takes longest to find out, so it is asked only where a
//! row could come in if it were no longer than the row alone.

use kenning_index::{Around, WINDOW_ROWS, WordHit, WordPart};
use kenning_store::Result;

use crate::asked::{find, listed};
use crate::part::{Piece, place_count};
use crate::question::{Clause, Sign};
use crate::score;
use crate::top::Top;

/// The best rows of all pieces.
pub(crate) fn best(
    pieces: &[Piece<'_>],
    clauses: &[Clause],
    around: &dyn Around,
    rows_max: usize,
) -> Result<Vec<WordHit>> {
    let rows: u64 = pieces.iter().map(|piece| piece.rows).sum();
    let places = pieces.iter().map(|piece| piece.places).sum();
    let usual = score::usual(places, rows) * WINDOW_ROWS as f32;
    let mut search = Search {
        pieces,
        around,
        usual,
        words: Vec::new(),
        bounds: pieces.iter().map(|piece| vec![0; piece.part.rows() as usize]).collect(),
        reached: Vec::new(),
    };
    let mut counts: Vec<Vec<f32>> =
        pieces.iter().map(|piece| vec![0.0; piece.part.rows() as usize]).collect();
    for clause in clauses {
        search.add(clause, rows, &mut counts)?;
    }
    Ok(search.top(rows_max))
}

struct Search<'a> {
    pieces: &'a [Piece<'a>],
    around: &'a dyn Around,
    usual: f32,
    words: Vec<Word>,
    /// What each row scores if its neighbourhood is no longer than itself.
    bounds: Vec<Vec<u32>>,
    /// Rows whose bound is not zero.
    reached: Vec<(usize, u32)>,
}

struct Word {
    sign: Sign,
    weight: f32,
    /// By piece, the rows that have it themselves, in order.
    rows: Vec<Vec<(u32, f32)>>,
}

impl Search<'_> {
    /// Gives a word to all around the rows that have it. `counts` are zero before and after.
    fn add(&mut self, clause: &Clause, rows: u64, counts: &mut [Vec<f32>]) -> Result<()> {
        let found = find(&clause.ask, self.pieces)?.into_iter();
        let listed = self.pieces.iter().zip(found).map(|(piece, rows)| listed(piece, rows));
        let listed: Vec<Vec<(u32, f32)>> = listed.collect::<Result<_>>()?;
        let (mut touched, mut around) = (Vec::new(), Vec::new());
        for (piece_idx, rows) in listed.iter().enumerate() {
            for (row, count) in rows {
                around.clear();
                self.around.around(piece_idx, *row, &mut around);
                for (piece_idx, row) in around.drain(..) {
                    let so_far = &mut counts[piece_idx][row as usize];
                    if *so_far == 0.0 {
                        touched.push((piece_idx, row));
                    }
                    *so_far += count;
                }
            }
        }
        let there = touched.iter().filter(|(idx, row)| self.pieces[*idx].has(*row)).count();
        let weight = score::weight(rows, there as u64, clause.times);
        for (piece_idx, row) in touched {
            let count = std::mem::take(&mut counts[piece_idx][row as usize]);
            if clause.sign != Sign::Not {
                self.raise(piece_idx, row, weight, count);
            }
        }
        self.words.push(Word { sign: clause.sign, weight, rows: listed });
        Ok(())
    }

    fn raise(&mut self, piece_idx: usize, row: u32, weight: f32, count: f32) {
        let length = place_count(self.pieces[piece_idx].part.lengths()[row as usize]);
        let bound = &mut self.bounds[piece_idx][row as usize];
        if *bound == 0 {
            self.reached.push((piece_idx, row));
        }
        // Its words are in it, so it is no shorter than they are many.
        let length = length.max(count as u64);
        *bound += score::part(weight, count, score::damping(length, self.usual));
    }

    fn top(mut self, rows_max: usize) -> Vec<WordHit> {
        let mut reached = std::mem::take(&mut self.reached);
        reached.retain(|(piece_idx, row)| self.pieces[*piece_idx].mask.sees(*row));
        // Those who promise most go first: they raise what the others would have to reach.
        let first = rows_max.min(reached.len());
        if first > 0 && first < reached.len() {
            let bound = |(piece_idx, row): &(usize, u32)| self.bounds[*piece_idx][*row as usize];
            reached.select_nth_unstable_by_key(first - 1, |at| std::cmp::Reverse(bound(at)));
        }
        let (mut top, mut around) = (Top::new(rows_max), Vec::new());
        for (piece_idx, row) in reached {
            if self.bounds[piece_idx][row as usize] < top.least() {
                continue;
            }
            around.clear();
            self.around.around(piece_idx, row, &mut around);
            around.retain(|(piece_idx, row)| self.pieces[*piece_idx].has(*row));
            if let Some(score) = self.score(&around) {
                top.push(score, piece_idx, row);
            }
        }
        top.hits()
    }

    /// The score of these rows together; none if they lack what must be there or have what must
    /// not.
    fn score(&self, around: &[(usize, u32)]) -> Option<u32> {
        let length = |(piece_idx, row): &(usize, u32)| {
            place_count(self.pieces[*piece_idx].part.lengths()[*row as usize])
        };
        let damping = score::damping(around.iter().map(length).sum(), self.usual);
        let mut sum = 0;
        for word in &self.words {
            let count: f32 = around.iter().map(|(idx, row)| word.count(*idx, *row)).sum();
            match word.sign {
                Sign::Must if count == 0.0 => return None,
                Sign::Not if count > 0.0 => return None,
                Sign::Not => {}
                Sign::May | Sign::Must if count == 0.0 => {}
                Sign::May | Sign::Must => sum += score::part(word.weight, count, damping),
            }
        }
        (sum > 0).then_some(sum)
    }
}

impl Word {
    fn count(&self, piece_idx: usize, row: u32) -> f32 {
        let rows = &self.rows[piece_idx];
        match rows.binary_search_by_key(&row, |(row, _)| *row) {
            Ok(idx) => rows[idx].1,
            Err(_) => 0.0,
        }
    }
}
