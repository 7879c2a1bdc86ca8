//! The log as it grows.

use kenning_store::block_on;

use super::Database;
use crate::{LogRow, Result, Stop, Version};

/// Transactions as they land; see [`crate::Tail`].
pub struct Tail(crate::Tail);

impl Database {
    /// The log behind version `after`, and each transaction as it lands.
    ///
    /// ```
    /// # fn main() -> kenning::Result<()> {
    /// let db = kenning::blocking::open("memory:")?;
    /// let mut tail = db.tail(db.version())?;
    /// let stop = tail.stop();
    /// db.put("entities", kenning::json!({"name": "Ada"}))?;
    /// assert_eq!(tail.next()?.expect("it landed").changes.len(), 1);
    /// stop.stop();
    /// assert!(tail.next()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn tail(&self, after: Version) -> Result<Tail> {
        self.0.tail(after).map(Tail)
    }
}

impl Tail {
    /// The next transaction, waiting until there is one; `None` once it was stopped.
    #[expect(clippy::should_implement_trait, reason = "each step may fail, and it has no end")]
    pub fn next(&mut self) -> Result<Option<LogRow>> {
        block_on(self.0.next())
    }

    /// The next transaction, if there is one.
    pub fn try_next(&mut self) -> Result<Option<LogRow>> {
        block_on(self.0.try_next())
    }

    /// What ends it, for another thread.
    pub fn stop(&self) -> Stop {
        self.0.stop()
    }
}
