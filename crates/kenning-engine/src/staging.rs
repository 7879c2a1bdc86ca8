//! A transaction's own writes, over what it reads.
//!
//! Staged writes and the snapshot below read as one ordered map, so index reads inside a
//! transaction see what it has staged, with no code of their own. Whatever is read is remembered:
//! points by the hash of their key, pages by the range that they covered.
//!
//! Keys and values lie one after the other in one buffer, found by the hash of the key. Their order
//! is made when a page is first read, and kept from then on. At the end they are copied once, in
//! order, into what the committer takes.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use foldhash::fast::FixedState;
use kenning_record::{Version, entry};
use kenning_store::{Batch, BoxFuture, Bytes, Direction, Found, Page, Range, Result, Row, Scan};
use kenning_store::{Snapshot, Space};

use crate::window::{Hasher, Keys, Reads};

/// The version that staged entries show until they have one.
pub(crate) const PENDING: Version = u64::MAX;

/// What a transaction has staged, on its way to the committer.
pub(crate) struct Staged {
    /// One write for each key, in the order of the keys. Values are prepared, not stamped.
    pub(crate) writes: Batch,
    /// What the writes overwrite or delete, whole, and by which write.
    pub(crate) befores: Vec<(usize, Bytes)>,
    /// The keys, in the same order.
    pub(crate) keys: Keys,
    /// What was read: checked under serialisable isolation.
    pub(crate) reads: Reads,
    /// What the writes stand on: checked always.
    pub(crate) bases: Vec<u64>,
    /// Bytes that the batch will have, about.
    pub(crate) bytes: usize,
}

/// A snapshot with staged writes on top.
pub(crate) struct Staging {
    below: Arc<dyn Snapshot>,
    hasher: Hasher,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Each key, followed by its prepared entry. Of a key that is staged again the last one counts.
    buffer: Vec<u8>,
    slots: Vec<Slot>,
    /// The last slot with a hash; slots with the same one are chained.
    by_hash: HashMap<u64, usize, FixedState>,
    /// The slots by their keys, once somebody asked for them.
    by_key: Option<BTreeMap<Vec<u8>, usize>>,
    reads: Reads,
    bases: Vec<u64>,
    bytes: usize,
}

/// A staged change of one key of an exact space.
struct Slot {
    key_at: usize,
    value_at: usize,
    until: usize,
    after: After,
    /// The entry that the snapshot shows, whole.
    before: Option<Bytes>,
    hash: u64,
    next: Option<usize>,
}

/// What is under a staged key in the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Entry,
    Deleted,
    /// Made and removed again: nothing happens to this key.
    Untouched,
}

impl State {
    fn key(&self, slot: &Slot) -> &[u8] {
        &self.buffer[slot.key_at..slot.value_at]
    }

    /// The slot of `key`, which has this hash.
    fn find(&self, key: &[u8], hash: u64) -> Option<usize> {
        let mut next = self.by_hash.get(&hash).copied();
        while let Some(at) = next {
            let slot = &self.slots[at];
            if self.key(slot) == key {
                return Some(at);
            }
            next = slot.next;
        }
        None
    }

    fn stage(&mut self, key: &[u8], hash: u64, payload: Option<&[u8]>, before: Option<Bytes>) {
        let found = self.find(key, hash);
        let key_at = self.buffer.len();
        self.buffer.extend_from_slice(key);
        let value_at = self.buffer.len();
        if let Some(payload) = payload {
            entry::prepare(payload, &mut self.buffer);
        }
        let until = self.buffer.len();
        self.bytes += 2 * key.len() + (until - value_at) + 16;
        let after = if payload.is_some() { After::Entry } else { After::Deleted };
        let at = found.unwrap_or(self.slots.len());
        if let Some(slot) = self.slots.get_mut(at) {
            (slot.key_at, slot.value_at, slot.until) = (key_at, value_at, until);
            let unmade = after == After::Deleted && slot.before.is_none();
            slot.after = if unmade { After::Untouched } else { after };
        } else {
            let pending = |bytes: &Bytes| entry::from(bytes).is_ok_and(|from| from == PENDING);
            assert!(!before.as_ref().is_some_and(pending), "what was there is from the store");
            self.bytes += before.as_ref().map_or(0, Bytes::len);
            let next = self.by_hash.insert(hash, at);
            self.slots.push(Slot { key_at, value_at, until, after, before, hash, next });
        }
        if let Some(by_key) = &mut self.by_key {
            match self.slots[at].after {
                After::Entry | After::Deleted => by_key.insert(key.to_vec(), at),
                After::Untouched => by_key.remove(key),
            };
        }
    }

