//! A database folder: what every engine on a disk shares.
//!
//! | name | what |
//! |---|---|
//! | `KENNING` | the marker: two lines, `format 1` and `engine NAME` |
//! | `LOCK` | locked while a process has the folder open; says which one |
//! | `store/` | the engine's own files |
//! | `parts/` | blobs: `<32 hexadecimal digits>.part` |
//! | `copy.tmp/` | a copy on its way into a backup; what a crash left of it is cleared away |
//!
//! The marker is written last, so a folder with a marker is whole. Until then `LOCK` says that the
//! folder is in the making, which is the only thing that allows a later open to clear it: a
//! database that merely lost its marker is refused, never emptied.
//!
//! A part is its bytes, then their number (`u64`, little-endian), then the CRC-32 of all before
//! (`u32`, little-endian). Whatever must survive a power loss is written under another name,
//! synced, renamed, and its folder synced.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::lock::{self, LOCK, Lock, Said};
use crate::{Bytes, Error, ErrorKind, Finding, PartId, Result};

/// The version of everything that is stored in a database folder.
pub const FORMAT_VERSION: u32 = 1;

const MARKER: &str = "KENNING";
const MARKER_NEXT: &str = "KENNING.next";
const STORE: &str = "store";
/// Where an engine may prepare `store/`, to rename it.
const STORE_NEXT: &str = "store.tmp";
const PARTS: &str = "parts";
/// Where a copy lies that nobody keeps. In the folder, so that it can be made of links; never in
/// `store/`, which belongs to the engine.
const SCRATCH: &str = "copy.tmp";
const PART_SUFFIX: &str = ".part";
const PART_NEXT_SUFFIX: &str = ".next";
/// The length and the checksum behind the bytes of a part.
const TRAILER_BYTES: usize = size_of::<u64>() + size_of::<u32>();
const CHUNK_BYTES: usize = 1 << 20;

/// What `open` does where there is no database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Create {
    /// Makes one if there is none.
    #[default]
    IfMissing,
    /// Refuses: `Invalid NO_DATABASE`.
    Never,
    /// Makes one, and refuses one that exists: `Invalid DATABASE_EXISTS`.
    New,
}

/// An open database folder. No other process, and nobody else in this one, has it open.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    engine: String,
    lock: Lock,
    new: bool,
    parts: Mutex<()>,
    /// Whether somebody uses `copy.tmp/`.
    copying: AtomicBool,
}

/// The place for one copy that nobody keeps; whatever is there goes when this is dropped.
#[derive(Debug)]
pub struct Scratch<'a> {
    folder: &'a Folder,
    path: PathBuf,
}

impl Scratch<'_> {
    /// Where the copy may be made. Nothing is there yet.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        // What stays is cleared before it is used again, and when the folder is opened.
        let _ = fs::remove_dir_all(&self.path);
        self.folder.copying.store(false, Ordering::Release);
    }
}

/// What a path is.
enum State {
    Missing,
    Empty,
    /// Our own creation that did not come to its end.
    HalfMade,
    Made(Marker),
}

struct Marker {
    format: u32,
    engine: String,
}

impl Folder {
    /// Opens the folder at `path` for `engine`, and holds it until it is dropped.
    ///
    /// A new folder ([`Folder::is_new`]) is no database until [`Folder::finish`] is called.
    pub fn open(path: &Path, engine: &str, create: Create) -> Result<Folder> {
        if !is_allowed(&survey(path)?, path, engine, create)? {
            make_folder(path)?;
        }
        let lock = Lock::hold(path)?;
        // Once more: until the lock was ours, somebody else may have made the database.
        let made = is_allowed(&survey(path)?, path, engine, create)?;
        let (path, engine) = (path.to_owned(), engine.to_owned());
        let (parts, copying) = (Mutex::new(()), AtomicBool::new(false));
        let folder = Folder { path, engine, lock, new: !made, parts, copying };
        if folder.new {
            folder.start()?;
        } else {
            folder.lock.say("opened")?;
            folder.clear_leftovers()?;
        }
        Ok(folder)
    }

    /// The engine of the database at `path`, without holding it; `None` if there is no database.
    pub fn engine_of(path: &Path) -> Result<Option<String>> {
        Ok(read_marker(path)?.map(|marker| marker.engine))
    }

