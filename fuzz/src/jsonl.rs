//! Rows of jsonl: the same however they arrive, and the same once they are written again.

use kenning_ingest::probe::{draft_of_line, object};
use kenning_record::{Body, RecordRef, encode_record};

use crate::bytes::choice;
use crate::rows::{Arrival, rows};
use crate::{given_as, stored_as};

/// What a line is, how the file arrives, and the file.
pub fn jsonl(mut data: &[u8]) {
    let whole = choice(&mut data) % 2 == 1;
    let arrival = Arrival::take(&mut data);
    for row in rows(data, None, &arrival) {
        let Ok(row) = row.row else { continue };
        if let Ok(text) = str::from_utf8(&row) {
            again(text);
        }
        given_as(draft_of_line(&row, whole, Some("key")));
        if let Some(draft) = given_as(draft_of_line(&row, whole, None)) {
            let checked = given_as(draft.check()).is_some();
            let body = Body {
                birth: 1,
                created_at: 0,
                modified_at: 0,
                valid_from: draft.valid_from,
                valid_until: draft.valid_until,
                key: draft.key.as_deref(),
                aliases: draft.aliases.as_deref().unwrap_or_default(),
                properties: &draft.properties,
            };
            let mut bytes = Vec::new();
            if checked && given_as(encode_record(&body, &mut bytes)).is_some() {
                let read = stored_as(RecordRef::new(&bytes)).and_then(|record| {
                    stored_as(record.properties()).and_then(|value| stored_as(value.decode()))
                });
                assert_eq!(read.as_ref(), Some(&draft.properties), "a record changed");
            }
        }
    }
}

fn again(row: &str) {
    if let Some(read) = given_as(object(row)) {
        let written = read.to_string();
        assert_eq!(given_as(object(&written)), Some(read), "an object changed: {written}");
    }
}
