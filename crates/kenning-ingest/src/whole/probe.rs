//! What fuzzing reaches: the texts of an export, read and written again.

use kenning_engine::Said;
use kenning_store::Result;

use super::line;
use super::marker::Marker;

/// The text of what a marker says.
pub fn remark(marker: &str) -> Result<String> {
    Marker::decode(marker).map(|marker| marker.encode())
}

/// What a line of a table says, or of the links.
pub fn said(said: &str, links: bool) -> Result<Said> {
    line::read_said(said, links)
}

/// The line that says what a line of the tables says.
pub fn retable(said: &str) -> Result<Vec<u8>> {
    let table = line::read_table(said)?;
    let mut bytes = Vec::new();
    line::push(&line::table(&table.name, &table.schema, &table.indexes), &mut bytes);
    Ok(bytes)
}
