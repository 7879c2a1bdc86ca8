//! Tests of the index over words.

#![allow(clippy::unwrap_used, reason = "tests, and what they call")]

mod damage; // bytes that nobody wrote
mod law; // every score is that of a plain BM25, however rows are spread
mod names; // what is named as a whole
mod texts; // any text, any question, any language
