//! fjall against the laws of a store, and against disks that fail.

#![allow(clippy::unwrap_used, reason = "tests, and what they call")]

mod conformance; // the laws
mod own; // what only fjall does
mod torture; // damage, failing calls, cuts of power

kenning_test::interpose!();
