//! Flipped bytes, missing files.

use std::fs;

use super::*;

/// A flipped bit in a table is noticed, wherever it is.
pub fn damage_anywhere_in_a_file_is_found(engine: &dyn Engine) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let store = engine.open(&path, Create::New).unwrap();
    Workload::new(1).commit_many(&*store, 300);
    block_on(store.compact()).unwrap();
    assert_eq!(block_on(store.verify()).unwrap(), []);
    drop(store);

    let files = files(&path, |file| engine.is_table(file));
    assert!(files.len() > 1, "several families have tables");
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
        match engine.open(&path, Create::Never) {
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
    let store = engine.open(&path, Create::Never).unwrap();
    assert_eq!(block_on(store.verify()).unwrap(), []);
}

/// `verify` reads the disk, not the cache.
pub fn a_block_in_the_cache_does_not_hide_damage_on_the_disk(engine: &dyn Engine) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let store = engine.open(&path, Create::New).unwrap();
    let marked = b"a value that is read before its bytes on the disk are damaged";
    let mut batch = Batch::new();
    batch.put(b"\x10key", marked);
    block_on(store.commit(batch, Durability::Strict)).unwrap();
    block_on(store.compact()).unwrap();
    let snapshot = block_on(store.snapshot()).unwrap();
    assert_eq!(block_on(snapshot.get(b"\x10key")).unwrap().as_deref(), Some(&marked[..]));
    assert!(
        files(&path, |file| engine.is_table(file)).iter().any(|file| flip_marked(file, marked))
    );
    assert_eq!(block_on(snapshot.get(b"\x10key")).unwrap().as_deref(), Some(&marked[..]));
    let findings = block_on(store.verify()).unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].code, "STORE_DAMAGED");
    assert!(findings[0].message.contains("records"), "{findings:?}");
}

/// A store of which a file is gone is no empty store.
pub fn a_missing_file_is_damage(engine: &dyn Engine) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let open = || engine.open(&path, Create::IfMissing);
    let mut workload = Workload::new(2);
    let store = open().unwrap();
    workload.commit_many(&*store, 10);
    block_on(store.compact()).unwrap();
    workload.commit_many(&*store, 10);
    drop(store);
    for word in engine.vital() {
        let has_word = |file: &Path| file.to_string_lossy().contains(word);
        let file = files(&path, has_word).into_iter().next().expect("there is one");
        let aside = temp.path().join("aside");
        fs::rename(&file, &aside).unwrap();
        let found = match open() {
            Err(error) => error.kind() == ErrorKind::Corrupt,
            Ok(store) => !block_on(store.verify()).unwrap().is_empty(),
        };
        assert!(found, "{} is missing and nobody noticed", file.display());
        fs::rename(&aside, &file).unwrap();
    }
    assert_eq!(block_on(open().unwrap().verify()).unwrap(), []);
}

/// A short log is left to be replayed: what is damaged there must not be taken for the end of it.
pub fn damage_in_the_log_of_a_closed_store_is_found(engine: &dyn Engine) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let mut workload = Workload::new(1);
    let store = engine.open(&path, Create::New).unwrap();
    workload.commit_many(&*store, 30);
    drop(store);
    let log = files(&path, |file| engine.is_log(file))
        .into_iter()
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
        match engine.open(&copy, Create::Never) {
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
