//! The store.
//!
//! fjall gives each batch a sequence number before it writes it, and shows every number below the
//! highest one that anybody has finished, also the threads that write out files. So a view that is
//! taken while a batch is under way may show half of it, or come to show it later. Here views are
//! taken only while no batch is under way: one is kept from after each commit, for those who ask
//! during the next.
//!
//! fjall also waits without end where its threads have died: for tables in memory to be written
//! out, for files to be merged. Each commit first makes sure that it will not come to that.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, TryLockError};

use fjall::{AbstractTree, Database, Keyspace, OwnedWriteBatch, PersistMode};
use kenning_store::regions::{FAMILIES, family_of, regions};
use kenning_store::{Batch, BoxFuture, Bytes, Create, Durability, Error, ErrorKind, Finding};
use kenning_store::{Folder, PartId, Range, Result, Snapshot, Store, Write, limits};

use crate::error::{damaged, store_error};
use crate::files::{pause, wait_until_closed};
use crate::options::Settings;
use crate::snapshot::FjallSnapshot;
use crate::{closed, filler, journal, options, trees};

/// The engine's name in the marker of a database folder.
const ENGINE: &str = "fjall";
/// Recent writes that a close leaves to be replayed.
const REPLAYED_WRITES_MAX: usize = 10_000;
/// Tables in memory that wait to be written out, all keyspaces together. fjall stops at four of one
/// keyspace.
const WAITING_TABLES_MAX: usize = 2;
/// Runs of a keyspace that wait to be merged. fjall slows down at 20 and stops at 30.
const WAITING_RUNS_MAX: usize = 16;
/// A journal of more bytes is followed by another when a table is written out.
const JOURNAL_BYTES: usize = 64_000_000;
/// Keys of a batch that makes a journal longer.
const FILLER_KEYS: usize = 64;
/// So often fjall's threads must be seen idle. A thread that has more to do pauses shorter.
const IDLE_LOOKS: usize = 5;
/// After so many views fjall finds out which versions nobody looks at any more.
const VIEWS_PER_LOOK: usize = 10_000;
/// Bytes of the batches of a copy.
const COPY_BYTES: usize = 8 << 20;
const COPY_SETTINGS: Settings =
    Settings { cache_bytes: 4 << 20, write_buffer_bytes: 32 << 20, background_jobs: 1 };

/// A store in a folder.
///
/// ```
/// # let temp = tempfile::tempdir().expect("a temporary folder");
/// # let path = temp.path().join("db");
/// use kenning_fjall::{FjallStore, Settings};
/// use kenning_store::{Batch, Create, Durability, Store, block_on};
///
/// let store = FjallStore::open(&path, Settings::default(), Create::IfMissing)?;
/// let mut batch = Batch::new();
/// batch.put(b"key", b"value");
/// block_on(store.commit(batch, Durability::Strict))?;
/// drop(store);
///
/// let store = FjallStore::open(&path, Settings::default(), Create::Never)?;
/// let snapshot = block_on(store.snapshot())?;
/// assert_eq!(block_on(snapshot.get(b"key"))?.as_deref(), Some(&b"value"[..]));
/// # Ok::<(), kenning_store::Error>(())
/// ```
pub struct FjallStore {
    engine: Arc<Engine>,
}

/// What the store and its snapshots share.
pub(crate) struct Engine {
    /// There until it is dropped.
    tables: Option<Tables>,
    pub(crate) folder: Folder,
}

impl Engine {
    pub(crate) fn tables(&self) -> &Tables {
        self.tables.as_ref().expect("it is there until the engine is dropped")
    }
}

/// An open database.
pub(crate) struct Tables {
    pub(crate) keyspaces: Vec<Keyspace>,
    pub(crate) db: Database,
    settings: Settings,
    /// Held while a batch is under way.
    committing: Mutex<()>,
    /// A view from when no batch was under way.
    shown: RwLock<fjall::Snapshot>,
    /// The sequence number up to which everything was rewritten last.
    rewritten: AtomicU64,
    /// The error after which nothing is committed any more.
    failed: OnceLock<Error>,
}

