//! Whole databases that are broken off at every step, and exports that somebody changed.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use kenning_engine::{At, Database, Link, Replay, Settings, View, Walk};
use kenning_ingest::{WholeExport, WholeOptions, WholeProgress, export_all, import_all};
use kenning_record::{Body, Draft, Json, Record, encode, encode_record};
use kenning_store::{Memory, Result, Store, block_on};
use kenning_test::ManualWorld;
use serde_json::json;

use crate::Place;

fn named(key: &str, n: u64) -> Draft {
    Draft { key: Some(key.into()), ..json!({"n": n, "u": format!("u{key}")}).into() }
}

/// A small database that has some of everything.
fn made() -> Place {
    let place = Place::new();
    let db = &place.database;
    block_on(async {
        db.create_table("t", json!({"x-kenning": {"indexed": ["n"], "unique": ["u"]}})).await?;
        db.create_table("gone", json!({})).await?;
        for n in 0..30 {
            db.put("t", named(&format!("k{}", n % 7), n)).await?;
            db.put("gone", json!({"n": n})).await?;
        }
        db.put("t", json!({"free": true})).await?;
        db.link("t/k1", "knows", "t/k2", Link::default()).await?;
        db.link("t/k1", "knows", "t/k3", Link::default()).await?;
        db.delete("t", "k3").await?;
        db.drop_table("gone").await?;
        db.alter_table("t", json!({"x-kenning": {"indexed": ["n", "u"], "unique": ["u"]}})).await?;
        db.create_tenant("other").await?;
        db.tenant("other").await?.put("entities", json!({"name": "Ada"})).await?;
        db.wait_indexed().await
    })
    .unwrap();
    place
}

fn exported(view: &View, folder: &Path, history: bool) {
    let go_on = &mut |_: &WholeProgress| ControlFlow::Continue(());
    block_on(export_all(view, folder, WholeOptions { history }, go_on)).unwrap();
}

