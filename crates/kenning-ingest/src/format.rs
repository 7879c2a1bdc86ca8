//! jsonl, csv, tsv: which of them a file is.

use std::path::Path;

use kenning_store::{Error, Result};

/// What a file is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// A head line, then a line for each record, with this byte between the fields.
    Csv {
        /// What is between two fields.
        delimiter: u8,
    },
}

impl Format {
    /// With commas.
    pub const CSV: Format = Format::Csv { delimiter: b',' };
    /// With tabs.
    pub const TSV: Format = Format::Csv { delimiter: b'\t' };

    /// The format that the name of a file speaks of.
    pub fn of_path(path: &Path) -> Result<Self> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension.unwrap_or_default().to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" => Ok(Format::Jsonl),
            "csv" => Ok(Format::CSV),
            "tsv" => Ok(Format::TSV),
            _ => Err(Error::invalid(
                "FORMAT_UNKNOWN",
                format!(
                    "the name '{}' does not end with .jsonl, .ndjson, .csv or .tsv: \
                     say which format it is",
                    path.display()
                ),
            )),
        }
    }

    /// The same format with another byte between the fields.
    pub fn delimited(self, delimiter: u8) -> Result<Self> {
        if self == Format::Jsonl {
            let message = "a delimiter is between the fields of csv, and this is jsonl";
            return Err(Error::invalid("DELIMITER", message));
        }
        if !delimiter.is_ascii() || matches!(delimiter, b'"' | b'\r' | b'\n' | 0) {
            let message = "a delimiter is one ASCII character, and no quote and no end of a line";
            return Err(Error::invalid("DELIMITER", message));
        }
        Ok(Format::Csv { delimiter })
    }
}
