//! The smallest and the largest.

use kenning_store::limits::{BATCH_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX};

use super::*;

/// Each limit can be reached.
pub fn the_smallest_and_largest_entries_fit(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    let long = [&[0x12][..], &noise(KEY_BYTES_MAX - 1, 5)].concat();
    let large = noise(VALUE_BYTES_MAX, 9);
    let entries: [(&[u8], &[u8]); 5] =
        [(&[0x00], b""), (&[0x10], b"x"), (&[0xff], b""), (&long, b""), (&[0x10, 1], &large)];
    for (key, value) in entries {
        put(&store, key, value);
    }
    let check = |store: &Arc<dyn Store>| {
        let snapshot = snapshot(store);
        for (key, value) in entries {
            assert!(get(&snapshot, key).as_deref() == Some(value), "{} bytes", value.len());
            let only = Range::new(key, [key, &[0]].concat());
            let found = rows(&snapshot, only.backward());
            assert!(found == [(key.to_vec(), value.to_vec())], "a scan to {} bytes", value.len());
        }
        assert_eq!(rows(&snapshot, Range::all().forward()).len(), entries.len());
    };
    check(&store);
    check(&subject.reopen(store).unwrap());
}

/// One bad write, and nothing of its batch is there, before or after.
pub fn what_is_too_large_is_refused_whole(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    put(&store, b"\x10there", b"before");
    let with = |key: &[u8], value: &[u8]| {
        let mut batch = Batch::new();
        batch.put(b"\x10first", b"1");
        batch.put(b"\x10there", b"after");
        batch.put(key, value);
        batch.put(b"\x10last", b"1");
        batch
    };
    assert_eq!(refusal(&store, with(b"", b"value")), "KEY_EMPTY");
    assert_eq!(refusal(&store, with(&vec![1; KEY_BYTES_MAX + 1], b"")), "KEY_TOO_LARGE");
    assert_eq!(refusal(&store, with(b"\x10", &vec![1; VALUE_BYTES_MAX + 1])), "VALUE_TOO_LARGE");
    let mut empty_delete = with(b"\x10", b"");
    empty_delete.delete(b"");
    assert_eq!(refusal(&store, empty_delete), "KEY_EMPTY");
    let check = |store: &Arc<dyn Store>| {
        let expected = BTreeMap::from([(b"\x10there".to_vec(), b"before".to_vec())]);
        assert_eq!(everything(store), expected);
    };
    check(&store);
    // A refusal is not a failure: the store goes on.
    put(&store, b"\x10there", b"before");
    check(&subject.reopen(store).unwrap());
}

/// A batch is bounded as a whole.
pub fn the_largest_batch_fits_and_no_larger(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    let half = vec![7; VALUE_BYTES_MAX - 1];
    let mut batch = Batch::new();
    batch.put(&[0x10], &half);
    batch.put(&[0x20], &half);
    assert_eq!(batch.size_bytes(), BATCH_BYTES_MAX);
    let mut larger = batch.clone();
    larger.delete(&[0x30]);
    assert_eq!(refusal(&store, larger), "BATCH_TOO_LARGE");
    assert!(everything(&store).is_empty(), "nothing of a refused batch is there");
    block_on(store.commit(batch, Durability::Strict)).unwrap();
    drop(half);
    let store = subject.reopen(store).unwrap();
    let sizes: Vec<usize> = everything(&store).values().map(Vec::len).collect();
    assert_eq!(sizes, [VALUE_BYTES_MAX - 1; 2]);
}
