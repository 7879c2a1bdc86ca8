//! Backups: of the whole database, every tenant, at one version, while writes go on.
//!
//! The store links or copies its files into a place that nobody else writes to; from there they go
//! into a folder of backups, which has most of them already. The version of a backup is what the
//! copy itself says, so that opening it shows exactly that one.
//!
//! The database remembers where its backups are, because what is purged here is still there. It
//! notes a backup before the copy is made, without a version: so the copy knows of the backup that
//! it goes into, and a backup that was cut off is remembered rather than forgotten. With the next
//! one into the same folder, what is remembered of it becomes what is there.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;

use kenning_record::{Version, entry, format_instant, keys, parse_instant};
use kenning_store::backup::{self, Added, BackupFolder, Copying, Identity, Summary, Watch};
use kenning_store::{Batch, Error, Range, Result, World, block_on};

use crate::committer::frame;
use crate::database::Database;
use crate::log::{Beside, TransactionId, write_beside};
use crate::planted::Bug;
use crate::shared::{Head, Shared};
use crate::view::View;

/// After so much work it is looked whether others have written.
const WORK_MS: u64 = 4;
/// While they do, each piece of work is followed by a rest so many times as long.
const REST: u64 = 3;
const REST_MS_MAX: u64 = 1_000;
/// Nobody writes if nothing was written for so long.
const QUIET_MS: u64 = 100;

/// How a backup is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackupOptions {
    /// So many backups stay in the folder, the latest ones; all of them if nothing is said.
    pub keep: Option<NonZeroUsize>,
}

/// One backup in a folder of backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Its number in its folder. Later is greater.
    pub number: u64,
    /// The version that it shows.
    pub version: Version,
    /// When it was made, in milliseconds since the epoch.
    pub instant: i64,
    /// The engine of the database.
    pub engine: String,
    /// How many files it consists of.
    pub files: u64,
    /// Their bytes, whether other backups share them or not.
    pub bytes: u64,
}

/// What a backup took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// The backup.
    pub backup: Backup,
    /// How many of its files no earlier backup had.
    pub files_copied: u64,
    /// Their bytes.
    pub bytes_copied: u64,
}

/// A backup that the database remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownBackup {
    /// Its folder of backups, where that was when it was made.
    pub folder: String,
    /// Its number there.
    pub number: u64,
    /// The version that it shows; `None` if it was cut off, or is the one this database was
    /// restored from: it may have anything that the database had then.
    pub version: Option<Version>,
    /// When it was made.
    pub instant: i64,
}

/// The backups in a folder, oldest first.
pub fn list_backups(folder: &Path) -> Result<Vec<Backup>> {
    backup::list(folder)?.iter().map(|summary| Backup::of(summary, folder)).collect()
}

/// Makes a database at `target` of a backup; of the latest one if no number is given. `None` if
/// `watch` broke it off; then, and after an error, nothing is at `target`.
pub fn restore(
    folder: &Path,
    number: Option<u64>,
    target: &Path,
    watch: &mut Watch<'_>,
) -> Result<Option<Backup>> {
    let restored = backup::restore(folder, number, target, watch)?;
    restored.map(|summary| Backup::of(&summary, folder)).transpose()
}

impl Database {
    /// Adds a backup of the whole database to a folder of backups, made if it is missing; only what
    /// changed since the last one there is copied. `None` if `watch` broke it off; then there is no
    /// backup.
    pub async fn backup(
        &self,
        folder: &Path,
        options: BackupOptions,
        watch: &mut Watch<'_>,
    ) -> Result<Option<BackedUp>> {
        let store = self.handle.shared().store()?;
        let Some(own) = store.folder() else {
            let message = "a database in memory has no files to back up: export its tables";
            return Err(Error::invalid("NOT_ON_DISK", message));
        };
        // A copy of a damaged part would be there when the part itself is long mended.
        crate::sealed::damage::weed(&self.handle).await?;
        // One at a time, so that only one gives the database its identity.
        let scratch = own.scratch()?;
        let mut backups = BackupFolder::open(folder, self.identity().await?, own.path())?;
        let place = backups.canonical_path()?.display().to_string();
        let instant = self.handle.shared().world.now_ms().min(i64::MAX as u64) as i64;
        self.note(&place, backups.next_number(), 0, instant).await?;
        let copied = store.checkpoint(scratch.path()).await?;
        let head = copied.get(&keys::meta("head")).await?;
        drop(copied);
        let damaged = || Error::corrupt("HEAD_DAMAGED", "the copy of the database has no head");
        let (version, ..) = Head::decode(&head.ok_or_else(damaged)?)?;
        let watch = &mut paced(self.handle.shared(), watch);
        let label = format!("version {version} instant {}", format_instant(instant));
        let added = backups.add(scratch.path(), own.engine(), &label, watch)?;
        // One that was broken off leaves contents behind, and so stays noted.
        if added.is_some() {
            backups.keep(options.keep.map_or(usize::MAX, NonZeroUsize::get))?;
            self.remember(&place, backups.backups()).await?;
        }
        added.map(|added| BackedUp::of(&added, folder)).transpose()
    }

