//! Opening a database by URL.

use std::path::Path;
use std::sync::Arc;

use kenning_engine::{Database, Settings};
use kenning_store::{Create, Error, Folder, Memory, Result, Store, World};

use crate::{Models, SystemWorld};

/// The tenant of who names none.
pub(crate) const TENANT: &str = "default";

/// What keeps a database on disk. A database keeps the engine with which it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// RocksDB, with the feature `rocks`.
    Rocksdb,
    /// fjall, with the feature `fjall`.
    Fjall,
}

impl Engine {
    /// The name in a database folder.
    pub const fn name(self) -> &'static str {
        match self {
            Engine::Rocksdb => "rocksdb",
            Engine::Fjall => "fjall",
        }
    }
}

impl Default for Engine {
    /// RocksDB, unless only fjall is built in.
    fn default() -> Self {
        if cfg!(all(feature = "fjall", not(feature = "rocks"))) {
            Engine::Fjall
        } else {
            Engine::Rocksdb
        }
    }
}

/// How to open a database.
#[derive(Clone, Default)]
pub struct Options {
    /// Whether a database that is missing is made.
    pub create: Create,
    /// The tenant; `default` if none is given.
    pub tenant: Option<String>,
    /// Settings of the engine.
    pub settings: Settings,
    /// The engine of a database that is made. One that is there says itself which it has.
    pub engine: Engine,
    /// The models that it can ask.
    pub models: Models,
    /// Settings of RocksDB.
    #[cfg(feature = "rocks")]
    pub rocks: crate::RocksSettings,
    /// Settings of fjall.
    #[cfg(feature = "fjall")]
    pub fjall: crate::FjallSettings,
    /// Time, chance and threads; the system's own if none is given.
    pub world: Option<Arc<dyn World>>,
}

/// Opens a database, and makes it if it is missing.
///
/// `memory:` is a database that is gone when it is closed; anything else is a folder, with or
/// without `file:` in front.
///
/// ```
/// # async fn example() -> kenning::Result<()> {
/// let db = kenning::open("memory:").await?;
/// db.put("entities", kenning::json!({"name": "Ada"})).await?;
/// assert!(db.get("entities", "ada").await?.is_some());
/// # Ok(())
/// # }
/// ```
pub async fn open(url: &str) -> Result<Database> {
    open_with(url, Options::default()).await
}

/// Opens a database.
pub async fn open_with(url: &str, options: Options) -> Result<Database> {
    let (store, world) = (open_store(url, &options)?, world_of(&options));
    let tenant = options.tenant.as_deref().unwrap_or(TENANT);
    let settings = settings_of(&options, &world)?;
    Database::open(store, world, settings, tenant).await
}

/// The settings of the engine, with what finds and the models that it asks.
pub(crate) fn settings_of(options: &Options, world: &Arc<dyn World>) -> Result<Settings> {
    let mut settings = options.settings.clone();
    if settings.finders.is_none() {
        settings.finders = Some(crate::models::finders(&options.models, world)?);
    }
    Ok(settings)
}

pub(crate) fn open_store(url: &str, options: &Options) -> Result<Arc<dyn Store>> {
    match url {
        "memory:" | ":memory:" => Ok(Arc::new(Memory::new())),
        _ => open_folder(folder(url)?, options),
    }
}

pub(crate) fn world_of(options: &Options) -> Arc<dyn World> {
    options.world.clone().unwrap_or_else(|| Arc::new(SystemWorld::new()))
}

fn open_folder(path: &Path, options: &Options) -> Result<Arc<dyn Store>> {
    let there = Folder::engine_of(path)?;
    match there.as_deref().unwrap_or(options.engine.name()) {
        #[cfg(feature = "rocks")]
        "rocksdb" => Ok(kenning_rocks::RocksStore::open(path, options.rocks, options.create)?),
        #[cfg(feature = "fjall")]
        "fjall" => Ok(kenning_fjall::FjallStore::open(path, options.fjall, options.create)?),
        name => {
            let message = format!("this build has no engine '{name}' for {}", path.display());
            Err(Error::invalid("ENGINE_UNKNOWN", message))
        }
    }
}

/// The folder that a URL means.
pub(crate) fn folder(url: &str) -> Result<&Path> {
    if url.starts_with("memory:") {
        return Err(Error::invalid(
            "URL_UNKNOWN",
            "a database in memory has no name: say 'memory:'",
        ));
    }
    let path = url.strip_prefix("file:").unwrap_or(url);
    let scheme = path.split_once("://").map(|(scheme, _)| scheme);
    match (scheme, path) {
        (Some(scheme), _) => {
            let message = format!("nothing opens URLs with '{scheme}:'");
            Err(Error::invalid("URL_UNKNOWN", message))
        }
        (None, "") => Err(Error::invalid("URL_EMPTY", "the database has no path")),
        (None, path) => Ok(Path::new(path)),
    }
}
