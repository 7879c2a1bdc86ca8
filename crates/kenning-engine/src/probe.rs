//! What fuzzing reaches: notes of this crate, read and written again.

use kenning_record::{Json, entry};
use kenning_store::Result;

use crate::build::Work;
use crate::committer::decode_outcome;
use crate::shared::Head;

/// The bytes of what a note about an index says.
pub fn rework(note: &[u8]) -> Result<Vec<u8>> {
    Work::decode(note).map(|work| work.encode())
}

/// The bytes of what the head of a database says.
pub fn rehead(note: &[u8]) -> Result<Vec<u8>> {
    Head::decode(note).map(|(version, instant, from)| Head::encode(version, instant, from))
}

/// The bytes of what became of a transaction.
pub fn reoutcome(note: &[u8]) -> Result<Vec<u8>> {
    let committed = decode_outcome(note)?;
    let mut bytes = Vec::new();
    entry::write(committed.version, &committed.instant.to_le_bytes(), &mut bytes);
    Ok(bytes)
}

/// A document, changed by a JSON merge patch.
pub fn patched(mut document: Json, patch: Json) -> Json {
    crate::change::merge(&mut document, patch);
    document
}
