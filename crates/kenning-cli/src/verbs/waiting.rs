//! Waiting until models have read what was stored.
//!
//! What is stored is stored, whatever becomes of this: it can be found by words at once, and by
//! meaning once its vectors are there. Whoever opens the database next goes on with what is left.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use kenning::blocking::Database;
use kenning::{Error, Result};

use super::bulk::Teller;
use crate::args::Waiting;
use crate::exit::{Outcome, say};
use crate::output::Output;
use crate::raw;

/// How often it is looked whether somebody pressed Ctrl-C.
const LOOK: Duration = Duration::from_millis(100);

/// Waits, unless nobody wants to, and ends as `outcome` says if nothing comes in between.
pub(super) fn embedded(
    database: &Database,
    waiting: &Waiting,
    outcome: Outcome,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    if waiting.no_wait {
        return Ok(outcome);
    }
    // What was stored is told before, as this may take.
    output.flush()?;
    let mut teller = Teller::of(database.world(), output.format());
    let (tell, told) = mpsc::channel();
    let theirs = database.clone();
    let wait = move || {
        // Nobody listens any more after Ctrl-C.
        let _ = tell.send(theirs.wait_indexed());
    };
    database.world().spawn("kenning-embedding-wait", Box::new(wait));
    loop {
        match told.recv_timeout(LOOK) {
            Ok(done) => {
                teller.wipe();
                return done.map(|()| outcome).map_err(|error| stored(&error));
            }
            Err(RecvTimeoutError::Disconnected) => panic!("who waits says how it ended"),
            Err(RecvTimeoutError::Timeout) if raw::interrupted() => {
                teller.wipe();
                say("interrupted: it is stored; whoever opens the database next makes its vectors");
                return Ok(Outcome::Interrupted);
            }
            Err(RecvTimeoutError::Timeout) => {
                let seconds = teller.clock.seconds();
                teller.progress(&format!("stored; making its vectors, {seconds:.0} s"));
            }
        }
    }
}

/// The error, and that it is not one of storing.
fn stored(error: &Error) -> Error {
    let message = format!("{}; it is stored, but can't be found by meaning yet", error.message());
    let told = Error::new(error.kind(), error.code(), message);
    match std::error::Error::source(error) {
        Some(source) => told.because(source.to_string()),
        None => told,
    }
}
