//! export --all, import --all.
//!
//! Whichever is broken off leaves nothing that looks like the whole: an export without its marker,
//! or a database that says that it is half made.

use std::path::Path;
use std::sync::Arc;

use kenning::blocking::{self, Database};
use kenning::ingest::{WholeImported, WholeOptions, WholeProgress};
use kenning::{Options, Result, SystemWorld};

use super::bulk::{Teller, flow, pace};
use super::{view, waiting};
use crate::args::Waiting;
use crate::exit::{Outcome, say};
use crate::output::{Output, json_line, thousands};
use crate::raw;

pub(super) fn export(
    database: &Database,
    folder: &str,
    history: bool,
    as_of: Option<&str>,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let view = view(database, as_of)?;
    let mut teller = Teller::of(database.world(), output.format());
    raw::note_interrupts();
    let options = WholeOptions { history };
    let exported = blocking::export_all(&view, Path::new(folder), options, &mut |progress| {
        teller.progress(&shown(progress));
        flow()
    });
    teller.wipe();
    let exported = exported?;
    let Some(content) = exported.content else {
        say("interrupted: there is no export");
        return Ok(Outcome::Interrupted);
    };
    report(&teller, "written", &exported.progress, &content.to_string());
    Ok(Outcome::Done)
}

pub(super) fn import(
    url: &str,
    options: Options,
    folder: &str,
    wanted: &Waiting,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let world = Arc::new(SystemWorld::new());
    let mut teller = Teller::of(world, output.format());
    raw::note_interrupts();
    let imported = blocking::import_all(url, options, Path::new(folder), &mut |progress| {
        teller.progress(&shown(progress));
        flow()
    });
    teller.wipe();
    let (imported, database) = imported?;
    let Some(database) = database else {
        say("interrupted: the same command goes on from here");
        return Ok(Outcome::Interrupted);
    };
    report_import(&teller, &imported);
    let waited = indexed(&database, wanted, output);
    let closed = database.close();
    waited.and_then(|outcome| closed.map(|()| outcome))
}

fn report_import(teller: &Teller, imported: &WholeImported) {
    let content = imported.content.map(|content| content.to_string()).unwrap_or_default();
    match (imported.was_there, teller.json) {
        (true, true) => {
            let ending = ("ending", "done before".into());
            return say(&json_line(&[ending, ("content", content.as_str().into())]));
        }
        (true, false) => return say("imported before: the database was made of this export"),
        (false, false) if imported.gone_on => say("gone on from where it was cut off"),
        (false, _) => {}
    }
    report(teller, "stored", &imported.progress, &content);
}

/// Waits until everything of every tenant can be found.
fn indexed(database: &Database, wanted: &Waiting, output: &mut Output<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::Done;
    for tenant in database.tenants()? {
        if !matches!(outcome, Outcome::Interrupted) {
            outcome = waiting::indexed(&database.tenant(&tenant)?, wanted, outcome, output)?;
        }
    }
    Ok(outcome)
}

fn shown(progress: &WholeProgress) -> String {
    let lines = format!("{} lines", thousands(progress.lines));
    match progress.bytes_total.filter(|total| *total > 0) {
        Some(total) => format!("{lines}, {} %", progress.bytes.saturating_mul(100) / total),
        None => lines,
    }
}

/// Says what was done.
fn report(teller: &Teller, done: &str, progress: &WholeProgress, content: &str) {
    let seconds = teller.clock.seconds();
    if teller.json {
        return say(&json_line(&[
            ("lines", progress.lines.into()),
            ("bytes", progress.bytes.into()),
            ("content", content.into()),
            ("seconds", seconds.into()),
        ]));
    }
    say(&format!("{} rows {done}, {}", thousands(progress.lines), pace(progress.lines, seconds)));
    say(&format!("content {content}"));
}
