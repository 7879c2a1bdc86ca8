//! Reading everything, from the disk.
//!
//! A block in the cache is fine, whatever became of it on the disk. So each file is opened again
//! and read to its end. fjall notes the sum of a whole table where it lists it, and the sum of the
//! list where it names that, and checks neither; both are checked here. Then the keys of each table
//! are walked past the cache. Meanwhile a table that is merged away stays until it was read.

use fjall::{AbstractTree, Keyspace};
use kenning_store::regions::{FAMILIES, family_of};
use kenning_store::{Error, ErrorKind, Finding, Result};

use crate::error::{damaged, io_error, store_error};
use crate::files::sum;
use crate::store::{Engine, Tables};
use crate::{filler, journal, trees};

impl Engine {
    pub(crate) fn verify(&self) -> Result<Vec<Finding>> {
        let mut findings = self.folder.verify_parts()?;
        let tables = self.tables();
        let store = self.folder.store();
        note(&mut findings, "fjall's own tree", trees::check_own(&store))?;
        for (family, keyspace) in tables.keyspaces.iter().enumerate() {
            let name = FAMILIES[family];
            {
                // While the list is read, there is no other.
                let _versions = keyspace.tree.get_version_history_lock();
                note(&mut findings, name, trees::check_list(keyspace.path()))?;
            }
            verify_tables(&mut findings, family, keyspace)?;
        }
        note(&mut findings, "the journal", self.verify_journal(tables))?;
        Ok(findings)
    }

    /// What is in the journal was written or replayed by this handle, so all of it must check.
    fn verify_journal(&self, tables: &Tables) -> Result<()> {
        let _alone = tables.alone();
        let mut last = None;
        for path in journal::files(&self.folder.store())? {
            let contents = match journal::read(&path, last) {
                // Written out since it was listed.
                Err(_) if !path.exists() => continue,
                contents => contents?,
            };
            // A commit that failed may have left half of itself.
            if !contents.is_whole && !tables.has_failed() {
                return Err(damaged(format!("{} is damaged", path.display())));
            }
            last = contents.last.or(last);
        }
        Ok(())
    }
}

/// Damage is what was looked for; anything else kept us from looking.
fn note(findings: &mut Vec<Finding>, place: &str, looked: Result<()>) -> Result<()> {
    match looked {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            findings.push(Finding { code: error.code(), message: format!("{place}: {error}") });
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn verify_tables(findings: &mut Vec<Finding>, family: usize, keyspace: &Keyspace) -> Result<()> {
    let place = format!("keyspace {}", FAMILIES[family]);
    for table in keyspace.tree.current_version().iter_tables() {
        let path = table.path.as_path();
        let looked = match sum(path) {
            Err(error) => Err(io_error(&format!("reading {}", path.display()), error)),
            Ok((sum, _)) if sum != table.checksum().into_u128() => {
                Err(damaged(format!("{} has a wrong checksum", path.display())))
            }
            Ok(_) => {
                let entries = table.scan().map_err(|error| reading_failed(error.into()))?;
                let entries = entries.map(|entry| {
                    let entry = entry.map_err(|error| reading_failed(error.into()))?;
                    Ok((entry.key.user_key, entry.value))
                });
                check_entries(family, entries)
            }
        };
        note(findings, &place, looked)?;
    }
    Ok(())
}

fn reading_failed(error: fjall::Error) -> Error {
    store_error("reading everything", error)
}

/// Checks that keys ascend and belong where they are.
fn check_entries(
    family: usize,
    entries: impl Iterator<Item = Result<(fjall::UserKey, fjall::UserValue)>>,
) -> Result<()> {
    let mut last: Option<fjall::UserKey> = None;
    for entry in entries {
        let (key, value) = entry?;
        let fits = !key.is_empty() && filler::fits(key.len(), value.len());
        // A key may be there more than once, as it was at different times.
        let ascends = last.is_none_or(|last| last <= key);
        if !fits || !ascends || family_of(&key) != family {
            return Err(damaged(format!("a key of {} bytes does not belong there", key.len())));
        }
        last = Some(key);
    }
    Ok(())
}
