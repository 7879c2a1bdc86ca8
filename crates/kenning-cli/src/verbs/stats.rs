//! stats: what there is, and how large it is.

use kenning::blocking::Database;
use kenning::{Json, Result};

use crate::args::Format;
use crate::exit::Outcome;
use crate::output::{Columns, Output, Row, size, thousands};

const TABLES: Columns = Columns::all(&["table", "records", "size", "indexes", "history"]);
const SPACES: Columns = Columns::all(&["space", "this tenant", "all tenants"]);

pub(super) fn stats(database: &Database, output: &mut Output<'_>) -> Result<Outcome> {
    let stats = database.stats()?;
    match output.format() {
        Format::Table => sheet(&stats, output)?,
        Format::Csv => {
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

/// What a person wants to know, in their order.
fn sheet(stats: &Json, output: &mut Output<'_>) -> Result<()> {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Json| thousands(value.as_u64().unwrap_or(0));
    output.text(&format!(
        "tenant {}, one of {}\nversion {} of {}, views of the past from {}\n\
         transactions in the log: {}\n\n",
        text(&stats["tenant"]),
        number(&stats["tenants"]),
        stats["version"],
        text(&stats["instant"]),
        stats["history_from"],
        counted(&stats["log"]["entries"], &stats["log"]),
    ))?;
    let mut list = output.list(TABLES);
    for (name, table) in stats["tables"].as_object().into_iter().flatten() {
        list.row(table_row(name, table))?;
    }
    list.end()?;
    output.text("\n")?;
    let mut list = output.list(SPACES);
    let (own, all) = (&stats["bytes"]["tenant"], &stats["bytes"]["database"]);
    let spaces = all.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    for space in spaces.filter(|space| *space != "total").chain(["total"]) {
        list.row(vec![
            ("space", space.into()),
            ("this tenant", own[space].as_u64().map(size).into()),
            ("all tenants", all[space].as_u64().map(size).into()),
        ])?;
    }
    list.end()?;
    for building in stats["building"].as_array().into_iter().flatten() {
        let paths: Vec<String> =
            building["paths"].as_array().into_iter().flatten().map(text).collect();
        output.text(&format!(
            "\nindex of {} on {} is being built: {} records so far",
            text(&building["table"]),
            paths.join(", "),
            number(&building["rows"]),
        ))?;
    }
    troubles(stats, output)?;
    output.text(&format!(
        "\nrecords in memory: {}, {}\n",
        number(&stats["cache"]["records"]),
        size(stats["cache"]["bytes"].as_u64().unwrap_or(0)).trim_start(),
    ))
}

/// What is wrong with indexes over words and vectors, and is seen to.
fn troubles(stats: &Json, output: &mut Output<'_>) -> Result<()> {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    for damage in stats["sealed_damage"].as_array().into_iter().flatten() {
        output.text(&format!(
            "\nindex {} on {} was damaged and is made anew: {}\n",
            text(&damage["index"]),
            text(&damage["table"]),
            text(&damage["why"]),
        ))?;
    }
    for (table, why) in stats["embedding"]["failed"].as_object().into_iter().flatten() {
        output.text(&format!("\ntexts of {table} wait for their model: {}\n", text(why)))?;
    }
    Ok(())
}

fn table_row(name: &str, table: &Json) -> Row {
    let bytes = |what: &str| table["bytes"][what].as_u64().map(size).into();
    vec![
        ("table", name.into()),
        ("records", counted(&table["records"], table).into()),
        ("size", bytes("records")),
        ("indexes", bytes("indexes")),
        ("history", bytes("history")),
    ]
}

/// A number that may be an estimate.
fn counted(rows: &Json, said: &Json) -> String {
    let about = if said["is_estimate"] == true { "about " } else { "" };
    format!("{about}{}", thousands(rows.as_u64().unwrap_or(0)))
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
