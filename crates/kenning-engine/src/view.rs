//! Reading at a version: now, at a moment of the past, or inside a transaction.
//!
//! A view never changes. Which of the three it is decides the snapshot below it and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kenning_index::Predicate;
use kenning_record::{Id, Json, Record, RecordRef, TableNo, ValueRef, Version, entry, keys};
use kenning_record::{check_table_name, normalize, suggest};
use kenning_store::{Bytes, Error, Range, Result, Row, Snapshot};

use crate::Bug;
use crate::database::Handle;
use crate::past::AsOf;
use crate::shared::{Cached, Head};
use crate::staging::Staging;
use crate::table::{Label, Table, TableInfo, number};
use crate::tenant::Tenant;

/// A moment to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// After the transaction with this version.
    Version(Version),
    /// After the last transaction at or before this instant, in milliseconds since the epoch.
    Instant(i64),
}

/// What one tenant has, at one version.
#[derive(Clone)]
pub struct View {
    pub(crate) handle: Handle,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) source: Arc<dyn Snapshot>,
    /// The same without a transaction's own writes.
    pub(crate) below: Arc<dyn Snapshot>,
    /// A transaction's own writes.
    pub(crate) staging: Option<Arc<Staging>>,
    pub(crate) version: Version,
    /// History entries that reading cost so far.
    pub(crate) dead: Arc<AtomicU64>,
}

/// A record as it is stored: a shared pointer, cheap to clone, decoded as far as it is asked.
#[derive(Clone, Debug)]
pub struct Encoded {
    pub(crate) id: Id,
    pub(crate) table: Label,
    pub(crate) bytes: Bytes,
}

impl Encoded {
    /// A row of the space of records.
    pub(crate) fn read(table: Label, row: Row) -> Result<Self> {
        let (_, _, id) = keys::record_split(&row.key)?;
        entry::check(&row.value)?;
        Ok(Encoded { id, table, bytes: row.value })
    }

