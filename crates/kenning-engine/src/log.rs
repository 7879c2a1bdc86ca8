//! The numbered list of changes, and who follows it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use futures_channel::oneshot;
use kenning_record::{Id, Json, KEY_BYTES_MAX, LogEntry, RecordRef, Version, entry, keys};
use kenning_store::{Batch, Durability, Error, Range, Result, World};

use crate::Bug;
use crate::committer::{Request, frame};
use crate::database::Database;
use crate::shared::Waiting;
use crate::transaction::submit;
use crate::view::View;
use crate::window::{Keys, Reads};

/// The id of a transaction, made by who begins it. Shown as a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub [u8; 16]);

impl TransactionId {
    pub(crate) fn new(world: &dyn World) -> Self {
        TransactionId(Id::v7(world.now_ms(), [world.random(), world.random()]).0)
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Id(self.0).fmt(f)
    }
}

impl FromStr for TransactionId {
    type Err = kenning_store::Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse::<Id>().map(|id| TransactionId(id.0))
    }
}

/// One transaction of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRow {
    /// Its version.
    pub version: Version,
    /// When it was committed.
    pub instant: i64,
    /// Its id.
    pub transaction: TransactionId,
    /// The version of the tenant's transaction before it.
    pub previous: Version,
    /// What it changed, in order.
    pub changes: Vec<Change>,
}

/// One change of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The table; by its number if it was dropped since.
    pub table: String,
    /// The record.
    pub id: Id,
    /// The properties it has since; `None` if it was deleted.
    pub after: Option<Json>,
}

impl View {
    /// The tenant's transactions with a version greater than `after`, oldest first.
    pub async fn log(&self, after: Version, limit: usize) -> Result<Vec<LogRow>> {
        let until = self.version.saturating_add(1);
        let range = keys::log_range(self.tenant.number, after.saturating_add(1), until);
        let mut rows = Vec::new();
        let mut next = Some(range.forward().rows(limit)).filter(|_| limit > 0);
        while let Some(scan) = next {
            let page = self.source.page(&scan).await?;
            for row in page.rows.iter().take(limit - rows.len()) {
                let (_, version) = keys::log_split(&row.key)?;
                rows.push(self.log_row(&LogEntry::decode(&row.value, version)?).await?);
            }
            next = page.rest.filter(|_| rows.len() < limit);
        }
        Ok(rows)
    }

    async fn log_row(&self, entry: &LogEntry<'_>) -> Result<LogRow> {
        let mut changes = Vec::new();
        for change in entry.changes() {
            let change = change?;
            let table = self.find_numbered(change.table).await?;
            let after = match change.after {
                Some(payload) => Some(RecordRef::new(payload)?.properties()?.decode()?),
                None => None,
            };
            changes.push(Change {
                table: table.map_or(change.table.to_string(), |table| table.name.clone()),
                id: change.id,
                after,
            });
        }
        Ok(LogRow {
            version: entry.head.version,
            instant: entry.head.instant,
            transaction: TransactionId(entry.head.transaction),
            previous: entry.head.previous,
            changes,
        })
    }
}

/// Someone who reads the log from where they left off.
///
/// Its watermark is stored in the database: after a crash it goes on behind the last version that
/// was acknowledged.
pub struct Follower {
    database: Database,
    name: String,
    watermark: Version,
    /// The last version that was handed out.
    given: Version,
    waiting: Waiting,
}

impl Follower {
    pub(crate) async fn open(database: &Database, name: &str) -> Result<Self> {
        if name.is_empty() {
            return Err(Error::invalid("FOLLOWER_NAME", "a follower needs a name"));
        }
        if name.len() > KEY_BYTES_MAX {
            let message = format!(
                "the name of a follower has {} bytes, the most is {KEY_BYTES_MAX}",
                name.len()
            );
            return Err(Error::exhausted("FOLLOWER_NAME", message));
        }
        let view = database.view()?;
        let key = keys::watermark(view.tenant.number, name);
        let watermark = match view.source.get(&key).await? {
            Some(bytes) => entry::check(&bytes)?.0,
            None => 0,
        };
        let waiting = Waiting::new(database.handle.shared());
        let (database, name) = (database.clone(), name.into());
        Ok(Follower { database, name, watermark, given: watermark, waiting })
    }

    /// The version up to which everything was acknowledged.
    pub fn watermark(&self) -> Version {
        self.watermark
    }

    /// The next transaction, waiting until there is one.
    pub async fn next(&mut self) -> Result<LogRow> {
        loop {
            let seen = self.database.handle.shared().published();
            if let Some(row) = self.try_next().await? {
                return Ok(row);
            }
            self.waiting.moved(seen).await;
        }
    }

    /// The next transaction, if there is one.
    pub async fn try_next(&mut self) -> Result<Option<LogRow>> {
        let view = self.database.view()?;
        let skip = u64::from(view.handle.shared().settings.has(Bug::WrongWatermark));
        let row = view.log(self.given + skip, 1).await?.pop();
        if row.as_ref().is_some_and(|row| row.previous > self.given) {
            crate::prune::check_log(&view, self.given).await?;
        }
        if let Some(row) = &row {
            self.given = row.version;
        }
        Ok(row)
    }

    /// Notes durably that everything up to `version` is done.
    pub async fn ack(&mut self, version: Version) -> Result<()> {
        let view = self.database.view()?;
        if version > view.version {
            let message =
                format!("version {version} is not there yet, the last is {}", view.version);
            return Err(Error::invalid("VERSION_UNKNOWN", message));
        }
        let mut batch = Batch::new();
        batch.put(&keys::watermark(view.tenant.number, &self.name), &frame(version, &[]));
        write_beside(&view, Beside { batch, ..Beside::default() }).await?;
        self.watermark = version;
        self.given = self.given.max(version);
        Ok(())
    }
}

/// Writes that make no version.
#[derive(Default)]
pub(crate) struct Beside {
    pub(crate) batch: Batch,
    /// From which version on views of the past can be shown; 0 leaves it as it is.
    pub(crate) history_from: Version,
}

/// Commits writes that make no version.
pub(crate) async fn write_beside(view: &View, beside: Beside) -> Result<()> {
    let shared = view.handle.shared();
    let (reply, answer) = oneshot::channel();
    let request = Request {
        id: TransactionId::new(&*shared.world),
        id_given: false,
        tenant: Arc::clone(&view.tenant),
        snapshot: shared.version(),
        reads: Reads::default(),
        writes: Batch::new(),
        befores: Vec::new(),
        keys: Keys::default(),
        bytes: beside.batch.size_bytes(),
        beside: beside.batch,
        history_from: beside.history_from,
        log: None,
        schema_changed: false,
        drops: None,
        given: None,
        durability: Durability::Strict,
        reply,
    };
    submit(&view.handle, request, answer).await?;
    Ok(())
}

/// The range of the log of a tenant.
pub(crate) fn whole(tenant: u32) -> Range {
    Range::prefix(keys::logs(tenant))
}
