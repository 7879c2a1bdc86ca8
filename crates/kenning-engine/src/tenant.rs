//! Tenants. A tenant comes from the handle, never from data, and nothing crosses tenants.
//!
//! The names of tenants are records of tenant 0, which no user has a handle on.

use std::sync::Arc;

use kenning_record::TenantNo;
use serde_json::{Value as Json, json};

use crate::table::{Table, number};

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

/// Who owns what a handle shows.
pub(crate) struct Tenant {
    pub(crate) number: TenantNo,
    pub(crate) name: String,
    tables: Vec<Arc<Table>>,
}

impl Tenant {
    pub(crate) fn new(tenant: TenantNo, name: &str) -> Arc<Self> {
        let mut tables = vec![Table::system(tenant, number::TABLES, TABLES)];
        match tenant {
            ROOT => tables.push(Table::system(tenant, number::TENANTS, TENANTS)),
            _ => tables.extend([
                Table::system(tenant, number::LINKS, LINKS),
                Table::system(tenant, number::MERGES, MERGES),
            ]),
        }
        Arc::new(Tenant { number: tenant, name: name.into(), tables })
    }

    /// The tables that are not records.
    pub(crate) fn system_tables(&self) -> Vec<Arc<Table>> {
        self.tables.clone()
    }

    /// The table of this name, if it is not a record.
    pub(crate) fn system_table(&self, name: &str) -> Option<Arc<Table>> {
        self.tables.iter().find(|table| table.name == name).cloned()
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
        "x-kenning": {"category": "user", "indexed": [["uri", "ordinal"]], "embed": ["content"]},
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
