//! merge, purge.

use kenning::blocking::Database;
use kenning::{KnownBackup, Result};

use crate::args::{Merge, Target};
use crate::exit::{Outcome, say};
use crate::output::Output;

pub(super) fn merge(
    database: &Database,
    merge: &Merge,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let done = match merge.undo {
        false => database.merge(&merge.keep, &merge.other)?,
        true => database.unmerge(&merge.keep, &merge.other)?,
    };
    let row = vec![
        ("table", done.table.as_str().into()),
        ("kept", done.kept.to_string().into()),
        ("taken", done.taken.to_string().into()),
        ("links", done.links.into()),
    ];
    output.one(&row, &["table", "kept", "taken", "links"])?;
    Ok(Outcome::Done)
}

pub(super) fn purge(
    database: &Database,
    target: &Target,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let Some(purged) = database.purge(&target.table, &target.reference)? else {
        return Ok(Outcome::Nothing);
    };
    let row = vec![
        ("records", purged.records.into()),
        ("links", purged.links.into()),
        ("history", purged.history_rows.into()),
        ("log", purged.log_changes.into()),
        ("taken_in_by", purged.taken_in_by.iter().map(|id| id.to_string()).collect()),
        ("backups", purged.backups.iter().map(KnownBackup::to_json).collect()),
    ];
    output.one(&row, &["records", "links", "history", "log", "taken_in_by", "backups"])?;
    if !purged.taken_in_by.is_empty() {
        say("these records had taken it in: their past may have what it said");
    }
    if !purged.backups.is_empty() {
        say("these backups may still have what was purged: remove them, or keep them in mind");
    }
    if purged.is_held {
        say("somebody still reads what there was before: the rest goes when that is over");
    }
    Ok(Outcome::Done)
}
