//! Order-preserving bytes: comparing two encoded keys compares what they mean.
//!
//! Every part is self-delimiting, so within one space no key is a prefix of another. History
//! relies on it: a version appended to a key never disturbs the order of the keys.
//!
//! | part | bytes |
//! |---|---|
//! | `u8`, `u32`, `u64` | big-endian |
//! | id | 16 bytes as they are |
//! | text, bytes | each 0x00 becomes 0x00 0xff; the end is 0x00 0x01 |

use crate::{Error, Result, Space};

const ESCAPE: u8 = 0x00;
const ESCAPED_ZERO: u8 = 0xff;
const END: u8 = 0x01;

/// A key under construction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// A key in `space`.
    pub fn new(space: Space) -> Self {
        let mut bytes = Vec::with_capacity(48);
        bytes.push(space.byte());
        Key(bytes)
    }

    /// Appends one byte.
    #[must_use]
    pub fn u8(mut self, part: u8) -> Self {
        self.0.push(part);
        self
    }

    /// Appends a number.
    #[must_use]
    pub fn u32(mut self, part: u32) -> Self {
        self.0.extend_from_slice(&part.to_be_bytes());
        self
    }

    /// Appends a number.
    #[must_use]
    pub fn u64(mut self, part: u64) -> Self {
        self.0.extend_from_slice(&part.to_be_bytes());
        self
    }

    /// Appends sixteen bytes as they are.
    #[must_use]
    pub fn id(mut self, part: &[u8; 16]) -> Self {
        self.0.extend_from_slice(part);
        self
    }

    /// Appends text, which may be of any length and contain any byte.
    #[must_use]
    pub fn text(mut self, part: &str) -> Self {
        push_escaped(&mut self.0, part.as_bytes());
        self
    }

    /// Appends bytes that are already encoded, and self-delimiting.
    #[must_use]
    pub fn raw(mut self, part: &[u8]) -> Self {
        self.0.extend_from_slice(part);
        self
    }

    /// The encoded key.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The encoded key.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Appends `bytes` to `target`, escaped and terminated as text is.
    pub fn escape_into(bytes: &[u8], target: &mut Vec<u8>) {
        push_escaped(target, bytes);
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn push_escaped(target: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        target.push(*byte);
        if *byte == ESCAPE {
            target.push(ESCAPED_ZERO);
        }
    }
    target.extend_from_slice(&[ESCAPE, END]);
}

/// Takes a key apart, in the order in which it was put together.
#[derive(Clone, Copy, Debug)]
pub struct KeyReader<'a>(&'a [u8]);

impl<'a> KeyReader<'a> {
    /// Reads `key`, which must be in `space`.
    pub fn new(space: Space, key: &'a [u8]) -> Result<Self> {
        match key.split_first() {
            Some((byte, rest)) if *byte == space.byte() => Ok(KeyReader(rest)),
            _ => Err(damaged(space.name())),
        }
    }

    /// Reads `bytes` from their first one.
    pub fn raw(bytes: &'a [u8]) -> Self {
        KeyReader(bytes)
    }

    /// Takes one byte.
    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// Takes a number.
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(*self.array()?))
    }

    /// Takes a number.
    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_be_bytes(*self.array()?))
    }

    /// Takes sixteen bytes.
    pub fn id(&mut self) -> Result<[u8; 16]> {
        Ok(*self.array()?)
    }

    /// Takes text.
    pub fn text(&mut self) -> Result<String> {
        String::from_utf8(self.bytes()?).map_err(|_| damaged("text"))
    }

    /// Takes escaped bytes.
    pub fn bytes(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            match *self.array::<1>()? {
                [ESCAPE] => match *self.array::<1>()? {
                    [ESCAPED_ZERO] => bytes.push(ESCAPE),
                    [END] => return Ok(bytes),
                    _ => return Err(damaged("an escape")),
                },
                [byte] => bytes.push(byte),
            }
        }
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Asserts that nothing is left.
    pub fn end(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(damaged("its end")) }
    }

    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N]> {
        let (part, rest) = self.0.split_first_chunk().ok_or_else(|| damaged("its length"))?;
        self.0 = rest;
        Ok(part)
    }
}

fn damaged(what: &str) -> Error {
    Error::corrupt("KEY_DAMAGED", format!("a stored key is damaged at {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_sorts_as_text_whatever_follows() {
        let words = ["", "\0", "\0a", "a", "a\0", "a\0b", "a\u{1}", "ab", "b"];
        for pair in words.windows(2) {
            let less = Key::new(Space::Names).text(pair[0]).u32(u32::MAX).into_bytes();
            let more = Key::new(Space::Names).text(pair[1]).u32(0).into_bytes();
            assert!(less < more, "{:?} must sort before {:?}", pair[0], pair[1]);
        }
    }

    #[test]
    fn a_key_reads_back_as_it_was_written() {
        let key = Key::new(Space::Links).u32(7).u8(1).id(&[9; 16]).text("a\0b").u64(1 << 40);
        let mut reader = KeyReader::new(Space::Links, key.bytes()).unwrap();
        assert_eq!(reader.u32().unwrap(), 7);
        assert_eq!(reader.u8().unwrap(), 1);
        assert_eq!(reader.id().unwrap(), [9; 16]);
        assert_eq!(reader.text().unwrap(), "a\0b");
        assert_eq!(reader.u64().unwrap(), 1 << 40);
        reader.end().unwrap();
    }

    #[test]
    fn a_cut_key_is_noticed() {
        let key = Key::new(Space::Names).text("abc").u32(1).into_bytes();
        for end in 1..key.len() {
            let mut reader = KeyReader::new(Space::Names, &key[..end]).unwrap();
            assert!(reader.text().and_then(|_| reader.u32()).is_err(), "cut at {end}");
        }
    }
}
