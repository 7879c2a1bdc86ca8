//! The fjall engine: a store in a folder, in Rust alone.
//!
//! fjall keeps an ordered map as a journal, tables in memory and sorted files. This crate decides
//! what of it Kenning uses: a keyspace for each space that grows, one batch and one journal for all
//! of them, and settings that bound memory and files. The traits of `kenning-store` are all that
//! leaves it.
//!
//! fjall promises less than a store has to. What is missing is added here, from outside: views that
//! never show half a batch (`store`), a journal that is read before fjall reads it (`journal`),
//! a folder of which nothing is missing (`trees`), a note of a clean end (`closed`), and a look at
//! every byte (`verify`).
//!
//! Futures of this engine are ready when they are first polled: it waits for the disk on the
//! calling thread.

mod closed; // the note of a clean end
mod error; // fjall's errors, as what to do
mod files; // what every look at files needs
mod filler; // what makes a journal longer
mod journal; // reading the journal before fjall does
mod options; // what fjall is told
mod size; // what a range takes
mod snapshot; // a frozen view
mod store; // the store
mod trees; // what must be in the folder
mod verify; // reading everything, from the disk

#[doc(hidden)]
pub use journal::batches;
pub use options::Settings;
pub use store::FjallStore;
