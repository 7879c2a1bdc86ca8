//! The files of the checkout, and their code without comments and strings.
//!
//! Rules look for words, and a comment or a string may say any word. So a small lexer blanks both
//! with spaces; lines and offsets stay what they were.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// One text file of the checkout.
pub(crate) struct Source {
    /// Its path from the root, with `/`.
    pub(crate) path: String,
    /// What it says.
    pub(crate) text: String,
    /// The same, as long, without comments and what strings contain. Empty unless it is Rust.
    pub(crate) code: String,
    /// The code without its tests.
    pub(crate) product: String,
}

/// A rule is broken here.
pub(crate) struct Finding(String);

impl Source {
    /// A file that says `text`.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = if path.ends_with(".rs") { code_of(text) } else { String::new() };
        let product = if is_test(path) { String::new() } else { product_of(&code) };
        Source { path: path.to_owned(), text: text.to_owned(), code, product }
    }

    /// Whether it is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The last part of its path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().expect("a split has a first part")
    }

    /// A finding at byte `at`.
    pub(crate) fn finding(&self, at: usize, message: impl fmt::Display) -> Finding {
        let line = 1 + self.text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count();
        self.finding_in_line(line, message)
    }

    /// A finding in `line`, counted from one.
    pub(crate) fn finding_in_line(&self, line: usize, message: impl fmt::Display) -> Finding {
        Finding(format!("{}:{line}: {message}", self.path))
    }
}

/// Every text file that git tracks or would track.
pub(crate) fn checkout() -> &'static [Source] {
    static CHECKOUT: OnceLock<Vec<Source>> = OnceLock::new();
    CHECKOUT.get_or_init(|| {
        let root = root();
        paths(&root).iter().filter_map(|path| read(&root, path)).collect()
    })
}

/// Fails if anything was found, and says what.
#[track_caller]
pub(crate) fn assert_none(findings: &[Finding]) {
    let lines: Vec<&str> = findings.iter().map(|finding| finding.0.as_str()).collect();
    assert!(lines.is_empty(), "{} findings:\n{}", lines.len(), lines.join("\n"));
}

/// Fails unless the findings are in these places: `path:line`.
#[track_caller]
pub(crate) fn assert_found(findings: &[Finding], places: &[&str]) {
    let lines: Vec<&str> = findings.iter().map(|finding| finding.0.as_str()).collect();
    let found: Vec<&str> =
        lines.iter().map(|line| line.split(": ").next().unwrap_or_default()).collect();
    assert_eq!(found, places, "the findings are\n{}", lines.join("\n"));
}

/// Where `word` stands in `text`, not as a part of a longer word on the sides where it could be.
pub(crate) fn occurrences<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = text.as_bytes();
    let starts_inside = word.bytes().next().is_some_and(is_word);
    let ends_inside = word.bytes().last().is_some_and(is_word);
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let after = bytes.get(at + word.len());
        let goes_on_before = starts_inside && before.is_some_and(|byte| is_word(*byte));
        let goes_on_after = ends_inside && after.is_some_and(|byte| is_word(*byte));
        !goes_on_before && !goes_on_after
    })
}

/// Whether `byte` can be a part of a word.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The bracket that closes the one at `open`; the end of the text if none does.
pub(crate) fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' if depth <= 1 => return at,
            b'}' | b')' | b']' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the crate lies two folders below the root")
}

