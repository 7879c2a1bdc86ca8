//! The bytes of a part: whose rows it has, and what their index made of them.
//!
//! Specified in `docs/format/part.md`.

use kenning_store::{Bytes, Error, Result};

use super::roster::Roster;

const MAGIC: [u8; 8] = *b"KENNPART";
const VERSION: u32 = 1;

const VERSION_AT: usize = 8;
const KIND_AT: usize = 12;
const ROSTER_BYTES_AT: usize = 16;
const BODY_AT_AT: usize = 24;
const BODY_BYTES_AT: usize = 32;
const ROSTER_SUM_AT: usize = 40;
const HEAD_SUM_AT: usize = 44;
const HEAD_BYTES: usize = 48;

const _: () = assert!(size_of_val(&MAGIC) == VERSION_AT);
const _: () = assert!(VERSION_AT + size_of::<u32>() == KIND_AT);
const _: () = assert!(KIND_AT + size_of::<u32>() == ROSTER_BYTES_AT);
const _: () = assert!(ROSTER_BYTES_AT + size_of::<u64>() == BODY_AT_AT);
const _: () = assert!(BODY_AT_AT + size_of::<u64>() == BODY_BYTES_AT);
const _: () = assert!(BODY_BYTES_AT + size_of::<u64>() == ROSTER_SUM_AT);
const _: () = assert!(ROSTER_SUM_AT + size_of::<u32>() == HEAD_SUM_AT);
const _: () = assert!(HEAD_SUM_AT + size_of::<u32>() == HEAD_BYTES);

/// Where a body begins, so that it may be mapped and read in whole words.
const ALIGNMENT: usize = 64;

/// What kind of index a part belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    Words = 1,
    Vectors = 2,
}

/// The bytes of a part.
pub(crate) fn encode(kind: Kind, roster: &Roster, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEAD_BYTES];
    roster.encode(&mut bytes);
    let roster_bytes = bytes.len() - HEAD_BYTES;
    let roster_sum = crc32fast::hash(&bytes[HEAD_BYTES..]);
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    let body_at = bytes.len();
    bytes.extend_from_slice(body);
    let head = &mut bytes[..HEAD_BYTES];
    head[..VERSION_AT].copy_from_slice(&MAGIC);
    head[VERSION_AT..KIND_AT].copy_from_slice(&VERSION.to_le_bytes());
    head[KIND_AT..ROSTER_BYTES_AT].copy_from_slice(&(kind as u32).to_le_bytes());
    head[ROSTER_BYTES_AT..BODY_AT_AT].copy_from_slice(&(roster_bytes as u64).to_le_bytes());
    head[BODY_AT_AT..BODY_BYTES_AT].copy_from_slice(&(body_at as u64).to_le_bytes());
    head[BODY_BYTES_AT..ROSTER_SUM_AT].copy_from_slice(&(body.len() as u64).to_le_bytes());
    head[ROSTER_SUM_AT..HEAD_SUM_AT].copy_from_slice(&roster_sum.to_le_bytes());
    let sum = crc32fast::hash(&head[..HEAD_SUM_AT]);
    head[HEAD_SUM_AT..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// The rows of a part and its body, which is not looked at.
pub(crate) fn decode(kind: Kind, bytes: &Bytes) -> Result<(Roster, Bytes)> {
    let read = || -> Option<(&[u8], Bytes)> {
        let head: &[u8; HEAD_BYTES] = bytes.first_chunk()?;
        let number = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four"));
        let size = |at: usize| {
            usize::try_from(u64::from_le_bytes(head[at..at + 8].try_into().expect("eight"))).ok()
        };
        let known = head[..VERSION_AT] == MAGIC
            && number(VERSION_AT) == VERSION
            && number(KIND_AT) == kind as u32
            && number(HEAD_SUM_AT) == crc32fast::hash(&head[..HEAD_SUM_AT]);
        let roster = bytes.get(HEAD_BYTES..HEAD_BYTES.checked_add(size(ROSTER_BYTES_AT)?)?)?;
        let body_at = size(BODY_AT_AT)?;
        let body_until = body_at.checked_add(size(BODY_BYTES_AT)?)?;
        let between = bytes.get(HEAD_BYTES + roster.len()..body_at)?;
        let fits = known
            && between.iter().all(|byte| *byte == 0)
            && body_at.is_multiple_of(ALIGNMENT)
            && body_until == bytes.len()
            && number(ROSTER_SUM_AT) == crc32fast::hash(roster);
        fits.then(|| (roster, bytes.slice(body_at..body_until)))
    };
    let damaged = || Error::corrupt("PART_DAMAGED", "the head of a part is damaged");
    let (roster, body) = read().ok_or_else(damaged)?;
    Ok((Roster::decode(roster)?, body))
}

#[cfg(test)]
mod tests {
    use super::super::roster::{Change, RosterDraft};
    use super::*;
    use kenning_record::Id;

    #[test]
    fn a_part_is_read_back_and_every_flipped_bit_before_its_body_is_noticed() {
        let rows = vec![(Change { id: Id([7; 16]), version: 3 }, None)];
        let roster = RosterDraft { rows, gone: Vec::new() }.finish();
        let bytes = encode(Kind::Words, &roster, b"body");
        let (read, body) = decode(Kind::Words, &bytes.clone().into()).expect("it is whole");
        assert_eq!((read.rows(), read.from(0), &body[..]), (1, 3, &b"body"[..]));
        assert!(decode(Kind::Vectors, &bytes.clone().into()).is_err());
        let roster_until = HEAD_BYTES + 8 + 36;
        for bit in 0..roster_until * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(Kind::Words, &bad.into()).is_err(), "bit {bit} was not noticed");
        }
        for cut in 0..bytes.len() {
            assert!(decode(Kind::Words, &bytes[..cut].to_vec().into()).is_err());
        }
    }
}
