//! What was acknowledged against what is there.
//!
//! The log is the order of what happened. Each transaction in it must be one that a child intended,
//! whole; each that was acknowledged must be in it, under its version; none that was refused may
//! be. The plain model applies the intentions in that order, and everything that the database
//! shows, now and at random versions of the past, must be what the model says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kenning::{At, Change, Database, Engine, Id, LogRow, TransactionId};
use kenning_store::block_on;

use crate::chance::{Chance, Check, Failure, ensure};
use crate::chores;
use crate::compare::{SHAPES, Versions, create_tables, same_answer, same_history, same_records};
use crate::finding::{Meaning, same_search};
use crate::ledger::{Intent, Ledger};
use crate::plain::{Ends, Op, Plain, State, Who};

/// Questions that are asked of what there is now.
const SEARCHES: usize = 3;

/// Opens the database at `path` again and checks everything.
pub(crate) fn check(path: &Path, ledger: &mut Ledger, chance: &mut Chance) -> Check {
    block_on(async {
        let url = path.display().to_string();
        let db = match kenning::open_with(&url, crate::place::options()).await {
            Ok(db) => db,
            Err(error) => return Err(Failure(format!("it does not open again: {error}"))),
        };
        // The crash may have come before the tables were made.
        create_tables(&db).await?;
        check_open(&db, path, ledger, chance).await?;
        db.close().await?;
        Ok::<_, Failure>(())
    })?;
    // No thread of it rewrites a file any more.
    ledger.tally.check_forgotten(path)
}

/// Checks an open database.
async fn check_open(db: &Database, path: &Path, ledger: &mut Ledger, chance: &mut Chance) -> Check {
    // With whatever is still to be cleared up, and without.
    verify(db).await?;
    db.wait_swept().await?;
    db.wait_indexed().await?;
    verify(db).await?;
    let rows = whole_log(db).await?;
    let landed = landed(&rows, ledger)?;
    check_outcomes(db, &rows, ledger, &landed).await?;
    let plain = replay(&rows, ledger, &landed)?;
    compare(db, &plain, ledger, &landed, chance).await?;
    ledger.tally.check(db, path, &rows, &plain).await?;
    // A part is whole before anybody is told of it.
    let damage = &db.stats().await?["sealed_damage"];
    ensure!(*damage == kenning::json!([]), "parts are damaged: {damage}");
    // What a file kept for a view that was open during a purge stays until it is written anew; see
    // decision 58.
    if ledger.tally.has_forgotten() && crate::place::options().engine == Engine::Fjall {
        db.compact().await?;
    }
    Ok(())
}

pub(crate) async fn verify(db: &Database) -> Check {
    for finding in db.verify().await? {
        ensure!(false, "verify found {}: {}", finding.code, finding.message);
    }
    Ok(())
}

pub(crate) async fn whole_log(db: &Database) -> Check<Vec<LogRow>> {
    let mut rows: Vec<LogRow> = Vec::new();
    loop {
        let after = rows.last().map_or(0, |row| row.version);
        let more = db.log(after, 500).await?;
        if more.is_empty() {
            break;
        }
        rows.extend(more);
    }
    for pair in rows.windows(2) {
        let [before, after] = pair else { unreachable!("a window has two rows") };
        ensure!(before.version < after.version, "version {} comes again", after.version);
        ensure!(after.previous == before.version, "the log has a gap before {}", after.version);
        ensure!(before.instant <= after.instant, "the instant goes back at {}", after.version);
    }
    Ok(rows)
}

/// Which intention each version is.
fn landed(rows: &[LogRow], ledger: &Ledger) -> Check<BTreeMap<u64, String>> {
    let mut landed = BTreeMap::new();
    let mut once = BTreeSet::new();
    for row in rows {
        let id = row.transaction.to_string();
        let name = match ledger.intents.contains_key(&id) {
            true => Some(id),
            false => stamp(row).filter(|name| ledger.intents.contains_key(name)),
        };
        match name {
            Some(name) => {
                ensure!(once.insert(name.clone()), "{name} landed twice");
                landed.insert(row.version, name);
            }
            None => {
                let strange = row.changes.iter().find(|change| !is_of_the_house(change));
                ensure!(strange.is_none(), "nobody intended version {}: {row:?}", row.version);
            }
        }
    }
    for (name, intent) in &ledger.intents {
        let version = landed.iter().find(|(_, known)| *known == name).map(|(version, _)| *version);
        check_fate(name, intent, version)?;
    }
    Ok(landed)
}

