//! Blobs beside the keys.

use kenning_store::PartId;

use super::*;

fn put_part(store: &Arc<dyn Store>, part: u128, bytes: &[u8]) -> Result<()> {
    block_on(store.put_part(PartId(part), Bytes::copy_from_slice(bytes)))
}

fn read_part(store: &Arc<dyn Store>, part: u128, bytes: std::ops::Range<u64>) -> Option<Bytes> {
    block_on(store.read_part(PartId(part), bytes)).unwrap()
}

fn parts(store: &Arc<dyn Store>) -> Vec<u128> {
    block_on(store.parts()).unwrap().into_iter().map(|part| part.0).collect()
}

/// Any range of a part can be read; beyond its end there is nothing, and no error.
pub fn parts_are_read_in_pieces(fresh: Fresh) {
    let subject = fresh();
    let mut store = subject.open().unwrap();
    let large = noise(3_000_000, 11);
    put_part(&store, 1, &large).unwrap();
    put_part(&store, 2, b"").unwrap();
    for _ in 0..2 {
        let size = large.len() as u64;
        for (from, until) in [(0, 0), (0, 1), (0, size), (5, 1_000), (size - 1, size)] {
            let expected = &large[from as usize..until as usize];
            let read = read_part(&store, 1, from..until);
            assert!(read.as_deref() == Some(expected), "{from}..{until}");
        }
        let tail = &large[large.len() - 3..];
        assert_eq!(read_part(&store, 1, size - 3..size + 100).as_deref(), Some(tail));
        assert!(read_part(&store, 1, 0..u64::MAX).as_deref() == Some(&large[..]));
        assert_eq!(read_part(&store, 1, size..size + 1).as_deref(), Some(&[][..]));
        assert_eq!(read_part(&store, 1, u64::MAX - 1..u64::MAX).as_deref(), Some(&[][..]));
        #[allow(clippy::reversed_empty_ranges, reason = "what a caller may compute")]
        let reversed = 9..3;
        assert_eq!(read_part(&store, 1, reversed).as_deref(), Some(&[][..]));
        assert_eq!(read_part(&store, 2, 0..10).as_deref(), Some(&[][..]));
        assert_eq!(read_part(&store, 3, 0..10), None);
        store = subject.reopen(store).unwrap();
    }
}

/// The same bytes again are welcome, others are not.
pub fn a_part_never_changes(fresh: Fresh) {
    let subject = fresh();
    let mut store = subject.open().unwrap();
    for _ in 0..2 {
        put_part(&store, 7, b"bytes").unwrap();
        put_part(&store, 7, b"bytes").unwrap();
        for other in [&b"other"[..], b"byte", b"bytes and more", b""] {
            let error = put_part(&store, 7, other).unwrap_err();
            assert_eq!(error.code(), "PART_EXISTS", "{other:?}");
            assert_eq!(read_part(&store, 7, 0..10).as_deref(), Some(&b"bytes"[..]));
        }
        store = subject.reopen(store).unwrap();
    }
    block_on(store.drop_part(PartId(7))).unwrap();
    put_part(&store, 7, b"other").unwrap();
    assert_eq!(read_part(&store, 7, 0..10).as_deref(), Some(&b"other"[..]));
}

/// Parts are listed in order; a dropped one is gone for good.
pub fn parts_are_listed_and_dropped(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    assert!(parts(&store).is_empty(), "a fresh store has no parts");
    for part in [u128::MAX, 3, 0, 1 << 100, 2] {
        put_part(&store, part, &part.to_be_bytes()).unwrap();
    }
    assert_eq!(parts(&store), [0, 2, 3, 1 << 100, u128::MAX]);
    for part in [2, u128::MAX, 2, 99] {
        block_on(store.drop_part(PartId(part))).unwrap();
    }
    let check = |store: &Arc<dyn Store>| {
        assert_eq!(parts(store), [0, 3, 1 << 100]);
        assert_eq!(read_part(store, 2, 0..99), None);
        assert_eq!(read_part(store, 3, 0..99).as_deref(), Some(&3u128.to_be_bytes()[..]));
    };
    check(&store);
    check(&subject.reopen(store).unwrap());
}
