//! verify, stats, log, prune, compact.

use kenning::blocking::Database;
use kenning::{Change, Json, LogRow, Result, format_instant, json};

use super::{moment, view};
use crate::args::{Format, Log, Prune, Verify};
use crate::exit::Outcome;
use crate::output::{Columns, Output, Row};

const FINDINGS: Columns = Columns::all(&["code", "message"]);
const CHANGES: Columns = Columns {
    table: &["version", "instant", "change", "table", "id", "after"],
    csv: &["version", "instant", "transaction", "previous", "change", "table", "id", "after"],
};

pub(super) fn verify(
    database: &Database,
    verify: &Verify,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let findings = match &verify.as_of {
        None => database.verify()?,
        Some(at) => database.verify_as_of(view(database, Some(at))?.version())?,
    };
    let mut list = output.list(FINDINGS);
    for finding in findings {
        list.row(vec![("code", finding.code.into()), ("message", finding.message.into())])?;
    }
    let n_findings = list.end()?;
    if n_findings > 0 {
        return Ok(Outcome::Damaged);
    }
    if output.format() == Format::Table {
        output.text("nothing is wrong\n")?;
    }
    Ok(Outcome::Done)
}

pub(super) fn stats(database: &Database, output: &mut Output<'_>) -> Result<Outcome> {
    let stats = database.stats()?;
    match output.format() {
        Format::Table | Format::Csv => {
            let mut list = output.list(Columns::all(&["name", "value"]));
            let mut rows = Vec::new();
            flatten("", &stats, &mut rows);
            rows.into_iter().try_for_each(|row| list.row(row))?;
            list.end()?;
        }
        Format::Json | Format::Jsonl => output.text(&format!("{stats}\n"))?,
    }
    Ok(Outcome::Done)
}

/// Every value inside `value`, under its dotted name.
fn flatten(name: &str, value: &Json, rows: &mut Vec<Row>) {
    let Some(members) = value.as_object() else {
        return rows.push(vec![("name", name.into()), ("value", value.clone())]);
    };
    for (member, value) in members {
        let dot = if name.is_empty() { "" } else { "." };
        flatten(&format!("{name}{dot}{member}"), value, rows);
    }
}

pub(super) fn log(database: &Database, log: &Log, output: &mut Output<'_>) -> Result<Outcome> {
    let rows = database.log(log.after, log.limit)?;
    let format = output.format();
    let mut list = output.list(CHANGES);
    for row in &rows {
        match format {
            Format::Table | Format::Csv => {
                row.changes.iter().try_for_each(|change| list.row(line(row, change)))?;
            }
            Format::Json | Format::Jsonl => list.row(document(row))?,
        }
    }
    list.end()?;
    Ok(Outcome::Done)
}

/// One change on a line of its own.
fn line(row: &LogRow, change: &Change) -> Row {
    let mut line = head(row);
    line.push(("change", if change.after.is_some() { "put" } else { "delete" }.into()));
    line.push(("table", change.table.as_str().into()));
    line.push(("id", change.id.to_string().into()));
    line.push(("after", change.after.clone().unwrap_or_default()));
    line
}

/// A transaction with all of its changes.
fn document(row: &LogRow) -> Row {
    let change = |change: &Change| {
        let id = change.id.to_string();
        json!({ "table": change.table, "id": id, "after": change.after })
    };
    let mut document = head(row);
    document.push(("changes", row.changes.iter().map(change).collect()));
    document
}

fn head(row: &LogRow) -> Row {
    vec![
        ("version", row.version.into()),
        ("instant", format_instant(row.instant).into()),
        ("transaction", row.transaction.to_string().into()),
        ("previous", row.previous.into()),
    ]
}

pub(super) fn prune(
    database: &Database,
    prune: &Prune,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let pruned = database.prune(moment(&prune.before)?, prune.log)?;
    let row = vec![
        ("history_from", pruned.history_from.into()),
        ("history", pruned.history_rows.into()),
        ("log", pruned.log_rows.into()),
    ];
    output.one(&row, &["history_from", "history", "log"])?;
    Ok(Outcome::Done)
}

pub(super) fn compact(database: &Database) -> Result<Outcome> {
    database.compact()?;
    Ok(Outcome::Done)
}
