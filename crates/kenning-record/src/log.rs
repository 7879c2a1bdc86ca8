//! The bytes of one transaction in the log.
//!
//! A transaction collects its changes, and sums them, on its own thread ([`LogBody`]); the
//! committer adds what only it knows ([`LogHead`]) and continues the sum. The sum covers the
//! changes, then what stands before them, then the version from the key, so that an entry under a
//! wrong key is noticed.
//!
//! Specified in `docs/format/log.md`.

use crc32fast::Hasher;
use kenning_store::{Error, Result};

use crate::{Id, TableNo, Version, varint};

const CODEC_AT: usize = 0;
const ENCRYPTION_KEY_AT: usize = 1;
const TRANSACTION_AT: usize = 2;
const ORIGIN_AT: usize = 18;
const INSTANT_AT: usize = 34;
const PREVIOUS_AT: usize = 42;
const SCHEMA_AT: usize = 50;
const HEAD_BYTES: usize = 58;

const _: () = assert!(CODEC_AT + size_of::<u8>() == ENCRYPTION_KEY_AT);
const _: () = assert!(ENCRYPTION_KEY_AT + size_of::<u8>() == TRANSACTION_AT);
const _: () = assert!(TRANSACTION_AT + size_of::<[u8; 16]>() == ORIGIN_AT);
const _: () = assert!(ORIGIN_AT + size_of::<[u8; 16]>() == INSTANT_AT);
const _: () = assert!(INSTANT_AT + size_of::<i64>() == PREVIOUS_AT);
const _: () = assert!(PREVIOUS_AT + size_of::<Version>() == SCHEMA_AT);
const _: () = assert!(SCHEMA_AT + size_of::<Version>() == HEAD_BYTES);

/// The changes as they are: neither compressed nor encrypted.
const PLAIN: u8 = 0;
/// No encryption.
const NO_KEY: u8 = 0;

const DELETE: u8 = 0;
const PUT: u8 = 1;

/// What the committer knows about a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// Its version; it is in the key of the entry, and in the sum.
    pub version: Version,
    /// The id that the client gave it.
    pub transaction: [u8; 16],
    /// The database in which it was first committed.
    pub origin: [u8; 16],
    /// When it was committed, in milliseconds since the epoch.
    pub instant: i64,
    /// The tenant's version before it.
    pub previous: Version,
    /// The version of the tenant's latest change of a schema.
    pub schema: Version,
}

/// The changes of a transaction, before it has a version.
#[derive(Clone, Debug, Default)]
pub struct LogBody {
    bytes: Vec<u8>,
    n: u64,
    sum: Hasher,
    tables: Vec<TableNo>,
}

impl LogBody {
    /// No changes.
    pub fn new() -> Self {
        LogBody::default()
    }

    /// Adds a change: the payload that the record has `after` it, or `None` for a delete.
    pub fn push(&mut self, table: TableNo, id: Id, after: Option<&[u8]>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&table.to_le_bytes());
        self.bytes.extend_from_slice(id.as_bytes());
        match after {
            None => self.bytes.push(DELETE),
            Some(payload) => {
                self.bytes.push(PUT);
                varint::push_bytes(payload, &mut self.bytes);
            }
        }
        self.n += 1;
        self.sum.update(&self.bytes[start..]);
        // The last one first: most transactions change few tables, one after the other.
        if !self.tables.iter().rev().any(|known| *known == table) {
            self.tables.push(table);
        }
    }

    /// The tables that are changed.
    pub fn tables(&self) -> &[TableNo] {
        &self.tables
    }

    /// How many changes.
    pub fn len(&self) -> usize {
        self.n as usize
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// About how many bytes the entry will have; never fewer than it has.
    pub fn size_bytes(&self) -> usize {
        const N_BYTES_MAX: usize = 10;
        HEAD_BYTES + N_BYTES_MAX + self.bytes.len() + size_of::<u32>()
    }

    /// Appends the entry.
    pub fn finish(&self, head: LogHead, target: &mut Vec<u8>) {
        target.reserve(self.size_bytes());
        let start = target.len();
        target.extend_from_slice(&[PLAIN, NO_KEY]);
        target.extend_from_slice(&head.transaction);
        target.extend_from_slice(&head.origin);
        target.extend_from_slice(&head.instant.to_le_bytes());
        target.extend_from_slice(&head.previous.to_le_bytes());
        target.extend_from_slice(&head.schema.to_le_bytes());
        varint::push(self.n, target);
        let sum = entry_sum(self.sum.clone(), &target[start..], head.version);
        target.extend_from_slice(&self.bytes);
        target.extend_from_slice(&sum.to_le_bytes());
    }
}

