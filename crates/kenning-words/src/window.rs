//! The best rows by what stands around them.
//!
//! The neighbourhood of a row says what its rows say together. Nothing of it is stored. Every row
//! that has a word gives it to all around it; who got any has the word, and how many those are says
//! how rare it is. What a row has got of each word is one byte, so this stays in the caches of a
//! processor. How long a neighbourhood is takes longest to find out: it is asked only where a row
//! could come in if its neighbourhood were no longer than itself.

use kenning_index::{Around, WINDOW_ROWS, WordHit, WordPart};
use kenning_store::Result;

use crate::asked::{find, listed, there};
use crate::part::{Piece, place_count};
use crate::question::{Ask, Clause, Sign};
use crate::score;
use crate::top::Top;

/// Things that a neighbourhood is asked for at most: all that is signed, and the rarest of the
/// rest.
const WORDS_MAX: usize = 32;

/// Said of a count that is more than a byte holds.
const MANY: u8 = u8::MAX;

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
    let mut words = Vec::new();
    for clause in rarest(clauses, pieces)? {
        words.push(Word::of(clause, pieces, around, rows)?);
    }
    Ok(Search { pieces, around, usual, words }.top(rows_max))
}

/// The clauses that are asked, in their order.
fn rarest<'a>(clauses: &'a [Clause], pieces: &[Piece<'_>]) -> Result<Vec<&'a Clause>> {
    if clauses.len() <= WORDS_MAX {
        return Ok(clauses.iter().collect());
    }
    let mut ranked = Vec::new();
    for (idx, clause) in clauses.iter().enumerate() {
        let mut with = 0;
        if clause.sign == Sign::May {
            for (piece, rows) in pieces.iter().zip(find(&clause.ask, pieces)?) {
                with += there(piece, &rows)?;
            }
        }
        ranked.push((with, idx));
    }
    ranked.sort_unstable();
    ranked.truncate(WORDS_MAX);
    ranked.sort_unstable_by_key(|(_, idx)| *idx);
    Ok(ranked.into_iter().map(|(_, idx)| &clauses[idx]).collect())
}

/// A word, and who has it.
struct Word {
    sign: Sign,
    weight: f32,
    /// What one of the word counts as in `got`: words that are only nearly it count in quarters.
    one: f32,
    /// By piece and row, how many its neighbourhood has.
    got: Vec<Vec<u8>>,
    /// By piece, the rows that have it themselves, in order, and how often.
    rows: Vec<Vec<(u32, f32)>>,
}

impl Word {
    fn of(clause: &Clause, pieces: &[Piece<'_>], around: &dyn Around, rows: u64) -> Result<Word> {
        let found = find(&clause.ask, pieces)?.into_iter();
        let own = pieces.iter().zip(found).map(|(piece, rows)| listed(piece, rows));
        let own: Vec<Vec<(u32, f32)>> = own.collect::<Result<_>>()?;
        let one = match clause.ask {
            Ask::Near(_) => 4.0,
            Ask::Word(_) | Ask::Phrase(_) | Ask::Prefix(_) => 1.0,
        };
        let got = pieces.iter().map(|piece| vec![0; piece.part.rows() as usize]).collect();
        let mut word = Word { sign: clause.sign, weight: 0.0, one, got, rows: own };
        word.give(around);
        let with = pieces.iter().zip(&word.got).map(|(piece, got)| who_got_any(piece, got));
        word.weight = score::weight(rows, with.sum(), clause.times);
        Ok(word)
    }

    /// Gives the word to all around the rows that have it.
    fn give(&mut self, around: &dyn Around) {
        let mut target = Vec::new();
        for (piece_idx, rows) in self.rows.iter().enumerate() {
            for (row, count) in rows {
                // More than a byte holds becomes what a byte holds at most.
                let count = (count * self.one) as u8;
                target.clear();
                around.around(piece_idx, *row, &mut target);
                for (piece_idx, row) in &target {
                    let got = &mut self.got[*piece_idx][*row as usize];
                    *got = got.saturating_add(count);
                }
            }
        }
    }

    /// What every count adds at most, however short the neighbourhood.
    fn mosts(&self) -> [u32; 256] {
        let damping = score::damping(0, 1.0);
        std::array::from_fn(|got| match (self.sign, got as u8) {
            (Sign::Not, _) | (Sign::May | Sign::Must, 0) => 0,
            (Sign::May | Sign::Must, MANY) => score::most(self.weight),
            (Sign::May | Sign::Must, got) => {
                score::part(self.weight, f32::from(got) / self.one, damping)
            }
        })
    }

    /// How many the neighbourhood of a row has at most.
    fn at_most(&self, piece_idx: usize, row: u32) -> f32 {
        match self.got[piece_idx][row as usize] {
            MANY => f32::INFINITY,
            got => f32::from(got) / self.one,
        }
    }

    /// How many these rows have, which are around one.
    fn counted(&self, piece_idx: usize, row: u32, around: &[(usize, u32)]) -> f32 {
        match self.got[piece_idx][row as usize] {
            MANY => around.iter().map(|(piece_idx, row)| self.own(*piece_idx, *row)).sum(),
            got => f32::from(got) / self.one,
        }
    }

    fn own(&self, piece_idx: usize, row: u32) -> f32 {
        let rows = &self.rows[piece_idx];
        match rows.binary_search_by_key(&row, |(row, _)| *row) {
            Ok(idx) => rows[idx].1,
            Err(_) => 0.0,
        }
    }
}

fn who_got_any(piece: &Piece<'_>, got: &[u8]) -> u64 {
    match &piece.there {
        None => got.iter().map(|got| u64::from(*got > 0)).sum(),
        Some(there) => {
            let rows = got.iter().zip(0..).filter(|(got, row)| **got > 0 && there.has(*row));
            rows.count() as u64
        }
    }
}

struct Search<'a> {
    pieces: &'a [Piece<'a>],
    around: &'a dyn Around,
    usual: f32,
    words: Vec<Word>,
}

