//! What may be in a record of a table, and how its table treats it.
//!
//! A schema is a JSON Schema (2020-12) with one more member, `x-kenning`. The standard part says
//! which documents are valid; a table is open unless its schema closes it. `format` is a note, as
//! the standard has it, not a rule. The other part names the key, the indexes and what later
//! floors need. Both are checked when a schema is parsed, so that a mistake is found before a
//! record is. Nothing is fetched: a `$ref` leads into the document, or to the standard itself.

mod extension; // what x-kenning may say
mod violation; // what a broken rule looks like

use std::sync::Arc;

use jsonschema::{Draft, Validator};
use kenning_store::{Error, Result};

use crate::record::check_object;
use crate::value::too_deep;
use crate::{DEPTH_MAX, Json, Path};

/// The most paths of one composite index. With the limit on each value they fit into a key.
pub const INDEX_PATHS_MAX: usize = 6;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
const EXTENSION: &str = "x-kenning";

/// Members of a schema that forbid nothing by themselves.
const NOTES: [&str; 12] = [
    "$anchor",
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "default",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
];

/// The rules of a table.
///
/// ```
/// use kenning_record::Schema;
/// use serde_json::json;
/// let schema = Schema::parse(&json!({
///     "properties": {"name": {"type": "string"}, "born": {"type": "integer"}},
///     "required": ["name"],
///     "x-kenning": {"key": "name", "indexed": ["born"]},
/// }))?;
/// assert!(schema.validate(&json!({"name": "Ada", "born": 1815})).is_ok());
/// let error = schema.validate(&json!({"name": "Ada", "born": "1815"})).unwrap_err();
/// assert_eq!(error.code(), "SCHEMA_VIOLATION");
/// # Ok::<(), kenning_store::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Schema {
    /// The schema as it was given.
    pub json: Json,
    /// The property that is the key of a record.
    pub key: Option<Path>,
    /// The indexes, in the order in which they are named: `unique` ones first. Paths that are
    /// both `unique` and `indexed` have one index, which is unique.
    pub indexes: Vec<IndexSpec>,
    /// What is found by its meaning: the texts at these paths, as one.
    pub embed: Option<Embedding>,
    /// The same once more, by another model.
    pub embed_alt: Option<Embedding>,
    /// What is found by its words; every text if nothing is said.
    pub words: Option<Vec<Path>>,
    /// The language of its texts: a code like `de`; English if nothing is said.
    pub language: Option<String>,
    /// Properties that are vectors.
    pub vectors: Vec<GivenVectors>,
    /// Who the table is for.
    pub category: Category,
    /// `None` where there is nothing to check.
    validator: Option<Arc<Validator>>,
}

/// An exact index over the values at one or several paths.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IndexSpec {
    /// The paths; several make a composite index.
    pub paths: Vec<Path>,
    /// Whether no two records may have the same values.
    pub unique: bool,
}

/// Which texts a model turns into a vector.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Embedding {
    /// Where the texts are; one behind the other they are one.
    pub paths: Vec<Path>,
    /// The name of the model; the database's own if none is given.
    pub model: Option<String>,
}

/// A property that is a vector.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GivenVectors {
    /// Where it is.
    pub path: Path,
    /// What all of them have in common.
    pub spec: VectorSpec,
    /// Which model they are from, if that is told.
    pub model: Option<String>,
}

impl GivenVectors {
    /// Checks that a document has either no vector, or one that can be compared with the others.
    fn check(&self, properties: &Json) -> Result<()> {
        let vector = match self.path.get(properties) {
            None | Some(Json::Null) => return Ok(()),
            Some(Json::Array(vector)) => vector,
            Some(_) => {
                let message = format!("'{}' is not a list of numbers", self.path);
                return Err(Error::invalid("SCHEMA_VIOLATION", message));
            }
        };
        let expected = self.spec.dimensions;
        if vector.len() != expected {
            let n = vector.len();
            let message = format!("'{}' has {n} dimensions, not {expected}", self.path);
            return Err(Error::invalid("DIMENSION_MISMATCH", message));
        }
        let is_finite = |number: &Json| number.as_f64().is_some_and(|it| (it as f32).is_finite());
        if !vector.iter().all(is_finite) {
            let message = format!("'{}' has what is not a number of 32 bits", self.path);
            return Err(Error::invalid("VECTOR_NOT_FINITE", message));
        }
        Ok(())
    }
}

