//! When each table changed last, as far as that was seen since the database was opened.
//!
//! Who follows the log for the sake of some tables need not read the part of it that is about
//! others.

use std::collections::HashMap;
use std::sync::Mutex;

use kenning_record::{TableNo, TenantNo, Version};

/// The last change of each table.
pub(crate) struct Touched {
    /// What was changed before is not known.
    opened_at: Version,
    tables: Mutex<HashMap<(TenantNo, TableNo), Version>>,
}

/// What one transaction changed.
pub(crate) struct Change {
    pub(crate) tenant: TenantNo,
    pub(crate) version: Version,
    /// How many records.
    pub(crate) records: u64,
    pub(crate) tables: Vec<TableNo>,
}

impl Touched {
    pub(crate) fn new(opened_at: Version) -> Self {
        Touched { opened_at, tables: Mutex::default() }
    }

    /// Notes what is about to be published.
    pub(crate) fn note(&self, changes: &[Change]) {
        let mut tables = self.tables.lock().expect("no holder of this lock panics");
        for change in changes {
            for table in &change.tables {
                let last = tables.entry((change.tenant, *table)).or_default();
                *last = change.version.max(*last);
            }
        }
    }

    /// Behind this version, a table did not change up to the one that is published.
    pub(crate) fn last(&self, tenant: TenantNo, table: TableNo) -> Version {
        let tables = self.tables.lock().expect("no holder of this lock panics");
        tables.get(&(tenant, table)).copied().unwrap_or(0).max(self.opened_at)
    }

    /// Forgets a tenant that was dropped.
    pub(crate) fn forget(&self, tenant: TenantNo) {
        let mut tables = self.tables.lock().expect("no holder of this lock panics");
        tables.retain(|(of, _), _| *of != tenant);
    }
}
