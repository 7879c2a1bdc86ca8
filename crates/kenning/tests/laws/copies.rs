//! A database that is exported and imported knows the same.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use kenning::ingest::{WholeImported, WholeOptions, WholeProgress, export_all};
use kenning::{At, Database, Draft, Engine, IndexState, Json, Link, Options, Past, Progress, View};
use kenning::{TransactionId, Walk, json};
use kenning_test::ManualWorld;

use crate::chance::{Chance, Check, ensure};
use crate::place::Place;

const TENANTS: [&str; 3] = ["default", "b", "A"];
const TABLES: [&str; 4] = ["people", "things", "entities", "links2"];
const STEPS: usize = 120;

/// Whatever was done to it: records, links, births, tables, indexes, tenants, the horizon.
pub(crate) async fn a_copy_knows_the_same(place: &Place, options: &Options) -> Check {
    let seeds = if place.keeps() { 1..3 } else { 0..30 };
    for seed in seeds {
        let folder = tempfile::tempdir()?;
        let here = match place {
            Place::Memory => Place::Memory,
            Place::Folder(_) => Place::Folder(folder.path().join("db")),
        };
        let made = made_up(&here, options, seed).await;
        let db = made.map_err(|failure| failure.at(format!("seed {seed}")))?;
        let look = same_copies(&db, place.keeps(), options, folder.path()).await;
        look.map_err(|failure| failure.at(format!("seed {seed}")))?;
    }
    Ok(())
}

async fn made_up(place: &Place, options: &Options, seed: u64) -> Check<Database> {
    let world = ManualWorld::new(seed);
    let chance = &mut Chance::new(seed);
    let options = Options { world: Some(Arc::clone(&world) as _), ..options.clone() };
    let db = place.open(&options).await?;
    for at in 0..STEPS {
        if chance.percent(50) {
            world.advance(chance.below(5_000));
        }
        if chance.percent(3) {
            // Those that are there already are refused.
            let name = *chance.pick(&TENANTS);
            let _ = db.create_tenant(name).await;
        }
        let tenants = db.tenants().await?;
        let name: &String = chance.pick(&tenants);
        let tenant = db.tenant(name).await?;
        // Much of it is refused: what counts is that the copy is the same.
        let done = change(&tenant, chance).await;
        if let Err(error) = done {
            let known = ["Invalid", "Denied", "Conflict"].contains(&error.kind().name());
            ensure!(known, "step {at}: {error}");
        }
        if chance.percent(3) {
            tenant.wait_indexed().await?;
        }
        if chance.percent(1) {
            let now = db.version();
            // Behind the horizon there is nothing to prune.
            let _ = db.prune(At::Version(now - chance.below(10).min(now)), false).await;
        }
    }
    Ok(db)
}

fn key(chance: &mut Chance) -> String {
    format!("k{}", chance.below(6))
}

fn draft(chance: &mut Chance) -> Draft {
    let mut draft: Draft = json!({
        "n": chance.below(5),
        "f": chance.next() as f64 / 3e7,
        "tags": [chance.below(3), "x\u{0}\n\"y\""],
        "deep": {"a": [null, true, {"b": u64::MAX - chance.below(3)}]},
    })
    .into();
    draft.key = chance.percent(70).then(|| key(chance));
    draft.aliases = chance.percent(30).then(|| vec![format!("Alias {}", chance.below(4))]);
    draft.valid_from = chance.percent(20).then(|| chance.below(1 << 40) as i64 - (1 << 39));
    draft.valid_until = chance.percent(20).then(|| (1 << 41) + chance.below(1 << 40) as i64);
    draft
}

fn schema(chance: &mut Chance) -> Json {
    let mut extension = json!({});
    if chance.percent(60) {
        extension["indexed"] = json!(["n", ["tags", "n"]]);
    }
    if chance.percent(40) {
        extension["unique"] = json!(["f"]);
    }
    if chance.percent(25) {
        extension["unique"] = json!(["n"]);
    }
    json!({"x-kenning": extension, "description": format!("schema {}", chance.below(3))})
}

