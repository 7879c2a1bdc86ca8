//! What lands, what is told, and what a row of each kind becomes.

use kenning_engine::TransactionId;
use kenning_ingest::{ColumnType, Ending, Format, ImportOptions, Source, columns};
use kenning_record::{Draft, Json};
use kenning_store::block_on;
use serde_json::json;

use crate::{Place, options};

fn numbers(count: usize) -> String {
    (0..count).map(|n| format!("{{\"n\": {n}}}\n")).collect()
}

#[test]
fn good_lines_land_and_each_bad_one_is_told_with_its_number() {
    let place = Place::new();
    place.table("t", json!({"properties": {"n": {"type": "integer"}}}));
    let told = place.import(
        "t",
        "a.jsonl",
        b"\xef\xbb\xbf{\"n\": 1}\r\n\n{\"n\": \"x\"}\n[1]\n{\"n\": 2, \"n\": 3}\n\
          {\"t\": \"\xff\"}\n{\"n\": 4}\n{\"n\": 5",
    );
    let expected = [
        (3, "SCHEMA_VIOLATION"),
        (4, "NOT_AN_OBJECT"),
        (5, "MEMBER_TWICE"),
        (6, "UTF8_MALFORMED"),
        (8, "JSON_MALFORMED"),
    ];
    assert_eq!(told.bad, expected);
    let imported = told.imported.unwrap();
    assert_eq!((imported.progress.stored, imported.progress.bad), (2, 5));
    assert_eq!(imported.ending, Ending::Done);
    assert_eq!(place.records("t"), [json!({"n": 1}), json!({"n": 4})]);
    place.verify();
}

#[test]
fn rows_keep_the_order_of_the_file() {
    let place = Place::new();
    place.table("t", json!({}));
    place.import("t", "a.jsonl", numbers(500)).imported.unwrap();
    let expected: Vec<Json> = (0..500).map(|n| json!({"n": n})).collect();
    let mut stored = Vec::new();
    for row in block_on(place.database.log(0, 1_000)).unwrap() {
        stored.extend(row.changes.into_iter().filter(|change| change.table == "t"));
    }
    let stored: Vec<Json> = stored.into_iter().filter_map(|change| change.after).collect();
    assert_eq!(stored, expected);
}

#[test]
fn of_rows_with_one_key_the_last_counts_and_of_one_unique_value_the_first() {
    let place = Place::new();
    place.table("t", json!({"x-kenning": {"key": "k", "unique": ["u"]}}));
    // Far apart and close together, so that some meet in one transaction and some in two.
    let row = |n: usize| format!("{{\"k\": \"k{}\", \"n\": {n}, \"u\": {}}}\n", n % 40, n % 40);
    let rows: String = (0..400).map(row).collect();
    let told = place.import("t", "a.jsonl", rows + "{\"k\": \"other\", \"u\": 3}\n{\"n\": 1}\n");
    assert_eq!(told.bad, [(401, "UNIQUE_TAKEN"), (402, "KEY_MISSING")]);
    let mut last: Vec<u64> =
        place.records("t").iter().map(|record| record["n"].as_u64().unwrap()).collect();
    last.sort_unstable();
    assert_eq!(last, (360..400).collect::<Vec<_>>());
    place.verify();
}

#[test]
fn a_csv_has_types_that_can_be_seen_and_overridden() {
    let place = Place::new();
    place.table("t", json!({"properties": {"zip": {"type": "string"}}}));
    let csv = "zip,age,score,ok,tags,code,note\n\
               1234,7,1.5,true,[1],007,\n\
               99,8,2,false,\"{\"\"a\"\":1}\",x,\"\"\n";
    let path = place.file("a.csv", csv);
    let mut options = options(Format::CSV);
    options.types.push(("age".into(), ColumnType::Text));
    let source = Source::File(path.clone());
    let seen = block_on(columns(&place.database, "t", source, &options)).unwrap();
    let seen: Vec<_> =
        seen.iter().map(|column| (column.holds.name(), column.source.name())).collect();
    let expected = [
        ("text", "schema"),
        ("text", "asked"),
        ("number", "rows"),
        ("boolean", "rows"),
        ("json", "rows"),
        ("text", "rows"),
        ("text", "rows"),
    ];
    assert_eq!(seen, expected);
    assert!(place.records("t").is_empty());
    let told = place.import_with("t", Source::File(path), &options, u64::MAX);
    assert_eq!(told.bad, []);
    let expected = [
        json!({"zip": "1234", "age": "7", "score": 1.5, "ok": true, "tags": [1], "code": "007"}),
        json!({"zip": "99", "age": "8", "score": 2, "ok": false, "tags": {"a": 1}, "code": "x",
               "note": ""}),
    ];
    assert_eq!(place.records("t"), expected);
}

