//! What became of the chores.
//!
//! A thing that has stages must be in the last one that was acknowledged, or in one that was asked
//! for since. What is gone must be nowhere: in no answer, in no change of the log, in no byte of a
//! file. Every backup that is listed must be a database of one version that the model knows.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;

use kenning::{Database, Json, LogRow, list_backups};

use crate::chance::{Check, Failure, ensure};
use crate::check::{verify, whole_log};
use crate::chores::{BACKUPS_KEPT, backups, is_bad};
use crate::compare::{Versions, same_records};
use crate::plain::Plain;

/// A thing that goes through stages.
#[derive(Debug)]
struct Thing {
    kind: String,
    /// What is to be known about it: of a secret its values.
    facts: Vec<String>,
    /// Stages it was asked into, in order, and when that was acknowledged.
    stages: Vec<(String, Option<u64>)>,
}

/// A number that only grows: what was asked for, and what was acknowledged when.
#[derive(Debug, Default)]
struct Mark {
    asked: u64,
    acknowledged: Vec<(u64, u64)>,
}

impl Mark {
    fn acknowledge(&mut self, said: &Json, number: u64) {
        self.asked = self.asked.max(number);
        self.acknowledged.push((number, said["at"].as_u64().unwrap_or(0)));
    }

    fn acknowledged(&self) -> u64 {
        self.acknowledged.iter().map(|(number, _)| *number).max().unwrap_or(0)
    }

    fn forget_answers_since(&mut self, cut_ms: u64) {
        self.acknowledged.retain(|(_, at)| *at < cut_ms);
    }
}

/// Everything that the chores of the children of one database said.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    things: BTreeMap<String, Thing>,
    /// Lines of the imported file.
    lines: Mark,
    /// Versions before which the past was pruned.
    pruned: Mark,
    /// Numbers of backups.
    backups: Mark,
    checked: BTreeSet<u64>,
    /// What must be in no file, and why.
    forgotten: Vec<(String, Vec<String>)>,
    /// Stages, lines, backups that were looked for, for the report.
    pub(crate) done: u64,
}

const ABSENT: &str = "absent";

impl Tally {
    pub(crate) fn hear(&mut self, said: &Json) -> Check {
        let stage = |verb: &str| said[verb].as_str().map(str::to_owned);
        if let Some(name) = stage("thing") {
            return self.hear_of(&name, stage("to"), stage("is"), stage("not"), said);
        }
        if let Some(lines) = said["lines"].as_u64() {
            self.lines.acknowledge(said, lines);
        } else if let Some(until) = said["prune"].as_u64() {
            self.pruned.asked = self.pruned.asked.max(until);
        } else if let Some(until) = said["pruned"].as_u64() {
            self.pruned.acknowledge(said, until);
        } else if let Some(number) = said["backup"].as_u64() {
            self.backups.acknowledge(said, number);
        }
        Ok(())
    }

    fn hear_of(
        &mut self,
        name: &str,
        to: Option<String>,
        is: Option<String>,
        not: Option<String>,
        said: &Json,
    ) -> Check {
        if let Some(stage) = to {
            let thing = self.things.entry(name.to_owned()).or_insert_with(|| Thing {
                kind: said["kind"].as_str().unwrap_or_default().to_owned(),
                facts: serde_json::from_value(said["facts"].clone()).unwrap_or_default(),
                stages: vec![(ABSENT.to_owned(), Some(0))],
            });
            thing.stages.push((stage, None));
            return Ok(());
        }
        let thing = self.things.get_mut(name);
        let Some(last) = thing.and_then(|thing| Some(thing).filter(|it| it.stages.len() > 1))
        else {
            return Err(Failure(format!("nobody spoke of {name} before")));
        };
        let asked = last.stages.last_mut().expect("it has two");
        if let Some(stage) = is {
            ensure!(asked.0 == stage, "{name} was asked into {}, is {stage}", asked.0);
            asked.1 = said["at"].as_u64();
        } else if not.is_some() {
            last.stages.pop();
        }
        Ok(())
    }

