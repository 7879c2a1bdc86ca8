//! model, and which models a database may ask, as the environment says.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use kenning::{Endpoint, Error, KnownModel, ModelPlace, Models, NamedModel, Result, SystemWorld};
use kenning::{Json, KNOWN_MODELS, known_model};

use super::bulk::Teller;
use crate::args::{Format, ModelVerb};
use crate::exit::Outcome;
use crate::output::{Columns, Output, Row, size, thousands};

/// The folder of models.
const FOLDER: &str = "KENNING_MODELS";
/// The model of tables that name none.
const DEFAULT: &str = "KENNING_MODEL";
/// A model that somebody else runs: where, which, what proves that we may, numbers in a vector.
const URL: &str = "KENNING_EMBED_URL";
const NAME: &str = "KENNING_EMBED_MODEL";
const KEY: &str = "KENNING_EMBED_KEY";
const DIMENSIONS: &str = "KENNING_EMBED_DIMENSIONS";

const MODELS: Columns<'_> = Columns {
    table: &["name", "dimensions", "default", "place", "about"],
    csv: &["name", "about", "dimensions", "place", "default"],
};
const MODEL: &[&str] =
    &["name", "about", "dimensions", "place", "default", "window_tokens", "bytes", "files"];

/// The models that a database may ask; the default one is `default`, or the environment's.
pub(super) fn models(default: Option<&str>) -> Result<Models> {
    let default = default.map(str::to_owned);
    Ok(Models {
        default: if default.is_some() { default } else { variable(DEFAULT)? },
        folder: folder(),
        endpoint: endpoint()?,
        own: Vec::new(),
    })
}

/// What the environment says; what is empty says nothing.
pub(super) fn variable(name: &str) -> Result<Option<String>> {
    let Some(value) = path(name) else { return Ok(None) };
    value
        .into_string()
        .map(Some)
        .map_err(|_| Error::invalid("UTF8_MALFORMED", format!("${name} is no text")))
}

fn path(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Where models are: where the environment says, else where a user's programs keep what can be had
/// again.
fn folder() -> Option<PathBuf> {
    let cache = || {
        let home = || path("HOME").map(PathBuf::from);
        let usual = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
        let cache = path("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        cache.or_else(|| Some(home()?.join(usual)))
    };
    path(FOLDER).map(PathBuf::from).or_else(|| Some(cache()?.join("kenning").join("models")))
}

fn endpoint() -> Result<Option<Endpoint>> {
    let Some(url) = variable(URL)? else { return Ok(None) };
    let Some(name) = variable(NAME)? else {
        let message = format!("${URL} says where a model is, and ${NAME} does not say which");
        return Err(Error::invalid("ENDPOINT_MODEL", message));
    };
    let dimensions = variable(DIMENSIONS)?.map(|text| match text.parse() {
        Ok(dimensions) if dimensions > 0 => Ok(dimensions),
        Ok(_) | Err(_) => {
            let message = format!("${DIMENSIONS} is '{text}', which is no number of dimensions");
            Err(Error::invalid("ENDPOINT_DIMENSIONS", message))
        }
    });
    let endpoint = Endpoint::new(url, name);
    Ok(Some(Endpoint { key: variable(KEY)?, dimensions: dimensions.transpose()?, ..endpoint }))
}

pub(super) fn model(verb: &ModelVerb, output: &mut Output<'_>) -> Result<Outcome> {
    let models = models(None)?;
    match verb {
        ModelVerb::List => {
            let mut list = output.list(MODELS);
            models.list().iter().try_for_each(|model| list.row(row(model)))?;
            list.end()?;
            Ok(Outcome::Done)
        }
        ModelVerb::Info { name } => info(&models, name, output),
        ModelVerb::Pull { name, from } => pull(&models, name, from.as_deref(), output),
    }
}

fn row(model: &NamedModel) -> Row {
    let place = match &model.place {
        ModelPlace::Program => "inside the program".to_owned(),
        ModelPlace::Folder(folder) => folder.display().to_string(),
        ModelPlace::Endpoint(url) => url.clone(),
        ModelPlace::Missing => "not here".to_owned(),
    };
    vec![
        ("name", model.name.as_str().into()),
        ("about", model.about.as_str().into()),
        ("dimensions", model.dimensions.into()),
        ("place", place.into()),
        ("default", model.is_default.into()),
    ]
}

fn info(models: &Models, name: &str, output: &mut Output<'_>) -> Result<Outcome> {
    let named = models.list().into_iter().find(|model| model.name == name);
    let Some(named) = named else {
        // It says which there are.
        known_model(name)?;
        return Ok(Outcome::Nothing);
    };
    let mut row = row(&named);
    let known = KNOWN_MODELS.iter().find(|known| known.id == name);
    if let Some(known) = known {
        let bytes = match output.format() {
            Format::Table => size(known.bytes()).trim_start().into(),
            Format::Json | Format::Jsonl | Format::Csv => known.bytes().into(),
        };
        row.push(("window_tokens", known.window_tokens.into()));
        row.push(("bytes", bytes));
        row.push(("files", files(known)));
    }
    output.one(&row, MODEL)?;
    match (known, named.place) {
        (Some(known), ModelPlace::Folder(folder)) => known.verify(&folder)?,
        // What is not there is told; what is there and wrong is an error.
        (Some(known), ModelPlace::Missing) => {
            let folder = models.folder_of(known);
            folder.map_or(Ok(()), |folder| known.look(&folder).or_else(unless_missing))?;
        }
        (Some(_) | None, ModelPlace::Program | ModelPlace::Endpoint(_)) | (None, _) => {}
    }
    Ok(Outcome::Done)
}

fn unless_missing(error: Error) -> Result<()> {
    if error.code() == "MODEL_MISSING" { Ok(()) } else { Err(error) }
}

fn files(known: &KnownModel) -> Json {
    let file = |file: &kenning::KnownFile| {
        let about = kenning::json!({ "bytes": file.bytes, "blake3": file.hash });
        (file.name.to_owned(), about)
    };
    Json::Object(known.files.iter().map(file).collect())
}

fn pull(
    models: &Models,
    name: &str,
    from: Option<&str>,
    output: &mut Output<'_>,
) -> Result<Outcome> {
    let known = known_model(name)?;
    let Some(folder) = models.folder_of(known) else {
        let message = format!("there is no folder of models: say ${FOLDER}");
        return Err(Error::invalid("MODELS_FOLDER", message));
    };
    let Some(from) = from.or(known.url) else {
        let message = format!("model '{name}' is published nowhere: say --from where it is");
        return Err(Error::invalid("MODEL_UNPUBLISHED", message));
    };
    let mut teller = Teller::of(Arc::new(SystemWorld::new()), output.format());
    let total = known.bytes();
    let pulled = known.pull(from, &folder, &mut |bytes| {
        let percent = bytes.saturating_mul(100) / total.max(1);
        teller.progress(&format!("{} bytes, {percent} %", thousands(bytes)));
    });
    teller.wipe();
    pulled?;
    info(models, name, output)
}
