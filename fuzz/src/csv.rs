//! Rows of csv: the same however they arrive, and the same once they are written again.

use kenning_ingest::probe::{drafts_of_rows, fields, write_field, write_row};
use kenning_record::encode;

use crate::bytes::choice;
use crate::given_as;
use crate::rows::{Arrival, rows};

const DELIMITERS: [u8; 5] = [b',', b'\t', b';', b'|', b' '];

/// A delimiter, how the file arrives, and the file.
pub fn csv(mut data: &[u8]) {
    let delimiter = DELIMITERS[usize::from(choice(&mut data)) % DELIMITERS.len()];
    let arrival = Arrival::take(&mut data);
    let rows = rows(data, Some(delimiter), &arrival);
    let rows: Vec<&[u8]> = rows.iter().filter_map(|row| row.row.as_deref().ok()).collect();
    rows.iter().filter_map(|row| str::from_utf8(row).ok()).for_each(|row| again(row, delimiter));
    if let Some((head, rows)) = rows.split_first() {
        drafts(head, rows, delimiter);
    }
}

/// The fields of a row, written and read again.
fn again(row: &str, delimiter: u8) {
    let read = fields(row, delimiter);
    let mut written = Vec::new();
    for (idx, (text, quoted)) in read.iter().enumerate() {
        if idx > 0 {
            written.push(delimiter);
        }
        if *quoted || !text.is_empty() {
            write_field(text, delimiter, &mut written);
        }
    }
    let written = String::from_utf8(written).expect("texts between delimiters are text");
    let said = |fields: Vec<(String, bool)>| -> Vec<(String, bool)> {
        // Quotes say something only where nothing is between them.
        fields.into_iter().map(|(text, quoted)| (text.clone(), quoted && text.is_empty())).collect()
    };
    assert_eq!(said(fields(&written, delimiter)), said(read), "a row changed: {written:?}");
}

/// Records of rows, written and read again.
fn drafts(head: &[u8], rows: &[&[u8]], delimiter: u8) {
    let Some(drafts) = given_as(drafts_of_rows(head, rows, delimiter)) else { return };
    let head_text = str::from_utf8(head).expect("it was read");
    let names: Vec<String> =
        fields(head_text, delimiter).into_iter().map(|(name, _)| name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let records: Vec<_> = drafts.into_iter().filter_map(given_as).map(|d| d.properties).collect();
    let mut written = Vec::new();
    for record in &records {
        let mut row = Vec::new();
        if encode(record, &mut Vec::new()).is_err() {
            return;
        }
        write_row(record, &names, delimiter, &mut row);
        assert_eq!(row.pop(), Some(b'\n'), "a row ends");
        written.push(row);
    }
    // One column of one empty text is written as an absent value is.
    let rows: Vec<&[u8]> = written.iter().map(Vec::as_slice).collect();
    let again = given_as(drafts_of_rows(head, &rows, delimiter)).expect("the head was read");
    assert_eq!(again.len(), records.len());
    for draft in again {
        given_as(draft).expect("what was written is read");
    }
}
