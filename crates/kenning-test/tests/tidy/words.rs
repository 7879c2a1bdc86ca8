//! Some words are a decision put off, a hidden argument, or a name that says nothing.

use crate::source::{Finding, Source, assert_found, assert_none, checkout, is_word, occurrences};

/// Names that say that nobody knew what belongs there.
const VAGUE: &[&str] = &["util", "utils", "helper", "helpers", "common", "manager", "managers"];

/// Work that is put off. Nobody comes back to it.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "#[ignore", "#![ignore"];

/// What arrives as an argument: time, chance, the environment.
const OUTSIDE: &[&str] =
    &["SystemTime::now", "Instant::now", "env::var", "env::vars", "env::var_os", "rand::"];

/// Who may touch the outside all the same: the program, the one place that makes a `World` of it,
/// tests and examples of the facade, examples that measure, the crate that simulates the world, and
/// the build of the model.
const OUTSIDERS: &[&str] = &[
    "crates/kenning-cli/",
    "crates/kenning-embed/build.rs",
    "crates/kenning-embed/examples/",
    "crates/kenning-test/",
    "crates/kenning-vectors/examples/",
    "crates/kenning/src/world.rs",
    "crates/kenning/tests/",
    "crates/kenning-words/examples/",
    "bench/",
    "examples/",
];

fn names(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        for part in source.path.split('/') {
            let stem = part.split('.').find(|stem| !stem.is_empty()).unwrap_or_default();
            if VAGUE.contains(&stem) {
                findings.push(source.finding_in_line(1, format!("the name '{stem}' says nothing")));
            }
        }
        for at in occurrences(&source.code, "mod") {
            let name = source.code[at + 3..].trim_start();
            let end = name.bytes().position(|byte| !is_word(byte)).unwrap_or(name.len());
            if VAGUE.contains(&&name[..end]) {
                let message = format!("the name '{}' says nothing", &name[..end]);
                findings.push(source.finding(at, message));
            }
        }
    }
    findings
}

fn unfinished(sources: &[Source]) -> Vec<Finding> {
    find(sources, UNFINISHED, |source| &source.code, "is work put off")
}

fn unwraps(sources: &[Source]) -> Vec<Finding> {
    let words = [".unwrap()", ".unwrap_err()"];
    // What only tests use may panic where it stands; benches and examples are programs.
    let product = |source: &'_ Source| {
        source.path.contains("/src/") && !source.path.starts_with("crates/kenning-test/")
    };
    let sources = sources.iter().filter(|source| product(source));
    find(sources, &words, |source| &source.product, "gives no reason why it cannot happen")
}

fn outside(sources: &[Source]) -> Vec<Finding> {
    let inside = |source: &&Source| !OUTSIDERS.iter().any(|path| source.path.starts_with(path));
    find(sources.iter().filter(inside), OUTSIDE, |source| &source.code, "arrives as an argument")
}

fn unsafes(sources: &[Source]) -> Vec<Finding> {
    let safe = sources.iter().filter(|source| source.name() != "raw.rs");
    find(safe, &["unsafe"], |source| &source.code, "belongs in a file named raw.rs")
}

fn find<'a>(
    sources: impl IntoIterator<Item = &'a Source>,
    words: &[&str],
    part: impl Fn(&'a Source) -> &'a str,
    why: &str,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        for word in words {
            let found = occurrences(part(source), word);
            findings.extend(found.map(|at| source.finding(at, format!("'{word}' {why}"))));
        }
    }
    findings
}

fn ascii(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| is_source(source)) {
        let odd = source.text.char_indices().filter(|(_, c)| !c.is_ascii());
        findings.extend(odd.map(|(at, c)| source.finding(at, format!("{c:?} is not ASCII"))));
    }
    findings
}

fn reminders(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| is_source(source)) {
        for word in [["TO", "DO"].concat(), ["FIX", "ME"].concat()] {
            for at in occurrences(&source.text, &word) {
                let rest = source.text[at + word.len()..].trim_start_matches(['(', ' ']);
                let issue = rest.strip_prefix('#').unwrap_or_default();
                if !issue.starts_with(|c: char| c.is_ascii_digit()) {
                    findings.push(source.finding(at, format!("{word} without an issue: #N")));
                }
            }
        }
    }
    findings
}

