//! Names that are like what is asked for: whatever was done before, a view answers as if somebody
//! had looked at every name that it shows.

use std::collections::BTreeSet;

use kenning::blocking::{Database, View, open};
use kenning::{At, Draft, ErrorKind, Fuzzy, Near, Record, json};
use proptest::prelude::*;

const NAMES: [&str; 9] = [
    "Grey Heron",
    "gray herron",
    "Heron",
    "Purple Heron",
    "Hermes",
    "Mei Okafor",
    "Mai Okafor",
    "Okafor, Mei",
    "\u{c5}ngstr\u{f6}m",
];
const TABLES: [&str; 2] = ["entities", "others"];

#[derive(Clone, Debug)]
enum Step {
    Put { table: usize, name: usize, alias: Option<usize> },
    Delete { table: usize, name: usize },
    Purge { table: usize, name: usize },
    Prune,
    Look,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (table, name) = (0..TABLES.len(), 0..NAMES.len());
    let step = prop_oneof![
        5 => (table.clone(), name.clone(), proptest::option::of(name.clone()))
            .prop_map(|(table, name, alias)| Step::Put { table, name, alias }),
        2 => (table.clone(), name.clone()).prop_map(|(table, name)| Step::Delete { table, name }),
        1 => (table, name).prop_map(|(table, name)| Step::Purge { table, name }),
        1 => Just(Step::Prune),
        3 => Just(Step::Look),
    ];
    proptest::collection::vec(step, 1..40)
}

/// The trigrams of a name as PostgreSQL has them.
fn trigrams(name: &str) -> BTreeSet<String> {
    let plain = name.to_lowercase().replace('\u{e5}', "a").replace('\u{f6}', "o");
    let words = plain.split(|letter: char| !letter.is_alphanumeric());
    let mut trigrams = BTreeSet::new();
    for word in words.filter(|word| !word.is_empty()) {
        let word: Vec<char> = format!("  {word} ").chars().collect();
        trigrams.extend(word.windows(3).map(|three| three.iter().collect::<String>()));
    }
    trigrams
}

fn similarity(a: &str, b: &str) -> f32 {
    let (a, b) = (trigrams(a), trigrams(b));
    a.intersection(&b).count() as f32 / a.union(&b).count().max(1) as f32
}

/// What a look at every record finds.
fn plainly(records: &[Record], text: &str, ask: &Fuzzy) -> Vec<(f32, String)> {
    let near = records.iter().filter_map(|record| {
        let names = record.key.iter().chain(&record.aliases);
        let best = names.map(|name| similarity(text, name)).max_by(f32::total_cmp)?;
        let is_near = best > 0.0 && best >= ask.similarity_min;
        is_near.then(|| (best, format!("{} {}", record.table, record.id)))
    });
    let mut near: Vec<(f32, String)> = near.collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    near
}

fn told(near: &[Near]) -> Vec<(f32, String)> {
    let told =
        near.iter().map(|it| (it.similarity, format!("{} {}", it.record.table, it.record.id)));
    let mut told: Vec<(f32, String)> = told.collect();
    // Records that are as similar stand by their names.
    told.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    told
}

fn check(view: &View) {
    let of = |table: &&str| view.records(table, None, 1_000).unwrap();
    for text in ["heron", "mei okafor", "angstrom", "HERMES!"] {
        for table in [None, Some(TABLES[1])] {
            let tables = TABLES.iter().filter(|it| table.is_none_or(|table| table == **it));
            let records: Vec<Record> = tables.flat_map(of).collect();
            let table = table.map(str::to_owned);
            let ask = Fuzzy { table, similarity_min: 0.25, limit: 100 };
            let near = view.fuzzy(text, &ask).unwrap();
            assert_eq!(told(&near), plainly(&records, text, &ask), "{text}");
            for it in &near {
                let names: Vec<&String> = it.record.key.iter().chain(&it.record.aliases).collect();
                assert!(names.contains(&&it.name), "{} of {names:?}", it.name);
                assert!((similarity(text, &it.name) - it.similarity).abs() < 1e-6);
            }
            let first = view.fuzzy(text, &Fuzzy { limit: 2, ..ask }).unwrap();
            assert_eq!(first, near[..near.len().min(2)]);
        }
    }
}

fn with_tables() -> Database {
    let db = open("memory:").unwrap();
    db.create_table(TABLES[1], json!({"x-kenning": {"key": "name"}})).unwrap();
    db
}

fn put(db: &Database, table: usize, name: usize, alias: Option<usize>) {
    let aliases = Some(alias.map(|alias| NAMES[alias].to_owned()).into_iter().collect());
    let draft = Draft { aliases, ..json!({"name": NAMES[name]}).into() };
    db.put(TABLES[table], draft).unwrap();
}

