//! export --all, import --all.
//!
//! Whichever is broken off leaves nothing that looks like the whole: an export without its marker,
//! or a database that says that it is half made.

use std::path::Path;
use std::sync::Arc;

use kenning::blocking::{self, Database};
use kenning::ingest::{WholeOptions, WholeProgress};
use kenning::{Create, Options, Result, SystemWorld};

use super::bulk::{Teller, flow, pace};
use super::view;
use crate::args::Globals;
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

pub(super) fn import(url: &str, globals: &Globals, folder: &str) -> Result<Outcome> {
    let world = Arc::new(SystemWorld::new());
    let mut teller = Teller::of(world, globals.format);
    let tenant = globals.tenant.clone();
    let options = Options { create: Create::IfMissing, tenant, ..Options::default() };
    raw::note_interrupts();
    let imported = blocking::import_all(url, options, Path::new(folder), &mut |progress| {
        teller.progress(&shown(progress));
        flow()
    });
    teller.wipe();
    let (imported, database) = imported?;
    let (Some(content), Some(database)) = (imported.content, database) else {
        say("interrupted: the same command goes on from here");
        return Ok(Outcome::Interrupted);
    };
    database.close()?;
    if imported.gone_on && !teller.json {
        say("gone on from where it was cut off");
    }
    report(&teller, "stored", &imported.progress, &content.to_string());
    Ok(Outcome::Done)
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
