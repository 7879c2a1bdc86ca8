//! Opening a database by URL.

use std::path::Path;
use std::sync::Arc;

use kenning_engine::{Database, Settings};
use kenning_rocks::RocksStore;
use kenning_store::{Create, Error, Memory, Result, Store, World};

use crate::{RocksSettings, SystemWorld};

/// The tenant of who names none.
const TENANT: &str = "default";

/// How to open a database.
#[derive(Clone, Default)]
pub struct Options {
    /// Whether a database that is missing is made.
    pub create: Create,
    /// The tenant; `default` if none is given.
    pub tenant: Option<String>,
    /// Settings of the engine.
    pub settings: Settings,
    /// Settings of the store on disk.
    pub rocks: RocksSettings,
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
    let world = options.world.unwrap_or_else(|| Arc::new(SystemWorld::new()));
    let store: Arc<dyn Store> = match url {
        "memory:" | ":memory:" => Arc::new(Memory::new()),
        _ => RocksStore::open(folder(url)?, options.rocks, options.create)?,
    };
    let tenant = options.tenant.as_deref().unwrap_or(TENANT);
    Database::open(store, world, options.settings, tenant).await
}

fn folder(url: &str) -> Result<&Path> {
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
