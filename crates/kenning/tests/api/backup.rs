//! Backups, on both engines on disk.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kenning::blocking::{self, Database, open, open_with};
use kenning::{At, BackedUp, Backup, BackupOptions, Engine, ErrorKind, Options, Result, json};
use kenning::{SystemWorld, World};
use kenning_store::BoxFuture;
use tempfile::TempDir;

const ENGINES: [Engine; 2] = [Engine::Rocksdb, Engine::Fjall];

struct Place {
    temp: TempDir,
    engine: Engine,
}

impl Place {
    fn new(engine: Engine) -> Place {
        Place { temp: tempfile::tempdir().unwrap(), engine }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    fn url(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_owned()
    }

    fn open(&self, name: &str) -> Database {
        let options = Options { engine: self.engine, ..Options::default() };
        open_with(&self.url(name), options).unwrap()
    }

    fn backup(&self, db: &Database) -> BackedUp {
        backup(db, &self.at("backups")).unwrap()
    }

    fn restore(&self, number: Option<u64>, name: &str) -> Backup {
        restore(&self.at("backups"), number, &self.url(name)).unwrap()
    }
}

fn backup(db: &Database, folder: &Path) -> Result<BackedUp> {
    let options = BackupOptions::default();
    let done = db.backup(folder, options, &mut |_| ControlFlow::Continue(()))?;
    Ok(done.expect("nobody broke it off"))
}

fn restore(folder: &Path, number: Option<u64>, url: &str) -> Result<Backup> {
    let done = blocking::restore(url, folder, number, &mut |_| ControlFlow::Continue(()))?;
    Ok(done.expect("nobody broke it off"))
}

/// The kind and the code of the error.
fn refused<T>(result: Result<T>) -> (ErrorKind, &'static str) {
    let error = result.err().expect("it is refused");
    (error.kind(), error.code())
}

/// Numbers and versions of the backups that a database remembers.
fn known(db: &Database) -> Vec<(u64, Option<u64>)> {
    let backups = db.backups().unwrap();
    assert!(backups.iter().all(|backup| backup.folder.ends_with("/backups")), "{backups:?}");
    backups.iter().map(|backup| (backup.number, backup.version)).collect()
}

#[test]
fn a_restored_database_shows_its_version_and_goes_its_own_way() {
    for engine in ENGINES {
        let place = Place::new(engine);
        let db = place.open("db");
        db.create_tenant("guests").unwrap();
        db.put("entities", json!({"name": "Ada", "born": 1815})).unwrap();
        let first = place.backup(&db).backup;
        assert_eq!((first.number, first.version), (1, db.version()));
        db.update("entities", "Ada", json!({"born": 1816})).unwrap();
        db.put("entities", json!({"name": "Grace"})).unwrap();
        let second = place.backup(&db).backup;
        assert_eq!((second.number, second.version), (2, db.version()));
        assert_eq!(known(&db), [(1, Some(first.version)), (2, Some(second.version))]);
        assert_eq!(kenning::list_backups(&place.at("backups")).unwrap(), [first.clone(), second]);

        assert_eq!(place.restore(Some(1), "old"), first);
        place.restore(None, "new");
        let (old, new) = (place.open("old"), place.open("new"));
        assert_eq!((old.version(), new.version()), (first.version, db.version()));
        assert_eq!(old.get("entities", "Ada").unwrap().unwrap().properties["born"], 1815);
        assert_eq!(old.get("entities", "Grace").unwrap(), None);
        assert_eq!(new.log(0, 100).unwrap(), db.log(0, 100).unwrap());
        assert_eq!(new.tenants().unwrap(), ["default", "guests"]);
        let then = new.as_of(At::Version(first.version)).unwrap();
        assert_eq!(then.get("entities", "Ada").unwrap().unwrap().properties["born"], 1815);
        for restored in [&old, &new] {
            assert_eq!(restored.verify().unwrap(), vec![]);
        }
        // The backup that it comes from, of which it can't know the version.
        assert_eq!(known(&old), [(1, None)]);
        assert_eq!(known(&new), [(1, Some(first.version)), (2, None)]);

        // Both give the same names to other files, and share one folder all the same.
        for (name, db) in [("in old", &old), ("in new", &new), ("in db", &db)] {
            for n in 0..200 {
                db.put("entities", json!({"name": format!("{name} {n}")})).unwrap();
            }
            place.backup(db);
        }
        let versions = known(&db);
        assert_eq!(versions.len(), 5, "{versions:?}");
        for (number, name) in [(3, "in old 7"), (4, "in new 7"), (5, "in db 7")] {
            let at = format!("restored {number}");
            let restored = place.restore(Some(number), &at);
            let db = place.open(&at);
            assert_eq!(db.version(), restored.version);
            assert!(db.get("entities", name).unwrap().is_some(), "{name}");
            assert_eq!(db.verify().unwrap(), vec![]);
        }
    }
}

#[test]
fn every_backup_under_load_is_one_version_of_all() {
    for engine in ENGINES {
        let place = Place::new(engine);
        let db = place.open("db");
        let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let (db, stop, written) = (db.clone(), &stop, &written);
                scope.spawn(move || {
                    for n in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        // Two in one transaction: a torn copy has one of them.
                        let pair = ["left", "right"].map(|side| {
                            json!({"name": format!("{side} {writer} {n}"), "text": "x".repeat(300)})
                        });
                        db.put_many("entities", pair.map(Into::into).into()).unwrap();
                        written.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let mut before = 0;
            for _ in 0..4 {
                // Some more each time, however fast this machine is.
                while written.load(Ordering::Relaxed) < before + 300 {
                    std::thread::yield_now();
                }
                before = written.load(Ordering::Relaxed);
                place.backup(&db);
            }
            stop.store(true, Ordering::Relaxed);
        });
        for backup in kenning::list_backups(&place.at("backups")).unwrap() {
            let name = format!("restored {}", backup.number);
            place.restore(Some(backup.number), &name);
            let restored = place.open(&name);
            assert_eq!(restored.version(), backup.version);
            assert_eq!(restored.verify().unwrap(), vec![]);
            let records = restored.records("entities", None, 100_000).unwrap();
            assert_eq!(records.len() % 2, 0);
            assert!(records.len() as u64 >= 2 * 300 * backup.number, "{}", records.len());
            let live = db.as_of(At::Version(backup.version)).unwrap();
            assert_eq!(live.records("entities", None, 100_000).unwrap(), records);
        }
    }
}

#[test]
fn what_did_not_change_is_not_copied_again() {
    let place = Place::new(Engine::Rocksdb);
    let db = place.open("db");
    // Text that does not compress to nothing.
    let mut seed = 1_u64;
    let mut letter = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + (seed >> 33) as u8 % 26)
    };
    for _ in 0..20 {
        let text: String = (0..100_000).map(|_| letter()).collect();
        db.put("resources", json!({"content": text})).unwrap();
    }
    // RocksDB rewrites a file once when it comes to rest; then it stays.
    db.compact().unwrap();
    let first = place.backup(&db);
    assert_eq!(first.bytes_copied, first.backup.bytes);
    db.put("resources", json!({"content": "a little more"})).unwrap();
    let second = place.backup(&db);
    assert!(second.bytes_copied < first.bytes_copied / 5, "{second:?} after {first:?}");
    assert!(second.backup.bytes >= first.backup.bytes);
    // Closed and opened, it has the same files.
    db.close().unwrap();
    let third = place.backup(&place.open("db"));
    assert!(third.bytes_copied < first.bytes_copied / 5, "{third:?} after {first:?}");
}

