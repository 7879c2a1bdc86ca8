//! What a record was.

use kenning_record::{Id, Record, RecordRef, Version, entry, keys, normalize};
use kenning_store::Result;

use crate::table::Table;
use crate::view::View;

/// One state that a record had.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// The record; `version` is the one in which it became so.
    pub record: Record,
    /// The version in which it was replaced or deleted; `None` if it is so still.
    pub until: Option<Version>,
    /// Whether it was deleted in that version.
    pub deleted: bool,
}

impl View {
    /// Every state that a record had up to this view, oldest first, and those of the records that
    /// it took in. What a transaction has staged is no history yet.
    pub async fn history(&self, table: &str, reference: &str) -> Result<Vec<Past>> {
        let table = self.table_named(table).await?;
        let id = self.id_for_life(&table, reference).await?;
        let mut states = self.history_of_id(&table, id).await?;
        let aliases = states.iter().flat_map(|state| &state.record.aliases);
        let taken = self.taken_in(&table, id, aliases).await?;
        let is_alone = taken.is_empty();
        for (id, version) in taken {
            let others = self.history_of_id(&table, id).await?;
            states.extend(others.into_iter().filter(|state| state.record.version < version));
        }
        if !is_alone {
            states.sort_by_key(|state| state.record.version);
        }
        // What is before the horizon may be there in part.
        let horizon = self.handle.shared().head()?.history_from;
        states.retain(|state| state.until.is_none_or(|until| until > horizon));
        Ok(states)
    }

    /// The id that `reference` means, also of a record that was deleted: it has no name any more,
    /// but its key still leads to its id.
    pub(crate) async fn id_for_life(&self, table: &Table, reference: &str) -> Result<Id> {
        match self.id_in(table, reference).await? {
            Some(id) => Ok(id),
            None => Ok(Id::derived(&self.tenant.name, &table.name, &normalize(reference)?)),
        }
    }

    /// The states of the record under one id.
    pub(crate) async fn history_of_id(&self, table: &Table, id: Id) -> Result<Vec<Past>> {
        let key = keys::record(self.tenant.number, table.number, &id);
        let mut states = Vec::new();
        let decode = |bytes: &[u8]| -> Result<Record> {
            let (version, payload) = entry::check(bytes)?;
            RecordRef::new(payload)?.to_record(id, &table.name, version)
        };
        for row in self.rows(keys::history_of(&key)).await? {
            let (_, until) = keys::history_split(&row.key)?;
            let record = decode(&row.value)?;
            if record.version <= self.version {
                let until = Some(until).filter(|until| *until <= self.version);
                states.push(Past { record, until, deleted: false });
            }
        }
        if let Some(bytes) = self.below.get(&key).await?
            && states.last().is_none_or(|last| last.until.is_some())
        {
            states.push(Past { record: decode(&bytes)?, until: None, deleted: false });
        }
        let begins: Vec<Version> = states.iter().map(|state| state.record.version).collect();
        for (at, state) in states.iter_mut().enumerate() {
            state.deleted = state.until.is_some_and(|until| begins.get(at + 1) != Some(&until));
        }
        Ok(states)
    }
}
