//! What a child said before it died: what it was about to do, and what was acknowledged.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child as Process, Command, Stdio};

use kenning::Json;

use crate::chance::{Check, Failure, ensure};
use crate::child::Work;
use crate::finding::Searched;
use crate::plain::Op;
use crate::tally::Tally;

/// A transaction that a child was about to commit.
#[derive(Debug, Default)]
pub(crate) struct Intent {
    /// Its changes, and whether something was there to be changed.
    pub(crate) ops: Vec<(Op, Option<bool>)>,
    /// The version that the database acknowledged.
    pub(crate) acknowledged: Option<u64>,
    /// When that was, in milliseconds since the epoch.
    at_ms: u64,
    /// Whether the database said that it did not land.
    pub(crate) refused: bool,
    /// What the child was told when it asked after a fault.
    pub(crate) outcome: Option<Option<u64>>,
}

/// Everything that the children of one database said.
#[derive(Default)]
pub(crate) struct Ledger {
    /// By transaction id, or by stamp.
    pub(crate) intents: BTreeMap<String, Intent>,
    /// Planned calls that the last child made, and how many were acted upon.
    pub(crate) seen: u64,
    pub(crate) fired: u64,
    /// Commits whose outcome was unknown.
    pub(crate) unknown: u64,
    pub(crate) acknowledged: u64,
    /// The error with which the last child could not open the database.
    pub(crate) unopened: Option<String>,
    pub(crate) ended: bool,
    /// What the chores said.
    pub(crate) tally: Tally,
    /// What the searches of the checks went through.
    pub(crate) searched: Searched,
}

impl Ledger {
    /// Hears one line. Says whether the child asks for the power to be cut.
    pub(crate) fn hear(&mut self, line: &str) -> Check<bool> {
        // The last line may be cut off.
        let Ok(said) = serde_json::from_str::<Json>(line) else { return Ok(false) };
        let name = |verb: &str| said[verb].as_str().map(str::to_owned);
        if let Some(why) = name("bad") {
            return Err(Failure(why));
        }
        if let Some(name) = name("i") {
            self.intents.insert(name, Intent { ops: ops(&said["ops"])?, ..Intent::default() });
        } else if let Some(name) = name("a") {
            self.acknowledged += 1;
            let version = said["v"].as_u64();
            ensure!(version.is_some(), "{name} was acknowledged without a version");
            let intent = self.intent(&name)?;
            (intent.acknowledged, intent.at_ms) = (version, said["at"].as_u64().unwrap_or(0));
        } else if let Some(name) = name("x") {
            self.intent(&name)?.refused = true;
        } else if let Some(name) = name("u") {
            self.unknown += 1;
            self.intent(&name)?;
        } else if let Some(name) = name("o") {
            self.intent(&name)?.outcome = Some(said["v"].as_u64());
        } else if let Some(seen) = said["seen"].as_u64() {
            self.seen = seen;
            self.fired = said["fired"].as_u64().unwrap_or(0);
            self.ended = true;
        } else if let Some(code) = name("open") {
            let kind = said["kind"].as_str().unwrap_or_default();
            ensure!(kind == "Unavailable" || kind == "Closed", "opening failed with {kind} {code}");
            self.unopened = Some(code);
        } else {
            self.tally.hear(&said)?;
        }
        Ok(said["cut"].as_bool().unwrap_or(false))
    }

    /// Nobody hears an answer that is given when the power is gone: what was acknowledged in the
    /// millisecond of the cut or later may be there or not. (A kernel whose file system is shut
    /// down in the middle of a sync may call the sync done.)
    pub(crate) fn forget_answers_since(&mut self, cut_ms: u64) {
        for intent in self.intents.values_mut().filter(|intent| intent.at_ms >= cut_ms) {
            intent.acknowledged = None;
        }
        self.tally.forget_answers_since(cut_ms);
    }

    fn intent(&mut self, name: &str) -> Check<&mut Intent> {
        self.intents.get_mut(name).ok_or_else(|| Failure(format!("nobody intended {name}")))
    }

    /// Starts a child on `work`.
    pub(crate) fn start(&mut self, work: &Work) -> Check<Running> {
        (self.seen, self.fired, self.unopened, self.ended) = (0, 0, None, false);
        let mut process = Command::new(std::env::current_exe()?)
            .args(work.to_args())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = process.stdout.take().expect("it was asked for a line above");
        Ok(Running { process, lines: BufReader::new(out) })
    }

    /// Runs a child to its end; `cut` is called when it asks for that.
    pub(crate) fn run(&mut self, work: &Work, mut cut: impl FnMut() -> Check) -> Check {
        let mut child = self.start(work)?;
        let heard = self.listen(&mut child, |_, asks| {
            if asks {
                cut()?;
            }
            Ok(asks)
        });
        child.end()?;
        heard
    }

    /// Hears the child until `enough` says so or it ends.
    pub(crate) fn listen(
        &mut self,
        child: &mut Running,
        mut enough: impl FnMut(&Ledger, bool) -> Check<bool>,
    ) -> Check {
        let mut line = Vec::new();
        loop {
            line.clear();
            if child.lines.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let asks = self.hear(&String::from_utf8_lossy(&line))?;
            if enough(self, asks)? {
                return Ok(());
            }
        }
    }
}

fn ops(said: &Json) -> Check<Vec<(Op, Option<bool>)>> {
    let ops = said.as_array().map_or(&[][..], Vec::as_slice);
    let read = |op: &Json| Some((Op::from_json(&op[0])?, op[1].as_bool()));
    let read: Option<Vec<_>> = ops.iter().map(read).collect();
    read.ok_or_else(|| Failure(format!("{said} is not a list of changes")))
}

/// A child that runs.
pub(crate) struct Running {
    process: Process,
    lines: BufReader<std::process::ChildStdout>,
}

impl Running {
    /// Kills it. What it said stays to be heard.
    pub(crate) fn kill(&mut self) -> Check {
        Ok(self.process.kill()?)
    }

    /// Kills it and waits for its end.
    pub(crate) fn end(&mut self) -> Check {
        // It may have ended by itself.
        let _ = self.process.kill();
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
