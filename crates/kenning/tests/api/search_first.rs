//! What a hybrid search adds to words and vectors: names, the first hit, what stands around.

use kenning::blocking::{Database, open_with};
use kenning::{Answer, Arm, Ask, Draft, Hit, Json, Mode, Models, Options, Predicate, json};

fn memory() -> Database {
    let models = Models { default: Some("hashing-384".into()), ..Models::default() };
    open_with("memory:", Options { models, ..Options::default() }).unwrap()
}

/// A table of ships and people: each has a name and a text.
fn club(rows: &[(&str, &str)]) -> Database {
    let db = memory();
    let schema = json!({"x-kenning": {
        "model": "hashing-384", "embed": ["name", "text"], "words": ["name", "text"],
    }});
    db.create_table("club", schema).unwrap();
    for (name, text) in rows {
        db.put("club", json!({"name": name, "text": text})).unwrap();
    }
    db.wait_indexed().unwrap();
    db
}

const ROWS: [(&str, &str); 6] = [
    ("Heron", "A cutter of oak, built by Nils Aaker in her first yard."),
    ("Nils Aaker", "Born in Bergen, he went to sea at twelve."),
    ("Olga Brandt", "Born in Kiel, she went to sea at twenty."),
    ("Curlew", "A cutter of pine, built by nobody whom anybody knows."),
    ("Bergen", "A town of rain and wood."),
    ("it", "The word itself."),
];

fn search(db: &Database, text: &str) -> Answer {
    db.search(&Ask::text(text)).unwrap()
}

fn name(db: &Database, hit: &Hit) -> String {
    let record = db.get("club", &hit.id.to_string()).unwrap().unwrap();
    record.properties["name"].as_str().unwrap().to_owned()
}

fn of<'a>(db: &Database, answer: &'a Answer, wanted: &str) -> &'a Hit {
    answer.hits.iter().find(|hit| name(db, hit) == wanted).unwrap()
}

fn part(hit: &Hit, arm: Arm) -> Option<f32> {
    hit.why.iter().find(|why| why.arm == arm).map(|why| why.part)
}

#[test]
fn whom_the_first_hit_names_is_found_though_the_question_has_none_of_its_words() {
    let db = club(&ROWS);
    let answer = search(&db, "who built the cutter of oak?");
    assert_eq!(name(&db, &answer.hits[0]), "Heron");
    let aaker = of(&db, &answer, "Nils Aaker");
    assert!(part(aaker, Arm::Named).is_some_and(|part| part > 0.1), "{:?}", answer.hits);
    assert!(of(&db, &answer, "Olga Brandt").score < aaker.score, "{:?}", answer.hits);
    assert_eq!(part(of(&db, &answer, "Curlew"), Arm::Named), None);
    assert_eq!(answer.explain.named, 1, "{:?}", answer.explain);
    // Neither words nor vectors alone know of it.
    for mode in [Mode::Words, Mode::Vectors] {
        let answer = db.search(&Ask::text("who built the cutter of oak?").mode(mode)).unwrap();
        assert_eq!((answer.explain.named, answer.explain.alike), (0, 0));
        assert!(answer.hits.iter().all(|hit| hit.why.len() == 1 && hit.why[0].part == hit.score));
    }
}

#[test]
fn whom_the_question_names_has_a_part_for_it_that_who_has_its_words_has_not() {
    let db = club(&[
        ("The Old Harbor", "Stones and nets."),
        ("a", "The harbor is old, an old harbor, as old as any harbor."),
        ("b", "Old nets."),
    ]);
    let answer = search(&db, "what lies at the old harbor?");
    let named = part(of(&db, &answer, "The Old Harbor"), Arm::Named);
    assert!(named.is_some_and(|part| part > 0.1), "{:?}", answer.hits);
    assert_eq!(part(of(&db, &answer, "a"), Arm::Named), None);
    let answer = search(&db, "-\"the old harbor\" nets");
    assert!(answer.hits.iter().all(|hit| part(hit, Arm::Named).is_none()), "{:?}", answer.hits);
}

#[test]
fn what_is_like_the_first_hit_comes_before_what_is_not() {
    let db = club(&[
        ("", "zebra finch plumage seeds"),
        ("", "finch plumage seeds wings"),
        ("", "tax forms and ledgers"),
    ]);
    let answer = search(&db, "zebra");
    assert!(answer.explain.alike > 0, "{:?}", answer.explain);
    assert_eq!(answer.hits[0].text, "zebra finch plumage seeds");
    assert_eq!(answer.hits[1].text, "finch plumage seeds wings");
    assert!(part(&answer.hits[1], Arm::Alike).is_some_and(|part| part > 0.1));
}

