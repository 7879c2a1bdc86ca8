//! RFC 4180: fields of a row, and rows of fields.
//!
//! A field without anything in it is no value; a field that has quotes and nothing between them is
//! a text without characters. So a record comes back as it went, absent properties and empty texts
//! included.

use std::borrow::Cow;

use kenning_record::Json;
use kenning_store::{Error, Result};

/// The most columns of a file.
pub(crate) const COLUMNS_MAX: usize = 10_000;

/// A field of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) quoted: bool,
}

impl Field<'_> {
    /// Whether nothing is in it, not even quotes.
    pub(crate) fn is_absent(&self) -> bool {
        self.text.is_empty() && !self.quoted
    }
}

/// The fields of `row`, whose quotes are as they should be.
pub(crate) fn fields(row: &str, delimiter: u8) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    let mut rest = row;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(inside) => quoted(inside),
            None => {
                let end = memchr::memchr(delimiter, rest.as_bytes()).unwrap_or(rest.len());
                let (text, after) = rest.split_at(end);
                (Field { text: text.into(), quoted: false }, after)
            }
        };
        fields.push(field);
        // A delimiter is ASCII, so what is after it begins with a character.
        match after.as_bytes().first() {
            Some(byte) if *byte == delimiter => rest = &after[1..],
            Some(_) | None => return fields,
        }
    }
}

/// The field whose text begins `inside`, and what is after its last quote.
fn quoted(inside: &str) -> (Field<'_>, &str) {
    let mut text = Cow::Borrowed("");
    let mut rest = inside;
    loop {
        let end = rest.find('"').unwrap_or(rest.len());
        text += &rest[..end];
        let after = rest.get(end + 1..).unwrap_or_default();
        match after.strip_prefix('"') {
            Some(more) => {
                text += "\"";
                rest = more;
            }
            None => return (Field { text, quoted: true }, after),
        }
    }
}

/// The names that the head line of a file has.
pub(crate) fn names(head: &str, delimiter: u8) -> Result<Vec<String>> {
    let fields = fields(head, delimiter);
    let malformed = |message: String| Err(Error::invalid("CSV_HEAD", message));
    if fields.len() > COLUMNS_MAX {
        let message =
            format!("the head line has {} columns, the most is {COLUMNS_MAX}", fields.len());
        return Err(Error::exhausted("TOO_MANY_COLUMNS", message));
    }
    let mut names: Vec<String> = Vec::with_capacity(fields.len());
    let mut known = std::collections::BTreeSet::new();
    for (idx, field) in fields.into_iter().enumerate() {
        let name = field.text.into_owned();
        if name.is_empty() {
            return malformed(format!("column {} of the head line has no name", idx + 1));
        }
        if !known.insert(name.clone()) {
            return malformed(format!("the head line names column '{name}' twice"));
        }
        names.push(name);
    }
    Ok(names)
}

/// Appends a row.
pub(crate) fn write<'v>(
    values: impl Iterator<Item = Option<&'v Json>>,
    delimiter: u8,
    target: &mut Vec<u8>,
) {
    let start = target.len();
    for (idx, value) in values.enumerate() {
        if idx > 0 {
            target.push(delimiter);
        }
        match value {
            None | Some(Json::Null) => {}
            Some(Json::String(text)) => write_text(text, delimiter, target),
            Some(value @ (Json::Bool(_) | Json::Number(_))) => {
                target.extend_from_slice(value.to_string().as_bytes());
            }
            Some(value @ (Json::Array(_) | Json::Object(_))) => {
                write_text(&value.to_string(), delimiter, target);
            }
        }
    }
    if target.len() == start {
        // A blank line would be no row.
        target.extend_from_slice(b"\"\"");
    }
    target.push(b'\n');
}

/// Appends a field, with quotes where it has to have them.
pub(crate) fn write_text(text: &str, delimiter: u8, target: &mut Vec<u8>) {
    let special = |byte: u8| byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r');
    let blank_end = text.starts_with(' ') || text.ends_with(' ');
    if !text.is_empty() && !blank_end && !text.bytes().any(special) {
        return target.extend_from_slice(text.as_bytes());
    }
    target.push(b'"');
    target.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    target.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(row: &str) -> Vec<String> {
        fields(row, b',').into_iter().map(|field| field.text.into_owned()).collect()
    }

    #[test]
    fn fields_are_as_the_standard_has_them() {
        assert_eq!(texts("a,b"), ["a", "b"]);
        assert_eq!(texts(""), [""]);
        assert_eq!(texts(",\u{fc},"), ["", "\u{fc}", ""]);
        assert_eq!(texts("\"a,\"\"b\"\"\n\",c\"d"), ["a,\"b\"\n", "c\"d"]);
        let empty = fields(",\"\"", b',');
        assert!(empty[0].is_absent() && !empty[1].is_absent());
    }

    #[test]
    fn a_head_line_names_each_column_once() {
        assert_eq!(names("a;b", b';').unwrap(), ["a", "b"]);
        assert_eq!(names("a,a", b',').unwrap_err().code(), "CSV_HEAD");
        assert_eq!(names("a,,b", b',').unwrap_err().code(), "CSV_HEAD");
        let many = "a,".repeat(COLUMNS_MAX);
        assert_eq!(names(&many, b',').unwrap_err().code(), "TOO_MANY_COLUMNS");
    }

    #[test]
    fn what_is_written_is_read() {
        for text in ["", "a", " a", "a,b", "\"", "a\nb\r\n", "\u{1f600}"] {
            let mut row = Vec::new();
            write_text(text, b',', &mut row);
            row.extend_from_slice(b",x");
            let row = String::from_utf8(row).unwrap();
            assert_eq!(texts(&row), [text, "x"]);
        }
    }
}
