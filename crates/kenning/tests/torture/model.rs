//! Many random runs against the plain model, in memory and on disk.
//!
//! The test `model` does the same and shrinks what it finds; here there is time for more.

use kenning_store::block_on;

use crate::chance::{Chance, Failure};
use crate::place::Place;
use crate::{Ended, Torture, run};

const RUNS_SHORT: u64 = 20;
const RUNS_LONG: u64 = 2_000;
const STEPS: usize = 300;

pub(crate) fn run(torture: &Torture) -> Result<Ended, Failure> {
    let runs = if torture.long { RUNS_LONG } else { RUNS_SHORT };
    for n in 0..runs {
        let mut chance = Chance::new(torture.seed ^ (n << 36));
        let steps: Vec<u64> = (0..STEPS).map(|_| chance.next()).collect();
        let folder = tempfile::tempdir()?;
        let place = match n % 4 {
            0 => Place::Folder(folder.path().join("db")),
            _ => Place::Memory,
        };
        block_on(run::run(&place, &crate::place::options(), &steps))
            .map_err(|failure| failure.at(format!("run {n}")))?;
    }
    Ok(Ended::Passed(format!("{runs} runs of {STEPS} steps, every answer as expected")))
}
