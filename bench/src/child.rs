//! The same program as another process: one to be killed, one whose memory is its own.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::Result;
use crate::arguments::CHILD;
use crate::machine::{resident_bytes, resident_bytes_most};
use crate::peers::ours;
use crate::peers::rocks::Rocks;
use crate::peers::sqlite::{self, Sqlite};
use crate::people::{People, Person};

const WRITE: &str = "write";
const IDLE: &str = "idle";
const IMPORT: &str = "import";
const TENANTS: &str = "tenants";
const NEAR: &str = "near";
#[cfg(feature = "peers")]
pub(crate) const PEER: &str = "peer";

/// Records of one transaction of the one that writes.
pub(crate) const TRANSACTION: usize = 1_000;

/// Who is idle.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Idler {
    Kenning,
    Sqlite,
    Rocks,
}

/// Bytes of memory of a process that opened a database.
pub(crate) struct Memory {
    /// Before it opened anything.
    pub(crate) before: u64,
    /// After it opened the database.
    pub(crate) opened: u64,
    /// After it read every record.
    pub(crate) read: u64,
}

/// What a child was told, done.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [WRITE, folder, count] => write(Path::new(folder), count.parse()?),
        [IDLE, "Kenning", folder] => idle_kenning(Path::new(folder)),
        [IDLE, "Sqlite", folder] => idle_sqlite(Path::new(folder)),
        [IDLE, "Rocks", folder] => idle_rocks(Path::new(folder)),
        [IMPORT, folder, file] => {
            crate::import::import(Path::new(folder), Path::new(file))?.close()?;
            say(&resident_bytes_most()?)
        }
        [TENANTS, folder, count] => {
            let figures = crate::tenants::touch_all(Path::new(folder), count.parse()?)?;
            figures.into_iter().try_for_each(|figure| say(&figure))
        }
        [NEAR, folder, questions, dimensions, effort] => {
            let (dimensions, effort) = (dimensions.parse()?, effort.parse()?);
            let (folder, questions) = (Path::new(folder), Path::new(questions));
            let figures = crate::vectors::memory(folder, questions, dimensions, effort)?;
            figures.into_iter().try_for_each(|figure| say(&figure))
        }
        #[cfg(feature = "peers")]
        [PEER, name, folder, dimensions, rate_ms] => {
            let (dimensions, rate_ms) = (dimensions.parse()?, rate_ms.parse()?);
            crate::peers::near_rust::serve(name, Path::new(folder), dimensions, rate_ms)
        }
        _ => Err(format!("a child does not know {words:?}").into()),
    }
}

/// Starts a process that writes people into `folder` until it is killed, kills it when `count` of
/// them are acknowledged, and returns how many were.
pub(crate) fn write_and_kill(folder: &Path, count: usize) -> Result<usize> {
    let mut child = start(&[WRITE, text(folder)?, &(2 * count).to_string()])?;
    let mut lines = lines_of(&mut child)?;
    let mut acknowledged = 0;
    while acknowledged < count {
        let line = lines.next().ok_or("the writing process ended by itself")??;
        acknowledged = line.parse()?;
    }
    child.kill()?;
    child.wait()?;
    // Lines that were on their way count too.
    for line in lines {
        acknowledged = line?.parse().unwrap_or(acknowledged);
    }
    Ok(acknowledged)
}

/// Lets a process open what is in `folder` and do nothing.
pub(crate) fn memory_of(idler: Idler, folder: &Path) -> Result<Memory> {
    let mut child = start(&[IDLE, &format!("{idler:?}"), text(folder)?])?;
    let mut lines = lines_of(&mut child)?;
    let mut figure = || -> Result<u64> {
        let line = lines.next().ok_or("the idle process said nothing")??;
        Ok(line.parse()?)
    };
    let memory = Memory { before: figure()?, opened: figure()?, read: figure()? };
    if !child.wait()?.success() {
        return Err("the idle process failed".into());
    }
    Ok(memory)
}

/// The most bytes of memory of a process that imports `file` into a database in `folder`.
pub(crate) fn import_memory(folder: &Path, file: &Path) -> Result<u64> {
    let mut child = start(&[IMPORT, text(folder)?, text(file)?])?;
    let line = lines_of(&mut child)?.next().ok_or("the importing process said nothing")??;
    child.wait()?;
    Ok(line.parse()?)
}

/// What a process finds that opens a database of so many tenants and touches each of them.
pub(crate) fn tenants(folder: &Path, count: usize) -> Result<Vec<f64>> {
    let mut child = start(&[TENANTS, text(folder)?, &count.to_string()])?;
    let figures = lines_of(&mut child)?.map(|line| Ok(line?.parse()?)).collect();
    child.wait()?;
    figures
}

/// What a process finds that opens an index over vectors and answers the questions in a file.
pub(crate) fn near(
    folder: &Path,
    questions: &Path,
    dimensions: usize,
    effort: usize,
) -> Result<[f64; 3]> {
    let (dimensions, effort) = (dimensions.to_string(), effort.to_string());
    let mut child = start(&[NEAR, text(folder)?, text(questions)?, &dimensions, &effort])?;
    let figures: Result<Vec<f64>> = lines_of(&mut child)?.map(|line| Ok(line?.parse()?)).collect();
    child.wait()?;
    figures?.try_into().map_err(|_| "the process said too little".into())
}

fn start(arguments: &[&str]) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    Ok(command.arg(CHILD).args(arguments).stdout(Stdio::piped()).spawn()?)
}

type Lines = std::io::Lines<BufReader<ChildStdout>>;

fn lines_of(child: &mut Child) -> Result<Lines> {
    let stdout = child.stdout.take().ok_or("the process has no output")?;
    Ok(BufReader::new(stdout).lines())
}

fn text(folder: &Path) -> Result<&str> {
    Ok(folder.to_str().ok_or("the folder has a name that is no text")?)
}

fn write(folder: &Path, count: usize) -> Result<()> {
    let people = People::new(count);
    let database = ours::open_plain(folder)?;
    for from in (0..count).step_by(TRANSACTION) {
        let until = (from + TRANSACTION).min(count);
        let chunk: Vec<Person> = (from..until).map(|idx| crashing(people.person(idx))).collect();
        database.put_many(ours::TABLE, ours::drafts(&chunk))?;
        say(&until)?;
    }
    Ok(())
}

/// A person whom no other question finds.
pub(crate) fn crashing(person: Person) -> Person {
    Person { name: format!("crashing-{}", person.name), team: "crashing".into(), ..person }
}

/// Tells the parent, who may be waiting for it.
fn say(figure: &impl std::fmt::Display) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{figure}")?;
    Ok(stdout.flush()?)
}

fn idle_kenning(folder: &Path) -> Result<()> {
    say(&resident_bytes()?)?;
    let database = ours::open_plain(folder)?;
    say(&resident_bytes()?)?;
    ours::contents(&database)?;
    say(&resident_bytes()?)?;
    Ok(database.close()?)
}

fn idle_sqlite(folder: &Path) -> Result<()> {
    say(&resident_bytes()?)?;
    let connection = Sqlite::at(folder).connect()?;
    say(&resident_bytes()?)?;
    sqlite::contents(&connection)?;
    say(&resident_bytes()?)
}

fn idle_rocks(folder: &Path) -> Result<()> {
    say(&resident_bytes()?)?;
    let rocks = Rocks::open(folder, kenning_rocks::Settings::default().cache_bytes)?;
    say(&resident_bytes()?)?;
    rocks.count()?;
    say(&resident_bytes()?)
}
