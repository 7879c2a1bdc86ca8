//! A graph of many rows, built by several threads, the same for any number of them.
//!
//! It is an HNSW: every row has neighbours in the lowest level, one in sixteen also in the level
//! above, and so on, so that a walk crosses the whole in a few steps and then looks closely. Which
//! levels a row is in is a hash of its number. Rows of the highest level come first, so the first
//! row is where every walk begins, for good.
//!
//! Rows are added in rounds. In the first half of a round every row of it looks for neighbours in
//! the graph as it is, which nobody changes; in the second half each row that got a new
//! neighbour is worked on by one thread. A round is a small part of what is there already, so what
//! its rows don't know of each other costs nothing that can be measured.
//!
//! Rows of one code would be each other's only neighbours, and cut off from the rest. So only the
//! first of them is in the graph, and the others follow it in a chain.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use kenning_store::{Error, ErrorKind, Result, World};

use crate::crew::Crew;
use crate::format::{LEVELS_MAX, LINKS, NO_ROW, UPPER_LINKS};
use crate::select::{Between, select};
use crate::spot::Spot;
use crate::walk::{Measure, Net, Reach, Room, descend, walk};
use crate::write::Coded;

/// Neighbours that a new row chooses.
const CHOSEN: usize = 16;
/// Candidates among which it chooses.
const CANDIDATES: usize = 200;
/// A round has as many rows as there are already, divided by this.
const ROUND_PART: usize = 64;
/// Rows of a round at most.
const ROUND_ROWS_MAX: usize = 4096;
/// Rows, and neighbours to be told, that a thread takes at a time.
const PIECE: usize = 16;
/// Rows in a level for each row in the one above, as bits.
const LEVEL_BITS: u32 = 4;
/// Chosen once, by nobody.
const SEED: u64 = 0x6b65_6e6e_696e_6721;

/// A graph as it is written.
pub(crate) struct Built {
    pub(crate) twins: Vec<u32>,
    pub(crate) links: Vec<u32>,
    pub(crate) upper: Vec<BuiltLevel>,
}

/// An upper level as it is written.
pub(crate) struct BuiltLevel {
    pub(crate) rows: Vec<u32>,
    pub(crate) links: Vec<u32>,
}

/// Builds the graph of `coded` with `threads` threads, this one included. Between two rounds it is
/// asked whether to stop.
pub(crate) fn build(
    coded: &Arc<Coded>,
    world: &Arc<dyn World>,
    threads: usize,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Built> {
    let twins = twins(coded);
    let building = Arc::new(Building::new(coded, &twins));
    let crew = Crew::new(world, threads);
    let order = building.order(&twins);
    let mut done = order.len().min(1);
    while done < order.len() {
        if stop() {
            return Err(Error::new(
                ErrorKind::Closed,
                "STOPPED",
                "a graph was not built to its end",
            ));
        }
        let size = (done / ROUND_PART).clamp(1, ROUND_ROWS_MAX).min(order.len() - done);
        building.round(&crew, &order[done..done + size]);
        done += size;
    }
    building.connect(&order);
    Ok(building.built(twins))
}

/// For each row the next one of the same code, or none.
fn twins(coded: &Coded) -> Vec<u32> {
    let rows = coded.rows();
    let mut twins = vec![NO_ROW; rows.facts.len()];
    let mut last: HashMap<(&[i8], u32), u32> = HashMap::with_capacity(rows.facts.len());
    for row in 0..rows.count() {
        let key = (rows.code(row), rows.facts[row as usize].scale.to_bits());
        if let Some(before) = last.insert(key, row) {
            twins[before as usize] = row;
        }
    }
    twins
}

/// For each row whether it is the first one of its code.
fn firsts(twins: &[u32]) -> Vec<bool> {
    let mut firsts = vec![true; twins.len()];
    for twin in twins.iter().filter(|twin| **twin != NO_ROW) {
        firsts[*twin as usize] = false;
    }
    firsts
}

/// The highest level that a row is in.
fn level_of(row: u32) -> usize {
    let mut hash = u64::from(row).wrapping_add(SEED).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((hash ^ hash >> 31).leading_zeros() / LEVEL_BITS).min(LEVELS_MAX as u32) as usize
}

/// A level that is being built.
struct Level {
    /// The row of each node; none where nodes are rows.
    rows: Option<Vec<u32>>,
    width: usize,
    links: Vec<AtomicU32>,
}

impl Level {
    fn new(rows: Option<Vec<u32>>, count: usize, width: usize) -> Self {
        let links = (0..count * width).map(|_| AtomicU32::new(NO_ROW)).collect();
        Level { rows, width, links }
    }

    fn node(&self, row: u32) -> u32 {
        match &self.rows {
            Some(rows) => rows.binary_search(&row).expect("a row is in its levels") as u32,
            None => row,
        }
    }

    fn list(&self, node: u32) -> &[AtomicU32] {
        &self.links[node as usize * self.width..][..self.width]
    }

    fn set(&self, node: u32, nodes: impl Iterator<Item = u32>) {
        let nodes = nodes.chain(std::iter::repeat(NO_ROW));
        self.list(node).iter().zip(nodes).for_each(|(link, node)| link.store(node, Relaxed));
    }

    /// Adds a neighbour, in the last place if there is no other.
    fn append(&self, node: u32, neighbour: u32) {
        let list = self.list(node);
        let place = list.iter().find(|link| link.load(Relaxed) == NO_ROW);
        place.unwrap_or(&list[list.len() - 1]).store(neighbour, Relaxed);
    }
}

impl Net for Level {
    fn count(&self) -> u32 {
        (self.links.len() / self.width) as u32
    }

    fn neighbours(&self, node: u32, into: &mut [u32; LINKS]) -> Result<usize> {
        let mut count = 0;
        for link in self.list(node) {
            let link = link.load(Relaxed);
            if link == NO_ROW {
                break;
            }
            into[count] = link;
            count += 1;
        }
        Ok(count)
    }

    fn fetch(&self, node: u32) {
        crate::raw::fetch(&self.links, node as usize * self.width, self.width);
    }
}

/// What a row of a round has chosen, in one of its levels.
struct Chosen {
    level: usize,
    node: u32,
    neighbours: Vec<Spot>,
}

/// That a node has become a neighbour of another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    level: usize,
    node: u32,
    by: Spot,
}

