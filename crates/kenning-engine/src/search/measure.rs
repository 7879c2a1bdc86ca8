//! How near each candidate is: to the question, to the first hit, and those around it.
//!
//! A candidate that an arm did not find is as near as it is. What an index says of distances may be
//! rounded in one way or another; here all are computed alike, so that records with equal vectors
//! have equal scores, in whatever pieces they are.

use std::collections::hash_map::Entry;

use kenning_index::{Around, Mask};
use kenning_record::{Id, Metric, Version};

use super::arms::{Arms, ByWhose, Candidates, Near, Pieced, Searched};
use super::{Mode, Whose};
use crate::sealed::piece::Body;
use crate::sealed::roster::Roster;

impl Arms<'_> {
    /// Measures what was not measured yet.
    pub(super) fn measure(&self, found: &mut Candidates) {
        if self.search.ask.mode != Mode::Hybrid {
            for it in &found.vectors {
                let likeness = self.likeness(it.whose, it.score);
                found.near.insert(it.whose, Near { distance: it.score, likeness });
            }
            return;
        }
        let versions: ByWhose<Version> = found.whose().collect();
        let whose: Vec<Whose> = versions.keys().copied().collect();
        let pieces: Vec<Pieced<'_>> = self.words.iter().flat_map(Searched::pieces).collect();
        let neighbours = Neighbours { pieces: &pieces };
        if found.has_neighbours && !found.in_company {
            found.in_company = whose.iter().any(|whose| neighbours.are_around(*whose));
        }
        for whose in &whose {
            self.near(*whose, &versions, &mut found.near);
            if found.in_company && !found.around.contains_key(whose) {
                let all = neighbours.of(*whose);
                let near = all.iter().filter_map(|it| self.near(*it, &versions, &mut found.near));
                let likeness: Vec<f32> = near.map(|near| near.likeness.max(0.0)).collect();
                let mean = likeness.iter().sum::<f32>() / likeness.len().max(1) as f32;
                found.around.insert(*whose, mean);
            }
        }
        let Some(alike) = &mut found.alike else { return };
        for whose in whose {
            if let Entry::Vacant(entry) = alike.likeness.entry(whose)
                && let Some(searched) = self.like_first(whose, alike.first)
                && let Some(distance) =
                    searched.distance(&alike.vector, whose.1, versions.get(&whose))
            {
                entry.insert(self.likeness(whose, distance));
            }
        }
    }

    /// How near a record is, of the version that was found, if it was.
    fn near(
        &self,
        whose: Whose,
        versions: &ByWhose<Version>,
        known: &mut ByWhose<Near>,
    ) -> Option<Near> {
        if let Some(near) = known.get(&whose) {
            return Some(*near);
        }
        let (searched, question) =
            self.vectors.iter().find(|(searched, _)| searched.table.number == whose.0)?;
        let distance = searched.distance(question, whose.1, versions.get(&whose))?;
        let near = Near { distance, likeness: self.likeness(whose, distance) };
        known.insert(whose, near);
        Some(near)
    }

    /// The index with the vector of a record, if it can be compared with that of the first hit.
    fn like_first(&self, whose: Whose, first: Whose) -> Option<&Searched> {
        let of = |whose: Whose| {
            let found = self.vectors.iter().find(|(it, _)| it.table.number == whose.0);
            found.map(|(searched, _)| searched)
        };
        let searched = of(whose)?;
        (searched.index.spec.model() == of(first)?.index.spec.model()).then_some(searched)
    }

    /// How alike two vectors are, by how far they are from each other.
    fn likeness(&self, whose: Whose, distance: f32) -> f32 {
        let of_table = self.vectors.iter().find(|(searched, _)| searched.table.number == whose.0);
        match of_table.map_or(Metric::Cosine, |(searched, _)| searched.metric()) {
            Metric::L2 => 1.0 / (1.0 + distance),
            Metric::InnerProduct => -distance,
            Metric::Cosine => 1.0 - distance,
        }
    }
}

impl Searched {
    /// The vectors of a record that are there at the version of the view, whatever the filter says;
    /// of this version of the record, if one is said: an index may be behind.
    fn rows_of(&self, id: Id, version: Option<Version>) -> impl Iterator<Item = &[f32]> {
        self.pieces().flat_map(move |it| {
            let (piece, rows) = (it.piece, it.piece.roster.rows_of(id).iter());
            let rows = rows.filter(move |row| {
                let found = it.candidate(**row, 0.0).version;
                it.is_there(**row) && version.is_none_or(|version| version == found)
            });
            rows.filter_map(move |row| match &piece.body {
                Body::Vectors(part) => Some(part.vector(*row)),
                Body::Words(_) => None,
            })
        })
    }

    fn metric(&self) -> Metric {
        self.index.spec.vectors().map_or(Metric::Cosine, |spec| spec.metric)
    }

    /// How far a record is from a vector: of several windows the nearest is.
    fn distance(&self, question: &[f32], id: Id, version: Option<&Version>) -> Option<f32> {
        let metric = self.metric();
        let rows = self.rows_of(id, version.copied());
        let distances = rows.map(|vector| distance(metric, question, vector));
        distances.min_by(f32::total_cmp)
    }