    /// As for transactions.
    pub(crate) fn forget_answers_since(&mut self, cut_ms: u64) {
        for (_, at) in self.things.values_mut().flat_map(|thing| &mut thing.stages) {
            *at = at.filter(|at| *at < cut_ms);
        }
        for mark in [&mut self.lines, &mut self.pruned, &mut self.backups] {
            mark.forget_answers_since(cut_ms);
        }
    }

    /// Before which version the past may be gone.
    pub(crate) fn pruned_asked(&self) -> u64 {
        self.pruned.asked
    }

    /// Whether a version may be out of sight.
    pub(crate) fn may_be_pruned(&self, version: u64) -> Check {
        let asked = self.pruned.asked;
        ensure!(version < asked, "{version} can't be shown, pruned was until {asked}");
        Ok(())
    }

    /// Whether a version may be in sight.
    pub(crate) fn may_be_shown(&self, version: u64) -> Check {
        let pruned = self.pruned.acknowledged();
        ensure!(version >= pruned, "{version} is shown, and pruned was until {pruned}");
        Ok(())
    }

    /// Looks for everything. What is found is what has to be found from now on.
    pub(crate) async fn check(
        &mut self,
        db: &Database,
        path: &Path,
        log: &[LogRow],
        plain: &Plain,
    ) -> Check {
        let tenants = db.tenants().await?;
        let mut forgotten = Vec::new();
        for (name, thing) in &mut self.things {
            let found = match thing.kind.as_str() {
                "secret" => secret(db, name, thing).await?,
                "twins" => twins(db, name).await?,
                "tenant" => tenant(db, name, &tenants).await?,
                other => return Err(Failure(format!("{name} is a {other}"))),
            };
            let gone = thing.settle(name, &found)?;
            if gone && thing.kind == "secret" {
                forgotten.push((name.clone(), thing.facts.clone()));
            }
            self.done += 1;
        }
        let said = format!("{log:?}");
        for (name, values) in &forgotten {
            let value = values.iter().find(|value| said.contains(*value));
            ensure!(value.is_none(), "{name} was purged and {value:?} of it is in the log");
        }
        self.forgotten = forgotten;
        self.check_rows(db, log).await?;
        self.check_backups(db, path, log, plain).await
    }

    /// Rows of the file, each once, in its order.
    async fn check_rows(&mut self, db: &Database, log: &[LogRow]) -> Check {
        if self.lines.asked == 0 && self.things.is_empty() && db.table("rows").await.is_err() {
            return Ok(());
        }
        let rows = db.records("rows", None, 10_000).await?;
        let mut lines: Vec<u64> =
            rows.iter().filter_map(|row| row.properties["line"].as_u64()).collect();
        lines.sort_unstable();
        let last = lines.last().copied().unwrap_or(0);
        let expected: Vec<u64> = (1..=last).filter(|line| !is_bad(*line)).collect();
        ensure!(lines == expected, "lines up to {last} are stored as {lines:?}");
        let changes = log.iter().flat_map(|row| &row.changes);
        let puts = changes.filter(|change| change.table == "rows").count();
        ensure!(puts == lines.len(), "{puts} changes made {} rows", lines.len());
        let told = (1..=self.lines.acknowledged()).rfind(|line| !is_bad(*line)).unwrap_or(0);
        ensure!(last >= told, "line {told} was acknowledged, the last one is {last}");
        self.done += lines.len() as u64;
        Ok(())
    }

