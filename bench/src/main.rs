//! Kenning beside other engines: how fast, how large, how soon open.
//!
//! One question per file, each with what it asks and of which corpus at its head. Every engine
//! answers the same question in the same run, in turns (A B A B), and where the question is the
//! same the answers must be: a bench whose answers differ fails. What is shown is the median of
//! the rounds, their spread, and the ratio of Kenning to each peer, round by round.
//!
//! Run it with `make bench`; `ARGS="--help"` lists what can be asked.
// A bench is about time: it reads the clock and starts threads on purpose.
#![allow(clippy::disallowed_methods)]

mod arguments; // what was asked
mod capture; // a store that remembers its batches
mod child; // the same program as another process
mod exam; // answers of an index over vectors, judged
mod indexed; // Kenning's index over vectors, by itself
mod machine; // where it ran
mod measure; // rounds, medians, goals
mod million; // one large database for several benches
mod page; // bench/README.md
mod peers; // the engines
mod people; // the corpus
mod report; // tables and result files
mod sentences; // what is found by meaning
mod writers; // threads that write while something else is done

mod backup;
mod bulk;
mod commits;
mod embedding;
mod engines;
mod export;
mod get_hot;
mod get_warm;
mod import;
mod index;
mod index_build;
mod inserts;
mod open;
mod search;
mod size;

mod tenants;
mod vectors;
mod vectors_million;
mod words;
mod write_cost;

use std::error::Error;
use std::process::ExitCode;

use arguments::{Arguments, Command};
use measure::{Measure, Scope};

/// As in the program. SQLite and RocksDB are C and C++ and have the system's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whatever goes wrong ends the bench, so nobody asks for its type.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A bench, and the name under which it is asked for.
struct Bench {
    name: &'static str,
    run: fn(&Scope) -> Result<Vec<Measure>>,
}

const BENCHES: [Bench; 20] = [
    Bench { name: "inserts", run: inserts::run },
    Bench { name: "commits", run: commits::run },
    Bench { name: "bulk", run: bulk::run },
    Bench { name: "get_hot", run: get_hot::run },
    Bench { name: "get_warm", run: get_warm::run },
    Bench { name: "index", run: index::run },
    Bench { name: "index_build", run: index_build::run },
    Bench { name: "open", run: open::run },
    Bench { name: "size", run: size::run },
    Bench { name: "import", run: import::run },
    Bench { name: "export", run: export::run },
    Bench { name: "backup", run: backup::run },
    Bench { name: "tenants", run: tenants::run },
    Bench { name: "engines", run: engines::run },
    Bench { name: "vectors", run: vectors::run },
    Bench { name: "vectors_million", run: vectors_million::run },
    Bench { name: "search", run: search::run },
    Bench { name: "words", run: words::run },
    Bench { name: "embedding", run: embedding::run },
    Bench { name: "write_cost", run: write_cost::run },
];

fn main() -> ExitCode {
    let done = match arguments::parse(std::env::args().skip(1)) {
        Ok(Command::Help) => {
            print!("{}", arguments::help(&names()));
            Ok(())
        }
        Ok(Command::Page) => page::print(&names()),
        Ok(Command::Child(arguments)) => child::run(&arguments),
        Ok(Command::Run(arguments)) => run(&arguments),
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kenning-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn names() -> Vec<&'static str> {
    BENCHES.iter().map(|bench| bench.name).collect()
}

fn run(arguments: &Arguments) -> Result<()> {
    if let Some(name) = arguments.only.iter().find(|name| !names().contains(&name.as_str())) {
        return Err(format!("no bench is named '{name}'; there are {}", names().join(", ")).into());
    }
    let scope = Scope::new(arguments)?;
    let machine = machine::Machine::survey(scope.folder())?;
    println!("{}", machine.line());
    for bench in &BENCHES {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|name| name == bench.name) {
            continue;
        }
        let load = machine::load();
        eprintln!("{} (load {load}) ...", bench.name);
        let began = std::time::Instant::now();
        let measures = (bench.run)(&scope).map_err(|error| format!("{}: {error}", bench.name))?;
        eprintln!("{} took {:.1} s", bench.name, began.elapsed().as_secs_f64());
        match scope.tiny {
            true => print!("{}", report::answers(bench.name, &measures)),
            false => print!("{}", report::table(bench.name, &measures)),
        }
        if arguments.save {
            report::save(bench.name, machine.json(load), &measures)?;
        }
    }
    Ok(())
}
