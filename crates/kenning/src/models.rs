//! Which models a database asks, and what it finds with.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use kenning_embed::{Endpoint, Hashing, KNOWN_MODELS, KnownModel, Model, Remote, known_model};
use kenning_engine::{Embedders, Finders};
use kenning_index::Embedder;
use kenning_store::{Error, Result, World};
use kenning_vectors::Vectors;
use kenning_words::Words;

/// Threads that a model of this process uses.
const THREADS: usize = 2;
/// How long an endpoint is left alone that could not be opened.
const REOPEN_MS: u64 = 10_000;

/// The models that a database can ask, by their names.
///
/// Tables that name no model have the default one: the one that is named here, else
/// all-MiniLM-L6-v2, from inside the program or from `folder`, else vectors that are hashes of
/// words, which find what is spelled alike.
#[derive(Clone, Default)]
pub struct Models {
    /// The name of the default model.
    pub default: Option<String>,
    /// Where the files of models are, each in a folder of its name.
    pub folder: Option<PathBuf>,
    /// A model that somebody else runs, under the name that the endpoint has for it.
    pub endpoint: Option<Endpoint>,
    /// Models of the caller's own.
    pub own: Vec<Arc<dyn Embedder>>,
}

/// A model that can be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedModel {
    /// Its name.
    pub name: String,
    /// What it is.
    pub about: String,
    /// Numbers in a vector, if that is known without asking it.
    pub dimensions: Option<usize>,
    /// Where it is.
    pub place: ModelPlace,
    /// Whether it is that of tables that name none.
    pub is_default: bool,
}

/// Where a model is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelPlace {
    /// Inside the program.
    Program,
    /// Its files are in this folder.
    Folder(PathBuf),
    /// Somebody else runs it, at this URL.
    Endpoint(String),
    /// Nowhere yet.
    Missing,
}

/// What a database finds with.
pub(crate) fn finders(models: &Models, world: &Arc<dyn World>) -> Result<Finders> {
    Ok(Finders {
        words: Arc::new(Words),
        vectors: Arc::new(Vectors::new(Arc::clone(world))),
        embedders: Arc::new(Opened {
            models: models.clone(),
            world: Arc::clone(world),
            opened: Mutex::default(),
            refused: Mutex::default(),
        }),
    })
}

impl Models {
    /// Every model that can be named, the best one first.
    pub fn list(&self) -> Vec<NamedModel> {
        let mut named: Vec<NamedModel> =
            KNOWN_MODELS.iter().map(|known| self.named(known)).collect();
        named.push(NamedModel {
            name: Hashing.model_id().to_owned(),
            about: "hashes of words and letters: finds what is spelled alike".to_owned(),
            dimensions: Some(Hashing.dimensions()),
            place: ModelPlace::Program,
            is_default: false,
        });
        named.extend(self.endpoint.iter().map(|endpoint| NamedModel {
            name: endpoint.model.clone(),
            about: "a model that somebody else runs".to_owned(),
            dimensions: endpoint.dimensions,
            place: ModelPlace::Endpoint(endpoint.url.clone()),
            is_default: false,
        }));
        let is_default = |model: &NamedModel| match &self.default {
            Some(name) => model.name == *name,
            None => model.place != ModelPlace::Missing,
        };
        if let Some(default) = named.iter_mut().find(|model| is_default(model)) {
            default.is_default = true;
        }
        named
    }

    fn named(&self, known: &'static KnownModel) -> NamedModel {
        let place = match (built_in(known), self.folder_of(known)) {
            (Some(_), _) => ModelPlace::Program,
            (None, Some(folder)) if known.look(&folder).is_ok() => ModelPlace::Folder(folder),
            (None, _) => ModelPlace::Missing,
        };
        NamedModel {
            name: known.id.to_owned(),
            about: known.about.to_owned(),
            dimensions: Some(known.dimensions),
            place,
            is_default: false,
        }
    }

