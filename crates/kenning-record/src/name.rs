//! What a record is called by people.
//!
//! A key is found however it is typed: compatibility forms, case and white space do not count
//! (NFKC, lower case, one space for each run of white space, none at the ends). What is stored
//! beside the record is the key as it was given; what is looked up is its normal form. Names of
//! tables and tenants are plain identifiers, because they end up in paths, URLs and SQL.

use kenning_store::{Error, Result};
use unicode_normalization::UnicodeNormalization;

/// The most bytes of a key, as given and normalized.
pub const KEY_BYTES_MAX: usize = 4096;

const NAME_BYTES_MAX: usize = 63;

/// The normal form of a key, under which it is looked up.
///
/// ```
/// assert_eq!(kenning_record::normalize("  Ada \t LOVELACE ")?, "ada lovelace");
/// # Ok::<(), kenning_store::Error>(())
/// ```
pub fn normalize(key: &str) -> Result<String> {
    check_size(key.len(), "")?;
    if let Some(control) = key.chars().find(|c| c.is_control() && !c.is_whitespace()) {
        let code = u32::from(control);
        return Err(Error::invalid(
            "KEY_MALFORMED",
            format!("a key has the control character U+{code:04X}"),
        ));
    }
    let normal = if key.is_ascii() {
        words(key.chars()).to_ascii_lowercase()
    } else {
        // Lower case may take a composed letter apart, hence the second pass.
        words(words(key.nfkc()).to_lowercase().nfkc())
    };
    if normal.is_empty() {
        return Err(Error::invalid("KEY_EMPTY", "a key has at least one visible character"));
    }
    check_size(normal.len(), " when normalized")?;
    Ok(normal)
}

/// Checks the name of a table: a letter or underscore, then letters, digits, `_` and `-`, at most
/// 63 in all.
pub fn check_table_name(name: &str) -> Result<()> {
    check_name(name, "TABLE_NAME", "table")
}

/// Checks the name of a tenant; the rule is that of tables.
pub fn check_tenant_name(name: &str) -> Result<()> {
    check_name(name, "TENANT_NAME", "tenant")
}

/// The candidate that `word` is most likely a slip of, if any is near enough.
///
/// ```
/// assert_eq!(kenning_record::suggest("indexd", ["indexed", "unique"]), Some("indexed"));
/// assert_eq!(kenning_record::suggest("colour", ["indexed", "unique"]), None);
/// ```
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance_max = match word.chars().count() {
        0..=2 => 1,
        3..=5 => 2,
        6..=NAME_BYTES_MAX => 3,
        // Nobody mistypes a name that no name can be.
        _ => return None,
    };
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= distance_max)
        .min()
        .map(|(_, candidate)| candidate)
}

fn check_size(size: usize, when: &str) -> Result<()> {
    if size > KEY_BYTES_MAX {
        return Err(Error::exhausted(
            "KEY_TOO_LARGE",
            format!("a key has {size} bytes{when}, the most is {KEY_BYTES_MAX}"),
        ));
    }
    Ok(())
}

/// The characters without white space at the ends, and with one space for each run inside.
fn words(characters: impl Iterator<Item = char>) -> String {
    let mut text = String::new();
    let mut gap = false;
    for character in characters {
        if character.is_whitespace() {
            gap = !text.is_empty();
            continue;
        }
        if gap {
            text.push(' ');
            gap = false;
        }
        text.push(character);
    }
    text
}

fn check_name(name: &str, code: &'static str, what: &str) -> Result<()> {
    let mut bytes = name.bytes();
    let first_fits = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let rest_fits = bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if first_fits && rest_fits && name.len() <= NAME_BYTES_MAX {
        return Ok(());
    }
    let shown: String = name.chars().take(NAME_BYTES_MAX).collect();
    Err(Error::invalid(
        code,
        format!(
            "{shown:?} cannot name a {what}: a letter or '_', then letters, digits, '_' or '-', \
             at most {NAME_BYTES_MAX}"
        ),
    ))
}

/// How many characters must be put, dropped or replaced to make one word of the other, whatever
/// their case.
fn distance(word: &str, other: &str) -> usize {
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (word_idx, from) in word.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = word_idx + 1;
        for (other_idx, until) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *until);
            diagonal = row[other_idx + 1];
            row[other_idx + 1] = replaced.min(diagonal + 1).min(row[other_idx] + 1);
        }
    }
    row[other.len()]
}
