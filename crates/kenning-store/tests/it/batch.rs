//! What a batch that is made of batches has in it.

use kenning_store::{Batch, Memory, Store, Write, block_on};
use kenning_store::{Durability, Found};

fn batch(writes: &[Write<'_>]) -> Batch {
    let mut batch = Batch::new();
    for write in writes {
        match write {
            Write::Put(key, value) => batch.put(key, value),
            Write::Delete(key) => batch.delete(key),
        }
    }
    batch
}

#[test]
fn appended_writes_come_behind_its_own_and_before_later_ones() {
    let mut whole = batch(&[Write::Put(b"a", b"1")]);
    let mut inner = batch(&[Write::Put(b"a", b"2")]);
    inner.append(batch(&[Write::Delete(b"b")]));
    inner.put(b"c", b"3");
    whole.append(inner);
    whole.append(Batch::new());
    whole.put(b"b", b"4");
    let expected = [
        Write::Put(b"a", b"1"),
        Write::Put(b"a", b"2"),
        Write::Delete(b"b"),
        Write::Put(b"c", b"3"),
        Write::Put(b"b", b"4"),
    ];
    assert_eq!(whole.writes().collect::<Vec<_>>(), expected);
    assert_eq!((whole.len(), whole.size_bytes(), whole.is_empty()), (5, 9, false));

    let store = Memory::new();
    block_on(store.commit(whole, Durability::Relaxed)).unwrap();
    let snapshot = block_on(store.snapshot()).unwrap();
    for (key, value) in [(b"a", b"2"), (b"b", b"4"), (b"c", b"3")] {
        let Found::Here(found) = snapshot.try_get(key).unwrap() else { panic!("{key:?}") };
        assert_eq!(&found[..], value);
    }
}

#[test]
fn values_are_changed_where_they_lie() {
    let mut whole = batch(&[Write::Put(b"a", b"12"), Write::Delete(b"b")]);
    whole.append(batch(&[Write::Put(b"c", b"")]));
    whole.put(b"d", b"5");
    whole.change_values(|value| value.reverse());
    let expected = [
        Write::Put(b"a", b"21"),
        Write::Delete(b"b"),
        Write::Put(b"c", b""),
        Write::Put(b"d", b"5"),
    ];
    assert_eq!(whole.writes().collect::<Vec<_>>(), expected);
}
