//! What is written is what the table has, and reads back as that.

use std::ops::ControlFlow;
use std::path::Path;

use kenning_engine::At;
use kenning_ingest::{ExportOptions, Exported, Format, ImportOptions, Source, Target, export};
use kenning_record::{Draft, Json, Record};
use kenning_store::{Result, block_on};
use serde_json::json;

use crate::{Place, options};

fn write(place: &Place, table: &str, path: &Path, options: &ExportOptions) -> Result<Exported> {
    let view = place.database.view().unwrap();
    let watch = &mut |_| ControlFlow::Continue(());
    block_on(export(&view, table, Target::File(path.to_owned()), options, watch))
}

fn varied() -> Vec<Json> {
    vec![
        json!({"a": 1, "b": "x,\"y\"\nz", "c": [1, {"d": null}], "e": true}),
        json!({"a": -7, "b": "", "c": {}, "e": false, "f": 1.5}),
        json!({"b": " blank ", "f": 2}),
        json!({}),
        json!({"b": "\u{1f600}\t;"}),
    ]
}

/// Ids of one millisecond have no order, so neither has the file.
fn sorted(mut records: Vec<Json>) -> Vec<Json> {
    records.sort_by_key(Json::to_string);
    records
}

fn all(place: &Place, table: &str) -> Vec<Record> {
    block_on(place.database.records(table, None, 1_000_000)).unwrap()
}

#[test]
fn what_is_exported_is_imported_as_it_was() {
    for (name, delimiter) in
        [("a.jsonl", None), ("a.csv", None), ("a.tsv", None), ("b.csv", Some(b';'))]
    {
        let place = Place::new();
        place.table("t", json!({}));
        place.table("copy", json!({}));
        for properties in varied() {
            block_on(place.database.put("t", properties)).unwrap();
        }
        let path = place.folder.path().join(name);
        let mut format = Format::of_path(&path).unwrap();
        if let Some(delimiter) = delimiter {
            format = format.delimited(delimiter).unwrap();
        }
        let exported = write(&place, "t", &path, &ExportOptions::new(format)).unwrap();
        assert_eq!(exported, Exported { records: 5, whole: true });
        let told = place.import_with("copy", Source::File(path), &options(format), u64::MAX);
        assert_eq!(told.bad, []);
        assert_eq!(sorted(place.records("copy")), sorted(varied()), "{name}");
    }
}

#[test]
fn whole_records_keep_id_key_aliases_and_validity() {
    let place = Place::new();
    place.table("t", json!({}));
    place.table("copy", json!({}));
    let drafts = [
        Draft {
            key: Some("K".into()),
            aliases: Some(vec!["one".into()]),
            ..json!({"n": 1}).into()
        },
        Draft { valid_from: Some(1), valid_until: Some(2), ..json!({"n": 2}).into() },
    ];
    for draft in drafts {
        block_on(place.database.put("t", draft)).unwrap();
    }
    let path = place.folder.path().join("a.jsonl");
    let options = ExportOptions { whole_records: true, ..ExportOptions::new(Format::Jsonl) };
    write(&place, "t", &path, &options).unwrap();
    let import = ImportOptions { whole_records: true, ..options_of_import() };
    let told = place.import_with("copy", Source::File(path.clone()), &import, u64::MAX);
    assert_eq!((told.bad, told.imported.unwrap().progress.stored), (vec![], 2));
    let said = |record: &Record| {
        let Record { key, aliases, valid_from, valid_until, properties, .. } = record.clone();
        (key, aliases, valid_from, valid_until, properties)
    };
    let find = |table: &str, key: Option<&str>| {
        let records = all(&place, table);
        records.into_iter().find(|record| record.key.as_deref() == key).unwrap()
    };
    for key in [Some("K"), None] {
        assert_eq!(said(&find("t", key)), said(&find("copy", key)));
    }
    assert_eq!(find("t", None).id, find("copy", None).id);
    // The same ids again replace, they do not double.
    let again = ImportOptions { again: true, ..import };
    place.import_with("copy", Source::File(path), &again, u64::MAX).imported.unwrap();
    assert_eq!(all(&place, "copy").len(), 2);
}

