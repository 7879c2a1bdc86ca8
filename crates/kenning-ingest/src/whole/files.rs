//! Files that are hashed as they are written, and read line by line.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use kenning_engine::ContentHash;
use kenning_store::{Error, Result};

use super::marker::FileSaid;
use super::{ENDING, MARKER};
use crate::part::PartFile;
use crate::source::unread;

/// The most bytes of a line: a record has 32 MiB at most, of which each byte may take six.
const LINE_BYTES_MAX: u64 = 256 << 20;
const READ_BYTES: usize = 1 << 20;

/// The folder of an export in the making; dropped before it is whole, what is in it is removed.
pub(super) struct Folder {
    path: PathBuf,
    /// It keeps the folder, from the begin on, as one that is not whole.
    marker: Option<PartFile>,
    /// Whether this made the folder.
    made: bool,
}

impl Folder {
    /// Begins an export in `path`, which is new, or empty, or has what is left of one that was cut
    /// off.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let unmade = |error| {
            let message = format!("the folder '{}' cannot be made", path.display());
            Error::invalid("FILE", message).because(error)
        };
        let made = !path.exists();
        std::fs::create_dir_all(path).map_err(unmade)?;
        let marker = path.join(MARKER);
        let is_left = marker.with_extension("part").exists() && !marker.exists();
        if !is_left && std::fs::read_dir(path).map_err(unmade)?.next().is_some() {
            let message = format!("the folder '{}' is not empty", path.display());
            return Err(Error::invalid("FOLDER_NOT_EMPTY", message));
        }
        clear(path);
        let marker = Some(PartFile::create(&marker, false)?);
        Ok(Folder { path: path.to_owned(), marker, made })
    }

    /// Begins the file `name`, a path with `/`.
    pub(super) fn file(&self, name: &str) -> Result<Lines> {
        let path = self.path.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| {
                let message = format!("the folder '{}' cannot be made", parent.display());
                Error::unavailable("IO", message).because(error)
            })?;
        }
        Ok(Lines {
            file: PartFile::create(&path, false)?,
            name: name.to_owned(),
            hasher: blake3::Hasher::new(),
            bytes: 0,
            lines: 0,
        })
    }

    /// Writes the marker: from now on it is an export.
    pub(super) fn finish(mut self, marker: &str) -> Result<()> {
        sync_folders(&self.path)?;
        let mut file = self.marker.take().expect("it is there until the folder is finished");
        let written = file.write(marker.as_bytes()).and_then(|()| file.finish());
        match written {
            Ok(()) => self.made = false,
            Err(_) => clear(&self.path),
        }
        written
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.marker.take().is_some() {
            clear(&self.path);
        }
        if self.made {
            // Only where nothing is in it.
            let _ = std::fs::remove_dir(&self.path);
        }
    }
}

/// Makes the names of the tenants' folders, and of what is in them, durable.
fn sync_folders(path: &Path) -> Result<()> {
    let sync = || -> std::io::Result<()> {
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                File::open(entry.path())?.sync_all()?;
            }
        }
        File::open(path)?.sync_all()
    };
    sync().map_err(|error| {
        let message = format!("the folder '{}' cannot be made durable", path.display());
        Error::unavailable("IO", message).because(error)
    })
}

/// Removes what an export makes, and nothing else. What can't be removed stays: without a marker
/// it is no export.
fn clear(path: &Path) {
    let is_ours = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let name = name.strip_suffix(".part").unwrap_or(name);
        name.ends_with(ENDING) || name == MARKER
    };
    let entries = |path: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    for entry in entries(path) {
        if is_ours(&entry) {
            let _ = std::fs::remove_file(&entry);
        } else if entry.is_dir() && !entry.is_symlink() {
            for file in entries(&entry).iter().filter(|file| is_ours(file)) {
                let _ = std::fs::remove_file(file);
            }
            let _ = std::fs::remove_dir(&entry);
        }
    }
}

