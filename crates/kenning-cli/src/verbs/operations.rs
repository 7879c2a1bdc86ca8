//! verify, prune, compact.

use kenning::Result;
use kenning::blocking::Database;

use super::{moment, view};
use crate::args::{Format, Prune, Verify};
use crate::exit::Outcome;
use crate::output::{Columns, Output};

const FINDINGS: Columns = Columns::all(&["code", "message"]);

pub(super) fn verify(
    database: &Database,
    verify: &Verify,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let findings = match &verify.as_of {
        None => database.verify()?,
        Some(at) => database.verify_as_of(view(database, Some(at))?.version())?,
    };
    if verify.content && findings.is_empty() {
        return contents(database, output);
    }
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

/// The hashes of what a database knows in which nothing is wrong.
fn contents(database: &Database, output: &mut Output<'_>) -> Result<Outcome> {
    let (content, history) = (database.content_hash()?, database.history_hash()?);
    let row =
        vec![("content", content.to_string().into()), ("history", history.to_string().into())];
    output.one(&row, &["content", "history"])?;
    Ok(Outcome::Done)
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
