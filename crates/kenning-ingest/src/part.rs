//! A file that is there when it is whole.
//!
//! Bytes go to `NAME.part`; only when all of them are on the disk does the file get its name. A
//! full disk, a signal or a loss of power leaves no half file under the name.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use kenning_store::{Error, ErrorKind, Result};

const BUFFER_BYTES: usize = 1 << 20;

/// A file in the making; dropped before it is finished, it is removed.
pub(crate) struct PartFile {
    writer: BufWriter<File>,
    part: PathBuf,
    path: PathBuf,
    replace: bool,
    finished: bool,
}

impl PartFile {
    /// Begins the file `path`, which must not be there unless it may be replaced.
    pub(crate) fn create(path: &Path, replace: bool) -> Result<Self> {
        if path.is_dir() {
            return Err(Error::invalid("FILE", format!("'{}' is a folder", path.display())));
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        PartFile::named(part.into(), path, replace)
    }

    /// Begins the file `path` under the name `part`.
    pub(crate) fn named(part: PathBuf, path: &Path, replace: bool) -> Result<Self> {
        check_free(path, replace)?;
        let file = File::create(&part).map_err(|error| unwritten(&part, error))?;
        let writer = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(PartFile { writer, part, path: path.to_owned(), replace, finished: false })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.write_all(bytes).map_err(|error| unwritten(&self.part, error))
    }

    /// Makes it durable and gives it its name.
    pub(crate) fn finish(mut self) -> Result<()> {
        let synced = self.writer.flush().and_then(|()| self.writer.get_ref().sync_all());
        synced.map_err(|error| unwritten(&self.part, error))?;
        check_free(&self.path, self.replace)?;
        std::fs::rename(&self.part, &self.path).map_err(|error| unwritten(&self.path, error))?;
        self.finished = true;
        let folder = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        // The name is durable when its folder is.
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| unwritten(&self.path, error))
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.finished {
            // If it can't be removed either, the next export begins by overwriting it.
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

/// Refuses a path where something is.
pub(crate) fn check_free(path: &Path, replace: bool) -> Result<()> {
    if replace || !path.exists() {
        return Ok(());
    }
    let message = format!("the file '{}' is there already", path.display());
    Err(Error::invalid("FILE_EXISTS", message))
}

/// The error of a writing that failed.
pub(crate) fn unwritten(path: &Path, error: io::Error) -> Error {
    let message = format!("the file '{}' cannot be written", path.display());
    let is = |kinds: &[io::ErrorKind]| kinds.contains(&error.kind());
    if is(&[io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded]) {
        return Error::unavailable("DISK_FULL", message).because(error);
    }
    if is(&[io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem]) {
        return Error::new(ErrorKind::Denied, "READ_ONLY", message).because(error);
    }
    if is(&[io::ErrorKind::NotFound, io::ErrorKind::NotADirectory]) {
        return Error::invalid("FILE", message).because(error);
    }
    Error::unavailable("IO", message).because(error)
}
