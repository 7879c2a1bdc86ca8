//! Texts to words.
//!
//! A word is what can be looked at without its neighbours: a run of characters between white
//! space, a mark of punctuation, a Chinese character, a special token as it is written in the
//! model's vocabulary. BERT's rules look at a text as a whole; the borders here are those that its
//! normalisation puts a space or a border at, so that the tokens of a text are those of its words.

use std::iter::FusedIterator;
use std::ops::Range;

use unicode_categories::UnicodeCategories;
use unicode_normalization::UnicodeNormalization;

/// Tokens that are recognised as they are written, before anything else is looked at.
pub(crate) const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// The words of a text, as ranges of its bytes.
pub(crate) struct Words<'a> {
    text: &'a str,
    at: usize,
}

/// The words of `text`.
pub(crate) fn words(text: &str) -> Words<'_> {
    Words { text, at: 0 }
}

impl Iterator for Words<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let rest = &self.text[self.at..];
        let from = self.at + rest.find(|c| !is_space(c))?;
        let rest = &self.text[from..];
        let size = match special(rest) {
            Some(token) => token.len(),
            None => {
                let first = rest.chars().next().expect("a character that is not a space");
                let others = &rest[first.len_utf8()..];
                let ends = |c| is_space(c) || stands_alone(c);
                let run = || others.find(ends).unwrap_or(others.len());
                first.len_utf8() + if stands_alone(first) { 0 } else { run() }
            }
        };
        self.at = from + size;
        Some(from..self.at)
    }
}

impl FusedIterator for Words<'_> {}

/// The special token that `text` begins with.
pub(crate) fn special(text: &str) -> Option<&'static str> {
    // Most words end here.
    if !text.starts_with('[') {
        return None;
    }
    SPECIAL.into_iter().find(|token| text.starts_with(token))
}

/// A word as the model knows words: without control characters and accents, in lower case. What it
/// says is appended.
pub(crate) fn normalize(word: &str, normal: &mut String) {
    if word.is_ascii() {
        let kept = word.bytes().filter(|byte| !byte.is_ascii_control());
        normal.extend(kept.map(|byte| char::from(byte.to_ascii_lowercase())));
        return;
    }
    let kept = word.chars().filter(|c| !is_removed(*c));
    let bare = kept.nfd().filter(|c| !c.is_mark_nonspacing());
    normal.extend(bare.flat_map(char::to_lowercase));
}

/// The parts of a normal word: runs without punctuation, and each mark of it.
pub(crate) fn parts(normal: &str) -> impl Iterator<Item = &str> {
    let mut rest = normal;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let alone = is_punctuation(first) || is_space(first);
        let ends = |c| is_punctuation(c) || is_space(c);
        let size = if alone { first.len_utf8() } else { rest.find(ends).unwrap_or(rest.len()) };
        let (part, others) = rest.split_at(size);
        rest = others;
        Some(part)
    })
    .filter(|part| !part.starts_with(is_space))
}

/// Whether a text may be cut on both sides of it, and it never is a part of something longer.
fn stands_alone(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_punctuation() } else { is_chinese(c) || c.is_punctuation() }
}

fn is_space(c: char) -> bool {
    if c.is_ascii() {
        matches!(c, ' ' | '\t' | '\n' | '\r')
    } else {
        c.is_whitespace() && !c.is_other()
    }
}

fn is_removed(c: char) -> bool {
    c == '\u{fffd}' || !is_space(c) && c.is_other()
}

fn is_punctuation(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_punctuation() } else { c.is_punctuation() }
}

/// The blocks that BERT takes for Chinese. One begins later than its block does in Unicode, and so
/// it must here.
pub(crate) fn is_chinese(c: char) -> bool {
    matches!(
        u32::from(c),
        0x3400..=0x4dbf
            | 0x4e00..=0x9fff
            | 0xf900..=0xfaff
            | 0x20000..=0x2a6df
            | 0x2a700..=0x2b73f
            | 0x2b740..=0x2b81f
            | 0x2b920..=0x2ceaf
            | 0x2f800..=0x2fa1f
    )
}
