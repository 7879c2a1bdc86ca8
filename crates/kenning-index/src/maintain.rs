//! What an index is, and how a change of a record becomes a change of its entries.

use std::cmp::Ordering;

use kenning_record::{Id, RecordRef, TableNo, TenantNo};
use kenning_store::Result;

/// A function from a record to its entries.
pub trait Index: Send + Sync {
    /// Appends the entries that `subject` should have, in any order; doubles are dropped later.
    fn entries(&self, subject: &Subject<'_>, target: &mut Entries) -> Result<()>;
}

/// A record and where it lives.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Its tenant.
    pub tenant: TenantNo,
    /// Its table.
    pub table: TableNo,
    /// Its id.
    pub id: Id,
    /// What it says.
    pub record: RecordRef<'a>,
}

/// The entries of one record.
pub type Entries = Vec<Entry>;

/// One key of an index, and the payload that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The whole key, space byte included.
    pub key: Vec<u8>,
    /// The payload, without the frame of an exact entry.
    pub payload: Vec<u8>,
    /// Whether the key must be free.
    pub claim: Claim,
}

/// What a put of an entry demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: the key contains the id.
    Shared,
    /// No other record of the table has this key.
    Key,
    /// No other record of the table has this value in the index with this number.
    Unique(u32),
}

/// One change of an index.
#[derive(Debug, PartialEq, Eq)]
pub enum Edit {
    /// The entry is new, or has another payload.
    Put(Entry),
    /// The entry is gone.
    Delete(Entry),
}

impl Edit {
    /// The entry that it is about.
    pub fn into_entry(self) -> Entry {
        match self {
            Edit::Put(entry) | Edit::Delete(entry) => entry,
        }
    }
}

/// The edits that lead from `before` to `after`. Entries in both stay untouched, and so do the
/// versions they are from.
pub fn difference(mut before: Entries, mut after: Entries) -> Vec<Edit> {
    sort(&mut before);
    sort(&mut after);
    let mut edits = Vec::with_capacity(before.len() + after.len());
    let (mut before, mut after) = (before.into_iter().peekable(), after.into_iter().peekable());
    loop {
        let order = match (before.peek(), after.peek()) {
            (Some(old), Some(new)) => old.key.cmp(&new.key),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return edits,
        };
        match order {
            Ordering::Less => edits.extend(before.next().map(Edit::Delete)),
            Ordering::Greater => edits.extend(after.next().map(Edit::Put)),
            Ordering::Equal => {
                let (old, new) = (before.next(), after.next());
                if old.map(|entry| entry.payload) != new.as_ref().map(|entry| entry.payload.clone())
                {
                    edits.extend(new.map(Edit::Put));
                }
            }
        }
    }
}

fn sort(entries: &mut Entries) {
    if entries.len() > 1 {
        entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        entries.dedup_by(|a, b| a.key == b.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, payload: &str) -> Entry {
        Entry { key: key.into(), payload: payload.into(), claim: Claim::Shared }
    }

    #[test]
    fn what_is_in_both_stays_untouched() {
        let before = vec![entry("b", ""), entry("a", ""), entry("c", "1")];
        let after = vec![entry("c", "2"), entry("b", ""), entry("d", ""), entry("d", "")];
        let expected = vec![
            Edit::Delete(entry("a", "")),
            Edit::Put(entry("c", "2")),
            Edit::Put(entry("d", "")),
        ];
        assert_eq!(difference(before, after), expected);
    }
}
