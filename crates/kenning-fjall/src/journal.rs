//! Reading the journal before fjall does.
//!
//! The journal is a row of files, `<number>.jnl`; the one with the highest number is written to. A
//! file is a row of batches, and zeros where room was made for more:
//!
//! | entry | bytes |
//! |---|---|
//! | start | 1, writes `u32`, sequence number `u64` |
//! | write | 2, head, key, value |
//! | clear | 4, keyspace `u64` |
//! | end | 3, XXH3 of the writes `u64`, `FJL\x03` |
//!
//! The head of a write is type `u8`, compression `u8`, keyspace `u64`, length of the key `u16`, of
//! the value `u32`, of the value as it is stored `u32`. Integers are little-endian. The sum does
//! not cover the start; its numbers must fit the rest.
//!
//! fjall ends a file at the first byte that is no entry, in older files too, and goes on with the
//! next: then a batch in the middle is missing. And it refuses to open if an entry can be read but
//! its batch does not check, as after a loss of power that kept a later page and lost an earlier
//! one. Here both are told apart: nothing may follow what is cut.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use kenning_store::Result;
use xxhash_rust::xxh3::Xxh3;

use crate::error::{damaged, io_error};
use crate::filler;

const SUFFIX: &str = ".jnl";
const BUFFER_BYTES: usize = 256 << 10;
const CHUNK_BYTES: usize = 64 << 10;
const START: u8 = 1;
const WRITE: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const START_BYTES: usize = 4 + 8;
/// From the type to the stored length.
const WRITE_BYTES: usize = 1 + 1 + 8 + 2 + 4 + 4;
const AT_KEY_LENGTH: usize = 10;
const AT_VALUE_LENGTH: usize = 12;
const AT_STORED_LENGTH: usize = 16;
const CLEAR_BYTES: usize = 8;
const END_BYTES: usize = 8 + MAGIC.len();
const MAGIC: [u8; 4] = *b"FJL\x03";
const _: () = assert!(AT_STORED_LENGTH + size_of::<u32>() == WRITE_BYTES);

/// What is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    /// Where its last whole batch ends.
    pub(crate) until: u64,
    /// The sequence number of its last whole batch.
    pub(crate) last: Option<u64>,
    /// Whether nothing but zeros follows.
    pub(crate) is_whole: bool,
}

/// The files of the journal, oldest first.
pub(crate) fn files(store: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| io_error("listing the journal", error);
    let mut files = Vec::new();
    for entry in fs::read_dir(store).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(number) = name.strip_suffix(SUFFIX) {
            let number: u64 =
                number.parse().map_err(|_| damaged(format!("{name} is not a journal")))?;
            files.push((number, path));
        }
    }
    files.sort_unstable();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// After a crash: cuts what was not written whole, which must be the end.
pub(crate) fn recover(store: &Path) -> Result<()> {
    let mut cut: Option<&Path> = None;
    let mut last = None;
    let files = files(store)?;
    for path in &files {
        let contents = read(path, last)?;
        if let (Some(cut), true) = (cut, contents.until > 0) {
            let message = format!("{} is damaged, and batches follow it", cut.display());
            return Err(damaged(message));
        }
        if !contents.is_whole {
            shorten(path, contents.until)
                .map_err(|error| io_error("cutting the journal", error))?;
            cut = Some(path);
        }
        last = contents.last.or(last);
    }
    Ok(())
}

pub(crate) fn shorten(path: &Path, size: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(size)?;
    file.sync_all()
}

/// Reads a file whose first sequence number is behind `last`.
pub(crate) fn read(path: &Path, last: Option<u64>) -> Result<Contents> {
    read_file(path, last).map_err(|error| io_error(&format!("reading {}", path.display()), error))
}

fn read_file(path: &Path, last: Option<u64>) -> io::Result<Contents> {
    contents(BufReader::with_capacity(BUFFER_BYTES, File::open(path)?), last)
}

