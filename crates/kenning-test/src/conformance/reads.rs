//! Scans, gets, snapshots.

use std::sync::atomic::{AtomicBool, Ordering};

use kenning_store::{Direction, Found};

use super::*;

/// Overwriting, deleting, adding, compacting: a snapshot that was taken before shows nothing of it.
pub fn a_held_snapshot_does_not_move(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    let keys: Vec<[u8; 2]> = (0..200u8).map(|number| [0x10 + number % 5, number]).collect();
    let all = |value: Option<&[u8]>, durability| {
        commit(&store, keys.iter().map(|key| (&key[..], value)), durability);
    };
    all(Some(b"first"), Durability::Strict);
    let held = snapshot(&store);
    let before = rows(&held, Range::all().forward());
    assert_eq!(before.len(), keys.len());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..50u8 {
                all(Some(&[round]), Durability::Relaxed);
                all(None, Durability::Relaxed);
                commit(&store, [(&[0x10, 250, round][..], Some(&[][..]))], Durability::Relaxed);
            }
            block_on(store.compact()).unwrap();
            done.store(true, Ordering::SeqCst);
        });
        let mut looks = 0;
        while looks < 3 || !done.load(Ordering::SeqCst) {
            assert_eq!(rows(&held, Range::all().forward().rows(7)), before);
            assert_eq!(get(&held, &keys[looks % keys.len()]).as_deref(), Some(&b"first"[..]));
            looks += 1;
        }
    });
    assert_eq!(rows(&held, Range::all().forward()), before);
    assert_eq!(everything(&store).len(), 50, "only the added keys are left");
}

/// What a snapshot shows stays, although the last handle on the store is gone.
pub fn a_snapshot_outlives_its_store(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    put(&store, b"\x10key", b"value");
    let held = snapshot(&store);
    put(&store, b"\x10key", b"other");
    drop(store);
    assert_eq!(get(&held, b"\x10key").as_deref(), Some(&b"value"[..]));
    assert_eq!(rows(&held, Range::all().backward()).len(), 1);
    drop(held);
    assert_eq!(
        get(&snapshot(&subject.open().unwrap()), b"\x10key").as_deref(),
        Some(&b"other"[..])
    );
}

/// `try_get`, `get_many` and `page` are three ways to the same value.
pub fn gets_and_scans_agree(fresh: Fresh) {
    let subject = fresh();
    let mut store = subject.open().unwrap();
    let mut seed = 3;
    for _ in 0..20 {
        let keys: Vec<[u8; 3]> =
            (0..50).map(|_| [0x0f, 0x12, chance(&mut seed) as u8]).map(spread).collect();
        let value = noise(100, chance(&mut seed));
        commit(&store, keys.iter().map(|key| (&key[..], Some(&value[..]))), Durability::Relaxed);
    }
    for _ in 0..2 {
        let snapshot = snapshot(&store);
        let model: BTreeMap<_, _> = rows(&snapshot, Range::all().forward()).into_iter().collect();
        // Present and absent keys, some of them twice, in no order.
        let mut keys: Vec<[u8; 3]> = (0..=255).map(|byte| spread([0, 0x12, byte])).collect();
        keys.extend((0..=255).rev().map(|byte| [0x14, 0x12, byte]));
        keys.extend_from_within(..40);
        let keys: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
        let values = block_on(snapshot.get_many(&keys)).unwrap();
        assert_eq!(values.len(), keys.len());
        for (key, value) in keys.iter().zip(values) {
            let expected = model.get(*key).map(|value| &value[..]);
            assert_eq!(value.as_deref(), expected, "get_many of {key:?}");
            match snapshot.try_get(key).unwrap() {
                Found::Here(value) => assert_eq!(Some(&value[..]), expected, "try_get {key:?}"),
                Found::Absent => assert_eq!(None, expected, "try_get {key:?}"),
                Found::Elsewhere => {}
            }
        }
        assert!(block_on(snapshot.get_many(&[])).unwrap().is_empty(), "no keys, no answers");
        drop(snapshot);
        store = subject.reopen(store).unwrap();
    }
}

/// A key in one of four regions.
fn spread([_, second, third]: [u8; 3]) -> [u8; 3] {
    [0x0f + third % 4, second, third]
}

/// Readers need no turn.
pub fn many_threads_read_at_once(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    for number in 0..100u8 {
        put(&store, &[0x10, number], &[number]);
    }
    let snapshot = snapshot(&store);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for number in (0..100u8).cycle().take(2_000) {
                    assert_eq!(get(&snapshot, &[0x10, number]).as_deref(), Some(&[number][..]));
                }
                assert_eq!(rows(&snapshot, Range::all().forward().rows(9)).len(), 100);
            });
        }
    });
}

