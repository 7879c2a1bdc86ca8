//! Questions whose answers are known, and how well a ranking answers them.
//!
//! A set is a folder: `corpus.jsonl` with what is there to be found (`_id`, `title`, `text`,
//! `metadata`), `queries.jsonl` with what is asked (`_id`, `text`, `filter`), `qrels.tsv` with
//! which rows answer which question, and how well. What is there to be found becomes records as
//! anybody would store them, in the table [`TABLE`]: nothing below knows that it is examined.
//!
//! Here are files, records and arithmetic. Who asks the questions, and how long the answers take,
//! is the business of who calls.

mod read; // files to a set
mod score; // rankings to numbers

use std::path::Path;

use kenning_record::{Draft, Json, Path as Place};
use kenning_store::Result;
use serde_json::{Map, json};

pub use score::{Gold, Measures, percentile};

/// The table that a set is stored in.
pub const TABLE: &str = "resources";
/// The property that has the metadata of a row.
const METADATA: &str = "metadata";
/// What of a record is searched.
const SEARCHED: [&str; 2] = ["name", "content"];
/// What is between a header and its text, where they are shown: a mark and a space.
const BETWEEN_CHARS: usize = 2;

/// A set of questions, and what is there to be found.
#[derive(Clone, Debug, PartialEq)]
pub struct QuestionSet {
    /// The name of its folder.
    pub name: String,
    /// What is there to be found, in its order.
    pub rows: Vec<SetRow>,
    /// The questions that have an answer.
    pub questions: Vec<SetQuestion>,
}

/// Something to be found.
#[derive(Clone, Debug, PartialEq)]
pub struct SetRow {
    /// Its name in the set.
    pub id: String,
    /// Its title, or who said it, and when.
    pub header: String,
    /// What it says.
    pub text: String,
    /// What it is a part of; by itself if it is a part of nothing.
    pub source: String,
    /// Its number there, from 0.
    pub ordinal: u32,
    /// What else is known of it: an object, or null.
    pub metadata: Json,
}

/// A question.
#[derive(Clone, Debug, PartialEq)]
pub struct SetQuestion {
    /// Its name in the set.
    pub id: String,
    /// What is asked.
    pub text: String,
    /// Paths of properties, and what they must equal.
    pub filter: Vec<(String, Json)>,
    /// The rows that answer it, and how well each does.
    pub gold: Gold,
}

impl QuestionSet {
    /// Reads the set in a folder. What is wrong is told with its file and its line.
    pub fn read(folder: &Path) -> Result<Self> {
        read::set(folder)
    }

    /// The schema of the table that the set is stored in: the one that is there, with header and
    /// text searched by words and by meaning, and an index on each property that a filter asks for.
    pub fn schema(&self, mut there: Json, model: Option<&str>) -> Json {
        let mut filters: Vec<&String> =
            self.questions.iter().flat_map(|question| &question.filter).map(|it| &it.0).collect();
        filters.sort_unstable();
        filters.dedup();
        let extension = &mut there["x-kenning"];
        extension["words"] = json!(SEARCHED);
        extension["embed"] = json!(SEARCHED);
        if let Some(model) = model {
            extension["model"] = model.into();
        }
        let mut indexed = extension["indexed"].as_array().cloned().unwrap_or_default();
        indexed.extend(filters.into_iter().map(|path| Json::from(path.as_str())));
        extension["indexed"] = indexed.into();
        there
    }
}

impl SetRow {
    /// The record that it is stored as.
    pub fn draft(&self) -> Draft {
        let mut properties = Map::new();
        if !self.header.is_empty() {
            properties.insert("name".to_owned(), self.header.as_str().into());
        }
        properties.insert("uri".to_owned(), self.source.as_str().into());
        properties.insert("ordinal".to_owned(), self.ordinal.into());
        properties.insert("content".to_owned(), self.text.as_str().into());
        if !self.metadata.is_null() {
            properties.insert(METADATA.to_owned(), self.metadata.clone());
        }
        Draft::from(Json::Object(properties))
    }

    /// How many characters it takes where it is shown, with its header.
    pub fn chars(&self) -> usize {
        let header = self.header.chars().count();
        let between = if header > 0 { BETWEEN_CHARS } else { 0 };
        header + between + self.text.chars().count()
    }
}

/// The path of a property that the metadata of a row become.
fn path_of(name: &str) -> String {
    Place { steps: vec![METADATA.to_owned(), name.to_owned()] }.to_string()
}