impl FjallStore {
    /// Opens the store in the folder `path`, which nobody else may have open.
    pub fn open(path: &Path, settings: Settings, create: Create) -> Result<Arc<Self>> {
        let mut folder = Folder::open(path, ENGINE, create)?;
        let store = folder.store();
        if !folder.is_new() {
            trees::check(&store)?;
            if closed::is_closed(&store) {
                closed::check(&store)?;
                // Before fjall is let in: its threads may change the journal at once.
                closed::forget(&store)?;
            } else {
                journal::recover(&store)?;
            }
        }
        let tables = match Tables::open(&store, settings, folder.is_new()) {
            Ok(tables) => tables,
            Err(error) => {
                // Else the folder is released while fjall's threads are at work in it.
                wait_until_closed(&store);
                return Err(error);
            }
        };
        if folder.is_new() {
            trees::sync(&store)?;
        }
        folder.finish()?;
        Ok(Arc::new(FjallStore { engine: Arc::new(Engine { tables: Some(tables), folder }) }))
    }
}

impl Tables {
    fn open(store: &Path, settings: Settings, is_new: bool) -> Result<Self> {
        let failed = |error| store_error(&format!("opening {}", store.display()), error);
        let db = options::open(store, &settings).map_err(failed)?;
        if !is_new && let Some(name) = FAMILIES.iter().find(|name| !db.keyspace_exists(name)) {
            return Err(damaged(format!("keyspace {name} is gone")));
        }
        let keyspaces = FAMILIES.iter().map(|name| db.keyspace(name, options::keyspace));
        let keyspaces = keyspaces.collect::<fjall::Result<_>>().map_err(failed)?;
        let (committing, shown) = (Mutex::new(()), RwLock::new(db.snapshot()));
        let (rewritten, failed) = (AtomicU64::new(0), OnceLock::new());
        Ok(Tables { keyspaces, db, settings, committing, shown, rewritten, failed })
    }

    /// Nobody else commits until the guard is dropped.
    pub(crate) fn alone(&self) -> MutexGuard<'_, ()> {
        self.committing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A view of what was committed last.
    pub(crate) fn view(&self) -> fjall::Snapshot {
        match self.committing.try_lock() {
            // A commit that failed may be there all the same, behind what is shown.
            Ok(_alone) if !self.has_failed() => self.show(),
            Ok(_) | Err(TryLockError::Poisoned(_) | TryLockError::WouldBlock) => {
                self.shown().clone()
            }
        }
    }

    /// Takes a view, for those who ask while a batch is under way. None is.
    fn show(&self) -> fjall::Snapshot {
        let view = self.db.snapshot();
        // What was written out since then, too, is a reason: the old view holds on to memory.
        if self.shown().seqno() != view.seqno() {
            *self.shown.write().unwrap_or_else(PoisonError::into_inner) = view.clone();
        }
        view
    }

