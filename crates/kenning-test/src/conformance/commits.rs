//! Batches, durability, reopening.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// Keys compare as bytes, whatever their length and their first byte.
pub fn keys_come_in_order(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    let mut keys: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).collect();
    keys.extend((0..=255u8).map(|byte| vec![byte, 0]));
    keys.extend((0..=255u8).map(|byte| vec![0x10, byte, 0xff]));
    // Committed in an order that is not theirs.
    let mut seed = 7;
    keys.sort_by_cached_key(|_| chance(&mut seed));
    for some in keys.chunks(100) {
        commit(&store, some.iter().map(|key| (&key[..], Some(&key[..]))), Durability::Relaxed);
    }
    keys.sort_unstable();
    keys.dedup();
    let found = rows(&snapshot(&store), Range::all().forward());
    assert_eq!(found.iter().map(|row| row.0.clone()).collect::<Vec<_>>(), keys);
    assert!(found.iter().all(|(key, value)| key == value), "each key has its own value");
}

/// Whoever looks while batches land sees each whole or not at all.
pub fn a_batch_lands_whole(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    // One key in every region that an engine may keep apart.
    let keys: Vec<[u8; 2]> = (0..=255u8).step_by(5).map(|byte| [byte, 1]).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..500u32 {
                let value = round.to_be_bytes();
                let writes = keys.iter().map(|key| (&key[..], Some(&value[..])));
                commit(&store, writes, Durability::Relaxed);
            }
            done.store(true, Ordering::SeqCst);
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = None;
                while !done.load(Ordering::SeqCst) {
                    let snapshot = snapshot(&store);
                    let mut values: Vec<_> = keys.iter().map(|key| get(&snapshot, key)).collect();
                    let rows = rows(&snapshot, Range::all().backward());
                    assert!(rows.is_empty() || rows.len() == keys.len(), "all keys or none");
                    values.dedup();
                    assert_eq!(values.len(), 1, "one batch wrote all keys: {values:?}");
                    assert!(values[0] >= last, "a later snapshot is no older");
                    last = values.remove(0);
                }
            });
        }
    });
    assert_eq!(get(&snapshot(&store), &keys[0]).as_deref(), Some(&499u32.to_be_bytes()[..]));
}

/// Within one batch, order counts.
pub fn the_last_write_to_a_key_wins(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    put(&store, b"\x10there", b"before");
    let mut batch = Batch::new();
    batch.put(b"\x10a", b"1");
    batch.put(b"\x10a", b"2");
    batch.put(b"\x10b", b"1");
    batch.delete(b"\x10b");
    batch.delete(b"\x10c");
    batch.put(b"\x10c", b"3");
    batch.delete(b"\x10there");
    batch.put(b"\x10there", b"after");
    batch.delete(b"\x10never");
    block_on(store.commit(batch, Durability::Strict)).unwrap();
    let check = |store: &Arc<dyn Store>| {
        let expected = [("\x10a", "2"), ("\x10c", "3"), ("\x10there", "after")];
        let expected = expected.map(|(key, value)| (key.into(), value.into()));
        assert_eq!(everything(store), BTreeMap::from(expected));
    };
    check(&store);
    check(&subject.reopen(store).unwrap());
}

/// Nothing to write is not an error.
pub fn an_empty_batch_is_fine(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    for durability in [Durability::Strict, Durability::Relaxed] {
        block_on(store.commit(Batch::new(), durability)).unwrap();
    }
    assert!(everything(&store).is_empty(), "nothing was written");
}

/// Many writes are as atomic as few.
pub fn a_batch_of_100_000_writes_lands(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    let mut batch = Batch::new();
    for number in 0..100_000u32 {
        let key = [&[0x10 + (number % 3) as u8][..], &number.to_be_bytes()].concat();
        batch.put(&key, &number.to_le_bytes());
    }
    block_on(store.commit(batch, Durability::Strict)).unwrap();
    let check = |store: &Arc<dyn Store>| {
        let snapshot = snapshot(store);
        assert_eq!(rows(&snapshot, Range::all().forward()).len(), 100_000);
        for number in (0..100_000u32).step_by(997) {
            let key = [&[0x10 + (number % 3) as u8][..], &number.to_be_bytes()].concat();
            assert_eq!(get(&snapshot, &key).as_deref(), Some(&number.to_le_bytes()[..]));
        }
    };
    check(&store);
    check(&subject.reopen(store).unwrap());
}

/// A clean end loses nothing, strict or relaxed, keys or parts, however often.
pub fn reopening_keeps_everything(fresh: Fresh) {
    let subject = fresh();
    let mut store = subject.open().unwrap();
    let mut expected = BTreeMap::new();
    for round in 0..5u8 {
        for (key, durability) in [(0x10, Durability::Strict), (0x30, Durability::Relaxed)] {
            let key = vec![key, round];
            commit(&store, [(&key[..], Some(&[round][..]))], durability);
            expected.insert(key, vec![round]);
        }
        if round == 3 {
            commit(&store, [(&[0x10, 1][..], None)], Durability::Relaxed);
            expected.remove(&vec![0x10, 1]);
        }
        store = subject.reopen(store).unwrap();
        assert_eq!(everything(&store), expected, "after round {round}");
    }
}

/// An empty strict batch is a barrier. (That it outlives a cut of power is for engines to show.)
pub fn a_strict_commit_keeps_relaxed_ones(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    for number in 0..100u8 {
        commit(&store, [(&[0x13, number][..], Some(&[][..]))], Durability::Relaxed);
    }
    block_on(store.commit(Batch::new(), Durability::Strict)).unwrap();
    let store = subject.reopen(store).unwrap();
    assert_eq!(everything(&store).len(), 100);
}
