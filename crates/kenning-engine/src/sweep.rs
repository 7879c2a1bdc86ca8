//! What is cleared up in the background.
//!
//! Deleting a record hides its links at once, dropping a table hides its records, and dropping a
//! tenant hides all that it has; each leaves a note of the work under `Space::Meta`, in the same
//! batch. The sweeper takes the notes one by one,
//! removes what they name in transactions of bounded size, and removes the note with the last one.
//! A crash repeats at most one step. Outcomes of transactions are kept for a day.

use std::sync::Arc;

use kenning_index::{LinkEntry, direction};
use kenning_record::{End, Id, TableNo, TenantNo, entry, keys};
use kenning_store::{Batch, Bytes, Error, ErrorKind, Range, Result, Row, Space, block_on};

use crate::committer::{OUTCOME_MS, decode_outcome};
use crate::database::Handle;
use crate::log::{Beside, write_beside};
use crate::shared::Shared;
use crate::table::{Table, number};
use crate::tenant::{TENANT_DROPPED, Tenant};
use crate::transaction::Transaction;
use crate::view::View;

/// Records or links that one step removes.
const STEP_ROWS: usize = 500;
/// Bytes after which a step ends.
const STEP_BYTES: usize = 16 << 20;

/// Clears up until the database is closed.
pub(crate) fn run(shared: &Arc<Shared>) {
    while shared.sweep.wait() {
        // An error that is worth telling closes the database, and whoever uses it is told. Anything
        // else is tried again at the next ring: the note of the work is still there.
        if let Err(error) = block_on(sweep(shared)) {
            shared.sweep.fail(error);
            shared.nudge();
        }
    }
}

async fn sweep(shared: &Arc<Shared>) -> Result<()> {
    let handle = Handle::background(Arc::clone(shared));
    let root = shared.tenants.root();
    let view = View::now(&handle, root)?;
    let dropped = view.rows(Range::prefix(keys::tenant_sweeps())).await?;
    // A view that is held keeps what is removed meanwhile.
    drop(view);
    let mut failed = Ok(());
    // One note that can't be done must not hold up the others.
    for note in dropped {
        failed = failed.and(clear_tenant(&handle, &note.key).await);
    }
    // There may be as many as records that were deleted.
    let mut next = Some(Range::prefix(keys::sweeps()).forward().rows(STEP_ROWS));
    while let Some(scan) = next {
        let view = View::now(&handle, root)?;
        let page = view.source.page(&scan).await?;
        let is_none = page.rows.is_empty();
        let tenants = if is_none { Vec::new() } else { crate::tenants::all(&view).await? };
        drop(view);
        for note in page.rows {
            failed = failed.and(work(&handle, &tenants, &note).await);
        }
        next = page.rest;
    }
    failed = failed.and(crate::purge::resume(&handle).await);
    if shared.sweep.is_hourly() {
        expire(&View::now(&handle, root)?).await?;
    }
    failed
}

/// Removes all that is left of a dropped tenant. Nobody can ask for its past, so nothing moves into
/// the history. Nothing of it lands any more: what is behind a step stays clean.
async fn clear_tenant(handle: &Handle, note: &[u8]) -> Result<()> {
    let tenant = keys::tenant_sweep_split(note)?;
    crate::sealed::seal::drop_tenant(handle, tenant).await?;
    let mut ranges: Vec<Range> =
        keys::ranges_of(tenant).into_iter().map(|(_, range)| range).collect();
    let notes = [keys::sweeps_of(tenant), keys::index_works_of(tenant), keys::purges_of(tenant)];
    ranges.extend(notes.map(Range::prefix));
    for range in ranges {
        let mut next = Some(range.forward());
        while let Some(scan) = next {
            let view = View::now(handle, handle.shared().tenants.root())?;
            let page = view.source.page(&scan).await?;
            let mut batch = Batch::new();
            page.rows.iter().for_each(|row| batch.delete(&row.key));
            if !batch.is_empty() {
                write_beside(&view, Beside { batch, ..Beside::default() }).await?;
            }
            next = page.rest;
        }
    }
    let mut batch = Batch::new();
    batch.delete(note);
    let view = View::now(handle, handle.shared().tenants.root())?;
    write_beside(&view, Beside { batch, ..Beside::default() }).await
}

/// Does what one note says. Notes of a tenant that was dropped go with it.
async fn work(handle: &Handle, tenants: &[(String, TenantNo)], note: &Row) -> Result<()> {
    let (tenant, table, id) = keys::sweep_split(&note.key)?;
    let Some(tenant) = living(handle, tenants, tenant).await? else { return Ok(()) };
    let done = match id {
        Some(id) => clear_links(handle, &tenant, End { table, id }).await,
        None => {
            let (_, said) = entry::check(&note.value)?;
            let Some((id, bytes)) = said.split_first_chunk() else {
                return Err(Error::corrupt("NOTE_DAMAGED", "a note for the sweeper is cut"));
            };
            let id = Id(*id);
            let table = Table::compile(tenant.number, id, &Bytes::copy_from_slice(bytes))?;
            drop_table(handle, &tenant, &table, &note.key).await
        }
    };
    unless_dropped(done)
}

/// Removes the links of births of `end` that are over, and the note that says so.
pub(crate) async fn clear_links(handle: &Handle, tenant: &Arc<Tenant>, end: End) -> Result<()> {
    let note = keys::sweep(tenant.number, end.table, Some(&end.id));
    repeat(handle, tenant, async |t| drop_links(t, end, &note).await).await
}