    /// The vector of a record that is nearest to another.
    pub(super) fn nearest_of(&self, question: &[f32], id: Id, version: Version) -> Option<&[f32]> {
        let metric = self.metric();
        let distances = self
            .rows_of(id, Some(version))
            .map(|vector| (distance(metric, question, vector), vector));
        distances.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, vector)| vector)
    }
}

/// As the index over vectors computes it, but for rounding.
fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f32 {
    match metric {
        Metric::InnerProduct => -sum(a, b, |a, b| a * b),
        Metric::L2 => sum(a, b, |a, b| (a - b) * (a - b)),
        Metric::Cosine => {
            let dot = |a: &[f32], b: &[f32]| sum(a, b, |a, b| a * b);
            let lengths = (dot(a, a) * dot(b, b)).sqrt();
            if lengths > 0.0 { 1.0 - dot(a, b) / lengths } else { 1.0 }
        }
    }
}

/// The sum over all pairs of numbers, in an order that a processor can do several of at once.
#[inline]
fn sum(a: &[f32], b: &[f32], of: impl Fn(f32, f32) -> f32) -> f32 {
    const LANES: usize = 16;
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += of(*a, *b);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| of(*a, *b)).sum();
    sums.iter().sum::<f32>() + rest
}

/// Who stands around whom, over all pieces.
pub(super) struct Neighbours<'a> {
    pub(super) pieces: &'a [Pieced<'a>],
}

impl Neighbours<'_> {
    /// Whether any row has others around it. Within a piece that is known; otherwise those of all
    /// but the largest piece are looked up in the others.
    pub(super) fn are_any(&self) -> bool {
        let rosters = || self.pieces.iter().map(|it| &it.piece.roster);
        if rosters().any(Roster::has_company) {
            return true;
        }
        let largest = rosters().map(Roster::rows).max().unwrap_or(0);
        let small = self.pieces.iter().enumerate().filter(|(_, it)| it.piece.rows() < largest);
        let mut rows = small.flat_map(|(idx, it)| (0..it.piece.rows()).map(move |row| (idx, row)));
        let is_alike = rosters().filter(|roster| roster.rows() == largest).count() > 1;
        is_alike || rows.any(|(idx, row)| self.has_others(idx, row))
    }

    /// Whether another record stands around a row.
    fn has_others(&self, piece_idx: usize, row: u32) -> bool {
        let roster = &self.pieces[piece_idx].piece.roster;
        let mut around = Vec::new();
        self.around(piece_idx, row, &mut around);
        around.iter().any(|(idx, other)| {
            let it = &self.pieces[*idx];
            it.piece.roster.id(*other) != roster.id(row) && it.mask.sees(*other)
        })
    }

    /// Whether another record stands around this one.
    fn are_around(&self, whose: Whose) -> bool {
        self.rows_of(whose).any(|(idx, row)| self.has_others(idx, row))
    }

    /// The records around one, itself among them, in the order of their ids. A filter leaves out
    /// none: whom it does not let be found may still tell what another is about.
    fn of(&self, whose: Whose) -> Vec<Whose> {
        let mut rows = Vec::new();
        for (piece_idx, row) in self.rows_of(whose) {
            self.around(piece_idx, row, &mut rows);
        }
        rows.retain(|(piece_idx, row)| self.pieces[*piece_idx].is_there(*row));
        let id = |(piece_idx, row): &(usize, u32)| self.pieces[*piece_idx].piece.roster.id(*row);
        let mut all: Vec<Whose> = rows.iter().map(|row| (whose.0, id(row))).collect();
        all.push(whose);
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The rows of a record.
    fn rows_of(&self, (table, id): Whose) -> impl Iterator<Item = (usize, u32)> {
        let of_table = move |it: &&Pieced<'_>| it.searched.table.number == table;
        self.pieces.iter().enumerate().filter(move |(_, it)| of_table(it)).flat_map(
            move |(idx, it)| {
                let rows = it.piece.roster.rows_of(id).iter();
                rows.filter(|row| it.is_there(**row)).map(move |row| (idx, *row))
            },
        )
    }
}

impl Around for Neighbours<'_> {
    fn around(&self, piece_idx: usize, row: u32, target: &mut Vec<(usize, u32)>) {
        let own = &self.pieces[piece_idx];
        let Some(place) = own.piece.roster.place(row) else {
            return target.push((piece_idx, row));
        };
        let mut rows = Vec::new();
        for (idx, other) in self.pieces.iter().enumerate() {
            if other.searched.table.number != own.searched.table.number {
                continue;
            }
            rows.clear();
            other.piece.roster.around(place, &mut rows);
            target.extend(rows.iter().map(|row| (idx, *row)));
        }
    }
}

impl Pieced<'_> {
    /// Whether a row is there at the version, whatever the filter says.
    fn is_there(&self, row: u32) -> bool {
        Mask { filter: None, ..self.mask }.sees(row)
    }
}
