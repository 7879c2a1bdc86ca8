//! What `x-kenning` may say. An unknown member is refused, because a misspelt index would
//! otherwise be missed when it is needed most.

use kenning_store::{Error, Result};
use serde_json::Map;

use super::{Category, EXTENSION, Embedding, GivenVectors, INDEX_PATHS_MAX, IndexSpec, Metric};
use super::{Schema, VectorSpec, malformed};
use crate::{Json, Path, suggest};

const MEMBERS: [&str; 15] = [
    "key",
    "indexed",
    "unique",
    "embed",
    "embed_alt",
    "model",
    "model_alt",
    "words",
    "language",
    "vectors",
    "links",
    "claims",
    "synonyms",
    "category",
    "version",
];
const VECTOR_MEMBERS: [&str; 3] = ["dimensions", "metric", "model"];
const LANGUAGE_BYTES_MAX: usize = 8;
const DIMENSIONS_MAX: u64 = 65_536;

/// Reads the member `x-kenning` into `schema`.
pub(super) fn read(json: &Json, schema: &mut Schema) -> Result<()> {
    let extension = Place { json, at: EXTENSION.to_owned() };
    let members = extension.object()?;
    check_members(&extension.at, members, &MEMBERS)?;
    let member = |name: &str| {
        let at = format!("{EXTENSION}.{name}");
        members.get(name).map(|json| Place { json, at })
    };
    schema.key = member("key").map(|place| place.path()).transpose()?;
    if let Some(place) = member("category") {
        schema.category = place.category()?;
    }
    for (name, unique) in [("unique", true), ("indexed", false)] {
        if let Some(place) = member(name) {
            read_indexes(&place, unique, &mut schema.indexes)?;
        }
    }
    let paths = |name| member(name).map(|place| place.paths()).transpose();
    let model = |name| member(name).map(|place| place.text().map(str::to_owned)).transpose();
    let embedding = |paths, model| Embedding { paths, model };
    let (default, alt) = (model("model")?, model("model_alt")?);
    schema.embed = paths("embed")?.map(|paths| embedding(paths, default));
    schema.embed_alt = paths("embed_alt")?.map(|paths| embedding(paths, alt));
    schema.words = paths("words")?;
    schema.language = member("language").map(|place| place.language()).transpose()?;
    if let Some(place) = member("vectors") {
        schema.vectors = place.vectors()?;
    }
    ["links"].into_iter().filter_map(member).try_for_each(|m| m.links())?;
    ["claims"].into_iter().filter_map(member).try_for_each(|m| m.object().map(|_| ()))?;
    ["synonyms"].into_iter().filter_map(member).try_for_each(|m| m.synonyms())?;
    ["version"].into_iter().filter_map(member).try_for_each(|m| m.version())
}

/// Appends the indexes of one list.
fn read_indexes(list: &Place<'_>, unique: bool, indexes: &mut Vec<IndexSpec>) -> Result<()> {
    for item in list.items()? {
        let paths = if item.json.is_array() {
            item.items()?.map(|path| path.path()).collect::<Result<Vec<_>>>()?
        } else {
            vec![item.path()?]
        };
        if paths.is_empty() || paths.len() > INDEX_PATHS_MAX {
            let n = paths.len();
            return Err(item.wrong(&format!("has {n} paths, not 1 to {INDEX_PATHS_MAX}")));
        }
        if (1..paths.len()).any(|idx| paths[..idx].contains(&paths[idx])) {
            return Err(item.wrong("has a path twice"));
        }
        match indexes.iter().find(|index| index.paths == paths) {
            Some(index) if index.unique == unique => return Err(item.wrong("is there twice")),
            // A unique index also finds: a second one over the same paths would cost and not help.
            Some(_) => {}
            None => indexes.push(IndexSpec { paths, unique }),
        }
    }
    Ok(())
}

fn check_members(at: &str, members: &Map<String, Json>, known: &[&str]) -> Result<()> {
    let Some(name) = members.keys().find(|name| !known.contains(&name.as_str())) else {
        return Ok(());
    };
    let hint = match suggest(name, known.iter().copied()) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("there are {}", known.join(", ")),
    };
    let shown: String = name.chars().take(40).collect();
    Err(Error::invalid("SCHEMA_UNKNOWN", format!("{at} has no member '{shown}'; {hint}")))
}

