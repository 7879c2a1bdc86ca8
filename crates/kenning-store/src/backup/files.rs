//! Contents, in and out, a chunk at a time.
//!
//! A file is read for its hash first, and copied only if no content has that hash; the copy is
//! hashed again on its way, so that what is stored under a name is what the name says. Files of an
//! engine are small enough for the second reading to come from memory.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::manifest::{Entry, Hash, Manifest, Origin, damaged};
use super::{Copying, Known, NEXT_SUFFIX, Watch};
use crate::folder::{io_error, make_folder, rename, sync_folder};
use crate::{Error, Result};

const CHUNK_BYTES: usize = 1 << 20;
/// What is written is synced in steps of this size, so that no commit waits behind a whole file.
const SYNC_STEP_BYTES: u64 = 8 << 20;
/// What a backup has of a database folder.
const COPIED: [&str; 2] = ["parts", "store"];

/// What a folder consists of.
pub(super) struct Listed {
    pub(super) folders: Vec<String>,
    pub(super) files: Vec<String>,
    pub(super) bytes: u64,
}

/// Contents under the hashes of their bytes, and how far the work with them is.
pub(super) struct Files<'a, 'w> {
    folder: PathBuf,
    watch: &'a mut Watch<'w>,
    copying: Copying,
    pub(super) files_copied: u64,
    pub(super) bytes_copied: u64,
    chunk: Vec<u8>,
}

/// What came of reading a file to its end.
enum Ending {
    Done(Hash, u64),
    BrokenOff,
}

/// The folders and files of a copy of a database, in order of their paths.
pub(super) fn list(copy: &Path) -> Result<Listed> {
    let mut listed = Listed { folders: Vec::new(), files: Vec::new(), bytes: 0 };
    let mut rest: Vec<String> = COPIED.iter().map(|name| (*name).to_owned()).collect();
    while let Some(folder) = rest.pop() {
        let path = copy.join(&folder);
        let failed = |error| io_error("listing", &path, error);
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = format!("{folder}/{}", text(&entry.file_name())?);
            let metadata = entry.metadata().map_err(failed)?;
            match metadata.is_dir() {
                true => rest.push(name),
                false => {
                    listed.bytes += metadata.len();
                    listed.files.push(name);
                }
            }
        }
        listed.folders.push(folder);
    }
    listed.folders.sort_unstable();
    listed.files.sort_unstable();
    Ok(listed)
}

impl<'a, 'w> Files<'a, 'w> {
    /// The contents in `folder`, to work on `bytes_total` bytes of them.
    pub(super) fn new(folder: &Path, bytes_total: u64, watch: &'a mut Watch<'w>) -> Self {
        Files {
            folder: folder.to_owned(),
            watch,
            copying: Copying { bytes: 0, bytes_total },
            files_copied: 0,
            bytes_copied: 0,
            chunk: vec![0; CHUNK_BYTES],
        }
    }

    /// Stores every file of a copy that is not there; `None` if it was broken off.
    pub(super) fn store_all(
        &mut self,
        copy: &Path,
        listed: &Listed,
        known: &Known<'_>,
    ) -> Result<Option<Vec<Entry>>> {
        let mut entries = Vec::with_capacity(listed.files.len());
        for path in &listed.files {
            let known = known.get(path.as_str()).copied();
            let Some(entry) = self.store(copy, path, known)? else { return Ok(None) };
            self.copying.bytes += entry.bytes;
            if (self.watch)(self.copying).is_break() {
                return Ok(None);
            }
            entries.push(entry);
        }
        Ok(Some(entries))
    }

    fn store(&mut self, copy: &Path, path: &str, known: Option<&Entry>) -> Result<Option<Entry>> {
        let source = copy.join(path);
        let metadata =
            fs::metadata(&source).map_err(|error| io_error("reading", &source, error))?;
        let modified_ns =
            i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
        let origin = Origin { inode: metadata.ino(), modified_ns };
        let is_known = |entry: &&Entry| entry.origin == Some(origin);
        if let Some(entry) = known.filter(is_known)
            && entry.bytes == metadata.len()
            && self.has(&entry.hash, entry.bytes)?
        {
            return Ok(Some(entry.clone()));
        }
        let Ending::Done(hash, bytes) = self.read(&source, None)? else { return Ok(None) };
        if !self.has(&hash, bytes)? && !self.copy_in(&source, hash)? {
            return Ok(None);
        }
        let origin = (metadata.nlink() > 1).then_some(origin);
        Ok(Some(Entry { path: path.to_owned(), bytes, hash, origin }))
    }