#[test]
fn only_so_many_backups_stay_and_the_database_knows_which() {
    for engine in ENGINES {
        let place = Place::new(engine);
        let db = place.open("db");
        let two = BackupOptions { keep: NonZeroUsize::new(2) };
        for n in 0..4 {
            db.put("entities", json!({"name": "a", "n": n})).unwrap();
            let watch = &mut |_: kenning::Copying| ControlFlow::Continue(());
            db.backup(&place.at("backups"), two, watch).unwrap().unwrap();
        }
        let numbers: Vec<u64> = known(&db).iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [3, 4]);
        let stats = db.stats().unwrap();
        assert_eq!(stats["backups"].as_array().unwrap().len(), 2);
        assert_eq!(stats["backups"][1]["version"], db.version());
        let gone = (ErrorKind::Invalid, "BACKUP_NOT_FOUND");
        assert_eq!(refused(restore(&place.at("backups"), Some(2), &place.url("new"))), gone);
        place.restore(Some(3), "new");
        assert_eq!(place.open("new").verify().unwrap(), vec![]);
    }
}

#[test]
fn what_is_broken_off_is_no_backup() {
    for engine in ENGINES {
        let place = Place::new(engine);
        let db = place.open("db");
        let stop = &mut |_: kenning::Copying| ControlFlow::Break(());
        let done = db.backup(&place.at("backups"), BackupOptions::default(), stop).unwrap();
        assert_eq!(done, None);
        // It is remembered: some of its contents may be there.
        assert_eq!(known(&db), [(1, None)]);
        assert_eq!(kenning::list_backups(&place.at("backups")).unwrap(), vec![]);
        let names = std::fs::read_dir(place.at("db")).unwrap();
        assert_eq!(names.count(), 4, "no copy stays");
        place.backup(&db);
        let done = blocking::restore(&place.url("new"), &place.at("backups"), None, stop).unwrap();
        assert_eq!(done, None);
        assert!(!place.at("new").exists());
    }
}

