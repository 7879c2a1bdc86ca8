use std::fs;
use std::path::Path;
use std::process::Command;

use kenning_store::{Create, ErrorKind, FORMAT_VERSION, Folder, PartId, Result};
use kenning_test::power::{Access, PowerDisk};
use kenning_test::syscalls::{self, Call, EIO, Plan};

fn make(path: &Path) -> Result<Folder> {
    let mut folder = Folder::open(path, "engine", Create::New)?;
    folder.finish()?;
    Ok(folder)
}

/// The kind and the code of the error.
fn refused<T>(result: Result<T>) -> (ErrorKind, &'static str) {
    let error = result.err().expect("it is refused");
    (error.kind(), error.code())
}

#[test]
fn a_made_database_opens() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let mut folder = Folder::open(&path, "engine", Create::IfMissing).unwrap();
    assert!(folder.is_new());
    assert_eq!(Folder::engine_of(&path).unwrap(), None, "it is not finished");
    folder.finish().unwrap();
    assert_eq!(fs::read_to_string(path.join("KENNING")).unwrap(), "format 1\nengine engine\n");
    drop(folder);
    assert_eq!(Folder::engine_of(&path).unwrap().as_deref(), Some("engine"));
    let folder = Folder::open(&path, "engine", Create::Never).unwrap();
    assert!(!folder.is_new());
    assert_eq!(folder.store(), path.join("store"));
    assert!(folder.store().is_dir());
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    let temp = tempfile::tempdir().unwrap();
    let missing = temp.path().join("missing");
    let no_database = (ErrorKind::Invalid, "NO_DATABASE");
    assert_eq!(refused(Folder::open(&missing, "engine", Create::Never)), no_database);
    assert!(!missing.exists(), "looking makes nothing");
    let nowhere = missing.join("db");
    let no_parent = (ErrorKind::Invalid, "NO_PARENT_FOLDER");
    assert_eq!(refused(Folder::open(&nowhere, "engine", Create::New)), no_parent);

    let file = temp.path().join("file");
    fs::write(&file, "text").unwrap();
    let foreign = temp.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("LOCK"), "").unwrap();
    fs::create_dir(foreign.join("store")).unwrap();
    fs::write(foreign.join("store/precious"), "text").unwrap();
    let not_a_database = (ErrorKind::Invalid, "NOT_A_DATABASE");
    for create in [Create::Never, Create::IfMissing, Create::New] {
        for path in [&file, &foreign, temp.path()] {
            assert_eq!(refused(Folder::open(path, "engine", create)), not_a_database);
        }
    }
    assert!(foreign.join("store/precious").exists());
    assert_eq!(Folder::engine_of(&file).unwrap(), None);
    assert_eq!(Folder::engine_of(&foreign).unwrap(), None);

    let path = temp.path().join("db");
    make(&path).unwrap();
    let exists = (ErrorKind::Invalid, "DATABASE_EXISTS");
    assert_eq!(refused(Folder::open(&path, "engine", Create::New)), exists);
    let other = (ErrorKind::Invalid, "OTHER_ENGINE");
    assert_eq!(refused(Folder::open(&path, "another", Create::IfMissing)), other);
}

#[test]
fn a_marker_that_is_newer_or_damaged_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    make(&path).unwrap();
    let open = |marker: &str| {
        fs::write(path.join("KENNING"), marker).unwrap();
        Folder::open(&path, "engine", Create::IfMissing)
    };
    let error = open("format 7\nwhatever comes then").unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "FORMAT_TOO_NEW"));
    assert!(error.message().contains("format 7"), "{error}");
    assert!(error.message().ends_with(&format!("knows {FORMAT_VERSION}")), "{error}");
    let damaged = (ErrorKind::Corrupt, "MARKER_DAMAGED");
    for marker in [
        "",
        "format",
        "format 0\nengine engine\n",
        "format 1\nengine \n",
        "format 1\nengine engine",
        "format 1\nengine engine\nmore\n",
        "\u{e9}",
    ] {
        assert_eq!(refused(open(marker)), damaged, "{marker:?}");
    }
    open("format 1\nengine engine\n").unwrap();
    fs::remove_file(path.join("KENNING")).unwrap();
    let lost = Folder::open(&path, "engine", Create::IfMissing);
    assert_eq!(refused(lost), damaged, "a lost marker does not make it empty");
    assert!(path.join("store").is_dir());
}

#[test]
fn a_held_folder_names_its_holder() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let held = make(&path).unwrap();
    for create in [Create::Never, Create::IfMissing] {
        let error = Folder::open(&path, "engine", create).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "HELD"));
        let pid = format!("({})", std::process::id());
        assert!(error.message().contains(&pid), "{error}");
    }
    drop(held);
    // Another process holds it: `flock` runs a command while it has the lock.
    fs::write(path.join("LOCK"), "kenning opened 0000000042\n").unwrap();
    let mut holder = Command::new("flock")
        .arg(path.join("LOCK"))
        .args(["sh", "-c", "echo locked; read line"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = [0; 6];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut line).unwrap();
    let error = Folder::open(&path, "engine", Create::IfMissing).unwrap_err();
    assert_eq!(error.code(), "HELD");
    assert!(error.message().ends_with("is held by process 42"), "{error}");
    drop(holder.stdin.take());
    holder.wait().unwrap();
    Folder::open(&path, "engine", Create::IfMissing).unwrap();
}

