//! RocksDB's errors, as what to do.

use kenning_store::{Error, ErrorKind};

/// What an error of RocksDB asks for. `doing` is what failed.
pub(crate) fn store_error(doing: &str, error: rocksdb::Error) -> Error {
    let (kind, code) = classify(&error);
    Error::new(kind, code, format!("{doing} failed")).because(error)
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the enumeration is RocksDB's, and grows")]
fn classify(error: &rocksdb::Error) -> (ErrorKind, &'static str) {
    let text = error.as_ref();
    match error.kind() {
        rocksdb::ErrorKind::Corruption => (ErrorKind::Corrupt, "STORE_DAMAGED"),
        // The folder has its marker, so what should be in it was there.
        rocksdb::ErrorKind::InvalidArgument if text.contains("does not exist") => {
            (ErrorKind::Corrupt, "STORE_DAMAGED")
        }
        rocksdb::ErrorKind::IOError if text.contains("No such file or directory") => {
            (ErrorKind::Corrupt, "STORE_DAMAGED")
        }
        _ if text.contains("No space left on device") => (ErrorKind::Unavailable, "DISK_FULL"),
        _ if text.contains("Read-only file system") || text.contains("Permission denied") => {
            (ErrorKind::Denied, "READ_ONLY")
        }
        _ => (ErrorKind::Unavailable, "IO"),
    }
}
