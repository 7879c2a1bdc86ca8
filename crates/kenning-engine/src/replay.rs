//! A database that is made of what another one knew.
//!
//! Two ways lead there. [`Replay::repeat`] commits the transactions of a log once more, each under
//! the version, the instant and the id that it had: what was true at a version is true at it here,
//! and numbers of tables are the same. [`Replay::learn`] stores what one view knew, as new
//! transactions. Both go through the committer and are judged by it like every other transaction;
//! that one follows exactly the version before it is among what is judged, so nothing lands twice
//! or out of order.
//!
//! While this goes on nobody else may write, or versions would be taken: the sweeper and the
//! builder rest. What they will have to do is noted as ever, and done once the database is opened.
//! Only one thing can't wait: when the log says that an index is ready, its entries must be there.
//! They are added right before, under the version that is the last one then, which no view of an
//! earlier version shows and none of a later one misses.
//!
//! A note in the database says that it is half made, and of what. Until the note is gone nothing
//! but a replay opens the database, and a replay of the same thing goes on where it ended. With the
//! note goes, in one batch, that the database is made, and of what: whoever was cut off after that,
//! or asks once more, is told so and not that the database is not empty.

mod apply; // a change as a log tells it
mod learn; // what one view knew

use std::collections::HashMap;
use std::sync::Arc;

use kenning_record::{Id, TableNo, Version, entry, keys};
use kenning_store::{
    Batch, Bytes, Durability, Error, ErrorKind, Range, Result, Space, Store, World,
};

use crate::committer::{Given, frame};
use crate::database::Database;
use crate::log::{Beside, TransactionId, write_beside};
use crate::settings::Settings;
use crate::shared::Head;
use crate::table::{Table, number};
use crate::tenant::Tenant;
use crate::transaction::Transaction;
use crate::view::{At, TABLE_COUNTER, View, table_id};

pub use learn::{Said, SaidTable};

/// What says that a database is half made.
const NOTE: &str = "replay";
/// What says of what a database was made.
const MADE: &str = "replayed";
/// Versions that making an empty database takes: its tenant, and the tenant's first tables.
const EMPTY_VERSIONS: Version = 2;
/// Keys that an empty database has at most.
const EMPTY_KEYS: usize = 1_000;
/// Transactions that are on their way at once.
const AHEAD_MAX: usize = 256;

/// A transaction as a log tells it.
#[derive(Clone, Debug)]
pub struct Told {
    /// Whose it is; `None` for those of the database itself.
    pub tenant: Option<String>,
    /// Its id.
    pub transaction: TransactionId,
    /// The database in which it was first committed; zeros: the one that tells.
    pub origin: [u8; 16],
    /// Its version.
    pub version: Version,
    /// When it was committed, in milliseconds since the epoch.
    pub instant: i64,
    /// The tenant's version before it.
    pub previous: Version,
    /// What it changed, in order.
    pub changes: Vec<ToldChange>,
}

/// A change as a log tells it.
#[derive(Clone, Debug)]
pub struct ToldChange {
    /// The number of the table.
    pub table: TableNo,
    /// The record.
    pub id: Id,
    /// The payload that the record has since; `None` if it was deleted.
    pub after: Option<Vec<u8>>,
}

/// Of several things the one that could not be taken, and why. Those before it may have landed.
#[derive(Debug)]
pub struct Refused {
    /// Its place among them.
    pub at: usize,
    /// Why.
    pub error: Error,
}

/// A database in the making.
pub struct Replay {
    store: Arc<dyn Store>,
    world: Arc<dyn World>,
    settings: Settings,
    root: Database,
    source: [u8; 32],
    tenants: HashMap<String, Arc<Tenant>>,
    /// Whether it was made before.
    is_made: bool,
    /// How many transactions are tried at once.
    ahead: usize,
}

impl Replay {
    /// Opens the database in `store` to make it of `source`. It must be new or empty, or half made
    /// of the same source; or made of it, and then it stays as it is.
    pub async fn open(
        store: Arc<dyn Store>,
        world: Arc<dyn World>,
        settings: Settings,
        source: [u8; 32],
    ) -> Result<Replay> {
        let is_made = match note(&*store, NOTE).await? {
            Some(note) if note.starts_with(&source) => false,
            Some(_) => {
                let message = "the database is half made of another export";
                return Err(Error::invalid("IMPORT_OTHER", message));
            }
            None if note(&*store, MADE).await?.is_some_and(|made| made == source) => true,
            None => {
                empty(&*store, &source).await?;
                false
            }
        };
        let quiet =
            Database::start(Arc::clone(&store), Arc::clone(&world), settings.clone(), false);
        let root = quiet.await?;
        let tenants = HashMap::new();
        Ok(Replay { store, world, settings, root, source, is_made, tenants, ahead: 1 })
    }

