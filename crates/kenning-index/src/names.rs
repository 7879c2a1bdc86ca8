//! Keys and aliases to ids. A key is unique in its table, so its entry has no id in the key and two
//! claimants meet; an alias may be shared.

use kenning_record::{Id, keys, normalize};
use kenning_store::{Error, Result};

use crate::{Claim, Entries, Entry, Index, Subject};

/// The index of names. Every table has it.
pub struct Names;

impl Index for Names {
    fn entries(&self, subject: &Subject<'_>, target: &mut Entries) -> Result<()> {
        let Subject { tenant, table, id, record } = *subject;
        if let Some(key) = record.key()? {
            target.push(Entry {
                key: keys::name_key(tenant, &normalize(key)?, table),
                payload: id.as_bytes().to_vec(),
                claim: Claim::Key,
            });
        }
        for alias in record.aliases() {
            target.push(Entry {
                key: keys::name_alias(tenant, &normalize(alias?)?, table, &id),
                payload: Vec::new(),
                claim: Claim::Shared,
            });
        }
        Ok(())
    }
}

/// The id in the payload of a key entry or of a unique entry.
pub fn entry_id(payload: &[u8]) -> Result<Id> {
    match <[u8; 16]>::try_from(payload) {
        Ok(bytes) => Ok(Id(bytes)),
        Err(_) => Err(Error::corrupt("ENTRY_DAMAGED", "a unique entry has no id in its payload")),
    }
}
