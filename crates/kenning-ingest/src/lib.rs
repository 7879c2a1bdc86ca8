//! Files to records, and records to files.
//!
//! An import reads rows, makes a draft of each, and stores them in transactions of bounded size
//! that land in the order of the file. Each lands together with a mark that says how far the file
//! has been read, so an import that was cut off, however roughly, goes on where the last
//! transaction ended: every row is stored exactly once. A row that is bad, because its bytes are or
//! because the table refuses it, is told with its line, and the others go on.
//!
//! An export streams one view of a table into a file that has its name only when it is whole. A
//! whole database goes to a folder and back the same way, as it is or with all that it ever was.
//!
//! What this crate does not know: which store is below, what time it is, how progress is shown.

mod column; // what a column of csv holds
mod csv; // RFC 4180
mod decode; // any encoding to UTF-8
mod draft; // a row to a draft
pub mod evaluation; // questions whose answers are known
mod export; // a table to a file
mod format; // jsonl, csv, tsv
mod import; // a file to a table
mod jsonl; // one object a line
mod note; // how far an import has come
mod part; // a file that is there when it is whole
mod pipeline; // the threads that read and stage
#[doc(hidden)]
pub mod probe; // what fuzzing reaches
mod rows; // bytes to rows
mod source; // where the bytes come from, and whether they stay what they were
mod whole; // a whole database to a folder of files, and back

pub use column::{Column, ColumnSource, ColumnType};
pub use export::{ExportOptions, Exported, Target, export};
pub use format::Format;
pub use import::{
    BadRow, Ending, Event, ImportOptions, Imported, Progress, Watch, columns, import,
};
pub use rows::ROW_BYTES_MAX;
pub use source::Source;
pub use whole::{Holds, WholeExport, WholeExported, WholeImported, WholeOptions, WholeProgress};
pub use whole::{WholeWatch, export_all, import_all};
