//! backup, restore.
//!
//! Both show on a terminal how far they are, and both listen to Ctrl-C: what is interrupted leaves
//! earlier backups as they are and no database. Listing and restoring open no database, because
//! there may be none left.

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::Path;

use kenning::blocking::{self, Database};
use kenning::{BackupOptions, Copying, Result, format_instant, list_backups};

use crate::args::{Backup, Restore};
use crate::exit::{Outcome, say};
use crate::output::{Columns, Output, Row};
use crate::raw;

const COLUMNS: &[&str] = &["backup", "version", "instant", "files", "bytes"];
const MADE: &[&str] =
    &["backup", "version", "instant", "files", "bytes", "files_copied", "bytes_copied"];

pub(super) fn backup(
    database: &Database,
    backup: &Backup,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let options = BackupOptions { keep: backup.keep };
    let folder = Path::new(&backup.folder);
    let made = watched(|watch| database.backup(folder, options, watch))?;
    let Some(made) = made else {
        say("interrupted: there is no new backup");
        return Ok(Outcome::Interrupted);
    };
    let mut row = row(&made.backup);
    row.push(("files_copied", made.files_copied.into()));
    row.push(("bytes_copied", made.bytes_copied.into()));
    output.one(&row, MADE)?;
    Ok(Outcome::Done)
}

pub(super) fn list(backup: &Backup, output: &mut Output<'_>) -> Result<Outcome> {
    let backups = list_backups(Path::new(&backup.folder))?;
    let mut list = output.list(Columns::all(COLUMNS));
    backups.iter().try_for_each(|backup| list.row(row(backup)))?;
    Ok(Outcome::found(list.end()? > 0))
}

pub(super) fn restore(url: &str, restore: &Restore, output: &mut Output<'_>) -> Result<Outcome> {
    let folder = Path::new(&restore.folder);
    let restored = watched(|watch| blocking::restore(url, folder, restore.backup, watch))?;
    let Some(restored) = restored else {
        say("interrupted: there is no database");
        return Ok(Outcome::Interrupted);
    };
    output.one(&row(&restored), COLUMNS)?;
    Ok(Outcome::Done)
}

fn row(backup: &kenning::Backup) -> Row {
    vec![
        ("backup", backup.number.into()),
        ("version", backup.version.into()),
        ("instant", format_instant(backup.instant).into()),
        ("files", backup.files.into()),
        ("bytes", backup.bytes.into()),
    ]
}

/// Does what takes long: shows how far it is, and breaks it off on Ctrl-C.
fn watched<T>(work: impl FnOnce(&mut kenning::CopyWatch<'_>) -> Result<T>) -> Result<T> {
    raw::note_interrupts();
    let on_terminal = io::stderr().is_terminal();
    let mut shown = None;
    let done = work(&mut |copying| {
        let percent = percent(copying);
        if on_terminal && shown != Some(percent) {
            shown = Some(percent);
            // If nobody looks there, there is nobody to tell.
            let _ = write!(io::stderr(), "\r\x1b[K{percent} %");
        }
        if raw::interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if shown.is_some() {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    done
}

fn percent(copying: Copying) -> u64 {
    let Copying { bytes, bytes_total } = copying;
    bytes.saturating_mul(100) / bytes_total.max(1)
}
