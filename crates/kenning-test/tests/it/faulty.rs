use std::sync::Arc;

use kenning_store::{Batch, Bytes, Durability, ErrorKind, Memory, Result, Store, block_on};
use kenning_test::{Fault, Faulty};

fn put(store: &dyn Store, value: &[u8]) -> Result<()> {
    let mut batch = Batch::new();
    batch.put(b"key", value);
    block_on(store.commit(batch, Durability::Strict))
}

fn get(store: &dyn Store) -> Option<Bytes> {
    block_on(async { store.snapshot().await?.get(b"key").await }).unwrap()
}

#[test]
fn a_failed_commit_is_not_shown_and_ends_the_handle() {
    for (fault, reopened) in [(Fault::Before, &b"1"[..]), (Fault::After, b"2")] {
        let faulty = Faulty::new(Arc::new(Memory::new()));
        faulty.plan(2, fault);
        put(&*faulty, b"1").unwrap();
        let error = put(&*faulty, b"2").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(get(&*faulty).as_deref(), Some(&b"1"[..]), "{fault:?}");
        assert!(put(&*faulty, b"3").is_err(), "nothing is committed after a failure");
        assert_eq!(get(&*faulty.inner()).as_deref(), Some(reopened), "{fault:?}");
        assert_eq!(faulty.commits(), 2);
    }
}

#[test]
fn a_held_commit_waits_before_or_after_it_is_applied() {
    for (fault, meanwhile) in [(Fault::Hold, None), (Fault::HoldAnswer, Some(&b"1"[..]))] {
        let faulty = Faulty::new(Arc::new(Memory::new()));
        faulty.plan(1, fault);
        std::thread::scope(|scope| {
            let commit = scope.spawn(|| put(&*faulty, b"1"));
            faulty.wait_until_held();
            assert!(!commit.is_finished());
            assert_eq!(get(&*faulty).as_deref(), meanwhile, "{fault:?}");
            faulty.release();
            commit.join().unwrap().unwrap();
        });
        assert_eq!(get(&*faulty).as_deref(), Some(&b"1"[..]));
    }
}
