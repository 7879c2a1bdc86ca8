//! Power cuts at random moments.
//!
//! A child works on a database on a disk whose power is cut while it runs, by whoever listens to
//! what it acknowledges. Then the disk is mounted again, and the database must have everything that
//! was acknowledged, nothing that was refused, and no half of anything. Several cuts come on one
//! database, so that what was recovered is recovered again.

use kenning::{Bug, World};
use kenning_test::power::{Access, PowerDisk};

use crate::chance::{Chance, Check, Failure, ensure};
use crate::check::check;
use crate::child::{Fault, Work};
use crate::chores::{Chores, backups};
use crate::finding::Searched;
use crate::ledger::Ledger;
use crate::{Ended, Torture};

const CYCLES_SHORT: u64 = 60;
const CYCLES_LONG: u64 = 1_000;
/// Cuts on one database.
const CYCLES_OF_ONE: u64 = 6;
/// The journal of a database alone may be some 64 MiB, and each backup has one.
const DISK_BYTES: u64 = 2 << 30;
const THREADS: u64 = 4;

pub(crate) fn run(torture: &Torture) -> Result<Ended, Failure> {
    let cycles = torture.times(CYCLES_SHORT, CYCLES_LONG);
    let disk = match PowerDisk::new(DISK_BYTES) {
        Ok(disk) => disk,
        Err(why) => return Ok(Ended::Skipped(why)),
    };
    let done = cycle_through(&disk, cycles, torture.seed, None)?;
    let Searched { searches, parts, tails, made } = done.searched;
    // Else what is cut is not what is searched.
    ensure!(torture.brief || parts > 0, "{searches} searches went through no part");
    let acknowledged = done.acknowledged;
    Ok(Ended::Passed(format!(
        "{cycles} power cuts, {acknowledged} acknowledged transactions, none lost, none torn; \
         {searches} searches through {parts} parts and {tails} pieces in memory, {made} of records"
    )))
}

/// What was looked at.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) acknowledged: u64,
    pub(crate) searched: Searched,
}

impl Done {
    fn add(&mut self, ledger: &Ledger) {
        self.acknowledged += ledger.acknowledged;
        self.searched.add(ledger.searched);
    }
}

/// Cuts the power `cycles` times.
pub(crate) fn cycle_through(
    disk: &PowerDisk,
    cycles: u64,
    seed: u64,
    bug: Option<Bug>,
) -> Check<Done> {
    let mut ledger = Ledger::default();
    let mut done = Done::default();
    for cycle in 0..cycles {
        let path = disk.path().join(format!("db-{}", cycle / CYCLES_OF_ONE));
        if cycle % CYCLES_OF_ONE == 0 {
            done.add(&ledger);
            ledger = Ledger::default();
            if let Some(before) = (cycle / CYCLES_OF_ONE).checked_sub(1) {
                let before = disk.path().join(format!("db-{before}"));
                std::fs::remove_dir_all(&before)?;
                // It may have none.
                let _ = std::fs::remove_dir_all(backups(&before));
            }
        }
        let mut chance = Chance::new(seed ^ (cycle << 40));
        let work = Work {
            path: path.clone(),
            // A seed of its own for each cycle, small enough for the stamps.
            seed: (seed % 1_000) * 10_000 + cycle,
            threads: THREADS,
            rounds: 1 << 20,
            fault: Fault::None,
            bug,
            chores: Chores::All,
        };
        let cut = cut_once(disk, &work, &mut ledger, &mut chance);
        let checked = cut.and_then(|()| check(&path, &mut ledger, &mut chance));
        checked.map_err(|failure| failure.at(format!("power cut {cycle}")))?;
    }
    done.add(&ledger);
    Ok(done)
}

/// One child, one cut.
fn cut_once(disk: &PowerDisk, work: &Work, ledger: &mut Ledger, chance: &mut Chance) -> Check {
    let mut child = ledger.start(work)?;
    let enough = ledger.acknowledged + chance.below(120);
    ledger.listen(&mut child, |ledger, _| Ok(ledger.acknowledged >= enough))?;
    let cut_ms = kenning::SystemWorld::new().now_ms();
    disk.cut().map_err(Failure)?;
    child.kill()?;
    // What it had acknowledged before the cut is still in the pipe.
    ledger.listen(&mut child, |_, _| Ok(false))?;
    child.end()?;
    ledger.forget_answers_since(cut_ms);
    disk.remount(Access::Write).map_err(Failure)
}
