//! Making two records one, and removing what one ever said.

use kenning_store::block_on;

use super::{Database, Transaction};
use crate::{Merged, Purged, Result};

impl Database {
    /// Makes two records one; see [`crate::Transaction::merge`].
    ///
    /// ```
    /// # fn main() -> kenning::Result<()> {
    /// use kenning::json;
    /// let db = kenning::blocking::open("memory:")?;
    /// db.put("entities", json!({"name": "Ada Lovelace"}))?;
    /// db.put("entities", json!({"name": "A. Lovelace", "born": 1815}))?;
    /// db.merge("Ada Lovelace", "A. Lovelace")?;
    /// let ada = db.get("entities", "a. lovelace")?.expect("it is an alias now");
    /// assert_eq!(ada.properties, json!({"name": "Ada Lovelace", "born": 1815}));
    /// # Ok(())
    /// # }
    /// ```
    pub fn merge(&self, keep: &str, other: &str) -> Result<Merged> {
        block_on(self.0.merge(keep, other))
    }

    /// Takes a merge back; see [`crate::Transaction::unmerge`].
    pub fn unmerge(&self, keep: &str, other: &str) -> Result<Merged> {
        block_on(self.0.unmerge(keep, other))
    }

    /// Removes every value that a record ever had; see [`crate::Database::purge`].
    pub fn purge(&self, table: &str, reference: &str) -> Result<Option<Purged>> {
        block_on(self.0.purge(table, reference))
    }
}

impl Transaction {
    /// Makes two records one; see [`crate::Transaction::merge`].
    pub fn merge(&mut self, keep: &str, other: &str) -> Result<Merged> {
        block_on(self.0.merge(keep, other))
    }

    /// Takes a merge back; see [`crate::Transaction::unmerge`].
    pub fn unmerge(&mut self, keep: &str, other: &str) -> Result<Merged> {
        block_on(self.0.unmerge(keep, other))
    }
}
