use kenning_record::{DEPTH_MAX, Json, Kind, Path, RECORD_BYTES_MAX, ValueRef, encode};
use kenning_store::ErrorKind;
use proptest::prelude::*;
use serde_json::json;

use crate::{documents, hex, refused};

fn encoded(value: &Json) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(value, &mut bytes).unwrap();
    bytes
}

/// Changing a line means changing the format of records.
#[test]
fn the_bytes_of_values_are_pinned() {
    let check =
        |value: Json, expected: &str| assert_eq!(hex(&encoded(&value)), expected, "{value}");
    check(json!(null), "00");
    check(json!(false), "01");
    check(json!(true), "02");
    check(json!(0), "0300");
    check(json!(-1), "0301");
    check(json!(1), "0302");
    check(json!(300), "03d804");
    check(json!(i64::MIN), "03ffffffffffffffffff01");
    check(json!(u64::MAX), "04ffffffffffffffff");
    check(json!(1.5), "05000000000000f83f");
    check(json!("h\u{e9}"), "060368c3a9");
    check(json!([]), "1000");
    check(json!({}), "2000");
    check(json!([1, "a"]), "100202050302060161");
    check(json!({"b": true, "a": [null]}), "20020609016110010100016202");
    // 256 bytes of parts take a table of two bytes, and 65536 one of four.
    assert_eq!(hex(&encoded(&json!(["x".repeat(253)]))[..8]), "11010001 06fd0178".replace(' ', ""));
    assert_eq!(hex(&encoded(&json!(["x".repeat(252)]))[..6]), "1001ff06fc01");
    let large = encoded(&json!(["x".repeat(65_532)]));
    assert_eq!(hex(&large[..10]), "120100000100".to_owned() + "06fcff03");
}

#[test]
fn names_are_sorted_by_their_bytes() {
    let value = json!({"b": 1, "a": 2, "": 3, "a.b": 4, "\u{e9}": 5, "B": 6});
    let bytes = encoded(&value);
    let names: Vec<_> =
        ValueRef::new(&bytes).entries().map(|entry| entry.unwrap().0.to_owned()).collect();
    assert_eq!(names, ["", "B", "a", "a.b", "b", "\u{e9}"]);
}

#[test]
fn zero_has_one_sign() {
    assert_eq!(encoded(&json!(-0.0)), encoded(&json!(0.0)));
    assert_ne!(encoded(&json!(0.0)), encoded(&json!(0)), "1.0 and 1 are shown differently");
}

#[test]
fn one_property_is_read_without_looking_at_the_others() {
    let names = ["age", "bio", "city", "name", "tags", "zip"];
    let value = json!({"age": 36, "bio": "x".repeat(300), "city": "London", "name": "Ada",
        "tags": [1, 2], "zip": {"code": 7}});
    let bytes = encoded(&value);
    for wanted in names {
        let mut bad = bytes.clone();
        for name in names.into_iter().filter(|name| *name != wanted) {
            let part = ValueRef::new(&bytes).get(name).unwrap().unwrap().bytes();
            let at = part.as_ptr() as usize - bytes.as_ptr() as usize;
            bad[at..at + part.len()].fill(0xff);
        }
        let found = ValueRef::new(&bad).get(wanted).unwrap().unwrap();
        assert_eq!(found.decode().unwrap(), value[wanted], "{wanted}");
        assert_eq!(ValueRef::new(&bad).get("missing").unwrap().map(ValueRef::bytes), None);
        refused(ValueRef::new(&bad).decode(), ErrorKind::Corrupt, "VALUE_DAMAGED");
    }
}

#[test]
fn a_view_answers_only_what_fits() {
    let bytes = encoded(&json!({"i": -3, "u": u64::MAX, "f": 0.5, "t": "x", "b": true, "n": null,
        "a": [1, [2]]}));
    let value = ValueRef::new(&bytes);
    let get = |name: &str| value.get(name).unwrap().unwrap();
    assert_eq!(get("i").as_i64().unwrap(), Some(-3));
    assert_eq!(get("i").as_u64().unwrap(), None);
    assert_eq!(get("i").as_f64().unwrap(), Some(-3.0));
    assert_eq!(get("u").as_i64().unwrap(), None);
    assert_eq!(get("u").as_u64().unwrap(), Some(u64::MAX));
    assert_eq!(get("f").as_f64().unwrap(), Some(0.5));
    assert_eq!(get("f").as_i64().unwrap(), None);
    assert_eq!(get("t").as_str().unwrap(), Some("x"));
    assert_eq!(get("t").as_bool().unwrap(), None);
    assert_eq!(get("b").as_bool().unwrap(), Some(true));
    assert!(get("n").is_null().unwrap() && !get("b").is_null().unwrap());
    assert_eq!(get("a").kind().unwrap(), Kind::Array);
    assert_eq!(get("a").items().count(), 2);
    assert_eq!(get("a").entries().count() + get("t").items().count(), 0);
    assert_eq!(get("t").get("x").unwrap().map(ValueRef::bytes), None);
    assert_eq!(get("a").as_str().unwrap(), None);
}

