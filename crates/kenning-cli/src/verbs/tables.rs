//! init, table, tenant.

use kenning::blocking::Database;
use kenning::{IndexState, Json, Result, TableInfo, json};

use crate::args::Format;
use crate::exit::Outcome;
use crate::input;
use crate::output::{Columns, Output, Row};

const DATABASE: &[&str] = &["database", "version"];
const TABLE: &[&str] = &["name", "version", "indexes", "schema"];
const TABLES: Columns = Columns { table: &["name", "version", "indexes"], csv: TABLE };
const NAME: Columns = Columns::all(&["name"]);

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
    output: &mut Output<'_>,
) -> Result<Outcome> {
    database.alter_table(name, input::file(schema)?)?;
    show(database, name, output)
}

pub(super) fn create_tenant(
    database: &Database,
    name: &str,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    database.create_tenant(name)?;
    output.one(&vec![("name", name.into())], NAME.csv)?;
    Ok(Outcome::Done)
}

pub(super) fn list_tenants(database: &Database, output: &mut Output<'_>) -> Result<Outcome> {
    let mut list = output.list(NAME);
    for name in database.tenants()? {
        list.row(vec![("name", name.into())])?;
    }
    list.end()?;
    Ok(Outcome::Done)
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
    index.paths.join(" + ") + unique
}

fn document(index: &IndexState) -> Json {
    json!({ "paths": index.paths, "unique": index.unique, "ready_from": index.ready_from })
}
