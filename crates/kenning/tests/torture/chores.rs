//! What a child does beside its transactions: everything of the workbench, in steps that a crash
//! can cut anywhere.
//!
//! Each chore works on things of its own, which the plain model does not know: rows of a file that
//! is imported, records with secrets that are purged, twins that are merged, tenants. Whatever has
//! stages is named on standard output before it goes into the next one, and again when it is there.
//! Indexes come and go on a table that the model does know: no answer of it may change.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use kenning::ingest::{Ending, Event, Format, ImportOptions, Source, import};
use kenning::{At, BackupOptions, Database, Draft, Error, ErrorKind, Json, Link, Result};
use serde_json::json;

use crate::chance::{Chance, Check, Failure, ensure};
use crate::child::Child;
use crate::compare::people_schema;

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chore {
    Import,
    Prune,
    Purge,
    Backup,
    Compact,
    Alter,
    Reindex,
    Merge,
    Tenant,
}

pub(crate) const CHORES: &[(&str, Chore)] = &[
    ("import", Chore::Import),
    ("prune", Chore::Prune),
    ("purge", Chore::Purge),
    ("backup", Chore::Backup),
    ("compact", Chore::Compact),
    ("alter", Chore::Alter),
    ("reindex", Chore::Reindex),
    ("merge", Chore::Merge),
    ("tenant", Chore::Tenant),
];

/// Which of them are done, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chores {
    None,
    /// All of them, between the transactions.
    All,
    /// One of them, and nothing else.
    Only(Chore),
}

impl Chores {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Chores::None => "none",
            Chores::All => "all",
            Chores::Only(chore) => {
                let known = CHORES.iter().find(|(_, known)| *known == chore);
                known.map(|(name, _)| *name).expect("every chore has a name")
            }
        }
    }

    pub(crate) fn named(name: &str) -> Check<Self> {
        match name {
            "none" => return Ok(Chores::None),
            "all" => return Ok(Chores::All),
            _ => {}
        }
        let found = CHORES.iter().find(|(known, _)| *known == name);
        found
            .map(|(_, chore)| Chores::Only(*chore))
            .ok_or_else(|| Failure(format!("there is no chore '{name}'")))
    }

    /// What a thread does now, if it is a chore. Threads share them out.
    pub(crate) fn pick(self, thread: u64, threads: u64, chance: &mut Chance) -> Option<Chore> {
        match self {
            Chores::None => None,
            Chores::Only(chore) => Some(chore),
            Chores::All if !chance.percent(12) => None,
            Chores::All => {
                let mine = |(at, _): &(usize, _)| *at as u64 % threads == thread % threads;
                let mine: Vec<_> = CHORES.iter().enumerate().filter(mine).collect();
                (!mine.is_empty()).then(|| chance.pick(&mine).1.1)
            }
        }
    }
}

/// The tables that the chores write; the model does not know them.
pub(crate) const TABLES: [&str; 3] = ["rows", "secrets", "twins"];
/// The type of links between their records.
pub(crate) const LINK: &str = "minds";
/// The backups that stay.
pub(crate) const BACKUPS_KEPT: usize = 2;
/// The follower that has read nothing: because of it the log stays.
const FOLLOWER: &str = "torture";
/// Lines of the file that is imported.
const LINES: u64 = 400;
/// Rows of one of its transactions.
const TRANSACTION_ROWS: usize = 5;

/// Whether line `line` of the file, counted from 1, can't be read.
pub(crate) fn is_bad(line: u64) -> bool {
    line.is_multiple_of(17)
}

/// The file that is imported into the database at `path`.
fn rows_file(path: &Path) -> PathBuf {
    path.with_extension("jsonl")
}

/// The folder of backups of the database at `path`.
pub(crate) fn backups(path: &Path) -> PathBuf {
    path.with_extension("backups")
}

/// Writes the file that is imported, unless it is there. A crash may have cut it.
pub(crate) fn write_rows(path: &Path) -> Check {
    let line =
        |n| if is_bad(n) { "{\"line\":\n".to_owned() } else { format!("{{\"line\":{n}}}\n") };
    let text: String = (1..=LINES).map(line).collect();
    let file = rows_file(path);
    if std::fs::read(&file).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    std::fs::create_dir_all(file.parent().unwrap_or(Path::new("/")))?;
    Ok(std::fs::write(&file, text)?)
}

