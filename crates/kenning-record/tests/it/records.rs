use kenning_record::{Body, Draft, Id, Json, RECORD_BYTES_MAX, RecordRef, encode_record};
use kenning_store::ErrorKind;
use proptest::prelude::*;
use serde_json::json;

use crate::{documents, hex, refused};

fn plain(properties: &Json) -> Body<'_> {
    Body {
        birth: 1,
        created_at: 1_795_163_400_000,
        modified_at: 1_795_163_400_000,
        valid_from: None,
        valid_until: None,
        key: None,
        aliases: &[],
        properties,
    }
}

fn payload(body: &Body<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_record(body, &mut bytes).unwrap();
    bytes
}

/// Changing these means changing the format of records.
#[test]
fn the_bytes_of_records_are_pinned() {
    let properties = json!({});
    assert_eq!(hex(&payload(&plain(&properties))), "01000140a713f8a1010000002000");
    let aliases = ["b".to_owned(), "cd".to_owned()];
    let body = Body {
        birth: 300,
        modified_at: 1_795_163_400_001,
        valid_from: Some(0),
        valid_until: Some(-1),
        key: Some("a"),
        aliases: &aliases,
        ..plain(&properties)
    };
    let expected = [
        "010f",
        "ac02",
        "40a713f8a1010000",
        "02",
        "0000000000000000",
        "ffffffffffffffff",
        "0161",
        "05",
        "0162",
        "026364",
        "2000",
    ];
    assert_eq!(hex(&payload(&body)), expected.concat());
}

#[test]
fn a_record_is_shown_as_the_doors_promise() {
    let properties = json!({"name": "Ada"});
    let id = Id([0x11; 16]);
    let bytes = payload(&plain(&properties));
    let record = RecordRef::new(&bytes).unwrap().to_record(id, "people", 7).unwrap();
    let shown = json!({
        "id": "11111111-1111-1111-1111-111111111111", "table": "people", "key": null, "version": 7,
        "created_at": "2026-11-20T08:30:00.000Z", "modified_at": "2026-11-20T08:30:00.000Z",
        "properties": {"name": "Ada"},
    });
    assert_eq!(record.to_json(), shown);
    let aliases = ["The Countess".to_owned()];
    let body = Body {
        key: Some("Ada L."),
        aliases: &aliases,
        valid_from: Some(0),
        valid_until: Some(1),
        ..plain(&properties)
    };
    let bytes = payload(&body);
    let record = RecordRef::new(&bytes).unwrap().to_record(id, "people", 7).unwrap();
    let shown = record.to_json();
    assert_eq!(shown["key"], "Ada L.");
    assert_eq!(shown["aliases"], json!(["The Countess"]));
    assert_eq!(shown["valid_from"], "1970-01-01T00:00:00.000Z");
    assert_eq!(shown["valid_until"], "1970-01-01T00:00:00.001Z");
}

#[test]
fn only_objects_of_a_limited_size_are_records() {
    for properties in [json!(null), json!([]), json!("x"), json!(1)] {
        let mut target = vec![9];
        let result = encode_record(&plain(&properties), &mut target);
        refused(result, ErrorKind::Invalid, "NOT_AN_OBJECT");
        assert_eq!(target, [9]);
        let draft = Draft { properties, ..Draft::default() };
        refused(draft.check(), ErrorKind::Invalid, "NOT_AN_OBJECT");
    }
    // The value alone would fit; with its head it does not.
    let text = "x".repeat(RECORD_BYTES_MAX - 20);
    let properties = json!({"t": text});
    let mut target = vec![9];
    let result = encode_record(&plain(&properties), &mut target);
    refused(result, ErrorKind::Exhausted, "RECORD_TOO_LARGE");
    assert_eq!(target, [9]);
}

#[test]
fn a_draft_holds_at_some_time() {
    let draft = |from, until| Draft { valid_from: from, valid_until: until, ..Draft::default() };
    for (from, until) in [(None, None), (Some(5), None), (None, Some(5)), (Some(5), Some(6))] {
        draft(from, until).check().unwrap();
    }
    let result = draft(Some(5), Some(5)).check();
    refused(result, ErrorKind::Invalid, "VALIDITY_EMPTY");
    let result = draft(Some(i64::MAX), None).check();
    refused(result, ErrorKind::Invalid, "INSTANT_MALFORMED");
    assert_eq!(Draft::from(json!({"a": 1})).properties, json!({"a": 1}));
}

#[test]
fn an_unknown_format_is_refused() {
    refused(RecordRef::new(&[]), ErrorKind::Corrupt, "RECORD_DAMAGED");
    refused(RecordRef::new(&[1]), ErrorKind::Corrupt, "RECORD_DAMAGED");
    refused(RecordRef::new(&[1, 0x10]), ErrorKind::Corrupt, "RECORD_DAMAGED");
    let message = refused(RecordRef::new(&[2, 0]), ErrorKind::Corrupt, "RECORD_FORMAT");
    assert!(message.contains("format 2"), "{message}");
    refused(RecordRef::new(&[1, 0]).unwrap().birth(), ErrorKind::Corrupt, "RECORD_DAMAGED");
}

fn objects() -> impl Strategy<Value = Json> {
    prop::collection::btree_map("[a-e]{0,3}", documents(), 0..6)
        .prop_map(|members| Json::Object(members.into_iter().collect()))
}

proptest! {
    #[test]
    fn a_record_reads_back_as_it_was_written(
        (birth, created_at, modified_at) in any::<(u32, i64, i64)>(),
        valid in any::<(Option<i64>, Option<i64>)>(),
        key in any::<Option<String>>(),
        aliases in prop::collection::vec(any::<String>(), 0..4),
        properties in objects(),
    ) {
        let body = Body { birth, created_at, modified_at, valid_from: valid.0,
            valid_until: valid.1, key: key.as_deref(), aliases: &aliases, properties: &properties };
        let bytes = payload(&body);
        let read = RecordRef::new(&bytes).unwrap();
        prop_assert_eq!(read.birth().unwrap(), birth);
        prop_assert_eq!(read.created_at().unwrap(), created_at);
        prop_assert_eq!(read.modified_at().unwrap(), modified_at);
        prop_assert_eq!(read.valid().unwrap(), valid);
        prop_assert_eq!(read.key().unwrap(), key.as_deref());
        let names: Vec<_> = read.aliases().map(|alias| alias.unwrap()).collect();
        prop_assert_eq!(names, aliases.clone());
        let record = read.to_record(Id([3; 16]), "t", 4).unwrap();
        prop_assert_eq!(&record.properties, &properties);
        let again = Body { key: record.key.as_deref(), aliases: &record.aliases,
            properties: &record.properties, ..body };
        prop_assert_eq!(payload(&again), bytes);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        flags in 0u8..16, mut bytes in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        bytes.splice(0..0, [1, flags]);
        let read = RecordRef::new(&bytes).unwrap();
        let _ = read.to_record(Id([3; 16]), "t", 4);
        let _ = (read.key(), read.valid(), read.properties(), read.aliases().count());
    }
}
