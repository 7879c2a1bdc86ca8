//! What a record, a state of the past, a step and a table look like.

use kenning::{Json, Past, Record, Step, WalkDirection, format_instant};

use crate::output::{Columns, Row};

/// Every column that a record can have.
pub(super) const RECORD: &[&str] = &[
    "id",
    "table",
    "key",
    "aliases",
    "version",
    "created_at",
    "modified_at",
    "valid_from",
    "valid_until",
    "properties",
];

/// Records in a list.
pub(super) const RECORDS: Columns =
    Columns { table: &["table", "key", "id", "version", "properties"], csv: RECORD };

/// What a record was.
pub(super) const HISTORY: Columns = Columns {
    table: &["version", "until", "deleted", "modified_at", "properties"],
    csv: &[
        "id",
        "table",
        "key",
        "aliases",
        "version",
        "until",
        "deleted",
        "created_at",
        "modified_at",
        "valid_from",
        "valid_until",
        "properties",
    ],
};

/// Where a walk came to.
pub(super) const STEPS: Columns = Columns {
    table: &["depth", "direction", "type", "table", "key", "weight", "id"],
    csv: &["id", "table", "key", "type", "direction", "depth", "weight"],
};

/// What a write answers.
pub(super) const WRITTEN: Columns = Columns::all(&["table", "key", "version", "id"]);

pub(super) fn record(record: &Record) -> Row {
    let mut row = written(record, record.version);
    if !record.aliases.is_empty() {
        row.push(("aliases", record.aliases.as_slice().into()));
    }
    row.push(("created_at", format_instant(record.created_at).into()));
    row.push(("modified_at", format_instant(record.modified_at).into()));
    let valid = [("valid_from", record.valid_from), ("valid_until", record.valid_until)];
    for (name, instant) in valid {
        row.extend(instant.map(|ms| (name, Json::from(format_instant(ms)))));
    }
    row.push(("properties", record.properties.clone()));
    row
}

pub(super) fn past(past: &Past) -> Row {
    let mut row = record(&past.record);
    let properties = row.pop();
    row.push(("until", past.until.into()));
    row.push(("deleted", past.deleted.into()));
    row.extend(properties);
    row
}

pub(super) fn step(step: &Step) -> Row {
    vec![
        ("id", step.id.to_string().into()),
        ("table", step.table.as_str().into()),
        ("key", step.key.as_deref().into()),
        ("type", step.kind.as_str().into()),
        ("direction", direction(step.direction).into()),
        ("depth", step.depth.into()),
        ("weight", step.weight.into()),
    ]
}

/// What was written, in which version.
pub(super) fn written(record: &Record, version: u64) -> Row {
    vec![
        ("id", record.id.to_string().into()),
        ("table", record.table.as_str().into()),
        ("key", record.key.as_deref().into()),
        ("version", version.into()),
    ]
}

fn direction(direction: WalkDirection) -> &'static str {
    match direction {
        WalkDirection::Out => "out",
        WalkDirection::In => "in",
        WalkDirection::Both => "both",
    }
}
