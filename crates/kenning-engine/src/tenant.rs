//! Tenants. A tenant comes from the handle, never from data, and nothing crosses tenants.
//!
//! The names of tenants are records of tenant 0, which no user has a handle on.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use kenning_record::TenantNo;
use kenning_store::{Error, ErrorKind, Result};
use serde_json::{Value as Json, json};

use crate::fuzzy::Names;
use crate::sealed::Library;
use crate::table::{Table, Tables, number};

/// The tenant that holds the names of the others.
pub(crate) const ROOT: TenantNo = 0;

/// The table of tenants, in `ROOT`.
pub(crate) const TENANTS: &str = "_tenants";

/// The table of tables.
pub(crate) const TABLES: &str = "_tables";

/// The table of links.
pub(crate) const LINKS: &str = "links";

/// The table of merges.
pub(crate) const MERGES: &str = "_merges";

/// Who owns what a handle shows. All handles of a tenant share one.
pub(crate) struct Tenant {
    pub(crate) number: TenantNo,
    pub(crate) name: String,
    /// Its tables that were compiled; forgotten with the last handle.
    pub(crate) compiled: Tables,
    /// Its names, if somebody looked for one that is like another; forgotten likewise.
    pub(crate) names: Names,
    /// Its sealed indexes; forgotten likewise.
    pub(crate) library: Library,
    tables: Vec<Arc<Table>>,
    dropped: AtomicBool,
}

impl Tenant {
    /// A tenant that nobody is told of when it is dropped; handles have those of [`Tenants`].
    pub(crate) fn new(tenant: TenantNo, name: &str) -> Arc<Self> {
        let mut tables = vec![Table::system(tenant, number::TABLES, TABLES)];
        match tenant {
            ROOT => tables.push(Table::system(tenant, number::TENANTS, TENANTS)),
            _ => tables.extend([
                Table::system(tenant, number::LINKS, LINKS),
                Table::system(tenant, number::MERGES, MERGES),
            ]),
        }
        Arc::new(Tenant {
            number: tenant,
            name: name.into(),
            compiled: Tables::default(),
            names: Names::default(),
            library: Library::new(tenant),
            tables,
            dropped: AtomicBool::new(false),
        })
    }

    /// The tables that are not records.
    pub(crate) fn system_tables(&self) -> Vec<Arc<Table>> {
        self.tables.clone()
    }

    /// The table of this name, if it is not a record.
    pub(crate) fn system_table(&self, name: &str) -> Option<Arc<Table>> {
        self.tables.iter().find(|table| table.name == name).cloned()
    }

    /// Whether it was dropped.
    pub(crate) fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::Acquire)
    }

    /// Refuses whoever still has a handle on a tenant that was dropped.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_dropped() { Err(self.gone()) } else { Ok(()) }
    }

    /// The error for whoever still has a handle on it. The handle is of no more use; a new one is,
    /// if somebody made a tenant of this name again.
    pub(crate) fn gone(&self) -> Error {
        let message = format!("tenant '{}' was dropped", self.name);
        Error::new(ErrorKind::Closed, TENANT_DROPPED, message)
    }
}

/// The code of the error for a handle on a tenant that was dropped.
pub(crate) const TENANT_DROPPED: &str = "TENANT_DROPPED";

/// The tenants that somebody has a handle on: whoever holds one is to know when it is dropped.
pub(crate) struct Tenants {
    root: Arc<Tenant>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    tenants: HashMap<TenantNo, Weak<Tenant>>,
    /// How many there may be before those that nobody holds any more are forgotten.
    tenants_max: usize,
}

impl Tenants {
    pub(crate) fn new() -> Self {
        Tenants { root: Tenant::new(ROOT, ""), held: Mutex::default() }
    }

    /// The tenant that holds the names of the others.
    pub(crate) fn root(&self) -> &Arc<Tenant> {
        &self.root
    }

    /// The tenant of this number. The caller has to look, afterwards, whether it still is there:
    /// if it was dropped before this, nobody tells.
    pub(crate) fn hold(&self, number: TenantNo, name: &str) -> Arc<Tenant> {
        let mut held = self.held.lock().expect("no holder of this lock panics");
        if let Some(tenant) = held.tenants.get(&number).and_then(Weak::upgrade) {
            return tenant;
        }
        if held.tenants.len() >= held.tenants_max {
            held.tenants.retain(|_, tenant| tenant.strong_count() > 0);
            held.tenants_max = 2 * held.tenants.len() + 16;
        }
        let tenant = Tenant::new(number, name);
        held.tenants.insert(number, Arc::downgrade(&tenant));
        tenant
    }

    /// Tells every handle on the tenant that it was dropped.
    pub(crate) fn drop(&self, number: TenantNo) {
        let mut held = self.held.lock().expect("no holder of this lock panics");
        if let Some(tenant) = held.tenants.remove(&number).and_then(|tenant| tenant.upgrade()) {
            tenant.dropped.store(true, Ordering::Release);
        }
    }
}

/// The tables that exist from the start, with their schemas.
pub(crate) fn rem_tables() -> [(&'static str, Json); 3] {
    let text = json!({"type": "string"});
    let texts = json!({"type": "array", "items": {"type": "string"}});
    let resources = json!({
        "type": "object",
        "description": "chunks of documents",
        "properties": {
            "name": text, "uri": text, "ordinal": {"type": "integer", "minimum": 0},
            "content": text, "content_hash": text,
        },
        "x-kenning": {
            "category": "user", "indexed": [["uri", "ordinal"]],
            "embed": ["name", "content"], "words": ["name", "content"],
        },
    });
    let entities = json!({
        "type": "object",
        "description": "things with names",
        "properties": {"name": text},
        "x-kenning": {"category": "user", "key": "name"},
    });
    let moments = json!({
        "type": "object",
        "description": "what happened, and when",
        "properties": {
            "starts_at": text, "ends_at": text, "moment_type": text,
            "people": texts, "tags": texts, "summary": text,
        },
        "x-kenning": {"category": "user", "indexed": ["starts_at"], "embed": ["summary"]},
    });
    [("resources", resources), ("entities", entities), ("moments", moments)]
}