fn check_fate(name: &str, intent: &Intent, landed: Option<u64>) -> Check {
    if let Some(version) = intent.acknowledged {
        ensure!(landed.is_some(), "{name} was acknowledged as {version} and is lost");
        ensure!(landed == Some(version), "{name} was acknowledged as {version}, is {landed:?}");
    }
    ensure!(!intent.refused || landed.is_none(), "{name} was refused and is there as {landed:?}");
    if let Some(outcome) = intent.outcome {
        ensure!(outcome == landed, "the outcome of {name} was {outcome:?}, it is {landed:?}");
    }
    Ok(())
}

/// A change that the database makes itself: tables, and links that the sweeper removes. Or one of a
/// chore.
fn is_of_the_house(change: &Change) -> bool {
    let is_chore = chores::TABLES.contains(&change.table.as_str());
    let is_link = change.table == "links"
        && change.after.as_ref().is_none_or(|link| link["type"] == chores::LINK);
    change.table.starts_with('_') || is_chore || is_link
}

/// The stamp of a one-verb write.
fn stamp(row: &LogRow) -> Option<String> {
    let stamps = row.changes.iter().filter_map(|change| change.after.as_ref()?["stamp"].as_u64());
    stamps.map(|stamp| format!("s{stamp}")).next()
}

async fn check_outcomes(
    db: &Database,
    rows: &[LogRow],
    ledger: &Ledger,
    landed: &BTreeMap<u64, String>,
) -> Check {
    for row in rows {
        let outcome = db.outcome(row.transaction).await?;
        let right = outcome == Some(row.version);
        ensure!(right, "the outcome of version {} is {outcome:?}", row.version);
    }
    let there: BTreeSet<&String> = landed.values().collect();
    for name in ledger.intents.keys().filter(|name| !there.contains(name)) {
        if let Ok(id) = name.parse::<TransactionId>() {
            let outcome = db.outcome(id).await?;
            ensure!(outcome.is_none(), "{name} is not there and its outcome is {outcome:?}");
        }
    }
    Ok(())
}

/// Applies the intentions in the order of the log.
fn replay(rows: &[LogRow], ledger: &Ledger, landed: &BTreeMap<u64, String>) -> Check<Plain> {
    let mut plain = Plain::new(SHAPES);
    let mut state = plain.last();
    let mut links = BTreeMap::new();
    for row in rows {
        let Some(name) = landed.get(&row.version) else { continue };
        let intent = &ledger.intents[name];
        apply(name, intent, row, &mut state, &mut links).map_err(|failure| {
            failure.at(format!(
                "version {}: {:?}, intended {:?}",
                row.version, row.changes, intent.ops
            ))
        })?;
        plain.push(row.version, state.clone());
    }
    Ok(plain)
}

/// Applies one intention and compares it with what the log says.
fn apply(
    name: &str,
    intent: &Intent,
    row: &LogRow,
    state: &mut State,
    links: &mut BTreeMap<Id, Ends>,
) -> Check {
    let mut changes = row.changes.iter().peekable();
    for (op, said) in &intent.ops {
        check_count(op, state)?;
        let done = state.apply(op, row.version);
        let there = done.map_err(|code| Failure(format!("{name}: {op:?} was {code}")))?;
        ensure!(said.is_none_or(|said| said == there), "{name}: {op:?} found {said:?}");
        let link = state.touched_link.take();
        let idle = !there && matches!(op, Op::Delete { .. } | Op::Unlink { .. });
        if idle {
            // A link that nobody sees any more, because an end of it died, may be cleared up here.
            let of_it =
                |change: &Change| links.get(&change.id).is_some_and(|it| Some(it) == link.as_ref());
            let same = |change: &&Change| change.after.is_none() && of_it(change);
            changes.next_if(same);
            continue;
        }
        let change = changes.next();
        ensure!(change.is_some(), "{name} is torn: {op:?} is not in the log");
        let change = change.expect("it was checked a line above");
        check_change(op, change, state)?;
        if let Some(link) = link {
            let known = links.entry(change.id).or_insert_with(|| link.clone());
            ensure!(*known == link, "{op:?} has the id {} of another", change.id);
        }
    }
    ensure!(changes.next().is_none(), "{name} has more changes than it made");
    Ok(())
}

