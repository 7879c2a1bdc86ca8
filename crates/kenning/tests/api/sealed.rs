//! Indexes over words and vectors: damage, models that fail, what is dropped and purged.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Waker};

use kenning::blocking::{Database, open_with};
use kenning::{Ask, BackupOptions, Draft, Embedder, Engine, Hashing, Json, Mode, Models, Options};
use kenning::{Error, ErrorKind, SealingLimits, Settings, json};

/// Options with which a few records become parts.
fn options() -> Options {
    let sealing = SealingLimits { rows_min: 4, changes_min: 2, part_rows: 100, parts_max: 3 };
    let settings = Settings { sealing, ..Settings::default() };
    let models = Models { default: Some("hashing-384".into()), ..Models::default() };
    Options { engine: Engine::Fjall, settings, models, ..Options::default() }
}

fn open(path: &Path) -> Database {
    open_with(path.to_str().unwrap(), options()).unwrap()
}

fn keyed(key: &str, properties: Json) -> Draft {
    Draft { key: Some(key.into()), ..Draft::from(properties) }
}

const WORDS: [&str; 6] = ["heron", "river", "reed", "safe", "boat", "dusk"];

/// Some notes, of which the index has parts.
fn fill(db: &Database) {
    let schema = json!({"x-kenning": {"embed": ["text"], "words": ["text"]}});
    db.create_table("notes", schema).unwrap();
    for n in 0..40_usize {
        let text = format!("{} {} {}", WORDS[n % 6], WORDS[n / 6 % 6], WORDS[(n * 5 + 1) % 6]);
        db.put("notes", keyed(&format!("k{n}"), json!({"text": text}))).unwrap();
    }
    db.delete("notes", "k3").unwrap();
    db.wait_indexed().unwrap();
    db.compact().unwrap();
}

/// What some searches find, with scores.
fn answers(db: &Database) -> Vec<(Option<String>, i64)> {
    let mut told = Vec::new();
    for mode in [Mode::Words, Mode::Vectors, Mode::Hybrid] {
        for question in ["heron river", "safe"] {
            let ask = Ask::text(question).table("notes").mode(mode).limit(100);
            let hits = db.search(&ask).unwrap().hits;
            assert!(!hits.is_empty(), "'{question}' by {} finds nothing", mode.name());
            told.extend(hits.into_iter().map(|it| (it.key, (it.score * 1e4).round() as i64)));
        }
    }
    told.sort();
    told
}

fn copy(source: &Path, target: &Path) {
    std::fs::create_dir_all(target).unwrap();
    for entry in std::fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        let to = target.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

fn parts(path: &Path) -> Vec<PathBuf> {
    let mut parts: Vec<PathBuf> =
        std::fs::read_dir(path.join("parts")).unwrap().map(|it| it.unwrap().path()).collect();
    parts.sort();
    parts
}

fn damage(db: &Database) -> Vec<Json> {
    db.stats().unwrap()["sealed_damage"].as_array().unwrap().clone()
}

#[test]
fn a_damaged_part_is_told_and_made_anew_and_no_answer_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let db = open(&whole);
    fill(&db);
    let expected = answers(&db);
    assert_eq!(damage(&db), Vec::<Json>::new());
    assert_eq!(db.verify().unwrap(), vec![]);
    db.close().unwrap();
    assert_eq!(parts(&whole).len(), 2, "one of words, one of vectors");
    for (part_idx, part) in parts(&whole).into_iter().enumerate() {
        let bytes = std::fs::read(&part).unwrap();
        let places = [0, 13, 30, 60, 200, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1];
        for (idx, place) in places.into_iter().map(Some).chain([None]).enumerate() {
            let path = folder.path().join(format!("damaged-{part_idx}-{idx}"));
            copy(&whole, &path);
            let part = path.join("parts").join(part.file_name().unwrap());
            match place {
                Some(place) => {
                    let mut bytes = bytes.clone();
                    bytes[place] ^= 4;
                    std::fs::write(&part, bytes).unwrap();
                }
                None => std::fs::remove_file(&part).unwrap(),
            }
            let db = open(&path);
            let code = if place.is_some() { "PART_DAMAGED" } else { "PART_MISSING" };
            let found = db.verify().unwrap();
            assert!(found.iter().any(|it| it.code == code), "{place:?}: {found:?}");
            assert_eq!(answers(&db), expected, "with byte {place:?} flipped");
            assert_eq!(damage(&db).len(), 1, "byte {place:?}: {:?}", damage(&db));
            db.compact().unwrap();
            assert_eq!(db.verify().unwrap(), vec![], "byte {place:?}");
            assert_eq!(answers(&db), expected, "made anew");
            db.close().unwrap();
            let db = open(&path);
            let explain = db.search(&Ask::text("heron").table("notes")).unwrap().explain;
            assert_eq!((explain.parts, explain.made), (2, 0), "{explain:?}");
            assert_eq!(damage(&db), Vec::<Json>::new());
            db.close().unwrap();
        }
    }
}

