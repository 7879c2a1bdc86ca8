//! Bytes to rows.
//!
//! A row is a line of jsonl, or what csv has between two ends of a line outside of quotes. Rows are
//! cut out here and read elsewhere, so this is the only part that goes through the bytes one after
//! the other, and it does little. Memory is bounded by the longest row that is allowed; a longer
//! line is passed over without being kept.
//!
//! A quote of csv that is not closed as it should be would take every later line with it. There the
//! first line alone is bad, and reading goes on at the next. Each byte is still looked at a bounded
//! number of times: what is read again begins outside of quotes, and a second search through the
//! same lines would need a quote that the first one would have stopped at.

use std::collections::VecDeque;
use std::io::Read;
use std::ops::Range;

use kenning_store::{Error, Result};
use memchr::{memchr, memchr_iter, memchr2};

use crate::Format;
use crate::source::unread;

/// The most bytes of a row: those of a record.
pub const ROW_BYTES_MAX: usize = kenning_record::RECORD_BYTES_MAX;

const READ_BYTES: usize = 256 << 10;

/// Where a row is, and what comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The number of its first line, as an editor shows it.
    pub(crate) line: u64,
    /// The number of the first line after it.
    pub(crate) next_line: u64,
    /// Bytes of text before what comes after it.
    pub(crate) until: u64,
}

/// A row that was cut out.
#[derive(Debug)]
pub(crate) struct RawRow {
    pub(crate) place: Place,
    /// Its bytes in the chunk, without the end of the line.
    pub(crate) bytes: Range<usize>,
    /// Why it can't be read.
    pub(crate) fault: Option<Error>,
}

/// Some rows.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    pub(crate) rows: Vec<RawRow>,
    /// Where it ends; the line is that of no row.
    pub(crate) end: Place,
    /// Whether nothing comes after it.
    pub(crate) last: bool,
}

impl Chunk {
    /// The same rows in chunks of at most so many.
    pub(crate) fn parts(mut self, rows_max: usize) -> VecDeque<Chunk> {
        let mut parts = VecDeque::new();
        while self.rows.len() > rows_max {
            let later = self.rows.split_off(rows_max);
            let from = later.first().map_or(self.bytes.len(), |row| row.bytes.start);
            let bytes = self.bytes.split_off(from);
            let place = self.rows.last().map_or(self.end, |row| row.place);
            let end = Place { line: place.next_line, ..place };
            parts.push_back(Chunk { bytes: self.bytes, rows: self.rows, end, last: false });
            self.bytes = bytes;
            self.rows = later;
            for row in &mut self.rows {
                row.bytes = row.bytes.start - from..row.bytes.end - from;
            }
        }
        parts.push_back(self);
        parts
    }
}

/// The rows of a source, one after the other.
pub(crate) struct Rows<R> {
    source: R,
    format: Format,
    read_bytes: usize,
    buffer: Vec<u8>,
    /// Where in the buffer the next row begins.
    start: usize,
    /// Bytes of text before the next row.
    at: u64,
    /// The line of the next row.
    line: u64,
    ended: bool,
}

/// How far a row of csv goes, from where it begins.
enum Extent {
    /// Until here, over so many ends of lines.
    Row(usize, u64),
    /// Its quotes are not as they should be.
    Broken,
    /// Beyond the limit, without an end of a line.
    TooLong,
}

impl<R: Read> Rows<R> {
    pub(crate) fn new(source: R, format: Format) -> Self {
        Rows::buffered(source, format, READ_BYTES)
    }

    /// Reads so many bytes at a time.
    pub(crate) fn buffered(source: R, format: Format, read_bytes: usize) -> Self {
        let buffer = Vec::new();
        Rows { source, format, read_bytes, buffer, start: 0, at: 0, line: 1, ended: false }
    }

