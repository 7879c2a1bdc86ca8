//! put, update, delete.

use kenning::blocking::Database;
use kenning::{Draft, Error, Json, Record, Result};

use super::{instant, rows, waiting};
use crate::args::{Put, Target, Update};
use crate::exit::Outcome;
use crate::input::{self, Documents};
use crate::output::{List, Output};

/// Records of one transaction, where many are read.
const TRANSACTION_RECORDS_MAX: usize = 1000;

const RECORD: &str = "the record";

pub(super) fn put(database: &Database, put: &Put, output: &mut Output<'_>) -> Result<Outcome> {
    if put.json != "-" {
        let draft = draft(put, input::argument(&put.json, RECORD)?)?;
        let record = match put.new {
            true => database.insert(&put.table, draft)?,
            false => database.put(&put.table, draft)?,
        };
        one(&record, output)?;
        return waiting::embedded(database, &put.table, &put.waiting, Outcome::Done, output);
    }
    let mut documents = Documents::of_argument(&put.json, RECORD);
    let mut list = output.list(rows::WRITTEN);
    let mut n_stored = 0;
    loop {
        match put_some(database, put, &mut documents, &mut list) {
            Ok(0) => break,
            Ok(n) => n_stored += n,
            Err(error) => return Err(stopped(n_stored, error)),
        }
    }
    list.end()?;
    waiting::embedded(database, &put.table, &put.waiting, Outcome::Done, output)
}

/// Stores the next records in one transaction, and returns how many they were.
fn put_some(
    database: &Database,
    put: &Put,
    documents: &mut Documents<'_>,
    list: &mut List<'_, '_>,
) -> Result<usize> {
    let mut transaction = database.begin()?;
    let mut records = Vec::new();
    for document in documents.take(TRANSACTION_RECORDS_MAX) {
        let draft = draft(put, document?)?;
        if !records.is_empty() && names_one(put) {
            return Err(Error::invalid(
                "ONE_RECORD",
                "--id, --key and --alias name one record, and standard input has more",
            ));
        }
        records.push(match put.new {
            true => transaction.insert(&put.table, draft)?,
            false => transaction.put(&put.table, draft)?,
        });
    }
    if records.is_empty() {
        return Ok(0);
    }
    let version = transaction.commit()?.version;
    for record in &records {
        list.row(rows::written(record, version))?;
    }
    // What is committed is told at once.
    list.flush()?;
    Ok(records.len())
}

fn names_one(put: &Put) -> bool {
    put.id.is_some() || put.key.is_some() || !put.alias.is_empty()
}

/// The error, and how far it went before.
fn stopped(n_stored: usize, error: Error) -> Error {
    if n_stored == 0 {
        return error;
    }
    let message = format!("{}; the first {n_stored} records are stored", error.message());
    let stopped = Error::new(error.kind(), error.code(), message);
    match std::error::Error::source(&error) {
        Some(source) => stopped.because(source.to_string()),
        None => stopped,
    }
}

fn draft(put: &Put, properties: Json) -> Result<Draft> {
    Ok(Draft {
        id: put.id.as_deref().map(str::parse).transpose()?,
        key: put.key.clone(),
        // No alias given leaves them as they are.
        aliases: Some(put.alias.clone()).filter(|aliases| !aliases.is_empty()),
        valid_from: instant(put.validity.valid_from.as_deref())?,
        valid_until: instant(put.validity.valid_until.as_deref())?,
        properties,
    })
}

pub(super) fn update(
    database: &Database,
    update: &Update,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let patch = input::argument(&update.json, "the change")?;
    one(&database.update(&update.target.table, &update.target.reference, patch)?, output)?;
    let table = &update.target.table;
    waiting::embedded(database, table, &update.waiting, Outcome::Done, output)
}

pub(super) fn delete(
    database: &Database,
    target: &Target,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let deleted = database.delete(&target.table, &target.reference)?;
    if deleted {
        let row = vec![
            ("table", target.table.as_str().into()),
            ("reference", target.reference.as_str().into()),
            ("deleted", true.into()),
        ];
        output.one(&row, &["table", "reference", "deleted"])?;
    }
    Ok(Outcome::found(deleted))
}

/// What was written.
fn one(record: &Record, output: &mut Output<'_>) -> Result<()> {
    output.one(&rows::written(record, record.version), rows::WRITTEN.csv)
}
