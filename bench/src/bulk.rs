//! How many records a second are loaded, when a sync every 10 ms is enough?
//!
//! What: 1,000 records a transaction, no secondary index, no key, one loader and two. The clock
//! stops when everything is durable. The raw engine writes the very pairs that Kenning writes, in
//! the same batches, while a thread syncs its log every 10 ms. OverGraph has the same interval; it
//! keeps an index of its own keys, and no history.
//!
//! Corpus: 1,000,000 people, because a load that is over before the engine has written out its
//! first tables measures how fast memory fills. `--only bulk`.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use kenning_store::Batch;

use crate::Result;
use crate::measure::{
    Contender, Goal, KENNING, Measure, Outcome, Scope, deal, race, rate, timed, together,
};
use crate::peers::graph::GRAPH;
use crate::peers::rocks::{ROCKS, Rocks};
use crate::peers::{graph, ours};
use crate::people::{People, Person};

/// Records of one transaction.
const TRANSACTION: usize = 1_000;
const SYNC: Duration = Duration::from_millis(10);

pub(crate) fn run(scope: &Scope) -> Result<Vec<Measure>> {
    let people: Vec<Person> = People::new(scope.size(4_000, 1_000_000)).all().collect();
    let batches = ours::captured(ours::schema(false), people.chunks(TRANSACTION))?;
    let mut measures = Vec::new();
    for (loaders, what) in [
        (1, "bulk load, synced every 10 ms, no index, 1 loader"),
        (2, "bulk load, synced every 10 ms, no index, 2 loaders"),
    ] {
        let mut contenders = vec![
            Contender::new(KENNING, |_| kenning(scope, &people, loaders)),
            Contender::new(ROCKS, |_| raw(scope, &batches, people.len(), loaders)),
        ];
        if loaders == 1 {
            contenders.push(Contender::new(GRAPH, |_| graph(scope, &people)));
        }
        let raced = race(&[rate(what, "records/s")], scope.rounds(5), contenders)?;
        measures.extend(raced.into_iter().map(|measure| measure.goal(Goal::Ratio(ROCKS, 0.6))));
    }
    Ok(measures)
}

fn kenning(scope: &Scope, people: &[Person], loaders: usize) -> Result<Outcome> {
    let folder = scope.fresh()?;
    let database = ours::open_relaxed(folder.path())?;
    database.create_table(ours::TABLE, ours::schema(false))?;
    let loading = ours::put_all(&database, deal(people.chunks(TRANSACTION), loaders))?;
    let (syncing, ()) = timed(|| Ok(database.sync()?))?;
    Ok(Outcome::new([people.len() as f64 / (loading + syncing)], ours::contents(&database)?))
}

fn raw(scope: &Scope, batches: &[Batch], records: usize, loaders: usize) -> Result<Outcome> {
    let folder = scope.fresh()?;
    let rocks = Rocks::create(folder.path())?;
    let ended = AtomicBool::new(false);
    let (seconds, ()) = std::thread::scope(|threads| {
        let syncing = threads.spawn(|| {
            while !ended.load(Relaxed) {
                std::thread::sleep(SYNC);
                rocks.sync()?;
            }
            Result::Ok(())
        });
        let done = timed(|| {
            together(deal(batches, loaders), |part| {
                part.into_iter().try_for_each(|batch| rocks.write(batch, false))
            })?;
            rocks.sync()
        });
        ended.store(true, Relaxed);
        syncing.join().map_err(|_| "the syncing thread panicked")??;
        done
    })?;
    Ok(Outcome::new([records as f64 / seconds], None))
}

fn graph(scope: &Scope, people: &[Person]) -> Result<Outcome> {
    let folder = scope.fresh()?;
    let database = graph::create(folder.path())?;
    let nodes = |chunk: &[Person]| chunk.iter().map(graph::node).collect();
    let parts: Vec<Vec<_>> = people.chunks(TRANSACTION).map(nodes).collect();
    let (seconds, ids) = timed(|| {
        let mut ids = Vec::with_capacity(people.len());
        for nodes in parts {
            ids.extend(database.batch_upsert_nodes(nodes)?);
        }
        database.sync()?;
        Ok(ids)
    })?;
    let contents = graph::contents(&database, &ids)?;
    database.close()?;
    Ok(Outcome::new([people.len() as f64 / seconds], contents))
}
