use std::fs;
use std::path::{Path, PathBuf};

use kenning_rocks::{RocksStore, Settings};
use kenning_store::{Create, ErrorKind, Store, block_on};

use crate::workload::Workload;

/// The files that hold sorted keys.
pub(crate) fn table_files(db: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(db.join("store")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|it| it == "sst")).collect();
    files.sort();
    files
}

/// Flips a byte of the first `marked` in a file; false if there is none.
pub(crate) fn flip_marked(path: &Path, marked: &[u8]) -> bool {
    let mut bytes = fs::read(path).unwrap();
    let found = bytes.windows(marked.len()).position(|window| window == marked);
    let Some(at) = found else { return false };
    bytes[at] ^= 0x20;
    fs::write(path, bytes).unwrap();
    true
}

#[test]
fn damage_anywhere_in_a_file_is_found() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let store = RocksStore::open(&path, Settings::default(), Create::New).unwrap();
    Workload::new(1).commit_many(&*store, 300);
    block_on(store.compact()).unwrap();
    assert_eq!(block_on(store.verify()).unwrap(), []);
    drop(store);

    let files = table_files(&path);
    assert!(files.len() > 1, "several column families have files");
    let largest = files.iter().max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap();
    let bytes = fs::read(largest).unwrap();
    let mut unnoticed = Vec::new();
    // Densely at the end, where filter, index and footer are.
    let ends_from = bytes.len() - 2_000;
    let places =
        (0..ends_from).step_by(ends_from / 100).chain((ends_from..bytes.len()).step_by(19));
    for at in places {
        let mut bad = bytes.clone();
        bad[at] ^= 0x04;
        fs::write(largest, &bad).unwrap();
        match RocksStore::open(&path, Settings::default(), Create::Never) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
            Ok(store) => {
                if block_on(store.verify()).unwrap().is_empty() {
                    unnoticed.push(at);
                }
            }
        }
    }
    fs::write(largest, &bytes).unwrap();
    assert_eq!(unnoticed, [], "of {} bytes", bytes.len());
    let store = RocksStore::open(&path, Settings::default(), Create::Never).unwrap();
    assert_eq!(block_on(store.verify()).unwrap(), []);
}

#[test]
fn a_block_in_the_cache_does_not_hide_damage_on_the_disk() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let store = RocksStore::open(&path, Settings::default(), Create::New).unwrap();
    let marked = b"a value that is read before its bytes on the disk are damaged";
    let mut batch = kenning_store::Batch::new();
    batch.put(b"\x10key", marked);
    block_on(store.commit(batch, kenning_store::Durability::Strict)).unwrap();
    block_on(store.compact()).unwrap();
    let snapshot = block_on(store.snapshot()).unwrap();
    assert_eq!(block_on(snapshot.get(b"\x10key")).unwrap().as_deref(), Some(&marked[..]));
    assert!(table_files(&path).iter().any(|file| flip_marked(file, marked)));
    assert_eq!(block_on(snapshot.get(b"\x10key")).unwrap().as_deref(), Some(&marked[..]));
    let findings = block_on(store.verify()).unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].code, "STORE_DAMAGED");
    assert!(findings[0].message.contains("records"), "{findings:?}");
}

#[test]
fn a_missing_file_is_damage() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let open = || RocksStore::open(&path, Settings::default(), Create::IfMissing);
    let mut workload = Workload::new(2);
    let store = open().unwrap();
    workload.commit_many(&*store, 10);
    block_on(store.compact()).unwrap();
    workload.commit_many(&*store, 10);
    drop(store);
    for name in [".log", "CURRENT", "MANIFEST-", ".sst"] {
        let entries = fs::read_dir(path.join("store")).unwrap().map(|entry| entry.unwrap().path());
        let file = entries.into_iter().find(|it| it.to_string_lossy().contains(name)).unwrap();
        let aside = temp.path().join("aside");
        fs::rename(&file, &aside).unwrap();
        let found = match open() {
            Err(error) => error.kind() == ErrorKind::Corrupt,
            Ok(store) => !block_on(store.verify()).unwrap().is_empty(),
        };
        assert!(found, "{name} is missing and nobody noticed");
        fs::rename(&aside, &file).unwrap();
    }
    assert_eq!(block_on(open().unwrap().verify()).unwrap(), []);
}

/// A short log is left to be replayed: what is damaged there must not be taken for the end of it.
#[test]
fn damage_in_the_log_of_a_closed_store_is_found() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let mut workload = Workload::new(1);
    let store = RocksStore::open(&path, Settings::default(), Create::New).unwrap();
    workload.commit_many(&*store, 30);
    drop(store);
    let entries = fs::read_dir(path.join("store")).unwrap().map(|entry| entry.unwrap().path());
    let log = entries
        .filter(|path| path.extension().is_some_and(|it| it == "log"))
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .expect("the store was closed with a log");
    let bytes = fs::read(&log).unwrap();
    assert!(bytes.len() > 1_000, "the log has the writes");
    let mut unnoticed = Vec::new();
    for at in (0..bytes.len()).step_by(bytes.len() / 40) {
        let copy = temp.path().join(format!("copy-{at}"));
        copy_folder(&path, &copy);
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        let name = log.file_name().expect("a file has a name");
        fs::write(copy.join("store").join(name), &bad).unwrap();
        match RocksStore::open(&copy, Settings::default(), Create::Never) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
            Ok(_) => unnoticed.push(at),
        }
    }
    assert_eq!(unnoticed, [], "of {} bytes", bytes.len());
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
