//! What only fjall does, or does not do without help.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kenning_fjall::{FjallStore, Settings};
use kenning_store::{Batch, Create, Durability, ErrorKind, Found, Range, Result, Snapshot};
use kenning_store::{Store, block_on};
use kenning_test::torture::files;
use kenning_test::workload::Workload;

const BATCH_WRITES: u32 = 10_000;
/// What ends every batch of the journal.
const MAGIC: &[u8] = b"FJL\x03";

fn open(path: &Path) -> Result<Arc<FjallStore>> {
    FjallStore::open(path, Settings::default(), Create::IfMissing)
}

fn put(store: &dyn Store, key: &[u8], value: &[u8], durability: Durability) {
    let mut batch = Batch::new();
    batch.put(key, value);
    block_on(store.commit(batch, durability)).unwrap();
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

/// What the disk has while the store is open: as after a crash.
fn crash(store: &Path, copy: &Path) -> PathBuf {
    copy_folder(store, copy);
    let journals = files(copy, |file| file.extension().is_some_and(|it| it == "jnl"));
    assert_eq!(journals.len(), 1, "{journals:?}");
    journals[0].clone()
}

/// Where the batches of a journal end.
fn ends(journal: &[u8]) -> Vec<usize> {
    let found = journal.windows(MAGIC.len()).enumerate().filter(|(_, window)| *window == MAGIC);
    found.map(|(at, _)| at + MAGIC.len()).collect()
}

fn numbers(store: &dyn Store) -> Vec<u8> {
    let snapshot = block_on(store.snapshot()).unwrap();
    let page = block_on(snapshot.page(&Range::prefix([0x10]).forward())).unwrap();
    page.rows.iter().map(|row| row.key[1]).collect()
}

/// Twenty batches of more than a page each, in the journal of a store that was not closed.
fn twenty_batches(folder: &Path) -> (PathBuf, Vec<u8>) {
    let path = folder.join("db");
    let store = open(&path).unwrap();
    for number in 0..20u8 {
        put(&*store, &[0x10, number], &vec![number; 6_000], Durability::Strict);
    }
    let journal = crash(&path, &folder.join("crashed"));
    let bytes = fs::read(&journal).unwrap();
    (journal, bytes)
}

#[test]
fn a_page_that_was_lost_in_the_middle_ends_the_journal() {
    let temp = tempfile::tempdir().unwrap();
    let (journal, mut bytes) = twenty_batches(temp.path());
    let at = ends(&bytes)[9] + 2_000;
    bytes[at..at + 4_096].fill(0);
    fs::write(&journal, &bytes).unwrap();
    let store = open(&temp.path().join("crashed")).unwrap();
    assert_eq!(numbers(&*store), (0..10).collect::<Vec<u8>>());
    put(&*store, &[0x10, 99], b"goes on", Durability::Strict);
    drop(store);
    let store = open(&temp.path().join("crashed")).unwrap();
    assert_eq!(numbers(&*store), (0..10).chain([99]).collect::<Vec<u8>>());
}

#[test]
fn a_journal_cut_anywhere_ends_with_a_whole_batch() {
    let temp = tempfile::tempdir().unwrap();
    let (journal, bytes) = twenty_batches(temp.path());
    let ends = ends(&bytes);
    let crashed = temp.path().join("crashed");
    for cut in (0..ends[4] + 100).step_by(1_501).chain(ends[..4].iter().copied()) {
        let copy = temp.path().join(format!("cut-{cut}"));
        copy_folder(&crashed, &copy);
        let path = copy.join("store").join(journal.file_name().unwrap());
        fs::write(path, &bytes[..cut]).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count() as u8;
        assert_eq!(numbers(&*open(&copy).unwrap()), (0..whole).collect::<Vec<u8>>(), "cut {cut}");
        fs::remove_dir_all(&copy).unwrap();
    }
}

#[test]
fn damage_before_batches_of_a_later_journal_is_no_torn_end() {
    let temp = tempfile::tempdir().unwrap();
    let (journal, bytes) = twenty_batches(temp.path());
    let at = ends(&bytes)[9];
    let later = journal.with_file_name("1.jnl");
    fs::write(&journal, &bytes[..at]).unwrap();
    fs::write(&later, &bytes[at..]).unwrap();
    let split = temp.path().join("split");
    copy_folder(&temp.path().join("crashed"), &split);
    assert_eq!(numbers(&*open(&split).unwrap()), (0..20).collect::<Vec<u8>>());
    fs::write(&journal, &bytes[..at - 3]).unwrap();
    let error = open(&temp.path().join("crashed")).err().unwrap();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Corrupt, "STORE_DAMAGED"), "{error}");
    // Nothing follows: then it is the end.
    fs::write(&later, b"").unwrap();
    let store = open(&temp.path().join("crashed")).unwrap();
    assert_eq!(numbers(&*store), (0..9).collect::<Vec<u8>>());
}

