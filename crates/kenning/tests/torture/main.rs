//! The proof of trust: power cuts, failing calls, concurrent histories, and planted bugs.
//!
//! Each part tries to make the database break a promise and passes if it can't. The short form runs
//! with the other tests, the long one takes as long as it takes:
//!
//! ```text
//! cargo test -p kenning --test torture -- [--brief|--short|--long] [--only NAME,..] [--seed N]
//! ```
//!
//! Crashes happen in a child: this program again, with `child` as its first argument.

#[path = "../model/chance.rs"]
mod chance; // chance with a seed, and failures with a sentence
mod check; // what was acknowledged against what is there
mod child; // the process that is crashed
mod chores; // what it does beside its transactions
#[path = "../model/compare.rs"]
mod compare; // the same questions to a model and to the engine
mod cycles; // anomalies in a history
mod errno; // calls of the operating system that fail
#[path = "../model/finding.rs"]
mod finding; // the same searches of a plain one and of the engine
mod histories; // concurrent transactions, recorded
mod isolation; // histories without anomalies
#[path = "../laws/laws.rs"]
#[allow(dead_code, reason = "only some of the laws are broken by planted bugs")]
mod laws; // laws that a bug would break
mod ledger; // what a child said before it died
mod model; // many random runs against the plain model
#[path = "../model/place.rs"]
mod place; // where the database of a test is
#[path = "../model/plain.rs"]
mod plain; // the plain model
mod planted; // bugs that must be noticed
mod power; // power cuts
#[path = "../model/run.rs"]
mod run; // random steps on both
mod syncs; // a crash at every sync
mod tally; // what became of the chores

use std::process::ExitCode;

use chance::Failure;

kenning_test::interpose!();

/// How a part ended.
pub(crate) enum Ended {
    Passed(String),
    Skipped(String),
}

/// What was asked for.
pub(crate) struct Torture {
    pub(crate) long: bool,
    /// Even less than the short form: a look at the other engine.
    pub(crate) brief: bool,
    pub(crate) seed: u64,
}

impl Torture {
    fn form(&self) -> &'static str {
        match (self.long, self.brief) {
            (true, _) => "--long",
            (false, true) => "--brief",
            (false, false) => "--short",
        }
    }

    /// How often something is done: so often in the short form, a tenth of that in the brief one.
    pub(crate) fn times(&self, short: u64, long: u64) -> u64 {
        match (self.long, self.brief) {
            (true, _) => long,
            (false, true) => short.div_ceil(10),
            (false, false) => short,
        }
    }
}

type Part = (&'static str, fn(&Torture) -> Result<Ended, Failure>);

const PARTS: &[Part] = &[
    ("checker", cycles::the_checker_finds_what_is_there),
    ("isolation", isolation::serializable),
    ("isolation-snapshot", isolation::snapshot),
    ("model", model::run),
    ("power", power::run),
    ("every-sync", syncs::run),
    ("errno", errno::run),
    ("planted-skip-sync", planted::skip_sync),
    ("planted-ack-before-commit", planted::ack_before_commit),
    ("planted-drop-index-write", planted::drop_index_write),
    ("planted-forget-group-conflicts", planted::forget_group_conflicts),
    ("planted-stale-cache", planted::stale_cache),
    ("planted-replay-twice", planted::replay_twice),
    ("planted-wrong-watermark", planted::wrong_watermark),
    ("planted-reuse-version", planted::reuse_version),
    ("planted-drop-history", planted::drop_history),
    ("planted-off-by-one-as-of", planted::off_by_one_as_of),
    ("planted-purge-spares-log", planted::purge_spares_log),
    ("planted-mark-apart", planted::mark_apart),
    ("planted-forget-backups", planted::forget_backups),
    ("planted-name-before-part", planted::name_before_part),
    ("planted-sealed-too-far", planted::sealed_too_far),
    ("planted-lose-ends", planted::lose_ends),
    ("planted-embedded-too-far", planted::embedded_too_far),
];

const SEED: u64 = 20_261_121;

struct Asked {
    torture: Torture,
    only: Option<String>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "child") {
        return child::main(&words[1..]);
    }
    match asked(&words) {
        Ok(Some(asked)) => torture(&asked),
        // What a test runner asks of every test binary.
        Ok(None) => ExitCode::SUCCESS,
        Err(Failure(why)) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn asked(words: &[String]) -> Result<Option<Asked>, Failure> {
    let mut asked =
        Asked { torture: Torture { long: false, brief: false, seed: SEED }, only: None };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| Failure(format!("{word} needs a value")));
        match word.as_str() {
            "--brief" => asked.torture.brief = true,
            "--short" => asked.torture.long = false,
            "--long" => asked.torture.long = true,
            "--only" => asked.only = Some(value()?.clone()),
            "--seed" => asked.torture.seed = value()?.parse()?,
            "--list" => return Ok(None),
            other => return Err(Failure(format!("there is no flag {other}"))),
        }
    }
    if let Some(only) = &asked.only
        && !only.split(',').all(|one| PARTS.iter().any(|(name, _)| is_named(one, name)))
    {
        let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        return Err(Failure(format!("there is no part '{only}', only {}", names.join(", "))));
    }
    Ok(Some(asked))
}

/// Whether the part `name` is one of those that are asked for, separated by commas.
fn is_named(only: &str, name: &str) -> bool {
    only.split(',').any(|begin| name.starts_with(begin))
}

fn torture(asked: &Asked) -> ExitCode {
    println!("on {}, {}", place::options().engine.name(), asked.torture.form());
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, part) in PARTS {
        if asked.only.as_ref().is_some_and(|only| !is_named(only, name)) {
            continue;
        }
        match part(&asked.torture) {
            Ok(Ended::Passed(what)) => {
                passed += 1;
                println!("{name}: {what}");
            }
            Ok(Ended::Skipped(why)) => {
                skipped += 1;
                println!("{name}: SKIPPED, {why}");
            }
            Err(Failure(why)) => {
                failed += 1;
                let form = asked.torture.form();
                println!("{name}: FAILED, {why}");
                let again = format!("{form} --only {name} --seed {}", asked.torture.seed);
                let engine = place::options().engine.name();
                println!("  again: KENNING_ENGINE={engine} cargo test --test torture -- {again}");
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
