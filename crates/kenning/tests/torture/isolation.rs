//! Histories without anomalies: none when serializable; under snapshot isolation write skew, and
//! nothing worse. That write skew is found there shows that the checker sees live histories.

use kenning::{Bug, Isolation, Options, Settings};
use kenning_store::block_on;

use crate::chance::{Check, Failure, ensure};
use crate::cycles::{Anomaly, Found, anomalies};
use crate::histories::{Scale, record};
use crate::{Ended, Torture};

const TRANSACTIONS_SHORT: u64 = 20_000;
const TRANSACTIONS_LONG: u64 = 1_000_000;
/// Transactions of one history: more would only need more memory.
const OF_ONE: u64 = 10_000;
const THREADS: u64 = 4;
const TOGETHER: u64 = 6;

/// What a history had.
pub(crate) struct Judged {
    pub(crate) landed: usize,
    pub(crate) refused: usize,
    pub(crate) found: Found,
}

/// Records one history and judges it.
pub(crate) fn judge(settings: Settings, on_disk: bool, scale: Scale) -> Check<Judged> {
    let folder = tempfile::tempdir()?;
    let url = match on_disk {
        true => folder.path().join("db").display().to_string(),
        false => "memory:".to_owned(),
    };
    let options = Options { settings, ..crate::place::options() };
    let db = block_on(kenning::open_with(&url, options))?;
    let history = record(&db, scale)?;
    let landed = history.deeds.iter().filter(|deed| deed.version.is_some()).count();
    let refused = history.deeds.len() - landed;
    let found = anomalies(&history);
    block_on(db.close())?;
    Ok(Judged { landed, refused, found })
}

pub(crate) fn scale(transactions: u64, seed: u64) -> Scale {
    Scale { transactions, threads: THREADS, together: TOGETHER, seed }
}

/// Settings with an isolation, and perhaps a bug.
pub(crate) fn settings(isolation: Isolation, planted: Option<Bug>) -> Settings {
    Settings { isolation, planted, ..crate::place::settings() }
}

pub(crate) fn serializable(torture: &Torture) -> Result<Ended, Failure> {
    let total = if torture.long { TRANSACTIONS_LONG } else { TRANSACTIONS_SHORT };
    let (mut landed, mut refused) = (0, 0);
    for round in 0..total / OF_ONE {
        let settings = settings(Isolation::Serializable, None);
        let scale = scale(OF_ONE, torture.seed + round);
        let judged = judge(settings, round % 2 == 0, scale)?;
        let found = judged.found;
        ensure!(found.is_empty(), "round {round} has anomalies: {found:?}");
        ensure!(judged.refused > 0, "round {round} met no conflict: nothing was tested");
        landed += judged.landed;
        refused += judged.refused;
    }
    Ok(Ended::Passed(format!("{landed} transactions landed, {refused} refused, no anomaly")))
}

pub(crate) fn snapshot(torture: &Torture) -> Result<Ended, Failure> {
    let total = if torture.long { TRANSACTIONS_SHORT } else { OF_ONE };
    let settings = settings(Isolation::Snapshot, None);
    let mut judged = judge(settings, false, scale(total, torture.seed))?;
    // Its versions are no serial order, because there is none.
    judged.found.remove(&Anomaly::Versions);
    let skew = judged.found.remove(&Anomaly::G2);
    ensure!(skew.is_some(), "no write skew was found: the checker does not see it");
    let worse = judged.found;
    ensure!(worse.is_empty(), "snapshot isolation has anomalies: {worse:?}");
    let landed = judged.landed;
    Ok(Ended::Passed(format!("{landed} transactions, write skew found, nothing worse")))
}
