//! Counts and sizes.

use std::sync::atomic::Ordering::Relaxed;

use kenning_record::{Json, format_instant, keys};
use kenning_store::{Range, Result, Space};
use serde_json::json;

use crate::backup::KnownBackup;
use crate::build::Building;
use crate::database::Database;
use crate::view::View;

/// What there is, how large it is, and what was done since the database was opened.
pub(crate) async fn stats(database: &Database) -> Result<Json> {
    let shared = database.handle.shared();
    let (store, head) = (shared.store()?, shared.head()?);
    let view = database.view()?;
    let mut spaces = serde_json::Map::new();
    for space in Space::ALL {
        let bytes = store.size_bytes(&Range::prefix([space.byte()])).await?;
        spaces.insert(space.name().into(), bytes.into());
    }
    let mut tables = serde_json::Map::new();
    for table in view.all_tables().await? {
        let records = Range::prefix(keys::records(view.tenant.number, table.number));
        tables.insert(table.name.clone(), count(&view, records).await?.into());
    }
    let backups = crate::backup::known(&view).await?;
    let building = view.building().await?;
    let (cache_bytes, cache_records) = shared.cache.size();
    let counter = |counter: &std::sync::atomic::AtomicU64| counter.load(Relaxed);
    Ok(json!({
        "tenant": view.tenant.name,
        "version": head.version,
        "instant": format_instant(head.instant),
        "history_from": head.history_from,
        "records": tables,
        "building": building.iter().map(Building::to_json).collect::<Vec<_>>(),
        "log_entries": count(&view, crate::log::whole(view.tenant.number)).await?,
        "bytes": spaces,
        "backups": backups.iter().map(KnownBackup::to_json).collect::<Vec<_>>(),
        "cache": {"bytes": cache_bytes, "records": cache_records},
        "since_open": {
            "groups": counter(&shared.counters.groups),
            "commits": counter(&shared.counters.commits),
            "conflicts": counter(&shared.counters.conflicts),
        },
    }))
}

impl KnownBackup {
    fn to_json(&self) -> Json {
        let KnownBackup { folder, number, version, instant } = self;
        let instant = format_instant(*instant);
        json!({ "folder": folder, "number": number, "version": version, "instant": instant })
    }
}

async fn count(view: &View, range: Range) -> Result<u64> {
    let mut count = 0;
    let mut next = Some(range.forward());
    while let Some(scan) = next {
        let page = view.source.page(&scan).await?;
        count += page.rows.len() as u64;
        next = page.rest;
    }
    Ok(count)
}
