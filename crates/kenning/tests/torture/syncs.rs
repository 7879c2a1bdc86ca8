//! A crash at every sync of a workload, and at every sync of the recovery that follows.
//!
//! As root the power is cut at that moment, before the sync; else the process ends there.

use std::path::PathBuf;

use kenning_test::power::{Access, PowerDisk};
use kenning_test::syscalls::Call;

use crate::chance::{Chance, Check, Failure, ensure};
use crate::check::check;
use crate::child::{Fault, What, Work};
use crate::chores::Chores;
use crate::ledger::Ledger;
use crate::{Ended, Torture};

/// The journal of a database alone may be some 64 MiB, and each backup has one.
const DISK_BYTES: u64 = 2 << 30;
const ROUNDS: u64 = 60;
/// The short form crashes about so often.
const CRASHES_SHORT: u64 = 15;

/// Where the crashes happen, and how.
enum Ground {
    Disk(PowerDisk),
    Folder(tempfile::TempDir),
}

impl Ground {
    fn new() -> Check<Self> {
        match PowerDisk::new(DISK_BYTES) {
            Ok(disk) => Ok(Ground::Disk(disk)),
            Err(_) => Ok(Ground::Folder(tempfile::tempdir()?)),
        }
    }

    /// A folder that only one database has been in.
    fn path(&self, name: &str) -> Check<PathBuf> {
        let root = match self {
            Ground::Disk(disk) => disk.path(),
            Ground::Folder(folder) => folder.path(),
        };
        let path = root.join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path)?;
        // The folder itself is not what the crash is about.
        std::fs::File::open(root)?.sync_all()?;
        Ok(path.join("db"))
    }

    fn what(&self) -> What {
        match self {
            Ground::Disk(_) => What::Cut,
            Ground::Folder(_) => What::Exit,
        }
    }

    /// Runs a child that crashes.
    fn crash(&self, work: &Work, ledger: &mut Ledger) -> Check {
        match self {
            Ground::Disk(disk) => {
                let mut was_cut = false;
                ledger.run(work, || {
                    was_cut = true;
                    disk.cut().map_err(Failure)
                })?;
                if was_cut { disk.remount(Access::Write).map_err(Failure) } else { Ok(()) }
            }
            Ground::Folder(_) => ledger.run(work, || Ok(())),
        }
    }
}

/// One of so many crashes may not happen: commits of the background join a group with the
/// workload's, or come alone, so one run has fewer syncs than another.
const MISSED_PART_MAX: u64 = 3;

pub(crate) fn run(torture: &Torture) -> Result<Ended, Failure> {
    let ground = Ground::new()?;
    let work = |path: PathBuf, rounds: u64, fault: Fault| Work {
        path,
        seed: torture.seed % 1_000_000,
        threads: 1,
        rounds,
        fault,
        bug: None,
        chores: Chores::All,
    };
    let mut ledger = Ledger::default();
    let path = ground.path("count")?;
    ledger.run(&work(path.clone(), ROUNDS, Fault::Count(Call::Sync)), || Ok(()))?;
    check(&path, &mut ledger, &mut Chance::new(torture.seed))?;
    let syncs = ledger.seen;
    ensure!(syncs >= 10, "a workload of {ROUNDS} transactions made {syncs} syncs");
    let step = (syncs / torture.times(CRASHES_SHORT, syncs)).max(1) as usize;
    let (mut crashes, mut again, mut missed) = (0, 0, 0);
    for nth in (1..=syncs).step_by(step) {
        let mut chance = Chance::new(torture.seed ^ (nth << 32));
        let path = ground.path("crash")?;
        let mut ledger = Ledger::default();
        let at = |nth| Fault::At(Call::Sync, nth, ground.what());
        let mut crash = || -> Check {
            ground.crash(&work(path.clone(), ROUNDS, at(nth)), &mut ledger)?;
            if ledger.ended {
                missed += 1;
                return check(&path, &mut ledger, &mut chance);
            }
            crashes += 1;
            // Now the recovery is crashed in turn, until it gets through.
            for sync in 1..=if torture.long { 100 } else { 2 } {
                ground.crash(&work(path.clone(), 0, at(sync)), &mut ledger)?;
                if ledger.ended {
                    break;
                }
                again += 1;
            }
            check(&path, &mut ledger, &mut chance)
        };
        crash().map_err(|failure| failure.at(format!("crash at sync {nth} of {syncs}")))?;
    }
    ensure!(missed * MISSED_PART_MAX <= crashes, "{missed} crashes did not happen, {crashes} did");
    let how = match ground {
        Ground::Disk(_) => "power cuts",
        Ground::Folder(_) => "ends of the process (only root can cut the power)",
    };
    Ok(Ended::Passed(format!("{crashes} of {syncs} syncs and {again} of the recovery, {how}")))
}