    /// The entry that a slot leaves, as a reader of this transaction sees it.
    fn entry(&self, slot: &Slot) -> Option<Bytes> {
        (slot.after == After::Entry).then(|| {
            let mut bytes = self.buffer[slot.value_at..slot.until].to_vec();
            entry::stamp(PENDING, &mut bytes);
            bytes.into()
        })
    }

    /// The staged row under `key`; `None` if it is deleted.
    fn row(&self, key: &[u8], at: usize) -> Option<Row> {
        let value = self.entry(&self.slots[at])?;
        Some(Row { key: Bytes::copy_from_slice(key), value })
    }

    /// Makes sure that there is an order.
    fn sort(&mut self) {
        if self.by_key.is_none() {
            let touched = self.slots.iter().enumerate();
            let touched = touched.filter(|(_, slot)| slot.after != After::Untouched);
            self.by_key = Some(touched.map(|(at, slot)| (self.key(slot).to_vec(), at)).collect());
        }
    }

    /// Slots in the order of their keys, once they are sorted.
    fn slots_in(&self, range: &Range) -> impl Iterator<Item = (&Vec<u8>, &usize)> {
        let by_key = self.by_key.as_ref().expect("whoever asks has sorted them");
        let until = range.until.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        by_key.range::<[u8], _>((Bound::Included(range.from.as_slice()), until))
    }

    fn finish(mut self) -> Staged {
        let slots = std::mem::take(&mut self.slots);
        let touched = |slot: &&Slot| slot.after != After::Untouched;
        let mut order: Vec<&Slot> = slots.iter().filter(touched).collect();
        order.sort_unstable_by(|a, b| self.key(a).cmp(self.key(b)));
        let bytes_kept = order.iter().map(|slot| slot.until - slot.key_at).sum();
        let mut writes = Batch::with_capacity(bytes_kept, order.len());
        let mut keys = Keys::with_capacity(order.len());
        let mut befores = Vec::new();
        for (at, slot) in order.into_iter().enumerate() {
            let key = self.key(slot);
            match slot.after {
                After::Entry => writes.put(key, &self.buffer[slot.value_at..slot.until]),
                After::Deleted => writes.delete(key),
                After::Untouched => unreachable!("they were left out above"),
            }
            keys.push(key, slot.hash);
            befores.extend(slot.before.clone().map(|before| (at, before)));
        }
        let State { reads, bases, bytes, .. } = self;
        Staged { writes, befores, keys, reads, bases, bytes }
    }
}

impl Staging {
    pub(crate) fn new(below: Arc<dyn Snapshot>, hasher: Hasher) -> Self {
        Staging { below, hasher, state: Mutex::default() }
    }

    /// Stages an entry. `before` is what the snapshot shows under `key`.
    pub(crate) fn put(&self, key: &[u8], payload: &[u8], before: Option<Bytes>) {
        self.state().stage(key, self.hasher.hash(key), Some(payload), before);
    }

    /// Stages a deletion of an entry that the snapshot, or this transaction, has.
    pub(crate) fn delete(&self, key: &[u8], before: Option<Bytes>) {
        self.state().stage(key, self.hasher.hash(key), None, before);
    }

