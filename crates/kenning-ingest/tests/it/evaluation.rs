//! Sets of questions: what is read, what is refused, what becomes of it.

use std::path::Path;

use kenning_ingest::evaluation::{Gold, QuestionSet, SetRow};
use kenning_record::Json;
use kenning_store::{Error, Result, block_on};
use serde_json::json;
use tempfile::TempDir;

use crate::Place;

/// A made-up story: two people talk about a boat. Some lines are put together here.
const TALK: &str = concat!(
    r#"{"_id": "t1", "title": "", "text": "The Heron leaks.", "metadata": {"#,
    r#""conversation": "boat", "session": 1, "speaker": "Ida", "date": "May 1"}}"#,
    "\n\n",
    r#"{"_id": "t2", "text": "Since when?", "metadata": {"#,
    r#""conversation": "boat", "session": 1, "speaker": "Jo"}}"#,
    "\n",
    r#"{"_id": "t3", "text": "I have paint.", "metadata": {"#,
    r#""conversation": "boat", "session": 2, "date": "May 2"}}"#,
    "\n",
    r#"{"_id": "n1", "title": " Paint ", "text": "Paint keeps water out."}"#,
    "\n",
);
const ASKED: &str = concat!(
    r#"{"_id": "q1", "text": "what leaks?", "filter": {"conversation": "boat", "a.b": 1}}"#,
    "\n",
    r#"{"_id": "q2", "text": "what is paint for?"}"#,
    "\n",
    r#"{"_id": "q3", "text": "nobody knows"}"#,
    "\n",
);
const GRADES: &str = "query-id\tcorpus-id\tscore\nq1\tt1\t1\nq2\tn1\t3\r\nq2\tt3\t1\nq2\tt3\t0\n";

