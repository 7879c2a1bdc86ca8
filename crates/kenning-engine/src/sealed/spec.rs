//! Which sealed indexes a table has, and what a record says to each.

use std::sync::Arc;

use kenning_index::{Embedder, words_of};
use kenning_record::{Json, Metric, Path, RecordRef, Schema, TableNo, VectorSpec};
use kenning_store::{Error, Result};
use serde_json::json;

use super::Finders;

/// The language of texts, if a table says none.
const LANGUAGE: &str = "en";

/// What the names of such watermarks begin with.
pub(crate) const WATERMARK: &str = "embedded ";

/// What an index over meaning or words is made of. Two that are equal have the same rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Spec {
    /// The words of a record.
    Words { key: Option<Path>, paths: Option<Vec<Path>>, language: String },
    /// What a model says of the texts at these paths.
    Embedded { slot: Slot, paths: Vec<Path>, model: String, dimensions: usize },
    /// Vectors that are properties.
    Given { path: Path, vectors: VectorSpec },
}

/// Which of the two models of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Slot {
    Default,
    Alt,
}

impl Slot {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Slot::Default => "embed",
            Slot::Alt => "embed_alt",
        }
    }
}

impl Spec {
    /// The index over words that a table with this schema has.
    pub(crate) fn of_words(schema: &Schema) -> Spec {
        Spec::Words {
            key: schema.key.clone(),
            paths: schema.words.clone(),
            language: schema.language.clone().unwrap_or_else(|| LANGUAGE.to_owned()),
        }
    }

    /// The indexes that a table with this schema has. A model that is not there has none, and is
    /// told as the second.
    pub(crate) fn of(schema: &Schema, finders: &Finders) -> (Vec<Spec>, Vec<(Slot, Error)>) {
        let mut specs = vec![Spec::of_words(schema)];
        let mut missing = Vec::new();
        let asked = [(Slot::Default, &schema.embed), (Slot::Alt, &schema.embed_alt)];
        for (slot, embedding) in asked {
            let Some(embedding) = embedding else { continue };
            match finders.embedders.embedder(embedding.model.as_deref()) {
                Ok(embedder) => specs.push(Spec::Embedded {
                    slot,
                    paths: embedding.paths.clone(),
                    model: embedder.model_id().to_owned(),
                    dimensions: embedder.dimensions(),
                }),
                Err(error) => missing.push((slot, error)),
            }
        }
        let given = schema.vectors.iter();
        specs.extend(given.map(|it| Spec::Given { path: it.path.clone(), vectors: it.spec }));
        (specs, missing)
    }

    /// Its name among the indexes of its table.
    pub(crate) fn name(&self) -> String {
        match self {
            Spec::Words { .. } => "words".to_owned(),
            Spec::Embedded { slot, .. } => slot.name().to_owned(),
            Spec::Given { path, .. } => format!("vector:{path}"),
        }
    }

    /// What its vectors have in common, if it has any.
    pub(crate) fn vectors(&self) -> Option<VectorSpec> {
        match self {
            Spec::Words { .. } => None,
            Spec::Embedded { dimensions, .. } => {
                Some(VectorSpec { dimensions: *dimensions, metric: Metric::Cosine })
            }
            Spec::Given { vectors, .. } => Some(*vectors),
        }
    }

    /// The model whose vectors it has.
    pub(crate) fn model(&self) -> Option<&str> {
        match self {
            Spec::Embedded { model, .. } => Some(model),
            Spec::Words { .. } | Spec::Given { .. } => None,
        }
    }

    /// The name under which it is stored how far the texts of a table were computed.
    pub(crate) fn watermark(&self, table: TableNo) -> String {
        format!("{WATERMARK}{table} {}", self.to_json())
    }

    pub(crate) fn language(&self) -> &str {
        match self {
            Spec::Words { language, .. } => language,
            Spec::Embedded { .. } | Spec::Given { .. } => LANGUAGE,
        }
    }

    /// As it is stored.
    pub(crate) fn to_json(&self) -> Json {
        let texts = |paths: &[Path]| paths.iter().map(ToString::to_string).collect::<Vec<_>>();
        match self {
            Spec::Words { key, paths, language } => json!({
                "words": paths.as_deref().map(texts),
                "key": key.as_ref().map(ToString::to_string),
                "language": language,
            }),
            Spec::Embedded { slot, paths, model, dimensions } => json!({
                "slot": slot.name(), "embedded": texts(paths), "model": model,
                "dimensions": dimensions,
            }),
            Spec::Given { path, vectors } => json!({
                "given": path.to_string(),
                "dimensions": vectors.dimensions,
                "metric": vectors.metric.name(),
            }),
        }
    }

    /// Reads what `to_json` wrote.
    pub(crate) fn read(json: &Json) -> Option<Self> {
        let paths = |name: &str| -> Option<Vec<Path>> {
            json[name].as_array()?.iter().map(|path| path.as_str()?.parse().ok()).collect()
        };
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        let dimensions = || usize::try_from(json["dimensions"].as_u64()?).ok();
        if let Some(path) = text("given") {
            let metric = Metric::named(json["metric"].as_str()?)?;
            let vectors = VectorSpec { dimensions: dimensions()?, metric };
            return Some(Spec::Given { path: path.parse().ok()?, vectors });
        }
        if json.get("embedded").is_some() {
            let slots = [Slot::Default, Slot::Alt];
            let slot = slots.into_iter().find(|slot| json["slot"] == slot.name())?;
            let (paths, model) = (paths("embedded")?, text("model")?);
            return Some(Spec::Embedded { slot, paths, model, dimensions: dimensions()? });
        }
        let key = match text("key") {
            Some(key) => Some(key.parse().ok()?),
            None => None,
        };
        let words = if json["words"].is_null() { None } else { Some(paths("words")?) };
        Some(Spec::Words { key, paths: words, language: text("language")? })
    }

    /// The words of a record, for an index over words.
    pub(crate) fn words(&self, record: RecordRef<'_>) -> Result<Option<kenning_index::WordRow>> {
        let Spec::Words { key, paths, .. } = self else { return Ok(None) };
        words_of(record, key.as_ref(), paths.as_deref())
    }

    /// The model, if it is there.
    pub(crate) fn embedder(&self, finders: &Finders) -> Option<Result<Arc<dyn Embedder>>> {
        let model = self.model()?;
        Some(finders.embedders.embedder(Some(model)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_back() {
        let path = |text: &str| text.parse::<Path>().expect("it is one");
        let specs = [
            Spec::Words { key: None, paths: None, language: "en".into() },
            Spec::Words {
                key: Some(path("name")),
                paths: Some(vec![path(r"a.b\.c")]),
                language: "de".into(),
            },
            Spec::Embedded {
                slot: Slot::Alt,
                paths: vec![path("a")],
                model: "m".into(),
                dimensions: 3,
            },
            Spec::Given {
                path: path("v"),
                vectors: VectorSpec { dimensions: 2, metric: Metric::L2 },
            },
        ];
        for spec in specs {
            assert_eq!(Spec::read(&spec.to_json()), Some(spec));
        }
        assert_eq!(Spec::read(&json!({"words": 3})), None);
    }
}
