//! What the compiler does not hold: layers, lengths, words, places and threads.
//!
//! Each rule is a function from sources to findings. One test runs it over this checkout, another
//! over a bad sample, so that a rule that finds nothing is known to be able to find something.
//! The sources are what git tracks or would track: a file is judged before it is committed.

mod edges; // which crate may use which
mod lengths; // lines, functions, files
mod places; // where this was built is nobody's business
mod source; // the files, and their code without comments and strings
mod threads; // every thread is listed
mod words; // what no file says
