//! Bugs that must be noticed.
//!
//! Each part plants one bug in the engine and runs the smallest suite that is responsible for it.
//! The suite must complain, and must not complain without the bug.

use kenning::{Bug, Isolation, Options, Settings};
use kenning_store::block_on;
use kenning_test::power::PowerDisk;
use kenning_test::syscalls::{self, Call, Plan};

use crate::chance::{Chance, Check, Failure, ensure};
use crate::check::check;
use crate::child::{Fault, What, Work};
use crate::chores::{Chore, Chores};
use crate::cycles::Anomaly;
use crate::ledger::Ledger;
use crate::place::Place;
use crate::{Ended, Torture, errno, isolation, laws, power, run};

/// The suite without the bug, then with it.
fn noticed(bug: Bug, suite: impl Fn(Option<Bug>) -> Check) -> Result<Ended, Failure> {
    suite(None).map_err(|failure| failure.at("without the bug"))?;
    match suite(Some(bug)) {
        Ok(()) => Err(Failure(format!("{bug:?} was not noticed"))),
        Err(Failure(why)) => {
            let short: String = why.chars().take(90).collect();
            Ok(Ended::Passed(format!("noticed: {short}")))
        }
    }
}

fn options(planted: Option<Bug>) -> Options {
    Options {
        settings: Settings { planted, ..crate::place::settings() },
        ..crate::place::options()
    }
}

/// Random steps on the engine and on the plain model.
fn model(torture: &Torture, bug: Bug) -> Result<Ended, Failure> {
    let mut chance = Chance::new(torture.seed);
    let steps: Vec<u64> = (0..200).map(|_| chance.next()).collect();
    noticed(bug, |planted| block_on(run::run(&Place::Memory, &options(planted), &steps)))
}

/// A history of concurrent transactions; `anomaly` is what the bug must cause.
fn histories(torture: &Torture, bug: Bug, anomalies: &[Anomaly]) -> Result<Ended, Failure> {
    noticed(bug, |planted| {
        let settings = isolation::settings(Isolation::Serializable, planted);
        let judged = isolation::judge(settings, false, isolation::scale(3_000, torture.seed))?;
        let found = judged.found;
        let right =
            planted.is_none() || anomalies.iter().any(|anomaly| found.contains_key(anomaly));
        if !right {
            return Ok(());
        }
        ensure!(found.is_empty(), "{found:?}");
        Ok(())
    })
}

/// A commit that is answered has been synced since it was asked for.
fn each_commit_syncs(planted: Option<Bug>) -> Check {
    let folder = tempfile::tempdir()?;
    let url = folder.path().join("db").display().to_string();
    let db = block_on(kenning::open_with(&url, options(planted)))?;
    let armed = syscalls::arm(Plan::count(folder.path(), &[Call::Sync]));
    for n in 0..20 {
        let before = armed.seen();
        block_on(db.put("entities", kenning::json!({"name": format!("e{n}")})))?;
        ensure!(armed.seen() > before, "commit {n} was acknowledged without a sync");
    }
    block_on(db.close())?;
    Ok(())
}

pub(crate) fn skip_sync(torture: &Torture) -> Result<Ended, Failure> {
    let counted = noticed(Bug::SkipSync, each_commit_syncs)?;
    // As root also the way a user would notice.
    let Ok(disk) = PowerDisk::new(256 << 20) else { return Ok(counted) };
    match power::cycle_through(&disk, 24, torture.seed, Some(Bug::SkipSync)) {
        Ok(_) => Err(Failure("24 power cuts did not notice that nothing is synced".into())),
        Err(Failure(why)) => {
            let short: String = why.chars().take(90).collect();
            Ok(Ended::Passed(format!("noticed by its syncs, and after a power cut: {short}")))
        }
    }
}

pub(crate) fn ack_before_commit(torture: &Torture) -> Result<Ended, Failure> {
    noticed(Bug::AckBeforeCommit, |planted| {
        for nth in (20..60).step_by(4) {
            errno::fail_write_later(nth, torture.seed, planted)
                .map_err(|failure| failure.at(format!("write {nth}")))?;
        }
        Ok(())
    })
}

pub(crate) fn drop_index_write(torture: &Torture) -> Result<Ended, Failure> {
    model(torture, Bug::DropIndexWrite)
}

pub(crate) fn forget_group_conflicts(torture: &Torture) -> Result<Ended, Failure> {
    let lost = [Anomaly::LostUpdate, Anomaly::LostWrite, Anomaly::G2, Anomaly::GSingle];
    histories(torture, Bug::ForgetGroupConflicts, &lost)
}

