//! A row to a draft.

use kenning_record::{Draft, Id, Json, parse_instant};
use kenning_store::{Error, Result};

use crate::column::Column;
use crate::csv;
use crate::jsonl;

/// How the rows of a file are read.
pub(crate) struct Reading {
    pub(crate) shape: Shape,
    /// The property whose value is the name of the record, where no schema says.
    pub(crate) key: Option<String>,
}

/// What a row is.
pub(crate) enum Shape {
    /// The properties, as a JSON object.
    Properties,
    /// A whole record, as `Record::to_json` shows it.
    Record,
    /// A field for each column.
    Fields { delimiter: u8, columns: Vec<Column> },
}

impl Reading {
    /// The draft that a row means.
    pub(crate) fn draft(&self, row: &[u8]) -> Result<Draft> {
        let text = text(row)?;
        let mut draft = match &self.shape {
            Shape::Properties => Draft::from(jsonl::object(text)?),
            Shape::Record => record(jsonl::object(text)?)?,
            Shape::Fields { delimiter, columns } => {
                Draft::from(properties(text, *delimiter, columns)?)
            }
        };
        if let Some(property) = &self.key {
            draft.key = Some(key(&draft.properties, property)?);
        }
        Ok(draft)
    }
}

/// The row as text.
pub(crate) fn text(row: &[u8]) -> Result<&str> {
    std::str::from_utf8(row).map_err(|error| {
        let at = error.valid_up_to() + 1;
        Error::invalid("UTF8_MALFORMED", format!("the line is no text at byte {at}"))
    })
}

fn properties(text: &str, delimiter: u8, columns: &[Column]) -> Result<Json> {
    let fields = csv::fields(text, delimiter);
    if fields.len() != columns.len() {
        let message =
            format!("the line has {} fields and the head line {}", fields.len(), columns.len());
        return Err(Error::invalid("CSV_RAGGED", message));
    }
    let mut properties = serde_json::Map::new();
    for (field, column) in fields.iter().zip(columns) {
        if let Some(value) = column.value(field)? {
            properties.insert(column.name.clone(), value);
        }
    }
    Ok(properties.into())
}

fn key(properties: &Json, property: &str) -> Result<String> {
    match properties.get(property) {
        Some(Json::String(key)) => Ok(key.clone()),
        Some(Json::Number(key)) => Ok(key.to_string()),
        Some(Json::Null) | None => {
            let message = format!("the line has no property '{property}' to be its key");
            Err(Error::invalid("KEY_MISSING", message))
        }
        Some(Json::Bool(_) | Json::Array(_) | Json::Object(_)) => {
            let message = format!("the key property '{property}' must be text or a number");
            Err(Error::invalid("KEY_MALFORMED", message))
        }
    }
}

/// The draft that a whole record means. Its table and its times are those that it gets here.
fn record(json: Json) -> Result<Draft> {
    let Json::Object(members) = json else { unreachable!("the caller asked for an object") };
    let mut draft = Draft::default();
    let mut has_properties = false;
    for (name, value) in members {
        match (name.as_str(), value) {
            (_, Json::Null) => {}
            ("id", Json::String(id)) => draft.id = Some(id.parse::<Id>()?),
            ("key", Json::String(key)) => draft.key = Some(key),
            ("aliases", Json::Array(aliases)) => draft.aliases = Some(texts(aliases)?),
            ("valid_from", Json::String(instant)) => {
                draft.valid_from = Some(parse_instant(&instant)?);
            }
            ("valid_until", Json::String(instant)) => {
                draft.valid_until = Some(parse_instant(&instant)?);
            }
            ("properties", properties @ Json::Object(_)) => {
                draft.properties = properties;
                has_properties = true;
            }
            ("table" | "version" | "created_at" | "modified_at", _) => {}
            (name, _) => {
                let message = format!("a whole record has no member '{name}' like this");
                return Err(Error::invalid("RECORD_MALFORMED", message));
            }
        }
    }
    if !has_properties {
        let message = "a whole record has a member 'properties', which is an object";
        return Err(Error::invalid("RECORD_MALFORMED", message));
    }
    // A key leads to its id, in every tenant and table to one of its own.
    draft.id = draft.id.filter(|_| draft.key.is_none());
    Ok(draft)
}

pub(crate) fn texts(values: Vec<Json>) -> Result<Vec<String>> {
    let text = |value| match value {
        Json::String(text) => Ok(text),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
            Err(Error::invalid("RECORD_MALFORMED", "an alias is a text"))
        }
    };
    values.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(shape: Shape, key: Option<&str>, row: &[u8]) -> &'static str {
        let reading = Reading { shape, key: key.map(str::to_owned) };
        reading.draft(row).unwrap_err().code()
    }

    #[test]
    fn a_whole_record_is_read_as_it_is_shown() {
        let reading = Reading { shape: Shape::Record, key: None };
        let row = br#"{"id": "01901234-8694-739b-aea5-966c26f8ad91", "table": "t", "key": null,
            "aliases": ["a"], "version": 3, "valid_from": "2020-01-01T00:00:00.000Z",
            "properties": {"n": 1}}"#;
        let draft = reading.draft(row).unwrap();
        assert!(draft.id.is_some() && draft.key.is_none() && draft.valid_from.is_some());
        assert_eq!(draft.aliases, Some(vec!["a".to_owned()]));
        for row in [
            &b"{}"[..],
            br#"{"properties": []}"#,
            br#"{"properties": {}, "name": "x"}"#,
            br#"{"properties": {}, "aliases": [1]}"#,
        ] {
            assert_eq!(code(Shape::Record, None, row), "RECORD_MALFORMED");
        }
    }

    #[test]
    fn a_row_that_means_nothing_is_refused() {
        assert_eq!(code(Shape::Properties, None, b"{\"a\": \"\xff\"}"), "UTF8_MALFORMED");
        assert_eq!(code(Shape::Properties, Some("k"), b"{}"), "KEY_MISSING");
        assert_eq!(code(Shape::Properties, Some("k"), b"{\"k\": []}"), "KEY_MALFORMED");
        let columns = Shape::Fields { delimiter: b',', columns: Vec::new() };
        assert_eq!(code(columns, None, b"a"), "CSV_RAGGED");
    }
}
