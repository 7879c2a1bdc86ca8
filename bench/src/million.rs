//! One large database for several benches, because making it takes longer than asking it.
//!
//! A million people with two indexes, in Kenning and in SQLite, both merged and closed. Who changes
//! it works on a copy.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tempfile::TempDir;

use crate::Result;
use crate::peers::ours;
use crate::peers::sqlite::{self, Sqlite};
use crate::people::{People, Person};

/// Records of one transaction.
const TRANSACTION: usize = 1_000;

/// The database, twice.
pub(crate) struct Million {
    folder: TempDir,
    pub(crate) people: People,
}

impl Million {
    pub(crate) fn make(folder: TempDir, count: usize) -> Result<Self> {
        eprintln!("  making a database of {count} records ...");
        let began = Instant::now();
        let million = Million { folder, people: People::new(count) };
        fs::create_dir(million.sqlite_folder())?;
        let file = Sqlite::create(&million.sqlite_folder(), true)?;
        let connection = file.connect()?;
        let database = ours::open_relaxed(&million.kenning())?;
        database.create_table(ours::TABLE, ours::schema(true))?;
        for from in (0..count).step_by(TRANSACTION) {
            let until = (from + TRANSACTION).min(count);
            let chunk: Vec<Person> = (from..until).map(|idx| million.people.person(idx)).collect();
            database.put_many(ours::TABLE, ours::drafts(&chunk))?;
            sqlite::insert_all(&connection, &chunk)?;
        }
        database.sync()?;
        database.compact()?;
        database.close()?;
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        eprintln!("  ... took {:.1} s", began.elapsed().as_secs_f64());
        Ok(million)
    }

    /// Kenning's folder.
    pub(crate) fn kenning(&self) -> PathBuf {
        self.folder.path().join("kenning")
    }

    /// SQLite's file.
    pub(crate) fn sqlite(&self) -> Sqlite {
        Sqlite::at(&self.sqlite_folder())
    }

    /// The folder that SQLite's file is in.
    pub(crate) fn sqlite_folder(&self) -> PathBuf {
        self.folder.path().join("sqlite")
    }

    /// Copies Kenning's folder to `target`, which must not exist.
    pub(crate) fn copy_kenning(&self, target: &Path) -> Result<()> {
        let database = ours::open_plain(&self.kenning())?;
        database.checkpoint(target)?;
        Ok(database.close()?)
    }
}
