//! Texts to vectors.
//!
//! Three ways to say what a text means, each an [`Embedder`](kenning_index::Embedder): a model that
//! runs here, in plain Rust over kernels for this processor; an endpoint that somebody else runs;
//! and a hash of words, for tests and machines without a model. What this crate does not know:
//! stores, records, and who asks.

mod built_in; // the compact model, inside the program
mod compact; // a model in one small file
mod forward; // tokens to vectors
mod hashing; // vectors without a model
mod http; // an endpoint that somebody else runs
mod kernel; // arithmetic over rows
mod known; // models by name, and their files
mod model; // all-MiniLM-L6-v2
mod pull; // bringing the files of a model
mod safetensors; // weights as they are published
mod shape; // the numbers of that model
mod threads; // work that several threads share
mod tokenizer; // words to tokens
mod unit; // vectors of length 1
mod weights; // a model that is loaded
mod windows; // long texts to windows
mod words; // texts to words

pub use hashing::Hashing;
pub use http::{Endpoint, Remote};
pub use kernel::Kernel;
pub use known::{Form, KNOWN_MODELS, KnownFile, KnownModel, known_model};
pub use model::{Model, write_compact};
