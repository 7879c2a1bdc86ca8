//! One error for the whole house. Its kind says what the caller should do, its code names the case
//! for programs, its message states the fact for people.

use std::error::Error as StdError;
use std::fmt;

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Someone else committed first. Read again and retry.
    Conflict,
    /// The request can never succeed. Fix the request.
    Invalid,
    /// The caller may not do this. Get permission.
    Denied,
    /// A disk, a lock or a network did not answer. Wait and retry.
    Unavailable,
    /// A stated limit is reached. Ask for less.
    Exhausted,
    /// Stored bytes break a promise of the format. Stop and restore.
    Corrupt,
    /// The handle can no longer be used. Reopen.
    Closed,
}

impl ErrorKind {
    /// The name that programs see.
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::Conflict => "Conflict",
            ErrorKind::Invalid => "Invalid",
            ErrorKind::Denied => "Denied",
            ErrorKind::Unavailable => "Unavailable",
            ErrorKind::Exhausted => "Exhausted",
            ErrorKind::Corrupt => "Corrupt",
            ErrorKind::Closed => "Closed",
        }
    }
}

/// What went wrong.
///
/// ```
/// use kenning_store::{Error, ErrorKind};
/// let error = Error::invalid("TABLE_NOT_FOUND", "no table is named 'peple'");
/// assert_eq!(error.kind(), ErrorKind::Invalid);
/// assert_eq!(error.to_string(), "TABLE_NOT_FOUND: no table is named 'peple'");
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    code: &'static str,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind`. The message is a lower-case fact that names the thing and the limit.
    pub fn new(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Error(Box::new(Inner { kind, code, message: message.into(), source: None }))
    }

    /// Someone else committed first.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Conflict, code, message)
    }

    /// The request can never succeed.
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Invalid, code, message)
    }

    /// A stated limit is reached.
    pub fn exhausted(code: &'static str, message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Exhausted, code, message)
    }

    /// Something did not answer.
    pub fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Unavailable, code, message)
    }

    /// Stored bytes break a promise of the format.
    pub fn corrupt(code: &'static str, message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Corrupt, code, message)
    }

    /// Adds what caused it.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What to do.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Which case, stable for programs.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// The fact, for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The same error once more, for each of several waiters; the cause becomes text.
    #[must_use]
    pub fn again(&self) -> Self {
        let error = Error::new(self.0.kind, self.0.code, self.0.message.clone());
        match &self.0.source {
            Some(source) => error.because(source.to_string()),
            None => error,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)?;
        match &self.0.source {
            Some(source) => write!(f, " ({source})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {self}", self.0.kind.name())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