/// Whether it is written for a machine, not prose or data.
fn is_source(source: &Source) -> bool {
    let folders = ["scripts/", ".ci/"];
    source.is_rust()
        || source.path.ends_with(".toml")
        || source.path == "Makefile"
        || folders.iter().any(|folder| source.path.starts_with(folder))
}

#[test]
fn no_name_is_vague() {
    assert_none(&names(checkout()));
}

#[test]
fn nothing_is_unfinished() {
    assert_none(&unfinished(checkout()));
}

#[test]
fn nothing_is_unwrapped() {
    assert_none(&unwraps(checkout()));
}

#[test]
fn the_outside_arrives_as_an_argument() {
    assert_none(&outside(checkout()));
}

#[test]
fn unsafe_code_is_in_raw() {
    assert_none(&unsafes(checkout()));
}

#[test]
fn sources_are_ascii() {
    assert_none(&ascii(checkout()));
}

#[test]
fn every_reminder_has_an_issue() {
    assert_none(&reminders(checkout()));
}

#[test]
fn a_vague_name_is_found() {
    let findings = names(&[
        Source::new("crates/kenning/src/utils.rs", ""),
        Source::new("scripts/common/a", ""),
        Source::new("a.rs", "mod utility;\nmod helpers;\n"),
    ]);
    assert_found(&findings, &["crates/kenning/src/utils.rs:1", "scripts/common/a:1", "a.rs:2"]);
}

#[test]
fn work_put_off_is_found() {
    let text = "// todo!()\nfn a() { todo!() }\n#[ignore = \"slow\"]\nfn b() { x(\"todo!\") }\n";
    let findings = unfinished(&[Source::new("a.rs", text)]);
    assert_found(&findings, &["a.rs:2", "a.rs:3"]);
}

#[test]
fn an_unwrap_is_found() {
    let text = "/// a.unwrap()\nfn a() { b.unwrap(); b.unwrap_or(1) }\n\
        #[cfg(test)]\nmod tests { fn c() { d.unwrap() } }\nfn e() { f\n    .unwrap() }\n";
    let paths = ["crates/x/src/a.rs", "crates/x/tests/it/a.rs"];
    let findings = unwraps(&paths.map(|path| Source::new(path, text)));
    assert_found(&findings, &["crates/x/src/a.rs:2", "crates/x/src/a.rs:6"]);
}

#[test]
fn a_clock_below_the_facade_is_found() {
    let text = "fn a() { Instant::now(); operand::a(); }\nfn b() { rand::random() }\n";
    let paths = ["crates/kenning-engine/src/a.rs", "crates/kenning/src/world.rs"];
    let findings = outside(&paths.map(|path| Source::new(path, text)));
    let path = paths[0];
    assert_found(&findings, &[&format!("{path}:1"), &format!("{path}:2")]);
}

#[test]
fn unsafe_code_elsewhere_is_found() {
    let text = "#![allow(unsafe_code)]\n// unsafe\nfn a() { unsafe { b() } }\n";
    let findings = unsafes(&["a/raw.rs", "a/raws.rs"].map(|path| Source::new(path, text)));
    assert_found(&findings, &["a/raws.rs:3"]);
}

#[test]
fn a_letter_beyond_ascii_is_found() {
    let text = "// a\n// caf\u{e9}\n";
    let findings = ascii(&["a.rs", "a.md", "scripts/a"].map(|path| Source::new(path, text)));
    assert_found(&findings, &["a.rs:2", "scripts/a:2"]);
}

#[test]
fn a_reminder_without_an_issue_is_found() {
    let word = ["TO", "DO"].concat();
    let text = format!("// {word}(#12): a\n// {word} #7 b\n// {word}: c\n// {word}S\n");
    assert_found(&reminders(&[Source::new("a.rs", &text)]), &["a.rs:3"]);
}