    fn shown(&self) -> std::sync::RwLockReadGuard<'_, fjall::Snapshot> {
        self.shown.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.get().is_some()
    }

    fn check_alive(&self) -> Result<()> {
        match self.failed.get() {
            None => Ok(()),
            Some(first) => {
                let message = "an earlier commit failed: open the store again";
                Err(Error::new(ErrorKind::Closed, "STORE_FAILED", message).because(first.again()))
            }
        }
    }

    fn commit(&self, batch: &Batch, durability: Durability) -> Result<()> {
        batch.check()?;
        let _alone = self.alone();
        self.check_alive()?;
        let strict = durability == Durability::Strict;
        let written = match batch.is_empty() {
            // Nothing to write: what was written before is what has to be durable.
            true if strict => self.persist(PersistMode::SyncData),
            true => Ok(()),
            false => self.write(batch, strict),
        };
        // After a failed sync the kernel may have dropped what it could not write, and the next
        // sync would say that all is well. So there is no next one.
        self.remember(written)
    }

    fn write(&self, batch: &Batch, sync: bool) -> Result<()> {
        self.wait_for_room()?;
        let mode = if sync { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut writes = OwnedWriteBatch::with_capacity(self.db.clone(), batch.len());
        writes = writes.durability(Some(mode));
        add(&mut writes, batch, &self.keyspaces);
        writes.commit().map_err(|error| self.committing_failed(error))?;
        // A thread of fjall's syncs the journal too. If it is told of an error, and does not tell
        // in time, this sync was told of none.
        self.persist(PersistMode::Buffer)?;
        self.show();
        if let Err(error) = self.write_out_if_full() {
            // This batch is there. The next one will not be.
            self.failed.get_or_init(|| error);
        }
        Ok(())
    }

    fn persist(&self, mode: PersistMode) -> Result<()> {
        self.db.persist(mode).map_err(|error| self.committing_failed(error))
    }

    /// A thread that failed says only that it did. Whether the disk is full can be tried.
    fn committing_failed(&self, error: fjall::Error) -> Error {
        let is_silent = matches!(error, fjall::Error::Poisoned);
        let found = if is_silent { self.probe().err() } else { None };
        let error = found.map_or(error, fjall::Error::Io);
        store_error("committing", error)
    }

    /// Writes a little, durably, and takes it away again.
    fn probe(&self) -> std::io::Result<()> {
        const BYTES: usize = 1 << 20;
        let path = self.db_folder().join("probe.tmp");
        let written = std::fs::File::create(&path).and_then(|mut file| {
            std::io::Write::write_all(&mut file, &vec![1; BYTES])?;
            file.sync_all()
        });
        let _ = std::fs::remove_file(&path);
        written
    }

    fn db_folder(&self) -> &Path {
        let keyspace = self.keyspaces[0].path();
        keyspace.ancestors().nth(2).expect("a tree lies in a folder of the store's folder")
    }

    /// Tables in memory that wait to be written out.
    fn waiting_tables(&self) -> usize {
        self.keyspaces.iter().map(|keyspace| keyspace.tree.sealed_memtable_count()).sum()
    }

    /// Waits for fjall's threads while they have too much to do.
    fn wait_for_room(&self) -> Result<()> {
        for keyspace in &self.keyspaces {
            while keyspace.tree.l0_run_count() > WAITING_RUNS_MAX {
                self.persist(PersistMode::Buffer)?;
                // fjall asks its threads to merge when a file was written, and not again.
                keyspace
                    .tree
                    .compact(keyspace.config.compaction_strategy.clone(), self.unseen())
                    .map_err(|error| store_error("merging", error.into()))?;
                pause();
            }
        }
        self.wait_until_waiting(WAITING_TABLES_MAX)
    }

    fn wait_until_waiting(&self, tables: usize) -> Result<()> {
        while self.waiting_tables() > tables {
            // An error if a thread has died, which would be waited for in vain.
            self.persist(PersistMode::Buffer)?;
            pause();
        }
        Ok(())
    }

    /// Has the largest table in memory written out, if all together are too large.
    fn write_out_if_full(&self) -> Result<()> {
        let sizes = self.keyspaces.iter().map(|it| it.tree.active_memtable().size());
        let sizes: Vec<u64> = sizes.collect();
        if sizes.iter().sum::<u64>() <= self.settings.recent_bytes_max() {
            return Ok(());
        }
        let largest = (0..sizes.len()).max_by_key(|idx| sizes[*idx]).expect("there are keyspaces");
        self.start_writing_out(&self.keyspaces[largest])
    }

    fn start_writing_out(&self, keyspace: &Keyspace) -> Result<()> {
        let started = keyspace.rotate_memtable().map(|_| ());
        started.map_err(|error| self.committing_failed(error))
    }

    /// Writes out every table in memory. Nobody commits.
    fn write_out(&self) -> Result<()> {
        self.keyspaces.iter().try_for_each(|keyspace| self.start_writing_out(keyspace))?;
        self.wait_until_waiting(0)
    }

    fn is_written_out(&self) -> bool {
        let is_empty = |keyspace: &Keyspace| keyspace.tree.active_memtable().is_empty();
        self.waiting_tables() == 0 && self.keyspaces.iter().all(is_empty)
    }

    /// Below this sequence number nobody looks at what was overwritten.
    fn unseen(&self) -> u64 {
        self.db.supervisor.snapshot_tracker.get_seqno_safe_to_gc()
    }

    fn compact(&self) -> Result<()> {
        {
            let _alone = self.alone();
            self.check_alive()?;
            self.remember(self.write_out().and_then(|()| self.wait_until_idle()))?;
            self.show();
        }
        let failed = |error: fjall::Error| store_error("compacting", error);
        self.find_unseen();
        for keyspace in &self.keyspaces {
            self.remember(self.persist(PersistMode::Buffer))?;
            self.remember(keyspace.major_compact().map_err(failed))?;
        }
        drop(self.view());
        self.rewritten.store(self.view().seqno(), Ordering::Release);
        self.forget_unseen().map_err(failed)
    }

    fn erase(&self) -> Result<()> {
        self.compact()?;
        // This also lets go of the tables that were replaced just now.
        self.end_journal()?;
        let failed = |error: fjall::Error| store_error("erasing", error);
        self.remember(self.keyspaces[0].major_compact().map_err(failed))?;
        self.rewritten.store(self.view().seqno(), Ordering::Release);
        self.forget_unseen().map_err(failed)
    }

    /// Removes the tables that nobody looks at any more, if a view that ended was the reason why
    /// there are some.
    pub(crate) fn let_go(&self, seen: u64) {
        if seen < self.rewritten.load(Ordering::Acquire) {
            // Nobody is there to be told of an error; the next one finds them.
            let _ = self.forget_unseen();
        }
    }

    fn forget_unseen(&self) -> fjall::Result<()> {
        self.find_unseen();
        for keyspace in &self.keyspaces {
            let mut versions = keyspace.tree.get_version_history_lock();
            versions.maintenance(keyspace.path(), self.unseen())?;
        }
        Ok(())
    }

    /// Has fjall begin another journal, and remove those that have what is gone: it does so once
    /// one is long enough and something is written out.
    fn end_journal(&self) -> Result<()> {
        let mut key = vec![0; filler::KEY_BYTES];
        let rounds = JOURNAL_BYTES / (FILLER_KEYS * key.len()) + 1;
        let _alone = self.alone();
        for _ in 0..rounds {
            self.check_alive()?;
            self.remember(self.wait_for_room())?;
            let mut writes = OwnedWriteBatch::with_capacity(self.db.clone(), FILLER_KEYS);
            for number in 0..FILLER_KEYS {
                key[1] = number as u8;
                writes.remove(&self.keyspaces[0], &key[..]);
            }
            self.remember(writes.commit().map_err(|error| self.committing_failed(error)))?;
        }
        self.remember(self.write_out().and_then(|()| self.wait_until_idle()))?;
        self.show();
        Ok(())
    }

    /// Waits until fjall's threads have nothing to do. A list of tables that could not be made
    /// durable, but is there, is written over by the next who changes it: if that fails too, it is
    /// damaged. So whoever fails must be the last one, and nobody is under way beside him.
    fn wait_until_idle(&self) -> Result<()> {
        let mut looks = 0;
        while looks < IDLE_LOOKS {
            let is_idle = self.db.outstanding_flushes() == 0 && self.db.active_compactions() == 0;
            looks = if is_idle { looks + 1 } else { 0 };
            pause();
        }
        self.persist(PersistMode::Buffer)
    }

    /// Remembers an error as the one after which nothing is committed any more.
    fn remember<T>(&self, done: Result<T>) -> Result<T> {
        done.inspect_err(|error| {
            self.failed.get_or_init(|| error.again());
        })
    }

    /// Lets fjall find out what nobody looks at any more, which it does now and then only.
    fn find_unseen(&self) {
        (0..VIEWS_PER_LOOK).for_each(|_| drop(self.db.snapshot()));
    }

    /// Ends with everything durable; whether the tables have it all, or the journal has to be
    /// replayed.
    fn end(&self) -> Result<bool> {
        self.check_alive()?;
        let writes: usize = self.keyspaces.iter().map(|it| it.tree.active_memtable().len()).sum();
        // A file for each keyspace, synced, would be the longer wait for a program that makes one
        // change.
        if writes > REPLAYED_WRITES_MAX {
            self.write_out()?;
        }
        self.persist(PersistMode::SyncAll)?;
        Ok(self.is_written_out())
    }
}

