//! Which neighbours a row keeps: near ones, in different directions.
//!
//! A candidate that is nearer to a neighbour than to the row itself is reached through that
//! neighbour, so it would be a second way to the same place.

use kenning_record::Metric;

use crate::code::{Facts, lower, raise};
use crate::format::LINKS;
use crate::rows::Rows;
use crate::spot::Spot;
use crate::walk::Measure;

/// Distances between rows, by their codes, up to what all rows have in common.
///
/// For the inner product they are no metric, and need not be: what a walk is to find are rows of
/// a large product with a question, and these are neighbours of many.
pub(crate) struct Between<'a> {
    metric: Metric,
    rows: Rows<'a>,
    /// The row of each node of a level; none where nodes are rows.
    nodes: Option<&'a [u32]>,
    raised: Vec<u8>,
    from: u32,
}

impl<'a> Between<'a> {
    pub(crate) fn new(metric: Metric, rows: Rows<'a>) -> Self {
        Between { metric, rows, nodes: None, raised: Vec::new(), from: 0 }
    }

    /// From now on nodes are places in `nodes`, or rows.
    pub(crate) fn among(&mut self, nodes: Option<&'a [u32]>) {
        self.nodes = nodes;
    }

    /// From now on distances are those from `row`.
    pub(crate) fn stand(&mut self, row: u32) {
        self.from = row;
        self.raised.clear();
        self.raised.extend(self.rows.code(row).iter().map(|code| raise(*code)));
    }

    /// The row of a node.
    pub(crate) fn row(&self, node: u32) -> u32 {
        self.nodes.map_or(node, |rows| rows[node as usize])
    }

    fn apart(&self, dot: i32, facts: &Facts, from: &Facts) -> f32 {
        let dot = from.scale * facts.scale * lower(dot, facts);
        let apart = match self.metric {
            Metric::Cosine | Metric::InnerProduct => -dot,
            Metric::L2 => {
                let squares = from.length * from.length + facts.length * facts.length;
                squares - 2.0 * dot
            }
        };
        if apart.is_nan() { f32::INFINITY } else { apart }
    }
}

impl Measure for Between<'_> {
    fn measure(&mut self, nodes: &[u32], distances: &mut [f32]) {
        let mut rows = [0; LINKS];
        let rows = &mut rows[..nodes.len()];
        rows.iter_mut().zip(nodes).for_each(|(row, node)| *row = self.row(*node));
        let mut dots = [0; LINKS];
        let dots = &mut dots[..nodes.len()];
        self.rows.dots(&self.raised, rows, dots);
        let from = &self.rows.facts[self.from as usize];
        for ((row, dot), distance) in rows.iter().zip(dots).zip(distances) {
            *distance = self.apart(*dot, &self.rows.facts[*row as usize], from);
        }
    }

    fn fetch(&self, node: u32) {
        let (row, size) = (self.row(node) as usize, self.raised.len());
        crate::raw::fetch(self.rows.codes, row * size, size);
    }
}

/// Candidates that are compared with a neighbour at a time.
const STEP: usize = 4;

/// Chooses at most `links_max` of `candidates`, which are sorted, nearest first.
pub(crate) fn select(
    candidates: &[Spot],
    links_max: usize,
    between: &mut Between<'_>,
) -> Vec<Spot> {
    let mut kept: Vec<Spot> = Vec::with_capacity(links_max);
    let mut nodes: Vec<u32> = Vec::with_capacity(links_max);
    for candidate in candidates {
        if kept.len() == links_max {
            break;
        }
        between.stand(between.row(candidate.row()));
        let is_behind = nodes.chunks(STEP).any(|nodes| {
            let mut distances = [0.0; STEP];
            let distances = &mut distances[..nodes.len()];
            between.measure(nodes, distances);
            distances.iter().any(|distance| *distance < candidate.distance())
        });
        if !is_behind {
            kept.push(*candidate);
            nodes.push(candidate.row());
        }
    }
    kept
}
