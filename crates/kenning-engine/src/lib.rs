//! The write path and the read path.
//!
//! Records are the truth, the log says how they came to be, and everything else is a view of them.
//! A [`Transaction`] reads a snapshot and stages changes together with their index entries; the
//! committer, one thread, takes a group of them, settles conflicts, gives each a version, makes one
//! batch and commits it; then everybody in the group is answered. A [`View`] is a snapshot at a
//! version: now, or at any moment of the past.
//!
//! What this crate does not know: which engine stores the bytes, what time it is, and who asks.

mod backup; // the whole database, at one version, elsewhere
mod build; // indexes that are built while writes go on
mod cache; // records that were read, and until when they are true
mod catalog; // the verbs that change tables
mod change; // drafts to staged writes
mod committer; // the one thread that commits
mod content; // what is known, in one order, and its hash
mod database; // the handle of a user
mod embedding; // what models say of texts, computed in the background
mod find; // records by property values
mod fuzzy; // records by names that are like what is asked for
mod history; // what a record was
mod log; // the numbered list of changes, and who follows it
mod mark; // how far work in pieces has come
mod merge; // two records that are one
mod past; // a snapshot as of an earlier version
mod planted; // bugs that the tests must catch
#[doc(hidden)]
pub mod probe; // what fuzzing reaches
mod prune; // trimming the past
mod purge; // removing values from everywhere
mod reference; // `table/key`, an id, or a bare name
mod replay; // a database that is made of what another one knew
mod sealed; // words and vectors: pieces, parts, and how they follow the log
mod search; // finding by meaning and by words
mod settings; // what can be set
mod shared; // what the handles and threads of one database share
mod shown; // which states of the past somebody still looks at
mod staging; // a transaction's own writes, over what it reads
mod states; // what was known, and when
mod stats; // counts and sizes
mod sweep; // what is cleared up in the background
mod table; // a table: its schema and its indexes
mod tail; // the log as it grows
mod tenant; // one tenant, and who is told when it is dropped
mod tenants; // which tenants there are: made, found, dropped
mod touched; // when each table changed last
mod transaction; // reads a snapshot, stages changes
mod verify; // every checksum, and every index against its rebuild
mod view; // reading at a version
mod walk; // links
mod whole; // the logs of every tenant as one
mod window; // who wrote what since when

/// The locks, under a name that a model checker can replace.
mod sync {
    pub(crate) use std::sync::RwLock;
}

pub use backup::{BackedUp, Backup, BackupOptions, KnownBackup, list_backups, restore};
pub use build::Building;
pub use change::Link;
pub use committer::Committed;
pub use content::{ContentHash, ContentHasher, Inventory, Known, KnownLink, LinkEnd};
pub use database::Database;
pub use find::Explain;
pub use fuzzy::{Fuzzy, Near};
pub use history::Past;
pub use log::{Change, Follower, LogRow, TransactionId};
pub use mark::Mark;
pub use merge::Merged;
pub use planted::Bug;
pub use prune::Pruned;
pub use purge::Purged;
pub use replay::{Refused, Replay, Said, SaidTable, Told, ToldChange};
pub use sealed::{Embedders, Finders};
pub use search::{Answer, Arm, Ask, Hit, Mode, SearchExplain, Why};
pub use settings::{Isolation, SealingLimits, Settings};
pub use states::Present;
pub use stats::TenantSize;
pub use table::{IndexState, Progress, TableInfo, Violation};
pub use tail::{Stop, Tail};
pub use transaction::Transaction;
pub use view::{At, Encoded, View};
pub use walk::{Step, Walk, WalkDirection};
pub use whole::{Logged, WholeLog};