#[test]
fn depth_has_a_limit_on_both_sides() {
    let nested = |depth: usize| (0..depth).fold(json!(1), |value, _| json!([value]));
    let deepest = encoded(&nested(DEPTH_MAX));
    assert_eq!(ValueRef::new(&deepest).decode().unwrap(), nested(DEPTH_MAX));
    let mut target = vec![7];
    refused(encode(&nested(DEPTH_MAX + 1), &mut target), ErrorKind::Exhausted, "TOO_DEEP");
    assert_eq!(target, [7], "nothing is left behind");
    // One level more, written by hand: its one part ends where the value ends.
    let mut deeper = vec![0x10, 1, deepest.len() as u8];
    deeper.extend_from_slice(&deepest);
    assert!(deepest.len() <= 0xff);
    refused(ValueRef::new(&deeper).decode(), ErrorKind::Corrupt, "VALUE_DAMAGED");
    let path: Path = "a".parse().unwrap();
    let walked = ValueRef::new(&deeper).path(&path, &mut |_| Ok(()));
    refused(walked, ErrorKind::Corrupt, "VALUE_DAMAGED");
}

#[test]
fn a_value_has_a_largest_size() {
    let mut target = Vec::new();
    let text = "x".repeat(RECORD_BYTES_MAX - 5);
    encode(&json!(text), &mut target).unwrap();
    assert_eq!(target.len(), RECORD_BYTES_MAX);
    target.clear();
    let message =
        refused(encode(&json!([text]), &mut target), ErrorKind::Exhausted, "RECORD_TOO_LARGE");
    assert!(message.contains("33554432"), "{message}");
    assert!(target.is_empty());
}

#[test]
fn a_claimed_length_allocates_nothing() {
    let mut huge = vec![0x12];
    huge.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
    refused(ValueRef::new(&huge).decode(), ErrorKind::Corrupt, "VALUE_DAMAGED");
    refused(
        ValueRef::new(&[0x06, 0xff, 0xff, 0xff, 0xff, 0x0f, b'x']).as_str(),
        ErrorKind::Corrupt,
        "VALUE_DAMAGED",
    );
}

/// Reads everything that can be read, by every way there is.
fn read_all(bytes: &[u8]) {
    let value = ValueRef::new(bytes);
    let _ = value.decode();
    let _ = (value.kind(), value.as_str(), value.as_i64(), value.as_u64(), value.as_f64());
    let _ = value.items().chain(value.entries().map(|entry| entry.map(|(_, v)| v))).count();
    for name in ["", "a", "b", "a.b", "zzz"] {
        let _ = value.get(name);
        let path = Path { steps: vec![name.to_owned(), "a".to_owned()] };
        let _ = value.path(&path, &mut |_| Ok(()));
    }
}

proptest! {
    #[test]
    fn a_value_reads_back_as_it_was_written(value in documents()) {
        let bytes = encoded(&value);
        prop_assert_eq!(&ValueRef::new(&bytes).decode().unwrap(), &value);
        if let Some(object) = value.as_object() {
            for (name, expected) in object {
                let found = ValueRef::new(&bytes).get(name).unwrap().unwrap();
                prop_assert_eq!(&found.decode().unwrap(), expected);
            }
        }
        // What is written after something else is the same.
        let mut target = vec![1, 2, 3];
        encode(&value, &mut target).unwrap();
        prop_assert_eq!(&target[3..], bytes.as_slice());
    }

    #[test]
    fn both_forms_are_walked_alike(
        value in documents(), steps in prop::collection::vec("[a-c]", 1..4),
    ) {
        let path = Path { steps };
        let bytes = encoded(&value);
        let mut in_bytes = Vec::new();
        let mut in_json = Vec::new();
        let walked = ValueRef::new(&bytes).path(&path, &mut |found| {
            in_bytes.push(found.decode()?);
            Ok(())
        });
        walked.unwrap();
        path.visit(&value, &mut |found| { in_json.push(found.clone()); Ok(()) }).unwrap();
        prop_assert_eq!(in_bytes, in_json);
        let at = ValueRef::new(&bytes).at(&path).unwrap().map(|found| found.decode().unwrap());
        prop_assert_eq!(at.as_ref(), path.get(&value));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
    }

    #[test]
    fn mutated_values_never_panic(
        value in documents(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = encoded(&value);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        read_all(&bytes);
        read_all(&bytes[..cut.index(bytes.len())]);
    }
}
