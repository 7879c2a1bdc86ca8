//! `LOCK`, the file that says who has a folder open.
//!
//! The lock is the operating system's and goes with the process, however that ends. The file says
//! besides what its holder does: `making` until the folder is whole, `opened` afterwards. That is
//! what tells a folder in the making from one that lost its marker.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::folder::io_error;
use crate::{Error, Result};

/// The name of the file.
pub(crate) const LOCK: &str = "LOCK";
/// Its bytes: always the same, so that rewriting it never shortens it.
const LOCK_BYTES: usize = 26;

/// The file, locked until this is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would do, were it not for other threads that start programs just now: until they
        // run, they have a copy of every open file.
        let _ = self.file.unlock();
    }
}

/// What the last holder said that it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Making,
    Opened,
    Nothing,
    Other,
}

impl Lock {
    /// Locks `folder` for one alone.
    pub(crate) fn hold(folder: &Path) -> Result<Lock> {
        let path = folder.join(LOCK);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(|error| io_error("opening", &path, error))?;
        let locked = file.try_lock();
        taken(locked, folder, Lock { file, path })
    }

    /// Locks `folder` for several who only read; `None` if it has no such file, as a copy may.
    pub(crate) fn share(folder: &Path) -> Result<Option<Lock>> {
        let path = folder.join(LOCK);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| io_error("opening", &path, error))?,
        };
        let locked = file.try_lock_shared();
        taken(locked, folder, Lock { file, path }).map(Some)
    }

    /// Says what this process does. Exactly as long as before: a crash never cuts it.
    pub(crate) fn say(&self, state: &str) -> Result<()> {
        let line = format!("kenning {state} {:010}\n", std::process::id());
        assert_eq!(line.len(), LOCK_BYTES, "the line is as long as ever");
        let written = self.file.write_all_at(line.as_bytes(), 0);
        written.map_err(|error| io_error("writing", &self.path, error))
    }

    /// Makes durable what was said.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(|error| io_error("syncing", &self.path, error))
    }
}

/// What `LOCK` in `folder` says.
pub(crate) fn said(folder: &Path) -> Said {
    let said = fs::read(folder.join(LOCK)).unwrap_or_default();
    match said.as_slice() {
        [] => Said::Nothing,
        said if said.starts_with(b"kenning making ") => Said::Making,
        said if said.starts_with(b"kenning opened ") => Said::Opened,
        _ => Said::Other,
    }
}

fn taken(locked: Result<(), TryLockError>, folder: &Path, lock: Lock) -> Result<Lock> {
    match locked {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(held(folder, &lock.file)),
        Err(TryLockError::Error(error)) => Err(io_error("locking", &lock.path, error)),
    }
}

fn held(folder: &Path, lock: &File) -> Error {
    // Who only reads does not say so in the file.
    if lock.try_lock_shared().is_ok() {
        let message = format!("{} is being read by somebody", folder.display());
        return Error::unavailable("HELD", message);
    }
    let mut line = [0; LOCK_BYTES];
    let pid = lock
        .read_exact_at(&mut line, 0)
        .ok()
        .and_then(|()| str::from_utf8(&line).ok())
        .and_then(|line| line.rsplit(' ').next()?.trim().parse::<u32>().ok());
    let holder = match pid {
        Some(pid) if pid == std::process::id() => format!("this process ({pid})"),
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    };
    Error::unavailable("HELD", format!("{} is held by {holder}", folder.display()))
}
