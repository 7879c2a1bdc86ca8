//! Letters without what they wear.
//!
//! A word is looked at in two forms. Its *plain* form is composed (NFKC) and in lower case: that is
//! what stemmers and lists of stop words know, umlauts and all. Its *folded* form has no accents
//! either, so that who types without them finds with them; it is taken last, of what the stemmer
//! leaves. Only marks that decorate a letter go. Those that are letters themselves, as the vowels
//! of Devanagari are, stay.

use unicode_normalization::UnicodeNormalization;

/// Appends `word` composed and in lower case.
pub(crate) fn plain(word: &str, target: &mut String) {
    if word.is_ascii() {
        target.extend(word.bytes().map(|byte| char::from(byte.to_ascii_lowercase())));
    } else {
        let visible = word.nfkc().filter(|letter| !is_joiner(*letter));
        let lower: String = visible.flat_map(char::to_lowercase).collect();
        // Lower case may take a composed letter apart.
        target.extend(lower.nfc());
    }
}

/// Appends a plain form without accents.
pub(crate) fn folded(plain: &str, target: &mut String) {
    if plain.is_ascii() {
        target.push_str(plain);
        return;
    }
    let from = target.len();
    for letter in plain.nfd().filter(|letter| !is_accent(*letter)) {
        match spelled_out(letter) {
            Some(letters) => target.push_str(letters),
            None => target.push(letter),
        }
    }
    // Composed again, because the syllables of Korean came apart as well.
    let composed: String = target[from..].nfc().collect();
    target.truncate(from);
    target.push_str(&composed);
}

/// Characters that join or part letters and cannot be seen.
pub(crate) fn is_joiner(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

/// Marks that decorate letters of Latin, Greek, Cyrillic, Hebrew and Arabic.
fn is_accent(letter: char) -> bool {
    matches!(letter,
        '\u{300}'..='\u{36f}'
        | '\u{483}'..='\u{487}'
        | '\u{591}'..='\u{5bd}'
        | '\u{5bf}'
        | '\u{5c1}'..='\u{5c2}'
        | '\u{5c4}'..='\u{5c5}'
        | '\u{640}'
        | '\u{64b}'..='\u{652}'
        | '\u{670}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}')
}

/// Letters that are no others with a mark and are written as others all the same.
fn spelled_out(letter: char) -> Option<&'static str> {
    match letter {
        '\u{df}' => Some("ss"),
        '\u{e6}' => Some("ae"),
        '\u{f0}' | '\u{111}' => Some("d"),
        '\u{f8}' => Some("o"),
        '\u{fe}' => Some("th"),
        '\u{131}' => Some("i"),
        '\u{142}' => Some("l"),
        '\u{153}' => Some("oe"),
        '\u{3c2}' => Some("\u{3c3}"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    fn folded(word: &str) -> String {
        let (mut plain, mut folded) = (String::new(), String::new());
        super::plain(word, &mut plain);
        super::folded(&plain, &mut folded);
        folded
    }

    #[test]
    fn accents_go_and_letters_stay() {
        for (word, expected) in [
            ("Caf\u{e9}", "cafe"),
            ("CAFE\u{301}", "cafe"),
            ("Stra\u{df}e", "strasse"),
            ("\u{130}stanbul", "istanbul"),
            ("\u{ff21}\u{ff22}", "ab"),
            ("\u{439}", "\u{438}"),
            ("soft\u{ad}ware", "software"),
            // The vowel signs of Hindi are marks, and are not decoration.
            (
                "\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}",
                "\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}",
            ),
            ("\u{d55c}\u{ad6d}", "\u{d55c}\u{ad6d}"),
        ] {
            assert_eq!(folded(word), expected, "{word}");
        }
    }
}
