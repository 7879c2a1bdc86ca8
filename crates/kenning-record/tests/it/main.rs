//! What the formats promise, checked from outside.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod entries; // the frame of a live entry, and a log entry
mod instants; // RFC 3339
mod keys; // every key of the store
mod names; // ids, keys and names
mod orders; // index keys
mod paths; // where in a document
mod records; // drafts, payloads and what is shown
mod schemas; // what may be in a record
mod values; // compact JSON

use kenning_record::Json;
use kenning_store::{ErrorKind, Result};
use proptest::prelude::*;

/// Asserts that `result` is an error of this kind and code, and gives its message.
#[track_caller]
fn refused<T>(result: Result<T>, kind: ErrorKind, code: &str) -> String {
    let error = result.err().expect("it must be refused");
    assert_eq!((error.kind(), error.code()), (kind, code), "{error}");
    error.message().to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Calls `check` with `bytes` after flipping each of its bits.
fn each_flipped_bit(bytes: &[u8], check: impl Fn(usize, &[u8])) {
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        check(bit, &bad);
    }
}

/// Any scalar; numbers often near the edges at which their form changes.
fn scalars() -> impl Strategy<Value = Json> {
    let edges = prop_oneof![
        Just(0i128),
        Just(1 << 53),
        Just(-(1 << 53)),
        Just(1 << 63),
        Just(-(1 << 63)),
        Just(1 << 64),
        Just(1 << 31),
        Just(1 << 62),
    ];
    let near_edges = (edges, -3000i128..3000).prop_filter_map("beyond 64 bits", |(edge, off)| {
        let number = edge + off;
        let integer = i64::try_from(number).map(Json::from);
        integer.or_else(|_| u64::try_from(number).map(Json::from)).ok()
    });
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-20i64..20).prop_map(Json::from),
        (-40i64..40).prop_map(|number| Json::from(number as f64 / 2.0)),
        near_edges.clone(),
        near_edges.prop_map(|number| Json::from(number.as_f64().unwrap())),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Json::from),
        "[a-c\\x00\\x01\u{e9}\u{ffff}]{0,6}".prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ]
}

/// Any document, up to a few hundred parts.
fn documents() -> impl Strategy<Value = Json> {
    scalars().prop_recursive(5, 200, 12, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..12).prop_map(Json::from),
            prop::collection::btree_map("[a-e\\.]{0,3}", inner, 0..12)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}
