//! log: what changed, once or as it lands.

use std::io;

use kenning::blocking::Database;
use kenning::{Change, Error, LogRow, Result, SystemWorld, World, format_instant, json};

use crate::args::{Format, Log};
use crate::exit::Outcome;
use crate::output::{Columns, List, Output, Row};
use crate::raw;

const CHANGES: Columns = Columns {
    table: &["version", "instant", "change", "table", "id", "after"],
    csv: &["version", "instant", "transaction", "previous", "change", "table", "id", "after"],
};
/// Transactions that are listed if nobody says how many.
const LIMIT: usize = 100;

pub(super) fn log(database: &Database, log: &Log, output: &mut Output<'_>) -> Result<Outcome> {
    if log.follow {
        return follow(database, log, output);
    }
    let rows = database.log(log.after.unwrap_or(0), log.limit.unwrap_or(LIMIT))?;
    let format = output.format();
    let mut list = output.list(CHANGES);
    rows.iter().try_for_each(|row| write(row, format, &mut list))?;
    list.end()?;
    Ok(Outcome::Done)
}

/// Writes each transaction as it lands, until somebody presses Ctrl-C or nobody reads any more.
fn follow(database: &Database, log: &Log, output: &mut Output<'_>) -> Result<Outcome> {
    let format = output.format();
    if format == Format::Json {
        let message = "what is followed has no end, and an array needs one: say --format jsonl";
        return Err(Error::invalid("FORMAT_ENDLESS", message));
    }
    let mut tail = database.tail(log.after.unwrap_or_else(|| database.version()))?;
    let stop = tail.stop();
    raw::wake_on_interrupts()?;
    let watch = move || {
        raw::wait_for_end(&io::stdout());
        stop.stop();
    };
    // It waits as long as the program lives, and holds nothing that has to be let go.
    SystemWorld::new().spawn("kenning-log-watch", Box::new(watch));
    let mut list = output.list(CHANGES);
    let mut left = log.limit.unwrap_or(usize::MAX);
    while left > 0 && !raw::interrupted() {
        let row = match tail.try_next()? {
            Some(row) => row,
            None => {
                list.flush()?;
                let Some(row) = tail.next()? else { break };
                row
            }
        };
        write(&row, format, &mut list)?;
        left -= 1;
    }
    list.end()?;
    Ok(Outcome::Done)
}

fn write(row: &LogRow, format: Format, list: &mut List<'_, '_>) -> Result<()> {
    match format {
        Format::Table | Format::Csv => {
            row.changes.iter().try_for_each(|change| list.row(line(row, change)))
        }
        Format::Json | Format::Jsonl => list.row(document(row)),
    }
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