    /// Notes that a write stands on `key` being as the snapshot shows it.
    pub(crate) fn stand_on(&self, key: &[u8]) {
        self.state().bases.push(self.hasher.hash(key));
    }

    /// Reads `key` as the snapshot shows it, without the staged writes, to stand on it.
    pub(crate) async fn base(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.stand_on(key);
        self.below.get(key).await
    }

    /// Remembers that a range was read, by whoever reads it by other means.
    pub(crate) fn remember(&self, range: &Range) {
        self.state().reads.ranges.push(range.clone());
    }

    /// The staged entries of a range, without those that are deleted.
    pub(crate) fn staged(&self, range: &Range) -> Vec<Row> {
        let mut state = self.state();
        state.sort();
        state.slots_in(range).filter_map(|(key, at)| state.row(key, *at)).collect()
    }

    /// The keys in `range` that were written, deleted ones included.
    pub(crate) fn staged_keys(&self, range: &Range) -> Vec<Vec<u8>> {
        let mut state = self.state();
        state.sort();
        state.slots_in(range).map(|(key, _)| key.clone()).collect()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.state().bytes
    }

    /// Takes everything, leaving nothing staged.
    pub(crate) fn take(&self) -> Staged {
        std::mem::take(&mut *self.state()).finish()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    fn note(&self, key: &[u8]) -> Option<Found> {
        let mut state = self.state();
        let hash = self.hasher.hash(key);
        if let Some(at) = state.find(key, hash) {
            let slot = &state.slots[at];
            match slot.after {
                After::Entry => return state.entry(slot).map(Found::Here),
                After::Deleted => return Some(Found::Absent),
                After::Untouched => {}
            }
        }
        state.reads.points.push(hash);
        None
    }
}

impl Snapshot for Staging {
    fn try_get(&self, key: &[u8]) -> Result<Found> {
        match self.note(key) {
            Some(found) => Ok(found),
            None => self.below.try_get(key),
        }
    }

    fn get_many<'a>(&'a self, keys: &'a [&'a [u8]]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>>> {
        Box::pin(async move {
            let staged: Vec<_> = keys.iter().map(|key| self.note(key)).collect();
            let mut values = self.below.get_many(keys).await?;
            for (value, staged) in values.iter_mut().zip(staged) {
                match staged {
                    Some(Found::Here(bytes)) => *value = Some(bytes),
                    Some(Found::Absent) => *value = None,
                    Some(Found::Elsewhere) | None => {}
                }
            }
            Ok(values)
        })
    }

    fn page<'a>(&'a self, scan: &'a Scan) -> BoxFuture<'a, Result<Page>> {
        Box::pin(async move {
            let below = self.below.page(scan).await?;
            let mut state = self.state();
            let (page, covered) = merge(scan, below, &mut state);
            if is_watched(&covered) {
                state.reads.ranges.push(covered);
            }
            Ok(page)
        })
    }
}

/// History and log only grow behind a snapshot: what was read of them can't change.
fn is_watched(range: &Range) -> bool {
    let first = range.from.first().copied().unwrap_or(0);
    first != Space::History.byte() && first != Space::Log.byte()
}

/// The part of the range that a page has an answer for.
fn covered(scan: &Scan, page: &Page) -> Range {
    let mut covered = scan.range.clone();
    if let (Some(_), Some(last)) = (&page.rest, page.rows.last()) {
        match scan.direction {
            Direction::Forward => covered.until = Some([&last.key, &[0][..]].concat()),
            Direction::Backward => covered.from = last.key.to_vec(),
        }
    }
    covered
}