    /// The next rows, at most so many, and no more once they have so many bytes.
    pub(crate) fn chunk(&mut self, rows_max: usize, bytes_max: usize) -> Result<Chunk> {
        let mut chunk =
            Chunk { bytes: Vec::new(), rows: Vec::new(), end: self.place(), last: false };
        while chunk.rows.len() < rows_max && chunk.bytes.len() < bytes_max && !self.at_end()? {
            self.cut(&mut chunk)?;
        }
        chunk.last = self.at_end()?;
        chunk.end = self.place();
        Ok(chunk)
    }

    /// Passes over everything before `until`, where line `line` begins.
    pub(crate) fn skip_to(&mut self, until: u64, line: u64) -> Result<()> {
        while self.at < until {
            if self.rest().is_empty() && !self.more()? {
                let message = "the file ends before the place that an earlier import came to";
                return Err(Error::invalid("FILE_CHANGED", message));
            }
            let left = usize::try_from(until - self.at).unwrap_or(usize::MAX);
            self.pass(left.min(self.rest().len()));
        }
        self.line = line;
        Ok(())
    }

    fn place(&self) -> Place {
        Place { line: self.line, next_line: self.line, until: self.at }
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn pass(&mut self, bytes: usize) {
        self.start += bytes;
        self.at += bytes as u64;
    }

    /// Passes over blank lines. Whether nothing is left then.
    fn at_end(&mut self) -> Result<bool> {
        loop {
            let rest = self.rest();
            let blank = match self.format {
                Format::Jsonl => {
                    rest.iter().position(|byte| !byte.is_ascii_whitespace() || *byte == b'\n')
                }
                Format::Csv { .. } => match rest {
                    [b'\r'] | [] => None,
                    [b'\r', b'\n', ..] => Some(1),
                    [..] => Some(0),
                },
            };
            match blank {
                Some(at) if rest[at] == b'\n' => {
                    self.pass(at + 1);
                    self.line += 1;
                }
                Some(_) => return Ok(false),
                None if self.rest().len() > ROW_BYTES_MAX => return Ok(false),
                None => {
                    if !self.more()? {
                        // What is left is blank, and at most a line.
                        self.pass(self.rest().len());
                        return Ok(true);
                    }
                }
            }
        }
    }

    /// Cuts out the row that begins here.
    fn cut(&mut self, chunk: &mut Chunk) -> Result<()> {
        let extent = match self.format {
            Format::Jsonl => match self.line_end(0)? {
                Some(until) => Extent::Row(until, 1),
                None => Extent::TooLong,
            },
            Format::Csv { delimiter } => self.csv_end(delimiter)?,
        };
        let line = self.line;
        let from = chunk.bytes.len();
        let fault = match extent {
            Extent::Row(until, n_lines) => {
                chunk.bytes.extend_from_slice(without_end(&self.rest()[..until]));
                self.pass(until);
                self.line += n_lines;
                None
            }
            Extent::Broken => {
                self.pass_line()?;
                Some(Error::invalid(
                    "CSV_QUOTE",
                    "a field begins with a quote, and does not end with one before a delimiter",
                ))
            }
            Extent::TooLong => {
                self.pass_line()?;
                let message = format!("a line is longer than {ROW_BYTES_MAX} bytes");
                Some(Error::exhausted("LINE_TOO_LONG", message))
            }
        };
        let place = Place { line, next_line: self.line, until: self.at };
        chunk.rows.push(RawRow { place, bytes: from..chunk.bytes.len(), fault });
        Ok(())
    }

    /// Where the line that begins `from` bytes from here ends, its end included. `None` if it is
    /// too long.
    fn line_end(&mut self, from: usize) -> Result<Option<usize>> {
        let mut seen = from;
        let end = loop {
            if let Some(at) = memchr(b'\n', &self.rest()[seen..]) {
                break seen + at + 1;
            }
            seen = self.rest().len();
            if seen > ROW_BYTES_MAX {
                return Ok(None);
            }
            if !self.more()? {
                break seen;
            }
        };
        Ok((end <= ROW_BYTES_MAX).then_some(end))
    }

    /// Passes over a line, however long it is.
    fn pass_line(&mut self) -> Result<()> {
        self.line += 1;
        loop {
            if let Some(at) = memchr(b'\n', self.rest()) {
                self.pass(at + 1);
                return Ok(());
            }
            self.pass(self.rest().len());
            if !self.more()? {
                return Ok(());
            }
        }
    }

    /// Where the row of csv that begins here ends.
    fn csv_end(&mut self, delimiter: u8) -> Result<Extent> {
        let mut seen = 0;
        let mut n_lines = 0;
        loop {
            // Here a field begins.
            if self.byte(seen)? == Some(b'"') {
                let Some((until, lines)) = self.quoted_end(seen + 1)? else {
                    let long = n_lines == 0 && self.line_end(0)?.is_none();
                    return Ok(if long { Extent::TooLong } else { Extent::Broken });
                };
                seen = until;
                n_lines += lines;
                let after = (self.byte(seen)?, self.byte(seen + 1)?);
                match after {
                    (None | Some(b'\n'), _) => {}
                    (Some(b'\r'), None | Some(b'\n')) => seen += 1,
                    (Some(byte), _) if byte == delimiter => {}
                    (Some(_), _) => return Ok(Extent::Broken),
                }
            }
            let Some(at) = self.field_end(seen, delimiter)? else {
                return Ok(if n_lines == 0 { Extent::TooLong } else { Extent::Broken });
            };
            match self.byte(at)? {
                Some(b'\n') => return Ok(Extent::Row(at + 1, n_lines + 1)),
                Some(_) => seen = at + 1,
                None => return Ok(Extent::Row(at, n_lines + 1)),
            }
        }
    }

    /// Where the quoted text ends that goes on at `from`, its last quote included, and how many
    /// lines end inside. `None` if it does not, or not within the limit.
    fn quoted_end(&mut self, from: usize) -> Result<Option<(usize, u64)>> {
        let (mut seen, mut n_lines) = (from, 0);
        loop {
            let Some(at) = memchr(b'"', &self.rest()[seen..]) else {
                n_lines += lines_in(&self.rest()[seen..]);
                seen = self.rest().len();
                if seen > ROW_BYTES_MAX || !self.more()? {
                    return Ok(None);
                }
                continue;
            };
            n_lines += lines_in(&self.rest()[seen..seen + at]);
            seen += at + 1;
            if seen > ROW_BYTES_MAX {
                return Ok(None);
            }
            if self.byte(seen)? != Some(b'"') {
                return Ok(Some((seen, n_lines)));
            }
            seen += 1;
        }
    }

    /// Where the field that goes on at `from` meets a delimiter, the end of its line or of the
    /// input. `None` if it is too long.
    fn field_end(&mut self, from: usize, delimiter: u8) -> Result<Option<usize>> {
        let mut seen = from;
        loop {
            if let Some(at) = memchr2(delimiter, b'\n', &self.rest()[seen..]) {
                return Ok((seen + at <= ROW_BYTES_MAX).then_some(seen + at));
            }
            seen = self.rest().len();
            if seen > ROW_BYTES_MAX {
                return Ok(None);
            }
            if !self.more()? {
                return Ok(Some(seen));
            }
        }
    }

    /// The byte `at` bytes from here; `None` behind the end.
    fn byte(&mut self, at: usize) -> Result<Option<u8>> {
        while at >= self.rest().len() {
            if !self.more()? {
                return Ok(None);
            }
        }
        Ok(self.rest().get(at).copied())
    }

    /// Reads more; `false` at the end.
    fn more(&mut self) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let old = self.buffer.len();
        self.buffer.resize(old + self.read_bytes, 0);
        let read = loop {
            match self.source.read(&mut self.buffer[old..]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(old + read.as_ref().map_or(0, |size| *size));
        self.ended = read.map_err(unread)? == 0;
        Ok(!self.ended)
    }
}

fn lines_in(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8], format: Format) -> Vec<(u64, String)> {
        let chunk = Rows::new(text, format).chunk(usize::MAX, usize::MAX).unwrap();
        assert!(chunk.last);
        assert_eq!(chunk.end.until, text.len() as u64);
        let shown = |row: &RawRow| match &row.fault {
            Some(fault) => fault.code().to_owned(),
            None => String::from_utf8_lossy(&chunk.bytes[row.bytes.clone()]).into_owned(),
        };
        chunk.rows.iter().map(|row| (row.place.line, shown(row))).collect()
    }

