//! How many records a second are stored durably, 1,000 in a transaction, with two indexes?
//!
//! What: one writer and two. Kenning keeps record, history, log and both index entries; SQLite
//! (WAL, synchronous=FULL) has a row and the same indexes; the raw engine writes the very pairs
//! that Kenning writes, in the same batches, and syncs each. Values are made before the clock
//! starts, in the form that each engine takes.
//!
//! Corpus: 200,000 people, ids ascending, index values in random order. `--only inserts`.

use kenning_store::Batch;

use crate::Result;
use crate::measure::{
    Contender, Goal, KENNING, Measure, Outcome, Scope, deal, race, rate, together,
};
use crate::peers::rocks::{ROCKS, Rocks};
use crate::peers::sqlite::{SQLITE, Sqlite};
use crate::peers::{ours, sqlite};
use crate::people::{People, Person};

/// Records of one transaction.
const TRANSACTION: usize = 1_000;

const GOALS: [Goal; 3] =
    [Goal::Ratio(SQLITE, 2.0), Goal::Ratio(ROCKS, 0.6), Goal::Orientation(5e4)];

pub(crate) fn run(scope: &Scope) -> Result<Vec<Measure>> {
    let people: Vec<Person> = People::new(scope.size(4_000, 200_000)).all().collect();
    let batches = ours::captured(ours::schema(true), people.chunks(TRANSACTION))?;
    let mut measures = Vec::new();
    for (writers, what) in [(1, "durable inserts, 1 writer"), (2, "durable inserts, 2 writers")] {
        let contenders = vec![
            Contender::new(KENNING, |_| kenning(scope, &people, writers)),
            Contender::new(SQLITE, |_| sqlite(scope, &people, writers)),
            Contender::new(ROCKS, |_| raw(scope, &batches, people.len(), writers)),
        ];
        let raced = race(&[rate(what, "records/s")], scope.rounds(5), contenders)?;
        measures.extend(
            raced.into_iter().map(|measure| GOALS.into_iter().fold(measure, Measure::goal)),
        );
    }
    Ok(measures)
}

fn kenning(scope: &Scope, people: &[Person], writers: usize) -> Result<Outcome> {
    let folder = scope.fresh()?;
    let database = ours::open_plain(folder.path())?;
    database.create_table(ours::TABLE, ours::schema(true))?;
    let seconds = ours::put_all(&database, deal(people.chunks(TRANSACTION), writers))?;
    Ok(Outcome::new([people.len() as f64 / seconds], ours::contents(&database)?))
}

fn sqlite(scope: &Scope, people: &[Person], writers: usize) -> Result<Outcome> {
    let folder = scope.fresh()?;
    let file = Sqlite::create(folder.path(), true)?;
    let connect = |part| Ok((file.connect()?, part));
    let parts = deal(people.chunks(TRANSACTION), writers).into_iter().map(connect);
    let seconds = together(parts.collect::<Result<Vec<_>>>()?, |(connection, part)| {
        part.into_iter().try_for_each(|chunk| sqlite::insert_all(&connection, chunk))
    })?;
    let contents = sqlite::contents(&file.connect()?)?;
    Ok(Outcome::new([people.len() as f64 / seconds], contents))
}

fn raw(scope: &Scope, batches: &[Batch], records: usize, writers: usize) -> Result<Outcome> {
    let folder = scope.fresh()?;
    let rocks = Rocks::create(folder.path())?;
    let seconds = together(deal(batches, writers), |part| {
        part.into_iter().try_for_each(|batch| rocks.write(batch, true))
    })?;
    // Its answer are pairs, not people.
    Ok(Outcome::new([records as f64 / seconds], None))
}