/// Adds what a batch comes to: all writes of a batch have one sequence number, so that only the
/// last one to a key may be among them.
fn add(writes: &mut OwnedWriteBatch, batch: &Batch, keyspaces: &[Keyspace]) {
    let mut last = std::collections::HashMap::with_capacity_and_hasher(
        batch.len(),
        foldhash::fast::FixedState::default(),
    );
    if batch.len() > 1 {
        last.extend(batch.writes().enumerate().map(|(idx, write)| (key_of(&write), idx)));
    }
    for (idx, write) in batch.writes().enumerate() {
        if last.get(key_of(&write)).is_some_and(|last| *last != idx) {
            continue;
        }
        match write {
            Write::Put(key, value) => writes.insert(&keyspaces[family_of(key)], key, value),
            Write::Delete(key) => writes.remove(&keyspaces[family_of(key)], key),
        }
    }
}

fn key_of<'a>(write: &Write<'a>) -> &'a [u8] {
    match write {
        Write::Put(key, _) | Write::Delete(key) => key,
    }
}

impl Engine {
    /// Writes a copy of a view: fjall cannot say which of its files belong together.
    fn checkpoint(self: &Arc<Self>, target: &Path) -> Result<Arc<dyn Snapshot>> {
        let mut copied_of = None;
        self.folder.copy(target, |copy| {
            // Here, where no part is dropped any more that an entry names.
            let snapshot = copied_of.insert(FjallSnapshot::new(self));
            let view = snapshot.view();
            let store = copy.store();
            let tables = Tables::open(&store, COPY_SETTINGS, true)?;
            let copied = copy_view(self, view, &tables).and_then(|()| tables.write_out());
            drop(tables);
            let is_closed = wait_until_closed(&store);
            copied?;
            if is_closed {
                closed::say(&store, true)?;
            }
            trees::sync(&store)
        })?;
        Ok(Arc::new(copied_of.expect("the copy was filled")))
    }
}

