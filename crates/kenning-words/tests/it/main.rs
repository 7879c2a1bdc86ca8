//! Tests of the index over words.

mod law; // every score is that of a plain BM25, however rows are spread
