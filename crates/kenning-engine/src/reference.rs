//! References: `table/key`, an id, or a bare name.

use kenning_record::{End, Id, entry, keys, normalize};
use kenning_store::{Error, Range, Result};

use crate::table::{Table, number};
use crate::view::View;

/// The table of a bare name that is not there yet.
const TABLE_OF_BARE_NAMES: &str = "entities";

impl View {
    /// The id of `reference`, a key or an alias or an id, in `table`. `None` if nothing has that
    /// name; an id is returned whether or not it is in use.
    pub(crate) async fn id_in(&self, table: &Table, reference: &str) -> Result<Option<Id>> {
        let normal = normalize(reference)?;
        let prefix = keys::names_of_table(self.tenant.number, &normal, table.number);
        let mut found = Vec::new();
        for name in self.names(Range::prefix(prefix)).await? {
            match name.alias {
                // The key wins over aliases, and over what looks like an id.
                false => return Ok(Some(name.end.id)),
                true => found.push(name.end.id),
            }
        }
        match found[..] {
            [] => Ok(as_id(reference)),
            [id] => Ok(Some(id)),
            [..] => {
                Err(ambiguous(reference, found.iter().map(|id| format!("{}/{id}", table.name))))
            }
        }
    }

    /// What `reference` means in any table; `None` if nothing has that name.
    pub(crate) async fn referent(&self, reference: &str) -> Result<Option<End>> {
        if let Some((table, rest)) = self.split(reference).await? {
            let id = self.id_in(&table, rest).await?;
            return Ok(id.map(|id| End { table: table.number, id }));
        }
        let normal = normalize(reference)?;
        let names = self.names(Range::prefix(keys::names_of(self.tenant.number, &normal))).await?;
        let keyed: Vec<_> = names.iter().filter(|name| !name.alias).map(|name| name.end).collect();
        let mut ends =
            if keyed.is_empty() { names.iter().map(|name| name.end).collect() } else { keyed };
        ends.sort_unstable();
        ends.dedup();
        match ends[..] {
            [] => match as_id(reference) {
                Some(id) => self.table_of(id).await,
                None => Ok(None),
            },
            [end] => Ok(Some(end)),
            [..] => {
                let mut named = Vec::new();
                for end in &ends {
                    named.push(self.name_of(*end, reference).await?);
                }
                Err(ambiguous(reference, named.into_iter()))
            }
        }
    }

    /// What `reference` means, there or not: a missing name gets the id that its key will have.
    pub(crate) async fn referent_or_future(&self, reference: &str) -> Result<End> {
        if let Some(referent) = self.referent(reference).await? {
            return Ok(referent);
        }
        let (table, key) = match self.split(reference).await? {
            Some((table, key)) => (table, key),
            None if as_id(reference).is_some() => {
                let message = format!("no record has the id {reference}");
                return Err(Error::invalid("RECORD_NOT_FOUND", message));
            }
            None => {
                // A slash behind what could name a table is more likely a typing error than a part
                // of a name that is not there yet.
                if let Some((table, _)) = reference.split_once('/')
                    && kenning_record::check_table_name(table).is_ok()
                {
                    self.table_named(table).await?;
                }
                (self.table_named(TABLE_OF_BARE_NAMES).await?, reference)
            }
        };
        let id = Id::derived(&self.tenant.name, &table.name, &normalize(key)?);
        Ok(End { table: table.number, id })
    }

    /// `table/rest`, if the part before the slash names a table.
    async fn split<'a>(
        &self,
        reference: &'a str,
    ) -> Result<Option<(std::sync::Arc<Table>, &'a str)>> {
        let Some((table, rest)) = reference.split_once('/') else { return Ok(None) };
        if kenning_record::check_table_name(table).is_err() {
            return Ok(None);
        }
        let table = self.find_table(table).await?;
        // Nothing of the system's own is an end of a link, or is looked up by name.
        Ok(table.filter(|table| table.number >= number::FIRST).map(|table| (table, rest)))
    }

    async fn table_of(&self, id: Id) -> Result<Option<End>> {
        let mut found = Vec::new();
        for table in self.all_tables().await? {
            if table.number < number::FIRST {
                continue;
            }
            if self.record_bytes(table.number, id).await?.is_some() {
                found.push(End { table: table.number, id });
            }
        }
        match found[..] {
            [] => Ok(None),
            [end] => Ok(Some(end)),
            [..] => {
                let mut named = Vec::new();
                for end in &found {
                    named.push(self.name_of(*end, &id.to_string()).await?);
                }
                Err(ambiguous(&id.to_string(), named.into_iter()))
            }
        }
    }

    async fn name_of(&self, end: End, reference: &str) -> Result<String> {
        Ok(format!("{}/{reference}", self.table_numbered(end.table).await?.name))
    }

    /// The names in a range of the index of names, but for those in tables of the system, and in
    /// tables that were dropped and are not cleared up yet.
    pub(crate) async fn names(&self, range: Range) -> Result<Vec<Name>> {
        let mut names = Vec::new();
        for row in self.rows(range).await? {
            let key = keys::name_split(&row.key)?;
            let (_, payload) = entry::check(&row.value)?;
            if key.table < number::FIRST || self.find_numbered(key.table).await?.is_none() {
                continue;
            }
            let id = match key.alias_of {
                Some(id) => id,
                None => kenning_index::entry_id(payload)?,
            };
            let end = End { table: key.table, id };
            names.push(Name { end, alias: key.alias_of.is_some() });
        }
        Ok(names)
    }
}

/// One entry of the index of names.
pub(crate) struct Name {
    pub(crate) end: End,
    pub(crate) alias: bool,
}

/// An id, if it is written as one.
pub(crate) fn as_id(reference: &str) -> Option<Id> {
    reference.parse().ok()
}

fn ambiguous(reference: &str, candidates: impl Iterator<Item = String>) -> Error {
    let list = candidates.collect::<Vec<_>>().join(", ");
    Error::invalid("AMBIGUOUS", format!("'{reference}' may mean {list}; say which"))
}
