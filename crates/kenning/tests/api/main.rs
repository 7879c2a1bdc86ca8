//! The verbs of the facade, as a user calls them.
#![allow(clippy::unwrap_used, reason = "a test may panic where it stands")]

mod backup; // backups, and databases made of them
mod fuzzy; // names that are like what is asked for
mod indexes; // built and cleared away in the background
mod merge; // two records that are one
mod prune; // trimming the past
mod purge; // removing values from everywhere
mod sealed; // indexes over words and vectors: damage, missing models, drops, purges
mod search; // finding by meaning and by words
mod search_first; // names, the first hit, what stands around
mod search_law; // the same answer, however the index came to be
mod tail; // the log as it grows
mod tenants; // tenants that are dropped
mod whole; // whole databases to files and back

use kenning::blocking::{Database, open};
use kenning::{At, Draft, ErrorKind, Filter, Link, Predicate, Walk, json};

fn database() -> Database {
    let db = open("memory:").unwrap();
    let schema = json!({
        "properties": {"age": {"type": "integer"}},
        "x-kenning": {
            "key": "name", "indexed": ["age", "tags", ["city", "age"]], "unique": ["mail"],
        },
    });
    db.create_table("people", schema).unwrap();
    db
}

fn verified(db: &Database) {
    assert_eq!(db.verify().unwrap(), vec![]);
    for version in 1..=db.version() {
        assert_eq!(db.verify_as_of(version).unwrap(), vec![], "as of {version}");
    }
}

#[test]
fn a_record_is_put_found_changed_and_deleted() {
    let db = database();
    let ada = db.put("people", json!({"name": "Ada", "age": 36, "city": "London"})).unwrap();
    assert_eq!(db.get("people", " ADA ").unwrap().unwrap(), ada);
    assert_eq!(db.get("people", &ada.id.to_string()).unwrap().unwrap(), ada);
    let older = db.update("people", "Ada", json!({"age": 37, "city": null})).unwrap();
    assert_eq!(older.properties, json!({"name": "Ada", "age": 37}));
    assert_eq!((older.id, older.created_at), (ada.id, ada.created_at));
    assert_eq!(db.find("people", Filter::equal("age", 37)).unwrap(), vec![older.clone()]);
    assert_eq!(db.find("people", Filter::equal("age", 36)).unwrap(), vec![]);
    let then = db.as_of(At::Version(ada.version)).unwrap();
    assert_eq!(then.get("people", "Ada").unwrap().unwrap(), ada);
    assert_eq!(then.find("people", Filter::equal("age", 36)).unwrap(), vec![ada.clone()]);
    assert!(db.delete("people", "Ada").unwrap());
    assert!(!db.delete("people", "Ada").unwrap());
    assert_eq!(db.get("people", "Ada").unwrap(), None);
    let history = db.history("people", "Ada").unwrap();
    let states: Vec<_> =
        history.iter().map(|past| (past.record.version, past.until, past.deleted)).collect();
    let gone = db.version();
    assert_eq!(
        states,
        vec![(ada.version, Some(older.version), false), (older.version, Some(gone), true)]
    );
    let again = db.put("people", json!({"name": "Ada"})).unwrap();
    assert_eq!((again.id, again.birth), (ada.id, 2));
    verified(&db);
}

