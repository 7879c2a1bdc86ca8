//! How many transactions of one record a second are durable?
//!
//! What: 64 threads that each commit one record after the other, and one thread alone, whose
//! latency counts. SQLite runs twice: with a connection for each thread that waits for its turn
//! (busy timeout), and with one connection behind a mutex; the better one is its figure. The raw
//! engine writes Kenning's own pairs from as many threads; it groups its commits too.
//!
//! Corpus: people, two indexes. `--only commits`.

use std::sync::Mutex;

use kenning_store::Batch;
use rusqlite::Connection;

use crate::Result;
use crate::measure::{Contender, Goal, KENNING, Latencies, Measure, Outcome, Scope};
use crate::measure::{cost, deal, race, rate, together};
use crate::peers::rocks::{ROCKS, Rocks};
use crate::peers::sqlite::{SQLITE, Sqlite};
use crate::peers::{ours, sqlite};
use crate::people::{People, Person};

const WRITERS: usize = 64;
/// Microseconds.
const ONE_WRITER_P50_MAX: f64 = 1_000.0;

pub(crate) fn run(scope: &Scope) -> Result<Vec<Measure>> {
    let people: Vec<Person> = People::new(scope.size(256, 12_800)).all().collect();
    let batches = ours::captured(ours::schema(true), people.chunks(1))?;
    let contenders = vec![
        Contender::new(KENNING, |_| kenning(scope, &people)),
        Contender::new(SQLITE, |_| better_sqlite(scope, &people)),
        Contender::new(ROCKS, |_| raw(scope, &batches)),
    ];
    let quantity = rate("durable commits, 64 writers", "commits/s");
    let mut measures = race(&[quantity], scope.rounds(5), contenders)?;
    measures = measures
        .into_iter()
        .map(|measure| measure.goal(Goal::Ratio(SQLITE, 3.0)).goal(Goal::Orientation(15_000.0)))
        .collect();
    measures.extend(one_writer(scope, &people[..people.len() / 8], &batches)?);
    Ok(measures)
}

fn one_writer(scope: &Scope, people: &[Person], batches: &[Batch]) -> Result<Vec<Measure>> {
    let contenders = vec![
        Contender::new(KENNING, |_| kenning_alone(scope, people)),
        Contender::new(SQLITE, |_| sqlite_alone(scope, people)),
        Contender::new(ROCKS, |_| raw_alone(scope, &batches[..people.len()])),
    ];
    let quantities =
        [cost("durable commit, 1 writer, p50", "us"), cost("durable commit, 1 writer, p99", "us")];
    let mut measures = race(&quantities, scope.rounds(5), contenders)?.into_iter();
    let p50 = measures.next().map(|p50| p50.goal(Goal::Reach(ONE_WRITER_P50_MAX)));
    Ok(p50.into_iter().chain(measures).collect())
}

fn kenning(scope: &Scope, people: &[Person]) -> Result<Outcome> {
    let folder = scope.fresh()?;
    let database = ours::open_plain(folder.path())?;
    database.create_table(ours::TABLE, ours::schema(true))?;
    let parts = deal(people.iter().map(Person::draft), WRITERS);
    let seconds = together(parts, |part| {
        for draft in part {
            database.put(ours::TABLE, draft)?;
        }
        Ok(())
    })?;
    Ok(Outcome::new([people.len() as f64 / seconds], ours::contents(&database)?))
}

fn better_sqlite(scope: &Scope, people: &[Person]) -> Result<Outcome> {
    let many = sqlite(scope, people, |file| {
        let connect = |_| file.connect();
        let connections = (0..WRITERS).map(connect).collect::<Result<Vec<Connection>>>()?;
        let parts = connections.into_iter().zip(deal(people, WRITERS)).collect();
        together(parts, |(connection, part): (Connection, Vec<&Person>)| {
            part.into_iter().try_for_each(|person| sqlite::insert(&connection, person))
        })
    })?;
    let one = sqlite(scope, people, |file| {
        let connection = Mutex::new(file.connect()?);
        together(deal(people, WRITERS), |part| {
            part.into_iter().try_for_each(|person| {
                let connection = connection.lock().map_err(|_| "a writer panicked")?;
                sqlite::insert(&connection, person)
            })
        })
    })?;
    Ok(if many.figures[0] > one.figures[0] { many } else { one })
}

fn sqlite(
    scope: &Scope,
    people: &[Person],
    write: impl FnOnce(&Sqlite) -> Result<f64>,
) -> Result<Outcome> {
    let folder = scope.fresh()?;
    let file = Sqlite::create(folder.path(), true)?;
    let seconds = write(&file)?;
    let contents = sqlite::contents(&file.connect()?)?;
    Ok(Outcome::new([people.len() as f64 / seconds], contents))
}

fn raw(scope: &Scope, batches: &[Batch]) -> Result<Outcome> {
    let folder = scope.fresh()?;
    let rocks = Rocks::create(folder.path())?;
    let seconds = together(deal(batches, WRITERS), |part| {
        part.into_iter().try_for_each(|batch| rocks.write(batch, true))
    })?;
    Ok(Outcome::new([batches.len() as f64 / seconds], None))
}

fn kenning_alone(scope: &Scope, people: &[Person]) -> Result<Outcome> {
    let folder = scope.fresh()?;
    let database = ours::open_plain(folder.path())?;
    database.create_table(ours::TABLE, ours::schema(true))?;
    let mut latencies = Latencies::default();
    for draft in ours::drafts(people) {
        latencies.call(|| Ok(database.put(ours::TABLE, draft)?))?;
    }
    Ok(Outcome::new(percentiles(latencies), ours::contents(&database)?))
}

fn sqlite_alone(scope: &Scope, people: &[Person]) -> Result<Outcome> {
    let folder = scope.fresh()?;
    let connection = Sqlite::create(folder.path(), true)?.connect()?;
    let mut latencies = Latencies::default();
    for person in people {
        latencies.call(|| sqlite::insert(&connection, person))?;
    }
    Ok(Outcome::new(percentiles(latencies), sqlite::contents(&connection)?))
}

fn raw_alone(scope: &Scope, batches: &[Batch]) -> Result<Outcome> {
    let folder = scope.fresh()?;
    let rocks = Rocks::create(folder.path())?;
    let mut latencies = Latencies::default();
    for batch in batches {
        latencies.call(|| rocks.write(batch, true))?;
    }
    Ok(Outcome::new(percentiles(latencies), None))
}

fn percentiles(mut latencies: Latencies) -> [f64; 2] {
    [latencies.percentile(50), latencies.percentile(99)]
}
