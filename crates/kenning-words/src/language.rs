//! What is known of a language: its endings, and the words that say little.
//!
//! Words that say little (`the`), and words that only ask (`what`, `did`), are in the index like
//! all others, so that phrases find them; a question that has anything else to ask leaves them out.

use std::collections::HashMap;
use std::sync::OnceLock;

use foldhash::fast::FixedState;
use kenning_store::{Error, Result};
use rust_stemmers::{Algorithm, Stemmer};

/// The code for words as they are, without endings taken off.
const NONE: &str = "none";

/// Every language with its endings, by code.
const ALGORITHMS: &[(&str, Algorithm)] = &[
    ("ar", Algorithm::Arabic),
    ("da", Algorithm::Danish),
    ("de", Algorithm::German),
    ("el", Algorithm::Greek),
    ("en", Algorithm::English),
    ("es", Algorithm::Spanish),
    ("fi", Algorithm::Finnish),
    ("fr", Algorithm::French),
    ("hu", Algorithm::Hungarian),
    ("it", Algorithm::Italian),
    ("nl", Algorithm::Dutch),
    ("no", Algorithm::Norwegian),
    ("pt", Algorithm::Portuguese),
    ("ro", Algorithm::Romanian),
    ("ru", Algorithm::Russian),
    ("sv", Algorithm::Swedish),
    ("ta", Algorithm::Tamil),
    ("tr", Algorithm::Turkish),
];

/// The codes of all languages.
pub(crate) const CODES: &[&str] = &[
    "ar", "da", "de", "el", "en", "es", "fi", "fr", "hu", "it", "nl", "no", "none", "pt", "ro",
    "ru", "sv", "ta", "tr",
];

/// Words that say little, a language a line: its code, a colon, and words in their plain form.
const STOP_WORDS: &str = include_str!("stop_words.txt");

/// Words that ask, and what stands beside them: question words, auxiliaries, pronouns. Written the
/// same.
const QUESTION_WORDS: &str = include_str!("question_words.txt");

/// What a word does in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Voice {
    /// It says something.
    #[default]
    Says,
    /// It asks: in a question it says nothing of what is looked for, in a text it may.
    Asks,
    /// It says little, wherever it stands.
    Little,
}

/// A language.
pub(crate) struct Language {
    pub(crate) code: &'static str,
    stemmer: Option<Stemmer>,
    voices: HashMap<&'static str, Voice, FixedState>,
}

impl PartialEq for Language {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

impl Language {
    /// The language with this code.
    pub(crate) fn of(code: &str) -> Result<&'static Language> {
        static LANGUAGES: OnceLock<Vec<Language>> = OnceLock::new();
        let languages =
            LANGUAGES.get_or_init(|| CODES.iter().map(|code| Language::new(code)).collect());
        languages.iter().find(|language| language.code == code).ok_or_else(|| {
            let known = CODES.join(", ");
            let message = format!("no language has the code '{code}': there are {known}");
            Error::invalid("LANGUAGE_UNKNOWN", message)
        })
    }

    fn new(code: &'static str) -> Self {
        let algorithm = ALGORITHMS.iter().find(|(known, _)| *known == code);
        debug_assert!(algorithm.is_some() || code == NONE, "every code has its endings");
        let mut voices = HashMap::default();
        for (list, voice) in [(QUESTION_WORDS, Voice::Asks), (STOP_WORDS, Voice::Little)] {
            let line = list.lines().find_map(|line| line.strip_prefix(code)?.strip_prefix(':'));
            voices.extend(line.unwrap_or_default().split_whitespace().map(|word| (word, voice)));
        }
        Language {
            code,
            stemmer: algorithm.map(|(_, algorithm)| Stemmer::create(*algorithm)),
            voices,
        }
    }

    /// Appends a word in its plain form without its ending.
    pub(crate) fn stem(&self, plain: &str, target: &mut String) {
        match &self.stemmer {
            Some(stemmer) => target.push_str(&stemmer.stem(plain)),
            None => target.push_str(plain),
        }
    }

    /// What a word in its plain form does.
    pub(crate) fn voice(&self, plain: &str) -> Voice {
        self.voices.get(plain).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_a_code_and_endings() {
        for (code, _) in ALGORITHMS {
            assert!(Language::of(code).is_ok_and(|language| language.stemmer.is_some()), "{code}");
        }
        assert_eq!(CODES.len(), ALGORITHMS.len() + 1);
        assert!(CODES.is_sorted());
        assert!(Language::of("xx").is_err_and(|error| error.code() == "LANGUAGE_UNKNOWN"));
    }

    #[test]
    fn words_that_say_little_or_ask_are_of_a_language_and_plain() {
        for line in STOP_WORDS.lines().chain(QUESTION_WORDS.lines()) {
            let (code, words) = line.split_once(':').expect("a code, a colon, words");
            assert!(CODES.contains(&code), "{code}");
            for word in words.split_whitespace() {
                let mut plain = String::new();
                crate::fold::plain(word, &mut plain);
                assert_eq!(plain, word);
            }
        }
        let english = Language::of("en").unwrap();
        let voices = ["the", "what", "theory"].map(|word| english.voice(word));
        assert_eq!(voices, [Voice::Little, Voice::Asks, Voice::Says]);
    }
}
