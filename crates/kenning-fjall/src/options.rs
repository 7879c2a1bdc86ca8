//! What fjall is told.
//!
//! Memory has two bounds: one cache for the blocks of all files, and one budget for all tables in
//! memory, which the store keeps, since fjall has one for each keyspace only. The journal is
//! bounded too, because what is in it is replayed after a crash.

use std::path::Path;

use fjall::config::{
    BlockSizePolicy, BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry,
};
use fjall::{CompressionType, Database, KeyspaceCreateOptions};

/// Bytes of journals that are kept for tables in memory that nobody writes to, before those are
/// written out.
pub(crate) const JOURNAL_BYTES_MAX: u64 = 128 << 20;
/// Below the usual limit of a process, 1,024.
const OPEN_FILES_MAX: usize = 512;
const BLOCK_BYTES: u32 = 8 << 10;
const BLOOM_BITS_PER_KEY: f32 = 10.0;
/// fjall looks at each keyspace alone; the store looks at all of them.
const MEMORY_TABLE_BYTES_MAX: u64 = 1 << 40;

/// What can be set of an open store. None of it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of blocks, indexes and filters that are kept in memory.
    pub cache_bytes: usize,
    /// Bytes of recent writes that are kept in memory, all spaces together, until they are written
    /// out.
    pub write_buffer_bytes: usize,
    /// Threads that write out and merge files.
    pub background_jobs: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { cache_bytes: 256 << 20, write_buffer_bytes: 64 << 20, background_jobs: 2 }
    }
}

impl Settings {
    /// Bytes of recent writes after which a table in memory is written out.
    pub(crate) fn recent_bytes_max(&self) -> u64 {
        (self.write_buffer_bytes as u64).min(JOURNAL_BYTES_MAX)
    }
}

pub(crate) fn open(folder: &Path, settings: &Settings) -> fjall::Result<Database> {
    let jobs = usize::try_from(settings.background_jobs.clamp(1, 64)).expect("it was clamped");
    Database::builder(folder)
        .cache_size(settings.cache_bytes as u64)
        .worker_threads(jobs)
        .max_cached_files(Some(OPEN_FILES_MAX))
        .max_journaling_size(JOURNAL_BYTES_MAX)
        // fjall sums what it has read after compressing it again, so that another version of the
        // compressor would find every batch damaged.
        .journal_compression(CompressionType::None)
        .open()
}

/// The options of a new keyspace. They are stored with it.
pub(crate) fn keyspace() -> KeyspaceCreateOptions {
    let bloom = FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(BLOOM_BITS_PER_KEY));
    KeyspaceCreateOptions::default()
        .max_memtable_size(MEMORY_TABLE_BYTES_MAX)
        .data_block_size_policy(BlockSizePolicy::all(BLOCK_BYTES))
        .data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4))
        .filter_policy(FilterPolicy::all(bloom))
}
