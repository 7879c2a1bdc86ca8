//! Property values to ids: single and composite, unique or not, over nested paths and arrays.
//!
//! A property that is absent, null, an object or an empty array is indexed as null, so that an
//! index covers every record of its table. A unique index leaves such records out: nothing collides
//! with nothing. An array gives an entry for each of its elements; of several arrays in a composite
//! index, each combination, up to a limit.

use kenning_record::{IndexSpec, Json, Path, RecordRef, keys, order_json, order_value};
use kenning_record::{Kind, ValueRef, skip_ordered, unorder};
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
        let mut rows = vec![Vec::new()];
        for path in &self.spec.paths {
            let values = scalars(subject.record, path)?;
            if values.is_empty() && self.spec.unique {
                return Ok(());
            }
            rows = extend(rows, values)?;
        }
        target.extend(rows.into_iter().map(|row| self.entry(subject, &row)));
        Ok(())
    }
}

impl Fields {
    fn entry(&self, subject: &Subject<'_>, values: &[u8]) -> Entry {
        let Subject { tenant, table, id, .. } = *subject;
        if self.spec.unique {
            Entry {
                key: keys::field(tenant, table, self.number, values, None),
                payload: id.as_bytes().to_vec(),
                claim: Claim::Unique(self.number),
            }
        } else {
            Entry {
                key: keys::field(tenant, table, self.number, values, Some(&id)),
                payload: Vec::new(),
                claim: Claim::Shared,
            }
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

/// The ordered bytes of the scalars at `path`, without nulls and without doubles.
fn scalars(record: RecordRef<'_>, path: &Path) -> Result<Vec<Vec<u8>>> {
    let mut values: Vec<Vec<u8>> = Vec::new();
    record.properties()?.path(path, &mut |value| {
        if is_ordered(value)? {
            let mut bytes = Vec::with_capacity(16);
            order_value(value, &mut bytes)?;
            values.push(bytes);
        }
        too_many(values.len())
    })?;
    if values.len() > 1 {
        values.sort_unstable();
        values.dedup();
    }
    Ok(values)
}

/// Whether a value has a place in the order of an index of its own; null has one where there is
/// nothing else.
pub(crate) fn is_ordered(value: ValueRef<'_>) -> Result<bool> {
    match value.kind()? {
        Kind::Null | Kind::Object | Kind::Array => Ok(false),
        Kind::Bool | Kind::Number | Kind::Text => Ok(true),
    }
}

/// Every row followed by every value; by null where there is none.
fn extend(rows: Vec<Vec<u8>>, mut values: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
    if values.is_empty() {
        let mut null = Vec::new();
        order_json(&Json::Null, &mut null)?;
        values.push(null);
    }
    if rows.len() == 1 && values.len() == 1 && rows[0].is_empty() {
        return Ok(values);
    }
    too_many(rows.len() * values.len())?;
    let with = |row: &Vec<u8>| values.iter().map(|value| [&row[..], value].concat()).collect();
    Ok(rows.iter().flat_map::<Vec<_>, _>(with).collect())
}

fn too_many(entries: usize) -> Result<()> {
    if entries > ENTRIES_MAX {
        return Err(Error::exhausted(
            "INDEX_ENTRIES_TOO_MANY",
            format!(
                "a record gives {entries} or more entries in one index, the most is {ENTRIES_MAX}"
            ),
        ));
    }
    Ok(())
}
