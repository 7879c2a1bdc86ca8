//! Peers of the index over vectors, each a process, so that its memory and its threads are its own.
//!
//! A peer reads commands and answers with lines of JSON, as `bench/peers/exam.py` says. Those that
//! are reached through Python run in what `scripts/peers` has brought; those in Rust are this
//! program once more, if it was built with the feature `peers`. Who is not there is not measured.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use kenning::Json;

use crate::Result;
use crate::exam::Exam;
use crate::sentences::bytes_of;

/// Names of peers, and the scripts that ask them.
const IN_PYTHON: [(&str, &str); 4] = [
    ("hnswlib", "of_hnswlib.py"),
    ("LanceDB", "of_lancedb.py"),
    ("Chroma", "of_chroma.py"),
    ("sqlite-vec", "of_sqlite_vec.py"),
];

/// What peers are asked, as files.
pub(crate) struct Files<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) rows: &'a [f32],
    pub(crate) fresh: &'a [f32],
    pub(crate) exam: &'a Exam,
    /// The right rows once some have gone and the fresh ones have come.
    pub(crate) right_after: &'a [Vec<u32>],
}

/// A peer that is running.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    child: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    /// Why it is not asked any more.
    pub(crate) failed: Option<String>,
}

impl Files<'_> {
    fn write(&self) -> Result<()> {
        let numbers = |rows: &[Vec<u32>]| -> Vec<u8> {
            rows.iter().flatten().flat_map(|row| row.to_le_bytes()).collect()
        };
        let files = [
            ("rows.f32", bytes_of(self.rows)),
            ("fresh.f32", bytes_of(self.fresh)),
            ("questions.f32", bytes_of(&self.exam.questions)),
            ("right.u32", numbers(&self.exam.right)),
            ("right_after.u32", numbers(self.right_after)),
        ];
        Ok(files.iter().try_for_each(|(name, bytes)| fs::write(self.folder.join(name), bytes))?)
    }

    /// Starts every peer that is here, and says which ones are not.
    pub(crate) fn start(&self) -> Result<(Vec<Peer>, Vec<String>)> {
        self.write()?;
        let (mut peers, mut missing) = (Vec::new(), Vec::new());
        let python = python();
        for (name, script) in IN_PYTHON {
            let Some(python) = &python else {
                missing.push(format!("{name} is not measured: `scripts/peers` brings it"));
                continue;
            };
            let mut command = Command::new(python);
            command.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers").join(script));
            peers.push(self.peer(name, command)?);
        }
        self.start_rust(&mut peers, &mut missing)?;
        Ok((peers, missing))
    }

    #[cfg(feature = "peers")]
    fn start_rust(&self, peers: &mut Vec<Peer>, _: &mut Vec<String>) -> Result<()> {
        for name in super::near_rust::IN_RUST {
            let mut command = Command::new(std::env::current_exe()?);
            command.args([crate::arguments::CHILD, crate::child::PEER, name]);
            peers.push(self.peer(name, command)?);
        }
        Ok(())
    }

    #[cfg(not(feature = "peers"))]
    fn start_rust(&self, _: &mut Vec<Peer>, missing: &mut Vec<String>) -> Result<()> {
        missing.push("usearch and hnsw_rs are not measured: `make bench-peers` builds them".into());
        Ok(())
    }

    fn peer(&self, name: &'static str, mut command: Command) -> Result<Peer> {
        let folder = self.folder.join(format!("of-{name}"));
        fs::create_dir(&folder)?;
        for file in ["rows.f32", "fresh.f32", "questions.f32", "right.u32", "right_after.u32"] {
            fs::hard_link(self.folder.join(file), folder.join(file))?;
        }
        let numbers = [self.exam.dimensions as u64, self.exam.rate_ms];
        command.arg(&folder).args(numbers.map(|number| number.to_string()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let commands = child.stdin.take().ok_or("the peer has no input")?;
        let answers = child.stdout.take().ok_or("the peer has no output")?;
        let answers = BufReader::new(answers).lines();
        Ok(Peer { name, child, commands, answers, failed: None })
    }
}

impl Peer {
    /// The figures of these names, after a command.
    pub(crate) fn figures<const N: usize>(
        &mut self,
        command: &str,
        names: [&str; N],
    ) -> Result<[f64; N]> {
        let said = self.say(command)?;
        if let Some(why) = said["failed"].as_str() {
            return Err(format!("{}: {why}", self.name).into());
        }
        Ok(names.map(|name| said[name].as_f64().unwrap_or(f64::NAN)))
    }

    fn say(&mut self, command: &str) -> Result<Json> {
        writeln!(self.commands, "{command}")?;
        self.commands.flush()?;
        let line = self.answers.next().ok_or_else(|| format!("{} has gone", self.name))??;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It has nothing that anybody needs.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The interpreter that `scripts/peers` has made, if it has come to its end.
fn python() -> Option<PathBuf> {
    let model = PathBuf::from(std::env::var_os("KENNING_MODEL_FOLDER")?);
    let folder = model.parent()?.parent()?.join("peers");
    folder.join("stamp").exists().then(|| folder.join("bin").join("python"))
}
