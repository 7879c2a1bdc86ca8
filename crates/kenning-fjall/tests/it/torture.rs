use std::path::Path;
use std::sync::Arc;

use kenning_fjall::{FjallStore, Settings};
use kenning_store::{Create, Result, Store};
use kenning_test::torture::Engine;

pub(crate) struct Fjall;

const SMALL: Settings =
    Settings { cache_bytes: 1 << 20, write_buffer_bytes: 64 << 10, background_jobs: 1 };

impl Engine for Fjall {
    fn name(&self) -> &'static str {
        "fjall"
    }

    fn open(&self, path: &Path, create: Create) -> Result<Arc<dyn Store>> {
        Ok(FjallStore::open(path, Settings::default(), create)?)
    }

    fn open_small(&self, path: &Path, create: Create) -> Result<Arc<dyn Store>> {
        Ok(FjallStore::open(path, SMALL, create)?)
    }

    fn is_table(&self, file: &Path) -> bool {
        file.parent().is_some_and(|it| it.ends_with("tables"))
    }

    fn is_log(&self, file: &Path) -> bool {
        file.extension().is_some_and(|it| it == "jnl")
    }

    fn vital(&self) -> &'static [&'static str] {
        &[".jnl", "version", "current", "tables/"]
    }
}

kenning_test::torture!(Fjall);