/// Rows that are collected before they are looked at more closely.
const CANDIDATES_MAX: usize = 4096;

/// A row, and what it scores at most.
struct Candidate {
    most: u32,
    piece_idx: usize,
    row: u32,
}

impl Search<'_> {
    fn top(&self, rows_max: usize) -> Vec<WordHit> {
        let mut top = Top::new(rows_max);
        let mut candidates = Vec::with_capacity(CANDIDATES_MAX);
        let mosts: Vec<[u32; 256]> = self.words.iter().map(Word::mosts).collect();
        for piece_idx in 0..self.pieces.len() {
            self.go_through(piece_idx, &mosts, &mut candidates, &mut top);
        }
        self.settle(&mut candidates, &mut top);
        top.hits()
    }

    /// Collects the rows of a piece that could come in if their neighbourhoods were short.
    fn go_through(
        &self,
        piece_idx: usize,
        mosts: &[[u32; 256]],
        candidates: &mut Vec<Candidate>,
        top: &mut Top,
    ) {
        const CHUNK: usize = 64;
        let got: Vec<&[u8]> = self.words.iter().map(|word| &word.got[piece_idx][..]).collect();
        let rows = self.pieces[piece_idx].part.rows() as usize;
        for from in (0..rows).step_by(CHUNK) {
            let chunk = from..rows.min(from + CHUNK);
            let mut sums = [0; CHUNK];
            for (got, mosts) in got.iter().zip(mosts) {
                let got = &got[chunk.clone()];
                if got.iter().fold(0, |any, got| any | got) > 0 {
                    let add = |(sum, got): (&mut u32, &u8)| *sum += mosts[usize::from(*got)];
                    sums.iter_mut().zip(got).for_each(add);
                }
            }
            let least = top.least().max(1);
            for (row, most) in (from as u32..).zip(sums).filter(|(_, most)| *most >= least) {
                candidates.push(Candidate { most, piece_idx, row });
            }
            if candidates.len() + CHUNK > CANDIDATES_MAX {
                self.settle(candidates, top);
            }
        }
    }

    /// Scores those of the candidates that may come in, those who promise most first: they raise
    /// what the others have to reach.
    fn settle(&self, candidates: &mut Vec<Candidate>, top: &mut Top) {
        candidates.sort_unstable_by_key(|candidate| std::cmp::Reverse(candidate.most));
        let mut around = Vec::new();
        for Candidate { most, piece_idx, row } in candidates.drain(..) {
            if most < top.least() {
                break;
            }
            let piece = &self.pieces[piece_idx];
            let length = place_count(piece.part.lengths()[row as usize]);
            let may_come_in = self.most(piece_idx, row, length).is_some_and(|m| m >= top.least());
            if !may_come_in || !piece.mask.sees(row) {
                continue;
            }
            around.clear();
            self.around.around(piece_idx, row, &mut around);
            around.retain(|(piece_idx, row)| self.pieces[*piece_idx].has(*row));
            top.push(self.score(piece_idx, row, &around), piece_idx, row);
        }
    }

    /// What a row scores if its neighbourhood is no longer than itself; none if it lacks what must
    /// be there, or has what must not.
    fn most(&self, piece_idx: usize, row: u32, length: u64) -> Option<u32> {
        let damping = score::damping(length, self.usual);
        let mut sum = 0;
        for word in &self.words {
            let count = word.at_most(piece_idx, row);
            match word.sign {
                Sign::Must if count == 0.0 => return None,
                Sign::Not if count > 0.0 => return None,
                Sign::Not => {}
                Sign::May | Sign::Must if count == 0.0 => {}
                Sign::May | Sign::Must if count.is_infinite() => sum += score::most(word.weight),
                Sign::May | Sign::Must => sum += score::part(word.weight, count, damping),
            }
        }
        (sum > 0).then_some(sum)
    }

    /// The score of the rows around one, together.
    fn score(&self, piece_idx: usize, row: u32, around: &[(usize, u32)]) -> u32 {
        let length = |(piece_idx, row): &(usize, u32)| {
            place_count(self.pieces[*piece_idx].part.lengths()[*row as usize])
        };
        let damping = score::damping(around.iter().map(length).sum(), self.usual);
        let asked = self.words.iter().filter(|word| word.sign != Sign::Not);
        let parts = asked.filter_map(|word| {
            let count = word.counted(piece_idx, row, around);
            (count > 0.0).then(|| score::part(word.weight, count, damping))
        });
        parts.sum()
    }
}
