use std::cmp::Ordering;

use kenning_record::{
    INDEXED_BYTES_MAX, Json, ValueRef, encode, order_json, order_value, skip_ordered, unorder,
};
use kenning_store::ErrorKind;
use proptest::prelude::*;
use serde_json::json;

use crate::{hex, refused, scalars};

fn ordered(value: &Json) -> Vec<u8> {
    let mut bytes = Vec::new();
    order_json(value, &mut bytes).unwrap();
    bytes
}

/// Changing a line means changing the format of keys.
#[test]
fn the_bytes_of_ordered_scalars_are_pinned() {
    let check =
        |value: Json, expected: &str| assert_eq!(hex(&ordered(&value)), expected, "{value}");
    check(json!(null), "10");
    check(json!(false), "20");
    check(json!(true), "21");
    check(json!(0), "3080000000000000008000");
    check(json!(1), "30bff00000000000008000");
    check(json!(-1), "30400fffffffffffff8000");
    check(json!(0.5), "30bfe00000000000008000");
    check(json!((1i64 << 53) + 1), "30c3400000000000008001");
    check(json!(u64::MAX), "30c3f00000000000007fff");
    check(json!(""), "400001");
    check(json!("a\0b"), "406100ff620001");
}

#[test]
fn the_whole_order_in_one_line() {
    let line = [
        json!(null),
        json!(false),
        json!(true),
        json!(f64::MIN),
        json!(-1e19),
        json!(i64::MIN),
        json!(i64::MIN + 1),
        json!(-9007199254740993i64),
        json!(-9007199254740992i64),
        json!(-1.5),
        json!(-1),
        json!(-1e-300),
        json!(0),
        json!(1e-300),
        json!(1),
        json!(1.5),
        json!(2),
        json!(9007199254740992i64),
        json!(9007199254740993i64),
        json!(9007199254740994i64),
        json!(i64::MAX - 1),
        json!(i64::MAX),
        json!(1u64 << 63),
        json!((1u64 << 63) + 1),
        json!(u64::MAX - 1),
        json!(u64::MAX),
        json!(18446744073709551616.0),
        json!(f64::MAX),
        json!(""),
        json!("\0"),
        json!("1"),
        json!("A"),
        json!("a"),
        json!("a\0"),
        json!("aa"),
        json!("\u{e9}"),
    ];
    for pair in line.windows(2) {
        assert!(ordered(&pair[0]) < ordered(&pair[1]), "{} < {}", pair[0], pair[1]);
    }
}

#[test]
fn equal_numbers_are_one_key() {
    assert_eq!(ordered(&json!(1)), ordered(&json!(1.0)));
    assert_eq!(ordered(&json!(0)), ordered(&json!(-0.0)));
    assert_eq!(ordered(&json!(1u64 << 63)), ordered(&json!(9223372036854775808.0)));
}

#[test]
fn what_has_no_order_is_refused() {
    for value in [json!([]), json!({}), json!([1])] {
        refused(order_json(&value, &mut Vec::new()), ErrorKind::Invalid, "NOT_SCALAR");
        let mut bytes = Vec::new();
        encode(&value, &mut bytes).unwrap();
        let result = order_value(ValueRef::new(&bytes), &mut Vec::new());
        refused(result, ErrorKind::Invalid, "NOT_SCALAR");
    }
    let largest = json!("x".repeat(INDEXED_BYTES_MAX));
    assert_eq!(unorder(&ordered(&largest)).unwrap(), largest);
    let larger = json!("x".repeat(INDEXED_BYTES_MAX + 1));
    let result = order_json(&larger, &mut Vec::new());
    let message = refused(result, ErrorKind::Exhausted, "INDEX_VALUE_TOO_LARGE");
    assert!(message.contains("4097") && message.contains("4096"), "{message}");
}

