//! Backups, without async.

use std::path::Path;

use kenning_store::block_on;

use super::Database;
use crate::{BackedUp, Backup, BackupOptions, CopyWatch, KnownBackup, Result};

/// Makes a database of a backup; see [`crate::restore`].
///
/// ```
/// # fn main() -> kenning::Result<()> {
/// # let temp = tempfile::tempdir().expect("a temporary folder");
/// # let path = |name: &str| temp.path().join(name).to_str().expect("text").to_owned();
/// # let (db_path, new_path, backups) = (path("db"), path("new"), temp.path().join("backups"));
/// use std::ops::ControlFlow::Continue;
/// let db = kenning::blocking::open(&db_path)?;
/// db.put("entities", kenning::json!({"name": "Ada"}))?;
/// let done = db.backup(&backups, Default::default(), &mut |_| Continue(()))?;
/// let backup = done.expect("nobody broke it off").backup;
/// db.delete("entities", "ada")?;
///
/// kenning::blocking::restore(&new_path, &backups, None, &mut |_| Continue(()))?;
/// let new = kenning::blocking::open(&new_path)?;
/// assert_eq!(new.version(), backup.version);
/// assert!(new.get("entities", "ada")?.is_some());
/// # Ok(())
/// # }
/// ```
pub fn restore(
    url: &str,
    backups: &Path,
    number: Option<u64>,
    watch: &mut CopyWatch<'_>,
) -> Result<Option<Backup>> {
    block_on(crate::restore(url, backups, number, watch))
}

/// Backups.
impl Database {
    /// Adds a backup to a folder of backups; see [`crate::Database::backup`].
    pub fn backup(
        &self,
        folder: &Path,
        options: BackupOptions,
        watch: &mut CopyWatch<'_>,
    ) -> Result<Option<BackedUp>> {
        block_on(self.0.backup(folder, options, watch))
    }

    /// The backups that the database remembers.
    pub fn backups(&self) -> Result<Vec<KnownBackup>> {
        block_on(self.0.backups())
    }
}
