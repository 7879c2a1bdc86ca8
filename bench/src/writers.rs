//! Threads that write while something else is done.
//!
//! 64 threads each commit one durable record after the other: alone for a while, beside the work,
//! alone again, and so on in turns, so that a machine that gets slower or faster meanwhile does so
//! for both.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use kenning::blocking::Database;

use crate::Result;
use crate::measure::{Scope, timed};
use crate::peers::ours;
use crate::people::People;

const WRITERS: usize = 64;
/// How often writers are alone, and beside the work.
const TURNS: usize = 3;

/// Commits a second.
pub(crate) struct Rates {
    pub(crate) alone: f64,
    pub(crate) beside: f64,
    /// Seconds that the work took beside them, each time.
    pub(crate) seconds: Vec<f64>,
}

/// Measures writers alone and beside `work`. What `rest` does after each piece of work does not
/// count.
pub(crate) fn turns(
    database: &Database,
    scope: &Scope,
    mut work: impl FnMut() -> Result<()>,
    mut rest: impl FnMut() -> Result<()>,
) -> Result<Rates> {
    let people = People::new(WRITERS);
    let (commits, written) = (scope.size(100, 20_000) as u64, Written::default());
    std::thread::scope(|threads| {
        let (people, written) = (&people, &written);
        let write = |idx| {
            threads.spawn(move || -> Result<()> {
                let _last = Stop(written);
                while !written.stop.load(Relaxed) {
                    database.put(ours::TABLE, people.person(idx).draft())?;
                    written.count.fetch_add(1, Relaxed);
                }
                Ok(())
            })
        };
        let writers: Vec<_> = (0..WRITERS).map(write).collect();
        let mut take_turns = || {
            written.wait_for(commits)?;
            let (mut alone, mut beside) = (Rate::default(), Rate::default());
            let mut seconds = Vec::new();
            for _ in 0..TURNS {
                alone.add(written, || written.wait_for(commits))?;
                let before = beside.seconds;
                beside.add(written, &mut work)?;
                seconds.push(beside.seconds - before);
                rest()?;
            }
            Ok(Rates { alone: alone.per_second(), beside: beside.per_second(), seconds })
        };
        let rates = take_turns();
        written.stop.store(true, Relaxed);
        for writer in writers {
            writer.join().map_err(|_| "a writer panicked")??;
        }
        rates
    })
}

/// What was written in some time.
#[derive(Default)]
struct Rate {
    count: u64,
    seconds: f64,
}

impl Rate {
    fn add(&mut self, written: &Written, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let before = written.count.load(Relaxed);
        let (seconds, ()) = timed(work)?;
        self.seconds += seconds;
        self.count += written.count.load(Relaxed) - before;
        Ok(())
    }

    fn per_second(&self) -> f64 {
        self.count as f64 / self.seconds
    }
}

/// How much was written, and whether somebody wants it to end.
#[derive(Default)]
struct Written {
    count: AtomicU64,
    stop: AtomicBool,
}

impl Written {
    /// Waits for so many more.
    fn wait_for(&self, more: u64) -> Result<()> {
        let until = self.count.load(Relaxed) + more;
        while self.count.load(Relaxed) < until {
            if self.stop.load(Relaxed) {
                return Err("a writer failed".into());
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        Ok(())
    }
}

/// Lets everybody stop when one does.
struct Stop<'a>(&'a Written);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Relaxed);
    }
}
