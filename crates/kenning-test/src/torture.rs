//! What the world does to engines on a disk: damage, failing calls, cuts of power.
//!
//! An engine describes its files ([`Engine`]) and calls [`torture!`](crate::torture!), which makes
//! one test of each. The `main.rs` of those tests needs [`interpose!`](crate::interpose!).

#![allow(clippy::unwrap_used, reason = "these are tests, called from the tests of an engine")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kenning_store::{Batch, Create, Durability, ErrorKind, Result, Store, block_on};

use crate::workload::Workload;

mod damage; // flipped bytes, missing files
mod erasure; // what is gone is gone from every file
mod faults; // failing calls
mod folder; // opening and closing
mod power; // no power

pub use damage::*;
pub use erasure::*;
pub use faults::*;
pub use folder::*;
pub use power::*;

/// An engine on a disk.
pub trait Engine {
    /// Its name in the marker of a folder.
    fn name(&self) -> &'static str;

    /// Opens the store in the folder `path` as anybody would.
    fn open(&self, path: &Path, create: Create) -> Result<Arc<dyn Store>>;

    /// The same with so little memory that a short workload writes files and merges them.
    fn open_small(&self, path: &Path, create: Create) -> Result<Arc<dyn Store>>;

    /// Whether a file, named below the engine's own folder, holds sorted keys.
    fn is_table(&self, file: &Path) -> bool;

    /// Whether a file is of the log of recent writes.
    fn is_log(&self, file: &Path) -> bool;

    /// Words, each of which is in the name of some file that must not be missing.
    fn vital(&self) -> &'static [&'static str];
}

/// Makes a test of everything that an engine on a disk must live through. `$engine` is an
/// `Engine`.
#[macro_export]
macro_rules! torture {
    ($engine:expr) => {
        $crate::torture! { $engine;
            damage_anywhere_in_a_file_is_found
            a_block_in_the_cache_does_not_hide_damage_on_the_disk
            a_missing_file_is_damage
            damage_in_the_log_of_a_closed_store_is_found
            a_failing_sync_is_seen_and_shows_nothing
            a_failing_barrier_is_seen
            no_acknowledged_commit_is_lost_by_one_failing_call
            no_acknowledged_commit_is_lost_by_a_disk_that_fails_for_good
            no_acknowledged_commit_is_lost_by_a_full_disk
            a_disk_that_is_really_full_is_told_and_lived_through
            erasing_leaves_nothing_of_what_is_gone_in_any_file
            what_cannot_be_opened_says_why
            a_snapshot_holds_the_folder
            a_clean_end_leaves_no_long_log_to_replay
            opening_and_closing_leaves_nothing_behind
            what_was_acknowledged_survives_a_loss_of_power
            relaxed_commits_are_lost_unless_a_strict_one_follows
            a_checkpoint_and_a_part_are_durable_when_they_are_answered
        }
    };
    ($engine:expr; $($test:ident)*) => {
        $(
            #[test]
            fn $test() {
                $crate::torture::$test(&$engine);
            }
        )*
    };
}

/// Every file of the engine in the database folder `db` that `is_wanted`, in order. It is asked
/// with the path below the engine's own folder.
pub fn files(db: &Path, is_wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let store = db.join("store");
    let mut folders = vec![store.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if is_wanted(path.strip_prefix(&store).unwrap()) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Flips a byte of the first `marked` in a file; false if there is none.
pub fn flip_marked(path: &Path, marked: &[u8]) -> bool {
    let mut bytes = fs::read(path).unwrap();
    let found = bytes.windows(marked.len()).position(|window| window == marked);
    let Some(at) = found else { return false };
    bytes[at] ^= 0x20;
    fs::write(path, bytes).unwrap();
    true
}

fn put(store: &dyn Store, key: &[u8], value: &[u8], durability: Durability) -> Result<()> {
    let mut batch = Batch::new();
    batch.put(key, value);
    block_on(store.commit(batch, durability))
}

fn get(store: &dyn Store, key: &[u8]) -> Option<Vec<u8>> {
    let value = block_on(async { store.snapshot().await?.get(key).await }).unwrap();
    value.map(|value| value.to_vec())
}
