//! What waits for the embedder, and what became of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;

use kenning_record::{Json, TableNo, TenantNo, Version};
use kenning_store::{Error, Result};
use serde_json::json;

use crate::sealed::spec::Slot;

/// What waits for the embedder, and what became of it.
#[derive(Default)]
pub(crate) struct Unembedded {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tenants: HashSet<TenantNo>,
    progress: HashMap<TenantNo, Progress>,
    texts: u64,
}

/// How far the texts of a tenant are computed.
#[derive(Default)]
struct Progress {
    /// Up to which version nothing is left to do, but where a model failed.
    until: Version,
    failed: BTreeMap<Wish, Failed>,
    /// Why nothing could be done at all.
    broken: Option<Error>,
}

/// A table that asks for a model.
pub(super) type Wish = (TableNo, Slot);

/// A model that could not be asked.
pub(super) struct Failed {
    pub(super) table: String,
    /// What the table asked for: once it asks for something else, this is over.
    pub(super) asked: String,
    pub(super) why: Error,
}

impl Unembedded {
    /// Notes that a tenant changed.
    pub(crate) fn note(&self, tenant: TenantNo) {
        self.state().tenants.insert(tenant);
    }

    /// Notes that something of a tenant has to be computed once more.
    pub(crate) fn redo(&self, tenant: TenantNo) {
        let mut state = self.state();
        state.tenants.insert(tenant);
        state.progress.entry(tenant).or_default().until = 0;
    }

    pub(super) fn take(&self) -> HashSet<TenantNo> {
        std::mem::take(&mut self.state().tenants)
    }

    /// Tenants that something is wrong with.
    pub(super) fn troubled(&self) -> Vec<TenantNo> {
        let state = self.state();
        let is_troubled = |it: &Progress| it.broken.is_some() || !it.failed.is_empty();
        state.progress.iter().filter(|(_, it)| is_troubled(it)).map(|(it, _)| *it).collect()
    }

    /// Nothing is left to do up to a version, but of what had `failed` before. What was mended
    /// meanwhile is not that far.
    pub(super) fn done(&self, tenant: TenantNo, until: Version, failed: &HashSet<Wish>) {
        let mut state = self.state();
        let progress = state.progress.entry(tenant).or_default();
        progress.broken = None;
        if failed.iter().all(|wish| progress.failed.contains_key(wish)) {
            progress.until = until;
        }
    }

    /// A model that had failed has said everything up to a version.
    pub(super) fn mend(&self, tenant: TenantNo, wish: Wish, until: Version) {
        let mut state = self.state();
        state.tenants.insert(tenant);
        let progress = state.progress.entry(tenant).or_default();
        progress.failed.remove(&wish);
        progress.until = progress.until.min(until);
    }

    pub(super) fn fail(&self, tenant: TenantNo, wish: Wish, failed: Failed) {
        let mut state = self.state();
        state.progress.entry(tenant).or_default().failed.insert(wish, failed);
    }

    pub(super) fn break_off(&self, tenant: TenantNo, why: Error) {
        self.state().progress.entry(tenant).or_default().broken = Some(why);
    }

    /// What failed, but for what nobody asks for any more.
    pub(super) fn failed(&self, tenant: TenantNo, asked: &HashMap<Wish, String>) -> HashSet<Wish> {
        let mut state = self.state();
        let progress = state.progress.entry(tenant).or_default();
        let known = progress.failed.len();
        progress.failed.retain(|wish, failed| asked.get(wish) == Some(&failed.asked));
        if progress.failed.len() < known {
            // The others went on without it.
            progress.until = 0;
        }
        progress.failed.keys().copied().collect()
    }

    /// Up to which version nothing is left to do, but where a model failed.
    pub(super) fn until(&self, tenant: TenantNo) -> Result<Version> {
        let state = self.state();
        match state.progress.get(&tenant) {
            Some(Progress { broken: Some(why), .. }) => Err(why.again()),
            Some(progress) => Ok(progress.until),
            None => Ok(0),
        }
    }

    /// Why texts of a table were not computed; without one, of any.
    pub(super) fn failure(&self, tenant: TenantNo, table: Option<TableNo>) -> Option<Error> {
        let state = self.state();
        let failed = &state.progress.get(&tenant)?.failed;
        let mut of_it = failed.iter().filter(|((of, _), _)| table.is_none_or(|it| it == *of));
        of_it.next().map(|(_, failed)| failed.told())
    }

    /// As it is told.
    pub(crate) fn to_json(&self, tenant: TenantNo) -> Json {
        let state = self.state();
        let progress = state.progress.get(&tenant);
        let failed: serde_json::Map<String, Json> = progress
            .iter()
            .flat_map(|it| it.failed.values())
            .map(|it| (it.table.clone(), it.why.to_string().into()))
            .collect();
        let broken = progress.and_then(|it| it.broken.as_ref()).map(|why| json!(why.to_string()));
        let failed = if failed.is_empty() { Json::Null } else { failed.into() };
        json!({
            "until": progress.map(|it| it.until),
            "failed": broken.unwrap_or(failed),
            "texts_since_open": state.texts,
        })
    }

    /// Forgets a tenant that was dropped.
    pub(super) fn drop_tenant(&self, tenant: TenantNo) {
        self.state().progress.remove(&tenant);
    }

    /// Counts texts that were computed.
    pub(super) fn count(&self, texts: usize) {
        self.state().texts += texts as u64;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl Failed {
    fn told(&self) -> Error {
        let message = format!("table '{}': {}", self.table, self.why.message());
        let error = Error::new(self.why.kind(), self.why.code(), message);
        match std::error::Error::source(&self.why) {
            Some(source) => error.because(source.to_string()),
            None => error,
        }
    }
}