    /// Whether the database was made of this source before: [`finish`](Replay::finish) opens it as
    /// it is, whatever was written to it since.
    pub fn is_made(&self) -> bool {
        self.is_made
    }

    /// The last version.
    pub fn version(&self) -> Version {
        self.root.version()
    }

    /// How far [`learn`](Replay::learn) and its like have come: what was noted last.
    pub async fn note(&self) -> Result<Vec<u8>> {
        let note = note(&*self.store, NOTE).await?.unwrap_or_default();
        Ok(note.get(32..).unwrap_or_default().to_vec())
    }

    /// Commits transactions once more. Those up to the last version are there already.
    pub async fn repeat(&mut self, told: &[Told]) -> Result<(), Refused> {
        let there = self.version();
        let mut at = told.iter().take_while(|told| told.version <= there).count();
        while at < told.len() {
            // A change of a table is nothing that others can be tried beside.
            let alone = |told: &Told| told.changes.iter().any(|c| c.table == number::TABLES);
            let ahead = told[at..].iter().take(self.ahead).take_while(|told| !alone(told)).count();
            let landed = self.land(&told[at..at + ahead.max(1)]).await;
            let (landed, failed) = landed.map_err(|error| Refused { at, error })?;
            at += landed;
            self.ahead = match &failed {
                None => (2 * self.ahead).min(AHEAD_MAX),
                Some(_) => landed.max(1),
            };
            if let Some(error) = failed.filter(|error| {
                // What stands on one before it is tried again when that one is there.
                error.kind() != ErrorKind::Conflict || landed == 0
            }) {
                return Err(Refused { at, error });
            }
        }
        Ok(())
    }

