//! The real program, as a person or a script meets it.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod backup; // backups and restores that end early
mod bulk; // imports and exports that end early
mod examples; // what `help` and `demo` show runs as it stands
mod faults; // disks that refuse, readers that leave, a second process
mod normal; // what differs from run to run
mod scripts; // transcripts
mod shell; // the program in a folder of its own
mod terminal; // tables where somebody looks at them
