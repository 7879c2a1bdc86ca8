//! The handle of a user: one tenant of one open database.

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex};

use kenning_index::Filter;
use kenning_record::{Draft, Id, Json, Record, TableNo, TenantNo, Version, keys};
use kenning_store::{ErrorKind, Finding, Range, Result, Store, World};

use crate::build::Building;
use crate::cache::cache_key;
use crate::change::{Link, Present};
use crate::committer::{Committed, Committer, outcome};
use crate::find::Explain;
use crate::history::Past;
use crate::log::{Beside, Follower, LogRow, TransactionId};
use crate::settings::Settings;
use crate::shared::{Head, Shared, Waiting};
use crate::table::{Label, TableInfo, number};
use crate::tenant::Tenant;
use crate::touched::Change;
use crate::transaction::Transaction;
use crate::view::{At, Encoded, View};
use crate::walk::{Step, Walk};

/// One tenant of one open database. Clones are cheap and mean the same.
///
/// When the last handle, view and transaction is gone, the database is closed.
#[derive(Clone)]
pub struct Database {
    pub(crate) handle: Handle,
    pub(crate) tenant: Arc<Tenant>,
}

/// What keeps a database open.
#[derive(Clone)]
pub(crate) struct Handle {
    shared: Arc<Shared>,
    /// The threads of the database itself have none: they must not keep it open.
    guard: Option<Arc<Guard>>,
}

/// Closes the database when the last user lets go of it, and waits for its threads.
struct Guard {
    shared: Arc<Shared>,
    running: Arc<Running>,
}

#[derive(Default)]
struct Running {
    threads: Mutex<usize>,
    ended: Condvar,
}

impl Handle {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// A handle for the database's own threads.
    pub(crate) fn background(shared: Arc<Shared>) -> Self {
        Handle { shared, guard: None }
    }
}

impl Guard {
    fn close(&self) {
        self.shared.queue.close();
        let mut threads = self.running.threads.lock().expect("no holder of this lock panics");
        while *threads > 0 {
            threads = self.running.ended.wait(threads).expect("no holder of this lock panics");
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.close();
    }
}

/// What a thread does.
type Work = Box<dyn FnOnce() + Send>;

impl Running {
    /// What a thread does that works until the database is closed.
    fn work(self: &Arc<Self>, shared: &Arc<Shared>, run: fn(&Arc<Shared>)) -> Work {
        let (working, ending) = (Arc::clone(shared), self.begin());
        Box::new(move || {
            let _ending = ending;
            run(&working);
            drop(working);
        })
    }

    /// Counts a thread that `Guard::close` waits for, until what this returns is dropped.
    fn begin(self: &Arc<Self>) -> Ending {
        *self.threads.lock().expect("no holder of this lock panics") += 1;
        Ending(Arc::clone(self))
    }
}

/// Counts a thread as ended, also when it panics.
struct Ending(Arc<Running>);

impl Drop for Ending {
    fn drop(&mut self) {
        if let Ok(mut threads) = self.0.threads.lock() {
            *threads -= 1;
        }
        self.0.ended.notify_all();
    }
}

/// Opening and closing.
impl Database {
    /// Opens what `store` holds, as the tenant of this name. The first tenant of a new store is
    /// made; any other has to be there.
    pub async fn open(
        store: Arc<dyn Store>,
        world: Arc<dyn World>,
        settings: Settings,
        tenant: &str,
    ) -> Result<Self> {
        crate::replay::check_made(&*store.snapshot().await?).await?;
        let root = Database::start(store, world, settings, true).await?;
        root.make_first_tenant(tenant).await?;
        // Work that a crash left behind.
        root.handle.shared.sweep.ring();
        root.handle.shared.build.ring();
        let database = root.tenant(tenant).await?;
        // Also here a crash, or a model that was not there, may have left work, in any tenant.
        let tenants = crate::tenants::all(&root.view()?).await?.into_iter();
        let nothing = |(_, tenant)| Change { tenant, version: 0, records: 0, tables: Vec::new() };
        database.handle.shared.find_later(&tenants.map(nothing).collect::<Vec<_>>());
        Ok(database)
    }

