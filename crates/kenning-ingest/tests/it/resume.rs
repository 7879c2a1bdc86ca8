//! Exactly once, wherever it is cut off.

use kenning_ingest::{Ending, Format, ImportOptions, Source};
use kenning_record::Id;
use kenning_store::block_on;
use serde_json::json;

use crate::{Place, options};

const ROWS: usize = 100;

/// Rows without a key, so that one that is stored twice shows, and a bad one now and then.
fn jsonl() -> String {
    let row =
        |n: usize| if n % 13 == 5 { "bad\n\n".to_owned() } else { format!("{{\"n\": {n}}}\n") };
    (0..ROWS).map(row).collect()
}

fn csv() -> String {
    let row = |n: usize| match n % 13 {
        5 => "\"bad\n".to_owned(),
        6 => format!("{n},\"two\nlines\"\n"),
        _ => format!("{n},x\n"),
    };
    "n,text\n".to_owned() + &(0..ROWS).map(row).collect::<String>()
}

fn check(name: &str, content: &[u8]) {
    for landed in 1..=4 {
        let place = Place::new();
        place.table("t", json!({}));
        let path = place.file(name, content);
        let options = options(Format::of_path(&path).unwrap());
        let (mut bad, mut runs) = (Vec::new(), 0);
        let all = loop {
            let source = Source::File(path.clone());
            let told = place.import_with("t", source, &options, landed);
            bad.extend(told.bad);
            runs += 1;
            let imported = told.imported.unwrap();
            match imported.ending {
                Ending::Interrupted => assert!(imported.progress.stored > 0),
                Ending::Done | Ending::DoneBefore => break imported,
                Ending::TooManyBad => unreachable!("any number is allowed"),
            }
        };
        assert!(runs > 2 && runs < 30, "{runs} runs");
        let numbers: Vec<u64> =
            place.records("t").iter().map(|record| record["n"].as_u64().unwrap()).collect();
        let good = (0..ROWS as u64).filter(|n| n % 13 != 5).collect::<Vec<_>>();
        assert_eq!(numbers, good, "{name} in {runs} runs");
        assert_eq!((all.stored_in_all, all.bad_in_all), (good.len() as u64, 8));
        assert_eq!(bad.len(), 8);
        assert!(bad.is_sorted());
        place.verify();
    }
}

#[test]
fn an_import_that_is_broken_off_anywhere_goes_on_there() {
    check("a.jsonl", jsonl().as_bytes());
    check("a.csv", csv().as_bytes());
    let utf16 =
        format!("\u{feff}{}", csv()).encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
    check("b.csv", &utf16);
}

#[test]
fn a_file_that_was_imported_is_not_imported_again_unless_asked() {
    let place = Place::new();
    place.table("t", json!({}));
    place.table("other", json!({}));
    let first = place.import("t", "a.jsonl", "{}\n{}\n").imported.unwrap();
    assert_eq!((first.ending, first.progress.stored), (Ending::Done, 2));
    // The content counts, not the name.
    let second = place.import("t", "b.jsonl", "{}\n{}\n").imported.unwrap();
    assert_eq!(
        (second.ending, second.progress.stored, second.stored_in_all),
        (Ending::DoneBefore, 0, 2)
    );
    assert_eq!(place.records("t").len(), 2);
    let other = place.import("other", "a.jsonl", "{}\n{}\n").imported.unwrap();
    assert_eq!(other.progress.stored, 2);
    let path = place.file("a.jsonl", "{}\n{}\n");
    let again = ImportOptions { again: true, ..options(Format::Jsonl) };
    let told = place.import_with("t", Source::File(path), &again, u64::MAX);
    assert_eq!(told.imported.unwrap().progress.stored, 2);
    assert_eq!(place.records("t").len(), 4);
    let empty = place.import("t", "empty.jsonl", "\n\n").imported.unwrap();
    assert_eq!((empty.ending, empty.progress.stored), (Ending::Done, 0));
}

#[test]
fn a_table_that_is_made_anew_knows_of_no_import() {
    let place = Place::new();
    place.table("t", json!({}));
    place.import("t", "a.jsonl", "{}\n").imported.unwrap();
    block_on(place.database.drop_table("t")).unwrap();
    place.table("t", json!({}));
    assert_eq!(place.import("t", "a.jsonl", "{}\n").imported.unwrap().progress.stored, 1);
    place.verify();
}

#[test]
fn the_same_import_twice_at_once_is_refused() {
    let place = Place::new();
    place.table("t", json!({}));
    let held = block_on(place.database.mark("t", Id([1; 16]))).unwrap();
    let refused = block_on(place.database.mark("t", Id([1; 16]))).map(|_| ()).unwrap_err();
    assert_eq!(refused.code(), "MARK_HELD");
    drop(held);
    block_on(place.database.mark("t", Id([1; 16]))).unwrap();
}

#[test]
fn a_file_that_changes_while_it_is_read_is_told() {
    let place = Place::new();
    place.table("t", json!({}));
    let rows: String = (0..200_000).map(|n| format!("{{\"n\": {n}}}\n")).collect();
    let path = place.file("a.jsonl", rows);
    let mut changed = false;
    let mut watch = |event: kenning_ingest::Event<'_>| {
        if let kenning_ingest::Event::Landed(_) = event
            && !std::mem::replace(&mut changed, true)
        {
            let file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
            std::io::Write::write_all(&mut &file, b"{\"more\": true}\n").unwrap();
        }
        std::ops::ControlFlow::Continue(())
    };
    let options = ImportOptions::new(Format::Jsonl);
    let source = Source::File(path.clone());
    let run = kenning_ingest::import(&place.database, "t", source, &options, &mut watch);
    let error = block_on(run).unwrap_err();
    assert_eq!(error.code(), "FILE_CHANGED");
    assert!(error.message().contains("rows up to line"), "{error}");
    let stored = block_on(place.database.records("t", None, 300_000)).unwrap();
    assert!(!stored.is_empty() && stored.len() < 200_000);
    assert!(stored.iter().all(|record| record.properties.get("more").is_none()));
}
