//! SQLite: plain columns, ids as key of the table itself, prepared statements, as much cache.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, params};

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

/// Hash of all that there is.
pub(crate) fn contents(connection: &Connection) -> Result<u64> {
    sum(connection, &format!("SELECT {COLUMNS} FROM people"), [])
}

/// Reads the people of a team.
pub(crate) fn of_team(connection: &Connection, team: &str) -> Result<u64> {
    sum(connection, &format!("SELECT {COLUMNS} FROM people WHERE team = ?"), [team])
}

/// Reads the people with a score of at least `from` and less than `until`.
pub(crate) fn of_scores(connection: &Connection, from: i64, until: i64) -> Result<u64> {
    let question = format!("SELECT {COLUMNS} FROM people WHERE score >= ? AND score < ?");
    sum(connection, &question, [from, until])
}

/// Reads one person.
pub(crate) fn by_id(connection: &Connection, id: &[u8; 16]) -> Result<Option<u64>> {
    let question = format!("SELECT {COLUMNS} FROM people WHERE id = ?");
    let mut statement = connection.prepare_cached(&question)?;
    Ok(statement.query_row([id], hash_row).optional()?)
}

fn sum(connection: &Connection, question: &str, given: impl rusqlite::Params) -> Result<u64> {
    let mut statement = connection.prepare_cached(question)?;
    let mut rows = statement.query(given)?;
    let mut sum = 0_u64;
    while let Some(row) = rows.next()? {
        sum = sum.wrapping_add(hash_row(row)?);
    }
    Ok(sum)
}

/// Takes every column, as a user would.
fn hash_row(row: &Row<'_>) -> rusqlite::Result<u64> {
    let (name, team, score): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let (_city, about): (String, String) = (row.get(3)?, row.get(4)?);
    Ok(hash(&name, &team, score, &about))
}
