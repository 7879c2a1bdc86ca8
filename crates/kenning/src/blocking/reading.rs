//! Reading, the same of whoever shows it.

use kenning_store::block_on;

use super::{Database, Transaction, View};
use crate::{
    Encoded, Explain, Filter, Id, LogRow, Past, Record, Result, Step, TableInfo, Version, Walk,
};

macro_rules! reads {
    ($($of:ident: $what:literal),*) => {$(
        #[doc = $what]
        impl $of {
            /// The record that `reference`, an id or a key or an alias, names in `table`.
            pub fn get(&self, table: &str, reference: &str) -> Result<Option<Record>> {
                block_on(self.0.get(table, reference))
            }

            /// The record under `id`, as it is stored.
            pub fn get_encoded(&self, table: &str, id: Id) -> Result<Option<Encoded>> {
                block_on(self.0.get_encoded(table, id))
            }

            /// Records of every table that have `name` as their key or as an alias.
            pub fn lookup(&self, name: &str) -> Result<Vec<Record>> {
                block_on(self.0.lookup(name))
            }

            /// The table and id that `reference` means.
            pub fn resolve(&self, reference: &str) -> Result<Option<(String, Id)>> {
                block_on(self.0.resolve(reference))
            }

            /// Records that pass `filter`.
            pub fn find(&self, table: &str, filter: Filter) -> Result<Vec<Record>> {
                block_on(self.0.find(table, filter))
            }

            /// The same, as they are stored.
            pub fn find_encoded(&self, table: &str, filter: Filter) -> Result<Vec<Encoded>> {
                block_on(self.0.find_encoded(table, filter))
            }

            /// The same, and how they were found.
            pub fn find_explained(
                &self,
                table: &str,
                filter: Filter,
            ) -> Result<(Vec<Encoded>, Explain)> {
                block_on(self.0.find_explained(table, filter))
            }

            /// Records in the order of their ids, from behind `after`.
            pub fn records(
                &self,
                table: &str,
                after: Option<Id>,
                limit: usize,
            ) -> Result<Vec<Record>> {
                block_on(self.0.records(table, after, limit))
            }

            /// Every state that a record had, oldest first.
            pub fn history(&self, table: &str, reference: &str) -> Result<Vec<Past>> {
                block_on(self.0.history(table, reference))
            }

            /// What is one link away.
            pub fn neighbors(&self, reference: &str, walk: Walk) -> Result<Vec<Step>> {
                block_on(self.0.neighbors(reference, walk))
            }

            /// What is within some links, nearest first.
            pub fn traverse(&self, reference: &str, walk: Walk) -> Result<Vec<Step>> {
                block_on(self.0.traverse(reference, walk))
            }

            /// Every table.
            pub fn tables(&self) -> Result<Vec<TableInfo>> {
                block_on(self.0.tables())
            }

            /// One table.
            pub fn table(&self, name: &str) -> Result<TableInfo> {
                block_on(self.0.table(name))
            }

            /// Transactions with a version greater than `after`, oldest first.
            pub fn log(&self, after: Version, limit: usize) -> Result<Vec<LogRow>> {
                block_on(self.0.log(after, limit))
            }
        }
    )*};
}

reads!(
    Database: "Reading now.",
    View: "Reading at its version.",
    Transaction: "Reading what it began with, and its own writes on top."
);
