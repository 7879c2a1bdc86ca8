//! How many records a second are read by id, when memory has them all?
//!
//! What: the encoded record as a shared pointer, on one thread and on two; and decoded to JSON. The
//! ids come in random order. OverGraph decodes each node that it returns, so its figure stands
//! beside the decoded one. Before the clock starts each engine answers every id once, and those
//! answers are compared.
//!
//! Corpus: 50,000 people, all in the record cache. `--only get_hot`.

use std::hint::black_box;

use kenning::Id;
use kenning::blocking::Database;
use overgraph::DatabaseEngine;

use crate::Result;
use crate::measure::{
    Contender, Goal, KENNING, Measure, Outcome, Scope, race, rate, timed, together,
};
use crate::peers::graph::GRAPH;
use crate::peers::{graph, ours};
use crate::people::{Chance, People, Person, hash_json};

const ENCODED_MIN: f64 = 2_000_000.0;
const TRANSACTION: usize = 1_000;

pub(crate) fn run(scope: &Scope) -> Result<Vec<Measure>> {
    let people: Vec<Person> = People::new(scope.size(1_000, 50_000)).all().collect();
    let (our_folder, their_folder) = (scope.fresh()?, scope.fresh()?);
    let database = ours::open_relaxed(our_folder.path())?;
    database.create_table(ours::TABLE, ours::schema(false))?;
    let engine = graph::create(their_folder.path())?;
    let (mut ids, mut nodes) = (Vec::new(), Vec::new());
    for chunk in people.chunks(TRANSACTION) {
        ids.extend(database.put_many(ours::TABLE, ours::drafts(chunk))?);
        nodes.extend(engine.batch_upsert_nodes(chunk.iter().map(graph::node).collect())?);
    }
    let order = |stream: u64, gets: usize| {
        let mut chance = Chance::new(stream);
        (0..gets).map(|_| chance.below(people.len())).collect::<Vec<_>>()
    };
    let ours = Hot { database: &database, ids: &ids };
    // A record enters the cache when it is missed for the second time; each round reads all again.
    ours.contents()?;
    ours.contents()?;
    let gets = scope.size(20_000, 2_000_000);
    let orders = [order(1, gets), order(2, gets)];
    let mut measures = race(
        &[
            rate("get, hot, encoded, 1 thread", "gets/s"),
            rate("get, hot, encoded, 2 threads", "gets/s"),
        ],
        scope.rounds(5),
        vec![Contender::new(KENNING, |_| ours.encoded(&orders))],
    )?;
    add_goals(&mut measures);
    let few = &orders[0][..gets / 8];
    measures.extend(race(
        &[rate("get, hot, decoded, 1 thread", "gets/s")],
        scope.rounds(5),
        vec![
            Contender::new(KENNING, |_| ours.decoded(few)),
            Contender::new(GRAPH, |_| theirs(&engine, &nodes, few)),
        ],
    )?);
    engine.close()?;
    Ok(measures)
}

fn add_goals(measures: &mut [Measure]) {
    let [one, two] = measures else { unreachable!("one thread and two were asked for") };
    one.goals.push(Goal::Reach(ENCODED_MIN));
    let pairs = two.series[0].rounds.iter().zip(&one.series[0].rounds);
    let scale: Vec<f64> = pairs.map(|(two, one)| two / one).collect();
    let scale = crate::measure::Spread::of(&scale);
    let note = format!("{:.2} x one thread ({:.2}-{:.2})", scale.median, scale.min, scale.max);
    two.notes.push(note);
}

struct Hot<'a> {
    database: &'a Database,
    ids: &'a [Id],
}

impl Hot<'_> {
    /// Reads in two orders: one after the other on one thread, then both at once on two.
    fn encoded(&self, orders: &[Vec<usize>; 2]) -> Result<Outcome> {
        let contents = self.contents()?;
        let gets = orders[0].len() as f64;
        let (one, ()) = timed(|| self.encoded_in(&orders[0]))?;
        let two = together(orders.iter().collect(), |order| self.encoded_in(order))?;
        Ok(Outcome::new([gets / one, 2.0 * gets / two], contents))
    }

    fn encoded_in(&self, order: &[usize]) -> Result<()> {
        for idx in order {
            let record = self.database.get_encoded(ours::TABLE, self.ids[*idx])?;
            black_box(record.ok_or("a record is missing")?.bytes().len());
        }
        Ok(())
    }

    fn decoded(&self, order: &[usize]) -> Result<Outcome> {
        let contents = self.contents()?;
        let (seconds, ()) = timed(|| {
            for idx in order {
                let record = self.database.get_encoded(ours::TABLE, self.ids[*idx])?;
                black_box(record.ok_or("a record is missing")?.record()?);
            }
            Ok(())
        })?;
        Ok(Outcome::new([order.len() as f64 / seconds], contents))
    }

    /// Reads every record once.
    fn contents(&self) -> Result<u64> {
        let mut sum = 0_u64;
        for id in self.ids {
            let record =
                self.database.get_encoded(ours::TABLE, *id)?.ok_or("a record is missing")?;
            sum = sum.wrapping_add(hash_json(&record.record()?.properties));
        }
        Ok(sum)
    }
}

fn theirs(engine: &DatabaseEngine, nodes: &[u64], order: &[usize]) -> Result<Outcome> {
    let contents = graph::contents(engine, nodes)?;
    let (seconds, ()) = timed(|| {
        for idx in order {
            black_box(engine.get_node(nodes[*idx])?.ok_or("a node is missing")?);
        }
        Ok(())
    })?;
    Ok(Outcome::new([order.len() as f64 / seconds], contents))
}
