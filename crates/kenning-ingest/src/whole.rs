//! A whole database to a folder of files that a person can read, and back.
//!
//! An export is either what one view knows, table by table, or everything that ever was: the
//! transactions of the log, in the order of their versions. The marker `KENNING-EXPORT` says what
//! it is and has the hash of every file; it is written last, so a folder without it is no export.
//! It also has the hash of the content, and an import is done only when the new database has the
//! same. Until then the database says that it is half made; importing once more goes on.
//!
//! The files are specified in `docs/format/export.md`.

mod export; // a database to files
mod files; // files that are hashed as they are written, and read line by line
mod folder; // what an export has made, and only that is removed
mod import; // files to a database
mod line; // what a line says
mod marker; // what an export is
pub(crate) mod probe; // what fuzzing reaches

pub use export::{WholeExported, WholeOptions, export_all};
pub use import::{WholeExport, WholeImported, import_all};
pub use marker::Holds;

/// How far an export or an import of a whole database has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WholeProgress {
    /// Records, links and what else has a line.
    pub lines: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Bytes of all files, if they are known.
    pub bytes_total: Option<u64>,
}

/// Who watches; it goes on while it is told to.
pub type WholeWatch<'a> = dyn FnMut(&WholeProgress) -> std::ops::ControlFlow<()> + Send + 'a;

/// The name of the marker.
const MARKER: &str = "KENNING-EXPORT";
/// The name of the list of what an export in the making has made.
const LIST: &str = "KENNING-EXPORT.part";
/// The name that the marker has until it is whole.
const MARKER_PART: &str = "KENNING-EXPORT.new";
/// The file of the log, in an export of everything that ever was.
const LOG: &str = "log.jsonl";
/// The file of a tenant's tables.
const TABLES: &str = "_tables";
/// The file, and the table, of a tenant's links.
const LINKS: &str = "links";
/// How the names of all files end but for the marker's.
const ENDING: &str = ".jsonl";
