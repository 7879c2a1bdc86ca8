//! RocksDB against the laws of a store, and against disks that fail.

#![allow(clippy::unwrap_used, reason = "tests, and what they call")]

mod conformance; // the laws
mod damage; // flipped bytes
mod faults; // failing calls
mod folder; // opening
mod power; // no power
mod workload; // commits whose every state is known

kenning_test::interpose!();