#[test]
fn no_file_of_a_closed_store_can_be_missing_or_changed() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let mut workload = Workload::new(8);
    let store = open(&path).unwrap();
    workload.commit_many(&*store, 20);
    block_on(store.compact()).unwrap();
    drop(store);
    let store = open(&path).unwrap();
    workload.commit_many(&*store, 20);
    drop(store);
    // fjall's lock has no bytes; the other is the note of a clean end, without which a store was
    // left by a crash.
    let is_needed = |file: &Path| !["lock", "CLOSED"].iter().any(|name| file == Path::new(name));
    let listed = files(&path, is_needed);
    assert!(listed.len() > 20, "{listed:?}");
    // Leftovers of the session before the last open may go.
    let is_used = |file: &&PathBuf| {
        let current = fs::read(file.with_file_name("current")).unwrap_or_default();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let number = current.first_chunk().map(|number| u64::from_le_bytes(*number));
        number.is_none_or(|number| name == "current" || name == format!("v{number}"))
    };
    for file in listed.iter().filter(is_used) {
        let bytes = fs::read(file).unwrap();
        let copy = temp.path().join("copy");
        let name = copy.join(file.strip_prefix(&path).unwrap());
        for flipped in [None, Some(0), Some(bytes.len() / 2), bytes.len().checked_sub(1)] {
            copy_folder(&path, &copy);
            match flipped {
                None => fs::remove_file(&name).unwrap(),
                Some(at) if at < bytes.len() => {
                    let mut bad = bytes.clone();
                    bad[at] ^= 0x01;
                    fs::write(&name, bad).unwrap();
                }
                Some(_) => panic!("{} is empty", name.display()),
            }
            match open(&copy) {
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
                Ok(store) => {
                    let findings = block_on(store.verify()).unwrap();
                    assert!(!findings.is_empty(), "{} {flipped:?}", name.display());
                }
            }
            fs::remove_dir_all(&copy).unwrap();
        }
    }
}

/// fjall's own views show a batch of which half is written, while files are written out.
#[test]
fn views_stay_whole_while_files_are_written_out() {
    let temp = tempfile::tempdir().unwrap();
    let settings = Settings { write_buffer_bytes: 32 << 10, ..Settings::default() };
    let store = FjallStore::open(&temp.path().join("db"), settings, Create::New).unwrap();
    let key = |number: u32| [&[0x10 + (number % 4) as u8][..], &number.to_be_bytes()].concat();
    let done = AtomicBool::new(false);
    let read = |snapshot: &dyn Snapshot| {
        let read = |number| block_on(snapshot.get(&key(number))).unwrap();
        [0, BATCH_WRITES / 3, BATCH_WRITES / 2, BATCH_WRITES - 1].map(read)
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..60u32 {
                let mut batch = Batch::new();
                (0..BATCH_WRITES).for_each(|number| batch.put(&key(number), &round.to_be_bytes()));
                block_on(store.commit(batch, Durability::Relaxed)).unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) {
            let snapshot = block_on(store.snapshot()).unwrap();
            let first = read(&*snapshot);
            assert!(first.windows(2).all(|pair| pair[0] == pair[1]), "one batch wrote all keys");
            assert_eq!(read(&*snapshot), first, "a view does not move");
        }
    });
    assert_eq!(block_on(store.verify()).unwrap(), []);
}

#[test]
fn what_was_written_lately_is_here() {
    let temp = tempfile::tempdir().unwrap();
    let store = open(&temp.path().join("db")).unwrap();
    put(&*store, b"\x10key", b"first", Durability::Relaxed);
    let before = block_on(store.snapshot()).unwrap();
    put(&*store, b"\x10key", b"second", Durability::Relaxed);
    assert_eq!(before.try_get(b"\x10key").unwrap(), Found::Here(b"first"[..].into()));
    let snapshot = block_on(store.snapshot()).unwrap();
    assert_eq!(snapshot.try_get(b"\x10key").unwrap(), Found::Here(b"second"[..].into()));
    assert_eq!(snapshot.try_get(b"\x10other").unwrap(), Found::Elsewhere);
    block_on(store.compact()).unwrap();
    let snapshot = block_on(store.snapshot()).unwrap();
    assert_eq!(snapshot.try_get(b"\x10key").unwrap(), Found::Elsewhere);
    assert_eq!(block_on(snapshot.get(b"\x10key")).unwrap().as_deref(), Some(&b"second"[..]));
}
