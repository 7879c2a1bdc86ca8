//! Indexes that are built, or cleared away, while writes go on.
//!
//! A new index on a table that has records is *building* from the version of the table that asks
//! for it. From then on every write maintains it: a transaction that does not know of it yet stands
//! on the older record of the table, and is refused. So only what was there before is missing. The
//! builder adds it in steps. A step reads some records, and commits the entries that they lack,
//! together with how far it has come; it stands on each of the records, so whoever changed one of
//! them meanwhile wins, and the step is done again, smaller. An entry that is there already came
//! with a later write, and stays. A record that was written since may lack its entry all the same:
//! a write that does not change a value leaves the entry of it alone, there or not.
//!
//! Nobody reads the index until the last step, which makes it *ready* in the version that commits
//! it. A value that two records claim for a unique index, or a record that can't be indexed, is a
//! violation: the step goes on, and in the end the index has *failed*, with a list of them. The
//! entries of an index that is dropped or has failed are removed the same way.
//!
//! What is to be done is a note under `Space::Meta`, written in the batch that makes it necessary
//! and removed with the last step. A crash repeats at most one step.

use std::collections::HashMap;
use std::sync::Arc;

use kenning_index::{Claim, Edit, Entry, Index, Subject, difference, entry_id};
use kenning_record::{Id, Json, RecordRef, TenantNo, ValueRef, encode, entry, keys};
use kenning_store::{Batch, Bytes, Durability, Error, ErrorKind, Range, Result, Row, block_on};
use serde_json::json;

use crate::committer::frame;
use crate::database::Handle;
use crate::log::{Beside, write_beside};
use crate::shared::Shared;
use crate::staging::PENDING;
use crate::sweep::{living, unless_dropped};
use crate::table::{Field, Progress, Table, Violation};
use crate::tenant::Tenant;
use crate::transaction::Transaction;
use crate::view::View;

/// Records, or entries, of one step, unless writers get in its way.
const STEP_ROWS: usize = 1_000;
/// Bytes after which a step ends.
const STEP_BYTES: usize = 8 << 20;
/// Behind so many steps the builder rests while others commit, so many ms. Where there are many of
/// them its rest lasts longer than that: it comes behind everybody who waits for a processor.
const REST_EVERY: usize = 4;
const REST_MS: u64 = 4;
/// Violations that are remembered.
const VIOLATIONS_MAX: usize = 100;

/// What is to be done about an index.
#[derive(Debug, PartialEq)]
pub(crate) enum Work {
    /// Adding the entries of records behind `after`.
    Fill {
        /// The last record that was looked at.
        after: Option<Id>,
        /// How many were looked at.
        rows: u64,
        /// What was found wrong so far.
        violations: Vec<Violation>,
    },
    /// Removing every entry; what a view of the past may read is kept as history.
    Clear { keep: bool },
}

impl Work {
    pub(crate) fn fill() -> Self {
        Work::Fill { after: None, rows: 0, violations: Vec::new() }
    }

    pub(crate) fn clear(field: &Field) -> Self {
        Work::Clear { keep: matches!(field.progress, Progress::Ready(_)) }
    }

    /// The note that says so.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let said = match self {
            Work::Fill { after, rows, violations } => json!({
                "fill": after.map(|id| id.to_string()),
                "rows": rows,
                "violations": violations.iter().map(Violation::to_json).collect::<Vec<_>>(),
            }),
            Work::Clear { keep } => json!({"clear": true, "keep": keep}),
        };
        let mut payload = Vec::new();
        encode(&said, &mut payload).expect("a note is no document of a user, and small");
        frame(0, &payload)
    }

    /// Reads what `encode` wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let said = ValueRef::new(entry::check(bytes)?.1).decode()?;
        let work = || -> Option<Self> {
            if said["clear"] == true {
                return Some(Work::Clear { keep: said["keep"].as_bool()? });
            }
            let after = &said["fill"];
            let after = match after.is_null() {
                true => None,
                false => Some(after.as_str()?.parse().ok()?),
            };
            let violations = said["violations"].as_array()?.iter().map(Violation::read);
            let violations = violations.collect::<Option<_>>()?;
            Some(Work::Fill { after, rows: said["rows"].as_u64()?, violations })
        };
        let damaged = || Error::corrupt("NOTE_DAMAGED", "a note about an index is damaged");
        work().ok_or_else(damaged)
    }
}

