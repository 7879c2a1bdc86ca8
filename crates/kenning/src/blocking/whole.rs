//! A whole database to files, and back; and the hash of what it knows.

use std::path::Path;

use kenning_store::block_on;

use super::{Database, View};
use crate::ingest::{WholeExported, WholeImported, WholeOptions, WholeWatch};
use crate::{ContentHash, Options, Result};

/// Writes what every tenant knows into a folder, or everything that ever was; see
/// [`ingest::export_all`](crate::ingest::export_all).
///
/// ```
/// # fn main() -> kenning::Result<()> {
/// use kenning::blocking::{export_all, import_all, open};
/// use kenning::ingest::WholeOptions;
/// # use std::ops::ControlFlow::Continue;
/// # let folder = std::env::temp_dir().join(format!("kenning-export-{}", std::process::id()));
/// let db = open("memory:")?;
/// db.put("entities", kenning::json!({"name": "Ada"}))?;
/// let options = WholeOptions { history: true };
/// export_all(&db.view()?, &folder, options, &mut |_| Continue(()))?;
/// let (_, copy) = import_all("memory:", Default::default(), &folder, &mut |_| Continue(()))?;
/// let copy = copy.expect("nobody broke it off");
/// assert_eq!(copy.content_hash()?, db.content_hash()?);
/// assert_eq!(copy.history_hash()?, db.history_hash()?);
/// # std::fs::remove_dir_all(&folder).expect("it is there");
/// # Ok(())
/// # }
/// ```
pub fn export_all(
    view: &View,
    folder: &Path,
    options: WholeOptions,
    watch: &mut WholeWatch<'_>,
) -> Result<WholeExported> {
    block_on(crate::ingest::export_all(&view.0, folder, options, watch))
}

/// Makes a new database what was exported to a folder; see [`crate::import_all`].
pub fn import_all(
    url: &str,
    options: Options,
    folder: &Path,
    watch: &mut WholeWatch<'_>,
) -> Result<(WholeImported, Option<Database>)> {
    let (imported, database) = block_on(crate::import_all(url, options, folder, watch))?;
    Ok((imported, database.map(Database)))
}

impl Database {
    /// The hash of what every tenant knows.
    pub fn content_hash(&self) -> Result<ContentHash> {
        block_on(self.0.content_hash())
    }

    /// The hash of every state of every record and link that a view of the past can show.
    pub fn history_hash(&self) -> Result<ContentHash> {
        block_on(self.0.history_hash())
    }
}

impl View {
    /// The hash of what every tenant knows, at the version of this view.
    pub fn content_hash(&self) -> Result<ContentHash> {
        block_on(self.0.content_hash())
    }
}