async fn change(db: &Database, chance: &mut Chance) -> kenning::Result<()> {
    let table = *chance.pick(&TABLES);
    let named = |chance: &mut Chance| format!("{}/{}", chance.pick(&TABLES), key(chance));
    match chance.below(100) {
        0..=39 => db.put(table, draft(chance)).await.map(|_| ()),
        40..=54 => db.delete(table, &key(chance)).await.map(|_| ()),
        55..=69 => {
            let link = Link {
                weight: chance.below(1_000) as f64 / 999.0,
                properties: json!({"since": chance.below(9)}),
                ..Link::default()
            };
            db.link(&named(chance), "knows", &named(chance), link).await.map(|_| ())
        }
        70..=73 => db.unlink(&named(chance), "knows", &named(chance)).await.map(|_| ()),
        74..=79 => db.create_table(table, schema(chance)).await,
        80..=85 => db.alter_table(table, schema(chance)).await,
        86..=87 => db.reindex(table).await,
        88..=90 => db.drop_table(table).await,
        91 => db.begin_with(TransactionId(chance.bytes()))?.commit().await.map(|_| ()),
        _ => {
            let mut transaction = db.begin()?;
            for _ in 0..chance.below(6) {
                let key = key(chance);
                match chance.below(3) {
                    0 => transaction.delete(table, &key).await.map(|_| ())?,
                    _ => transaction.put(table, draft(chance)).await.map(|_| ())?,
                }
            }
            transaction.commit().await.map(|_| ())
        }
    }
}

async fn same_copies(db: &Database, disk: bool, options: &Options, folder: &Path) -> Check {
    for tenant in db.tenants().await? {
        db.tenant(&tenant).await?.wait_indexed().await?;
    }
    let engine = match options.engine {
        Engine::Rocksdb => Engine::Fjall,
        Engine::Fjall => Engine::Rocksdb,
    };
    let options = Options { engine, ..options.clone() };
    let view = db.view()?;
    let place = |name: &str| match disk {
        true => Place::Folder(folder.join(name)),
        false => Place::Memory,
    };
    let state = copied(&view, false, &place("state"), &options, folder).await?;
    same(&view, &state).await.map_err(|failure| failure.at("a copy of the state"))?;
    let history = copied(&view, true, &place("history"), &options, folder).await?;
    same(&view, &history).await.map_err(|failure| failure.at("a copy of the history"))?;
    same_past(&view, &history).await.map_err(|failure| failure.at("a copy of the history"))?;
    // What was learned is told by the log again, with the births of what is gone.
    let view = state.view()?;
    let again = copied(&view, true, &place("again"), &options, folder).await?;
    same(&view, &again).await.map_err(|failure| failure.at("a copy of a copy"))?;
    same_past(&view, &again).await.map_err(|failure| failure.at("a copy of a copy"))?;
    // What comes back does not bring old links along.
    let copies = [db, &state, &history, &again];
    for tenant in db.tenants().await? {
        for table in db.tenant(&tenant).await?.tables().await? {
            for n in 0..6 {
                let mut births = Vec::new();
                for copy in copies {
                    let back = Draft { key: Some(format!("k{n}")), ..Draft::default() };
                    let copy = copy.tenant(&tenant).await?;
                    births.push(copy.put(&table.name, back).await?.birth);
                }
                ensure!(births.iter().all(|birth| *birth == births[0]), "births {births:?}");
            }
        }
    }
    let mut seen = Vec::new();
    for copy in copies {
        seen.push(links(&copy.view()?).await?);
    }
    ensure!(seen.iter().all(|links| *links == seen[0]), "links of what came back differ");
    Ok(())
}

