//! Where the bytes come from, and whether they stay what they were.
//!
//! A file is read twice: first for the hash of its content, which is its identity, then for its
//! rows. The second reading compares the file's size and time of change at every step, and its
//! hash at the end, so that a file that somebody writes to is noticed. A pipe is read once.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use kenning_store::{Error, Result};

/// Bytes of a file that are hashed at a time.
const HASH_BYTES: usize = 1 << 20;

/// What is imported.
pub enum Source {
    /// A file. If its import is cut off, running it again goes on where it ended.
    File(PathBuf),
    /// What comes once, such as standard input; it can't be gone on with.
    Stream(Box<dyn Read + Send>),
}

/// The hash of a content.
pub(crate) type Hash = [u8; blake3::OUT_LEN];

/// Bytes that stay what they were, or that come once.
pub(crate) struct Opened {
    pub(crate) reader: Box<dyn Read + Send>,
    /// Of a file that stays.
    pub(crate) hash: Option<Hash>,
    pub(crate) bytes: Option<u64>,
}

/// What is cheap to ask of a file and differs once it was written to.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Source {
    /// Opens it, and hashes what stays. `None` if `hashed` breaks that off.
    pub(crate) fn open(
        self,
        hashed: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Option<Opened>> {
        let path = match self {
            Source::Stream(reader) => {
                return Ok(Some(Opened { reader, hash: None, bytes: None }));
            }
            Source::File(path) => path,
        };
        let (mut file, stamp) = open_file(&path)?;
        let Some(stamp) = stamp else {
            return Ok(Some(Opened { reader: Box::new(file), hash: None, bytes: None }));
        };
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; HASH_BYTES];
        let mut bytes = 0;
        loop {
            let size = file.read(&mut buffer).map_err(unread)?;
            if size == 0 {
                break;
            }
            hasher.update(&buffer[..size]);
            bytes += size as u64;
            if hashed(bytes).is_break() {
                return Ok(None);
            }
        }
        let hash = *hasher.finalize().as_bytes();
        let (file, again) = open_file(&path)?;
        if again != Some(stamp) || bytes != stamp.bytes {
            return Err(changed(&path));
        }
        let hasher = Some(blake3::Hasher::new());
        let watched = Watched { file, path, stamp, hash, hasher };
        Ok(Some(Opened { reader: Box::new(watched), hash: Some(hash), bytes: Some(bytes) }))
    }

    /// The bytes without the hash, for a look at how they begin.
    pub(crate) fn peek(self) -> Result<Box<dyn Read + Send>> {
        match self {
            Source::Stream(reader) => Ok(reader),
            Source::File(path) => Ok(Box::new(open_file(&path)?.0)),
        }
    }
}

/// The file, and its stamp if its content can be read again.
fn open_file(path: &Path) -> Result<(File, Option<Stamp>)> {
    let refused = |error: io::Error| {
        let message = format!("the file '{}' cannot be read", path.display());
        Error::invalid("FILE", message).because(error)
    };
    let file = File::open(path).map_err(refused)?;
    let metadata = file.metadata().map_err(refused)?;
    if metadata.is_dir() {
        return Err(Error::invalid("FILE", format!("'{}' is a folder", path.display())));
    }
    let stamp = metadata.is_file().then(|| Stamp::of(&metadata));
    Ok((file, stamp))
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Stamp { bytes: metadata.len(), modified: metadata.modified().ok() }
    }
}

/// A file that has to stay as it was when it was hashed.
struct Watched {
    file: File,
    path: PathBuf,
    stamp: Stamp,
    hash: Hash,
    /// Of what was read; `None` once it was compared.
    hasher: Option<blake3::Hasher>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.file.read(buffer)?;
        let mut same = Stamp::of(&self.file.metadata()?) == self.stamp;
        if size > 0 {
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&buffer[..size]);
            }
        } else if !buffer.is_empty()
            && let Some(hasher) = self.hasher.take()
        {
            same &= *hasher.finalize().as_bytes() == self.hash;
        }
        if same { Ok(size) } else { Err(io::Error::other(changed(&self.path))) }
    }
}

fn changed(path: &Path) -> Error {
    let message = format!("the file '{}' changed while it was read", path.display());
    Error::invalid("FILE_CHANGED", message)
}

/// The error of a reading that failed.
pub(crate) fn unread(error: io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(refused) => refused.again(),
        None if error.kind() == io::ErrorKind::IsADirectory => {
            Error::invalid("FILE", "the input is a folder")
        }
        None => Error::unavailable("IO", "the input cannot be read").because(error),
    }
}
