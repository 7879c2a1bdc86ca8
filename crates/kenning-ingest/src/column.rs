//! What a column of csv holds.
//!
//! The schema of the table decides where it says the type of a property; what the caller says comes
//! before that, and what the first rows look like after it. A type is inferred only where every
//! value of the sample would be written again as it stands: leading zeros, numbers with more digits
//! than a number keeps, and mixtures stay text.

use std::fmt;
use std::str::FromStr;

use kenning_record::Json;
use kenning_store::{Error, Result};

use crate::csv::Field;
use crate::jsonl;

/// Digits that a floating point number keeps.
const DIGITS_MAX: usize = 15;

/// The type of the values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// `true` or `false`.
    Boolean,
    /// A number without a fraction, of at most 64 bits.
    Integer,
    /// Any number.
    Number,
    /// An array, an object, or any other JSON.
    Json,
    /// What it says.
    Text,
}

/// Who said what a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnSource {
    /// Whoever started the import.
    Asked,
    /// The schema of the table.
    Schema,
    /// The first rows.
    Rows,
}

/// A column of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, which is that of the property.
    pub name: String,
    /// What it holds.
    pub holds: ColumnType,
    /// Who said so.
    pub source: ColumnSource,
}

impl ColumnType {
    const ALL: [ColumnType; 5] = [
        ColumnType::Boolean,
        ColumnType::Integer,
        ColumnType::Number,
        ColumnType::Json,
        ColumnType::Text,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            ColumnType::Boolean => "boolean",
            ColumnType::Integer => "integer",
            ColumnType::Number => "number",
            ColumnType::Json => "json",
            ColumnType::Text => "text",
        }
    }

    /// The value that `text` is; `None` if it is of another type.
    fn value(self, text: &str) -> Option<Json> {
        match self {
            ColumnType::Text => Some(text.into()),
            ColumnType::Boolean => match text {
                "true" | "True" | "TRUE" => Some(true.into()),
                "false" | "False" | "FALSE" => Some(false.into()),
                _ => None,
            },
            ColumnType::Integer => integer(text),
            ColumnType::Number => integer(text).or_else(|| number(text)),
            ColumnType::Json => jsonl::value(text).ok(),
        }
    }

    /// Whether `text` is of this type and would be written as it stands.
    fn is_plain(self, text: &str) -> bool {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        match self {
            ColumnType::Text => true,
            ColumnType::Boolean => self.value(text).is_some(),
            ColumnType::Integer => integer(text).is_some(),
            ColumnType::Number => {
                integer(text).is_some() || digits <= DIGITS_MAX && number(text).is_some()
            }
            ColumnType::Json => text.starts_with(['[', '{']) && self.value(text).is_some(),
        }
    }

    /// What a schema says of a property; `None` if it leaves it open.
    fn of_schema(schema: &Json, name: &str) -> Option<Self> {
        let types = schema.get("properties")?.get(name)?.get("type")?;
        let of = |said: &str| match said {
            "boolean" => Some(ColumnType::Boolean),
            "integer" => Some(ColumnType::Integer),
            "number" => Some(ColumnType::Number),
            "string" => Some(ColumnType::Text),
            "array" | "object" => Some(ColumnType::Json),
            _ => None,
        };
        let Some(several) = types.as_array() else { return types.as_str().and_then(of) };
        let mut named = several.iter().filter_map(Json::as_str).filter(|said| *said != "null");
        match (named.next(), named.next()) {
            (Some(only), None) => of(only),
            _ => None,
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ColumnType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        ColumnType::ALL.into_iter().find(|known| known.name() == text).ok_or_else(|| {
            let names = ColumnType::ALL.map(ColumnType::name).join(", ");
            Error::invalid("TYPE_UNKNOWN", format!("'{text}' is no type; there are {names}"))
        })
    }
}

impl ColumnSource {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            ColumnSource::Asked => "asked",
            ColumnSource::Schema => "schema",
            ColumnSource::Rows => "rows",
        }
    }
}

impl Column {
    /// The value of a field; `None` if it has none.
    pub(crate) fn value(&self, field: &Field<'_>) -> Result<Option<Json>> {
        let empty = field.text.is_empty();
        if field.is_absent() || empty && self.holds != ColumnType::Text {
            return Ok(None);
        }
        let value = self.holds.value(&field.text);
        value.map(Some).ok_or_else(|| {
            let message = format!(
                "column '{}' holds {} and this is '{}'",
                self.name,
                self.holds,
                shortened(&field.text)
            );
            Error::invalid("COLUMN_TYPE", message)
        })
    }
}

