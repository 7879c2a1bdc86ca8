//! Bytes that nobody wrote, for everything that reads bytes.
//!
//! A target takes any bytes, hands them to a family of readers, and panics where one of them breaks
//! its promise: it panicked itself, allocated what a damaged length claimed, told an error that
//! sends its reader the wrong way, or broke a law. The laws are those of each format: what was read
//! and is written again reads the same; keys sort as what they mean; rows are the same however the
//! file arrives.
//!
//! Checksums would keep a fuzzer out, so a target seals what it was given: it stands for damage
//! that a sum does not notice, and for a writer that lies.
//!
//! `make torture` lets libFuzzer search for bytes, guided by the code that they reach. The tests of
//! this crate replay what is in `corpus/`, so that no target rots between two searches.

mod bytes; // bytes as choices
mod csv; // rows of csv
mod folders; // what is in folders beside records
mod jsonl; // rows of jsonl
mod keys; // every key of the store, and their order
mod predicate; // which records, as a person writes it
mod raw; // the allocator that refuses what only a damaged length asks for
mod rows; // files cut into rows
mod seeds; // where a search begins
mod stored; // what is under the keys
mod texts; // what people and programs write
mod vectors; // parts of the index over vectors

pub use csv::csv;
pub use folders::folders;
pub use jsonl::jsonl;
pub use predicate::predicate;
pub use seeds::{Seed, seeds};
pub use stored::stored;
pub use texts::texts;
pub use vectors::vectors;

use kenning_store::{ErrorKind, Result};

/// A family of readers.
pub type Target = fn(&[u8]);

/// Every target, under its name: that of its corpus and, behind `fuzz-`, of its program.
pub const TARGETS: [(&str, Target); 7] = [
    ("stored", stored),
    ("texts", texts),
    ("csv", csv),
    ("jsonl", jsonl),
    ("folders", folders),
    ("predicate", predicate),
    ("vectors", vectors),
];

/// What stored bytes say. They were ours once: what can't be read is damage, and nothing else.
#[track_caller]
fn stored_as<T>(read: Result<T>) -> Option<T> {
    told(read, &[ErrorKind::Corrupt])
}

/// What given bytes say. They are somebody's request: it can be changed, or asked for less.
#[track_caller]
fn given_as<T>(read: Result<T>) -> Option<T> {
    told(read, &[ErrorKind::Invalid, ErrorKind::Exhausted])
}

#[track_caller]
fn told<T>(read: Result<T>, kinds: &[ErrorKind]) -> Option<T> {
    read.map_err(|error| assert!(kinds.contains(&error.kind()), "a wrong kind: {error:?}")).ok()
}