pub(crate) fn stale_cache(torture: &Torture) -> Result<Ended, Failure> {
    model(torture, Bug::StaleCache)
}

pub(crate) fn replay_twice(_: &Torture) -> Result<Ended, Failure> {
    noticed(Bug::ReplayTwice, |planted| {
        block_on(laws::one_id_lands_once(&Place::Memory, &options(planted)))
    })
}

pub(crate) fn wrong_watermark(_: &Torture) -> Result<Ended, Failure> {
    noticed(Bug::WrongWatermark, |planted| {
        let folder = tempfile::tempdir()?;
        let place = Place::Folder(folder.path().join("db"));
        block_on(laws::a_follower_sees_each_change_once(&place, &options(planted)))
    })
}

pub(crate) fn reuse_version(torture: &Torture) -> Result<Ended, Failure> {
    histories(torture, Bug::ReuseVersion, &[Anomaly::Versions])
}

pub(crate) fn drop_history(torture: &Torture) -> Result<Ended, Failure> {
    model(torture, Bug::DropHistory)
}

pub(crate) fn off_by_one_as_of(torture: &Torture) -> Result<Ended, Failure> {
    model(torture, Bug::OffByOneAsOf)
}

/// A child that does one chore and ends at some sync, and another one that goes on.
fn chore(torture: &Torture, bug: Bug, chore: Chore) -> Result<Ended, Failure> {
    noticed(bug, |planted| {
        // Behind those of making the database, whose number depends on how far the embedder is; of
        // each two, one falls between a mark and its rows.
        for nth in (50..80).step_by(3) {
            let folder = tempfile::tempdir()?;
            let path = folder.path().join("db");
            let mut ledger = Ledger::default();
            let mut chance = Chance::new(torture.seed ^ nth);
            for (run, fault) in
                [Fault::At(Call::Sync, nth, What::Exit), Fault::None].into_iter().enumerate()
            {
                let work = Work {
                    path: path.clone(),
                    seed: (torture.seed % 1_000) * 10_000 + run as u64,
                    threads: 1,
                    rounds: 8,
                    fault,
                    bug: planted,
                    chores: Chores::Only(chore),
                };
                ledger.run(&work, || Ok(()))?;
                check(&path, &mut ledger, &mut chance)?;
            }
        }
        Ok(())
    })
}

pub(crate) fn purge_spares_log(torture: &Torture) -> Result<Ended, Failure> {
    chore(torture, Bug::PurgeSparesLog, Chore::Purge)
}

pub(crate) fn mark_apart(torture: &Torture) -> Result<Ended, Failure> {
    chore(torture, Bug::MarkApart, Chore::Import)
}

pub(crate) fn forget_backups(torture: &Torture) -> Result<Ended, Failure> {
    chore(torture, Bug::ForgetBackups, Chore::Backup)
}

/// A child that writes what is sealed, ends at some sync and is looked at. Of some ends one falls
/// between two steps that the bug has turned around.
fn sealing(torture: &Torture, bug: Bug) -> Result<Ended, Failure> {
    noticed(bug, |planted| {
        for nth in (SEALING_FROM..).step_by(7).take(SEALING_ENDS) {
            let folder = tempfile::tempdir()?;
            let path = folder.path().join("db");
            let mut ledger = Ledger::default();
            let mut chance = Chance::new(torture.seed ^ nth);
            let work = Work {
                path: path.clone(),
                seed: (torture.seed % 1_000) * 10_000 + nth,
                threads: 1,
                rounds: 400,
                fault: Fault::At(Call::Sync, nth, What::Exit),
                bug: planted,
                chores: Chores::None,
            };
            ledger.run(&work, || Ok(()))?;
            check(&path, &mut ledger, &mut chance)
                .map_err(|failure| failure.at(format!("ended at sync {nth}")))?;
        }
        Ok(())
    })
}

/// Ends of one suite, and the sync of the first one: then there are parts to be merged.
const SEALING_ENDS: usize = 16;
const SEALING_FROM: u64 = 62;

pub(crate) fn name_before_part(torture: &Torture) -> Result<Ended, Failure> {
    sealing(torture, Bug::NameBeforePart)
}

pub(crate) fn sealed_too_far(torture: &Torture) -> Result<Ended, Failure> {
    sealing(torture, Bug::SealedTooFar)
}

pub(crate) fn lose_ends(torture: &Torture) -> Result<Ended, Failure> {
    sealing(torture, Bug::LoseEnds)
}

pub(crate) fn embedded_too_far(torture: &Torture) -> Result<Ended, Failure> {
    sealing(torture, Bug::EmbeddedTooFar)
}
