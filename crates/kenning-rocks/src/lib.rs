//! The RocksDB engine: a store in a folder.
//!
//! RocksDB keeps an ordered map as a write-ahead log, tables in memory and sorted files. This crate
//! decides what of it Kenning uses: a column family for each space that grows, one batch and one
//! log for all of them, and settings that bound memory, files and the time to open. The traits of
//! `kenning-store` are all that leaves it.
//!
//! Futures of this engine are ready when they are first polled: it waits for the disk on the
//! calling thread.

mod error; // RocksDB's errors, as what to do
mod options; // what RocksDB is told
mod raw; // a database and what borrows from it; the only unsafe
mod snapshot; // a frozen view
mod store; // the store
mod verify; // reading everything, from the disk

pub use options::Settings;
pub use store::RocksStore;