#[test]
fn what_stands_around_supports_what_it_stands_around() {
    let db = memory();
    let turns = ["the zebra crossed", "yes", "and then it rained", "far away", "yes"];
    for (source, text) in turns.iter().enumerate().map(|(n, text)| (n / 3, text)) {
        let ordinal = db.find("resources", kenning::Filter::default()).unwrap().len();
        db.put(
            "resources",
            json!({"uri": source.to_string(), "ordinal": ordinal, "content": text}),
        )
        .unwrap();
    }
    db.wait_indexed().unwrap();
    let answer = search(&db, "zebra crossed");
    let around = |text: &str| {
        let hits = answer.hits.iter().filter(|hit| hit.text == text);
        hits.map(|hit| (part(hit, Arm::Window), part(hit, Arm::Around))).collect::<Vec<_>>()
    };
    assert!(matches!(around("yes")[0], (Some(_), Some(_))), "{:?}", answer.hits);
    assert!(around("far away").iter().all(|(window, _)| window.is_none()));
}

#[test]
fn the_parts_of_a_hit_are_its_score() {
    let db = club(&ROWS);
    for question in ["who built the cutter of oak?", "bergen", "sea", "nothing of that", "Nils"] {
        for hit in search(&db, question).hits {
            let sum: f32 = hit.why.iter().map(|why| why.part).sum();
            assert!((sum - hit.score).abs() < 1e-6, "{question}: {hit:?}");
            assert!(hit.score > 0.0 && hit.score < 1.000_001, "{question}: {hit:?}");
            assert!(hit.why.iter().all(|why| why.part > 0.0 && why.rank > 0));
            let told: Json = hit.to_json();
            assert_eq!(told["why"].as_array().unwrap().len(), hit.why.len());
        }
    }
}

#[test]
fn what_has_nothing_of_the_question_is_no_hit() {
    let db = memory();
    let schema = json!({"x-kenning": {"vectors": {"v": {"dimensions": 2}}, "words": ["text"]}});
    db.create_table("points", schema).unwrap();
    for (text, v) in [("here", [1.0, 0.0]), ("beside", [0.0, 1.0]), ("behind", [-1.0, 0.0])] {
        db.put("points", json!({"text": text, "v": v})).unwrap();
    }
    let mut ask = Ask::text("here").table("points");
    (ask.vector, ask.vectors) = (Some(vec![1.0, 0.0]), Some("v".into()));
    let hits = db.search(&ask).unwrap().hits;
    assert_eq!(hits.iter().map(|hit| hit.text.as_str()).collect::<Vec<_>>(), ["here"]);
    // By vectors alone every one has its place.
    assert_eq!(db.search(&Ask { mode: Mode::Vectors, ..ask }).unwrap().hits.len(), 3);
}

#[test]
fn what_a_filter_leaves_out_or_a_view_does_not_show_is_not_named_either() {
    let db = club(&ROWS);
    let question = "who built the cutter of oak?";
    assert_eq!(search(&db, question).explain.named, 1);
    let filter = Predicate::parse("name <> 'Nils Aaker'").unwrap();
    let answer = db.search(&Ask::text(question).filter(filter)).unwrap();
    assert!(answer.hits.iter().all(|hit| name(&db, hit) != "Nils Aaker"));
    assert_eq!(answer.explain.named, 0);
    let before = db.view().unwrap();
    let aaker = of(&db, &search(&db, question), "Nils Aaker").id;
    db.delete("club", &aaker.to_string()).unwrap();
    assert!(search(&db, question).hits.iter().all(|hit| hit.id != aaker));
    let then = before.search(&Ask::text(question)).unwrap();
    assert!(then.hits.iter().any(|hit| hit.id == aaker && part(hit, Arm::Named).is_some()));
    // Who comes back, in a transaction that is open, is named in it.
    let mut transaction = db.begin().unwrap();
    transaction.put("club", Draft::from(json!({"name": "Nils Aaker", "text": "Again."}))).unwrap();
    let staged = transaction.search(&Ask::text(question)).unwrap();
    assert!(staged.hits.iter().any(|hit| hit.text == "Again." && part(hit, Arm::Named).is_some()));
}
