//! The vectors of one part: where its bytes are looked at, and how a question is answered.
//!
//! A graph finds what is near in a few hundred distances. That is less than a scan as long as the
//! mask lets enough rows through: a walk goes on until it has found so many that it may
//! return, and passes by the others. So the share of rows that the mask lets through is
//! estimated first, and where few are left, a scan of those few is both faster and exact.

use std::sync::{Mutex, PoisonError};

use kenning_index::{Mask, Near, NearCost, NearQuestion, VectorPart};
use kenning_record::VectorSpec;
use kenning_store::{Bytes, Result};

use crate::code::{Question, Space};
use crate::format::{Head, LINKS, NO_ROW, Section, UPPER_LINKS, damaged};
use crate::graph::{Graph, Level};
use crate::index::check;
use crate::kernel::Kernel;
use crate::raw::{aligned, codes, facts, floats, numbers};
use crate::rows::Rows;
use crate::scan::{Best, scan};
use crate::spot::Spot;
use crate::walk::{Reach, Room};

/// Rooms for walks that are kept; with more walks at a time, some make a new one.
const ROOMS_MAX: usize = 16;
/// Rows of which it is looked whether the mask lets them through.
const SAMPLE_ROWS: u32 = 64;
/// Distances of a walk for each node that it keeps, about.
const DISTANCES_A_NODE: u64 = 14;
/// How much a distance of a walk costs, in distances of a scan.
const WALK_COST: u64 = 2;

/// The vectors of one part.
pub(crate) struct Part {
    head: Head,
    body: Bytes,
    kernel: &'static dyn Kernel,
    rooms: Mutex<Vec<Room>>,
}

impl Part {
    /// Checks the head, and of the graph what is not checked on the way.
    pub(crate) fn open(spec: VectorSpec, body: Bytes, kernel: &'static dyn Kernel) -> Result<Self> {
        let head = Head::read(spec, &body)?;
        let part = Part { head, body: aligned(body), kernel, rooms: Mutex::default() };
        if let Some(graph) = part.graph() {
            for level in &graph.upper {
                let is_sorted = level.rows.is_sorted_by(|a, b| a < b);
                if !is_sorted || level.rows.last().is_some_and(|row| *row >= part.head.rows) {
                    return Err(damaged("the rows of a level are not rows of the part"));
                }
            }
        }
        Ok(part)
    }

    fn section(&self, section: Section) -> &[u8] {
        &self.body[self.head.range(section)]
    }

