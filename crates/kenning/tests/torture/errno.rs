//! Calls of the operating system that fail: the disk does not answer, or is full.
//!
//! A commit that meets one is `Closed OUTCOME_UNKNOWN` and the database closes itself, which the
//! child checks; opened again, it has all that was acknowledged, and `outcome` tells what became of
//! the commit that failed.

use std::path::Path;

use kenning::Bug;
use kenning_test::syscalls::{Call, EIO, ENOSPC};

use crate::chance::{Chance, Check, Failure, ensure};
use crate::check::check;
use crate::child::{Fault, What, Work, call_name};
use crate::chores::Chores;
use crate::ledger::Ledger;
use crate::{Ended, Torture};

const ROUNDS: u64 = 60;
/// Every other time, so that a whole group fails.
const THREADS: u64 = 4;
/// The short form fails about so many calls of a kind.
const FAILURES_SHORT: u64 = 20;

pub(crate) fn run(torture: &Torture) -> Result<Ended, Failure> {
    let kinds: &[Call] = if torture.long { &Call::ALL } else { &[Call::Sync, Call::Write] };
    let (mut failed, mut unknown, mut calls) = (0, 0, 0);
    for call in kinds {
        let n = count(*call, torture.seed)?;
        calls += n;
        let step = (n / torture.times(FAILURES_SHORT, n)).max(1) as usize;
        for errno in [EIO, ENOSPC] {
            for nth in (1..=n).step_by(step) {
                failed += 1;
                unknown += fail(*call, nth, errno, torture.seed)?;
            }
        }
    }
    ensure!(unknown > 0, "{failed} failing calls made no outcome unknown: nothing was tested");
    Ok(Ended::Passed(format!("{failed} failures of {calls} calls, {unknown} unknown outcomes")))
}

fn work(path: &Path, threads: u64, seed: u64, fault: Fault) -> Work {
    let (seed, path) = (seed % 1_000_000, path.to_owned());
    Work { path, seed, threads, rounds: ROUNDS / threads, fault, bug: None, chores: Chores::All }
}

/// How many calls the workload makes.
fn count(call: Call, seed: u64) -> Check<u64> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("db");
    let mut ledger = Ledger::default();
    ledger.run(&work(&path, 1, seed, Fault::Count(call)), || Ok(()))?;
    check(&path, &mut ledger, &mut Chance::new(seed))?;
    Ok(ledger.seen)
}

/// Fails one call; says how many outcomes were unknown.
fn fail(call: Call, nth: u64, errno: i32, seed: u64) -> Check<u64> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("db");
    let threads = if nth.is_multiple_of(2) { THREADS } else { 1 };
    let fault = Fault::At(call, nth, What::Errno(errno));
    let failed = run_once(&mut Ledger::default(), &work(&path, threads, seed, fault));
    failed.map_err(|failure| failure.at(format!("errno {errno} at {} {nth}", call_name(call))))
}

fn run_once(ledger: &mut Ledger, work: &Work) -> Check<u64> {
    ledger.run(work, || Ok(()))?;
    ensure!(ledger.ended, "the child died");
    check(&work.path, ledger, &mut Chance::new(work.seed))?;
    Ok(ledger.unknown)
}

/// Fails one write on a database that was made before, perhaps with a bug.
pub(crate) fn fail_write_later(nth: u64, seed: u64, bug: Option<Bug>) -> Check {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("db");
    let mut ledger = Ledger::default();
    // The nth write is to be one of a transaction.
    let work = |fault| Work { bug, chores: Chores::None, ..work(&path, 1, seed, fault) };
    ledger.run(&Work { rounds: 0, bug: None, ..work(Fault::None) }, || Ok(()))?;
    run_once(&mut ledger, &work(Fault::At(Call::Write, nth, What::Errno(EIO)))).map(|_| ())
}
