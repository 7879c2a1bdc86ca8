//! A folder of backups: immutable files under the hash of their content, and for each backup the
//! list of those that it consists of.
//!
//! | name | what |
//! |---|---|
//! | `BACKUP` | the marker: the format, and whose backups these are |
//! | `LOCK` | locked while a backup is added, shared while one is restored |
//! | `files/<hash>` | content, under its BLAKE3 hash; several backups may share it |
//! | `backups/<number>` | a backup: its files with their paths, sizes and hashes |
//!
//! A list is written last, when all that it names is durable, so whatever cuts a backup off leaves
//! the earlier ones as they were and itself no trace but files that the next one uses or clears
//! away. Nothing that is there is ever written to.
//!
//! A file that an earlier backup has is not read again if it is the very same file of the
//! database: its path, its length, its inode and the nanosecond of its last change. Names alone
//! would not do, since a database and one that was restored from its backup give the same names to
//! other contents; a restored file is another inode of another moment. Only files with a second
//! link are known again, because those are the engine's own, which it never changes; what was
//! copied for the checkpoint has one link.
//!
//! What this module does not know: versions and records. What a backup is of is a label, a line
//! that the caller gives and gets back.

mod files; // contents, in and out
mod manifest; // what the folder says about itself
#[doc(hidden)]
pub mod probe; // what fuzzing reaches

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::folder::{Folder, io_error};
use crate::folder::{is_nowhere, make_folder, names, rename, sync_folder, write_whole};
use crate::lock::{self, LOCK, Lock, Said};
use crate::{Error, Result};
use files::{Files, is_leftover};
pub use manifest::Identity;
use manifest::{Hash, Manifest, damaged};

const MARKER: &str = "BACKUP";
const MARKER_NEXT: &str = "BACKUP.next";
const FILES: &str = "files";
const BACKUPS: &str = "backups";
const NEXT_SUFFIX: &str = ".next";
const NUMBER_DIGITS: usize = 6;
/// Some half a million files.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copying {
    /// Bytes that are done, copied or found to be there.
    pub bytes: u64,
    /// Bytes of everything.
    pub bytes_total: u64,
}

/// Is told how far it is, and may break it off.
pub type Watch<'a> = dyn FnMut(Copying) -> ControlFlow<()> + Send + 'a;

/// One backup, as its folder describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its number in its folder. Later is greater.
    pub number: u64,
    /// Which engine keeps the database.
    pub engine: String,
    /// What the caller said about it.
    pub label: String,
    /// How many files it consists of.
    pub files: u64,
    /// Their bytes, whether other backups share them or not.
    pub bytes: u64,
}

/// What a backup took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// The backup.
    pub summary: Summary,
    /// How many of its files no earlier backup had.
    pub files_copied: u64,
    /// Their bytes.
    pub bytes_copied: u64,
}

/// A folder of backups to which nobody else adds any.
#[derive(Debug)]
pub struct BackupFolder {
    path: PathBuf,
    database: Identity,
    summaries: Vec<Summary>,
    latest: Option<Manifest>,
    _lock: Lock,
}

/// What a path is.
enum State {
    Missing,
    Empty,
    HalfMade,
    Made(Identity),
}

impl BackupFolder {
    /// Opens the folder of backups at `path` to add one of `database`, which lies in `source`;
    /// makes it if nothing is there, or an empty folder.
    pub fn open(path: &Path, database: Identity, source: &Path) -> Result<BackupFolder> {
        check_apart(path, source)?;
        let state = survey(path)?;
        check_owner(&state, path, database)?;
        if matches!(state, State::Missing) {
            make_folder(path)?;
        }
        let lock = Lock::hold(path)?;
        // Once more: until the lock was ours, somebody else may have made it.
        let state = survey(path)?;
        check_owner(&state, path, database)?;
        if matches!(state, State::Made(_)) {
            lock.say("opened")?;
        } else {
            start(path, &lock, database)?;
        }
        clear_leftovers(path)?;
        let (mut summaries, mut latest) = (Vec::new(), None);
        for number in numbers(path)? {
            let manifest = read_manifest(path, number)?;
            summaries.push(manifest.summary());
            latest = Some(manifest);
        }
        Ok(BackupFolder { path: path.to_owned(), database, summaries, latest, _lock: lock })
    }

