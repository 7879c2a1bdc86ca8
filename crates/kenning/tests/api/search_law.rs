//! A search answers the same whether its index followed every write or was made of records later.

use kenning::blocking::{Database, View, open_with};
use kenning::{Ask, At, Draft, Engine, Json, Mode, Models, Options, Predicate, json};
use proptest::prelude::*;

const TEXTS: [&str; 8] = [
    "a heron stands in the reeds",
    "herons fly over the river at dusk",
    "the ledger is in the safe",
    "a boat on the river",
    "the safe stands open",
    "reeds and rivers, boats and herons",
    "",
    "dusk",
];

const QUESTIONS: [&str; 5] = ["heron", "river boat", "safe ledger", "\"the river\"", "dusk -fly"];

fn open(path: &std::path::Path) -> Database {
    let models = Models { default: Some("hashing-384".into()), ..Models::default() };
    let options = Options { models, engine: Engine::Fjall, ..Options::default() };
    open_with(path.to_str().unwrap(), options).unwrap()
}

fn draft(key: usize, text: usize, kind: usize) -> Draft {
    // A source of its own for every third record, in which it stands by its key.
    let properties = json!({
        "content": TEXTS[text], "kind": kind, "uri": format!("s{}", key % 3), "ordinal": key,
    });
    Draft { key: Some(format!("k{key}")), ..Draft::from(properties) }
}

/// What is found, as far as it must not depend on how the index came to be.
fn answers(view: &View) -> Vec<Json> {
    let mut all = Vec::new();
    for question in QUESTIONS {
        for mode in [Mode::Words, Mode::Vectors, Mode::Hybrid] {
            for filter in [None, Some("kind = 1")] {
                let mut ask = Ask::text(question).mode(mode).limit(50);
                ask.filter = filter.map(|it| Predicate::parse(it).unwrap());
                let hits = view.search(&ask).unwrap().hits;
                let told = hits.iter().map(|hit| {
                    let score = (f64::from(hit.score) * 1e4).round();
                    json!([hit.key, hit.version, score, hit.why.len()])
                });
                let mut told: Vec<Json> = told.collect();
                // Hits of one score stand in the order of their ids, rounding may split them.
                told.sort_by_key(|hit| hit.to_string());
                all.push(json!([question, mode.name(), filter, told]));
            }
        }
    }
    all
}

#[derive(Clone, Debug)]
enum Step {
    Put(usize, usize, usize),
    Delete(usize),
    Look,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0..12usize, 0..TEXTS.len(), 0..3usize).prop_map(|(k, t, n)| Step::Put(k, t, n)),
        2 => (0..12usize).prop_map(Step::Delete),
        1 => Just(Step::Look),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_followed_index_answers_as_one_that_is_made(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let db = open(&path);
        let mut looked: Vec<(u64, Vec<Json>)> = Vec::new();
        for step in steps.iter().chain([&Step::Look]) {
            match step {
                Step::Put(key, text, kind) => {
                    db.put("resources", draft(*key, *text, *kind)).unwrap();
                }
                Step::Delete(key) => drop(db.delete("resources", &format!("k{key}")).unwrap()),
                Step::Look => {
                    db.wait_indexed().unwrap();
                    let view = db.view().unwrap();
                    looked.push((view.version(), answers(&view)));
                }
            }
        }
        // What the pieces still tell of the past, while they are there.
        for (version, then) in &looked {
            prop_assert_eq!(&answers(&db.as_of(At::Version(*version)).unwrap()), then);
        }
        db.close().unwrap();
        let db = open(&path);
        for (version, then) in &looked {
            prop_assert_eq!(&answers(&db.as_of(At::Version(*version)).unwrap()), then);
        }
    }
}