/// A graph that is being built.
struct Building {
    coded: Arc<Coded>,
    /// From below; the lowest has all rows.
    levels: Vec<Level>,
    rooms: Mutex<Vec<Room>>,
}

impl Building {
    fn new(coded: &Arc<Coded>, twins: &[u32]) -> Self {
        let count = twins.len();
        let is_first = firsts(twins);
        let mut levels = vec![Level::new(None, count, LINKS)];
        for level in 1..=LEVELS_MAX {
            let is_in = |row: &u32| is_first[*row as usize] && level_of(*row) >= level;
            let rows: Vec<u32> = (0..count as u32).filter(is_in).collect();
            if rows.is_empty() {
                break;
            }
            let count = rows.len();
            levels.push(Level::new(Some(rows), count, UPPER_LINKS));
        }
        Building { coded: Arc::clone(coded), levels, rooms: Mutex::default() }
    }

    /// The rows of the graph, those of the highest level first.
    fn order(&self, twins: &[u32]) -> Vec<u32> {
        let is_first = firsts(twins);
        let mut order: Vec<u32> =
            (0..twins.len() as u32).filter(|row| is_first[*row as usize]).collect();
        order.sort_by_key(|row| std::cmp::Reverse(self.top(*row)));
        order
    }

    fn top(&self, row: u32) -> usize {
        level_of(row).min(self.levels.len() - 1)
    }