    /// Starts the threads of what `store` holds; `working` says whether those that clear up and
    /// build are among them. The handle is that of tenant 0.
    pub(crate) async fn start(
        store: Arc<dyn Store>,
        world: Arc<dyn World>,
        settings: Settings,
        working: bool,
    ) -> Result<Self> {
        let snapshot = store.snapshot().await?;
        let (version, instant, history_from) = match snapshot.get(&keys::meta("head")).await? {
            Some(bytes) => Head::decode(&bytes)?,
            None => (0, 0, 0),
        };
        let head = Head { version, instant, history_from, snapshot };
        let shared = Arc::new(Shared::new(Arc::clone(&store), Arc::clone(&world), settings, head));
        let running = Arc::new(Running::default());
        let (committer, ending) = (Committer::new(Arc::clone(&shared), store), running.begin());
        let commit = move || {
            let _ending = ending;
            committer.run();
        };
        world.spawn("kenning-committer", Box::new(commit));
        if working {
            let is_followed = shared.settings.finders.is_some();
            shared.is_followed.store(is_followed, Ordering::Release);
            if is_followed {
                let handle = Handle::background(Arc::clone(&shared));
                let dropped = crate::sealed::seal::drop_unnamed(&handle).await;
                // They are in nobody's way.
                dropped.unwrap_or_else(|error| shared.seal.fail(error));
            }
            world.spawn("kenning-sweeper", running.work(&shared, crate::sweep::run));
            world.spawn("kenning-builder", running.work(&shared, crate::build::run));
            world.spawn("kenning-sealer", running.work(&shared, crate::sealed::seal::run));
            world.spawn("kenning-embedder", running.work(&shared, crate::embedding::run));
            world.spawn(
                "kenning-embedder-again",
                running.work(&shared, crate::embedding::run_again),
            );
        }
        let guard = Arc::new(Guard { shared: Arc::clone(&shared), running });
        let tenant = Arc::clone(shared.tenants.root());
        Ok(Database { handle: Handle { shared, guard: Some(guard) }, tenant })
    }

    /// Closes the database for every handle, after everything that was submitted is committed. An
    /// error says that not all of it is durable, or why the database had closed itself before. Its
    /// folder stays held until the last view and transaction is dropped.
    pub async fn close(self) -> Result<()> {
        if let Some(guard) = &self.handle.guard {
            guard.close();
        }
        self.handle.shared.failure().map_or(Ok(()), Err)
    }
}

/// Transactions and views.
impl Database {
    /// Begins a transaction.
    pub fn begin(&self) -> Result<Transaction> {
        Transaction::begin(&self.handle, &self.tenant, None)
    }

    /// Begins a transaction under an id of the caller's own. Committed twice under one id, it lands
    /// once, and both commits answer the same.
    pub fn begin_with(&self, id: TransactionId) -> Result<Transaction> {
        Transaction::begin(&self.handle, &self.tenant, Some(id))
    }

    /// Runs `body` in a transaction and commits it; after a conflict, again.
    pub async fn transact<T>(
        &self,
        mut body: impl AsyncFnMut(&mut Transaction) -> Result<T>,
    ) -> Result<T> {
        let mut tries = Tries::new(self);
        loop {
            let mut transaction = self.begin()?;
            let done = body(&mut transaction).await;
            if let Some(done) = tries.settle(transaction, done).await {
                return done.map(|(value, _)| value);
            }
        }
    }

    /// What there is now.
    pub fn view(&self) -> Result<View> {
        View::now(&self.handle, &self.tenant)
    }

    /// What there was at a moment of the past.
    pub async fn as_of(&self, at: At) -> Result<View> {
        self.view()?.as_of(at).await
    }

    /// Time, chance and threads, as it was opened with.
    pub fn world(&self) -> Arc<dyn World> {
        Arc::clone(&self.handle.shared.world)
    }

    /// The last version.
    pub fn version(&self) -> Version {
        self.handle.shared.version()
    }

    /// The version of the transaction with this id; `None` if it did not land, or over a day ago.
    pub async fn outcome(&self, id: TransactionId) -> Result<Option<Version>> {
        let view = self.view()?;
        Ok(outcome(&*view.source, self.tenant.number, id).await?.map(|committed| committed.version))
    }
}

/// Counts how often one verb was tried.
pub(crate) struct Tries {
    left: u32,
}

impl Tries {
    pub(crate) fn new(database: &Database) -> Self {
        Tries { left: database.handle.shared.settings.retries_max }
    }