/// A file in the making, and what the marker will say about it.
pub(super) struct Lines {
    file: PartFile,
    name: String,
    hasher: blake3::Hasher,
    bytes: u64,
    lines: u64,
}

impl Lines {
    /// Writes some whole lines.
    pub(super) fn write(&mut self, bytes: &[u8], lines: u64) -> Result<()> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.lines += lines;
        self.file.write(bytes)
    }

    pub(super) fn finish(self) -> Result<FileSaid> {
        let Lines { file, name, hasher, bytes, lines } = self;
        file.finish()?;
        let hash = ContentHash(*hasher.finalize().as_bytes());
        Ok(FileSaid { path: name, bytes, lines, hash })
    }
}

/// Compares a file with what the marker says; `false` if `hashed` breaks that off.
pub(super) fn check(
    folder: &Path,
    said: &FileSaid,
    hashed: &mut dyn FnMut(u64) -> bool,
) -> Result<bool> {
    let mut file = open(folder, said)?;
    let differs = || {
        let message = format!("the file '{}' is not as it was exported", said.path);
        Error::invalid("EXPORT_CHANGED", message)
    };
    if file.metadata().map_err(unread)?.len() != said.bytes {
        return Err(differs());
    }
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let size = file.read(&mut buffer).map_err(unread)?;
        if size == 0 {
            break;
        }
        hasher.update(&buffer[..size]);
        if !hashed(size as u64) {
            return Ok(false);
        }
    }
    let is_same = *hasher.finalize().as_bytes() == said.hash.0;
    if is_same { Ok(true) } else { Err(differs()) }
}

fn open(folder: &Path, said: &FileSaid) -> Result<File> {
    File::open(folder.join(&said.path)).map_err(|error| {
        let message = format!("the file '{}' of the export cannot be read", said.path);
        Error::invalid("FILE", message).because(error)
    })
}

/// A file of an export, line by line.
pub(super) struct Reading<'a> {
    said: &'a FileSaid,
    reader: BufReader<File>,
    /// Where the next line begins.
    pub(super) offset: u64,
    /// The number of the line that was read last.
    pub(super) line: u64,
    buffer: Vec<u8>,
}

impl<'a> Reading<'a> {
    /// Reads on from `offset`, behind line `line`.
    pub(super) fn open(folder: &Path, said: &'a FileSaid, offset: u64, line: u64) -> Result<Self> {
        let mut file = open(folder, said)?;
        file.seek(SeekFrom::Start(offset)).map_err(unread)?;
        let reader = BufReader::with_capacity(READ_BYTES, file);
        Ok(Reading { said, reader, offset, line, buffer: Vec::new() })
    }

    /// The next line; `None` behind the last one.
    pub(super) fn next(&mut self) -> Result<Option<&str>> {
        self.buffer.clear();
        let mut limited = self.reader.by_ref().take(LINE_BYTES_MAX);
        let size = limited.read_until(b'\n', &mut self.buffer).map_err(unread)?;
        if size == 0 {
            return Ok(None);
        }
        self.line += 1;
        self.offset += size as u64;
        if self.buffer.pop() != Some(b'\n') {
            let message = "the line is cut, or longer than a line can be";
            return Err(self.refused(self.line, &Error::invalid("LINE_CUT", message)));
        }
        match std::str::from_utf8(&self.buffer) {
            Ok(line) => Ok(Some(line)),
            Err(error) => {
                let at = error.valid_up_to() + 1;
                let message = format!("the line is no text at byte {at}");
                Err(self.refused(self.line, &Error::invalid("UTF8_MALFORMED", message)))
            }
        }
    }

    /// An error about a line, with its place.
    pub(super) fn refused(&self, line: u64, error: &Error) -> Error {
        let message = format!("{} line {line}: {}", self.said.path, error.message());
        let told = Error::new(error.kind(), error.code(), message);
        match std::error::Error::source(error) {
            Some(source) => told.because(source.to_string()),
            None => told,
        }
    }
}
