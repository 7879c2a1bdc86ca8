//! How soon does a database of a million records answer?
//!
//! What: from opening it to the first record read, after a clean close, and after a crash:
//! another process is killed (SIGKILL) while it stores records durably, 1,000 a transaction, and
//! every record that it had acknowledged is looked for afterwards. The files are in the system's
//! page cache, as they are after a restart of a program, not after one of the machine.
//!
//! Corpus: 1,000,000 people, two indexes; 200,000 more before the crash. `--only open`.

use kenning::Filter;

use crate::Result;
use crate::child::{self, TRANSACTION};
use crate::measure::{Contender, Goal, KENNING, Measure, Outcome, Scope, cost, race, timed};
use crate::peers::sqlite::SQLITE;
use crate::peers::{ours, sqlite};
use crate::people::{hash_json, team};

/// Milliseconds.
const CLEAN_MAX: f64 = 500.0;
const CRASH_MAX: f64 = 3_000.0;

pub(crate) fn run(scope: &Scope) -> Result<Vec<Measure>> {
    let million = scope.million()?;
    let folder = scope.fresh()?;
    let at = folder.path().join("kenning");
    million.copy_kenning(&at)?;
    let clean = race(
        &[cost("open 1 M records after a clean close, first answer", "ms")],
        scope.rounds(5),
        vec![
            Contender::new(KENNING, |_| kenning(&at)),
            Contender::new(SQLITE, |_| {
                let file = million.sqlite();
                let (seconds, (_connection, people)) = timed(|| {
                    let connection = file.connect()?;
                    let people = sqlite::of_team(&connection, &team(0))?;
                    Ok((connection, people))
                })?;
                Ok(Outcome::new([seconds * 1e3], sqlite::hash_all(&people)))
            }),
        ],
    )?;
    let (mut acknowledged, count) = (0, scope.size(2_000, 200_000));
    let crashed = race(
        &[cost("open 1 M records after a crash, first answer", "ms")],
        scope.rounds(5),
        vec![Contender::new(KENNING, |_| {
            let folder = scope.fresh()?;
            let at = folder.path().join("kenning");
            million.copy_kenning(&at)?;
            let written = child::write_and_kill(&at, count)?;
            let outcome = kenning(&at)?;
            check_acknowledged(&at, written)?;
            acknowledged += written;
            Ok(outcome)
        })],
    )?;
    let note = format!("{acknowledged} acknowledged records before the crashes, all there after");
    let crashed = crashed.into_iter();
    let crashed = crashed.map(|measure| measure.goal(Goal::Reach(CRASH_MAX)).note(note.clone()));
    let clean = clean.into_iter().map(|measure| measure.goal(Goal::Reach(CLEAN_MAX)));
    Ok(clean.chain(crashed).collect())
}

/// Opens, asks for one team, and closes outside of the time.
fn kenning(folder: &std::path::Path) -> Result<Outcome> {
    let (seconds, (database, records)) = timed(|| {
        let database = ours::open_plain(folder)?;
        let records = database.find(ours::TABLE, Filter::equal("team", team(0)))?;
        Ok((database, records))
    })?;
    database.close()?;
    let hashes = records.iter().map(|record| hash_json(&record.properties));
    Ok(Outcome::new([seconds * 1e3], hashes.fold(0, u64::wrapping_add)))
}

/// Whole transactions, at least those that were acknowledged, and at most one more.
fn check_acknowledged(folder: &std::path::Path, acknowledged: usize) -> Result<()> {
    let database = ours::open_plain(folder)?;
    let asked = Filter::equal("team", "crashing");
    let found = database.find(ours::TABLE, asked)?.len();
    database.close()?;
    let allowed = acknowledged..=acknowledged + TRANSACTION;
    if !allowed.contains(&found) || found % TRANSACTION != 0 {
        let message = format!("{acknowledged} records were acknowledged, {found} are there");
        return Err(message.into());
    }
    Ok(())
}