/// What the vectors of one index have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VectorSpec {
    /// Numbers in a vector.
    pub dimensions: usize,
    /// How far two vectors are from each other.
    pub metric: Metric,
}

/// How far two vectors are from each other. Nearer is less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Metric {
    /// One minus the cosine of their angle: 0 to 2. A vector of length 0 is 1 from every other.
    #[default]
    Cosine,
    /// Minus their inner product.
    InnerProduct,
    /// The square of their Euclidean distance.
    L2,
}

impl Metric {
    const ALL: [Metric; 3] = [Metric::Cosine, Metric::InnerProduct, Metric::L2];

    /// Its name in a schema.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Cosine => "cosine",
            Metric::InnerProduct => "inner_product",
            Metric::L2 => "l2",
        }
    }

    /// The metric of this name.
    pub fn named(name: &str) -> Option<Self> {
        Metric::ALL.into_iter().find(|metric| metric.name() == name)
    }
}

/// Who a table is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Category {
    /// The database itself.
    System,
    /// Agents.
    Agents,
    /// Everyone.
    Public,
    /// The user, which is the default.
    #[default]
    User,
}

impl Category {
    const ALL: [Category; 4] =
        [Category::System, Category::Agents, Category::Public, Category::User];

    /// Its name in a schema.
    pub fn name(self) -> &'static str {
        match self {
            Category::System => "system",
            Category::Agents => "agents",
            Category::Public => "public",
            Category::User => "user",
        }
    }
}

impl Default for Schema {
    /// The schema `{}`, which allows every document.
    fn default() -> Self {
        Schema {
            json: Json::Object(serde_json::Map::new()),
            key: None,
            indexes: Vec::new(),
            embed: None,
            embed_alt: None,
            words: None,
            language: None,
            vectors: Vec::new(),
            category: Category::default(),
            validator: None,
        }
    }
}

impl Schema {
    /// Reads and checks a schema.
    pub fn parse(json: &Json) -> Result<Schema> {
        let object = json.as_object().ok_or_else(|| malformed("a schema is not a JSON object"))?;
        check_depth(json, 0)?;
        check_dialect(object.get("$schema"))?;
        let validator = compile(json)?;
        let has_rules =
            object.keys().any(|name| name != EXTENSION && !NOTES.contains(&name.as_str()));
        let mut schema = Schema {
            json: json.clone(),
            validator: has_rules.then(|| Arc::new(validator)),
            ..Schema::default()
        };
        if let Some(extension) = object.get(EXTENSION) {
            extension::read(extension, &mut schema)?;
        }
        Ok(schema)
    }

    /// Checks that a document keeps the rules. The error names the field and the rule.
    pub fn validate(&self, properties: &Json) -> Result<()> {
        check_object(properties)?;
        self.vectors.iter().try_for_each(|vector| vector.check(properties))?;
        match &self.validator {
            // Asking whether is several times cheaper than asking why not.
            Some(validator) if !validator.is_valid(properties) => {
                validator.validate(properties).map_err(|error| violation::of(&error))
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn compile(json: &Json) -> Result<Validator> {
    let options = jsonschema::options().with_draft(Draft::Draft202012).offline();
    options.build(json).map_err(|error| {
        let place = violation::place(error.instance_path());
        let place = if place.is_empty() { String::new() } else { format!(" at '{place}'") };
        malformed(format!("a schema is not valid{place}: {}", violation::detail(&error)))
    })
}

fn check_dialect(dialect: Option<&Json>) -> Result<()> {
    match dialect.map(|dialect| dialect.as_str().unwrap_or_default().trim_end_matches('#')) {
        None | Some(DIALECT) => Ok(()),
        Some(_) => Err(malformed(format!("$schema is not {DIALECT}"))),
    }
}

/// A schema is kept in a record, so it may be no deeper than one.
fn check_depth(json: &Json, depth: usize) -> Result<()> {
    // The schema itself is one level inside its record.
    if depth >= DEPTH_MAX {
        return Err(too_deep());
    }
    match json {
        Json::Array(items) => items.iter().try_for_each(|item| check_depth(item, depth + 1)),
        Json::Object(object) => object.values().try_for_each(|item| check_depth(item, depth + 1)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Ok(()),
    }
}

fn malformed(message: impl Into<String>) -> Error {
    Error::invalid("SCHEMA_MALFORMED", message)
}
