//! The same verbs without async.
//!
//! ```
//! # fn main() -> kenning::Result<()> {
//! let db = kenning::blocking::open("memory:")?;
//! let mut transaction = db.begin()?;
//! transaction.put("entities", kenning::json!({"name": "Ada"}))?;
//! transaction.put("entities", kenning::json!({"name": "Grace"}))?;
//! transaction.commit()?;
//! assert_eq!(db.records("entities", None, 10)?.len(), 2);
//! # Ok(())
//! # }
//! ```

mod backup; // backups
mod finding; // by meaning, by words, by names
mod mending; // merge, purge
mod reading; // what a view, a transaction and the database of now all have
mod tail; // the log as it grows
mod tenants; // tenants
mod whole; // a whole database to files, and back

use std::path::Path;

use kenning_store::block_on;

pub use tail::Tail;

use crate::ingest;
use crate::{
    At, Building, Committed, Draft, Durability, Finding, Id, Json, Link, LogRow, Options, Pruned,
    Record, Result, TransactionId, Version,
};

pub use backup::restore;
pub use whole::{export_all, import_all};

/// Opens a database, and makes it if it is missing; see [`crate::open`].
pub fn open(url: &str) -> Result<Database> {
    block_on(crate::open(url)).map(Database)
}

/// Opens a database.
pub fn open_with(url: &str, options: Options) -> Result<Database> {
    block_on(crate::open_with(url, options)).map(Database)
}

/// Stores the rows of a file; see [`ingest::import`].
///
/// ```
/// # fn main() -> kenning::Result<()> {
/// use kenning::ingest::{Format, ImportOptions, Source};
/// let db = kenning::blocking::open("memory:")?;
/// let lines = "name,born\nAda,1815\nGrace,1906\n";
/// let source = Source::Stream(Box::new(lines.as_bytes()));
/// let options = ImportOptions::new(Format::CSV);
/// let watch = &mut |_: kenning::ingest::Event<'_>| std::ops::ControlFlow::Continue(());
/// let done = kenning::blocking::import(&db, "entities", source, &options, watch)?;
/// assert_eq!(done.progress.stored, 2);
/// assert_eq!(db.get("entities", "ada")?.expect("it is there").properties["born"], 1815);
/// # Ok(())
/// # }
/// ```
pub fn import(
    database: &Database,
    table: &str,
    source: ingest::Source,
    options: &ingest::ImportOptions,
    watch: &mut ingest::Watch<'_>,
) -> Result<ingest::Imported> {
    block_on(ingest::import(&database.0, table, source, options, watch))
}

/// What the columns of a csv file would be read as; see [`ingest::columns`].
pub fn columns(
    database: &Database,
    table: &str,
    source: ingest::Source,
    options: &ingest::ImportOptions,
) -> Result<Vec<ingest::Column>> {
    block_on(ingest::columns(&database.0, table, source, options))
}

/// Writes every record of a table; see [`ingest::export`].
pub fn export(
    view: &View,
    table: &str,
    target: ingest::Target,
    options: &ingest::ExportOptions,
    watch: &mut (dyn FnMut(u64) -> std::ops::ControlFlow<()> + Send),
) -> Result<ingest::Exported> {
    block_on(ingest::export(&view.0, table, target, options, watch))
}

/// One tenant of one open database; see [`crate::Database`].
#[derive(Clone)]
pub struct Database(crate::Database);

/// One tenant at one version; see [`crate::View`].
#[derive(Clone)]
pub struct View(crate::View);

/// Changes that land together; see [`crate::Transaction`].
pub struct Transaction(crate::Transaction);

/// Someone who reads the log; see [`crate::Follower`].
pub struct Follower(crate::Follower);

impl From<crate::Database> for Database {
    fn from(database: crate::Database) -> Self {
        Database(database)
    }
}

/// Opening, transactions and views.
impl Database {
    /// Closes the database for every handle.
    pub fn close(self) -> Result<()> {
        block_on(self.0.close())
    }

    /// Begins a transaction.
    pub fn begin(&self) -> Result<Transaction> {
        self.0.begin().map(Transaction)
    }

    /// Begins a transaction under an id of the caller's own.
    pub fn begin_with(&self, id: TransactionId) -> Result<Transaction> {
        self.0.begin_with(id).map(Transaction)
    }

