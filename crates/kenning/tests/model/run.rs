//! Random steps on an engine and on the plain model, compared after each.

use std::ops::ControlFlow;

use kenning::ingest::{WholeOptions, WholeProgress, export_all};
use kenning::{At, Database, Engine, Options, json};

use crate::chance::{Chance, Check, Failure, ensure};
use crate::compare::{SHAPES, Versions, change, create_tables, people_schema};
use crate::compare::{perform_alone, perform_in};
use crate::compare::{same_answer, same_history, same_outcome, same_records};
use crate::finding::{Meaning, same_search};
use crate::place::Place;
use crate::plain::{Op, Plain, State};

struct Run {
    place: Place,
    options: Options,
    db: Option<Database>,
    plain: Plain,
    /// The first version that has the tables, or that a prune has left.
    from: u64,
    /// Up to here the past was pruned.
    pruned: u64,
}

/// Runs one step for each seed on a new database.
pub(crate) async fn run(place: &Place, options: &Options, steps: &[u64]) -> Check {
    let db = place.open(options).await?;
    create_tables(&db).await?;
    let mut run = Run {
        place: place.clone(),
        options: options.clone(),
        from: db.version(),
        pruned: 0,
        db: Some(db),
        plain: Plain::new(SHAPES),
    };
    for (at, seed) in steps.iter().enumerate() {
        let stepped = run.step(&mut Chance::new(*seed)).await;
        stepped.map_err(|failure| failure.at(format!("step {at}, seed {seed}")))?;
    }
    run.finish().await
}

impl Run {
    fn db(&self) -> &Database {
        self.db.as_ref().expect("it is open between two steps")
    }

    async fn step(&mut self, chance: &mut Chance) -> Check {
        match chance.below(100) {
            0..=39 => self.alone(chance).await?,
            40..=64 => self.together(chance).await?,
            65..=84 => self.past(chance).await?,
            85 | 86 => self.reopen().await?,
            87 => self.prune(chance).await?,
            88 => self.alter(chance).await?,
            89 => self.search(chance).await?,
            _ => {}
        }
        let view = self.db().view()?;
        same_answer(&view, &self.plain.last(), Versions::Compare, chance).await
    }

    /// One verb.
    async fn alone(&mut self, chance: &mut Chance) -> Check {
        let mut state = self.plain.last();
        let mut op = change(&state, chance);
        let before = self.db().version();
        let done = perform_alone(self.db(), &mut op).await;
        let version = match &done {
            Ok(done) => match &done.stored {
                Some(record) => record.version,
                None => self.version_of(&op, before).await?,
            },
            Err(_) => before,
        };
        same_outcome(&mut state, &op, &done, version)?;
        if done.is_ok() {
            self.plain.push(version, state);
        }
        Ok(())
    }

    /// The version in which `op` landed, from the log: the sweeper commits too.
    async fn version_of(&self, op: &Op, before: u64) -> Check<u64> {
        let unlink = matches!(op, Op::Unlink { .. });
        let delete = matches!(op, Op::Delete { .. });
        for row in self.db().log(before, 1_000).await? {
            let mine = row.changes.iter().any(|change| match change.after {
                None if delete => change.table != "links",
                None => unlink,
                Some(_) => !delete && !unlink,
            });
            if mine {
                return Ok(row.version);
            }
        }
        Ok(before)
    }