#[test]
fn a_bad_row_of_csv_spoils_no_other() {
    let place = Place::new();
    place.table("t", json!({}));
    let mut csv = "a,b\n".to_owned();
    (0..1_000).for_each(|n| csv += &format!("{n},x\n"));
    csv += "old,y\n1\n1,2,3\n\"open,\n2,\"two\nlines\"\n3,z\n";
    let told = place.import("t", "a.csv", csv);
    let expected =
        [(1002, "COLUMN_TYPE"), (1003, "CSV_RAGGED"), (1004, "CSV_RAGGED"), (1005, "CSV_QUOTE")];
    assert_eq!(told.bad, expected);
    assert_eq!(told.messages[0], "column 'a' holds integer and this is 'old'");
    let records = place.records("t");
    assert_eq!(records.len(), 1_002);
    assert_eq!(records[1_000], json!({"a": 2, "b": "two\nlines"}));
}

#[test]
fn utf_16_that_ends_within_a_character_says_so() {
    let place = Place::new();
    place.table("t", json!({}));
    let mut bytes: Vec<u8> =
        "\u{feff}name\na\nb\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
    bytes.push(0);
    let told = place.import("t", "a.csv", bytes);
    assert_eq!(told.bad, [(4, "UTF16_MALFORMED")]);
    assert_eq!(told.messages, ["the file is UTF-16 and ends within a character"]);
    assert_eq!(place.records("t"), [json!({"name": "a"}), json!({"name": "b"})]);
}

#[test]
fn lines_of_csv_may_end_with_cr_alone() {
    let place = Place::new();
    place.table("t", json!({}));
    let told = place.import("t", "a.csv", "a,b\r1,x\r2,\"two\rlines\"\r3,y,z\r4,w\r");
    assert_eq!(told.bad, [(5, "CSV_RAGGED")]);
    let expected =
        [json!({"a": 1, "b": "x"}), json!({"a": 2, "b": "two\rlines"}), json!({"a": 4, "b": "w"})];
    assert_eq!(place.records("t"), expected);
}

#[test]
fn utf_16_is_read_and_a_wrong_unit_spoils_its_line_only() {
    let place = Place::new();
    place.table("t", json!({}));
    let mut bytes: Vec<u8> = "\u{feff}name\ttown\nMaj\tAs\n\u{1f600}\tZ\u{fc}rich\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    bytes.extend_from_slice(&0xdc00_u16.to_le_bytes());
    bytes.extend("\tx\nlast\ty\n".encode_utf16().flat_map(u16::to_le_bytes));
    let told = place.import("t", "a.tsv", bytes);
    assert_eq!(told.bad, [(4, "UTF16_MALFORMED")]);
    assert_eq!(told.messages, ["the line is no UTF-16 at character 1"]);
    let expected = [
        json!({"name": "Maj", "town": "As"}),
        json!({"name": "\u{1f600}", "town": "Z\u{fc}rich"}),
        json!({"name": "last", "town": "y"}),
    ];
    assert_eq!(place.records("t"), expected);
}

#[test]
fn a_property_can_be_the_key_where_no_schema_says() {
    let place = Place::new();
    place.table("t", json!({}));
    let options = ImportOptions { key: Some("id".into()), ..options(Format::CSV) };
    let path = place.file("a.csv", "id,n\n7,1\n8,2\n7,3\n");
    place.import_with("t", Source::File(path), &options, u64::MAX).imported.unwrap();
    let seven = block_on(place.database.get("t", "7")).unwrap().unwrap();
    assert_eq!(seven.properties, json!({"id": 7, "n": 3}));
    place.table("keyed", json!({"x-kenning": {"key": "name"}}));
    let path = place.file("b.csv", "id,name\n7,a\n");
    let told = place.import_with("keyed", Source::File(path), &options, u64::MAX);
    assert_eq!(told.imported.unwrap_err().code(), "KEY_IS_IDENTITY");
}

#[test]
fn it_stops_behind_the_last_bad_row_that_is_allowed() {
    let place = Place::new();
    place.table("t", json!({}));
    let lines: String =
        (1..=60).map(|n| if n % 10 == 0 { "x\n".into() } else { numbers(1) }).collect();
    let path = place.file("a.jsonl", lines);
    let options = ImportOptions { bad_max: Some(2), ..options(Format::Jsonl) };
    let source = || Source::File(path.clone());
    let told = place.import_with("t", source(), &options, u64::MAX);
    assert_eq!(told.bad, [(10, "JSON_MALFORMED"), (20, "JSON_MALFORMED")]);
    let imported = told.imported.unwrap();
    assert_eq!((imported.ending, imported.progress.line), (Ending::TooManyBad, 21));
    assert_eq!(place.records("t").len(), 18);
    let told = place.import_with("t", source(), &options, u64::MAX);
    assert_eq!((told.from, told.bad.len()), (Some(21), 2));
    assert_eq!(place.records("t").len(), 36);
}