    /// The engine that a marker of these bytes names. For fuzzing.
    #[doc(hidden)]
    pub fn engine_said(marker: &[u8]) -> Result<String> {
        parse_marker(Path::new("a folder"), marker).map(|marker| marker.engine)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which engine's files it has.
    pub fn engine(&self) -> &str {
        &self.engine
    }

    /// The folder for the engine's own files. It exists.
    pub fn store(&self) -> PathBuf {
        self.path.join(STORE)
    }

    /// Whether it was made by this `open`.
    pub fn is_new(&self) -> bool {
        self.new
    }

    /// Makes a new folder a database: the engine's files are complete and durable.
    pub fn finish(&mut self) -> Result<()> {
        if !self.new {
            return Ok(());
        }
        sync_folder(&self.path)?;
        let marker = format!("format {FORMAT_VERSION}\nengine {}\n", self.engine);
        let next = self.path.join(MARKER_NEXT);
        write_whole(&next, &[marker.as_bytes()])?;
        rename(&next, &self.path.join(MARKER))?;
        sync_folder(&self.path)?;
        self.lock.say("opened")?;
        self.lock.sync()?;
        self.new = false;
        Ok(())
    }

    /// Makes a copy at `target`, which must not exist: `fill` writes the engine's files into the
    /// folder it gets; the parts are linked or copied, and none is dropped meanwhile.
    pub fn copy(&self, target: &Path, fill: impl FnOnce(&Folder) -> Result<()>) -> Result<()> {
        Folder::build(target, &self.engine, |folder| {
            let _none_is_dropped = self.hold_parts();
            fill(folder)?;
            self.copy_parts(folder)
        })
    }

    /// The place for one copy, on the same file system. `Unavailable COPY_RUNNING` while somebody
    /// else in this process makes one.
    pub fn scratch(&self) -> Result<Scratch<'_>> {
        if self.copying.swap(true, Ordering::Acquire) {
            let message = format!("another copy of {} is being made", self.path.display());
            return Err(Error::unavailable("COPY_RUNNING", message));
        }
        let scratch = Scratch { folder: self, path: self.path.join(SCRATCH) };
        clear(&scratch.path)?;
        Ok(scratch)
    }

    /// Makes a database at `target`, where nothing may be but what such a call left when it was cut
    /// off, of what `fill` writes. After an error there is nothing at `target`.
    pub fn build(
        target: &Path,
        engine: &str,
        fill: impl FnOnce(&Folder) -> Result<()>,
    ) -> Result<()> {
        let is_half_made = matches!(survey(target), Ok(State::HalfMade));
        if target.symlink_metadata().is_ok() && !is_half_made {
            let target = target.display();
            return Err(Error::invalid("TARGET_EXISTS", format!("{target} exists already")));
        }
        let mut folder = Folder::open(target, engine, Create::New).inspect_err(|_| {
            // An empty one was made just now; any other stays.
            let _ = fs::remove_dir(target);
        })?;
        fill(&folder).and_then(|()| folder.finish()).inspect_err(|_| {
            // The first error is the one to tell; what stays is recognised as half-made.
            let _ = fs::remove_dir_all(target);
        })
    }

    /// Makes what a new folder consists of, apart from the marker.
    fn start(&self) -> Result<()> {
        self.lock.say("making")?;
        self.lock.sync()?;
        sync_folder(&self.path)?;
        for name in [STORE, STORE_NEXT, PARTS, SCRATCH] {
            clear(&self.path.join(name))?;
        }
        for name in [STORE, PARTS] {
            let path = self.path.join(name);
            fs::create_dir(&path).map_err(|error| io_error("making", &path, error))?;
        }
        sync_folder(&self.path)
    }

    /// Removes what a crash left: parts that were not finished, a copy on its way.
    fn clear_leftovers(&self) -> Result<()> {
        clear(&self.path.join(SCRATCH))?;
        let path = self.path.join(PARTS);
        for name in names(&path)? {
            if name.ends_with(PART_NEXT_SUFFIX) {
                let path = path.join(name);
                fs::remove_file(&path).map_err(|error| io_error("removing", &path, error))?;
            }
        }
        Ok(())
    }
}

