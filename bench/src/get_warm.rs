//! How many records a second are read by id from the engine's block cache?
//!
//! What: random gets on one thread, everything in files, every block in the cache, no record in
//! the record cache. The raw engine reads the same stored bytes under the same keys from a copy
//! of the files, with a cache of the same size, pinned and not copied. Kenning runs twice:
//! without a record cache, where it also reads the record of the table again for each get, and
//! with one of 256 KiB, which keeps that one and next to nothing else.
//!
//! The answer is a hash of stored bytes, which have instants in them: it differs between runs,
//! not between engines.
//!
//! Corpus: 300,000 people. `--only get_warm`.

use std::hint::black_box;
use std::path::Path;

use kenning::blocking::Database;
use kenning::{Id, RocksSettings, Settings};

use crate::Result;
use crate::measure::{Contender, Goal, KENNING, Latencies, Measure, Outcome, Scope};
use crate::measure::{cost, race, rate, timed};
use crate::peers::ours;
use crate::peers::rocks::{ROCKS, Rocks};
use crate::people::{Chance, People, Person};

/// Every block of the corpus fits.
const CACHE_BYTES: usize = 1 << 30;
const FEW_RECORDS_BYTES: usize = 256 << 10;
/// Microseconds.
const P99_MAX: f64 = 50.0;
const TRANSACTION: usize = 1_000;

pub(crate) fn run(scope: &Scope) -> Result<Vec<Measure>> {
    let (ours_at, copy_at) = (scope.fresh()?, scope.fresh()?);
    let copy_at = copy_at.path().join("copy");
    make(&People::new(scope.size(2_000, 300_000)), ours_at.path(), &copy_at)?;
    let rocks = Rocks::open(&copy_at, CACHE_BYTES)?;
    let keys = rocks.record_keys()?;
    let mut chance = Chance::new(1);
    let gets = scope.size(5_000, 300_000);
    let raw = |orders: &[usize]| {
        let get = |idx: usize| {
            let value = rocks.database().get_pinned_cf(rocks.records(), &keys[idx])?;
            Result::Ok(value.ok_or("the raw engine lost a record")?)
        };
        measure(orders, |idx| Ok(black_box(get(idx)?.len())), |idx| Ok(sum(&get(idx)?)))
    };
    // Records of Kenning's own tables come first; people are the last keys.
    let people = scope.size(2_000, 300_000);
    let first = keys.len() - people;
    let order: Vec<usize> = (0..gets).map(|_| chance.below(people)).collect();
    let raw_order: Vec<usize> = order.iter().map(|idx| first + idx).collect();
    let kenning = |record_cache_bytes| Opened::open(ours_at.path(), record_cache_bytes);
    let contenders = vec![
        Contender::new(KENNING, |_| kenning(0)?.measure(&order)),
        Contender::new("Kenning (256 KiB record cache)", |_| {
            kenning(FEW_RECORDS_BYTES)?.measure(&order)
        }),
        Contender::new(ROCKS, |_| raw(&raw_order)),
    ];
    let quantities = [
        rate("get, warm block cache, 1 thread", "gets/s"),
        cost("get, warm block cache, p50", "us"),
        cost("get, warm block cache, p99", "us"),
    ];
    let goals: [&[Goal]; 3] =
        [&[Goal::Ratio(ROCKS, 0.7), Goal::Orientation(250_000.0)], &[], &[Goal::Reach(P99_MAX)]];
    let measures = race(&quantities, scope.rounds(5), contenders)?.into_iter().zip(goals);
    Ok(measures
        .map(|(measure, goals)| goals.iter().copied().fold(measure, Measure::goal))
        .collect())
}

/// A database with everything in files, and a copy of it.
fn make(people: &People, folder: &Path, copy: &Path) -> Result<()> {
    let people: Vec<Person> = people.all().collect();
    let database = ours::open_relaxed(folder)?;
    database.create_table(ours::TABLE, ours::schema(false))?;
    for chunk in people.chunks(TRANSACTION) {
        database.put_many(ours::TABLE, ours::drafts(chunk))?;
    }
    database.sync()?;
    database.compact()?;
    database.checkpoint(copy)?;
    Ok(database.close()?)
}

struct Opened {
    database: Database,
    ids: Vec<Id>,
}

impl Opened {
    fn open(folder: &Path, record_cache_bytes: usize) -> Result<Self> {
        let settings = Settings { record_cache_bytes, ..Settings::default() };
        let rocks = RocksSettings { cache_bytes: CACHE_BYTES, ..RocksSettings::default() };
        let database = ours::open(folder, settings, rocks)?;
        let mut ids = Vec::new();
        ours::each(&database.view()?, |id, _| ids.push(id))?;
        Ok(Opened { database, ids })
    }

    fn measure(&self, order: &[usize]) -> Result<Outcome> {
        let get = |idx: usize| {
            let record = self.database.get_encoded(ours::TABLE, self.ids[idx])?;
            Result::Ok(record.ok_or("a record is missing")?)
        };
        let used = |idx| Ok(black_box(get(idx)?.bytes().len()));
        measure(order, used, |idx| Ok(sum(get(idx)?.bytes())))
    }
}

/// One pass that hashes and warms, one for the rate, one for the latencies.
fn measure(
    order: &[usize],
    get: impl Fn(usize) -> Result<usize>,
    hash: impl Fn(usize) -> Result<u64>,
) -> Result<Outcome> {
    let mut contents = 0_u64;
    for idx in order {
        contents = contents.wrapping_add(hash(*idx)?);
    }
    let (seconds, ()) = timed(|| order.iter().try_for_each(|idx| get(*idx).map(|_| ())))?;
    let mut latencies = Latencies::default();
    for idx in order {
        latencies.call(|| get(*idx))?;
    }
    let (p50, p99) = (latencies.percentile(50), latencies.percentile(99));
    Ok(Outcome::new([order.len() as f64 / seconds, p50, p99], contents))
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)))
}
