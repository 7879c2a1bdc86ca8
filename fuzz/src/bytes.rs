//! Bytes as choices: what a target takes from the front before the rest is what is read.

use std::io::{self, Read};

/// Takes one byte; zero where there is none.
pub(crate) fn choice(data: &mut &[u8]) -> u8 {
    let Some((first, rest)) = data.split_first() else { return 0 };
    *data = rest;
    *first
}

/// Takes so many bytes; zeros where there are none.
pub(crate) fn array<const N: usize>(data: &mut &[u8]) -> [u8; N] {
    std::array::from_fn(|_| choice(data))
}

/// Takes as many bytes as the first one says, or all.
pub(crate) fn part<'a>(data: &mut &'a [u8]) -> &'a [u8] {
    let size = usize::from(choice(data)).min(data.len());
    let (part, rest) = data.split_at(size);
    *data = rest;
    part
}

/// The text before the first line that is `--`, and the one after it.
pub(crate) fn halves(data: &[u8]) -> Option<(&str, &str)> {
    str::from_utf8(data).ok().map(|text| text.split_once("\n--\n").unwrap_or((text, "")))
}

/// A file that arrives in pieces of these sizes, over and over; the last piece is all that is left.
pub(crate) struct Pieces<'a> {
    pub(crate) rest: &'a [u8],
    pub(crate) sizes: [u8; 4],
    pub(crate) read: usize,
}

/// The most pieces of a file: with more, a search would only be slower.
const PIECES_MAX: usize = 24;

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = match self.read < PIECES_MAX {
            true => 1 + usize::from(self.sizes[self.read % self.sizes.len()]),
            false => usize::MAX,
        };
        self.read += 1;
        let size = size.min(self.rest.len()).min(buffer.len());
        buffer[..size].copy_from_slice(&self.rest[..size]);
        self.rest = &self.rest[size..];
        Ok(size)
    }
}