    /// Where it is: the one path that leads there without links.
    pub fn canonical_path(&self) -> Result<PathBuf> {
        self.path.canonicalize().map_err(|error| io_error("finding", &self.path, error))
    }

    /// The number of the backup that is added next.
    pub fn next_number(&self) -> u64 {
        self.summaries.last().map_or(1, |last| last.number + 1)
    }

    /// The backups, oldest first.
    pub fn backups(&self) -> &[Summary] {
        &self.summaries
    }

    /// Adds the database folder `copy`, which nobody has open, as a backup. `None` if `watch` broke
    /// it off; then there is no backup.
    pub fn add(
        &mut self,
        copy: &Path,
        engine: &str,
        label: &str,
        watch: &mut Watch<'_>,
    ) -> Result<Option<Added>> {
        assert!(!label.contains('\n') && !engine.contains('\n'), "each is one line");
        let (number, database) = (self.next_number(), self.database);
        let known = self.latest.iter().flat_map(|latest| &latest.files);
        let known = known.map(|entry| (entry.path.as_str(), entry)).collect();
        let listed = files::list(copy)?;
        let mut files = Files::new(&self.path.join(FILES), listed.bytes, watch);
        let Some(entries) = files.store_all(copy, &listed, &known)? else { return Ok(None) };
        let (engine, label) = (engine.to_owned(), label.to_owned());
        let (files_copied, bytes_copied) = (files.files_copied, files.bytes_copied);
        sync_folder(&self.path.join(FILES))?;
        let manifest =
            Manifest { number, database, engine, label, folders: listed.folders, files: entries };
        write_manifest(&self.path, &manifest)?;
        let summary = manifest.summary();
        self.summaries.push(summary.clone());
        self.latest = Some(manifest);
        Ok(Some(Added { summary, files_copied, bytes_copied }))
    }

    /// Removes all but the last `keep` backups, and whatever no backup consists of.
    pub fn keep(&mut self, keep: usize) -> Result<()> {
        let backups = self.path.join(BACKUPS);
        while self.summaries.len() > keep.max(1) {
            let oldest = backups.join(name_of(self.summaries[0].number));
            remove_file(&oldest)?;
            self.summaries.remove(0);
        }
        // Before the files: a list that is there has all that it names.
        sync_folder(&backups)?;
        let mut named: HashSet<Hash> = HashSet::new();
        for summary in &self.summaries {
            let manifest = read_manifest(&self.path, summary.number)?;
            named.extend(manifest.files.iter().map(|entry| entry.hash));
        }
        let files = self.path.join(FILES);
        for name in names(&files)? {
            let is_named = Hash::parse(&name).is_none_or(|hash| named.contains(&hash));
            if !is_named || is_leftover(&name) {
                remove_file(&files.join(name))?;
            }
        }
        Ok(())
    }
}

/// The backups in the folder at `path`, oldest first.
pub fn list(path: &Path) -> Result<Vec<Summary>> {
    owner(path)?;
    numbers(path)?.into_iter().map(|number| Ok(read_manifest(path, number)?.summary())).collect()
}

