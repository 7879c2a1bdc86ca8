//! Two records that are one.

use kenning::blocking::{Database, open};
use kenning::{At, Draft, ErrorKind, Json, Link, Walk, json};

fn people() -> Database {
    let db = open("memory:").unwrap();
    let unique = json!({"x-kenning": {"key": "name", "unique": ["email"], "indexed": ["city"]}});
    db.create_table("people", unique).unwrap();
    db
}

fn put(db: &Database, properties: Json, aliases: &[&str]) {
    let aliases = Some(aliases.iter().map(|alias| (*alias).to_owned()).collect());
    db.put("people", Draft { aliases, ..properties.into() }).unwrap();
}

/// Type, direction, key and weight of what is around a record.
fn around(db: &Database, name: &str) -> Vec<String> {
    let steps = db.neighbors(name, Walk::default()).unwrap();
    let told = steps.into_iter().map(|step| {
        let key = step.key.unwrap_or_default();
        format!("{} {:?} {key} {}", step.kind, step.direction, step.weight)
    });
    let mut told: Vec<String> = told.collect();
    told.sort();
    told
}

fn link(db: &Database, source: &str, kind: &str, target: &str, weight: f64) {
    db.link(source, kind, target, Link { weight, ..Link::default() }).unwrap();
}

/// Ada twice, with links of which one is between the two and one leads to the same record.
fn ada_twice() -> Database {
    let db = people();
    put(&db, json!({"name": "Ada", "city": "London", "more": {"a": 1}}), &["countess"]);
    let other = json!({"name": "A. King", "city": "Paris", "email": "ada@x", "more": {"b": 2}});
    put(&db, other, &["augusta"]);
    for name in ["Charles", "Mary"] {
        put(&db, json!({"name": name}), &[]);
    }
    link(&db, "Ada", "knows", "Charles", 0.25);
    link(&db, "A. King", "knows", "Charles", 0.5);
    link(&db, "Mary", "teaches", "A. King", 1.0);
    link(&db, "A. King", "same as", "Ada", 1.0);
    link(&db, "A. King", "admires", "A. King", 1.0);
    link(&db, "A. King", "wants", "a machine", 1.0);
    db
}

#[test]
fn the_kept_record_has_what_both_said_and_every_name() {
    let db = ada_twice();
    let before = db.version();
    let king = db.get("people", "a. king").unwrap().unwrap();
    let merged = db.merge("Ada", "A. King").unwrap();
    assert_eq!((merged.taken, merged.links), (king.id, 4));
    let ada = db.get("people", "ada").unwrap().unwrap();
    assert_eq!((merged.table.as_str(), merged.kept), ("people", ada.id));
    let said = json!({
        "name": "Ada", "city": "London", "email": "ada@x", "more": {"a": 1, "b": 2},
    });
    assert_eq!(ada.properties, said);
    for name in ["A. King", "augusta", "countess", &king.id.to_string()] {
        assert_eq!(db.get("people", name).unwrap().as_ref(), Some(&ada), "{name}");
        assert_eq!(db.resolve(name).unwrap(), Some(("people".into(), ada.id)), "{name}");
    }
    let links =
        ["admires In Ada 1", "admires Out Ada 1", "knows Out Charles 0.5", "teaches In Mary 1"];
    assert_eq!(around(&db, "Ada"), links);
    // What is not there yet is linked all the same.
    db.put("entities", json!({"name": "a machine"})).unwrap();
    assert!(around(&db, "Ada").contains(&"wants Out a machine 1".to_owned()));
    assert_eq!(db.records("people", None, 10).unwrap().len(), 3);
    assert_eq!(db.verify().unwrap(), vec![]);
    let then = db.as_of(At::Version(before)).unwrap();
    assert_eq!(then.get("people", "a. king").unwrap(), Some(king));
    assert_eq!(db.verify_as_of(before).unwrap(), vec![]);
}

#[test]
fn history_tells_of_both() {
    let db = people();
    put(&db, json!({"name": "b", "city": "one"}), &[]);
    put(&db, json!({"name": "a", "city": "two"}), &[]);
    put(&db, json!({"name": "b", "city": "three"}), &[]);
    db.merge("a", "b").unwrap();
    put(&db, json!({"name": "c", "city": "four"}), &[]);
    db.merge("c", "a").unwrap();
    for name in ["a", "b", "c"] {
        let states = db.history("people", name).unwrap();
        let told: Vec<String> = states
            .iter()
            .map(|state| {
                let text = |name: &str| state.record.properties[name].as_str().unwrap().to_owned();
                format!("{} {} {}", text("name"), text("city"), state.deleted)
            })
            .collect();
        let expected = [
            "b one false",
            "a two false",
            "b three true",
            "a two true",
            "c four false",
            "c four false",
        ];
        assert_eq!(told, expected, "asked for {name}");
    }
}

