//! Whose rows a piece has.
//!
//! A row is what one version of one record says to an index; a record may have several rows of one
//! version. A piece also knows of versions of records that say nothing to the index, because they
//! were deleted or have no text: they end rows of other pieces. So until when a row is there
//! follows from all pieces together, in whatever order they are looked at: it is the first version
//! of its record behind its own.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use kenning_index::{PLACES_APART_MAX, Place};
use kenning_record::{Id, Version};
use kenning_store::{Error, Result};

const ID_BYTES: usize = size_of::<Id>();
const VERSION_BYTES: usize = size_of::<Version>();
const PLACE_BYTES: usize = size_of::<u64>() + size_of::<u32>();
const COUNT_BYTES: usize = size_of::<u32>();
const ROW_BYTES: usize = ID_BYTES + VERSION_BYTES + PLACE_BYTES;
const GONE_BYTES: usize = ID_BYTES + VERSION_BYTES;
/// A record that stands nowhere.
const NOWHERE: u32 = u32::MAX;

/// What a record was told to be at a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Change {
    pub(crate) id: Id,
    pub(crate) version: Version,
}

/// The rows of a piece.
pub(crate) struct Roster {
    ids: Vec<Id>,
    from: Vec<Version>,
    places: Vec<Place>,
    /// Versions of records that have no row, in order.
    gone: Vec<Change>,
    /// The rows in the order of their ids and versions.
    order: Vec<u32>,
    /// The rows in the order of their places; those that stand nowhere are not among them.
    by_place: Vec<u32>,
    until: Vec<AtomicU64>,
    dead: AtomicU32,
    /// The first and the last version that has a row or ended one.
    first: Version,
    last: Version,
    has_company: bool,
}

/// A roster in the making.
#[derive(Default)]
pub(crate) struct RosterDraft {
    pub(crate) rows: Vec<(Change, Option<Place>)>,
    pub(crate) gone: Vec<Change>,
}

impl RosterDraft {
    /// The roster, every row of it there until something is known to have changed.
    pub(crate) fn finish(mut self) -> Roster {
        self.gone.sort_unstable();
        self.gone.dedup();
        let nowhere = Place { source: 0, ordinal: NOWHERE };
        let ids: Vec<Id> = self.rows.iter().map(|(row, _)| row.id).collect();
        let from: Vec<Version> = self.rows.iter().map(|(row, _)| row.version).collect();
        let places: Vec<Place> =
            self.rows.iter().map(|(_, place)| place.unwrap_or(nowhere)).collect();
        let rows = u32::try_from(ids.len()).expect("a piece has fewer rows than that");
        let mut order: Vec<u32> = (0..rows).collect();
        order.sort_unstable_by_key(|row| (ids[*row as usize], from[*row as usize], *row));
        let mut by_place: Vec<u32> =
            (0..rows).filter(|row| places[*row as usize].ordinal != NOWHERE).collect();
        by_place.sort_unstable_by_key(|row| (places[*row as usize], *row));
        let versions = || from.iter().copied().chain(self.gone.iter().map(|gone| gone.version));
        let (first, last) = (versions().min().unwrap_or(0), versions().max().unwrap_or(0));
        let is_company = |pair: &[u32]| {
            let [a, b] = [pair[0] as usize, pair[1] as usize];
            let apart = places[b].ordinal.abs_diff(places[a].ordinal);
            let near = places[a].source == places[b].source && apart <= PLACES_APART_MAX;
            near && ids[a] != ids[b]
        };
        let has_company = by_place.windows(2).any(is_company);
        let until = ids.iter().map(|_| AtomicU64::new(Version::MAX)).collect();
        let roster = Roster {
            ids,
            from,
            places,
            gone: self.gone,
            order,
            by_place,
            until,
            dead: AtomicU32::new(0),
            first,
            last,
            has_company,
        };
        roster.outdate(&roster);
        roster
    }
}

