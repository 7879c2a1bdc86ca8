//! What does not fit on a page is not understood as one thing.
//!
//! A table or a match may be longer than the limit. It says so in a comment above it, for a file
//! in its head: the word `tidy`, a colon, and `long because` with the reason.

use crate::source::{Finding, Source, assert_found, assert_none, checkout, closing, occurrences};

const COLUMNS_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 700;
const ESCAPE: &str = "tidy: long because ";

fn lines(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        for (line_idx, line) in source.text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > COLUMNS_MAX {
                let message = format!("{columns} columns, the most is {COLUMNS_MAX}");
                findings.push(source.finding_in_line(line_idx + 1, message));
            }
        }
    }
    findings
}

fn functions(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        for (from, until) in bodies(&source.code) {
            let lines = 1 + source.code[from..until].matches('\n').count();
            if lines > FUNCTION_LINES_MAX && !is_escaped(above(&source.text, from)) {
                let message =
                    format!("a function of {lines} lines, the most is {FUNCTION_LINES_MAX}");
                findings.push(source.finding(from, message));
            }
        }
    }
    findings
}

fn files(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let lines = source.text.lines().count();
        let head = source.text.lines().take_while(|line| line.is_empty() || is_comment(line));
        if lines > FILE_LINES_MAX && !is_escaped(head) {
            let message = format!("a file of {lines} lines, the most is {FILE_LINES_MAX}");
            findings.push(source.finding_in_line(1, message));
        }
    }
    findings
}

/// From the word `fn` to the closing brace, for every function that has a body.
fn bodies(code: &str) -> Vec<(usize, usize)> {
    let named = |at: &usize| code[at + 2..].trim_start().starts_with(|c: char| c != '(');
    let body = |at| Some((at, closing(code, open(code, at)?)));
    occurrences(code, "fn").filter(named).filter_map(body).collect()
}

/// Where the body of the function at `from` opens; `None` when it only has a signature.
fn open(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.checked_sub(1)?,
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The comments and attributes right above the line of byte `at`, nearest first.
fn above(text: &str, at: usize) -> impl Iterator<Item = &str> {
    let line = text[..at].rfind('\n').unwrap_or(0);
    // Not `lines`, which would not see that the nearest one is empty.
    text[..line].split('\n').rev().take_while(|line| {
        let line = line.trim_start();
        is_comment(line) || line.starts_with("#[")
    })
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

fn is_escaped<'a>(mut comments: impl Iterator<Item = &'a str>) -> bool {
    comments.any(|line| {
        let reason = line.trim_start().trim_start_matches(['/', '!', ' ']).strip_prefix(ESCAPE);
        reason.is_some_and(|reason| !reason.trim().is_empty())
    })
}

#[test]
fn lines_are_short() {
    assert_none(&lines(checkout()));
}

#[test]
fn functions_are_short() {
    assert_none(&functions(checkout()));
}

#[test]
fn files_are_short() {
    assert_none(&files(checkout()));
}

#[test]
fn a_long_line_is_found() {
    let text = format!("{}\n{}\n", "a".repeat(COLUMNS_MAX), "a".repeat(COLUMNS_MAX + 1));
    assert_found(&lines(&[Source::new("a.rs", &text)]), &["a.rs:2"]);
}

#[test]
fn a_long_function_is_found() {
    let function = |lines: usize| {
        format!("fn f(a: [u8; 2]) -> fn() {{\n{}}}\n", "    g(\"}\");\n".repeat(lines - 2))
    };
    let fits = function(FUNCTION_LINES_MAX);
    let long = function(FUNCTION_LINES_MAX + 1);
    let check = |text: &str| functions(&[Source::new("a.rs", text)]);
    assert_none(&check(&format!("trait T {{ fn g(); }}\n{fits}")));
    assert_found(&check(&format!("fn g();\n{fits}\n{long}")), &["a.rs:73"]);
    let escape = ["// tidy:", " long because "].concat();
    assert_none(&check(&format!("{escape}it is a table\n#[rustfmt::skip]\n{long}")));
    assert_found(&check(&format!("{escape}\n{long}")), &["a.rs:2"]);
    assert_found(&check(&format!("{escape}it is a table\n\n{long}")), &["a.rs:3"]);
}

#[test]
fn a_long_file_is_found() {
    let check = |text: &str| files(&[Source::new("a.rs", text)]);
    assert_none(&check(&"a\n".repeat(FILE_LINES_MAX)));
    assert_found(&check(&"a\n".repeat(FILE_LINES_MAX + 1)), &["a.rs:1"]);
    let escape = ["//! tidy:", " long because it is a table"].concat();
    assert_none(&check(&format!("//! A head.\n{escape}\n{}", "a\n".repeat(FILE_LINES_MAX))));
}
