//! A transaction's own writes, over what it reads.
//!
//! Staged writes and the snapshot below read as one ordered map, so index reads inside a
//! transaction see what it has staged, with no code of their own. Whatever is read is remembered:
//! points by the hash of their key, pages by the range that they covered.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use kenning_record::{Version, entry};
use kenning_store::{BoxFuture, Bytes, Direction, Found, Page, Range, Result, Row, Scan};
use kenning_store::{Snapshot, Space};

use crate::window::{Reads, hash};

/// The version that staged entries show until they have one.
pub(crate) const PENDING: Version = u64::MAX;

/// A staged change of one key of an exact space.
pub(crate) struct Staged {
    /// The entry that the snapshot shows, whole.
    pub(crate) before: Option<Bytes>,
    /// The entry as it will be; `None` deletes.
    pub(crate) after: Option<After>,
}

/// A staged entry: framed with `PENDING`, and the sum of its payload, from which the committer goes
/// on once it knows the version.
#[derive(Clone)]
pub(crate) struct After {
    pub(crate) bytes: Bytes,
    pub(crate) payload_sum: u32,
}

/// A snapshot with staged writes on top.
pub(crate) struct Staging {
    below: Arc<dyn Snapshot>,
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) writes: BTreeMap<Vec<u8>, Staged>,
    /// What was read: checked under serialisable isolation.
    pub(crate) reads: Reads,
    /// What the writes stand on: checked always.
    pub(crate) bases: Vec<u64>,
    /// Bytes that the batch will have, about.
    pub(crate) bytes: usize,
}

impl Staging {
    pub(crate) fn new(below: Arc<dyn Snapshot>) -> Self {
        Staging { below, state: Mutex::default() }
    }

    /// Stages an entry. `before` is what the snapshot shows under `key`.
    pub(crate) fn put(&self, key: Vec<u8>, payload: &[u8], before: Option<Bytes>) {
        let payload_sum = entry::payload_sum(payload);
        let mut framed = Vec::with_capacity(payload.len() + entry::OVERHEAD);
        entry::write(PENDING, payload, payload_sum, &mut framed);
        self.stage(key, Some(After { bytes: framed.into(), payload_sum }), before);
    }

    /// Stages a deletion of an entry that the snapshot, or this transaction, has.
    pub(crate) fn delete(&self, key: Vec<u8>, before: Option<Bytes>) {
        self.stage(key, None, before);
    }

    fn stage(&self, key: Vec<u8>, after: Option<After>, before: Option<Bytes>) {
        let mut state = self.state();
        state.bytes += 2 * key.len() + after.as_ref().map_or(0, |after| after.bytes.len()) + 16;
        match state.writes.entry(key) {
            Slot::Occupied(mut slot) => {
                slot.get_mut().after = after;
                // Made and removed again: nothing happens to this key.
                if slot.get().after.is_none() && slot.get().before.is_none() {
                    slot.remove();
                }
            }
            Slot::Vacant(slot) => {
                let pending = |bytes: &Bytes| entry::from(bytes).is_ok_and(|from| from == PENDING);
                assert!(!before.as_ref().is_some_and(pending), "what was there is from the store");
                let size = before.as_ref().map_or(0, Bytes::len);
                slot.insert(Staged { before, after });
                state.bytes += size;
            }
        }
    }

    /// Notes that a write stands on `key` being as the snapshot shows it.
    pub(crate) fn stand_on(&self, key: &[u8]) {
        self.state().bases.push(hash(key));
    }

    /// Reads `key` as the snapshot shows it, without the staged writes, to stand on it.
    pub(crate) async fn base(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.stand_on(key);
        self.below.get(key).await
    }

    pub(crate) fn bytes(&self) -> usize {
        self.state().bytes
    }

    /// Takes everything, leaving nothing staged.
    pub(crate) fn take(&self) -> State {
        std::mem::take(&mut *self.state())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    fn note(&self, key: &[u8]) -> Option<Found> {
        let mut state = self.state();
        match state.writes.get(key) {
            Some(Staged { after: Some(after), .. }) => Some(Found::Here(after.bytes.clone())),
            Some(Staged { after: None, .. }) => Some(Found::Absent),
            None => {
                state.reads.points.push(hash(key));
                None
            }
        }
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
            let mut covered = covered(scan, &below);
            let mut state = self.state();
            let mut page = merge(scan, below, &covered, &state.writes);
            if page.rows.len() > scan.rows_max {
                page.rows.truncate(scan.rows_max);
                page.rest = page.rows.last().map(|last| scan.after(&last.key));
                covered = self::covered(scan, &page);
            }
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

/// The rows of `below` and the staged rows of the covered range, in the order of the scan.
fn merge(scan: &Scan, below: Page, covered: &Range, writes: &BTreeMap<Vec<u8>, Staged>) -> Page {
    if covered.is_empty() || writes.is_empty() {
        return below;
    }
    let until = covered.until.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let mut staged =
        writes.range::<[u8], _>((Bound::Included(covered.from.as_slice()), until)).peekable();
    if staged.peek().is_none() {
        return below;
    }
    let mut rows: Vec<Row> = below
        .rows
        .into_iter()
        .filter(|row| !writes.contains_key::<[u8]>(&row.key))
        .chain(staged.filter_map(|(key, staged)| {
            let value = staged.after.as_ref()?.bytes.clone();
            Some(Row { key: Bytes::copy_from_slice(key), value })
        }))
        .collect();
    rows.sort_unstable_by(|a, b| match scan.direction {
        Direction::Forward => a.key.cmp(&b.key),
        Direction::Backward => b.key.cmp(&a.key),
    });
    Page { rows, rest: below.rest }
}
