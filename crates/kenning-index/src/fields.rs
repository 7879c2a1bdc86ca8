//! Property values to ids: single and composite, unique or not, over nested paths and arrays.
//!
//! A property that is absent, null, an object or an empty array is indexed as null, so that an
//! index covers every record of its table. A unique index leaves such records out: nothing collides
//! with nothing. An array gives an entry for each of its elements; of several arrays in a composite
//! index, each combination, up to a limit.

use kenning_record::{Id, IndexSpec, Json, Kind, Path, RecordRef, ValueRef};
use kenning_record::{keys, order_json, order_value, skip_ordered, unorder};
use kenning_store::{Error, Result};

use crate::{Claim, Entries, Entry, Index, Subject};

/// Entries that one record may have in one index.
const ENTRIES_MAX: usize = 1_000;

/// One index over property values.
pub struct Fields {
    /// Its number in its table, never reused.
    pub number: u32,
    /// What it covers.
    pub spec: IndexSpec,
}

impl Index for Fields {
    fn entries(&self, subject: &Subject<'_>, target: &mut Entries) -> Result<()> {
        let Subject { tenant, table, id, record } = *subject;
        let mut rows = vec![keys::fields(tenant, table, self.number)];
        for path in &self.spec.paths {
            let values = Scalars::at(record, path)?;
            if values.first.is_none() && self.spec.unique {
                return Ok(());
            }
            values.extend(&mut rows)?;
        }
        target.extend(rows.into_iter().map(|row| self.entry(row, &id)));
        Ok(())
    }
}

impl Fields {
    fn entry(&self, mut key: Vec<u8>, id: &Id) -> Entry {
        if self.spec.unique {
            let payload = id.as_bytes().to_vec();
            Entry { key, payload, claim: Claim::Unique(self.number) }
        } else {
            key.extend_from_slice(id.as_bytes());
            Entry { key, payload: Vec::new(), claim: Claim::Shared }
        }
    }
}

/// The values in the key of an entry.
pub fn values(mut bytes: &[u8]) -> Result<Vec<Json>> {
    let mut values = Vec::new();
    while !bytes.is_empty() {
        let (value, rest) = bytes.split_at(skip_ordered(bytes)?);
        values.push(unorder(value)?);
        bytes = rest;
    }
    Ok(values)
}

/// The scalars at a path, without nulls. Most often it is one.
struct Scalars<'a> {
    first: Option<ValueRef<'a>>,
    more: Vec<ValueRef<'a>>,
}

impl<'a> Scalars<'a> {
    fn at(record: RecordRef<'a>, path: &Path) -> Result<Self> {
        let mut found = Scalars { first: None, more: Vec::new() };
        record.properties()?.path(path, &mut |value| {
            if is_ordered(value)? {
                match found.first {
                    None => found.first = Some(value),
                    Some(_) => found.more.push(value),
                }
            }
            too_many(1 + found.more.len())
        })?;
        Ok(found)
    }

    /// Every row followed by every value, once; by null where there is none.
    fn extend(&self, rows: &mut Vec<Vec<u8>>) -> Result<()> {
        if self.more.is_empty() {
            return rows.iter_mut().try_for_each(|row| match self.first {
                Some(value) => order_value(value, row),
                None => order_json(&Json::Null, row),
            });
        }
        let ordered = |value: &ValueRef<'_>| {
            let mut bytes = Vec::new();
            order_value(*value, &mut bytes).map(|()| bytes)
        };
        let values = self.first.iter().chain(&self.more).map(ordered);
        let mut values = values.collect::<Result<Vec<_>>>()?;
        values.sort_unstable();
        values.dedup();
        too_many(rows.len() * values.len())?;
        let with = |row: &Vec<u8>| values.iter().map(|value| [&row[..], value].concat()).collect();
        *rows = rows.iter().flat_map::<Vec<_>, _>(with).collect();
        Ok(())
    }
}

/// Whether a value has a place in the order of an index of its own; null has one where there is
/// nothing else.
fn is_ordered(value: ValueRef<'_>) -> Result<bool> {
    match value.kind()? {
        Kind::Null | Kind::Object | Kind::Array => Ok(false),
        Kind::Bool | Kind::Number | Kind::Text => Ok(true),
    }
}

fn too_many(entries: usize) -> Result<()> {
    if entries > ENTRIES_MAX {
        return Err(Error::exhausted(
            "INDEX_ENTRIES_TOO_MANY",
            format!(
                "a record has {entries} or more values for one index, the most is {ENTRIES_MAX}"
            ),
        ));
    }
    Ok(())
}