/// A name may be an alias of two.
fn unless_ambiguous<T>(done: kenning::Result<T>) {
    if let Err(error) = done {
        assert_eq!(error.code(), "AMBIGUOUS", "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_view_finds_the_names_that_it_shows(steps in steps()) {
        let db = with_tables();
        let mut views = Vec::new();
        for step in steps {
            match step {
                Step::Put { table, name, alias } => put(&db, table, name, alias),
                Step::Delete { table, name } => {
                    unless_ambiguous(db.delete(TABLES[table], NAMES[name]));
                }
                Step::Purge { table, name } => {
                    // A view from before would be waited for.
                    views.clear();
                    unless_ambiguous(db.purge(TABLES[table], NAMES[name]));
                }
                Step::Prune => {
                    let until = At::Version(db.version().max(1));
                    db.prune(until, true).unwrap();
                }
                Step::Look => {
                    check(&db.view().unwrap());
                    views.push(db.view().unwrap());
                }
            }
        }
        views.iter().for_each(check);
        check(&db.view().unwrap());
    }
}

#[test]
fn a_transaction_finds_what_it_has_named_and_not_what_it_has_deleted() {
    let db = with_tables();
    put(&db, 0, 0, None);
    put(&db, 0, 2, None);
    let names = |near: &[Near]| -> Vec<String> { near.iter().map(|it| it.name.clone()).collect() };
    let ask = Fuzzy { limit: 2, ..Fuzzy::default() };
    assert_eq!(names(&db.fuzzy("heron", &ask).unwrap()), ["Heron", "Grey Heron"]);
    let mut transaction = db.begin().unwrap();
    transaction.put("entities", json!({"name": "Herons"})).unwrap();
    transaction.delete("entities", "heron").unwrap();
    assert_eq!(names(&transaction.fuzzy("heron", &ask).unwrap()), ["Herons", "Grey Heron"]);
    assert_eq!(names(&db.fuzzy("heron", &ask).unwrap()), ["Heron", "Grey Heron"]);
    transaction.commit().unwrap();
    assert_eq!(names(&db.fuzzy("heron", &ask).unwrap()), ["Herons", "Grey Heron"]);
}

#[test]
fn names_of_another_tenant_and_of_a_dropped_table_are_not_found() {
    let db = with_tables();
    put(&db, 1, 0, None);
    db.create_tenant("guests").unwrap();
    let guests = db.tenant("guests").unwrap();
    guests.put("entities", json!({"name": "Grey Heron"})).unwrap();
    assert_eq!(db.fuzzy("grey heron", &Fuzzy::default()).unwrap().len(), 1);
    assert_eq!(guests.fuzzy("grey heron", &Fuzzy::default()).unwrap()[0].record.table, "entities");
    let before = db.view().unwrap();
    db.drop_table("others").unwrap();
    assert!(db.fuzzy("grey heron", &Fuzzy::default()).unwrap().is_empty());
    assert_eq!(before.fuzzy("grey heron", &Fuzzy::default()).unwrap().len(), 1);
}

#[test]
fn a_name_that_can_not_be_looked_for_is_refused() {
    let db = with_tables();
    let asked = |text: &str, ask: Fuzzy| {
        let error = db.fuzzy(text, &ask).unwrap_err();
        (error.kind(), error.code().to_owned())
    };
    let empty = (ErrorKind::Invalid, "QUESTION_EMPTY".to_owned());
    assert_eq!(asked("", Fuzzy::default()), empty);
    assert_eq!(asked(" \u{1f980} ", Fuzzy::default()), empty);
    let long = (ErrorKind::Exhausted, "QUESTION_TOO_LONG".to_owned());
    assert_eq!(asked(&"a".repeat(1 << 20), Fuzzy::default()), long);
    for similarity_min in [0.0, -1.0, 1.5, f32::NAN] {
        let ask = Fuzzy { similarity_min, ..Fuzzy::default() };
        assert_eq!(asked("heron", ask), (ErrorKind::Invalid, "SIMILARITY_RANGE".to_owned()));
    }
    let ask = Fuzzy { limit: 1_000_000_000, ..Fuzzy::default() };
    assert_eq!(asked("heron", ask), (ErrorKind::Exhausted, "HITS_TOO_MANY".to_owned()));
    let ask = Fuzzy { table: Some("nowhere".into()), ..Fuzzy::default() };
    assert_eq!(asked("heron", ask), (ErrorKind::Invalid, "TABLE_NOT_FOUND".to_owned()));
    assert!(db.fuzzy("heron", &Fuzzy { limit: 0, ..Fuzzy::default() }).unwrap().is_empty());
}
