//! What a range takes.
//!
//! fjall knows the size of its tables, not of ranges. What is small is counted; of what is large,
//! the tables inside count whole, and of the two at its ends a share: keys are taken for spread
//! evenly between the first and the last one.

use std::ops::Deref;

use fjall::{AbstractTree, Keyspace};
use kenning_store::regions::Region;
use kenning_store::{Range, Result};

use crate::error::store_error;
use crate::snapshot::walk;
use crate::store::Tables;

/// So much is counted, row by row.
const COUNTED_BYTES_MAX: u64 = 8 << 20;
const COUNTED_ROWS_MAX: usize = 10_000;

impl Tables {
    pub(crate) fn size_bytes(&self, view: &fjall::Snapshot, region: Region) -> Result<u64> {
        let mut counted = 0;
        for (row, entry) in walk(self, view, &region).enumerate() {
            let (key, value) =
                entry.into_inner().map_err(|error| store_error("measuring", error))?;
            counted += (key.len() + value.len()) as u64;
            if row >= COUNTED_ROWS_MAX || counted > COUNTED_BYTES_MAX {
                return Ok(counted.max(estimate(&self.keyspaces[region.family], &region.range)));
            }
        }
        Ok(counted)
    }
}

fn estimate(keyspace: &Keyspace, range: &Range) -> u64 {
    let (mut stored, mut inside) = (0.0, 0.0);
    for table in keyspace.tree.current_version().iter_tables() {
        let size = table.metadata.file_size as f64;
        let keys = &table.metadata.key_range;
        stored += size;
        inside += size * share(range, keys.min(), keys.max());
    }
    let recent = keyspace.tree.active_memtable();
    let in_range = |key: &[u8]| range.contains(key);
    let recent_inside: usize = recent
        .iter()
        .filter(|entry| in_range(&entry.key.user_key))
        .map(|entry| entry.key.user_key.len() + entry.value.len())
        .sum();
    // Tables on their way to the disk are not shown. They are taken for spread like the others.
    let on_their_way = keyspace.tree.version_memtable_size_sum().saturating_sub(recent.size());
    let spread = if stored > 0.0 { inside / stored } else { 1.0 };
    (inside + on_their_way as f64 * spread) as u64 + recent_inside as u64
}

/// The part of the keys between `min` and `max` that lies in a range.
fn share(range: &Range, min: &[u8], max: &[u8]) -> f64 {
    if range.from.as_slice() > max || range.until.as_deref().is_some_and(|until| until <= min) {
        return 0.0;
    }
    let from = if range.from.deref() <= min { 0.0 } else { position(&range.from, min, max) };
    let until = match range.until.as_deref() {
        Some(until) if until <= max => position(until, min, max),
        _ => 1.0,
    };
    (until - from).clamp(0.0, 1.0)
}

/// How far `key` lies between `min`, which is 0, and `max`, which is 1.
fn position(key: &[u8], min: &[u8], max: &[u8]) -> f64 {
    let same = min.iter().zip(max).take_while(|(min, max)| min == max).count();
    let number = |key: &[u8]| {
        let bytes = key.iter().skip(same).chain(std::iter::repeat(&0)).take(size_of::<u64>());
        bytes.fold(0u64, |number, byte| number << u8::BITS | u64::from(*byte)) as f64
    };
    let (min, max) = (number(min), number(max));
    if max > min { ((number(key) - min) / (max - min)).clamp(0.0, 1.0) } else { 0.5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        let (min, max) = (&[0x10, 0, 0][..], &[0x10, 200][..]);
        let all = Range::prefix([0x10]);
        assert_eq!(share(&all, min, max), 1.0);
        assert_eq!(share(&Range::prefix([0x11]), min, max), 0.0);
        let below = share(&Range::new([0x10], [0x10, 50]), min, max);
        let above = share(&Range::new([0x10, 50], [0x11]), min, max);
        assert!((below - 0.25).abs() < 0.01, "{below}");
        assert!((below + above - 1.0).abs() < 1e-9, "{below} and {above}");
    }
}
