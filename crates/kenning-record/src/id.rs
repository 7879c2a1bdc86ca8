//! What a record is called for life.
//!
//! An id is a UUID. Where the caller gives neither id nor key it is of version 7, so that records
//! made one after the other lie beside each other. Where a key is given it is derived from tenant,
//! table and key (version 8), so that two writers that never met give one thing one id, and a link
//! may point to what does not exist yet.

use std::fmt;
use std::str::FromStr;

use kenning_store::{Error, Result};

/// The number of a tenant in one database.
pub type TenantNo = u32;

/// The number of a table in one database.
pub type TableNo = u32;

/// The number of a committed transaction. Later is greater.
pub type Version = u64;

const RECORD_DOMAIN: &[u8] = b"kenning record 1";
const LINK_DOMAIN: &[u8] = b"kenning link 1";

/// The name of a record, for life.
///
/// ```
/// use kenning_record::Id;
/// let id: Id = "0190163d-8694-739b-aea5-966c26f8ad91".parse()?;
/// assert_eq!(id.to_string(), "0190163d-8694-739b-aea5-966c26f8ad91");
/// assert_eq!("0190163D8694739BAEA5966C26F8AD91".parse::<Id>()?, id);
/// # Ok::<(), kenning_store::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub [u8; 16]);

/// One end of a link: a record, present or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct End {
    /// The table of the record.
    pub table: TableNo,
    /// The id that the record has or will have.
    pub id: Id,
}

impl Id {
    /// A new id of version 7 (RFC 9562): 48 bits of time, then 74 bits of chance.
    pub fn v7(now_ms: u64, random: [u64; 2]) -> Id {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&now_ms.to_be_bytes()[2..]);
        bytes[6..8].copy_from_slice(&random[0].to_be_bytes()[6..]);
        bytes[8..].copy_from_slice(&random[1].to_be_bytes());
        Id::marked(bytes, 7)
    }

    /// The id of version 7 for whoever makes several in one millisecond, so that the later ones are
    /// greater: the random part grows by a random step (RFC 9562, method 2). `None` if it would
    /// run over.
    pub fn next_v7(self, random: u32) -> Option<Id> {
        const TAIL: u64 = u64::MAX >> 2; // without the variant
        let mut bytes = self.0;
        let tail = u64::from_be_bytes(*bytes.last_chunk().expect("an id has sixteen bytes"));
        let next = (tail & TAIL) + 1 + u64::from(random);
        bytes[8..].copy_from_slice(&next.to_be_bytes());
        (next <= TAIL).then(|| Id::marked(bytes, 7))
    }

    /// The id of the record that `table` of `tenant` knows under `normal_key`.
    ///
    /// The key must be normalized. The names count, not the numbers, so that the id is the same in
    /// every database.
    pub fn derived(tenant: &str, table: &str, normal_key: &str) -> Id {
        Id::digest(&[RECORD_DOMAIN, tenant.as_bytes(), table.as_bytes(), normal_key.as_bytes()])
    }

    /// The id of the link of type `kind` between two records, each a table's name and an id. Not
    /// its number, which depends on the order in which a database made its tables.
    pub fn of_link(source: (&str, Id), kind: &str, target: (&str, Id)) -> Id {
        Id::digest(&[
            LINK_DOMAIN,
            source.0.as_bytes(),
            source.1.as_bytes(),
            kind.as_bytes(),
            target.0.as_bytes(),
            target.1.as_bytes(),
        ])
    }

    /// The sixteen bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The first 16 bytes of a BLAKE3 over the parts, each after its length, marked as version 8.
    fn digest(parts: &[&[u8]]) -> Id {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let hash = hasher.finalize();
        let bytes = hash.as_bytes().first_chunk().expect("a hash has 32 bytes");
        Id::marked(*bytes, 8)
    }

    /// Sets the bits that make `bytes` a UUID of `version`.
    fn marked(mut bytes: [u8; 16], version: u8) -> Id {
        bytes[6] = bytes[6] & 0x0f | version << 4;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Id(bytes)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (idx, byte) in self.0.iter().enumerate() {
            if matches!(idx, 4 | 6 | 8 | 10) {
                at += 1;
            }
            text[at] = DIGITS[usize::from(byte >> 4)];
            text[at + 1] = DIGITS[usize::from(byte & 0x0f)];
            at += 2;
        }
        f.write_str(std::str::from_utf8(&text).expect("digits and hyphens are ASCII"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Id {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        read(text.as_bytes()).map(Id).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            Error::invalid("ID_MALFORMED", format!("'{shown}' is not an id (a UUID)"))
        })
    }
}

/// Reads 32 hexadecimal digits, with four hyphens in their places or with none.
fn read(text: &[u8]) -> Option<[u8; 16]> {
    let hyphens = match text.len() {
        32 => false,
        36 => true,
        _ => return None,
    };
    let mut bytes = [0; 16];
    let mut rest = text;
    for (idx, byte) in bytes.iter_mut().enumerate() {
        if hyphens && matches!(idx, 4 | 6 | 8 | 10) {
            rest = rest.strip_prefix(b"-")?;
        }
        let ([high, low], after) = rest.split_first_chunk::<2>()?;
        *byte = (char::from(*high).to_digit(16)? << 4 | char::from(*low).to_digit(16)?) as u8;
        rest = after;
    }
    rest.is_empty().then_some(bytes)
}
