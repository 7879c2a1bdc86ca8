//! Bytes to rows.
//!
//! A row is a line of jsonl, or what csv has between two ends of a line outside of quotes. A line
//! of jsonl ends with LF; one of csv with LF, CR LF, or CR alone. Rows are cut out here and read
//! elsewhere, so this is the only part that goes through the bytes one after the other, and it
//! does little. Memory is bounded by the longest row that is allowed; a longer one is passed over,
//! to its end, without being kept.
//!
//! A quote of csv that is not closed as it should be would take every later line with it. There the
//! first line alone is bad, and reading goes on at the next. Each byte is still looked at a bounded
//! number of times: what is read again begins outside of quotes, and a second search through the
//! same lines would need a quote that the first one would have stopped at.
//!
//! Where a row is longer than is allowed, nobody knows yet whether its quote is closed further on,
//! and what is passed over can't be read again. What is inside of quotes must not be taken for
//! rows, so there the quote counts: it takes what comes up to the next one, which the error says.

use std::collections::VecDeque;
use std::io::Read;
use std::ops::Range;

use kenning_store::{Error, Result};
use memchr::{memchr, memchr2, memchr2_iter, memchr3};

use crate::Format;
use crate::decode::{Decoded, fault};
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
    source: Decoded<R>,
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
    /// Beyond the limit.
    TooLong,
}

/// How far a quoted text goes.
enum Quoted {
    /// Until here, its last quote included.
    Until(usize),
    /// To the end of the input, and it is not closed.
    Open,
    /// Beyond the limit.
    TooLong,
}

impl<R: Read> Rows<R> {
    pub(crate) fn new(source: R, format: Format) -> Self {
        Rows::buffered(source, format, READ_BYTES)
    }