#[test]
fn a_creation_that_failed_anywhere_can_be_repeated() {
    let temp = tempfile::tempdir().unwrap();
    let calls = [Call::Sync, Call::Write, Call::Rename];
    let counted = {
        let armed = syscalls::arm(Plan::count(temp.path(), &calls));
        make(&temp.path().join("counted")).unwrap();
        armed.seen()
    };
    assert!(counted >= 8, "making a folder syncs and renames: {counted}");
    for nth in 1..=counted {
        let path = temp.path().join(format!("db{nth}"));
        let armed = syscalls::arm(Plan::fail(temp.path(), &calls, nth, EIO));
        let error = make(&path).expect_err("the failed call was not noticed");
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "IO"), "call {nth}");
        drop(armed);
        let folder = Folder::open(&path, "engine", Create::IfMissing);
        let mut folder = folder.unwrap_or_else(|error| panic!("after call {nth}: {error}"));
        folder.finish().unwrap();
    }
}

#[test]
fn a_process_that_ends_in_the_middle_leaves_what_can_be_repeated() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let folder = Folder::open(&path, "engine", Create::New).unwrap();
    fs::write(folder.store().join("half"), "made").unwrap();
    drop(folder);
    let no_database = (ErrorKind::Invalid, "NO_DATABASE");
    assert_eq!(refused(Folder::open(&path, "engine", Create::Never)), no_database);
    let folder = Folder::open(&path, "another", Create::New).unwrap();
    assert!(folder.is_new());
    assert_eq!(fs::read_dir(folder.store()).unwrap().count(), 0, "it begins anew");
}

#[test]
fn a_failed_copy_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let folder = make(&temp.path().join("db")).unwrap();
    folder.put_part(PartId(1), b"part").unwrap();
    let target = temp.path().join("copy");
    let failed = folder.copy(&target, |_| Err(kenning_store::Error::unavailable("IO", "planned")));
    assert_eq!(refused(failed), (ErrorKind::Unavailable, "IO"));
    assert!(!target.exists());
    folder.copy(&target, |_| Ok(())).unwrap();
    let copy = Folder::open(&target, "engine", Create::Never).unwrap();
    assert_eq!(copy.parts().unwrap(), [PartId(1)]);
    let again = folder.copy(&target, |_| Ok(()));
    assert_eq!(refused(again), (ErrorKind::Invalid, "TARGET_EXISTS"));
}

#[test]
fn every_flipped_bit_of_a_part_is_noticed() {
    let temp = tempfile::tempdir().unwrap();
    let folder = make(&temp.path().join("db")).unwrap();
    let part = PartId(0xabc);
    folder.put_part(part, b"some bytes").unwrap();
    assert_eq!(folder.verify_parts().unwrap(), []);
    let path = folder.path().join(format!("parts/{part}.part"));
    let bytes = fs::read(&path).unwrap();
    let damaged = (ErrorKind::Corrupt, "PART_DAMAGED");
    let check = |bad: &[u8]| {
        fs::write(&path, bad).unwrap();
        let findings = folder.verify_parts().unwrap();
        assert_eq!(findings.len(), 1, "{bad:?}");
        assert_eq!(findings[0].code, "PART_DAMAGED");
        assert_eq!(refused(folder.read_part(part, 0..u64::MAX)), damaged);
        assert_eq!(refused(folder.put_part(part, b"some bytes")), damaged);
    };
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        check(&bad);
    }
    (0..bytes.len()).for_each(|size| check(&bytes[..size]));
    check(&[&bytes[..], &[0]].concat());
}

#[test]
fn a_part_is_there_when_it_was_put_and_only_then() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let mut folder = make(&path).unwrap();
    let calls = [Call::Sync, Call::Write, Call::Rename];
    for nth in 1..=5 {
        let armed = syscalls::arm(Plan::fail(&path, &calls, nth, EIO));
        let part = PartId(nth.into());
        assert!(folder.put_part(part, b"part").is_err(), "call {nth} was not noticed");
        drop(armed);
        drop(folder);
        fs::write(path.join("parts").join(format!("{:032x}.next", 99)), "left over").unwrap();
        folder = Folder::open(&path, "engine", Create::Never).unwrap();
        assert_eq!(folder.verify_parts().unwrap(), []);
        folder.put_part(part, b"part").unwrap();
        assert_eq!(folder.read_part(part, 0..9).unwrap().as_deref(), Some(&b"part"[..]));
    }
    assert_eq!(fs::read_dir(path.join("parts")).unwrap().count(), 5, "nothing is left over");
}

#[test]
fn a_disk_that_is_full_or_read_only_is_told_apart() {
    let disk = match PowerDisk::new(8 << 20) {
        Ok(disk) => disk,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let path = disk.path().join("db");
    let folder = make(&path).unwrap();
    let full = refused(folder.put_part(PartId(1), &vec![7; 32 << 20]));
    assert_eq!(full, (ErrorKind::Unavailable, "DISK_FULL"));
    assert_eq!(folder.parts().unwrap(), []);
    folder.put_part(PartId(1), b"small").unwrap();
    drop(folder);
    disk.remount(Access::Read).unwrap();
    let read_only = (ErrorKind::Denied, "READ_ONLY");
    assert_eq!(refused(Folder::open(&path, "engine", Create::IfMissing)), read_only);
    let new = disk.path().join("new");
    assert_eq!(refused(Folder::open(&new, "engine", Create::IfMissing)), read_only);
    assert_eq!(Folder::engine_of(&path).unwrap().as_deref(), Some("engine"));
}
