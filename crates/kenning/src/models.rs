//! Which models a database asks, and what it finds with.

use std::path::PathBuf;
use std::sync::Arc;

use kenning_embed::{Endpoint, Hashing, KNOWN_MODELS, Model, Remote, known_model};
use kenning_engine::{Embedders, Finders};
use kenning_index::Embedder;
use kenning_store::{Result, World};
use kenning_vectors::Vectors;
use kenning_words::Words;

/// Threads that a model of this process uses.
const THREADS: usize = 2;

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

/// What a database finds with.
pub(crate) fn finders(models: &Models, world: &Arc<dyn World>) -> Result<Finders> {
    let mut own = models.own.clone();
    if let Some(endpoint) = &models.endpoint {
        own.push(Arc::new(Remote::open(endpoint.clone(), Arc::clone(world))?));
    }
    let models = Models { own, ..models.clone() };
    Ok(Finders {
        words: Arc::new(Words),
        vectors: Arc::new(Vectors::new(Arc::clone(world))),
        embedders: Arc::new(models),
    })
}

impl Embedders for Models {
    fn embedder(&self, model: Option<&str>) -> Result<Arc<dyn Embedder>> {
        let Some(name) = model.or(self.default.as_deref()) else { return Ok(self.first()) };
        if let Some(own) = self.own.iter().find(|own| own.model_id() == name) {
            return Ok(Arc::clone(own));
        }
        if name == Hashing.model_id() {
            return Ok(Arc::new(Hashing));
        }
        self.known(name)
    }
}

impl Models {
    /// The best model that is there.
    fn first(&self) -> Arc<dyn Embedder> {
        let known = KNOWN_MODELS.iter().find_map(|known| self.known(known.id).ok());
        known.unwrap_or_else(|| Arc::new(Hashing))
    }

    /// A model that is known by its name.
    fn known(&self, name: &str) -> Result<Arc<dyn Embedder>> {
        let known = known_model(name)?;
        if let Some(built_in) = Model::built_in(THREADS).filter(|it| it.known().id == known.id) {
            return Ok(Arc::new(built_in));
        }
        let folder = self.folder.as_ref().map(|folder| known.folder(folder));
        let folder = folder.unwrap_or_else(|| PathBuf::from(name));
        Ok(Arc::new(Model::open(known, &folder, THREADS)?))
    }
}