#[test]
fn a_transaction_that_would_be_too_large_lands_in_parts() {
    let place = Place::new();
    place.table("t", json!({"x-kenning": {"key": "k"}}));
    let large = "x".repeat(20 << 20);
    for n in 0..5 {
        let draft = Draft { key: Some(format!("k{n}")), ..json!({"large": large}).into() };
        block_on(place.database.put("t", draft)).unwrap();
    }
    // Small rows, but what they replace has to go into history.
    let rows: String = (0..5).map(|n| format!("{{\"k\": \"k{n}\"}}\n")).collect();
    let told = place.import("t", "a.jsonl", rows);
    assert_eq!(told.imported.unwrap().progress.stored, 5);
    assert!(place.records("t").iter().all(|record| record.get("large").is_none()));
}

#[test]
fn others_may_write_the_same_records_meanwhile() {
    let place = Place::new();
    place.table("t", json!({"x-kenning": {"key": "k"}}));
    let rows: String = (0..2_000).map(|n| format!("{{\"k\": \"k{}\"}}\n", n % 50)).collect();
    let other = |n: usize| json!({"k": format!("k{}", n % 50), "other": n});
    let told = std::thread::scope(|threads| {
        threads.spawn(|| {
            for n in 0..300 {
                block_on(place.database.put("t", other(n))).unwrap();
            }
        });
        place.import("t", "a.jsonl", rows)
    });
    assert_eq!(told.imported.unwrap().progress.stored, 2_000);
    assert_eq!(place.records("t").len(), 50);
    place.verify();
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_read() {
    let place = Place::new();
    place.table("t", json!({}));
    let refusal = |table: &str, name: &str, content: &str, change: &dyn Fn(&mut ImportOptions)| {
        let path = place.file(name, content);
        let mut options = options(Format::of_path(&path).unwrap());
        change(&mut options);
        let told = place.import_with(table, Source::File(path), &options, u64::MAX);
        told.imported.unwrap_err().code()
    };
    assert_eq!(refusal("nobody", "a.jsonl", "{}", &|_| {}), "TABLE_NOT_FOUND");
    assert_eq!(refusal("links", "a.jsonl", "{}", &|_| {}), "SYSTEM_TABLE");
    assert_eq!(refusal("t", "a.csv", "", &|_| {}), "CSV_HEAD");
    assert_eq!(refusal("t", "a.csv", "a,a\n", &|_| {}), "CSV_HEAD");
    assert_eq!(refusal("t", "a.csv", "\"a\n", &|_| {}), "CSV_HEAD");
    assert_eq!(
        refusal("t", "a.csv", "a\n", &|options| options.whole_records = true),
        "WHOLE_RECORDS"
    );
    let typed = |options: &mut ImportOptions| options.types.push(("x".into(), ColumnType::Text));
    assert_eq!(refusal("t", "a.csv", "a\n", &typed), "COLUMN_UNKNOWN");
    assert_eq!(refusal("t", "a.jsonl", "{}", &typed), "TYPES");
    let missing = Source::File(place.folder.path().join("nothing.jsonl"));
    let told = place.import_with("t", missing, &options(Format::Jsonl), u64::MAX);
    assert_eq!(told.imported.unwrap_err().code(), "FILE");
    let folder = Source::File(place.folder.path().to_owned());
    let told = place.import_with("t", folder, &options(Format::Jsonl), u64::MAX);
    assert_eq!(told.imported.unwrap_err().code(), "FILE");
    assert!(block_on(place.database.outcome(TransactionId([0; 16]))).unwrap().is_none());
}

#[test]
fn a_stream_is_read_once_and_has_no_mark() {
    let place = Place::new();
    place.table("t", json!({}));
    for times in 1..=2 {
        let source = Source::Stream(Box::new(std::io::Cursor::new(numbers(20))));
        let told = place.import_with("t", source, &options(Format::Jsonl), u64::MAX);
        assert_eq!(told.imported.unwrap().progress.stored, 20);
        assert_eq!(place.records("t").len(), 20 * times);
    }
}

#[test]
fn an_import_that_ends_early_does_not_wait_for_a_pipe() {
    let place = Place::new();
    place.table("t", json!({}));
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut writer, ("bad\n".to_owned() + &numbers(50)).as_bytes()).unwrap();
    let options = ImportOptions { bad_max: Some(1), ..options(Format::Jsonl) };
    let told = place.import_with("t", Source::Stream(Box::new(reader)), &options, u64::MAX);
    assert_eq!(told.imported.unwrap().ending, Ending::TooManyBad);
    drop(writer);
}