#[test]
fn a_damaged_part_is_in_no_backup() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let db = open(&path);
    fill(&db);
    let expected = answers(&db);
    db.close().unwrap();
    for part in parts(&path) {
        let mut bytes = std::fs::read(&part).unwrap();
        let place = bytes.len() / 2;
        bytes[place] ^= 1;
        std::fs::write(&part, bytes).unwrap();
    }
    let db = open(&path);
    let backups = folder.path().join("backups");
    let go_on = &mut |_: kenning::Copying| std::ops::ControlFlow::Continue(());
    db.backup(&backups, BackupOptions::default(), go_on).unwrap();
    assert_eq!(damage(&db).len(), 2);
    db.close().unwrap();
    let restored = folder.path().join("restored");
    kenning::blocking::restore(restored.to_str().unwrap(), &backups, None, go_on).unwrap();
    let db = open(&restored);
    assert_eq!(db.verify().unwrap(), vec![]);
    assert_eq!(answers(&db), expected);
    assert_eq!(damage(&db), Vec::<Json>::new());
}

#[test]
fn a_dropped_table_takes_its_parts_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let db = open(&path);
    fill(&db);
    assert_eq!(parts(&path).len(), 2);
    db.drop_table("notes").unwrap();
    db.wait_swept().unwrap();
    assert_eq!(parts(&path), Vec::<PathBuf>::new());
    assert_eq!(db.verify().unwrap(), vec![]);
    let embedded = |row: &Json| row["table"] == "notes";
    assert!(!db.stats().unwrap()["sealed"].as_array().unwrap().iter().any(embedded));
}

#[test]
fn compact_seals_every_tenant() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&folder.path().join("db"));
    db.create_tenant("other").unwrap();
    let other = db.tenant("other").unwrap();
    for n in 0..30 {
        other.put("resources", json!({"content": format!("note {n} of a heron")})).unwrap();
    }
    other.wait_indexed().unwrap();
    db.compact().unwrap();
    let explain = other.search(&Ask::text("heron")).unwrap().explain;
    assert_eq!((explain.parts, explain.tails), (2, 0), "{explain:?}");
}

#[test]
fn reindex_makes_parts_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let db = open(&path);
    fill(&db);
    let (before, expected) = (parts(&path), answers(&db));
    db.reindex("notes").unwrap();
    let after = parts(&path);
    assert_eq!(after.len(), 2);
    assert!(after.iter().all(|part| !before.contains(part)), "{before:?} {after:?}");
    assert_eq!(answers(&db), expected);
    assert_eq!(db.verify().unwrap(), vec![]);
}

/// A model that says when it is asked, and answers when it may.
struct Held {
    asked: Mutex<Sender<std::thread::ThreadId>>,
    may: Arc<May>,
}

/// Whether it may answer, and whether it can.
#[derive(Default)]
struct May {
    answer: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl May {
    fn set(&self, answer: bool, fails: bool) {
        *self.answer.lock().unwrap() = (answer, fails);
        self.changed.notify_all();
    }
}

impl Embedder for Held {
    fn model_id(&self) -> &str {
        "held"
    }

    fn dimensions(&self) -> usize {
        Hashing.dimensions()
    }

    fn windows(&self, text: &str) -> kenning::Result<Vec<std::ops::Range<usize>>> {
        Hashing.windows(text)
    }

