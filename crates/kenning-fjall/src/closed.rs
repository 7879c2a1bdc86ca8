//! The note of a clean end.
//!
//! A closed store keeps recent writes in its journal, for the next open to replay. `CLOSED`, beside
//! the journal, says which files it consists of, how long they are and what their sums are:
//! whatever does not fit then is damage. After a crash there is no note, and what is torn at the
//! end of the journal is what nobody was promised.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use kenning_store::Result;

use crate::error::{damaged, io_error};
use crate::files::{sum, sync_folder};
use crate::journal;

const CLOSED: &str = "CLOSED";
const CLOSED_NEXT: &str = "CLOSED.next";

/// Whether the store was closed, and not left by a crash.
pub(crate) fn is_closed(store: &Path) -> bool {
    store.join(CLOSED).exists()
}

/// Checks that the journal is what it was when the store was closed.
pub(crate) fn check(store: &Path) -> Result<()> {
    let path = store.join(CLOSED);
    let said = fs::read(&path).map_err(|error| io_error("reading how it was closed", error))?;
    if said == note(store)?.into_bytes() {
        return Ok(());
    }
    Err(damaged("the journal is not the one with which the store was closed"))
}

/// Removes the note durably: the next crash may tear the journal.
pub(crate) fn forget(store: &Path) -> Result<()> {
    fs::remove_file(store.join(CLOSED))
        .and_then(|()| sync_folder(store))
        .map_err(|error| io_error("removing the note of a clean end", error))
}

/// Shortens the journal to its batches, or to nothing if the tables have them all, and notes what
/// it is. Nobody has the store open.
pub(crate) fn say(store: &Path, is_written_out: bool) -> Result<()> {
    let failed = |error| io_error("closing the journal", error);
    let files = journal::files(store)?;
    let Some((newest, older)) = files.split_last() else {
        return Err(damaged("the journal is gone"));
    };
    if is_written_out {
        // Oldest first: what is left must never tell of less than has happened.
        for path in older {
            fs::remove_file(path).and_then(|()| sync_folder(store)).map_err(failed)?;
        }
        journal::shorten(newest, 0).map_err(failed)?;
    } else {
        let mut last = None;
        for path in &files {
            let contents = journal::read(path, last)?;
            if !contents.is_whole {
                return Err(damaged(format!("{} is damaged", path.display())));
            }
            journal::shorten(path, contents.until).map_err(failed)?;
            last = contents.last.or(last);
        }
    }
    let next = store.join(CLOSED_NEXT);
    let note = note(store)?;
    File::create(&next)
        .and_then(|mut file| {
            file.write_all(note.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&next, store.join(CLOSED)))
        .and_then(|()| sync_folder(store))
        .map_err(failed)
}

fn note(store: &Path) -> Result<String> {
    let mut note = String::new();
    for path in journal::files(store)? {
        let (sum, size) = sum(&path).map_err(|error| io_error("reading the journal", error))?;
        let name = path.file_name().unwrap_or_default().display();
        note.push_str(&format!("journal {name} bytes {size} sum {sum:032x}\n"));
    }
    Ok(note)
}
