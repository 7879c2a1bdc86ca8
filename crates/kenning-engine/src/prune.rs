//! Trimming the past.
//!
//! First the horizon moves: a commit says from which version views of the past can be shown, so
//! from then on nobody asks for what goes away. Then the states that ended before it are removed,
//! in steps, and the instants that lead nowhere any more; of the log, if that is asked for, what
//! every follower of the database itself has behind it. Views that were made before keep their
//! snapshot, and with it all that they show. A crash leaves rows behind that nobody asks for; the
//! next prune finds them.

use kenning_record::{LogEntry, TenantNo, Version, entry, keys};
use kenning_store::{Batch, Error, Range, Result, Row, Scan, Space};

use crate::database::Database;
use crate::log::{Beside, write_beside};
use crate::purge::Trimming;
use crate::sealed::spec::WATERMARK;
use crate::view::{At, View};

/// Rows that one step removes.
const STEP_ROWS: usize = 1_000;

/// What was trimmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Views of the past reach back to this version.
    pub history_from: Version,
    /// States of records and index entries that were removed.
    pub history_rows: u64,
    /// Transactions of the log that were removed, of all tenants.
    pub log_rows: u64,
}

impl Database {
    /// Removes what views before `until` would need, of every tenant; and, where `log` says so, the
    /// log before it, as far as no follower still has to read it.
    pub async fn prune(&self, until: At, log: bool) -> Result<Pruned> {
        let until = self.as_of(until).await?.version();
        let _alone = Trimming::begin(self.handle.shared())?;
        let beside = Beside { history_from: until, ..Beside::default() };
        write_beside(&self.view()?, beside).await?;
        let root = View::now(&self.handle, self.handle.shared().tenants.root())?;
        let history_rows = remove(&root, Range::prefix([Space::History.byte()]), |row| {
            Ok(keys::history_split(&row.key)?.1 <= until)
        })
        .await?;
        remove(&root, Range::prefix([Space::Clock.byte()]), |row| {
            Ok(entry::check(&row.value)?.0 < until)
        })
        .await?;
        let mut log_rows = 0;
        if log {
            log_rows += prune_log(&root, root.tenant.number, until).await?;
            for (_, tenant) in crate::tenants::all(&root).await? {
                log_rows += prune_log(&root, tenant, until).await?;
            }
        }
        Ok(Pruned { history_from: until, history_rows, log_rows })
    }
}

/// Removes the log of a tenant before `until`. Its last entry stays: the next one refers to it.
async fn prune_log(view: &View, tenant: TenantNo, until: Version) -> Result<u64> {
    let mut until = until;
    for row in view.rows(Range::prefix(keys::watermarks(tenant))).await? {
        // The embedder begins with the records where the log is gone.
        if keys::watermark_split(&row.key)?.1.starts_with(WATERMARK) {
            continue;
        }
        until = until.min(entry::check(&row.value)?.0 + 1);
    }
    let last = Range::prefix(keys::logs(tenant)).backward().rows(1);
    let last = view.source.page(&last).await?;
    if let Some(last) = last.rows.first() {
        until = until.min(keys::log_split(&last.key)?.1);
    }
    remove(view, keys::log_range(tenant, 0, until), |_| Ok(true)).await
}

/// Removes the rows of a range that `is_past` names.
async fn remove(
    view: &View,
    range: Range,
    mut is_past: impl FnMut(&Row) -> Result<bool>,
) -> Result<u64> {
    let mut removed = 0;
    let mut next: Option<Scan> = Some(range.forward().rows(STEP_ROWS));
    while let Some(scan) = next {
        let page = view.source.page(&scan).await?;
        let mut batch = Batch::new();
        for row in &page.rows {
            if is_past(row)? {
                batch.delete(&row.key);
            }
        }
        removed += batch.len() as u64;
        if !batch.is_empty() {
            write_beside(view, Beside { batch, ..Beside::default() }).await?;
        }
        next = page.rest;
    }
    Ok(removed)
}

/// Refuses a follower that has not read what is gone. `after` is what it has read.
pub(crate) async fn check_log(view: &View, after: Version) -> Result<()> {
    let tenant = view.tenant.number;
    let first = Range::prefix(keys::logs(tenant)).forward().rows(1);
    let page = view.source.page(&first).await?;
    let Some(row) = page.rows.first() else { return Ok(()) };
    let (_, version) = keys::log_split(&row.key)?;
    let pruned = LogEntry::decode(&row.value, version)?.head.previous;
    if after < pruned {
        return Err(Error::invalid(
            "LOG_PRUNED",
            format!("the log begins behind version {pruned}, what was read ends at {after}"),
        ));
    }
    Ok(())
}
