//! Finding by meaning and by words.

use kenning::blocking::{Database, open_with};
use kenning::{Ask, At, Draft, Mode, Models, Options, Predicate, json};

fn memory() -> Database {
    let models = Models { default: Some("hashing-384".into()), ..Models::default() };
    open_with("memory:", Options { models, ..Options::default() }).unwrap()
}

fn content(text: &str) -> kenning::Json {
    json!({"content": text})
}

fn keyed(key: &str, properties: kenning::Json) -> Draft {
    Draft { key: Some(key.into()), ..Draft::from(properties) }
}

fn texts(db: &Database, ask: &Ask) -> Vec<String> {
    db.search(ask).unwrap().hits.into_iter().map(|hit| hit.text).collect()
}

fn words(text: &str) -> Ask {
    Ask::text(text).mode(Mode::Words)
}

#[test]
fn a_writer_finds_at_once_what_it_wrote() {
    let db = memory();
    assert_eq!(texts(&db, &words("heron")), Vec::<String>::new());
    db.put("resources", content("A heron stands in the reeds.")).unwrap();
    assert_eq!(texts(&db, &words("heron")), ["A heron stands in the reeds."]);
    db.put("resources", content("Two herons fly.")).unwrap();
    assert_eq!(texts(&db, &words("herons")).len(), 2);
}

#[test]
fn what_changed_is_found_as_it_is_and_as_it_was() {
    let db = memory();
    let first = db.put("resources", keyed("a", content("The ledger is blue."))).unwrap();
    db.put("resources", keyed("a", content("The ledger is green."))).unwrap();
    assert_eq!(texts(&db, &words("ledger")), ["The ledger is green."]);
    assert_eq!(texts(&db, &words("blue")), Vec::<String>::new());
    let then = db.as_of(At::Version(first.version)).unwrap();
    let hits = then.search(&words("blue")).unwrap().hits;
    assert_eq!(hits[0].text, "The ledger is blue.");
    assert!(then.search(&words("green")).unwrap().hits.is_empty());
    db.delete("resources", "a").unwrap();
    assert_eq!(texts(&db, &words("ledger")), Vec::<String>::new());
}

#[test]
fn meaning_is_found_once_it_was_computed() {
    let db = memory();
    db.put("resources", content("boats on the river")).unwrap();
    db.put("resources", content("tax law and ledgers")).unwrap();
    db.wait_indexed().unwrap();
    let answer = db.search(&Ask::text("a boat, a river").mode(Mode::Vectors)).unwrap();
    assert_eq!(answer.hits.len(), 2);
    assert_eq!(answer.hits[0].text, "boats on the river");
    let hit = &answer.hits[0];
    assert!((hit.score - (1.0 - hit.distance.unwrap())).abs() < 1e-6);
    let hybrid = db.search(&Ask::text("boat").limit(1)).unwrap();
    assert_eq!(hybrid.hits[0].text, "boats on the river");
    assert_eq!(hybrid.hits[0].why.len(), 2, "{:?}", hybrid.hits[0].why);
}

#[test]
fn a_transaction_finds_what_it_has_written_itself() {
    let db = memory();
    db.put("resources", keyed("a", content("old heron"))).unwrap();
    db.put("resources", keyed("b", content("other heron"))).unwrap();
    let mut transaction = db.begin().unwrap();
    transaction.put("resources", keyed("a", content("new heron"))).unwrap();
    transaction.put("resources", keyed("c", content("third heron"))).unwrap();
    transaction.delete("resources", "b").unwrap();
    let hits = transaction.search(&words("heron")).unwrap().hits;
    let mut found: Vec<&str> = hits.iter().map(|hit| hit.text.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, ["new heron", "third heron"]);
    assert_eq!(texts(&db, &words("heron")).len(), 2);
    transaction.commit().unwrap();
    let mut found = texts(&db, &words("heron"));
    found.sort_unstable();
    assert_eq!(found, ["new heron", "third heron"]);
}

