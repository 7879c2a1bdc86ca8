//! Removing every value that a record ever had.

use std::fs;
use std::ops::ControlFlow::Continue;
use std::path::Path;
use std::sync::Arc;

use kenning::blocking::{Database, open_with};
use kenning::{At, BackupOptions, Draft, Engine, ErrorKind, Link, Options, Settings};
use kenning::{SystemWorld, Walk, World, json};
use kenning_store::{Memory, Store, block_on};
use kenning_test::{Fault, Faulty};

// Each stands in another place, and nowhere else. They have nothing in common, or compression would
// hide one behind another.
const KEY: &str = "hjdxmpeccamrjzybhqrl";
const ALIAS: &str = "iyfdigauzizigfjjuxlc";
const FIRST: &str = "tkvmqhfhpicrjajswjyq";
const SECOND: &str = "gnntjnofhjizbcbouiqr";
const UNIQUE: &str = "upwkevgcnguuoiflnxsk";
const DROPPED: &str = "urgkdbwhiysthdkfjoab";
const LINK: &str = "lwcjxvkakjkeyuntvcjt";
const TAKEN: &str = "gojeimtfksalboflzzlj";
const EARLIER: &str = "sdogngdbbbxftvetbrps";
const SECRETS: [&str; 9] = [KEY, ALIAS, FIRST, SECOND, UNIQUE, DROPPED, LINK, TAKEN, EARLIER];

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
    person(KEY, ALIAS, json!({"a": EARLIER}));
    db.link(KEY, "knows", "bob", Link::default()).unwrap();
    db.delete("people", KEY).unwrap();
    let said = json!({
        "a": FIRST, "code": UNIQUE,
        "dropped": DROPPED,
    });
    person(KEY, ALIAS, said);
    person("other", "another", json!({"a": TAKEN}));
    person("bob", "robert", json!({"a": "stays", "code": "bob"}));
    let why = json!({"why": LINK});
    let link = Link { properties: why, ..Link::default() };
    db.link(KEY, "knows", "people/bob", link.clone()).unwrap();
    db.link("people/bob", "knows", KEY, link).unwrap();
    db.alter_table("people", schema(&["a"])).unwrap();
    db.wait_indexed().unwrap();
    db.update("people", KEY, json!({"a": SECOND})).unwrap();
    db.merge(KEY, "other").unwrap();
}

fn nothing_stays(engine: Engine) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let db = open(&path, engine);
    let backups = temp.path().join("backups");
    db.backup(&backups, BackupOptions::default(), &mut |_| Continue(())).unwrap();
    fill(&db);
    db.backup(&backups, BackupOptions::default(), &mut |_| Continue(())).unwrap();
    let before = db.version();
    let taken = db.history("people", "other").unwrap()[0].record.id;
    // What was read is in memory, too.
    let then = At::Version(before);
    for _ in 0..3 {
        assert!(db.get("people", ALIAS).unwrap().is_some());
    }
    assert_eq!(secrets(&path).len(), SECRETS.len(), "{:?}", secrets(&path));
    let purged = db.purge("people", ALIAS).unwrap().unwrap();
    assert_eq!((purged.records, purged.links), (2, 3), "{purged:?}");
    let named: Vec<u64> = purged.backups.iter().map(|backup| backup.number).collect();
    assert_eq!(named, [2], "the first backup was made before there was anything to purge");
    assert_eq!(secrets(&path), Vec::<String>::new());
    assert_eq!(db.verify().unwrap(), vec![]);
    let view = db.as_of(then).unwrap();
    for name in [KEY, ALIAS, "other", &taken.to_string()] {
        assert_eq!(db.get("people", name).unwrap(), None);
        assert_eq!(view.get("people", name).unwrap(), None, "{name}");
        assert_eq!(db.history("people", name).unwrap(), vec![]);
    }
    assert_eq!(db.verify_as_of(before).unwrap(), vec![]);
    let log = format!("{:?}", db.log(0, 1_000).unwrap());
    assert!(SECRETS.iter().all(|secret| !log.contains(secret)), "{log}");
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
    let key = Some(KEY.to_owned());
    let born = db.put("people", Draft { key, ..json!({"a": 1}).into() }).unwrap();
    assert_eq!(born.birth, 3);
    assert_eq!(db.neighbors(&format!("people/{KEY}"), Walk::default()).unwrap(), vec![]);
    assert_eq!(db.history("people", KEY).unwrap().len(), 1);
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
    // With what the first purge left in the log: that it was born.
    assert_eq!(db.purge("resources", "a").unwrap().unwrap().log_changes, 3);
    assert_eq!(db.history("resources", "a").unwrap(), vec![]);
    assert_eq!(db.verify().unwrap(), vec![]);
    for version in 1..=db.version() {
        assert_eq!(db.verify_as_of(version).unwrap(), vec![], "as of {version}");
    }
}

