//! JSON from arguments, files and standard input.
//!
//! Standard input may have one document or a million; they are read one after the other, so memory
//! does not grow with their number. What is not UTF-8 or too deeply nested is noticed on the way
//! in, before the parser, which knows no better than to call both a syntax error.

use std::fs::File;
use std::io::{self, BufReader, Read};

use kenning::{Error, Json, Result};
use serde_json::de::IoRead;
use serde_json::{Deserializer, StreamDeserializer};

/// How deep the parser follows; the engine's own limit is below.
const DEPTH_MAX: usize = 127;

/// Stands for standard input, where a file or a document is expected.
const STDIN: &str = "-";

type Source<'a> = BufReader<Guard<Box<dyn Read + 'a>>>;

/// Documents, one after the other.
pub(crate) struct Documents<'a> {
    stream: StreamDeserializer<'a, IoRead<Source<'a>>, Json>,
    what: String,
}

impl<'a> Documents<'a> {
    /// The document that is an argument, or those on standard input if the argument is `-`.
    pub(crate) fn of_argument(text: &'a str, what: &str) -> Self {
        match text {
            STDIN => Documents::read(Box::new(io::stdin().lock()), "standard input"),
            _ => Documents::read(Box::new(text.as_bytes()), what),
        }
    }

    fn of_file(path: &str) -> Result<Self> {
        if path == STDIN {
            return Ok(Documents::read(Box::new(io::stdin().lock()), "standard input"));
        }
        let file = File::open(path).map_err(|e| {
            Error::invalid("FILE", format!("the file '{path}' cannot be read")).because(e)
        })?;
        Ok(Documents::read(Box::new(file), &format!("the file '{path}'")))
    }

    fn read(source: Box<dyn Read + 'a>, what: &str) -> Self {
        let reader = BufReader::new(Guard::new(source));
        Documents { stream: Deserializer::from_reader(reader).into_iter(), what: what.to_owned() }
    }

    /// The only document.
    fn single(mut self) -> Result<Json> {
        let none = || Error::invalid("JSON_MALFORMED", format!("{} is empty", self.what));
        let document = self.stream.next().ok_or_else(none)?;
        let document = document.map_err(|e| malformed(&self.what, e))?;
        match self.stream.next() {
            None => Ok(document),
            Some(Ok(_)) => Err(Error::invalid(
                "JSON_MALFORMED",
                format!("{} has more than one document", self.what),
            )),
            Some(Err(error)) => Err(malformed(&self.what, error)),
        }
    }
}

impl Iterator for Documents<'_> {
    type Item = Result<Json>;

    fn next(&mut self) -> Option<Result<Json>> {
        let document = self.stream.next()?;
        Some(document.map_err(|e| malformed(&self.what, e)))
    }
}

/// The document that is an argument, or on standard input if the argument is `-`.
pub(crate) fn argument(text: &str, what: &str) -> Result<Json> {
    Documents::of_argument(text, what).single()
}

/// The document in a file, or on standard input if the path is `-`.
pub(crate) fn file(path: &str) -> Result<Json> {
    Documents::of_file(path)?.single()
}

fn malformed(what: &str, error: serde_json::Error) -> Error {
    if !error.is_io() {
        return Error::invalid("JSON_MALFORMED", format!("{what} is not JSON: {error}"));
    }
    let error = io::Error::from(error);
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(refused) => refused.again(),
        None if error.kind() == io::ErrorKind::IsADirectory => {
            Error::invalid("FILE", format!("{what} is a folder"))
        }
        None => Error::unavailable("IO", format!("{what} cannot be read")).because(error),
    }
}