/// The rows of `below` and the staged rows of the range that it covers, in the order of the scan,
/// until the page is full; and the range that the page has an answer for.
fn merge(scan: &Scan, below: Page, state: &mut State) -> (Page, Range) {
    let covered = covered(scan, &below);
    if covered.is_empty() || state.slots.is_empty() {
        return (below, covered);
    }
    state.sort();
    let by_key = state.by_key.as_ref().expect("it was made a line above");
    let until = covered.until.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let range = by_key.range::<[u8], _>((Bound::Included(covered.from.as_slice()), until));
    let staged: &mut dyn Iterator<Item = (&Vec<u8>, &usize)> = match scan.direction {
        Direction::Forward => &mut { range },
        Direction::Backward => &mut range.rev(),
    };
    let mut staged = staged.peekable();
    if staged.peek().is_none() {
        return (below, covered);
    }
    let comes_first = |a: &[u8], b: &[u8]| match scan.direction {
        Direction::Forward => a <= b,
        Direction::Backward => a >= b,
    };
    let mut live = below.rows.into_iter().peekable();
    let mut page = Page::default();
    let mut bytes = 0;
    while live.peek().is_some() || staged.peek().is_some() {
        let row = match (live.peek(), staged.peek()) {
            (Some(row), Some((key, _))) if comes_first(key, &row.key) => {
                // What is staged replaces what is below.
                let is_same = row.key == **key;
                live.next_if(|_| is_same);
                staged.next().and_then(|(key, at)| state.row(key, *at))
            }
            (None, Some(_)) => staged.next().and_then(|(key, at)| state.row(key, *at)),
            (Some(_), _) => live.next(),
            (None, None) => None,
        };
        let Some(row) = row else { continue };
        bytes += row.key.len() + row.value.len();
        page.rows.push(row);
        if scan.is_full(page.rows.len(), bytes) {
            page.rest = page.rows.last().map(|last| scan.after(&last.key));
            let covered = self::covered(scan, &page);
            return (page, covered);
        }
    }
    page.rest = below.rest;
    (page, covered)
}

#[cfg(test)]
mod tests {
    use kenning_store::Write;

    use super::*;

    type Left = Vec<(Vec<u8>, Option<Vec<u8>>)>;
    type Stage = (&'static [u8], Option<&'static [u8]>, Option<Bytes>);

    /// Key and payload of what a transaction leaves, `None` being a deletion.
    fn left(state: State) -> Left {
        let Staged { mut writes, keys, .. } = state.finish();
        writes.change_values(|value| entry::stamp(1, value));
        let payload = |bytes: &[u8]| entry::check(bytes).expect("it was stamped").1.to_vec();
        let left: Left = writes
            .writes()
            .map(|write| match write {
                Write::Put(key, value) => (key.to_vec(), Some(payload(value))),
                Write::Delete(key) => (key.to_vec(), None),
            })
            .collect();
        assert!(keys.iter().eq(left.iter().map(|(key, _)| key.as_slice())));
        left
    }

    #[test]
    fn keys_with_one_hash_are_told_apart() {
        let before = || {
            let mut bytes = Vec::new();
            entry::write(1, b"old", &mut bytes);
            Some(Bytes::from(bytes))
        };
        for sorted_at in 0..6 {
            let mut state = State::default();
            let steps: [Stage; 6] = [
                (b"b", Some(b"1"), None),
                (b"a", Some(b"2"), before()),
                (b"c", Some(b"3"), None),
                (b"b", Some(b"4"), None),
                (b"c", None, None),
                (b"d", None, before()),
            ];
            for (at, (key, payload, before)) in steps.into_iter().enumerate() {
                if at == sorted_at {
                    state.sort();
                }
                state.stage(key, 0, payload, before);
            }
            let by_key = state.by_key.as_ref().map(|by_key| by_key.keys().cloned().collect());
            let touched: Vec<Vec<u8>> = vec![b"a".into(), b"b".into(), b"d".into()];
            assert_eq!(by_key, Some(touched));
            let expected = [
                (b"a".to_vec(), Some(b"2".to_vec())),
                (b"b".to_vec(), Some(b"4".to_vec())),
                (b"d".to_vec(), None),
            ];
            assert_eq!(left(state), expected);
        }
    }
}