    /// What it says, read as far as it is asked for.
    pub fn properties(&self) -> Result<ValueRef<'_>> {
        RecordRef::new(entry::split(&self.bytes)?.1)?.properties()
    }

    /// Whether it passes; only what is asked is read.
    pub fn passes(&self, predicate: &Predicate) -> Result<bool> {
        let (version, payload) = entry::split(&self.bytes)?;
        predicate.holds(self.id, version, RecordRef::new(payload)?)
    }

    /// The whole record, decoded.
    pub fn record(&self) -> Result<Record> {
        let (version, payload) = entry::split(&self.bytes)?;
        RecordRef::new(payload)?.to_record(self.id, &self.table, version)
    }

    /// One property, read without decoding the others.
    pub fn property(&self, name: &str) -> Result<Option<Json>> {
        let record = RecordRef::new(entry::split(&self.bytes)?.1)?;
        record.properties()?.get(name)?.map(|value| value.decode()).transpose()
    }

    /// The id.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The version that the record is from.
    pub fn version(&self) -> Version {
        entry::from(&self.bytes).expect("it was checked when it was read")
    }

    /// The stored bytes, frame included; see `docs/format/`.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl View {
    /// What there is now.
    pub(crate) fn now(handle: &Handle, tenant: &Arc<Tenant>) -> Result<View> {
        let head = handle.shared().head()?;
        // After the head: one that lacks records of a dropped tenant comes after that is known.
        tenant.check()?;
        Ok(View::at(handle, tenant, &head))
    }

    /// What there is at the version of `head`.
    pub(crate) fn at(handle: &Handle, tenant: &Arc<Tenant>, head: &Head) -> View {
        View {
            handle: handle.clone(),
            tenant: Arc::clone(tenant),
            source: Arc::clone(&head.snapshot),
            below: Arc::clone(&head.snapshot),
            staging: None,
            version: head.version,
            dead: Arc::default(),
        }
    }

    /// The same without what a transaction has written itself, and without remembering what is
    /// read.
    pub(crate) fn below_staged(&self) -> View {
        View { source: Arc::clone(&self.below), staging: None, ..self.clone() }
    }

    /// The version that it shows.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The same tenant at another moment.
    pub async fn as_of(&self, at: At) -> Result<View> {
        let head = self.handle.shared().head()?;
        self.tenant.check()?;
        self.past(&head, at).await
    }

    /// The same tenant at a moment that `head` knows.
    pub(crate) async fn past(&self, head: &Head, at: At) -> Result<View> {
        let version = match at {
            At::Version(version) => version,
            At::Instant(instant) => version_at(&*head.snapshot, instant).await?,
        };
        if version > head.version {
            let message =
                format!("version {version} is not there yet, the last is {}", head.version);
            return Err(Error::invalid("VERSION_UNKNOWN", message));
        }
        if version < head.history_from {
            let message = format!(
                "version {version} can't be shown, history is kept from version {}",
                head.history_from
            );
            return Err(Error::invalid("HISTORY_NOT_KEPT", message));
        }
        let dead = Arc::new(AtomicU64::new(0));
        let shared = self.handle.shared();
        let seen = version + u64::from(shared.settings.has(Bug::OffByOneAsOf));
        let past = Arc::new(AsOf::new(Arc::clone(&head.snapshot), seen, Arc::clone(&dead)));
        let source: Arc<dyn Snapshot> = match version == head.version {
            true => Arc::clone(&head.snapshot),
            false => Arc::new(Cached::new(past, version, Arc::clone(&shared.cache))),
        };
        Ok(View {
            handle: self.handle.clone(),
            tenant: Arc::clone(&self.tenant),
            below: Arc::clone(&source),
            staging: None,
            source,
            version,
            dead,
        })
    }

    /// The record that `reference`, an id or a key or an alias, names in `table`.
    pub async fn get(&self, table: &str, reference: &str) -> Result<Option<Record>> {
        let table = self.table_named(table).await?;
        let Some(id) = self.id_in(&table, reference).await? else { return Ok(None) };
        self.record(&table, id).await
    }

    /// The record under `id`, as it is stored.
    pub async fn get_encoded(&self, table: &str, id: Id) -> Result<Option<Encoded>> {
        let table = self.table_named(table).await?;
        let bytes = self.record_bytes(table.number, id).await?;
        Ok(bytes.map(|bytes| Encoded { id, table: table.label, bytes }))
    }

    /// Records of every table that have `name` as their key or as an alias.
    pub async fn lookup(&self, name: &str) -> Result<Vec<Record>> {
        let normal = normalize(name)?;
        let names = self.names(Range::prefix(keys::names_of(self.tenant.number, &normal))).await?;
        let mut records: Vec<Record> = Vec::new();
        for name in names {
            let table = self.table_numbered(name.end.table).await?;
            if records.iter().any(|known| known.id == name.end.id && known.table == table.name) {
                continue;
            }
            records.extend(self.record(&table, name.end.id).await?);
        }
        Ok(records)
    }

    /// The table and id that `reference` means.
    pub async fn resolve(&self, reference: &str) -> Result<Option<(String, Id)>> {
        let Some(end) = self.referent(reference).await? else { return Ok(None) };
        let table = self.table_numbered(end.table).await?;
        let there = self.record_bytes(end.table, end.id).await?.is_some();
        Ok(there.then(|| (table.name.clone(), end.id)))
    }

    /// Records in the order of their ids, from behind `after`.
    pub async fn records(
        &self,
        table: &str,
        after: Option<Id>,
        limit: usize,
    ) -> Result<Vec<Record>> {
        let table = self.table_named(table).await?;
        let mut range = Range::prefix(keys::records(self.tenant.number, table.number));
        if let Some(after) = after {
            let key = keys::record(self.tenant.number, table.number, &after);
            range.from = [&key[..], &[0]].concat();
        }
        let mut records = Vec::new();
        let mut next = Some(range.forward().rows(limit));
        while let Some(scan) = next {
            let page = self.source.page(&scan).await?;
            for row in page.rows.iter().take(limit - records.len()) {
                records.push(self.decode(&table, row)?);
            }
            next = page.rest.filter(|_| records.len() < limit);
        }
        Ok(records)
    }

    /// Some records as they are stored, in the order of their ids, from behind `after`: as many as
    /// one page has, so that large ones are few. None only where none is left.
    pub async fn page(
        &self,
        table: &str,
        after: Option<Id>,
        rows_max: usize,
    ) -> Result<Vec<Encoded>> {
        let table = self.table_named(table).await?;
        let mut range = Range::prefix(keys::records(self.tenant.number, table.number));
        if let Some(after) = after {
            range.from =
                [&keys::record(self.tenant.number, table.number, &after)[..], &[0]].concat();
        }
        let mut next = Some(range.forward().rows(rows_max));
        while let Some(scan) = next {
            let page = self.source.page(&scan).await?;
            if !page.rows.is_empty() {
                let encoded = page.rows.into_iter().map(|row| Encoded::read(table.label, row));
                return encoded.collect();
            }
            next = page.rest;
        }
        Ok(Vec::new())
    }

    /// Every table that a user sees, by name.
    pub async fn tables(&self) -> Result<Vec<TableInfo>> {
        let mut tables: Vec<_> =
            self.all_tables().await?.iter().map(|table| table.info()).collect();
        tables.retain(|table| table.number >= number::FIRST);
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(tables)
    }

    /// One table.
    pub async fn table(&self, name: &str) -> Result<TableInfo> {
        Ok(self.table_named(name).await?.info())
    }
}

impl View {
    /// The table of this name, or an error that suggests another.
    pub(crate) async fn table_named(&self, name: &str) -> Result<Arc<Table>> {
        if let Some(table) = self.find_table(name).await? {
            return Ok(table);
        }
        check_table_name(name)?;
        let tables = self.all_tables().await?;
        let names = tables.iter().map(|table| table.name.as_str());
        let hint = suggest(name, names).map(|near| format!("; did you mean '{near}'?"));
        let message = format!("no table is named '{name}'{}", hint.unwrap_or_default());
        Err(Error::invalid("TABLE_NOT_FOUND", message))
    }

