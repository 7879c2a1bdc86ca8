//! get, lookup, fuzzy, history.

use kenning::blocking::Database;
use kenning::{Fuzzy as Ask, Json, Record, Result};

use super::{instant, rows, view};
use crate::args::{Format, Fuzzy, Get, History, Lookup};
use crate::exit::Outcome;
use crate::output::{Columns, Output};

const NEAR: &[&str] = &["similarity", "name", "table", "key", "id"];

pub(super) fn get(database: &Database, get: &Get, output: &mut Output<'_>) -> Result<Outcome> {
    let view = view(database, get.when.as_of.as_deref())?;
    let valid_at = instant(get.when.valid_at.as_deref())?;
    let (table, reference) = (&get.target.table, &get.target.reference);
    if let Some(record) = view.get(table, reference)? {
        if !holds(&record, valid_at) {
            return Ok(Outcome::Nothing);
        }
        output.one(&rows::record(&record), rows::RECORD)?;
        return Ok(Outcome::Done);
    }
    let deleted = if get.deleted { view.history(table, reference)?.pop() } else { None };
    match deleted.filter(|past| holds(&past.record, valid_at)) {
        None => Ok(Outcome::Nothing),
        Some(past) => {
            output.one(&rows::past(&past), rows::HISTORY.csv)?;
            Ok(Outcome::Done)
        }
    }
}

pub(super) fn lookup(
    database: &Database,
    lookup: &Lookup,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let view = view(database, lookup.when.as_of.as_deref())?;
    let valid_at = instant(lookup.when.valid_at.as_deref())?;
    let mut list = output.list(rows::RECORDS);
    for name in &lookup.names {
        let records = view.lookup(name)?.into_iter();
        for record in records.filter(|record| holds(record, valid_at)) {
            list.row(rows::record(&record))?;
        }
    }
    Ok(Outcome::found(list.end()? > 0))
}

pub(super) fn fuzzy(
    database: &Database,
    fuzzy: &Fuzzy,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let view = view(database, fuzzy.when.as_of.as_deref())?;
    let valid_at = instant(fuzzy.when.valid_at.as_deref())?;
    let ask =
        Ask { table: fuzzy.table.clone(), similarity_min: fuzzy.threshold, limit: fuzzy.limit };
    let format = output.format();
    let mut list = output.list(Columns { table: NEAR, csv: NEAR });
    let near = view.fuzzy(&fuzzy.name, &ask)?.into_iter();
    for near in near.filter(|near| holds(&near.record, valid_at)) {
        // The digits behind these are of interest to nobody.
        let similarity = format!("{:.3}", near.similarity);
        let similarity = match format {
            Format::Table => similarity.into(),
            Format::Json | Format::Jsonl | Format::Csv => {
                similarity.parse::<f64>().map_or(Json::Null, Json::from)
            }
        };
        list.row(vec![
            ("similarity", similarity),
            ("name", near.name.into()),
            ("table", near.record.table.into()),
            ("key", near.record.key.into()),
            ("id", near.record.id.to_string().into()),
        ])?;
    }
    Ok(Outcome::found(list.end()? > 0))
}

pub(super) fn history(
    database: &Database,
    history: &History,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let view = view(database, history.when.as_of.as_deref())?;
    let valid_at = instant(history.when.valid_at.as_deref())?;
    let states = view.history(&history.target.table, &history.target.reference)?.into_iter();
    let mut list = output.list(rows::HISTORY);
    for state in states.filter(|state| holds(&state.record, valid_at)) {
        list.row(rows::past(&state))?;
    }
    Ok(Outcome::found(list.end()? > 0))
}

/// Whether the record holds at an instant, if one is asked for.
fn holds(record: &Record, valid_at: Option<i64>) -> bool {
    valid_at.is_none_or(|instant| record.is_valid_at(instant))
}