/// A place in the schema, and what is there.
struct Place<'a> {
    json: &'a Json,
    at: String,
}

impl<'a> Place<'a> {
    fn wrong(&self, why: &str) -> Error {
        malformed(format!("{} {why}", self.at))
    }

    fn object(&self) -> Result<&'a Map<String, Json>> {
        self.json.as_object().ok_or_else(|| self.wrong("is not an object"))
    }

    fn members(&self) -> Result<impl Iterator<Item = (&'a str, Place<'a>)>> {
        let members = self.object()?.iter();
        let at = self.at.clone();
        Ok(members
            .map(move |(name, json)| (name.as_str(), Place { json, at: format!("{at}.{name}") })))
    }

    fn items(&self) -> Result<impl Iterator<Item = Place<'a>>> {
        let items = self.json.as_array().ok_or_else(|| self.wrong("is not an array"))?;
        let at = self.at.clone();
        Ok(items
            .iter()
            .enumerate()
            .map(move |(idx, json)| Place { json, at: format!("{at}[{idx}]") }))
    }

    fn text(&self) -> Result<&'a str> {
        match self.json.as_str() {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(self.wrong("is not a text")),
        }
    }

    /// The code of a language; which there are knows who finds words.
    fn language(&self) -> Result<String> {
        let text = self.text()?;
        let is_code =
            text.len() <= LANGUAGE_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_lowercase());
        if is_code { Ok(text.to_owned()) } else { Err(self.wrong("is not the code of a language")) }
    }

    fn path(&self) -> Result<Path> {
        let text = self.json.as_str().ok_or_else(|| self.wrong("is not the path of a property"))?;
        text.parse().map_err(|e| self.wrong("is not the path of a property").because(e))
    }

    fn paths(&self) -> Result<Vec<Path>> {
        self.items()?.map(|item| item.path()).collect()
    }

    fn category(&self) -> Result<Category> {
        let name = self.text()?;
        let found = Category::ALL.into_iter().find(|category| category.name() == name);
        found.ok_or_else(|| self.wrong("is not one of system, agents, public, user"))
    }

    fn links(&self) -> Result<()> {
        self.items()?.try_for_each(|item| {
            let fits = item.json.is_object() || item.text().is_ok();
            if fits { Ok(()) } else { Err(item.wrong("is not a link type")) }
        })
    }

    fn synonyms(&self) -> Result<()> {
        self.members()?
            .try_for_each(|(_, words)| words.items()?.try_for_each(|word| word.text().map(|_| ())))
    }

    fn vectors(&self) -> Result<Vec<GivenVectors>> {
        self.members()?
            .map(|(name, vector)| {
                let named = name.parse::<Path>();
                let path = named.map_err(|e| vector.wrong("is not named by a path").because(e))?;
                vector.vector(path)
            })
            .collect()
    }

    fn vector(&self, path: Path) -> Result<GivenVectors> {
        check_members(&self.at, self.object()?, &VECTOR_MEMBERS)?;
        let (mut dimensions, mut metric, mut model) = (None, Metric::default(), None);
        for (name, place) in self.members()? {
            match name {
                "dimensions" => dimensions = place.json.as_u64(),
                "metric" => metric = place.metric()?,
                _ => model = Some(place.text()?.to_owned()),
            }
        }
        let Some(dimensions @ 1..=DIMENSIONS_MAX) = dimensions else {
            return Err(self.wrong(&format!("has no dimensions from 1 to {DIMENSIONS_MAX}")));
        };
        let spec = VectorSpec { dimensions: dimensions as usize, metric };
        Ok(GivenVectors { path, spec, model })
    }

    fn metric(&self) -> Result<Metric> {
        let names = Metric::ALL.map(Metric::name).join(", ");
        Metric::named(self.text()?).ok_or_else(|| self.wrong(&format!("is not one of {names}")))
    }

    fn version(&self) -> Result<()> {
        if self.json.is_u64() || self.text().is_ok() {
            return Ok(());
        }
        Err(self.wrong("is neither a number nor a text"))
    }
}
