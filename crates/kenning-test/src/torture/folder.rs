//! Opening and closing.

use std::fs;

use kenning_store::{Folder, Memory};

use super::*;

/// Each refusal to open has its own code.
pub fn what_cannot_be_opened_says_why(engine: &dyn Engine) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let open = |create| engine.open(&path, create);
    let refused = |create| {
        let error = open(create).err().unwrap();
        (error.kind(), error.code())
    };
    assert_eq!(refused(Create::Never), (ErrorKind::Invalid, "NO_DATABASE"));
    let store = open(Create::New).unwrap();
    assert_eq!(Folder::engine_of(&path).unwrap().as_deref(), Some(engine.name()));
    assert_eq!(refused(Create::IfMissing), (ErrorKind::Unavailable, "HELD"));
    drop(store);
    assert_eq!(refused(Create::New), (ErrorKind::Invalid, "DATABASE_EXISTS"));
    open(Create::Never).unwrap();
    fs::remove_dir_all(path.join("store")).unwrap();
    fs::create_dir(path.join("store")).unwrap();
    assert_eq!(refused(Create::IfMissing), (ErrorKind::Corrupt, "STORE_DAMAGED"));

    let other = temp.path().join("other");
    block_on(Memory::new().checkpoint(&other)).unwrap();
    let error = engine.open(&other, Create::IfMissing).err().unwrap();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "OTHER_ENGINE"));
}

/// A folder is released by the last who looks at it.
pub fn a_snapshot_holds_the_folder(engine: &dyn Engine) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let store = engine.open(&path, Create::New).unwrap();
    let snapshot = block_on(store.snapshot()).unwrap();
    drop(store);
    let error = engine.open(&path, Create::Never).err().unwrap();
    assert_eq!(error.code(), "HELD");
    drop(snapshot);
    engine.open(&path, Create::Never).unwrap();
}

/// A close leaves little to replay.
pub fn a_clean_end_leaves_no_long_log_to_replay(engine: &dyn Engine) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let store = engine.open(&path, Create::New).unwrap();
    let mut workload = Workload::new(6);
    workload.commit_many(&*store, 500);
    let log_bytes = || -> u64 {
        let logs = files(&path, |file| engine.is_log(file));
        logs.iter().map(|log| fs::metadata(log).unwrap().len()).sum()
    };
    assert!(log_bytes() > 500_000, "the log has what was committed: {}", log_bytes());
    drop(store);
    assert!(log_bytes() > 500_000, "a short log stays: {}", log_bytes());
    let store = engine.open(&path, Create::Never).unwrap();
    workload.check_all(&*store);
    let mut many = Batch::new();
    (0..10_001u32).for_each(|n| many.put(&[&[0xfe], &n.to_be_bytes()[..]].concat(), b""));
    block_on(store.commit(many, Durability::Strict)).unwrap();
    drop(store);
    assert_eq!(log_bytes(), 0, "a long one is written out");
    let store = engine.open(&path, Create::Never).unwrap();
    let snapshot = block_on(store.snapshot()).unwrap();
    assert!(block_on(snapshot.get(&[0xfe, 0, 0, 0, 7])).unwrap().is_some());
}

/// Threads and files of an engine end with it, however often it is opened.
pub fn opening_and_closing_leaves_nothing_behind(engine: &dyn Engine) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().canonicalize().unwrap().join("db");
    let open_files = || {
        let entries = fs::read_dir("/proc/self/fd").unwrap();
        let targets = entries.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
        targets.filter(|target| target.starts_with(&path)).count()
    };
    for number in 0..20u8 {
        let store = engine.open_small(&path, Create::IfMissing).unwrap();
        put(&*store, &[0x10, number], b"value", Durability::Strict).unwrap();
        assert!(open_files() > 0, "the files of an open store are seen");
        drop(store);
        assert_eq!(open_files(), 0, "after {number} times");
    }
    let threads = || fs::read_dir("/proc/self/task").unwrap().count();
    // Other tests of this process start threads meanwhile, but not hundreds.
    let before = threads();
    for _ in 0..100 {
        engine.open_small(&path, Create::Never).unwrap();
    }
    assert!(threads() < before + 100, "{before} threads became {}", threads());
}
