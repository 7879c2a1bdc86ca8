//! Any encoding to UTF-8.
//!
//! A byte-order mark says what the bytes are: UTF-8, or UTF-16 of either order. Without one they
//! are taken for UTF-8. What cannot be decoded becomes a byte that is never in UTF-8, so that the
//! row that has it is bad and no other.

use std::io::{self, Read};

use kenning_store::Error;

/// What is no character. In no valid UTF-8.
const BROKEN: u8 = 0xff;
/// A character that the input ends within. In no valid UTF-8.
const CUT: u8 = 0xfe;
const READ_BYTES: usize = 64 << 10;

/// The bytes of `source` as UTF-8, without a byte-order mark.
pub(crate) struct Decoded<R> {
    source: R,
    encoding: Option<Encoding>,
    /// Decoded and not handed out yet.
    ready: Vec<u8>,
    ready_at: usize,
    /// Of UTF-16: read and not decoded yet, less than a character.
    partial: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16 { big: bool },
}

impl<R: Read> Decoded<R> {
    pub(crate) fn new(source: R) -> Self {
        Decoded { source, encoding: None, ready: Vec::new(), ready_at: 0, partial: Vec::new() }
    }

    /// Whether what was read so far was UTF-16.
    pub(crate) fn is_utf16(&self) -> bool {
        matches!(self.encoding, Some(Encoding::Utf16 { .. }))
    }

    /// Looks at how the bytes begin.
    fn begin(&mut self) -> io::Result<Encoding> {
        let mut head = Vec::new();
        self.source.by_ref().take(3).read_to_end(&mut head)?;
        let (encoding, mark_bytes) = match head[..] {
            [0xef, 0xbb, 0xbf] => (Encoding::Utf8, 3),
            [0xff, 0xfe, ..] => (Encoding::Utf16 { big: false }, 2),
            [0xfe, 0xff, ..] => (Encoding::Utf16 { big: true }, 2),
            _ => (Encoding::Utf8, 0),
        };
        let rest = head.split_off(mark_bytes);
        match encoding {
            Encoding::Utf8 => self.ready = rest,
            Encoding::Utf16 { .. } => self.partial = rest,
        }
        self.encoding = Some(encoding);
        Ok(encoding)
    }

    /// Decodes some more; leaves nothing ready at the end of the input.
    fn decode(&mut self, big: bool) -> io::Result<()> {
        self.ready.clear();
        self.ready_at = 0;
        while self.ready.is_empty() {
            let old = self.partial.len();
            self.partial.resize(old + READ_BYTES, 0);
            let size = self.source.read(&mut self.partial[old..]);
            self.partial.truncate(old + size.as_ref().map_or(0, |size| *size));
            if size? == 0 {
                // Half a character, or half a pair.
                if !self.partial.is_empty() {
                    self.partial.clear();
                    self.ready.push(CUT);
                }
                return Ok(());
            }
            self.take_units(big);
        }
        Ok(())
    }

    fn take_units(&mut self, big: bool) {
        let unit = |at: usize| {
            let bytes = self.partial.get(at..at + 2)?;
            let bytes = [bytes[0], bytes[1]];
            Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
        };
        let mut at = 0;
        while let Some(first) = unit(at) {
            let is_high = (0xd800..0xdc00).contains(&first);
            let second = if is_high { unit(at + 2) } else { None };
            if is_high && second.is_none() {
                break;
            }
            let units = [first, second.unwrap_or(0)];
            let n_units = 1 + usize::from(is_high);
            let decoded = char::decode_utf16(units[..n_units].iter().copied()).next();
            match decoded {
                Some(Ok(char)) => {
                    let mut bytes = [0; 4];
                    self.ready.extend_from_slice(char.encode_utf8(&mut bytes).as_bytes());
                    at += 2 * char.len_utf16();
                }
                Some(Err(_)) | None => {
                    self.ready.push(BROKEN);
                    at += 2;
                }
            }
        }
        self.partial.drain(..at);
    }
}

/// What was wrong with a row of UTF-16. One of UTF-8 is looked at where it is read.
pub(crate) fn fault(row: &[u8], is_utf16: bool) -> Option<Error> {
    if !is_utf16 {
        return None;
    }
    let at = memchr::memchr2(BROKEN, CUT, row)?;
    let character = String::from_utf8_lossy(&row[..at]).chars().count() + 1;
    let message = match row[at] {
        CUT => "the file is UTF-16 and ends within a character".to_owned(),
        _ => format!("the line is no UTF-16 at character {character}"),
    };
    Some(Error::invalid("UTF16_MALFORMED", message))
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let encoding = match self.encoding {
            Some(encoding) => encoding,
            None => self.begin()?,
        };
        if self.ready_at == self.ready.len() {
            match encoding {
                Encoding::Utf8 => return self.source.read(buffer),
                Encoding::Utf16 { big } => self.decode(big)?,
            }
        }
        let ready = &self.ready[self.ready_at..];
        let size = ready.len().min(buffer.len());
        buffer[..size].copy_from_slice(&ready[..size]);
        self.ready_at += size;
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> Vec<u8> {
        let mut whole = Vec::new();
        Decoded::new(bytes).read_to_end(&mut whole).unwrap();
        whole
    }

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    #[test]
    fn a_mark_says_the_encoding_and_is_not_in_the_text() {
        let text = "a\u{fc}\u{20ac}\u{1f600}\n".repeat(30_000);
        assert_eq!(decoded(text.as_bytes()), text.as_bytes());
        assert_eq!(decoded(&[b"\xef\xbb\xbf", text.as_bytes()].concat()), text.as_bytes());
        assert_eq!(decoded(&utf16(&text, false)), text.as_bytes());
        assert_eq!(decoded(&utf16(&text, true)), text.as_bytes());
        for short in ["", "a", "ab"] {
            assert_eq!(decoded(short.as_bytes()), short.as_bytes());
        }
    }

    #[test]
    fn what_is_no_character_breaks_its_place_only() {
        let mut bytes = utf16("a", false);
        bytes.extend_from_slice(&0xd800_u16.to_le_bytes());
        bytes.extend_from_slice(&u16::from(b'b').to_le_bytes());
        assert_eq!(decoded(&bytes), b"a\xffb");
        bytes.push(b'c');
        assert_eq!(decoded(&bytes), b"a\xffb\xfe");
        bytes.pop();
        bytes.extend_from_slice(&0xd800_u16.to_le_bytes());
        assert_eq!(decoded(&bytes), b"a\xffb\xfe");
    }
}
