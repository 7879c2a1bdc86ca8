//! Folders of backups, of database folders whose engine is this test.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use kenning_store::backup::{self, Added, BackupFolder, Copying, Identity, Summary};
use kenning_store::{Create, ErrorKind, Folder, PartId, Result};
use kenning_test::power::{Access, PowerDisk};
use kenning_test::syscalls::{self, Action, Call, EIO, ENOSPC, Plan};
use tempfile::TempDir;

const DATABASE: Identity = Identity([7; 16]);
const OTHER: Identity = Identity([8; 16]);
const CALLS: [Call; 3] = [Call::Sync, Call::Write, Call::Rename];

/// A database whose files are linked into a copy, as an engine does with what it never changes,
/// but for `log`, which is copied.
struct Source {
    folder: Folder,
}

impl Source {
    fn make(path: &Path) -> Source {
        let mut folder = Folder::open(path, "engine", Create::New).unwrap();
        folder.finish().unwrap();
        Source { folder }
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.folder.store().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        fs::write(path, bytes).unwrap();
    }

    fn backup(&self, target: &Path) -> Result<Added> {
        let added = self.backup_watched(target, &mut |_| ControlFlow::Continue(()))?;
        Ok(added.expect("nobody broke it off"))
    }

    fn backup_watched(
        &self,
        target: &Path,
        watch: &mut backup::Watch<'_>,
    ) -> Result<Option<Added>> {
        let mut folder = BackupFolder::open(target, DATABASE, self.folder.path())?;
        let scratch = self.folder.scratch()?;
        self.folder.copy(scratch.path(), |copy| {
            copy_files(&self.folder.store(), &copy.store());
            Ok(())
        })?;
        let label = format!("label {}", folder.next_number());
        folder.add(scratch.path(), "engine", &label, watch)
    }
}

fn copy_files(source: &Path, target: &Path) {
    for entry in fs::read_dir(source).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), target.join(entry.file_name()));
        if from.is_dir() {
            fs::create_dir(&to).unwrap();
            copy_files(&from, &to);
        } else if entry.file_name() == "log" {
            fs::copy(from, to).unwrap();
        } else {
            fs::hard_link(from, to).unwrap();
        }
    }
}

struct Place {
    temp: TempDir,
    source: Source,
}

impl Place {
    /// With a file of several chunks.
    fn new() -> Place {
        Place::with_table(3 << 20)
    }