/// Notes enough for parts, some of them changed and some deleted since.
fn many(db: &Database) {
    let schema = json!({"x-kenning": {
        "key": "k", "model": "hashing-384", "embed": ["text"], "words": ["text"],
    }});
    db.create_table("notes", schema).unwrap();
    const WORDS: [&str; 12] = [
        "heron", "river", "reed", "safe", "boat", "dusk", "ledger", "island", "storm", "lamp",
        "harbor", "letter",
    ];
    let text = |n: usize| {
        let word = |at: usize| WORDS[(n / 7usize.pow(at as u32) + at * n) % WORDS.len()];
        format!("{} {} {} number{}", word(0), word(1), word(2), n)
    };
    for first in (0..12_000).step_by(2_000) {
        let drafts = (first..first + 2_000)
            .map(|n| Draft::from(json!({"k": n.to_string(), "text": text(n)})));
        db.put_many("notes", drafts.collect()).unwrap();
    }
    let changed = (0..12_000)
        .step_by(10)
        .map(|n| Draft::from(json!({"k": n.to_string(), "text": text(n + 1)})));
    db.put_many("notes", changed.collect()).unwrap();
    for n in (5..12_000).step_by(1_000) {
        db.delete("notes", &n.to_string()).unwrap();
    }
    db.wait_indexed().unwrap();
}

fn ask(text: &str, mode: Mode) -> Ask {
    Ask::text(text).table("notes").mode(mode).limit(20)
}

/// Whose the hits are, and their scores as far as rounding leaves them alone.
fn told(db: &Database, ask: &Ask) -> Vec<(Option<String>, i64)> {
    let hits = db.search(ask).unwrap().hits;
    hits.into_iter().map(|hit| (hit.key, (hit.score * 1e4).round() as i64)).collect()
}

#[test]
fn parts_answer_as_records_do_and_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let db = open(&path);
    many(&db);
    let questions = ["heron river", "number77", "storm lamp harbor", "number5005"];
    let before: Vec<_> = questions.iter().map(|q| told(&db, &ask(q, Mode::Words))).collect();
    assert!(before[1].iter().any(|(key, _)| key.as_deref() == Some("77")), "{:?}", before[1]);
    assert!(before[3].is_empty(), "it was deleted: {:?}", before[3]);
    db.compact().unwrap();
    let explain = db.search(&ask("heron", Mode::Hybrid)).unwrap().explain;
    assert_eq!((explain.parts, explain.tails, explain.made), (2, 0, 0), "{explain:?}");
    // Of the question, and of the first hit.
    assert_eq!((explain.graphs, explain.scans), (2, 0), "{explain:?}");
    let after: Vec<_> = questions.iter().map(|q| told(&db, &ask(q, Mode::Words))).collect();
    assert_eq!(after, before);
    for question in questions {
        let near = told(&db, &ask(question, Mode::Vectors));
        let mut exact = ask(question, Mode::Vectors);
        exact.exact = true;
        let answer = db.search(&exact).unwrap();
        assert_eq!((answer.explain.graphs, answer.explain.scans), (0, 1));
        let exact = told(&db, &exact);
        let found = exact.iter().filter(|hit| near.iter().any(|it| it.1 >= hit.1)).count();
        assert!(found * 100 >= exact.len() * 95, "{question}: {found} of {}", exact.len());
    }
    // A change is found at once, beside the parts.
    db.put("notes", json!({"k": "7", "text": "a pelican"})).unwrap();
    let pelican = db.search(&ask("pelican", Mode::Words)).unwrap();
    assert_eq!(pelican.hits.len(), 1);
    assert_eq!((pelican.explain.parts, pelican.explain.tails), (1, 1));
    let before: Vec<_> = questions.iter().map(|q| told(&db, &ask(q, Mode::Words))).collect();
    db.close().unwrap();
    let db = open(&path);
    let explain = db.search(&ask("heron", Mode::Hybrid)).unwrap().explain;
    assert_eq!((explain.parts, explain.made), (2, 0), "{explain:?}");
    assert_eq!(told(&db, &ask("pelican", Mode::Words)).len(), 1);
    for (question, before) in questions.iter().zip(&before) {
        assert_eq!(&told(&db, &ask(question, Mode::Words)), before, "{question}");
    }
    assert_eq!(db.verify().unwrap(), vec![]);
    // What was indexed of a record goes with it.
    let word = "number4325";
    assert_eq!(told(&db, &ask(word, Mode::Words)).len(), 1);
    db.purge("notes", "4325").unwrap();
    assert!(told(&db, &ask(word, Mode::Words)).is_empty());
    db.close().unwrap();
    let left =
        std::process::Command::new("grep").args(["-rlaF", word]).arg(&path).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}
