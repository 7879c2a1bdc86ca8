//! Indexes that are built and cleared away while the database is used.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use kenning::blocking::{Database, open};
use kenning::{At, Draft, Filter, Id, Json, Progress, json};

const TEAMS: i64 = 50;

fn indexed() -> Json {
    json!({"x-kenning": {"indexed": ["team"]}})
}

fn filled(url: &str, records: i64) -> Database {
    let db = open(url).unwrap();
    db.create_table("people", json!({})).unwrap();
    for from in (0..records).step_by(1_000) {
        let drafts = (from..(from + 1_000).min(records)).map(|n| person(n, n)).collect();
        db.put_many("people", drafts).unwrap();
    }
    db
}

fn person(name: i64, number: i64) -> Draft {
    let said = json!({"team": number % TEAMS, "number": number});
    Draft { key: Some(format!("p{name}")), ..said.into() }
}

/// Asserts that every team has the same people by the index as by reading the table.
fn same_by_index(db: &Database) {
    let all = db.records("people", None, usize::MAX).unwrap();
    for team in 0..TEAMS {
        let (found, explain) = db.find_explained("people", Filter::equal("team", team)).unwrap();
        assert_eq!(explain.index.as_deref(), Some("team"));
        let found: BTreeSet<Id> = found.iter().map(|person| person.id()).collect();
        let expected = all.iter().filter(|person| person.properties["team"] == team);
        assert_eq!(found, expected.map(|person| person.id).collect());
    }
}

fn progress(db: &Database) -> Vec<Progress> {
    let indexes = db.table("people").unwrap().indexes;
    indexes.into_iter().map(|index| index.progress).collect()
}

#[test]
fn an_index_is_built_while_writes_go_on() {
    let db = filled("memory:", 20_000);
    let before = db.version();
    let ended = AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let writer = |seed: i64| {
            let (db, ended) = (&db, &ended);
            scope.spawn(move || {
                let mut written = 0;
                while !ended.load(Relaxed) {
                    let name = (written * 7_919 + seed) % 25_000;
                    match written % 5 {
                        0 => drop(db.delete("people", &format!("p{name}")).unwrap()),
                        _ => drop(db.put("people", person(name, written)).unwrap()),
                    }
                    written += 1;
                }
                written
            })
        };
        let writers = [writer(0), writer(10_000)];
        db.alter_table("people", indexed()).unwrap();
        let begun = db.version();
        db.wait_indexed().unwrap();
        ended.store(true, Relaxed);
        assert!(db.version() > begun, "it takes several steps");
        writers.into_iter().map(|writer| writer.join().unwrap()).sum::<i64>()
    });
    assert!(written > 0);
    assert!(matches!(progress(&db)[..], [Progress::Ready(from)] if from > before));
    same_by_index(&db);
    assert_eq!(db.verify().unwrap(), vec![]);
    let last = db.version();
    for version in (before..=last).step_by(((last - before) / 20).max(1) as usize) {
        assert_eq!(db.verify_as_of(version).unwrap(), vec![], "as of {version}");
    }
}

#[test]
fn an_index_that_serves_the_present_is_not_asked_about_the_past() {
    let db = filled("memory:", 3_000);
    let before = db.version();
    db.alter_table("people", indexed()).unwrap();
    db.wait_indexed().unwrap();
    let Some(Progress::Ready(ready)) = progress(&db).pop() else { panic!("it is ready") };
    let by = |version: u64| {
        let view = db.as_of(At::Version(version)).unwrap();
        let (found, explain) = view.find_explained("people", Filter::equal("team", 1)).unwrap();
        assert_eq!(found.len(), 60, "as of {version}");
        explain.index
    };
    assert!((before..ready).all(|version| by(version).is_none()));
    db.put("people", person(1, 2)).unwrap();
    assert_eq!(by(ready).as_deref(), Some("team"));
    // Without the index, and without its entries, its past stays as it was.
    db.alter_table("people", json!({})).unwrap();
    db.wait_indexed().unwrap();
    assert_eq!(by(ready).as_deref(), Some("team"));
    assert_eq!(db.verify().unwrap(), vec![]);
}