/// A database in `store`, which may be opened again and again.
fn open_in(store: Arc<dyn Store>) -> kenning::Result<Database> {
    let world: Arc<dyn World> = Arc::new(SystemWorld::new());
    block_on(kenning::Database::open(store, world, Settings::default(), "default"))
        .map(Database::from)
}

/// Everything that a store has, as text.
fn contents(store: &Arc<dyn Store>) -> String {
    let bytes = kenning_test::workload::everything(&**store);
    let bytes: Vec<u8> =
        bytes.into_iter().flat_map(|(key, value)| [key, value]).flatten().collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_purge_that_is_cut_off_anywhere_is_finished_after_opening() {
    let mut cut_off = 0;
    for fault in [Fault::Before, Fault::After] {
        for nth in 1.. {
            let faulty = Faulty::new(Arc::new(Memory::new()));
            let db = open_in(Arc::clone(&faulty) as Arc<dyn Store>).unwrap();
            fill(&db);
            db.wait_swept().unwrap();
            faulty.plan(nth, fault);
            let purged = db.purge("people", ALIAS);
            let is_done = purged.is_ok();
            drop(db);
            let store = faulty.inner();
            let db = open_in(Arc::clone(&store)).unwrap();
            db.wait_swept().unwrap();
            if db.get("people", ALIAS).unwrap().is_none() {
                cut_off += u64::from(!is_done);
                let left = contents(&store);
                let left: Vec<_> = SECRETS.iter().filter(|it| left.contains(**it)).collect();
                assert_eq!(left, Vec::<&&str>::new(), "{fault:?}, commit {nth}");
                assert_eq!(db.history("people", KEY).unwrap(), vec![]);
            } else {
                assert!(nth == 1 && fault == Fault::Before, "{fault:?}, commit {nth}");
            }
            assert_eq!(db.verify().unwrap(), vec![], "{fault:?}, commit {nth}");
            if is_done {
                break;
            }
        }
    }
    assert!(cut_off >= 8, "{cut_off} purges were cut off half way");
}

fn named(db: &Database, key: &str, said: &str) {
    let draft = Draft { key: Some(key.into()), ..json!({ "said": said }).into() };
    db.put("resources", draft).unwrap();
}

#[test]
fn a_purge_spares_whom_it_does_not_mean() {
    let db = kenning::blocking::open("memory:").unwrap();
    for key in ["a", "b", "c", "d"] {
        named(&db, key, key);
    }
    db.merge("a", "b").unwrap();
    named(&db, "b", "another b, under the same id");
    db.merge("a", "c").unwrap();
    db.unmerge("a", "c").unwrap();
    db.merge("d", "c").unwrap();
    let purged = db.purge("resources", "a").unwrap().unwrap();
    assert_eq!(purged.records, 2, "a, and b as it was");
    let b = db.get("resources", "b").unwrap().unwrap();
    assert_eq!((&b.properties["said"], b.birth), (&json!("another b, under the same id"), 2));
    assert_eq!(db.history("resources", "b").unwrap().len(), 1);
    assert_eq!(db.history("resources", "d").unwrap().len(), 4, "c is in it, twice born");
    db.unmerge("d", "c").unwrap();
    assert_eq!(db.get("resources", "c").unwrap().unwrap().properties["said"], "c");
    // Whoever had taken it in has what it said in its past, and is told of.
    let d = db.get("resources", "d").unwrap().unwrap();
    let purged = db.purge("resources", "c").unwrap().unwrap();
    assert!(purged.taken_in_by.contains(&d.id), "{purged:?}");
    assert_eq!(db.verify().unwrap(), vec![]);
}

#[test]
fn what_is_told_of_links_and_dropped_indexes_is_purged_too() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let db = open(&path, Engine::Rocksdb);
    db.create_table("people", json!({"x-kenning": {"indexed": ["ssn"]}})).unwrap();
    let many = (0..3_000).map(|n| Draft::from(json!({ "ssn": n }))).collect();
    db.put_many("people", many).unwrap();
    let draft = Draft { key: Some(KEY.into()), ..json!({ "ssn": UNIQUE }).into() };
    db.put("people", draft).unwrap();
    let link = || Link { properties: json!({ "why": LINK }), ..Link::default() };
    db.link("people", "of", &format!("people/{KEY}"), link()).unwrap();
    db.unlink("people", "of", &format!("people/{KEY}")).unwrap();
    let before = db.version();
    // The index goes away while the record is purged; the history of the link is gone already.
    db.prune(At::Version(before), false).unwrap();
    db.alter_table("people", json!({})).unwrap();
    db.purge("people", KEY).unwrap().unwrap();
    assert_eq!(secrets(&path), Vec::<String>::new());
    assert!(!format!("{:?}", db.log(0, 1_000).unwrap()).contains(LINK));
    assert_eq!(db.verify().unwrap(), vec![]);
    assert_eq!(db.verify_as_of(before).unwrap(), vec![]);
}

