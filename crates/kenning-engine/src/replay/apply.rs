//! A change as a log tells it.
//!
//! The log says what a record is after a change; what it was, and which index entries and notes
//! follow, is found here as it was found when the change was first made.

use std::collections::HashMap;
use std::sync::Arc;

use kenning_index::Arc as LinkArc;
use kenning_record::{End, Id, RecordRef, TableNo, keys};
use kenning_store::{Bytes, Error, Result};

use super::{ToldChange, table_told};
use crate::build::Work;
use crate::committer::frame;
use crate::table::{Progress, Table, number};
use crate::transaction::Transaction;
use crate::view::TABLE_COUNTER;

/// The tables that a transaction changes records of.
pub(super) type Tables = HashMap<TableNo, Arc<Table>>;

/// Refuses a record of the system that does not say what it has to.
fn check(table: TableNo, id: Id, payload: &[u8]) -> Result<()> {
    let record = RecordRef::new(payload)?;
    match table {
        number::LINKS => LinkArc::read(record).map(|_| ()),
        number::TENANTS => crate::tenants::check(id, record),
        _ => Ok(()),
    }
}

impl Transaction {
    /// Stages a change that was made elsewhere.
    pub(super) async fn apply(&mut self, tables: &mut Tables, change: &ToldChange) -> Result<()> {
        let table = self.told_table(tables, change.table).await?;
        let key = keys::record(self.tenant.number, table.number, &change.id);
        let before = self.record_bytes(table.number, change.id).await?;
        self.staging.stand_on(&key);
        if table.number == number::TABLES {
            self.note_indexes(change, before.as_ref()).await?;
            tables.clear();
        }
        match (&change.after, &before) {
            (Some(payload), _) => {
                check(table.number, change.id, payload).map_err(|error| {
                    // What somebody tells is no damage of this database.
                    Error::invalid("REPLAY_DIFFERS", error.message()).because(error.to_string())
                })?;
                self.stage(&table, change.id, before.as_ref(), Some(payload)).await?;
                if before.is_none() && table.number >= number::FIRST {
                    self.count_births(table.number, change.id, payload).await?;
                }
                Ok(())
            }
            (None, Some(_)) if table.number >= number::FIRST => {
                self.remove(&table, change.id).await.map(|_| ())
            }
            (None, Some(_)) => self.stage(&table, change.id, before.as_ref(), None).await,
            // What was purged was there, and no log tells of it any more.
            (None, None) => {
                self.log.push(table.number, change.id, None);
                Ok(())
            }
        }
    }

    async fn told_table(&self, tables: &mut Tables, number: TableNo) -> Result<Arc<Table>> {
        if let Some(table) = tables.get(&number) {
            return Ok(Arc::clone(table));
        }
        let table = self.find_numbered(number).await?.ok_or_else(|| {
            let message = format!("no table has the number {number}");
            Error::invalid("REPLAY_DIFFERS", message)
        })?;
        tables.insert(number, Arc::clone(&table));
        Ok(table)
    }

    /// A record of its third birth has died twice, also if no log tells of that.
    pub(super) async fn count_births(
        &mut self,
        table: TableNo,
        id: Id,
        payload: &[u8],
    ) -> Result<()> {
        let over = RecordRef::new(payload)?.birth()?.saturating_sub(1);
        if over > self.births(End { table, id }).await? {
            let key = keys::birth(self.tenant.number, table, &id);
            let was = self.staging.base(&key).await?;
            self.staging.put(&key, &over.to_le_bytes(), was);
        }
        Ok(())
    }

    /// Leaves to the builder and to the sweeper what follows from a change of a table.
    async fn note_indexes(&mut self, change: &ToldChange, before: Option<&Bytes>) -> Result<()> {
        if change.id == TABLE_COUNTER {
            return Ok(());
        }
        let tenant = Arc::clone(&self.tenant);
        let old =
            before.map(|bytes| Table::compile(tenant.number, change.id, bytes)).transpose()?;
        let new = table_told(&tenant, change)?;
        let Some(new) = new else {
            if let (Some(old), Some(before)) = (old, before) {
                let work = keys::sweep(tenant.number, old.number, None);
                let said = [change.id.as_bytes(), &before[..]].concat();
                self.beside.put(&work, &frame(0, &said));
            }
            return Ok(());
        };
        for field in &new.fields {
            let was = old.as_ref().and_then(|old| old.field(field.index.number));
            let key = keys::index_work(tenant.number, new.number, field.index.number);
            match (&field.progress, was.map(|was| &was.progress)) {
                (Progress::Building, Some(Progress::Building))
                | (Progress::Ready(_), Some(Progress::Ready(_)))
                | (Progress::Failed(_), Some(Progress::Failed(_))) => {}
                (Progress::Building, _) => self.note_work(&new, field, &Work::fill()),
                (Progress::Ready(_), _) => self.beside.delete(&key),
                (Progress::Failed(_), _) => self.note_work(&new, field, &Work::clear(field)),
            }
        }
        for field in old.iter().flat_map(|old| &old.fields) {
            if new.field(field.index.number).is_none() {
                self.note_work(&new, field, &Work::clear(field));
            }
        }
        Ok(())
    }
}
