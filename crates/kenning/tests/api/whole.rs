//! Whole databases to files and back, through the facade.

use std::ops::ControlFlow::{Break, Continue};

use kenning::blocking::{Database, export_all, import_all, open, open_with};
use kenning::ingest::WholeOptions;
use kenning::{At, Link, Options, Settings, json};

fn exported(db: &Database, history: bool) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let view = db.view().unwrap();
    export_all(&view, folder.path(), WholeOptions { history }, &mut |_| Continue(())).unwrap();
    folder
}

fn imported(folder: &tempfile::TempDir, options: Options) -> kenning::Result<Database> {
    let (_, copy) = import_all("memory:", options, folder.path(), &mut |_| Continue(()))?;
    Ok(copy.expect("nobody broke it off"))
}

fn without_history() -> Options {
    let settings = Settings { history_keep: false, ..Settings::default() };
    Options { settings, ..Options::default() }
}

#[test]
fn a_history_that_was_not_kept_is_not_there_in_the_copy_either() {
    let db = open_with("memory:", without_history()).unwrap();
    for n in 0..5 {
        db.put("entities", json!({"name": "Ada", "n": n})).unwrap();
    }
    let folder = exported(&db, true);
    assert_eq!(imported(&folder, without_history()).err().unwrap().code(), "HISTORY_NOT_KEPT");
    let copy = imported(&folder, Options::default()).unwrap();
    assert_eq!(copy.history_hash().unwrap(), db.history_hash().unwrap());
    assert_eq!(copy.log(0, 100).unwrap(), db.log(0, 100).unwrap());
    let earlier = copy.as_of(At::Version(db.version() - 1)).err().unwrap();
    assert_eq!(earlier.code(), "HISTORY_NOT_KEPT");
    let state = imported(&exported(&db, false), without_history()).unwrap();
    assert_eq!(state.content_hash().unwrap(), db.content_hash().unwrap());
}

#[test]
fn what_was_pruned_stays_pruned() {
    let db = open("memory:").unwrap();
    let versions: Vec<u64> = (0..5)
        .map(|n| db.put("entities", json!({"name": "Ada", "n": n})).unwrap().version)
        .collect();
    db.prune(At::Version(versions[2]), false).unwrap();
    let copy = imported(&exported(&db, true), Options::default()).unwrap();
    assert_eq!(copy.history_hash().unwrap(), db.history_hash().unwrap());
    for (n, version) in versions.iter().enumerate() {
        match copy.as_of(At::Version(*version)) {
            Ok(then) => {
                let ada = then.get("entities", "Ada").unwrap().unwrap();
                assert!(n >= 2 && ada.properties["n"] == n && ada.version == *version);
            }
            Err(error) => assert!(n < 2 && error.code() == "HISTORY_NOT_KEPT"),
        }
    }
}

#[test]
fn what_happens_after_an_import_goes_on_from_it() {
    let db = open("memory:").unwrap();
    db.put("entities", json!({"name": "Ada"})).unwrap();
    let folder = exported(&db, true);
    let copy = imported(&folder, Options::default()).unwrap();
    for db in [&db, &copy] {
        let next = db.put("entities", json!({"name": "Ada", "n": 1})).unwrap();
        assert_eq!((next.version, next.birth), (4, 1));
    }
    let mut follower = copy.follow("f").unwrap();
    let versions: Vec<u64> = (0..3).map(|_| follower.next().unwrap().version).collect();
    assert_eq!(versions, [2, 3, 4]);
    assert_eq!(copy.verify().unwrap(), vec![]);
    let outcome = db.log(0, 10).unwrap()[1].transaction;
    assert_eq!(copy.outcome(outcome).unwrap(), Some(3), "it was today");
}

#[test]
fn a_database_that_has_something_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("db").to_str().unwrap().to_owned();
    let db = open(&url).unwrap();
    db.put("entities", json!({"name": "Ada"})).unwrap();
    let files = exported(&db, false);
    let content = db.content_hash().unwrap();
    db.close().unwrap();
    let go_on = &mut |_: &_| Continue(());
    let refused = import_all(&url, Options::default(), files.path(), go_on).err().unwrap();
    assert_eq!(refused.code(), "DATABASE_NOT_EMPTY");
    assert_eq!(open(&url).unwrap().content_hash().unwrap(), content);
    // One that is new and empty is taken, also half way, and only for the same export.
    let url = folder.path().join("new").to_str().unwrap().to_owned();
    open(&url).unwrap().close().unwrap();
    let broken = &mut |progress: &kenning::ingest::WholeProgress| match progress.lines {
        0 => Continue(()),
        _ => Break(()),
    };
    let (told, none) = import_all(&url, Options::default(), files.path(), broken).unwrap();
    assert!(none.is_none() && told.content.is_none());
    assert_eq!(open(&url).err().unwrap().code(), "IMPORT_UNFINISHED");
    let (told, copy) = import_all(&url, Options::default(), files.path(), go_on).unwrap();
    assert!(told.gone_on && !told.was_there);
    assert_eq!(copy.unwrap().content_hash().unwrap(), content);
    let (told, copy) = import_all(&url, Options::default(), files.path(), go_on).unwrap();
    assert!(told.was_there && !told.gone_on);
    assert_eq!(copy.unwrap().content_hash().unwrap(), content);
}

#[test]
fn what_was_merged_purged_or_dropped_is_so_in_the_copy() {
    let db = open("memory:").unwrap();
    for name in ["Ada", "A. King", "Charles", "Mary"] {
        db.put("entities", json!({"name": name})).unwrap();
        db.update("entities", name, json!({"said": "something"})).unwrap();
    }
    db.link("A. King", "knows", "Charles", Link::default()).unwrap();
    db.link("Mary", "knows", "Charles", Link::default()).unwrap();
    for tenant in ["first", "second", "third"] {
        db.create_tenant(tenant).unwrap();
        db.tenant(tenant).unwrap().put("entities", json!({"name": tenant})).unwrap();
    }
    db.drop_tenant("first").unwrap();
    db.drop_tenant("second").unwrap();
    db.create_tenant("second").unwrap();
    db.merge("Mary", "Charles").unwrap();
    db.merge("Ada", "A. King").unwrap();
    db.purge("entities", "Mary").unwrap().unwrap();
    db.wait_swept().unwrap();
    for history in [true, false] {
        let copy = imported(&exported(&db, history), Options::default()).unwrap();
        assert_eq!(copy.content_hash().unwrap(), db.content_hash().unwrap());
        assert_eq!(copy.verify().unwrap(), vec![]);
        assert_eq!(copy.tenants().unwrap(), ["default", "second", "third"]);
        assert_eq!(copy.get("entities", "Mary").unwrap(), None);
        // Once more the birth after those that were purged.
        assert_eq!(copy.put("entities", json!({"name": "Mary"})).unwrap().birth, 2);
        if history {
            assert_eq!(copy.history("entities", "Ada").unwrap().len(), 5);
            copy.unmerge("Ada", "A. King").unwrap();
        }
    }
    let copy = imported(&exported(&db, true), Options::default()).unwrap();
    assert_eq!(copy.history_hash().unwrap(), db.history_hash().unwrap());
}
