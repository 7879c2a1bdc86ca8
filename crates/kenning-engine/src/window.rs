//! Who wrote what since when: the committer's memory of recent writes.
//!
//! A transaction conflicts if something that it read was written after its snapshot. Points are
//! looked up by a hash of the key (two keys of one hash cost a retry, never an anomaly); ranges by
//! binary search in the sorted keys of each transaction that landed since. Nothing is remembered
//! longer than the oldest open transaction needs it, nor beyond a limit.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use kenning_record::Version;
use kenning_store::{Error, Range, Result};

/// Bytes of a usual key: of a record, or of an index entry.
const KEY_BYTES: usize = 40;
/// Comparisons up to which it is not worth to put keys into a table and to take them out again.
pub(crate) const SCANNED_MAX: usize = 16_384;
/// What looking at one more transaction costs, in comparisons.
const LANDED_COST: usize = 64;

pub(crate) struct Window {
    landed: VecDeque<Landed>,
    written: HashMap<u64, Version, FixedState>,
    keys: usize,
    keys_max: usize,
    scanned_max: usize,
    /// Transactions with an older snapshot can't be judged any more.
    from: Version,
}

struct Landed {
    version: Version,
    keys: Keys,
    /// Whether its keys are in `written`: not before somebody who read much has to be judged, which
    /// in a load without keys and unique values is never.
    hashed: bool,
}

/// The keys that a transaction writes, in their order, with their hashes.
#[derive(Default)]
pub(crate) struct Keys {
    bytes: Vec<u8>,
    /// Where each key ends.
    ends: Vec<usize>,
    hashes: Vec<u64>,
}

/// What a transaction must find unchanged.
#[derive(Default)]
pub(crate) struct Reads {
    /// Hashes of keys.
    pub(crate) points: Vec<u64>,
    pub(crate) ranges: Vec<Range>,
}

/// Makes the hashes under which keys are remembered. Its seed is chance, so that nobody can choose
/// keys that have one hash.
#[derive(Clone)]
pub(crate) struct Hasher(FixedState);

impl Hasher {
    pub(crate) fn new(seed: u64) -> Self {
        Hasher(FixedState::with_seed(seed))
    }

    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        self.0.hash_one(key)
    }
}

impl Window {
    /// A window that remembers about `keys_max` keys, and scans up to `scanned_max` of them.
    pub(crate) fn new(from: Version, keys_max: usize, scanned_max: usize) -> Self {
        let written = HashMap::default();
        Window { landed: VecDeque::new(), written, keys: 0, keys_max, scanned_max, from }
    }

    /// Checks that nothing in `reads` was written after `snapshot`.
    pub(crate) fn check(&mut self, snapshot: Version, reads: &Reads) -> Result<()> {
        if reads.points.is_empty() && reads.ranges.is_empty() {
            return Ok(());
        }
        if snapshot < self.from {
            return Err(Error::conflict(
                "TOO_OLD",
                format!(
                    "the transaction reads version {snapshot}, conflicts are known from version {}",
                    self.from
                ),
            ));
        }
        if self.landed.back().is_none_or(|last| last.version <= snapshot) {
            return Ok(());
        }
        if self.wrote_point(snapshot, &reads.points) {
            return Err(changed(snapshot));
        }
        for landed in self.since(snapshot) {
            if reads.ranges.iter().any(|range| landed.touches(range)) {
                return Err(changed(snapshot));
            }
        }
        Ok(())
    }

    /// What landed after `snapshot`, last first.
    fn since(&self, snapshot: Version) -> impl Iterator<Item = &Landed> {
        self.landed.iter().rev().take_while(move |landed| landed.version > snapshot)
    }

    /// Whether one of `points` was written after `snapshot`.
    fn wrote_point(&mut self, snapshot: Version, points: &[u64]) -> bool {
        if points.is_empty() {
            return false;
        }
        let mut since = 0;
        let is_short = self.since(snapshot).all(|landed| {
            since += LANDED_COST + landed.keys.len();
            since * points.len() <= self.scanned_max
        });
        if is_short {
            let wrote = |landed: &Landed| points.iter().any(|point| landed.wrote(*point));
            return self.since(snapshot).any(wrote);
        }
        self.hash_keys();
        let since = |version: &Version| *version > snapshot;
        points.iter().any(|point| self.written.get(point).is_some_and(since))
    }

    /// Remembers what landed. `keys` are sorted.
    pub(crate) fn push(&mut self, version: Version, keys: Keys) {
        assert!(keys.iter().is_sorted(), "a range is looked up by binary search");
        self.keys += keys.len();
        self.landed.push_back(Landed { version, keys, hashed: false });
    }

    fn hash_keys(&mut self) {
        let first = self.landed.iter().rposition(|landed| landed.hashed).map_or(0, |at| at + 1);
        for landed in self.landed.range_mut(first..) {
            for hash in &landed.keys.hashes {
                self.written.insert(*hash, landed.version);
            }
            landed.hashed = true;
        }
    }

