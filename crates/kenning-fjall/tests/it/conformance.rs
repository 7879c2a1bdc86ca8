use std::path::Path;
use std::sync::Arc;

use kenning_fjall::{FjallStore, Settings};
use kenning_store::{Create, Result, Store};
use kenning_test::conformance::Subject;
use kenning_test::torture::{self, Engine};
use tempfile::TempDir;

use crate::torture::Fjall;

struct FjallSubject(TempDir);

impl FjallSubject {
    fn fresh() -> Box<dyn Subject> {
        Box::new(FjallSubject(tempfile::tempdir().unwrap()))
    }
}

fn open(path: &Path) -> Result<Arc<dyn Store>> {
    // Small enough that tables in memory are written out while the laws are tried.
    let settings =
        Settings { write_buffer_bytes: 1 << 20, cache_bytes: 4 << 20, ..Settings::default() };
    Ok(FjallStore::open(path, settings, Create::IfMissing)?)
}

impl Subject for FjallSubject {
    fn open(&self) -> Result<Arc<dyn Store>> {
        open(&self.0.path().join("db"))
    }

    fn open_copy(&self, path: &Path) -> Result<Arc<dyn Store>> {
        open(path)
    }

    fn damage(&self, marked: &[u8]) -> bool {
        let files = torture::files(&self.0.path().join("db"), |file| Fjall.is_table(file));
        assert!(files.iter().any(|path| torture::flip_marked(path, marked)), "it is in some file");
        true
    }
}

kenning_test::conformance!(FjallSubject::fresh);