#[test]
fn a_key_that_no_writer_makes_is_damaged() {
    let number = |nearest: f64, missing: [u8; 2]| {
        let mut bytes = vec![0x30];
        bytes.extend_from_slice(&(nearest.to_bits() ^ 1 << 63).to_be_bytes());
        bytes.extend_from_slice(&missing);
        bytes
    };
    assert_eq!(unorder(&number(2.0, [0x80, 0])).unwrap(), json!(2));
    for (nearest, missing) in [
        (f64::NAN, [0x80, 0]),
        (f64::INFINITY, [0x80, 0]),
        (f64::MAX, [0x80, 1]),
        (1.5, [0x80, 1]),
        (1e30, [0x7f, 0xff]),
        (2.0, [0x80, 1]),
    ] {
        let result = unorder(&number(nearest, missing));
        refused(result, ErrorKind::Corrupt, "KEY_DAMAGED");
    }
    for bytes in [&[][..], &[0x99], &[0x30, 1], &[0x40, b'a'], &[0x10, 0x10]] {
        refused(unorder(bytes), ErrorKind::Corrupt, "KEY_DAMAGED");
    }
}

/// The order of values, written down a second way: exact integers, else `f64`.
fn compare(left: &Json, right: &Json) -> Ordering {
    let rank = |value: &Json| match value {
        Json::Null => 0,
        Json::Bool(truth) => 1 + i32::from(*truth),
        Json::Number(_) => 3,
        Json::String(_) | Json::Array(_) | Json::Object(_) => 4,
    };
    let integer = |value: &Json| value.as_i64().map(i128::from).or(value.as_u64().map(i128::from));
    rank(left).cmp(&rank(right)).then_with(|| match (left, right) {
        (Json::String(left), Json::String(right)) => left.as_bytes().cmp(right.as_bytes()),
        (Json::Number(_), Json::Number(_)) => match (integer(left), integer(right)) {
            (Some(left), Some(right)) => left.cmp(&right),
            (None, None) => left.as_f64().unwrap().partial_cmp(&right.as_f64().unwrap()).unwrap(),
            (Some(left), None) => compare_mixed(left, right.as_f64().unwrap()),
            (None, Some(right)) => compare_mixed(right, left.as_f64().unwrap()).reverse(),
        },
        _ => Ordering::Equal,
    })
}

/// Compares an integer of 64 bits with any finite number, exactly.
fn compare_mixed(integer: i128, number: f64) -> Ordering {
    let floor = number.floor();
    if floor >= 1e30 {
        return Ordering::Less;
    }
    if floor <= -1e30 {
        return Ordering::Greater;
    }
    integer.cmp(&(floor as i128)).then(if number > floor {
        Ordering::Less
    } else {
        Ordering::Equal
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn comparing_bytes_compares_values(left in scalars(), right in scalars()) {
        let found = ordered(&left).cmp(&ordered(&right));
        prop_assert_eq!(found, compare(&left, &right), "{} {}", left, right);
    }

    #[test]
    fn both_forms_have_the_same_key(value in scalars()) {
        let mut bytes = Vec::new();
        encode(&value, &mut bytes).unwrap();
        let mut target = Vec::new();
        order_value(ValueRef::new(&bytes), &mut target).unwrap();
        prop_assert_eq!(&target, &ordered(&value));
    }

    #[test]
    fn a_key_is_taken_apart(
        values in prop::collection::vec(scalars(), 0..4), rest in any::<[u8; 3]>(),
    ) {
        let mut bytes: Vec<u8> = values.iter().flat_map(ordered).collect();
        bytes.extend_from_slice(&rest);
        let mut at = 0;
        for value in &values {
            let size = skip_ordered(&bytes[at..]).unwrap();
            let back = unorder(&bytes[at..at + size]).unwrap();
            prop_assert_eq!(compare(&back, value), Ordering::Equal);
            prop_assert_eq!(ordered(&back), ordered(value));
            at += size;
        }
        prop_assert_eq!(&bytes[at..], &rest);
    }

    #[test]
    fn arbitrary_bytes_never_panic(tag in prop_oneof![Just(0x30u8), Just(0x40), any::<u8>()],
        mut bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        bytes.insert(0, tag);
        let _ = unorder(&bytes);
        let _ = skip_ordered(&bytes);
    }
}
