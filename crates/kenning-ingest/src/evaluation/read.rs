//! Files to a set.
//!
//! Nothing is passed over: a set of which a line is missing gives figures that can't be compared
//! with any others. So the first line that is wrong is told, with its file and number, and that is
//! all. What comes twice is wrong, too, but for a grade: there the later one counts.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use kenning_record::Json;
use kenning_store::{Error, Result};
use serde_json::Map;

use super::{Gold, QuestionSet, SetQuestion, SetRow, path_of};
use crate::Format;
use crate::draft::text;
use crate::jsonl;
use crate::rows::Rows;

/// Bytes of the files of a set: it is kept in memory.
const SET_BYTES_MAX: u64 = 1 << 30;
const CHUNK_ROWS: usize = 1_000;
const CHUNK_BYTES: usize = 4 << 20;

const CORPUS: &str = "corpus.jsonl";
const QUERIES: &str = "queries.jsonl";
const QRELS: &str = "qrels.tsv";

pub(super) fn set(folder: &Path) -> Result<QuestionSet> {
    let files = [CORPUS, QUERIES, QRELS].map(|name| SetFile::open(folder, name));
    let [corpus, queries, qrels] = files;
    let (corpus, queries, qrels) = (corpus?, queries?, qrels?);
    let bytes = corpus.bytes.saturating_add(queries.bytes).saturating_add(qrels.bytes);
    if bytes > SET_BYTES_MAX {
        let message = format!("the set has {bytes} bytes, the most is {SET_BYTES_MAX}");
        return Err(Error::exhausted("SET_TOO_LARGE", message));
    }
    let mut corpus_rows = Corpus::default();
    corpus.each(&mut |line| corpus_rows.take(line))?;
    let mut asked = Questions::default();
    queries.each(&mut |line| asked.take(line))?;
    let mut is_first = true;
    qrels.each(&mut |line| {
        let is_head = std::mem::take(&mut is_first) && asked.is_head(line);
        if is_head { Ok(()) } else { asked.grade(line, &corpus_rows) }
    })?;
    asked.questions.retain(|question| !question.gold.is_empty());
    if asked.questions.is_empty() {
        let message = format!("no question of '{}' has an answer", folder.display());
        return Err(Error::invalid("SET_EMPTY", message));
    }
    let name = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let name = name.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(QuestionSet {
        name: name.unwrap_or_default(),
        rows: corpus_rows.rows,
        questions: asked.questions,
    })
}

/// A file of a set.
struct SetFile {
    name: &'static str,
    file: File,
    bytes: u64,
}

impl SetFile {
    fn open(folder: &Path, name: &'static str) -> Result<Self> {
        let path = folder.join(name);
        let refused = |error| {
            let message = format!("the file '{}' cannot be read", path.display());
            Error::invalid("FILE", message).because(error)
        };
        let file = File::open(&path).map_err(refused)?;
        let metadata = file.metadata().map_err(refused)?;
        if !metadata.is_file() {
            let message = format!("'{}' is no file", path.display());
            return Err(Error::invalid("FILE", message));
        }
        Ok(SetFile { name, file, bytes: metadata.len() })
    }

    /// Shows every line that is not empty.
    fn each(self, take: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        let mut rows = Rows::new(&self.file, Format::Jsonl);
        loop {
            let chunk = rows.chunk(CHUNK_ROWS, CHUNK_BYTES)?;
            for row in &chunk.rows {
                let taken = match &row.fault {
                    Some(fault) => Err(fault.again()),
                    None => text(&chunk.bytes[row.bytes.clone()]).and_then(&mut *take),
                };
                taken.map_err(|error| self.within(row.place.line, &error))?;
            }
            if chunk.last {
                return Ok(());
            }
        }
    }

    fn within(&self, line: u64, error: &Error) -> Error {
        let message = format!("{}, line {line}: {}", self.name, error.message());
        Error::new(error.kind(), error.code(), message)
    }
}

/// What is there to be found, as it is read.
#[derive(Default)]
struct Corpus {
    rows: Vec<SetRow>,
    by_id: HashMap<String, usize>,
    /// How many rows a source has so far.
    sources: HashMap<String, u32>,
}