    fn all(&self) -> Rows<'_> {
        Rows {
            dimensions: self.head.spec.dimensions,
            full: floats(self.section(Section::Full)),
            codes: codes(self.section(Section::Codes)),
            facts: facts(self.section(Section::Facts)),
            kernel: self.kernel,
        }
    }

    fn graph(&self) -> Option<Graph<'_>> {
        if !self.head.linked || self.head.rows == 0 {
            return None;
        }
        let mut rest = numbers(self.section(Section::Upper));
        let levels = self.head.levels[..self.head.levels()].iter().map(|count| {
            let (rows, behind) = rest.split_at(*count as usize);
            let (links, behind) = behind.split_at(rows.len() * UPPER_LINKS);
            rest = behind;
            Level { rows, links }
        });
        Some(Graph {
            upper: levels.collect(),
            rows: self.all(),
            twins: numbers(self.section(Section::Twins)),
            links: numbers(self.section(Section::Links)),
        })
    }

    fn scanned(
        &self,
        question: &Question,
        rows_max: usize,
        mask: &Mask<'_>,
        cost: &mut NearCost,
    ) -> Vec<Near> {
        cost.scans += 1;
        let mut best = Best::new(rows_max);
        scan(self.all(), 0, question, mask, &mut best, cost);
        best.sorted().into_iter().map(Near::from).collect()
    }

    /// What the graph finds, by the full vectors. None if it gave up.
    fn walked(
        &self,
        graph: &Graph<'_>,
        question: &Question,
        rows_max: usize,
        mask: &Mask<'_>,
        reach: Reach,
        cost: &mut NearCost,
    ) -> Result<Option<Vec<Near>>> {
        cost.graphs += 1;
        let mut room = self.rooms().pop().unwrap_or_default();
        let found = graph.near(question, mask, reach, &mut room);
        let mut rooms = self.rooms();
        if rooms.len() < ROOMS_MAX {
            rooms.push(room);
        }
        drop(rooms);
        let (spent, found) = found?;
        cost.distances += spent;
        let Some(found) = found else { return Ok(None) };
        let mut best = Best::new(rows_max);
        for row in &found {
            best.push(Spot::new(graph.rows.distance(question, *row), *row));
        }
        cost.distances += found.len() as u64;
        Ok(Some(best.sorted().into_iter().map(Near::from).collect()))
    }

    fn rooms(&self) -> std::sync::MutexGuard<'_, Vec<Room>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// About how many rows the mask lets through.
    fn visible(&self, mask: &Mask<'_>) -> u64 {
        let rows = u64::from(self.head.rows);
        let filtered = mask.filter.map_or(rows, |filter| u64::from(filter.count()));
        if mask.from.is_none() && mask.until.is_none() || rows == 0 {
            return filtered;
        }
        let unfiltered = Mask { filter: None, ..*mask };
        let sampled = SAMPLE_ROWS.min(self.head.rows);
        let row = |idx: u32| (u64::from(idx) * rows / u64::from(sampled)) as u32;
        let seen = (0..sampled).filter(|idx| unfiltered.sees(row(*idx))).count();
        filtered * (seen as u64) / u64::from(sampled)
    }

    /// How far a walk should go; none if a scan is better.
    fn reach(&self, question: &NearQuestion<'_>, mask: &Mask<'_>) -> Option<Reach> {
        let rows = u64::from(self.head.rows);
        let visible = self.visible(mask).min(rows);
        let keep = question.candidates.max(question.rows_max).min(self.head.rows as usize);
        let kept = keep as u64 * DISTANCES_A_NODE;
        let distances = kept.saturating_mul(rows) / visible.max(1);
        let worth = visible / WALK_COST;
        // A walk that wanders further than the scan would take was not worth it.
        (distances < worth).then_some(Reach { keep, distances_max: worth })
    }
}

impl VectorPart for Part {
    fn rows(&self) -> u32 {
        self.head.rows
    }

    fn has_graph(&self) -> bool {
        self.graph().is_some()
    }

    fn vector(&self, row: u32) -> &[f32] {
        self.all().vector(row)
    }

    fn nearest(
        &self,
        question: &NearQuestion<'_>,
        mask: &Mask<'_>,
        cost: &mut NearCost,
    ) -> Result<Vec<Near>> {
        check(self.head.spec, question)?;
        let rows_max = question.rows_max.min(self.head.rows as usize);
        if rows_max == 0 {
            return Ok(Vec::new());
        }
        let origin = floats(self.section(Section::Origin));
        let space = Space { spec: self.head.spec, origin };
        let asked = space.question(question.vector);
        let graph = if question.exact { None } else { self.graph() };
        if let Some(graph) = graph
            && let Some(reach) = self.reach(question, mask)
            && let Some(near) = self.walked(&graph, &asked, rows_max, mask, reach, cost)?
        {
            return Ok(near);
        }
        Ok(self.scanned(&asked, rows_max, mask, cost))
    }

    fn verify(&self) -> Result<()> {
        for (section, sum) in Section::ALL.into_iter().zip(self.head.sums) {
            if crc32fast::hash(&self.body[self.head.summed(section)]) != sum {
                return Err(damaged(&format!("the checksum of its {section:?} is wrong")));
            }
        }
        let Some(graph) = self.graph() else { return Ok(()) };
        let is_there = |count: usize| move |link: &u32| *link == NO_ROW || (*link as usize) < count;
        let rows = self.head.rows as usize;
        let linked = graph.links.iter().chain(graph.twins).all(is_there(rows));
        let upper = |level: &Level<'_>| level.links.iter().all(is_there(level.rows.len()));
        match linked && graph.upper.iter().all(upper) && graph.links.len() == rows * LINKS {
            true => Ok(()),
            false => Err(damaged("a neighbour is not there")),
        }
    }
}
