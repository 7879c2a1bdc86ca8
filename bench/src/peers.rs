//! The engines, each in the way that its own users would set it up for the same promise.

pub(crate) mod graph; // OverGraph
pub(crate) mod near; // indexes over vectors
#[cfg(feature = "peers")]
pub(crate) mod near_rust; // those that are Rust crates
pub(crate) mod ours; // Kenning
pub(crate) mod rocks; // RocksDB as Kenning sets it up, without Kenning
pub(crate) mod sqlite; // SQLite