    fn between(&self) -> Between<'_> {
        Between::new(self.coded.spec.metric, self.coded.rows())
    }

    fn round(self: &Arc<Self>, crew: &Crew, rows: &[u32]) {
        let (building, of) = (Arc::clone(self), rows.to_vec());
        let chosen = crew.map(rows.len(), PIECE, move |idx| building.choose(of[idx]));
        let mut told = Vec::new();
        for chosen in chosen.into_iter().flatten() {
            let Chosen { level, node, neighbours } = chosen;
            self.levels[level].set(node, neighbours.iter().map(|spot| spot.row()));
            told.extend(neighbours.iter().map(|spot| Told {
                level,
                node: spot.row(),
                by: Spot::new(spot.distance(), node),
            }));
        }
        told.sort_unstable();
        let groups: Vec<Vec<Told>> = told
            .chunk_by(|a, b| (a.level, a.node) == (b.level, b.node))
            .map(<[Told]>::to_vec)
            .collect();
        let building = Arc::clone(self);
        crew.map(groups.len(), PIECE, move |idx| building.tell(&groups[idx]));
    }

    /// The neighbours of a row in the graph as it is, in each of its levels.
    fn choose(&self, row: u32) -> Vec<Chosen> {
        let mut between = self.between();
        let mut room = self.room().pop().unwrap_or_default();
        let mut chosen = Vec::new();
        let mut entry = None;
        for (idx, level) in self.levels.iter().enumerate().rev() {
            // In the highest level the first row is the first node; the only level has row 0.
            let from = entry.map_or(0, |row| level.node(row));
            between.among(level.rows.as_deref());
            between.stand(row);
            let nearest = if idx > self.top(row) {
                descend(level, from, &mut between, &mut 0).expect("links in memory are whole")
            } else {
                let found = self.candidates(level, from, &mut room, &mut between);
                let neighbours = select(&found, CHOSEN, &mut between);
                chosen.push(Chosen { level: idx, node: level.node(row), neighbours });
                found[0].row()
            };
            entry = Some(between.row(nearest));
        }
        self.room().push(room);
        chosen
    }

    fn candidates(
        &self,
        level: &Level,
        from: u32,
        room: &mut Room,
        between: &mut Between<'_>,
    ) -> Vec<Spot> {
        let reach = Reach { keep: CANDIDATES, distances_max: u64::MAX };
        let walked = walk(level, from, reach, room, between, |_| true);
        walked.expect("links in memory are whole");
        room.take()
    }

    /// Gives a node its new neighbours; if it has too many then, it chooses again.
    fn tell(&self, told: &[Told]) {
        let Some(Told { level, node, .. }) = told.first().copied() else { return };
        let level = &self.levels[level];
        let mut linked = [0; LINKS];
        let count = level.neighbours(node, &mut linked).expect("links in memory are whole");
        let old = &linked[..count];
        let new = told.iter().map(|told| told.by);
        if count + told.len() <= level.width {
            level.set(node, old.iter().copied().chain(new.map(Spot::row)));
            return;
        }
        let mut between = self.between();
        between.among(level.rows.as_deref());
        between.stand(between.row(node));
        let mut distances = [0.0; LINKS];
        between.measure(old, &mut distances[..count]);
        let old = old.iter().zip(&distances).map(|(node, distance)| Spot::new(*distance, *node));
        let mut candidates: Vec<Spot> = old.chain(new).collect();
        candidates.sort_unstable();
        candidates.dedup();
        let kept = select(&candidates, level.width, &mut between);
        level.set(node, kept.iter().map(|spot| spot.row()));
    }

    /// Makes every row of the graph reachable in the lowest level.
    ///
    /// A row that chose others was told to them, but they may have chosen again without it. It
    /// takes the last place of a row near it, and keeps who was there as a neighbour of its own.
    fn connect(&self, order: &[u32]) {
        let Some(first) = order.first() else { return };
        let level = &self.levels[0];
        let mut reached = vec![false; level.count() as usize];
        self.spread(*first, &mut reached);
        let mut room = Room::default();
        let mut between = self.between();
        for row in order {
            if reached[*row as usize] {
                continue;
            }
            between.stand(*row);
            // What a walk finds was reached, and the first row is always found.
            let found = self.candidates(level, *first, &mut room, &mut between);
            let last = level.width - 1;
            let has_place = |spot: &&Spot| level.list(spot.row())[last].load(Relaxed) == NO_ROW;
            let host = found.iter().find(has_place).unwrap_or(&found[0]).row();
            let moved = level.list(host)[last].load(Relaxed);
            level.append(host, *row);
            if moved != NO_ROW {
                level.append(*row, moved);
            }
            self.spread(*row, &mut reached);
        }
    }

    /// Marks what is reached from a row.
    fn spread(&self, from: u32, reached: &mut [bool]) {
        let mut frontier = vec![from];
        let mut linked = [0; LINKS];
        reached[from as usize] = true;
        while let Some(row) = frontier.pop() {
            let count = self.levels[0].neighbours(row, &mut linked);
            for next in &linked[..count.expect("links in memory are whole")] {
                if !std::mem::replace(&mut reached[*next as usize], true) {
                    frontier.push(*next);
                }
            }
        }
    }

    fn built(self: Arc<Self>, twins: Vec<u32>) -> Built {
        let whole = |level: &Level| -> Vec<u32> {
            level.links.iter().map(|link| link.load(Relaxed)).collect()
        };
        let upper = self.levels[1..].iter().map(|level| {
            let rows = level.rows.clone().expect("an upper level has a list of its rows");
            BuiltLevel { rows, links: whole(level) }
        });
        Built { twins, links: whole(&self.levels[0]), upper: upper.collect() }
    }

    fn room(&self) -> std::sync::MutexGuard<'_, Vec<Room>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
