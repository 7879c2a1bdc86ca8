//! Any text can be a row, any text a question.

use std::sync::Arc;

use kenning_index::{Mask, WordArm, WordHit, WordIndex, WordPart, WordRow};
use kenning_words::Words;

fn part(language: &str, bodies: &[&str]) -> Arc<dyn WordPart> {
    let rows = bodies.iter().map(|body| Ok(WordRow { title: String::new(), body: (*body).into() }));
    Words.open(Words.build(language, &mut { rows }).unwrap().into()).unwrap()
}

fn hits(part: &Arc<dyn WordPart>, language: &str, text: &str) -> Vec<WordHit> {
    let question = Words.question(language, text).unwrap();
    Words.best(&[(part.clone(), Mask::ALL)], &*question, WordArm::Unit, 100).unwrap()
}

fn rows(part: &Arc<dyn WordPart>, language: &str, text: &str) -> Vec<u32> {
    let mut rows: Vec<u32> = hits(part, language, text).iter().map(|hit| hit.row).collect();
    rows.sort_unstable();
    rows
}

#[test]
fn any_script_is_found_by_its_words() {
    let bodies = [
        "caf\u{e9} au lait, d\u{e9}j\u{e0} vu",
        "\u{6771}\u{4eac}\u{90fd}\u{306b}\u{4f4f}\u{3080}",
        "\u{ba87} \u{d55c}\u{ad6d}\u{c5b4}\u{b97c}",
        "\u{e2a}\u{e27}\u{e31}\u{e2a}\u{e14}\u{e35}\u{e0a}\u{e32}\u{e27}\u{e42}\u{e25}\u{e01}",
        "\u{645}\u{631}\u{62d}\u{628}\u{627} \u{628}\u{627}\u{644}\u{639}\u{627}\u{644}\u{645}",
        "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442} \u{43c}\u{438}\u{440}",
        "so \u{1f600}\u{1f600} happy \u{1f469}\u{200d}\u{1f680}",
        "",
        "\u{0}\u{1}\u{2} control\u{1}characters",
    ];
    let part = part("none", &bodies);
    for (question, row) in [
        ("CAFE", 0),
        ("deja", 0),
        ("\u{4eac}", 1),
        ("\u{6771}\u{4eac}", 1),
        ("\"\u{4eac}\u{90fd}\u{306b}\"", 1),
        ("\u{d55c}\u{ad6d}", 2),
        ("\u{e0a}\u{e32}\u{e27}", 3),
        ("\u{645}\u{631}\u{62d}\u{628}\u{627}", 4),
        ("\u{41f}\u{420}\u{418}\u{412}\u{415}\u{422}", 5),
        ("\u{1f600}", 6),
        ("\u{1f680}", 6),
        ("characters", 8),
    ] {
        assert_eq!(rows(&part, "none", question), [row], "{question}");
    }
    assert!(rows(&part, "none", "\u{4eac}\u{6771}").is_empty(), "the other way round");
}

#[test]
fn every_language_finds_its_own_endings() {
    for (language, said, asked) in [
        ("en", "running horses", "run horse"),
        ("de", "die H\u{e4}user", "haus"),
        ("fr", "les chevaux mangeaient", "manger"),
        ("es", "corriendo r\u{e1}pidamente", "correr"),
        (
            "ru",
            "\u{43a}\u{43d}\u{438}\u{433}\u{430}\u{43c}\u{438}",
            "\u{43a}\u{43d}\u{438}\u{433}\u{430}",
        ),
        ("none", "running", "running"),
    ] {
        let part = part(language, &[said]);
        assert_eq!(rows(&part, language, asked), [0], "{language}");
    }
    assert!(rows(&part("none", &["running"]), "none", "run").is_empty());
    for language in Words.languages() {
        rows(&part(language, &["a b c \u{e9}\u{e8} l'eau 1"]), language, "b \"a b\" c* eauu~1");
    }
    assert!(Words.question("xx", "a").is_err_and(|error| error.code() == "LANGUAGE_UNKNOWN"));
    let asked = Words.question("de", "a").unwrap();
    let pieces = [(part("en", &["a"]), Mask::ALL)];
    let error = Words.best(&pieces, &*asked, WordArm::Unit, 1).unwrap_err();
    assert_eq!(error.code(), "LANGUAGE_MISMATCH");
}