    /// Runs `body` in a transaction and commits it; after a conflict, again.
    pub fn transact<T>(&self, mut body: impl FnMut(&mut Transaction) -> Result<T>) -> Result<T> {
        let mut tries = 0;
        loop {
            let mut transaction = self.begin()?;
            let done = body(&mut transaction);
            let done = done.and_then(|value| transaction.commit().map(|_| value));
            match done {
                Err(error) if error.kind() == crate::ErrorKind::Conflict && tries < 100 => {
                    tries += 1;
                }
                done => return done,
            }
        }
    }

    /// What there is now.
    pub fn view(&self) -> Result<View> {
        self.0.view().map(View)
    }

    /// What there was at a moment of the past.
    pub fn as_of(&self, at: At) -> Result<View> {
        block_on(self.0.as_of(at)).map(View)
    }

    /// Time, chance and threads, as it was opened with.
    pub fn world(&self) -> std::sync::Arc<dyn crate::World> {
        self.0.world()
    }

    /// The last version.
    pub fn version(&self) -> Version {
        self.0.version()
    }

    /// The version of the transaction with this id.
    pub fn outcome(&self, id: TransactionId) -> Result<Option<Version>> {
        block_on(self.0.outcome(id))
    }

    /// Follows the log under a name.
    pub fn follow(&self, name: &str) -> Result<Follower> {
        block_on(self.0.follow(name)).map(Follower)
    }
}

/// One-verb writes.
impl Database {
    /// Stores a record.
    pub fn put(&self, table: &str, draft: impl Into<Draft>) -> Result<Record> {
        block_on(self.0.put(table, draft))
    }

    /// Stores a record that must not be there.
    pub fn insert(&self, table: &str, draft: impl Into<Draft>) -> Result<Record> {
        block_on(self.0.insert(table, draft))
    }

    /// Stores several records in one transaction.
    pub fn put_many(&self, table: &str, drafts: Vec<Draft>) -> Result<Vec<Id>> {
        block_on(self.0.put_many(table, drafts))
    }

    /// Changes a record by a JSON merge patch.
    pub fn update(&self, table: &str, reference: &str, patch: Json) -> Result<Record> {
        block_on(self.0.update(table, reference, patch))
    }

    /// Deletes a record; `false` if it was not there.
    pub fn delete(&self, table: &str, reference: &str) -> Result<bool> {
        block_on(self.0.delete(table, reference))
    }

    /// Links two records.
    pub fn link(&self, source: &str, kind: &str, target: &str, link: Link) -> Result<Id> {
        block_on(self.0.link(source, kind, target, link))
    }

    /// Removes a link; `false` if it was not there.
    pub fn unlink(&self, source: &str, kind: &str, target: &str) -> Result<bool> {
        block_on(self.0.unlink(source, kind, target))
    }

    /// Makes a table.
    pub fn create_table(&self, name: &str, schema: Json) -> Result<()> {
        block_on(self.0.create_table(name, schema))
    }

    /// Gives a table another schema. New indexes are built in the background.
    pub fn alter_table(&self, name: &str, schema: Json) -> Result<()> {
        block_on(self.0.alter_table(name, schema))
    }

    /// Makes every index of a table anew, in the background.
    pub fn reindex(&self, name: &str) -> Result<()> {
        block_on(self.0.reindex(name))
    }

    /// The indexes that are being built.
    pub fn building(&self) -> Result<Vec<Building>> {
        block_on(self.0.building())
    }

    /// Waits until nothing is left to be done about indexes: each is ready, or has failed, and what
    /// was dropped is cleared away.
    pub fn wait_indexed(&self) -> Result<()> {
        block_on(self.0.wait_indexed())
    }

    /// Waits until the texts of one table were computed; other tables hold up nothing.
    pub fn wait_embedded(&self, table: &str) -> Result<()> {
        block_on(self.0.wait_embedded(table))
    }

    /// Drops a table.
    pub fn drop_table(&self, name: &str) -> Result<()> {
        block_on(self.0.drop_table(name))
    }
}

/// Operations.
impl Database {
    /// Checks every checksum, and every index against its rebuild.
    pub fn verify(&self) -> Result<Vec<Finding>> {
        block_on(self.0.verify())
    }

