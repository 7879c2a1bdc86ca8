//! How long does an index take to build, and what does that cost those who write meanwhile?
//!
//! What: an index over another property of a table, from the change of its schema until it answers,
//! while 64 threads each commit one durable record after the other; between two of them the index
//! is dropped and cleared away. Then once more with nobody beside it. SQLite's CREATE INDEX lets
//! nobody write until it is done; it is shown beside the build that is alone.
//!
//! Corpus: 1,000,000 people, two indexes. `--only index_build`.

use std::cell::{Cell, RefCell};

use kenning::blocking::Database;
use kenning::{Json, json};

use crate::Result;
use crate::measure::{Contender, Goal, KENNING, Measure, Outcome, Scope, cost, race, rate, timed};
use crate::million::Million;
use crate::peers::ours;
use crate::peers::sqlite::SQLITE;
use crate::writers::{self, Rates};

/// Who writes without a build beside it.
const ALONE: &str = "without a build";
/// What a build leaves of the rate of writers, at least.
const RATIO_MIN: f64 = 0.6;
const SECONDS_MAX: f64 = 30.0;

pub(crate) fn run(scope: &Scope) -> Result<Vec<Measure>> {
    let million = scope.million()?;
    let mut measures = race(
        &[cost("index of 1 M records, nobody writes", "s")],
        scope.rounds(3),
        vec![
            Contender::new(KENNING, |_| alone(scope, million)),
            Contender::new(SQLITE, |_| sqlite(scope, million)),
        ],
    )?;
    let (alone, seconds) = (Cell::new(0.0), RefCell::new(Vec::new()));
    let quantity = rate("durable commits, 64 writers, while an index is built", "commits/s");
    let beside = race(
        &[quantity],
        scope.rounds(3),
        vec![
            Contender::new(KENNING, |_| {
                let rates = beside(scope, million)?;
                alone.set(rates.alone);
                seconds.borrow_mut().push(rates.seconds.iter().copied().fold(0.0, f64::max));
                Ok(Outcome::new([rates.beside], None))
            }),
            // The same threads, between the builds.
            Contender::new(ALONE, |_| Ok(Outcome::new([alone.get()], None))),
        ],
    )?;
    measures.extend(beside.into_iter().map(|it| it.goal(Goal::Ratio(ALONE, RATIO_MIN))));
    let longest = race(
        &[cost("index of 1 M records, 64 writers, the longest of three", "s")],
        scope.rounds(3),
        vec![Contender::new(KENNING, |round| {
            Ok(Outcome::new([seconds.borrow().get(round).copied().unwrap_or(0.0)], None))
        })],
    )?;
    measures.extend(longest.into_iter().map(|it| it.goal(Goal::Reach(SECONDS_MAX))));
    Ok(measures)
}

/// The schema with one more index.
fn with_city() -> Json {
    let mut schema = ours::schema(true);
    schema["x-kenning"]["indexed"].as_array_mut().expect("it has two").push(json!("city"));
    schema
}

/// Until the index is there.
fn build(database: &Database) -> Result<()> {
    database.alter_table(ours::TABLE, with_city())?;
    database.wait_indexed()?;
    Ok(database.table(ours::TABLE)?.check_indexes()?)
}

/// Until nothing of it is left.
fn clear(database: &Database) -> Result<()> {
    database.alter_table(ours::TABLE, ours::schema(true))?;
    Ok(database.wait_indexed()?)
}

fn alone(scope: &Scope, million: &Million) -> Result<Outcome> {
    let folder = scope.fresh()?;
    let at = folder.path().join("kenning");
    million.copy_kenning(&at)?;
    let database = ours::open_plain(&at)?;
    let (seconds, ()) = timed(|| build(&database))?;
    Ok(Outcome::new([seconds], None))
}

fn sqlite(scope: &Scope, million: &Million) -> Result<Outcome> {
    let folder = scope.fresh()?;
    let connection = million.sqlite().copy_to(folder.path())?.connect()?;
    let (seconds, ()) = timed(|| {
        connection.execute_batch("CREATE INDEX people_city ON people (city)")?;
        Ok(connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?)
    })?;
    Ok(Outcome::new([seconds], None))
}

fn beside(scope: &Scope, million: &Million) -> Result<Rates> {
    let folder = scope.fresh()?;
    let at = folder.path().join("kenning");
    million.copy_kenning(&at)?;
    let database = ours::open_plain(&at)?;
    writers::turns(&database, scope, || build(&database), || clear(&database))
}