    fn check(text: &str, format: Format, expected: &[(u64, &str)]) {
        let owned: Vec<_> = expected.iter().map(|(line, row)| (*line, (*row).to_owned())).collect();
        assert_eq!(rows(text.as_bytes(), format), owned, "{text:?}");
    }

    #[test]
    fn lines_are_numbered_as_an_editor_shows_them() {
        check("a\n\r\n  \nb\r\nc", Format::Jsonl, &[(1, "a"), (4, "b"), (5, "c")]);
        check("\n\n", Format::Jsonl, &[]);
        check("a,b\n\nc,\"d\ne\"\nf\n\n", Format::CSV, &[(1, "a,b"), (3, "c,\"d\ne\""), (5, "f")]);
    }

    #[test]
    fn a_quote_that_is_open_spoils_its_own_line_only() {
        check("\"a\nb,c\nd\n", Format::CSV, &[(1, "CSV_QUOTE"), (2, "b,c"), (3, "d")]);
        check("\"a\"b\n\"c\"\r\nd\"e", Format::CSV, &[(1, "CSV_QUOTE"), (2, "\"c\""), (3, "d\"e")]);
        check("\"a\"\rb\nc\n", Format::CSV, &[(1, "CSV_QUOTE"), (2, "c")]);
        check("x,\"a\"\"\"\ny,\"\"\n", Format::CSV, &[(1, "x,\"a\"\"\""), (2, "y,\"\"")]);
        check("x,\"\n", Format::CSV, &[(1, "CSV_QUOTE")]);
    }