/// Makes a database at `target` of the backup `number` in the folder at `path`, of the last one if
/// none is named. `None` if `watch` broke it off; then, and after an error, nothing is there.
pub fn restore(
    path: &Path,
    number: Option<u64>,
    target: &Path,
    watch: &mut Watch<'_>,
) -> Result<Option<Summary>> {
    let database = owner(path)?;
    check_apart(target, path)?;
    let _lock = Lock::share(path)?;
    let numbers = numbers(path)?;
    let missing = || {
        let which = number.map_or("no backup".to_owned(), |number| format!("no backup {number}"));
        Error::invalid("BACKUP_NOT_FOUND", format!("{} has {which}", path.display()))
    };
    let number = number.or(numbers.last().copied()).filter(|it| numbers.contains(it));
    let number = number.ok_or_else(missing)?;
    let manifest = read_manifest(path, number)?;
    if manifest.database != database {
        return Err(damaged(&path.join(MARKER), "its backups are of another database"));
    }
    let mut is_whole = false;
    let summary = manifest.summary();
    let built = Folder::build(target, &manifest.engine, |folder| {
        let mut files = Files::new(&path.join(FILES), summary.bytes, watch);
        is_whole = files.restore_all(&manifest, folder.path())?;
        // An error, so that nothing stays.
        if is_whole { Ok(()) } else { Err(Error::unavailable("BROKEN_OFF", "it was broken off")) }
    });
    match built {
        Err(error) if error.code() == "BROKEN_OFF" && !is_whole => Ok(None),
        built => built.map(|()| Some(summary)),
    }
}

impl Manifest {
    fn summary(&self) -> Summary {
        Summary {
            number: self.number,
            engine: self.engine.clone(),
            label: self.label.clone(),
            files: self.files.len() as u64,
            bytes: self.files.iter().map(|entry| entry.bytes).sum(),
        }
    }
}

/// Files of a backup by their paths.
type Known<'a> = HashMap<&'a str, &'a manifest::Entry>;

/// Refuses `path` if it is `other`, or in it, or around it, by whatever way it leads there.
fn check_apart(path: &Path, other: &Path) -> Result<()> {
    let (ways, others) = (ancestors(path)?, ancestors(other)?);
    let is_in = |inner: &[Option<(u64, u64)>], outer: &[Option<(u64, u64)>]| {
        outer[0].is_some() && inner.contains(&outer[0])
    };
    if is_in(&ways, &others) || is_in(&others, &ways) {
        let (path, other) = (path.display(), other.display());
        let message = format!("{path} and {other} lie in each other: take a folder elsewhere");
        return Err(Error::invalid("BACKUP_INSIDE", message));
    }
    Ok(())
}

/// The device and the inode of a folder and of each that it is in; `None` for one that is missing.
fn ancestors(path: &Path) -> Result<Vec<Option<(u64, u64)>>> {
    if path.as_os_str().is_empty() {
        return Err(Error::invalid("PATH_EMPTY", "a folder of backups has a path"));
    }
    let absolute = std::path::absolute(path).map_err(|error| io_error("finding", path, error))?;
    let mut ways = Vec::new();
    let mut left = absolute.as_path();
    let there = loop {
        match left.canonicalize() {
            Ok(there) => break there,
            Err(error) if is_nowhere(&error) => {}
            Err(error) => return Err(io_error("finding", left, error)),
        }
        ways.push(None);
        left = left.parent().unwrap_or(Path::new("/"));
    };
    for folder in there.ancestors() {
        let metadata = fs::metadata(folder);
        let metadata = metadata.map_err(|error| io_error("finding", folder, error))?;
        ways.push(Some((metadata.dev(), metadata.ino())));
    }
    Ok(ways)
}

fn survey(path: &Path) -> Result<State> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Missing),
        Err(error) => return Err(io_error("opening", path, error)),
        Ok(there) if !there.is_dir() => return Err(not_backups(path, "is not a folder")),
        Ok(_) => {}
    }
    if let Some(database) = read_owner(path)? {
        return Ok(State::Made(database));
    }
    let names = names(path)?;
    let ours = [LOCK, MARKER_NEXT, FILES, BACKUPS];
    let are_ours = names.iter().all(|name| ours.contains(&name.as_str()));
    match (names.as_slice(), lock::said(path)) {
        ([], _) => Ok(State::Empty),
        (_, Said::Making) if are_ours => Ok(State::HalfMade),
        ([only], Said::Nothing) if only == LOCK => Ok(State::HalfMade),
        (_, Said::Opened) if are_ours => Err(damaged(&path.join(MARKER), "it is missing")),
        _ => Err(not_backups(path, "has files but no marker of backups")),
    }
}