fn contents(file: impl Read, last: Option<u64>) -> io::Result<Contents> {
    let mut reader = Reader { file, at: 0, chunk: vec![0; CHUNK_BYTES] };
    let mut contents = Contents { until: 0, last: None, is_whole: true };
    loop {
        match reader.batch(contents.last.or(last)) {
            Ok(Step::Batch(sequence)) => {
                contents.until = reader.at;
                contents.last = Some(sequence);
            }
            Ok(Step::Damage) => return Ok(Contents { is_whole: false, ..contents }),
            Ok(Step::Zeros) => {
                contents.is_whole = reader.is_zero()?;
                return Ok(contents);
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                contents.is_whole = reader.at == contents.until;
                return Ok(contents);
            }
            Err(error) => return Err(error),
        }
    }
}

/// How far the whole batches of a journal of these bytes go, the number of the last one, and
/// whether nothing but zeros follows. For fuzzing.
#[doc(hidden)]
pub fn batches(journal: &[u8]) -> io::Result<(u64, Option<u64>, bool)> {
    contents(journal, None).map(|contents| (contents.until, contents.last, contents.is_whole))
}

/// What comes next in a file.
enum Step {
    /// A whole batch, with its sequence number.
    Batch(u64),
    /// A zero where a batch would begin.
    Zeros,
    /// Something that does not check.
    Damage,
}

struct Reader<R> {
    file: R,
    at: u64,
    chunk: Vec<u8>,
}

impl<R: Read> Reader<R> {
    fn batch(&mut self, last: Option<u64>) -> io::Result<Step> {
        match self.array()? {
            [START] => {}
            [0] => return Ok(Step::Zeros),
            _ => return Ok(Step::Damage),
        }
        let start: [u8; START_BYTES] = self.array()?;
        let writes = u32::from_le_bytes(part(&start, 0));
        let sequence = u64::from_le_bytes(part(&start, 4));
        if writes == 0 || last.is_some_and(|last| sequence <= last) {
            return Ok(Step::Damage);
        }
        let mut sum = Xxh3::new();
        for _ in 0..writes {
            if !self.write(&mut sum)? {
                return Ok(Step::Damage);
            }
        }
        if self.array()? != [END] {
            return Ok(Step::Damage);
        }
        let end: [u8; END_BYTES] = self.array()?;
        let fits = u64::from_le_bytes(part(&end, 0)) == sum.digest() && end[8..] == MAGIC;
        Ok(if fits { Step::Batch(sequence) } else { Step::Damage })
    }

    /// Sums a write; false if it is none.
    fn write(&mut self, sum: &mut Xxh3) -> io::Result<bool> {
        let tag: [u8; 1] = self.array()?;
        sum.update(&tag);
        match tag {
            [WRITE] => {}
            [CLEAR] => {
                sum.update(&self.array::<CLEAR_BYTES>()?);
                return Ok(true);
            }
            _ => return Ok(false),
        }
        let head: [u8; WRITE_BYTES] = self.array()?;
        sum.update(&head);
        let key = usize::from(u16::from_le_bytes(part(&head, AT_KEY_LENGTH)));
        let value = u32::from_le_bytes(part(&head, AT_VALUE_LENGTH)) as usize;
        let stored = u32::from_le_bytes(part(&head, AT_STORED_LENGTH)) as usize;
        if !filler::fits(key, value.max(stored)) {
            return Ok(false);
        }
        let mut left = key + stored;
        while left > 0 {
            let bytes = left.min(self.chunk.len());
            self.file.read_exact(&mut self.chunk[..bytes])?;
            self.at += bytes as u64;
            sum.update(&self.chunk[..bytes]);
            left -= bytes;
        }
        Ok(true)
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    /// Whether only zeros follow.
    fn is_zero(&mut self) -> io::Result<bool> {
        loop {
            match self.file.read(&mut self.chunk)? {
                0 => return Ok(true),
                read if self.chunk[..read].iter().all(|byte| *byte == 0) => {}
                _ => return Ok(false),
            }
        }
    }
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk().expect("the part lies in the entry")
}
