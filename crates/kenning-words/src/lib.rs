//! An index over words: BM25 over the postings of tantivy.
//!
//! A part is built of rows in one go and never changes. What is taken from tantivy is how terms,
//! postings and places are laid out and read; what is done here is to read texts and questions, to
//! count what is there at a version, and to score, so that the score of a row is the same however
//! rows are spread over parts. What this crate does not know: records, transactions, files, time.

mod asked; // which rows have what is asked for, and how rare it is
mod build; // rows to the body of a part
mod fold; // letters without accents
mod format; // the bytes of a part
mod highlight; // where a text has what is asked for
mod language; // endings, and words that say little
mod lengths; // how long a row is, in one byte
mod merge; // parts to the body of one
mod names; // what is named as a whole, and where it is named
mod near; // words that are nearly another
mod part; // a part that is open
mod question; // what somebody typed, as clauses
mod raw; // shared bytes that stay where they are; the only unsafe
mod score; // BM25 in whole numbers
mod segment; // one segment of tantivy in memory
mod spans; // where the words of a text are
mod terms; // from a text to its terms
mod top; // the best rows so far
mod unit; // the best rows by what they say
mod window; // the best rows by what stands around them
mod words; // the index

pub use words::Words;
