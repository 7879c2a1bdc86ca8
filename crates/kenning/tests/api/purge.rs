//! Removing every value that a record ever had.

use std::fs;
use std::path::Path;

use kenning::blocking::{Database, open_with};
use kenning::{At, Draft, Engine, ErrorKind, Link, Options, Walk, json};

/// Each stands in another place, and nowhere else.
const SECRETS: [&str; 9] = [
    "secret-of-the-key",
    "secret-alias",
    "secret-first-value",
    "secret-second-value",
    "secret-unique-value",
    "secret-of-a-dropped-index",
    "secret-property-of-a-link",
    "secret-of-what-was-taken-in",
    "secret-of-an-earlier-birth",
];

fn find(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, found);
            continue;
        }
        let bytes = fs::read(&path).unwrap_or_default();
        for secret in SECRETS {
            let is_there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            if is_there && !found.contains(&secret.to_owned()) {
                found.push(secret.to_owned());
            }
        }
    }
}

fn secrets(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    find(folder, &mut found);
    found.sort();
    found
}

fn open(path: &Path, engine: Engine) -> Database {
    open_with(path.to_str().unwrap(), Options { engine, ..Options::default() }).unwrap()
}

/// A record with a long past and many neighbours, and another one that must not be touched.
fn fill(db: &Database) {
    let schema = |indexed: &[&str]| json!({"x-kenning": {"indexed": indexed, "unique": ["code"]}});
    db.create_table("people", schema(&["a", "dropped"])).unwrap();
    let person = |key: &str, alias: &str, properties| {
        let (key, aliases) = (Some(key.into()), Some(vec![alias.to_owned()]));
        db.put("people", Draft { key, aliases, ..Draft::from(properties) }).unwrap()
    };
    person("secret-of-the-key", "secret-alias", json!({"a": "secret-of-an-earlier-birth"}));
    db.link("secret-of-the-key", "knows", "bob", Link::default()).unwrap();
    db.delete("people", "secret-of-the-key").unwrap();
    let said = json!({
        "a": "secret-first-value", "code": "secret-unique-value",
        "dropped": "secret-of-a-dropped-index",
    });
    person("secret-of-the-key", "secret-alias", said);
    person("other", "another", json!({"a": "secret-of-what-was-taken-in"}));
    person("bob", "robert", json!({"a": "stays", "code": "bob"}));
    let why = json!({"why": "secret-property-of-a-link"});
    let link = Link { properties: why, ..Link::default() };
    db.link("secret-of-the-key", "knows", "people/bob", link.clone()).unwrap();
    db.link("people/bob", "knows", "secret-of-the-key", link).unwrap();
    db.alter_table("people", schema(&["a"])).unwrap();
    db.wait_indexed().unwrap();
    db.update("people", "secret-of-the-key", json!({"a": "secret-second-value"})).unwrap();
    db.merge("secret-of-the-key", "other").unwrap();
}

fn nothing_stays(engine: Engine) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let db = open(&path, engine);
    fill(&db);
    let before = db.version();
    let taken = db.history("people", "other").unwrap()[0].record.id;
    // What was read is in memory, too.
    let then = At::Version(before);
    for _ in 0..3 {
        assert!(db.get("people", "secret-alias").unwrap().is_some());
    }
    assert_eq!(secrets(&path).len(), SECRETS.len(), "{:?}", secrets(&path));
    let purged = db.purge("people", "secret-alias").unwrap().unwrap();
    assert_eq!((purged.records, purged.links), (2, 3), "{purged:?}");
    assert_eq!(secrets(&path), Vec::<String>::new());
    assert_eq!(db.verify().unwrap(), vec![]);
    let view = db.as_of(then).unwrap();
    for name in ["secret-of-the-key", "secret-alias", "other", &taken.to_string()] {
        assert_eq!(db.get("people", name).unwrap(), None);
        assert_eq!(view.get("people", name).unwrap(), None, "{name}");
        assert_eq!(db.history("people", name).unwrap(), vec![]);
    }
    assert_eq!(db.verify_as_of(before).unwrap(), vec![]);
    let log = format!("{:?}", db.log(0, 1_000).unwrap());
    assert!(!log.contains("secret"), "{log}");
    // The other record has all of its past, but for the links.
    assert_eq!(view.get("people", "robert").unwrap().unwrap().properties["a"], "stays");
    assert_eq!(view.neighbors("people/bob", Walk::default()).unwrap(), vec![]);
    assert_eq!(db.history("people", "bob").unwrap().len(), 1);
    assert!(log.contains("stays"));
    drop(view);
    db.close().unwrap();
    assert_eq!(secrets(&path), Vec::<String>::new());
    let db = open(&path, engine);
    assert_eq!(secrets(&path), Vec::<String>::new());
    assert_eq!(db.verify().unwrap(), vec![]);
    // Its name can be used again, and old links do not come back.
    let key = Some("secret-of-the-key".to_owned());
    let born = db.put("people", Draft { key, ..json!({"a": 1}).into() }).unwrap();
    assert_eq!(born.birth, 3);
    assert_eq!(db.neighbors("people/secret-of-the-key", Walk::default()).unwrap(), vec![]);
    assert_eq!(db.history("people", "secret-of-the-key").unwrap().len(), 1);
    assert_eq!(db.purge("people", "nobody").unwrap(), None);
    assert_eq!(db.purge("links", "x").unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(db.verify().unwrap(), vec![]);
}

#[test]
fn nothing_of_a_purged_record_stays_with_rocksdb() {
    nothing_stays(Engine::Rocksdb);
}

#[test]
fn nothing_of_a_purged_record_stays_with_fjall() {
    nothing_stays(Engine::Fjall);
}

#[test]
fn a_purge_spares_what_came_later() {
    let db = kenning::blocking::open("memory:").unwrap();
    let put = |stars: i64| {
        let draft = Draft { key: Some("a".into()), ..json!({"stars": stars}).into() };
        db.put("resources", draft).unwrap();
    };
    for stars in 0..3 {
        put(stars);
    }
    db.delete("resources", "a").unwrap();
    put(3);
    let purged = db.purge("resources", "a").unwrap().unwrap();
    assert_eq!((purged.records, purged.log_changes), (1, 4));
    put(4);
    put(5);
    let told: Vec<_> = db.history("resources", "a").unwrap();
    let stars: Vec<_> = told.iter().map(|state| state.record.properties["stars"].clone()).collect();
    assert_eq!(stars, [4, 5]);
    // Once more, with nothing but a past.
    db.delete("resources", "a").unwrap();
    assert_eq!(db.purge("resources", "a").unwrap().unwrap().log_changes, 2);
    assert_eq!(db.history("resources", "a").unwrap(), vec![]);
    assert_eq!(db.verify().unwrap(), vec![]);
    for version in 1..=db.version() {
        assert_eq!(db.verify_as_of(version).unwrap(), vec![], "as of {version}");
    }
}
