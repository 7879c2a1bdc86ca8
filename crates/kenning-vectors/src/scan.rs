//! The exact answer, from codes: a row is read in full only if what its code says leaves it a place
//! among the best so far.

use std::collections::BinaryHeap;

use kenning_index::{Mask, NearCost};

use crate::code::Question;
use crate::rows::Rows;
use crate::spot::Spot;

/// Rows whose codes are compared at a time.
const BLOCK_ROWS: usize = 256;

/// The best rows so far.
pub(crate) struct Best {
    spots: BinaryHeap<Spot>,
    rows_max: usize,
}

impl Best {
    /// Keeps `rows_max` rows.
    pub(crate) fn new(rows_max: usize) -> Self {
        Best { spots: BinaryHeap::new(), rows_max }
    }

    pub(crate) fn push(&mut self, spot: Spot) {
        if self.spots.len() < self.rows_max {
            self.spots.push(spot);
        } else if let Some(mut worst) = self.spots.peek_mut()
            && spot < *worst
        {
            *worst = spot;
        }
    }

    /// How near a row has to be.
    pub(crate) fn worst(&self) -> f32 {
        match self.spots.peek() {
            Some(worst) if self.spots.len() == self.rows_max => worst.distance(),
            Some(_) | None => f32::INFINITY,
        }
    }

    /// The best, nearest first.
    pub(crate) fn sorted(self) -> Vec<Spot> {
        self.spots.into_sorted_vec()
    }
}

/// Looks at every row that `mask` lets through. The rows are those from `first` on.
pub(crate) fn scan(
    rows: Rows<'_>,
    first: u32,
    question: &Question,
    mask: &Mask<'_>,
    best: &mut Best,
    cost: &mut NearCost,
) {
    let (all, count) = (*mask, rows.count());
    let mut over = Over { rows, first, question, best, cost };
    match mask.filter {
        _ if mask.is_all() => over.each(0..count),
        // The rows of a part, or of a tail that has one slab.
        Some(filter) if filter.rows() == count => {
            over.each(filter.iter().filter(|row| all.sees(*row)))
        }
        Some(_) | None => over.each((0..count).filter(|row| all.sees(first + row))),
    }
}

/// A scan on its way.
struct Over<'a> {
    rows: Rows<'a>,
    first: u32,
    question: &'a Question,
    best: &'a mut Best,
    cost: &'a mut NearCost,
}

impl Over<'_> {
    fn each(&mut self, mut visible: impl Iterator<Item = u32>) {
        let mut block = [0; BLOCK_ROWS];
        loop {
            let mut count = 0;
            for (place, row) in block.iter_mut().zip(visible.by_ref()) {
                *place = row;
                count += 1;
            }
            if count == 0 {
                return;
            }
            self.block(&block[..count]);
        }
    }

    fn block(&mut self, block: &[u32]) {
        let mut dots = [0; BLOCK_ROWS];
        let dots = &mut dots[..block.len()];
        self.rows.dots(&self.question.raised, block, dots);
        self.cost.distances += block.len() as u64;
        let mut worst = self.best.worst();
        for (row, dot) in block.iter().zip(dots) {
            let least = self.question.least(*dot, &self.rows.facts[*row as usize]);
            // What is not a number may be near.
            if least <= worst || least.is_nan() {
                let distance = self.rows.distance(self.question, *row);
                self.best.push(Spot::new(distance, self.first + row));
                self.cost.distances += 1;
                worst = self.best.worst();
            }
        }
    }
}
