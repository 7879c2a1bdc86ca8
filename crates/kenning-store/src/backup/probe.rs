//! What fuzzing reaches: the texts of a folder of backups, read and written again.

use std::path::Path;

use super::manifest::{Manifest, marker, read_marker};
use crate::Result;

/// The bytes of what the marker of a folder of backups says.
pub fn remark(bytes: &[u8]) -> Result<Vec<u8>> {
    read_marker(bytes, Path::new("a marker")).map(marker)
}

/// The bytes of what the list of a backup says.
pub fn relist(bytes: &[u8]) -> Result<Vec<u8>> {
    Manifest::decode(bytes, Path::new("a list")).map(|manifest| manifest.encode())
}
