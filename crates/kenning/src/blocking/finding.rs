//! Finding by meaning and by words.

use kenning_store::block_on;

use super::{Database, Transaction, View};
use crate::{Answer, Ask, Fuzzy, Near, Result};

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

    /// The records with a key or alias that is like `text`; see [`crate::View::fuzzy`].
    ///
    /// ```
    /// # fn main() -> kenning::Result<()> {
    /// use kenning::{Fuzzy, json};
    /// let db = kenning::blocking::open("memory:")?;
    /// db.put("entities", json!({"name": "Grey Heron"}))?;
    /// let near = db.fuzzy("gray herron", &Fuzzy::default())?;
    /// assert_eq!(near[0].name, "Grey Heron");
    /// # Ok(())
    /// # }
    /// ```
    pub fn fuzzy(&self, text: &str, ask: &Fuzzy) -> Result<Vec<Near>> {
        block_on(self.0.fuzzy(text, ask))
    }
}

impl View {
    /// The records that answered a question best.
    pub fn search(&self, ask: &Ask) -> Result<Answer> {
        block_on(self.0.search(ask))
    }

    /// The records that had a key or alias like `text`.
    pub fn fuzzy(&self, text: &str, ask: &Fuzzy) -> Result<Vec<Near>> {
        block_on(self.0.fuzzy(text, ask))
    }
}

impl Transaction {
    /// The records that answer a question best, those that it has written itself included.
    pub fn search(&self, ask: &Ask) -> Result<Answer> {
        block_on(self.0.search(ask))
    }

    /// The records with a key or alias like `text`, as it has written them itself.
    pub fn fuzzy(&self, text: &str, ask: &Fuzzy) -> Result<Vec<Near>> {
        block_on(self.0.fuzzy(text, ask))
    }
}
