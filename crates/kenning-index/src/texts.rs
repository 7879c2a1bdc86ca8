//! What a record says to the indexes over words and over vectors.
//!
//! Pure, as the entries of an exact index are: the same record says the same, so an index that is
//! built from records and one that follows the log have the same rows.

use kenning_record::{Kind, Path, RecordRef, ValueRef};
use kenning_store::Result;

use crate::WordRow;

/// Where a unit stands in its source. A neighbour has the same source and an ordinal near by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// A hash of the source; two that share it by chance have neighbours that they should not have,
    /// and nothing else.
    pub source: u64,
    /// Its number there.
    pub ordinal: u32,
}

/// How far apart two ordinals may be for one to stand around the other.
pub const PLACES_APART_MAX: u32 = 2;

const SOURCE: &str = "uri";
const ORDINAL: &str = "ordinal";

impl Place {
    /// Where a record says that it stands: a property `uri` and a whole number `ordinal`.
    pub fn of(record: RecordRef<'_>) -> Result<Option<Self>> {
        let properties = record.properties()?;
        let Some(ordinal) = properties.get(ORDINAL)?.map(ValueRef::as_u64).transpose()?.flatten()
        else {
            return Ok(None);
        };
        let source = properties.get(SOURCE)?.map(ValueRef::as_str).transpose()?.flatten();
        let (Some(source), Ok(ordinal)) = (source, u32::try_from(ordinal)) else {
            return Ok(None);
        };
        Ok(Some(Place { source: hash(source.as_bytes()), ordinal }))
    }
}

/// FNV-1a: it is stored, so it must stay the same.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Between texts that a model reads as one: what is in two properties is two sentences.
const SENTENCE_ENDS: &str = ". ";
/// Properties whose text names a record, as its key does.
const TITLES: [&str; 2] = ["name", "title"];

/// The words of a record: what names it, and the texts at `paths`; without any, every text but that
/// of the property that is the key. A text at `name` or `title` names it. `None` if there are none.
pub fn words_of(
    record: RecordRef<'_>,
    key: Option<&Path>,
    paths: Option<&[Path]>,
) -> Result<Option<WordRow>> {
    let mut row = WordRow::default();
    if let Some(name) = record.key()? {
        push(&mut row.title, name);
    }
    for alias in record.aliases() {
        push(&mut row.title, alias?);
    }
    let is_title = |name: &str| TITLES.contains(&name);
    for path in paths.unwrap_or_default() {
        let is_title = path.steps.len() == 1 && is_title(&path.steps[0]);
        let target = if is_title { &mut row.title } else { &mut row.body };
        texts_at(record, std::slice::from_ref(path), target)?;
    }
    if paths.is_none() {
        for entry in record.properties()?.entries() {
            let (name, value) = entry?;
            let is_key = key.is_some_and(|key| key.steps == [name]);
            if !is_key {
                let target = if is_title(name) { &mut row.title } else { &mut row.body };
                every_text(value, target)?;
            }
        }
    }
    Ok((!row.title.is_empty() || !row.body.is_empty()).then_some(row))
}

/// The text at these paths that a model turns into a vector. `None` if there is none.
pub fn text_of(record: RecordRef<'_>, paths: &[Path]) -> Result<Option<String>> {
    let mut text = String::new();
    for path in paths {
        let mut one = String::new();
        texts_at(record, std::slice::from_ref(path), &mut one)?;
        if !text.is_empty() && !one.is_empty() {
            text.push_str(SENTENCE_ENDS);
        }
        text.push_str(&one);
    }
    Ok((!text.trim().is_empty()).then_some(text))
}

/// The vector that a record has at `path`. `None` if there is none, or one of other dimensions,
/// which was there before the schema asked for these.
pub fn vector_of(
    record: RecordRef<'_>,
    path: &Path,
    dimensions: usize,
) -> Result<Option<Vec<f32>>> {
    let mut vector = Vec::with_capacity(dimensions);
    let mut all = true;
    record.properties()?.path(path, &mut |value| {
        match value.as_f64()? {
            Some(number) if vector.len() < dimensions => vector.push(number as f32),
            Some(_) | None => all = false,
        }
        Ok(())
    })?;
    Ok((all && vector.len() == dimensions).then_some(vector))
}

fn texts_at(record: RecordRef<'_>, paths: &[Path], target: &mut String) -> Result<()> {
    paths.iter().try_for_each(|path| {
        record.properties()?.path(path, &mut |value| {
            if let Some(text) = value.as_str()? {
                push(target, text);
            }
            Ok(())
        })
    })
}

/// Every text in a value. Documents are no deeper than the format allows.
fn every_text(value: ValueRef<'_>, target: &mut String) -> Result<()> {
    match value.kind()? {
        Kind::Text => push(target, value.as_str()?.unwrap_or_default()),
        Kind::Array => {
            for item in value.items() {
                every_text(item?, target)?;
            }
        }
        Kind::Object => {
            for entry in value.entries() {
                every_text(entry?.1, target)?;
            }
        }
        Kind::Null | Kind::Bool | Kind::Number => {}
    }
    Ok(())
}

fn push(target: &mut String, text: &str) {
    if text.is_empty() {
        return;
    }
    if !target.is_empty() {
        target.push('\n');
    }
    target.push_str(text);
}
