//! The store.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use kenning_store::{Batch, BoxFuture, Bytes, Create, Durability, Error, ErrorKind, Finding};
use kenning_store::{Folder, PartId, Range, Result, Snapshot, Store, Write, limits};
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    BottommostLevelCompaction, ColumnFamily, CompactOptions, DB, DBRecoveryMode, FlushOptions,
    Options, ReadOptions, ReadTier, WaitForCompactOptions, WriteBatch, WriteOptions, properties,
};

use crate::error::store_error;
use crate::options::{Settings, families, options, reading_options};
use crate::raw::Database;
use crate::snapshot::RocksSnapshot;
use kenning_store::regions::{Region, family_of, regions};

/// The engine's name in the marker of a database folder.
const ENGINE: &str = "rocksdb";
/// The file among RocksDB's own, which leaves it alone, that says that the store was closed, and
/// not left by a crash.
const CLOSED: &str = "CLOSED";
const CLOSED_NEXT: &str = "CLOSED.next";
/// Recent writes that a close leaves to be replayed.
const REPLAYED_WRITES_MAX: u64 = 10_000;
/// Bytes that RocksDB adds to a write in a batch, at most: tag, family, two lengths.
const WRITE_BYTES_MORE: usize = 12;

/// A store in a folder.
///
/// ```
/// # let temp = tempfile::tempdir().expect("a temporary folder");
/// # let path = temp.path().join("db");
/// use kenning_rocks::{RocksStore, Settings};
/// use kenning_store::{Batch, Create, Durability, Store, block_on};
///
/// let store = RocksStore::open(&path, Settings::default(), Create::IfMissing)?;
/// let mut batch = Batch::new();
/// batch.put(b"key", b"value");
/// block_on(store.commit(batch, Durability::Strict))?;
/// drop(store);
///
/// let store = RocksStore::open(&path, Settings::default(), Create::Never)?;
/// let snapshot = block_on(store.snapshot())?;
/// assert_eq!(block_on(snapshot.get(b"key"))?.as_deref(), Some(&b"value"[..]));
/// # Ok::<(), kenning_store::Error>(())
/// ```
pub struct RocksStore {
    engine: Arc<Engine>,
}

/// What the store and its snapshots share. The database is closed before the folder is released.
pub(crate) struct Engine {
    pub(crate) database: Database,
    pub(crate) folder: Folder,
    /// The error after which nothing is committed any more.
    failed: OnceLock<Error>,
}

/// A copy that is open to be read.
struct Copied(Database);

impl AsRef<Database> for Copied {
    fn as_ref(&self) -> &Database {
        &self.0
    }
}

impl AsRef<Database> for Engine {
    fn as_ref(&self) -> &Database {
        &self.database
    }
}

impl RocksStore {
    /// Opens the store in the folder `path`, which nobody else may have open.
    pub fn open(path: &Path, settings: Settings, create: Create) -> Result<Arc<Self>> {
        let mut folder = Folder::open(path, ENGINE, create)?;
        let mut options = options(&settings);
        options.create_if_missing(folder.is_new());
        options.create_missing_column_families(folder.is_new());
        let closed = folder.store().join(CLOSED);
        let was_closed = closed.exists();
        if was_closed {
            // Then the log ends where it was closed, and anything that does not check is damage.
            options.set_wal_recovery_mode(DBRecoveryMode::AbsoluteConsistency);
        }
        let families = families(&options);
        let db = DB::open_cf_descriptors(&options, folder.store(), families)
            .map_err(|error| store_error(&format!("opening {}", path.display()), error))?;
        if was_closed {
            check_closed(&closed, &db)?;
            // Durably, and before the first write: the next crash may tear the log.
            fs::remove_file(&closed)
                .and_then(|()| File::open(folder.store())?.sync_all())
                .map_err(|error| file_error("removing", &closed, error))?;
        }
        folder.finish()?;
        let engine = Engine { database: Database::new(db), folder, failed: OnceLock::new() };
        Ok(Arc::new(RocksStore { engine: Arc::new(engine) }))
    }
}

impl Engine {
    pub(crate) fn db(&self) -> &DB {
        self.database.db()
    }

    fn family(&self, family: usize) -> &ColumnFamily {
        self.database.family(family)
    }

