//! A database made of a backup.

use std::path::Path;

use crate::open::folder;
use crate::{Backup, CopyWatch, Error, Result};

/// Makes a database at `url`, where nothing may be, of the backup `number` in the folder `backups`,
/// of the latest one if no number is given. It shows exactly what the backup says, opens like any
/// other, and can be backed up into the same folder. `None` if `watch` broke it off; then, and
/// after an error, nothing is there.
///
/// Every byte is checked on its way: damage is `Corrupt BACKUP_DAMAGED`, and names the file.
pub async fn restore(
    url: &str,
    backups: &Path,
    number: Option<u64>,
    watch: &mut CopyWatch<'_>,
) -> Result<Option<Backup>> {
    if matches!(url, "memory:" | ":memory:") {
        let message = "a backup is restored into a folder, not into memory";
        return Err(Error::invalid("NOT_ON_DISK", message));
    }
    kenning_engine::restore(backups, number, folder(url)?, watch)
}
