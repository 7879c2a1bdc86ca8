//! The unfriendly world, on its own.

#![allow(clippy::unwrap_used, reason = "tests, and what they call")]

mod faulty;
mod power;
mod syscalls;
mod world;

kenning_test::interpose!();