/// An index that is being built.
#[derive(Clone, Debug, PartialEq)]
pub struct Building {
    /// The table.
    pub table: String,
    /// The properties that it covers.
    pub paths: Vec<String>,
    /// How many records of the table were looked at.
    pub rows: u64,
}

impl Building {
    /// As it is shown.
    pub fn to_json(&self) -> Json {
        json!({"table": self.table, "paths": self.paths, "rows": self.rows})
    }
}

impl View {
    /// The indexes of this tenant that are being built.
    pub async fn building(&self) -> Result<Vec<Building>> {
        let mut building = Vec::new();
        for note in self.rows(Range::prefix(keys::index_works_of(self.tenant.number))).await? {
            let (_, table, number) = keys::index_work_split(&note.key)?;
            let Work::Fill { rows, .. } = Work::decode(&note.value)? else { continue };
            let Some(table) = self.find_numbered(table).await? else { continue };
            let Some(field) = table.field(number) else { continue };
            let paths = field.told().paths;
            building.push(Building { table: table.name.clone(), paths, rows });
        }
        Ok(building)
    }
}

/// Builds until the database is closed.
pub(crate) fn run(shared: &Arc<Shared>) {
    while shared.build.wait() {
        // As with the sweeper: whoever waits is told, and the note is still there.
        if let Err(error) = block_on(build(shared)) {
            shared.build.fail(error);
            shared.nudge();
        }
    }
}

async fn build(shared: &Arc<Shared>) -> Result<()> {
    let handle = Handle::background(Arc::clone(shared));
    let view = View::now(&handle, shared.tenants.root())?;
    let notes = view.rows(Range::prefix(keys::index_works())).await?;
    let tenants = if notes.is_empty() { Vec::new() } else { crate::tenants::all(&view).await? };
    // A view that is held keeps what is purged meanwhile.
    drop(view);
    let mut failed = Ok(());
    for note in notes {
        let (tenant, ..) = keys::index_work_split(&note.key)?;
        if let Some(tenant) = living(&handle, &tenants, tenant).await? {
            failed = failed.and(unless_dropped(work(&handle, &tenant, &note.key).await));
        }
    }
    failed
}

/// Does what one note says, to the end.
async fn work(handle: &Handle, tenant: &Arc<Tenant>, note: &[u8]) -> Result<()> {
    let mut rows = STEP_ROWS;
    let (mut cleared, mut n_steps) = (None, 0_usize);
    loop {
        let mut transaction = Transaction::begin(handle, tenant, None)?;
        transaction.reads_checked = true;
        let before = transaction.version();
        let mut upto = cleared.clone();
        let more = step(&mut transaction, note, rows, &mut upto).await?;
        if more {
            transaction.set_durability(Durability::Relaxed);
        }
        match transaction.commit().await {
            Ok(done) if more => {
                (rows, cleared, n_steps) = ((rows * 2).min(STEP_ROWS), upto, n_steps + 1);
                let is_alone = done.version <= before + 1;
                let is_rest = n_steps.is_multiple_of(REST_EVERY) && !is_alone;
                if is_rest && !handle.shared().build.wait_at_most(REST_MS) {
                    return Ok(());
                }
            }
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Conflict => rows = (rows / 2).max(1),
            Err(error) => return Err(error),
        }
    }
}