    fn embed(&self, texts: &[&str]) -> kenning::Result<Vec<f32>> {
        // The test may have ended.
        let _ = self.asked.lock().unwrap().send(std::thread::current().id());
        let answer = self.may.answer.lock().unwrap();
        let answer = self.may.changed.wait_while(answer, |it| !it.0).unwrap();
        match answer.1 {
            true => Err(Error::new(ErrorKind::Unavailable, "MODEL_FAILED", "it is ill")),
            false => Hashing.embed(texts),
        }
    }
}

/// Options with a model that is held up.
fn held() -> (Options, Arc<May>, Receiver<std::thread::ThreadId>) {
    let (asked, told) = channel();
    let may = Arc::new(May::default());
    let held = Held { asked: Mutex::new(asked), may: Arc::clone(&may) };
    let mut options = options();
    options.models.own.push(Arc::new(held));
    (options, may, told)
}

fn held_table(model: &str) -> Json {
    json!({"x-kenning": {"model": model, "embed": ["text"], "words": ["text"]}})
}

#[test]
fn what_a_model_says_of_a_text_that_was_purged_meanwhile_is_not_stored() {
    for is_table_new in [true, false] {
        purge_while_a_model_reads(is_table_new);
    }
}

/// The model follows the log of a new table, or begins with the records of one that is there.
fn purge_while_a_model_reads(is_table_new: bool) {
    let (options, may, told) = held();
    let db = open_with("memory:", options).unwrap();
    let schema = if is_table_new { held_table("held") } else { json!({}) };
    db.create_table("notes", schema).unwrap();
    db.put("notes", keyed("secret", json!({"text": "where the treasure lies"}))).unwrap();
    if !is_table_new {
        db.alter_table("notes", held_table("held")).unwrap();
    }
    told.recv().unwrap();
    // It has the text now, and what it will say of it belongs to nobody any more.
    let purged = db.purge("notes", "secret").unwrap().unwrap();
    assert_eq!((purged.records, purged.is_held), (1, false));
    may.set(true, false);
    db.wait_indexed().unwrap();
    let bytes = |db: &Database| db.stats().unwrap()["bytes"]["tenant"]["vectors"].clone();
    assert_eq!(bytes(&db), 0, "{}", db.stats().unwrap());
    db.put("notes", keyed("open", json!({"text": "where the boat lies"}))).unwrap();
    db.wait_indexed().unwrap();
    assert!(bytes(&db).as_u64().unwrap() > 0);
    let ask = Ask::text("treasure").table("notes").mode(Mode::Vectors);
    let hits = db.search(&ask).unwrap().hits;
    assert_eq!(hits.iter().map(|it| it.key.as_deref()).collect::<Vec<_>>(), [Some("open")]);
    assert_eq!(db.verify().unwrap(), vec![]);
}

#[test]
fn a_text_that_another_record_shares_is_computed_again_after_a_purge() {
    let db = open_with("memory:", options()).unwrap();
    db.create_table("notes", held_table("hashing-384")).unwrap();
    for key in ["one", "two"] {
        db.put("notes", keyed(key, json!({"text": "the same words"}))).unwrap();
    }
    db.wait_indexed().unwrap();
    db.purge("notes", "one").unwrap().unwrap();
    db.wait_indexed().unwrap();
    assert_eq!(db.verify().unwrap(), vec![]);
    let ask = Ask::text("words").table("notes").mode(Mode::Vectors);
    let hits = db.search(&ask).unwrap().hits;
    assert_eq!(hits.iter().map(|it| it.key.as_deref()).collect::<Vec<_>>(), [Some("two")]);
}

#[test]
fn a_model_that_is_missing_or_fails_holds_up_its_own_table_only() {
    let (options, may, _told) = held();
    may.set(true, true);
    let db = open_with("memory:", options).unwrap();
    for (table, model) in [("well", "hashing-384"), ("ill", "held"), ("gone", "nowhere")] {
        db.create_table(table, held_table(model)).unwrap();
        db.put(table, keyed(table, json!({"text": "a heron stands"}))).unwrap();
    }
    db.wait_embedded("well").unwrap();
    let said = |error: Error| error.message().to_owned();
    assert!(said(db.wait_embedded("ill").unwrap_err()).starts_with("table 'ill':"));
    assert!(said(db.wait_embedded("gone").unwrap_err()).starts_with("table 'gone':"));
    db.wait_indexed().unwrap_err();
    let ask = |table: &str, mode| Ask::text("heron").table(table).mode(mode);
    assert_eq!(db.search(&ask("well", Mode::Vectors)).unwrap().hits.len(), 1);
    for table in ["ill", "gone"] {
        assert_eq!(db.search(&ask(table, Mode::Words)).unwrap().hits.len(), 1);
        let found = db.search(&ask(table, Mode::Hybrid)).unwrap();
        assert_eq!(found.hits.len(), 1);
        let said = &found.explain.missing;
        assert!(said.iter().any(|it| it.contains(&format!("table '{table}'"))), "{said:?}");
        let error = db.search(&ask(table, Mode::Vectors)).unwrap_err();
        assert!(error.message().starts_with(&format!("table '{table}':")), "{error}");
    }
    // Of all tables each that can answers.
    let mut all = ask("well", Mode::Vectors);
    all.tables.extend(["ill".to_owned(), "gone".to_owned()]);
    let found = db.search(&all).unwrap();
    assert_eq!((found.hits.len(), found.explain.missing.len()), (1, 2), "{:?}", found.explain);
    let failed = db.stats().unwrap()["embedding"]["failed"].clone();
    let mut tables: Vec<&String> = failed.as_object().unwrap().keys().collect();
    tables.sort();
    assert_eq!(tables, ["gone", "ill"]);
    // What is written later into the others is not held up either.
    db.put("well", keyed("more", json!({"text": "a boat"}))).unwrap();
    db.wait_embedded("well").unwrap();
    may.set(true, false);
    while db.wait_embedded("ill").is_err() {
        std::thread::yield_now();
    }
    assert_eq!(db.search(&ask("ill", Mode::Vectors)).unwrap().hits.len(), 1);
    // A table that asks for another model is looked at at once.
    db.alter_table("gone", held_table("hashing-384")).unwrap();
    db.wait_indexed().unwrap();
    assert_eq!(db.search(&ask("gone", Mode::Vectors)).unwrap().hits.len(), 1);
}

#[test]
fn a_model_that_is_missing_for_a_while_leaves_its_parts_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let (with, may, _told) = held();
    may.set(true, false);
    let url = path.to_str().unwrap();
    let db = open_with(url, with.clone()).unwrap();
    db.create_table("notes", held_table("held")).unwrap();
    for n in 0..20 {
        db.put("notes", json!({"text": format!("heron {n}")})).unwrap();
    }
    db.wait_indexed().unwrap();
    db.compact().unwrap();
    db.close().unwrap();
    let before = parts(&path);
    let db = open_with(url, options()).unwrap();
    db.put("notes", json!({"text": "a heron without a model"})).unwrap();
    let error = db.wait_embedded("notes").unwrap_err();
    assert!(error.message().starts_with("table 'notes':"), "{error}");
    db.compact().unwrap();
    let found = db.search(&Ask::text("heron").table("notes").limit(50)).unwrap();
    assert_eq!(found.hits.len(), 21);
    db.close().unwrap();
    assert!(before.iter().filter(|part| part.exists()).count() >= 1, "the vectors are there");
    let db = open_with(url, with).unwrap();
    db.wait_indexed().unwrap();
    let ask = Ask::text("heron").table("notes").mode(Mode::Vectors).limit(50);
    let found = db.search(&ask).unwrap();
    assert_eq!((found.hits.len(), found.explain.made), (21, 0), "{:?}", found.explain);
    assert_eq!(db.stats().unwrap()["embedding"]["texts_since_open"], 1);
    assert_eq!(db.verify().unwrap(), vec![]);
}

#[test]
fn a_question_is_asked_of_a_model_on_a_thread_that_may_wait() {
    let (options, may, told) = held();
    let db = kenning_store::block_on(kenning::open_with("memory:", options)).unwrap();
    kenning_store::block_on(db.create_table("notes", held_table("held"))).unwrap();
    let ask = Ask::text("heron").table("notes");
    let mut searched = pin!(db.search(&ask));
    let mut context = Context::from_waker(Waker::noop());
    let mut is_pending = || searched.as_mut().poll(&mut context).is_pending();
    // It comes back although the model does not, as often as it is looked at.
    let thread = loop {
        assert!(is_pending());
        if let Ok(thread) = told.try_recv() {
            break thread;
        }
    };
    assert_ne!(thread, std::thread::current().id());
    assert!(is_pending());
    may.set(true, false);
    let answer: kenning::Result<kenning::Answer> = kenning_store::block_on(searched);
    assert_eq!(answer.unwrap().hits.len(), 0);
}
