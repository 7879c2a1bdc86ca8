//! The two traits. Each further method would be a promise that every engine must keep.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::{Batch, BoxFuture, Bytes, Folder, Page, Range, Result, Scan};

/// An ordered map from bytes to bytes, with atomic batches and frozen views.
///
/// This is the only door to durable state. An engine settles no conflicts: who commits is one
/// thread above it.
pub trait Store: Send + Sync + 'static {
    /// Returns a view that no later commit can change.
    ///
    /// With strict commits only, the view shows durable batches only.
    fn snapshot(&self) -> BoxFuture<'_, Result<Arc<dyn Snapshot>>>;

    /// Applies every write in `batch`, or none.
    ///
    /// With `Durability::Strict`, this batch and every earlier one survive a power loss when this
    /// returns. After an error it is unknown whether the batch will be there when the store is
    /// opened again; snapshots taken from this handle do not show it.
    fn commit(&self, batch: Batch, durability: Durability) -> BoxFuture<'_, Result<()>>;

    /// Writes a consistent copy, which opens as a store of its own, into `target`, a folder that
    /// does not exist, and returns a view of exactly what is in it. The copy may be moved or opened
    /// once that view is dropped.
    fn checkpoint<'a>(&'a self, target: &'a Path) -> BoxFuture<'a, Result<Arc<dyn Snapshot>>>;

    /// The folder that it lives in; `None` if it lives in none.
    fn folder(&self) -> Option<&Folder>;

    /// Rewrites what is stored without what is no longer needed.
    fn compact(&self) -> BoxFuture<'_, Result<()>>;

    /// Compacts, and leaves no byte of what is gone behind: what was deleted or overwritten before,
    /// and is shown by no snapshot, is in no file of the store any more, nor in its logs and lists.
    fn erase(&self) -> BoxFuture<'_, Result<()>>;

    /// Reads everything, checks every checksum below this border, and tells what is wrong.
    fn verify(&self) -> BoxFuture<'_, Result<Vec<Finding>>>;

    /// About how many bytes the keys of `range` use, in memory and on disk.
    fn size_bytes<'a>(&'a self, range: &'a Range) -> BoxFuture<'a, Result<u64>>;

    /// Stores an immutable blob beside the keys, durable when this returns. Putting the same bytes
    /// again is allowed; other bytes under the same id are refused with `Invalid PART_EXISTS`.
    fn put_part(&self, part: PartId, bytes: Bytes) -> BoxFuture<'_, Result<()>>;

    /// Reads `bytes` of a blob; shorter where the blob ends. `None` when there is no such blob.
    fn read_part(
        &self,
        part: PartId,
        bytes: std::ops::Range<u64>,
    ) -> BoxFuture<'_, Result<Option<Bytes>>>;

    /// All bytes of a blob, mapped into memory where it is a file. They are checked once, now:
    /// damage is `Corrupt`. `None` when there is no such blob. They stay when it is removed.
    fn map_part(&self, part: PartId) -> BoxFuture<'_, Result<Option<Bytes>>>;

    /// Removes a blob, present or not.
    fn drop_part(&self, part: PartId) -> BoxFuture<'_, Result<()>>;

    /// Lists the blobs in order of their ids.
    fn parts(&self) -> BoxFuture<'_, Result<Vec<PartId>>>;
}

/// A view of a store that no later commit changes. It keeps what it needs alive.
pub trait Snapshot: Send + Sync {
    /// Answers at once if it can do so from memory or cache.
    fn try_get(&self, key: &[u8]) -> Result<Found>;

    /// Reads several keys; the answers are in the order of `keys`.
    fn get_many<'a>(&'a self, keys: &'a [&'a [u8]]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>>>;

    /// Reads one page of a range.
    fn page<'a>(&'a self, scan: &'a Scan) -> BoxFuture<'a, Result<Page>>;
}

/// What `try_get` knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The value.
    Here(Bytes),
    /// There is no such key.
    Absent,
    /// It takes waiting to know: ask with `get_many`.
    Elsewhere,
}

/// How long a commit waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Until it survives a power loss.
    Strict,
    /// Until it is visible. A later strict commit makes it durable.
    Relaxed,
}

/// The name of a blob. Shown as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartId(pub u128);

impl fmt::Display for PartId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// One thing that `verify` found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which kind of damage, stable for programs.
    pub code: &'static str,
    /// Where, and what was expected.
    pub message: String,
}

impl dyn Snapshot + '_ {
    /// Reads one key.
    pub async fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        match self.try_get(key)? {
            Found::Here(value) => Ok(Some(value)),
            Found::Absent => Ok(None),
            Found::Elsewhere => {
                let mut values = self.get_many(&[key]).await?;
                Ok(values.pop().expect("one key has one answer"))
            }
        }
    }
}