/// Makes what the chores need.
pub(crate) async fn begin(db: &Database) -> Result<()> {
    let secrets = json!({"x-kenning": {"key": "name", "indexed": ["value"], "unique": ["token"]}});
    let twins = json!({"x-kenning": {"key": "name", "indexed": ["side"]}});
    for (name, schema) in TABLES.into_iter().zip([json!({}), secrets, twins]) {
        match db.create_table(name, schema).await {
            Err(error) if error.code() != "TABLE_EXISTS" => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    db.follow(FOLLOWER).await?.ack(0).await
}

/// Sixteen characters that are nowhere else.
fn secret(chance: &mut Chance) -> String {
    chance.bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Child {
    pub(crate) async fn chore(
        &self,
        db: &Database,
        chore: Chore,
        stamp: u64,
        chance: &mut Chance,
    ) -> Check {
        let done = match chore {
            Chore::Import => self.import(db, chance).await,
            Chore::Prune => self.prune(db, chance).await,
            Chore::Purge => self.purge(db, stamp, chance).await,
            Chore::Backup => self.back_up(db).await,
            Chore::Compact => db.compact().await,
            Chore::Alter => alter(db, chance).await,
            Chore::Reindex => {
                let table = *chance.pick(&["people", "tasks", "secrets", "rows"]);
                db.reindex(table).await
            }
            Chore::Merge => self.merge(db, stamp, chance).await,
            Chore::Tenant => self.tenant(db, stamp, chance).await,
        };
        match done {
            Ok(()) => Ok(()),
            Err(error) => self.excused(chore, &error),
        }
    }

    /// What a chore may fail with: others were faster, the past is not kept, or the disk.
    fn excused(&self, chore: Chore, error: &Error) -> Check {
        match error.kind() {
            ErrorKind::Conflict => {}
            // The file lies on the disk that does not answer.
            ErrorKind::Invalid if chore == Chore::Import && error.code() == "FILE" => {}
            ErrorKind::Invalid => {
                ensure!(error.code() == "HISTORY_NOT_KEPT", "{chore:?} failed: {error:?}");
            }
            ErrorKind::Closed => self.close(),
            // Two that trim the past, or a disk that did not answer: if that is for good, a commit
            // will tell.
            ErrorKind::Unavailable => {}
            // Behind a power cut the disk takes no new file.
            ErrorKind::Denied if error.code() == "READ_ONLY" && self.work.may_lose_power() => {}
            ErrorKind::Exhausted | ErrorKind::Denied | ErrorKind::Corrupt => {
                return Err(Failure(format!("{chore:?} failed: {error:?}")));
            }
        }
        Ok(())
    }

    /// Takes `what` into the next stage.
    async fn stage<T>(
        &self,
        what: (&str, &str),
        stage: &str,
        facts: Json,
        step: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let (kind, name) = what;
        self.say(&json!({"thing": name, "kind": kind, "to": stage, "facts": facts}));
        let done = step.await;
        match &done {
            Ok(_) => self.say(&json!({"thing": name, "is": stage, "at": self.now_ms()})),
            // The transaction did not land, or the purge did not begin.
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Invalid) => {
                self.say(&json!({"thing": name, "not": stage}));
            }
            Err(_) => {}
        }
        done
    }

    /// Some more rows of the file.
    async fn import(&self, db: &Database, chance: &mut Chance) -> Result<()> {
        let mut left = 1 + chance.below(8);
        let options = ImportOptions {
            transaction_rows_max: TRANSACTION_ROWS,
            ..ImportOptions::new(Format::Jsonl)
        };
        let watch = &mut |event: Event<'_>| {
            if let Event::Landed(progress) = event {
                self.say(&json!({"lines": progress.line - 1, "at": self.now_ms()}));
                left -= 1;
            }
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let source = Source::File(rows_file(&self.work.path));
        let imported = import(db, "rows", source, &options, watch).await?;
        if matches!(imported.ending, Ending::Done | Ending::DoneBefore) {
            self.say(&json!({"lines": LINES, "at": self.now_ms()}));
        }
        Ok(())
    }

    async fn prune(&self, db: &Database, chance: &mut Chance) -> Result<()> {
        let until = db.version().saturating_sub(chance.below(60)).max(1);
        self.say(&json!({"prune": until}));
        // A follower has read nothing of it: the log stays, whatever is asked.
        db.prune(At::Version(until), chance.percent(50)).await?;
        self.say(&json!({"pruned": until, "at": self.now_ms()}));
        Ok(())
    }

    /// A record with a past, or the end of one.
    async fn purge(&self, db: &Database, stamp: u64, chance: &mut Chance) -> Result<()> {
        if chance.percent(50) {
            let name = format!("secret {stamp}");
            let values: [String; 5] = std::array::from_fn(|_| secret(chance));
            let what = ("secret", name.as_str());
            let [first, second, token, alias, why] = &values;
            let draft = Draft {
                aliases: Some(vec![alias.clone()]),
                ..json!({"name": name, "value": first, "token": token}).into()
            };
            self.stage(what, "first", json!(values), db.put("secrets", draft)).await?;
            let link = Link { properties: json!({"why": why}), ..Link::default() };
            let step = db.transact(async |transaction| {
                transaction.update("secrets", &name, json!({"value": second})).await?;
                let from = format!("secrets/{name}");
                transaction.link(&from, LINK, "secrets/anchor", link.clone()).await
            });
            self.stage(what, "second", Json::Null, step).await?;
        }
        let there = db.records("secrets", None, 50).await?;
        if !there.is_empty() && chance.percent(60) {
            let record = chance.pick(&there);
            let name = record.key.clone().expect("the table has a key");
            // Under its id or its key.
            let id = record.id.to_string();
            let reference = if chance.percent(50) { &name } else { &id };
            let step = db.purge("secrets", reference);
            self.stage(("secret", &name), "gone", Json::Null, step).await?;
        }
        Ok(())
    }

    async fn back_up(&self, db: &Database) -> Result<()> {
        let keep = BackupOptions { keep: NonZeroUsize::new(BACKUPS_KEPT) };
        let watch = &mut |_: kenning::Copying| ControlFlow::Continue(());
        let done = db.backup(&backups(&self.work.path), keep, watch).await?;
        let number = done.expect("nobody broke it off").backup.number;
        self.say(&json!({"backup": number, "at": self.now_ms()}));
        Ok(())
    }

    /// Two records become one, and perhaps two again.
    async fn merge(&self, db: &Database, stamp: u64, chance: &mut Chance) -> Result<()> {
        let name = format!("{stamp}");
        let (left, right) = (format!("left {stamp}"), format!("right {stamp}"));
        let ends = (format!("twins/{left}"), format!("twins/{right}"));
        let what = ("twins", name.as_str());
        let step = db.transact(async |transaction| {
            let said = json!({"name": left, "a": stamp, "side": "left"});
            transaction.put("twins", said).await?;
            let said = json!({"name": right, "b": stamp, "side": "right"});
            transaction.put("twins", said).await?;
            transaction.link(&ends.1, LINK, &ends.0, Link::default()).await?;
            transaction.link(&ends.1, LINK, "twins/anchor", Link::default()).await
        });
        self.stage(what, "two", Json::Null, step).await?;
        self.stage(what, "one", Json::Null, db.merge(&ends.0, &ends.1)).await?;
        if chance.percent(50) {
            self.stage(what, "two", Json::Null, db.unmerge(&ends.0, &right)).await?;
        }
        Ok(())
    }

    async fn tenant(&self, db: &Database, stamp: u64, chance: &mut Chance) -> Result<()> {
        let name = format!("t{stamp}");
        let what = ("tenant", name.as_str());
        self.stage(what, "empty", Json::Null, db.create_tenant(&name)).await?;
        let guest = json!({"name": "guest", "of": name});
        let step = async { db.tenant(&name).await?.put("entities", guest).await };
        self.stage(what, "filled", Json::Null, step).await?;
        if chance.percent(60) {
            self.stage(what, "dropped", Json::Null, db.drop_tenant(&name)).await?;
        }
        Ok(())
    }
}

/// Indexes that nobody asks, and some that can't be made because values are there twice.
async fn alter(db: &Database, chance: &mut Chance) -> Result<()> {
    let (mut indexed, mut unique) = (Vec::new(), Vec::new());
    for more in [json!("owner"), json!("site"), json!(["city", "owner"])] {
        if chance.percent(50) {
            indexed.push(more);
        }
    }
    if chance.percent(40) {
        unique.push(json!("owner"));
    }
    db.alter_table("people", people_schema(&indexed, &unique)).await
}
