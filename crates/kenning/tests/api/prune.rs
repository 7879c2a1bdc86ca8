//! Trimming the past.

use kenning::blocking::open;
use kenning::{At, Draft, Json, json};

fn named(stars: i64) -> Draft {
    Draft { key: Some("a".into()), ..json!({"stars": stars}).into() }
}

#[test]
fn what_lies_before_the_horizon_is_gone_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("db").to_str().unwrap().to_owned();
    let db = open(&url).unwrap();
    db.create_table("notes", json!({"x-kenning": {"indexed": ["stars"]}})).unwrap();
    let versions: Vec<u64> =
        (0..10).map(|stars| db.put("notes", named(stars)).unwrap().version).collect();
    let stars = |at: u64| -> Json {
        let then = db.as_of(At::Version(at)).unwrap();
        then.get("notes", "a").unwrap().unwrap().properties["stars"].clone()
    };
    let held = db.as_of(At::Version(versions[2])).unwrap();
    let pruned = db.prune(At::Version(versions[5]), false).unwrap();
    // Of each state before: the record and its index entry; and the count of tables.
    assert_eq!((pruned.history_from, pruned.history_rows, pruned.log_rows), (versions[5], 11, 0));
    for (at, version) in versions.iter().enumerate() {
        if at < 5 {
            let error = db.as_of(At::Version(*version)).err().unwrap();
            assert_eq!(error.code(), "HISTORY_NOT_KEPT");
        } else {
            assert_eq!(stars(*version), json!(at));
            assert_eq!(db.verify_as_of(*version).unwrap(), vec![]);
        }
    }
    assert_eq!(held.get("notes", "a").unwrap().unwrap().properties["stars"], 2);
    assert_eq!(db.history("notes", "a").unwrap().len(), 5);
    assert_eq!(db.prune(At::Version(versions[5]), false).unwrap().history_rows, 0);
    let earlier = db.prune(At::Version(versions[1]), false).err().unwrap();
    assert_eq!(earlier.code(), "HISTORY_NOT_KEPT");
    drop(held);
    db.close().unwrap();
    let db = open(&url).unwrap();
    assert!(db.as_of(At::Version(versions[4])).is_err());
    assert!(db.as_of(At::Version(versions[5])).is_ok());
    assert_eq!(db.verify().unwrap(), vec![]);
}

#[test]
fn the_log_is_kept_for_followers_that_are_behind() {
    let db = open("memory:").unwrap();
    let mut follower = db.follow("copy").unwrap();
    for stars in 0..10 {
        db.put("entities", json!({"name": "a", "stars": stars})).unwrap();
    }
    let versions: Vec<u64> = db.log(0, 100).unwrap().iter().map(|row| row.version).collect();
    follower.ack(versions[3]).unwrap();
    let last = db.version();
    db.prune(At::Version(last), true).unwrap();
    let left: Vec<u64> = db.log(0, 100).unwrap().iter().map(|row| row.version).collect();
    assert_eq!(left, versions[4..]);
    assert_eq!(follower.try_next().unwrap().unwrap().version, versions[4]);
    follower.ack(last).unwrap();
    db.prune(At::Version(last), true).unwrap();
    assert_eq!(db.log(0, 100).unwrap().len(), 1, "the last one stays");
    let error = db.follow("another").unwrap().try_next().unwrap_err();
    assert_eq!(error.code(), "LOG_PRUNED");
    db.put("entities", json!({"name": "b"})).unwrap();
    assert_eq!(follower.try_next().unwrap().unwrap().version, db.version());
    assert_eq!(db.verify().unwrap(), vec![]);
}
