//! Waiting until models have read what was stored.
//!
//! What is stored is stored, whatever becomes of this: it can be found by words at once, and by
//! meaning once its vectors are there. Whoever opens the database next goes on with what is left.
//! So a model that can't be asked is told, and is no failure: who runs a command again because it
//! failed would store what has no key a second time.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use kenning::blocking::Database;
use kenning::{Error, ErrorKind, Result};

use super::bulk::Teller;
use crate::args::Waiting;
use crate::exit::{self, Outcome, say};
use crate::output::Output;
use crate::raw;

/// How often it is looked whether somebody pressed Ctrl-C.
const LOOK: Duration = Duration::from_millis(100);

/// Waits for the texts of a table, unless nobody wants to, and ends as `outcome` says if nothing
/// comes in between.
pub(super) fn embedded(
    database: &Database,
    table: &str,
    waiting: &Waiting,
    outcome: Outcome,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let (theirs, table) = (database.clone(), table.to_owned());
    settled(database, waiting, outcome, output, move || theirs.wait_embedded(&table))
}

/// The same for everything of a tenant.
pub(super) fn indexed(
    database: &Database,
    waiting: &Waiting,
    outcome: Outcome,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let theirs = database.clone();
    settled(database, waiting, outcome, output, move || theirs.wait_indexed())
}

fn settled(
    database: &Database,
    waiting: &Waiting,
    outcome: Outcome,
    output: &mut Output<'_>,
    work: impl FnOnce() -> Result<()> + Send + 'static,
) -> Result<Outcome> {
    if waiting.no_wait {
        return Ok(outcome);
    }
    // What was stored is told before, as this may take.
    output.flush()?;
    match wait(database, output, work) {
        Ok(Outcome::Interrupted) => {
            say("interrupted: it is stored; whoever opens the database next makes its vectors");
            Ok(Outcome::Interrupted)
        }
        Ok(Outcome::Done | Outcome::Nothing | Outcome::Damaged | Outcome::Partly) => Ok(outcome),
        Err(error) => told(&error, output).map(|()| outcome),
    }
}

/// Waits until it is done, or somebody presses Ctrl-C.
pub(super) fn wait(
    database: &Database,
    output: &Output<'_>,
    work: impl FnOnce() -> Result<()> + Send + 'static,
) -> Result<Outcome> {
    let mut teller = Teller::of(database.world(), output.format());
    let (tell, told) = mpsc::channel();
    let wait = move || {
        // Nobody listens any more after Ctrl-C.
        let _ = tell.send(work());
    };
    database.world().spawn("kenning-embedding-wait", Box::new(wait));
    loop {
        match told.recv_timeout(LOOK) {
            Ok(done) => {
                teller.wipe();
                return done.map(|()| Outcome::Done);
            }
            Err(RecvTimeoutError::Disconnected) => panic!("who waits says how it ended"),
            Err(RecvTimeoutError::Timeout) if raw::interrupted() => {
                teller.wipe();
                return Ok(Outcome::Interrupted);
            }
            Err(RecvTimeoutError::Timeout) => {
                let seconds = teller.clock.seconds();
                teller.progress(&format!("stored; making vectors, {seconds:.0} s"));
            }
        }
    }
}

/// Says that the vectors are not there yet. A database that is closed or damaged is another matter.
fn told(error: &Error, output: &Output<'_>) -> Result<()> {
    match error.kind() {
        ErrorKind::Closed | ErrorKind::Corrupt => return Err(error.again()),
        ErrorKind::Conflict
        | ErrorKind::Invalid
        | ErrorKind::Denied
        | ErrorKind::Unavailable
        | ErrorKind::Exhausted => {}
    }
    let message =
        format!("stored, but not everything can be found by meaning: {}", error.message());
    let told = Error::new(error.kind(), error.code(), message);
    let told = match std::error::Error::source(error) {
        Some(source) => told.because(source.to_string()),
        None => told,
    };
    say(exit::shown(output.format(), &told).trim_start_matches("error: "));
    Ok(())
}