#[test]
fn a_taken_key_or_value_is_refused_and_nothing_is_written() {
    let db = database();
    db.put("people", json!({"name": "Ada", "mail": "ada@example.org"})).unwrap();
    let before = db.version();
    let code = |error: kenning::Error| (error.kind(), error.code());
    let error = db.insert("people", json!({"name": "ada"})).unwrap_err();
    assert_eq!(code(error), (ErrorKind::Invalid, "KEY_EXISTS"));
    let error = db.put("people", json!({"name": "Bob", "mail": "ada@example.org"})).unwrap_err();
    assert_eq!(code(error), (ErrorKind::Invalid, "UNIQUE_TAKEN"));
    let error = db.put("people", json!({"name": "Bob", "age": "old"})).unwrap_err();
    assert_eq!(code(error), (ErrorKind::Invalid, "SCHEMA_VIOLATION"));
    let error = db.update("people", "Ada", json!({"name": "Eve"})).unwrap_err();
    assert_eq!(code(error), (ErrorKind::Invalid, "KEY_IS_IDENTITY"));
    let error = db.put("peple", json!({"name": "Bob"})).unwrap_err();
    assert!(error.message().contains("'people'"), "{error}");
    assert_eq!(db.version(), before);
    verified(&db);
}

#[test]
fn filters_use_the_index_that_narrows_most() {
    let db = database();
    for (name, age, city) in [("a", 1, "x"), ("b", 2, "x"), ("c", 3, "x"), ("d", 2, "y")] {
        db.put("people", json!({"name": name, "age": age, "city": city, "tags": [name, "all"]}))
            .unwrap();
    }
    let names = |filter: Filter| -> (Vec<String>, Option<String>) {
        let (records, explain) = db.find_explained("people", filter).unwrap();
        let name = |r: &kenning::Encoded| r.property("name").unwrap().unwrap();
        let names = records.iter().map(|r| name(r).as_str().unwrap().to_owned());
        (names.collect(), explain.index)
    };
    let range = Predicate::range("age", Some(json!(2)), None).unwrap();
    let range = Filter::equal("city", "x").and(range);
    let expected = (vec!["b".to_owned(), "c".into()], Some("city, age".to_owned()));
    assert_eq!(names(range.clone()), expected);
    let reversed = (vec!["c".to_owned(), "b".into()], Some("city, age".to_owned()));
    assert_eq!(names(range.reverse()), reversed);
    assert_eq!(names(Filter::equal("tags", "all")).0.len(), 4);
    assert_eq!(names(Filter::equal("tags", "c")), (vec!["c".into()], Some("tags".into())));
    assert_eq!(names(Filter::prefix("name", "d")), (vec!["d".into()], None));
    assert_eq!(names(Filter::range("age", Some(json!(2)), None).limit(1)).0.len(), 1);
}

#[test]
fn several_ranges_of_an_index_are_read_in_its_order() {
    let db = database();
    for age in 1..=9 {
        let tags = [age % 2, 7].map(|tag| format!("t{tag}"));
        db.put("people", json!({"name": format!("p{age}"), "age": age, "city": "x", "tags": tags}))
            .unwrap();
    }
    let ages = |filter: Filter| {
        let (records, explain) = db.find_explained("people", filter).unwrap();
        let age = |r: &kenning::Encoded| r.property("age").unwrap().unwrap().as_i64().unwrap();
        (records.iter().map(age).collect::<Vec<_>>(), explain)
    };
    let asked = |text: &str| Filter::from(Predicate::parse(text).unwrap());
    let (found, explain) = ages(asked("city = 'x' AND age IN (8, 2, 5, 99)"));
    assert_eq!((found, explain.rows_read), (vec![2, 5, 8], 3));
    assert_eq!(explain.index.as_deref(), Some("city, age"));
    let some = asked("city = 'x' AND (age < 3 OR age > 7) AND name <> 'p9'");
    assert_eq!(ages(some.clone()).0, [1, 2, 8]);
    assert_eq!(ages(some.clone().reverse()).0, [8, 2, 1]);
    assert_eq!(ages(some.clone().reverse().limit(2)).0, [8, 2]);
    assert_eq!(ages(some.limit(2)).0, [1, 2]);
    // A record with two entries in the ranges comes once.
    let (found, explain) = ages(asked("tags IN ('t1', 't7') AND age >= 8"));
    assert_eq!((found, explain.index.as_deref()), (vec![9, 8], Some("tags")));
    let (none, explain) = ages(asked("tags = NULL"));
    assert_eq!((none, explain.index.as_deref(), explain.rows_read), (vec![], Some("tags"), 0));
    let wrong = Filter::range("age", None, None).and(Predicate::default());
    assert_eq!(db.find("people", wrong).unwrap_err().code(), "RANGE_EMPTY");
}