#[test]
fn a_merge_can_be_taken_back() {
    let db = ada_twice();
    let before: Vec<_> = ["Ada", "A. King", "Mary"].map(|name| around(&db, name)).into();
    let (ada, king) =
        (db.get("people", "Ada").unwrap().unwrap(), db.get("people", "A. King").unwrap().unwrap());
    for other in ["A. King", "people/augusta", &king.id.to_string()] {
        db.merge("Ada", "A. King").unwrap();
        let undone = db.unmerge("Ada", other).unwrap();
        assert_eq!((undone.taken, undone.links), (king.id, 5));
        let back = db.get("people", "A. King").unwrap().unwrap();
        assert_eq!((back.id, back.created_at), (king.id, king.created_at));
        assert_eq!((&back.properties, &back.aliases), (&king.properties, &king.aliases));
        let kept = db.get("people", "Ada").unwrap().unwrap();
        assert_eq!((&kept.properties, &kept.aliases), (&ada.properties, &ada.aliases));
        let after: Vec<_> = ["Ada", "A. King", "Mary"].map(|name| around(&db, name)).into();
        assert_eq!(after, before);
        assert_eq!(db.verify().unwrap(), vec![]);
    }
    let error = db.unmerge("Ada", "A. King").unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "NOT_MERGED"));
}

#[test]
fn what_changed_since_stays_with_the_kept_record() {
    let db = ada_twice();
    db.merge("Ada", "A. King").unwrap();
    db.update("people", "Ada", json!({"city": "Rome", "more": {"b": 3}, "new": 1})).unwrap();
    db.unlink("Mary", "teaches", "Ada").unwrap();
    link(&db, "Ada", "knows", "Mary", 0.75);
    link(&db, "Ada", "knows", "Charles", 0.125);
    db.unmerge("Ada", "A. King").unwrap();
    let ada = db.get("people", "Ada").unwrap().unwrap();
    let said = json!({"name": "Ada", "city": "Rome", "more": {"a": 1, "b": 3}, "new": 1});
    assert_eq!(ada.properties, said);
    let of_ada = ["knows Out Charles 0.125", "knows Out Mary 0.75", "same as In A. King 1"];
    assert_eq!(around(&db, "Ada"), of_ada);
    let of_king = [
        "admires In A. King 1",
        "admires Out A. King 1",
        "knows Out Charles 0.5",
        "same as Out Ada 1",
    ];
    assert_eq!(around(&db, "A. King"), of_king);
    assert_eq!(db.verify().unwrap(), vec![]);
}

#[test]
fn what_is_not_one_is_refused_and_nothing_changes() {
    let db = ada_twice();
    db.put("entities", json!({"name": "heron"})).unwrap();
    put(&db, json!({"name": "Bo", "email": "bo@x"}), &[]);
    let version = db.version();
    let code = |keep: &str, other: &str| db.merge(keep, other).unwrap_err().code();
    assert_eq!(code("Bo", "A. King"), "MERGE_CONFLICT");
    assert_eq!(code("Ada", "entities/heron"), "MERGE_TABLES");
    assert_eq!(code("Ada", "countess"), "MERGE_SELF");
    assert_eq!(code("Ada", "nobody"), "RECORD_NOT_FOUND");
    assert_eq!(code("nobody", "Ada"), "RECORD_NOT_FOUND");
    assert_eq!(db.unmerge("Ada", "Bo").unwrap_err().code(), "NOT_MERGED");
    assert_eq!(db.version(), version);
    // Its key was given to something else since.
    db.merge("Ada", "A. King").unwrap();
    let own = Draft { key: Some("A. King".into()), ..json!({"name": "A. King"}).into() };
    db.insert("people", own).unwrap();
    assert_eq!(db.unmerge("Ada", "augusta").unwrap_err().code(), "KEY_EXISTS");
    // The value that it had is another one's since.
    db.delete("people", "A. King").unwrap();
    db.update("people", "Ada", json!({"email": null})).unwrap();
    put(&db, json!({"name": "Cy", "email": "ada@x"}), &[]);
    let version = db.version();
    assert_eq!(db.unmerge("Ada", "augusta").unwrap_err().code(), "UNIQUE_TAKEN");
    assert_eq!(db.version(), version);
    db.prune(At::Version(version), false).unwrap();
    assert_eq!(db.unmerge("Ada", "augusta").unwrap_err().code(), "HISTORY_NOT_KEPT");
    assert_eq!(db.verify().unwrap(), vec![]);
}