/// A counter goes up by one: whoever read it must have read the last value.
fn check_count(op: &Op, state: &State) -> Check {
    if let Op::Put { properties, .. } = op
        && let Some(count) = properties["count"].as_u64()
    {
        let name = properties["name"].as_str().unwrap_or_default();
        let row = state.rows.get(&Who::keyed("entities", name));
        let before = row.and_then(|row| row.properties["count"].as_u64()).unwrap_or(0);
        ensure!(count == before + 1, "{name} went from {before} to {count}: an update is lost");
    }
    Ok(())
}

/// The log says of a record what the model says.
fn check_change(op: &Op, change: &Change, state: &mut State) -> Check {
    let table = match op {
        Op::Put { table, .. } | Op::Update { table, .. } | Op::Delete { table, .. } => table,
        Op::Link { .. } | Op::Unlink { .. } => "links",
    };
    ensure!(change.table == *table, "{op:?} is in the log as a change of {}", change.table);
    let gone = matches!(op, Op::Delete { .. } | Op::Unlink { .. });
    ensure!(change.after.is_none() == gone, "{op:?} is in the log as {change:?}");
    if table == "links" {
        return Ok(());
    }
    let who = state.touched.clone().expect("something was written or deleted");
    ensure!(state.learn(change.id, &who), "{op:?} has the id {} of another", change.id);
    if let Some(after) = &change.after {
        let same = state.rows.get(&who).is_some_and(|row| row.properties == *after);
        ensure!(same, "{op:?} is in the log as {after}");
    }
    Ok(())
}

async fn compare(
    db: &Database,
    plain: &Plain,
    ledger: &mut Ledger,
    landed: &BTreeMap<u64, String>,
    chance: &mut Chance,
) -> Check {
    let (searched, tally) = (&mut ledger.searched, &ledger.tally);
    let view = db.view()?;
    let state = plain.last();
    same_records(&view, &state, Versions::Compare).await?;
    for _ in 0..10 {
        same_answer(&view, &state, Versions::Compare, chance).await?;
    }
    for _ in 0..SEARCHES {
        searched.add(same_search(&view, Meaning::Known, chance).await?);
    }
    let versions: Vec<u64> = landed.keys().copied().collect();
    if versions.is_empty() {
        return Ok(());
    }
    for _ in 0..3 {
        let version = *chance.pick(&versions);
        let view = match db.as_of(At::Version(version)).await {
            Err(error) if error.code() == "HISTORY_NOT_KEPT" => {
                tally.may_be_pruned(version)?;
                continue;
            }
            view => view?,
        };
        tally.may_be_shown(version)?;
        let past = async {
            let state = plain.at(version);
            same_records(&view, &state, Versions::Compare).await?;
            for _ in 0..5 {
                same_answer(&view, &state, Versions::Compare, chance).await?;
            }
            searched.add(same_search(&view, Meaning::Perhaps, chance).await?);
            let everybody = plain.everybody();
            if !everybody.is_empty() {
                let who = chance.pick(&everybody);
                same_history(&view, plain, who, version, tally.pruned_asked()).await?;
            }
            for finding in db.verify_as_of(version).await? {
                ensure!(false, "verify found {}: {}", finding.code, finding.message);
            }
            Ok(())
        };
        past.await.map_err(|failure: Failure| failure.at(format!("as of {version}")))?;
    }
    Ok(())
}
