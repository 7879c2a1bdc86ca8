use std::path::Path;
use std::sync::Arc;

use kenning_rocks::{RocksStore, Settings};
use kenning_store::{Create, Result, Store};
use kenning_test::torture::Engine;

pub(crate) struct Rocks;

const SMALL: Settings =
    Settings { cache_bytes: 1 << 20, write_buffer_bytes: 64 << 10, background_jobs: 1 };

impl Engine for Rocks {
    fn name(&self) -> &'static str {
        "rocksdb"
    }

    fn open(&self, path: &Path, create: Create) -> Result<Arc<dyn Store>> {
        Ok(RocksStore::open(path, Settings::default(), create)?)
    }

    fn open_small(&self, path: &Path, create: Create) -> Result<Arc<dyn Store>> {
        Ok(RocksStore::open(path, SMALL, create)?)
    }

    fn is_table(&self, file: &Path) -> bool {
        file.extension().is_some_and(|it| it == "sst")
    }

    fn is_log(&self, file: &Path) -> bool {
        file.extension().is_some_and(|it| it == "log")
    }

    fn vital(&self) -> &'static [&'static str] {
        &[".log", "CURRENT", "MANIFEST-", ".sst"]
    }
}

kenning_test::torture!(Rocks);