#[test]
fn inside_a_transaction_it_is_seen_at_once_and_can_be_dropped() {
    let db = ada_twice();
    let version = db.version();
    let mut transaction = db.begin().unwrap();
    transaction.merge("Ada", "A. King").unwrap();
    assert_eq!(transaction.get("people", "augusta").unwrap().unwrap().key.as_deref(), Some("Ada"));
    assert_eq!(transaction.unmerge("Ada", "A. King").unwrap_err().code(), "MERGE_PENDING");
    drop(transaction);
    assert_eq!(db.version(), version);
    let mut one = db.begin().unwrap();
    let mut two = db.begin().unwrap();
    one.merge("Ada", "A. King").unwrap();
    two.update("people", "A. King", json!({"city": "Oslo"})).unwrap();
    two.commit().unwrap();
    assert_eq!(one.commit().unwrap_err().kind(), ErrorKind::Conflict);
}

#[test]
fn a_merge_of_what_the_same_transaction_changed_is_refused() {
    let db = ada_twice();
    let mut transaction = db.begin().unwrap();
    transaction.update("people", "A. King", json!({"city": "Oslo"})).unwrap();
    assert_eq!(transaction.merge("Ada", "A. King").unwrap_err().code(), "MERGE_PENDING");
    transaction.commit().unwrap();
    db.merge("Ada", "A. King").unwrap();
    db.unmerge("Ada", "A. King").unwrap();
    let king = db.get("people", "A. King").unwrap().unwrap();
    assert_eq!(king.properties["city"], "Oslo");
}

#[test]
fn a_name_that_two_brought_stays_when_one_is_gone() {
    let db = people();
    for (name, alias) in [("a", "x"), ("b", "bob"), ("c", "bob")] {
        put(&db, json!({ "name": name }), &[alias]);
    }
    db.merge("a", "b").unwrap();
    db.merge("a", "c").unwrap();
    db.unmerge("a", "b").unwrap();
    let a = db.get("people", "a").unwrap().unwrap();
    assert!(a.aliases.contains(&"bob".to_owned()), "{a:?}");
    assert!(!a.aliases.contains(&"b".to_owned()), "{a:?}");
    assert_eq!(db.verify().unwrap(), vec![]);
}

#[test]
fn an_older_merge_beyond_the_horizon_does_not_keep_a_newer_one() {
    let db = people();
    for name in ["a", "b", "c"] {
        put(&db, json!({ "name": name }), &[]);
    }
    db.merge("a", "b").unwrap();
    db.prune(At::Version(db.version()), false).unwrap();
    db.merge("a", "c").unwrap();
    db.unmerge("a", "c").unwrap();
    assert_eq!(db.unmerge("a", "b").unwrap_err().code(), "HISTORY_NOT_KEPT");
}

#[test]
fn merges_are_taken_back_in_any_order() {
    for first_undone in ["B", "C"] {
        let db = people();
        for name in ["A", "X"] {
            put(&db, json!({"name": name}), &[]);
        }
        for name in ["B", "C"] {
            put(&db, json!({"name": name, "born": name, "town": "Bern"}), &[]);
            link(&db, name, "knows", "X", 1.0);
            link(&db, "X", "sees", name, 1.0);
        }
        let told = |name: &str| {
            let record = db.get("people", name).unwrap().unwrap();
            (record.properties, record.aliases, around(&db, name))
        };
        let before = ["A", "B", "C"].map(told);
        let path = |name: &str| format!("people/{name}");
        db.merge(&path("A"), &path("B")).unwrap();
        db.merge(&path("A"), &path("C")).unwrap();
        db.unmerge(&path("A"), first_undone).unwrap();
        // It still is the other one, and has what that one brought.
        let other = if first_undone == "B" { "C" } else { "B" };
        let (properties, _, links) = told("A");
        assert_eq!(properties["born"], other);
        assert_eq!(properties["town"], "Bern");
        assert_eq!(links.len(), 2, "{links:?}");
        db.unmerge(&path("A"), other).unwrap();
        assert_eq!(["A", "B", "C"].map(told), before, "{first_undone} first");
        assert_eq!(db.verify().unwrap(), vec![]);
    }
}

#[test]
fn the_merge_that_is_named_is_the_one_that_is_taken_back() {
    let db = people();
    for name in ["a", "c", "d"] {
        put(&db, json!({"name": name}), &[]);
    }
    db.merge("people/a", "people/c").unwrap();
    db.merge("people/d", "people/a").unwrap();
    // "a" is a name of d by now, and c is not merged into d but into a.
    let refused = db.unmerge("people/a", "people/c").unwrap_err();
    assert_eq!(refused.code(), "NOT_MERGED");
    db.unmerge("people/d", "people/a").unwrap();
    db.unmerge("people/a", "people/c").unwrap();
    assert!(db.get("people", "c").unwrap().is_some());
}