    fn with_table(table_bytes: usize) -> Place {
        let temp = tempfile::tempdir().unwrap();
        let source = Source::make(&temp.path().join("db"));
        source.write("1.sst", b"one");
        source.write("trees/0/a table", &vec![5; table_bytes]);
        source.write("log", b"begun");
        source.folder.put_part(PartId(5), b"part").unwrap();
        Place { temp, source }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    fn backups(&self) -> PathBuf {
        self.at("backups")
    }

    fn backup(&self) -> Result<Added> {
        self.source.backup(&self.backups())
    }
}

fn restore(path: &Path, number: Option<u64>, target: &Path) -> Result<Summary> {
    let restored = backup::restore(path, number, target, &mut |_| ControlFlow::Continue(()));
    Ok(restored?.expect("nobody broke it off"))
}

/// The kind and the code of the error.
fn refused<T>(result: Result<T>) -> (ErrorKind, &'static str) {
    let error = result.err().expect("it is refused");
    (error.kind(), error.code())
}

/// Every file below a folder but the lock, in order.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut rest = vec![folder.to_owned()];
    while let Some(next) = rest.pop() {
        for entry in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                rest.push(entry);
            } else if entry.file_name().unwrap() != "LOCK" {
                let name = entry.strip_prefix(folder).unwrap().to_owned();
                files.push((name, fs::read(entry).unwrap()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn a_backup_is_restored_as_it_was() {
    let place = Place::new();
    let first = files(place.source.folder.path());
    let added = place.backup().unwrap();
    assert_eq!((added.summary.files, added.files_copied), (4, 4));
    assert_eq!(added.summary.label, "label 1");
    place.source.write("2.sst", b"two");
    place.source.write("log", b"begun and gone on");
    place.source.folder.drop_part(PartId(5)).unwrap();
    let second = files(place.source.folder.path());
    let added = place.backup().unwrap();
    assert_eq!((added.summary.files, added.files_copied, added.bytes_copied), (4, 2, 3 + 17));
    for (number, expected) in [(Some(1), &first), (Some(2), &second), (None, &second)] {
        let target = place.at("restored");
        let summary = restore(&place.backups(), number, &target).unwrap();
        assert_eq!(summary.number, number.unwrap_or(2));
        assert_eq!(files(&target), *expected, "{number:?}");
        Folder::open(&target, "engine", Create::Never).unwrap();
        fs::remove_dir_all(target).unwrap();
    }
    let listed = backup::list(&place.backups()).unwrap();
    assert_eq!(listed.iter().map(|it| it.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(listed[1], added.summary);
    assert_eq!(fs::read_dir(place.source.folder.path()).unwrap().count(), 4, "no copy stays");
}

#[test]
fn a_file_is_known_again_by_itself_and_not_by_its_name() {
    let place = Place::new();
    place.backup().unwrap();
    let read = |watch: &mut u64| {
        let mut last = Copying { bytes: 0, bytes_total: 0 };
        let mut calls = 0;
        let watched = &mut |copying| {
            (last, calls) = (copying, calls + 1);
            ControlFlow::Continue(())
        };
        place.source.backup_watched(&place.backups(), watched).unwrap();
        assert_eq!(last.bytes, last.bytes_total, "it tells of every byte");
        *watch = calls;
    };
    let (mut known, mut unknown) = (0, 0);
    read(&mut known);
    // As a restored database has it: the same names and sizes, other files.
    place.source.write("1.sst", b"eno");
    place.source.write("trees/0/a table", &vec![6; 3 << 20]);
    read(&mut unknown);
    assert!(known < unknown, "{known} chunks were read, then {unknown}");
    let target = place.at("restored");
    restore(&place.backups(), None, &target).unwrap();
    assert_eq!(files(&target), files(place.source.folder.path()));
}

#[test]
fn older_backups_go_with_what_only_they_had() {
    let place = Place::new();
    for number in 0..5u8 {
        place.source.write("log", &[number]);
        place.backup().unwrap();
    }
    let contents = || fs::read_dir(place.backups().join("files")).unwrap().count();
    assert_eq!(contents(), 3 + 5);
    fs::write(place.backups().join("files/notes"), "of somebody").unwrap();
    let open = || BackupFolder::open(&place.backups(), DATABASE, place.source.folder.path());
    open().unwrap().keep(2).unwrap();
    assert_eq!(contents(), 3 + 2 + 1, "what is of somebody else stays");
    let numbers: Vec<u64> =
        backup::list(&place.backups()).unwrap().iter().map(|it| it.number).collect();
    assert_eq!(numbers, [4, 5]);
    assert_eq!(place.backup().unwrap().summary.number, 6);
    open().unwrap().keep(0).unwrap();
    let target = place.at("restored");
    assert_eq!(restore(&place.backups(), None, &target).unwrap().number, 6);
    assert_eq!(files(&target), files(place.source.folder.path()));
    let gone = (ErrorKind::Invalid, "BACKUP_NOT_FOUND");
    assert_eq!(refused(restore(&place.backups(), Some(5), &place.at("other"))), gone);
}

#[test]
fn a_flipped_byte_anywhere_is_noticed_and_named() {
    let place = Place::new();
    place.backup().unwrap();
    for (name, bytes) in files(&place.backups()) {
        let path = place.backups().join(&name);
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            fs::write(&path, bad).unwrap();
            let target = place.at("restored");
            let error = restore(&place.backups(), None, &target).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{name:?} at {at}: {error}");
            assert!(error.message().contains(name.to_str().unwrap()), "{error}");
            assert!(!target.exists());
        }
        fs::remove_file(&path).unwrap();
        assert!(restore(&place.backups(), None, &place.at("restored")).is_err(), "{name:?}");
        assert!(!place.at("restored").exists());
        fs::write(&path, bytes).unwrap();
    }
    restore(&place.backups(), None, &place.at("restored")).unwrap();
}

#[test]
fn a_content_that_was_cut_is_stored_again() {
    let place = Place::new();
    place.backup().unwrap();
    for (name, _) in files(&place.backups().join("files")) {
        fs::write(place.backups().join("files").join(name), "").unwrap();
    }
    assert_eq!(place.backup().unwrap().files_copied, 4);
    restore(&place.backups(), Some(1), &place.at("restored")).unwrap();
}

#[test]
fn what_is_no_folder_of_its_backups_is_refused_and_left_alone() {
    let place = Place::new();
    let not_a_backup = (ErrorKind::Invalid, "NOT_A_BACKUP");
    fs::write(place.at("file"), "of somebody").unwrap();
    fs::create_dir_all(place.at("foreign/files")).unwrap();
    fs::write(place.at("foreign/files/precious"), "of somebody").unwrap();
    let another = Source::make(&place.at("another"));
    for name in ["file", "foreign", "another"] {
        let before = place.at(name).is_dir().then(|| files(&place.at(name)));
        assert_eq!(refused(place.source.backup(&place.at(name))), not_a_backup, "{name}");
        assert_eq!(refused(restore(&place.at(name), None, &place.at("new"))), not_a_backup);
        assert_eq!(refused(backup::list(&place.at(name))), not_a_backup);
        assert_eq!(place.at(name).is_dir().then(|| files(&place.at(name))), before);
    }
    drop(another);
    assert_eq!(refused(backup::list(&place.at("nowhere"))), not_a_backup);
    let no_parent = (ErrorKind::Invalid, "NO_PARENT_FOLDER");
    assert_eq!(refused(place.source.backup(&place.at("no/where"))), no_parent);
    place.backup().unwrap();
    let other = BackupFolder::open(&place.backups(), OTHER, &place.at("another"));
    assert_eq!(refused(other), (ErrorKind::Invalid, "OTHER_DATABASE"));
    let exists = (ErrorKind::Invalid, "TARGET_EXISTS");
    for name in ["file", "foreign", "another"] {
        assert_eq!(refused(restore(&place.backups(), None, &place.at(name))), exists);
    }
    fs::remove_file(place.backups().join("BACKUP")).unwrap();
    assert_eq!(refused(place.backup()), (ErrorKind::Corrupt, "BACKUP_DAMAGED"));
}

#[test]
fn a_database_and_its_backups_do_not_lie_in_each_other() {
    let place = Place::new();
    let inside = (ErrorKind::Invalid, "BACKUP_INSIDE");
    symlink(place.at("db"), place.at("link")).unwrap();
    fs::create_dir(place.at("beside")).unwrap();
    symlink(place.at("db/parts"), place.at("beside/inner")).unwrap();
    let names = ["db", "db/new", "db/store/a/b", "link/new", "beside/../db/new", "beside/inner"];
    for name in names.iter().chain(&["beside/inner/new", "."]) {
        assert_eq!(refused(place.source.backup(&place.at(name))), inside, "{name}");
    }
    assert!(!place.at("db/new").exists());
    assert_eq!(refused(place.source.backup(Path::new(""))), (ErrorKind::Invalid, "PATH_EMPTY"));
    place.source.backup(&place.at("db-backups")).unwrap();
    place.backup().unwrap();
    symlink(place.backups(), place.at("other")).unwrap();
    for name in ["backups", "backups/new", "other/files/new"] {
        assert_eq!(refused(restore(&place.backups(), None, &place.at(name))), inside, "{name}");
    }
}

#[test]
fn who_comes_second_is_refused() {
    let place = Place::new();
    let held = (ErrorKind::Unavailable, "HELD");
    let mut seen = 0;
    let mut watch = |_: Copying| {
        assert_eq!(refused(place.source.backup(&place.backups())), held);
        assert_eq!(refused(restore(&place.backups(), None, &place.at("new"))).1, "NOT_A_BACKUP");
        let elsewhere = place.source.backup(&place.at("elsewhere"));
        assert_eq!(refused(elsewhere), (ErrorKind::Unavailable, "COPY_RUNNING"));
        seen += 1;
        ControlFlow::Continue(())
    };
    let mut watch = |copying| match place.backups().join("BACKUP").exists() {
        true => ControlFlow::Continue(()),
        false => watch(copying),
    };
    place.source.backup_watched(&place.backups(), &mut watch).unwrap().unwrap();
    assert_eq!(seen, 0, "the folder is made before anything is copied");
    let mut watch = |_: Copying| {
        assert_eq!(refused(place.backup()), held);
        assert_eq!(refused(restore(&place.backups(), None, &place.at("new"))), held);
        assert_eq!(backup::list(&place.backups()).unwrap().len(), 1);
        let elsewhere = place.source.backup(&place.at("elsewhere"));
        assert_eq!(refused(elsewhere), (ErrorKind::Unavailable, "COPY_RUNNING"));
        ControlFlow::Continue(())
    };
    place.source.backup_watched(&place.backups(), &mut watch).unwrap().unwrap();
    let mut watch = |_: Copying| {
        assert_eq!(refused(place.backup()), held);
        let _ = fs::remove_dir_all(place.at("two"));
        restore(&place.backups(), None, &place.at("two")).unwrap();
        ControlFlow::Continue(())
    };
    backup::restore(&place.backups(), None, &place.at("one"), &mut watch).unwrap().unwrap();
    assert_eq!(files(&place.at("one")), files(&place.at("two")));
}

#[test]
fn what_is_broken_off_leaves_nothing_but_what_is_of_use() {
    let place = Place::new();
    for calls_max in 0..6 {
        let mut calls = 0;
        let mut watch = |_: Copying| {
            calls += 1;
            if calls > calls_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let added = place.source.backup_watched(&place.backups(), &mut watch).unwrap();
        assert_eq!(added, None, "{calls_max}");
        assert_eq!(backup::list(&place.backups()).unwrap(), []);
        let left = files(&place.backups().join("files"));
        assert!(left.iter().all(|(name, _)| name.extension().is_none()), "{left:?}");
    }
    place.backup().unwrap();
    let mut stop = |_: Copying| ControlFlow::Break(());
    let restored = backup::restore(&place.backups(), None, &place.at("new"), &mut stop);
    assert_eq!(restored.unwrap(), None);
    assert!(!place.at("new").exists());
    restore(&place.backups(), None, &place.at("new")).unwrap();
}

/// Backs up while every call from the `nth` on fails, for every third of the calls that a backup
/// makes, and looks each time whether what was there is there, and whether the next one goes on.
fn fail_everywhere(first: u64, errno: i32, code: &str) {
    let place = Place::with_table(5_000);
    let mut failed = 0;
    for nth in (first..).step_by(3) {
        let _ = fs::remove_dir_all(place.backups());
        if nth % 2 == 0 {
            place.source.write("1.sst", b"first");
            place.backup().unwrap();
            place.source.write("1.sst", b"second");
        }
        let armed = syscalls::arm(Plan {
            action: Action::ErrnoForever(errno),
            ..Plan::fail(place.temp.path(), &CALLS, nth, errno)
        });
        let added = place.backup();
        let fired = armed.fired();
        drop(armed);
        if let Err(error) = &added {
            assert_eq!(error.code(), code, "call {nth}: {error}");
            failed += 1;
        }
        // A list may be there though its folder could not be synced.
        for summary in backup::list(&place.backups()).unwrap_or_default() {
            restore(&place.backups(), Some(summary.number), &place.at("restored")).unwrap();
            fs::remove_dir_all(place.at("restored")).unwrap();
        }
        place.backup().unwrap();
        restore(&place.backups(), None, &place.at("restored")).unwrap();
        assert_eq!(files(&place.at("restored")), files(place.source.folder.path()));
        fs::remove_dir_all(place.at("restored")).unwrap();
        if fired == 0 && nth % 2 == 1 {
            break;
        }
    }
    assert!(failed > 10, "{failed} calls were failed");
}

#[test]
fn a_disk_that_fails_anywhere_takes_no_backup_along() {
    fail_everywhere(1, EIO, "IO");
}

#[test]
fn a_disk_that_is_full_anywhere_takes_no_backup_along() {
    fail_everywhere(2, ENOSPC, "DISK_FULL");
}

#[test]
fn a_restore_that_fails_anywhere_leaves_nothing_and_can_be_repeated() {
    let place = Place::with_table(5_000);
    place.backup().unwrap();
    let target = place.at("new");
    for nth in 1.. {
        let armed = syscalls::arm(Plan::fail(place.temp.path(), &CALLS, nth, ENOSPC));
        let restored = restore(&place.backups(), None, &target);
        let fired = armed.fired();
        drop(armed);
        if fired == 0 {
            restored.unwrap();
            break;
        }
        let full = (ErrorKind::Unavailable, "DISK_FULL");
        assert_eq!(refused(restored), full, "call {nth}");
        let half = target.exists();
        assert!(!half || !target.join("KENNING").exists(), "call {nth}: it is no database");
        restore(&place.backups(), None, &target).unwrap_or_else(|e| panic!("call {nth}: {e}"));
        fs::remove_dir_all(&target).unwrap();
    }
}

#[test]
fn a_cut_of_power_takes_no_backup_along_that_was_told_of() {
    let disk = match PowerDisk::new(32 << 20) {
        Ok(disk) => disk,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let place = Place::new();
    let target = disk.path().join("backups");
    for number in 1..=3 {
        place.source.write("log", &[number]);
        place.source.backup(&target).unwrap();
        disk.cut().unwrap();
        disk.remount(Access::Write).unwrap();
        assert_eq!(backup::list(&target).unwrap().len(), usize::from(number));
        let restored = disk.path().join("restored");
        restore(&target, None, &restored).unwrap();
        disk.cut().unwrap();
        disk.remount(Access::Write).unwrap();
        assert_eq!(files(&restored), files(place.source.folder.path()));
        fs::remove_dir_all(restored).unwrap();
    }
    disk.remount(Access::Read).unwrap();
    assert_eq!(refused(place.source.backup(&target)), (ErrorKind::Denied, "READ_ONLY"));
    let new = place.source.backup(&disk.path().join("new"));
    assert_eq!(refused(new), (ErrorKind::Denied, "READ_ONLY"));
    restore(&target, None, &place.at("restored")).unwrap();
}
