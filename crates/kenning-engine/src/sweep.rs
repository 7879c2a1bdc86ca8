//! What is cleared up in the background.
//!
//! Deleting a record hides its links at once, and dropping a table hides its records; both leave a
//! note of the work under `Space::Meta`, in the same batch. The sweeper takes the notes one by one,
//! removes what they name in transactions of bounded size, and removes the note with the last one.
//! A crash repeats at most one step. Outcomes of transactions are kept for a day.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use kenning_index::{LinkEntry, direction};
use kenning_record::{End, Id, TableNo, TenantNo, entry, keys};
use kenning_store::{Batch, Bytes, ErrorKind, Range, Result, Row, Space, block_on};

use crate::committer::decode_outcome;
use crate::database::Handle;
use crate::log::write_beside;
use crate::shared::Shared;
use crate::table::{Table, number};
use crate::tenant::{ROOT, Tenant};
use crate::transaction::Transaction;
use crate::view::View;

/// Records or links that one step removes.
const STEP_ROWS: usize = 500;
/// How long the outcome of a transaction can be asked for.
const OUTCOME_MS: i64 = 24 * 3_600_000;

/// Clears up until the database is closed.
pub(crate) fn run(shared: &Arc<Shared>) {
    while shared.sweep.wait() {
        shared.sweep.busy.store(true, Ordering::Release);
        // An error that is worth telling closes the database, and whoever uses it is told. Anything
        // else is tried again at the next ring: the note of the work is still there.
        let _ = block_on(sweep(shared));
        shared.sweep.busy.store(false, Ordering::Release);
    }
}

async fn sweep(shared: &Arc<Shared>) -> Result<()> {
    let handle = Handle::background(Arc::clone(shared));
    let view = View::now(&handle, &Tenant::new(ROOT, ""))?;
    for row in view.rows(Range::prefix(keys::sweeps())).await? {
        work(&handle, &row).await?;
    }
    expire(&view).await
}

/// Does what one note says.
async fn work(handle: &Handle, note: &Row) -> Result<()> {
    let (tenant, table, id) = keys::sweep_split(&note.key)?;
    let tenant = named(handle, tenant).await?;
    let Some(id) = id else {
        let (id, bytes) = note.value.split_at_checked(16).unwrap_or((&[0; 16], &[]));
        let id = Id(id.try_into().expect("it was split after 16 bytes"));
        let table = Table::compile(tenant.number, id, &Bytes::copy_from_slice(bytes))?;
        while step(handle, &tenant, async |t| drop_records(t, &table, &note.key).await).await? {}
        return Ok(());
    };
    let end = End { table, id };
    while step(handle, &tenant, async |t| drop_links(t, end, &note.key).await).await? {}
    Ok(())
}

async fn named(handle: &Handle, number: TenantNo) -> Result<Arc<Tenant>> {
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
    }
    let more = page.rest.is_some();
    if !more {
        transaction.beside.delete(note);
    }
    Ok(more)
}

/// Removes some links of a record that died. Links of a later birth stay.
async fn drop_links(transaction: &mut Transaction, end: End, note: &[u8]) -> Result<bool> {
    let links = transaction.table_numbered(number::LINKS).await?;
    let dead = dead_links(transaction, end).await?;
    for link in dead.iter().take(STEP_ROWS) {
        let (source, target) = match link.direction {
            direction::OUT => (link.near, link.far),
            _ => (link.far, link.near),
        };
        transaction.remove(&links, Id::of_link(&source, &link.kind, &target)).await?;
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
        let mut old = Batch::new();
        for row in &page.rows {
            if decode_outcome(&row.value)?.instant < head.instant - OUTCOME_MS {
                old.delete(&row.key);
            }
        }
        if !old.is_empty() {
            write_beside(view, old).await?;
        }
        next = page.rest;
    }
    Ok(())
}
