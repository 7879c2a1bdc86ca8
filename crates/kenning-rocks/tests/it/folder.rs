use std::fs;

use kenning_rocks::{RocksStore, Settings};
use kenning_store::{Batch, Create, Durability, Found, Store, block_on};

fn put(store: &dyn Store, key: &[u8], value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(key, value);
    block_on(store.commit(batch, Durability::Strict)).unwrap();
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
