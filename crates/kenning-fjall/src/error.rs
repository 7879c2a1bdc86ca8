//! fjall's errors, as what to do.

use std::io;

use kenning_store::{Error, ErrorKind};

/// What an error of fjall asks for. `doing` is what failed.
pub(crate) fn store_error(doing: &str, error: fjall::Error) -> Error {
    let (kind, code) = classify(&error);
    Error::new(kind, code, format!("{doing} failed")).because(error)
}

/// What an error of a file asks for.
pub(crate) fn io_error(doing: &str, error: io::Error) -> Error {
    let (kind, code) = classify_io(&error);
    Error::new(kind, code, format!("{doing} failed")).because(error)
}

pub(crate) fn damaged(what: impl Into<String>) -> Error {
    Error::corrupt("STORE_DAMAGED", what)
}

const DAMAGED: (ErrorKind, &str) = (ErrorKind::Corrupt, "STORE_DAMAGED");

#[allow(clippy::wildcard_enum_match_arm, reason = "the enumerations are fjall's, and grow")]
fn classify(error: &fjall::Error) -> (ErrorKind, &'static str) {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => {
            classify_io(error)
        }
        fjall::Error::Locked => (ErrorKind::Unavailable, "HELD"),
        // A thread of fjall's failed and told nobody why.
        fjall::Error::Poisoned => (ErrorKind::Unavailable, "IO"),
        _ => DAMAGED,
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the enumeration is of the library, and grows")]
fn classify_io(error: &io::Error) -> (ErrorKind, &'static str) {
    match error.kind() {
        // The folder has its marker, so what should be in it was there.
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
            DAMAGED
        }
        io::ErrorKind::StorageFull => (ErrorKind::Unavailable, "DISK_FULL"),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            (ErrorKind::Denied, "READ_ONLY")
        }
        _ => (ErrorKind::Unavailable, "IO"),
    }
}