/// Blobs.
impl Folder {
    /// Stores `bytes` under `part`, durably.
    pub fn put_part(&self, part: PartId, bytes: &[u8]) -> Result<()> {
        let path = self.part_path(part);
        let trailer = trailer(bytes);
        let _alone = self.hold_parts();
        match fs::read(&path) {
            Ok(there) if is_same(&there, bytes, &trailer) => {}
            Ok(there) if check_part(&there).is_err() => {
                return Err(damaged_part(part, "its checksum does not fit"));
            }
            Ok(_) => {
                let message = format!("part {part} exists with other bytes");
                return Err(Error::invalid("PART_EXISTS", message));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let next = path.with_extension(&PART_NEXT_SUFFIX[1..]);
                write_whole(&next, &[bytes, &trailer])?;
                rename(&next, &path)?;
            }
            Err(error) => return Err(io_error("reading", &path, error)),
        }
        // Also when it was there already: an earlier call may have failed just here.
        sync_folder(&self.path.join(PARTS))
    }

    /// Reads `bytes` of `part`, fewer where it ends; `None` if there is no such part.
    ///
    /// The checksum is checked when everything is read.
    pub fn read_part(&self, part: PartId, bytes: std::ops::Range<u64>) -> Result<Option<Bytes>> {
        let path = self.part_path(part);
        let failed = |error| io_error("reading", &path, error);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let file_bytes = file.metadata().map_err(failed)?.len();
        let size = file_bytes
            .checked_sub(TRAILER_BYTES as u64)
            .ok_or_else(|| damaged_part(part, "it is cut"))?;
        let until = bytes.end.min(size);
        let from = bytes.start.min(until);
        let whole = from == 0 && until == size;
        let read_until = if whole { file_bytes } else { until };
        let mut read = vec![0; usize::try_from(read_until - from).expect("64-bit addresses")];
        file.read_exact_at(&mut read, from).map_err(failed)?;
        if whole {
            check_part(&read).map_err(|why| damaged_part(part, why))?;
            read.truncate(read.len() - TRAILER_BYTES);
        }
        Ok(Some(Bytes::from(read)))
    }

    /// All of `part`, mapped; `None` if there is no such part. It is read once and checked, past
    /// the map: so what is looked at later is all that takes memory.
    pub fn map_part(&self, part: PartId) -> Result<Option<Bytes>> {
        let path = self.part_path(part);
        let failed = |error| io_error("mapping", &path, error);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let checked = check_part_file(&file).map_err(failed)?;
        checked.map_err(|why| damaged_part(part, why))?;
        let mapped = Bytes::from_owner(crate::raw::map(&file).map_err(failed)?);
        Ok(Some(mapped.slice(..mapped.len() - TRAILER_BYTES)))
    }

    /// Removes `part`, present or not.
    pub fn drop_part(&self, part: PartId) -> Result<()> {
        let path = self.part_path(part);
        let _alone = self.hold_parts();
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(io_error("removing", &path, error)),
            Ok(()) => sync_folder(&self.path.join(PARTS)),
        }
    }

    /// Every part, in order.
    pub fn parts(&self) -> Result<Vec<PartId>> {
        let names = names(&self.path.join(PARTS))?;
        let mut parts: Vec<PartId> = names.iter().filter_map(|name| part_of(name)).collect();
        parts.sort_unstable();
        Ok(parts)
    }

    /// Reads every part and tells which are damaged.
    pub fn verify_parts(&self) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for part in self.parts()? {
            let found = match File::open(self.part_path(part)).and_then(|it| check_part_file(&it)) {
                // Dropped since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => Err(error.to_string()),
                Ok(checked) => checked.map_err(str::to_owned),
            };
            if let Err(why) = found {
                findings.push(Finding { code: "PART_DAMAGED", message: format!("{part}: {why}") });
            }
        }
        Ok(findings)
    }

    fn copy_parts(&self, target: &Folder) -> Result<()> {
        for part in self.parts()? {
            let source = self.part_path(part);
            let path = target.part_path(part);
            // Another file system cannot link; it gets a copy.
            if fs::hard_link(&source, &path).is_err() {
                let failed = |error| io_error("copying", &path, error);
                fs::copy(&source, &path).map_err(failed)?;
                File::open(&path).and_then(|file| file.sync_all()).map_err(failed)?;
            }
        }
        sync_folder(&target.path.join(PARTS))
    }

    fn part_path(&self, part: PartId) -> PathBuf {
        self.path.join(PARTS).join(format!("{part}{PART_SUFFIX}"))
    }

    fn hold_parts(&self) -> MutexGuard<'_, ()> {
        self.parts.lock().expect("nobody panics while holding the parts")
    }
}