/// One step of what the note says; whether there is more to do. What was `cleared` before is passed
/// over: a store reads what was deleted just now, too, to find that it is gone.
async fn step(
    transaction: &mut Transaction,
    note: &[u8],
    rows: usize,
    cleared: &mut Option<Vec<u8>>,
) -> Result<bool> {
    let Some(bytes) = transaction.source.get(note).await? else { return Ok(false) };
    let (tenant, table, number) = keys::index_work_split(note)?;
    let work = Work::decode(&bytes)?;
    let (after, looked_at, violations) = match work {
        Work::Fill { after, rows, violations } => (after, rows, violations),
        Work::Clear { keep } => {
            let mut entries = Range::prefix(keys::fields(tenant, table, number));
            entries.from = cleared.take().unwrap_or(entries.from);
            *cleared = clear(transaction, entries, note, rows, keep).await?;
            return Ok(cleared.is_some());
        }
    };
    let table = transaction.find_numbered(table).await?;
    let field = table.as_ref().and_then(|table| table.field(number));
    let (Some(table), Some(field)) = (&table, field) else {
        // The table was dropped; the sweeper removes the entries with the records.
        transaction.beside.delete(note);
        return Ok(false);
    };
    let mut records = Range::prefix(keys::records(tenant, table.number));
    if let Some(after) = after {
        records.from = [&keys::record(tenant, table.number, &after)[..], &[0]].concat();
    }
    // Not through the transaction: what others add to the range they add to the index, too.
    let page = transaction.below.page(&records.forward().rows(rows)).await?;
    let mut fill = Fill { transaction, table, field, after, rows: looked_at, violations };
    let all = fill.take(&page.rows).await?;
    let Fill { after, rows, violations, .. } = fill;
    if all && page.rest.is_none() {
        finish(transaction, table, field, violations).await?;
        return Ok(false);
    }
    transaction.note_work(table, field, &Work::Fill { after, rows, violations });
    Ok(true)
}

/// A step of filling.
struct Fill<'a> {
    transaction: &'a mut Transaction,
    table: &'a Table,
    field: &'a Field,
    after: Option<Id>,
    rows: u64,
    violations: Vec<Violation>,
}

impl Fill<'_> {
    /// Stages what these records lack; `false` if it became too much before the last one.
    async fn take(&mut self, rows: &[Row]) -> Result<bool> {
        let mut wanted: Vec<(Id, Entry)> = Vec::with_capacity(rows.len());
        let mut bytes = 0;
        let mut all = true;
        for row in rows {
            if bytes > STEP_BYTES {
                all = false;
                break;
            }
            let (tenant, _, id) = keys::record_split(&row.key)?;
            self.transaction.staging.stand_on(&row.key);
            for entry in self.entries(tenant, id, row)? {
                bytes += entry.key.len() + entry.payload.len();
                wanted.push((id, entry));
            }
            (self.after, self.rows) = (Some(id), self.rows + 1);
        }
        let asked: Vec<&[u8]> = wanted.iter().map(|(_, entry)| entry.key.as_slice()).collect();
        let found = self.transaction.below.get_many(&asked).await?;
        let mut claimed: HashMap<Vec<u8>, Id> = HashMap::new();
        for ((id, entry), found) in wanted.into_iter().zip(found) {
            if entry.claim != Claim::Shared {
                self.transaction.staging.stand_on(&entry.key);
                let owner = found.as_ref().map(owner).transpose()?;
                let owner = owner.or_else(|| claimed.get(&entry.key).copied());
                if let Some(owner) = owner.filter(|owner| *owner != id) {
                    // Without the value: this is kept, and must not outlive a purge of the record.
                    let paths = self.field.told().paths.join(", ");
                    self.violation(id, format!("{paths} is the same as that of record {owner}"));
                    continue;
                }
                claimed.insert(entry.key.clone(), id);
            }
            if found.is_none() {
                self.transaction.staging.put(&entry.key, &entry.payload, None);
            }
        }
        Ok(all)
    }

    /// The entries that a record should have; none, and a violation, if it can't be indexed.
    fn entries(&mut self, tenant: TenantNo, id: Id, row: &Row) -> Result<Vec<Entry>> {
        let record = RecordRef::new(entry::check(&row.value)?.1)?;
        let subject = Subject { tenant, table: self.table.number, id, record };
        let mut entries = Vec::new();
        match self.field.index.entries(&subject, &mut entries) {
            Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Exhausted) => {
                self.violation(id, error.message().to_owned());
                Ok(Vec::new())
            }
            Err(error) => Err(error),
            Ok(()) => {
                Ok(difference(Vec::new(), entries).into_iter().map(Edit::into_entry).collect())
            }
        }
    }

    fn violation(&mut self, id: Id, message: String) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(Violation { id, message });
        }
    }
}

