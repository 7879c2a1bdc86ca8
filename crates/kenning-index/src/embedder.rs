//! Texts to vectors.

use std::ops::Range;

use kenning_store::Result;

/// A model that says what texts mean, as vectors of length 1.
///
/// Its vectors can be compared with each other and with no others: whatever changes what it says
/// changes its id. It may be slow, and it may wait for a network; whoever calls it is on a thread
/// that may.
pub trait Embedder: Send + Sync {
    /// Which vectors these are.
    fn model_id(&self) -> &str;

    /// Numbers in a vector.
    fn dimensions(&self) -> usize;

    /// Where `text` is cut so that the model reads all of it: one range of bytes or several, in
    /// order, on borders of characters; none if there is nothing to read.
    fn windows(&self, text: &str) -> Result<Vec<Range<usize>>>;

    /// The vectors of these texts, one behind the other. What does not fit into the window of the
    /// model is not read.
    fn embed(&self, texts: &[&str]) -> Result<Vec<f32>>;
}