    /// Commits what was done; `None` means to do it again.
    pub(crate) async fn settle<T>(
        &mut self,
        transaction: Transaction,
        done: Result<T>,
    ) -> Option<Result<(T, Committed)>> {
        let committed = match done {
            Ok(value) => transaction.commit().await.map(|committed| (value, committed)),
            Err(error) => Err(error),
        };
        match committed {
            Err(error) if error.kind() == ErrorKind::Conflict && self.left > 0 => {
                self.left -= 1;
                None
            }
            done => Some(done),
        }
    }
}

/// One-verb writes. Each is a transaction of its own, tried again after a conflict.
impl Database {
    /// Stores a record; see [`Transaction::put`].
    pub async fn put(&self, table: &str, draft: impl Into<Draft>) -> Result<Record> {
        self.store(table, draft.into(), Present::Replace).await
    }

    /// Stores a record that must not be there.
    pub async fn insert(&self, table: &str, draft: impl Into<Draft>) -> Result<Record> {
        self.store(table, draft.into(), Present::Refuse).await
    }

    async fn store(&self, table: &str, mut draft: Draft, present: Present) -> Result<Record> {
        let mut tries = Tries::new(self);
        loop {
            let mut transaction = self.begin()?;
            let stored = transaction.store(table, &mut draft, present).await;
            if let Some(done) = tries.settle(transaction, stored).await {
                let (stored, committed) = done?;
                return Ok(Record { version: committed.version, ..stored.record(table, draft) });
            }
        }
    }

    /// Stores several records in one transaction.
    pub async fn put_many(&self, table: &str, mut drafts: Vec<Draft>) -> Result<Vec<Id>> {
        let mut tries = Tries::new(self);
        loop {
            let mut transaction = self.begin()?;
            let stored = transaction.store_many(table, &mut drafts).await;
            if let Some(done) = tries.settle(transaction, stored).await {
                return done.map(|(ids, _)| ids);
            }
        }
    }

    /// Changes a record by a JSON merge patch.
    pub async fn update(&self, table: &str, reference: &str, patch: Json) -> Result<Record> {
        let mut tries = Tries::new(self);
        loop {
            let mut transaction = self.begin()?;
            let updated = transaction.update(table, reference, patch.clone()).await;
            if let Some(done) = tries.settle(transaction, updated).await {
                return done
                    .map(|(record, committed)| Record { version: committed.version, ..record });
            }
        }
    }

    /// Deletes a record; `false` if it was not there.
    pub async fn delete(&self, table: &str, reference: &str) -> Result<bool> {
        let mut tries = Tries::new(self);
        loop {
            let mut transaction = self.begin()?;
            let deleted = transaction.delete(table, reference).await;
            if let Some(done) = tries.settle(transaction, deleted).await {
                return done.map(|(deleted, _)| deleted);
            }
        }
    }

    /// Links two records; see [`Transaction::link`].
    pub async fn link(&self, source: &str, kind: &str, target: &str, link: Link) -> Result<Id> {
        let mut tries = Tries::new(self);
        loop {
            let mut transaction = self.begin()?;
            let linked = transaction.link(source, kind, target, link.clone()).await;
            if let Some(done) = tries.settle(transaction, linked).await {
                return done.map(|(id, _)| id);
            }
        }
    }

    /// Removes a link; `false` if it was not there.
    pub async fn unlink(&self, source: &str, kind: &str, target: &str) -> Result<bool> {
        let mut tries = Tries::new(self);
        loop {
            let mut transaction = self.begin()?;
            let unlinked = transaction.unlink(source, kind, target).await;
            if let Some(done) = tries.settle(transaction, unlinked).await {
                return done.map(|(unlinked, _)| unlinked);
            }
        }
    }

    /// Makes a table.
    pub async fn create_table(&self, name: &str, schema: Json) -> Result<()> {
        let mut tries = Tries::new(self);
        loop {
            let mut transaction = self.begin()?;
            let created = transaction.create_table(name, schema.clone()).await;
            if let Some(done) = tries.settle(transaction, created).await {
                return done.map(|((), _)| ());
            }
        }
    }

    /// Gives a table another schema; see [`Transaction::alter_table`]. Returns when the schema is
    /// in force; [`wait_indexed`](Database::wait_indexed) waits for the indexes.
    pub async fn alter_table(&self, name: &str, schema: Json) -> Result<()> {
        let mut tries = Tries::new(self);
        loop {
            let mut transaction = self.begin()?;
            let altered = transaction.alter_table(name, schema.clone()).await;
            if let Some(done) = tries.settle(transaction, altered).await {
                return done.map(|((), _)| ());
            }
        }
    }

