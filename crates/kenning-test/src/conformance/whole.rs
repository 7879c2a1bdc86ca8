//! Checkpoint, compact, verify, sizes.

use kenning_store::{Finding, PartId};

use super::*;

fn verify(store: &Arc<dyn Store>) -> Vec<Finding> {
    block_on(store.verify()).unwrap()
}

/// A copy has what was there, keys and parts, and goes its own way.
pub fn a_checkpoint_is_a_store_of_its_own(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    for number in 0..100u8 {
        put(&store, &[number * 2, number], &noise(1_000, u64::from(number) + 1));
    }
    commit(&store, [(&[0x10][..], Some(&b"relaxed"[..]))], Durability::Relaxed);
    let part = Bytes::from_static(b"part");
    block_on(store.put_part(PartId(5), part.clone())).unwrap();
    let before = everything(&store);
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("copy");
    let copied = block_on(store.checkpoint(&target)).unwrap();
    put(&store, b"\x10", b"later");
    block_on(store.drop_part(PartId(5))).unwrap();

    let shown: BTreeMap<_, _> = rows(&copied, Range::all().forward()).into_iter().collect();
    assert_eq!(shown, before, "what is in the copy");
    drop(copied);
    let copy = subject.open_copy(&target).unwrap();
    assert_eq!(everything(&copy), before);
    assert_eq!(block_on(copy.read_part(PartId(5), 0..99)).unwrap(), Some(part));
    assert_eq!(verify(&copy), []);
    put(&copy, b"\x10", b"elsewhere");
    assert_eq!(get(&snapshot(&store), b"\x10").as_deref(), Some(&b"later"[..]));
    assert_eq!(get(&snapshot(&copy), b"\x10").as_deref(), Some(&b"elsewhere"[..]));
    assert_eq!(verify(&store), []);
}

/// A checkpoint goes where nothing is.
pub fn a_checkpoint_replaces_nothing(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    put(&store, b"\x10", b"value");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"of somebody").unwrap();
    for target in [folder.path(), &file] {
        let error = block_on(store.checkpoint(target)).err().unwrap();
        assert_eq!(error.code(), "TARGET_EXISTS");
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"of somebody");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let nowhere = folder.path().join("no/where");
    assert!(block_on(store.checkpoint(&nowhere)).is_err(), "its parent is missing");
}

/// What is no longer needed is not seen before either.
pub fn compacting_changes_nothing(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    for round in 0..5u8 {
        for number in 0..100u8 {
            let value = noise(500, u64::from(number) + 1);
            put_relaxed(&store, &[0x10 + number % 3, number], Some(&value));
            put_relaxed(&store, &[0x10 + number % 3, number + round], None);
        }
    }
    let before = everything(&store);
    block_on(store.compact()).unwrap();
    assert_eq!(everything(&store), before);
    assert_eq!(verify(&store), []);
    block_on(store.erase()).unwrap();
    assert_eq!(everything(&store), before);
    assert_eq!(verify(&store), []);
    assert_eq!(everything(&subject.reopen(store).unwrap()), before);
}

fn put_relaxed(store: &Arc<dyn Store>, key: &[u8], value: Option<&[u8]>) {
    commit(store, [(key, value)], Durability::Relaxed);
}

/// Sizes are about right, for a whole space and for less.
pub fn sizes_grow_with_what_is_stored(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    let size = |range: Range| block_on(store.size_bytes(&range)).unwrap();
    assert_eq!(size(Range::prefix([0x12])), 0, "nothing takes nothing");
    for number in 0..100u8 {
        put_relaxed(&store, &[0x12, number], Some(&noise(40_000, u64::from(number) + 1)));
    }
    for _ in 0..2 {
        let all = size(Range::prefix([0x12]));
        assert!((2_000_000..8_000_000).contains(&all), "4 MB are reported as {all}");
        let half = size(Range::new([0x12], [0x12, 50]));
        assert!((500_000..all).contains(&half), "2 MB of {all} are reported as {half}");
        assert!(size(Range::all()) >= all, "everything has at least this");
        assert_eq!(size(Range::prefix([0x20])), 0, "elsewhere is nothing");
        // Once more when all is where it ends up.
        block_on(store.compact()).unwrap();
    }
}

/// No false alarm, whatever went on before.
pub fn a_healthy_store_verifies(fresh: Fresh) {
    let subject = fresh();
    let mut store = subject.open().unwrap();
    assert_eq!(verify(&store), []);
    for round in 0..3u64 {
        for number in 0..200u8 {
            put_relaxed(&store, &[0x10 + number % 4, number], Some(&noise(300, round + 1)));
        }
        put_relaxed(&store, &[0x10, 0], None);
        block_on(store.put_part(PartId(round.into()), Bytes::from(noise(9_000, 4)))).unwrap();
        let held = snapshot(&store);
        put(&store, &[0x10, 4], b"after the snapshot");
        assert_eq!(verify(&store), []);
        drop(held);
        store = subject.reopen(store).unwrap();
        assert_eq!(verify(&store), []);
    }
}

/// A store with damaged bytes says so: it does not open, or `verify` finds it.
pub fn damage_is_found(fresh: Fresh) {
    let subject = fresh();
    let store = subject.open().unwrap();
    let marked = b"these bytes will be damaged, and somebody has to notice";
    for number in 0..200u8 {
        let value = [&noise(500, u64::from(number) + 1)[..], marked].concat();
        put_relaxed(&store, &[0x10, number], Some(&value));
    }
    block_on(store.compact()).unwrap();
    drop(store);
    if !subject.damage(marked) {
        return;
    }
    match subject.open() {
        Err(error) => assert_eq!(error.kind(), kenning_store::ErrorKind::Corrupt, "{error}"),
        Ok(store) => {
            let findings = verify(&store);
            assert!(!findings.is_empty(), "the damage was not found");
            assert!(findings.iter().all(|it| it.code == "STORE_DAMAGED"), "{findings:?}");
        }
    }
}