impl Roster {
    pub(crate) fn rows(&self) -> u32 {
        self.ids.len() as u32
    }

    /// Rows that something else replaced.
    pub(crate) fn dead(&self) -> u32 {
        self.dead.load(Ordering::Acquire)
    }

    pub(crate) fn id(&self, row: u32) -> Id {
        self.ids[row as usize]
    }

    pub(crate) fn from(&self, row: u32) -> Version {
        self.from[row as usize]
    }

    pub(crate) fn until(&self, row: u32) -> Version {
        self.until[row as usize].load(Ordering::Acquire)
    }

    pub(crate) fn place(&self, row: u32) -> Option<Place> {
        let place = self.places[row as usize];
        (place.ordinal != NOWHERE).then_some(place)
    }

    /// Whether some record here stands around another one.
    pub(crate) fn has_company(&self) -> bool {
        self.has_company
    }

    /// Versions of records that have no row here.
    pub(crate) fn gone(&self) -> &[Change] {
        &self.gone
    }

    /// What a mask needs: since when the rows are there, unless all were there before `at`.
    pub(crate) fn since(&self, at: Version) -> Option<&[Version]> {
        (self.last > at).then_some(&self.from)
    }

    /// What a mask needs: until when the rows are there, unless all still are.
    pub(crate) fn ends(&self) -> Option<&[AtomicU64]> {
        (self.dead() > 0).then_some(&self.until)
    }

    /// The rows of a record, oldest first.
    pub(crate) fn rows_of(&self, id: Id) -> &[u32] {
        let from = self.order.partition_point(|row| self.id(*row) < id);
        let count = self.order[from..].partition_point(|row| self.id(*row) == id);
        &self.order[from..from + count]
    }

    /// Every version of a record that is known here, in order.
    fn changes(&self) -> impl Iterator<Item = Change> + '_ {
        let mut rows = self.order.iter().map(|row| self.change(*row)).peekable();
        let mut gone = self.gone.iter().copied().peekable();
        std::iter::from_fn(move || match (rows.peek(), gone.peek()) {
            (Some(row), Some(other)) if other < row => gone.next(),
            (Some(_), _) => rows.next(),
            (None, _) => gone.next(),
        })
    }

    /// Every version of one record that is known here.
    fn versions_of(&self, id: Id) -> impl Iterator<Item = Version> + '_ {
        let from = self.gone.partition_point(|gone| gone.id < id);
        let gone = self.gone[from..].iter().take_while(move |gone| gone.id == id);
        let rows = self.rows_of(id).iter().map(|row| self.from(*row));
        rows.chain(gone.map(|gone| gone.version))
    }

    fn change(&self, row: u32) -> Change {
        Change { id: self.id(row), version: self.from(row) }
    }

    /// How many changes are known here.
    fn n_changes(&self) -> usize {
        self.ids.len() + self.gone.len()
    }

    /// Ends the rows that a change of `other` replaced.
    pub(crate) fn outdate(&self, other: &Roster) {
        const FEW: usize = 16;
        if other.last <= self.first {
            return;
        }
        if self.ids.len() * FEW < other.n_changes() {
            for rows in self.order.chunk_by(|a, b| self.id(*a) == self.id(*b)) {
                other.versions_of(self.id(rows[0])).for_each(|version| self.end(rows, version));
            }
            return;
        }
        if other.n_changes() * FEW < self.ids.len() {
            other.changes().for_each(|change| self.end(self.rows_of(change.id), change.version));
            return;
        }
        let mut changes = other.changes().peekable();
        let mut at = 0;
        while let (Some(row), Some(change)) = (self.order.get(at), changes.peek().copied()) {
            let id = self.id(*row);
            match id.cmp(&change.id) {
                std::cmp::Ordering::Less => at += 1,
                std::cmp::Ordering::Greater => drop(changes.next()),
                std::cmp::Ordering::Equal => {
                    let count = self.order[at..].partition_point(|row| self.id(*row) == id);
                    while let Some(change) = changes.next_if(|change| change.id == id) {
                        self.end(&self.order[at..at + count], change.version);
                    }
                    at += count;
                }
            }
        }
    }

    /// Of the rows of one record, those from before `version` end there, if not earlier.
    fn end(&self, rows: &[u32], version: Version) {
        for row in rows.iter().filter(|row| self.from(**row) < version) {
            let before = self.until[*row as usize].fetch_min(version, Ordering::AcqRel);
            if before == Version::MAX {
                self.dead.fetch_add(1, Ordering::AcqRel);
            }
        }
    }

    /// Appends the rows that stand at or around `place`.
    pub(crate) fn around(&self, place: Place, target: &mut Vec<u32>) {
        let Place { source, ordinal } = place;
        let first = Place { source, ordinal: ordinal.saturating_sub(PLACES_APART_MAX) };
        let last = Place { source, ordinal: ordinal.saturating_add(PLACES_APART_MAX) };
        let at = |row: &u32| self.places[*row as usize];
        let from = self.by_place.partition_point(|row| at(row) < first);
        target.extend(self.by_place[from..].iter().take_while(|row| at(row) <= last));
    }
}

