//! A frozen view of a store.
//!
//! A get costs one call of RocksDB and one copy.

use std::sync::Arc;

use kenning_store::regions::{FAMILIES, Region, family_of, regions};
use kenning_store::{BoxFuture, Bytes, Direction, Found, Page, Result, Rows, Scan, Snapshot};
use rocksdb::{DBPinnableSlice, DBRawIterator, ReadOptions};

use crate::error::store_error;
use crate::raw::{Database, Frozen};

/// Fewer keys than this are read one by one: batching them costs more than it saves.
const BATCHED_KEYS_MIN: usize = 8;

/// `T` holds the database.
pub(crate) struct RocksSnapshot<T: AsRef<Database>>(Frozen<T>);

impl<T: AsRef<Database>> RocksSnapshot<T> {
    pub(crate) fn new(owner: &Arc<T>) -> Self {
        RocksSnapshot(Frozen::new(owner))
    }

    fn get_each(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        keys.iter().map(|key| value(self.0.get(family_of(key), key))).collect()
    }

    /// Reads the keys of each family together.
    fn get_batched(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        let mut by_family: [Vec<usize>; FAMILIES.len()] = Default::default();
        for (idx, key) in keys.iter().enumerate() {
            by_family[family_of(key)].push(idx);
        }
        let mut values = vec![None; keys.len()];
        for (family, places) in by_family.iter().enumerate() {
            if places.is_empty() {
                continue;
            }
            let keys: Vec<&[u8]> = places.iter().map(|idx| keys[*idx]).collect();
            for (idx, read) in places.iter().zip(self.0.get_many(family, &keys)) {
                values[*idx] = value(read)?;
            }
        }
        Ok(values)
    }

    fn read_page(&self, scan: &Scan) -> Result<Page> {
        let mut rows = Rows::default();
        let mut next: Box<dyn Iterator<Item = Region>> = match scan.direction {
            Direction::Forward => Box::new(regions(&scan.range)),
            Direction::Backward => Box::new(regions(&scan.range).rev()),
        };
        next.try_for_each(|region| match rows.is_full(scan) {
            true => Ok(()),
            false => self.read_region(region, scan, &mut rows),
        })?;
        Ok(rows.into_page(scan))
    }

    /// Adds the rows of a region until the page is full.
    fn read_region(&self, region: Region, scan: &Scan, rows: &mut Rows) -> Result<()> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(region.range.from);
        if let Some(until) = region.range.until {
            options.set_iterate_upper_bound(until);
        }
        let mut iterator = self.0.iterate(region.family, options);
        match scan.direction {
            Direction::Forward => iterator.seek_to_first(),
            Direction::Backward => iterator.seek_to_last(),
        }
        while let Some((key, value)) = iterator.item() {
            rows.push(key, value);
            // Whether more follows is not looked at: behind the last row that is asked for there
            // may be many deleted ones to step over.
            if rows.is_full(scan) {
                return Ok(());
            }
            step(&mut iterator, scan.direction);
        }
        iterator.status().map_err(|error| store_error("scanning", error))
    }
}

fn step(iterator: &mut DBRawIterator<'_>, direction: Direction) {
    match direction {
        Direction::Forward => iterator.next(),
        Direction::Backward => iterator.prev(),
    }
}

fn value(read: Result<Option<DBPinnableSlice<'_>>, rocksdb::Error>) -> Result<Option<Bytes>> {
    let value = read.map_err(|error| store_error("reading", error))?;
    Ok(value.map(|value| Bytes::copy_from_slice(&value)))
}

impl<T: AsRef<Database> + Send + Sync> Snapshot for RocksSnapshot<T> {
    fn try_get(&self, key: &[u8]) -> Result<Found> {
        match self.0.get_cached(family_of(key), key) {
            Ok(Some(value)) => Ok(Found::Here(Bytes::copy_from_slice(&value))),
            Ok(None) => Ok(Found::Absent),
            Err(error) if error.kind() == rocksdb::ErrorKind::Incomplete => Ok(Found::Elsewhere),
            Err(error) => Err(store_error("reading", error)),
        }
    }

    fn get_many<'a>(&'a self, keys: &'a [&'a [u8]]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>>> {
        Box::pin(async move {
            if keys.len() < BATCHED_KEYS_MIN { self.get_each(keys) } else { self.get_batched(keys) }
        })
    }

    fn page<'a>(&'a self, scan: &'a Scan) -> BoxFuture<'a, Result<Page>> {
        Box::pin(async move { self.read_page(scan) })
    }
}