    /// Whether there is a content of this hash. One of another length is damaged, and is replaced.
    fn has(&self, hash: &Hash, bytes: u64) -> Result<bool> {
        let path = self.path(hash);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(metadata.len() == bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(io_error("reading", &path, error)),
        }
    }

    /// Copies a file in; `false` if it was broken off.
    fn copy_in(&mut self, source: &Path, hash: Hash) -> Result<bool> {
        let path = self.path(&hash);
        let next = path.with_extension(&NEXT_SUFFIX[1..]);
        let renamed = self.copy(source, &next).and_then(|ending| match ending {
            Ending::BrokenOff => Ok(None),
            Ending::Done(copied, bytes) if copied == hash => {
                rename(&next, &path).map(|()| Some(bytes))
            }
            Ending::Done(..) => {
                let message = format!("{} is read differently each time", source.display());
                Err(Error::corrupt("FILE_UNSTABLE", message))
            }
        });
        if !matches!(renamed, Ok(Some(_))) {
            // The first error is the one to tell.
            let _ = fs::remove_file(&next);
        }
        let Some(bytes) = renamed? else { return Ok(false) };
        self.files_copied += 1;
        self.bytes_copied += bytes;
        Ok(true)
    }

    /// Writes every file of a backup into a folder, durably; `false` if it was broken off.
    pub(super) fn restore_all(&mut self, manifest: &Manifest, target: &Path) -> Result<bool> {
        for folder in &manifest.folders {
            make_folder(&target.join(folder))?;
        }
        for Entry { path, bytes, hash, .. } in &manifest.files {
            let source = self.path(hash);
            if !source.exists() {
                return Err(damaged(&source, "it is missing"));
            }
            match self.copy(&source, &target.join(path))? {
                Ending::BrokenOff => return Ok(false),
                Ending::Done(has, size) if has != *hash || size != *bytes => {
                    return Err(damaged(&source, &format!("it is not what was stored as {path}")));
                }
                Ending::Done(..) => self.copying.bytes += bytes,
            }
            if (self.watch)(self.copying).is_break() {
                return Ok(false);
            }
        }
        manifest.folders.iter().try_for_each(|folder| sync_folder(&target.join(folder)))?;
        Ok(true)
    }

    /// Makes a durable copy of a file.
    fn copy(&mut self, source: &Path, target: &Path) -> Result<Ending> {
        let failed = |error| io_error("writing", target, error);
        let mut file = File::create_new(target).map_err(failed)?;
        let ending = self.read(source, Some((&mut file, target)))?;
        file.sync_all().map_err(failed)?;
        Ok(ending)
    }

    /// Reads a file to its end, and writes what it reads.
    fn read(&mut self, source: &Path, mut sink: Option<(&mut File, &Path)>) -> Result<Ending> {
        let failed = |error| io_error("reading", source, error);
        let mut file = File::open(source).map_err(failed)?;
        let (mut hasher, mut bytes, mut synced) = (blake3::Hasher::new(), 0, 0);
        loop {
            let read = file.read(&mut self.chunk).map_err(failed)?;
            if read == 0 {
                return Ok(Ending::Done(Hash(*hasher.finalize().as_bytes()), bytes));
            }
            let chunk = &self.chunk[..read];
            hasher.update(chunk);
            bytes += read as u64;
            if let Some((file, target)) = &mut sink {
                let failed = |error| io_error("writing", target, error);
                file.write_all(chunk).map_err(failed)?;
                if bytes - synced >= SYNC_STEP_BYTES {
                    file.sync_data().map_err(failed)?;
                    synced = bytes;
                }
            }
            if (self.watch)(self.copying).is_break() {
                return Ok(Ending::BrokenOff);
            }
        }
    }

    fn path(&self, hash: &Hash) -> PathBuf {
        self.folder.join(hash.to_string())
    }
}

/// Whether this is the name of something that was not finished.
pub(super) fn is_leftover(name: &str) -> bool {
    name.ends_with(NEXT_SUFFIX)
}

fn text(name: &std::ffi::OsStr) -> Result<&str> {
    let is_line = |name: &&str| !name.contains('\n');
    name.to_str().filter(is_line).ok_or_else(|| {
        let message = format!("{} is no name of an engine's file", name.display());
        Error::corrupt("FILE_UNKNOWN", message)
    })
}
