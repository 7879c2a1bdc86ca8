//! The log as it grows, for whoever looks on.
//!
//! A [`Follower`](crate::Follower) has a name and a watermark, so that it misses nothing between
//! two runs. A tail has neither and leaves nothing behind: it begins where it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kenning_record::Version;
use kenning_store::{Error, Result};

use crate::database::Database;
use crate::log::LogRow;
use crate::shared::{Shared, Waiting};

/// Transactions as they land.
pub struct Tail {
    database: Database,
    /// The last version that was handed out.
    given: Version,
    waiting: Waiting,
    stopped: Arc<AtomicBool>,
}

/// Ends a [`Tail`] from another thread.
#[derive(Clone)]
pub struct Stop {
    stopped: Arc<AtomicBool>,
    shared: Arc<Shared>,
}

impl Database {
    /// The log behind version `after`, and each transaction as it lands.
    pub fn tail(&self, after: Version) -> Result<Tail> {
        let view = self.view()?;
        if after > view.version {
            let message = format!("version {after} is not there yet, the last is {}", view.version);
            return Err(Error::invalid("VERSION_UNKNOWN", message));
        }
        let waiting = Waiting::new(self.handle.shared());
        Ok(Tail { database: self.clone(), given: after, waiting, stopped: Arc::default() })
    }
}

impl Tail {
    /// The next transaction, waiting until there is one; `None` once it was stopped. `Invalid
    /// LOG_PRUNED` if the log no longer has it.
    pub async fn next(&mut self) -> Result<Option<LogRow>> {
        loop {
            let seen = self.database.handle.shared().published();
            if self.stopped.load(Ordering::Acquire) {
                return Ok(None);
            }
            if let Some(row) = self.try_next().await? {
                return Ok(Some(row));
            }
            self.waiting.moved(seen).await;
        }
    }

    /// The next transaction, if there is one.
    pub async fn try_next(&mut self) -> Result<Option<LogRow>> {
        let view = self.database.view()?;
        let row = view.log(self.given, 1).await?.pop();
        if let Some(row) = &row {
            if row.previous > self.given {
                crate::prune::check_log(&view, self.given).await?;
            }
            self.given = row.version;
        }
        Ok(row)
    }

    /// What ends it, for another thread.
    pub fn stop(&self) -> Stop {
        let shared = Arc::clone(self.database.handle.shared());
        Stop { stopped: Arc::clone(&self.stopped), shared }
    }
}

impl Stop {
    /// Ends the tail: whoever waits for the next transaction is told that there is none.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.shared.nudge();
    }
}
