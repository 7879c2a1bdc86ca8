//! What is asked of a whole index, from outside.

mod chance; // seeded choices
mod predicate_laws; // random predicates over random records, against plain readings of both
mod predicate_texts; // what is written, and what it means

use kenning_record::{Body, Id, Json, encode_record};

/// The id of every record that is made here.
const ID: Id = Id([0x5a; 16]);

/// The payload of a record that was born on 2026-01-01 and changed a day later.
fn encoded(key: Option<&str>, valid_from: Option<i64>, properties: &Json) -> Vec<u8> {
    let born = kenning_record::parse_instant("2026-01-01").expect("it is one");
    let body = Body {
        birth: 1,
        created_at: born,
        modified_at: born + 86_400_000,
        valid_from,
        valid_until: None,
        key,
        aliases: &[],
        properties,
    };
    let mut bytes = Vec::new();
    encode_record(&body, &mut bytes).expect("it is an object");
    bytes
}