/// Adds every entry that `field` lacks, under the last version that there is. It must be known that
/// none is in the way, and nobody may write meanwhile.
pub(crate) async fn fill_at_once(view: &View, table: &Table, field: &Field) -> Result<()> {
    let tenant = view.tenant.number;
    let mut next = Some(Range::prefix(keys::records(tenant, table.number)).forward());
    while let Some(scan) = next {
        let page = view.source.page(&scan.rows(STEP_ROWS)).await?;
        let mut wanted = Vec::with_capacity(page.rows.len());
        for row in &page.rows {
            let (_, _, id) = keys::record_split(&row.key)?;
            let record = RecordRef::new(entry::check(&row.value)?.1)?;
            let subject = Subject { tenant, table: table.number, id, record };
            let mut entries = Vec::new();
            field.index.entries(&subject, &mut entries)?;
            wanted.extend(difference(Vec::new(), entries).into_iter().map(Edit::into_entry));
        }
        let asked: Vec<&[u8]> = wanted.iter().map(|entry| entry.key.as_slice()).collect();
        let found = view.source.get_many(&asked).await?;
        let mut batch = Batch::new();
        for (wanted, found) in wanted.iter().zip(found) {
            match found {
                None => batch.put(&wanted.key, &frame(view.version, &wanted.payload)),
                Some(found) if entry::check(&found)?.1 == wanted.payload => {}
                Some(_) => return Err(table.taken(wanted)),
            }
            if batch.size_bytes() > STEP_BYTES {
                let batch = std::mem::take(&mut batch);
                write_beside(view, Beside { batch, ..Beside::default() }).await?;
            }
        }
        if !batch.is_empty() {
            write_beside(view, Beside { batch, ..Beside::default() }).await?;
        }
        next = page.rest;
    }
    Ok(())
}

/// The record that an entry of a unique index names.
fn owner(bytes: &Bytes) -> Result<Id> {
    entry_id(entry::check(bytes)?.1)
}

/// Says in the table what became of the index.
async fn finish(
    transaction: &mut Transaction,
    table: &Table,
    field: &Field,
    violations: Vec<Violation>,
) -> Result<()> {
    let number = field.index.number;
    let is_complete = violations.is_empty();
    let state = if is_complete { Progress::Ready(PENDING) } else { Progress::Failed(violations) };
    let ended = field.with(state);
    // An older index of the same properties served until now.
    let is_older = |other: &&Field| {
        is_complete && other.index.spec == field.index.spec && other.index.number < number
    };
    let note = keys::index_work(transaction.tenant.number, table.number, number);
    match is_complete {
        true => transaction.beside.delete(&note),
        false => transaction.note_work(table, &ended, &Work::clear(&ended)),
    }
    for older in table.fields.iter().filter(is_older) {
        transaction.note_work(table, older, &Work::clear(older));
    }
    let rest = table.fields.iter().filter(|other| !is_older(other));
    let fields: Vec<Field> = rest
        .map(|other| if other.index.number == number { ended.copy() } else { other.copy() })
        .collect();
    transaction.put_table(table, &table.schema, &fields, table.next_index).await
}

/// Removes some entries; where to go on, if there are more.
async fn clear(
    transaction: &mut Transaction,
    entries: Range,
    note: &[u8],
    rows: usize,
    keep: bool,
) -> Result<Option<Vec<u8>>> {
    let page = transaction.below.page(&entries.forward().rows(rows)).await?;
    for row in page.rows {
        transaction.staging.delete(&row.key, keep.then_some(row.value));
    }
    if page.rest.is_none() {
        transaction.beside.delete(note);
    }
    Ok(page.rest.map(|rest| rest.range.from))
}
