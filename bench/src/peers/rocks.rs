//! The raw engine: RocksDB as Kenning sets it up, without Kenning.
//!
//! `kenning-rocks` makes a folder, and the options are taken from what RocksDB wrote down about
//! them there. So they are the same, column families included, whatever that crate decides.

use std::fs;
use std::path::{Path, PathBuf};

use kenning_rocks::{RocksStore, Settings};
use kenning_store::{Batch, Create, Space, Write};
use rocksdb::{Cache, ColumnFamily, DB, Env, IteratorMode, Options, WriteBatch, WriteOptions};

use crate::Result;

/// The name in every measure.
pub(crate) const ROCKS: &str = "raw engine";

/// Where a database folder has the engine's own files.
const STORE: &str = "store";

/// An open RocksDB.
pub(crate) struct Rocks {
    database: DB,
}

impl Rocks {
    /// A new one in `folder`, which is empty.
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        let made = folder.join("raw");
        drop(RocksStore::open(&made, Settings::default(), Create::New)?);
        Rocks::open(&made, Settings::default().cache_bytes)
    }

    /// One that Kenning or `create` left in `folder`.
    pub(crate) fn open(folder: &Path, cache_bytes: usize) -> Result<Self> {
        let path = fs::canonicalize(folder)?.join(STORE);
        let cache = Cache::new_hyper_clock_cache(cache_bytes, 0);
        let (options, families) = Options::load_latest(&path, Env::new()?, false, cache)?;
        let database = DB::open_cf_descriptors(&options, &path, families)?;
        Ok(Rocks { database })
    }

    /// The folder that `create` made in `folder`.
    pub(crate) fn made(folder: &Path) -> PathBuf {
        folder.join("raw")
    }

    /// Writes the pairs of a batch of Kenning's.
    pub(crate) fn write(&self, batch: &Batch, sync: bool) -> Result<()> {
        let mut whole = WriteBatch::default();
        for write in batch.writes() {
            match write {
                Write::Put(key, value) => whole.put_cf(self.family(key), key, value),
                Write::Delete(key) => whole.delete_cf(self.family(key), key),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        Ok(self.database.write_opt(whole, &options)?)
    }

    /// Makes every write so far durable.
    pub(crate) fn sync(&self) -> Result<()> {
        Ok(self.database.flush_wal(true)?)
    }

    /// The family of every record.
    pub(crate) fn records(&self) -> &ColumnFamily {
        self.family(&[Space::Records.byte()])
    }

    /// The database itself.
    pub(crate) fn database(&self) -> &DB {
        &self.database
    }

    /// Every key of a record, in order.
    pub(crate) fn record_keys(&self) -> Result<Vec<Box<[u8]>>> {
        let rows = self.database.iterator_cf(self.records(), IteratorMode::Start);
        let keys = rows.map(|row| Ok(row?.0));
        keys.collect()
    }

    /// How many pairs there are.
    pub(crate) fn count(&self) -> Result<u64> {
        let mut count = 0;
        for family in self.families() {
            for row in self.database.iterator_cf(family, IteratorMode::Start) {
                row?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Merges every file.
    pub(crate) fn compact(&self) -> Result<()> {
        for family in self.families() {
            self.database.flush_cf(family)?;
            self.database.compact_range_cf::<&[u8], &[u8]>(family, None, None);
        }
        Ok(())
    }

    fn families(&self) -> impl Iterator<Item = &ColumnFamily> {
        let names = Space::ALL.iter().map(|space| space.name()).chain(["default"]);
        names.filter_map(|name| self.database.cf_handle(name))
    }

    fn family(&self, key: &[u8]) -> &ColumnFamily {
        let space = Space::ALL.iter().find(|space| key.first() == Some(&space.byte()));
        let own = space.and_then(|space| self.database.cf_handle(space.name()));
        own.or_else(|| self.database.cf_handle("default")).expect("RocksDB always has it")
    }
}
