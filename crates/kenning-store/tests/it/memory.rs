use std::path::Path;
use std::sync::Arc;

use kenning_store::{Batch, Durability, Memory, PartId, Range, Result, Store, block_on};
use kenning_test::conformance::Subject;

struct MemorySubject(Arc<Memory>);

impl Subject for MemorySubject {
    fn open(&self) -> Result<Arc<dyn Store>> {
        // Dropping a memory store forgets it, so the subject keeps it.
        Ok(Arc::clone(&self.0) as Arc<dyn Store>)
    }

    fn open_copy(&self, path: &Path) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(Memory::open(path)?))
    }

    fn damage(&self, _marked: &[u8]) -> bool {
        false
    }
}

kenning_test::conformance!(|| Box::new(MemorySubject(Arc::new(Memory::new()))) as Box<dyn Subject>);

fn put(store: &Memory, key: &[u8], value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(key, value);
    block_on(store.commit(batch, Durability::Strict)).unwrap();
}

fn delete(store: &Memory, key: &[u8]) {
    let mut batch = Batch::new();
    batch.delete(key);
    block_on(store.commit(batch, Durability::Strict)).unwrap();
}

#[test]
fn old_values_go_when_nobody_needs_them() {
    let store = Memory::new();
    for round in 0..1_000u32 {
        put(&store, b"key", &round.to_be_bytes());
    }
    assert_eq!(store.older_values(), 0, "nobody looked");
    let first = block_on(store.snapshot()).unwrap();
    for round in 0..1_000u32 {
        put(&store, b"key", &round.to_be_bytes());
    }
    assert_eq!(store.older_values(), 1, "one snapshot needs one value of a key");
    let second = block_on(store.snapshot()).unwrap();
    let third = block_on(store.snapshot()).unwrap();
    delete(&store, b"key");
    put(&store, b"key", b"again");
    assert_eq!(store.older_values(), 2, "two moments need two values");
    drop(second);
    assert_eq!(store.older_values(), 2, "the third snapshot is at the moment of the second");
    drop(third);
    assert_eq!(store.older_values(), 1);
    assert_eq!(block_on(first.get(b"key")).unwrap().as_deref(), Some(&999u32.to_be_bytes()[..]));
    drop(first);
    assert_eq!(store.older_values(), 0);
}

#[test]
fn a_value_moves_to_the_earlier_snapshot_that_needs_it() {
    let store = Memory::new();
    put(&store, b"key", b"old");
    let early = block_on(store.snapshot()).unwrap();
    put(&store, b"other", b"");
    let late = block_on(store.snapshot()).unwrap();
    delete(&store, b"key");
    assert_eq!(store.older_values(), 1);
    drop(late);
    assert_eq!(store.older_values(), 1);
    assert_eq!(block_on(early.get(b"key")).unwrap().as_deref(), Some(&b"old"[..]));
    drop(early);
    assert_eq!(store.older_values(), 0);
    let all = Range::all();
    assert_eq!(block_on(store.size_bytes(&all)).unwrap(), 5, "of the deleted key nothing is left");
}

#[test]
fn every_flipped_bit_of_a_checkpoint_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Memory::new();
    put(&store, b"key", b"value");
    put(&store, b"other", b"");
    block_on(store.put_part(PartId(1), (&b"part"[..]).into())).unwrap();
    let copy = folder.path().join("copy");
    block_on(store.checkpoint(&copy)).unwrap();
    Memory::open(&copy).expect("it is whole");
    for name in ["KENNING", "store/entries", "parts/00000000000000000000000000000001.part"] {
        let path = copy.join(name);
        let bytes = std::fs::read(&path).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &bad).unwrap();
            assert!(Memory::open(&copy).is_err(), "bit {bit} of {name} was not noticed");
        }
        for size in 0..bytes.len() {
            std::fs::write(&path, &bytes[..size]).unwrap();
            assert!(Memory::open(&copy).is_err(), "{name} cut to {size} was not noticed");
        }
        std::fs::write(&path, &bytes).unwrap();
    }
    Memory::open(&copy).expect("it is whole again");
}
