//! Failing calls, and a disk that is full.

use super::*;
use crate::power::PowerDisk;
use crate::syscalls::{self, Action, Call, EIO, ENOSPC, Plan};
use crate::workload::everything;

/// A commit whose sync fails is not shown, and is the last one.
pub fn a_failing_sync_is_seen_and_shows_nothing(engine: &dyn Engine) {
    for (errno, code) in [(EIO, "IO"), (ENOSPC, "DISK_FULL")] {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("db");
        let store = engine.open_small(&path, Create::New).unwrap();
        put(&*store, b"\x10key", b"before", Durability::Strict).unwrap();
        let armed = syscalls::arm(Plan::fail(&path, &[Call::Sync], 1, errno));
        put(&*store, b"\x10relaxed", b"value", Durability::Relaxed).unwrap();
        assert_eq!(armed.seen(), 0, "a relaxed commit waits for no disk");
        let error = put(&*store, b"\x10key", b"after", Durability::Strict).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, code));
        assert_eq!(armed.fired(), 1);
        drop(armed);
        // The disk is well again, but who knows what it has forgotten.
        assert_eq!(get(&*store, b"\x10key").as_deref(), Some(&b"before"[..]));
        for durability in [Durability::Strict, Durability::Relaxed] {
            let error = put(&*store, b"\x10next", b"value", durability).unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Closed, "STORE_FAILED"));
        }
        let error = block_on(store.commit(Batch::new(), Durability::Strict)).unwrap_err();
        assert_eq!(error.code(), "STORE_FAILED");
        assert_eq!(get(&*store, b"\x10next"), None);
        drop(store);
        let store = engine.open_small(&path, Create::Never).unwrap();
        let key = get(&*store, b"\x10key").unwrap();
        assert!(key == b"before" || key == b"after", "{key:?}");
        put(&*store, b"\x10next", b"value", Durability::Strict).unwrap();
    }
}

/// An empty strict commit syncs, and says if that failed.
pub fn a_failing_barrier_is_seen(engine: &dyn Engine) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let store = engine.open_small(&path, Create::New).unwrap();
    put(&*store, b"\x10key", b"value", Durability::Relaxed).unwrap();
    let armed = syscalls::arm(Plan::fail(&path, &[Call::Sync], 1, EIO));
    let error = block_on(store.commit(Batch::new(), Durability::Strict)).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "IO"));
    drop(armed);
    let error = block_on(store.commit(Batch::new(), Durability::Strict)).unwrap_err();
    assert_eq!(error.code(), "STORE_FAILED");
}

/// What goes on while something fails.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// Opening, committing, closing.
    Commits,
    /// Compacting and copying besides. An engine may pause after each failure of these.
    Everything,
}

/// Works until something fails.
fn run(engine: &dyn Engine, path: &Path, work: Work, workload: &mut Workload) -> Result<()> {
    let store = engine.open_small(&path.join("db"), Create::IfMissing)?;
    for round in 0..4 {
        for _ in 0..3 {
            workload.commit(&*store, Durability::Strict)?;
            workload.commit(&*store, Durability::Relaxed)?;
        }
        workload.sync(&*store)?;
        match (work, round) {
            (Work::Everything, 1) => block_on(store.compact())?,
            (Work::Everything, 2) => {
                block_on(store.checkpoint(&path.join("copy")))?;
            }
            (Work::Everything | Work::Commits, _) => {
                workload.commit(&*store, Durability::Relaxed)?;
            }
        }
    }
    Ok(())
}

const CALLS: [Call; 4] = [Call::Sync, Call::Write, Call::Truncate, Call::Rename];

/// Lets the `nth` call fail as `action` says, and checks what is there afterwards. False if there
/// was no such call.
fn survives(engine: &dyn Engine, work: Work, nth: u64, action: Action) -> bool {
    let temp = tempfile::tempdir().unwrap();
    let mut workload = Workload::new(9);
    let armed = syscalls::arm(Plan { nth, action, ..Plan::count(temp.path(), &CALLS) });
    let result = run(engine, temp.path(), work, &mut workload);
    let fired = armed.fired() > 0;
    drop(armed);
    let when = format!("{work:?}, call {nth}, which gave {result:?}");
    let store = engine.open_small(&temp.path().join("db"), Create::IfMissing);
    let store = store.unwrap_or_else(|error| panic!("{when}: {error}"));
    workload.check(&*store, &when);
    assert_eq!(block_on(store.verify()).unwrap(), [], "{when}");
    workload.commit(&*store, Durability::Strict).unwrap();
    workload.check_all(&*store);
    fired
}

/// About how many calls it takes to open a store and to commit. What follows is mostly files being
/// written out, where each failure costs a second.
const QUICK: u64 = 120;

/// At every `step`-th of the quick calls, and every `step_later`-th of all, up to the last one.
fn survives_many(engine: &dyn Engine, step: usize, step_later: usize, action: Action) {
    for nth in (1..QUICK).step_by(step) {
        assert!(
            survives(engine, Work::Commits, nth, action.clone()),
            "fewer than {nth} calls were made"
        );
    }
    for (work, from) in [(Work::Commits, QUICK), (Work::Everything, 1)] {
        let survived = |nth: &u64| survives(engine, work, *nth, action.clone());
        let fired = (from..).step_by(step_later).take_while(survived).count();
        assert!(fired > 0, "no call was made to fail in {work:?}");
    }
}

/// Whichever call fails, what was acknowledged stays.
pub fn no_acknowledged_commit_is_lost_by_one_failing_call(engine: &dyn Engine) {
    survives_many(engine, 2, 47, Action::Errno(EIO));
}

/// The same if every later call fails, too.
pub fn no_acknowledged_commit_is_lost_by_a_disk_that_fails_for_good(engine: &dyn Engine) {
    survives_many(engine, 7, 97, Action::ErrnoForever(EIO));
}

/// The same if there is no room from then on.
pub fn no_acknowledged_commit_is_lost_by_a_full_disk(engine: &dyn Engine) {
    survives_many(engine, 7, 97, Action::ErrnoForever(ENOSPC));
}

/// A real disk that is full is told as such.
pub fn a_disk_that_is_really_full_is_told_and_lived_through(engine: &dyn Engine) {
    let disk = match PowerDisk::new(16 << 20) {
        Ok(disk) => disk,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let path = disk.path().join("db");
    let mut store = engine.open_small(&path, Create::New).unwrap();
    let mut chance = 7u64;
    let mut acknowledged = 0;
    let error = loop {
        let byte = || {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            chance as u8
        };
        let noise: Vec<u8> = std::iter::repeat_with(byte).take(100_000).collect();
        let key = [&[0x10][..], &u64::to_be_bytes(acknowledged)].concat();
        match put(&*store, &key, &noise, Durability::Strict) {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 1_000, "16 MiB are never full");
    };
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "DISK_FULL"), "{error}");
    drop(store);
    // Somebody makes room by taking away what is not ours; here there is nothing, so ask first.
    match engine.open_small(&path, Create::Never) {
        Ok(opened) => store = opened,
        Err(error) => {
            assert_eq!(error.code(), "DISK_FULL", "{error}");
            return;
        }
    }
    let found = everything(&*store).len() as u64;
    assert!(found == acknowledged || found == acknowledged + 1, "{found} of {acknowledged}");
}