/// Bytes.
impl Roster {
    /// Appends what `decode` reads.
    pub(crate) fn encode(&self, target: &mut Vec<u8>) {
        target.extend_from_slice(&self.rows().to_le_bytes());
        target.extend_from_slice(&(self.gone.len() as u32).to_le_bytes());
        for row in 0..self.ids.len() {
            target.extend_from_slice(self.ids[row].as_bytes());
            target.extend_from_slice(&self.from[row].to_le_bytes());
            target.extend_from_slice(&self.places[row].source.to_le_bytes());
            target.extend_from_slice(&self.places[row].ordinal.to_le_bytes());
        }
        for gone in &self.gone {
            target.extend_from_slice(gone.id.as_bytes());
            target.extend_from_slice(&gone.version.to_le_bytes());
        }
    }

    /// Reads what `encode` wrote. Its checksum was checked.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let damaged = || Error::corrupt("PART_DAMAGED", "the rows of a part are damaged");
        let (rows, rest) = count(bytes).ok_or_else(damaged)?;
        let (gone, rest) = count(rest).ok_or_else(damaged)?;
        let rows_bytes = rows.checked_mul(ROW_BYTES).ok_or_else(damaged)?;
        let gone_bytes = gone.checked_mul(GONE_BYTES).ok_or_else(damaged)?;
        if rows_bytes.checked_add(gone_bytes) != Some(rest.len()) {
            return Err(damaged());
        }
        let (rows, gone) = rest.split_at(rows_bytes);
        let mut draft = RosterDraft::default();
        for row in rows.chunks_exact(ROW_BYTES) {
            let (change, place) = row.split_at(GONE_BYTES);
            let (source, ordinal) = place.split_at(size_of::<u64>());
            let source = u64::from_le_bytes(source.try_into().map_err(|_| damaged())?);
            let ordinal = u32::from_le_bytes(ordinal.try_into().map_err(|_| damaged())?);
            let place = (ordinal != NOWHERE).then_some(Place { source, ordinal });
            draft.rows.push((read_change(change).ok_or_else(damaged)?, place));
        }
        for gone in gone.chunks_exact(GONE_BYTES) {
            draft.gone.push(read_change(gone).ok_or_else(damaged)?);
        }
        Ok(draft.finish())
    }
}

fn count(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (count, rest) = bytes.split_first_chunk::<COUNT_BYTES>()?;
    Some((u32::from_le_bytes(*count) as usize, rest))
}