#[test]
fn a_unique_index_does_not_hide_what_it_has_no_entry_for() {
    let db = open("memory:").unwrap();
    db.create_table("seats", json!({"x-kenning": {"unique": [["row", "seat"]]}})).unwrap();
    db.put("seats", json!({"row": 1, "seat": 2})).unwrap();
    db.put("seats", json!({"row": 2})).unwrap();
    assert_eq!(db.find("seats", Filter::range("row", Some(json!(1)), None)).unwrap().len(), 2);
    let both = Filter::from(Predicate::parse("row >= 1 AND seat > 0").unwrap());
    let (found, explain) = db.find_explained("seats", both).unwrap();
    assert_eq!((found.len(), explain.index.as_deref()), (1, Some("row, seat")));
}

#[test]
fn links_live_with_both_their_ends() {
    let db = database();
    for name in ["Ada", "Bob"] {
        db.put("people", json!({"name": name})).unwrap();
    }
    db.link("Ada", "knows", "Bob", Link::default()).unwrap();
    db.link("Bob", "knows", "Carl", Link { weight: 0.5, ..Link::default() }).unwrap();
    let reached = |from: &str| -> Vec<_> {
        let walk = Walk { depth: 3, ..Walk::default() };
        db.traverse(from, walk).unwrap().into_iter().map(|s| (s.key.unwrap(), s.depth)).collect()
    };
    assert_eq!(reached("Ada"), vec![("Bob".into(), 1)]);
    db.put("entities", json!({"name": "Carl"})).unwrap();
    assert_eq!(reached("Ada"), vec![("Bob".into(), 1), ("Carl".into(), 2)]);
    let together = db.version();
    db.delete("people", "Bob").unwrap();
    assert_eq!(reached("Ada"), vec![]);
    db.put("people", json!({"name": "Bob"})).unwrap();
    assert_eq!(reached("Ada"), vec![], "a later birth does not inherit links");
    let then = db.as_of(At::Version(together)).unwrap();
    assert_eq!(then.neighbors("Bob", Walk::default()).unwrap().len(), 2);
    verified(&db);
}

#[test]
fn a_transaction_sees_its_own_writes_and_lands_whole() {
    let db = database();
    let mut t = db.begin().unwrap();
    t.create_table("notes", json!({"x-kenning": {"indexed": ["stars"]}})).unwrap();
    t.put("notes", Draft { key: Some("n".into()), ..json!({"stars": 3}).into() }).unwrap();
    t.put("people", json!({"name": "Ada", "age": 1})).unwrap();
    t.link("Ada", "wrote", "notes/n", Link::default()).unwrap();
    assert_eq!(t.find("notes", Filter::equal("stars", 3)).unwrap().len(), 1);
    assert_eq!(t.neighbors("Ada", Walk::default()).unwrap().len(), 1);
    assert!(db.get("people", "Ada").unwrap().is_none());
    t.commit().unwrap();
    assert_eq!(db.find("notes", Filter::equal("stars", 3)).unwrap().len(), 1);
    let mut dropped = db.begin().unwrap();
    dropped.delete("people", "Ada").unwrap();
    drop(dropped);
    assert!(db.get("people", "Ada").unwrap().is_some());
    verified(&db);
}

