//! Which records, as a person writes it.

use kenning_index::{Fields, Index, PREDICATE_BYTES_MAX, Predicate, Subject};
use kenning_ingest::probe::object;
use kenning_record::{Body, Id, IndexSpec, Path, RecordRef, encode_record};

use crate::bytes::halves;
use crate::{given_as, stored_as};

const ID: Id = Id([0x5a; 16]);

/// A predicate, and the record that it is asked of.
pub fn predicate(data: &[u8]) {
    let Some((text, document)) = halves(data) else { return };
    let Some(predicate) = given_as(Predicate::parse(text)) else { return };
    let written = predicate.to_string();
    // It may be written longer than it was read.
    if written.len() <= PREDICATE_BYTES_MAX {
        let again = given_as(Predicate::parse(&written));
        assert_eq!(again.as_ref(), Some(&predicate), "{text} is written as {written}");
    }
    let Some(json) = given_as(object(document)) else { return };
    let body = Body {
        birth: 1,
        created_at: 0,
        modified_at: 1,
        valid_from: None,
        valid_until: None,
        key: Some("a"),
        aliases: &[],
        properties: &json,
    };
    let mut bytes = Vec::new();
    if given_as(encode_record(&body, &mut bytes)).is_none() {
        return;
    }
    let record = stored_as(RecordRef::new(&bytes)).expect("it was encoded");
    if stored_as(predicate.holds(ID, 1, record)).expect("it was encoded") {
        is_planned(&predicate, record);
    }
}

/// A record that passes is in what is read of an index over any path that is asked.
fn is_planned(predicate: &Predicate, record: RecordRef<'_>) {
    let paths: Vec<Path> = predicate.names().into_iter().cloned().collect();
    let alone = paths.iter().map(|path| vec![path.clone()]);
    let all = (2..=6).contains(&paths.len()).then(|| paths.clone());
    for (paths, unique) in
        alone.chain(all).flat_map(|paths| [(paths.clone(), false), (paths, true)])
    {
        let index = Fields { number: 3, spec: IndexSpec { paths, unique } };
        let Some(plan) = predicate.plan(1, 2, [(0, index.number, &index.spec)].into_iter()) else {
            continue;
        };
        let mut entries = Vec::new();
        let subject = Subject { tenant: 1, table: 2, id: ID, record };
        if given_as(index.entries(&subject, &mut entries)).is_none() {
            continue;
        }
        let is_read = |key: &[u8]| plan.ranges.iter().any(|range| range.contains(key));
        assert!(entries.iter().any(|entry| is_read(&entry.key)), "{predicate} is planned away");
    }
}
