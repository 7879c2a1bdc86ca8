//! Where the words of a text are.
//!
//! A *word* is a run of letters, digits and marks. Scripts that put no space between words give
//! *runs* instead, which are later read two characters at a time. A picture is a *sign* of its own.
//! An apostrophe parts words (`l'eau`), and what English puts behind one to say whose it is is no
//! word (`Ada's`). All else lies between.

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

use crate::fold::is_joiner;

/// What a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word.
    Word,
    /// Text of a script without spaces.
    Run,
    /// One picture.
    Sign,
}

/// A word, a run or a sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) range: Range<usize>,
    pub(crate) kind: Kind,
}

/// The spans of a text, in order.
pub(crate) struct Spans<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Spans<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Spans { text, at: 0 }
    }

    /// The end of what begins at `from` and is of `kind`.
    fn end(&self, from: usize, kind: Kind) -> usize {
        if kind == Kind::Sign {
            let size = self.text[from..].chars().next().map_or(0, char::len_utf8);
            return from + size;
        }
        let goes_on = |letter: char| {
            if letter.is_ascii() {
                return kind == Kind::Word && letter.is_ascii_alphanumeric();
            }
            kind_of(letter) == Some(kind) || is_combining_mark(letter) || is_joiner(letter)
        };
        let size = self.text[from..].find(|letter| !goes_on(letter));
        size.map_or(self.text.len(), |size| from + size)
    }

    /// Where to go on behind a word that ends at `end`: behind the `'s` if it has one.
    fn behind(&self, end: usize) -> usize {
        let rest = &self.text[end..];
        let Some(rest) = rest.strip_prefix(['\'', '\u{2019}']) else { return end };
        let Some(rest) = rest.strip_prefix(['s', 'S']) else { return end };
        let ends = !rest.starts_with(|letter: char| kind_of(letter) == Some(Kind::Word));
        if ends { self.text.len() - rest.len() } else { end }
    }
}

impl Iterator for Spans<'_> {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        let rest = &self.text[self.at..];
        let (skipped, kind) = rest
            .char_indices()
            .find_map(|(skipped, letter)| kind_of(letter).map(|kind| (skipped, kind)))?;
        let from = self.at + skipped;
        let end = self.end(from, kind);
        self.at = if kind == Kind::Word { self.behind(end) } else { end };
        Some(Span { range: from..end, kind })
    }
}

/// What a character begins; none if it lies between.
fn kind_of(letter: char) -> Option<Kind> {
    if letter.is_ascii() {
        return letter.is_ascii_alphanumeric().then_some(Kind::Word);
    }
    if is_sign(letter) {
        Some(Kind::Sign)
    } else if !letter.is_alphanumeric() {
        None
    } else if is_unspaced(letter) {
        Some(Kind::Run)
    } else {
        Some(Kind::Word)
    }
}

/// Whether it is of a script whose words stand side by side, or whose particles do: Chinese,
/// Japanese, Korean, Thai, Lao, Tibetan, Burmese, Khmer and their neighbours.
fn is_unspaced(letter: char) -> bool {
    matches!(letter,
        '\u{e00}'..='\u{eff}'
        | '\u{f00}'..='\u{fff}'
        | '\u{1000}'..='\u{109f}'
        | '\u{1100}'..='\u{11ff}'
        | '\u{1780}'..='\u{17ff}'
        | '\u{1950}'..='\u{19df}'
        | '\u{1a20}'..='\u{1aaf}'
        | '\u{2e80}'..='\u{2fdf}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3021}'..='\u{30ff}'
        | '\u{3100}'..='\u{318f}'
        | '\u{31a0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{a960}'..='\u{a97f}'
        | '\u{a9e0}'..='\u{a9ff}'
        | '\u{aa60}'..='\u{aa7f}'
        | '\u{ac00}'..='\u{d7ff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ffdc}'
        | '\u{1aff0}'..='\u{1b16f}'
        | '\u{20000}'..='\u{3ffff}')
}

/// Whether it is a picture: emoji, and the symbols that were there before them.
fn is_sign(letter: char) -> bool {
    matches!(letter,
        '\u{2190}'..='\u{21ff}'
        | '\u{2300}'..='\u{23ff}'
        | '\u{2600}'..='\u{27bf}'
        | '\u{2b00}'..='\u{2bff}'
        | '\u{1f000}'..='\u{1f3fa}'
        | '\u{1f400}'..='\u{1faff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(text: &str) -> Vec<&str> {
        Spans::of(text).map(|span| &text[span.range]).collect()
    }

    #[test]
    fn words_are_between_what_is_none() {
        for (text, expected) in [
            ("", vec![]),
            (" ,.-", vec![]),
            (
                "Ada's well-known_3.14 e\u{301}t\u{e9}",
                vec!["Ada", "well", "known", "3", "14", "e\u{301}t\u{e9}"],
            ),
            (
                "l'eau d\u{2019}or don't Ada'sa",
                vec!["l", "eau", "d", "or", "don", "t", "Ada", "sa"],
            ),
            ("in\u{6771}\u{4eac}2", vec!["in", "\u{6771}\u{4eac}", "2"]),
            ("\u{1f600}\u{1f601}a", vec!["\u{1f600}", "\u{1f601}", "a"]),
            (
                "\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}",
                vec!["\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}"],
            ),
            ("\u{301}a", vec!["a"]),
        ] {
            assert_eq!(spans(text), expected, "{text}");
        }
    }
}
