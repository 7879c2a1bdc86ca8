//! The folder of an export in the making.
//!
//! An export that is cut off leaves files, and the next one into the same folder takes them away.
//! That must never take what is somebody else's, whatever its name. So an export keeps a list: the
//! name of each folder and file is in it, and on the disk, before that is made. The next one looks
//! first: if all that is there is on the list, it goes; if anything is not, everything stays and
//! the export is refused. Nothing is looked for deeper than where an export writes, and no link is
//! followed.
//!
//! The list is gone when the marker is there.

use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use kenning_store::{Error, Result};

use super::files::Lines;
use super::{LIST, MARKER, MARKER_PART};
use crate::part::{PartFile, check_free, unwritten};

/// The most bytes of a list: a thousand tables take 100 KB.
const LIST_BYTES_MAX: u64 = 256 << 20;

/// An export in the making; dropped before it is whole, what it made is removed.
pub(super) struct Folder {
    path: PathBuf,
    /// The list, open and held.
    list: File,
    /// Whether this made the folder itself.
    is_new: bool,
    /// What this made in it, in order.
    made: Vec<Made>,
    /// Whether what is there stays when this is dropped.
    kept: bool,
}

/// What an export makes.
enum Made {
    File(PathBuf),
    Folder(PathBuf),
}

impl Made {
    /// Removes it, a folder only if nothing is in it.
    fn remove(&self) -> Result<()> {
        let (path, removed) = match self {
            Made::File(path) => (path, std::fs::remove_file(path)),
            Made::Folder(path) => (path, std::fs::remove_dir(path)),
        };
        removed.map_err(|error| unwritten(path, error))
    }
}

impl Folder {
    /// Begins an export in `path`, which is new, or empty, or has only what is left of one that was
    /// cut off.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let is_new = !path.exists();
        std::fs::create_dir_all(path).map_err(|error| unmade(path, error))?;
        let list = open_list(path)?;
        let path = path.to_owned();
        // What is there stays until it is known whose it is.
        let mut folder = Folder { path, list, is_new, made: Vec::new(), kept: true };
        for left in folder.left()? {
            left.remove()?;
        }
        folder.list.set_len(0).map_err(|error| unwritten(&folder.path.join(LIST), error))?;
        folder.kept = false;
        Ok(folder)
    }

    /// What is left of an export that was cut off, the innermost first; an error if that is not all
    /// there is.
    fn left(&mut self) -> Result<Vec<Made>> {
        let mut listed = String::new();
        let read = Read::by_ref(&mut self.list).take(LIST_BYTES_MAX).read_to_string(&mut listed);
        match read {
            Err(error) if error.kind() != ErrorKind::InvalidData => {
                return Err(unmade(&self.path, error));
            }
            // A text that is none lists nothing.
            Ok(_) | Err(_) => {}
        }
        // What a line without an end was about to name was not made yet.
        let whole = listed.rfind('\n').map_or("", |end| &listed[..end]);
        let listed: HashSet<&str> = whole.lines().collect();
        let mut left = Vec::new();
        for (name, path, is_folder) in entries(&self.path, "")? {
            if name == LIST {
                continue;
            }
            if is_folder && listed.contains(name.as_str()) {
                for (name, inner, is_folder) in entries(&path, &name)? {
                    if is_folder || !is_listed(&listed, &name) {
                        return Err(not_empty(&self.path, &name));
                    }
                    left.push(Made::File(inner));
                }
                left.push(Made::Folder(path));
            } else if !is_folder && is_listed(&listed, &name) {
                left.push(Made::File(path));
            } else {
                return Err(not_empty(&self.path, &name));
            }
        }
        Ok(left)
    }

    /// Begins the file `name`, a path with `/`.
    pub(super) fn file(&mut self, name: &str) -> Result<Lines> {
        if let Some((tenant, _)) = name.split_once('/') {
            let folder = self.path.join(tenant);
            if !folder.is_dir() {
                self.note(&format!("{tenant}/"))?;
                std::fs::create_dir(&folder).map_err(|error| unmade(&folder, error))?;
                self.made.push(Made::Folder(folder));
            }
        }
        let path = self.path.join(name);
        check_free(&path, false)?;
        check_free(&self.path.join(format!("{name}.part")), false)?;
        self.note(name)?;
        let lines = Lines::create(&self.path, name)?;
        self.made.push(Made::File(path));
        Ok(lines)
    }

    /// Puts a name on the list.
    fn note(&mut self, name: &str) -> Result<()> {
        let noted = self.list.write_all(format!("{name}\n").as_bytes());
        let noted = noted.and_then(|()| self.list.sync_data());
        noted.map_err(|error| unwritten(&self.path.join(LIST), error))
    }

    /// Writes the marker: from now on it is an export.
    pub(super) fn finish(mut self, marker: &str) -> Result<()> {
        sync_folders(&self.path)?;
        let part = self.path.join(MARKER_PART);
        check_free(&part, false)?;
        self.note(MARKER_PART)?;
        let mut file = PartFile::named(part, &self.path.join(MARKER), false)?;
        file.write(marker.as_bytes())?;
        self.made.push(Made::File(self.path.join(MARKER)));
        file.finish()?;
        self.kept = true;
        // Beside a marker it says nothing.
        let _ = Made::File(self.path.join(LIST)).remove();
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // What can't be removed stays: without a marker it is no export. The list goes last, so
        // that whatever cuts this off is known.
        for made in self.made.iter().rev() {
            let _ = made.remove();
        }
        let _ = Made::File(self.path.join(LIST)).remove();
        if self.is_new {
            let _ = Made::Folder(self.path.clone()).remove();
        }
    }
}

