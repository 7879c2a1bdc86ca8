//! A frozen view of a store.
//!
//! A view of fjall's only keeps what it shows from being removed; the keyspaces are held here. What
//! is read is copied: fjall's values are parts of blocks, which would stay in memory with them.

use std::ops::Bound;
use std::sync::Arc;

use fjall::{AbstractTree, Readable};
use kenning_store::regions::{Region, family_of, regions};
use kenning_store::{BoxFuture, Bytes, Direction, Found, Page, Result, Rows, Scan, Snapshot};

use crate::error::store_error;
use crate::store::{Engine, Tables};

pub(crate) struct FjallSnapshot {
    /// There until it is dropped.
    view: Option<fjall::Snapshot>,
    engine: Arc<Engine>,
}

impl Drop for FjallSnapshot {
    fn drop(&mut self) {
        if let Some(view) = self.view.take() {
            let seen = view.seqno();
            drop(view);
            self.engine.tables().let_go(seen);
        }
    }
}

impl FjallSnapshot {
    pub(crate) fn new(engine: &Arc<Engine>) -> Self {
        FjallSnapshot { view: Some(engine.tables().view()), engine: Arc::clone(engine) }
    }

    pub(crate) fn view(&self) -> &fjall::Snapshot {
        self.view.as_ref().expect("it is there until it is dropped")
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let keyspace = &self.engine.tables().keyspaces[family_of(key)];
        let value =
            self.view().get(keyspace, key).map_err(|error| store_error("reading", error))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }
}

pub(crate) fn read_page(tables: &Tables, view: &fjall::Snapshot, scan: &Scan) -> Result<Page> {
    let mut rows = Rows::default();
    let mut next: Box<dyn Iterator<Item = Region>> = match scan.direction {
        Direction::Forward => Box::new(regions(&scan.range)),
        Direction::Backward => Box::new(regions(&scan.range).rev()),
    };
    next.try_for_each(|region| match rows.is_full(scan) {
        true => Ok(()),
        false => read_region(tables, view, &region, scan, &mut rows),
    })?;
    Ok(rows.into_page(scan))
}

/// Adds the rows of a region until the page is full.
fn read_region(
    tables: &Tables,
    view: &fjall::Snapshot,
    region: &Region,
    scan: &Scan,
    rows: &mut Rows,
) -> Result<()> {
    let mut walk = walk(tables, view, region);
    // Whether more follows is not looked at: behind the last row that is asked for there may be
    // many deleted ones to step over.
    while !rows.is_full(scan) {
        let next = match scan.direction {
            Direction::Forward => walk.next(),
            Direction::Backward => walk.next_back(),
        };
        let Some(row) = next else { break };
        let (key, value) = row.into_inner().map_err(|error| store_error("scanning", error))?;
        rows.push(&key, &value);
    }
    Ok(())
}

/// Walks a region as it was when the view was taken.
pub(crate) fn walk(tables: &Tables, view: &fjall::Snapshot, region: &Region) -> fjall::Iter {
    let from = Bound::Included(region.range.from.as_slice());
    let until = region.range.until.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    view.range::<&[u8], _>(&tables.keyspaces[region.family], (from, until))
}

impl Snapshot for FjallSnapshot {
    /// What was written lately is in memory. fjall does not tell whether it has a block.
    fn try_get(&self, key: &[u8]) -> Result<Found> {
        let keyspace = &self.engine.tables().keyspaces[family_of(key)];
        Ok(match keyspace.tree.active_memtable().get(key, self.view().seqno()) {
            Some(entry) if entry.is_tombstone() => Found::Absent,
            Some(entry) => Found::Here(Bytes::copy_from_slice(&entry.value)),
            None => Found::Elsewhere,
        })
    }

    fn get_many<'a>(&'a self, keys: &'a [&'a [u8]]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>>> {
        Box::pin(async move { keys.iter().map(|key| self.get(key)).collect() })
    }

    fn page<'a>(&'a self, scan: &'a Scan) -> BoxFuture<'a, Result<Page>> {
        Box::pin(async move { read_page(self.engine.tables(), self.view(), scan) })
    }
}
