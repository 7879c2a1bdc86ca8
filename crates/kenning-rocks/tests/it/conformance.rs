use std::path::Path;
use std::sync::Arc;

use kenning_rocks::{RocksStore, Settings};
use kenning_store::{Create, Result, Store};
use kenning_test::conformance::Subject;
use kenning_test::torture::{self, Engine};
use tempfile::TempDir;

use crate::torture::Rocks;

struct RocksSubject(TempDir);

impl RocksSubject {
    fn fresh() -> Box<dyn Subject> {
        Box::new(RocksSubject(tempfile::tempdir().unwrap()))
    }
}

fn open(path: &Path) -> Result<Arc<dyn Store>> {
    // Small enough that tables in memory are written out while the laws are tried.
    let settings =
        Settings { write_buffer_bytes: 1 << 20, cache_bytes: 4 << 20, ..Settings::default() };
    Ok(RocksStore::open(path, settings, Create::IfMissing)?)
}

impl Subject for RocksSubject {
    fn open(&self) -> Result<Arc<dyn Store>> {
        open(&self.0.path().join("db"))
    }

    fn open_copy(&self, path: &Path) -> Result<Arc<dyn Store>> {
        open(path)
    }

    fn damage(&self, marked: &[u8]) -> bool {
        let files = torture::files(&self.0.path().join("db"), |file| Rocks.is_table(file));
        assert!(files.iter().any(|path| torture::flip_marked(path, marked)), "it is in some file");
        true
    }
}

kenning_test::conformance!(RocksSubject::fresh);
