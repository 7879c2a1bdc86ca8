//! Which key goes to which family, for engines that keep spaces apart.
//!
//! A family is an ordered map of its own (RocksDB: a column family; fjall: a keyspace). Spaces that
//! grow have one each, so that each is compacted and measured on its own; all other first bytes
//! share the default one. A key is stored whole, first byte included. A range is walked region by
//! region: a region is a run of first bytes with one family.

use crate::{Range, Space};

/// The names of the families. A key's family is an index into it. What is stored depends on it.
pub const FAMILIES: [&str; 8] = [
    "default",
    Space::Records.name(),
    Space::History.name(),
    Space::Log.name(),
    Space::Names.name(),
    Space::Fields.name(),
    Space::Links.name(),
    Space::Vectors.name(),
];

const DEFAULT: usize = 0;
const FIRST_BYTES: usize = 256;

const BY_FIRST_BYTE: [usize; FIRST_BYTES] = {
    let mut families = [DEFAULT; FIRST_BYTES];
    let own = [
        Space::Records,
        Space::History,
        Space::Log,
        Space::Names,
        Space::Fields,
        Space::Links,
        Space::Vectors,
    ];
    let mut idx = 0;
    while idx < own.len() {
        // In the order of `FAMILIES`, behind the default one.
        families[own[idx].byte() as usize] = idx + 1;
        idx += 1;
    }
    families
};

/// The family of a key; an empty key is in none, and is found in none.
pub fn family_of(key: &[u8]) -> usize {
    key.first().map_or(DEFAULT, |byte| BY_FIRST_BYTE[usize::from(*byte)])
}

/// A part of a range that lies in one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// The family, an index into [`FAMILIES`].
    pub family: usize,
    /// The part.
    pub range: Range,
}

/// The regions of `range`, smallest keys first.
pub fn regions(range: &Range) -> impl DoubleEndedIterator<Item = Region> {
    let from = range.from.first().map_or(0, |byte| usize::from(*byte));
    let until = match range.until.as_deref() {
        _ if range.is_empty() => from,
        None => FIRST_BYTES,
        // An empty bound is below every key.
        Some([]) => from,
        Some([byte]) => usize::from(*byte),
        Some([byte, ..]) => usize::from(*byte) + 1,
    };
    let mut regions: Vec<Region> = Vec::new();
    for (byte, family) in BY_FIRST_BYTE.into_iter().enumerate().take(until).skip(from) {
        match regions.last_mut() {
            Some(last) if last.family == family => last.range.until = after(byte),
            _ => {
                let first = vec![u8::try_from(byte).expect("there are 256 bytes")];
                let range = Range { from: first, until: after(byte) };
                regions.push(Region { family, range });
            }
        }
    }
    if let Some(first) = regions.first_mut() {
        first.range.from.clone_from(&range.from);
    }
    if let Some(last) = regions.last_mut() {
        last.range.until.clone_from(&range.until);
    }
    regions.into_iter()
}

/// The bound behind every key that begins with `byte`.
fn after(byte: usize) -> Option<Vec<u8>> {
    u8::try_from(byte + 1).ok().map(|next| vec![next])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_space_of_its_own_has_its_family() {
        for space in Space::ALL {
            let family = family_of(&[space.byte(), 1, 2]);
            let expected = FAMILIES.iter().position(|name| *name == space.name()).unwrap_or(0);
            assert_eq!(family, expected, "{}", space.name());
        }
        assert_eq!(family_of(&[0xff]), DEFAULT);
    }

    #[test]
    fn regions_cover_a_range_without_gap_or_overlap() {
        let bounds: Vec<Vec<u8>> =
            (0..=255u8).flat_map(|byte| [vec![byte], vec![byte, 5]]).collect();
        for from in &bounds {
            for until in bounds.iter().map(|bound| Some(bound.clone())).chain([None]) {
                let range = Range { from: from.clone(), until };
                let regions: Vec<Region> = regions(&range).collect();
                if range.is_empty() {
                    assert!(regions.is_empty(), "{range:?}");
                    continue;
                }
                assert_eq!(regions.first().unwrap().range.from, range.from);
                assert_eq!(regions.last().unwrap().range.until, range.until);
                for pair in regions.windows(2) {
                    assert_eq!(pair[0].range.until.as_ref(), Some(&pair[1].range.from));
                    assert_ne!(pair[0].family, pair[1].family);
                }
                for region in regions {
                    assert!(!region.range.is_empty(), "{region:?}");
                    assert_eq!(family_of(&region.range.from), region.family);
                }
            }
        }
    }
}