#[test]
fn a_transaction_that_looks_between_its_writes_finds_each_of_them() {
    let db = database();
    db.create_table("notes", json!({"x-kenning": {"indexed": ["stars"]}})).unwrap();
    let mut t = db.begin().unwrap();
    let note =
        |key: &str, stars: i64| Draft { key: Some(key.into()), ..json!({"stars": stars}).into() };
    let found = |t: &kenning::blocking::Transaction| -> Vec<String> {
        let found = t.find("notes", Filter::range("stars", Some(json!(0)), None)).unwrap();
        found
            .into_iter()
            .map(|note| format!("{}{}", note.key.unwrap(), note.properties["stars"]))
            .collect()
    };
    t.put("notes", note("a", 1)).unwrap();
    assert_eq!(found(&t), ["a1"]);
    t.put("notes", note("b", 2)).unwrap();
    t.put("notes", note("a", 3)).unwrap();
    assert_eq!(found(&t), ["b2", "a3"]);
    t.delete("notes", "b").unwrap();
    assert_eq!(found(&t), ["a3"]);
    t.put("notes", note("b", 4)).unwrap();
    t.put("notes", note("c", 0)).unwrap();
    t.delete("notes", "c").unwrap();
    assert_eq!(found(&t), ["a3", "b4"]);
    t.commit().unwrap();
    let t = db.begin().unwrap();
    assert_eq!(found(&t), ["a3", "b4"]);
    drop(t);
    verified(&db);
}

#[test]
fn records_made_in_one_transaction_lie_in_the_order_they_were_made() {
    let db = database();
    db.create_table("notes", json!({})).unwrap();
    let notes = (0..500).map(|number| json!({"number": number}).into()).collect();
    let made = db.put_many("notes", notes).unwrap();
    assert!(made.is_sorted());
    let listed = db.records("notes", None, 500).unwrap();
    assert!(listed.iter().map(|record| record.id).eq(made));
}

#[test]
fn of_two_that_read_what_the_other_writes_one_is_refused() {
    let db = database();
    db.put("people", json!({"name": "Ada", "age": 1})).unwrap();
    db.put("people", json!({"name": "Bob", "age": 1})).unwrap();
    let (mut a, mut b) = (db.begin().unwrap(), db.begin().unwrap());
    assert_eq!(a.find("people", Filter::equal("age", 1)).unwrap().len(), 2);
    assert_eq!(b.find("people", Filter::equal("age", 1)).unwrap().len(), 2);
    a.update("people", "Ada", json!({"age": 2})).unwrap();
    b.update("people", "Bob", json!({"age": 2})).unwrap();
    a.commit().unwrap();
    assert_eq!(b.commit().unwrap_err().kind(), ErrorKind::Conflict);
}

#[test]
fn a_table_is_altered_and_dropped() {
    let db = database();
    for n in 0..10 {
        db.put("people", json!({"name": format!("p{n}"), "age": n, "team": n % 3})).unwrap();
    }
    let before = db.version();
    let schema = json!({"x-kenning": {"key": "name", "indexed": ["team"]}});
    db.alter_table("people", schema).unwrap();
    db.wait_indexed().unwrap();
    let (found, explain) = db.find_explained("people", Filter::equal("team", 1)).unwrap();
    assert_eq!((found.len(), explain.index.as_deref()), (3, Some("team")));
    let then = db.as_of(At::Version(before)).unwrap();
    let (found, explain) = then.find_explained("people", Filter::equal("team", 1)).unwrap();
    assert_eq!((found.len(), explain.index), (3, None));
    verified(&db);
    db.drop_table("people").unwrap();
    assert_eq!(db.get("people", "p1").unwrap_err().code(), "TABLE_NOT_FOUND");
    db.create_table("people", json!({})).unwrap();
    assert!(db.records("people", None, 10).unwrap().is_empty());
    let then = db.as_of(At::Version(before)).unwrap();
    assert_eq!(then.records("people", None, 100).unwrap().len(), 10);
}