/// Says what is at `path`, or that it is not ours.
fn survey(path: &Path) -> Result<State> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Missing),
        Err(error) => return Err(io_error("opening", path, error)),
        Ok(there) if !there.is_dir() => return Err(not_a_database(path, "is not a folder")),
        Ok(_) => {}
    }
    if let Some(marker) = read_marker(path)? {
        return Ok(State::Made(marker));
    }
    let names = names(path)?;
    let ours = [LOCK, MARKER_NEXT, STORE, STORE_NEXT, PARTS, SCRATCH];
    if names.iter().any(|name| !ours.contains(&name.as_str())) {
        return Err(not_a_database(path, "has files but no marker"));
    }
    match (names.as_slice(), lock::said(path)) {
        ([], _) => Ok(State::Empty),
        (_, Said::Making) => Ok(State::HalfMade),
        ([only], Said::Nothing) if only == LOCK => Ok(State::HalfMade),
        (_, Said::Opened) => Err(damaged_marker(path, "is missing")),
        (_, Said::Nothing | Said::Other) => Err(not_a_database(path, "has files but no marker")),
    }
}

/// Whether the database is there; an error if it must not be, or cannot be used.
fn is_allowed(state: &State, path: &Path, engine: &str, create: Create) -> Result<bool> {
    let shown = path.display();
    match (state, create) {
        (State::Missing | State::Empty | State::HalfMade, Create::Never) => {
            Err(Error::invalid("NO_DATABASE", format!("there is no database at {shown}")))
        }
        (State::Missing | State::Empty | State::HalfMade, Create::IfMissing | Create::New) => {
            Ok(false)
        }
        (State::Made(_), Create::New) => {
            Err(Error::invalid("DATABASE_EXISTS", format!("there is a database at {shown}")))
        }
        (State::Made(marker), Create::IfMissing | Create::Never) => {
            assert!(marker.format <= FORMAT_VERSION, "a newer format is refused when it is read");
            if marker.engine != engine {
                let there = &marker.engine;
                let message = format!("{shown} is a database of engine '{there}', not '{engine}'");
                return Err(Error::invalid("OTHER_ENGINE", message));
            }
            Ok(true)
        }
    }
}

fn read_marker(path: &Path) -> Result<Option<Marker>> {
    let marker = match fs::read(path.join(MARKER)) {
        Ok(marker) => marker,
        Err(error) if is_nowhere(&error) => return Ok(None),
        Err(error) => return Err(io_error("reading", &path.join(MARKER), error)),
    };
    parse_marker(path, &marker).map(Some)
}

fn parse_marker(path: &Path, marker: &[u8]) -> Result<Marker> {
    let text = str::from_utf8(marker).map_err(|_| damaged_marker(path, "is not text"))?;
    // The format first: what follows is for that format to say.
    let format = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("format "))
        .and_then(|number| number.parse::<u32>().ok())
        .filter(|format| *format > 0)
        .ok_or_else(|| damaged_marker(path, "does not say its format"))?;
    if format > FORMAT_VERSION {
        let path = path.display();
        let message = format!("{path} has format {format}, this program knows {FORMAT_VERSION}");
        return Err(Error::invalid("FORMAT_TOO_NEW", message));
    }
    let engine = text
        .strip_prefix(&format!("format {format}\nengine "))
        .and_then(|rest| rest.strip_suffix('\n'))
        .filter(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase()))
        .ok_or_else(|| damaged_marker(path, "does not say its engine"))?;
    Ok(Marker { format, engine: engine.to_owned() })
}

