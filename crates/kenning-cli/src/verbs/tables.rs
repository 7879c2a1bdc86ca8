//! init, table, reindex.

use kenning::blocking::Database;
use kenning::{IndexState, Json, Progress, Result, TableInfo, json};

use crate::args::{Format, Reindex};
use crate::exit::Outcome;
use crate::input;
use crate::output::{Columns, Output, Row};

const DATABASE: &[&str] = &["database", "version"];
const TABLE: &[&str] = &["name", "version", "indexes", "schema"];
const TABLES: Columns = Columns { table: &["name", "version", "indexes"], csv: TABLE };

pub(super) fn init(database: &Database, url: &str, output: &mut Output<'_>) -> Result<Outcome> {
    let row = vec![("database", Json::from(url)), ("version", database.version().into())];
    output.one(&row, DATABASE)?;
    Ok(Outcome::Done)
}

pub(super) fn create(
    database: &Database,
    name: &str,
    schema: Option<&str>,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let schema = schema.map(input::file).transpose()?.unwrap_or_else(|| json!({}));
    database.create_table(name, schema)?;
    show(database, name, output)
}

pub(super) fn list(database: &Database, output: &mut Output<'_>) -> Result<Outcome> {
    let format = output.format();
    let mut list = output.list(TABLES);
    for table in database.tables()? {
        list.row(row(table, format))?;
    }
    list.end()?;
    Ok(Outcome::Done)
}

pub(super) fn show(database: &Database, name: &str, output: &mut Output<'_>) -> Result<Outcome> {
    output.one(&row(database.table(name)?, output.format()), TABLE)?;
    Ok(Outcome::Done)
}

pub(super) fn drop(database: &Database, name: &str, output: &mut Output<'_>) -> Result<Outcome> {
    database.drop_table(name)?;
    output.one(&vec![("name", name.into()), ("dropped", true.into())], &["name", "dropped"])?;
    Ok(Outcome::Done)
}

pub(super) fn alter(
    database: &Database,
    name: &str,
    schema: &str,
    no_wait: bool,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    database.alter_table(name, input::file(schema)?)?;
    built(database, no_wait)?;
    show(database, name, output)?;
    database.table(name)?.check_indexes()?;
    Ok(Outcome::Done)
}

pub(super) fn reindex(
    database: &Database,
    reindex: &Reindex,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let names = match &reindex.table {
        Some(name) => vec![name.clone()],
        None => database.tables()?.into_iter().map(|table| table.name).collect(),
    };
    names.iter().try_for_each(|name| database.reindex(name))?;
    built(database, reindex.no_wait)?;
    let format = output.format();
    let mut list = output.list(TABLES);
    for name in &names {
        list.row(row(database.table(name)?, format))?;
    }
    list.end()?;
    names.iter().try_for_each(|name| database.table(name)?.check_indexes())?;
    Ok(Outcome::Done)
}

/// Waits for what is left to be done about indexes.
fn built(database: &Database, no_wait: bool) -> Result<()> {
    if no_wait { Ok(()) } else { database.wait_indexed() }
}

fn row(table: TableInfo, format: Format) -> Row {
    let indexes = match format {
        Format::Table | Format::Csv => {
            let indexes: Vec<String> = table.indexes.iter().map(words).collect();
            indexes.join(", ").into()
        }
        Format::Json | Format::Jsonl => table.indexes.iter().map(document).collect(),
    };
    vec![
        ("name", table.name.into()),
        ("version", table.version.into()),
        ("indexes", indexes),
        ("schema", table.schema),
    ]
}

fn words(index: &IndexState) -> String {
    let unique = if index.unique { " (unique)" } else { "" };
    let progress = match &index.progress {
        Progress::Ready(_) => "",
        Progress::Building => " (being built)",
        Progress::Failed(_) => " (could not be built)",
    };
    index.paths.join(" + ") + unique + progress
}

fn document(index: &IndexState) -> Json {
    let mut document = json!({ "paths": index.paths, "unique": index.unique });
    let (name, value) = match &index.progress {
        Progress::Ready(from) => ("ready_from", json!(from)),
        Progress::Building => ("building", json!(true)),
        Progress::Failed(violations) => {
            ("failed", violations.iter().map(|violation| violation.to_json()).collect())
        }
    };
    document[name] = value;
    document
}
