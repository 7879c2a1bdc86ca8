//! The log as it grows.

use kenning::blocking::open;
use kenning::{At, ErrorKind, json};

fn named(n: usize) -> kenning::Json {
    json!({"name": format!("e{n}")})
}

#[test]
fn a_tail_gives_each_transaction_once_and_as_it_lands() {
    let db = open("memory:").unwrap();
    let before = db.version();
    db.put("entities", named(0)).unwrap();
    let mut tail = db.tail(before).unwrap();
    let stop = tail.stop();
    let (tell, told) = std::sync::mpsc::channel();
    let versions = std::thread::scope(|threads| {
        let reader = threads.spawn(move || {
            let mut versions = Vec::new();
            while let Some(row) = tail.next().unwrap() {
                versions.push(row.version);
                if row.changes[0].after == Some(named(199)) {
                    tell.send(()).unwrap();
                }
            }
            versions
        });
        for n in 1..200 {
            db.put("entities", named(n)).unwrap();
        }
        told.recv().unwrap();
        // Now it waits, for what never comes.
        stop.stop();
        reader.join().unwrap()
    });
    assert_eq!(versions, (before + 1..=before + 200).collect::<Vec<u64>>());
}

#[test]
fn a_tail_sees_its_own_tenant_only_and_is_no_follower() {
    let db = open("memory:").unwrap();
    db.create_tenant("other").unwrap();
    let other = db.tenant("other").unwrap();
    let mut tail = db.tail(db.version()).unwrap();
    other.put("entities", named(1)).unwrap();
    assert_eq!(tail.try_next().unwrap(), None);
    db.put("entities", named(2)).unwrap();
    assert_eq!(tail.try_next().unwrap().unwrap().changes[0].after, Some(named(2)));
    let mut gone = other.tail(0).unwrap();
    db.drop_tenant("other").unwrap();
    assert_eq!(gone.next().unwrap_err().code(), "TENANT_DROPPED");
}

#[test]
fn a_tail_that_begins_behind_the_horizon_or_ahead_of_the_head_is_refused() {
    let db = open("memory:").unwrap();
    for n in 0..5 {
        db.put("entities", named(n)).unwrap();
    }
    let last = db.version();
    db.prune(At::Version(last), true).unwrap();
    let error = db.tail(0).unwrap().next().unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "LOG_PRUNED"));
    assert_eq!(db.tail(last - 1).unwrap().next().unwrap().unwrap().version, last);
    let error = db.tail(last + 1).err().unwrap();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "VERSION_UNKNOWN"));
}

#[test]
fn a_tail_of_a_database_that_closes_ends() {
    let db = open("memory:").unwrap();
    let mut tail = db.tail(db.version()).unwrap();
    let closed = std::thread::scope(|threads| {
        let waits = threads.spawn(|| tail.next());
        db.clone().close().unwrap();
        waits.join().unwrap().unwrap_err()
    });
    assert_eq!(closed.kind(), ErrorKind::Closed);
}
