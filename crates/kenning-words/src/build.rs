//! Rows to the body of a part.
//!
//! While rows come, every term collects its rows and places in a few bytes each; then the terms are
//! sorted and written one after the other. Titles are read several times, each at places of its
//! own: so a word of a title counts as often in scores, in lengths, and in nothing else. Words that
//! say little take a place and add nothing to the length. Each name in a title is a term by itself.

use std::collections::HashMap;
use std::io;

use foldhash::fast::FixedState;
use kenning_index::WordRow;
use kenning_store::{Bytes, Error, Result};
use tantivy::postings::{FieldSerializer, InvertedIndexSerializer};

use crate::format::{FileEntry, HEADER_BYTES, Header};
use crate::language::{Language, Voice};
use crate::lengths;
use crate::names;
use crate::segment::{self, FIELD, not_written};
use crate::terms::{Reader, Role};

/// How often a title is read.
const TITLE_TIMES: u32 = 2;

/// Places between two texts of a row, so that no phrase reaches from one into the next.
const GAP: u32 = 64;

/// Rows of a part, and bytes that their postings may have while they are collected.
pub(crate) const ROWS_MAX: usize = 1 << 28;
const COLLECTED_BYTES_MAX: usize = 1 << 30;

/// What one more term costs besides its rows.
const TERM_BYTES: usize = 96;

/// The body of a part with `rows`.
pub(crate) fn build(
    language: &'static Language,
    rows: &mut dyn Iterator<Item = Result<WordRow>>,
) -> Result<Vec<u8>> {
    let mut collected = Collected::default();
    let mut reader = Reader::of(language);
    for row in rows {
        collected.add(&row?, &mut reader)?;
    }
    collected.finish(language)
}

#[derive(Default)]
struct Collected {
    ids: HashMap<Box<str>, u32, FixedState>,
    postings: Vec<Postings>,
    bytes: usize,
    lengths: Vec<u8>,
    places: u64,
}

/// The rows of a term, and its places in each: varints of the step to the next row, and of the
/// steps between places plus one, with a zero behind the last of a row.
#[derive(Default)]
struct Postings {
    rows: u32,
    last_row: u32,
    last_place: u32,
    bytes: Vec<u8>,
}

impl Collected {
    fn add(&mut self, row: &WordRow, reader: &mut Reader) -> Result<()> {
        if self.lengths.len() == ROWS_MAX || self.bytes >= COLLECTED_BYTES_MAX {
            let rows = self.lengths.len();
            let message = format!("a part of {rows} rows is full: the rest belongs into another");
            return Err(Error::exhausted("WORDS_PART_FULL", message));
        }
        let row_idx = self.lengths.len() as u32;
        for name in names::of_title(reader, &row.title) {
            self.push(&name, row_idx, 0);
        }
        let (mut from, mut length) = (0, 0_u32);
        let titles = std::iter::repeat_n(&row.title, TITLE_TIMES as usize);
        for text in titles.chain([&row.body]) {
            let mut stop_words = 0;
            let places = reader.read(text, |term, voice| {
                // A word has two terms; it is counted by its stem.
                let says_little = voice == Voice::Little && term.role == Role::Stem;
                stop_words += u32::from(says_little);
                self.push(term.text, row_idx, from + term.place);
            });
            from = from.saturating_add(places).saturating_add(GAP);
            length = length.saturating_add(places - stop_words);
        }
        let byte = lengths::to_byte(length);
        self.lengths.push(byte);
        self.places += u64::from(lengths::of_byte(byte));
        Ok(())
    }

    fn push(&mut self, term: &str, row: u32, place: u32) {
        let id = match self.ids.get(term) {
            Some(id) => *id,
            None => {
                let id = self.postings.len() as u32;
                self.ids.insert(term.into(), id);
                self.postings.push(Postings::default());
                self.bytes += TERM_BYTES + term.len();
                id
            }
        };
        let postings = &mut self.postings[id as usize];
        let before = postings.bytes.len();
        postings.push(row, place);
        self.bytes += postings.bytes.len() - before;
    }

    fn finish(self, language: &Language) -> Result<Vec<u8>> {
        let mut terms: Vec<_> = self.ids.into_iter().collect();
        terms.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        let (postings, places) = (self.postings, self.places);
        let files = segment::write(|serializer| {
            write(serializer, places, &terms, &postings).map_err(not_written)
        })?;
        Ok(body(language, places, files, &self.lengths))
    }
}

/// A header, and the files behind it.
pub(crate) fn body(
    language: &Language,
    places: u64,
    [terms, postings, positions]: [Bytes; 3],
    lengths: &[u8],
) -> Vec<u8> {
    let files = [&terms, &postings, &positions, lengths];
    let mut code = [0; 8];
    code[..language.code.len()].copy_from_slice(language.code.as_bytes());
    let files_bytes: usize = files.iter().map(|file| file.len()).sum();
    let header = Header {
        rows: lengths.len() as u32,
        language: code,
        places,
        files: files.map(FileEntry::of),
    };
    let mut body = Vec::with_capacity(HEADER_BYTES + files_bytes);
    body.extend_from_slice(&header.encode());
    files.iter().for_each(|file| body.extend_from_slice(file));
    body
}

impl Postings {
    fn push(&mut self, row: u32, place: u32) {
        if self.rows == 0 || self.last_row != row {
            if self.rows > 0 {
                self.bytes.push(0);
            }
            push_varint(&mut self.bytes, row - self.last_row);
            (self.rows, self.last_row, self.last_place) = (self.rows + 1, row, 0);
        }
        push_varint(&mut self.bytes, place - self.last_place + 1);
        self.last_place = place;
    }
}

fn write(
    serializer: &mut InvertedIndexSerializer,
    places: u64,
    terms: &[(Box<str>, u32)],
    postings: &[Postings],
) -> io::Result<()> {
    let mut field = serializer.new_field(FIELD, places, None)?;
    let mut steps = Vec::new();
    for (term, id) in terms {
        let postings = &postings[*id as usize];
        field.new_term(term.as_bytes(), postings.rows, true)?;
        write_postings(&mut field, postings, &mut steps);
        field.close_term()?;
    }
    field.close()
}

fn write_postings(field: &mut FieldSerializer<'_>, postings: &Postings, steps: &mut Vec<u32>) {
    let (mut row, mut rest) = (0, &postings.bytes[..]);
    while !rest.is_empty() {
        row += take_varint(&mut rest);
        steps.clear();
        while !rest.is_empty() {
            match take_varint(&mut rest) {
                0 => break,
                step => steps.push(step - 1),
            }
        }
        field.write_doc(row, steps.len() as u32, steps);
    }
}

fn push_varint(target: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        target.push(number as u8 | 0x80);
        number >>= 7;
    }
    target.push(number as u8);
}

/// Takes a number that `push_varint` wrote.
fn take_varint(rest: &mut &[u8]) -> u32 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (byte, behind) = rest.split_first().expect("a number was written whole");
        *rest = behind;
        number |= u32::from(byte & 0x7f) << shift;
        shift += 7;
        if *byte < 0x80 {
            return number;
        }
    }
}