    /// The backups that the database remembers.
    pub async fn backups(&self) -> Result<Vec<KnownBackup>> {
        known(&self.view()?).await
    }

    /// Which database it is, for life. One that was made before databases had an identity gets it.
    async fn identity(&self) -> Result<Identity> {
        let view = self.view()?;
        let key = keys::identity();
        if let Some(bytes) = view.source.get(&key).await? {
            let identity = entry::check(&bytes)?.1.try_into().map(Identity);
            let damaged = |_| Error::corrupt("IDENTITY_DAMAGED", "the identity is damaged");
            return identity.map_err(damaged);
        }
        let identity = new_identity(&*self.handle.shared().world);
        let mut batch = Batch::new();
        batch.put(&key, &frame(0, &identity.0));
        write_beside(&view, Beside { batch, ..Beside::default() }).await?;
        Ok(identity)
    }

    /// Notes a backup.
    async fn note(&self, place: &str, number: u64, version: Version, instant: i64) -> Result<()> {
        if self.handle.shared().settings.has(Bug::ForgetBackups) {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.put(&keys::backup(place, number), &frame(version, &instant.to_le_bytes()));
        write_beside(&self.view()?, Beside { batch, ..Beside::default() }).await
    }

    /// Makes what is known of a folder what is in it.
    async fn remember(&self, place: &str, there: &[Summary]) -> Result<()> {
        let view = self.view()?;
        if view.handle.shared().settings.has(Bug::ForgetBackups) {
            return Ok(());
        }
        let mut batch = Batch::new();
        for known in known(&view).await?.iter().filter(|known| known.folder == place) {
            if !there.iter().any(|summary| summary.number == known.number) {
                batch.delete(&keys::backup(place, known.number));
            }
        }
        for summary in there {
            let Backup { number, version, instant, .. } = Backup::of(summary, Path::new(place))?;
            batch.put(&keys::backup(place, number), &frame(version, &instant.to_le_bytes()));
        }
        write_beside(&view, Beside { batch, ..Beside::default() }).await
    }
}

/// Tells `watch`, and rests between two pieces of work as long as others write: a copy that goes as
/// fast as it can takes most of the disk, and of a small machine, from them.
fn paced<'a>(
    shared: &'a Shared,
    watch: &'a mut Watch<'_>,
) -> impl FnMut(Copying) -> ControlFlow<()> + Send + 'a {
    let mut began_ms = shared.world.now_ms();
    let (mut seen, mut written_ms) = (shared.published(), None);
    move |copying| {
        let now_ms = shared.world.now_ms();
        let worked_ms = now_ms.saturating_sub(began_ms);
        if worked_ms >= WORK_MS {
            let published = shared.published();
            if std::mem::replace(&mut seen, published) != published {
                written_ms = Some(now_ms);
            }
            if written_ms.is_some_and(|then| now_ms.saturating_sub(then) < QUIET_MS) {
                let rest_ms = (worked_ms * REST).min(REST_MS_MAX);
                block_on(shared.world.sleep(rest_ms));
            }
            began_ms = shared.world.now_ms();
        }
        watch(copying)
    }
}

/// A new identity.
pub(crate) fn new_identity(world: &dyn World) -> Identity {
    Identity(TransactionId::new(world).0)
}

/// The backups that `view` knows.
pub(crate) async fn known(view: &View) -> Result<Vec<KnownBackup>> {
    let mut known = Vec::new();
    for row in view.rows(Range::prefix(keys::backups())).await? {
        let (folder, number) = keys::backup_split(&row.key)?;
        let (version, payload) = entry::check(&row.value)?;
        let damaged = |_| Error::corrupt("BACKUP_NOTE_DAMAGED", "a note of a backup is damaged");
        let instant = i64::from_le_bytes(payload.try_into().map_err(damaged)?);
        known.push(KnownBackup {
            folder,
            number,
            version: Some(version).filter(|version| *version > 0),
            instant,
        });
    }
    Ok(known)
}

impl Backup {
    fn of(summary: &Summary, folder: &Path) -> Result<Backup> {
        let Summary { number, engine, label, files, bytes } = summary;
        let label = label.strip_prefix("version ").and_then(|label| {
            let (version, instant) = label.split_once(" instant ")?;
            Some((version.parse().ok()?, parse_instant(instant).ok()?))
        });
        let Some((version, instant)) = label else {
            let folder = folder.display();
            let message = format!("backup {number} in {folder} does not say what it shows");
            return Err(Error::corrupt("BACKUP_DAMAGED", message));
        };
        let (engine, files, bytes) = (engine.clone(), *files, *bytes);
        Ok(Backup { number: *number, version, instant, engine, files, bytes })
    }
}

impl BackedUp {
    fn of(added: &Added, folder: &Path) -> Result<BackedUp> {
        let Added { summary, files_copied, bytes_copied } = added;
        let backup = Backup::of(summary, folder)?;
        Ok(BackedUp { backup, files_copied: *files_copied, bytes_copied: *bytes_copied })
    }
}