    /// Stages these on what is there now and commits them together; how many landed, and why the
    /// next one did not.
    async fn land(&mut self, told: &[Told]) -> Result<(usize, Option<Error>)> {
        let mut after = self.version();
        let mut staged = Vec::with_capacity(told.len());
        let mut failed = None;
        for told in told {
            match self.stage(told, after).await {
                Ok(transaction) => staged.push(transaction),
                // It may need one before it, which is not there yet.
                Err(error) if staged.is_empty() => return Ok((0, Some(error))),
                Err(error) => {
                    failed = Some(
                        Error::conflict("REPLAY_ORDER", "it needs one before it")
                            .because(error.to_string()),
                    );
                    break;
                }
            }
            after = told.version;
        }
        let answers: Vec<_> = staged.iter_mut().map(Transaction::submit).collect();
        let (mut landed, mut refused) = (0, None);
        for (transaction, submitted) in staged.iter().zip(answers) {
            match transaction.answered(submitted).await {
                Ok(_) => landed += 1,
                // Those behind it follow a version that is not there.
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Ok((landed, refused.or(failed)))
    }

    async fn stage(&mut self, told: &Told, after: Version) -> Result<Transaction> {
        let tenant = self.tenant(told.tenant.as_deref()).await?;
        for change in told.changes.iter().filter(|change| change.table == number::TABLES) {
            self.fill(&tenant, change).await?;
        }
        let handle = &self.root.handle;
        let mut transaction = Transaction::begin(handle, &tenant, Some(told.transaction))?;
        transaction.given = Some(Given {
            after,
            version: told.version,
            instant: told.instant,
            origin: told.origin,
            previous: told.previous,
        });
        transaction.set_durability(Durability::Relaxed);
        transaction.reads_checked = true;
        let mut tables = HashMap::new();
        for change in &told.changes {
            transaction.apply(&mut tables, change).await?;
        }
        Ok(transaction)
    }

    /// Adds the entries of the indexes that become ready with this change of a table.
    async fn fill(&self, tenant: &Arc<Tenant>, change: &ToldChange) -> Result<()> {
        let Some(after) = table_told(tenant, change)? else { return Ok(()) };
        let view = self.root.view()?.as_tenant(Arc::clone(tenant));
        let before = view.find_numbered(after.number).await?;
        let was_ready = |number| {
            let field = before.as_ref().and_then(|before| before.field(number));
            field.is_some_and(|field| field.is_ready(view.version))
        };
        for field in after.fields.iter().filter(|field| field.is_ready(Version::MAX)) {
            if !was_ready(field.index.number) {
                crate::build::fill_at_once(&view, &after, field).await?;
            }
        }
        Ok(())
    }

    async fn tenant(&mut self, name: Option<&str>) -> Result<Arc<Tenant>> {
        let Some(name) = name else { return Ok(Arc::clone(&self.root.tenant)) };
        if let Some(tenant) = self.tenants.get(name) {
            return Ok(Arc::clone(tenant));
        }
        let missing = || Error::invalid("TENANT_NOT_FOUND", format!("no tenant is named '{name}'"));
        let tenant = crate::tenants::find(&self.root.handle, name).await?.ok_or_else(missing)?;
        self.tenants.insert(name.to_owned(), Arc::clone(&tenant));
        Ok(tenant)
    }

    /// Forgets what views before `history_from` would need, as the database that tells has.
    pub async fn forget(&self, history_from: Version) -> Result<()> {
        if self.root.view()?.present().await?.history_from < history_from {
            self.root.prune(At::Version(history_from), false).await?;
        }
        Ok(())
    }

    /// What there is so far.
    pub fn view(&self) -> Result<View> {
        self.root.view()
    }

    /// It is made: opens it as the tenant of this name.
    pub async fn finish(self, tenant: &str) -> Result<Database> {
        if !self.is_made {
            let mut batch = Batch::new();
            batch.delete(&keys::meta(NOTE));
            batch.put(&keys::meta(MADE), &frame(0, &self.source));
            write_beside(&self.root.view()?, Beside { batch, ..Beside::default() }).await?;
        }
        let Replay { store, world, settings, root, tenants, .. } = self;
        drop(tenants);
        root.close().await?;
        Database::open(store, world, settings, tenant).await
    }
}

/// The table that a change of `_tables` leaves; `None` for the count of tables, or if it is gone.
pub(crate) fn table_told(tenant: &Tenant, change: &ToldChange) -> Result<Option<Table>> {
    let Some(payload) = change.after.as_deref().filter(|_| change.id != TABLE_COUNTER) else {
        return Ok(None);
    };
    let bytes = Bytes::from(frame(crate::staging::PENDING, payload));
    let table = Table::compile(tenant.number, change.id, &bytes).map_err(|error| {
        Error::invalid("REPLAY_DIFFERS", error.message()).because(error.to_string())
    })?;
    if table.number < number::FIRST || table.id != table_id(&tenant.name, &table.name)? {
        let message = format!("the record of table '{}' is not one of its own", table.name);
        return Err(Error::invalid("REPLAY_DIFFERS", message));
    }
    Ok(Some(table))
}

/// What a note says: its source, and of a half made database how far it is.
async fn note(store: &dyn Store, name: &str) -> Result<Option<Vec<u8>>> {
    let snapshot = store.snapshot().await?;
    let bytes = snapshot.get(&keys::meta(name)).await?;
    bytes.map(|bytes| Ok(entry::check(&bytes)?.1.to_vec())).transpose()
}

/// Writes that what comes is made of `source`, and how far that is.
pub(crate) fn write_note(source: &[u8], how_far: &[u8], batch: &mut Batch) {
    batch.put(&keys::meta(NOTE), &frame(0, &[source, how_far].concat()));
}

/// Refuses a database that is half made.
pub(crate) async fn check_made(snapshot: &dyn kenning_store::Snapshot) -> Result<()> {
    if snapshot.get(&keys::meta(NOTE)).await?.is_none() {
        return Ok(());
    }
    let message = "the database is half imported: import the same export once more, which goes on";
    Err(Error::invalid("IMPORT_UNFINISHED", message))
}

/// Takes away what an empty database has, so that what comes is all there is.
async fn empty(store: &dyn Store, source: &[u8]) -> Result<()> {
    let snapshot = store.snapshot().await?;
    let head = snapshot.get(&keys::meta("head")).await?;
    let version = head.map(|bytes| Head::decode(&bytes)).transpose()?.map_or(0, |head| head.0);
    let refused = || {
        let message = "the database is not empty: import into one that is new";
        Error::invalid("DATABASE_NOT_EMPTY", message)
    };
    if version > EMPTY_VERSIONS {
        return Err(refused());
    }
    let mut batch = Batch::new();
    for space in Space::ALL {
        let mut next = Some(Range::prefix([space.byte()]).forward());
        while let Some(scan) = next {
            let page = snapshot.page(&scan).await?;
            page.rows.iter().for_each(|row| batch.delete(&row.key));
            if batch.len() > EMPTY_KEYS {
                return Err(refused());
            }
            next = page.rest;
        }
    }
    write_note(source, &[], &mut batch);
    store.commit(batch, Durability::Strict).await
}