    /// The table of this name.
    pub(crate) async fn find_table(&self, name: &str) -> Result<Option<Arc<Table>>> {
        let tenant = self.tenant.number;
        if let Some(table) = self.tenant.system_table(name) {
            return Ok(Some(table));
        }
        let tables = &self.tenant.compiled;
        let known = tables.known(name);
        let id = match &known {
            Some(table) => table.id,
            None if check_table_name(name).is_err() => return Ok(None),
            None => table_id(&self.tenant.name, name)?,
        };
        let Some(bytes) = self.record_bytes(number::TABLES, id).await? else { return Ok(None) };
        let table = tables.compiled(tenant, id, known, &bytes)?;
        // Ids are derived from normalised names; the name itself must be the same.
        Ok((table.name == name).then_some(table))
    }

    /// The table of this number, which some key names. `None` if it was dropped.
    pub(crate) async fn find_numbered(&self, number: TableNo) -> Result<Option<Arc<Table>>> {
        let tenant = self.tenant.number;
        let system = self.tenant.system_tables();
        if let Some(table) = system.into_iter().find(|table| table.number == number) {
            return Ok(Some(table));
        }
        let tables = &self.tenant.compiled;
        if let Some(known) = tables.numbered(number)
            && let Some(bytes) = self.record_bytes(number::TABLES, known.id).await?
        {
            let table = tables.compiled(tenant, known.id, Some(known), &bytes)?;
            if table.number == number {
                return Ok(Some(table));
            }
        }
        Ok(self.all_tables().await?.into_iter().find(|table| table.number == number))
    }

    /// The table of this number, which must be there.
    pub(crate) async fn table_numbered(&self, number: TableNo) -> Result<Arc<Table>> {
        self.find_numbered(number).await?.ok_or_else(|| {
            Error::invalid("TABLE_NOT_FOUND", format!("the table with number {number} was dropped"))
        })
    }

    /// Every table, those of the system included.
    pub(crate) async fn all_tables(&self) -> Result<Vec<Arc<Table>>> {
        let compiled = &self.tenant.compiled;
        let mut tables = self.tenant.system_tables();
        let range = Range::prefix(keys::records(self.tenant.number, number::TABLES));
        for row in self.rows(range).await? {
            let (_, _, id) = keys::record_split(&row.key)?;
            if id == TABLE_COUNTER {
                continue;
            }
            let name = table_name(&row.value)?;
            let known = compiled.known(&name);
            tables.push(compiled.compiled(self.tenant.number, id, known, &row.value)?);
        }
        Ok(tables)
    }

    /// The stored entry of a record.
    pub(crate) async fn record_bytes(&self, table: TableNo, id: Id) -> Result<Option<Bytes>> {
        self.source.get(&keys::record(self.tenant.number, table, &id)).await
    }

    /// A record.
    pub(crate) async fn record(&self, table: &Table, id: Id) -> Result<Option<Record>> {
        let Some(bytes) = self.record_bytes(table.number, id).await? else { return Ok(None) };
        let (version, payload) = entry::split(&bytes)?;
        RecordRef::new(payload)?.to_record(id, &table.name, version).map(Some)
    }

    pub(crate) fn decode(&self, table: &Table, row: &Row) -> Result<Record> {
        let (_, _, id) = keys::record_split(&row.key)?;
        let (version, payload) = entry::check(&row.value)?;
        RecordRef::new(payload)?.to_record(id, &table.name, version)
    }

    /// Every row of a range that is known to be small.
    pub(crate) async fn rows(&self, range: Range) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        let mut next = Some(range.forward());
        while let Some(scan) = next {
            let page = self.source.page(&scan).await?;
            rows.extend(page.rows);
            next = page.rest;
        }
        Ok(rows)
    }

    /// How many history entries were read so far.
    pub(crate) fn dead_rows(&self) -> u64 {
        self.dead.load(Relaxed)
    }
}

/// The id of the record that counts table numbers.
pub(crate) const TABLE_COUNTER: Id = Id([0; 16]);

/// The id of the record of a table.
pub(crate) fn table_id(tenant: &str, name: &str) -> Result<Id> {
    Ok(Id::derived(tenant, "_tables", &normalize(name)?))
}

fn table_name(bytes: &[u8]) -> Result<String> {
    let record = RecordRef::new(entry::check(bytes)?.1)?;
    Ok(record.key()?.unwrap_or_default().to_owned())
}

/// The last version at or before `instant`; 0 before the first.
async fn version_at(snapshot: &dyn Snapshot, instant: i64) -> Result<Version> {
    let Ok(instant) = u64::try_from(instant) else { return Ok(0) };
    let until = keys::clock(instant.saturating_add(1));
    let range = Range::new([kenning_store::Space::Clock.byte()], until);
    let page = snapshot.page(&range.backward().rows(1)).await?;
    page.rows.first().map_or(Ok(0), |row| Ok(entry::check(&row.value)?.0))
}
