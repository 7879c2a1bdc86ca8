//! Kenning: one table of people.

use std::path::Path;
use std::sync::Arc;

use kenning::blocking::{Database, View, open_with};
use kenning::{Draft, Durability, Id, Json, Options, RocksSettings, Settings, SystemWorld, json};
use kenning_store::{Batch, block_on};

use crate::Result;
use crate::capture::Capture;
use crate::measure::together_with;
use crate::people::{Person, hash_json};

/// The table.
pub(crate) const TABLE: &str = "people";

/// Records of one page when all are read.
const PAGE: usize = 1_000;

/// A schema with both indexes, or with none.
pub(crate) fn schema(indexed: bool) -> Json {
    let indexes = if indexed { json!(["team", "score"]) } else { json!([]) };
    json!({"x-kenning": {"indexed": indexes}})
}

/// Opens a database in a folder.
pub(crate) fn open(folder: &Path, settings: Settings, rocks: RocksSettings) -> Result<Database> {
    let url = folder.to_str().ok_or("the folder has a name that is no text")?;
    Ok(open_with(url, Options { settings, rocks, ..Options::default() })?)
}

/// Opens a database with settings that nobody changed.
pub(crate) fn open_plain(folder: &Path) -> Result<Database> {
    open(folder, Settings::default(), RocksSettings::default())
}

/// Opens a database that waits for no sync, and is at most 10 ms behind.
pub(crate) fn open_relaxed(folder: &Path) -> Result<Database> {
    let settings = Settings { durability: Durability::Relaxed, sync_ms: 10, ..Settings::default() };
    open(folder, settings, RocksSettings::default())
}

/// Each record, in pages.
pub(crate) fn each(view: &View, mut use_record: impl FnMut(Id, &Json)) -> Result<()> {
    let mut after = None;
    loop {
        let page = view.records(TABLE, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        page.iter().for_each(|record| use_record(record.id, &record.properties));
    }
}

/// Hash of all that there is.
pub(crate) fn contents(database: &Database) -> Result<u64> {
    let mut sum = 0_u64;
    each(&database.view()?, |_, json| sum = sum.wrapping_add(hash_json(json)))?;
    Ok(sum)
}

/// The batches that Kenning makes of one transaction for each chunk.
pub(crate) fn captured<'a>(
    schema: Json,
    chunks: impl Iterator<Item = &'a [Person]>,
) -> Result<Vec<Batch>> {
    let store = Capture::new();
    let world = Arc::new(SystemWorld::new());
    let made = kenning::Database::open(store.clone(), world, Settings::default(), "default");
    let database = Database::from(block_on(made)?);
    database.create_table(TABLE, schema)?;
    store.take();
    let mut batches = Vec::new();
    for chunk in chunks {
        database.put_many(TABLE, drafts(chunk))?;
        batches.append(&mut store.take());
    }
    Ok(batches)
}

/// Stores each chunk in a transaction, each part on a thread of its own. Returns the seconds.
pub(crate) fn put_all(database: &Database, parts: Vec<Vec<&[Person]>>) -> Result<f64> {
    let make = |part: Vec<&[Person]>| part.into_iter().map(drafts).collect::<Vec<_>>();
    together_with(parts, make, |part| {
        for drafts in part {
            database.put_many(TABLE, drafts)?;
        }
        Ok(())
    })
}

/// People as Kenning takes them.
pub(crate) fn drafts(people: &[Person]) -> Vec<Draft> {
    people.iter().map(Person::draft).collect()
}