    async fn check_backups(
        &mut self,
        db: &Database,
        path: &Path,
        log: &[LogRow],
        plain: &Plain,
    ) -> Check {
        let folder = backups(path);
        let listed = match list_backups(&folder) {
            Ok(listed) => listed,
            // A crash came before its marker was written.
            Err(_) if self.backups.acknowledged() == 0 => return Ok(()),
            Err(error) => return Err(Failure(format!("the backups are not listed: {error}"))),
        };
        let numbers: Vec<u64> = listed.iter().map(|backup| backup.number).collect();
        let told = self.backups.acknowledged();
        let last = numbers.last().copied().unwrap_or(0);
        ensure!(last >= told, "backup {told} was acknowledged, there are {numbers:?}");
        // The one that was cut off may not have dropped the oldest.
        ensure!(numbers.len() <= BACKUPS_KEPT + 1, "there are {numbers:?}");
        let known: Vec<u64> = db.backups().await?.iter().map(|backup| backup.number).collect();
        for backup in &listed {
            let number = backup.number;
            ensure!(known.contains(&number), "backup {number} is not known, only {known:?}");
            if !self.checked.insert(number) {
                continue;
            }
            let restored = check_backup(&folder, backup, log, plain).await;
            restored.map_err(|failure| failure.at(format!("backup {number} of {last}")))?;
            self.done += 1;
        }
        Ok(())
    }

    /// Whether anything was purged.
    pub(crate) fn has_forgotten(&self) -> bool {
        !self.forgotten.is_empty()
    }

    /// Nothing of what was purged is in any file of the database, which is closed.
    pub(crate) fn check_forgotten(&self, path: &Path) -> Check {
        if self.forgotten.is_empty() {
            return Ok(());
        }
        search(path, &self.forgotten)
    }
}

impl Thing {
    /// It was found in stage `found`. Says whether it is gone because that was asked for.
    fn settle(&mut self, name: &str, found: &str) -> Check<bool> {
        let known = self.stages.iter().rposition(|(_, at)| at.is_some()).unwrap_or(0);
        let may = &self.stages[known..];
        // Of what was never there and of what is gone nothing is found.
        let is_gone = |stage: &str| stage == "gone" || stage == "dropped";
        let is = |stage: &str| stage == found || (found == ABSENT && is_gone(stage));
        let right = may.iter().any(|(stage, _)| is(stage));
        ensure!(right, "{} {name} is {found}, and was {:?}", self.kind, self.stages);
        let gone = found == ABSENT && may.iter().any(|(stage, _)| is_gone(stage));
        let stage = if gone { "gone" } else { found };
        self.stages = vec![(ABSENT.to_owned(), None), (stage.to_owned(), Some(0))];
        Ok(gone)
    }
}

async fn secret(db: &Database, name: &str, thing: &Thing) -> Check<String> {
    let [first, second, token, alias, why] = &thing.facts[..] else {
        return Err(Failure(format!("{name} has no values")));
    };
    let past = match db.history("secrets", name).await {
        // The crash came before its table.
        Err(error) if error.code() == "TABLE_NOT_FOUND" => return Ok(ABSENT.to_owned()),
        past => past?,
    };
    let Some(record) = db.get("secrets", name).await? else {
        ensure!(past.is_empty(), "{name} is purged and has a past: {past:?}");
        ensure!(db.get("secrets", alias).await?.is_none(), "{name} is purged, not its alias");
        return Ok(ABSENT.to_owned());
    };
    let said = &record.properties;
    ensure!(said["token"] == **token, "{name} is {said}");
    ensure!(record.aliases == [alias.clone()], "{name} has the aliases {:?}", record.aliases);
    let (stage, links) = match said["value"].as_str() {
        Some(value) if value == first => ("first", 0),
        Some(value) if value == second => ("second", 1),
        _ => return Err(Failure(format!("{name} is {said}"))),
    };
    let from = format!("{:?}", record.id);
    let mut found = 0;
    for link in db.records("links", None, 100_000).await? {
        found += usize::from(link.properties.to_string().contains(why));
    }
    ensure!(found == links, "{name} {from} is {stage} and has {found} links");
    Ok(stage.to_owned())
}

