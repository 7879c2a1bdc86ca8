//! A frozen view of a store.
//!
//! A get costs one call of RocksDB and one copy. The rows of a page are slices of one buffer, so a
//! page of a thousand rows is a handful of allocations; whoever keeps a row keeps its page.

use std::sync::Arc;

use kenning_store::{BoxFuture, Bytes, Direction, Found, Page, Result, Row, Scan, Snapshot};
use rocksdb::{DBPinnableSlice, DBRawIterator, ReadOptions};

use crate::error::store_error;
use crate::raw::Frozen;
use crate::regions::{FAMILIES, Region, family_of, regions};
use crate::store::Engine;

/// Fewer keys than this are read one by one: batching them costs more than it saves.
const BATCHED_KEYS_MIN: usize = 8;
/// What a page's buffer begins with, unless few rows are asked for.
const PAGE_BYTES_FIRST: usize = 4 << 10;

pub(crate) struct RocksSnapshot(Frozen<Engine>);

impl RocksSnapshot {
    pub(crate) fn new(engine: &Arc<Engine>) -> Self {
        RocksSnapshot(Frozen::new(engine))
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
        let is_full = next.try_fold(false, |is_full, region| match is_full {
            true => Ok(true),
            false => self.read_region(region, scan, &mut rows),
        })?;
        Ok(rows.into_page(scan, is_full))
    }

    /// Adds the rows of a region; true if the page is full.
    fn read_region(&self, region: Region, scan: &Scan, rows: &mut Rows) -> Result<bool> {
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
            if scan.is_full(rows.spans.len(), rows.bytes.len()) {
                return Ok(true);
            }
            step(&mut iterator, scan.direction);
        }
        iterator.status().map_err(|error| store_error("scanning", error))?;
        Ok(false)
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

/// The rows of a page, in one buffer.
#[derive(Default)]
struct Rows {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

struct Span {
    key_at: usize,
    value_at: usize,
    until: usize,
}

impl Rows {
    fn push(&mut self, key: &[u8], value: &[u8]) {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve((key.len() + value.len()).max(PAGE_BYTES_FIRST));
        }
        let key_at = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let value_at = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.spans.push(Span { key_at, value_at, until: self.bytes.len() });
    }

    fn into_page(self, scan: &Scan, is_full: bool) -> Page {
        let bytes = Bytes::from(self.bytes);
        let row = |span: &Span| Row {
            key: bytes.slice(span.key_at..span.value_at),
            value: bytes.slice(span.value_at..span.until),
        };
        let rows: Vec<Row> = self.spans.iter().map(row).collect();
        let rest = rows.last().filter(|_| is_full).map(|last| scan.after(&last.key));
        Page { rows, rest }
    }
}

impl Snapshot for RocksSnapshot {
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