/// The list of the folder `path`, held: that of an export that was cut off, or a new one.
fn open_list(path: &Path) -> Result<File> {
    let is_there = |name: &str| path.join(name).symlink_metadata().is_ok();
    let is_left = is_there(LIST);
    if (!is_left || is_there(MARKER))
        && let Some((name, ..)) = entries(path, "")?.first()
    {
        return Err(not_empty(path, name));
    }
    let list = path.join(LIST);
    if is_left && !list.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err(not_empty(path, LIST));
    }
    let opened = OpenOptions::new().read(true).append(true).create(true).open(&list);
    let file = opened.map_err(|error| unwritten(&list, error))?;
    // A file system that has no locks has none for others either.
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        let message = format!("another export writes into the folder '{}'", path.display());
        return Err(Error::unavailable("EXPORT_HELD", message));
    }
    Ok(file)
}

/// Whether a file is on the list, whole or not.
fn is_listed(listed: &HashSet<&str>, name: &str) -> bool {
    listed.contains(name) || name.strip_suffix(".part").is_some_and(|name| listed.contains(name))
}

/// What is in a folder, sorted: its name on a list behind that of the folder, its path, and whether
/// it is a folder.
fn entries(folder: &Path, name: &str) -> Result<Vec<(String, PathBuf, bool)>> {
    let read = || -> std::io::Result<Vec<_>> {
        let entry = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry?;
            let is_folder = entry.file_type()?.is_dir();
            let end = if is_folder { "/" } else { "" };
            let shown = format!("{name}{}{end}", entry.file_name().to_string_lossy());
            Ok((shown, entry.path(), is_folder))
        };
        std::fs::read_dir(folder)?.map(entry).collect()
    };
    let mut entries = read().map_err(|error| unmade(folder, error))?;
    entries.sort();
    Ok(entries)
}

fn not_empty(folder: &Path, name: &str) -> Error {
    let message = format!(
        "the folder '{}' is not empty: '{name}' is not of an export that was cut off",
        folder.display()
    );
    Error::invalid("FOLDER_NOT_EMPTY", message)
}

fn unmade(path: &Path, error: std::io::Error) -> Error {
    let message = format!("the folder '{}' cannot be made", path.display());
    if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        return Error::unavailable("DISK_FULL", message).because(error);
    }
    Error::invalid("FILE", message).because(error)
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