impl Corpus {
    fn take(&mut self, line: &str) -> Result<()> {
        let row = jsonl::object(line)?;
        let id = named(&row)?;
        let metadata = object(&row, "metadata")?.cloned();
        let said = |name: &str| metadata.as_ref().and_then(|it| scalar(it.get(name)?));
        let header = match row["title"].as_str().unwrap_or_default().trim() {
            "" => match (said("speaker"), said("date")) {
                (Some(speaker), Some(date)) => format!("{speaker} ({date})"),
                (speaker, date) => speaker.or(date).unwrap_or_default(),
            },
            title => title.to_owned(),
        };
        let parts: Vec<String> = ["conversation", "session"].into_iter().filter_map(said).collect();
        let source = if parts.is_empty() { id.clone() } else { parts.join("/") };
        let ordinal = self.sources.entry(source.clone()).or_insert(0);
        let row = SetRow {
            text: member(&row, "text")?.to_owned(),
            id,
            header,
            source,
            ordinal: *ordinal,
            metadata: metadata.map_or(Json::Null, Json::Object),
        };
        *ordinal += 1;
        if self.by_id.insert(row.id.clone(), self.rows.len()).is_some() {
            return Err(twice(&row.id));
        }
        self.rows.push(row);
        Ok(())
    }
}

/// What is asked, as it is read.
#[derive(Default)]
struct Questions {
    questions: Vec<SetQuestion>,
    by_id: HashMap<String, usize>,
}

impl Questions {
    fn take(&mut self, line: &str) -> Result<()> {
        let row = jsonl::object(line)?;
        let id = named(&row)?;
        let mut filter = Vec::new();
        for (name, value) in object(&row, "filter")?.into_iter().flatten() {
            if value.is_array() || value.is_object() || name.is_empty() {
                return Err(malformed(format!("the filter on '{name}' is no value to compare")));
            }
            filter.push((path_of(name), value.clone()));
        }
        let question =
            SetQuestion { text: member(&row, "text")?.to_owned(), id, filter, gold: Gold::new() };
        if self.by_id.insert(question.id.clone(), self.questions.len()).is_some() {
            return Err(twice(&question.id));
        }
        self.questions.push(question);
        Ok(())
    }

    /// Whether a line names its columns.
    fn is_head(&self, line: &str) -> bool {
        grades(line).is_some_and(|(question, _, grade)| {
            grade.parse::<f64>().is_err() && !self.by_id.contains_key(question)
        })
    }

    /// Reads which row answers which question, and how well.
    fn grade(&mut self, line: &str, corpus: &Corpus) -> Result<()> {
        let (question, row, grade) = grades(line)
            .ok_or_else(|| malformed("not a question, a row and a grade, with tabs between"))?;
        let unknown = |what: &str, file: &str, id: &str| {
            let message = format!("{what} '{id}' is not in {file}");
            Error::invalid("SET_UNKNOWN_ID", message)
        };
        let question_idx =
            *self.by_id.get(question).ok_or_else(|| unknown("question", QUERIES, question))?;
        let row_idx = *corpus.by_id.get(row).ok_or_else(|| unknown("row", CORPUS, row))?;
        let grade: f64 = grade
            .parse()
            .ok()
            .filter(|grade: &f64| grade.is_finite() && *grade >= 0.0)
            .ok_or_else(|| malformed(format!("'{grade}' is no grade: a number from 0 on")))?;
        let gold = &mut self.questions[question_idx].gold;
        // A grade of 0 says that it is no answer.
        match grade > 0.0 {
            true => gold.insert(row_idx, grade),
            false => gold.remove(&row_idx),
        };
        Ok(())
    }
}

fn grades(line: &str) -> Option<(&str, &str, &str)> {
    let mut parts = line.split('\t');
    let three = (parts.next()?, parts.next()?, parts.next()?.trim());
    parts.next().is_none().then_some(three)
}

fn named(row: &Json) -> Result<String> {
    let id = member(row, "_id")?;
    if id.is_empty() { Err(malformed("'_id' is empty")) } else { Ok(id.to_owned()) }
}

fn member<'a>(row: &'a Json, name: &str) -> Result<&'a str> {
    row[name].as_str().ok_or_else(|| malformed(format!("'{name}' is missing, or no text")))
}

fn object<'a>(row: &'a Json, name: &str) -> Result<Option<&'a Map<String, Json>>> {
    match &row[name] {
        Json::Null => Ok(None),
        Json::Object(members) => Ok(Some(members)),
        Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            Err(malformed(format!("'{name}' is no object")))
        }
    }
}

/// A text or a number, as it is shown.
fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Json::Number(number) => Some(number.to_string()),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

fn twice(id: &str) -> Error {
    malformed(format!("the id '{id}' comes twice"))
}

fn malformed(message: impl Into<String>) -> Error {
    Error::invalid("SET_MALFORMED", message)
}
