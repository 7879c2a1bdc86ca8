//! What somebody typed, as clauses.
//!
//! | typed | asks for |
//! |---|---|
//! | `words like these` | rows with any of them; those with more, and rarer ones, first |
//! | `"a phrase"` | rows with these words in a row |
//! | `+must` | rows with it only |
//! | `-not` | rows without it only |
//! | `prefi*` | words that begin like this, or whose stems do |
//! | `fuzzi~1`, `fuzzi~2`, `fuzzi~` | words, or stems, that are one or two letters different |
//!
//! `+` and `-` stand before each of the others, at the beginning or behind a space. Nothing is
//! wrong: what is none of these is words. Words that say little are left out unless there are no
//! others, or they are in a phrase or signed; so are words that ask. A word that is asked for
//! several times counts so often.
//!
//! A question is bounded. Of its first mebibyte, the first 128 different things that it asks for
//! count, and of these 16 may be phrases, prefixes or fuzzy; a phrase has 32 words. What comes
//! later is not asked.

use std::any::Any;
use std::collections::HashMap;
use std::ops::Range;

use kenning_index::WordQuestion;

use crate::highlight;
use crate::language::{Language, Voice};
use crate::names;
use crate::near::Near;
use crate::spans::{Kind, Spans};
use crate::terms::{Reader, Role, folded};

const TEXT_BYTES_MAX: usize = 1 << 20;
const CLAUSES_MAX: usize = 128;
const COSTLY_MAX: usize = 16;
const PHRASE_WORDS_MAX: usize = 32;

/// How often a word may count.
const TIMES_MAX: u32 = 8;

/// Letters of a prefix; more narrow nothing down.
const PREFIX_LETTERS_MAX: usize = 48;

/// A question that was read.
pub(crate) struct Question {
    pub(crate) language: &'static Language,
    pub(crate) clauses: Vec<Clause>,
    /// The same, phrases taken apart: what a neighbourhood is asked.
    pub(crate) loose: Vec<Clause>,
    /// The names that may stand in it, but for what must not be there.
    pub(crate) names: Vec<Box<str>>,
}

/// One thing that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clause {
    pub(crate) ask: Ask,
    pub(crate) sign: Sign,
    pub(crate) times: u32,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ask {
    /// A term.
    Word(Box<str>),
    /// Terms, with their places from the first one on.
    Phrase(Vec<(Box<str>, u32)>),
    /// Terms that begin like this, marked or not.
    Prefix(Box<str>),
    /// Terms that are near, marked or not.
    Near(Near),
}

/// Whether it has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sign {
    May,
    Must,
    Not,
}

impl Question {
    pub(crate) fn read(language: &'static Language, text: &str) -> Self {
        let mut end = text.len().min(TEXT_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut typed = Typed {
            reader: Reader::of(language),
            clauses: Clauses::default(),
            stop_words: Clauses::default(),
            said: String::new(),
        };
        typed.read(&text[..end]);
        let mut clauses = typed.clauses.list;
        if clauses.iter().all(|clause| clause.sign == Sign::Not) {
            clauses.splice(0..0, typed.stop_words.list);
        }
        // What only says what is not wanted wants nothing.
        if clauses.iter().all(|clause| clause.sign == Sign::Not) {
            clauses.clear();
        }
        let loose = loose(&clauses);
        let names = names::in_text(&mut typed.reader, &typed.said);
        Question { language, clauses, loose, names }
    }
}

impl WordQuestion for Question {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }

    fn highlights(&self, text: &str) -> Vec<Range<usize>> {
        highlight::highlights(self, text)
    }
}

/// Clauses without their phrases: their words may be there, or must, each by itself.
fn loose(clauses: &[Clause]) -> Vec<Clause> {
    let mut loose = Clauses::default();
    for Clause { ask, sign, times } in clauses {
        match (ask, sign) {
            // Not to have a phrase is not to lack its words.
            (Ask::Phrase(_), Sign::Not) => {}
            (Ask::Phrase(terms), Sign::May | Sign::Must) => {
                for (term, _) in terms {
                    loose.add(Ask::Word(term.clone()), *sign, *times);
                }
            }
            (Ask::Word(_) | Ask::Prefix(_) | Ask::Near(_), _) => {
                loose.add(ask.clone(), *sign, *times);
            }
        }
    }
    loose.list
}

/// Clauses that differ.
#[derive(Default)]
struct Clauses {
    list: Vec<Clause>,
    known: HashMap<(Ask, Sign), usize>,
    costly: usize,
}

