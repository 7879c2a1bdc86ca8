//! Finding by meaning and by words.

use kenning_store::block_on;

use super::{Database, Transaction, View};
use crate::{Answer, Ask, Result};

impl Database {
    /// The records that answer a question best; see [`crate::View::search`].
    ///
    /// ```
    /// # fn main() -> kenning::Result<()> {
    /// use kenning::{Ask, json};
    /// let db = kenning::blocking::open("memory:")?;
    /// db.put("resources", json!({"content": "Herons fish in shallow water."}))?;
    /// db.put("resources", json!({"content": "The ledger is in the safe."}))?;
    /// let answer = db.search(&Ask::text("where does a heron fish?"))?;
    /// assert_eq!(answer.hits[0].text, "Herons fish in shallow water.");
    /// # Ok(())
    /// # }
    /// ```
    pub fn search(&self, ask: &Ask) -> Result<Answer> {
        block_on(self.0.search(ask))
    }
}

impl View {
    /// The records that answered a question best.
    pub fn search(&self, ask: &Ask) -> Result<Answer> {
        block_on(self.0.search(ask))
    }
}

impl Transaction {
    /// The records that answer a question best, those that it has written itself included.
    pub fn search(&self, ask: &Ask) -> Result<Answer> {
        block_on(self.0.search(ask))
    }
}