    fn commit(&self, batch: &Batch, durability: Durability) -> Result<()> {
        batch.check()?;
        if let Some(first) = self.failed.get() {
            let message = "an earlier commit failed: open the store again";
            return Err(
                Error::new(ErrorKind::Closed, "STORE_FAILED", message).because(first.again())
            );
        }
        let strict = durability == Durability::Strict;
        let written = match batch.is_empty() {
            // Nothing to write: what was written before is what has to be durable.
            true if strict => self.db().flush_wal(true),
            true => Ok(()),
            false => self.write(batch, strict),
        };
        written.map_err(|error| {
            let error = store_error("committing", error);
            // After a failed sync the kernel may have dropped what it could not write, and the next
            // sync would say that all is well. So there is no next one.
            self.failed.get_or_init(|| error.again());
            error
        })
    }

    fn write(&self, batch: &Batch, sync: bool) -> Result<(), rocksdb::Error> {
        let bytes = batch.size_bytes() + batch.len() * WRITE_BYTES_MORE;
        let mut writes = WriteBatch::with_capacity_bytes(bytes);
        for write in batch.writes() {
            match write {
                Write::Put(key, value) => writes.put_cf(self.family(family_of(key)), key, value),
                Write::Delete(key) => writes.delete_cf(self.family(family_of(key)), key),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        self.db().write_opt(writes, &options)
    }

    /// Whether the next open would wait for the log. Else a file for each family, synced, would be
    /// the longer wait: for a program that makes one change.
    fn is_long_to_replay(&self) -> bool {
        let writes = |family: &&ColumnFamily| {
            let count = properties::NUM_ENTRIES_ACTIVE_MEM_TABLE;
            self.db().property_int_value_cf(*family, count).ok()?
        };
        let writes: u64 = self.database.families().iter().filter_map(writes).sum();
        writes > REPLAYED_WRITES_MAX
    }

    /// Notes that the log ends here, and after how many writes.
    fn say_closed(&self) -> std::io::Result<()> {
        let folder = self.folder.store();
        let next = folder.join(CLOSED_NEXT);
        let mut file = File::create(&next)?;
        writeln!(file, "writes {}", self.db().latest_sequence_number())?;
        file.sync_all()?;
        fs::rename(&next, folder.join(CLOSED))?;
        File::open(folder)?.sync_all()
    }

    fn flush(&self) -> Result<(), rocksdb::Error> {
        let families = self.database.families();
        self.db().flush_cfs_opt(&families, &FlushOptions::default())
    }

    fn checkpoint(&self, target: &Path) -> Result<Arc<dyn Snapshot>> {
        let mut read = None;
        self.folder.copy(target, |copy| {
            let store = copy.store();
            let failed = |error| store_error(&format!("copying to {}", target.display()), error);
            // RocksDB makes the folder itself.
            fs::remove_dir(&store).map_err(|error| file_error("making", &store, error))?;
            Checkpoint::new(self.db())
                .and_then(|checkpoint| checkpoint.create_checkpoint(&store))
                .map_err(failed)?;
            // It syncs what it links, not what it copies.
            sync_files(&store).map_err(|error| file_error("syncing", &store, error))?;
            // While the copy is nobody's database yet.
            let db = open_to_read(&store, &reading_options()).map_err(failed)?;
            read = Some(Arc::new(Copied(Database::new(db))));
            Ok(())
        })?;
        Ok(Arc::new(RocksSnapshot::new(&read.expect("the copy was filled"))))
    }

    fn compact(&self) -> Result<()> {
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::ForceOptimized);
        for family in self.database.families() {
            self.db().compact_range_cf_opt(family, None::<&[u8]>, None::<&[u8]>, &options);
        }
        // The calls above have no result; whether the disk took it is known here.
        self.db()
            .wait_for_compact(&WaitForCompactOptions::default())
            .map_err(|error| store_error("compacting", error))
    }

    fn erase(&self) -> Result<()> {
        self.compact()?;
        // The list of files changes once more: the last change was written behind a list that still
        // names what it took away. Nobody can have stored a key that long.
        self.db()
            .delete([0; limits::KEY_BYTES_MAX + 1])
            .and_then(|()| self.flush())
            .map_err(|error| store_error("erasing", error))
    }

    /// What a region takes in files, by their indexes, and in memory, by looking.
    fn size_bytes(&self, region: &Region) -> Result<u64> {
        let past_every_key = vec![u8::MAX; limits::KEY_BYTES_MAX];
        let until = region.range.until.as_ref().unwrap_or(&past_every_key);
        let family = self.family(region.family);
        let ranges = [rocksdb::Range::new(&region.range.from, until)];
        let in_files: u64 = self.db().get_approximate_sizes_cf(family, &ranges).iter().sum();
        let mut options = ReadOptions::default();
        options.set_read_tier(ReadTier::Memtable);
        options.set_iterate_lower_bound(&region.range.from[..]);
        options.set_iterate_upper_bound(&until[..]);
        let mut iterator = self.db().raw_iterator_cf_opt(family, options);
        let mut in_memory = 0;
        iterator.seek_to_first();
        while let Some((key, value)) = iterator.item() {
            in_memory += (key.len() + value.len()) as u64;
            iterator.next();
        }
        iterator.status().map_err(|error| store_error("measuring", error))?;
        Ok(in_files + in_memory)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Nobody is left to be told of an error, and after one the log still has everything.
        if self.failed.get().is_none() {
            if self.is_long_to_replay() {
                let _ = self.flush();
            }
            if self.db().flush_wal(true).is_ok() {
                let _ = self.say_closed();
            }
        }
        self.db().cancel_all_background_work(true);
    }
}

/// Opens files that nobody changes, and leaves no trace.
pub(crate) fn open_to_read(store: &Path, options: &Options) -> Result<DB, rocksdb::Error> {
    DB::open_cf_descriptors_read_only(options, store, families(options), false)
}

/// Checks that a store which says that it was closed has as many writes as it had then.
fn check_closed(closed: &Path, db: &DB) -> Result<()> {
    let said = fs::read_to_string(closed).map_err(|error| file_error("reading", closed, error))?;
    let writes: Option<u64> =
        said.strip_prefix("writes ").and_then(|count| count.trim_end().parse().ok());
    let has = db.latest_sequence_number();
    match writes {
        Some(writes) if writes <= has => Ok(()),
        Some(writes) => {
            let message = format!("the store was closed after {writes} writes and has {has}");
            Err(Error::corrupt("STORE_DAMAGED", message))
        }
        None => {
            let message = format!("{} does not say how the store was closed", closed.display());
            Err(Error::corrupt("STORE_DAMAGED", message))
        }
    }
}

fn sync_files(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        File::open(entry?.path())?.sync_all()?;
    }
    File::open(folder)?.sync_all()
}

