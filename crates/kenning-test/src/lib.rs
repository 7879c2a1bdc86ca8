//! What every store must do, and what the world may do to it.
//!
//! [`mod@conformance`] is the contract of a store as executable laws: an engine names itself and
//! gets one test for each; [`mod@torture`] is what engines on a disk live through besides. The rest
//! is an unfriendly world: [`ManualWorld`] owns time and chance,
//! [`Faulty`] fails commits, [`syscalls`] fails calls of the operating system below an engine, and
//! [`power`] takes the power away from a real file system. For tests only: no other crate may
//! depend on this one outside of `dev-dependencies`.

pub mod conformance; // the laws of a store
mod faulty; // a store that fails when told to
pub mod power; // a file system whose power can be cut
#[doc(hidden)]
pub mod raw; // the only unsafe: system calls
pub mod syscalls; // failing calls of the operating system
pub mod torture; // what engines on a disk live through
pub mod workload; // commits whose every state is known
mod world; // time and chance, by hand

pub use faulty::{Fault, Faulty};
pub use world::ManualWorld;