async fn copied(
    view: &View,
    history: bool,
    place: &Place,
    options: &Options,
    folder: &Path,
) -> Check<Database> {
    let files = tempfile::tempdir_in(folder)?;
    let go_on = &mut |_: &WholeProgress| ControlFlow::Continue(());
    export_all(view, files.path(), WholeOptions { history }, go_on).await?;
    let imported = kenning::import_all(&place.url(), options.clone(), files.path(), go_on).await?;
    let (WholeImported { content, .. }, copy) = imported;
    ensure!(content == Some(view.content_hash().await?), "the hash of the content differs");
    Ok(copy.expect("nobody broke it off"))
}

/// What each link of each tenant looks like from its ends.
async fn links(view: &View) -> Check<BTreeMap<String, Vec<String>>> {
    let mut seen = BTreeMap::new();
    for tenant in view.every_tenant().await? {
        for table in tenant.tables().await? {
            for n in 0..6 {
                let name = format!("{}/k{n}", table.name);
                if tenant.get(&table.name, &format!("k{n}")).await?.is_some() {
                    let steps = tenant.neighbors(&name, Walk::default()).await?;
                    let mut steps: Vec<String> =
                        steps.iter().map(|step| format!("{step:?}")).collect();
                    steps.sort();
                    seen.insert(format!("{} {name}", tenant.tenant_name()), steps);
                }
            }
        }
    }
    Ok(seen)
}

/// An index, and whether it serves.
fn indexes(indexes: &[IndexState]) -> Vec<(Vec<String>, bool, bool)> {
    let mut told: Vec<_> = indexes
        .iter()
        .map(|index| {
            let fails = matches!(index.progress, Progress::Failed(_));
            (index.paths.clone(), index.unique, fails)
        })
        .collect();
    told.sort();
    told
}

async fn same(view: &View, copy: &Database) -> Check {
    for finding in copy.verify().await? {
        ensure!(false, "verify found {}: {}", finding.code, finding.message);
    }
    let copy = copy.view()?;
    let tenants = (view.every_tenant().await?, copy.every_tenant().await?);
    ensure!(tenants.0.len() == tenants.1.len(), "not all tenants are there");
    for (here, there) in tenants.0.iter().zip(&tenants.1) {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for (view, tables) in [(here, &mut ours), (there, &mut theirs)] {
            for table in view.tables().await? {
                let records = view.records(&table.name, None, 10_000).await?;
                let records = records.into_iter();
                let records = records.map(|record| kenning::Record { version: 0, ..record });
                let records: Vec<_> = records.collect();
                tables.push((table.name, table.schema, indexes(&table.indexes), records));
            }
        }
        ensure!(ours == theirs, "{ours:?}\nbecame\n{theirs:?}");
    }
    ensure!(links(view).await? == links(&copy).await?, "the links differ");
    Ok(())
}

async fn same_past(view: &View, copy: &Database) -> Check {
    ensure!(view.history_hash().await? == copy.history_hash().await?, "the past differs");
    let from = view.present().await?.history_from;
    for version in from..=view.version() {
        let (then, there) =
            (view.as_of(At::Version(version)).await?, copy.as_of(At::Version(version)).await?);
        ensure!(
            then.content_hash().await? == there.content_hash().await?,
            "the content of version {version} differs"
        );
        for finding in copy.verify_as_of(version).await? {
            let (code, message) = (finding.code, finding.message);
            ensure!(false, "verify as of {version} found {code}: {message}");
        }
    }
    let there = copy.as_of(At::Version(view.version())).await?;
    for (here, there) in view.every_tenant().await?.iter().zip(there.every_tenant().await?) {
        ensure!(here.log(0, 10_000).await? == there.log(0, 10_000).await?, "the log differs");
        for table in here.tables().await? {
            for n in 0..6 {
                let key = format!("k{n}");
                let states: (Vec<Past>, Vec<Past>) = (
                    here.history(&table.name, &key).await?,
                    there.history(&table.name, &key).await?,
                );
                ensure!(states.0 == states.1, "{key} was {states:?}");
            }
        }
    }
    Ok(())
}