    #[test]
    fn a_line_beyond_the_limit_is_passed_over_in_bounded_memory() {
        for (format, open) in [(Format::Jsonl, ""), (Format::CSV, ""), (Format::CSV, "\"")] {
            let begin = format!("a\n{open}");
            let long = std::io::repeat(b'x').take(100 << 20);
            let source = begin.as_bytes().chain(long).chain(&b"\nb\n"[..]);
            let mut rows = Rows::new(source, format);
            let chunk = rows.chunk(10, usize::MAX).unwrap();
            let lines: Vec<u64> = chunk.rows.iter().map(|row| row.place.line).collect();
            assert_eq!(lines, [1, 2, 3]);
            let fault = chunk.rows[1].fault.as_ref().map(Error::code);
            assert_eq!(fault, Some("LINE_TOO_LONG"));
            assert!(rows.buffer.capacity() < 3 * ROW_BYTES_MAX, "{}", rows.buffer.capacity());
        }
    }

    #[test]
    fn what_was_read_before_is_passed_over() {
        let mut rows = Rows::new(&b"a\nb\nc\n"[..], Format::Jsonl);
        let first = rows.chunk(1, usize::MAX).unwrap();
        let mut again = Rows::new(&b"a\nb\nc\n"[..], Format::Jsonl);
        again.skip_to(first.end.until, first.end.next_line).unwrap();
        let rest = again.chunk(9, 9).unwrap();
        assert_eq!(rest.rows[0].place.line, 2);
        assert_eq!(rest.bytes, b"bc");
        assert!(Rows::new(&b"a"[..], Format::Jsonl).skip_to(2, 2).is_err());
    }
}
