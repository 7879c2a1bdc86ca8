//! The RocksDB engine (placeholder while it is being written).
use std::{path::Path, sync::Arc};
use kenning_store::{Create, Memory, Result};
/// Settings.
#[derive(Clone, Debug, Default)]
pub struct Settings { /// bytes
 pub cache_bytes: usize }
/// Store.
pub struct RocksStore;
impl RocksStore {
    /// Opens.
    pub fn open(_: &Path, _: Settings, _: Create) -> Result<Arc<Memory>> { Ok(Arc::new(Memory::new())) }
}
