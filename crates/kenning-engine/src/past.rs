//! A snapshot as of an earlier version.
//!
//! Live entries with `from <= v` and history entries with `from <= v < until` are together exactly
//! the entries that were live at `v`: of each key at most one. This adaptor merges the two in key
//! order, and nothing above it knows. Its cost is live plus dead entries in the range.

use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kenning_record::{Version, entry, keys};
use kenning_store::{BoxFuture, Bytes, Direction, Found, Page, Range, Result, Row, Scan};
use kenning_store::{Snapshot, Space};

/// History rows that one step of the merge asks for.
const HISTORY_ROWS: usize = 1_024;

pub(crate) struct AsOf {
    inner: Arc<dyn Snapshot>,
    version: Version,
    /// History entries that were read.
    dead: Arc<AtomicU64>,
}

impl AsOf {
    pub(crate) fn new(inner: Arc<dyn Snapshot>, version: Version, dead: Arc<AtomicU64>) -> Self {
        AsOf { inner, version, dead }
    }

    /// What `key` was, if something live now is not the answer.
    async fn dead(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let first = keys::history(key, self.version + 1);
        let until = Range::prefix([&[Space::History.byte()], key].concat()).until;
        let scan = Range { from: first, until }.forward().rows(1);
        let page = self.inner.page(&scan).await?;
        self.dead.fetch_add(page.rows.len() as u64, Relaxed);
        let Some(row) = page.rows.into_iter().next() else { return Ok(None) };
        // The first entry that ended after the version: it held then if it had begun by then.
        Ok((entry::from(&row.value)? <= self.version).then_some(row.value))
    }

    fn is_live(&self, value: &[u8]) -> Result<bool> {
        Ok(entry::from(value)? <= self.version)
    }

    /// The row that a history row was at the version, if it was there.
    fn revive(&self, scan: &Scan, row: &Row) -> Result<Option<Row>> {
        let (key, until) = keys::history_split(&row.key)?;
        let was = entry::from(&row.value)? <= self.version && self.version < until;
        // A scan that goes on behind a key still meets the history of that key.
        let key = row.key.slice_ref(key);
        let value = row.value.clone();
        Ok((was && scan.range.contains(&key)).then_some(Row { key, value }))
    }
}

fn is_exact(key: &[u8]) -> bool {
    let space = |byte| Space::ALL.iter().find(|space| space.byte() == byte);
    key.first().and_then(|byte| space(*byte)).is_some_and(|space| space.is_exact())
}

impl Snapshot for AsOf {
    fn try_get(&self, key: &[u8]) -> Result<Found> {
        match self.inner.try_get(key)? {
            Found::Here(value) if !is_exact(key) || self.is_live(&value)? => Ok(Found::Here(value)),
            Found::Absent if !is_exact(key) => Ok(Found::Absent),
            Found::Here(_) | Found::Absent | Found::Elsewhere => Ok(Found::Elsewhere),
        }
    }

    fn get_many<'a>(&'a self, keys: &'a [&'a [u8]]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>>> {
        Box::pin(async move {
            let mut values = self.inner.get_many(keys).await?;
            for (key, value) in keys.iter().zip(&mut values) {
                let live = value.as_ref().map(|value| self.is_live(value)).transpose()?;
                if is_exact(key) && live != Some(true) {
                    *value = self.dead(key).await?;
                }
            }
            Ok(values)
        })
    }

    fn page<'a>(&'a self, scan: &'a Scan) -> BoxFuture<'a, Result<Page>> {
        Box::pin(async move {
            if !is_exact(&scan.range.from) {
                return self.inner.page(scan).await;
            }
            let history = Scan { range: keys::history_range(&scan.range), ..scan.clone() };
            let mut live = Rows::new(&*self.inner, scan.clone());
            let mut dead = Rows::new(&*self.inner, history.rows(HISTORY_ROWS));
            let mut page = Page::default();
            let mut bytes = 0;
            loop {
                let row = self.next(scan, &mut live, &mut dead).await?;
                let Some(row) = row else { return Ok(page) };
                bytes += row.key.len() + row.value.len();
                page.rows.push(row);
                if scan.is_full(page.rows.len(), bytes) {
                    let last = page.rows.last().expect("a full page has a row");
                    page.rest = Some(scan.after(&last.key));
                    return Ok(page);
                }
            }
        })
    }
}

impl AsOf {
    /// The next row that was there at the version, from whichever side comes first.
    async fn next(
        &self,
        scan: &Scan,
        live: &mut Rows<'_>,
        dead: &mut Rows<'_>,
    ) -> Result<Option<Row>> {
        while let Some(row) = live.peek().await? {
            if self.is_live(&row.value)? {
                break;
            }
            live.take();
        }
        let revived = loop {
            let Some(row) = dead.peek().await? else { break None };
            match self.revive(scan, row)? {
                Some(row) => break Some(row),
                None => {
                    self.dead.fetch_add(1, Relaxed);
                    dead.take();
                }
            }
        };
        let order = match (live.peek().await?, &revived) {
            (Some(live), Some(dead)) => live.key.cmp(&dead.key),
            (Some(_), None) => return Ok(live.take()),
            (None, _) => {
                dead.take();
                return Ok(revived);
            }
        };
        let live_first = match scan.direction {
            Direction::Forward => order == Ordering::Less,
            Direction::Backward => order == Ordering::Greater,
        };
        if live_first {
            return Ok(live.take());
        }
        self.dead.fetch_add(1, Relaxed);
        dead.take();
        Ok(revived)
    }
}

/// The rows of a scan, one by one.
pub(crate) struct Rows<'a> {
    source: &'a dyn Snapshot,
    rows: std::vec::IntoIter<Row>,
    rest: Option<Scan>,
    next: Option<Row>,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(source: &'a dyn Snapshot, scan: Scan) -> Self {
        Rows { source, rows: Vec::new().into_iter(), rest: Some(scan), next: None }
    }

    pub(crate) async fn peek(&mut self) -> Result<Option<&Row>> {
        while self.next.is_none() {
            self.next = self.rows.next();
            if self.next.is_none() {
                let Some(scan) = self.rest.take() else { return Ok(None) };
                let page = self.source.page(&scan).await?;
                (self.rows, self.rest) = (page.rows.into_iter(), page.rest);
            }
        }
        Ok(self.next.as_ref())
    }

    pub(crate) fn take(&mut self) -> Option<Row> {
        self.next.take()
    }
}