/// Pages of any size put together are the scan.
pub fn scans_page_in_both_directions(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    let keys: Vec<Vec<u8>> = (0..60u8).map(|number| vec![0x12, number / 8, number]).collect();
    commit(&store, keys.iter().map(|key| (&key[..], Some(&key[1..]))), Durability::Strict);
    let snapshot = snapshot(&store);
    let ranges = [
        Range::all(),
        Range::prefix([0x12]),
        Range::prefix([0x12, 3]),
        Range::new([0x12, 1, 9], [0x12, 5, 44]),
        Range::new([0x12, 1, 9, 0], [0x12, 5, 44, 0]),
        Range { from: vec![0x12, 6], until: None },
        Range::new([], [0x12, 0, 2]),
    ];
    for range in ranges {
        let expected: Vec<_> = keys.iter().filter(|key| range.contains(key)).cloned().collect();
        for rows_max in [1, 2, 3, 7, 59, 60, 61, 1_000] {
            let scan = |scan: Scan| {
                let rows = rows(&snapshot, scan.rows(rows_max)).into_iter();
                rows.map(|(key, _)| key).collect::<Vec<_>>()
            };
            assert_eq!(scan(range.clone().forward()), expected, "{range:?} by {rows_max}");
            let backward: Vec<_> = scan(range.clone().backward()).into_iter().rev().collect();
            assert_eq!(backward, expected, "{range:?} backward by {rows_max}");
        }
    }
}

/// A page ends when it is large, but never without a row.
pub fn pages_are_bounded_in_bytes(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    let sizes = [6 << 20, 6 << 20, 6 << 20, 6 << 20, 20 << 20, 1, 17 << 20, 0];
    for (number, size) in (0u8..).zip(sizes) {
        put(&store, &[0x10, number], &noise(size, u64::from(number) + 1));
    }
    let snapshot = snapshot(&store);
    for scan in [Range::all().forward(), Range::all().backward()] {
        let first = page(&snapshot, &scan);
        assert!(first.rest.is_some(), "67 MiB are more than a page");
        let direction = scan.direction;
        let mut found: Vec<usize> = Vec::new();
        let mut rest = Some(scan);
        while let Some(scan) = rest {
            let page = page(&snapshot, &scan);
            let before_last = &page.rows[..page.rows.len() - 1];
            let bytes: usize = before_last.iter().map(|row| row.key.len() + row.value.len()).sum();
            assert!(bytes < limits::PAGE_BYTES_MAX, "a full page takes no more rows");
            found.extend(page.rows.iter().map(|row| row.value.len()));
            rest = page.rest;
        }
        if direction == Direction::Backward {
            found.reverse();
        }
        assert_eq!(found, sizes);
    }
}

/// A range in which no key can be is not an error.
pub fn empty_ranges_have_no_rows(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    let look = |store: &Arc<dyn Store>| {
        let snapshot = snapshot(store);
        let empty = [
            Range::new([0x10, 5], [0x10, 5]),
            Range::new([0x10, 9], [0x10, 5]),
            Range::new([0x30], [0x10]),
            Range::new([0x10, 5, 0], [0x10, 6]),
            Range::new([], []),
            Range::prefix([0x77]),
            Range { from: vec![0xff, 0xff], until: None },
        ];
        for range in empty {
            for scan in [range.clone().forward(), range.clone().backward()] {
                let page = page(&snapshot, &scan);
                assert!(page.rows.is_empty() && page.rest.is_none(), "{range:?} is empty");
            }
        }
    };
    look(&store);
    assert!(everything(&store).is_empty(), "a fresh store has no rows");
    put(&store, &[0x10, 5], b"value");
    put(&store, &[0x10, 6], b"value");
    look(&store);
}

/// Spaces are one ordered map, and so are first bytes that no space has.
pub fn ranges_cross_spaces(fresh: Fresh) {
    let subject = fresh();
    let mut store = subject.open().unwrap();
    let mut keys: Vec<Vec<u8>> = Vec::new();
    for byte in 0..=255u8 {
        keys.extend([vec![byte], vec![byte, 0], vec![byte, 0xff]]);
    }
    commit(&store, keys.iter().map(|key| (&key[..], Some(&b"v"[..]))), Durability::Strict);
    let bounds: Vec<Vec<u8>> = [0x00, 0x01, 0x0f, 0x10, 0x11, 0x12, 0x14, 0x15, 0x30, 0x31, 0xff]
        .into_iter()
        .flat_map(|byte| [vec![byte], vec![byte, 0], vec![byte, 7]])
        .collect();
    for _ in 0..2 {
        let snapshot = snapshot(&store);
        for from in &bounds {
            for until in bounds.iter().map(Some).chain([None]) {
                let range = Range { from: from.clone(), until: until.cloned() };
                let expected: Vec<_> = keys.iter().filter(|key| range.contains(key)).collect();
                let forward = rows(&snapshot, range.clone().forward().rows(100));
                assert!(forward.iter().map(|row| &row.0).eq(expected.clone()), "{range:?}");
                let backward = rows(&snapshot, range.clone().backward().rows(100));
                assert!(backward.iter().rev().map(|row| &row.0).eq(expected), "{range:?} back");
            }
        }
        drop(snapshot);
        store = subject.reopen(store).unwrap();
    }
}
