//! The boundary to durable state: an ordered map from bytes to bytes.
//!
//! Everything that Kenning knows ends as keys and values here. Above this crate code is
//! deterministic: the same batches in, the same bytes out. Below it an engine may wait, retry and
//! fail. What this crate does not know: tenants, tables, records, versions, and any runtime.
//!
//! Waiting happens at this border only. A future per page, per batch or per `get_many`; never one
//! per key.

pub mod backup; // a folder of backups
mod batch; // what lands whole
mod error; // what went wrong, and what to do about it
mod folder; // the marker, the lock and the engine's name in a database folder
mod key; // order-preserving bytes
mod lock; // who has a folder open
mod memory; // the engine that forgets
mod page; // rows on their way into a page
mod range; // which keys, in which direction, how many
mod raw; // a file in memory; the only unsafe
pub mod regions; // which key goes where, in engines that keep spaces apart
mod space; // the first byte of every key
mod store; // the two traits
mod world; // time, chance and threads, as arguments

pub use batch::{Batch, Write};
pub use bytes::Bytes;
pub use error::{Error, ErrorKind, Result};
pub use folder::{Create, FORMAT_VERSION, Folder};
pub use key::{Key, KeyReader};
pub use memory::Memory;
pub use page::Rows;
pub use range::{Direction, Page, Range, Row, Scan};
pub use space::Space;
pub use store::{Durability, Finding, Found, PartId, Snapshot, Store};
pub use world::{BoxFuture, World, block_on};

/// The limits that every engine keeps. They are part of the format: raising one is a new version.
pub mod limits {
    /// Bytes of one batch, keys and values together.
    pub const BATCH_BYTES_MAX: usize = 128 << 20;
    /// Bytes of one encoded key. The least is 1.
    pub const KEY_BYTES_MAX: usize = 60_000;
    /// Bytes of one value.
    pub const VALUE_BYTES_MAX: usize = 64 << 20;
    /// Rows of one page.
    pub const PAGE_ROWS_MAX: usize = 65_536;
    /// Bytes of one page; a page always has at least one row, however large.
    pub const PAGE_BYTES_MAX: usize = 16 << 20;
}
