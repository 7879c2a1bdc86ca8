//! How far an import has come: what its mark says. Specified in `docs/format/keys.md`.

use kenning_store::{Error, Result};

const FORMAT: u8 = 1;

const AT_DONE: usize = 1;
const AT_UNTIL: usize = 2;
const AT_LINE: usize = 10;
const AT_STORED: usize = 18;
const AT_BAD: usize = 26;
const SIZE: usize = 34;

const _: () = assert!(AT_BAD + size_of::<u64>() == SIZE);

/// What the mark of an import says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Note {
    /// Whether the whole file was read.
    pub(crate) done: bool,
    /// Bytes of text that were read.
    pub(crate) until: u64,
    /// The line that is next.
    pub(crate) line: u64,
    /// Rows that were stored, in all runs.
    pub(crate) stored: u64,
    /// Rows that were bad, in all runs.
    pub(crate) bad: u64,
}

impl Note {
    pub(crate) fn encode(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[0] = FORMAT;
        bytes[AT_DONE] = u8::from(self.done);
        bytes[AT_UNTIL..AT_LINE].copy_from_slice(&self.until.to_le_bytes());
        bytes[AT_LINE..AT_STORED].copy_from_slice(&self.line.to_le_bytes());
        bytes[AT_STORED..AT_BAD].copy_from_slice(&self.stored.to_le_bytes());
        bytes[AT_BAD..].copy_from_slice(&self.bad.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let damaged = || Error::corrupt("MARK_DAMAGED", "the mark of an import is damaged");
        let bytes: &[u8; SIZE] = bytes.try_into().map_err(|_| damaged())?;
        let number = |at: usize| {
            let part = bytes[at..].first_chunk().expect("the sizes add up, as asserted above");
            u64::from_le_bytes(*part)
        };
        if bytes[0] != FORMAT || bytes[AT_DONE] > 1 {
            return Err(damaged());
        }
        Ok(Note {
            done: bytes[AT_DONE] == 1,
            until: number(AT_UNTIL),
            line: number(AT_LINE),
            stored: number(AT_STORED),
            bad: number(AT_BAD),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changing this means changing the format.
    #[test]
    fn the_bytes_of_a_note_are_pinned() {
        let note = Note { done: true, until: 2, line: 3, stored: 4, bad: 5 };
        let mut bytes = vec![1, 1];
        [2_u64, 3, 4, 5].iter().for_each(|n| bytes.extend_from_slice(&n.to_le_bytes()));
        assert_eq!(note.encode().to_vec(), bytes);
        assert_eq!(Note::decode(&bytes).unwrap(), note);
        assert_eq!(Note::decode(&bytes[1..]).unwrap_err().code(), "MARK_DAMAGED");
        bytes[0] = 2;
        assert_eq!(Note::decode(&bytes).unwrap_err().code(), "MARK_DAMAGED");
    }
}
