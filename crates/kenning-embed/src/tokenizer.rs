//! WordPiece: a word is the longest pieces of the vocabulary that it can be put together from,
//! longest first; one that can't be is unknown.

use kenning_store::{Bytes, Error, Result};

use crate::shape::VOCABULARY;
use crate::words::{normalize, parts, special, words};

/// Characters of a word; a longer one is unknown.
const WORD_CHARS_MAX: usize = 100;
/// Slots of the table. A power of two, so that few of them are taken.
const SLOTS: usize = (2 * VOCABULARY).next_power_of_two();
/// No token is there.
const FREE: u32 = u32::MAX;
/// How a piece is written that goes on with a word.
const GOES_ON: &[u8] = b"##";

/// The tokens that a model knows, and texts as tokens.
pub(crate) struct Tokenizer {
    /// A token a line.
    text: Bytes,
    /// Where each token ends; it begins behind the end of the one before, and its line break.
    ends: Vec<u32>,
    /// Tokens by the hash of what they say.
    slots: Vec<u32>,
    piece_bytes_max: usize,
    unknown: u32,
    first: u32,
    last: u32,
}

impl Tokenizer {
    /// A tokenizer with a vocabulary of one token a line.
    pub(crate) fn new(text: Bytes) -> Result<Self> {
        let damaged = |why: &str| Error::corrupt("MODEL_DAMAGED", format!("the vocabulary {why}"));
        let ends = line_ends(&text);
        if ends.len() != VOCABULARY {
            return Err(damaged(&format!("has {} tokens, not {VOCABULARY}", ends.len())));
        }
        let mut tokenizer = Tokenizer {
            text,
            ends,
            slots: vec![FREE; SLOTS],
            piece_bytes_max: 0,
            unknown: 0,
            first: 0,
            last: 0,
        };
        for token in 0..VOCABULARY as u32 {
            let (piece, goes_on) = tokenizer.piece(token);
            let (size, slot) = (piece.len(), tokenizer.slot(piece, goes_on));
            tokenizer.piece_bytes_max = tokenizer.piece_bytes_max.max(size);
            // Of equal tokens the last one counts, as in a map.
            tokenizer.slots[slot] = token;
        }
        let find = |token: &str| {
            let found = tokenizer.find(token.as_bytes(), false);
            found.ok_or_else(|| damaged(&format!("lacks the token {token}")))
        };
        let [unknown, first, last] = [find("[UNK]")?, find("[CLS]")?, find("[SEP]")?];
        find("[PAD]")?;
        find("[MASK]")?;
        Ok(Tokenizer { unknown, first, last, ..tokenizer })
    }

    /// The tokens of `text`, with the first and the last, at most `tokens_max`. What is behind them
    /// is not looked at.
    pub(crate) fn tokens(&self, text: &str, tokens_max: usize) -> Vec<u32> {
        let mut tokens = vec![self.first];
        let mut normal = String::new();
        for word in words(text) {
            self.push(&text[word], &mut normal, &mut tokens);
            if tokens.len() >= tokens_max - 1 {
                tokens.truncate(tokens_max - 1);
                break;
            }
        }
        tokens.push(self.last);
        tokens
    }

    /// Appends the tokens of a word. `normal` is room that is used again.
    pub(crate) fn push(&self, word: &str, normal: &mut String, tokens: &mut Vec<u32>) {
        if let Some(token) = special(word) {
            let token =
                self.find(token.as_bytes(), false).expect("the vocabulary has its special tokens");
            return tokens.push(token);
        }
        normal.clear();
        normalize(word, normal);
        parts(normal).for_each(|part| self.push_part(part, tokens));
    }

    fn push_part(&self, part: &str, tokens: &mut Vec<u32>) {
        let before = tokens.len();
        if WORD_CHARS_MAX < part.len() && WORD_CHARS_MAX < part.chars().count() {
            return tokens.push(self.unknown);
        }
        let mut rest = part;
        while !rest.is_empty() {
            let Some((token, size)) = self.longest(rest, rest.len() < part.len()) else {
                tokens.truncate(before);
                return tokens.push(self.unknown);
            };
            tokens.push(token);
            rest = &rest[size..];
        }
    }

    /// The longest piece that `text` begins with, and its size.
    fn longest(&self, text: &str, goes_on: bool) -> Option<(u32, usize)> {
        let sizes = (1..=text.len().min(self.piece_bytes_max)).rev();
        let mut sizes = sizes.filter(|size| text.is_char_boundary(*size));
        sizes.find_map(|size| Some((self.find(&text.as_bytes()[..size], goes_on)?, size)))
    }

    fn find(&self, piece: &[u8], goes_on: bool) -> Option<u32> {
        let token = self.slots[self.slot(piece, goes_on)];
        (token != FREE).then_some(token)
    }

    /// The slot of this piece, or the free one that it would have.
    fn slot(&self, piece: &[u8], goes_on: bool) -> usize {
        let mut slot = hash(piece, goes_on) as usize % SLOTS;
        // Half of the slots are free, so this ends.
        while self.slots[slot] != FREE && self.piece(self.slots[slot]) != (piece, goes_on) {
            slot = (slot + 1) % SLOTS;
        }
        slot
    }

    /// What a token says, and whether it goes on with a word.
    fn piece(&self, token: u32) -> (&[u8], bool) {
        let from = match token {
            0 => 0,
            token => self.ends[token as usize - 1] as usize + 1,
        };
        let line = &self.text[from..self.ends[token as usize] as usize];
        match line.strip_prefix(GOES_ON) {
            Some(piece) if !piece.is_empty() => (piece, true),
            _ => (line, false),
        }
    }
}

/// Where the lines of `text` end.
fn line_ends(text: &[u8]) -> Vec<u32> {
    let breaks = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let mut ends: Vec<u32> = breaks.map(|(at, _)| at as u32).collect();
    if text.last().is_some_and(|last| *last != b'\n') {
        ends.push(text.len() as u32);
    }
    ends
}

/// FNV-1a. The vocabulary is known, so nobody can choose what collides.
fn hash(piece: &[u8], goes_on: bool) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ u64::from(goes_on);
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = piece.iter().fold(start, step);
    hash ^ hash >> 32
}
