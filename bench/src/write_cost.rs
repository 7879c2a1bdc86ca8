//! What do indexes over words cost who writes?
//!
//! What: seconds until 1,000,000 records are stored durably, by two writers, 1,000 in a
//! transaction, and every index has caught up with them: nothing is left to be built, a search by
//! words sees the last record, and less than one part's worth of rows is in memory only. The ground
//! floor is the same database opened without what finds, so it has the same records, history, log
//! and both exact indexes, and no words. No table names a model.
//!
//! Corpus: people, two exact indexes. `--only write_cost`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kenning::blocking::Database;
use kenning::{Ask, Settings, SystemWorld};
use kenning_rocks::RocksStore;
use kenning_store::{Create, block_on};

use crate::Result;
use crate::measure::{
    Contender, Goal, KENNING, Measure, Outcome, Quantity, Scope, cost, deal, race, timed,
};
use crate::peers::ours;
use crate::people::{People, Person};

/// The ground floor.
const FLOOR: &str = "Without words";
/// How much longer it may take, as a ratio.
const RATIO_MIN: f64 = 0.5;
/// Records of one transaction.
const TRANSACTION: usize = 1_000;
const WRITERS: usize = 2;
/// Rows that stay in memory until there are more of them.
const TAIL_ROWS: u64 = 5_000;
/// How long it is waited at most.
const WAIT: Duration = Duration::from_secs(300);

const QUANTITIES: [Quantity; 2] = [
    cost("1,000,000 records until every index has caught up", "s"),
    cost("the writing of them alone", "s"),
];

pub(crate) fn run(scope: &Scope) -> Result<Vec<Measure>> {
    let people: Vec<Person> = People::new(scope.size(4_000, 1_000_000)).all().collect();
    let contenders = vec![
        Contender::new(KENNING, |_| {
            let folder = scope.fresh()?;
            let database = ours::open_plain(folder.path())?;
            let outcome = written(&database, &people, |database| caught_up(database, &people))?;
            database.close()?;
            Ok(outcome)
        }),
        Contender::new(FLOOR, |_| {
            let folder = scope.fresh()?;
            let database = floor(&folder.path().join("floor"))?;
            let outcome = written(&database, &people, |database| Ok(database.wait_indexed()?))?;
            database.close()?;
            Ok(outcome)
        }),
    ];
    let mut measures = race(&QUANTITIES, scope.rounds(3), contenders)?;
    measures[0].goals.push(Goal::Ratio(FLOOR, RATIO_MIN));
    Ok(measures)
}

/// A database without what finds.
fn floor(folder: &Path) -> Result<Database> {
    let store = RocksStore::open(folder, kenning_rocks::Settings::default(), Create::New)?;
    let world = Arc::new(SystemWorld::new());
    let opened = kenning::Database::open(store, world, Settings::default(), "default");
    Ok(block_on(opened)?.into())
}

/// Seconds until all is written and `done`, and until it is written.
fn written(
    database: &Database,
    people: &[Person],
    done: impl FnOnce(&Database) -> Result<()>,
) -> Result<Outcome> {
    database.create_table(ours::TABLE, ours::schema(true))?;
    let writing = ours::put_all(database, deal(people.chunks(TRANSACTION), WRITERS))?;
    let (waiting, ()) = timed(|| done(database))?;
    Ok(Outcome::new([writing + waiting, writing], ours::contents(database)?))
}

/// Waits until the index over words has everything.
fn caught_up(database: &Database, people: &[Person]) -> Result<()> {
    database.wait_indexed()?;
    let (version, began) = (database.version(), Instant::now());
    let last = people.last().ok_or("nobody was written")?;
    let found = database.search(&Ask::text(&*last.name).table(ours::TABLE).limit(1))?;
    let first = found.hits.first().ok_or("the last record is not found by its name")?;
    let first = database.get(ours::TABLE, &first.id.to_string())?;
    if first.is_none_or(|first| first.properties["name"] != *last.name) {
        return Err("another record is found by the name of the last".into());
    }
    loop {
        let stats = database.stats()?;
        let indexes = stats["sealed"].as_array().ok_or("the indexes are not told")?;
        let is_behind = indexes.iter().filter(|index| index["table"] == ours::TABLE).any(|index| {
            let figure = |name: &str| index[name].as_u64().unwrap_or(0);
            figure("position") < version || figure("rows_in_memory") >= TAIL_ROWS
        });
        if !is_behind {
            return Ok(());
        }
        if began.elapsed() > WAIT {
            return Err("the index over words does not catch up".into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
