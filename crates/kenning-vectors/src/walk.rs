//! A way through a graph: from what is near to what is nearer, until nothing is.
//!
//! Two heaps: where to go on, nearest first, and the best that were found, farthest first. What may
//! not be returned is walked through all the same, because what may be is behind it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use kenning_store::Result;

use crate::format::LINKS;
use crate::spot::Spot;

/// Nodes and their neighbours.
pub(crate) trait Net {
    /// How many nodes.
    fn count(&self) -> u32;

    /// Writes the neighbours of a node, each below `count`, and says how many.
    fn neighbours(&self, node: u32, into: &mut [u32; LINKS]) -> Result<usize>;

    /// Says that the neighbours of a node will be asked for soon.
    fn fetch(&self, node: u32);
}

/// The distances of some nodes.
pub(crate) trait Measure {
    /// Writes the distance of each node.
    fn measure(&mut self, nodes: &[u32], distances: &mut [f32]);

    /// Says that the distance of a node will be asked for soon.
    fn fetch(&self, node: u32);
}

/// Room to walk in, kept from one walk to the next.
#[derive(Default)]
pub(crate) struct Room {
    /// One bit for each node: whether its distance is known.
    seen: Vec<u64>,
    /// The nodes whose bits are set.
    met: Vec<u32>,
    frontier: BinaryHeap<Reverse<Spot>>,
    /// What was found, farthest first.
    pub(crate) found: BinaryHeap<Spot>,
}

impl Room {
    fn clear(&mut self, nodes: u32) {
        for node in self.met.drain(..) {
            self.seen[node as usize / 64] = 0;
        }
        self.frontier.clear();
        self.found.clear();
        let words = nodes.div_ceil(64) as usize;
        if self.seen.len() < words {
            self.seen.resize(words, 0);
        }
    }

    /// Whether it is the first time that this node is met.
    fn meet(&mut self, node: u32) -> bool {
        let (word, bit) = (&mut self.seen[node as usize / 64], 1 << (node % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        if is_new {
            self.met.push(node);
        }
        is_new
    }

    /// What was found, nearest first.
    pub(crate) fn take(&mut self) -> Vec<Spot> {
        let mut found: Vec<Spot> = self.found.drain().collect();
        found.sort_unstable();
        found
    }
}

/// How far a walk goes.
#[derive(Clone, Copy)]
pub(crate) struct Reach {
    /// Nodes that are kept.
    pub(crate) keep: usize,
    /// Distances after which it gives up.
    pub(crate) distances_max: u64,
}

/// Walks from `from`, and leaves in `room` the nearest nodes that `is_wanted`. Says how many
/// distances it took; more than `distances_max` if it gave up.
pub(crate) fn walk(
    net: &impl Net,
    from: u32,
    reach: Reach,
    room: &mut Room,
    measure: &mut impl Measure,
    mut is_wanted: impl FnMut(u32) -> bool,
) -> Result<u64> {
    room.clear(net.count());
    let mut distances = [0.0; LINKS];
    room.meet(from);
    measure.measure(&[from], &mut distances[..1]);
    let start = Spot::new(distances[0], from);
    room.frontier.push(Reverse(start));
    if is_wanted(from) {
        room.found.push(start);
    }
    let mut spent = 1;
    let mut linked = [0; LINKS];
    while let Some(Reverse(nearest)) = room.frontier.pop() {
        let worst = room.found.peek().filter(|_| room.found.len() >= reach.keep);
        if worst.is_some_and(|worst| nearest > *worst) || spent > reach.distances_max {
            break;
        }
        let count = net.neighbours(nearest.row(), &mut linked)?;
        let mut fresh = 0;
        for idx in 0..count {
            if room.meet(linked[idx]) {
                measure.fetch(linked[idx]);
                linked[fresh] = linked[idx];
                fresh += 1;
            }
        }
        if let Some(Reverse(next)) = room.frontier.peek() {
            net.fetch(next.row());
        }
        measure.measure(&linked[..fresh], &mut distances[..fresh]);
        spent += fresh as u64;
        for (node, distance) in linked[..fresh].iter().zip(&distances) {
            consider(Spot::new(*distance, *node), reach.keep, room, &mut is_wanted);
        }
    }
    Ok(spent)
}

fn consider(spot: Spot, keep: usize, room: &mut Room, is_wanted: &mut impl FnMut(u32) -> bool) {
    let is_full = room.found.len() >= keep;
    if is_full && room.found.peek().is_some_and(|worst| spot > *worst) {
        return;
    }
    room.frontier.push(Reverse(spot));
    if is_wanted(spot.row()) {
        if is_full {
            room.found.pop();
        }
        room.found.push(spot);
    }
}

/// The nearest node that is reached by going from each to its nearest neighbour.
pub(crate) fn descend(
    net: &impl Net,
    from: u32,
    measure: &mut impl Measure,
    spent: &mut u64,
) -> Result<u32> {
    let mut distances = [0.0; LINKS];
    let mut linked = [0; LINKS];
    measure.measure(&[from], &mut distances[..1]);
    *spent += 1;
    let mut nearest = Spot::new(distances[0], from);
    loop {
        let count = net.neighbours(nearest.row(), &mut linked)?;
        measure.measure(&linked[..count], &mut distances[..count]);
        *spent += count as u64;
        let spots = linked[..count].iter().zip(&distances);
        let best = spots.map(|(node, distance)| Spot::new(*distance, *node)).min();
        match best {
            // Strictly nearer, so it ends.
            Some(best) if best < nearest => nearest = best,
            Some(_) | None => return Ok(nearest.row()),
        }
    }
}
