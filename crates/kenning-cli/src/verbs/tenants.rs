//! tenant create, list, drop.

use std::io::{self, BufRead, IsTerminal, Write};

use kenning::blocking::Database;
use kenning::{Error, Result};

use crate::args::Format;
use crate::exit::Outcome;
use crate::output::{Columns, Output, Row, size};

const TENANTS: Columns = Columns { table: &["name", "size"], csv: &["name", "bytes"] };

pub(super) fn create(database: &Database, name: &str, output: &mut Output<'_>) -> Result<Outcome> {
    database.create_tenant(name)?;
    output.one(&vec![("name", name.into())], &["name"])?;
    Ok(Outcome::Done)
}

pub(super) fn list(database: &Database, output: &mut Output<'_>) -> Result<Outcome> {
    let format = output.format();
    let mut list = output.list(TENANTS);
    for tenant in database.tenant_sizes()? {
        let mut row: Row = vec![("name", tenant.name.into())];
        match format {
            Format::Table => row.push(("size", size(tenant.bytes).into())),
            Format::Json | Format::Jsonl | Format::Csv => row.push(("bytes", tenant.bytes.into())),
        }
        list.row(row)?;
    }
    list.end()?;
    Ok(Outcome::Done)
}

pub(super) fn drop(
    database: &Database,
    name: &str,
    yes: bool,
    no_wait: bool,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    if !yes {
        confirm(&format!("Drop tenant '{name}' with all its records and their past?"))?;
    }
    database.drop_tenant(name)?;
    output.one(&vec![("name", name.into()), ("dropped", true.into())], &["name", "dropped"])?;
    // What is done is told before what may take its time.
    output.flush()?;
    if !no_wait {
        database.wait_swept()?;
    }
    Ok(Outcome::Done)
}

/// Asks whoever sits at the terminal.
fn confirm(question: &str) -> Result<()> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let message = "this can't be undone, and nobody is there to be asked: say --yes";
        return Err(Error::invalid("CONFIRMATION_NEEDED", message));
    }
    let mut stderr = io::stderr();
    // Whoever does not see the question does not answer yes.
    let _ = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    let answer = answer.trim().to_lowercase();
    if read.is_ok() && ["y", "yes"].contains(&answer.as_str()) {
        return Ok(());
    }
    Err(Error::invalid("NOT_CONFIRMED", "nothing was dropped"))
}