async fn twins(db: &Database, name: &str) -> Check<String> {
    let (left, right) = (format!("left {name}"), format!("right {name}"));
    let record = match db.get("twins", &left).await {
        Err(error) if error.code() == "TABLE_NOT_FOUND" => return Ok(ABSENT.to_owned()),
        record => record?,
    };
    let other = db.get("twins", &right).await?;
    let (Some(record), Some(other)) = (&record, &other) else {
        let none = record.is_none() && other.is_none();
        ensure!(none, "of twins there is one: {record:?} {other:?}");
        return Ok(ABSENT.to_owned());
    };
    ensure!(record.key.as_ref() == Some(&left), "{left} is {record:?}");
    let said = (&record.properties, &other.properties);
    let a = record.properties["a"].as_u64();
    ensure!(a.is_some_and(|a| a.to_string() == name), "{left} is {}", said.0);
    let alone = record.properties.get("b").is_none();
    ensure!(said.0["side"] == "left", "{left} is {}", said.0);
    if record.id == other.id {
        ensure!(record.properties["b"].as_u64() == a, "{left} took in nothing: {}", said.0);
        return Ok("one".to_owned());
    }
    ensure!(alone && other.key.as_ref() == Some(&right), "{right} is {other:?} beside {}", said.0);
    let right_said = said.1["side"] == "right" && said.1["b"].as_u64() == a;
    ensure!(right_said && said.1.get("a").is_none(), "{right} is {}", said.1);
    Ok("two".to_owned())
}

async fn tenant(db: &Database, name: &str, tenants: &[String]) -> Check<String> {
    if !tenants.iter().any(|known| known == name) {
        // A name that is free again, and one that never was taken.
        let error = db.tenant(name).await.err().map(|error| error.code());
        ensure!(error == Some("TENANT_NOT_FOUND"), "tenant {name} is not listed, and {error:?}");
        return Ok(ABSENT.to_owned());
    }
    let tenant = db.tenant(name).await?;
    let guests = tenant.records("entities", None, 10).await?;
    let strange = guests.iter().find(|guest| guest.properties["of"] != *name);
    ensure!(strange.is_none() && guests.len() < 2, "tenant {name} has {guests:?}");
    Ok(if guests.is_empty() { "empty" } else { "filled" }.to_owned())
}

/// Restores a backup elsewhere: it must be what the model was at its version.
async fn check_backup(
    folder: &Path,
    backup: &kenning::Backup,
    log: &[LogRow],
    plain: &Plain,
) -> Check {
    let place = tempfile::tempdir()?;
    let url = place.path().join("db").display().to_string();
    let go_on = &mut |_: kenning::Copying| ControlFlow::Continue(());
    kenning::restore(&url, folder, Some(backup.number), go_on).await?;
    let db = kenning::open_with(&url, crate::place::options()).await?;
    ensure!(db.version() == backup.version, "it is {}, not {}", db.version(), backup.version);
    verify(&db).await?;
    let view = db.view()?;
    let version = backup.version;
    same_records(&view, &plain.at(version), Versions::Compare).await?;
    let stamps = |rows: &[LogRow]| -> Vec<_> {
        let until = rows.iter().filter(|row| row.version <= version);
        until.map(|row| (row.version, row.transaction)).collect()
    };
    let same = stamps(&whole_log(&db).await?) == stamps(log);
    ensure!(same, "its log is not what the database has up to {version}");
    drop(view);
    Ok(db.close().await?)
}

/// Looks for values in every file of a folder.
fn search(folder: &Path, forgotten: &[(String, Vec<String>)]) -> Check {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            search(&path, forgotten)?;
            continue;
        }
        let bytes = std::fs::read(&path)?;
        // One pass over the bytes, whatever was forgotten: every value is a word of this length.
        let is_letter = |at: usize| matches!(bytes.get(at), Some(b'0'..=b'9' | b'a'..=b'f'));
        let may_be = |at: &usize| is_letter(*at) && is_letter(at + 31);
        let word = |at: usize| bytes.get(at..at + 32);
        let values: BTreeMap<&[u8], &str> = forgotten
            .iter()
            .flat_map(|(name, values)| values.iter().map(|v| (v.as_bytes(), name.as_str())))
            .collect();
        let found =
            (0..bytes.len()).filter(may_be).filter_map(word).find_map(|word| values.get(word));
        ensure!(found.is_none(), "{found:?} was purged and is in {}", path.display());
    }
    Ok(())
}
