//! The real program, as a person or a script meets it.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod backup; // backups and restores that end early
mod bulk; // imports and exports that end early
mod compact; // compactions that end early
mod completions; // what a shell is told about the words
mod examples; // what `help`, `demo` and the scripts show runs as it stands
mod faults; // disks that refuse, readers that leave, a second process
mod follow; // a log that is followed
mod guide; // what the guide shows
mod models; // a model that somebody else runs
mod normal; // what differs from run to run
mod scripts; // transcripts
mod shell; // the program in a folder of its own
mod tenants; // a tenant that is dropped by a process that is killed
mod terminal; // tables where somebody looks at them
mod whole; // whole databases that are cut off on their way
