//! The best rows so far.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use kenning_index::WordHit;

use crate::score;

/// Better is greater: a higher score, then an earlier piece, then an earlier row.
type Ranked = (u32, Reverse<usize>, Reverse<u32>);

pub(crate) struct Top {
    rows_max: usize,
    /// The worst on top.
    heap: BinaryHeap<Reverse<Ranked>>,
}

impl Top {
    pub(crate) fn new(rows_max: usize) -> Self {
        Top { rows_max, heap: BinaryHeap::new() }
    }

    /// The score below which nobody comes in any more. Who has the same may still come before who
    /// has it.
    pub(crate) fn least(&self) -> u32 {
        match self.heap.peek() {
            Some(Reverse((score, _, _))) if self.heap.len() == self.rows_max => *score,
            Some(_) | None => 0,
        }
    }

    pub(crate) fn push(&mut self, score: u32, piece_idx: usize, row: u32) {
        let ranked = (score, Reverse(piece_idx), Reverse(row));
        if self.heap.len() < self.rows_max {
            self.heap.push(Reverse(ranked));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && worst.0 < ranked
        {
            *worst = Reverse(ranked);
        }
    }

    /// Best first.
    pub(crate) fn hits(self) -> Vec<WordHit> {
        let ranked = self.heap.into_sorted_vec().into_iter();
        let hit = |Reverse((score, Reverse(piece_idx), Reverse(row)))| WordHit {
            piece_idx,
            row,
            score: score::shown(score),
        };
        ranked.map(hit).collect()
    }
}
