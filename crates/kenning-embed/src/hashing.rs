//! Vectors without a model.
//!
//! Each word, and each three letters of it, is hashed to one of the numbers of a vector and to a
//! sign. Texts that share words are near each other, and so are those whose words are alike; that
//! is all it knows. It needs nothing, and says the same everywhere and always.

use std::ops::Range;

use kenning_index::Embedder;
use kenning_store::Result;

use crate::unit;
use crate::windows::windows;
use crate::words::{normalize, parts, words};

const DIMENSIONS: usize = 384;
/// Words that make one vector; more say everything and nothing.
const WINDOW_WORDS: usize = 256;
const WORD_WEIGHT: f32 = 1.0;
const LETTERS_WEIGHT: f32 = 0.3;
/// Letters of a word that are looked at, so that a word of megabytes is no work.
const WORD_CHARS_MAX: usize = 100;

/// The embedder that needs no model.
///
/// ```
/// use kenning_embed::Hashing;
/// use kenning_index::Embedder;
/// let vectors = Hashing.embed(&["boats on the river", "a boat, a river", "tax law"])?;
/// let near = |a: usize, b: usize| -> f32 {
///     let row = |row: usize| &vectors[row * 384..][..384];
///     row(a).iter().zip(row(b)).map(|(a, b)| a * b).sum()
/// };
/// assert!(near(0, 1) > near(0, 2));
/// # Ok::<(), kenning_store::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Hashing;

impl Embedder for Hashing {
    fn model_id(&self) -> &str {
        "hashing-384"
    }

    fn dimensions(&self) -> usize {
        DIMENSIONS
    }

    fn windows(&self, text: &str) -> Result<Vec<Range<usize>>> {
        let mut normal = String::new();
        Ok(windows(text, WINDOW_WORDS, |word| {
            normal.clear();
            normalize(word, &mut normal);
            usize::from(!normal.is_empty())
        }))
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<f32>> {
        let mut vectors = vec![0.0; texts.len() * DIMENSIONS];
        for (text, vector) in texts.iter().zip(vectors.chunks_exact_mut(DIMENSIONS)) {
            embed(text, vector);
        }
        Ok(vectors)
    }
}

fn embed(text: &str, vector: &mut [f32]) {
    let mut normal = String::new();
    for word in words(text).take(WINDOW_WORDS) {
        normal.clear();
        normalize(&text[word], &mut normal);
        parts(&normal).for_each(|part| add_word(part, vector));
    }
    if !unit::scale(vector) {
        // A text that says nothing has a direction all the same, and it is always this one.
        vector.fill(0.0);
        vector[0] = 1.0;
    }
}

fn add_word(word: &str, vector: &mut [f32]) {
    let mut letters = vec!['^'];
    letters.extend(word.chars().take(WORD_CHARS_MAX));
    letters.push('$');
    add(&letters, WORD_WEIGHT, vector);
    letters.windows(3).for_each(|three| add(three, LETTERS_WEIGHT, vector));
}

fn add(letters: &[char], weight: f32, vector: &mut [f32]) {
    let hash = hash(letters);
    let sign = if hash >> 63 == 0 { weight } else { -weight };
    vector[(hash % DIMENSIONS as u64) as usize] += sign;
}

/// FNV-1a with a last mixing, as its high bits alone are poor.
fn hash(letters: &[char]) -> u64 {
    let bytes = letters.iter().flat_map(|letter| u32::from(*letter).to_le_bytes());
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, step);
    let hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ hash >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_has_the_same_vector_everywhere() {
        let vector = Hashing.embed(&["Kenning"]).unwrap();
        let set: Vec<usize> = (0..DIMENSIONS).filter(|idx| vector[*idx] != 0.0).collect();
        assert_eq!(set, [24, 72, 134, 144, 150, 226, 237, 340]);
    }

    #[test]
    fn every_vector_has_length_1() {
        let long = "word ".repeat(100_000);
        let texts = ["", " ", "\0", "a", "\u{1f600}", &long, &"x".repeat(1 << 20)];
        for vector in Hashing.embed(&texts).unwrap().chunks_exact(DIMENSIONS) {
            let square: f32 = vector.iter().map(|x| x * x).sum();
            assert!((square - 1.0).abs() < 1e-5);
        }
    }
}