fn options_of_import() -> ImportOptions {
    options(Format::Jsonl)
}

#[test]
fn a_file_is_there_once_it_is_whole() {
    let place = Place::new();
    place.table("t", json!({}));
    for n in 0..5_000 {
        block_on(place.database.put("t", json!({"n": n}))).unwrap();
    }
    let path = place.file("a.jsonl", "mine");
    let options = ExportOptions::new(Format::Jsonl);
    let refused = write(&place, "t", &path, &options).unwrap_err();
    assert_eq!(refused.code(), "FILE_EXISTS");
    let replace = ExportOptions { replace: true, ..options.clone() };
    let view = place.database.view().unwrap();
    let target = Target::File(path.clone());
    let broken = block_on(export(&view, "t", target, &replace, &mut |_| ControlFlow::Break(())));
    assert!(!broken.unwrap().whole);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(place.folder.path()).unwrap().count(), 1);
    write(&place, "t", &path, &replace).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 5_000);
    let folder = write(&place, "t", place.folder.path(), &options).unwrap_err();
    assert_eq!(folder.code(), "FILE");
    let nowhere = place.folder.path().join("nowhere/a.jsonl");
    assert_eq!(write(&place, "t", &nowhere, &options).unwrap_err().code(), "FILE");
}

#[test]
fn the_past_can_be_exported() {
    let place = Place::new();
    place.table("t", json!({"x-kenning": {"key": "k"}}));
    let before = block_on(place.database.put("t", json!({"k": "a", "n": 1}))).unwrap();
    block_on(place.database.put("t", json!({"k": "a", "n": 2}))).unwrap();
    block_on(place.database.put("t", json!({"k": "b"}))).unwrap();
    let view = block_on(place.database.as_of(At::Version(before.version))).unwrap();
    let path = place.folder.path().join("a.csv");
    let target = Target::File(path.clone());
    let options = ExportOptions::new(Format::CSV);
    block_on(export(&view, "t", target, &options, &mut |_| ControlFlow::Continue(()))).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "k,n\na,1\n");
}

#[test]
fn csv_says_what_it_cannot_say() {
    let place = Place::new();
    place.table("t", json!({}));
    let path = place.folder.path().join("a.csv");
    let options = ExportOptions { replace: true, ..ExportOptions::new(Format::CSV) };
    assert_eq!(write(&place, "t", &path, &options).unwrap().records, 0);
    block_on(place.database.put("t", json!({}))).unwrap();
    assert_eq!(write(&place, "t", &path, &options).unwrap_err().code(), "CSV_HEAD");
    block_on(place.database.put("t", json!({"": 1}))).unwrap();
    assert_eq!(write(&place, "t", &path, &options).unwrap_err().code(), "CSV_HEAD");
    let whole = ExportOptions { whole_records: true, ..options };
    assert_eq!(write(&place, "t", &path, &whole).unwrap_err().code(), "WHOLE_RECORDS");
}

#[test]
fn numbers_come_back_to_the_last_bit() {
    let place = Place::new();
    place.table("t", json!({}));
    place.table("copy", json!({}));
    let mut chance = 1_u64;
    let mut numbers = vec![f64::MAX, f64::MIN_POSITIVE, 5e-324, 0.1, 1.0];
    for _ in 0..20_000 {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        numbers.push(f64::from_bits(chance ^ chance >> 31));
    }
    numbers.retain(|number| number.is_finite());
    let said = json!({"numbers": numbers});
    block_on(place.database.put("t", said.clone())).unwrap();
    let path = place.folder.path().join("numbers.jsonl");
    write(&place, "t", &path, &ExportOptions::new(Format::Jsonl)).unwrap();
    place.import_with("copy", Source::File(path), &options(Format::Jsonl), u64::MAX);
    assert!(place.records("copy") == [said]);
}
