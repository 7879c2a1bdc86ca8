//! A graph that was written, walked where it is.
//!
//! Nothing in it is trusted: a row that isn't there, a chain that turns back and a level that does
//! not lie above another are damage, whenever a walk meets them.

use kenning_index::Mask;
use kenning_store::Result;

use crate::code::Question;
use crate::format::{LINKS, NO_ROW, UPPER_LINKS, damaged};
use crate::raw::fetch;
use crate::rows::Rows;
use crate::spot::Spot;
use crate::walk::{Measure, Net, Reach, Room, descend, walk};

/// The graph of a part. Its lowest level has all rows, each level above some of those below.
pub(crate) struct Graph<'a> {
    pub(crate) rows: Rows<'a>,
    pub(crate) twins: &'a [u32],
    pub(crate) links: &'a [u32],
    /// From below.
    pub(crate) upper: Vec<Level<'a>>,
}

/// An upper level: the rows in it, ascending, and the neighbours of each, as places in `rows`.
#[derive(Clone, Copy)]
pub(crate) struct Level<'a> {
    pub(crate) rows: &'a [u32],
    pub(crate) links: &'a [u32],
}

/// Lists of neighbours, all of one length.
struct Lists<'a> {
    count: u32,
    width: usize,
    links: &'a [u32],
}

impl Net for Lists<'_> {
    fn count(&self) -> u32 {
        self.count
    }

    fn neighbours(&self, node: u32, into: &mut [u32; LINKS]) -> Result<usize> {
        let list = &self.links[node as usize * self.width..][..self.width];
        let count = list.iter().position(|link| *link == NO_ROW).unwrap_or(self.width);
        into[..count].copy_from_slice(&list[..count]);
        match into[..count].iter().all(|link| *link < self.count) {
            true => Ok(count),
            false => Err(damaged("a neighbour is not there")),
        }
    }

    fn fetch(&self, node: u32) {
        fetch(self.links, node as usize * self.width, self.width);
    }
}

/// A question to nodes.
struct Asked<'a> {
    question: &'a Question,
    rows: Rows<'a>,
    /// The row of each node; none where nodes are rows.
    nodes: Option<&'a [u32]>,
}

impl Measure for Asked<'_> {
    fn measure(&mut self, nodes: &[u32], distances: &mut [f32]) {
        let mut asked = [0; LINKS];
        let asked = &mut asked[..nodes.len()];
        match self.nodes {
            Some(rows) => {
                asked.iter_mut().zip(nodes).for_each(|(row, at)| *row = rows[*at as usize]);
            }
            None => asked.copy_from_slice(nodes),
        }
        let mut dots = [0; LINKS];
        let dots = &mut dots[..nodes.len()];
        self.rows.dots(&self.question.raised, asked, dots);
        for ((row, dot), distance) in asked.iter().zip(dots).zip(distances) {
            *distance = self.question.near(*dot, &self.rows.facts[*row as usize]);
        }
    }

    fn fetch(&self, node: u32) {
        if self.nodes.is_none() {
            let size = self.question.raised.len();
            fetch(self.rows.codes, node as usize * size, size);
            fetch(self.rows.facts, node as usize, 1);
        }
    }
}

impl Graph<'_> {
    /// Rows near the question that `mask` lets through, by their codes, nearest first; and how many
    /// distances that took. None if it took more than it may.
    pub(crate) fn near(
        &self,
        question: &Question,
        mask: &Mask<'_>,
        reach: Reach,
        room: &mut Room,
    ) -> Result<(u64, Option<Vec<u32>>)> {
        let mut spent = 0;
        let from = self.entry(question, &mut spent)?;
        let mut asked = Asked { question, rows: self.rows, nodes: None };
        let net = Lists { count: self.rows.count(), width: LINKS, links: self.links };
        let all = mask.is_all();
        let wanted = |row| all || self.twins_of(row).any(|twin| twin.is_ok_and(|t| mask.sees(t)));
        spent += walk(&net, from, reach, room, &mut asked, wanted)?;
        if spent > reach.distances_max {
            return Ok((spent, None));
        }
        let found = room.take();
        Ok((spent, Some(self.with_twins(&found, mask, reach.keep)?)))
    }

    /// The row where the lowest level is entered.
    fn entry(&self, question: &Question, spent: &mut u64) -> Result<u32> {
        let mut place = 0;
        for (idx, level) in self.upper.iter().enumerate().rev() {
            let count = level.rows.len() as u32;
            let net = Lists { count, width: UPPER_LINKS, links: level.links };
            let mut asked = Asked { question, rows: self.rows, nodes: Some(level.rows) };
            place = descend(&net, place, &mut asked, spent)?;
            let row = level.rows[place as usize];
            place = match idx.checked_sub(1).and_then(|below| self.upper.get(below)) {
                Some(below) => place_of(below.rows, row)?,
                None => row,
            };
        }
        Ok(place)
    }

    /// A row and those of the same code, ascending.
    fn twins_of(&self, row: u32) -> impl Iterator<Item = Result<u32>> {
        let mut next = Some(row);
        std::iter::from_fn(move || {
            let row = next.take()?;
            let twin = self.twins[row as usize];
            if twin != NO_ROW {
                if twin <= row || twin >= self.rows.count() {
                    return Some(Err(damaged("a chain of equal codes turns back")));
                }
                next = Some(twin);
            }
            Some(Ok(row))
        })
    }

    /// What was found with what has the same code. Of one code `keep` rows are enough, and so is
    /// what begins after so many were found.
    fn with_twins(&self, found: &[Spot], mask: &Mask<'_>, keep: usize) -> Result<Vec<u32>> {
        let mut rows = Vec::with_capacity(keep);
        let all = mask.is_all();
        for spot in found {
            if rows.len() >= keep {
                break;
            }
            let until = rows.len() + keep;
            for twin in self.twins_of(spot.row()) {
                let twin = twin?;
                if all || mask.sees(twin) {
                    rows.push(twin);
                }
                if rows.len() == until {
                    break;
                }
            }
        }
        Ok(rows)
    }
}

/// Where a row is in a level.
fn place_of(rows: &[u32], row: u32) -> Result<u32> {
    let place = rows.binary_search(&row);
    place.map(|place| place as u32).map_err(|_| damaged("a level is not above another"))
}
