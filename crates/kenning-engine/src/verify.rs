//! Every checksum, and every index against its rebuild.
//!
//! The entries that the records should have and the entries that the indexes have are counted and
//! summed, which takes no memory. Only where the two differ is each entry looked up, both ways, to
//! say which. Records are also compared with the last thing that the log says about them; that
//! takes some 50 bytes for each record that the log ever named.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher;

use foldhash::quality::FixedState;
use kenning_index::Entries;
use kenning_record::{Id, LogEntry, RecordRef, TableNo, Version, entry, keys};
use kenning_store::{Bytes, Error, Finding, KeyReader, Range, Result, Row, Space};

use crate::database::Handle;
use crate::shared::Head;
use crate::table::Table;
use crate::tenant::{TENANT_DROPPED, Tenant};
use crate::view::{At, View};

/// Findings after which looking for more is of no use.
const FINDINGS_MAX: usize = 100;

/// The spaces whose entries follow from records.
const INDEXES: [Space; 3] = [Space::Names, Space::Fields, Space::Links];

/// The spaces of which nothing but the checksums can be checked.
const CHECKED: [Space; 8] = [
    Space::Meta,
    Space::Clock,
    Space::Outcomes,
    Space::Watermarks,
    Space::Marks,
    Space::Sealed,
    Space::Births,
    Space::Vectors,
];

/// Verifies every tenant, now or as of a version.
pub(crate) async fn verify(handle: &Handle, at: Option<Version>) -> Result<Vec<Finding>> {
    let shared = handle.shared();
    // One head for all: in a later one a tenant of the list may be dropped, and half swept.
    let head = shared.head()?;
    let root = View::at(handle, shared.tenants.root(), &head);
    let mut tenants = vec![root.clone()];
    for (name, number) in crate::tenants::all(&root).await? {
        tenants.push(View::at(handle, &Tenant::new(number, &name), &head));
    }
    let mut report = Report::default();
    for now in tenants {
        let view = match at {
            Some(version) => now.past(&head, At::Version(version)).await?,
            None => now.clone(),
        };
        let mut check = Check { view: &view, report: &mut report, tables: HashMap::new() };
        check.tables().await?;
        check.indexes().await?;
        if at.is_none() {
            check.log().await?;
        }
    }
    if at.is_none() {
        report.whole(&root).await?;
        report.sealed(&root).await?;
    }
    Ok(report.findings)
}

#[derive(Default)]
struct Report {
    findings: Vec<Finding>,
}

impl Report {
    fn add(&mut self, code: &'static str, message: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { code, message });
        }
    }

    fn is_full(&self) -> bool {
        self.findings.len() >= FINDINGS_MAX
    }

    /// The indexes over words and vectors, of every tenant.
    async fn sealed(&mut self, root: &View) -> Result<()> {
        let handle = &root.handle;
        let Some(finders) = &handle.shared().settings.finders else { return Ok(()) };
        for (name, _) in crate::tenants::all(root).await? {
            let Some(tenant) = crate::tenants::find(handle, &name).await? else { continue };
            let found = match crate::sealed::check::check(handle, &tenant, finders).await {
                // What is left of it is cleared away.
                Err(error) if error.code() == TENANT_DROPPED => continue,
                found => found?,
            };
            if !tenant.is_dropped() {
                found.into_iter().for_each(|it| self.add(it.code, it.message));
            }
        }
        Ok(())
    }

    /// What belongs to no tenant: the head, clock, outcomes, watermarks, marks; and all history.
    async fn whole(&mut self, view: &View) -> Result<()> {
        let head = view.source.get(&keys::meta("head")).await?;
        match head.map(|bytes| Head::decode(&bytes)).transpose() {
            Ok(Some((version, ..))) if version == view.version => {}
            Ok(Some((version, ..))) => {
                let message = format!("the head is {version}, the last version {}", view.version);
                self.add("HEAD_DAMAGED", message);
            }
            Ok(None) => self.add("HEAD_DAMAGED", "there is no head".into()),
            Err(error) => self.add(error.code(), error.to_string()),
        }
        for space in CHECKED {
            each(view, Range::prefix([space.byte()]), |row| {
                if let Err(error) = entry::check(&row.value) {
                    self.add(error.code(), format!("{} in {}", error.message(), space.name()));
                }
                Ok(())
            })
            .await?;
        }
        let mut last: Option<(Bytes, Version)> = None;
        each(view, Range::prefix([Space::History.byte()]), |row| {
            if let Err(error) = self.state(&mut last, row) {
                self.add(error.code(), format!("{} in history", error.message()));
            }
            Ok(())
        })
        .await
    }

    /// The states of one key follow each other.
    fn state(&mut self, last: &mut Option<(Bytes, Version)>, row: &Row) -> Result<()> {
        let (key, until) = keys::history_split(&row.key)?;
        let (from, _) = entry::check(&row.value)?;
        let earlier =
            last.as_ref().filter(|(known, _)| known == key).map_or(0, |(_, until)| *until);
        if from >= until || from < earlier {
            let message = format!("a state lasts from {from} until {until}, after {earlier}");
            return Err(Error::corrupt("HISTORY_DAMAGED", message));
        }
        *last = Some((row.key.slice_ref(key), until));
        Ok(())
    }
}

