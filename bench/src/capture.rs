//! A store that remembers its batches: what Kenning writes, for another engine to write too.

use std::path::Path;
use std::sync::{Arc, Mutex};

use kenning_store::{Batch, BoxFuture, Bytes, Durability, Finding, PartId, Range, Result};
use kenning_store::{Folder, Memory, Snapshot, Store};

/// Keeps everything in memory, and every batch besides.
pub(crate) struct Capture {
    inner: Memory,
    batches: Mutex<Vec<Batch>>,
}

impl Capture {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Capture { inner: Memory::new(), batches: Mutex::default() })
    }

    /// The batches since the last call.
    pub(crate) fn take(&self) -> Vec<Batch> {
        std::mem::take(&mut self.batches.lock().expect("no holder of this lock panics"))
    }
}

impl Store for Capture {
    fn snapshot(&self) -> BoxFuture<'_, Result<Arc<dyn Snapshot>>> {
        self.inner.snapshot()
    }

    fn commit(&self, batch: Batch, durability: Durability) -> BoxFuture<'_, Result<()>> {
        self.batches.lock().expect("no holder of this lock panics").push(batch.clone());
        self.inner.commit(batch, durability)
    }

    fn checkpoint<'a>(&'a self, target: &'a Path) -> BoxFuture<'a, Result<Arc<dyn Snapshot>>> {
        self.inner.checkpoint(target)
    }

    fn folder(&self) -> Option<&Folder> {
        self.inner.folder()
    }

    fn compact(&self) -> BoxFuture<'_, Result<()>> {
        self.inner.compact()
    }

    fn erase(&self) -> BoxFuture<'_, Result<()>> {
        self.inner.erase()
    }

    fn verify(&self) -> BoxFuture<'_, Result<Vec<Finding>>> {
        self.inner.verify()
    }

    fn size_bytes<'a>(&'a self, range: &'a Range) -> BoxFuture<'a, Result<u64>> {
        self.inner.size_bytes(range)
    }

    fn put_part(&self, part: PartId, bytes: Bytes) -> BoxFuture<'_, Result<()>> {
        self.inner.put_part(part, bytes)
    }

    fn read_part(
        &self,
        part: PartId,
        bytes: std::ops::Range<u64>,
    ) -> BoxFuture<'_, Result<Option<Bytes>>> {
        self.inner.read_part(part, bytes)
    }

    fn map_part(&self, part: PartId) -> BoxFuture<'_, Result<Option<Bytes>>> {
        self.inner.map_part(part)
    }

    fn drop_part(&self, part: PartId) -> BoxFuture<'_, Result<()>> {
        self.inner.drop_part(part)
    }

    fn parts(&self) -> BoxFuture<'_, Result<Vec<PartId>>> {
        self.inner.parts()
    }
}