#[test]
fn tenants_do_not_see_each_other() {
    let db = database();
    db.create_tenant("acme").unwrap();
    let acme = db.tenant("acme").unwrap();
    db.put("people", json!({"name": "Ada"})).unwrap();
    assert!(acme.lookup("Ada").unwrap().is_empty());
    assert_eq!(acme.get("people", "Ada").unwrap_err().code(), "TABLE_NOT_FOUND");
    acme.put("entities", json!({"name": "Ada"})).unwrap();
    assert_eq!(db.lookup("Ada").unwrap().len(), 1);
    assert_eq!(db.tenants().unwrap(), vec!["acme", "default"]);
    verified(&db);
}

#[test]
fn a_follower_goes_on_where_it_left_off() {
    let db = database();
    let mut follower = db.follow("f").unwrap();
    let start = std::iter::from_fn(|| follower.try_next().unwrap()).last().unwrap().version;
    follower.ack(start).unwrap();
    let ada = db.put("people", json!({"name": "Ada"})).unwrap();
    let row = follower.next().unwrap();
    assert_eq!((row.version, row.changes[0].id), (ada.version, ada.id));
    let mut again = db.follow("f").unwrap();
    assert_eq!(again.next().unwrap(), row);
}

/// Doors spawn the verbs on runtimes that move them between threads.
#[test]
fn the_futures_of_the_verbs_can_be_sent() {
    fn is_send<T: Send>(_: &T) {}
    let db = kenning_store::block_on(kenning::open("memory:")).unwrap();
    is_send(&db.put("entities", json!({"name": "Ada"})));
    is_send(&db.update("entities", "Ada", json!({})));
    is_send(&db.delete("entities", "Ada"));
    is_send(&db.link("Ada", "knows", "Bob", Link::default()));
    is_send(&db.get("entities", "Ada"));
    is_send(&db.find("entities", Filter::equal("name", "Ada")));
    is_send(&db.traverse("Ada", Walk::default()));
    is_send(&db.verify());
    let mut transaction = db.begin().unwrap();
    is_send(&transaction.put("entities", json!({"name": "Ada"})));
    is_send(&transaction.commit());
    is_send(&db.close());
}

#[test]
fn a_transaction_whose_change_failed_half_way_does_not_commit() {
    let db = open("memory:").unwrap();
    let mut t = db.begin().unwrap();
    let drafts = vec![json!({"name": "Ada"}).into(), json!({"name": 5}).into()];
    assert!(t.put_many("entities", drafts).is_err());
    assert_eq!(t.commit().unwrap_err().code(), "TRANSACTION_FAILED");
    assert!(db.lookup("Ada").unwrap().is_empty());
    verified(&db);
}

#[test]
fn a_key_that_looks_like_an_id_is_found_by_it() {
    let db = open("memory:").unwrap();
    let key = "550e8400-e29b-41d4-a716-446655440000";
    let made = db.put("entities", json!({"name": key})).unwrap();
    assert_eq!(db.get("entities", key).unwrap().unwrap(), made);
    assert_eq!(db.resolve(key).unwrap().unwrap().1, made.id);
    assert!(db.delete("entities", key).unwrap());
}

#[test]
fn names_lead_into_no_table_of_the_system_and_into_none_that_was_dropped() {
    let db = database();
    db.put("people", json!({"name": "Ada"})).unwrap();
    db.put("entities", json!({"name": "people"})).unwrap();
    assert_eq!(db.resolve("people").unwrap().unwrap().0, "entities");
    let mut t = db.begin().unwrap();
    t.drop_table("people").unwrap();
    assert!(t.lookup("Ada").unwrap().is_empty());
    t.commit().unwrap();
    assert!(db.lookup("Ada").unwrap().is_empty());
    db.link("people", "knows", "Ada", Link::default()).unwrap();
    db.put("entities", json!({"name": "Ada"})).unwrap();
    assert_eq!(db.neighbors("people", Walk::default()).unwrap().len(), 1);
    let error = db.link("entitis/Ada", "knows", "people", Link::default()).unwrap_err();
    assert!(error.message().contains("'entities'"), "{error}");
}

