//! What does a backup cost, and what does it cost those who write meanwhile?
//!
//! What: the first backup of a database into an empty folder, the next one after a hundredth more
//! records, and a database restored from that, each until everything is synced. Then 64 threads
//! that each commit one durable record after the other: alone, while a first backup is made, alone
//! again, and so on. SQLite takes no part: its backup copies every page each time.
//!
//! Corpus: 1,000,000 people, two indexes. `--only backup`.

use std::cell::Cell;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use kenning::blocking::{self, Database};
use kenning::{BackedUp, BackupOptions};

use crate::Result;
use crate::measure::{Contender, Goal, KENNING, Measure, Outcome, Scope, cost, race, rate, timed};
use crate::million::Million;
use crate::peers::ours;
use crate::people::Person;
use crate::writers;

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

/// The rates of writers whom nobody disturbs, and beside backups.
fn writing(scope: &Scope, million: &Million) -> Result<(f64, f64)> {
    let folder = scope.fresh()?;
    let at = folder.path().join("kenning");
    million.copy_kenning(&at)?;
    let database = ours::open_plain(&at)?;
    let backups = folder.path().join("backups");
    let back_up = || backup(&database, &backups).map(drop);
    let rates = writers::turns(&database, scope, back_up, || Ok(fs::remove_dir_all(&backups)?))?;
    Ok((rates.alone, rates.beside))
}
