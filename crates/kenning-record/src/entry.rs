//! The frame of every live entry of an exact space: `[from][payload][sum]`.
//!
//! `from` is the version since which the entry is as it is. The sum covers the payload, then
//! `from`: in this order a transaction sums the payload on its own thread, long before the
//! committer gives it a version, and the committer only continues the sum over eight bytes.
//!
//! Specified in `docs/format/values.md`.

use crc32fast::Hasher;
use kenning_store::{Error, Result};

use crate::Version;

const FROM_BYTES: usize = size_of::<Version>();
const SUM_BYTES: usize = size_of::<u32>();

/// Bytes of the frame without the payload.
pub const OVERHEAD: usize = FROM_BYTES + SUM_BYTES;

const _: () = assert!(OVERHEAD == 12);

/// Appends an entry that is as it is since version `from`.
pub fn write(from: Version, payload: &[u8], target: &mut Vec<u8>) {
    let start = target.len();
    prepare(payload, target);
    stamp(from, &mut target[start..]);
}

/// Appends an entry that has no version yet, with the sum of its payload alone.
pub fn prepare(payload: &[u8], target: &mut Vec<u8>) {
    target.reserve(payload.len() + OVERHEAD);
    target.extend_from_slice(&[0; FROM_BYTES]);
    target.extend_from_slice(payload);
    target.extend_from_slice(&payload_sum(payload).to_le_bytes());
}

/// Makes what `prepare` wrote an entry that is as it is since version `from`.
pub fn stamp(from: Version, prepared: &mut [u8]) {
    let (from_at, rest) = prepared.split_first_chunk_mut().expect("it was prepared");
    let (payload, sum) = rest.split_last_chunk_mut().expect("it was prepared");
    *from_at = from.to_le_bytes();
    *sum = entry_sum(from_at, payload.len(), u32::from_le_bytes(*sum)).to_le_bytes();
}

/// The version and the payload of an entry. The sum is not looked at.
pub fn split(bytes: &[u8]) -> Result<(Version, &[u8])> {
    parts(bytes).map(|(from, payload, _)| (Version::from_le_bytes(*from), payload))
}

/// The version and the payload of an entry whose sum is right.
pub fn check(bytes: &[u8]) -> Result<(Version, &[u8])> {
    let (from, payload, sum) = parts(bytes)?;
    if entry_sum(from, payload.len(), payload_sum(payload)) == u32::from_le_bytes(*sum) {
        return Ok((Version::from_le_bytes(*from), payload));
    }
    let size = bytes.len();
    Err(Error::corrupt("CHECKSUM", format!("the checksum of an entry of {size} bytes is wrong")))
}

/// The version since which an entry is as it is.
pub fn from(bytes: &[u8]) -> Result<Version> {
    split(bytes).map(|(from, _)| from)
}

type Parts<'a> = (&'a [u8; FROM_BYTES], &'a [u8], &'a [u8; SUM_BYTES]);

fn parts(bytes: &[u8]) -> Result<Parts<'_>> {
    let parts = bytes.split_first_chunk().and_then(|(from, rest)| {
        let (payload, sum) = rest.split_last_chunk()?;
        Some((from, payload, sum))
    });
    parts.ok_or_else(|| {
        let size = bytes.len();
        Error::corrupt(
            "ENTRY_DAMAGED",
            format!("an entry has {size} bytes, the least is {OVERHEAD}"),
        )
    })
}

fn payload_sum(payload: &[u8]) -> u32 {
    crc32fast::hash(payload)
}

fn entry_sum(from: &[u8; FROM_BYTES], payload_bytes: usize, payload_sum: u32) -> u32 {
    let mut hasher = Hasher::new_with_initial_len(payload_sum, payload_bytes as u64);
    hasher.update(from);
    hasher.finalize()
}
