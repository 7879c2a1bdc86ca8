//! What is under the keys: entries, values, records, the log, links, notes.

use kenning_engine::probe;
use kenning_index::{Arc, LinkEntry};
use kenning_record::{Id, Json, LogBody, LogEntry, Path, RecordRef, ValueRef};
use kenning_record::{encode, encode_record, entry, keys};
use kenning_store::regions::{family_of, regions};
use kenning_store::{Range, Result};

use crate::bytes::{array, choice, part};
use crate::keys::{every_key, order, ordered};
use crate::{given_as, stored_as};

const VERSION: u64 = 7;
/// Bytes of a log entry before the number of its changes.
const LOG_HEAD_BYTES: usize = 58;

/// The first byte chooses what the others are.
pub fn stored(mut data: &[u8]) {
    match choice(&mut data) % 10 {
        0 => every_key(data),
        1 => ordered(data),
        2 => order(data),
        3 => frame(data),
        4 => value(data),
        5 => record(data),
        6 => log(data),
        7 => link(data),
        8 => notes(data),
        _ => ranges(data),
    }
}

fn frame(data: &[u8]) {
    if let Some((from, payload)) = stored_as(entry::check(data)) {
        assert_eq!(framed(from, payload), data, "an entry was written otherwise");
    }
    let split = stored_as(entry::split(data));
    assert_eq!(split.is_some(), data.len() >= entry::OVERHEAD);
    let mut rest = data;
    let from = u64::from_le_bytes(array(&mut rest));
    let bytes = framed(from, rest);
    assert_eq!(stored_as(entry::check(&bytes)), Some((from, rest)), "an entry was not read back");
    let mut prepared = Vec::new();
    entry::prepare(rest, &mut prepared);
    entry::stamp(from, &mut prepared);
    assert_eq!(prepared, bytes, "an entry that was stamped is another one");
}

fn framed(from: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    entry::write(from, payload, &mut bytes);
    bytes
}

fn value(data: &[u8]) {
    let value = ValueRef::new(data);
    stored_as(value.kind());
    stored_as(value.as_str());
    stored_as(value.as_f64());
    // A damaged container has no more elements than bytes.
    assert!(value.items().filter_map(stored_as).take(data.len() + 1).count() <= data.len());
    assert!(value.entries().filter_map(stored_as).take(data.len() + 1).count() <= data.len());
    for path in ["a", "a.b", "name"] {
        let path: Path = path.parse().expect("these are paths");
        stored_as(value.at(&path));
        stored_as(value.path(&path, &mut |_| Ok(())));
    }
    if let Some(json) = stored_as(value.decode()) {
        let bytes = encoded(&json);
        let again = ValueRef::new(&bytes);
        assert_eq!(stored_as(again.decode()).as_ref(), Some(&json), "a value changed");
        same_members(again, &json);
    }
}

/// A member that is read alone is the one that is read with all.
fn same_members(value: ValueRef<'_>, json: &Json) {
    for (name, member) in json.as_object().into_iter().flatten() {
        let read = stored_as(value.get(name)).flatten().expect("every member is found");
        assert_eq!(stored_as(read.decode()).as_ref(), Some(member), "{name}");
    }
    for (idx, item) in json.as_array().into_iter().flatten().enumerate() {
        let read = value.items().nth(idx).and_then(stored_as).expect("every element is found");
        assert_eq!(stored_as(read.decode()).as_ref(), Some(item), "{idx}");
    }
}

fn encoded(json: &Json) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(json, &mut bytes).expect("what was decoded can be encoded");
    bytes
}

fn record(data: &[u8]) {
    let Some(record) = stored_as(RecordRef::new(data)) else { return };
    stored_as(record.birth());
    stored_as(record.key());
    assert!(record.aliases().filter_map(stored_as).take(data.len() + 1).count() <= data.len());
    stored_as(Arc::read(record));
    let Some(whole) = stored_as(record.to_record(Id([3; 16]), "t", VERSION)) else { return };
    drop(whole.to_json());
    let mut bytes = Vec::new();
    if given_as(encode_record(&whole.body(), &mut bytes)).is_none() {
        assert!(!whole.properties.is_object(), "a record could not be written again");
        return;
    }
    let again = stored_as(RecordRef::new(&bytes))
        .and_then(|again| stored_as(again.to_record(whole.id, "t", VERSION)));
    assert_eq!(again, Some(whole), "a record changed");
}

/// The sum of a log entry covers the changes, what is before them, and the version.
pub(crate) fn sealed_log(unsealed: &[u8]) -> Vec<u8> {
    let number = unsealed.get(LOG_HEAD_BYTES..).unwrap_or_default();
    let number_bytes = number.iter().position(|byte| byte & 0x80 == 0).map_or(0, |at| at + 1);
    let (before, changes) = unsealed.split_at((LOG_HEAD_BYTES + number_bytes).min(unsealed.len()));
    let mut sum = crc32fast::Hasher::new();
    sum.update(changes);
    sum.update(before);
    sum.update(&VERSION.to_le_bytes());
    [unsealed, &sum.finalize().to_le_bytes()].concat()
}

fn log(data: &[u8]) {
    stored_as(LogEntry::decode(data, VERSION));
    let bytes = sealed_log(data);
    let Some(entry) = stored_as(LogEntry::decode(&bytes, VERSION)) else { return };
    let changes: Option<Vec<_>> = entry.changes().map(stored_as).collect();
    let Some(changes) = changes else { return };
    assert_eq!(changes.len(), entry.len(), "a log entry counts otherwise");
    let mut body = LogBody::new();
    changes.iter().for_each(|change| body.push(change.table, change.id, change.after));
    let mut again = Vec::new();
    body.finish(entry.head, &mut again);
    assert_eq!(again, bytes, "a log entry was written otherwise");
    assert!(body.size_bytes() >= again.len(), "a log entry is longer than it was said");
}

fn link(mut data: &[u8]) {
    let key = part(&mut data);
    let Some(split) = stored_as(keys::link_split(key)) else { return };
    let Some(entry) = stored_as(LinkEntry::read(split.tenant, key, VERSION, data)) else { return };
    assert_eq!((entry.near, entry.far), (split.near, split.far));
    entry.is_valid_at(0);
}

/// Reads a note and writes it again.
type Again = fn(&[u8]) -> Result<Vec<u8>>;

/// A note is read, sealed or not; what it says, written and read again, says the same.
fn notes(data: &[u8]) {
    let mut rest = data;
    let sealed = framed(u64::from_le_bytes(array(&mut rest)), rest);
    let readers: [Again; 4] =
        [probe::rework, probe::rehead, probe::reoutcome, kenning_ingest::probe::renote];
    for again in readers {
        for note in [data, &sealed] {
            if let Some(written) = stored_as(again(note)) {
                assert_eq!(stored_as(again(&written)), Some(written.clone()), "a note changed");
            }
        }
    }
}

/// The regions of a range are in it, and each key of it is in the region of its family.
fn ranges(mut data: &[u8]) {
    let (from, until, key) = (part(&mut data), part(&mut data), data);
    let range = Range { from: from.to_vec(), until: Some(until.to_vec()) };
    let regions: Vec<_> = regions(&range).collect();
    let holding: Vec<_> = regions.iter().filter(|region| region.range.contains(key)).collect();
    if range.contains(key) && !key.is_empty() {
        assert_eq!(holding.len(), 1, "a key is in one region");
        assert_eq!(holding[0].family, family_of(key));
    } else {
        assert!(holding.is_empty() || key.is_empty(), "a region is larger than its range");
    }
}
