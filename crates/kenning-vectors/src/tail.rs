//! Vectors in memory. Rows are in slabs of one size, so that to append one never moves the others.

use kenning_index::{Mask, Near, NearCost, NearQuestion, VectorTail};
use kenning_record::{Metric, VectorSpec};
use kenning_store::Result;

use crate::code::{Facts, Space, code_bytes};
use crate::index::check;
use crate::kernel::Kernel;
use crate::rows::Rows;
use crate::scan::{Best, scan};

/// Rows of a slab.
const SLAB_ROWS: usize = 512;

/// Rows in memory.
pub(crate) struct Tail {
    spec: VectorSpec,
    kernel: &'static dyn Kernel,
    /// The first vector that came, for L2.
    origin: Vec<f32>,
    slabs: Vec<Slab>,
    /// Room for a vector that is encoded.
    moved: Vec<f32>,
}

#[derive(Default)]
struct Slab {
    full: Vec<f32>,
    codes: Vec<i8>,
    facts: Vec<Facts>,
}

impl Tail {
    /// None yet.
    pub(crate) fn new(spec: VectorSpec, kernel: &'static dyn Kernel) -> Self {
        Tail { spec, kernel, origin: Vec::new(), slabs: Vec::new(), moved: Vec::new() }
    }

    fn slabs(&self) -> impl Iterator<Item = (u32, Rows<'_>)> {
        self.slabs.iter().enumerate().map(|(idx, slab)| {
            let rows = Rows {
                dimensions: self.spec.dimensions,
                full: &slab.full,
                codes: &slab.codes,
                facts: &slab.facts,
                kernel: self.kernel,
            };
            (u32::try_from(idx * SLAB_ROWS).expect("rows have numbers of 32 bits"), rows)
        })
    }

    /// The slab that has room for one more row.
    fn open(&mut self) -> &mut Slab {
        if self.slabs.last().is_none_or(|slab| slab.facts.len() == SLAB_ROWS) {
            self.slabs.push(Slab {
                full: Vec::with_capacity(SLAB_ROWS * self.spec.dimensions),
                codes: Vec::with_capacity(SLAB_ROWS * code_bytes(self.spec.dimensions)),
                facts: Vec::with_capacity(SLAB_ROWS),
            });
        }
        self.slabs.last_mut().expect("one was pushed if there was none")
    }
}

impl VectorTail for Tail {
    fn push(&mut self, vector: &[f32]) {
        assert_eq!(vector.len(), self.spec.dimensions, "a tail has vectors of one length");
        if self.spec.metric == Metric::L2 && self.origin.is_empty() {
            self.origin = vector.to_vec();
        }
        let (origin, mut moved) =
            (std::mem::take(&mut self.origin), std::mem::take(&mut self.moved));
        let space = Space { spec: self.spec, origin: &origin };
        let slab = self.open();
        let coded = slab.codes.len();
        slab.codes.resize(coded + code_bytes(vector.len()), 0);
        slab.facts.push(space.encode(vector, &mut slab.codes[coded..], &mut moved));
        slab.full.extend_from_slice(vector);
        (self.origin, self.moved) = (origin, moved);
    }

    fn rows(&self) -> u32 {
        self.slabs().last().map_or(0, |(first, rows)| first + rows.count())
    }

    fn vector(&self, row: u32) -> &[f32] {
        let (slab, row) = (row as usize / SLAB_ROWS, row as usize % SLAB_ROWS);
        &self.slabs[slab].full[row * self.spec.dimensions..][..self.spec.dimensions]
    }

    fn nearest(
        &self,
        question: &NearQuestion<'_>,
        mask: &Mask<'_>,
        cost: &mut NearCost,
    ) -> Result<Vec<Near>> {
        check(self.spec, question)?;
        let rows_max = question.rows_max.min(self.rows() as usize);
        if rows_max == 0 {
            return Ok(Vec::new());
        }
        cost.scans += 1;
        let space = Space { spec: self.spec, origin: &self.origin };
        let asked = space.question(question.vector);
        let mut best = Best::new(rows_max);
        for (first, rows) in self.slabs() {
            scan(rows, first, &asked, mask, &mut best, cost);
        }
        Ok(best.sorted().into_iter().map(Near::from).collect())
    }
}
