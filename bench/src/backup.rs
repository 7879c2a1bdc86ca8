//! What does a backup cost, and what does it cost those who write meanwhile?
//!
//! What: the first backup of a database into an empty folder, the next one after a hundredth more
//! records, and a database restored from that, each until everything is synced. Then 64 threads
//! that each commit one durable record after the other: alone, while a first backup is made, alone
//! again, and so on. SQLite takes no part: its backup copies every page each time.
//!
//! Corpus: 1,000,000 people, two indexes. `--only backup`.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use kenning::blocking::{self, Database};
use kenning::{BackedUp, BackupOptions};

use crate::Result;
use crate::measure::{Contender, Goal, KENNING, Measure, Outcome, Scope, cost, race, rate, timed};
use crate::million::Million;
use crate::peers::ours;
use crate::people::{People, Person};

const WRITERS: usize = 64;
/// How often writers are alone, and beside a backup.
const TURNS: usize = 3;
/// Who writes without a backup beside it.
const ALONE: &str = "without a backup";
/// What a backup leaves of the rate of writers, at least.
const RATIO_MIN: f64 = 0.7;
const MIB: f64 = (1 << 20) as f64;

pub(crate) fn run(scope: &Scope) -> Result<Vec<Measure>> {
    let million = scope.million()?;
    let quantities = [
        cost("first backup of 1 M records", "s"),
        cost("first backup of 1 M records, copied", "MiB"),
        cost("next backup, 1 % more records", "s"),
        cost("next backup, 1 % more records, copied", "MiB"),
        cost("restore", "s"),
    ];
    let mut measures = race(
        &quantities,
        scope.rounds(3),
        vec![Contender::new(KENNING, |_| backup_and_restore(scope, million))],
    )?;
    let quantity = rate("durable commits, 64 writers, while a backup is made", "commits/s");
    let alone = Cell::new(0.0);
    let beside = race(
        &[quantity],
        scope.rounds(5),
        vec![
            Contender::new(KENNING, |_| {
                let (rate_alone, rate_beside) = writing(scope, million)?;
                alone.set(rate_alone);
                Ok(Outcome::new([rate_beside], None))
            }),
            // The same threads, between the backups.
            Contender::new(ALONE, |_| Ok(Outcome::new([alone.get()], None))),
        ],
    )?;
    let beside = beside.into_iter().map(|measure| measure.goal(Goal::Ratio(ALONE, RATIO_MIN)));
    measures.extend(beside);
    Ok(measures)
}

fn backup(database: &Database, folder: &Path) -> Result<BackedUp> {
    let watch = &mut |_: kenning::Copying| ControlFlow::Continue(());
    let made = database.backup(folder, BackupOptions::default(), watch)?;
    Ok(made.ok_or("nobody broke it off")?)
}

fn backup_and_restore(scope: &Scope, million: &Million) -> Result<Outcome> {
    let folder = scope.fresh()?;
    let (at, backups) = (folder.path().join("kenning"), folder.path().join("backups"));
    million.copy_kenning(&at)?;
    let database = ours::open_plain(&at)?;
    let (first_seconds, first) = timed(|| backup(&database, &backups))?;
    let count = million.people.len();
    let more: Vec<Person> = (0..count / 100).map(|idx| million.people.person(idx)).collect();
    for chunk in more.chunks(1_000) {
        database.put_many(ours::TABLE, ours::drafts(chunk))?;
    }
    let (next_seconds, next) = timed(|| backup(&database, &backups))?;
    let target = folder.path().join("restored");
    let (restore_seconds, _) = timed(|| {
        let watch = &mut |_: kenning::Copying| ControlFlow::Continue(());
        let url = target.to_str().ok_or("the folder has a name that is no text")?;
        Ok(blocking::restore(url, &backups, None, watch)?)
    })?;
    let (contents, restored) = (ours::contents(&database)?, ours::open_plain(&target)?);
    if ours::contents(&restored)? != contents {
        return Err("what was restored is not what was there".into());
    }
    let copied = |made: &BackedUp| made.bytes_copied as f64 / MIB;
    let figures = [first_seconds, copied(&first), next_seconds, copied(&next), restore_seconds];
    Ok(Outcome::new(figures, contents))
}

/// The rates of writers whom nobody disturbs, and beside backups, in turns.
fn writing(scope: &Scope, million: &Million) -> Result<(f64, f64)> {
    let folder = scope.fresh()?;
    let at = folder.path().join("kenning");
    million.copy_kenning(&at)?;
    let database = ours::open_plain(&at)?;
    let people = People::new(WRITERS);
    let (commits, written) = (scope.size(100, 20_000) as u64, Written::default());
    std::thread::scope(|threads| {
        let (database, people, written) = (&database, &people, &written);
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
        let take_turns = || {
            written.wait_for(commits)?;
            let (mut alone, mut beside) = (Rate::default(), Rate::default());
            for turn in 0..TURNS {
                alone.add(written, || written.wait_for(commits))?;
                let backups = folder.path().join(format!("backups-{turn}"));
                beside.add(written, || backup(database, &backups).map(drop))?;
                std::fs::remove_dir_all(backups)?;
            }
            Ok((alone.per_second(), beside.per_second()))
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
