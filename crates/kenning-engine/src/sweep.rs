//! What is cleared up in the background.
//!
//! Deleting a record hides its links at once, and dropping a table hides its records; both leave a
//! note of the work under `Space::Meta`, in the same batch. The sweeper takes the notes one by one,
//! removes what they name in transactions of bounded size, and removes the note with the last one.
//! A crash repeats at most one step. Outcomes of transactions are kept for a day.

use std::sync::Arc;

use kenning_index::{LinkEntry, direction};
use kenning_record::{End, Id, TableNo, TenantNo, entry, keys};
use kenning_store::{Batch, Bytes, Error, ErrorKind, Range, Result, Row, Space, block_on};

use crate::committer::decode_outcome;
use crate::database::Handle;
use crate::log::{Beside, write_beside};
use crate::shared::Shared;
use crate::table::{Table, number};
use crate::tenant::{ROOT, Tenant};
use crate::transaction::Transaction;
use crate::view::View;

/// Records or links that one step removes.
const STEP_ROWS: usize = 500;
/// Bytes after which a step ends.
const STEP_BYTES: usize = 16 << 20;
/// How long the outcome of a transaction can be asked for.
const OUTCOME_MS: i64 = 24 * 3_600_000;

/// Clears up until the database is closed.
pub(crate) fn run(shared: &Arc<Shared>) {
    while shared.sweep.wait() {
        // An error that is worth telling closes the database, and whoever uses it is told. Anything
        // else is tried again at the next ring: the note of the work is still there.
        let _ = block_on(sweep(shared));
    }
}

async fn sweep(shared: &Arc<Shared>) -> Result<()> {
    let handle = Handle::background(Arc::clone(shared));
    let view = View::now(&handle, &Tenant::new(ROOT, ""))?;
    let mut failed = Ok(());
    for row in view.rows(Range::prefix(keys::sweeps())).await? {
        // One note that can't be done must not hold up the others.
        failed = failed.and(work(&handle, &row).await);
    }
    failed = failed.and(crate::purge::resume(&handle).await);
    if shared.sweep.is_hourly() {
        expire(&view).await?;
    }
    failed
}

/// Does what one note says.
async fn work(handle: &Handle, note: &Row) -> Result<()> {
    let (tenant, table, id) = keys::sweep_split(&note.key)?;
    let tenant = named(handle, tenant).await?;
    let Some(id) = id else {
        let (_, said) = entry::check(&note.value)?;
        let Some((id, bytes)) = said.split_first_chunk() else {
            return Err(Error::corrupt("NOTE_DAMAGED", "a note for the sweeper is cut"));
        };
        let id = Id(*id);
        let table = Table::compile(tenant.number, id, &Bytes::copy_from_slice(bytes))?;
        while step(handle, &tenant, async |t| drop_records(t, &table, &note.key).await).await? {}
        return Ok(());
    };
    clear_links(handle, &tenant, End { table, id }).await
}

/// Removes the links of births of `end` that are over, and the note that says so.
pub(crate) async fn clear_links(handle: &Handle, tenant: &Arc<Tenant>, end: End) -> Result<()> {
    let note = keys::sweep(tenant.number, end.table, Some(&end.id));
    while step(handle, tenant, async |t| drop_links(t, end, &note).await).await? {}
    Ok(())
}

/// The tenant with this number.
pub(crate) async fn named(handle: &Handle, number: TenantNo) -> Result<Arc<Tenant>> {
    let root = View::now(handle, &Tenant::new(ROOT, ""))?;
    let tenants = crate::database::tenants(&root).await?;
    let name = tenants.into_iter().find(|(_, of)| *of == number).map(|(name, _)| name);
    Ok(Tenant::new(number, &name.unwrap_or_default()))
}

/// One transaction, tried again after a conflict. Whether there is more to do.
async fn step(
    handle: &Handle,
    tenant: &Arc<Tenant>,
    body: impl AsyncFn(&mut Transaction) -> Result<bool>,
) -> Result<bool> {
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

/// Removes some records of a table that was dropped. They are not in the log: that the table was
/// dropped is.
async fn drop_records(transaction: &mut Transaction, table: &Table, note: &[u8]) -> Result<bool> {
    transaction.logged = false;
    let range = Range::prefix(keys::records(table.tenant, table.number));
    let page = transaction.source.page(&range.forward().rows(STEP_ROWS)).await?;
    for row in &page.rows {
        let (_, _, id) = keys::record_split(&row.key)?;
        transaction.remove(table, id).await?;
        if transaction.staging.bytes() > STEP_BYTES {
            return Ok(true);
        }
    }
    let more = page.rest.is_some();
    if !more {
        let marks = Range::prefix(keys::marks(table.tenant, table.number));
        for row in transaction.rows(marks).await? {
            transaction.beside.delete(&row.key);
        }
        transaction.beside.delete(note);
    }
    Ok(more)
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
