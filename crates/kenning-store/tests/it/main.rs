//! The engine that forgets against the laws of a store, and the folder against the world.

#![allow(clippy::unwrap_used, reason = "tests, and what they call")]

mod backup; // a folder of backups
mod batch;
mod folder;
mod memory;

kenning_test::interpose!();
