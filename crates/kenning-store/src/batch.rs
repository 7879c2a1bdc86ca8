//! A set of writes that lands whole, in a few buffers, so that a thousand records are two
//! allocations.
//!
//! Who makes a batch of other batches takes over their buffers, and copies nothing.

use crate::limits::{BATCH_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::{Error, Result};

/// Puts and deletes that an engine applies together or not at all. The last write to a key wins.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// What comes before `open`.
    closed: Vec<Piece>,
    /// Where the next write goes.
    open: Piece,
}

#[derive(Clone, Debug, Default)]
struct Piece {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    key_at: usize,
    value_at: usize,
    until: usize,
    delete: bool,
}

/// One write of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write<'a> {
    /// The key has this value from now on.
    Put(&'a [u8], &'a [u8]),
    /// The key is gone.
    Delete(&'a [u8]),
}

impl Batch {
    /// A batch without writes. Committing it strictly makes every earlier batch durable.
    pub fn new() -> Self {
        Batch::default()
    }

    /// A batch with room for about so many bytes and writes, so that it is not moved while it
    /// grows.
    pub fn with_capacity(bytes: usize, writes: usize) -> Self {
        let open = Piece { bytes: Vec::with_capacity(bytes), spans: Vec::with_capacity(writes) };
        Batch { closed: Vec::new(), open }
    }

    /// Sets `key` to `value`.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.put_with(key, |bytes| bytes.extend_from_slice(value));
    }

    /// Sets `key` to what `write` appends.
    pub fn put_with(&mut self, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        let Piece { bytes, spans } = &mut self.open;
        let key_at = bytes.len();
        bytes.extend_from_slice(key);
        let value_at = bytes.len();
        write(bytes);
        assert!(bytes.len() >= value_at, "a value is appended, never cut");
        spans.push(Span { key_at, value_at, until: bytes.len(), delete: false });
    }

    /// Removes `key`, present or not.
    pub fn delete(&mut self, key: &[u8]) {
        let Piece { bytes, spans } = &mut self.open;
        let key_at = bytes.len();
        bytes.extend_from_slice(key);
        let until = bytes.len();
        spans.push(Span { key_at, value_at: until, until, delete: true });
    }

    /// Adds the writes of `other` behind its own.
    pub fn append(&mut self, other: Batch) {
        let open = std::mem::take(&mut self.open);
        let pieces = std::iter::once(open).chain(other.closed).chain([other.open]);
        self.closed.extend(pieces.filter(|piece| !piece.spans.is_empty()));
    }

    /// The writes in the order they were made.
    pub fn writes(&self) -> impl Iterator<Item = Write<'_>> {
        self.pieces().flat_map(|piece| piece.spans.iter().map(|span| piece.write(span)))
    }

    /// Changes every value in place.
    pub fn change_values(&mut self, mut change: impl FnMut(&mut [u8])) {
        for piece in self.closed.iter_mut().chain([&mut self.open]) {
            for span in piece.spans.iter().filter(|span| !span.delete) {
                change(&mut piece.bytes[span.value_at..span.until]);
            }
        }
    }

    /// How many writes.
    pub fn len(&self) -> usize {
        self.pieces().map(|piece| piece.spans.len()).sum()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.pieces().all(|piece| piece.spans.is_empty())
    }

    /// Bytes of all keys and values.
    pub fn size_bytes(&self) -> usize {
        self.pieces().map(|piece| piece.bytes.len()).sum()
    }

    /// Checks every limit. Each engine calls this before it writes anything.
    pub fn check(&self) -> Result<()> {
        let size = self.size_bytes();
        if size > BATCH_BYTES_MAX {
            return Err(Error::exhausted(
                "BATCH_TOO_LARGE",
                format!("a batch has {size} bytes, the most is {BATCH_BYTES_MAX}"),
            ));
        }
        for span in self.pieces().flat_map(|piece| &piece.spans) {
            check_key(span.value_at - span.key_at)?;
            check_value(span.until - span.value_at)?;
        }
        Ok(())
    }

    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.closed.iter().chain([&self.open])
    }
}

impl Piece {
    fn write(&self, span: &Span) -> Write<'_> {
        let key = &self.bytes[span.key_at..span.value_at];
        if span.delete {
            Write::Delete(key)
        } else {
            Write::Put(key, &self.bytes[span.value_at..span.until])
        }
    }
}

fn check_key(size: usize) -> Result<()> {
    match size {
        0 => Err(Error::invalid("KEY_EMPTY", "a stored key has at least one byte")),
        1..=KEY_BYTES_MAX => Ok(()),
        _ => Err(Error::exhausted(
            "KEY_TOO_LARGE",
            format!("a stored key has {size} bytes, the most is {KEY_BYTES_MAX}"),
        )),
    }
}

fn check_value(size: usize) -> Result<()> {
    if size > VALUE_BYTES_MAX {
        return Err(Error::exhausted(
            "VALUE_TOO_LARGE",
            format!("a stored value has {size} bytes, the most is {VALUE_BYTES_MAX}"),
        ));
    }
    Ok(())
}
