//! SQLite: plain columns, ids as key of the table itself, prepared statements, as much cache.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row, params};

use crate::Result;
use crate::people::{Person, hash};

/// The name in every measure.
pub(crate) const SQLITE: &str = "SQLite";

/// As much as Kenning's block cache has, in KiB; SQLite's own default is 2 MB.
const CACHE_KIB: i64 = 256 << 10;
/// How long a writer waits for its turn.
const BUSY_MS: u64 = 60_000;

/// The columns, in the order in which they are read.
const COLUMNS: &str = "name, team, score, city, about";

/// A database file.
pub(crate) struct Sqlite {
    path: PathBuf,
}

impl Sqlite {
    /// A new file in `folder`.
    pub(crate) fn create(folder: &Path, indexed: bool) -> Result<Self> {
        let sqlite = Sqlite::at(folder);
        let connection = sqlite.connect()?;
        connection.execute_batch(
            "CREATE TABLE people (
                id BLOB PRIMARY KEY, name TEXT NOT NULL, team TEXT NOT NULL,
                score INTEGER NOT NULL, city TEXT NOT NULL, about TEXT NOT NULL
            ) WITHOUT ROWID",
        )?;
        if indexed {
            connection.execute_batch(
                "CREATE INDEX by_team ON people (team); CREATE INDEX by_score ON people (score)",
            )?;
        }
        Ok(sqlite)
    }

    /// The file that `create` made in `folder`.
    pub(crate) fn at(folder: &Path) -> Self {
        Sqlite { path: folder.join("people.sqlite") }
    }

    /// Copies the file, which nobody has open, into `folder`.
    pub(crate) fn copy_to(&self, folder: &Path) -> Result<Self> {
        let copy = Sqlite::at(folder);
        std::fs::copy(&self.path, &copy.path)?;
        Ok(copy)
    }

    /// A connection whose commits survive a loss of power.
    pub(crate) fn connect(&self) -> Result<Connection> {
        let connection = Connection::open(&self.path)?;
        connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        Ok(connection)
    }
}

/// Stores one person; alone, it is a transaction.
pub(crate) fn insert(connection: &Connection, person: &Person) -> Result<()> {
    let mut statement =
        connection.prepare_cached("INSERT INTO people VALUES (?, ?, ?, ?, ?, ?)")?;
    let Person { id, name, team, score, city, about } = person;
    statement.execute(params![id, name, team, score, city, about])?;
    Ok(())
}

/// Stores all of them in one transaction.
pub(crate) fn insert_all(connection: &Connection, people: &[Person]) -> Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for person in people {
        insert(connection, person)?;
    }
    Ok(connection.execute_batch("COMMIT")?)
}

/// A person as a row has it.
pub(crate) struct Found {
    name: String,
    team: String,
    score: i64,
    _city: String,
    about: String,
}

/// Hash of all that there is.
pub(crate) fn contents(connection: &Connection) -> Result<u64> {
    Ok(hash_all(&ask(connection, &format!("SELECT {COLUMNS} FROM people"), [])?))
}

/// The people of a team.
pub(crate) fn of_team(connection: &Connection, team: &str) -> Result<Vec<Found>> {
    ask(connection, &format!("SELECT {COLUMNS} FROM people WHERE team = ?"), [team])
}

/// The people with a score of at least `from` and less than `until`.
pub(crate) fn of_scores(connection: &Connection, from: i64, until: i64) -> Result<Vec<Found>> {
    let question = format!("SELECT {COLUMNS} FROM people WHERE score >= ? AND score < ?");
    ask(connection, &question, [from, until])
}

/// What they say.
pub(crate) fn hash_all(people: &[Found]) -> u64 {
    let hashes = people.iter().map(|found| {
        let Found { name, team, score, about, .. } = found;
        hash(name, team, *score, about)
    });
    hashes.fold(0, u64::wrapping_add)
}

fn ask(
    connection: &Connection,
    question: &str,
    given: impl rusqlite::Params,
) -> Result<Vec<Found>> {
    let mut statement = connection.prepare_cached(question)?;
    let rows = statement.query_map(given, found)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Takes every column, as a user would.
fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    Ok(Found {
        name: row.get(0)?,
        team: row.get(1)?,
        score: row.get(2)?,
        _city: row.get(3)?,
        about: row.get(4)?,
    })
}