    /// Forgets what no open transaction needs; `oldest` is the oldest snapshot of them.
    pub(crate) fn trim(&mut self, oldest: Version) {
        while let Some(first) = self.landed.front()
            && (first.version <= oldest || self.keys > self.keys_max)
        {
            let first = self.landed.pop_front().expect("it was there a line above");
            for hash in first.keys.hashes.iter().filter(|_| first.hashed) {
                if self.written.get(hash) == Some(&first.version) {
                    self.written.remove(hash);
                }
            }
            self.keys -= first.keys.len();
            self.from = self.from.max(first.version);
        }
        if self.written.is_empty() && self.written.capacity() > 1 << 16 {
            self.written.shrink_to(1 << 16);
        }
    }
}

impl Landed {
    fn wrote(&self, point: u64) -> bool {
        self.keys.hashes.contains(&point)
    }

    fn touches(&self, range: &Range) -> bool {
        let first = self.keys.partition_point(|key| key < range.from.as_slice());
        first < self.keys.len() && range.contains(self.keys.get(first))
    }
}

impl Keys {
    pub(crate) fn with_capacity(keys: usize) -> Self {
        Keys {
            bytes: Vec::with_capacity(keys * KEY_BYTES),
            ends: Vec::with_capacity(keys),
            hashes: Vec::with_capacity(keys),
        }
    }

    /// Adds a key, which comes behind the others and has this hash.
    pub(crate) fn push(&mut self, key: &[u8], hash: u64) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
        self.hashes.push(hash);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|at| self.get(at))
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    /// The key with this number.
    pub(crate) fn get(&self, at: usize) -> &[u8] {
        let from = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[from..self.ends[at]]
    }

    fn partition_point(&self, is_before: impl Fn(&[u8]) -> bool) -> usize {
        let (mut from, mut until) = (0, self.len());
        while from < until {
            let middle = from.midpoint(until);
            if is_before(self.get(middle)) { from = middle + 1 } else { until = middle }
        }
        from
    }
}

fn changed(snapshot: Version) -> Error {
    Error::conflict(
        "CHANGED",
        format!("something that the transaction read at version {snapshot} was written since"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(key: &str) -> u64 {
        Hasher::new(1).hash(key.as_bytes())
    }

    fn reads(points: &[&str], ranges: &[(&str, &str)]) -> Reads {
        Reads {
            points: points.iter().map(|key| hash(key)).collect(),
            ranges: ranges.iter().map(|(from, until)| Range::new(*from, *until)).collect(),
        }
    }

    fn keys(texts: &[&str]) -> Keys {
        let mut keys = Keys::default();
        texts.iter().for_each(|text| keys.push(text.as_bytes(), hash(text)));
        keys
    }

    #[test]
    fn what_was_read_must_not_have_been_written_since() {
        [0, SCANNED_MAX].into_iter().for_each(check_what_was_read);
    }

    fn check_what_was_read(scanned_max: usize) {
        let mut window = Window::new(0, 100, scanned_max);
        window.push(1, keys(&["a", "c"]));
        window.push(2, keys(&["e"]));
        assert!(window.check(0, &reads(&["c"], &[])).is_err());
        assert!(window.check(1, &reads(&["c"], &[])).is_ok());
        assert!(window.check(0, &reads(&["b"], &[("b", "c")])).is_ok());
        assert!(window.check(0, &reads(&[], &[("b", "d")])).is_err());
        assert!(window.check(1, &reads(&[], &[("d", "f")])).is_err());
        assert!(window.check(2, &reads(&["e"], &[("a", "z")])).is_ok());
    }

    #[test]
    fn a_transaction_that_can_not_be_judged_is_refused() {
        let mut window = Window::new(0, 2, 0);
        for version in 1..=3 {
            window.push(version, keys(&["a"]));
        }
        window.trim(0);
        assert_eq!(window.check(0, &reads(&["z"], &[])).unwrap_err().code(), "TOO_OLD");
        assert!(window.check(0, &reads(&[], &[])).is_ok(), "who read nothing has nothing to lose");
        assert!(window.check(1, &reads(&["a"], &[])).is_err());
        assert!(window.check(3, &reads(&["a"], &[])).is_ok());
    }

    #[test]
    fn scanning_and_hashing_answer_the_same() {
        let mut chance = 1_u64;
        let mut draw = |below: u64| {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (chance >> 33) % below
        };
        let mut windows = [0, 500, usize::MAX].map(|scanned| Window::new(0, 40, scanned));
        for version in 1..2_000 {
            let mut texts: Vec<String> = (0..draw(4)).map(|_| draw(30).to_string()).collect();
            texts.sort();
            texts.dedup();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            windows.iter_mut().for_each(|window| window.push(version, keys(&texts)));
            let snapshot = version - draw(8).min(version);
            let points: Vec<String> = (0..draw(5)).map(|_| draw(30).to_string()).collect();
            let points: Vec<&str> = points.iter().map(String::as_str).collect();
            let codes = windows.each_mut().map(|window| {
                window.check(snapshot, &reads(&points, &[])).err().map(|error| error.code())
            });
            assert!(codes[0] == codes[1] && codes[1] == codes[2], "{version}: {codes:?}");
            if draw(3) == 0 {
                let oldest = version - draw(6).min(version);
                windows.iter_mut().for_each(|window| window.trim(oldest));
            }
        }
    }
}