#[test]
fn what_can_not_be_unique_fails_with_a_list_and_can_be_tried_again() {
    let db = filled("memory:", 2_500);
    let unique = json!({"x-kenning": {"unique": ["number"], "indexed": ["team"]}});
    db.put("people", person(-1, 7)).unwrap();
    db.put("people", person(-2, 2_400)).unwrap();
    db.alter_table("people", unique.clone()).unwrap();
    db.wait_indexed().unwrap();
    let table = db.table("people").unwrap();
    let Progress::Failed(violations) = &table.indexes[0].progress else {
        panic!("{:?}", table.indexes)
    };
    assert_eq!(violations.len(), 2, "{violations:?}");
    assert!(violations.iter().any(|violation| violation.message.starts_with("number is")));
    assert_eq!(table.check_indexes().unwrap_err().code(), "INDEX_FAILED");
    assert!(matches!(table.indexes[1].progress, Progress::Ready(_)));
    same_by_index(&db);
    // Nothing keeps it unique any more, and nothing is in the way of the next try but the doubles.
    db.put("people", person(-3, 8)).unwrap();
    for name in ["p-1", "p-2", "p-3"] {
        assert!(db.delete("people", name).unwrap());
    }
    db.alter_table("people", unique).unwrap();
    db.wait_indexed().unwrap();
    db.table("people").unwrap().check_indexes().unwrap();
    let taken = db.put("people", person(-1, 7)).unwrap_err();
    assert_eq!(taken.code(), "UNIQUE_TAKEN");
    assert_eq!(db.verify().unwrap(), vec![]);
}

#[test]
fn an_index_that_is_asked_for_no_more_goes_away_in_the_middle() {
    let db = filled("memory:", 10_000);
    let two = json!({"x-kenning": {"indexed": ["team", "number"]}});
    db.alter_table("people", two).unwrap();
    db.alter_table("people", indexed()).unwrap();
    db.alter_table("people", json!({})).unwrap();
    assert!(db.building().unwrap().is_empty());
    assert!(progress(&db).is_empty());
    db.alter_table("people", indexed()).unwrap();
    db.wait_indexed().unwrap();
    same_by_index(&db);
    db.drop_table("people").unwrap();
    assert_eq!(db.verify().unwrap(), vec![]);
}

#[test]
fn a_table_that_is_dropped_while_an_index_is_built_takes_it_along() {
    let db = filled("memory:", 10_000);
    db.alter_table("people", indexed()).unwrap();
    db.drop_table("people").unwrap();
    db.wait_indexed().unwrap();
    assert_eq!(db.verify().unwrap(), vec![]);
}

#[test]
fn building_goes_on_where_it_was_when_the_database_was_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let url = path.to_str().unwrap();
    let db = filled(url, 30_000);
    db.alter_table("people", indexed()).unwrap();
    db.close().unwrap();
    for _ in 0..50 {
        let db = open(url).unwrap();
        let done = db.building().unwrap().is_empty();
        db.close().unwrap();
        if done {
            break;
        }
    }
    let db = open(url).unwrap();
    db.wait_indexed().unwrap();
    same_by_index(&db);
    assert_eq!(db.verify().unwrap(), vec![]);
}

#[test]
fn an_index_that_is_made_anew_serves_meanwhile() {
    let db = filled("memory:", 5_000);
    db.alter_table("people", indexed()).unwrap();
    db.wait_indexed().unwrap();
    let number = db.version();
    db.reindex("people").unwrap();
    let mut served = 0;
    while !db.building().unwrap().is_empty() {
        same_by_index(&db);
        served += 1;
    }
    db.wait_indexed().unwrap();
    same_by_index(&db);
    assert!(matches!(progress(&db)[..], [Progress::Ready(from)] if from > number), "{served}");
    assert_eq!(db.verify().unwrap(), vec![]);
}

#[test]
fn work_that_changes_nothing_ends_too() {
    let db = filled("memory:", 0);
    db.alter_table("people", indexed()).unwrap();
    db.alter_table("people", json!({})).unwrap();
    db.wait_indexed().unwrap();
    db.reindex("people").unwrap();
    db.wait_indexed().unwrap();
    assert!(progress(&db).is_empty());
}

#[test]
fn a_record_that_can_not_be_indexed_is_named() {
    let db = filled("memory:", 10);
    let many: Vec<i64> = (0..1_001).collect();
    let made = db.put("people", json!({"team": many})).unwrap();
    db.alter_table("people", indexed()).unwrap();
    db.wait_indexed().unwrap();
    let [Progress::Failed(violations)] = &progress(&db)[..] else { panic!("{:?}", progress(&db)) };
    assert_eq!(violations[0].id, made.id);
    assert_eq!(db.find("people", Filter::equal("team", 1)).unwrap().len(), 2);
    assert_eq!(db.verify().unwrap(), vec![]);
}
