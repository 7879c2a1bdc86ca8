//! Files that are hashed as they are written, and read line by line.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use kenning_engine::ContentHash;
use kenning_store::{Error, Result};

use super::marker::FileSaid;
use crate::part::PartFile;
use crate::source::unread;

/// The most bytes of a line: a record has 32 MiB at most, of which each byte may take six.
const LINE_BYTES_MAX: u64 = 256 << 20;
const READ_BYTES: usize = 1 << 20;

/// A file in the making, and what the marker will say about it.
pub(super) struct Lines {
    file: PartFile,
    name: String,
    hasher: blake3::Hasher,
    bytes: u64,
    lines: u64,
}

impl Lines {
    /// Begins the file `name`, a path with `/`, in `folder`.
    pub(super) fn create(folder: &Path, name: &str) -> Result<Self> {
        Ok(Lines {
            file: PartFile::create(&folder.join(name), false)?,
            name: name.to_owned(),
            hasher: blake3::Hasher::new(),
            bytes: 0,
            lines: 0,
        })
    }

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
