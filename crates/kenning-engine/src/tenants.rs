//! Which tenants there are: made, found, dropped.
//!
//! The name of a tenant is a record of tenant 0, found by its id, so what a handle costs does not
//! depend on how many tenants there are. Numbers are counted by a record of their own and never
//! used twice: a dropped tenant is out of sight at once, but what it had is removed later.
//!
//! A tenant that is dropped takes its past with it. No handle leads there any more, so nobody can
//! ask for it; whoever made one before is told `Closed TENANT_DROPPED`. Views and transactions that
//! are open keep what they see, and nothing of such a transaction lands.

use std::sync::Arc;

use kenning_record::{Id, RecordRef, TenantNo, check_tenant_name, entry, keys, normalize};
use kenning_store::{Bytes, Error, Range, Result};
use serde_json::json;

use crate::committer::frame;
use crate::database::{Database, Handle, Tries};
use crate::shared::Waiting;
use crate::stats::TenantSize;
use crate::table::number;
use crate::tenant::{ROOT, TENANTS, Tenant, rem_tables};
use crate::transaction::Transaction;
use crate::view::View;

/// Tenant numbers from here on are given to tenants.
const FIRST: TenantNo = 1;

/// The id of the record that counts tenant numbers.
const COUNTER: Id = Id([0; 16]);

/// Tenants.
impl Database {
    /// A handle on another tenant of the same database.
    pub async fn tenant(&self, name: &str) -> Result<Database> {
        check_tenant_name(name)?;
        let tenant = find(&self.handle, name).await?.ok_or_else(|| missing(name))?;
        let database = Database { handle: self.handle.clone(), tenant };
        database.ensure_rem_tables().await?;
        Ok(database)
    }

    /// Makes a tenant.
    pub async fn create_tenant(&self, name: &str) -> Result<()> {
        check_tenant_name(name)?;
        self.root().make_tenant(name).await?;
        self.tenant(name).await.map(|_| ())
    }

    /// Drops another tenant, with all that it has and had. It is gone at once, and its name can be
    /// used again; what it leaves on the disk is removed in the background.
    ///
    /// Other handles on it answer `Closed TENANT_DROPPED` from now on. The tenant of this very
    /// handle is refused, so a database keeps at least one.
    pub async fn drop_tenant(&self, name: &str) -> Result<()> {
        check_tenant_name(name)?;
        let root = self.root();
        let mut tries = Tries::new(self);
        loop {
            let mut transaction = root.begin()?;
            let dropped = transaction.drop_tenant(name, &self.tenant).await;
            if let Some(done) = tries.settle(transaction, dropped).await {
                return done.map(|_| ());
            }
        }
    }