fn file_error(doing: &str, path: &Path, error: std::io::Error) -> Error {
    Error::unavailable("IO", format!("{doing} {} failed", path.display())).because(error)
}

impl Store for RocksStore {
    fn snapshot(&self) -> BoxFuture<'_, Result<Arc<dyn Snapshot>>> {
        Box::pin(async { Ok(Arc::new(RocksSnapshot::new(&self.engine)) as Arc<dyn Snapshot>) })
    }

    fn commit(&self, batch: Batch, durability: Durability) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.engine.commit(&batch, durability) })
    }

    fn checkpoint<'a>(&'a self, target: &'a Path) -> BoxFuture<'a, Result<Arc<dyn Snapshot>>> {
        Box::pin(async move { self.engine.checkpoint(target) })
    }

    fn folder(&self) -> Option<&Folder> {
        Some(&self.engine.folder)
    }

    fn compact(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { self.engine.compact() })
    }

    fn erase(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { self.engine.erase() })
    }

    fn verify(&self) -> BoxFuture<'_, Result<Vec<Finding>>> {
        Box::pin(async { self.engine.verify() })
    }

    fn size_bytes<'a>(&'a self, range: &'a Range) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async { regions(range).map(|region| self.engine.size_bytes(&region)).sum() })
    }

    fn put_part(&self, part: PartId, bytes: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.engine.folder.put_part(part, &bytes) })
    }

    fn read_part(
        &self,
        part: PartId,
        bytes: std::ops::Range<u64>,
    ) -> BoxFuture<'_, Result<Option<Bytes>>> {
        Box::pin(async move { self.engine.folder.read_part(part, bytes) })
    }

    fn map_part(&self, part: PartId) -> BoxFuture<'_, Result<Option<Bytes>>> {
        Box::pin(async move { self.engine.folder.map_part(part) })
    }

    fn drop_part(&self, part: PartId) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.engine.folder.drop_part(part) })
    }

    fn parts(&self) -> BoxFuture<'_, Result<Vec<PartId>>> {
        Box::pin(async { self.engine.folder.parts() })
    }
}
