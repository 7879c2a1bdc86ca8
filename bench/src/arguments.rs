//! What was asked on the command line.

use std::path::PathBuf;

use crate::Result;

/// What to do.
pub(crate) enum Command {
    Help,
    /// Print `bench/README.md` from the saved results.
    Page,
    /// Be another process of a bench.
    Child(Vec<String>),
    Run(Arguments),
}

/// How to run.
#[derive(Default)]
pub(crate) struct Arguments {
    /// Little data, few rounds.
    pub(crate) tiny: bool,
    /// Only these benches.
    pub(crate) only: Vec<String>,
    /// Rounds of each bench; its own number if none is given.
    pub(crate) rounds: Option<usize>,
    /// Write the result files.
    pub(crate) save: bool,
    /// Where databases are made; the system's folder for temporary files if none is given.
    pub(crate) folder: Option<PathBuf>,
}

/// The first argument of a process that a bench starts.
pub(crate) const CHILD: &str = "--child";

pub(crate) fn parse(mut given: impl Iterator<Item = String>) -> Result<Command> {
    let mut arguments = Arguments::default();
    while let Some(argument) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--markdown" => return Ok(Command::Page),
            CHILD => return Ok(Command::Child(given.collect())),
            "--tiny" => arguments.tiny = true,
            "--save" => arguments.save = true,
            "--only" => arguments.only.extend(value()?.split(',').map(str::to_owned)),
            "--folder" => arguments.folder = Some(value()?.into()),
            "--rounds" => arguments.rounds = Some(rounds(&value()?)?),
            _ => return Err(format!("'{argument}' is not known; see --help").into()),
        }
    }
    if arguments.tiny && arguments.save {
        return Err("--tiny proves that the benches work; its figures are not worth saving".into());
    }
    Ok(Command::Run(arguments))
}

fn rounds(text: &str) -> Result<usize> {
    match text.parse() {
        Ok(rounds) if (1..=1_000).contains(&rounds) => Ok(rounds),
        _ => Err(format!("'{text}' is not a number of rounds, 1 to 1000").into()),
    }
}

pub(crate) fn help(names: &[&str]) -> String {
    format!(
        "Kenning beside other engines.

    kenning-bench [--tiny] [--only NAME,...] [--rounds N] [--folder PATH] [--save]
    kenning-bench --markdown > bench/README.md

--tiny      little data, to see that every bench works and all answers agree
--only      these benches only: {}
--rounds    rounds of each, instead of its own number
--folder    where the databases are made, and so on which disk
--save      write bench/results/NAME.json
--markdown  print the page that shows what is in bench/results
",
        names.join(", ")
    )
}