    /// Makes every index of a table anew; see [`Transaction::reindex`]. Those over words and
    /// vectors are when this returns, the others in the background.
    pub async fn reindex(&self, name: &str) -> Result<()> {
        let mut tries = Tries::new(self);
        loop {
            let mut transaction = self.begin()?;
            let begun = transaction.reindex(name).await;
            if let Some(done) = tries.settle(transaction, begun).await {
                done?;
                break;
            }
        }
        // Who dropped it meanwhile wants none.
        let Some(table) = self.view()?.find_table(name).await? else { return Ok(()) };
        crate::sealed::seal::remake(&self.handle, &self.tenant, table.number).await
    }

    /// The indexes of this tenant that are being built.
    pub async fn building(&self) -> Result<Vec<Building>> {
        self.view()?.building().await
    }

    /// Waits until nothing is left to be done about indexes of this tenant: each is ready, or has
    /// failed, and what was dropped is cleared away. If the model of a table can't be asked, that
    /// is told when all others are done.
    pub async fn wait_indexed(&self) -> Result<()> {
        let shared = &self.handle.shared;
        let waiting = Waiting::new(shared);
        loop {
            let seen = shared.published();
            let view = self.view()?;
            let works = Range::prefix(keys::index_works_of(self.tenant.number));
            if view.source.page(&works.forward().rows(1)).await?.rows.is_empty() {
                drop(view);
                crate::embedding::wait(shared, self.tenant.number, None).await?;
                return crate::sealed::seal::wait(&self.handle, &self.tenant).await;
            }
            drop(view);
            if let Some(error) = shared.build.failure() {
                return Err(error);
            }
            waiting.moved(seen).await;
        }
    }

    /// Waits until the texts of one table were computed. Models of other tables, whether they are
    /// there or not, hold up nothing.
    pub async fn wait_embedded(&self, table: &str) -> Result<()> {
        let table = self.view()?.table_named(table).await?;
        let number = Some(table.number);
        crate::embedding::wait(&self.handle.shared, self.tenant.number, number).await
    }

    /// Drops a table.
    pub async fn drop_table(&self, name: &str) -> Result<()> {
        let mut tries = Tries::new(self);
        loop {
            let mut transaction = self.begin()?;
            let dropped = transaction.drop_table(name).await;
            if let Some(done) = tries.settle(transaction, dropped).await {
                return done.map(|((), _)| ());
            }
        }
    }
}

/// Reading now. The same verbs read the past on a [`View`], and own writes on a [`Transaction`].
impl Database {
    /// The record that `reference`, an id or a key or an alias, names in `table`.
    pub async fn get(&self, table: &str, reference: &str) -> Result<Option<Record>> {
        self.view()?.get(table, reference).await
    }

    /// The record under `id`, as it is stored.
    pub async fn get_encoded(&self, table: &str, id: Id) -> Result<Option<Encoded>> {
        let shared = &self.handle.shared;
        // The version first: a table that changes in a later one is noticed below.
        let version = shared.version();
        let Some(known) = self.known_table(table) else {
            return self.view()?.get_encoded(table, id).await;
        };
        let key = keys::record(self.tenant.number, known.number, &id);
        // The shortest way to a record that memory has: no snapshot, no view, no shared counter.
        let bytes = match shared.cache.get(&cache_key(&key), version) {
            Some(bytes) => Some(bytes),
            None => shared.head()?.snapshot.get(&key).await?,
        };
        Ok(bytes.map(|bytes| Encoded { id, table: known.label, bytes }))
    }

    /// Records of every table that have `name` as their key or as an alias.
    pub async fn lookup(&self, name: &str) -> Result<Vec<Record>> {
        self.view()?.lookup(name).await
    }

    /// The table and id that `reference` means.
    pub async fn resolve(&self, reference: &str) -> Result<Option<(String, Id)>> {
        self.view()?.resolve(reference).await
    }

    /// Records that pass `filter`.
    pub async fn find(&self, table: &str, filter: Filter) -> Result<Vec<Record>> {
        self.view()?.find(table, filter).await
    }

    /// The same, as they are stored.
    pub async fn find_encoded(&self, table: &str, filter: Filter) -> Result<Vec<Encoded>> {
        self.view()?.find_encoded(table, filter).await
    }

