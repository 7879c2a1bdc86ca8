//! Tenants.

use kenning_store::block_on;

use super::Database;
use crate::{Result, TenantSize};

/// Tenants.
impl Database {
    /// A handle on another tenant.
    pub fn tenant(&self, name: &str) -> Result<Database> {
        block_on(self.0.tenant(name)).map(Database)
    }

    /// Makes a tenant.
    pub fn create_tenant(&self, name: &str) -> Result<()> {
        block_on(self.0.create_tenant(name))
    }

    /// Drops another tenant, with all that it has and had; see [`crate::Database::drop_tenant`].
    pub fn drop_tenant(&self, name: &str) -> Result<()> {
        block_on(self.0.drop_tenant(name))
    }

    /// The names of all tenants.
    pub fn tenants(&self) -> Result<Vec<String>> {
        block_on(self.0.tenants())
    }

    /// All tenants by name, and about how many bytes each uses.
    pub fn tenant_sizes(&self) -> Result<Vec<TenantSize>> {
        block_on(self.0.tenant_sizes())
    }

    /// Waits until nothing is left of what was dropped.
    pub fn wait_swept(&self) -> Result<()> {
        block_on(self.0.wait_swept())
    }
}
