//! Exact indexes: pure functions from a record to the entries it has.
//!
//! An index never reads, waits or locks. It says which entries a record should have; the
//! difference between the entries of a record before and after a change is what a batch writes.
//! Rebuilding an index is the same function over every record, so a maintained index and a rebuilt
//! one can't differ. What this crate does not know: stores, versions, transactions.

mod embedder; // texts to vectors
mod fields; // property values to ids
mod filter; // which records, how many, from which end
mod links; // links by source and by target
mod maintain; // the difference between two sets of entries
mod mask; // which rows of a part a question may see
mod names; // keys and aliases to ids
mod predicate; // which records, and the index that answers it
mod texts; // what a record says to the indexes over words and vectors
mod trigrams; // names that are like another
mod vectors; // what an index over vectors promises
mod words; // what an index over words promises

pub use embedder::Embedder;
pub use fields::{Fields, values};
pub use filter::Filter;
pub use links::{Arc, LinkEntry, Links, direction};
pub use maintain::{Claim, Edit, Entries, Entry, Index, Subject, difference};
pub use mask::{Bitmap, Mask};
pub use names::{Names, entry_id};
pub use predicate::{PREDICATE_BYTES_MAX, PREDICATE_DEPTH_MAX, Plan, Predicate};
pub use texts::{PLACES_APART_MAX, Place, text_of, vector_of, words_of};
pub use trigrams::{NearName, NearNames, similarity};
pub use vectors::{Near, NearCost, NearQuestion, VectorIndex, VectorPart};
pub use words::{Around, WINDOW_ROWS, WordArm, WordHit};
pub use words::{WordIndex, WordPart, WordQuestion, WordRow};
