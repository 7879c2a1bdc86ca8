//! A whole database from files.

use std::path::Path;

use kenning_engine::{Database, Replay};
use kenning_ingest::{Holds, WholeExport, WholeImported, WholeProgress, WholeWatch};
use kenning_store::{Error, Result};

use crate::Options;
use crate::open::{TENANT, open_store, settings_of, world_of};

/// Makes the database at `url` what was exported to `folder`, and opens it; see
/// [`ingest::export_all`](crate::ingest::export_all).
///
/// The database must be new or empty. It says that it is half made until it knows what was
/// exported, and then has the same [`content_hash`](Database::content_hash). If this is cut off,
/// however roughly, calling it again goes on. Once it is done, calling it again opens the database
/// as it is by then. No database comes back if `watch` breaks it off.
///
/// Indexes that are still to be built, and vectors, come later:
/// [`wait_indexed`](Database::wait_indexed), for each tenant, waits for them.
pub async fn import_all(
    url: &str,
    options: Options,
    folder: &Path,
    watch: &mut WholeWatch<'_>,
) -> Result<(WholeImported, Option<Database>)> {
    let mut hashed = |_| watch(&WholeProgress::default());
    let Some(export) = WholeExport::read(folder, &mut hashed)? else {
        let progress = WholeProgress::default();
        let (gone_on, was_there) = (false, false);
        return Ok((WholeImported { progress, gone_on, was_there, content: None }, None));
    };
    let tenant = export.tenant(options.tenant.as_deref(), TENANT)?;
    if export.holds() == Holds::History && !options.settings.history_keep {
        let message = "the export has a history, and the settings say that none is kept";
        return Err(Error::invalid("HISTORY_NOT_KEPT", message));
    }
    let (store, world) = (open_store(url, &options)?, world_of(&options));
    let settings = settings_of(&options, &world)?;
    let replay = Replay::open(store, world, settings, export.source()).await?;
    kenning_ingest::import_all(replay, &export, tenant, watch).await
}