/// The tenant with this number, if it was not dropped. `tenants` are those that there were.
pub(crate) async fn living(
    handle: &Handle,
    tenants: &[(String, TenantNo)],
    number: TenantNo,
) -> Result<Option<Arc<Tenant>>> {
    let Some((name, _)) = tenants.iter().find(|(_, known)| *known == number) else {
        return Ok(None);
    };
    let found = crate::tenants::find(handle, name).await?;
    Ok(found.filter(|tenant| tenant.number == number))
}

/// What was done in a tenant. That it was dropped meanwhile is not an error here: whatever was left
/// to do went with it.
pub(crate) fn unless_dropped(done: Result<()>) -> Result<()> {
    done.or_else(|error| if error.code() == TENANT_DROPPED { Ok(()) } else { Err(error) })
}

/// One transaction after the other, until nothing is left to do.
async fn repeat(
    handle: &Handle,
    tenant: &Arc<Tenant>,
    body: impl AsyncFn(&mut Transaction) -> Result<bool>,
) -> Result<()> {
    while step(handle, tenant, &body).await? {}
    Ok(())
}

/// One transaction, tried again after a conflict. What its body says is left to do.
async fn step<T>(
    handle: &Handle,
    tenant: &Arc<Tenant>,
    body: impl AsyncFn(&mut Transaction) -> Result<T>,
) -> Result<T> {
    loop {
        let mut transaction = Transaction::begin(handle, tenant, None)?;
        transaction.reads_checked = true;
        let more = body(&mut transaction).await?;
        match transaction.commit().await {
            Ok(_) => return Ok(more),
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes all that is left of a dropped table, and the note that says so.
async fn drop_table(
    handle: &Handle,
    tenant: &Arc<Tenant>,
    table: &Table,
    note: &[u8],
) -> Result<()> {
    crate::sealed::seal::drop_table(handle, tenant, table.number).await?;
    let mut next = Some(Range::prefix(keys::records(table.tenant, table.number)));
    while let Some(records) = next {
        let body = async |t: &mut Transaction| drop_records(t, table, note, &records).await;
        next = step(handle, tenant, body).await?;
    }
    Ok(())
}

/// Removes some records of a table that was dropped; which are left. They are not in the log: that
/// the table was dropped is. What is behind a step is not looked at again: a store reads what was
/// deleted just now, too, to find that it is gone.
async fn drop_records(
    transaction: &mut Transaction,
    table: &Table,
    note: &[u8],
    records: &Range,
) -> Result<Option<Range>> {
    transaction.logged = false;
    let page = transaction.source.page(&records.clone().forward().rows(STEP_ROWS)).await?;
    for row in &page.rows {
        let (_, _, id) = keys::record_split(&row.key)?;
        transaction.remove(table, id).await?;
        if transaction.staging.bytes() > STEP_BYTES {
            let from = [&row.key[..], &[0]].concat();
            return Ok(Some(Range { from, until: records.until.clone() }));
        }
    }
    if page.rest.is_none() {
        let marks = Range::prefix(keys::marks(table.tenant, table.number));
        for row in transaction.rows(marks).await? {
            transaction.beside.delete(&row.key);
        }
        transaction.beside.delete(note);
    }
    Ok(page.rest.map(|rest| rest.range))
}

/// Removes some links of a record that died. Links of a later birth stay.
async fn drop_links(transaction: &mut Transaction, end: End, note: &[u8]) -> Result<bool> {
    let links = transaction.table_numbered(number::LINKS).await?;
    let dead = dead_links(transaction, end).await?;
    for link in dead.iter().take(STEP_ROWS) {
        transaction.remove(&links, link.link).await?;
        if transaction.staging.bytes() > STEP_BYTES {
            return Ok(true);
        }
    }
    let more = dead.len() > STEP_ROWS;
    if !more {
        transaction.beside.delete(note);
    }
    Ok(more)
}

/// Links whose end at `end` belongs to a birth that is over; one step's worth and one more.
async fn dead_links(view: &View, end: End) -> Result<Vec<LinkEntry>> {
    let born = births_over(view, end.table, end.id).await?;
    let mut dead = Vec::new();
    for side in [direction::OUT, direction::IN] {
        let range = Range::prefix(keys::links_of(view.tenant.number, side, end));
        let mut next = Some(range.forward().rows(STEP_ROWS));
        while let Some(scan) = next
            && dead.len() <= STEP_ROWS
        {
            let page = view.source.page(&scan).await?;
            for row in &page.rows {
                let (version, payload) = entry::check(&row.value)?;
                let link = LinkEntry::read(view.tenant.number, &row.key, version, payload)?;
                if link.near_birth <= born {
                    dead.push(link);
                }
            }
            next = page.rest;
        }
    }
    Ok(dead)
}

async fn births_over(view: &View, table: TableNo, id: Id) -> Result<u32> {
    let key = keys::birth(view.tenant.number, table, &id);
    let Some(bytes) = view.source.get(&key).await? else { return Ok(0) };
    let births = entry::check(&bytes)?.1;
    Ok(births.try_into().map(u32::from_le_bytes).unwrap_or(0))
}

/// Forgets outcomes that are older than a day.
async fn expire(view: &View) -> Result<()> {
    let head = view.handle.shared().head()?;
    let mut next = Some(Range::prefix([Space::Outcomes.byte()]).forward());
    while let Some(scan) = next {
        let page = view.source.page(&scan).await?;
        let mut batch = Batch::new();
        for row in &page.rows {
            if decode_outcome(&row.value)?.instant < head.instant - OUTCOME_MS {
                batch.delete(&row.key);
            }
        }
        if !batch.is_empty() {
            write_beside(view, Beside { batch, ..Beside::default() }).await?;
        }
        next = page.rest;
    }
    Ok(())
}
