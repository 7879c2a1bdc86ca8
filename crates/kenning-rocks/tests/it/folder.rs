use std::fs;

use kenning_rocks::{RocksStore, Settings};
use kenning_store::{Batch, Create, Durability, ErrorKind, Folder, Found, Memory, Store, block_on};

use crate::workload::Workload;

fn put(store: &dyn Store, key: &[u8], value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(key, value);
    block_on(store.commit(batch, Durability::Strict)).unwrap();
}

#[test]
fn what_cannot_be_opened_says_why() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let open = |create| RocksStore::open(&path, Settings::default(), create);
    let refused = |create| {
        let error = open(create).err().unwrap();
        (error.kind(), error.code())
    };
    assert_eq!(refused(Create::Never), (ErrorKind::Invalid, "NO_DATABASE"));
    let store = open(Create::New).unwrap();
    assert_eq!(Folder::engine_of(&path).unwrap().as_deref(), Some("rocksdb"));
    assert_eq!(refused(Create::IfMissing), (ErrorKind::Unavailable, "HELD"));
    drop(store);
    assert_eq!(refused(Create::New), (ErrorKind::Invalid, "DATABASE_EXISTS"));
    open(Create::Never).unwrap();
    fs::remove_dir_all(path.join("store")).unwrap();
    fs::create_dir(path.join("store")).unwrap();
    assert_eq!(refused(Create::IfMissing), (ErrorKind::Corrupt, "STORE_DAMAGED"));

    let other = temp.path().join("other");
    block_on(Memory::new().checkpoint(&other)).unwrap();
    let error = RocksStore::open(&other, Settings::default(), Create::IfMissing).err().unwrap();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "OTHER_ENGINE"));
}

#[test]
fn a_snapshot_holds_the_folder() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let store = RocksStore::open(&path, Settings::default(), Create::New).unwrap();
    let snapshot = block_on(store.snapshot()).unwrap();
    drop(store);
    let error = RocksStore::open(&path, Settings::default(), Create::Never).err().unwrap();
    assert_eq!(error.code(), "HELD");
    drop(snapshot);
    RocksStore::open(&path, Settings::default(), Create::Never).unwrap();
}

#[test]
fn a_cold_key_is_elsewhere_and_a_warm_one_is_here() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let open = || RocksStore::open(&path, Settings::default(), Create::IfMissing).unwrap();
    let store = open();
    for number in 0..2_000u32 {
        put_relaxed(&*store, &[&[0x10][..], &number.to_be_bytes()].concat(), &[7; 200]);
    }
    let key = [&[0x10][..], &1_234u32.to_be_bytes()].concat();
    let snapshot = block_on(store.snapshot()).unwrap();
    assert_eq!(snapshot.try_get(&key).unwrap(), Found::Here([7; 200][..].to_vec().into()));
    assert_eq!(snapshot.try_get(b"\x10absent").unwrap(), Found::Absent);
    drop((snapshot, store));
    let store = open();
    let snapshot = block_on(store.snapshot()).unwrap();
    assert_eq!(snapshot.try_get(&key).unwrap(), Found::Elsewhere);
    assert_eq!(block_on(snapshot.get(&key)).unwrap().as_deref(), Some(&[7; 200][..]));
    assert_eq!(snapshot.try_get(&key).unwrap(), Found::Here([7; 200][..].to_vec().into()));
    let absent = snapshot.try_get(&[0x10, 0, 0]).unwrap();
    assert_eq!(absent, Found::Absent, "its filter is in the cache");
}

fn put_relaxed(store: &dyn Store, key: &[u8], value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(key, value);
    block_on(store.commit(batch, Durability::Relaxed)).unwrap();
}

#[test]
fn a_clean_end_leaves_no_long_log_to_replay() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let store = RocksStore::open(&path, Settings::default(), Create::New).unwrap();
    let mut workload = Workload::new(6);
    workload.commit_many(&*store, 500);
    let log_bytes = || -> u64 {
        let entries = fs::read_dir(path.join("store")).unwrap().map(|entry| entry.unwrap());
        let logs = entries.filter(|entry| entry.path().extension().is_some_and(|it| it == "log"));
        logs.map(|entry| entry.metadata().unwrap().len()).sum()
    };
    assert!(log_bytes() > 500_000, "the log has what was committed: {}", log_bytes());
    drop(store);
    assert!(log_bytes() > 500_000, "a short log stays: {}", log_bytes());
    let store = RocksStore::open(&path, Settings::default(), Create::Never).unwrap();
    workload.check_all(&*store);
    let mut many = Batch::new();
    (0..10_001u32).for_each(|n| many.put(&[&[0xfe], &n.to_be_bytes()[..]].concat(), b""));
    block_on(store.commit(many, Durability::Strict)).unwrap();
    drop(store);
    assert_eq!(log_bytes(), 0, "a long one is written out");
    let store = RocksStore::open(&path, Settings::default(), Create::Never).unwrap();
    let snapshot = block_on(store.snapshot()).unwrap();
    assert!(block_on(snapshot.get(&[0xfe, 0, 0, 0, 7])).unwrap().is_some());
}

#[test]
fn messages_of_the_engine_do_not_pile_up() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    for number in 0..8u8 {
        let store = RocksStore::open(&path, Settings::default(), Create::IfMissing).unwrap();
        put(&*store, &[0x10, number], b"value");
    }
    let entries = fs::read_dir(path.join("store")).unwrap();
    let names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let logs = names.iter().filter(|name| name.starts_with("LOG")).count();
    assert!(logs <= 3, "{names:?}");
}