struct Check<'a> {
    view: &'a View,
    report: &'a mut Report,
    tables: HashMap<TableNo, std::sync::Arc<Table>>,
}

/// A multiset of entries, as far as it can be told apart from another.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    count: u64,
    sum: u128,
}

impl Tally {
    fn add(&mut self, key: &[u8], payload: &[u8]) {
        let hash = |seed| FixedState::with_seed(seed).hash_one((key, payload));
        self.count += 1;
        self.sum = self.sum.wrapping_add(u128::from(hash(1)) << 64 | u128::from(hash(2)));
    }
}

impl Check<'_> {
    async fn tables(&mut self) -> Result<()> {
        for table in self.view.all_tables().await? {
            self.tables.insert(table.number, table);
        }
        Ok(())
    }

    async fn indexes(&mut self) -> Result<()> {
        let tenant = self.view.tenant.number;
        let mut should: HashMap<u8, Tally> = HashMap::new();
        let records = of_tenant(Space::Records, tenant);
        each(self.view, records, |row| {
            for entry in self.record_entries(row)? {
                should.entry(entry.key[0]).or_default().add(&entry.key, &entry.payload);
            }
            Ok(())
        })
        .await?;
        for space in INDEXES {
            let mut has = Tally::default();
            each(self.view, of_tenant(space, tenant), |row| {
                if let Some(payload) = self.index_entry(row) {
                    has.add(&row.key, payload);
                }
                Ok(())
            })
            .await?;
            if has != should.get(&space.byte()).copied().unwrap_or_default() {
                self.explain(space).await?;
            }
        }
        Ok(())
    }

    /// The entries that a record should have; none if it is damaged, which is reported, or if its
    /// table was dropped, which the sweeper knows.
    fn record_entries(&mut self, row: &Row) -> Result<Entries> {
        let entries = || -> Result<Entries> {
            let (_, table, id) = keys::record_split(&row.key)?;
            let (version, payload) = entry::check(&row.value)?;
            let Some(table) = self.tables.get(&table) else { return Ok(Entries::new()) };
            let record = RecordRef::new(payload)?;
            record.to_record(id, &table.name, version)?;
            let mut entries = table.complete_entries(id, record, self.view.version)?;
            entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            entries.dedup_by(|a, b| a.key == b.key);
            Ok(entries)
        };
        entries().or_else(|error| {
            self.report.add(error.code(), format!("{} in a record", error.message()));
            Ok(Entries::new())
        })
    }

    /// The payload of an index entry, unless it is of a table or an index that was dropped, or of
    /// an index that is not complete: those are not read.
    fn index_entry<'a>(&mut self, row: &'a Row) -> Option<&'a [u8]> {
        match entry::check(&row.value) {
            Ok((_, payload)) => self.is_known(&row.key).then_some(payload),
            Err(error) => {
                self.report.add(error.code(), format!("{} in an index", error.message()));
                None
            }
        }
    }

    fn is_known(&self, key: &[u8]) -> bool {
        match key[0] {
            byte if byte == Space::Names.byte() => {
                keys::name_split(key).map_or(true, |name| self.tables.contains_key(&name.table))
            }
            byte if byte == Space::Fields.byte() => {
                let numbers = || -> Result<(TableNo, u32)> {
                    let mut reader = KeyReader::new(Space::Fields, key)?;
                    reader.u32()?;
                    Ok((reader.u32()?, reader.u32()?))
                };
                numbers().map_or(true, |(table, index)| {
                    let field = self.tables.get(&table).and_then(|table| table.field(index));
                    field.is_some_and(|field| field.is_ready(self.view.version))
                })
            }
            _ => true,
        }
    }

    /// Says which entries of a space are missing, wrong or too many.
    async fn explain(&mut self, space: Space) -> Result<()> {
        let tenant = self.view.tenant.number;
        let at = self.view.version;
        let before = self.report.findings.len();
        let mut should: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
        each(self.view, of_tenant(Space::Records, tenant), |row| {
            let entries = self.record_entries(row)?;
            for entry in entries.into_iter().filter(|entry| entry.key[0] == space.byte()) {
                let key = entry.key.clone();
                if should.insert(entry.key, entry.payload).is_some() {
                    self.report.add("INDEX_ENTRY_TWICE", found(space, &key, at));
                }
            }
            Ok(())
        })
        .await?;
        each(self.view, of_tenant(space, tenant), |row| {
            if self.report.is_full() || !self.is_known(&row.key) {
                return Ok(());
            }
            let has = entry::split(&row.value)?.1;
            match should.remove(&row.key[..]) {
                Some(payload) if payload == has => {}
                Some(_) => self.report.add("INDEX_ENTRY_WRONG", found(space, &row.key, at)),
                None => self.report.add("INDEX_ENTRY_STRAY", found(space, &row.key, at)),
            }
            Ok(())
        })
        .await?;
        let missing: BTreeSet<_> = should.into_keys().collect();
        for key in missing {
            self.report.add("INDEX_ENTRY_MISSING", found(space, &key, at));
        }
        if self.report.findings.len() == before {
            let message = format!("{} at version {at} are not those of the records", space.name());
            self.report.add("INDEX_DIFFERS", message);
        }
        Ok(())
    }

    /// The log is a chain, and records are what it says last about them.
    async fn log(&mut self) -> Result<()> {
        let tenant = self.view.tenant.number;
        let hasher = FixedState::with_seed(3);
        let mut said: HashMap<(TableNo, Id), Option<(Version, u64)>> = HashMap::new();
        let (mut previous, mut whole) = (None, true);
        each(self.view, crate::log::whole(tenant), |row| {
            let mut read = || -> Result<Version> {
                let (_, version) = keys::log_split(&row.key)?;
                let entry = LogEntry::decode(&row.value, version)?;
                whole &= previous.is_some() || entry.head.previous == 0;
                if previous.is_some_and(|previous| previous != entry.head.previous) {
                    let message = format!("version {version} does not follow {previous:?}");
                    return Err(Error::corrupt("LOG_DAMAGED", message));
                }
                for change in entry.changes() {
                    let change = change?;
                    let after = change.after.map(|payload| (version, hasher.hash_one(payload)));
                    said.insert((change.table, change.id), after);
                }
                Ok(version)
            };
            match read() {
                Ok(version) => previous = Some(version),
                Err(error) => {
                    self.report.add(error.code(), format!("{} in the log", error.message()))
                }
            }
            Ok(())
        })
        .await?;
        each(self.view, of_tenant(Space::Records, tenant), |row| {
            let (_, table, id) = keys::record_split(&row.key)?;
            let (version, payload) = entry::split(&row.value)?;
            let here = Some((version, hasher.hash_one(payload)));
            let logged = said.remove(&(table, id));
            if logged.is_some_and(|logged| logged != here) || (logged.is_none() && whole) {
                let message = format!("record {id} of version {version} is not what the log says");
                self.report.add("LOG_DIFFERS", message);
            }
            Ok(())
        })
        .await?;
        for ((table, id), last) in said {
            if last.is_some() && self.tables.contains_key(&table) {
                self.report.add("LOG_DIFFERS", format!("record {id} is in the log, but not there"));
            }
        }
        Ok(())
    }
}

fn of_tenant(space: Space, tenant: u32) -> Range {
    Range::prefix([&[space.byte()][..], &tenant.to_be_bytes()].concat())
}

fn found(space: Space, key: &[u8], at: Version) -> String {
    let hex: String = key.iter().take(64).map(|byte| format!("{byte:02x}")).collect();
    format!("{} entry {hex} at version {at}", space.name())
}

/// Calls `visit` for every row of a range, a page at a time.
async fn each(view: &View, range: Range, mut visit: impl FnMut(&Row) -> Result<()>) -> Result<()> {
    let mut next = Some(range.forward());
    while let Some(scan) = next {
        let page = view.source.page(&scan).await?;
        for row in &page.rows {
            visit(row)?;
        }
        next = page.rest;
    }
    Ok(())
}
