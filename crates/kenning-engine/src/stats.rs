//! Counts and sizes.
//!
//! Sizes are what the store says of a range of keys: exact for what is in memory, an estimate for
//! what is on the disk. Records are counted up to a limit, and estimated from there on, so that
//! asking costs about the same however much is stored.

use std::sync::atomic::Ordering::Relaxed;

use kenning_record::{Json, TenantNo, format_instant, keys};
use kenning_store::{Range, Result, Space, Store};
use serde_json::{Map, json};

use crate::backup::KnownBackup;
use crate::build::Building;
use crate::database::Database;
use crate::view::View;

/// Rows of one range that are counted, and of all together.
const COUNTED_ROWS_MAX: u64 = 100_000;
const COUNTED_ROWS_SUM_MAX: u64 = 400_000;
/// Bytes that are read to count the rows of one range.
const COUNTED_BYTES_MAX: usize = 32 << 20;
/// Rows of each range that are counted even where the sum is used up.
const COUNTED_ROWS_MIN: u64 = 1_000;

/// A tenant, and about how many bytes it uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantSize {
    /// Its name.
    pub name: String,
    /// Bytes in memory and on disk, history and log included.
    pub bytes: u64,
}

/// What there is, how large it is, and what was done since the database was opened.
pub(crate) async fn stats(database: &Database) -> Result<Json> {
    let shared = database.handle.shared();
    let (store, head) = (shared.store()?, shared.head()?);
    let view = database.view()?;
    let mut left = COUNTED_ROWS_SUM_MAX;
    let tables = tables(&view, &*store, &mut left).await?;
    let log = crate::log::whole(view.tenant.number);
    let log = count(&view, &*store, log, &mut left).await?;
    let backups = crate::backup::known(&view).await?;
    let building = view.building().await?;
    let tenants = database.tenants().await?.len();
    let (cache_bytes, cache_records) = shared.cache.size();
    let counter = |counter: &std::sync::atomic::AtomicU64| counter.load(Relaxed);
    Ok(json!({
        "tenant": view.tenant.name,
        "tenants": tenants,
        "version": head.version,
        "instant": format_instant(head.instant),
        "history_from": head.history_from,
        "tables": tables,
        "log": {"entries": log.rows, "is_estimate": log.is_estimate},
        "building": building.iter().map(Building::to_json).collect::<Vec<_>>(),
        "sealed": crate::sealed::state::told(&view).await?,
        "sealed_damage": crate::sealed::state::damage_told(&view).await?,
        "embedding": shared.unembedded.to_json(view.tenant.number),
        "bytes": {
            "tenant": by_space(&*store, keys::ranges_of(view.tenant.number)).await?,
            "database": by_space(&*store, spaces()).await?,
        },
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
    /// As it is shown.
    pub fn to_json(&self) -> Json {
        let KnownBackup { folder, number, version, instant } = self;
        let instant = format_instant(*instant);
        json!({ "folder": folder, "number": number, "version": version, "instant": instant })
    }
}

/// How large each of these tenants is.
pub(crate) async fn sizes(
    store: &dyn Store,
    tenants: Vec<(String, TenantNo)>,
) -> Result<Vec<TenantSize>> {
    let mut sizes = Vec::with_capacity(tenants.len());
    for (name, number) in tenants {
        let mut bytes = 0;
        for (_, range) in keys::ranges_of(number) {
            bytes += store.size_bytes(&range).await?;
        }
        sizes.push(TenantSize { name, bytes });
    }
    Ok(sizes)
}

/// Each table with its records, and what they, their indexes and their history use.
async fn tables(view: &View, store: &dyn Store, left: &mut u64) -> Result<Map<String, Json>> {
    let tenant = view.tenant.number;
    let mut tables = Map::new();
    for table in view.all_tables().await? {
        let records = Range::prefix(keys::records(tenant, table.number));
        let births = Range::prefix(keys::births(tenant, table.number));
        let indexes = Range::prefix(keys::fields_of_table(tenant, table.number));
        let mut history = 0;
        for range in [&records, &births, &indexes] {
            history += store.size_bytes(&keys::history_range(range)).await?;
        }
        let bytes = json!({
            "records": store.size_bytes(&records).await? + store.size_bytes(&births).await?,
            "indexes": store.size_bytes(&indexes).await?,
            "history": history,
        });
        let records = count(view, store, records, left).await?;
        let said = json!({
            "records": records.rows, "is_estimate": records.is_estimate, "bytes": bytes,
        });
        tables.insert(table.name.clone(), said);
    }
    Ok(tables)
}

/// The whole of each space.
fn spaces() -> Vec<(Space, Range)> {
    Space::ALL.iter().map(|space| (*space, Range::prefix([space.byte()]))).collect()
}

/// The bytes of these ranges, by their space, and of all together.
async fn by_space(store: &dyn Store, ranges: Vec<(Space, Range)>) -> Result<Json> {
    let mut sums: Vec<(Space, u64)> = Vec::new();
    for (space, range) in ranges {
        let bytes = store.size_bytes(&range).await?;
        match sums.iter_mut().find(|(known, _)| *known == space) {
            Some((_, sum)) => *sum += bytes,
            None => sums.push((space, bytes)),
        }
    }
    let mut said: Map<String, Json> =
        sums.iter().map(|(space, bytes)| (space.name().to_owned(), (*bytes).into())).collect();
    said.insert("total".into(), sums.iter().map(|(_, bytes)| bytes).sum::<u64>().into());
    Ok(Json::Object(said))
}

/// How many rows there are.
struct Count {
    rows: u64,
    is_estimate: bool,
}

/// The rows of a range: counted as far as the limits allow, the others estimated by their size.
async fn count(view: &View, store: &dyn Store, range: Range, left: &mut u64) -> Result<Count> {
    let rows_max = (*left).clamp(COUNTED_ROWS_MIN, COUNTED_ROWS_MAX);
    let (mut rows, mut bytes) = (0, 0);
    let mut next = Some(range.clone().forward());
    while let Some(scan) = next {
        if rows >= rows_max || bytes >= COUNTED_BYTES_MAX {
            *left = left.saturating_sub(rows);
            let counted = Range { from: range.from, until: Some(scan.range.from.clone()) };
            let (known, rest) =
                (store.size_bytes(&counted).await?, store.size_bytes(&scan.range).await?);
            let more = rest as f64 * (rows as f64 / known.max(1) as f64);
            return Ok(Count { rows: rows + more as u64, is_estimate: true });
        }
        let page = view.source.page(&scan).await?;
        rows += page.rows.len() as u64;
        bytes += page.rows.iter().map(|row| row.key.len() + row.value.len()).sum::<usize>();
        next = page.rest;
    }
    *left = left.saturating_sub(rows);
    Ok(Count { rows, is_estimate: false })
}