/// Imports into `store`; `None` if it was broken off after so many tellings.
fn imported(store: &Arc<Memory>, folder: &Path, told_max: u64) -> Result<Option<Database>> {
    let export = WholeExport::read(folder, &mut |_| ControlFlow::Continue(()))?;
    let export = export.expect("nobody breaks it off");
    let mut told = 0;
    let mut watch = |_: &WholeProgress| {
        told += 1;
        if told > told_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let store: Arc<dyn Store> = Arc::<Memory>::clone(store);
    let world = ManualWorld::new(3);
    block_on(async {
        let replay = Replay::open(store, world, Settings::default(), export.source()).await?;
        let tenant = export.tenant(None, "default")?;
        import_all(replay, &export, tenant, &mut watch).await.map(|(_, database)| database)
    })
}

#[test]
fn an_import_that_is_broken_off_at_every_step_goes_on() {
    let place = made();
    let view = place.database.view().unwrap();
    for history in [false, true] {
        let folder = place.folder.path().join(format!("files-{history}"));
        exported(&view, &folder, history);
        let store = Arc::new(Memory::new());
        let mut runs = 0;
        let copy = loop {
            runs += 1;
            assert!(runs < 100, "it never ends");
            if let Some(copy) = imported(&store, &folder, 0).unwrap() {
                break copy;
            }
            let world = ManualWorld::new(1);
            let half = Database::open(store.clone(), world, Settings::default(), "default");
            assert_eq!(block_on(half).err().unwrap().code(), "IMPORT_UNFINISHED");
        };
        assert!(history || runs > 10, "{runs} runs");
        assert_eq!(block_on(copy.content_hash()).unwrap(), block_on(view.content_hash()).unwrap());
        assert_eq!(block_on(copy.verify()).unwrap(), vec![]);
        block_on(copy.put("t", named("k3", 1))).unwrap();
        let steps = block_on(copy.neighbors("t/k1", Walk::default())).unwrap();
        assert_eq!(steps.len(), 1, "the link to the first k3 stays hidden");
    }
}

#[test]
fn an_import_that_was_done_is_known_whatever_was_written_since() {
    let place = made();
    let view = place.database.view().unwrap();
    let other = place.folder.path().join("other");
    block_on(place.database.put("entities", json!({"name": "later"}))).unwrap();
    exported(&place.database.view().unwrap(), &other, false);
    for history in [false, true] {
        let folder = place.folder.path().join(format!("files-{history}"));
        exported(&view, &folder, history);
        let store = Arc::new(Memory::new());
        let copy = imported(&store, &folder, u64::MAX).unwrap().unwrap();
        let content = block_on(copy.content_hash()).unwrap();
        block_on(copy.close()).unwrap();
        // Also what was killed before it could say so: nobody is told, so nobody breaks it off.
        let again = imported(&store, &folder, 0).unwrap().unwrap();
        assert_eq!(block_on(again.content_hash()).unwrap(), content);
        block_on(again.put("entities", json!({"name": "since"}))).unwrap();
        // Not the version: the sweeper may have cleared up meanwhile.
        let content = block_on(again.content_hash()).unwrap();
        block_on(again.close()).unwrap();
        let again = imported(&store, &folder, 0).unwrap().unwrap();
        assert_eq!(block_on(again.content_hash()).unwrap(), content);
        assert!(block_on(again.get("entities", "since")).unwrap().is_some());
        block_on(again.close()).unwrap();
        let refused = imported(&store, &other, u64::MAX).err().unwrap();
        assert_eq!(refused.code(), "DATABASE_NOT_EMPTY");
    }
}

#[test]
fn an_export_that_is_broken_off_leaves_nothing() {
    let place = made();
    let view = place.database.view().unwrap();
    let folder = place.folder.path().join("files");
    for told_max in 0..11 {
        let mut told = 0;
        let mut watch = |_: &WholeProgress| {
            told += 1;
            if told > told_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let done = export_all(&view, &folder, WholeOptions::default(), &mut watch);
        assert_eq!(block_on(done).unwrap().content, None, "{told_max}");
        assert!(!folder.exists());
    }
    exported(&view, &folder, false);
    let past = block_on(view.as_of(At::Version(5))).unwrap();
    let go_on = &mut |_: &WholeProgress| ControlFlow::Continue(());
    let folder = place.folder.path().join("past");
    let refused = block_on(export_all(&past, &folder, WholeOptions { history: true }, go_on));
    assert_eq!(refused.unwrap_err().code(), "PAST");
    assert!(!folder.exists());
}

/// Every file below a folder, sorted, and what is in it.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.push((path.display().to_string(), String::new()));
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// Makes a folder with files, each with its content; what ends with `/` is a folder.
fn folder_of(path: &Path, content: &[(&str, &str)]) {
    std::fs::create_dir_all(path).unwrap();
    for (name, content) in content {
        match name.strip_suffix('/') {
            Some(name) => std::fs::create_dir(path.join(name)).unwrap(),
            None => std::fs::write(path.join(name), content).unwrap(),
        }
    }
}

const LIST: &str = "KENNING-EXPORT.part";

#[test]
fn an_export_removes_what_one_before_it_made_and_nothing_else() {
    let place = made();
    let view = place.database.view().unwrap();
    let go_on = &mut |_: &WholeProgress| ControlFlow::Continue(());
    let listed = "default/\ndefault/_tables.jsonl\ndefault/t.jsonl\n";
    let theirs: &[&[(&str, &str)]] = &[
        // An older list had nothing in it.
        &[(LIST, ""), ("own.jsonl", "mine")],
        &[(LIST, ""), ("default/", ""), ("default/t.jsonl", "mine")],
        &[(LIST, listed), ("default/", ""), ("default/t.jsonl", ""), ("own.jsonl", "mine")],
        &[(LIST, listed), ("default/", ""), ("default/own.jsonl", "mine")],
        &[(LIST, listed), ("default/", ""), ("default/t.jsonl/", "")],
        &[(LIST, listed), ("own/", ""), ("own/t.jsonl", "mine")],
        &[(LIST, "own/t.jsonl\n"), ("own/", ""), ("own/t.jsonl", "mine")],
        // The line was not whole when the power failed, so nothing was made of it.
        &[(LIST, "default/\ndefault/t.jsonl"), ("default/", ""), ("default/t.jsonl", "mine")],
        &[(LIST, listed), ("KENNING-EXPORT", "whole"), ("default/", ""), ("default/t.jsonl", "")],
        &[("KENNING-EXPORT.part/", "")],
    ];
    for (at, content) in theirs.iter().enumerate() {
        let folder = place.folder.path().join(format!("theirs-{at}"));
        folder_of(&folder, content);
        let before = files(&folder);
        let refused = block_on(export_all(&view, &folder, WholeOptions::default(), go_on));
        assert_eq!(refused.unwrap_err().code(), "FOLDER_NOT_EMPTY", "{content:?}");
        assert_eq!(files(&folder), before);
    }
    let ours: &[&[(&str, &str)]] = &[
        &[(LIST, "")],
        &[(LIST, listed), ("default/", ""), ("default/t.jsonl.part", "{")],
        &[
            (LIST, listed),
            ("default/", ""),
            ("default/_tables.jsonl", "{"),
            ("default/t.jsonl", ""),
        ],
        &[(LIST, "KENNING-EXPORT.new\n"), ("KENNING-EXPORT.new", "{")],
    ];
    for (at, content) in ours.iter().enumerate() {
        let folder = place.folder.path().join(format!("ours-{at}"));
        folder_of(&folder, content);
        exported(&view, &folder, false);
        assert!(!folder.join(LIST).exists());
        assert!(imported(&Arc::new(Memory::new()), &folder, u64::MAX).unwrap().is_some());
    }
}

#[test]
fn an_export_does_not_follow_a_link_to_remove_a_file() {
    let place = made();
    let folder = place.folder.path().join("files");
    let elsewhere = place.folder.path().join("elsewhere");
    folder_of(&elsewhere, &[("t.jsonl", "mine")]);
    folder_of(&folder, &[(LIST, "default/\ndefault/t.jsonl\n")]);
    std::os::unix::fs::symlink(&elsewhere, folder.join("default")).unwrap();
    let view = place.database.view().unwrap();
    let go_on = &mut |_: &WholeProgress| ControlFlow::Continue(());
    let refused = block_on(export_all(&view, &folder, WholeOptions::default(), go_on));
    assert_eq!(refused.unwrap_err().code(), "FOLDER_NOT_EMPTY");
    assert_eq!(std::fs::read_to_string(elsewhere.join("t.jsonl")).unwrap(), "mine");
}

/// Changes a file of an export, and the marker so that it fits.
fn forge(folder: &Path, file: &str, change: impl Fn(&str) -> String) {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let forged = change(&text);
    assert_ne!(text, forged, "{file} has nothing to change");
    std::fs::write(&path, &forged).unwrap();
    let marker = folder.join("KENNING-EXPORT");
    let mut said: Json = serde_json::from_str(&std::fs::read_to_string(&marker).unwrap()).unwrap();
    for known in said["files"].as_array_mut().unwrap() {
        if known["path"] == file {
            known["bytes"] = forged.len().into();
            known["blake3"] = blake3::hash(forged.as_bytes()).to_string().into();
        }
    }
    std::fs::write(&marker, said.to_string()).unwrap();
}

/// Replaces a text in a line.
fn replaced(line: usize, from: &'static str, to: &'static str) -> impl Fn(&str) -> String {
    move |text| {
        let lines = text.lines().enumerate().map(|(at, said)| match at + 1 == line {
            true => said.replacen(from, to, 1) + "\n",
            false => said.to_owned() + "\n",
        });
        lines.collect()
    }
}

/// What an import of a forged export says.
fn refusal(history: bool, file: &str, change: &dyn Fn(&str) -> String) -> String {
    let place = made();
    let folder = place.folder.path().join("files");
    exported(&place.database.view().unwrap(), &folder, history);
    forge(&folder, file, change);
    let store = Arc::new(Memory::new());
    let error = imported(&store, &folder, u64::MAX).err().expect("it is refused");
    error.to_string()
}

/// A file, what is done to it, and how the refusal begins.
type Case<'a> = (&'a str, &'a dyn Fn(&str) -> String, &'a str);

fn refused(cases: &[Case<'_>]) {
    for (file, change, expected) in cases {
        let said = refusal(*file == "log.jsonl", file, *change);
        assert!(said.starts_with(expected), "{said}\nis not {expected}");
    }
}

#[test]
fn a_record_that_does_not_fit_is_refused_with_its_place() {
    let twice = |text: &str| {
        let first = text.lines().next().unwrap();
        format!("{text}{first}\n")
    };
    let unique = |text: &str| {
        let lines: Vec<&str> = text.lines().collect();
        let free = lines.iter().find(|line| line.contains("free")).unwrap();
        let taken = free.replace("\"free\":true", "\"u\":\"uk1\"");
        text.replace(free, &taken)
    };
    let cases: &[Case<'_>] = &[
        ("default/t.jsonl", &replaced(2, "\"key\":\"k", "\"key\":\"x"), "ID_NOT_OF_KEY: d"),
        ("default/t.jsonl", &twice, "ID_TWICE: default/t.jsonl line 9: "),
        ("default/t.jsonl", &unique, "UNIQUE_TAKEN: default/t.jsonl line "),
        ("default/t.jsonl", &replaced(2, "{", "["), "JSON_MALFORMED: default/t.jsonl line 2: "),
        (
            "default/t.jsonl",
            &replaced(2, "{", "{\"x\":1,"),
            "LINE_MALFORMED: default/t.jsonl line 2",
        ),
        (
            "default/t.jsonl",
            &replaced(3, "\"id\"", "\"ID\""),
            "LINE_MALFORMED: default/t.jsonl line 3",
        ),
        (
            "default/t.jsonl",
            &replaced(8, "\"gone\":1", "\"gone\":0"),
            "BIRTH: default/t.jsonl line 8",
        ),
        ("default/t.jsonl", &|text| text.trim_end().to_owned(), "LINE_CUT: default/t.jsonl line 8"),
        ("default/t.jsonl", &replaced(2, "\"n\":2", "\"n\":3"), "CONTENT_DIFFERS: "),
        (
            "default/t.jsonl",
            &replaced(1, "\"created_at\":\"2", "\"created_at\":\"x"),
            "INSTANT_MALFORMED",
        ),
    ];
    refused(cases);
}

#[test]
fn a_table_or_a_link_that_does_not_fit_is_refused_with_its_place() {
    refused(&[
        (
            "default/_tables.jsonl",
            &replaced(4, "\"table\":\"t\"", "\"table\":\"links\""),
            "TABLE_RESERVED: default/_tables.jsonl line 4",
        ),
        (
            "default/_tables.jsonl",
            &replaced(4, "\"table\":\"t\"", "\"table\":\"moments\""),
            "TABLE_EXISTS: default/_tables.jsonl line 4",
        ),
        (
            "default/_tables.jsonl",
            &replaced(4, "\"table\":\"t\"", "\"table\":\"u\""),
            "TABLE_NOT_FOUND: default/t.jsonl",
        ),
        (
            "default/_tables.jsonl",
            &replaced(4, "\"ready\"", "\"red\""),
            "LINE_MALFORMED: default/_tables.jsonl line 4",
        ),
        (
            "default/links.jsonl",
            &replaced(1, "\"table\":\"t\"", "\"table\":\"x\""),
            "ID_NOT_OF_LINK: default/links.jsonl line 1",
        ),
        (
            "default/links.jsonl",
            &replaced(1, "\"weight\":1.0", "\"weight\":7.0"),
            "LINK_WEIGHT: default/links.jsonl line 1",
        ),
        ("default/links.jsonl", &replaced(1, "\"birth\":1", "\"birth\":9"), "CONTENT_DIFFERS"),
    ]);
}

#[test]
fn a_history_that_does_not_fit_is_refused_with_its_place() {
    fn line_of(text: &str, part: &str) -> usize {
        text.lines().position(|line| line.contains(part)).unwrap()
    }
    /// Takes lines away, from the one that has `part` on.
    fn without(part: &'static str, lines: usize) -> impl Fn(&str) -> String {
        move |text| {
            let at = line_of(text, part);
            let kept = text.lines().enumerate();
            let kept = kept.filter(|(idx, _)| *idx < at || *idx >= at + lines);
            kept.map(|(_, line)| format!("{line}\n")).collect()
        }
    }
    let last = |text: &str| {
        let cut = text.trim_end().rfind('\n').unwrap();
        text[..=cut].to_owned()
    };
    let in_text =
        |from: &'static str, to: &'static str| move |text: &str| text.replacen(from, to, 1);
    let log = "log.jsonl";
    refused(&[
        (log, &without("\"version\":9}", 2), "REPLAY_GAP: log.jsonl line "),
        (log, &in_text("\"version\":9}", "\"version\":4}"), "REPLAY_BACKWARDS: log.jsonl line "),
        (log, &in_text("\"changes\":6", "\"changes\":7"), "LINE_MALFORMED: log.jsonl line "),
        (log, &last, "LINE_MALFORMED: log.jsonl line "),
        (log, &in_text("\"number\":19", "\"number\":99"), "REPLAY_DIFFERS: log.jsonl line "),
        (
            log,
            &in_text("\"tenant\":\"default\"", "\"tenant\":\"x\""),
            "TENANT_NOT_FOUND: log.jsonl line 4",
        ),
        (log, &in_text("\"properties\":{\"n\":5", "\"properties\":{\"n\":6"), "CONTENT_DIFFERS"),
        (log, &in_text("\"next_index\":", "\"next\":"), "REPLAY_DIFFERS: log.jsonl line "),
        (log, &in_text("\"birth\":1,\"id\"", "\"id\""), "REPLAY_DIFFERS: log.jsonl line "),
        (log, &in_text("\"deleted\":true", "\"deleted\":false"), "LINE_MALFORMED: log.jsonl line "),
    ]);
}

/// What a hash is over, part by part, as `docs/format/content.md` says.
#[derive(Default)]
struct Parts(Vec<u8>);

impl Parts {
    fn part(&mut self, part: u8) -> &mut Self {
        self.0.push(part);
        self
    }

    fn fixed(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.fixed(&(bytes.len() as u64).to_le_bytes()).fixed(bytes)
    }

    fn span(&mut self, from: Option<i64>, until: Option<i64>) -> &mut Self {
        for instant in [from, until] {
            match instant {
                Some(instant) => self.part(1).fixed(&instant.to_le_bytes()),
                None => self.part(0),
            };
        }
        self
    }

    fn hash(&self) -> String {
        blake3::hash(&self.0).to_string()
    }
}

fn payload(record: &Record, properties: &Json) -> Vec<u8> {
    let mut payload = Vec::new();
    encode_record(&Body { properties, ..record.body() }, &mut payload).unwrap();
    payload
}

/// A database that the hashes can be worked out for by hand.
struct Worked {
    db: Database,
    ada: Record,
    gone: Record,
    link: Record,
    schema: Vec<u8>,
}

fn worked() -> Worked {
    let world = ManualWorld::new(5);
    world.set(1_000);
    let store = Arc::new(Memory::new());
    let opened = Database::open(store, world.clone(), Settings::default(), "default");
    let db = block_on(opened).unwrap();
    block_on(async {
        for table in ["entities", "moments"] {
            db.drop_table(table).await?;
        }
        world.set(2_000);
        db.put("resources", named("Ada", 1)).await?;
        let gone = db.put("resources", named("gone", 2)).await?;
        world.set(3_000);
        let ada = db.update("resources", "Ada", json!({"n": 3})).await?;
        let link = db.link("resources/Ada", "knows", "resources/Bob", Link::default()).await?;
        world.set(4_000);
        db.link("resources/Ada", "knew", "resources/gone", Link::default()).await?;
        db.delete("resources", "gone").await?;
        let links = db.records("links", None, 10).await?;
        let link = links.into_iter().find(|known| known.id == link).unwrap();
        let mut schema = Vec::new();
        encode(&db.table("resources").await?.schema, &mut schema)?;
        Ok::<_, kenning_store::Error>(Worked { db: db.clone(), ada, gone, link, schema })
    })
    .unwrap()
}

/// The payload of a link, with names of tables.
fn linked(link: &Record) -> Vec<u8> {
    let mut said = link.properties.clone();
    for end in ["source", "target"] {
        said[end]["table"] = "resources".into();
    }
    payload(link, &said)
}

/// Changing this means changing the format.
#[test]
fn the_hash_of_a_content_is_that_of_the_specification() {
    let Worked { db, ada, gone, link, schema } = worked();
    let mut content = Parts::default();
    content.fixed(b"kenning content 1").part(1).bytes(b"default");
    content.part(2).bytes(b"resources").bytes(&schema);
    content.part(3).fixed(ada.id.as_bytes()).bytes(&payload(&ada, &ada.properties));
    content.part(4).fixed(gone.id.as_bytes()).fixed(&1_u32.to_le_bytes());
    content.part(5).fixed(link.id.as_bytes()).bytes(&linked(&link));
    assert_eq!(block_on(db.content_hash()).unwrap().to_string(), content.hash());
}

/// Changing this means changing the format.
#[test]
fn the_hash_of_a_history_is_that_of_the_specification() {
    let Worked { db, ada, gone, link, schema } = worked();
    // From the version on in which Ada had been put: what began before it has no begin.
    let first = block_on(db.history("resources", "Ada")).unwrap()[0].record.clone();
    block_on(db.prune(At::Version(first.version), false)).unwrap();
    let mut history = Parts::default();
    history.fixed(b"kenning history 1").part(1).bytes(b"default");
    history.part(2).bytes(b"resources").part(6).span(None, None).bytes(&schema);
    let mut states =
        [(&first, None, Some(3_000)), (&ada, Some(3_000), None), (&gone, Some(2_000), Some(4_000))];
    states.sort_by_key(|(record, ..)| record.id);
    for (record, from, until) in states {
        history.part(3).fixed(record.id.as_bytes()).span(from, until);
        history.bytes(&payload(record, &record.properties));
    }
    // The second link began and ended at one instant, but not in one version.
    let rows = block_on(db.log(link.version, 100)).unwrap();
    let then = At::Version(rows[0].version);
    let links = block_on(db.as_of(then)).unwrap();
    let links = block_on(links.records("links", None, 10)).unwrap();
    let short = links.into_iter().find(|known| known.id != link.id).unwrap();
    let mut links = [(&link, Some(3_000), None), (&short, Some(4_000), Some(4_000))];
    links.sort_by_key(|(record, ..)| record.id);
    for (record, from, until) in links {
        history.part(5).fixed(record.id.as_bytes()).span(from, until).bytes(&linked(record));
    }
    assert_eq!(block_on(db.history_hash()).unwrap().to_string(), history.hash());
}
