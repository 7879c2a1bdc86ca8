//! A part that is open.
//!
//! Opening reads the header. The first question reads every byte once and compares it with the
//! sums of the header, before tantivy sees any: it believes what it reads.

use std::any::Any;
use std::io;
use std::sync::{Arc, OnceLock};

use kenning_index::{Bitmap, Mask, WordPart};
use kenning_store::{Bytes, Result};
use tantivy::InvertedIndexReader;
use tantivy::postings::{BlockSegmentPostings, SegmentPostings, TermInfo};
use tantivy::schema::IndexRecordOption;

use crate::format::{FILES, FileEntry, Header, LENGTHS, damaged};
use crate::language::Language;
use crate::{lengths, segment};

/// The words of one part.
pub(crate) struct Part {
    pub(crate) language: &'static Language,
    header: Header,
    files: [Bytes; FILES],
    words: OnceLock<Result<Arc<InvertedIndexReader>>>,
}

impl Part {
    pub(crate) fn open(body: Bytes) -> Result<Part> {
        let header = Header::decode(&body)?;
        let code = header.language.split(|byte| *byte == 0).next().unwrap_or_default();
        let language = std::str::from_utf8(code).ok().and_then(|code| Language::of(code).ok());
        let language = language.ok_or_else(|| damaged("a part has a language nobody knows"))?;
        let files = header.files(&body);
        Ok(Part { language, header, files, words: OnceLock::new() })
    }

    /// The words, of bytes that were checked.
    pub(crate) fn words(&self) -> Result<&InvertedIndexReader> {
        let words = self.words.get_or_init(|| {
            self.check()?;
            let [terms, postings, positions, _] = self.files.clone();
            segment::open(self.header.rows, [terms, postings, positions])
        });
        words.as_deref().map_err(|error| error.again())
    }

    /// The lengths of all rows, as bytes. They are checked if the words are.
    pub(crate) fn lengths(&self) -> &[u8] {
        &self.files[LENGTHS]
    }

    /// The sum of the lengths of all rows.
    pub(crate) fn places(&self) -> u64 {
        self.header.places
    }

    /// Where the rows of a term are, and how many.
    pub(crate) fn term(&self, term: &str) -> Result<Option<TermInfo>> {
        self.words()?.terms().get(term).map_err(unread)
    }

    /// The rows of a term, block by block, with how often each has it if that is asked.
    pub(crate) fn rows_of(&self, term: &TermInfo, counted: bool) -> Result<BlockSegmentPostings> {
        let option = if counted { IndexRecordOption::WithFreqs } else { IndexRecordOption::Basic };
        self.words()?.read_block_postings_from_terminfo(term, option).map_err(unread)
    }

    /// The rows of a term with its places in each.
    pub(crate) fn places_of(&self, term: &TermInfo) -> Result<SegmentPostings> {
        let option = IndexRecordOption::WithFreqsAndPositions;
        self.words()?.read_postings_from_terminfo(term, option).map_err(unread)
    }

    fn check(&self) -> Result<()> {
        for (idx, (file, entry)) in self.files.iter().zip(&self.header.files).enumerate() {
            if FileEntry::of(file) != *entry {
                return Err(damaged(format!("file {idx} of a part does not have its sum")));
            }
        }
        let places: u64 = self.lengths().iter().map(|byte| place_count(*byte)).sum();
        if places != self.header.places {
            return Err(damaged("the lengths of a part do not add up"));
        }
        Ok(())
    }
}

/// What could not be read of a dictionary or of postings.
pub(crate) fn unread(error: io::Error) -> kenning_store::Error {
    damaged("the words of a part can't be read").because(error)
}

pub(crate) fn place_count(byte: u8) -> u64 {
    u64::from(lengths::of_byte(byte))
}

impl WordPart for Part {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn rows(&self) -> u32 {
        self.header.rows
    }

    fn verify(&self) -> Result<()> {
        self.check()
    }
}

/// A part and what a question may see of it.
pub(crate) struct Piece<'a> {
    pub(crate) part: &'a Part,
    pub(crate) mask: Mask<'a>,
    /// The rows that are there at the version of the mask; none if all are.
    pub(crate) there: Option<Bitmap>,
    /// Those that are not, if they are few.
    pub(crate) gone: Option<Vec<u32>>,
    /// How many are there, and how long together.
    pub(crate) rows: u64,
    pub(crate) places: u64,
}

impl<'a> Piece<'a> {
    pub(crate) fn of(part: &'a Part, mask: Mask<'a>) -> Self {
        let rows = part.rows();
        let all =
            Piece { part, mask, there: None, gone: None, rows: rows.into(), places: part.places() };
        if mask.from.is_none() && mask.until.is_none() {
            return all;
        }
        let there = mask.there(rows);
        if there.count() == rows {
            return all;
        }
        let length = |row: &u32| place_count(part.lengths()[*row as usize]);
        let (gone, places) = if rows - there.count() <= rows / 8 {
            let gone: Vec<u32> = there.clone().not().iter().collect();
            let places = part.places() - gone.iter().map(length).sum::<u64>();
            (Some(gone), places)
        } else {
            (None, there.iter().map(|row| length(&row)).sum())
        };
        Piece { rows: there.count().into(), places, gone, there: Some(there), ..all }
    }

    /// Whether a row is there, whatever the filter says.
    pub(crate) fn has(&self, row: u32) -> bool {
        self.there.as_ref().is_none_or(|there| there.has(row))
    }
}