#[test]
fn a_flipped_byte_in_any_file_is_noticed_and_named() {
    for engine in ENGINES {
        let place = Place::new(engine);
        let db = place.open("db");
        db.put("entities", json!({"name": "Ada"})).unwrap();
        place.backup(&db);
        let mut paths = vec![place.at("backups/BACKUP"), place.at("backups/backups/000001")];
        let files = std::fs::read_dir(place.at("backups/files")).unwrap();
        paths.extend(files.map(|file| file.unwrap().path()));
        assert!(paths.len() > 4);
        for path in paths {
            let bytes = std::fs::read(&path).unwrap();
            // fjall makes empty files, of which nothing can be flipped.
            let Some(middle) = bytes.len().checked_sub(1).map(|last| last / 2) else { continue };
            let mut bad = bytes.clone();
            bad[middle] ^= 4;
            std::fs::write(&path, bad).unwrap();
            let error = restore(&place.at("backups"), None, &place.url("new")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            assert!(error.message().contains(path.to_str().unwrap()), "{error}");
            assert!(!place.at("new").exists());
            std::fs::write(&path, bytes).unwrap();
        }
        place.restore(None, "new");
    }
}

#[test]
fn what_cannot_be_backed_up_or_restored_is_refused() {
    for engine in ENGINES {
        let place = Place::new(engine);
        let db = place.open("db");
        let inside = (ErrorKind::Invalid, "BACKUP_INSIDE");
        for name in ["db", "db/backups", "db/store/backups", "."] {
            assert_eq!(refused(backup(&db, &place.at(name))), inside, "{name}");
        }
        place.backup(&db);
        let other = place.open("other");
        let refusal = refused(backup(&other, &place.at("backups")));
        assert_eq!(refusal, (ErrorKind::Invalid, "OTHER_DATABASE"));
        assert_eq!(known(&other), []);
        let exists = (ErrorKind::Invalid, "TARGET_EXISTS");
        assert_eq!(refused(restore(&place.at("backups"), None, &place.url("other"))), exists);
        let no_backup = (ErrorKind::Invalid, "NOT_A_BACKUP");
        assert_eq!(refused(restore(&place.at("db"), None, &place.url("new"))), no_backup);
        let memory = (ErrorKind::Invalid, "NOT_ON_DISK");
        assert_eq!(refused(restore(&place.at("backups"), None, "memory:")), memory);
        assert_eq!(refused(backup(&open("memory:").unwrap(), &place.at("memory"))), memory);
        assert!(!place.at("memory").exists());
        let closed = db.clone();
        db.close().unwrap();
        assert_eq!(refused(backup(&closed, &place.at("backups"))).0, ErrorKind::Closed);
    }
}

/// A clock that goes on by 5 ms whenever somebody looks, and counts who sleeps.
struct Looked {
    inner: SystemWorld,
    now_ms: AtomicU64,
    sleeps: AtomicU64,
}

impl World for Looked {
    fn now_ms(&self) -> u64 {
        self.now_ms.fetch_add(5, Ordering::Relaxed)
    }

    fn random(&self) -> u64 {
        self.inner.random()
    }

    fn sleep(&self, _ms: u64) -> BoxFuture<'static, ()> {
        self.sleeps.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {})
    }

    fn spawn(&self, name: &'static str, work: Box<dyn FnOnce() + Send>) {
        self.inner.spawn(name, work);
    }
}

#[test]
fn a_backup_rests_while_others_write_and_only_then() {
    let place = Place::new(Engine::Rocksdb);
    let now_ms = AtomicU64::new(1_790_000_000_000);
    let world = Arc::new(Looked { inner: SystemWorld::new(), now_ms, sleeps: AtomicU64::new(0) });
    let options = Options { world: Some(world.clone()), ..Options::default() };
    let db = open_with(&place.url("db"), options).unwrap();
    db.put("entities", json!({"name": "Ada"})).unwrap();
    place.backup(&db);
    assert_eq!(world.sleeps.load(Ordering::Relaxed), 0, "nobody writes");
    let mut looks = 0;
    let write = &mut |_: kenning::Copying| {
        looks += 1;
        db.put("entities", json!({"name": "Ada", "n": looks})).unwrap();
        ControlFlow::Continue(())
    };
    db.backup(&place.at("backups"), BackupOptions::default(), write).unwrap().unwrap();
    // Before the first look nothing was written.
    assert_eq!(world.sleeps.load(Ordering::Relaxed), looks - 1);
    assert!(looks > 3);
}

#[test]
fn a_future_of_a_backup_can_be_sent() {
    fn check<T: Send>(_: T) {}
    let place = Place::new(Engine::Rocksdb);
    let db = kenning_store::block_on(kenning::open(&place.url("db"))).unwrap();
    let watch = &mut |_: kenning::Copying| ControlFlow::Continue(());
    check(db.backup(&place.at("backups"), BackupOptions::default(), watch));
}