/// One transaction, read from the log.
#[derive(Clone, Copy, Debug)]
pub struct LogEntry<'a> {
    /// What the committer knew.
    pub head: LogHead,
    n: u64,
    changes: &'a [u8],
}

/// One record, as a transaction left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogChange<'a> {
    /// Its table.
    pub table: TableNo,
    /// Its id.
    pub id: Id,
    /// Its payload, to be read with [`RecordRef`](crate::RecordRef); `None` if it was deleted.
    pub after: Option<&'a [u8]>,
}

impl<'a> LogEntry<'a> {
    /// Reads the entry that was found under `version`, and checks its sum.
    pub fn decode(bytes: &'a [u8], version: Version) -> Result<Self> {
        let (covered, sum) = bytes.split_last_chunk().ok_or_else(|| damaged("its length"))?;
        let head_bytes = covered.first_chunk().ok_or_else(|| damaged("its length"))?;
        let mut changes = &covered[HEAD_BYTES..];
        let n = varint::take(&mut changes).ok_or_else(|| damaged("its count"))?;
        let mut hasher = Hasher::new();
        hasher.update(changes);
        let before = &covered[..covered.len() - changes.len()];
        if entry_sum(hasher, before, version) != u32::from_le_bytes(*sum) {
            let message = format!("the checksum of the log entry of version {version} is wrong");
            return Err(Error::corrupt("CHECKSUM", message));
        }
        let head = read_head(head_bytes, version)?;
        Ok(LogEntry { head, n, changes })
    }

    /// How many records changed.
    pub fn len(&self) -> usize {
        self.n as usize
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The changes, in the order in which they were made. After damage it ends.
    pub fn changes(&self) -> impl Iterator<Item = Result<LogChange<'a>>> + use<'a> {
        let mut rest = self.changes;
        let mut left = self.n;
        std::iter::from_fn(move || {
            if left == 0 {
                let surplus = !std::mem::take(&mut rest).is_empty();
                return surplus.then(|| Err(damaged("its end")));
            }
            let change = take_change(&mut rest);
            left = if change.is_some() { left - 1 } else { 0 };
            Some(change.ok_or_else(|| {
                rest = &[];
                damaged("a change")
            }))
        })
    }
}

fn read_head(bytes: &[u8; HEAD_BYTES], version: Version) -> Result<LogHead> {
    if [bytes[CODEC_AT], bytes[ENCRYPTION_KEY_AT]] != [PLAIN, NO_KEY] {
        return Err(Error::corrupt(
            "LOG_CODEC",
            format!("the log entry of version {version} has a codec that is not known here"),
        ));
    }
    Ok(LogHead {
        version,
        transaction: field(bytes, TRANSACTION_AT),
        origin: field(bytes, ORIGIN_AT),
        instant: i64::from_le_bytes(field(bytes, INSTANT_AT)),
        previous: Version::from_le_bytes(field(bytes, PREVIOUS_AT)),
        schema: Version::from_le_bytes(field(bytes, SCHEMA_AT)),
    })
}

fn field<const N: usize>(bytes: &[u8; HEAD_BYTES], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk().expect("the fields add up to the head")
}

fn take_change<'a>(rest: &mut &'a [u8]) -> Option<LogChange<'a>> {
    let (table, after) = rest.split_first_chunk()?;
    let (id, after) = after.split_first_chunk()?;
    let (tag, after) = after.split_first()?;
    *rest = after;
    let after = match *tag {
        DELETE => None,
        PUT => Some(varint::take_bytes(rest)?),
        _ => return None,
    };
    Some(LogChange { table: TableNo::from_le_bytes(*table), id: Id(*id), after })
}

/// Continues the sum of the changes over what stands before them and over the version.
fn entry_sum(mut changes: Hasher, before: &[u8], version: Version) -> u32 {
    changes.update(before);
    changes.update(&version.to_le_bytes());
    changes.finalize()
}

fn damaged(what: &str) -> Error {
    Error::corrupt("LOG_DAMAGED", format!("a log entry is damaged at {what}"))
}
