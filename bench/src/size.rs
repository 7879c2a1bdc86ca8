//! How large is a record on disk, and how much memory does an idle database take?
//!
//! What: bytes of all files after a compaction, with two indexes, history and log, divided by the
//! records; and the memory of a process of its own that opens the database, then that reads every
//! record once. SQLite (after VACUUM, no history, no log) and the raw engine beside it: there a
//! record is its JSON under its id and an entry in each of two indexes, which is what somebody
//! would write by hand.
//!
//! Corpus: 1,000,000 people. `--only size`.

use std::path::Path;

use kenning::{RocksSettings, Settings};
use kenning_store::{Batch, Space};

use crate::Result;
use crate::child::{Idler, Memory, memory_of};
use crate::machine::folder_bytes;
use crate::measure::{Contender, Goal, KENNING, Measure, Outcome, Scope, cost, race};
use crate::million::Million;
use crate::peers::ours;
use crate::peers::rocks::{ROCKS, Rocks};
use crate::peers::sqlite::SQLITE;
use crate::people::Person;

/// Mebibytes above the caches.
const IDLE_MAX: f64 = 150.0;
const MIB: f64 = (1 << 20) as f64;
const BATCH: usize = 1_000;

pub(crate) fn run(scope: &Scope) -> Result<Vec<Measure>> {
    let million = scope.million()?;
    million.sqlite().connect()?.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")?;
    let by_hand = scope.fresh()?;
    write_by_hand(million, by_hand.path())?;
    let raw_at = Rocks::made(by_hand.path());
    let count = million.people.len() as f64;
    let per_record = |folder: &Path| Ok(Outcome::new([folder_bytes(folder)? as f64 / count], None));
    let note = spaces(&million.kenning(), million.people.len())?;
    let disk = race(
        &[cost("disk per record, compacted", "bytes")],
        1,
        vec![
            Contender::new(KENNING, |_| per_record(&million.kenning())),
            Contender::new(SQLITE, |_| per_record(&million.sqlite_folder())),
            Contender::new(ROCKS, |_| per_record(&raw_at)),
        ],
    )?;
    let caches = RocksSettings::default().cache_bytes + Settings::default().record_cache_bytes;
    let caches_mib = caches as f64 / MIB;
    let quantities = [
        cost("memory when idle, nothing read yet", "MiB"),
        cost("memory when idle, every record read", "MiB"),
    ];
    let memory = |idler, folder: &Path| {
        let Memory { before, opened, read } = memory_of(idler, folder)?;
        let above = |bytes: u64| bytes.saturating_sub(before) as f64 / MIB;
        Ok(Outcome::new([above(opened), above(read)], None))
    };
    let contenders = vec![
        Contender::new(KENNING, |_| memory(Idler::Kenning, &million.kenning())),
        Contender::new(SQLITE, |_| memory(Idler::Sqlite, &million.sqlite_folder())),
        Contender::new(ROCKS, |_| memory(Idler::Rocks, &raw_at)),
    ];
    let mut idle = race(&quantities, scope.rounds(5), contenders)?.into_iter();
    let opened = idle.next().expect("two quantities were asked for").goal(Goal::Reach(IDLE_MAX));
    let read = idle.next().expect("two quantities were asked for");
    let read = read.goal(Goal::Reach(IDLE_MAX + caches_mib));
    let opened = opened.note("what the process had before it opened anything is taken off".into());
    let read = read.note(format!("Kenning's caches may hold {caches_mib:.0} MiB of it"));
    let disk = disk.into_iter().map(|measure| measure.note(note.clone()));
    Ok(disk.chain([opened, read]).collect())
}

/// Where Kenning's bytes are.
fn spaces(folder: &Path, count: usize) -> Result<String> {
    let database = ours::open_plain(folder)?;
    let stats = database.stats()?;
    database.close()?;
    let bytes = |space: &Space| stats["bytes"]["database"][space.name()].as_f64().unwrap_or(0.0);
    let shown = Space::ALL.iter().filter(|space| bytes(space) >= count as f64);
    let shown = shown.map(|space| format!("{} {:.0}", space.name(), bytes(space) / count as f64));
    Ok(format!("Kenning, bytes a record: {}", shown.collect::<Vec<_>>().join(", ")))
}

/// What somebody would write by hand: JSON under ids, and two indexes.
fn write_by_hand(million: &Million, folder: &Path) -> Result<()> {
    let rocks = Rocks::create(folder)?;
    let people: Vec<usize> = (0..million.people.len()).collect();
    for chunk in people.chunks(BATCH) {
        let mut batch = Batch::new();
        for idx in chunk {
            let Person { id, team, score, .. } = &million.people.person(*idx);
            let json = million.people.person(*idx).json().to_string();
            let records = [Space::Records.byte()];
            let fields = [Space::Fields.byte()];
            batch.put(&[&records, &id[..]].concat(), json.as_bytes());
            batch.put(&[&fields, b"t".as_slice(), team.as_bytes(), &[0], id].concat(), &[]);
            batch.put(&[&fields, b"s".as_slice(), &score.to_be_bytes(), id].concat(), &[]);
        }
        rocks.write(&batch, false)?;
    }
    rocks.sync()?;
    rocks.compact()
}
