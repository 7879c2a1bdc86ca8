//! What fuzzing reaches: the readers of files without an import around them, and what is noted.

use std::io::Read;

use kenning_record::{Draft, Json};
use kenning_store::Result;

use crate::column::columns;
use crate::csv::{self, Field};
use crate::draft::{Reading, Shape, text};
use crate::note::Note;
use crate::rows::Rows;
use crate::{Format, jsonl};

pub use crate::whole::probe::{remark, retable, said};

/// A small buffer, so that also short files are longer.
const READ_BYTES: usize = 100;

/// A row that was cut out, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Its first line.
    pub line: u64,
    /// The first line after it.
    pub next_line: u64,
    /// Bytes of text before what comes after it.
    pub until: u64,
    /// Its bytes, or the code of the error that there is instead.
    pub row: Result<Vec<u8>, &'static str>,
}

/// How rows are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    /// What is between two fields; `None` for jsonl.
    pub delimiter: Option<u8>,
    /// Rows of a chunk.
    pub rows_max: usize,
    /// Bytes of a chunk.
    pub bytes_max: usize,
    /// Rows of a part of a chunk.
    pub part_rows_max: usize,
    /// Bytes and line to begin at.
    pub from: (u64, u64),
}

impl Asking {
    fn format(&self) -> Result<Format> {
        self.delimiter.map_or(Ok(Format::Jsonl), |delimiter| Format::CSV.delimited(delimiter))
    }
}

/// Every row of a file, as an import cuts them out.
pub fn cut(file: impl Read, asking: Asking) -> Result<Vec<Cut>> {
    let mut rows = Rows::buffered(file, asking.format()?, READ_BYTES);
    rows.skip_to(asking.from.0, asking.from.1)?;
    let mut cuts = Vec::new();
    loop {
        let chunk = rows.chunk(asking.rows_max, asking.bytes_max)?;
        let last = chunk.last;
        for part in chunk.parts(asking.part_rows_max) {
            for row in part.rows {
                let place = row.place;
                let row = match row.fault {
                    None => Ok(part.bytes[row.bytes].to_vec()),
                    Some(fault) => Err(fault.code()),
                };
                let (line, next_line, until) = (place.line, place.next_line, place.until);
                cuts.push(Cut { line, next_line, until, row });
            }
        }
        if last {
            return Ok(cuts);
        }
    }
}

/// The fields of a row, and whether each has quotes.
pub fn fields(row: &str, delimiter: u8) -> Vec<(String, bool)> {
    let owned = |field: Field<'_>| (field.text.into_owned(), field.quoted);
    csv::fields(row, delimiter).into_iter().map(owned).collect()
}

/// Appends a field.
pub fn write_field(text: &str, delimiter: u8, target: &mut Vec<u8>) {
    csv::write_text(text, delimiter, target);
}

/// The object that a line of jsonl is.
pub fn object(line: &str) -> Result<Json> {
    jsonl::object(line)
}

/// The drafts that lines of jsonl mean, as properties or as whole records.
pub fn draft_of_line(row: &[u8], whole: bool, key: Option<&str>) -> Result<Draft> {
    let shape = if whole { Shape::Record } else { Shape::Properties };
    Reading { shape, key: key.map(str::to_owned) }.draft(row)
}

/// The drafts that rows of csv mean under a head line, with types that are inferred.
pub fn drafts_of_rows(head: &[u8], rows: &[&[u8]], delimiter: u8) -> Result<Vec<Result<Draft>>> {
    let names = csv::names(text(head)?, delimiter)?;
    let texts = rows.iter().filter_map(|row| text(row).ok());
    let sample: Vec<_> = texts.map(|row| csv::fields(row, delimiter)).collect();
    let columns = columns(names, &[], &[], &Json::Null, &sample)?;
    let reading = Reading { shape: Shape::Fields { delimiter, columns }, key: None };
    Ok(rows.iter().map(|row| reading.draft(row)).collect())
}

/// A record as a row of csv with these columns.
pub fn write_row(properties: &Json, columns: &[&str], delimiter: u8, target: &mut Vec<u8>) {
    csv::write(columns.iter().map(|name| properties.get(name)), delimiter, target);
}

/// The bytes of what the mark of an import says.
pub fn renote(note: &[u8]) -> Result<Vec<u8>> {
    Note::decode(note).map(|note| note.encode().to_vec())
}