    /// The same, and how they were found.
    pub async fn find_explained(
        &self,
        table: &str,
        filter: Filter,
    ) -> Result<(Vec<Encoded>, Explain)> {
        self.view()?.find_explained(table, filter).await
    }

    /// Records in the order of their ids, from behind `after`.
    pub async fn records(
        &self,
        table: &str,
        after: Option<Id>,
        limit: usize,
    ) -> Result<Vec<Record>> {
        self.view()?.records(table, after, limit).await
    }

    /// Every state that a record had, oldest first.
    pub async fn history(&self, table: &str, reference: &str) -> Result<Vec<Past>> {
        self.view()?.history(table, reference).await
    }

    /// What is one link away.
    pub async fn neighbors(&self, reference: &str, walk: Walk) -> Result<Vec<Step>> {
        self.view()?.neighbors(reference, walk).await
    }

    /// What is within some links, nearest first.
    pub async fn traverse(&self, reference: &str, walk: Walk) -> Result<Vec<Step>> {
        self.view()?.traverse(reference, walk).await
    }

    /// Every table.
    pub async fn tables(&self) -> Result<Vec<TableInfo>> {
        self.view()?.tables().await
    }

    /// One table.
    pub async fn table(&self, name: &str) -> Result<TableInfo> {
        self.view()?.table(name).await
    }

    /// Transactions with a version greater than `after`, oldest first.
    pub async fn log(&self, after: Version, limit: usize) -> Result<Vec<LogRow>> {
        self.view()?.log(after, limit).await
    }

    /// Follows the log under a name, from where that name left off.
    pub async fn follow(&self, name: &str) -> Result<Follower> {
        Follower::open(self, name).await
    }

    /// The table of this name, if it was compiled before and memory has its record.
    fn known_table(&self, name: &str) -> Option<Known> {
        let shared = &self.handle.shared;
        if !shared.is_open() || self.tenant.is_dropped() {
            return None;
        }
        let (database, tenant, schemas) = (shared.identity, self.tenant.number, shared.schemas());
        let last = LAST.get();
        if let Some(last) = last
            && (last.database, last.tenant, last.schemas) == (database, tenant, schemas)
            && *last.label == *name
        {
            return Some(last);
        }
        let table = self.tenant.compiled.known(name)?;
        let key = keys::record(tenant, number::TABLES, &table.id);
        let current = shared.cache.get(&cache_key(&key), shared.version())?;
        let (number, label) = (table.number, table.label);
        let known = Known { database, tenant, schemas, number, label };
        LAST.set(table.is(&current).then_some(known));
        LAST.get()
    }
}

/// A table that this thread asked for last, true as long as no table of its database changes.
#[derive(Clone, Copy)]
struct Known {
    database: u64,
    tenant: TenantNo,
    schemas: u64,
    number: TableNo,
    label: Label,
}

thread_local! {
    static LAST: Cell<Option<Known>> = const { Cell::new(None) };
}

/// Operations.
impl Database {
    /// Checks every checksum, and every index against its rebuild.
    pub async fn verify(&self) -> Result<Vec<Finding>> {
        let mut findings = self.handle.shared.store()?.verify().await?;
        findings.extend(crate::verify::verify(&self.handle, None).await?);
        Ok(findings)
    }

    /// Checks every index of an earlier version against its rebuild.
    pub async fn verify_as_of(&self, version: Version) -> Result<Vec<Finding>> {
        crate::verify::verify(&self.handle, Some(version)).await
    }

    /// Counts and sizes.
    pub async fn stats(&self) -> Result<Json> {
        crate::stats::stats(self).await
    }

    /// Rewrites what is stored without what is no longer needed, and makes of every index over
    /// words or vectors, of every tenant, one part, which is searched fastest.
    pub async fn compact(&self) -> Result<()> {
        crate::purge::resume(&self.handle).await?;
        crate::sealed::seal::compact(&self.handle).await?;
        self.handle.shared.store()?.compact().await
    }

    /// Writes a consistent copy, which opens as a database of its own.
    pub async fn checkpoint(&self, target: &Path) -> Result<()> {
        self.handle.shared.store()?.checkpoint(target).await.map(drop)
    }

    /// Makes every commit so far durable.
    pub async fn sync(&self) -> Result<()> {
        crate::log::write_beside(&self.view()?, Beside::default()).await
    }
}
