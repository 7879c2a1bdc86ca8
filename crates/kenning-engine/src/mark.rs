//! How far work that comes in pieces has come.
//!
//! Whoever stores more than one transaction can hold, as an import does, notes with each piece how
//! far it has come. The note is a mark: an entry of a space of its own that lands in the batch of
//! the records it speaks of, so that after a crash it says exactly what is there. It has no
//! history and is not in the log, because it tells about the work and not about the world; it goes
//! with its table. Pieces may be staged side by side, so a mark is not among what a transaction
//! stands on. That only one moves it is settled when it is taken: one process holds a database, so
//! the list of marks that are taken is in memory.

use kenning_record::{Id, TableNo, entry, keys};
use kenning_store::{Batch, Error, ErrorKind, Result};

use crate::committer::frame;
use crate::database::Database;
use crate::log::{Beside, write_beside};
use crate::planted::Bug;
use crate::transaction::Transaction;

/// The most bytes of a note.
const NOTE_BYTES_MAX: usize = 1_024;

/// A mark of a table, taken: until it is dropped nobody else can take it.
pub struct Mark {
    database: Database,
    table: String,
    number: TableNo,
    key: Vec<u8>,
}

impl Database {
    /// Takes the mark `id` of a table. `Unavailable MARK_HELD` while somebody else has it.
    pub async fn mark(&self, table: &str, id: Id) -> Result<Mark> {
        let found = self.view()?.table_named(table).await?;
        found.check_writable()?;
        let key = keys::mark(self.tenant.number, found.number, &id);
        let mut taken = self.handle.shared().marks.lock().expect("no holder of this lock panics");
        if !taken.insert(key.clone()) {
            let message = format!("the same work on table '{table}' is going on already");
            return Err(Error::new(ErrorKind::Unavailable, "MARK_HELD", message));
        }
        let (database, table) = (self.clone(), table.to_owned());
        Ok(Mark { database, table, number: found.number, key })
    }
}

impl Mark {
    /// What was noted last; `None` if nothing ever was.
    pub async fn read(&self) -> Result<Option<Vec<u8>>> {
        let bytes = self.database.view()?.source.get(&self.key).await?;
        bytes.map(|bytes| Ok(entry::check(&bytes)?.1.to_vec())).transpose()
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let taken = self.database.handle.shared().marks.lock();
        taken.expect("no holder of this lock panics").remove(&self.key);
    }
}

impl Transaction {
    /// Notes how far the work of `mark` has come once this transaction has landed.
    pub async fn set_mark(&mut self, mark: &Mark, note: &[u8]) -> Result<()> {
        if note.len() > NOTE_BYTES_MAX {
            let message = format!("a note has {} bytes, the most is {NOTE_BYTES_MAX}", note.len());
            return Err(Error::exhausted("MARK_TOO_LARGE", message));
        }
        let number = self.table_named(&mark.table).await?.number;
        if keys::mark_split(&mark.key)?.0 != self.tenant.number || number != mark.number {
            let message = format!("table '{}' is another one than when this began", mark.table);
            return Err(Error::invalid("TABLE_REPLACED", message));
        }
        if self.handle.shared().settings.has(Bug::MarkApart) {
            let mut batch = Batch::new();
            batch.put(&mark.key, &frame(0, note));
            return write_beside(self, Beside { batch, ..Beside::default() }).await;
        }
        // What was there is not given: a mark has no history.
        self.staging.put(&mark.key, note, None);
        Ok(())
    }
}
