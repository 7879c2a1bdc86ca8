//! What must be in the folder.
//!
//! `keyspaces/` has a folder for each tree: 0 is fjall's own, which knows the others by their
//! numbers, and one follows for each family. In each, `current` names the file that lists the
//! tree's tables, `v<number>`, and has its sum. fjall reads neither the sum nor the absence as
//! damage: a tree without `current` is deleted, and without the tree 0 all of them are. So this is
//! looked at before fjall is let in.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use kenning_store::Result;
use kenning_store::regions::FAMILIES;

use crate::error::{damaged, io_error};
use crate::files::sum;
use crate::journal;

const MARKER: &str = "version";
const KEYSPACES: &str = "keyspaces";
const CURRENT: &str = "current";
const TABLES: &str = "tables";
/// A number, a sum, and which sum it is.
const CURRENT_BYTES: usize = 8 + 16 + 1;
const XXH3: u8 = 0;

/// Checks that a store that was made is all there.
pub(crate) fn check(store: &Path) -> Result<()> {
    if !store.join(MARKER).exists() {
        return Err(damaged("fjall's marker is gone"));
    }
    if journal::files(store)?.is_empty() {
        return Err(damaged("the journal is gone"));
    }
    for tree in 0..=FAMILIES.len() {
        check_list(&store.join(KEYSPACES).join(tree.to_string()))?;
    }
    check_own(store)
}

/// Makes the folders of the trees durable, which fjall does not.
pub(crate) fn sync(store: &Path) -> Result<()> {
    let failed = |error| io_error("syncing the folder of the trees", error);
    crate::files::sync_folder(&store.join(KEYSPACES)).map_err(failed)?;
    crate::files::sync_folder(store).map_err(failed)
}

/// Checks a tree's list of tables.
pub(crate) fn check_list(tree: &Path) -> Result<()> {
    list(tree).map(|_| ())
}

/// Checks fjall's own tree, whose tables never change once the others are made.
pub(crate) fn check_own(store: &Path) -> Result<()> {
    let tree = store.join(KEYSPACES).join("0");
    let listed = list(&tree)?;
    let failed = |error: io::Error| io_error("reading fjall's own tree", error);
    let toc = sfa::Reader::new(&listed).map_err(|error| damaged(error.to_string()))?;
    let tables =
        toc.toc().section(b"tables").ok_or_else(|| damaged("fjall's own tree has no tables"))?;
    for (number, expected) in
        read_tables(tables.reader(&listed).map_err(failed)?).map_err(failed)?
    {
        let path = tree.join(TABLES).join(number.to_string());
        if sum(&path).map_err(failed)?.0 != expected {
            return Err(damaged(format!("{} has a wrong checksum", path.display())));
        }
    }
    Ok(())
}

/// The file that lists the tables of a tree, which has the sum that it should have.
fn list(tree: &Path) -> Result<std::path::PathBuf> {
    let failed = |error| io_error(&format!("reading {}", tree.display()), error);
    let current = fs::read(tree.join(CURRENT)).map_err(failed)?;
    let wrong = || damaged(format!("{} does not name its list of tables", tree.display()));
    let current: [u8; CURRENT_BYTES] = current.try_into().map_err(|_| wrong())?;
    let (number, rest) = current.split_first_chunk().ok_or_else(wrong)?;
    let (expected, kind) = rest.split_first_chunk().ok_or_else(wrong)?;
    let path = tree.join(format!("v{}", u64::from_le_bytes(*number)));
    let (sum, _) = sum(&path).map_err(failed)?;
    if sum != u128::from_le_bytes(*expected) || kind != [XXH3] {
        return Err(damaged(format!("{} has a wrong checksum", path.display())));
    }
    Ok(path)
}

/// The tables of a list: number and sum of each, level by level, run by run.
fn read_tables(mut list: impl Read) -> io::Result<Vec<(u64, u128)>> {
    let mut tables = Vec::new();
    for _level in 0..u8::from_le_bytes(array(&mut list)?) {
        for _run in 0..u8::from_le_bytes(array(&mut list)?) {
            for _table in 0..u32::from_le_bytes(array(&mut list)?) {
                let number = u64::from_le_bytes(array(&mut list)?);
                let _kind: [u8; 1] = array(&mut list)?;
                let sum = u128::from_le_bytes(array(&mut list)?);
                let _sequence: [u8; 8] = array(&mut list)?;
                tables.push((number, sum));
            }
        }
    }
    Ok(tables)
}

fn array<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}
