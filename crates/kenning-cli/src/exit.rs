//! How it ends: an exit code, and for an error what to say about it.
//!
//! The code follows the kind of the error, which says what the caller should do: 2 is a request
//! that has to change, 3 is a database that cannot answer now or any more.

use std::error::Error as _;
use std::io::Write;
use std::process::ExitCode;

use kenning::{Error, ErrorKind, Json, Result};

use crate::args::{Format, Usage};
use crate::output::{PIPE_CLOSED, json_line};

/// The exit code of what a signal ends: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// How a verb ends when nothing fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is done.
    Done,
    /// Nothing was found.
    Nothing,
    /// `verify` found damage.
    Damaged,
    /// It is done but for what was bad, which was told.
    Partly,
    /// Whoever started it broke it off.
    Interrupted,
}

impl Outcome {
    /// `Done` if there is something.
    pub(crate) fn found(something: bool) -> Self {
        if something { Outcome::Done } else { Outcome::Nothing }
    }
}

/// The exit code for what a verb returned; says on standard error what failed.
pub(crate) fn of(format: Format, result: Result<Outcome>) -> ExitCode {
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Nothing) => {
            // A program reads the exit code, a person may not.
            if format == Format::Table {
                say("nothing found");
            }
            ExitCode::from(1)
        }
        Ok(Outcome::Damaged) => ExitCode::from(3),
        Ok(Outcome::Partly) => ExitCode::from(2),
        Ok(Outcome::Interrupted) => ExitCode::from(INTERRUPTED),
        // Whoever reads has seen enough, as in `kenning log | head`.
        Err(error) if error.code() == PIPE_CLOSED => ExitCode::SUCCESS,
        Err(error) => {
            say(&shown(format, &error));
            ExitCode::from(code(error.kind()))
        }
    }
}

/// The exit code for a command line that was not understood, or that asked for help.
pub(crate) fn usage(usage: &Usage) -> ExitCode {
    let text = usage.error.render().to_string();
    if usage.error.exit_code() == 0 {
        // A closed pipe is no failure here either.
        let _ = std::io::stdout().write_all(text.as_bytes());
        return ExitCode::SUCCESS;
    }
    match usage.json {
        true => say(&fields("Invalid", usage_code(usage), usage_message(&text))),
        false => say(text.trim_end()),
    }
    ExitCode::from(2)
}

fn usage_code(usage: &Usage) -> &'static str {
    match usage.error.kind() == clap::error::ErrorKind::InvalidUtf8 {
        true => "UTF8_MALFORMED",
        false => "USAGE",
    }
}

/// What the parser says, without its pages of help.
fn usage_message(text: &str) -> String {
    let help = |part: &&str| !part.starts_with("Usage:") && !part.starts_with("For more");
    let parts = text.trim_start_matches("error: ").split("\n\n").take_while(help);
    let words = parts.flat_map(str::split_whitespace);
    words.collect::<Vec<_>>().join(" ")
}

/// An error, as the format wants it.
pub(crate) fn shown(format: Format, error: &Error) -> String {
    let message = match error.source() {
        Some(source) => format!("{} ({source})", error.message()),
        None => error.message().to_owned(),
    };
    match format {
        Format::Json | Format::Jsonl => fields(error.kind().name(), error.code(), message),
        Format::Table | Format::Csv => format!("error: {}: {message}", error.code()),
    }
}

/// Writes a line to standard error.
pub(crate) fn say(line: &str) {
    // If nobody listens there, there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn fields(kind: &str, code: &str, message: String) -> String {
    let text = |text: &str| Json::from(text);
    json_line(&[("kind", text(kind)), ("code", text(code)), ("message", message.into())])
}

fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Invalid | ErrorKind::Denied | ErrorKind::Exhausted => 2,
        ErrorKind::Conflict | ErrorKind::Unavailable | ErrorKind::Corrupt | ErrorKind::Closed => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_has_to_change_ends_with_two() {
        for kind in [ErrorKind::Invalid, ErrorKind::Denied, ErrorKind::Exhausted] {
            assert_eq!(code(kind), 2);
        }
        for kind in
            [ErrorKind::Conflict, ErrorKind::Unavailable, ErrorKind::Corrupt, ErrorKind::Closed]
        {
            assert_eq!(code(kind), 3);
        }
    }

    #[test]
    fn an_error_names_its_cause() {
        let error = Error::unavailable("IO", "reading the marker").because("no such device");
        assert_eq!(shown(Format::Table, &error), "error: IO: reading the marker (no such device)");
        assert_eq!(
            shown(Format::Json, &error),
            r#"{"kind":"Unavailable","code":"IO","message":"reading the marker (no such device)"}"#
        );
    }
}
