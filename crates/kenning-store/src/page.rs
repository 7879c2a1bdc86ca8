//! The rows of a page, in one buffer: a page of a thousand rows is a handful of allocations, and
//! whoever keeps a row keeps its page.

use crate::{Bytes, Page, Row, Scan};

/// What a page's buffer begins with, unless its first row is larger.
const PAGE_BYTES_FIRST: usize = 4 << 10;

/// Rows on their way from an engine into a page.
#[derive(Default)]
pub struct Rows {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

struct Span {
    key_at: usize,
    value_at: usize,
    until: usize,
}

impl Rows {
    /// Copies a row behind the others.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve((key.len() + value.len()).max(PAGE_BYTES_FIRST));
        }
        let key_at = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let value_at = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.spans.push(Span { key_at, value_at, until: self.bytes.len() });
    }

    /// Whether these rows are a full page of `scan`.
    pub fn is_full(&self, scan: &Scan) -> bool {
        scan.is_full(self.spans.len(), self.bytes.len())
    }

    /// The page of `scan`; it goes on behind its last row if it is full.
    pub fn into_page(self, scan: &Scan) -> Page {
        let is_full = self.is_full(scan);
        let bytes = Bytes::from(self.bytes);
        let row = |span: &Span| Row {
            key: bytes.slice(span.key_at..span.value_at),
            value: bytes.slice(span.value_at..span.until),
        };
        let rows: Vec<Row> = self.spans.iter().map(row).collect();
        let rest = rows.last().filter(|_| is_full).map(|last| scan.after(&last.key));
        Page { rows, rest }
    }
}
