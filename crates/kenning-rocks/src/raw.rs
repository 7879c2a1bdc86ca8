//! A database and what borrows from it.
//!
//! The binding ties snapshots and column families to the lifetime of a borrowed database. Kenning's
//! snapshots own what they look at, so here, and only here, that lifetime is cut. Two facts make it
//! sound: a `DB` lives in an `Arc` that each borrower holds, and fields are dropped in the order in
//! which they are declared, the borrowers first.

#![allow(unsafe_code)]

use std::mem::transmute;
use std::sync::Arc;

use rocksdb::SnapshotWithThreadMode;
use rocksdb::{ColumnFamily, DB, DBPinnableSlice, DBRawIterator, ReadOptions, ReadTier};

use kenning_store::regions::FAMILIES;

/// An open database with its column families at hand.
pub(crate) struct Database {
    families: [&'static ColumnFamily; FAMILIES.len()],
    db: DB,
}

impl Database {
    /// `db` has every family of `FAMILIES`.
    pub(crate) fn new(db: DB) -> Self {
        let families = FAMILIES.map(|name| {
            let family = db.cf_handle(name).expect("the database was opened with every family");
            // SAFETY: the handle lies in a node of a map inside `db`, which does not move with it,
            // and which nobody changes: that takes `&mut DB`, and `db` is private and stays shared.
            // The reference leaves this struct only for as long as the struct is borrowed.
            unsafe { transmute::<&ColumnFamily, &'static ColumnFamily>(family) }
        });
        Database { families, db }
    }

    pub(crate) fn db(&self) -> &DB {
        &self.db
    }

    pub(crate) fn family(&self, family: usize) -> &ColumnFamily {
        self.families[family]
    }

    pub(crate) fn families(&self) -> [&ColumnFamily; FAMILIES.len()] {
        self.families
    }
}

/// A snapshot that keeps its database alive. `T` is what holds the database.
pub(crate) struct Frozen<T: AsRef<Database>> {
    read: ReadOptions,
    read_cached: ReadOptions,
    snapshot: SnapshotWithThreadMode<'static, DB>,
    owner: Arc<T>,
}

impl<T: AsRef<Database>> Frozen<T> {
    pub(crate) fn new(owner: &Arc<T>) -> Self {
        let owner = Arc::clone(owner);
        let snapshot = (*owner).as_ref().db().snapshot();
        // SAFETY: the snapshot borrows the `DB` inside the `Arc`, which does not move. `owner`
        // keeps the `Arc` alive, and is declared, hence dropped, after `snapshot`.
        let snapshot = unsafe {
            transmute::<SnapshotWithThreadMode<'_, DB>, SnapshotWithThreadMode<'static, DB>>(
                snapshot,
            )
        };
        // The options hold a pointer to the snapshot; they too are dropped before it.
        let mut read = ReadOptions::default();
        read.set_snapshot(&snapshot);
        let mut read_cached = ReadOptions::default();
        read_cached.set_snapshot(&snapshot);
        read_cached.set_read_tier(ReadTier::BlockCache);
        Frozen { read, read_cached, snapshot, owner }
    }

    /// Reads a key; an error of kind `Incomplete` if it takes a look at the disk.
    pub(crate) fn get_cached(
        &self,
        family: usize,
        key: &[u8],
    ) -> Result<Option<DBPinnableSlice<'_>>, rocksdb::Error> {
        let database = self.database();
        database.db().get_pinned_cf_opt(database.family(family), key, &self.read_cached)
    }

    /// Reads a key.
    pub(crate) fn get(
        &self,
        family: usize,
        key: &[u8],
    ) -> Result<Option<DBPinnableSlice<'_>>, rocksdb::Error> {
        let database = self.database();
        database.db().get_pinned_cf_opt(database.family(family), key, &self.read)
    }

    /// Reads many keys of one family.
    pub(crate) fn get_many(
        &self,
        family: usize,
        keys: &[&[u8]],
    ) -> Vec<Result<Option<DBPinnableSlice<'_>>, rocksdb::Error>> {
        let database = self.database();
        let family = database.family(family);
        database.db().batched_multi_get_cf_opt(family, keys.iter().copied(), false, &self.read)
    }

    /// Walks a family as it was when the snapshot was taken.
    pub(crate) fn iterate(&self, family: usize, mut options: ReadOptions) -> DBRawIterator<'_> {
        options.set_snapshot(&self.snapshot);
        let database = self.database();
        database.db().raw_iterator_cf_opt(database.family(family), options)
    }

    fn database(&self) -> &Database {
        (*self.owner).as_ref()
    }
}
