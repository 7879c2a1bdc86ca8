//! Cuts of power, on a file system that forgets what was not synced.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::*;
use crate::power::{Access, PowerDisk};

fn disk() -> Option<PowerDisk> {
    PowerDisk::new(512 << 20).inspect_err(|reason| eprintln!("skipped: {reason}")).ok()
}

/// Strict commits outlive a cut, and none is torn.
pub fn what_was_acknowledged_survives_a_loss_of_power(engine: &dyn Engine) {
    let Some(disk) = disk() else { return };
    let path = disk.path().join("db");
    let workload = Mutex::new(Workload::new(3));
    for cycle in 0..10 {
        let store = engine.open_small(&path, Create::IfMissing).unwrap();
        let mut checked = workload.lock().unwrap();
        checked.check(&*store, &format!("cycle {cycle}"));
        assert_eq!(block_on(store.verify()).unwrap(), [], "cycle {cycle}");
        drop(checked);
        let acknowledged = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut workload = workload.lock().unwrap_or_else(PoisonError::into_inner);
                for number in 0.. {
                    let strict = number % 3 != 0;
                    let durability = if strict { Durability::Strict } else { Durability::Relaxed };
                    if workload.attempt(&*store, durability).is_err() {
                        break;
                    }
                    if strict && !disk.is_cut() {
                        workload.believe();
                    }
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                    assert!(number < 100_000, "the power was cut, and the commits go on");
                }
            });
            // The cut falls anywhere into the commits that follow.
            while acknowledged.load(Ordering::SeqCst) < 20 + cycle * 37 {
                std::thread::yield_now();
            }
            disk.cut().unwrap();
        });
        drop(store);
        disk.remount(Access::Write).unwrap();
    }
}

/// The cut is one: what nobody synced is gone.
pub fn relaxed_commits_are_lost_unless_a_strict_one_follows(engine: &dyn Engine) {
    let Some(disk) = disk() else { return };
    let path = disk.path().join("db");
    let mut workload = Workload::new(4);
    let store = engine.open(&path, Create::New).unwrap();
    for _ in 0..50 {
        workload.commit(&*store, Durability::Relaxed).unwrap();
    }
    workload.sync(&*store).unwrap();
    for _ in 0..50 {
        workload.commit(&*store, Durability::Relaxed).unwrap();
    }
    disk.cut().unwrap();
    drop(store);
    disk.remount(Access::Write).unwrap();
    let store = engine.open(&path, Create::Never).unwrap();
    let lost = workload.check(&*store, "after the cut");
    assert_eq!(lost, 50, "what was not synced is lost, or the cut is no cut");
}

/// Copies and blobs outlive a cut.
pub fn a_checkpoint_and_a_part_are_durable_when_they_are_answered(engine: &dyn Engine) {
    let Some(disk) = disk() else { return };
    let path = disk.path().join("db");
    let copy = disk.path().join("copy");
    let mut workload = Workload::new(5);
    let store = engine.open_small(&path, Create::New).unwrap();
    workload.commit_many(&*store, 40);
    let part = kenning_store::PartId(77);
    block_on(store.put_part(part, vec![7; 10_000].into())).unwrap();
    block_on(store.checkpoint(&copy)).unwrap();
    disk.cut().unwrap();
    drop(store);
    disk.remount(Access::Write).unwrap();
    let store = engine.open_small(&copy, Create::Never).unwrap();
    workload.check_all(&*store);
    assert_eq!(block_on(store.verify()).unwrap(), []);
    assert_eq!(block_on(store.parts()).unwrap(), [part]);
    let store = engine.open_small(&path, Create::Never).unwrap();
    workload.check(&*store, "the original");
    assert_eq!(block_on(store.read_part(part, 0..5)).unwrap().as_deref(), Some(&[7; 5][..]));
}