fn folder(corpus: &str, queries: &str, qrels: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files = [("corpus.jsonl", corpus), ("queries.jsonl", queries), ("qrels.tsv", qrels)];
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

fn read(corpus: &str, queries: &str, qrels: &str) -> Result<QuestionSet> {
    QuestionSet::read(folder(corpus, queries, qrels).path())
}

fn refusal(read: Result<QuestionSet>) -> Error {
    read.expect_err("it is damaged")
}

#[test]
fn a_row_has_a_header_a_source_and_its_place_there() {
    let set = read(TALK, ASKED, GRADES).unwrap();
    let about = |row: &SetRow| (row.header.clone(), row.source.clone(), row.ordinal, row.chars());
    let rows: Vec<_> = set.rows.iter().map(about).collect();
    let expected = [
        ("Ida (May 1)", "boat/1", 0, 11 + 2 + 16),
        ("Jo", "boat/1", 1, 2 + 2 + 11),
        ("May 2", "boat/2", 0, 5 + 2 + 13),
        ("Paint", "n1", 0, 5 + 2 + 22),
    ];
    assert_eq!(rows, expected.map(|(h, s, ordinal, chars)| (h.into(), s.into(), ordinal, chars)));
    let draft = set.rows[1].draft();
    assert_eq!((draft.id, draft.key), (None, None));
    let metadata = json!({"conversation": "boat", "session": 1, "speaker": "Jo"});
    assert_eq!(
        draft.properties,
        json!({"name": "Jo", "uri": "boat/1", "ordinal": 1, "content": "Since when?",
               "metadata": metadata})
    );
}

#[test]
fn a_question_without_an_answer_is_left_out_and_the_last_grade_counts() {
    let set = read(TALK, ASKED, GRADES).unwrap();
    assert_eq!(set.questions.len(), 2);
    assert_eq!(set.questions[0].gold, Gold::from([(0, 1.0)]));
    assert_eq!(set.questions[1].gold, Gold::from([(3, 3.0)]));
    let filter = [
        ("metadata.a\\.b".to_owned(), json!(1)),
        ("metadata.conversation".to_owned(), json!("boat")),
    ];
    assert_eq!(set.questions[0].filter, filter);
    assert!(read(TALK, ASKED, "q1\tt1\t1\n").is_ok(), "a head is not needed");
}

#[test]
fn a_set_is_stored_as_any_records_are() {
    let set = read(TALK, ASKED, GRADES).unwrap();
    let place = Place::new();
    let table = block_on(place.database.table("resources")).unwrap();
    let schema = set.schema(table.schema, Some("some-model"));
    assert_eq!(schema["x-kenning"]["model"], "some-model");
    block_on(place.database.alter_table("resources", schema)).unwrap();
    for row in &set.rows {
        block_on(place.database.put("resources", row.draft())).unwrap();
    }
    let indexes = block_on(place.database.table("resources")).unwrap().indexes;
    let paths: Vec<String> = indexes.iter().map(|index| index.paths.join(" + ")).collect();
    assert_eq!(paths, ["uri + ordinal", "metadata.a\\.b", "metadata.conversation"]);
}

#[test]
fn what_is_wrong_is_told_with_its_file_and_line() {
    let line = r#"{"_id": "z", "text": "z"}"#;
    let twice = format!("{line}\n\n{line}\n");
    let cases: &[(&str, &str, &str, &str, &str)] = &[
        ("{\"text\": \"a\"}\n", ASKED, GRADES, "SET_MALFORMED", "corpus.jsonl, line 1: '_id'"),
        ("{\"_id\": \"\", \"text\": \"\"}", ASKED, GRADES, "SET_MALFORMED", "'_id' is empty"),
        ("{\"_id\": \"a\"}\n", ASKED, GRADES, "SET_MALFORMED", "'text' is missing"),
        ("[]\n", ASKED, GRADES, "NOT_AN_OBJECT", "corpus.jsonl, line 1: "),
        (&twice, ASKED, GRADES, "SET_MALFORMED", "corpus.jsonl, line 3: the id 'z' comes twice"),
        (TALK, &twice, GRADES, "SET_MALFORMED", "queries.jsonl, line 3: the id 'z'"),
        (TALK, "{\"_id\": \"q\"", GRADES, "JSON_MALFORMED", "queries.jsonl, line 1: not JSON"),
        (TALK, ASKED, "q1\tt1\t1\nq1\tt1\n", "SET_MALFORMED", "qrels.tsv, line 2: not a question"),
        (TALK, ASKED, "q1\tt1\tgood\n", "SET_MALFORMED", "qrels.tsv, line 1: 'good' is no grade"),
        (TALK, ASKED, "q1\tt1\t-1\n", "SET_MALFORMED", "'-1' is no grade"),
        (TALK, ASKED, "q1\tt1\tinf\n", "SET_MALFORMED", "'inf' is no grade"),
        (TALK, ASKED, "q1\tt9\t1\n", "SET_UNKNOWN_ID", "line 1: row 't9' is not in corpus.jsonl"),
        (TALK, ASKED, "q9\tt1\t1\n", "SET_UNKNOWN_ID", "question 'q9' is not in queries.jsonl"),
        (TALK, ASKED, "query-id\tcorpus-id\tscore\n", "SET_EMPTY", "has an answer"),
        ("", "", "", "SET_EMPTY", "has an answer"),
    ];
    for (corpus, queries, qrels, code, message) in cases {
        let error = refusal(read(corpus, queries, qrels));
        assert_eq!(error.code(), *code, "{error}");
        assert!(error.message().contains(message), "{error} does not say '{message}'");
    }
    let metadata =
        |metadata: Json| json!({"_id": "a", "text": "", "metadata": metadata}).to_string();
    let error = refusal(read(&metadata(json!([1])), ASKED, GRADES));
    assert!(error.message().contains("'metadata' is no object"), "{error}");
    let filter = json!({"_id": "q1", "text": "", "filter": {"a": [1]}}).to_string();
    let error = refusal(read(TALK, &filter, GRADES));
    assert!(error.message().contains("the filter on 'a' is no value"), "{error}");
}

#[test]
fn a_file_that_is_missing_is_named() {
    for name in ["corpus.jsonl", "queries.jsonl", "qrels.tsv"] {
        let folder = folder(TALK, ASKED, GRADES);
        std::fs::remove_file(folder.path().join(name)).unwrap();
        let error = refusal(QuestionSet::read(folder.path()));
        assert_eq!(error.code(), "FILE");
        assert!(error.message().contains(name), "{error}");
        std::fs::create_dir(folder.path().join(name)).unwrap();
        assert_eq!(refusal(QuestionSet::read(folder.path())).code(), "FILE");
    }
    assert_eq!(refusal(QuestionSet::read(Path::new("nowhere"))).code(), "FILE");
}

#[test]
fn bytes_that_are_no_text_are_told_with_their_line() {
    let folder = folder(TALK, ASKED, GRADES);
    std::fs::write(folder.path().join("queries.jsonl"), b"{\"_id\": \"a\xff\"}\n").unwrap();
    let error = refusal(QuestionSet::read(folder.path()));
    assert_eq!(error.code(), "UTF8_MALFORMED");
    assert!(error.message().starts_with("queries.jsonl, line 1: "), "{error}");
}
