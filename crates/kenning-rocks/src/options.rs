//! What RocksDB is told.
//!
//! Memory has two bounds: one cache for blocks, indexes and filters of all files, and one budget
//! for all tables in memory. The log is bounded too, because what is in it is replayed after a
//! crash. Everything else is there so that opening a database costs the same however large it is.

use rocksdb::{
    BlockBasedOptions, BlockBasedTablePinningTier, Cache, ColumnFamilyDescriptor,
    DBCompressionType, DBRecoveryMode, DataBlockIndexType, InfoLogger, LogLevel, Options,
};

use kenning_store::regions::FAMILIES;

/// Bytes of log after which tables in memory are written out: it bounds the time to open after a
/// crash.
const LOG_BYTES_MAX: u64 = 128 << 20;
/// Each change of the list of files writes it anew. It names the first and the last key of each
/// file, and must not go on naming those of files that are gone.
const LIST_OF_FILES: &str = "max_manifest_file_size=1;max_manifest_space_amp_pct=0";
/// Below the usual limit of a process, 1,024.
const OPEN_FILES_MAX: i32 = 512;
const BLOCK_BYTES: usize = 8 << 10;
/// Keys of a block between two that are whole. A get steps over half as many, and each is a line of
/// memory or more; fewer keys in between cost more disk than they save time.
const BLOCK_RESTART_KEYS: i32 = 4;
const BLOOM_BITS_PER_KEY: f64 = 10.0;
/// Part of a table in memory that is a bloom filter of its keys.
const MEMORY_BLOOM_RATIO: f64 = 0.02;
const MEMORY_TABLES_MAX: i32 = 4;
/// Files are synced in steps of this size while they are written, so that no sync of the log waits
/// behind a whole file.
const SYNC_STEP_BYTES: u64 = 1 << 20;
const MESSAGES_BYTES_MAX: usize = 1 << 20;
const MESSAGES_FILES: usize = 2;
/// Of what is read once, nothing is kept.
const READING_CACHE_BYTES: usize = 8 << 20;

/// What can be set of an open store. None of it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of blocks, indexes and filters that are kept in memory.
    pub cache_bytes: usize,
    /// Bytes of recent writes that are kept in memory, all spaces together.
    pub write_buffer_bytes: usize,
    /// Threads that write out and merge files.
    pub background_jobs: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { cache_bytes: 256 << 20, write_buffer_bytes: 64 << 20, background_jobs: 2 }
    }
}

/// The options of the database, and of each column family.
pub(crate) fn options(settings: &Settings) -> Options {
    let cache = Cache::new_hyper_clock_cache(settings.cache_bytes, 0);
    let jobs = settings.background_jobs.clamp(1, 64);
    // The binding has no other way to set the second.
    let set = Options::default().get_options_from_string(LIST_OF_FILES);
    let mut options = set.expect("this version of RocksDB has both");
    set_tables(&mut options, &cache);
    options.set_db_write_buffer_size(settings.write_buffer_bytes);
    options.set_write_buffer_size(settings.write_buffer_bytes);
    options.set_max_write_buffer_number(MEMORY_TABLES_MAX);
    options.set_memtable_prefix_bloom_ratio(MEMORY_BLOOM_RATIO);
    options.set_memtable_whole_key_filtering(true);
    options.set_max_background_jobs(i32::try_from(jobs).expect("it was clamped"));
    options.set_max_subcompactions(jobs);
    options.set_bytes_per_sync(SYNC_STEP_BYTES);
    options.set_max_total_wal_size(LOG_BYTES_MAX);
    // After a loss of power the log may end in a record that is torn. What is before it counts.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_skip_stats_update_on_db_open(true);
    options.set_avoid_unnecessary_blocking_io(true);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(MESSAGES_BYTES_MAX);
    options.set_keep_log_file_num(MESSAGES_FILES);
    options
}

/// The options under which a second, read-only handle reads every file from the disk, and leaves
/// no trace.
pub(crate) fn reading_options() -> Options {
    let cache = Cache::new_lru_cache(READING_CACHE_BYTES);
    let mut options = Options::default();
    options.enable_statistics();
    let mut tables = tables(&cache);
    // Indexes and filters are read, and checked, when a file is opened.
    tables.set_cache_index_and_filter_blocks(false);
    options.set_block_based_table_factory(&tables);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_skip_stats_update_on_db_open(true);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Fatal, |_, _| {}));
    options
}

/// Every column family, under `options`.
pub(crate) fn families(options: &Options) -> Vec<ColumnFamilyDescriptor> {
    let family = |name: &&str| ColumnFamilyDescriptor::new(*name, options.clone());
    FAMILIES.iter().map(family).collect()
}

fn set_tables(options: &mut Options, cache: &Cache) {
    options.set_block_based_table_factory(&tables(cache));
    options.set_compression_type(DBCompressionType::Lz4);
}

fn tables(cache: &Cache) -> BlockBasedOptions {
    let mut tables = BlockBasedOptions::default();
    tables.set_block_cache(cache);
    tables.set_block_size(BLOCK_BYTES);
    tables.set_block_restart_interval(BLOCK_RESTART_KEYS);
    tables.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    tables.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
    tables.set_whole_key_filtering(true);
    tables.set_cache_index_and_filter_blocks(true);
    tables.set_unpartitioned_pinning_tier(BlockBasedTablePinningTier::FlushAndSimilar);
    tables
}
