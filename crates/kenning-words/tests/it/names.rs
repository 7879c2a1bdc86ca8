//! Which rows are named in a text.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use kenning_index::{Bitmap, Mask, WordArm, WordIndex, WordPart, WordRow};
use kenning_words::Words;

fn part(language: &str, titles: &[&str]) -> Arc<dyn WordPart> {
    let row = |title: &&str| Ok(WordRow { title: (*title).into(), body: "text".into() });
    Words.open(Words.build(language, &mut titles.iter().map(row)).unwrap().into()).unwrap()
}

/// The rows whose names stand in a text, in the order in which they come.
fn named(part: &Arc<dyn WordPart>, language: &str, text: &str) -> Vec<u32> {
    let question = Words.question(language, "text").unwrap();
    let pieces = [(Arc::clone(part), Mask::ALL)];
    let hits = Words.named(&pieces, &*question, Some(text), 100).unwrap();
    assert!(hits.iter().all(|hit| hit.score == 1.0));
    hits.iter().map(|hit| hit.row).collect()
}

const TITLES: [&str; 9] = [
    "Heron",
    "The Old Harbor",
    "Mercury (planet)",
    "Mercury (element)",
    "ropes\nAda\u{301}'s shed",
    "1931",
    "what it is",
    "one two three four five six seven eight nine",
    "\u{6771}\u{4eac}",
];

#[test]
fn a_name_is_found_where_it_stands_whole() {
    let part = part("en", &TITLES);
    for (text, expected) in [
        ("Where does the heron leak?", vec![0]),
        ("HERONS; by the old harbors.", vec![0, 1]),
        ("an old harbor", vec![]),
        ("the old, harbor", vec![1]),
        ("mercury is hot", vec![2, 3]),
        ("Mercury (the planet), mercury planet", vec![2, 3]),
        ("in ada's shed lie ropes", vec![4]),
        ("ada shed", vec![4]),
        ("the shed of Ada", vec![]),
        ("in 1931", vec![]),
        ("this is what it is", vec![]),
        ("one two three four five six seven eight nine", vec![]),
        ("\u{6771}\u{4eac}\u{90fd}", vec![8]),
        ("", vec![]),
    ] {
        assert_eq!(named(&part, "en", text), expected, "{text}");
    }
    assert_eq!(named(&part, "en", &"heron ".repeat(1_000_000)), [0]);
    assert!(named(&part, "en", &("a ".repeat(256) + "heron")).is_empty(), "too far behind");
}

#[test]
fn a_question_names_what_it_does_not_forbid() {
    let pieces = [(part("en", &TITLES), Mask::ALL)];
    for (text, expected) in [
        ("where is the old harbor", vec![1]),
        ("\"old harbor\" +heron", vec![0]),
        ("-heron ropes", vec![4]),
        ("her*", vec![]),
    ] {
        let question = Words.question("en", text).unwrap();
        let hits = Words.named(&pieces, &*question, None, 100).unwrap();
        assert_eq!(hits.iter().map(|hit| hit.row).collect::<Vec<_>>(), expected, "{text}");
    }
}

#[test]
fn a_name_of_few_rows_comes_first_and_none_is_cut() {
    let titles = ["Ada", "Ben", "Ada", "Ada", "Cleo"];
    let pieces = [(part("none", &titles[..2]), Mask::ALL), (part("none", &titles[2..]), Mask::ALL)];
    let question = Words.question("none", "x").unwrap();
    for (rows_max, expected) in [
        (5, vec![(0, 1), (1, 2), (0, 0), (1, 0), (1, 1)]),
        (4, vec![(0, 1), (1, 2)]),
        (3, vec![(0, 1), (1, 2)]),
        (1, vec![(0, 1)]),
        (0, vec![]),
    ] {
        let text = Some("cleo, ada and ben");
        let hits = Words.named(&pieces, &*question, text, rows_max).unwrap();
        let mut rows: Vec<_> = hits.iter().map(|hit| (hit.piece_idx, hit.row)).collect();
        // Two names of one row each have no order that anybody may rely on.
        rows[..expected.len().min(2)].sort_unstable();
        let is_one = rows_max == 1 && rows.len() == 1;
        assert!(is_one || rows == expected, "{rows_max}: {rows:?}");
    }
}

#[test]
fn who_is_gone_or_filtered_out_is_not_named() {
    let part = part("none", &["ada", "ada", "ada"]);
    let until = [3, u64::MAX, u64::MAX].map(AtomicU64::new);
    let filter = Bitmap::from_fn(3, |row| row < 2);
    let mask = Mask { from: Some(&[1, 1, 1]), until: Some(&until), at: 5, filter: Some(&filter) };
    let question = Words.question("none", "ada").unwrap();
    let hits = Words.named(&[(part, mask)], &*question, None, 10).unwrap();
    assert_eq!(hits.iter().map(|hit| hit.row).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_merged_part_knows_the_names_of_its_rows() {
    let parts = [part("none", &["ada", "ben"]), part("none", &["cleo", "ada"])];
    let kept = [Bitmap::from_fn(2, |row| row == 1), Bitmap::all(2)];
    let pairs: Vec<_> = parts.iter().cloned().zip(&kept).collect();
    let merged = Words.open(Words.merge(&pairs).unwrap().into()).unwrap();
    assert_eq!(named(&merged, "none", "ada"), [2]);
    assert_eq!(named(&merged, "none", "ben"), [0]);
}

#[test]
fn a_name_is_no_word() {
    let part = part("none", &["0123456789abcdef"]);
    let rows = |text: &str| {
        let question = Words.question("none", text).unwrap();
        Words.best(&[(part.clone(), Mask::ALL)], &*question, WordArm::Unit, 9).unwrap().len()
    };
    assert_eq!([rows("0123456789abcdef~2"), rows("text~"), rows("0*")], [1, 1, 1]);
    let term = xxhash_rust::xxh3::xxh3_64(b"0123456789abcdef ");
    assert_eq!(rows(&format!("{term:016x}~2")), 0);
}