/// What the columns hold, given the rows of a sample.
pub(crate) fn columns(
    names: Vec<String>,
    asked: &[(String, ColumnType)],
    texts: &[&str],
    schema: &Json,
    sample: &[Vec<Field<'_>>],
) -> Result<Vec<Column>> {
    if let Some((name, _)) = asked.iter().find(|(name, _)| !names.contains(name)) {
        let message = format!("the file has no column '{name}'; it has {}", names.join(", "));
        return Err(Error::invalid("COLUMN_UNKNOWN", shortened(&message)));
    }
    let column = |(idx, name): (usize, String)| {
        let (holds, source) = if let Some((_, holds)) = asked.iter().find(|(of, _)| *of == name) {
            (*holds, ColumnSource::Asked)
        } else if texts.contains(&name.as_str()) {
            // The name of a record is text, whatever it looks like.
            (ColumnType::Text, ColumnSource::Schema)
        } else if let Some(holds) = ColumnType::of_schema(schema, &name) {
            (holds, ColumnSource::Schema)
        } else {
            (inferred(sample.iter().filter_map(|row| row.get(idx))), ColumnSource::Rows)
        };
        Column { name, holds, source }
    };
    Ok(names.into_iter().enumerate().map(column).collect())
}

fn inferred<'f>(fields: impl Iterator<Item = &'f Field<'f>>) -> ColumnType {
    let mut left = ColumnType::ALL.to_vec();
    let mut seen = false;
    for field in fields.filter(|field| !field.text.is_empty()) {
        left.retain(|holds| holds.is_plain(&field.text));
        seen = true;
    }
    match (seen, left.first()) {
        (true, Some(holds)) => *holds,
        (true, None) | (false, _) => ColumnType::Text,
    }
}

/// An integer that is written as JSON writes it.
fn integer(text: &str) -> Option<Json> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = match digits.as_bytes() {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let value =
        || text.parse::<i64>().map(Json::from).or_else(|_| text.parse::<u64>().map(Json::from));
    if plain { value().ok() } else { None }
}

/// A number with a fraction or an exponent, as JSON has it.
fn number(text: &str) -> Option<Json> {
    let begins = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    let fraction = text.contains(['.', 'e', 'E']) || text == "-0";
    let parsed = if begins && fraction { jsonl::value(text).ok() } else { None };
    parsed.filter(Json::is_number)
}

/// A text that fits a message.
fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 200;
    match text.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(values: &[&str]) -> ColumnType {
        let fields: Vec<_> =
            values.iter().map(|text| Field { text: (*text).into(), quoted: false }).collect();
        inferred(fields.iter())
    }

    #[test]
    fn a_type_is_inferred_only_where_nothing_would_be_lost() {
        assert_eq!(of(&["1", "-7", "", "18446744073709551615"]), ColumnType::Integer);
        assert_eq!(of(&["1", "2.5", "1e3"]), ColumnType::Number);
        assert_eq!(of(&["true", "FALSE"]), ColumnType::Boolean);
        assert_eq!(of(&["[1]", "{}"]), ColumnType::Json);
        for text in [
            "007",
            "1.",
            ".5",
            "+1",
            "NaN",
            "1e999",
            "18446744073709551616",
            "0.1234567890123456789",
            " 1",
            "-0",
        ] {
            let holds = of(&[text]);
            assert!(holds == ColumnType::Text || text == "-0", "{text} is {holds}");
        }
        assert_eq!(of(&["1", "x"]), ColumnType::Text);
        assert_eq!(of(&["1", "true"]), ColumnType::Text);
        assert_eq!(of(&["", ""]), ColumnType::Text);
    }

    #[test]
    fn the_caller_comes_first_then_the_schema_then_the_rows() {
        let names = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let schema = json!({"properties": {
            "a": {"type": "integer"}, "b": {"type": ["number", "null"]},
        }});
        let sample = vec![crate::csv::fields("1,1,1,1", b',')];
        let asked = [("a".to_owned(), ColumnType::Text)];
        let columns = columns(names.clone(), &asked, &["d"], &schema, &sample).unwrap();
        let holds: Vec<_> = columns.iter().map(|column| column.holds).collect();
        use ColumnType::{Integer, Number, Text};
        assert_eq!(holds, [Text, Number, Integer, Text]);
        let unknown = [("x".to_owned(), Text)];
        let error = super::columns(names, &unknown, &[], &schema, &sample).unwrap_err();
        assert_eq!(error.code(), "COLUMN_UNKNOWN");
    }

    #[test]
    fn a_value_that_does_not_fit_is_named() {
        let column =
            Column { name: "age".into(), holds: ColumnType::Integer, source: ColumnSource::Rows };
        let field = |text: &'static str, quoted| Field { text: text.into(), quoted };
        assert_eq!(column.value(&field("7", true)).unwrap(), Some(json!(7)));
        assert_eq!(column.value(&field("", true)).unwrap(), None);
        let error = column.value(&field("old", false)).unwrap_err();
        assert_eq!(error.message(), "column 'age' holds integer and this is 'old'");
    }
}