impl Clauses {
    fn is_full(&self) -> bool {
        self.list.len() == CLAUSES_MAX
    }

    /// Adds a clause, or counts it once more. Returns whether there was room.
    fn add(&mut self, ask: Ask, sign: Sign, times: u32) -> bool {
        let key = (ask, sign);
        if let Some(idx) = self.known.get(&key) {
            let clause = &mut self.list[*idx];
            clause.times = (clause.times + times).min(TIMES_MAX);
            return true;
        }
        let is_costly = !matches!(key.0, Ask::Word(_));
        if self.is_full() || is_costly && self.costly == COSTLY_MAX {
            return false;
        }
        self.costly += usize::from(is_costly);
        self.list.push(Clause { ask: key.0.clone(), sign, times });
        self.known.insert(key, self.list.len() - 1);
        true
    }
}

struct Typed {
    reader: Reader,
    clauses: Clauses,
    stop_words: Clauses,
    /// What is asked for as it was typed, without signs.
    said: String,
}

impl Typed {
    fn read(&mut self, text: &str) {
        let mut rest = text;
        let mut behind_space = true;
        while !rest.is_empty() && !self.clauses.is_full() {
            let trimmed = rest.trim_start();
            behind_space |= trimmed.len() < rest.len();
            rest = trimmed;
            let sign = if behind_space { sign(rest) } else { Sign::May };
            let body = if sign == Sign::May { rest } else { &rest[1..] };
            behind_space = false;
            if let Some((phrase, behind)) = quoted(body) {
                self.say(phrase, sign);
                self.phrase(phrase, sign);
                rest = behind;
            } else {
                let body = body.strip_prefix('"').unwrap_or(body);
                let end = body.find(|letter: char| letter == '"' || letter.is_whitespace());
                let (chunk, behind) = body.split_at(end.unwrap_or(body.len()));
                self.say(chunk, sign);
                self.chunk(chunk, sign);
                rest = behind;
            }
        }
    }

    fn say(&mut self, text: &str, sign: Sign) {
        if sign != Sign::Not && self.said.len() < names::TEXT_BYTES_MAX {
            self.said.push_str(text);
            self.said.push(' ');
        }
    }

    /// Text without spaces: words, the last of which may be the beginning of one or nearly one.
    fn chunk(&mut self, chunk: &str, sign: Sign) {
        let chunk = chunk.trim_end_matches([',', '.', ';', ':', '!', '?', ')', ']', '}']);
        let (base, suffix) = suffix(chunk);
        let last = Spans::of(base).last();
        let last = last.filter(|last| last.kind == Kind::Word && last.range.end == base.len());
        if let (Some(suffix), Some(last)) = (suffix, last) {
            let word = folded(&base[last.range.clone()]);
            let ask = match suffix {
                Suffix::Prefix => Some(Ask::Prefix(beginning(&word).into())),
                Suffix::Near(distance) => Near::new(&word, distance).map(Ask::Near),
            };
            if ask.is_some_and(|ask| self.clauses.add(ask, sign, 1)) {
                return self.words(&base[..last.range.start], sign);
            }
        }
        match sign {
            Sign::May => self.words(base, sign),
            Sign::Must | Sign::Not => self.phrase(base, sign),
        }
    }

    fn words(&mut self, text: &str, sign: Sign) {
        let Typed { reader, clauses, stop_words, .. } = self;
        reader.read(text, |term, voice| {
            let is_asked = matches!(term.role, Role::Stem | Role::Pair);
            if is_asked {
                let is_kept = voice == Voice::Says || sign != Sign::May;
                let target = if is_kept { &mut *clauses } else { &mut *stop_words };
                target.add(Ask::Word(term.text.into()), sign, 1);
            }
        });
    }

    fn phrase(&mut self, text: &str, sign: Sign) {
        let mut terms: Vec<(Box<str>, u32)> = Vec::new();
        self.reader.read(text, |term, _| {
            let is_asked = matches!(term.role, Role::Stem | Role::Pair);
            if is_asked && terms.len() < PHRASE_WORDS_MAX {
                terms.push((term.text.into(), term.place));
            }
        });
        let ask = match &terms[..] {
            [] => return,
            [(term, _)] => Ask::Word(term.clone()),
            [_, _, ..] => Ask::Phrase(terms),
        };
        if !self.clauses.add(ask, sign, 1) && sign != Sign::Not {
            self.words(text, sign);
        }
    }
}

