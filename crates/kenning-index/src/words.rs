//! What an index over words promises.
//!
//! A row has two texts: its title and its body. Pieces are parts on the disk and small ones in
//! memory, all alike; a question is asked of all of them at once, because how rare a word is can
//! be said of all of them only. The neighbourhood of a row, which is what stands around it in its
//! source, is not stored: its words are counted from those of its rows while a question is
//! answered, so a row that changes changes the neighbourhood of others without touching them.

use std::ops::Range;
use std::sync::Arc;

use kenning_store::{Bytes, Result};

use crate::{Bitmap, Mask};

/// The texts of one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WordRow {
    /// Its key and what else names it.
    pub title: String,
    /// What it says.
    pub body: String,
}

/// Which texts are asked.
#[derive(Clone, Copy)]
pub enum WordArm<'a> {
    /// Title and body of the row.
    Unit,
    /// Titles and bodies of the row and those around it, as if they were one text. Only which words
    /// are there counts, phrases do not.
    Window(&'a dyn Around),
}

/// Who stands around whom, in all pieces that are asked.
pub trait Around: Send + Sync {
    /// Appends the pieces and rows around this one, itself included, in any order, each once. If
    /// one stands around another, so does the other around it. Rows that the mask of their piece
    /// does not see may be among them.
    fn around(&self, piece_idx: usize, row: u32, target: &mut Vec<(usize, u32)>);
}

/// How many rows a whole neighbourhood has: the usual length of one is so many times that of a row.
pub const WINDOW_ROWS: usize = 5;

/// A row that has words of the question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WordHit {
    /// The position of its piece among those that were asked.
    pub piece_idx: usize,
    /// Its row there.
    pub row: u32,
    /// BM25; more is better.
    pub score: f32,
}

/// How words become parts and answers.
pub trait WordIndex: Send + Sync {
    /// The languages whose endings it knows, by their codes: `en`, `de`, ...
    fn languages(&self) -> &[&str];

    /// The body of a part with these rows, in order.
    fn build(
        &self,
        language: &str,
        rows: &mut dyn Iterator<Item = Result<WordRow>>,
    ) -> Result<Vec<u8>>;

    /// The body of a part with the rows of several, one part behind the other: those that the
    /// bitmap of each part has. No text is read again.
    fn merge(&self, parts: &[(Arc<dyn WordPart>, &Bitmap)]) -> Result<Vec<u8>>;

    /// Opens the body of a part. The bytes may be mapped from a file. Refuses what it did not
    /// write as `Corrupt`.
    fn open(&self, body: Bytes) -> Result<Arc<dyn WordPart>>;

    /// Reads a question: words, any of which may be there; `"a phrase"`; `+must`; `-not`; `prefi*`;
    /// `fuzzi~1`. Text that is none of these is words: nothing that somebody types is refused.
    fn question(&self, language: &str, text: &str) -> Result<Arc<dyn WordQuestion>>;

    /// The best rows of `pieces` that their masks let through, best first, equal ones in the order
    /// of pieces and rows. How rare a word is, and how long a text usually is, is counted over all
    /// rows that are there at the version of the masks, whatever their filters say: so the scores
    /// of a row do not depend on how rows are spread over pieces. What is not there at that version
    /// belongs to no neighbourhood, what the filter leaves out does.
    fn best(
        &self,
        pieces: &[(Arc<dyn WordPart>, Mask<'_>)],
        question: &dyn WordQuestion,
        arm: WordArm<'_>,
        rows_max: usize,
    ) -> Result<Vec<WordHit>>;

    /// The rows that `pieces` let through one of whose names stands in `text`, as a whole; in what
    /// the question asks for if there is no text. A line of a title is a name, and so is what of it
    /// stands before parentheses at its end. The names that fewest rows have come first; one whose
    /// rows do not all fit into `rows_max` any more is left out. Every hit has the score 1.
    fn named(
        &self,
        pieces: &[(Arc<dyn WordPart>, Mask<'_>)],
        question: &dyn WordQuestion,
        text: Option<&str>,
        rows_max: usize,
    ) -> Result<Vec<WordHit>>;
}

/// A question that was read.
pub trait WordQuestion: Send + Sync {
    /// Itself, for who made it.
    fn as_any(&self) -> &dyn std::any::Any;

    /// Whether it asks for anything.
    fn is_empty(&self) -> bool;

    /// Where `text` has what it asks for, in bytes, in order, without overlap.
    fn highlights(&self, text: &str) -> Vec<Range<usize>>;
}

/// The words of one part.
pub trait WordPart: Send + Sync {
    /// Itself, for who made it.
    fn as_any(&self) -> &dyn std::any::Any;

    /// Rows that it has.
    fn rows(&self) -> u32;

    /// Checks every byte.
    fn verify(&self) -> Result<()>;
}