    /// Checks every index of an earlier version against its rebuild.
    pub fn verify_as_of(&self, version: Version) -> Result<Vec<Finding>> {
        block_on(self.0.verify_as_of(version))
    }

    /// Counts and sizes.
    pub fn stats(&self) -> Result<Json> {
        block_on(self.0.stats())
    }

    /// Rewrites what is stored without what is no longer needed.
    pub fn compact(&self) -> Result<()> {
        block_on(self.0.compact())
    }

    /// Removes what views before `until` would need, and where `log` says so the log before it.
    pub fn prune(&self, until: At, log: bool) -> Result<Pruned> {
        block_on(self.0.prune(until, log))
    }

    /// Writes a consistent copy.
    pub fn checkpoint(&self, target: &Path) -> Result<()> {
        block_on(self.0.checkpoint(target))
    }

    /// Makes every commit so far durable.
    pub fn sync(&self) -> Result<()> {
        block_on(self.0.sync())
    }
}

impl View {
    /// The version that it shows.
    pub fn version(&self) -> Version {
        self.0.version()
    }
}

/// What a transaction is and how it ends.
impl Transaction {
    /// Its id.
    pub fn id(&self) -> TransactionId {
        self.0.id()
    }

    /// The version that it reads.
    pub fn version(&self) -> Version {
        self.0.version()
    }

    /// Commits with another durability than the database's own.
    pub fn set_durability(&mut self, durability: Durability) {
        self.0.set_durability(durability);
    }

    /// Commits.
    pub fn commit(self) -> Result<Committed> {
        block_on(self.0.commit())
    }

    /// Stores a record.
    pub fn put(&mut self, table: &str, draft: impl Into<Draft>) -> Result<Record> {
        block_on(self.0.put(table, draft))
    }

    /// Stores a record that must not be there.
    pub fn insert(&mut self, table: &str, draft: impl Into<Draft>) -> Result<Record> {
        block_on(self.0.insert(table, draft))
    }

    /// Stores several records.
    pub fn put_many(&mut self, table: &str, drafts: Vec<Draft>) -> Result<Vec<Id>> {
        block_on(self.0.put_many(table, drafts))
    }

    /// Changes a record by a JSON merge patch.
    pub fn update(&mut self, table: &str, reference: &str, patch: Json) -> Result<Record> {
        block_on(self.0.update(table, reference, patch))
    }

    /// Deletes a record; `false` if it was not there.
    pub fn delete(&mut self, table: &str, reference: &str) -> Result<bool> {
        block_on(self.0.delete(table, reference))
    }

    /// Links two records.
    pub fn link(&mut self, source: &str, kind: &str, target: &str, link: Link) -> Result<Id> {
        block_on(self.0.link(source, kind, target, link))
    }

    /// Removes a link; `false` if it was not there.
    pub fn unlink(&mut self, source: &str, kind: &str, target: &str) -> Result<bool> {
        block_on(self.0.unlink(source, kind, target))
    }

    /// Makes a table.
    pub fn create_table(&mut self, name: &str, schema: Json) -> Result<()> {
        block_on(self.0.create_table(name, schema))
    }

    /// Gives a table another schema. New indexes are built in the background.
    pub fn alter_table(&mut self, name: &str, schema: Json) -> Result<()> {
        block_on(self.0.alter_table(name, schema))
    }

    /// Makes every index of a table anew, in the background.
    pub fn reindex(&mut self, name: &str) -> Result<()> {
        block_on(self.0.reindex(name))
    }

    /// Drops a table.
    pub fn drop_table(&mut self, name: &str) -> Result<()> {
        block_on(self.0.drop_table(name))
    }
}

impl Follower {
    /// The version up to which everything was acknowledged.
    pub fn watermark(&self) -> Version {
        self.0.watermark()
    }

    /// The next transaction, waiting until there is one.
    #[expect(clippy::should_implement_trait, reason = "it has no end, and each step may fail")]
    pub fn next(&mut self) -> Result<LogRow> {
        block_on(self.0.next())
    }

    /// The next transaction, if there is one.
    pub fn try_next(&mut self) -> Result<Option<LogRow>> {
        block_on(self.0.try_next())
    }

    /// Notes durably that everything up to `version` is done.
    pub fn ack(&mut self, version: Version) -> Result<()> {
        block_on(self.0.ack(version))
    }
}