    /// The folder of the files of a model.
    pub fn folder_of(&self, known: &KnownModel) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| known.folder(folder))
    }

    /// The best model that is there.
    fn first(&self) -> Arc<dyn Embedder> {
        let known = KNOWN_MODELS.iter().find_map(|known| self.known(known).ok());
        known.unwrap_or_else(|| Arc::new(Hashing))
    }

    /// A model that is known by its name.
    fn known(&self, known: &'static KnownModel) -> Result<Arc<dyn Embedder>> {
        if let Some(built_in) = built_in(known) {
            return Ok(Arc::new(built_in));
        }
        let Some(folder) = self.folder_of(known) else {
            let message = format!("model '{}' is not here, and no folder of models is", known.id);
            return Err(Error::invalid("MODEL_MISSING", message));
        };
        Ok(Arc::new(Model::open(known, &folder, THREADS)?))
    }
}

fn built_in(known: &KnownModel) -> Option<Model> {
    Model::built_in(THREADS).filter(|built_in| built_in.known().id == known.id)
}

/// Whether a model of an endpoint is meant: by its name there, or by the id of its vectors.
fn is_called(endpoint: &Endpoint, name: &str) -> bool {
    let of_id = name.strip_prefix("http:").and_then(|rest| rest.rsplit_once(':'));
    name == endpoint.model || of_id.is_some_and(|(model, _)| model == endpoint.model)
}

/// The models that a database has asked for. They stay open as long as it does: weights are given
/// back with the last handle.
struct Opened {
    models: Models,
    world: Arc<dyn World>,
    opened: Mutex<HashMap<Option<String>, Arc<dyn Embedder>>>,
    /// Why the endpoint could not be opened, and when that was.
    refused: Mutex<Option<(u64, Error)>>,
}

impl Embedders for Opened {
    fn embedder(&self, model: Option<&str>) -> Result<Arc<dyn Embedder>> {
        let name = model.map(str::to_owned);
        let opened = || self.opened.lock().expect("no holder of this lock panics");
        if let Some(known) = opened().get(&name) {
            return Ok(Arc::clone(known));
        }
        // Without the lock: an endpoint may take its time.
        let embedder = self.open(model)?;
        Ok(Arc::clone(opened().entry(name).or_insert(embedder)))
    }
}

impl Opened {
    fn open(&self, model: Option<&str>) -> Result<Arc<dyn Embedder>> {
        let models = &self.models;
        let Some(name) = model.or(models.default.as_deref()) else { return Ok(models.first()) };
        if let Some(own) = models.own.iter().find(|own| own.model_id() == name) {
            return Ok(Arc::clone(own));
        }
        if name == Hashing.model_id() {
            return Ok(Arc::new(Hashing));
        }
        if let Some(endpoint) = models.endpoint.as_ref().filter(|it| is_called(it, name)) {
            return self.remote(endpoint, name);
        }
        models.known(known_model(name)?)
    }

    /// Opens the endpoint, which may ask it for a vector: so it is done when a table needs it, and
    /// not again at once if it fails.
    fn remote(&self, endpoint: &Endpoint, name: &str) -> Result<Arc<dyn Embedder>> {
        let mut refused = self.refused.lock().expect("no holder of this lock panics");
        let now = self.world.now_ms();
        match &*refused {
            Some((at, error)) if now < at + REOPEN_MS => return Err(error.again()),
            Some(_) | None => *refused = None,
        }
        match Remote::open(endpoint.clone(), Arc::clone(&self.world)) {
            Ok(remote) if name == remote.model_id() || name == endpoint.model => {
                Ok(Arc::new(remote))
            }
            Ok(remote) => {
                let message = format!("the endpoint has '{}' and not '{name}'", remote.model_id());
                Err(Error::invalid("MODEL_MISMATCH", message))
            }
            Err(error) => {
                *refused = Some((self.world.now_ms(), error.again()));
                Err(error)
            }
        }
    }
}
