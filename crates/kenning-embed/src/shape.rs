//! The shape of all-MiniLM-L6-v2. It is the one model whose weights are read here, so its numbers
//! are constants, and what does not have them is not that model.

/// Numbers of a token inside the model, and of a vector.
pub(crate) const HIDDEN: usize = 384;
/// Layers.
pub(crate) const LAYERS: usize = 6;
/// Heads of attention.
pub(crate) const HEADS: usize = 12;
/// Numbers of a token in one head.
pub(crate) const HEAD: usize = HIDDEN / HEADS;
/// Numbers of a token between the two halves of the feed-forward part.
pub(crate) const WIDE: usize = 1536;
/// Query, key and value of a token, side by side.
pub(crate) const QKV: usize = 3 * HIDDEN;
/// Tokens that the vocabulary has.
pub(crate) const VOCABULARY: usize = 30_522;
/// Tokens of a text that are read, with `[CLS]` and `[SEP]`.
pub(crate) const WINDOW: usize = 256;
/// What keeps the norm of a row from dividing by nothing.
pub(crate) const EPSILON: f32 = 1e-12;
