//! The index over vectors: what is near a vector, exactly or nearly so.
//!
//! A part is bytes that are looked at where they are, usually in a mapped file: to open one reads
//! its head. It has the vectors, their codes of a byte a number, and perhaps a graph. An exact
//! answer is a scan of the codes that reads the vectors it can't rule out; a fast one is a walk
//! through the graph by codes, and the full vectors decide between those that were found. What
//! this crate does not know: records, versions, tenants, files.

mod build; // a graph of many rows, by several threads
mod code; // vectors as bytes, and what that loses
mod crew; // threads that work in step
mod format; // the bytes of a part
mod graph; // a graph that was written
mod index; // vectors to parts
mod kernel; // the arithmetic, for each processor
mod part; // the vectors of one part
mod raw; // bytes as numbers
mod rows; // rows as a search sees them
mod scan; // the exact answer
mod select; // which neighbours a row keeps
mod spot; // a row at its distance
mod walk; // a way through a graph
mod write; // a part as bytes

pub use index::Vectors;
pub use kernel::{CODE_BYTES, Kernel, fastest, kernels};