#[test]
fn a_search_in_a_transaction_conflicts_with_who_writes_what_it_would_find() {
    let db = memory();
    db.put("resources", keyed("a", content("old heron"))).unwrap();
    let mut transaction = db.begin().unwrap();
    assert_eq!(transaction.search(&words("heron")).unwrap().hits.len(), 1);
    transaction.put("entities", json!({"name": "counted"})).unwrap();
    db.put("resources", keyed("b", content("new heron"))).unwrap();
    assert_eq!(transaction.commit().unwrap_err().kind(), kenning::ErrorKind::Conflict);
}

#[test]
fn a_filter_lets_through_what_it_says() {
    let db = memory();
    let schema =
        json!({"x-kenning": {"indexed": ["kind"], "model": "hashing-384", "embed": ["text"]}});
    db.create_table("notes", schema).unwrap();
    for n in 0..200 {
        let kind = if n % 10 == 0 { "rare" } else { "common" };
        let text = format!("note {n} about herons");
        db.put("notes", json!({"n": n, "kind": kind, "text": text})).unwrap();
    }
    db.wait_indexed().unwrap();
    for mode in [Mode::Hybrid, Mode::Words, Mode::Vectors] {
        for (filter, expected) in [("kind = 'rare'", 20), ("n < 7", 7), ("n < 0", 0)] {
            let filter = Predicate::parse(filter).unwrap();
            let ask = Ask::text("herons").mode(mode).filter(filter).limit(100);
            assert_eq!(db.search(&ask).unwrap().hits.len(), expected, "{mode:?} {:?}", ask.filter);
            let again = db.search(&ask).unwrap();
            assert_eq!(again.hits.len(), expected, "{mode:?} {:?}", ask.filter);
            assert!(again.explain.filter_known, "{mode:?} {:?}", again.explain);
        }
    }
}

#[test]
fn vectors_of_ones_own_are_found_by_vectors() {
    let db = memory();
    let schema = json!({"x-kenning": {"vectors": {"v": {"dimensions": 3, "metric": "l2"}}}});
    db.create_table("points", schema).unwrap();
    for (name, v) in [("a", [0.0, 0.0, 1.0]), ("b", [0.0, 5.0, 0.0]), ("c", [1.0, 0.0, 1.0])] {
        db.put("points", keyed(name, json!({"v": v}))).unwrap();
    }
    db.put("points", keyed("without", json!({}))).unwrap();
    let mut ask = Ask::vector(vec![0.0, 0.0, 0.9]).table("points");
    ask.vectors = Some("v".into());
    let hits = db.search(&ask).unwrap().hits;
    let keys: Vec<_> = hits.iter().map(|hit| hit.key.as_deref().unwrap()).collect();
    assert_eq!(keys, ["a", "c", "b"]);
    assert!((hits[1].distance.unwrap() - 1.01).abs() < 1e-5);
    let code = |v: kenning::Json| db.put("points", json!({"v": v})).unwrap_err().code().to_owned();
    assert_eq!(code(json!([1.0])), "DIMENSION_MISMATCH");
    assert_eq!(code(json!("x")), "SCHEMA_VIOLATION");
    assert_eq!(code(json!([1.0, 1e300, 0.0])), "VECTOR_NOT_FINITE");
    ask.vector = Some(vec![1.0]);
    assert_eq!(db.search(&ask).unwrap_err().code(), "DIMENSION_MISMATCH");
    ask.vector = Some(vec![f32::NAN, 0.0, 0.0]);
    assert_eq!(db.search(&ask).unwrap_err().code(), "VECTOR_NOT_FINITE");
}