fn read_change(bytes: &[u8]) -> Option<Change> {
    let (id, rest) = bytes.split_first_chunk::<ID_BYTES>()?;
    Some(Change { id: Id(*id), version: Version::from_le_bytes(rest.try_into().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(id: u8, version: Version) -> Change {
        Change { id: Id([id; 16]), version }
    }

    fn roster(rows: &[(u8, Version)], gone: &[(u8, Version)]) -> Roster {
        let rows = rows.iter().map(|(id, version)| (change(*id, *version), None)).collect();
        RosterDraft { rows, gone: gone.iter().map(|(id, v)| change(*id, *v)).collect() }.finish()
    }

    fn ends(roster: &Roster) -> Vec<Version> {
        (0..roster.rows()).map(|row| roster.until(row)).collect()
    }

    #[test]
    fn a_row_ends_with_the_next_version_of_its_record_whoever_knows_of_it() {
        const ON: Version = Version::MAX;
        let first = roster(&[(3, 1), (1, 1), (2, 2), (1, 4), (1, 4)], &[(3, 9)]);
        assert_eq!(ends(&first), [9, 4, ON, ON, ON]);
        let later = roster(&[(1, 7)], &[(2, 5), (8, 6)]);
        let latest = roster(&[(2, 6), (3, 3)], &[]);
        for other in [&latest, &later, &latest] {
            first.outdate(other);
            later.outdate(other);
            latest.outdate(other);
        }
        latest.outdate(&first);
        assert_eq!(ends(&first), [3, 4, 5, 7, 7]);
        assert_eq!(ends(&later), [ON]);
        assert_eq!(ends(&latest), [ON, 9]);
        assert_eq!((first.dead(), later.dead(), latest.dead()), (5, 0, 1));
    }

    #[test]
    fn a_large_roster_and_a_small_one_agree_on_what_ends() {
        let large: Vec<(u8, Version)> = (0..200).map(|id| (id, 1)).collect();
        let large = roster(&large, &[]);
        large.outdate(&roster(&[(7, 5)], &[(199, 3), (201, 9)]));
        let dead: Vec<u32> = (0..200).filter(|row| large.until(*row) < Version::MAX).collect();
        assert_eq!(dead, [7, 199]);
    }

    #[test]
    fn a_small_roster_ends_where_a_large_one_has_newer_versions_only() {
        let newer: Vec<(u8, Version)> =
            (0..200).map(|id| (id, 1 + Version::from(id % 5))).collect();
        let newer = roster(&newer, &[(250, 9)]);
        let small = roster(&[(10, 1), (13, 1), (14, 9), (250, 2), (251, 2)], &[]);
        small.outdate(&newer);
        assert_eq!(ends(&small), [Version::MAX, 4, Version::MAX, 9, Version::MAX]);
        let latest = roster(&[(13, 9)], &[]);
        latest.outdate(&newer);
        assert_eq!(ends(&latest), [Version::MAX]);
    }

    #[test]
    fn what_is_encoded_is_read_back() {
        let place = Some(Place { source: 7, ordinal: 3 });
        let rows = vec![(change(9, 2), place), (change(1, 3), None), (change(9, 5), place)];
        let roster = RosterDraft { rows, gone: vec![change(4, 4)] }.finish();
        let mut bytes = Vec::new();
        roster.encode(&mut bytes);
        let read = Roster::decode(&bytes).expect("it is whole");
        assert_eq!(ends(&read), [5, Version::MAX, Version::MAX]);
        assert_eq!((read.id(1), read.place(0), read.place(1)), (Id([1; 16]), place, None));
        assert_eq!((read.gone(), read.rows_of(Id([9; 16]))), (&[change(4, 4)][..], &[0, 2][..]));
        let mut around = Vec::new();
        read.around(Place { source: 7, ordinal: 5 }, &mut around);
        read.around(Place { source: 7, ordinal: 6 }, &mut around);
        read.around(Place { source: 8, ordinal: 3 }, &mut around);
        assert_eq!(around, [0, 2]);
        for cut in 0..bytes.len() {
            assert!(Roster::decode(&bytes[..cut]).is_err());
        }
    }
}
