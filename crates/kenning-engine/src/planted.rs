//! Bugs that can be planted, so that the tests prove that they would notice them.
//!
//! A proof of trust that cannot fail is worth nothing. Each bug is one condition on the path it
//! spoils; a named test switches it on and asserts that the suite responsible for it complains.

/// A bug. Nobody wants one outside a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Strict commits do not wait for the disk.
    SkipSync,
    /// A commit is acknowledged before the store has it.
    AckBeforeCommit,
    /// Every seventh transaction forgets its index entries over property values.
    DropIndexWrite,
    /// Transactions of one group are not checked against each other.
    ForgetGroupConflicts,
    /// The record cache is not told about writes.
    StaleCache,
    /// A transaction that comes again under its own id lands again.
    ReplayTwice,
    /// A follower's watermark runs ahead of what it was given.
    WrongWatermark,
    /// Two transactions of one group get the same version.
    ReuseVersion,
    /// What is overwritten does not move to the history.
    DropHistory,
    /// A view of the past sees one version too many.
    OffByOneAsOf,
    /// A purge leaves in the log what the record said.
    PurgeSparesLog,
    /// How far an import has come is committed before the rows that it speaks of.
    MarkApart,
    /// The database does not note which backups there are of it.
    ForgetBackups,
    /// A part is named by the list of an index before it is stored.
    NameBeforePart,
    /// The list of an index says that its parts are complete up to where only memory is.
    SealedTooFar,
    /// A part that is made of others does not end the rows that they ended.
    LoseEnds,
    /// How far texts were computed is committed before what was computed.
    EmbeddedTooFar,
}
