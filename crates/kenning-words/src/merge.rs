//! Parts to the body of one.
//!
//! The dictionaries of all parts are gone through side by side. The rows of a term follow each
//! other in the order of parts, under new numbers; rows that are not kept are passed over, and so
//! are terms that no other row has. No text is read again.

use kenning_index::{Bitmap, WordPart};
use kenning_store::{Error, Result};
use tantivy::postings::{FieldSerializer, Postings, SegmentPostings};
use tantivy::termdict::TermMerger;
use tantivy::{DocSet, TERMINATED};

use crate::build::{self, ROWS_MAX};
use crate::part::{Part, place_count, unread};
use crate::segment::{self, FIELD, not_written};

/// What a row that is not kept has for a number.
const NOT_KEPT: u32 = u32::MAX;

/// The body of a part with the rows of `parts` that are kept.
pub(crate) fn merge(parts: &[(&Part, &Bitmap)]) -> Result<Vec<u8>> {
    let Some((first, _)) = parts.first() else {
        return Err(Error::invalid("WORDS_NO_PARTS", "no parts are merged: there is no language"));
    };
    if let Some((other, _)) = parts.iter().find(|(part, _)| part.language != first.language) {
        let (first, other) = (first.language.code, other.language.code);
        let message = format!("words in '{first}' are not merged with words in '{other}'");
        return Err(Error::invalid("LANGUAGE_MISMATCH", message));
    }
    let kept: u64 = parts.iter().map(|(_, kept)| u64::from(kept.count())).sum();
    if kept > ROWS_MAX as u64 {
        let message = format!("a part has {ROWS_MAX} rows at most, and {kept} are merged");
        return Err(Error::exhausted("WORDS_PART_FULL", message));
    }
    let (mut sources, mut lengths) = (Vec::new(), Vec::with_capacity(kept as usize));
    for (part, kept) in parts {
        sources.push(Source::of(part, kept, &mut lengths)?);
    }
    let places = lengths.iter().map(|byte| place_count(*byte)).sum();
    let files = segment::write(|serializer| {
        let mut field = serializer.new_field(FIELD, places, None).map_err(not_written)?;
        write(&mut field, &sources)?;
        field.close().map_err(not_written)
    })?;
    Ok(build::body(first.language, places, files, &lengths))
}

/// A part, and the numbers that its rows have now.
struct Source<'a> {
    part: &'a Part,
    rows: Vec<u32>,
}

impl<'a> Source<'a> {
    /// Numbers the rows that are kept, and appends their lengths.
    fn of(part: &'a Part, kept: &Bitmap, lengths: &mut Vec<u8>) -> Result<Self> {
        assert_eq!(kept.rows(), part.rows(), "the rows that are kept are those of the part");
        // Checks the lengths, too.
        part.words()?;
        let number = |row: u32| {
            if !kept.has(row) {
                return NOT_KEPT;
            }
            lengths.push(part.lengths()[row as usize]);
            lengths.len() as u32 - 1
        };
        Ok(Source { part, rows: (0..part.rows()).map(number).collect() })
    }
}

fn write(field: &mut FieldSerializer<'_>, sources: &[Source<'_>]) -> Result<()> {
    let mut streams = Vec::with_capacity(sources.len());
    for source in sources {
        streams.push(source.part.words()?.terms().stream().map_err(unread)?);
    }
    let mut terms = TermMerger::new(streams);
    let mut places = Vec::new();
    while terms.advance() {
        let mut is_new = true;
        for (idx, info) in terms.current_segment_ords_and_term_infos() {
            let source = &sources[idx];
            let mut postings = source.part.places_of(&info)?;
            while postings.doc() != TERMINATED {
                let row = source.rows[postings.doc() as usize];
                if row != NOT_KEPT {
                    if is_new {
                        // How many rows it has would be asked for block maxima, which we have not.
                        field.new_term(terms.key(), 0, true).map_err(not_written)?;
                        is_new = false;
                    }
                    steps(&mut postings, &mut places);
                    field.write_doc(row, places.len() as u32, &places);
                }
                postings.advance();
            }
        }
        field.close_term().map_err(not_written)?;
    }
    Ok(())
}

/// The steps between the places of a term in a row.
fn steps(postings: &mut SegmentPostings, places: &mut Vec<u32>) {
    places.clear();
    postings.append_positions_with_offset(0, places);
    let mut before = 0;
    for place in places {
        (*place, before) = (*place - before, *place);
    }
}
