//! What is gone is gone from every file.

use std::fs;

use super::*;

/// A text that stands in a few keys and values, and nowhere else.
const SECRET: &[u8] = b"a secret that nobody may find any more";

/// How many files of the database folder have the secret somewhere.
fn files_with_secret(db: &Path) -> Vec<PathBuf> {
    let finder = |path: &PathBuf| {
        // A file that the engine has just removed has nothing any more.
        let bytes = fs::read(path).unwrap_or_default();
        bytes.windows(SECRET.len()).any(|window| window == SECRET)
    };
    files(db, |_| true).into_iter().filter(finder).collect()
}

/// Erasing leaves no byte of what was deleted or overwritten in any file: neither in tables and
/// logs, nor in lists of files, which name the first and the last key of each.
pub fn erasing_leaves_nothing_of_what_is_gone_in_any_file(engine: &dyn Engine) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let mut store = engine.open_small(&path, Create::New).unwrap();
    let mut workload = Workload::new(9);
    let families = [0x01, 0x10, 0x12, 0x13, 0x14, 0x20, 0x30];
    // First and last of their family, so that lists of files have them.
    let keys: Vec<Vec<u8>> = families
        .iter()
        .flat_map(|first| [0x00, 0xff].map(|edge| [&[*first, edge], SECRET].concat()))
        .collect();
    for round in 0..3 {
        for key in &keys {
            put(&*store, key, &[b"it is ", SECRET].concat(), Durability::Strict).unwrap();
        }
        workload.commit_many(&*store, 300);
        if round == 1 {
            block_on(store.compact()).unwrap();
        }
        if round == 2 {
            drop(store);
            store = engine.open_small(&path, Create::Never).unwrap();
        }
        assert!(files_with_secret(&path).len() > 1, "the secret is found where it is");
        let held = block_on(store.snapshot()).unwrap();
        let mut gone = Batch::new();
        for (at, key) in keys.iter().enumerate() {
            gone.delete(key);
            // A value that is overwritten counts as much as one that is deleted.
            let kept = [key[0], 0x80, at as u8];
            put(&*store, &kept, SECRET, Durability::Relaxed).unwrap();
            gone.put(&kept, b"nothing");
        }
        block_on(store.commit(gone, Durability::Strict)).unwrap();
        assert!(block_on(held.get(&keys[0])).unwrap().is_some(), "what is held stays readable");
        drop(held);
        // A view that does not show it does not keep it, once it ends.
        let held = block_on(store.snapshot()).unwrap();
        block_on(store.erase()).unwrap();
        put(&*store, &[0x10, 0x80], b"something else", Durability::Strict).unwrap();
        drop(held);
        assert_eq!(files_with_secret(&path), Vec::<PathBuf>::new(), "round {round}");
        let mut cleared = Batch::new();
        cleared.delete(&[0x10, 0x80]);
        for (at, key) in keys.iter().enumerate() {
            cleared.delete(&[key[0], 0x80, at as u8]);
        }
        block_on(store.commit(cleared, Durability::Strict)).unwrap();
        workload.check_all(&*store);
    }
    drop(store);
    assert_eq!(files_with_secret(&path), Vec::<PathBuf>::new(), "after it was closed");
}