fn paths(root: &Path) -> Vec<String> {
    let output = Command::new("git")
        // A checkout may belong to somebody else, in a container for example.
        .args(["-c", "safe.directory=*", "ls-files", "-z"])
        .args(["--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .expect("git is installed: scripts/setup sees to it");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git cannot list the checkout: {errors}");
    let names = String::from_utf8(output.stdout).expect("the names of our files are UTF-8");
    let mut paths: Vec<String> =
        names.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    paths.sort();
    paths.dedup();
    assert!(paths.len() > 10, "the checkout has {} files, which cannot be all", paths.len());
    paths
}

/// `None` for a binary file, and for one that is deleted but still tracked.
fn read(root: &Path, path: &str) -> Option<Source> {
    let text = String::from_utf8(std::fs::read(root.join(path)).ok()?).ok()?;
    (!text.contains('\0')).then(|| Source::new(path, &text))
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// Blanks every item that is only compiled for tests.
fn product_of(code: &str) -> String {
    let mut product = code.as_bytes().to_vec();
    if code.contains("#![cfg(test)]") {
        return String::new();
    }
    for mark in ["#[cfg(test)]", "#[cfg(all(test"] {
        for (from, _) in code.match_indices(mark) {
            let Some(at) = code[from..].find(['{', ';']).map(|at| from + at) else { continue };
            let until = if code.as_bytes()[at] == b'{' { closing(code, at) } else { at };
            blank(&mut product[from..until]);
        }
    }
    String::from_utf8(product).expect("blanking leaves ASCII")
}

/// Blanks comments and what strings and characters contain.
fn code_of(text: &str) -> String {
    // Beyond ASCII nothing is code that a rule looks for, and ASCII keeps offsets whole.
    let mut code: Vec<u8> =
        text.bytes().map(|byte| if byte.is_ascii() { byte } else { b'?' }).collect();
    let mut at = 0;
    while at < code.len() {
        let (end, quotes) = match token(text.as_bytes(), at) {
            Token::Comment(end) => (end, 0),
            Token::Literal(end) => (end, 1),
            Token::Code(end) => {
                at = end;
                continue;
            }
        };
        // The quotes stay, so that a rule still sees that something is a literal.
        blank(code.get_mut(at + quotes..end.saturating_sub(quotes)).unwrap_or_default());
        at = end;
    }
    String::from_utf8(code).expect("every byte was made ASCII")
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

/// What begins at an offset, and where it ends.
enum Token {
    Comment(usize),
    Literal(usize),
    Code(usize),
}

fn token(text: &[u8], at: usize) -> Token {
    let rest = &text[at..];
    match rest {
        [b'/', b'/', ..] => Token::Comment(at + position(rest, b"\n").unwrap_or(rest.len())),
        [b'/', b'*', ..] => Token::Comment(at + block_comment(rest)),
        [b'"', ..] => Token::Literal(at + quoted(rest, b'"')),
        [b'\'', b'\\', ..] => Token::Literal(at + quoted(rest, b'\'')),
        [b'\'', first, ..] => {
            // One character and a quote is a literal; everything else is a lifetime.
            let size = match first {
                0xf0.. => 4,
                0xe0.. => 3,
                0xc0.. => 2,
                _ => 1,
            };
            match rest.get(1 + size) {
                Some(b'\'') => Token::Literal(at + size + 2),
                _ => Token::Code(at + 1),
            }
        }
        [first, ..] if is_word(*first) => {
            let word = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
            match &rest[..word] {
                b"r" | b"br" | b"cr" => match raw_string(&rest[word..]) {
                    Some(size) => Token::Literal(at + word + size),
                    None => Token::Code(at + word),
                },
                _ => Token::Code(at + word),
            }
        }
        _ => Token::Code(at + 1),
    }
}

fn position(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word)
}

fn block_comment(text: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at + 1 < text.len() {
        match &text[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    text.len()
}

fn quoted(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

fn raw_string(text: &[u8]) -> Option<usize> {
    let hashes = text.iter().take_while(|byte| **byte == b'#').count();
    if text.get(hashes) != Some(&b'"') {
        return None;
    }
    let end = [b"\"".as_slice(), &text[..hashes]].concat();
    let inside = &text[hashes + 1..];
    Some(hashes + 1 + position(inside, &end).map_or(inside.len(), |at| at + end.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_not_code() {
        let text = "a /* b /* c */ d */ e // f\n\"g\\\"h\" 'i' '\\'' 'j r#\"k\"l\"# r#m \"n\no\" p";
        let code = code_of(text);
        let words: String = code.chars().filter(char::is_ascii_alphabetic).collect();
        assert_eq!(words, "aejrrmp");
        assert_eq!(code.len(), text.len());
        assert_eq!(code.lines().count(), text.lines().count());
    }

    #[test]
    fn a_quote_beyond_ascii_is_a_character() {
        let code = code_of("'\u{e9}' a '\u{20ac}' \"\u{1f980}\" b");
        assert_eq!(code.split_whitespace().filter(|word| !word.contains(['\'', '"'])).count(), 2);
    }

    #[test]
    fn what_is_compiled_for_tests_is_not_the_product() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { c() } }\nfn d() {}";
        let product = Source::new("crates/x/src/y.rs", text).product;
        assert!(product.contains("fn a") && product.contains("fn d"));
        assert!(!product.contains("fn b"));
        assert_eq!(Source::new("crates/x/tests/it/y.rs", text).product, "");
    }

    #[test]
    fn a_word_is_not_a_part_of_another() {
        let found: Vec<usize> = occurrences("operand::x rand::y strand", "rand::").collect();
        assert_eq!(found, [11]);
        assert_eq!(occurrences("unsafe_code unsafe", "unsafe").collect::<Vec<_>>(), [12]);
    }

    #[test]
    fn the_checkout_is_this_one() {
        for path in ["Makefile", "crates/kenning-test/tests/tidy/source.rs"] {
            assert!(checkout().iter().any(|source| source.path == path), "{path} is not listed");
        }
    }
}
