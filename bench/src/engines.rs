//! Which engine on a disk should keep a database that nobody has thought about?
//!
//! What: the same database on RocksDB and on fjall, through everything above the store: records in
//! large transactions, single durable commits of one thread and of 64, random records by their ids,
//! an index asked for 100 records, all records in a row, opening, compacting, a checkpoint,
//! closing, and bytes on disk. RocksDB is the default, so a ratio above 1 speaks for it.
//!
//! Corpus: 500,000 people, two indexes. `--only engines`.

use std::path::Path;

use kenning::blocking::{Database, open_with};
use kenning::{Draft, Engine, Filter, Id, Options};

use crate::Result;
use crate::machine::folder_bytes;
use crate::measure::{Contender, KENNING, Latencies, Measure, Outcome, Scope};
use crate::measure::{cost, deal, race, rate, timed, together};
use crate::peers::ours;
use crate::people::{Chance, People, Person, hash_json, team};

/// Kenning, on its other engine.
const FJALL: &str = "Kenning on fjall";
const WRITERS: usize = 64;
const TRANSACTION: usize = 1_000;
const MIB: f64 = (1 << 20) as f64;

pub(crate) fn run(scope: &Scope) -> Result<Vec<Measure>> {
    let quantities = [
        rate("records in transactions of 1,000, durable", "records/s"),
        cost("durable commit, 1 writer, p50", "us"),
        rate("durable commits, 64 writers", "commits/s"),
        cost("compact", "s"),
        cost("disk, compacted", "MiB"),
        cost("checkpoint", "s"),
        cost("close", "ms"),
        cost("open, first answer", "ms"),
        rate("get by id, not asked before", "gets/s"),
        rate("get by id, asked before", "gets/s"),
        cost("100 records by an index, p50", "us"),
        rate("all records in a row", "records/s"),
    ];
    let people = People::new(scope.size(2_000, 500_000));
    race(
        &quantities,
        scope.rounds(3),
        vec![
            Contender::new(KENNING, |_| whole(scope, &people, Engine::Rocksdb)),
            Contender::new(FJALL, |_| whole(scope, &people, Engine::Fjall)),
        ],
    )
}

fn open(folder: &Path, engine: Engine) -> Result<Database> {
    let url = folder.to_str().ok_or("the folder has a name that is no text")?;
    Ok(open_with(url, Options { engine, ..Options::default() })?)
}

fn whole(scope: &Scope, people: &People, engine: Engine) -> Result<Outcome> {
    let folder = scope.fresh()?;
    let at = folder.path().join("kenning");
    let database = open(&at, engine)?;
    database.create_table(ours::TABLE, ours::schema(true))?;
    let mut figures = writing(scope, people, &database)?;
    figures.push(timed(|| Ok(database.compact()?))?.0);
    figures.push(folder_bytes(&at)? as f64 / MIB);
    figures.push(timed(|| Ok(database.checkpoint(&folder.path().join("copy"))?))?.0);
    figures.push(timed(|| Ok(database.close()?))?.0 * 1e3);
    let (seconds, database) = timed(|| {
        let database = open(&at, engine)?;
        database.find(ours::TABLE, Filter::equal("team", team(0)))?;
        Ok(database)
    })?;
    figures.push(seconds * 1e3);
    let answer = reading(scope, &database, people.len(), &mut figures)?;
    database.close()?;
    Ok(Outcome::new(figures, answer))
}

fn writing(scope: &Scope, people: &People, database: &Database) -> Result<Vec<f64>> {
    let (alone, together_each) = (scope.size(20, 2_000), scope.size(2, 200));
    let single: Vec<Person> = people.all().take(alone + WRITERS * together_each).collect();
    let mut bulk = 0.0;
    for from in (single.len()..people.len()).step_by(TRANSACTION) {
        let until = (from + TRANSACTION).min(people.len());
        let chunk: Vec<Person> = (from..until).map(|idx| people.person(idx)).collect();
        let drafts = ours::drafts(&chunk);
        bulk += timed(|| Ok(database.put_many(ours::TABLE, drafts).map(drop)?))?.0;
    }
    let mut latencies = Latencies::default();
    let put = |draft: Draft| Ok(database.put(ours::TABLE, draft).map(drop)?);
    for person in &single[..alone] {
        latencies.call(|| put(person.draft()))?;
    }
    let parts = deal(single[alone..].iter().map(Person::draft), WRITERS);
    let count = (single.len() - alone) as f64;
    let seconds = together(parts, |part| part.into_iter().try_for_each(put))?;
    let in_bulk = (people.len() - single.len()) as f64 / bulk;
    Ok(vec![in_bulk, latencies.percentile(50), count / seconds])
}

/// Reads all of it in several ways; a hash of all there is.
fn reading(
    scope: &Scope,
    database: &Database,
    count: usize,
    figures: &mut Vec<f64>,
) -> Result<u64> {
    let mut ids: Vec<Id> = Vec::with_capacity(count);
    let mut answer = 0_u64;
    let (seconds, ()) = timed(|| {
        ours::each(&database.view()?, |id, json| {
            ids.push(id);
            answer = answer.wrapping_add(hash_json(json));
        })
    })?;
    let in_a_row = count as f64 / seconds;
    let mut chance = Chance::new(1);
    let gets = scope.size(1_000, 100_000);
    let order: Vec<Id> = (0..gets).map(|_| ids[chance.below(count)]).collect();
    for _ in 0..2 {
        let (seconds, ()) = timed(|| {
            for id in &order {
                database.get_encoded(ours::TABLE, *id)?.ok_or("a record is lost")?;
            }
            Ok(())
        })?;
        figures.push(gets as f64 / seconds);
    }
    let mut latencies = Latencies::default();
    for number in 0..scope.size(10, 2_000) {
        let asked = team((number % (count / crate::people::TEAM)) as i64 * 100);
        latencies.call(|| Ok(database.find_encoded(ours::TABLE, Filter::equal("team", asked))?))?;
    }
    figures.extend([latencies.percentile(50), in_a_row]);
    Ok(answer)
}
