//! Asks the engine and the plain model the same, and compares the answers.

use std::collections::{BTreeMap, BTreeSet};

use kenning::{Database, Filter, Id, Json, Predicate, Record, Result, Transaction, View};
use kenning::{Draft, Link, Step, Walk, WalkDirection};
use serde_json::json;

use crate::chance::{Chance, Check, ensure};
use crate::plain::{Name, Op, Plain, Refusal, Row, Seen, Shape, State, Who, normal};

/// The tables that the model knows.
pub(crate) const SHAPES: &[Shape] = &[
    Shape { name: "people", key: None, unique: &[&["email"], &["badge", "site"]] },
    Shape { name: "tasks", key: Some("code"), unique: &[] },
    Shape { name: "entities", key: Some("name"), unique: &[] },
];

pub(crate) const CITIES: &[&str] = &["Aachen", "Aalen", "Bern", "Chur", "\u{e4}rger\u{0}"];
/// Words that have no other forms, so that who has one can be said without knowing any language.
pub(crate) const WORDS: &[&str] =
    &["heron", "ledger", "reed", "boat", "dusk", "lamp", "salt", "iron", "fox", "amber"];
const KINDS: &[&str] = &["knows", "likes", "leads"];

/// Makes the tables that are not there from the start; a crash may have come in between.
pub(crate) async fn create_tables(db: &Database) -> Result<()> {
    let people = people_schema(&[], &[]);
    let tasks = json!({"x-kenning": {"key": "code", "indexed": ["owner"]}});
    for (name, schema) in [("people", people), ("tasks", tasks)] {
        match db.create_table(name, schema).await {
            Err(error) if error.code() != "TABLE_EXISTS" => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// The schema of people, perhaps with more indexes.
pub(crate) fn people_schema(indexed: &[Json], unique: &[Json]) -> Json {
    let mut schema = json!({
        "properties": {"age": {"type": "integer"}},
        "x-kenning": {
            "indexed": ["city", "age", ["city", "age"], "tags", "home.street"],
            "unique": ["email", ["badge", "site"]],
            "model": "hashing-384", "embed": ["text"], "words": ["text", "city"],
            "vectors": {"spot": {"dimensions": 3, "metric": "l2"}},
        },
    });
    for (list, more) in [("indexed", indexed), ("unique", unique)] {
        let list = schema["x-kenning"][list].as_array_mut().expect("it is written above");
        list.extend(more.iter().cloned());
    }
    schema
}

/// A key in one of its spellings.
fn key(chance: &mut Chance) -> String {
    let n = chance.below(7);
    match chance.below(4) {
        0 => format!("KEY {n}"),
        1 => format!("  key   {n} "),
        _ => format!("Key {n}"),
    }
}

fn alias(chance: &mut Chance) -> String {
    // Some aliases are keys of others: the key must win.
    if chance.percent(20) { key(chance) } else { format!("Alias {}", chance.below(4)) }
}

fn name(chance: &mut Chance) -> String {
    if chance.percent(25) { alias(chance) } else { key(chance) }
}

fn table(chance: &mut Chance) -> &'static str {
    ["people", "people", "people", "tasks", "entities"][chance.below(5) as usize]
}

fn properties(chance: &mut Chance) -> Json {
    let mut said = json!({});
    if chance.percent(80) {
        said["city"] = (*chance.pick(CITIES)).into();
    }
    if chance.percent(70) {
        said["age"] = (chance.below(40) as i64 - 3).into();
    }
    if chance.percent(3) {
        said["age"] = "old".into();
    }
    if chance.percent(40) {
        said["email"] = format!("{}@example.org", chance.below(9)).into();
    }
    if chance.percent(30) {
        said["badge"] = chance.below(4).into();
        said["site"] = (*chance.pick(&["north", "south"])).into();
    }
    if chance.percent(40) {
        let tags: Vec<u64> = (0..chance.below(4)).map(|_| chance.below(4)).collect();
        said["tags"] = tags.into();
    }
    if chance.percent(30) {
        said["home"] = json!([{"street": chance.below(4)}, {"street": chance.below(4)}]);
    }
    if chance.percent(30) {
        said["owner"] = chance.below(5).into();
    }
    if chance.percent(60) {
        let words: Vec<&str> = (0..1 + chance.below(5)).map(|_| *chance.pick(WORDS)).collect();
        said["text"] = words.join(" ").into();
    }
    if chance.percent(30) {
        let spot: Vec<u64> = (0..3).map(|_| chance.below(6)).collect();
        said["spot"] = spot.into();
    }
    if chance.percent(5) {
        said["note"] = "long ".repeat(chance.below(2_000) as usize).into();
    }
    said
}

/// A reference within a table: mostly a name, sometimes the id of a record without a key.
fn reference(state: &State, table: &str, chance: &mut Chance) -> String {
    if chance.percent(25) {
        let rows: Vec<_> = state.of_table(table).map(|row| row.who.clone()).collect();
        if !rows.is_empty() {
            return chance.pick(&rows).reference();
        }
    }
    name(chance)
}

/// A reference to the end of a link.
fn end(state: &State, chance: &mut Chance) -> String {
    let table = table(chance);
    match chance.below(5) {
        0 => name(chance),
        _ => format!("{table}/{}", reference(state, table, chance)),
    }
}

/// A random change.
pub(crate) fn change(state: &State, chance: &mut Chance) -> Op {
    let table = table(chance);
    match chance.below(100) {
        0..=39 => put(table, chance),
        40..=54 => {
            let reference = reference(state, table, chance);
            let mut patch = properties(chance);
            if chance.percent(30) {
                patch[*chance.pick(&["city", "email", "tags", "home", "text", "spot"])] =
                    Json::Null;
            }
            if chance.percent(5) {
                patch["code"] = "another".into();
            }
            Op::Update { table: table.into(), reference, patch }
        }
        55..=69 => Op::Delete { table: table.into(), reference: reference(state, table, chance) },
        70..=91 => Op::Link {
            source: end(state, chance),
            kind: (*chance.pick(KINDS)).into(),
            target: end(state, chance),
            weight: chance.below(1_001) as f64 / 1_000.0,
        },
        _ => Op::Unlink {
            source: end(state, chance),
            kind: (*chance.pick(KINDS)).into(),
            target: end(state, chance),
        },
    }
}

fn put(table: &str, chance: &mut Chance) -> Op {
    let mut properties = properties(chance);
    let mut given = chance.percent(80).then(|| key(chance));
    match table {
        "tasks" if chance.percent(50) => {
            properties["code"] = given.take().unwrap_or_else(|| key(chance)).into();
        }
        "entities" if chance.percent(50) => {
            properties["name"] = given.take().unwrap_or_else(|| key(chance)).into();
        }
        _ => {}
    }
    let aliases = chance.percent(30).then(|| (0..chance.below(3)).map(|_| alias(chance)).collect());
    Op::Put {
        table: table.into(),
        key: given,
        id: None,
        aliases,
        properties,
        new: chance.percent(25),
    }
}

/// What a change answered: whether something was there, and the record that was stored.
pub(crate) struct Done {
    pub(crate) there: Option<bool>,
    pub(crate) stored: Option<Record>,
}

/// The same verbs on a database and in a transaction.
macro_rules! perform {
    ($on:expr, $op:expr) => {
        match $op {
            Op::Put { table, new, .. } => {
                let draft = draft_of($op);
                let stored = match new {
                    true => $on.insert(table, draft).await,
                    false => $on.put(table, draft).await,
                };
                stored.map(|record| Done { there: None, stored: Some(record) })
            }
            Op::Update { table, reference, patch } => $on
                .update(table, reference, patch.clone())
                .await
                .map(|record| Done { there: None, stored: Some(record) }),
            Op::Delete { table, reference } => $on
                .delete(table, reference)
                .await
                .map(|there| Done { there: Some(there), stored: None }),
            Op::Link { source, kind, target, weight } => $on
                .link(source, kind, target, Link { weight: *weight, ..Link::default() })
                .await
                .map(|_| Done { there: None, stored: None }),
            Op::Unlink { source, kind, target } => $on
                .unlink(source, kind, target)
                .await
                .map(|there| Done { there: Some(there), stored: None }),
        }
    };
}

/// Makes the change as a transaction of its own.
pub(crate) async fn perform_alone(db: &Database, op: &mut Op) -> Result<Done> {
    let done: Result<Done> = perform!(db, &*op);
    note_id(op, &done);
    done
}

/// Makes the change in a transaction.
pub(crate) async fn perform_in(transaction: &mut Transaction, op: &mut Op) -> Result<Done> {
    let done: Result<Done> = perform!(transaction, &*op);
    note_id(op, &done);
    done
}

fn draft_of(op: &Op) -> Draft {
    let Op::Put { key, id, aliases, properties, .. } = op else {
        unreachable!("only a put has a draft");
    };
    Draft {
        id: *id,
        key: key.clone(),
        aliases: aliases.clone(),
        properties: properties.clone(),
        ..Draft::default()
    }
}

/// The model can't make up ids: it takes the engine's.
fn note_id(op: &mut Op, done: &Result<Done>) {
    if let Op::Put { id, .. } = op
        && let Ok(Done { stored: Some(record), .. }) = done
    {
        *id = Some(record.id);
    }
}

/// Applies to the model what the engine did, and compares what both say about it.
pub(crate) fn same_outcome(state: &mut State, op: &Op, done: &Result<Done>, version: u64) -> Check {
    if let Op::Put { key: None, id: None, table, .. } = op
        && table == "people"
    {
        // Refused without a key: there is no id to tell the model. It refuses for the same reason
        // whatever the id is.
        let mut guess = op.clone();
        if let Op::Put { id, .. } = &mut guess {
            *id = Some(Id([0xee; 16]));
        }
        return compare_outcome(&mut state.clone(), &guess, done, version);
    }
    compare_outcome(state, op, done, version)
}

fn compare_outcome(state: &mut State, op: &Op, done: &Result<Done>, version: u64) -> Check {
    let expected = state.apply(op, version);
    match (expected, done) {
        (Err(code), Err(error)) => {
            ensure!(error.code() == code, "{op:?} was refused by {error}, expected {code}");
        }
        (Err(code), Ok(_)) => ensure!(false, "{op:?} was done, expected {code}"),
        (Ok(_), Err(error)) => ensure!(false, "{op:?} was refused: {error}"),
        (Ok(there), Ok(done)) => {
            let same = done.there.is_none_or(|said| said == there);
            ensure!(same, "{op:?} said {:?}, expected {there}", done.there);
            if let Some(record) = &done.stored {
                let who = Who::of(record);
                let id = record.id;
                ensure!(state.learn(id, &who), "{op:?} gave the id {id} of another");
                let row = state.rows.get(&who);
                ensure!(row.is_some(), "{op:?} stored {who:?}, who is somebody else");
                same_record(record, row.expect("it was checked a line above"), None)?;
            }
        }
    }
    Ok(())
}

/// Compares one record; `version` too where it is known already.
fn same_record(record: &Record, row: &Row, version: Option<u64>) -> Check {
    let who = &row.who;
    ensure!(Who::of(record) == *who, "{who:?} came back as {:?}", Who::of(record));
    ensure!(
        record.properties == row.properties,
        "{who:?} has {}, expected {}",
        record.properties,
        row.properties
    );
    ensure!(record.birth == row.birth, "{who:?} has birth {} not {}", record.birth, row.birth);
    let aliases: BTreeSet<String> = record.aliases.iter().map(|alias| normal(alias)).collect();
    ensure!(aliases == row.aliases, "{who:?} has aliases {aliases:?} not {:?}", row.aliases);
    let version = version.unwrap_or(record.version);
    ensure!(record.version == version, "{who:?} is from {} not {version}", record.version);
    Ok(())
}

/// Whether versions are known: not inside a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Versions {
    Compare,
    Ignore,
}

/// Every record of every table, in pages.
pub(crate) async fn same_records(view: &View, state: &State, versions: Versions) -> Check {
    for shape in SHAPES {
        let mut left: BTreeMap<Who, _> =
            state.of_table(shape.name).map(|row| (row.who.clone(), row)).collect();
        let mut after = None;
        loop {
            let page = view.records(shape.name, after, 7).await?;
            for record in &page {
                let who = Who::of(record);
                let row = left.remove(&who);
                ensure!(row.is_some(), "{who:?} is there twice, or should not be there");
                let row = row.expect("it was checked a line above");
                let version = (versions == Versions::Compare).then_some(row.version);
                same_record(record, row, version)?;
            }
            ensure!(page.is_sorted_by_key(|record| record.id), "a page is not sorted by id");
            match page.last() {
                Some(last) if page.len() == 7 => after = Some(last.id),
                _ => break,
            }
        }
        ensure!(left.is_empty(), "missing: {:?}", left.keys());
    }
    Ok(())
}

/// One random question.
pub(crate) async fn same_answer(
    view: &View,
    state: &State,
    versions: Versions,
    chance: &mut Chance,
) -> Check {
    match chance.below(8) {
        0 | 1 => same_get(view, state, chance).await,
        2..=4 => same_find(view, state, chance).await,
        5 | 6 => same_walk(view, state, chance).await,
        _ => same_records(view, state, versions).await,
    }
}

/// An answer and an expectation, errors by their codes.
fn same<T: PartialEq + std::fmt::Debug>(
    what: impl std::fmt::Display,
    answer: Result<T>,
    expected: Result<T, Refusal>,
) -> Check {
    match (&answer, &expected) {
        (Ok(answer), Ok(expected)) if answer == expected => Ok(()),
        (Err(error), Err(code)) if error.code() == *code => Ok(()),
        _ => {
            ensure!(false, "{what} answered {answer:?}, expected {expected:?}");
            Ok(())
        }
    }
}

async fn same_get(view: &View, state: &State, chance: &mut Chance) -> Check {
    let table = table(chance);
    let reference = reference(state, table, chance);
    let got = view.get(table, &reference).await;
    let expected = state.get(table, &reference);
    let who = |record: Option<&Record>| record.map(Who::of);
    let expected_who = expected.map(|row| row.map(|row| row.who.clone()));
    let answered = got.as_ref().map(|record| who(record.as_ref())).map_err(kenning::Error::again);
    same(format!("get {table} '{reference}'"), answered, expected_who)?;
    if let (Ok(Some(record)), Ok(Some(row))) = (&got, &expected) {
        same_record(record, row, None)?;
        let encoded = view.get_encoded(table, record.id).await?;
        let city = encoded.as_ref().map(|encoded| encoded.property("city")).transpose()?;
        let expected = Some(row.properties.get("city").cloned());
        ensure!(city == expected, "one property is {city:?}, expected {expected:?}");
    }
    let name = name(chance);
    let found = view.lookup(&name).await?;
    let found: BTreeSet<Who> = found.iter().map(Who::of).collect();
    same(format!("lookup '{name}'"), Ok(found), Ok(state.lookup(&name)))?;
    let there = |who: &Who| state.rows.contains_key(who);
    let resolved = view.resolve(&name).await.map(|found| found.map(|(table, _)| table));
    let expected = state.resolve(&name).map(|who| who.filter(there).map(|who| who.table));
    same(format!("resolve '{name}'"), resolved, expected)
}

async fn same_find(view: &View, state: &State, chance: &mut Chance) -> Check {
    let (filter, expected) = question(state, chance);
    let what = format!("{filter:?}");
    let (found, explain) = view.find_explained("people", filter.clone()).await?;
    let found: Vec<Record> = found.iter().map(|found| found.record()).collect::<Result<_, _>>()?;
    let named: Vec<Who> = found.iter().map(Who::of).collect();
    let set: BTreeSet<Who> = named.iter().cloned().collect();
    ensure!(set.len() == named.len(), "{what} found somebody twice by {explain:?}");
    ensure!(set == expected, "{what} by {explain:?} found {set:?}, expected {expected:?}");
    for record in &found {
        let row = state.rows.get(&Who::of(record)).expect("the sets are the same");
        same_record(record, row, None)?;
    }
    let limit = chance.below(5) as usize;
    let few = view.find("people", filter.clone().limit(limit)).await?;
    let few: BTreeSet<Who> = few.iter().map(Who::of).collect();
    let right = few.len() == limit.min(expected.len()) && few.is_subset(&expected);
    ensure!(right, "{what} limited to {limit} found {few:?} of {expected:?}");
    let back = view.find("people", filter.reverse()).await?;
    let mut back: Vec<Who> = back.iter().map(Who::of).collect();
    back.reverse();
    let several = what.contains("tags") || what.contains("home");
    ensure!(several || back == named, "{what} backwards is {back:?}, forwards {named:?}");
    Ok(())
}

/// A filter on people, and who passes it.
fn question(state: &State, chance: &mut Chance) -> (Filter, BTreeSet<Who>) {
    let city = *chance.pick(CITIES);
    let age = chance.below(40) as i64 - 3;
    let until = age + chance.below(20) as i64;
    let is_city = |value: &Json| value == city;
    let in_range = |value: &Json| value.as_i64().is_some_and(|v| age <= v && v < until);
    let people = |path: &str, test: &dyn Fn(&Json) -> bool| state.find("people", path, test);
    match chance.below(9) {
        0 => (Filter::equal("city", city), people("city", &is_city)),
        1 => {
            let filter = Filter::range("age", Some(age.into()), Some(until.into()));
            (filter, people("age", &in_range))
        }
        2 => {
            let filter = Filter::range("age", None, Some(age.into()));
            (filter, people("age", &|value| value.as_i64().is_some_and(|v| v < age)))
        }
        3 => {
            let filter = Filter::equals(&[("city", city.into()), ("age", age.into())]);
            let aged = people("age", &|value| *value == age);
            (filter, people("city", &is_city).intersection(&aged).cloned().collect())
        }
        4 => {
            let range = Predicate::range("age", Some(age.into()), Some(until.into()));
            let filter = Filter::equal("city", city).and(range.expect("both are numbers"));
            let aged = people("age", &in_range);
            (filter, people("city", &is_city).intersection(&aged).cloned().collect())
        }
        5 => {
            let begins = |value: &Json| value.as_str().is_some_and(|city| city.starts_with("Aa"));
            (Filter::prefix("city", "Aa"), people("city", &begins))
        }
        6 => {
            let tag = chance.below(4);
            (Filter::equal("tags", tag), people("tags", &|value| *value == tag))
        }
        7 => {
            let street = chance.below(4);
            let filter = Filter::equal("home.street", street);
            (filter, people("home.street", &|value| *value == street))
        }
        _ => {
            let email = format!("{}@example.org", chance.below(9));
            let null = chance.percent(30);
            let value = if null { Json::Null } else { email.into() };
            (Filter::equal("email", value.clone()), people("email", &|v| *v == value))
        }
    }
}

fn step_who(step: &Step) -> Who {
    match &step.key {
        Some(key) => Who::keyed(&step.table, key),
        None => Who { table: step.table.clone(), name: Name::Id(step.id) },
    }
}

async fn same_walk(view: &View, state: &State, chance: &mut Chance) -> Check {
    let rows: Vec<&Who> = state.rows.keys().collect();
    if rows.is_empty() {
        return Ok(());
    }
    let who = *chance.pick(&rows);
    let reference = format!("{}/{}", who.table, who.reference());
    let mut seen = BTreeMap::new();
    for step in view.neighbors(&reference, Walk::default()).await? {
        let out = step.direction == WalkDirection::Out;
        let weight = (step.weight * 1_000.0).round() as u32;
        let twice = Seen { who: step_who(&step), kind: step.kind, out };
        ensure!(seen.insert(twice, weight).is_none(), "a neighbor of {who:?} is there twice");
    }
    same(format!("neighbors of {who:?}"), Ok(seen), Ok(state.neighbors(who)))?;
    let depth = 1 + chance.below(4) as usize;
    let walk = Walk { depth: depth as u32, ..Walk::default() };
    let steps = view.traverse(&reference, walk).await?;
    let reached: BTreeMap<Who, usize> =
        steps.iter().map(|step| (step_who(step), step.depth as usize)).collect();
    ensure!(reached.len() == steps.len(), "a walk from {who:?} reached somebody twice");
    ensure!(steps.is_sorted_by_key(|step| step.depth), "a walk from {who:?} is not nearest first");
    same(format!("walk from {who:?}"), Ok(reached), Ok(state.reach(who, depth)))
}

/// The history of somebody who was there once; states that ended by `pruned` may be missing.
pub(crate) async fn same_history(
    view: &View,
    plain: &Plain,
    who: &Who,
    at: u64,
    pruned: u64,
) -> Check {
    let expected: Vec<_> = plain.history(who).into_iter().filter(|(from, _)| *from <= at).collect();
    // By its id: once it is deleted, its key may be the alias of another.
    let id = plain.last().id_of(who).map_or_else(|| who.reference(), |id| id.to_string());
    let past = view.history(&who.table, &id).await?;
    let mut states = Vec::new();
    for state in &past {
        states.push((state.record.version, Some(state.record.properties.clone())));
        match state.until {
            Some(until) if state.deleted => states.push((until, None)),
            Some(_) | None => {}
        }
    }
    let mut expected: Vec<_> = expected
        .into_iter()
        .map(|(from, row)| (from, row.map(|row| row.properties.clone())))
        .collect();
    // What a prune that was cut off has left may be more than what it had to leave.
    while expected.len() > states.len() {
        let ended = match &expected[0] {
            (deleted, None) => Some(*deleted),
            (_, Some(_)) => expected.get(1).map(|next| next.0),
        };
        if ended.is_none_or(|ended| ended > pruned) {
            break;
        }
        expected.remove(0);
    }
    same(format!("history of {who:?} until {at}"), Ok(states), Ok(expected))
}
