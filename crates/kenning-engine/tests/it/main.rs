//! The record cache under every interleaving of its readers and the committer.
//!
//! The module is compiled a second time here, with locks that a model checker schedules.
#![allow(clippy::unwrap_used, reason = "a test may panic where it stands")]

mod sync {
    pub(crate) use shuttle::sync::RwLock;
}

#[allow(dead_code, unreachable_pub)]
#[path = "../../src/cache.rs"]
mod cache;

use bytes::Bytes;
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;

use cache::Cache;

const KEY: cache::CacheKey = [7; 24];
const VERSIONS: u64 = 3;
const ROUNDS: usize = 20_000;

/// A store of one key: what it is from each version on. Zero: it is not there.
struct Model {
    cache: Cache,
    written: Mutex<Vec<u64>>,
    published: Mutex<u64>,
    marks: bool,
}

impl Model {
    /// The committer: the store has version `v`, the cache is told, then readers may see it.
    fn commit(&self, version: u64) {
        self.written.lock().unwrap().push(version);
        if self.marks {
            self.cache.mark(&KEY, version);
        }
        *self.published.lock().unwrap() = version;
    }

    /// A reader: at a snapshot, from the cache if it can, else from the store. Checks what it gets.
    fn read(&self) {
        let snapshot = *self.published.lock().unwrap();
        let from = match self.cache.get(&KEY, snapshot) {
            Some(value) => u64::from_le_bytes(value[..8].try_into().unwrap()),
            None => {
                let from = self.at(snapshot);
                let value = Bytes::copy_from_slice(&from.to_le_bytes());
                self.cache.insert(KEY, &value, from, snapshot);
                from
            }
        };
        assert_eq!(from, self.at(snapshot), "a stale record at snapshot {snapshot}");
    }

    fn at(&self, snapshot: u64) -> u64 {
        let written = self.written.lock().unwrap();
        written.iter().copied().filter(|version| *version <= snapshot).max().unwrap_or(0)
    }
}

fn run(marks: bool) {
    let model = Arc::new(Model {
        cache: Cache::new(1 << 20, 0),
        written: Mutex::new(Vec::new()),
        published: Mutex::new(0),
        marks,
    });
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let model = Arc::clone(&model);
            thread::spawn(move || (0..3).for_each(|_| model.read()))
        })
        .collect();
    (1..=VERSIONS).for_each(|version| model.commit(version));
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    model.read();
}

#[test]
fn no_interleaving_serves_a_stale_record() {
    shuttle::check_random(|| run(true), ROUNDS);
}

#[test]
fn a_committer_that_does_not_mark_is_caught() {
    let caught = std::panic::catch_unwind(|| shuttle::check_random(|| run(false), ROUNDS));
    assert!(caught.is_err(), "the check above can't fail");
}

#[test]
fn a_view_of_the_past_does_not_fill_the_cache_of_a_database_just_opened() {
    let check = || {
        let cache = Cache::new(1 << 20, 9);
        for _ in 0..3 {
            cache.insert(KEY, &Bytes::from_static(b"as of version 5"), 1, 5);
        }
        assert_eq!(cache.get(&KEY, 9), None, "it may have been replaced before");
    };
    shuttle::check_random(check, 1);
}