    /// A transaction, committed or dropped.
    async fn together(&mut self, chance: &mut Chance) -> Check {
        let before = self.plain.last();
        let mut staged = before.clone();
        let mut ops = Vec::new();
        let mut changed = false;
        let mut transaction = self.db().begin()?;
        for _ in 0..=chance.below(5) {
            let mut op = change(&staged, chance);
            let done = perform_in(&mut transaction, &mut op).await;
            same_outcome(&mut staged, &op, &done, u64::MAX)?;
            if let Ok(done) = done {
                changed |= done.there.unwrap_or(true);
                ops.push(op);
            }
            same_answer(&transaction, &staged, Versions::Ignore, chance).await?;
        }
        if chance.percent(30) {
            drop(transaction);
            return Ok(());
        }
        let id = transaction.id();
        let committed = match transaction.commit().await {
            Ok(committed) => committed,
            // The sweeper may have come in between; nothing else can.
            Err(error) if error.kind() == kenning::ErrorKind::Conflict => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut state = before;
        for op in &ops {
            state
                .apply(op, committed.version)
                .map_err(|code| Failure(format!("{op:?}: {code}")))?;
        }
        keep_ids(&mut state, &staged);
        if changed {
            let outcome = self.db().outcome(id).await?;
            ensure!(outcome == Some(committed.version), "the outcome of {id} is {outcome:?}");
            self.plain.push(committed.version, state);
        }
        Ok(())
    }

    /// A version of the past.
    async fn past(&mut self, chance: &mut Chance) -> Check {
        let head = self.db().version();
        let version = self.from + chance.below(head - self.from + 1);
        let view = self.db().as_of(At::Version(version)).await?;
        let state = self.plain.at(version);
        let look = async {
            same_answer(&view, &state, Versions::Compare, chance).await?;
            same_records(&view, &state, Versions::Compare).await?;
            if chance.percent(30) {
                same_search(&view, Meaning::Perhaps, chance).await?;
            }
            let known = self.plain.everybody();
            if known.is_empty() {
                return Ok(());
            }
            let who = chance.pick(&known).clone();
            same_history(&view, &self.plain, &who, version, self.pruned).await
        };
        look.await.map_err(|failure| failure.at(format!("as of {version} of {head}")))
    }

    /// Views reach back to some version, and no further.
    async fn prune(&mut self, chance: &mut Chance) -> Check {
        let head = self.db().version();
        let until = self.from + chance.below(head - self.from + 1);
        self.db().prune(At::Version(until), false).await?;
        (self.from, self.pruned) = (until, until);
        let before = self.db().as_of(At::Version(until - 1)).await;
        let refused = before.err().map(|error| error.code());
        ensure!(refused == Some("HISTORY_NOT_KEPT"), "pruned until {until}: {refused:?} before");
        Ok(())
    }

    /// Every search, once everything is known.
    async fn search(&self, chance: &mut Chance) -> Check {
        self.db().wait_indexed().await?;
        same_search(&self.db().view()?, Meaning::Known, chance).await.map(drop)
    }

    /// Indexes come and go, also one that each question may have used until now. No answer changes.
    async fn alter(&mut self, chance: &mut Chance) -> Check {
        let mut more = vec![json!("owner"), json!("site"), json!(["city", "owner"])];
        more.retain(|_| chance.percent(50));
        let mut schema = people_schema(&more, &[]);
        if chance.percent(50) {
            let indexed = schema["x-kenning"]["indexed"].as_array_mut();
            let indexed = indexed.expect("the schema has indexes");
            indexed.remove(chance.below(5) as usize);
        }
        self.db().alter_table("people", schema).await?;
        if chance.percent(30) {
            self.db().reindex("tasks").await?;
        }
        Ok(self.db().wait_indexed().await?)
    }

    /// Closed and opened again, where there is something to open.
    async fn reopen(&mut self) -> Check {
        if self.place.keeps() {
            let db = self.db.take().expect("it is open between two steps");
            let before = db.version();
            db.close().await?;
            let db = self.place.open(&self.options).await?;
            let after = db.version();
            ensure!(after >= before, "version {before} was {after} when opened again");
            self.db = Some(db);
        }
        Ok(())
    }

    async fn finish(mut self) -> Check {
        self.reopen().await?;
        let db = self.db();
        same_records(&db.view()?, &self.plain.last(), Versions::Compare).await?;
        self.search(&mut Chance::new(db.version())).await?;
        for finding in db.verify().await? {
            ensure!(false, "verify found {}: {}", finding.code, finding.message);
        }
        let middle = self.from + (db.version() - self.from) / 2;
        for finding in db.verify_as_of(middle).await? {
            let (code, message) = (finding.code, finding.message);
            ensure!(false, "verify as of {middle} found {code}: {message}");
        }
        self.copies().await
    }

    /// Exported to files and imported from them, it is the same: as it is, and at every version.
    async fn copies(&self) -> Check {
        let view = self.db().view()?;
        let folder = tempfile::tempdir()?;
        for (at, history) in [false, true].into_iter().enumerate() {
            let files = folder.path().join(format!("files-{at}"));
            let place = match self.place {
                Place::Memory => Place::Memory,
                Place::Folder(_) => Place::Folder(folder.path().join(format!("copy-{at}"))),
            };
            let engine = match self.options.engine {
                Engine::Rocksdb => Engine::Fjall,
                Engine::Fjall => Engine::Rocksdb,
            };
            let options = Options { engine, ..self.options.clone() };
            let copy = copied(&view, &files, &place, options, history).await?;
            let look = async {
                ensure!(copy.content_hash().await? == view.content_hash().await?, "it differs");
                for finding in copy.verify().await? {
                    ensure!(false, "verify found {}: {}", finding.code, finding.message);
                }
                if !history {
                    return same_records(&copy.view()?, &self.plain.last(), Versions::Ignore).await;
                }
                ensure!(
                    copy.history_hash().await? == view.history_hash().await?,
                    "its past differs"
                );
                // The sweeper of either goes on.
                let then = copy.as_of(At::Version(view.version())).await?;
                ensure!(view.log(0, 1_000).await? == then.log(0, 1_000).await?, "its log differs");
                let mut version = self.from;
                while version <= view.version() {
                    let then = copy.as_of(At::Version(version)).await?;
                    same_records(&then, &self.plain.at(version), Versions::Compare).await?;
                    for finding in copy.verify_as_of(version).await? {
                        ensure!(false, "as of {version}: {}: {}", finding.code, finding.message);
                    }
                    version += 1 + (view.version() - self.from) / 7;
                }
                Ok(())
            };
            look.await.map_err(|failure| failure.at(format!("a copy, history {history}")))?;
            copy.close().await?;
        }
        Ok(())
    }
}

/// A database that is imported from what `view` exports.
async fn copied(
    view: &kenning::View,
    files: &std::path::Path,
    place: &Place,
    options: Options,
    history: bool,
) -> Check<Database> {
    let go_on = &mut |_: &WholeProgress| ControlFlow::Continue(());
    export_all(view, files, WholeOptions { history }, go_on).await?;
    let (_, copy) = kenning::import_all(&place.url(), options, files, go_on).await?;
    Ok(copy.expect("nobody broke it off"))
}

/// Ids that were learned while staging.
fn keep_ids(state: &mut State, staged: &State) {
    state.learn_all(staged);
}
