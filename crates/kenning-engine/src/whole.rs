//! The logs of every tenant as one.
//!
//! Versions are numbers of the whole database, so the transactions of all tenants, and those of the
//! database itself, have one order. Read in it, from the first one on, they tell everything that
//! ever was: whoever repeats them has the same database.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use kenning_record::{LogEntry, TenantNo, Version, keys};
use kenning_store::{Bytes, Error, Result, Row, Scan, Snapshot};

use crate::tenant::ROOT;
use crate::view::View;

/// Rows of all logs that are held at a time, about.
const ROWS_HELD: usize = 1_024;
/// The most rows of one page.
const PAGE_ROWS: usize = 256;

/// One transaction of one tenant's log, as it is stored.
#[derive(Clone, Debug)]
pub struct Logged {
    /// Whose it is; `None` for those of the database itself, which make tenants.
    pub tenant: Option<Arc<str>>,
    /// Its version.
    pub version: Version,
    bytes: Bytes,
}

impl Logged {
    /// What it says.
    pub fn entry(&self) -> Result<LogEntry<'_>> {
        LogEntry::decode(&self.bytes, self.version)
    }
}

/// Every transaction up to a view, oldest first.
pub struct WholeLog {
    source: Arc<dyn Snapshot>,
    until: Version,
    logs: Vec<OneLog>,
    /// The next version of each log that has one.
    heads: BinaryHeap<Reverse<(Version, usize)>>,
}

struct OneLog {
    tenant: Option<Arc<str>>,
    rows: std::iter::Peekable<std::vec::IntoIter<Row>>,
    rest: Option<Scan>,
    /// Whether nothing of it was handed out yet.
    is_new: bool,
}

impl View {
    /// Every transaction of every tenant up to this view.
    pub async fn whole_log(&self) -> Result<WholeLog> {
        let mut views = vec![self.as_tenant(Arc::clone(self.handle.shared().tenants.root()))];
        views.extend(self.every_tenant().await?);
        let rows = (ROWS_HELD / views.len()).clamp(1, PAGE_ROWS);
        let logs = views.iter().map(|view| OneLog {
            tenant: (view.tenant.number != ROOT).then(|| view.tenant_name().into()),
            rows: Vec::new().into_iter().peekable(),
            rest: Some(all(view.tenant.number).rows(rows)),
            is_new: true,
        });
        let (source, until, heads) = (Arc::clone(&self.source), self.version, BinaryHeap::new());
        let mut whole = WholeLog { source, until, logs: logs.collect(), heads };
        for at in 0..whole.logs.len() {
            whole.peek(at).await?;
        }
        Ok(whole)
    }
}

fn all(tenant: TenantNo) -> Scan {
    crate::log::whole(tenant).forward()
}

impl WholeLog {
    /// The next transaction. `Invalid LOG_PRUNED` if what came before the first one is gone.
    pub async fn next(&mut self) -> Result<Option<Logged>> {
        let Some(Reverse((version, at))) = self.heads.pop() else { return Ok(None) };
        let log = &mut self.logs[at];
        let row = log.rows.next().expect("it was looked at above");
        let logged = Logged { tenant: log.tenant.clone(), version, bytes: row.value };
        let previous = logged.entry()?.head.previous;
        if std::mem::take(&mut log.is_new) && previous != 0 {
            let message = format!(
                "the log was pruned up to version {previous}, so not everything that ever was is \
                 known any more"
            );
            return Err(Error::invalid("LOG_PRUNED", message));
        }
        self.peek(at).await?;
        Ok(Some(logged))
    }

    /// Looks which transaction of a log is next.
    async fn peek(&mut self, at: usize) -> Result<()> {
        let version = self.logs[at].peek(&*self.source).await?;
        let version = version.filter(|version| *version <= self.until);
        self.heads.extend(version.map(|version| Reverse((version, at))));
        Ok(())
    }
}

impl OneLog {
    /// The version of its next row.
    async fn peek(&mut self, source: &dyn Snapshot) -> Result<Option<Version>> {
        while self.rows.peek().is_none() {
            let Some(scan) = self.rest.take() else { return Ok(None) };
            let page = source.page(&scan).await?;
            (self.rows, self.rest) = (page.rows.into_iter().peekable(), page.rest);
        }
        let row = self.rows.peek().expect("it was looked at above");
        keys::log_split(&row.key).map(|(_, version)| Some(version))
    }
}
