//! What do a thousand tenants in one database cost?
//!
//! What: tenants are made, each with the tables that it begins with, one of its own with two
//! indexes, and 1,000 records. Another process then opens the database, which is one file for all,
//! and touches each tenant: a handle, a get, a find by index, a put that is durable. It keeps every
//! handle, so all tenants are in use at once; memory is the process's own, its caches included. An
//! idle tenant is what the process has more, once it is open, than one that opened a database
//! with a single tenant.
//!
//! Corpus: 1,000 tenants of 1,000 people. `--only tenants`.

use std::path::Path;

use kenning::blocking::Database;
use kenning::{Filter, json};

use crate::Result;
use crate::child;
use crate::machine::resident_bytes;
use crate::measure::timed;
use crate::measure::{Contender, Goal, KENNING, Measure, Outcome, Quantity, Scope, cost, race};
use crate::peers::ours;
use crate::people::{People, Person, hash_json, team};

/// As asked for: milliseconds until open, MiB of a tenant in use; and KiB that are almost nothing.
const OPEN_MAX: f64 = 1_000.0;
const USED_MAX: f64 = 20.0;
const IDLE_MAX: f64 = 10.0;

const QUANTITIES: [Quantity; 7] = [
    cost("make a tenant with its first tables, durable", "ms"),
    cost("fill a tenant: a table with two indexes, 1,000 records", "ms"),
    cost("open 1,000 tenants of 1,000 records, first answer", "ms"),
    cost("memory of each tenant that is in use", "MiB"),
    cost("memory of each tenant that is idle", "KiB"),
    cost("memory of each tenant whose handle was let go", "KiB"),
    cost("touch a tenant: handle, get, find, put", "ms"),
];

pub(crate) fn run(scope: &Scope) -> Result<Vec<Measure>> {
    let tenants = scope.size(20, 1_000);
    let people: Vec<Person> = People::new(scope.size(100, 1_000)).all().collect();
    let single = scope.fresh()?;
    make(&single.path().join("kenning"), 1, &people)?;
    let contender = Contender::new(KENNING, |_| {
        let folder = scope.fresh()?;
        let at = folder.path().join("kenning");
        let (making, filling) = make(&at, tenants, &people)?;
        let [alone, ..] = touched(&single.path().join("kenning"), 1)?;
        let [opened, used, left, opening, touching, answer] = touched(&at, tenants)?;
        let each = |bytes: f64, unit: f64| (bytes / unit / tenants as f64).max(0.0);
        let figures = [
            making * 1e3 / tenants as f64,
            filling * 1e3 / tenants as f64,
            opening * 1e3,
            each(used, (1 << 20) as f64),
            each(opened - alone, 1024.0),
            each(left - alone, 1024.0),
            touching * 1e3 / tenants as f64,
        ];
        Ok(Outcome::new(figures, answer as u64))
    });
    let mut measures = race(&QUANTITIES, scope.rounds(3), vec![contender])?;
    for (at, most) in [(2, OPEN_MAX), (3, USED_MAX), (4, IDLE_MAX)] {
        measures[at].goals.push(Goal::Reach(most));
    }
    Ok(measures)
}

fn name(idx: usize) -> String {
    format!("tenant-{idx}")
}

/// Makes a database with so many tenants. The seconds that making and filling them took.
fn make(folder: &Path, tenants: usize, people: &[Person]) -> Result<(f64, f64)> {
    let database = ours::open_plain(folder)?;
    let (making, ()) =
        timed(|| (0..tenants).try_for_each(|idx| Ok(database.create_tenant(&name(idx))?)))?;
    let (filling, ()) = timed(|| {
        (0..tenants).try_for_each(|idx| {
            let tenant = database.tenant(&name(idx))?;
            tenant.create_table(ours::TABLE, ours::schema(true))?;
            tenant.put_many(ours::TABLE, ours::drafts(people))?;
            Ok(())
        })
    })?;
    database.close()?;
    Ok((making, filling))
}

/// What another process says of them: bytes when open, with all tenants in use, and with none;
/// seconds until open, and to touch them; a hash of what it read.
fn touched(folder: &Path, tenants: usize) -> Result<[f64; 6]> {
    let figures = child::tenants(folder, tenants)?;
    figures.try_into().map_err(|_| "the process said too little".into())
}

/// What that process does.
pub(crate) fn touch_all(folder: &Path, tenants: usize) -> Result<[f64; 6]> {
    let (opening, database) = timed(|| {
        let database = ours::open_plain(folder)?;
        answer(&database.tenant(&name(tenants / 2))?)?;
        Ok(database)
    })?;
    let opened = resident_bytes()? as f64;
    let (touching, (handles, sum)) = timed(|| {
        let mut handles = Vec::with_capacity(tenants);
        let mut sum = 0_u64;
        for idx in 0..tenants {
            let tenant = database.tenant(&name(idx))?;
            sum = sum.wrapping_add(answer(&tenant)?);
            tenant.put("entities", json!({"name": "touched"}))?;
            handles.push(tenant);
        }
        Ok((handles, sum))
    })?;
    let used = resident_bytes()? as f64 - opened;
    drop(handles);
    let left = resident_bytes()? as f64;
    database.close()?;
    // A hash that a figure can hold.
    Ok([opened, used, left, opening, touching, (sum >> 16) as f64])
}

/// A find by index, and a get of the first that was found.
fn answer(tenant: &Database) -> Result<u64> {
    let found = tenant.find(ours::TABLE, Filter::equal("team", team(0)).limit(10))?;
    let first = found.first().ok_or("a tenant has nobody in the first team")?;
    let again = tenant.get(ours::TABLE, &first.id.to_string())?.ok_or("who was found is gone")?;
    Ok(found.iter().fold(hash_json(&again.properties), |sum, record| {
        sum.wrapping_add(hash_json(&record.properties))
    }))
}