/// Batch by batch, in the order of the keys.
fn copy_view(engine: &Engine, view: &fjall::Snapshot, target: &Tables) -> Result<()> {
    let mut rest = Some(Range::all().forward());
    let mut batch = Batch::new();
    while let Some(scan) = rest {
        let page = crate::snapshot::read_page(engine.tables(), view, &scan)?;
        for row in &page.rows {
            // A row of the largest size fits a batch of its own.
            if batch.size_bytes() + row.key.len() + row.value.len() > limits::BATCH_BYTES_MAX {
                target.commit(&std::mem::take(&mut batch), Durability::Relaxed)?;
            }
            batch.put(&row.key, &row.value);
            if batch.size_bytes() >= COPY_BYTES {
                target.commit(&std::mem::take(&mut batch), Durability::Relaxed)?;
            }
        }
        rest = page.rest;
    }
    target.commit(&batch, Durability::Strict)
}

impl Drop for Engine {
    fn drop(&mut self) {
        let Some(tables) = self.tables.take() else { return };
        let store = self.folder.store();
        // Nobody is left to be told of an error, and after one the journal has what it has.
        let ended = tables.end();
        drop(tables);
        if wait_until_closed(&store)
            && let Ok(is_written_out) = ended
        {
            let _ = closed::say(&store, is_written_out);
        }
    }
}

impl Store for FjallStore {
    fn snapshot(&self) -> BoxFuture<'_, Result<Arc<dyn Snapshot>>> {
        Box::pin(async { Ok(Arc::new(FjallSnapshot::new(&self.engine)) as Arc<dyn Snapshot>) })
    }

    fn commit(&self, batch: Batch, durability: Durability) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.engine.tables().commit(&batch, durability) })
    }

    fn checkpoint<'a>(&'a self, target: &'a Path) -> BoxFuture<'a, Result<Arc<dyn Snapshot>>> {
        Box::pin(async move { self.engine.checkpoint(target) })
    }

    fn folder(&self) -> Option<&Folder> {
        Some(&self.engine.folder)
    }

    fn compact(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { self.engine.tables().compact() })
    }

    fn erase(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { self.engine.tables().erase() })
    }

    fn verify(&self) -> BoxFuture<'_, Result<Vec<Finding>>> {
        Box::pin(async { self.engine.verify() })
    }

    fn size_bytes<'a>(&'a self, range: &'a Range) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async {
            let tables = self.engine.tables();
            let view = tables.view();
            regions(range).map(|region| tables.size_bytes(&view, region)).sum()
        })
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
