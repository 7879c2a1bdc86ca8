//! How long does an indexed lookup of 100 records out of a million take, now and in the past?
//!
//! What: all records with one value, and all with a value in a range; each answer is 100 records
//! that lie anywhere in the table, decoded. First each round asks for other values, so that no
//! cache has seen them; then each asks for the same ones. SQLite answers the same questions from
//! its own two indexes, with as large a cache. Then the past: the
//! records of some teams are changed 9 times and 99 times, out of their team and back again, and
//! the same lookup is made as of the version before. What that costs is the live entries in the
//! range and the dead ones, and both numbers are shown.
//!
//! Corpus: 1,000,000 people in teams of 100. `--only index`.

use kenning::blocking::{Database, View};
use kenning::{At, Encoded, Explain, Filter, Id, Record, Version, json};
use rusqlite::Connection;

use crate::Result;
use crate::measure::{Better, Contender, Goal, KENNING, Latencies, Measure, Outcome, Scope};
use crate::measure::{Quantity, cost, race};
use crate::million::Million;
use crate::peers::sqlite::{Found, SQLITE};
use crate::peers::{ours, sqlite};
use crate::people::{Chance, TEAM, hash_json, team};

/// Microseconds.
const P50_MAX: f64 = 300.0;
/// Versions that each record of a busy team has.
const BUSY: [usize; 3] = [1, 10, 100];
/// How often a question is asked before it counts as asked: a record that was missed twice is kept.
const WARM_ROUNDS: usize = 3;
/// A score that no question asks for.
const AWAY: i64 = 1 << 40;

pub(crate) fn run(scope: &Scope) -> Result<Vec<Measure>> {
    let million = scope.million()?;
    let folder = scope.fresh()?;
    let at = folder.path().join("kenning");
    million.copy_kenning(&at)?;
    let database = ours::open_plain(&at)?;
    let connection = million.sqlite().connect()?;
    let mut measures = Vec::new();
    for asked in [Asked::Never, Asked::Before] {
        for kind in [Kind::Equal, Kind::Range] {
            measures.extend(now(scope, million, (&database, &connection), kind, asked)?);
        }
    }
    let busy_teams = scope.size(1, 20);
    let before = change(&database, busy_teams)?;
    for (idx, versions) in BUSY.into_iter().enumerate() {
        let teams: Vec<usize> = (idx * busy_teams..(idx + 1) * busy_teams).collect();
        for kind in [Kind::Equal, Kind::Range] {
            measures.extend(past(scope, &database, before, kind, versions, &teams)?);
        }
    }
    Ok(measures)
}

/// Whether the same was asked before.
#[derive(Clone, Copy)]
enum Asked {
    Never,
    Before,
}

/// Which question.
#[derive(Clone, Copy)]
enum Kind {
    Equal,
    Range,
}

impl Kind {
    fn filter(self, number: usize) -> Filter {
        let from = (number * TEAM) as i64;
        match self {
            Kind::Equal => Filter::equal("team", team(from)),
            Kind::Range => {
                Filter::range("score", Some(json!(from)), Some(json!(from + TEAM as i64)))
            }
        }
    }

    fn of_sqlite(self, connection: &Connection, number: usize) -> Result<Vec<Found>> {
        let from = (number * TEAM) as i64;
        match self {
            Kind::Equal => sqlite::of_team(connection, &team(from)),
            Kind::Range => sqlite::of_scores(connection, from, from + TEAM as i64),
        }
    }

    fn quantities(self, asked: Asked) -> [Quantity; 2] {
        match (self, asked) {
            (Kind::Equal, Asked::Never) => [
                cost("lookup of 100 rows by equality, now, p50", "us"),
                cost("lookup of 100 rows by equality, now, p99", "us"),
            ],
            (Kind::Range, Asked::Never) => [
                cost("lookup of 100 rows by range, now, p50", "us"),
                cost("lookup of 100 rows by range, now, p99", "us"),
            ],
            (Kind::Equal, Asked::Before) => [
                cost("lookup of 100 rows by equality, asked before, p50", "us"),
                cost("lookup of 100 rows by equality, asked before, p99", "us"),
            ],
            (Kind::Range, Asked::Before) => [
                cost("lookup of 100 rows by range, asked before, p50", "us"),
                cost("lookup of 100 rows by range, asked before, p99", "us"),
            ],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Equal => "equality",
            Kind::Range => "range",
        }
    }
}

fn now(
    scope: &Scope,
    million: &Million,
    (database, connection): (&Database, &Connection),
    kind: Kind,
    seen: Asked,
) -> Result<Vec<Measure>> {
    let lookups = scope.size(10, 300);
    let teams = million.people.len() / TEAM;
    let asked = |stream: u64, round: usize| -> Vec<usize> {
        let seed = match seen {
            Asked::Never => 1_000 * (2 * kind as u64 + stream) + round as u64,
            Asked::Before => 10_000,
        };
        let mut chance = Chance::new(seed);
        (0..lookups).map(|_| chance.below(teams)).collect()
    };
    if let Asked::Before = seen {
        for _ in 0..WARM_ROUNDS {
            lookup(&database.view()?, kind, &asked(0, 0), None)?;
            for number in asked(0, 0) {
                kind.of_sqlite(connection, number)?;
            }
        }
    }
    let contenders = vec![
        Contender::new(KENNING, |round| lookup(&database.view()?, kind, &asked(1, round), None)),
        Contender::new(SQLITE, |round| {
            let mut latencies = Latencies::default();
            let mut sum = 0_u64;
            for number in asked(1, round) {
                let found = latencies.call(|| kind.of_sqlite(connection, number))?;
                sum = sum.wrapping_add(sqlite::hash_all(&found));
            }
            Ok(Outcome::new([latencies.percentile(50), latencies.percentile(99)], sum))
        }),
        // Other teams, so that it finds no cache that the first one has warmed.
        Contender::new("Kenning (encoded)", |round| {
            lookup_encoded(&database.view()?, kind, &asked(2, round))
        }),
    ];
    let mut measures = race(&kind.quantities(seen), scope.rounds(5), contenders)?.into_iter();
    let p50 = measures.next().map(|p50| p50.goal(Goal::Reach(P50_MAX)));
    Ok(p50.into_iter().chain(measures).collect())
}

