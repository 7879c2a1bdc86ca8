//! How fast is a file of records stored, and how much memory does that take?
//!
//! What: a file of jsonl into a table with two indexes, strict durability, from the first byte read
//! until the last commit. SQLite (WAL, synchronous=FULL) reads the same file line by line with the
//! same JSON parser, stores 10,000 rows in a transaction and makes both indexes at the end, which
//! is its fastest way; it keeps no history and no log, and could not go on after a crash. Memory is
//! the most that a process of its own ever had, for all records and for a fifth of them.
//!
//! Corpus: 1,000,000 people. `--only import`.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use kenning::Json;
use kenning::blocking;
use kenning::ingest::{Ending, Format, ImportOptions, Source};
use rusqlite::params;

use crate::Result;
use crate::child::import_memory;
use crate::measure::{Contender, Goal, KENNING, Measure, Outcome, Scope, cost, race, rate, timed};
use crate::peers::sqlite::{SQLITE, Sqlite};
use crate::peers::{ours, sqlite};
use crate::people::People;

/// Rows of one transaction of SQLite.
const TRANSACTION: usize = 10_000;
const FIFTH: &str = "a fifth of the records";
const MIB: f64 = (1 << 20) as f64;

pub(crate) fn run(scope: &Scope) -> Result<Vec<Measure>> {
    let count = scope.size(4_000, 1_000_000);
    let folder = scope.fresh()?;
    let all = write(folder.path(), count)?;
    let fifth = write(folder.path(), count / 5)?;
    let speed = race(
        &[rate("import of jsonl, 2 indexes", "records/s")],
        scope.rounds(3),
        vec![
            Contender::new(KENNING, |_| kenning(scope, &all, count)),
            Contender::new(SQLITE, |_| sqlite(scope, &all, count)),
        ],
    )?;
    let memory = |file: &Path| {
        let folder = scope.fresh()?;
        Ok(Outcome::new([import_memory(folder.path(), file)? as f64 / MIB], None))
    };
    let memory = race(
        &[cost("import of jsonl, 2 indexes, most memory", "MiB")],
        scope.rounds(3),
        vec![Contender::new(KENNING, |_| memory(&all)), Contender::new(FIFTH, |_| memory(&fifth))],
    )?;
    let speed = speed.into_iter().map(|measure| measure.goal(Goal::Ratio(SQLITE, 2.0)));
    let memory = memory.into_iter().map(|measure| measure.goal(Goal::Ratio(FIFTH, 0.6)));
    Ok(speed.chain(memory).collect())
}

/// A file of so many people.
pub(crate) fn write(folder: &Path, count: usize) -> Result<PathBuf> {
    let path = folder.join(format!("people-{count}.jsonl"));
    let mut file = BufWriter::new(File::create(&path)?);
    for person in People::new(count).all() {
        writeln!(file, "{}", person.json())?;
    }
    file.flush()?;
    Ok(path)
}

/// Imports a file into a new database.
pub(crate) fn import(folder: &Path, file: &Path) -> Result<blocking::Database> {
    let database = ours::open_plain(folder)?;
    database.create_table(ours::TABLE, ours::schema(true))?;
    let source = Source::File(file.to_owned());
    let options = ImportOptions::new(Format::Jsonl);
    let watch = &mut |_: kenning::ingest::Event<'_>| ControlFlow::Continue(());
    let done = blocking::import(&database, ours::TABLE, source, &options, watch)?;
    match (done.ending, done.progress.bad) {
        (Ending::Done, 0) => Ok(database),
        _ => Err(format!("the import ended early: {done:?}").into()),
    }
}

fn kenning(scope: &Scope, file: &Path, count: usize) -> Result<Outcome> {
    let folder = scope.fresh()?;
    let (seconds, database) = timed(|| import(folder.path(), file))?;
    Ok(Outcome::new([count as f64 / seconds], ours::contents(&database)?))
}

fn sqlite(scope: &Scope, file: &Path, count: usize) -> Result<Outcome> {
    let folder = scope.fresh()?;
    let (seconds, connection) = timed(|| {
        let connection = Sqlite::at(folder.path()).connect()?;
        connection.execute_batch(
            "CREATE TABLE people (name TEXT, team TEXT, score INTEGER, city TEXT, about TEXT)",
        )?;
        let mut lines = BufReader::new(File::open(file)?).lines();
        loop {
            let mut stored = 0;
            connection.execute_batch("BEGIN IMMEDIATE")?;
            for line in lines.by_ref().take(TRANSACTION) {
                insert(&connection, &serde_json::from_str(&line?)?)?;
                stored += 1;
            }
            connection.execute_batch("COMMIT")?;
            if stored == 0 {
                break;
            }
        }
        connection.execute_batch(
            "CREATE INDEX by_team ON people (team); CREATE INDEX by_score ON people (score)",
        )?;
        Ok(connection)
    })?;
    Ok(Outcome::new([count as f64 / seconds], sqlite::contents(&connection)?))
}

fn insert(connection: &rusqlite::Connection, json: &Json) -> Result<()> {
    let mut statement = connection.prepare_cached("INSERT INTO people VALUES (?, ?, ?, ?, ?)")?;
    let text = |name: &str| json[name].as_str();
    let score = json["score"].as_i64();
    statement.execute(params![text("name"), text("team"), score, text("city"), text("about")])?;
    Ok(())
}