#[test]
fn a_purge_waits_for_the_engine_and_tells_of_views_from_before() {
    for engine in [Engine::Rocksdb, Engine::Fjall] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let db = open(&path, engine);
        db.create_table("notes", json!({"x-kenning": {"key": "name"}})).unwrap();
        let draft = |n: usize| json!({"name": format!("n{n}"), "text": "some words"}).into();
        db.put("notes", json!({"name": "x", "text": FIRST})).unwrap();
        db.put_many("notes", (0..6_000).map(draft).collect::<Vec<Draft>>()).unwrap();
        // The builder and the sealer are at work.
        let schema = json!({"x-kenning": {"key": "name", "indexed": ["text"]}});
        db.alter_table("notes", schema).unwrap();
        let purged = db.purge("notes", "x").unwrap().unwrap();
        assert!(!purged.is_held);
        assert_eq!(secrets(&path), Vec::<String>::new(), "{engine:?}");
        db.put("notes", json!({"name": "y", "text": FIRST})).unwrap();
        let view = db.view().unwrap();
        assert!(db.purge("notes", "y").unwrap().unwrap().is_held);
        assert!(view.get("notes", "y").unwrap().is_some());
        drop(view);
        db.compact().unwrap();
        assert_eq!(secrets(&path), Vec::<String>::new(), "{engine:?}");
        db.close().unwrap();
    }
}

#[test]
fn what_a_dropped_table_of_the_same_name_had_is_purged_too() {
    for is_there_again in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let db = open(&path, Engine::Rocksdb);
        let schema = json!({"x-kenning": {"key": "name", "indexed": ["tag"]}});
        db.create_table("notes", schema.clone()).unwrap();
        db.put("notes", json!({"name": "z", "tag": FIRST})).unwrap();
        db.put("notes", json!({"name": "y", "tag": "stays"})).unwrap();
        let version = db.version();
        db.drop_table("notes").unwrap();
        db.create_table("notes", schema).unwrap();
        if is_there_again {
            db.put("notes", json!({"name": "z", "tag": SECOND})).unwrap();
        }
        assert!(db.purge("notes", "z").unwrap().is_some());
        assert_eq!(secrets(&path), Vec::<String>::new());
        let before = db.as_of(At::Version(version)).unwrap();
        assert!(before.get("notes", "z").unwrap().is_none());
        assert_eq!(before.get("notes", "y").unwrap().unwrap().properties["tag"], "stays");
        assert_eq!(db.verify().unwrap(), vec![]);
        assert_eq!(db.purge("notes", "never").unwrap(), None);
    }
}