#[test]
fn an_id_of_a_transaction_belongs_to_its_tenant() {
    let db = database();
    db.create_tenant("other").unwrap();
    let other = db.tenant("other").unwrap();
    let id = kenning::TransactionId([7; 16]);
    for db in [&db, &other] {
        let mut t = db.begin_with(id).unwrap();
        t.put("entities", json!({"name": "Ada"})).unwrap();
        t.commit().unwrap();
        assert_eq!(db.lookup("Ada").unwrap().len(), 1);
    }
    assert_ne!(db.outcome(id).unwrap(), other.outcome(id).unwrap());
}

#[test]
fn bookkeeping_is_serializable_under_every_isolation() {
    let settings =
        kenning::Settings { isolation: kenning::Isolation::Snapshot, ..Default::default() };
    let options = kenning::Options { settings, ..Default::default() };
    let db = kenning::blocking::open_with("memory:", options).unwrap();
    db.create_table("t", json!({})).unwrap();
    let mut t = db.begin().unwrap();
    t.alter_table("t", json!({"x-kenning": {"indexed": ["n"]}})).unwrap();
    db.put("t", json!({"n": 1})).unwrap();
    assert_eq!(t.commit().unwrap_err().kind(), ErrorKind::Conflict);
    std::thread::scope(|scope| {
        for side in ["a", "b"] {
            let db = &db;
            scope.spawn(move || {
                (0..20).for_each(|n| db.create_tenant(&format!("{side}{n}")).unwrap())
            });
        }
    });
    for name in db.tenants().unwrap() {
        assert_eq!(
            db.tenant(&name).unwrap().tables().unwrap().len() % 3,
            usize::from(name == "default")
        );
    }
}

#[test]
fn long_values_are_found_without_an_index() {
    let db = open("memory:").unwrap();
    let content = "long ".repeat(2_000);
    db.put("resources", json!({"content": content, "name": "a"})).unwrap();
    assert_eq!(db.find("resources", Filter::prefix("content", "long long")).unwrap().len(), 1);
    assert_eq!(db.find("resources", Filter::equal("content", "x")).unwrap().len(), 0);
    let error = db.find("resources", Filter::range("name", Some(json!(5)), Some(json!("z"))));
    assert_eq!(error.unwrap_err().code(), "RANGE_TYPES");
}

#[test]
fn what_a_transaction_staged_is_no_history_yet() {
    let db = database();
    db.put("people", json!({"name": "Ada", "age": 1})).unwrap();
    db.put("people", json!({"name": "Ada", "age": 2})).unwrap();
    let before = db.history("people", "Ada").unwrap();
    let mut t = db.begin().unwrap();
    t.update("people", "Ada", json!({"age": 3})).unwrap();
    assert_eq!(t.history("people", "Ada").unwrap(), before);
}

#[test]
fn the_short_way_to_a_record_knows_when_a_table_changes() {
    let db = database();
    let ada = db.put("people", json!({"name": "Ada", "age": 1})).unwrap();
    let age = || -> Result<_, kenning::Error> {
        Ok(db.get_encoded("people", ada.id)?.map(|ada| ada.property("age").unwrap().unwrap()))
    };
    for _ in 0..4 {
        assert_eq!(age().unwrap(), Some(json!(1)));
    }
    db.update("people", "Ada", json!({"age": 2})).unwrap();
    assert_eq!(age().unwrap(), Some(json!(2)));
    db.drop_table("people").unwrap();
    assert_eq!(age().unwrap_err().code(), "TABLE_NOT_FOUND");
    db.create_table("people", json!({})).unwrap();
    assert_eq!(age().unwrap(), None);
    let other = database();
    assert_eq!(other.get_encoded("people", ada.id).unwrap().map(|ada| ada.id()), None);
    db.clone().close().unwrap();
    assert_eq!(age().unwrap_err().code(), "CLOSED");
}