#[test]
fn questions_are_what_they_look_like() {
    let bodies = [
        "the quick brown fox jumps over the lazy dog",
        "a quick dog, and a fox",
        "brownish foxes and quicker dogs",
        "to be or not to be",
    ];
    let part = part("en", &bodies);
    for (question, expected) in [
        ("fox", vec![0, 1, 2]),
        ("\"brown fox\"", vec![0]),
        ("\"fox brown\"", vec![]),
        ("+quick +brown", vec![0]),
        ("quick -brown", vec![1]),
        ("quick -\"quick dog\"", vec![0]),
        ("brown*", vec![0, 2]),
        ("quickly*", vec![]),
        ("quicke*", vec![2]),
        ("brwn~1", vec![0]),
        ("dgo~", vec![0, 1, 2]),
        ("to be or not to be", vec![3]),
        ("the dog", vec![0, 1, 2]),
        ("", vec![]),
        ("-fox", vec![]),
        ("???", vec![]),
    ] {
        assert_eq!(rows(&part, "en", question), expected, "{question}");
    }
}

#[test]
fn what_a_question_asks_for_is_shown_where_it_is() {
    for (question, text, expected) in [
        ("run", "Running and runs, ran", vec!["Running", "runs"]),
        ("\"brown fox\" dog", "fox brown foxes dog", vec!["brown foxes", "dog"]),
        ("\"a a\"", "a a a", vec!["a a a"]),
        ("runni*", "run running", vec!["running"]),
        ("fuzzi~1", "fuzzy fuzz frizz", vec!["fuzzy", "fuzz"]),
        ("yes -no", "no yes no", vec!["yes"]),
        (
            "\u{6771}\u{4eac}\u{90fd}",
            "\u{6771}\u{4eac}\u{90fd}\u{6771}",
            vec!["\u{6771}\u{4eac}\u{90fd}"],
        ),
        ("cafe \u{1f600}", "un caf\u{e9}\u{1f600}!", vec!["caf\u{e9}", "\u{1f600}"]),
        ("", "anything", vec![]),
    ] {
        let ranges = Words.question("en", question).unwrap().highlights(text);
        let shown: Vec<&str> = ranges.into_iter().map(|range| &text[range]).collect();
        assert_eq!(shown, expected, "{question}");
    }
}

#[test]
fn giants_are_read_to_their_end() {
    let giant = "needle ".to_owned() + &"hay stack ".repeat(1_000_000) + "pin";
    let word = "x".repeat(1_000_000);
    let other = word.clone() + "y";
    let part = part("en", &[&giant, &word, &other, &"\u{1f600}".repeat(100_000)]);
    for (question, expected) in [
        ("needle", vec![0]),
        ("pin", vec![0]),
        (&word[..], vec![1]),
        (&other[..], vec![2]),
        ("xxxxx*", vec![1, 2]),
        ("\u{1f600}", vec![3]),
        ("\"stack pin\"", vec![0]),
    ] {
        assert_eq!(rows(&part, "en", question), expected);
    }
    let question = Words.question("en", "hay").unwrap();
    assert_eq!(question.highlights(&giant).len(), 10_000);
    assert_eq!(rows(&part, "en", &giant[..1 << 20]), [0]);
}

#[test]
fn nothing_is_asked_of_nobody() {
    let empty = part("en", &[]);
    assert_eq!(empty.rows(), 0);
    assert_eq!(hits(&empty, "en", "word \"a b\" c* word~1"), []);
    let question = Words.question("en", "word").unwrap();
    assert_eq!(Words.best(&[], &*question, WordArm::Unit, 10).unwrap(), []);
    let part = part("en", &["word", "word", ""]);
    let best = |k| Words.best(&[(part.clone(), Mask::ALL)], &*question, WordArm::Unit, k).unwrap();
    assert_eq!(best(0), []);
    assert_eq!(best(usize::MAX).len(), 2);
    let ordered: Vec<u32> = best(2).iter().map(|hit| hit.row).collect();
    assert_eq!(ordered, [0, 1], "equal ones are in order");
    assert_eq!(Words.merge(&[]).unwrap_err().code(), "WORDS_NO_PARTS");
}