    /// Reads so many bytes at a time.
    pub(crate) fn buffered(source: R, format: Format, read_bytes: usize) -> Self {
        let buffer = Vec::new();
        let source = Decoded::new(source);
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
            let first = match self.format {
                Format::Jsonl => {
                    rest.iter().position(|byte| !byte.is_ascii_whitespace() || *byte == b'\n')
                }
                Format::Csv { .. } => (!rest.is_empty()).then_some(0),
            };
            match first {
                Some(at) => match self.end_at(at)? {
                    0 => return Ok(false),
                    end => {
                        self.pass(at + end);
                        self.line += 1;
                    }
                },
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

    /// The bytes of the end of a line that is `at` bytes from here; 0 if none is.
    fn end_at(&mut self, at: usize) -> Result<usize> {
        let byte = self.byte(at)?;
        if byte == Some(b'\r') && self.format != Format::Jsonl {
            return Ok(if self.byte(at + 1)? == Some(b'\n') { 2 } else { 1 });
        }
        Ok(usize::from(byte == Some(b'\n')))
    }

    /// Cuts out the row that begins here.
    fn cut(&mut self, chunk: &mut Chunk) -> Result<()> {
        let extent = match self.format {
            Format::Jsonl => match self.line_end()? {
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
                fault(&chunk.bytes[from..], self.source.is_utf16())
            }
            Extent::Broken => {
                self.pass_line()?;
                Some(Error::invalid(
                    "CSV_QUOTE",
                    "a field begins with a quote, and does not end with one before a delimiter",
                ))
            }
            Extent::TooLong => {
                self.pass_row()?;
                let until = self.line - 1;
                let message = match until == line {
                    true => format!("a line is longer than {ROW_BYTES_MAX} bytes"),
                    false => format!(
                        "a row is longer than {ROW_BYTES_MAX} bytes: its quotes go on to line \
                         {until}"
                    ),
                };
                Some(Error::exhausted("LINE_TOO_LONG", message))
            }
        };
        let place = Place { line, next_line: self.line, until: self.at };
        chunk.rows.push(RawRow { place, bytes: from..chunk.bytes.len(), fault });
        Ok(())
    }

    /// Where the line of jsonl that begins here ends, its end included. `None` if it is too long.
    fn line_end(&mut self) -> Result<Option<usize>> {
        let mut seen = 0;
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
            let found = match self.format {
                Format::Jsonl => memchr(b'\n', self.rest()),
                Format::Csv { .. } => memchr2(b'\r', b'\n', self.rest()),
            };
            if let Some(at) = found {
                let end = self.end_at(at)?;
                self.pass(at + end);
                return Ok(());
            }
            self.pass(self.rest().len());
            if !self.more()? {
                return Ok(());
            }
        }
    }

    /// Passes over a row, however long it is.
    fn pass_row(&mut self) -> Result<()> {
        let Format::Csv { delimiter } = self.format else { return self.pass_line() };
        self.line += 1;
        loop {
            // Here a field begins.
            if self.byte(0)? == Some(b'"') {
                self.pass_quoted()?;
            }
            while self.byte(0)?.is_some() {
                let found = memchr3(delimiter, b'\r', b'\n', self.rest());
                self.pass(found.unwrap_or(self.rest().len()));
                if found.is_some() {
                    break;
                }
            }
            let end = self.end_at(0)?;
            if end > 0 || self.byte(0)?.is_none() {
                self.pass(end);
                return Ok(());
            }
            self.pass(1);
        }
    }

    /// Passes over a quoted text, or to the end of the input where it is not closed.
    fn pass_quoted(&mut self) -> Result<()> {
        self.pass(1);
        // The last byte that was passed over: an end of a line may come in two pieces.
        let mut last = b'"';
        while self.byte(0)?.is_some() {
            let found = memchr(b'"', self.rest());
            let passed = &self.rest()[..found.unwrap_or(self.rest().len())];
            let in_two = last == b'\r' && passed.first() == Some(&b'\n');
            let n_lines = lines_in(passed) - u64::from(in_two);
            last = passed.last().copied().unwrap_or(last);
            let n_bytes = passed.len();
            self.line += n_lines;
            self.pass(n_bytes);
            if found.is_some() {
                self.pass(1);
                if self.byte(0)? != Some(b'"') {
                    return Ok(());
                }
                self.pass(1);
                last = b'"';
            }
        }
        Ok(())
    }

    /// Where the row of csv that begins here ends.
    fn csv_end(&mut self, delimiter: u8) -> Result<Extent> {
        let mut seen = 0;
        let mut n_lines = 0;
        loop {
            // Here a field begins.
            if self.byte(seen)? == Some(b'"') {
                let until = match self.quoted_end(seen + 1)? {
                    Quoted::Until(until) => until,
                    Quoted::Open => return Ok(Extent::Broken),
                    Quoted::TooLong => return Ok(Extent::TooLong),
                };
                n_lines += lines_in(&self.rest()[seen..until]);
                seen = until;
                match self.byte(seen)? {
                    None | Some(b'\n' | b'\r') => {}
                    Some(byte) if byte == delimiter => {}
                    Some(_) => return Ok(Extent::Broken),
                }
            }
            let Some(at) = self.field_end(seen, delimiter)? else { return Ok(Extent::TooLong) };
            match self.byte(at)? {
                Some(b'\n' | b'\r') => {
                    return Ok(Extent::Row(at + self.end_at(at)?, n_lines + 1));
                }
                Some(_) => seen = at + 1,
                None => return Ok(Extent::Row(at, n_lines + 1)),
            }
        }
    }

    /// Where the quoted text ends that goes on at `from`.
    fn quoted_end(&mut self, from: usize) -> Result<Quoted> {
        let mut seen = from;
        loop {
            let Some(at) = memchr(b'"', &self.rest()[seen..]) else {
                seen = self.rest().len();
                if seen > ROW_BYTES_MAX {
                    return Ok(Quoted::TooLong);
                }
                if !self.more()? {
                    return Ok(Quoted::Open);
                }
                continue;
            };
            seen += at + 1;
            if seen > ROW_BYTES_MAX {
                return Ok(Quoted::TooLong);
            }
            if self.byte(seen)? != Some(b'"') {
                return Ok(Quoted::Until(seen));
            }
            seen += 1;
        }
    }

    /// Where the field that goes on at `from` meets a delimiter, the end of its line or of the
    /// input. `None` if it is too long.
    fn field_end(&mut self, from: usize, delimiter: u8) -> Result<Option<usize>> {
        let mut seen = from;
        loop {
            if let Some(at) = memchr3(delimiter, b'\r', b'\n', &self.rest()[seen..]) {
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

/// How many lines of csv end there.
fn lines_in(bytes: &[u8]) -> u64 {
    let ends = memchr2_iter(b'\r', b'\n', bytes);
    // Of CR LF the CR counts.
    let ends = ends.filter(|at| bytes[*at] == b'\r' || *at == 0 || bytes[*at - 1] != b'\r');
    ends.count() as u64
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
    fn a_line_of_csv_ends_with_cr_lf_or_both() {
        check("a,b\rc,d\r", Format::CSV, &[(1, "a,b"), (2, "c,d")]);
        check("a\r\rb\r\nc\n\rd", Format::CSV, &[(1, "a"), (3, "b"), (4, "c"), (6, "d")]);
        check("\"a\"\rb\nc\n", Format::CSV, &[(1, "\"a\""), (2, "b"), (3, "c")]);
        check("\"a\rb\r\nc\nd\"\rb\r\r", Format::CSV, &[(1, "\"a\rb\r\nc\nd\""), (5, "b")]);
        check("\"a\rb,c\rd\r", Format::CSV, &[(1, "CSV_QUOTE"), (2, "b,c"), (3, "d")]);
        // In jsonl it is a blank.
        check("1\r2\r\n3", Format::Jsonl, &[(1, "1\r2"), (2, "3")]);
    }

    #[test]
    fn a_quote_that_is_open_spoils_its_own_line_only() {
        check("\"a\nb,c\nd\n", Format::CSV, &[(1, "CSV_QUOTE"), (2, "b,c"), (3, "d")]);
        check("\"a\"b\n\"c\"\r\nd\"e", Format::CSV, &[(1, "CSV_QUOTE"), (2, "\"c\""), (3, "d\"e")]);
        check("x,\"a\"\"\"\ny,\"\"\n", Format::CSV, &[(1, "x,\"a\"\"\""), (2, "y,\"\"")]);
        check("x,\"\n", Format::CSV, &[(1, "CSV_QUOTE")]);
    }

    #[test]
    fn a_line_beyond_the_limit_is_passed_over_in_bounded_memory() {
        for (format, quote) in [(Format::Jsonl, ""), (Format::CSV, ""), (Format::CSV, "\"")] {
            let (begin, end) = (format!("a\n{quote}"), format!("{quote}\nb\n"));
            let long = std::io::repeat(b'x').take(100 << 20);
            let source = begin.as_bytes().chain(long).chain(end.as_bytes());
            let mut rows = Rows::new(source, format);
            let chunk = rows.chunk(10, usize::MAX).unwrap();
            let lines: Vec<u64> = chunk.rows.iter().map(|row| row.place.line).collect();
            assert_eq!(lines, [1, 2, 3]);
            let fault = chunk.rows[1].fault.as_ref().map(Error::code);
            assert_eq!(fault, Some("LINE_TOO_LONG"));
            assert!(rows.buffer.capacity() < 3 * ROW_BYTES_MAX, "{}", rows.buffer.capacity());
        }
    }

    /// What comes of rows around a text of `times` times `inside`, in quotes.
    fn around(inside: &'static str, times: usize, end: &'static str) -> Vec<(u64, String)> {
        let text = format!("a,b\nx,\"{}{end}", inside.repeat(times));
        let mut rows = Rows::new(text.as_bytes(), Format::CSV);
        let chunk = rows.chunk(usize::MAX, usize::MAX).unwrap();
        assert_eq!(chunk.end.until, text.len() as u64);
        assert!(rows.buffer.capacity() < 3 * ROW_BYTES_MAX, "{}", rows.buffer.capacity());
        let shown = |row: &RawRow| match &row.fault {
            Some(fault) => fault.to_string(),
            None => String::from_utf8_lossy(&chunk.bytes[row.bytes.clone()]).into_owned(),
        };
        chunk.rows.iter().map(|row| (row.place.line, shown(row))).collect()
    }

    #[test]
    fn a_row_of_many_lines_beyond_the_limit_is_told_once() {
        const TIMES: usize = 6 << 20;
        let expected = |until: u64, rows: &[(u64, &str)]| -> Vec<(u64, String)> {
            let long = format!(
                "LINE_TOO_LONG: a row is longer than {ROW_BYTES_MAX} bytes: its quotes go on to \
                 line {until}"
            );
            let rows = rows.iter().map(|(line, row)| (*line, (*row).to_owned()));
            [(1, "a,b".to_owned()), (2, long)].into_iter().chain(rows).collect()
        };
        let times = TIMES as u64;
        let found = around("y,z\r\n\"\"", TIMES, "\",\"\n\"\rc,d\n");
        assert_eq!(found, expected(times + 3, &[(times + 4, "c,d")]));
        // A quote inside that is not one of two ends the text, and the line with it.
        let found = around("y,zy,z\r", TIMES, "\"y,\nc,d\n");
        assert_eq!(found, expected(times + 2, &[(times + 3, "c,d")]));
        // One that is not closed takes the rest, and the error says so.
        let found = around("y,zy,z\n", TIMES, "c,d\n");
        assert_eq!(found, expected(times + 3, &[]));
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
