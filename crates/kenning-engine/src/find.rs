//! Records by property values: through an index where one is ready, else by reading the table.
//!
//! Either way every record is checked against the predicate before it is returned.

use std::collections::HashSet;

use foldhash::fast::FixedState;
use kenning_index::{Filter, Plan, Predicate};
use kenning_record::{Id, Record, RecordRef, entry, keys};
use kenning_store::{Bytes, Range, Result, Row, Scan};

use crate::table::Table;
use crate::view::{Encoded, View};

/// Index entries that are looked up in the table at once.
const LOOKUP_ROWS: usize = 256;

/// How an answer was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explain {
    /// The paths of the index that was used.
    pub index: Option<String>,
    /// Live entries that were read: of the index, or of the table.
    pub rows_read: u64,
    /// History entries that were read.
    pub history_read: u64,
}

impl View {
    /// Records that pass `filter`: in the order of the index that answers it, else of their ids.
    pub async fn find(&self, table: &str, filter: Filter) -> Result<Vec<Record>> {
        self.find_encoded(table, filter).await?.iter().map(Encoded::record).collect()
    }

    /// The same, as they are stored.
    pub async fn find_encoded(&self, table: &str, filter: Filter) -> Result<Vec<Encoded>> {
        Ok(self.find_explained(table, filter).await?.0)
    }

    /// The same, and how they were found.
    pub async fn find_explained(
        &self,
        table: &str,
        filter: Filter,
    ) -> Result<(Vec<Encoded>, Explain)> {
        let table = self.table_named(table).await?;
        let predicate = filter.predicate()?;
        let dead = self.dead_rows();
        let fields = table.fields.iter().enumerate();
        let ready = fields.filter(|(_, field)| field.is_ready(self.version));
        let offered = ready.map(|(at, field)| (at, field.index.number, &field.index.spec));
        let mut search = Search {
            view: self,
            table: &table,
            predicate,
            limit: filter.limit.unwrap_or(usize::MAX),
            reverse: filter.reverse,
            explain: Explain::default(),
            found: Vec::new(),
        };
        match predicate.plan(self.tenant.number, table.number, offered) {
            Some(plan) => search.by_index(plan).await?,
            None => search.by_table().await?,
        }
        let Search { found, mut explain, .. } = search;
        explain.history_read = self.dead_rows() - dead;
        Ok((found, explain))
    }
}

struct Search<'a> {
    view: &'a View,
    table: &'a Table,
    predicate: &'a Predicate,
    limit: usize,
    reverse: bool,
    explain: Explain,
    found: Vec<Encoded>,
}

impl Search<'_> {
    async fn by_index(&mut self, plan: Plan) -> Result<()> {
        let field = &self.table.fields[plan.index_idx].index;
        let paths: Vec<_> = field.spec.paths.iter().map(ToString::to_string).collect();
        self.explain.index = Some(paths.join(", "));
        // A record with an array may have several entries in the range; it is returned once.
        let mut seen: HashSet<Id, FixedState> = HashSet::default();
        let rows_max = self.limit.clamp(16, LOOKUP_ROWS);
        let scans = plan.ranges.into_iter().map(|range| self.scan(range).rows(rows_max));
        let mut left: Vec<Scan> = scans.collect();
        if !self.reverse {
            left.reverse();
        }
        while let Some(scan) = left.pop()
            && self.found.len() < self.limit
        {
            let page = self.view.source.page(&scan).await?;
            self.explain.rows_read += page.rows.len() as u64;
            let mut ids = Vec::with_capacity(page.rows.len());
            for row in &page.rows {
                let id = self.id_of(row, field.spec.unique, field.spec.paths.len())?;
                if seen.insert(id) {
                    ids.push(id);
                }
            }
            self.look_up(&ids).await?;
            left.extend(page.rest);
        }
        Ok(())
    }

    fn id_of(&self, row: &Row, unique: bool, n_values: usize) -> Result<Id> {
        if unique {
            return kenning_index::entry_id(entry::check(&row.value)?.1);
        }
        entry::check(&row.value)?;
        let key = keys::field_split(&row.key, n_values)?;
        key.id.ok_or_else(|| {
            kenning_store::Error::corrupt("ENTRY_DAMAGED", "an index entry names no record")
        })
    }

    async fn look_up(&mut self, ids: &[Id]) -> Result<()> {
        let tenant = self.view.tenant.number;
        let record_keys: Vec<keys::RecordKey> =
            ids.iter().map(|id| keys::record(tenant, self.table.number, id)).collect();
        let asked: Vec<&[u8]> = record_keys.iter().map(<[u8; _]>::as_slice).collect();
        let values = self.view.source.get_many(&asked).await?;
        for (id, bytes) in ids.iter().zip(values) {
            if let Some(bytes) = bytes {
                self.take(*id, bytes)?;
            }
        }
        Ok(())
    }

    async fn by_table(&mut self) -> Result<()> {
        let range = Range::prefix(keys::records(self.view.tenant.number, self.table.number));
        let mut next = Some(self.scan(range));
        while let Some(scan) = next
            && self.found.len() < self.limit
        {
            let page = self.view.source.page(&scan).await?;
            self.explain.rows_read += page.rows.len() as u64;
            for row in &page.rows {
                let (_, _, id) = keys::record_split(&row.key)?;
                entry::check(&row.value)?;
                self.take(id, row.value.clone())?;
            }
            next = page.rest;
        }
        Ok(())
    }

    fn take(&mut self, id: Id, bytes: Bytes) -> Result<()> {
        let (version, payload) = entry::split(&bytes)?;
        let record = RecordRef::new(payload)?;
        if self.found.len() < self.limit && self.predicate.holds(id, version, record)? {
            self.found.push(Encoded { id, table: self.table.label, bytes });
        }
        Ok(())
    }

    fn scan(&self, range: Range) -> Scan {
        if self.reverse { range.backward() } else { range.forward() }
    }
}
