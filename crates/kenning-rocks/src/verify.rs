//! Reading everything, from the disk.
//!
//! A block in the cache is fine, whatever became of it on the disk. So a second, read-only handle
//! with a cache of its own opens the files, which also shows that they open, and walks every key.
//! Meanwhile no file is removed.

use kenning_store::{Error, ErrorKind, Finding, Result, limits};
use rocksdb::statistics::Ticker;
use rocksdb::{DB, ReadOptions};

use crate::error::store_error;
use crate::options::reading_options;
use crate::store::{Engine, open_to_read};
use kenning_store::regions::{FAMILIES, family_of};

const READ_AHEAD_BYTES: usize = 2 << 20;

impl Engine {
    pub(crate) fn verify(&self) -> Result<Vec<Finding>> {
        let mut findings = self.folder.verify_parts()?;
        let failed = |error| store_error("verifying", error);
        self.db().disable_file_deletions().map_err(failed)?;
        let read = self.read_everything();
        self.db().enable_file_deletions().map_err(failed)?;
        findings.extend(read?);
        Ok(findings)
    }

    fn read_everything(&self) -> Result<Vec<Finding>> {
        let options = reading_options();
        let opened = open_to_read(&self.folder.store(), &options);
        let db = match opened.map_err(|error| store_error("opening the files again", error)) {
            Ok(db) => db,
            Err(error) => return finding("all", error).map(|found| vec![found]),
        };
        let mut findings = Vec::new();
        for (family, name) in FAMILIES.into_iter().enumerate() {
            if let Err(error) = read_family(&db, family) {
                findings.push(finding(name, error)?);
            }
        }
        drop(db);
        // A damaged filter is passed over by RocksDB: keys are found without it, only slower.
        let mismatches = options.get_ticker_count(Ticker::BlockChecksumMismatchCount);
        if mismatches > 0 && findings.is_empty() {
            let message = "a block that holds no keys has a wrong checksum".to_owned();
            findings.push(Finding { code: "STORE_DAMAGED", message });
        }
        Ok(findings)
    }
}

/// Damage is what was looked for; anything else kept us from looking.
fn finding(family: &str, error: Error) -> Result<Finding> {
    match error.kind() {
        ErrorKind::Corrupt => {
            Ok(Finding { code: error.code(), message: format!("column family {family}: {error}") })
        }
        ErrorKind::Conflict
        | ErrorKind::Invalid
        | ErrorKind::Denied
        | ErrorKind::Unavailable
        | ErrorKind::Exhausted
        | ErrorKind::Closed => Err(error),
    }
}

fn read_family(db: &DB, family: usize) -> Result<()> {
    let handle = db.cf_handle(FAMILIES[family]).expect("it was opened with every family");
    let mut options = ReadOptions::default();
    options.set_verify_checksums(true);
    options.fill_cache(false);
    options.set_readahead_size(READ_AHEAD_BYTES);
    let mut iterator = db.raw_iterator_cf_opt(handle, options);
    iterator.seek_to_first();
    while let Some((key, value)) = iterator.item() {
        let fits = (1..=limits::KEY_BYTES_MAX).contains(&key.len())
            && value.len() <= limits::VALUE_BYTES_MAX;
        if !fits || family_of(key) != family {
            let message = format!("a key of {} bytes does not belong there", key.len());
            return Err(Error::corrupt("STORE_DAMAGED", message));
        }
        iterator.next();
    }
    iterator.status().map_err(|error| store_error("reading everything", error))
}
