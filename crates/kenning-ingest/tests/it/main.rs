//! Files into a database in memory, and out of it.
#![allow(clippy::unwrap_used, reason = "tests, and what they call")]

mod evaluation;
mod export;
mod import;
mod readers;
mod resume;
mod whole;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use kenning_engine::{Database, Settings};
use kenning_ingest::{Event, Format, ImportOptions, Imported, Source, import as run};
use kenning_record::{Id, Json};
use kenning_store::{Memory, Result, block_on};
use kenning_test::ManualWorld;
use tempfile::TempDir;

/// A database in memory, and a folder for files.
pub(crate) struct Place {
    pub(crate) database: Database,
    pub(crate) folder: TempDir,
}

/// What an import did and told.
pub(crate) struct Told {
    pub(crate) imported: Result<Imported>,
    /// Line and code of each bad row, as they were told.
    pub(crate) bad: Vec<(u64, &'static str)>,
    pub(crate) messages: Vec<String>,
    /// The line from which it went on.
    pub(crate) from: Option<u64>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let store = Arc::new(Memory::new());
        let world = ManualWorld::new(7);
        let opened = Database::open(store, world, Settings::default(), "default");
        Place { database: block_on(opened).unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn table(&self, name: &str, schema: Json) {
        block_on(self.database.create_table(name, schema)).unwrap();
    }

    /// A file with this content.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Imports a content under a name, whose end says the format.
    pub(crate) fn import(&self, table: &str, name: &str, content: impl AsRef<[u8]>) -> Told {
        let path = self.file(name, content);
        let options = options(Format::of_path(&path).unwrap());
        self.import_with(table, Source::File(path), &options, u64::MAX)
    }

    /// Imports, and breaks it off when so many transactions have landed.
    pub(crate) fn import_with(
        &self,
        table: &str,
        source: Source,
        options: &ImportOptions,
        landed_max: u64,
    ) -> Told {
        let (mut bad, mut messages, mut from, mut landed) = (Vec::new(), Vec::new(), None, 0);
        let mut watch = |event: Event<'_>| {
            match event {
                Event::Hashed(_) => {}
                Event::GoesOn(line) => from = Some(line),
                Event::Bad(row) => {
                    bad.push((row.line, row.error.code()));
                    messages.push(row.error.message().to_owned());
                }
                Event::Landed(_) => landed += 1,
            }
            match landed >= landed_max {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let imported = block_on(run(&self.database, table, source, options, &mut watch));
        Told { imported, bad, messages, from }
    }

    /// The properties of every record, in the order in which they came.
    pub(crate) fn records(&self, table: &str) -> Vec<Json> {
        let mut records: Vec<(Id, Json)> = Vec::new();
        let rows = block_on(self.database.log(0, 1_000_000)).unwrap().into_iter();
        let changes = rows.flat_map(|row| row.changes).filter(|change| change.table == table);
        for change in changes {
            match records.iter_mut().rev().find(|(id, _)| *id == change.id) {
                Some((_, properties)) => *properties = change.after.unwrap_or_default(),
                None => records.extend(change.after.map(|after| (change.id, after))),
            }
        }
        let found = block_on(self.database.records(table, None, 1_000_000)).unwrap();
        assert_eq!(found.len(), records.len());
        records.into_iter().map(|(_, properties)| properties).collect()
    }

    pub(crate) fn verify(&self) {
        let findings = block_on(self.database.verify()).unwrap();
        assert!(findings.is_empty(), "{findings:?}");
    }
}

/// Small transactions, so that a small file has many.
pub(crate) fn options(format: Format) -> ImportOptions {
    ImportOptions { transaction_rows_max: 7, ..ImportOptions::new(format) }
}