fn check_owner(state: &State, path: &Path, database: Identity) -> Result<()> {
    match state {
        State::Made(other) if *other != database => {
            let message = format!("{} has backups of another database", path.display());
            Err(Error::invalid("OTHER_DATABASE", message))
        }
        State::Missing | State::Empty | State::HalfMade | State::Made(_) => Ok(()),
    }
}

/// Makes what a folder of backups consists of, the marker last.
fn start(path: &Path, lock: &Lock, database: Identity) -> Result<()> {
    lock.say("making")?;
    lock.sync()?;
    sync_folder(path)?;
    for name in [FILES, BACKUPS] {
        make_folder(&path.join(name))?;
    }
    let next = path.join(MARKER_NEXT);
    write_whole(&next, &[&manifest::marker(database)])?;
    rename(&next, &path.join(MARKER))?;
    sync_folder(path)?;
    lock.say("opened")?;
    lock.sync()
}

/// Removes what a crash left: files that were not finished. Finished ones are of use.
fn clear_leftovers(path: &Path) -> Result<()> {
    for folder in [FILES, BACKUPS].map(|name| path.join(name)) {
        for name in names(&folder)?.iter().filter(|name| is_leftover(name)) {
            remove_file(&folder.join(name))?;
        }
    }
    Ok(())
}

/// Whose backups are at `path`.
fn owner(path: &Path) -> Result<Identity> {
    match survey(path)? {
        State::Made(database) => Ok(database),
        State::Missing => Err(not_backups(path, "is missing")),
        State::Empty | State::HalfMade => Err(not_backups(path, "has no backup")),
    }
}

fn read_owner(path: &Path) -> Result<Option<Identity>> {
    let marker = path.join(MARKER);
    match fs::read(&marker) {
        Err(error) if is_nowhere(&error) => Ok(None),
        Err(error) => Err(io_error("reading", &marker, error)),
        Ok(bytes) => manifest::read_marker(&bytes, &marker).map(Some),
    }
}

/// The numbers of the backups, in order.
fn numbers(path: &Path) -> Result<Vec<u64>> {
    let backups = path.join(BACKUPS);
    if !backups.is_dir() {
        return Err(damaged(&backups, "it is missing"));
    }
    let number = |name: &String| name.parse().ok().filter(|number| name_of(*number) == *name);
    let mut numbers: Vec<u64> = names(&backups)?.iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn name_of(number: u64) -> String {
    format!("{number:0NUMBER_DIGITS$}")
}

fn read_manifest(path: &Path, number: u64) -> Result<Manifest> {
    let name = path.join(BACKUPS).join(name_of(number));
    let failed = |error| io_error("reading", &name, error);
    if fs::metadata(&name).map_err(failed)?.len() > MANIFEST_BYTES_MAX {
        return Err(damaged(&name, "it is larger than any that was written"));
    }
    let manifest = Manifest::decode(&fs::read(&name).map_err(failed)?, &name)?;
    match manifest.number == number {
        true => Ok(manifest),
        false => Err(damaged(&name, "it says another number")),
    }
}

fn write_manifest(path: &Path, manifest: &Manifest) -> Result<()> {
    let bytes = manifest.encode();
    if bytes.len() as u64 > MANIFEST_BYTES_MAX {
        let message = format!("a backup of {} files is too large", manifest.files.len());
        return Err(Error::exhausted("BACKUP_TOO_LARGE", message));
    }
    let backups = path.join(BACKUPS);
    let name = backups.join(name_of(manifest.number));
    let next = name.with_extension(&NEXT_SUFFIX[1..]);
    write_whole(&next, &[&bytes])?;
    rename(&next, &name)?;
    sync_folder(&backups)
}

fn remove_file(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(|error| io_error("removing", path, error))
}

fn not_backups(path: &Path, why: &str) -> Error {
    Error::invalid("NOT_A_BACKUP", format!("{} {why}", path.display()))
}
