//! What is named as a whole, and where it is named.
//!
//! A line of a title is a name: a key, an alias, what stands at `name` or `title`. It is a term of
//! its own, a mark and a hash of its words without their endings, so that a text can be asked which
//! names stand in it: every run of words in it that is short enough is looked up. Parentheses at
//! the end of a name tell it from others of the same name; without them it is one as well. What has
//! no letter, or nothing but words that say little, is no name: it would stand everywhere.

use std::collections::HashSet;

use foldhash::fast::FixedState;
use kenning_index::WordHit;
use kenning_store::Result;
use xxhash_rust::xxh3::xxh3_64;

use crate::language::Voice;
use crate::part::Piece;
use crate::terms::{MARK_NAME, Reader};

/// Words of a name, and names of a row: who has more is known by the first.
const NAME_PLACES_MAX: usize = 8;
const NAMES_MAX: usize = 256;

/// How far a text is read for names, in words and in bytes.
const TEXT_PLACES_MAX: usize = 256;
pub(crate) const TEXT_BYTES_MAX: usize = 8 << 10;

/// The terms of the names in a title, each once.
pub(crate) fn of_title(reader: &mut Reader, title: &str) -> Vec<Box<str>> {
    let mut names = Vec::new();
    for line in title.lines().take(NAMES_MAX) {
        for name in [Some(line), without_tail(line)].into_iter().flatten() {
            let words = Words::of(reader, name, NAME_PLACES_MAX + 1);
            if words.stems.len() <= NAME_PLACES_MAX {
                names.extend(words.name(0, words.stems.len()));
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// A name without the parentheses at its end, if it has any and something before them.
fn without_tail(name: &str) -> Option<&str> {
    let (before, _) = name.trim_end().strip_suffix(')')?.rsplit_once('(')?;
    (!before.trim().is_empty()).then_some(before)
}

/// The terms of all names that may stand in a text, each once.
pub(crate) fn in_text(reader: &mut Reader, text: &str) -> Vec<Box<str>> {
    let words = Words::of(reader, text, TEXT_PLACES_MAX);
    let mut names = HashSet::<Box<str>, FixedState>::default();
    for from in 0..words.stems.len() {
        let end = words.stems.len().min(from + NAME_PLACES_MAX);
        names.extend((from + 1..=end).filter_map(|until| words.name(from, until)));
    }
    let mut names: Vec<Box<str>> = names.into_iter().collect();
    names.sort_unstable();
    names
}

/// The words of a text, one for each place.
#[derive(Default)]
struct Words {
    /// Their terms behind each other, with a space behind each.
    text: String,
    /// Where the term of each begins, and whether it may make a name.
    stems: Vec<(usize, bool)>,
}

impl Words {
    fn of(reader: &mut Reader, text: &str, places_max: usize) -> Self {
        let mut end = text.len().min(TEXT_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut words = Words::default();
        reader.read(&text[..end], |term, voice| {
            // The first term of a place is the stem of the word, or the character.
            let is_first = term.place as usize == words.stems.len();
            if is_first && words.stems.len() < places_max {
                let has_letter = term.text.chars().any(char::is_alphabetic);
                words.stems.push((words.text.len(), has_letter && voice == Voice::Says));
                words.text.push_str(term.text);
                words.text.push(' ');
            }
        });
        words
    }

    /// The term of the name that these words are, if they may be one.
    fn name(&self, from: usize, until: usize) -> Option<Box<str>> {
        let stems = &self.stems[from..until];
        let (first, _) = stems.first().filter(|_| stems.iter().any(|(_, says)| *says))?;
        let end = self.stems.get(until).map_or(self.text.len(), |(at, _)| *at);
        let hash = xxh3_64(&self.text.as_bytes()[*first..end]);
        Some(format!("{MARK_NAME}{hash:016x}").into())
    }
}

/// The rows that have one of these names, those of names that few have first.
pub(crate) fn bearers(
    pieces: &[Piece<'_>],
    names: &[Box<str>],
    rows_max: usize,
) -> Result<Vec<WordHit>> {
    let mut found: Vec<Vec<(usize, u32)>> = Vec::new();
    for name in names {
        let rows = rows_of(pieces, name, rows_max)?;
        found.extend(rows.filter(|rows| !rows.is_empty()));
    }
    // Names come in the order of their terms, which no spread of rows changes.
    found.sort_by_key(Vec::len);
    let mut known = HashSet::<(usize, u32), FixedState>::default();
    let mut hits = Vec::new();
    for rows in found {
        let new: Vec<_> = rows.into_iter().filter(|row| !known.contains(row)).collect();
        if hits.len() + new.len() <= rows_max {
            known.extend(&new);
            hits.extend(new.iter().map(|(piece_idx, row)| WordHit {
                piece_idx: *piece_idx,
                row: *row,
                score: 1.0,
            }));
        }
    }
    Ok(hits)
}

/// The rows that have a name; none if they are more than `rows_max`.
fn rows_of(pieces: &[Piece<'_>], name: &str, rows_max: usize) -> Result<Option<Vec<(usize, u32)>>> {
    let mut rows = Vec::new();
    for (piece_idx, piece) in pieces.iter().enumerate() {
        let Some(term) = piece.part.term(name)? else { continue };
        let mut postings = piece.part.rows_of(&term, false)?;
        while postings.block_len() > 0 {
            let seen = postings.docs().iter().filter(|row| piece.mask.sees(**row));
            rows.extend(seen.map(|row| (piece_idx, *row)));
            if rows.len() > rows_max {
                return Ok(None);
            }
            postings.advance();
        }
    }
    Ok(Some(rows))
}
