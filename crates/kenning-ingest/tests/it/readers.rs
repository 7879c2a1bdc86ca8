//! Any bytes at all: nothing panics, every line is either stored or told, and what is written is
//! read.

use kenning_ingest::{ExportOptions, Format, Source, Target, export};
use kenning_record::Json;
use kenning_store::block_on;
use proptest::prelude::*;
use serde_json::json;

use crate::{Place, options};

/// Bytes that look like a file more often than chance would have it.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "\n", "\r\n", "\r", "\"", "\"\"", ",", "a", "1", "{", "}", "{}", "{\"a\": 1}", ":", " ",
            "\u{fc}", "[", "\\",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop::collection::vec(piece, 0..80).prop_map(|pieces| pieces.concat())
}

/// JSON objects, as records have them.
fn objects() -> impl Strategy<Value = Vec<Json>> {
    let text = prop_oneof!["[a-z0-9 ,\"\n\r;\t\u{fc}]{0,8}", Just("007".to_owned())];
    let leaf = prop_oneof![
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        text.prop_map(Json::from),
    ];
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map("[a-z]{0,3}", inner, 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    });
    let object = prop::collection::btree_map("[a-c,\" ]{1,3}", value, 0..5);
    prop::collection::vec(
        object.prop_map(|members| Json::Object(members.into_iter().collect())),
        0..12,
    )
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes_are_stored_or_told(content in bytes(), csv in any::<bool>()) {
        let place = Place::new();
        place.table("t", json!({}));
        let head: &[u8] = if csv { b"a,b\n" } else { b"" };
        let content = [head, &content].concat();
        let name = if csv { "a.csv" } else { "a.jsonl" };
        let told = place.import("t", name, &content);
        let imported = told.imported.unwrap();
        let stored = imported.progress.stored;
        prop_assert_eq!(place.records("t").len() as u64, stored);
        prop_assert_eq!(told.bad.len() as u64, imported.progress.bad);
        let is_end = |byte: &u8| *byte == b'\n' || csv && *byte == b'\r';
        let n_lines = content.iter().filter(|byte| is_end(byte)).count() as u64;
        prop_assert!(told.bad.iter().all(|(line, _)| (1..=n_lines + 1).contains(line)));
        prop_assert!(told.bad.is_sorted());
        prop_assert!(imported.progress.line <= n_lines + 2);
        if !csv && !content.starts_with(b"\xff\xfe") && !content.starts_with(b"\xfe\xff") {
            let full = content.split(|byte| *byte == b'\n');
            let full = full.filter(|line| !line.iter().all(u8::is_ascii_whitespace)).count() as u64;
            let mark = u64::from(content == b"\xef\xbb\xbf");
            prop_assert_eq!(stored + imported.progress.bad, full - mark);
        }
    }

    #[test]
    fn what_is_written_is_read(objects in objects(), as_csv in any::<bool>()) {
        let place = Place::new();
        place.table("t", json!({}));
        place.table("copy", json!({}));
        for object in &objects {
            block_on(place.database.put("t", object.clone())).unwrap();
        }
        let empty = objects.iter().all(|object| object.as_object().unwrap().is_empty());
        let format = if as_csv && !empty { Format::CSV } else { Format::Jsonl };
        let path = place.folder.path().join("file");
        let view = place.database.view().unwrap();
        let target = Target::File(path.clone());
        let watch = &mut |_| std::ops::ControlFlow::Continue(());
        block_on(export(&view, "t", target, &ExportOptions::new(format), watch)).unwrap();
        let told = place.import_with("copy", Source::File(path), &options(format), u64::MAX);
        prop_assert_eq!(&told.bad, &[]);
        let copied = place.records("copy");
        if format == Format::Jsonl {
            let sorted = |records: &[Json]| {
                let mut texts: Vec<_> = records.iter().map(Json::to_string).collect();
                texts.sort_unstable();
                texts
            };
            prop_assert_eq!(sorted(&copied), sorted(&objects));
        } else {
            // A column of texts that all look like another type is read as that type, and one of
            // mixed types as text: what it says as text is the same.
            prop_assert_eq!(texts(&copied), texts(&objects));
        }
    }
}

fn texts(records: &[Json]) -> Vec<Vec<(String, String)>> {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let members = |record: &Json| {
        let members = record.as_object().unwrap().iter();
        // An empty text is told from nothing in columns of text only, and a row of nothing has one.
        let shown = members.map(|(name, value)| (name.clone(), text(value)));
        shown.filter(|(_, text)| !text.is_empty()).collect()
    };
    let mut texts: Vec<_> = records.iter().map(members).collect();
    texts.sort_unstable();
    texts
}