/// Asks for some teams, decodes what is found, and checks that each answer is whole.
fn lookup(view: &View, kind: Kind, teams: &[usize], read: Option<&mut Explain>) -> Result<Outcome> {
    let mut latencies = Latencies::default();
    let (mut sum, mut total) = (0_u64, Explain::default());
    for number in teams {
        let filter = kind.filter(*number);
        let (records, explain) = latencies.call(|| {
            let (found, explain) = view.find_explained(ours::TABLE, filter)?;
            let records = found.iter().map(Encoded::record);
            Ok((records.collect::<kenning::Result<Vec<Record>>>()?, explain))
        })?;
        if records.len() != TEAM || explain.index.is_none() {
            return Err(format!("team {number} has {} records, {explain:?}", records.len()).into());
        }
        let hashes = records.iter().map(|record| hash_json(&record.properties));
        sum = hashes.fold(sum, u64::wrapping_add);
        total.rows_read += explain.rows_read;
        total.history_read += explain.history_read;
    }
    if let Some(read) = read {
        read.rows_read += total.rows_read;
        read.history_read += total.history_read;
    }
    Ok(Outcome::new([latencies.percentile(50), latencies.percentile(99)], sum))
}

/// The same, without decoding: who needs one property reads it where it lies.
fn lookup_encoded(view: &View, kind: Kind, teams: &[usize]) -> Result<Outcome> {
    let mut latencies = Latencies::default();
    for number in teams {
        let filter = kind.filter(*number);
        let found = latencies.call(|| Ok(view.find_encoded(ours::TABLE, filter)?))?;
        if found.len() != TEAM {
            return Err(format!("team {number} has {} records", found.len()).into());
        }
    }
    Ok(Outcome::new([latencies.percentile(50), latencies.percentile(99)], None))
}

/// Gives the records of busy teams their versions, and returns the version before.
fn change(database: &Database, busy_teams: usize) -> Result<Version> {
    let before = database.version();
    for (idx, versions) in BUSY.into_iter().enumerate() {
        let mut rows: Vec<(Id, String, i64)> = Vec::new();
        for number in idx * busy_teams..(idx + 1) * busy_teams {
            for record in database.find(ours::TABLE, Kind::Equal.filter(number))? {
                let score = record.properties["score"].as_i64().ok_or("a score is missing")?;
                rows.push((record.id, team(score), score));
            }
        }
        for version in 1..versions {
            // Out and back again; the last change leaves everyone at home.
            let away = version % 2 == 1 && version + 1 < versions;
            database.transact(|transaction| {
                for (id, team, score) in &rows {
                    let (team, score) =
                        if away { ("away", score + AWAY) } else { (team.as_str(), *score) };
                    let patch = json!({"team": team, "score": score, "changed": version});
                    transaction.update(ours::TABLE, &id.to_string(), patch)?;
                }
                Ok(())
            })?;
        }
    }
    // The past of a database that has not moved since is its present.
    let (id, _) = one_record(database)?;
    database.update(ours::TABLE, &id.to_string(), json!({"changed": 0}))?;
    Ok(before)
}

/// A record of the last team, which is not busy.
fn one_record(database: &Database) -> Result<(Id, Record)> {
    let page = database.records(ours::TABLE, None, 1)?;
    let record = page.into_iter().next().ok_or("the table is empty")?;
    Ok((record.id, record))
}

fn past(
    scope: &Scope,
    database: &Database,
    before: Version,
    kind: Kind,
    versions: usize,
    teams: &[usize],
) -> Result<Vec<Measure>> {
    let mut read = [Explain::default(), Explain::default()];
    let [read_now, read_past] = &mut read;
    let quantity = cost("p50", "us");
    let p50 = |outcome: Outcome| Outcome::new([outcome.figures[0]], outcome.answer);
    let contenders = vec![
        Contender::new("as of before", |_| {
            let view = database.as_of(At::Version(before))?;
            lookup(&view, kind, teams, Some(&mut *read_past)).map(p50)
        }),
        Contender::new("now", |_| {
            lookup(&database.view()?, kind, teams, Some(&mut *read_now)).map(p50)
        }),
    ];
    let rounds = scope.rounds(5);
    let measures = race(&[quantity], rounds, contenders)?;
    let lookups = (rounds * teams.len()) as u64;
    let shown = |name: &str, read: &Explain| {
        let (live, dead) = (read.rows_read / lookups, read.history_read / lookups);
        format!("{name}: {live} entries and {dead} dead ones read a lookup")
    };
    let notes = [shown("now", &read[0]), shown("as of before", &read[1])];
    let name = format!("lookup of 100 rows by {}, versions a key: {versions}, p50", kind.name());
    let named = |measure: Measure| {
        let measure = Measure { what: name.clone(), better: Better::Lower, ..measure };
        notes.iter().cloned().fold(measure, Measure::note)
    };
    Ok(measures.into_iter().map(named).collect())
}