/// The sign in front of `text`, which has something behind it that may be signed.
fn sign(text: &str) -> Sign {
    let is_signed = text.chars().nth(1).is_some_and(|next| !next.is_whitespace());
    match text.chars().next().filter(|_| is_signed) {
        Some('+') => Sign::Must,
        Some('-') => Sign::Not,
        _ => Sign::May,
    }
}

/// What is between the quotes that `text` begins with, and what is behind them.
fn quoted(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('"')?.split_once('"')
}

enum Suffix {
    Prefix,
    Near(u8),
}

/// A chunk without its suffix, and that.
fn suffix(chunk: &str) -> (&str, Option<Suffix>) {
    for (end, distance) in [("~", 1), ("~1", 1), ("~2", 2)] {
        if let Some(base) = chunk.strip_suffix(end) {
            return (base, Some(Suffix::Near(distance)));
        }
    }
    match chunk.strip_suffix('*') {
        Some(base) => (base.trim_end_matches('*'), Some(Suffix::Prefix)),
        None => (chunk, None),
    }
}

fn beginning(word: &str) -> &str {
    let end = word.char_indices().nth(PREFIX_LETTERS_MAX);
    &word[..end.map_or(word.len(), |(end, _)| end)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let question = Question::read(Language::of("en").unwrap(), text);
        let clause = |clause: &Clause| {
            let sign = match clause.sign {
                Sign::May => "",
                Sign::Must => "+",
                Sign::Not => "-",
            };
            let ask = match &clause.ask {
                Ask::Word(term) => term.to_string(),
                Ask::Phrase(terms) => {
                    let term = |(term, place): &(Box<str>, u32)| format!("{term}@{place}");
                    format!("({})", terms.iter().map(term).collect::<Vec<_>>().join(" "))
                }
                Ask::Prefix(start) => format!("{start}*"),
                Ask::Near(near) => format!("{near:?}").replace("Near ", "~"),
            };
            let times = if clause.times > 1 { format!("x{}", clause.times) } else { String::new() };
            format!("{sign}{ask}{times}")
        };
        question.clauses.iter().map(clause).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_question_is_what_was_typed() {
        for (text, expected) in [
            ("", ""),
            ("   ", ""),
            ("+ - * ~ \" \"\"", ""),
            ("Running the runs", "runx2"),
            ("to be or not to be", "tox2 bex2 or not"),
            ("What did the heron do?", "heron"),
            ("what did they do", "what did they do"),
            ("+what \"did it\" heron", "+what (did@0 it@1) heron"),
            ("\"to be\" or not", "(to@0 be@1)"),
            ("\"running\"", "run"),
            ("\"unclosed phrase", "unclos phrase"),
            ("a\"b c\"d", "(b@0 c@1) d"),
            ("+must -not may", "+must -not may"),
            ("-not -\"at all\"", ""),
            ("+the end", "+the end"),
            ("well-known +well-known", "well known +(well@0 known@1)"),
            ("c++ - 5", "c 5"),
            ("Runni* runs*, *", "runni* runs*"),
            ("ab~1", "ab"),
            (
                "\u{6771}\u{4eac}\u{90fd} \"\u{6771}\u{4eac}\u{90fd}\"",
                "\u{6771}\u{4eac} \u{4eac}\u{90fd} (\u{6771}\u{4eac}@0 \u{4eac}\u{90fd}@1)",
            ),
            ("\u{6771}*", "\u{6771}"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        assert!(shown("fuzzi~ fuzzier~2").contains("distance_max: 2"));
    }

    #[test]
    fn a_question_has_an_end() {
        let words = |n: usize| (0..n).map(|n| format!("w{n} ")).collect::<String>();
        let clauses = |text: &str| Question::read(Language::of("en").unwrap(), text).clauses;
        assert_eq!(clauses(&words(100_000)).len(), CLAUSES_MAX);
        assert_eq!(clauses(&"\u{e9}".repeat(600_000)).len(), 1);
        let prefixes: String = (0..100).map(|n| format!("w{n}* ")).collect();
        let costly = |clause: &&Clause| matches!(clause.ask, Ask::Prefix(_));
        assert_eq!(clauses(&prefixes).iter().filter(costly).count(), COSTLY_MAX);
        assert_eq!(clauses(&"word ".repeat(1_000))[0].times, TIMES_MAX);
        assert_eq!(clauses(&format!("\"{}\"", words(1_000))).len(), 1);
    }
}
