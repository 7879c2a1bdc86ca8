//! Where a search begins: real encodings, one of each kind, under names that say what they are.

use kenning_index::Arc;
use kenning_record::{Body, End, Id, Json, LogBody, LogHead};
use kenning_record::{encode, encode_record, entry, keys, order_json};
use serde_json::json;

/// One input of a target.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The target.
    pub target: &'static str,
    /// Its name in the corpus.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Every seed.
pub fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (target, inputs) in [
        ("stored", [keys_of(), stored()].concat()),
        ("texts", texts()),
        ("csv", csv()),
        ("jsonl", jsonl()),
        ("folders", folders()),
        ("predicate", predicates()),
        ("vectors", vectors()),
    ] {
        seeds.extend(inputs.into_iter().map(|(name, bytes)| Seed { target, name, bytes }));
    }
    seeds
}

type Inputs = Vec<(&'static str, Vec<u8>)>;

const ID: Id = Id([0x5a; 16]);
const END: End = End { table: 3, id: ID };

/// An input whose first bytes choose.
fn chosen(head: &[u8], bytes: impl AsRef<[u8]>) -> Vec<u8> {
    [head, bytes.as_ref()].concat()
}

fn keys_of() -> Inputs {
    let values = ordered();
    [
        ("key-meta", keys::identity()),
        ("key-backup", keys::backup("a/b", 2)),
        ("key-sweep", keys::sweep(1, 2, Some(&ID))),
        ("key-sweep-table", keys::sweep(1, 2, None)),
        ("key-sweep-tenant", keys::tenant_sweep(1)),
        ("key-index-work", keys::index_work(1, 2, 3)),
        ("key-purge", keys::purge(1, 2, &ID)),
        ("key-clock", keys::clock(9)),
        ("key-outcome", keys::outcome(1, &[4; 16])),
        ("key-watermark", keys::watermark(1, "mirror")),
        ("key-mark", keys::mark(1, 2, &ID)),
        ("key-record", keys::record(1, 2, &ID).to_vec()),
        ("key-birth", keys::birth(1, 2, &ID)),
        ("key-name", keys::name_key(1, "ada \0 lovelace", 2)),
        ("key-alias", keys::name_alias(1, "ada", 2, &ID)),
        ("key-field", keys::field(1, 2, 3, &values, Some(&ID))),
        ("key-field-unique", keys::field(1, 2, 3, &values, None)),
        ("key-link", keys::link(1, keys::OUT, END, "knows", END)),
        ("key-history", keys::history(&keys::record(1, 2, &ID), 8)),
        ("key-log", keys::log(1, 8)),
    ]
    .map(|(name, key)| (name, chosen(&[0], key)))
    .into()
}

fn ordered() -> Vec<u8> {
    let mut values = Vec::new();
    for value in [json!("a\0b"), json!(-1.5), json!(u64::MAX), json!(true), Json::Null] {
        order_json(&value, &mut values).expect("these are scalars");
    }
    values
}

fn stored() -> Inputs {
    let properties = json!({
        "name": "Ada", "a": {"b": [1, -2.5, u64::MAX, null, true]}, "long": "x".repeat(300),
    });
    let mut value = Vec::new();
    encode(&properties, &mut value).expect("it is a document");
    let (record, link) = (record(&properties), link_record());
    let mut framed = Vec::new();
    entry::write(7, &record, &mut framed);
    let key = keys::link(1, keys::OUT, END, "knows", END);
    let key_bytes = u8::try_from(key.len()).expect("a link's key is short");
    let mut work = Vec::new();
    let fill = json!({"fill": ID.to_string(), "rows": 3, "violations": []});
    encode(&fill, &mut work).expect("it is a note");
    let integers = [&[2][..], &(1i64 << 53).to_le_bytes(), &[4], &9.007e15f64.to_le_bytes()];
    vec![
        ("ordered-values", chosen(&[1], ordered())),
        ("order-numbers", chosen(&[2], integers.concat())),
        ("order-texts", chosen(&[2], b"\x05\x02a\0\x05\x01a")),
        ("entry", chosen(&[3], framed)),
        ("value", chosen(&[4], value)),
        ("record", chosen(&[5], &record)),
        ("record-of-link", chosen(&[5], &link)),
        ("log", chosen(&[6], log(&record))),
        ("link", chosen(&[7, key_bytes], [&key[..], &[1; 44]].concat())),
        ("note-of-index", chosen(&[8], [&[0; 8][..], &work].concat())),
        ("note-of-head", chosen(&[8], [1; 24])),
        ("note-of-outcome", chosen(&[8], [1; 16])),
        ("note-of-import", chosen(&[8], [&[1, 0][..], &[7; 32]].concat())),
        ("range", chosen(&[9], b"\x02\x10a\x02\x14b\x12c")),
    ]
}

fn record(properties: &Json) -> Vec<u8> {
    let aliases = ["Countess".to_owned(), "AAL".to_owned()];
    let body = Body {
        birth: 1,
        created_at: 1_700_000_000_000,
        modified_at: 1_700_000_000_500,
        valid_from: Some(0),
        valid_until: Some(9),
        key: Some("Ada"),
        aliases: &aliases,
        properties,
    };
    let mut bytes = Vec::new();
    encode_record(&body, &mut bytes).expect("it is a record");
    bytes
}

fn link_record() -> Vec<u8> {
    let arc = Arc {
        source: END,
        source_birth: 1,
        kind: "knows".into(),
        target: END,
        target_birth: 1,
        weight: 0.5,
    };
    record(&arc.properties(&json!({})))
}

/// A log entry without its sum.
fn log(record: &[u8]) -> Vec<u8> {
    let mut body = LogBody::new();
    body.push(2, ID, Some(record));
    body.push(3, ID, None);
    let (transaction, origin) = ([1; 16], [2; 16]);
    let head = LogHead { version: 7, transaction, origin, instant: 5, previous: 6, schema: 4 };
    let mut bytes = Vec::new();
    body.finish(head, &mut bytes);
    bytes.truncate(bytes.len() - size_of::<u32>());
    bytes
}

fn texts() -> Inputs {
    let schema = "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\
        \"maxLength\":9,\"pattern\":\"^a+$\"},\"n\":{\"minimum\":1}},\"required\":[\"name\"],\
        \"x-kenning\":{\"key\":\"name\",\"indexed\":[\"n\",[\"a.b\",\"n\"]],\"unique\":[\"n\"],\
        \"category\":\"user\"}}\n--\n{\"name\":\"aa\",\"n\":2}";
    vec![
        ("instant-number", chosen(&[0], 1_700_000_000_000i64.to_le_bytes())),
        ("name", chosen(&[1], "  Ada\tLOVELACE \u{fb01}\u{130}\n--\nindexd")),
        ("schema", chosen(&[2], schema)),
        ("patch", chosen(&[3], "{\"a\":{\"b\":1,\"c\":[1]}}\n--\n{\"a\":{\"b\":null,\"d\":{}}}")),
        ("path", chosen(&[4], "a.b\\.c\n--\n{\"a\":[{\"b.c\":1},[{\"b.c\":[2]}]]}")),
        ("instant", chosen(&[5], "2026-11-20T09:30:00.25+01:00")),
        ("leap-second", chosen(&[5], "2016-12-31T23:59:60Z")),
        ("id", chosen(&[5], ID.to_string())),
        ("hash", chosen(&[5], "5A".repeat(32))),
        ("type", chosen(&[5], "integer")),
    ]
}

fn predicates() -> Inputs {
    let document = "{\"a\":{\"b\":[1,\"x%\",null]},\"c\":true,\"n\":-1.5}";
    let input = |text: &str| format!("{text}\n--\n{document}").into_bytes();
    vec![
        ("signs", input("a.b = 1 AND n<>-1.5e0 and 2 >= n OR NOT (c != FALSE)")),
        ("lists", input("a.b IN ('x%', NULL, 1) AND n NOT IN (.5) AND c")),
        ("ranges", input("n >= -2 AND c AND n < 0 OR n NOT BETWEEN 1 AND 'x'")),
        ("patterns", input("a.b LIKE '%x!%_%' ESCAPE '!' OR a.b NOT ILIKE '_\\%'")),
        ("states", input("gone IS NULL AND c IS NOT FALSE AND (n = 1) IS NOT TRUE OR TRUE")),
        ("names", input("\"a\".\"b \"\"\" = 'it''s' OR a\\.b = 1 AND \"_key\" AND not = 2")),
        (
            "own",
            input(
                "_id = '5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a' AND _key > 'a' AND _version <= 7 AND \
                 _created_at >= '2026-01-01' AND _valid_until IS NULL",
            ),
        ),
    ]
}

/// How the file of a seed arrives, behind the byte that chooses.
const ARRIVAL: [u8; 9] = [0, 3, 0, 9, 2, 3, 40, 1, 1];

fn csv() -> Inputs {
    let tsv = [&[1], &ARRIVAL[1..]].concat();
    let plain = "name,born,score,alive,tags\nAda,1815,0.5,false,[1]\n\
        \"Grace \"\"H\"\"\",1906,,true,\"[1, 2]\"\n";
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    vec![
        ("plain", chosen(&ARRIVAL, plain)),
        ("windows", chosen(&ARRIVAL, plain.replace('\n', "\r\n"))),
        ("cr", chosen(&ARRIVAL, plain.replace('\n', "\r"))),
        ("marked", chosen(&ARRIVAL, format!("\u{feff}{plain}"))),
        ("tabs", chosen(&tsv, plain.replace(',', "\t"))),
        ("quotes", chosen(&ARRIVAL, "a,b\n\"x\ny\",\"\"\n\n\"open,1\nc,\"d\"e\n\"\r\n\",\r\n")),
        ("ragged", chosen(&ARRIVAL, "a,b\n1\n1,2,3\n,\n\"\"\n")),
        ("utf-16", chosen(&ARRIVAL, [&[0xff, 0xfe][..], &utf16("a,b\n\u{1f600},2\n")].concat())),
    ]
}

fn jsonl() -> Inputs {
    let whole = [&[1], &ARRIVAL[1..]].concat();
    let plain =
        "{\"name\":\"Ada\",\"key\":1,\"tags\":[1,2.5e3,null]}\n\n{\"key\":\"a\\ud83d\\ude00\"}\r\n";
    let record = format!(
        "{{\"id\":\"{ID}\",\"table\":\"t\",\"key\":null,\"aliases\":[\"a\"],\"version\":3,\
         \"valid_from\":\"2020-01-01T00:00:00.000Z\",\"valid_until\":\"2021-01-01\",\
         \"properties\":{{\"n\":1}}}}\n"
    );
    vec![
        ("plain", chosen(&ARRIVAL, plain)),
        ("marked", chosen(&ARRIVAL, format!("\u{feff}{plain}"))),
        ("record", chosen(&whole, record)),
        ("twice", chosen(&ARRIVAL, "{\"a\":1,\"a\":2}\n[1]\n{\"a\":1e999}\n{\"a\"\n \t\n{}")),
        ("deep", chosen(&ARRIVAL, format!("{{\"a\":{}1{}}}", "[".repeat(70), "]".repeat(70)))),
    ]
}

fn folders() -> Inputs {
    let database = "01".repeat(16);
    let hash = "ab".repeat(32);
    let list = format!(
        "kenning backup 1\ndatabase {database}\nnumber 3\nformat 1\nengine rocksdb\n\
         label version 9 instant 2026-11-20T08:30:00.000Z\nfolder store/a b\n\
         file {hash} 12 7:-5 store/1.sst\nfile {hash} 12 - parts/a b.part\n"
    );
    let marker = |holds: &str, history: Json, path: &str| {
        let files = json!([{"path": path, "bytes": 5, "lines": 1, "blake3": hash}]);
        json!({
            "format": 1, "holds": holds, "version": 3, "instant": "2026-11-20T08:30:00.000Z",
            "history_from": 0, "content": hash, "history": history, "tenants": ["default"],
            "files": files,
        })
        .to_string()
    };
    let end = json!({"table": "t", "id": ID.to_string(), "birth": 2});
    let mut said = json!({
        "id": ID.to_string(), "key": "Ada", "aliases": ["a"], "birth": 2, "created_at": 5,
        "modified_at": "2026-11-20T08:30:00.000Z", "properties": {"n": 1},
    });
    let record = said.to_string();
    for (name, value) in [("source", end.clone()), ("target", end), ("type", "knows".into())] {
        said[name] = value;
    }
    said["weight"] = 0.5.into();
    let table = json!({"table": "t", "schema": {}, "indexes": [
        {"paths": ["a"], "unique": true, "state": "ready"},
        {"paths": ["a"], "unique": false, "state": "failed", "violations": []},
    ]});
    vec![
        ("marker", chosen(&[0], "format 1\nengine rocksdb\n")),
        ("backup-marker", chosen(&[1], format!("kenning backups 1\ndatabase {database}\n"))),
        ("backup-list", chosen(&[2], list)),
        ("export-state", chosen(&[3], marker("state", Json::Null, "default/tables.jsonl"))),
        ("export-history", chosen(&[3], marker("history", hash.as_str().into(), "log.jsonl"))),
        ("export-table", chosen(&[4], table.to_string())),
        ("export-record", chosen(&[5], record)),
        ("export-link", chosen(&[5], said.to_string())),
        ("export-gone", chosen(&[5], json!({"id": ID.to_string(), "gone": 2}).to_string())),
        ("journal", chosen(&[6], crate::folders::sealed_journal(&batch()))),
        ("journal-batches", chosen(&[7], [batch(), batch()].concat())),
    ]
}

/// One batch of a journal, before it is sealed: a write and a clear.
fn batch() -> Vec<u8> {
    let mut writes = vec![2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    writes.extend_from_slice(&[2, 0, 3, 0, 0, 0, 3, 0, 0, 0]);
    writes.extend_from_slice(b"\x10kval");
    writes.extend_from_slice(&[4, 1, 0, 0, 0, 0, 0, 0, 0]);
    let size = u8::try_from(writes.len()).expect("it is a small batch");
    chosen(&[2, 1, size], writes)
}

fn vectors() -> Inputs {
    // A neighbour that is not there, a chain that turns back, a row of a level, a head.
    let other =
        |place: u16, number: u32| [&place.to_le_bytes()[..], &number.to_le_bytes()].concat();
    let changes = [other(1300, 1 << 20), other(1220, 3), other(1500, 59)].concat();
    vec![
        ("whole", chosen(&[3], crate::vectors::seed())),
        ("unchanged", chosen(&[2], [])),
        ("changed", chosen(&[0], changes)),
        ("head", chosen(&[1], other(5, 61))),
    ]
}