/// Whether a path leads nowhere: a part of it is missing, or is a file.
pub(crate) fn is_nowhere(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

pub(crate) fn make_folder(path: &Path) -> Result<()> {
    match fs::create_dir(path) {
        Ok(()) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            sync_folder(parent.unwrap_or(Path::new(".")))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if is_nowhere(&error) => {
            let message = format!("the folder that {} would be in is missing", path.display());
            Err(Error::invalid("NO_PARENT_FOLDER", message).because(error))
        }
        Err(error) => Err(io_error("making", path, error)),
    }
}

fn trailer(bytes: &[u8]) -> [u8; TRAILER_BYTES] {
    let size = (bytes.len() as u64).to_le_bytes();
    let mut sum = crc32fast::Hasher::new();
    sum.update(bytes);
    sum.update(&size);
    let mut trailer = [0; TRAILER_BYTES];
    trailer[..size.len()].copy_from_slice(&size);
    trailer[size.len()..].copy_from_slice(&sum.finalize().to_le_bytes());
    trailer
}

fn is_same(there: &[u8], bytes: &[u8], trailer: &[u8]) -> bool {
    there.strip_suffix(trailer) == Some(bytes)
}

/// Reads a part in pieces, whatever its size.
fn check_part_file(mut file: &File) -> io::Result<Result<(), &'static str>> {
    let file_bytes = file.metadata()?.len();
    let Some(size) = file_bytes.checked_sub(TRAILER_BYTES as u64) else {
        return Ok(Err("it is cut"));
    };
    let mut sum = crc32fast::Hasher::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut left = size;
    while left > 0 {
        let chunk_bytes = usize::try_from(left.min(CHUNK_BYTES as u64)).expect("a chunk");
        file.read_exact(&mut chunk[..chunk_bytes])?;
        sum.update(&chunk[..chunk_bytes]);
        left -= chunk_bytes as u64;
    }
    let mut trailer = [0; TRAILER_BYTES];
    file.read_exact(&mut trailer)?;
    Ok(check_trailer(sum, size, &trailer))
}

/// Checks a part with its trailer.
fn check_part(part: &[u8]) -> Result<(), &'static str> {
    let (bytes, trailer) = part.split_last_chunk::<TRAILER_BYTES>().ok_or("it is cut")?;
    let mut sum = crc32fast::Hasher::new();
    sum.update(bytes);
    check_trailer(sum, bytes.len() as u64, trailer)
}

/// Checks a trailer behind `size` bytes that have `sum`.
fn check_trailer(
    mut sum: crc32fast::Hasher,
    size: u64,
    trailer: &[u8; TRAILER_BYTES],
) -> Result<(), &'static str> {
    let (length, expected) = trailer.split_at(size_of::<u64>());
    if length != size.to_le_bytes() {
        return Err("its length does not fit");
    }
    sum.update(length);
    if expected != sum.finalize().to_le_bytes() {
        return Err("its checksum does not fit");
    }
    Ok(())
}

fn part_of(name: &str) -> Option<PartId> {
    let digits = name.strip_suffix(PART_SUFFIX)?;
    let part = PartId(u128::from_str_radix(digits, 16).ok()?);
    // Only the one way of writing it.
    (part.to_string() == digits).then_some(part)
}

pub(crate) fn names(folder: &Path) -> Result<Vec<String>> {
    let failed = |error| io_error("listing", folder, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

/// Removes a folder, present or not.
fn clear(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error("clearing", path, error))
        }
        _ => Ok(()),
    }
}

/// Writes a file and syncs it; after an error it is gone.
pub(crate) fn write_whole(path: &Path, pieces: &[&[u8]]) -> Result<()> {
    let write = || {
        let mut file = File::create(path)?;
        for piece in pieces {
            file.write_all(piece)?;
        }
        file.sync_all()
    };
    write().map_err(|error| {
        // The first error is the one to tell.
        let _ = fs::remove_file(path);
        io_error("writing", path, error)
    })
}

pub(crate) fn rename(source: &Path, target: &Path) -> Result<()> {
    fs::rename(source, target).map_err(|error| io_error("renaming to", target, error))
}

pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| io_error("syncing", path, error))
}

/// What an error of the file system asks for.
pub(crate) fn io_error(doing: &str, path: &Path, error: io::Error) -> Error {
    let message = format!("{doing} {} failed", path.display());
    let (kind, code) = if is_refusal(&error) {
        (ErrorKind::Denied, "READ_ONLY")
    } else if is_full(&error) {
        (ErrorKind::Unavailable, "DISK_FULL")
    } else {
        (ErrorKind::Unavailable, "IO")
    };
    Error::new(kind, code, message).because(error)
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn not_a_database(path: &Path, why: &str) -> Error {
    Error::invalid("NOT_A_DATABASE", format!("{} {why}", path.display()))
}

fn damaged_marker(path: &Path, why: &str) -> Error {
    let marker = path.join(MARKER);
    Error::corrupt("MARKER_DAMAGED", format!("the marker {} {why}", marker.display()))
}

fn damaged_part(part: PartId, why: &str) -> Error {
    Error::corrupt("PART_DAMAGED", format!("part {part} is damaged: {why}"))
}
