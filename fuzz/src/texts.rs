//! What people and programs write: names, instants, ids, paths, schemas, patches.

use kenning_engine::{ContentHash, probe};
use kenning_ingest::ColumnType;
use kenning_ingest::probe::object;
use kenning_record::{Id, Path, Schema, format_instant, normalize, parse_instant};
use kenning_record::{check_table_name, check_tenant_name, encode, suggest};

use crate::bytes::{array, choice, halves};
use crate::given_as;

/// The first byte chooses what the others are.
pub fn texts(mut data: &[u8]) {
    let chosen = choice(&mut data) % 6;
    if chosen == 0 {
        return instant(i64::from_le_bytes(array(&mut data)));
    }
    let Some((text, more)) = halves(data) else { return };
    match chosen {
        1 => name(text, more),
        2 => schema(text, more),
        3 => patch(text, more),
        4 => path(text, more),
        _ => word(text),
    }
}

fn instant(ms: i64) {
    let written = format_instant(ms);
    if let Some(read) = given_as(parse_instant(&written)) {
        assert_eq!(read, ms, "{written} is another instant");
    }
}

fn name(text: &str, other: &str) {
    given_as(check_table_name(text));
    given_as(check_tenant_name(text));
    suggest(text, [other, "indexed"]);
    if let Some(normal) = given_as(normalize(text)) {
        assert_eq!(given_as(normalize(&normal)).as_ref(), Some(&normal), "{text:?}");
        Id::derived("t", "n", &normal);
    }
}

fn word(text: &str) {
    if let Some(ms) = given_as(parse_instant(text)) {
        instant(ms);
        let written = format_instant(ms);
        assert_eq!(given_as(parse_instant(&written)), Some(ms), "{text} and {written}");
    }
    if let Some(id) = given_as(text.parse::<Id>()) {
        assert_eq!(given_as(id.to_string().parse()), Some(id), "{text}");
        assert!(id.to_string().eq_ignore_ascii_case(text) || text.len() == 32, "{text}");
    }
    if let Some(hash) = given_as(text.parse::<ContentHash>()) {
        assert!(hash.to_string().eq_ignore_ascii_case(text), "{text}");
    }
    if let Some(holds) = given_as(text.parse::<ColumnType>()) {
        assert_eq!(holds.name(), text);
    }
}

/// A path finds the same in a document and in its bytes.
fn path(text: &str, document: &str) {
    let Some(path) = given_as(text.parse::<Path>()) else { return };
    assert_eq!(given_as(path.to_string().parse()).as_ref(), Some(&path), "{text}");
    let Some(json) = given_as(object(document)) else { return };
    let mut bytes = Vec::new();
    if given_as(encode(&json, &mut bytes)).is_none() {
        return;
    }
    let value = kenning_record::ValueRef::new(&bytes);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let seen = path.visit(&json, &mut |found| {
        left.push(found.clone());
        Ok(())
    });
    let read = value.path(&path, &mut |found| found.decode().map(|found| right.push(found)));
    assert_eq!(seen.is_ok(), read.is_ok(), "{seen:?} and {read:?}");
    assert!(seen.is_err() || left == right, "{left:?} and {right:?}");
    let one = crate::stored_as(value.at(&path)).flatten();
    let one = one.map(|found| crate::stored_as(found.decode()).expect("it was encoded"));
    assert_eq!(path.get(&json), one.as_ref(), "{text}");
}

/// A schema judges a document, and judges it again in the same way.
fn schema(text: &str, document: &str) {
    let Some(json) = given_as(object(text)) else { return };
    let Some(schema) = given_as(Schema::parse(&json)) else { return };
    let Some(document) = given_as(object(document)) else { return };
    let judged = given_as(schema.validate(&document)).is_some();
    assert_eq!(schema.validate(&document).is_ok(), judged);
}

/// A patch that is applied twice changes nothing the second time.
fn patch(document: &str, patch: &str) {
    let (Some(document), Some(patch)) = (given_as(object(document)), given_as(object(patch)))
    else {
        return;
    };
    let once = probe::patched(document, patch.clone());
    assert!(once.is_object(), "an object that is patched by one is one");
    assert_eq!(probe::patched(once.clone(), patch), once);
}
