//! The laws of a store, for every engine.
//!
//! An engine describes how its stores are opened ([`Subject`]) and calls
//! [`conformance!`](crate::conformance!), which makes one test for each law. What is inside an
//! engine is of no interest here: everything goes through the two traits.

#![allow(clippy::unwrap_used, reason = "these are tests, called from the tests of an engine")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use kenning_store::{Batch, Bytes, Durability, Error, Page, Range, Result, Scan, Snapshot, Store};
use kenning_store::{block_on, limits};

mod commits; // batches, durability, reopening
mod limit; // the smallest and the largest
mod model; // random operations against a map
mod parts; // blobs
mod reads; // scans, gets, snapshots
mod whole; // checkpoint, compact, verify, sizes

pub use commits::*;
pub use limit::*;
pub use model::*;
pub use parts::*;
pub use reads::*;
pub use whole::*;

/// One store of an engine, which can be opened again and again.
pub trait Subject {
    /// Opens the store; the first time it is empty. The one opened before has been dropped.
    fn open(&self) -> Result<Arc<dyn Store>>;

    /// Opens what a checkpoint wrote at `path`.
    fn open_copy(&self, path: &Path) -> Result<Arc<dyn Store>>;

    /// Damages stored bytes of the store, which is not open; some keys hold `marked` as a part of
    /// their values. False if the engine stores no bytes.
    fn damage(&self, marked: &[u8]) -> bool;

    /// Waits until a store of which everything was dropped can be opened again.
    fn reopen(&self, store: Arc<dyn Store>) -> Result<Arc<dyn Store>> {
        drop(store);
        self.open()
    }
}

/// Makes a subject with an empty store.
pub type Fresh<'a> = &'a dyn Fn() -> Box<dyn Subject>;

/// Makes a test of every law. `$fresh` is a `Fn() -> Box<dyn Subject>`.
#[macro_export]
macro_rules! conformance {
    ($fresh:expr) => {
        $crate::conformance! { $fresh;
            keys_come_in_order
            a_batch_lands_whole
            the_last_write_to_a_key_wins
            an_empty_batch_is_fine
            a_batch_of_100_000_writes_lands
            reopening_keeps_everything
            a_strict_commit_keeps_relaxed_ones
            a_held_snapshot_does_not_move
            a_snapshot_outlives_its_store
            gets_and_scans_agree
            many_threads_read_at_once
            scans_page_in_both_directions
            pages_are_bounded_in_bytes
            empty_ranges_have_no_rows
            ranges_cross_spaces
            the_smallest_and_largest_entries_fit
            what_is_too_large_is_refused_whole
            the_largest_batch_fits_and_no_larger
            parts_are_read_in_pieces
            a_part_never_changes
            parts_are_listed_and_dropped
            a_checkpoint_is_a_store_of_its_own
            a_checkpoint_replaces_nothing
            compacting_changes_nothing
            sizes_grow_with_what_is_stored
            a_healthy_store_verifies
            damage_is_found
            random_operations_agree_with_a_map
        }
    };
    ($fresh:expr; $($law:ident)*) => {
        $(
            #[test]
            fn $law() {
                $crate::conformance::$law(&$fresh);
            }
        )*
    };
}

/// Commits puts (`Some`) and deletes (`None`).
fn commit<'a>(
    store: &Arc<dyn Store>,
    writes: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    durability: Durability,
) {
    let mut batch = Batch::new();
    for (key, value) in writes {
        match value {
            Some(value) => batch.put(key, value),
            None => batch.delete(key),
        }
    }
    block_on(store.commit(batch, durability)).unwrap();
}

fn put(store: &Arc<dyn Store>, key: &[u8], value: &[u8]) {
    commit(store, [(key, Some(value))], Durability::Strict);
}

fn snapshot(store: &Arc<dyn Store>) -> Arc<dyn Snapshot> {
    block_on(store.snapshot()).unwrap()
}

fn get(snapshot: &Arc<dyn Snapshot>, key: &[u8]) -> Option<Bytes> {
    block_on(snapshot.get(key)).unwrap()
}

fn page(snapshot: &Arc<dyn Snapshot>, scan: &Scan) -> Page {
    block_on(snapshot.page(scan)).unwrap()
}

/// Every row of a scan, page by page; each page is checked against what was asked for.
fn rows(snapshot: &Arc<dyn Snapshot>, scan: Scan) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let rows_max = scan.rows_max;
    let mut rest = Some(scan);
    while let Some(scan) = rest {
        let page = page(snapshot, &scan);
        assert!(page.rows.len() <= rows_max, "a page has at most the rows that were asked for");
        assert!(!page.rows.is_empty() || page.rest.is_none(), "a page that goes on has a row");
        rows.extend(page.rows.iter().map(|row| (row.key.to_vec(), row.value.to_vec())));
        rest = page.rest;
        if let Some(rest) = &rest {
            assert_eq!(rest.rows_max, rows_max, "the rest asks for as many rows");
        }
    }
    rows
}

fn everything(store: &Arc<dyn Store>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    rows(&snapshot(store), Range::all().forward()).into_iter().collect()
}

/// Commits strictly, expecting the refusal `code`.
fn refusal(store: &Arc<dyn Store>, batch: Batch) -> &'static str {
    let error: Error = block_on(store.commit(batch, Durability::Strict)).unwrap_err();
    error.code()
}

/// A thread-safe count-down of chance for tests that need no more: equal seeds, equal numbers.
fn chance(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// Bytes that do not compress.
fn noise(size: usize, mut seed: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        bytes.extend_from_slice(&chance(&mut seed).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