#[test]
fn bad_questions_are_refused() {
    let db = memory();
    db.put("resources", content("x")).unwrap();
    let code = |ask: Ask| db.search(&ask).unwrap_err().code().to_owned();
    assert_eq!(code(Ask::text("  ")), "QUESTION_EMPTY");
    assert_eq!(code(Ask::text("a".repeat(70_000))), "QUESTION_TOO_LONG");
    assert_eq!(code(Ask::text("a").limit(1_000_000_000)), "HITS_TOO_MANY");
    assert_eq!(code(Ask::text("a").table("nowhere")), "TABLE_NOT_FOUND");
    assert_eq!(code(Ask::text("a").table("links")), "SYSTEM_TABLE");
    assert_eq!(code(Ask::vector(vec![0.0; 384])), "VECTOR_ZERO");
    assert_eq!(code(Ask::text("a").table("entities").mode(Mode::Vectors)), "VECTORS_MISSING");
    assert!(db.search(&Ask::text("a").limit(0)).unwrap().hits.is_empty());
    for text in [
        "\"",
        "+",
        "-",
        "+-\"~*",
        "\u{0}",
        "\u{1f9a9}",
        "\u{6c34}\u{9ce5}",
        "a AND OR NOT (",
        "-heron",
    ] {
        db.search(&words(text)).unwrap();
    }
}

#[test]
fn hits_come_from_ones_own_tenant_only() {
    let db = memory();
    db.create_tenant("other").unwrap();
    let other = db.tenant("other").unwrap();
    db.put("resources", content("my heron")).unwrap();
    other.put("resources", content("their heron")).unwrap();
    assert_eq!(texts(&db, &words("heron")), ["my heron"]);
    assert_eq!(texts(&other, &words("heron")), ["their heron"]);
}

#[test]
fn neighbours_count_where_a_unit_stands_in_its_source() {
    let db = memory();
    let unit = |uri: &str, ordinal: u32, text: &str| {
        db.put("resources", json!({"uri": uri, "ordinal": ordinal, "content": text})).unwrap();
    };
    unit("talk", 0, "Where did the heron go?");
    unit("talk", 1, "To the island.");
    unit("talk", 9, "To the island.");
    unit("talk", 2, "When?");
    let hits = db.search(&Ask::text("heron island")).unwrap().hits;
    let at = |text: &str| hits.iter().position(|hit| hit.text.contains(text));
    assert!(at("Where").unwrap() < 2, "{hits:#?}");
    let island: Vec<f32> =
        hits.iter().filter(|hit| hit.text.contains("island")).map(|hit| hit.score).collect();
    assert!(island[0] > island[1], "{hits:#?}");
}

#[test]
fn words_are_read_in_the_language_of_their_table() {
    let db = memory();
    let notes = |name: &str, language: &str| {
        let schema = json!({"x-kenning": {"key": "name", "language": language}});
        db.create_table(name, schema).unwrap();
        let draft = json!({"name": name, "text": "alte H\u{e4}user am Fluss, running water"});
        db.put(name, draft).unwrap();
    };
    notes("notizen", "de");
    notes("notes", "en");
    notes("words", "none");
    let tables = |text: &str| -> Vec<String> {
        let hits = db.search(&words(text).limit(10)).unwrap().hits;
        let mut tables: Vec<String> = hits.into_iter().map(|hit| hit.table).collect();
        tables.sort();
        tables
    };
    assert_eq!(tables("Haus"), ["notizen"]);
    assert_eq!(tables("runs"), ["notes"]);
    assert_eq!(tables("water"), ["notes", "notizen", "words"]);
    let hit = &db.search(&Ask { highlights: true, ..words("Haus") }).unwrap().hits[0];
    assert_eq!(&hit.text[hit.highlights[0].clone()], "H\u{e4}user");
    // Another language is another index; what was written is found by it.
    db.alter_table("words", json!({"x-kenning": {"key": "name", "language": "de"}})).unwrap();
    db.wait_indexed().unwrap();
    assert_eq!(tables("Haus"), ["notizen", "words"]);
    let refused = |language: &str| {
        let schema = json!({"x-kenning": {"language": language}});
        db.create_table("more", schema).unwrap_err().code().to_owned()
    };
    assert_eq!(refused("tlh"), "LANGUAGE_UNKNOWN");
    assert_eq!(refused("German!"), "SCHEMA_MALFORMED");
}
