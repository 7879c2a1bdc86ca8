//! The rows that a predicate lets through.
//!
//! Which records pass is found once for each table, through an exact index where there is one. A
//! row is one version of a record, so whether it passes never changes: a piece remembers what was
//! found of it, and a later search with the same predicate finds it there. Rows that ended since
//! are left out by the mask, not here.

use std::collections::HashMap;
use std::sync::Arc;

use kenning_index::{Bitmap, Filter};
use kenning_record::{Id, RecordRef, TableNo, Version, entry};
use kenning_store::Result;

use super::Search;
use crate::sealed::piece::Piece;
use crate::table::Table;

/// What passes the filter of one search.
pub(super) struct Filters<'a> {
    search: &'a Search<'a>,
    /// The filter as it is written; none if there is none.
    name: Option<String>,
    passing: HashMap<TableNo, Arc<HashMap<Id, Version>>>,
    rows: u64,
    asked: u64,
    known: u64,
}

impl<'a> Filters<'a> {
    pub(super) fn new(search: &'a Search<'a>) -> Self {
        let ask = search.ask;
        let name = (ask.filter.is_some() || ask.valid_at.is_some()).then(|| {
            format!("{:?} {:?}", ask.filter.as_ref().map(ToString::to_string), ask.valid_at)
        });
        Filters { search, name, passing: HashMap::new(), rows: 0, asked: 0, known: 0 }
    }

    /// Rows that pass, in all pieces; none if there is no filter.
    pub(super) fn rows(&self) -> Option<u64> {
        self.name.as_ref().map(|_| self.rows)
    }

    /// Whether all was known from an earlier search.
    pub(super) fn was_known(&self) -> bool {
        self.asked > 0 && self.known == self.asked
    }

    /// The rows of a piece that pass.
    pub(super) async fn bitmap(
        &mut self,
        table: &Arc<Table>,
        piece: &Piece,
    ) -> Result<Option<Arc<Bitmap>>> {
        let Some(name) = self.name.clone() else { return Ok(None) };
        let view = self.search.view;
        self.asked += 1;
        if let Some(known) = piece.filter(&name, view.version) {
            self.known += 1;
            self.rows += u64::from(known.count());
            return Ok(Some(known));
        }
        let passing = self.passing(table).await?;
        let mut bitmap = Bitmap::none(piece.rows());
        for (id, version) in passing.iter() {
            for row in piece.roster.rows_of(*id) {
                if piece.roster.from(*row) == *version {
                    bitmap.insert(*row);
                }
            }
        }
        let bitmap = Arc::new(bitmap);
        self.rows += u64::from(bitmap.count());
        // What a transaction sees is nobody else's.
        if view.staging.is_none() {
            piece.remember_filter(name, view.version, &bitmap);
        }
        Ok(Some(bitmap))
    }

    /// The records of a table that pass, and the versions that they are from.
    async fn passing(&mut self, table: &Arc<Table>) -> Result<Arc<HashMap<Id, Version>>> {
        if let Some(known) = self.passing.get(&table.number) {
            return Ok(Arc::clone(known));
        }
        let ask = self.search.ask;
        let view = self.search.view.below_staged();
        let filter = match &ask.filter {
            Some(predicate) => Filter::from(predicate.clone()),
            None => Filter::default(),
        };
        let mut passing = HashMap::new();
        for found in view.find_encoded(&table.name, filter).await? {
            let (version, payload) = entry::split(found.bytes())?;
            if self.search.passes(found.id(), version, RecordRef::new(payload)?)? {
                passing.insert(found.id(), version);
            }
        }
        let passing = Arc::new(passing);
        self.passing.insert(table.number, Arc::clone(&passing));
        Ok(passing)
    }
}
