//! The bytes of a part: a header, and four files behind each other.
//!
//! `docs/format/words.md` specifies them. The header says how long each file is and what it sums up
//! to, and has a sum of its own, so that opening a part reads the header alone and nothing is
//! believed of a file before all of it was read once.

use kenning_store::{Bytes, Error, Result};
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: [u8; 4] = *b"KWRD";
const VERSION: u32 = 2;

const AT_VERSION: usize = 4;
const AT_ROWS: usize = 8;
const AT_FILES: usize = 12;
const AT_LANGUAGE: usize = 16;
const AT_PLACES: usize = 24;
const AT_TABLE: usize = 32;
const AT_SUM: usize = AT_TABLE + FILES * 16;
pub(crate) const HEADER_BYTES: usize = AT_SUM + 8;
const _: () = assert!(HEADER_BYTES == 104);

/// Files of a part.
pub(crate) const FILES: usize = 4;

/// Which of the files has the lengths of rows; those before it are a segment's.
pub(crate) const LENGTHS: usize = 3;

/// What the header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) rows: u32,
    /// The code of the language, and zeros.
    pub(crate) language: [u8; 8],
    /// The sum of the lengths of all rows.
    pub(crate) places: u64,
    pub(crate) files: [FileEntry; FILES],
}

/// What the header says of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileEntry {
    pub(crate) bytes: u64,
    pub(crate) sum: u64,
}

impl FileEntry {
    pub(crate) fn of(file: &[u8]) -> Self {
        FileEntry { bytes: file.len() as u64, sum: xxh3_64(file) }
    }
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..AT_VERSION].copy_from_slice(&MAGIC);
        bytes[AT_VERSION..AT_ROWS].copy_from_slice(&VERSION.to_le_bytes());
        bytes[AT_ROWS..AT_FILES].copy_from_slice(&self.rows.to_le_bytes());
        bytes[AT_FILES..AT_LANGUAGE].copy_from_slice(&(FILES as u32).to_le_bytes());
        bytes[AT_LANGUAGE..AT_PLACES].copy_from_slice(&self.language);
        bytes[AT_PLACES..AT_TABLE].copy_from_slice(&self.places.to_le_bytes());
        for (entry, target) in self.files.iter().zip(bytes[AT_TABLE..].chunks_exact_mut(16)) {
            target[..8].copy_from_slice(&entry.bytes.to_le_bytes());
            target[8..].copy_from_slice(&entry.sum.to_le_bytes());
        }
        let sum = xxh3_64(&bytes[..AT_SUM]);
        bytes[AT_SUM..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the header of `body`, and checks that the files fill the rest of it.
    pub(crate) fn decode(body: &[u8]) -> Result<Header> {
        let Some(bytes) = body.first_chunk::<HEADER_BYTES>() else {
            return Err(damaged(format!("a part of {} bytes has no header", body.len())));
        };
        if bytes[..AT_VERSION] != MAGIC {
            return Err(damaged("a part does not begin as one"));
        }
        let version = u32_at(bytes, AT_VERSION);
        if version != VERSION {
            let message = format!("a part has format {version}, and {VERSION} is known");
            return Err(Error::corrupt("WORDS_FORMAT", message));
        }
        if u64_at(bytes, AT_SUM) != xxh3_64(&bytes[..AT_SUM]) {
            return Err(damaged("the header of a part does not have its sum"));
        }
        let mut language = [0; 8];
        language.copy_from_slice(&bytes[AT_LANGUAGE..AT_PLACES]);
        let files = std::array::from_fn(|idx| FileEntry {
            bytes: u64_at(bytes, AT_TABLE + idx * 16),
            sum: u64_at(bytes, AT_TABLE + idx * 16 + 8),
        });
        let (rows, places) = (u32_at(bytes, AT_ROWS), u64_at(bytes, AT_PLACES));
        let header = Header { rows, language, places, files };
        header.check(u32_at(bytes, AT_FILES), body.len())?;
        Ok(header)
    }

    fn check(&self, files: u32, body_bytes: usize) -> Result<()> {
        let bytes = self
            .files
            .iter()
            .try_fold(HEADER_BYTES as u64, |bytes, entry| bytes.checked_add(entry.bytes));
        if files as usize != FILES || bytes != Some(body_bytes as u64) {
            return Err(damaged("the files of a part do not fill it"));
        }
        if self.files[LENGTHS].bytes != u64::from(self.rows) {
            return Err(damaged("a part does not have a length for every row"));
        }
        Ok(())
    }

    /// The files of `body`, which this is the header of.
    pub(crate) fn files(&self, body: &Bytes) -> [Bytes; FILES] {
        let mut at = HEADER_BYTES;
        self.files.map(|entry| {
            let from = at;
            // `check` has added them up to the size of the body.
            at += entry.bytes as usize;
            body.slice(from..at)
        })
    }
}

/// Damage in a part.
pub(crate) fn damaged(message: impl Into<String>) -> Error {
    Error::corrupt("WORDS_DAMAGED", message)
}

fn u32_at(bytes: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|idx| bytes[at + idx]))
}

fn u64_at(bytes: &[u8; HEADER_BYTES], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|idx| bytes[at + idx]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Vec<u8> {
        let files = [b"terms".as_slice(), b"postings", b"", b"\x02\x00\x05"].map(FileEntry::of);
        let header = Header { rows: 3, language: *b"en\0\0\0\0\0\0", places: 7, files };
        let mut body = header.encode().to_vec();
        body.extend_from_slice(b"termspostings\x02\x00\x05");
        body
    }

    #[test]
    fn the_bytes_of_a_header_are_pinned() {
        let hex: String = body()[..HEADER_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            &hex[..64],
            "4b5752440200000003000000040000006\
            56e0000000000000700000000000000"
        );
        assert_eq!(Header::decode(&body()).unwrap().encode()[..], body()[..HEADER_BYTES]);
    }

    #[test]
    fn every_flipped_bit_of_the_header_is_noticed() {
        let body = body();
        for bit in 0..HEADER_BYTES * 8 {
            let mut bad = body.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&bad).is_err(), "bit {bit} was not noticed");
        }
        for bytes in 0..body.len() {
            assert!(Header::decode(&body[..bytes]).is_err(), "{bytes} bytes are enough");
        }
    }
}
