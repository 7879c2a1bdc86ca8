//! From a text to the terms under which an index knows it.
//!
//! A word has two terms. Its *stem*, without ending and accents, is what words and phrases of a
//! question are compared with. The word itself, without accents, is a term of its own where it
//! differs from its stem, marked by a byte that no text has: beginnings of words (`prefi*`) and
//! words nearly like another (`fuzzi~1`) look at both.
//!
//! A run of a script without spaces has a term for every character and one for every two that stand
//! side by side. A question asks for the pairs, and for the character where it stands alone.
//!
//! Every word, and every character of a run, is one place; a text is as long as it has places.
//! Both terms of a word stand at its place, so a phrase is terms at places that follow each other.

use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::FixedState;
use xxhash_rust::xxh3::xxh3_64;

use crate::fold;
use crate::language::{Language, Voice};
use crate::spans::{Kind, Span, Spans};

/// Stands before a word that differs from its stem.
pub(crate) const MARK_WORD: char = '\u{1}';

/// Stands before the hash of a whole name.
pub(crate) const MARK_NAME: char = '\u{3}';

/// Stands between the beginning of a long word and the hash of all of it.
const MARK_LONG: char = '\u{2}';

/// Characters that a term of a word may have. A longer word is known by its first 48 and a hash of
/// the whole, so it is found as a whole and by how it begins.
const TERM_CHARS_MAX: usize = 64;
const LONG_CHARS: usize = 48;

/// Bytes up to which a word is remembered, and how many are.
const REMEMBERED_BYTES_MAX: usize = 32;
const REMEMBERED_MAX: usize = 1 << 15;

/// One term of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Term<'a> {
    pub(crate) text: &'a str,
    /// Its place.
    pub(crate) place: u32,
    /// Where in the text it is, in bytes.
    pub(crate) range: Range<usize>,
    pub(crate) role: Role,
}

/// What a term is to what it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The stem of a word, or a sign.
    Stem,
    /// A word that differs from its stem, marked.
    Word,
    /// One character of a run, which has others.
    Char,
    /// What of a run is asked for: two characters, or the only one.
    Pair,
}

/// What is known of a word.
#[derive(Clone, Default)]
struct Known {
    stem: Box<str>,
    /// Marked; empty if it is the stem.
    word: Box<str>,
    voice: Voice,
}

/// Reads texts of one language.
pub(crate) struct Reader {
    language: &'static Language,
    known: HashMap<Box<str>, Known, FixedState>,
}

impl Reader {
    pub(crate) fn of(language: &'static Language) -> Self {
        Reader { language, known: HashMap::default() }
    }

