use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kenning_test::syscalls::{self, Action, Call, EIO, ENOSPC, Plan};
use tempfile::tempdir;

fn errno(result: io::Result<()>) -> Option<i32> {
    result.err().map(|error| error.raw_os_error().expect("an error of the system"))
}

#[test]
fn without_a_plan_calls_go_through() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("file");
    let mut file = File::create(&path).unwrap();
    file.write_all(b"bytes").unwrap();
    file.sync_all().unwrap();
    file.sync_data().unwrap();
    file.set_len(3).unwrap();
    fs::rename(&path, folder.path().join("other")).unwrap();
    assert_eq!(fs::read(folder.path().join("other")).unwrap(), b"byt");
    // The kernel's own errors come through as they are.
    assert_eq!(errno(fs::rename(&path, folder.path().join("third"))), Some(2));
}

#[test]
fn the_planned_call_fails_and_no_other() {
    let folder = tempdir().unwrap();
    let elsewhere = tempdir().unwrap();
    let mut other = File::create(elsewhere.path().join("file")).unwrap();
    let mut file = File::create(folder.path().join("file")).unwrap();
    let armed = syscalls::arm(Plan::fail(folder.path(), &[Call::Write], 2, ENOSPC));
    file.write_all(b"1").unwrap();
    other.write_all(b"12").unwrap();
    file.sync_all().unwrap();
    assert_eq!(errno(file.write_all(b"2")), Some(ENOSPC));
    file.write_all(b"3").unwrap();
    assert_eq!((armed.seen(), armed.fired()), (3, 1));
    drop(armed);
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"13");
}

#[test]
fn a_disk_that_failed_once_may_fail_forever() {
    let folder = tempdir().unwrap();
    let file = File::create(folder.path().join("file")).unwrap();
    let plan = Plan::fail(folder.path(), &[Call::Sync], 2, EIO);
    let armed = syscalls::arm(Plan { action: Action::ErrnoForever(EIO), ..plan });
    let errors = [file.sync_all(), file.sync_data(), file.sync_all()].map(errno);
    assert_eq!(errors, [None, Some(EIO), Some(EIO)]);
    drop(armed);
    file.sync_all().unwrap();
}

#[test]
fn renames_are_known_by_either_name() {
    let folder = tempdir().unwrap();
    let elsewhere = tempdir().unwrap();
    let (here, there) = (folder.path().join("file"), elsewhere.path().join("file"));
    fs::write(&here, b"bytes").unwrap();
    let armed = syscalls::arm(Plan::fail(folder.path(), &Call::ALL, 1, EIO));
    assert_eq!(errno(fs::rename(&here, &there)), Some(EIO));
    fs::rename(&here, &there).unwrap();
    fs::rename(&there, &here).unwrap();
    assert_eq!((armed.seen(), armed.fired()), (3, 1));
}

#[test]
fn a_hook_runs_before_the_call() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("file");
    let mut file = File::create(&path).unwrap();
    let size_seen = Arc::new(AtomicU64::new(u64::MAX));
    let (seen, hooked) = (Arc::clone(&size_seen), path.clone());
    let hook = move || seen.store(fs::metadata(&hooked).unwrap().len(), Ordering::SeqCst);
    let plan = Plan::count(folder.path(), &[Call::Write]);
    let armed = syscalls::arm(Plan { nth: 2, action: Action::Hook(Arc::new(hook)), ..plan });
    file.write_all(b"first").unwrap();
    file.write_all(b"second").unwrap();
    assert_eq!(armed.fired(), 1);
    assert_eq!(size_seen.load(Ordering::SeqCst), 5);
}
