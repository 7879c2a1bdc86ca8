//! One object a line.
//!
//! A member that comes twice is refused: which of the two was meant nobody can know.

use std::fmt;

use kenning_record::Json;
use kenning_store::{Error, Result};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::map::Entry;

/// The JSON object that `text` is.
pub(crate) fn object(text: &str) -> Result<Json> {
    let value = serde_json::from_str::<Strict>(text).map_err(|error| malformed(&error))?.0;
    if value.is_object() {
        return Ok(value);
    }
    Err(Error::invalid("NOT_AN_OBJECT", "the line is not a JSON object"))
}

/// Any JSON value.
pub(crate) fn value(text: &str) -> Result<Json> {
    serde_json::from_str::<Strict>(text).map(|strict| strict.0).map_err(|error| malformed(&error))
}

fn malformed(error: &serde_json::Error) -> Error {
    let whole = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let what = whole.strip_suffix(&place).unwrap_or(&whole);
    match error.classify() {
        Category::Data => Error::invalid("MEMBER_TWICE", what),
        Category::Io | Category::Syntax | Category::Eof => {
            let message = format!("not JSON: {what} at column {}", error.column());
            Error::invalid("JSON_MALFORMED", message)
        }
    }
}

/// A JSON value in which no member comes twice.
struct Strict(Json);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any).map(Strict)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = serde_json::Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let Strict(value) = members.next_value()?;
            match object.entry(name) {
                Entry::Vacant(place) => {
                    place.insert(value);
                }
                Entry::Occupied(place) => {
                    let message = format!("the member '{}' comes twice", place.key());
                    return Err(de::Error::custom(message));
                }
            }
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_is_one_object() {
        let text = r#"{"a": [1, -2, 1.5, 18446744073709551615], "b": {"c": null, "d": "\u00fc"}}"#;
        assert_eq!(object(text).unwrap(), serde_json::from_str::<Json>(text).unwrap());
        for (text, code) in [
            ("[1]", "NOT_AN_OBJECT"),
            ("{\"a\": 1", "JSON_MALFORMED"),
            ("{} {}", "JSON_MALFORMED"),
            ("{\"a\": 1e999}", "JSON_MALFORMED"),
            ("{\"a\": {\"b\": 1, \"b\": 1}}", "MEMBER_TWICE"),
        ] {
            assert_eq!(object(text).unwrap_err().code(), code, "{text}");
        }
        assert!(object(&format!("{{\"a\": {}", "[".repeat(100_000))).is_err());
        assert_eq!(value("[1]").unwrap(), json!([1]));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_column() {
        let said = object("{\"a\": nul}").unwrap_err().to_string();
        assert_eq!(said, "JSON_MALFORMED: not JSON: expected ident at column 10");
        let said = object("{\"a\": 1, \"a\": 2}").unwrap_err().to_string();
        assert_eq!(said, "MEMBER_TWICE: the member 'a' comes twice");
    }
}