    /// Calls `visit` with every term of `text`, in the order of places. Returns how many places
    /// there are.
    pub(crate) fn read(&mut self, text: &str, mut visit: impl FnMut(Term<'_>, Voice)) -> u32 {
        let mut place = 0;
        for Span { range, kind } in Spans::of(text) {
            match kind {
                Kind::Word => {
                    self.with(&text[range.clone()], |known| {
                        let term = Term { text: &known.stem, place, range, role: Role::Stem };
                        visit(term.clone(), known.voice);
                        if !known.word.is_empty() {
                            let term = Term { text: &known.word, role: Role::Word, ..term };
                            visit(term, known.voice);
                        }
                    });
                    place += 1;
                }
                Kind::Sign => {
                    let text = &text[range.clone()];
                    visit(Term { text, place, range, role: Role::Stem }, Voice::Says);
                    place += 1;
                }
                Kind::Run => place = read_run(text, range, place, &mut visit),
            }
        }
        place
    }

    /// Calls `visit` with what is known of a word, which is found out at most once if it is short.
    fn with(&mut self, word: &str, visit: impl FnOnce(&Known)) {
        if word.len() > REMEMBERED_BYTES_MAX {
            return visit(&known(self.language, word));
        }
        if let Some(known) = self.known.get(word) {
            return visit(known);
        }
        if self.known.len() == REMEMBERED_MAX {
            self.known.clear();
        }
        let known = known(self.language, word);
        visit(&known);
        self.known.insert(word.into(), known);
    }
}

/// A word without accents, as prefixes and what is nearly like it are compared with.
pub(crate) fn folded(word: &str) -> String {
    let mut plain = String::with_capacity(word.len());
    fold::plain(word, &mut plain);
    let mut folded = String::with_capacity(plain.len());
    fold::folded(&plain, &mut folded);
    folded
}

fn known(language: &Language, word: &str) -> Known {
    let mut plain = String::with_capacity(word.len());
    fold::plain(word, &mut plain);
    let mut folded = String::with_capacity(plain.len());
    fold::folded(&plain, &mut folded);
    if let Some((at, _)) = folded.char_indices().nth(TERM_CHARS_MAX) {
        return Known { stem: cut(&folded, at).into(), ..Known::default() };
    }
    let mut stem = String::with_capacity(plain.len());
    language.stem(&plain, &mut stem);
    let mut folded_stem = String::with_capacity(stem.len());
    fold::folded(&stem, &mut folded_stem);
    // A stemmer may leave nothing of a word that is all ending.
    let stem = if folded_stem.is_empty() { folded.clone() } else { folded_stem };
    let word = if stem == folded { String::new() } else { format!("{MARK_WORD}{folded}") };
    Known { stem: stem.into(), word: word.into(), voice: language.voice(&plain) }
}

/// The term of a word that is longer than `at` bytes.
fn cut(folded: &str, at: usize) -> String {
    let end = folded.char_indices().nth(LONG_CHARS).map_or(at, |(end, _)| end);
    format!("{}{MARK_LONG}{:016x}", &folded[..end], xxh3_64(folded.as_bytes()))
}

/// Reads a run that begins at `place`, and returns the place behind it.
fn read_run(
    text: &str,
    range: Range<usize>,
    mut place: u32,
    visit: &mut impl FnMut(Term<'_>, Voice),
) -> u32 {
    let letters = text[range.clone()].char_indices().map(|(at, letter)| (range.start + at, letter));
    let mut letters = letters.filter(|(_, letter)| !fold::is_joiner(*letter)).peekable();
    let (mut single, mut pair) = (String::new(), String::new());
    let first_place = place;
    while let Some((at, letter)) = letters.next() {
        single.clear();
        fold::plain(letter.encode_utf8(&mut [0; 4]), &mut single);
        let end = at + letter.len_utf8();
        let is_alone = place == first_place && letters.peek().is_none();
        let role = if is_alone { Role::Pair } else { Role::Char };
        visit(Term { text: &single, place, range: at..end, role }, Voice::Says);
        if let Some((next_at, next)) = letters.peek().copied() {
            pair.clear();
            pair.push_str(&single);
            fold::plain(next.encode_utf8(&mut [0; 4]), &mut pair);
            let end = next_at + next.len_utf8();
            visit(Term { text: &pair, place, range: at..end, role: Role::Pair }, Voice::Says);
        }
        place += 1;
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> Vec<(String, u32, Role)> {
        let mut reader = Reader::of(Language::of("en").unwrap());
        let mut terms = Vec::new();
        for _ in 0..2 {
            terms.clear();
            reader.read(text, |term, _| terms.push((term.text.to_owned(), term.place, term.role)));
        }
        terms
    }

    #[test]
    fn a_word_has_a_stem_and_itself() {
        let expected = [
            ("run", 0, Role::Stem),
            ("\u{1}running", 0, Role::Word),
            ("cafe", 1, Role::Stem),
            ("\u{1f600}", 2, Role::Stem),
        ];
        assert_eq!(
            terms("Running caf\u{e9} \u{1f600}"),
            expected.map(|(text, place, role)| { (text.to_owned(), place, role) })
        );
    }

    #[test]
    fn a_run_has_characters_and_pairs() {
        let expected = [
            ("\u{6771}", 0, Role::Char),
            ("\u{6771}\u{4eac}", 0, Role::Pair),
            ("\u{4eac}", 1, Role::Char),
            ("\u{4eac}\u{90fd}", 1, Role::Pair),
            ("\u{90fd}", 2, Role::Char),
            ("is", 3, Role::Stem),
            ("\u{6771}", 4, Role::Pair),
        ];
        let text = "\u{6771}\u{4eac}\u{90fd} is \u{6771}";
        assert_eq!(terms(text), expected.map(|(text, place, role)| (text.to_owned(), place, role)));
    }

    #[test]
    fn a_long_word_is_known_by_its_beginning_and_its_hash() {
        let long = |end: &str| "x".repeat(1_000_000) + end;
        let [a, b] = ["a", "b"].map(|end| terms(&long(end)));
        assert_eq!((a.len(), b.len()), (1, 1));
        assert!(a[0].0.starts_with(&"x".repeat(48)) && a[0].0.len() < 80);
        assert_ne!(a[0].0, b[0].0);
        assert_eq!(a, terms(&long("A")));
    }
}
