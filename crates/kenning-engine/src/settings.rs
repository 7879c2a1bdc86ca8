//! What can be set when a database is opened.

use kenning_store::Durability;

use crate::Bug;
use crate::sealed::Finders;

/// How transactions are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// As if one ran after the other. What a transaction read must not have changed.
    Serializable,
    /// Each reads one snapshot, and of two that write the same, one is refused.
    Snapshot,
}

/// When rows of an index over words or vectors become a part, and parts become one. No answer
/// depends on them, only what it costs; small ones let a test seal and merge much of little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealingLimits {
    /// Rows of an index that are kept in memory before they become a part. A part of fewer gets no
    /// graph.
    pub rows_min: usize,
    /// Changes of a tenant after which the sealer looks.
    pub changes_min: u64,
    /// Rows of a part that is made of records.
    pub part_rows: usize,
    /// Parts of an index; of more some become one.
    pub parts_max: usize,
}

impl Default for SealingLimits {
    fn default() -> Self {
        SealingLimits { rows_min: 5_000, changes_min: 1_000, part_rows: 200_000, parts_max: 8 }
    }
}

/// The settings of an open database. None of them is stored; since
/// when history is kept is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// When a commit is answered.
    pub durability: Durability,
    /// With relaxed durability: the disk is at most so far behind.
    pub sync_ms: u64,
    /// How transactions are kept apart.
    pub isolation: Isolation,
    /// Whether overwritten values are kept. Without them there are no views of the past.
    pub history_keep: bool,
    /// Bytes of records kept in memory, at least 1 MiB.
    pub record_cache_bytes: usize,
    /// How long a transaction may be open.
    pub transaction_ms_max: u64,
    /// Keys of recent writes that are remembered for transactions still open; older transactions
    /// are refused.
    pub window_keys_max: usize,
    /// How often one verb is tried again after a conflict.
    pub retries_max: u32,
    /// What finds by words and by meaning; without it nothing does.
    pub finders: Option<Finders>,
    /// When what is written becomes parts of the indexes over words and vectors.
    pub sealing: SealingLimits,
    /// A bug to plant, in tests of the tests.
    #[doc(hidden)]
    pub planted: Option<Bug>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            durability: Durability::Strict,
            sync_ms: 10,
            isolation: Isolation::Serializable,
            history_keep: true,
            record_cache_bytes: 64 << 20,
            transaction_ms_max: 600_000,
            window_keys_max: 1_000_000,
            retries_max: 10_000,
            finders: None,
            sealing: SealingLimits::default(),
            planted: None,
        }
    }
}

impl Settings {
    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.planted == Some(bug)
    }
}