    /// The names of all tenants.
    pub async fn tenants(&self) -> Result<Vec<String>> {
        let mut names: Vec<_> =
            all(&self.root().view()?).await?.into_iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// All tenants by name, and about how many bytes each uses.
    pub async fn tenant_sizes(&self) -> Result<Vec<TenantSize>> {
        let store = self.handle.shared().store()?;
        let mut sizes = crate::stats::sizes(&*store, all(&self.root().view()?).await?).await?;
        sizes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(sizes)
    }

    /// Waits until nothing is left of what was dropped: tenants, tables, links of deleted records;
    /// and of what a purge that was cut off left.
    pub async fn wait_swept(&self) -> Result<()> {
        let shared = self.handle.shared();
        let waiting = Waiting::new(shared);
        let root = self.root();
        loop {
            let seen = shared.published();
            let view = root.view()?;
            let mut is_clean = true;
            for notes in [keys::tenant_sweeps(), keys::sweeps(), keys::purges()] {
                let notes = Range::prefix(notes).forward().rows(1);
                is_clean &= view.source.page(&notes).await?.rows.is_empty();
            }
            // Who waits holds nothing that somebody else may wait for.
            drop(view);
            if is_clean {
                return Ok(());
            }
            if let Some(error) = shared.sweep.failure() {
                return Err(error);
            }
            waiting.moved(seen).await;
        }
    }

    /// Makes the first tenant of a new store.
    pub(crate) async fn make_first_tenant(&self, name: &str) -> Result<()> {
        let tenants = Range::prefix(keys::records(ROOT, number::TENANTS)).forward().rows(1);
        if self.root().view()?.source.page(&tenants).await?.rows.is_empty() {
            self.root().make_tenant(name).await?;
        }
        Ok(())
    }

    fn root(&self) -> Database {
        let tenant = Arc::clone(self.handle.shared().tenants.root());
        Database { handle: self.handle.clone(), tenant }
    }

    async fn make_tenant(&self, name: &str) -> Result<()> {
        check_tenant_name(name)?;
        let mut tries = Tries::new(self);
        loop {
            let mut transaction = self.begin()?;
            let done = transaction.put_tenant(name).await;
            if let Some(done) = tries.settle(transaction, done).await {
                return done.map(|_| ());
            }
        }
    }

    /// The tables that exist from the start are the first that a tenant logs; a crash may have come
    /// between the tenant and them.
    async fn ensure_rem_tables(&self) -> Result<()> {
        let view = self.view()?;
        let logged = crate::log::whole(self.tenant.number).forward().rows(1);
        if !view.source.page(&logged).await?.rows.is_empty() {
            return Ok(());
        }
        let mut tries = Tries::new(self);
        loop {
            let mut transaction = self.begin()?;
            let done = transaction.create_rem_tables().await;
            if let Some(done) = tries.settle(transaction, done).await {
                return done.map(|_| ());
            }
        }
    }
}

/// The tenant of this name, if there is one now.
pub(crate) async fn find(handle: &Handle, name: &str) -> Result<Option<Arc<Tenant>>> {
    let tenants = &handle.shared().tenants;
    loop {
        let found = number_of(&View::now(handle, tenants.root())?, name).await?;
        let Some(number) = found else { return Ok(None) };
        let tenant = tenants.hold(number, name);
        // From here on it is told when it is dropped; it may have been before.
        if number_of(&View::now(handle, tenants.root())?, name).await? == Some(number) {
            return Ok(Some(tenant));
        }
    }
}

/// Every tenant that `root`, a view of tenant 0, knows.
pub(crate) async fn all(root: &View) -> Result<Vec<(String, TenantNo)>> {
    let range = Range::prefix(keys::records(ROOT, number::TENANTS));
    let mut tenants = Vec::new();
    for row in root.rows(range).await? {
        if keys::record_split(&row.key)?.2 != COUNTER {
            tenants.push(read(&row.value)?);
        }
    }
    Ok(tenants)
}

/// The number of the tenant of exactly this name.
async fn number_of(root: &View, name: &str) -> Result<Option<TenantNo>> {
    let Some(bytes) = root.record_bytes(number::TENANTS, id_of(name)?).await? else {
        return Ok(None);
    };
    let (known, number) = read(&bytes)?;
    Ok((known == name).then_some(number))
}

fn id_of(name: &str) -> Result<Id> {
    Ok(Id::derived("", TENANTS, &normalize(name)?))
}

/// Name and number in the record of a tenant.
fn read(bytes: &Bytes) -> Result<(String, TenantNo)> {
    let record = RecordRef::new(entry::check(bytes)?.1)?;
    let name = record.key()?.ok_or_else(damaged)?.to_owned();
    Ok((name, number_in(record, "number")?))
}

fn number_in(record: RecordRef<'_>, property: &str) -> Result<TenantNo> {
    let number = record.properties()?.get(property)?.ok_or_else(damaged)?.as_u64()?;
    number.and_then(|number| u32::try_from(number).ok()).ok_or_else(damaged)
}

/// Refuses a record of `_tenants` that does not say what it has to.
pub(crate) fn check(id: Id, record: RecordRef<'_>) -> Result<()> {
    if id == COUNTER {
        return number_in(record, "next").map(|_| ());
    }
    record.key()?.ok_or_else(damaged)?;
    number_in(record, "number").map(|_| ())
}

fn damaged() -> Error {
    Error::corrupt("TENANT_DAMAGED", "the record of a tenant is damaged")
}

fn missing(name: &str) -> Error {
    Error::invalid("TENANT_NOT_FOUND", format!("no tenant is named '{name}'"))
}

impl Transaction {
    pub(crate) async fn put_tenant(&mut self, name: &str) -> Result<()> {
        // Two that are made at once must not get the same number.
        self.reads_checked = true;
        if self.record_bytes(number::TENANTS, id_of(name)?).await?.is_some() {
            let message = format!("a tenant named '{name}' is there already");
            return Err(Error::invalid("TENANT_EXISTS", message));
        }
        let number = self.next_tenant_number().await?;
        if number == FIRST {
            let identity = crate::backup::new_identity(&*self.handle.shared().world);
            self.beside.put(&keys::identity(), &frame(0, &identity.0));
        }
        self.put_system(TENANTS, name, json!({"number": number})).await
    }

    /// Numbers of tenants are never used twice: what a dropped one had may be there still.
    async fn next_tenant_number(&mut self) -> Result<TenantNo> {
        let next = match self.record_bytes(number::TENANTS, COUNTER).await? {
            Some(bytes) => number_in(RecordRef::new(entry::split(&bytes)?.1)?, "next")?,
            // A database in which nobody could drop a tenant had no count.
            None => all(self).await?.iter().map(|(_, known)| known + 1).max().unwrap_or(FIRST),
        };
        let behind = next.checked_add(1).ok_or_else(|| {
            Error::exhausted("TENANTS_EXHAUSTED", format!("{next} tenants were made, the most"))
        })?;
        self.put_record(TENANTS, COUNTER, None, json!({"next": behind})).await?;
        Ok(next)
    }

    /// Drops a tenant that is not `own`, the tenant of whoever asks.
    async fn drop_tenant(&mut self, name: &str, own: &Tenant) -> Result<()> {
        // Two that drop each other must not both succeed.
        self.reads_checked = true;
        own.check()?;
        if number_of(self, &own.name).await? != Some(own.number) {
            return Err(own.gone());
        }
        let number = number_of(self, name).await?.ok_or_else(|| missing(name))?;
        if number == own.number {
            let message =
                format!("tenant '{name}' is the one in use; drop it from within another one");
            return Err(Error::invalid("TENANT_IN_USE", message));
        }
        let table = self.table_named(TENANTS).await?;
        let id = id_of(name)?;
        let before = self.record_bytes(number::TENANTS, id).await?;
        self.staging.stand_on(&keys::record(ROOT, number::TENANTS, &id));
        self.stage(&table, id, before.as_ref(), None).await?;
        self.beside.put(&keys::tenant_sweep(number), &frame(0, &[]));
        self.drops = Some(number);
        Ok(())
    }

    async fn create_rem_tables(&mut self) -> Result<()> {
        for (name, schema) in rem_tables() {
            if self.find_table(name).await?.is_none() {
                self.create_table(name, schema).await?;
            }
        }
        Ok(())
    }
}