/// Lets through what is UTF-8 and not too deep.
struct Guard<R> {
    source: R,
    /// The first bytes of a character whose rest has not been read yet.
    partial: Vec<u8>,
    position: usize,
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl<R: Read> Guard<R> {
    fn new(source: R) -> Self {
        let partial = Vec::new();
        Guard { source, partial, position: 0, depth: 0, in_text: false, escaped: false }
    }

    fn check_utf8(&mut self, bytes: &[u8]) -> Result<()> {
        let mut pending = std::mem::take(&mut self.partial);
        let start = self.position - pending.len();
        pending.extend_from_slice(bytes);
        self.position += bytes.len();
        let Err(error) = std::str::from_utf8(&pending) else { return Ok(()) };
        let valid = error.valid_up_to();
        // At the end of the input a partial character is bad as well.
        if error.error_len().is_some() || bytes.is_empty() {
            return Err(Error::invalid(
                "UTF8_MALFORMED",
                format!("the input is not UTF-8 at byte {}", start + valid),
            ));
        }
        self.partial = pending.split_off(valid);
        Ok(())
    }

    fn check_depth(&mut self, bytes: &[u8]) -> Result<()> {
        for byte in bytes {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_text => self.escaped = true,
                b'"' => self.in_text = !self.in_text,
                b'{' | b'[' if !self.in_text => self.depth += 1,
                b'}' | b']' if !self.in_text => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            if self.depth > DEPTH_MAX {
                return Err(Error::exhausted(
                    "TOO_DEEP",
                    format!("the input is nested deeper than {DEPTH_MAX}"),
                ));
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.source.read(buffer)?;
        let bytes = &buffer[..size];
        self.check_utf8(bytes).and_then(|()| self.check_depth(bytes)).map_err(io::Error::other)?;
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let size = self.0.len().min(1).min(buffer.len());
            buffer[..size].copy_from_slice(&self.0[..size]);
            self.0 = &self.0[size..];
            Ok(size)
        }
    }

    fn documents(bytes: &[u8]) -> Result<Vec<Json>> {
        let whole = Documents::read(Box::new(bytes), "it").collect::<Result<Vec<_>>>();
        let drip = Documents::read(Box::new(Drip(bytes)), "it").collect::<Result<Vec<_>>>();
        match (&whole, &drip) {
            (Ok(whole), Ok(drip)) => assert_eq!(whole, drip),
            (Err(whole), Err(drip)) => assert_eq!(whole.code(), drip.code()),
            _ => panic!("{whole:?} in one piece, {drip:?} in many"),
        }
        whole
    }

    fn refusal(bytes: &[u8]) -> &'static str {
        documents(bytes).unwrap_err().code()
    }

    #[test]
    fn documents_stand_on_lines_or_across_them() {
        assert_eq!(documents(b"{\"a\":1}\n{\"a\":\n2}\n\n").unwrap().len(), 2);
        assert_eq!(documents("{\"a\":\"\u{fc}\u{20ac}\"}".as_bytes()).unwrap().len(), 1);
        assert!(documents(b" \n").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_utf8_is_called_so() {
        assert_eq!(refusal(b"{\"a\": \"\xff\"}"), "UTF8_MALFORMED");
        assert_eq!(refusal(b"{\"a\": \"\xe2\x82\"}"), "UTF8_MALFORMED");
        assert_eq!(refusal(b"{\"a\": \"\xe2\x82"), "UTF8_MALFORMED");
    }

    #[test]
    fn depth_counts_outside_of_texts() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(documents(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(refusal(nested(DEPTH_MAX + 1).as_bytes()), "TOO_DEEP");
        let text = format!("\"\\\"{}\"", "[".repeat(500));
        assert!(documents(text.as_bytes()).is_ok());
    }

    #[test]
    fn a_number_that_is_none_is_refused() {
        assert_eq!(refusal(b"{\"a\": NaN}"), "JSON_MALFORMED");
        assert_eq!(refusal(b"{\"a\": 1e999}"), "JSON_MALFORMED");
    }

    #[test]
    fn one_document_is_not_two() {
        assert_eq!(argument("{} {}", "it").unwrap_err().code(), "JSON_MALFORMED");
        assert_eq!(argument("", "it").unwrap_err().code(), "JSON_MALFORMED");
        assert_eq!(argument("{}", "it").unwrap(), serde_json::json!({}));
    }
}
