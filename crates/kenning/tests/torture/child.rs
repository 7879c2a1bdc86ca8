//! The process that is crashed: a random workload through the public API.
//!
//! It says on its standard output what it is about to commit, then commits, then says what the
//! database answered. Whoever holds the other end of the pipe knows what was acknowledged at the
//! moment of the crash, because a pipe outlives who writes into it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use kenning::{
    Ask, Bug, Database, Draft, Error, ErrorKind, Id, Json, Options, Settings, TransactionId, World,
};
use kenning_store::block_on;
use kenning_test::syscalls::{self, Action, Armed, Call, Plan};
use serde_json::json;

use crate::chance::{Chance, Check, Failure};
use crate::chores::{self, Chores};
use crate::compare::{SHAPES, WORDS, change, create_tables, perform_alone, perform_in};
use crate::plain::{Op, State};

/// What a child is asked to do.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) path: PathBuf,
    pub(crate) seed: u64,
    pub(crate) threads: u64,
    /// Transactions of each thread.
    pub(crate) rounds: u64,
    pub(crate) fault: Fault,
    pub(crate) bug: Option<Bug>,
    /// What is done beside the transactions.
    pub(crate) chores: Chores,
}

impl Work {
    /// Whether somebody may cut the power: by a fault, or from outside.
    pub(crate) fn may_lose_power(&self) -> bool {
        match self.fault {
            Fault::None | Fault::At(_, _, What::Cut) => true,
            Fault::Count(_) | Fault::At(_, _, What::Errno(_) | What::Exit) => false,
        }
    }
}

/// What goes wrong in it.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    None,
    /// The calls of this kind are counted.
    Count(Call),
    /// At the nth call of this kind something happens.
    At(Call, u64, What),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// It fails once.
    Errno(i32),
    /// The process ends.
    Exit,
    /// It asks for the power to be cut, and waits for the end.
    Cut,
}

const CALLS: &[(&str, Call)] = &[
    ("sync", Call::Sync),
    ("write", Call::Write),
    ("truncate", Call::Truncate),
    ("allocate", Call::Allocate),
    ("rename", Call::Rename),
];

pub(crate) const BUGS: &[(&str, Bug)] = &[
    ("skip-sync", Bug::SkipSync),
    ("ack-before-commit", Bug::AckBeforeCommit),
    ("purge-spares-log", Bug::PurgeSparesLog),
    ("mark-apart", Bug::MarkApart),
    ("forget-backups", Bug::ForgetBackups),
    ("name-before-part", Bug::NameBeforePart),
    ("sealed-too-far", Bug::SealedTooFar),
    ("lose-ends", Bug::LoseEnds),
    ("embedded-too-far", Bug::EmbeddedTooFar),
];

pub(crate) fn call_name(call: Call) -> &'static str {
    CALLS.iter().find(|(_, known)| *known == call).map_or("none", |(name, _)| name)
}

impl Work {
    /// The arguments of the child.
    pub(crate) fn to_args(&self) -> Vec<String> {
        let fault = match &self.fault {
            Fault::None => "none".to_owned(),
            Fault::Count(call) => format!("count:{}", call_name(*call)),
            Fault::At(call, nth, what) => {
                let what = match what {
                    What::Errno(errno) => errno.to_string(),
                    What::Exit => "exit".to_owned(),
                    What::Cut => "cut".to_owned(),
                };
                format!("at:{}:{nth}:{what}", call_name(*call))
            }
        };
        let bug =
            BUGS.iter().find(|(_, bug)| Some(*bug) == self.bug).map_or("none", |(name, _)| name);
        vec![
            "child".into(),
            self.path.display().to_string(),
            self.seed.to_string(),
            self.threads.to_string(),
            self.rounds.to_string(),
            fault,
            bug.into(),
            self.chores.name().into(),
        ]
    }

    fn from_args(words: &[String]) -> Check<Self> {
        let [path, seed, threads, rounds, fault, bug, chores] = words else {
            return Err(Failure("a child has seven arguments".into()));
        };
        Ok(Work {
            path: path.into(),
            seed: seed.parse()?,
            threads: threads.parse()?,
            rounds: rounds.parse()?,
            fault: fault_of(fault)?,
            bug: BUGS.iter().find(|(name, _)| name == bug).map(|(_, bug)| *bug),
            chores: Chores::named(chores)?,
        })
    }
}

fn fault_of(text: &str) -> Check<Fault> {
    let call = |name: &str| {
        let found = CALLS.iter().find(|(known, _)| *known == name).map(|(_, call)| *call);
        found.ok_or_else(|| Failure(format!("there is no call '{name}'")))
    };
    match text.split(':').collect::<Vec<_>>()[..] {
        ["none"] => Ok(Fault::None),
        ["count", name] => Ok(Fault::Count(call(name)?)),
        ["at", name, nth, what] => {
            let what = match what {
                "exit" => What::Exit,
                "cut" => What::Cut,
                errno => What::Errno(errno.parse()?),
            };
            Ok(Fault::At(call(name)?, nth.parse()?, what))
        }
        _ => Err(Failure(format!("there is no fault '{text}'"))),
    }
}

/// The pipe. One line at a time, whole.
#[derive(Default)]
struct Mouth(Mutex<()>);

impl Mouth {
    fn say(&self, what: &Json) {
        let _alone = self.0.lock().expect("no holder of this lock panics");
        let mut line = what.to_string();
        line.push('\n');
        let mut out = std::io::stdout().lock();
        // Who listens may be gone; then nobody will miss it.
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }
}

pub(crate) struct Child {
    pub(crate) work: Work,
    mouth: Arc<Mouth>,
    /// Whether a commit failed in the store: the database is closed then.
    failed: AtomicBool,
    /// Transactions whose outcome is to be asked for.
    unknown: Mutex<Vec<TransactionId>>,
}

pub(crate) fn main(words: &[String]) -> ExitCode {
    let work = match Work::from_args(words) {
        Ok(work) => work,
        Err(Failure(why)) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    let child = Child {
        work,
        mouth: Arc::default(),
        failed: AtomicBool::new(false),
        unknown: Mutex::default(),
    };
    child.run();
    ExitCode::SUCCESS
}

impl Child {
    pub(crate) fn say(&self, what: &Json) {
        self.mouth.say(what);
    }

    pub(crate) fn now_ms(&self) -> u64 {
        kenning::SystemWorld::new().now_ms()
    }

    /// The database is closed, or can't be read any more: every thread ends its work.
    pub(crate) fn close(&self) {
        self.failed.store(true, Ordering::SeqCst);
    }

    fn bad(&self, why: impl std::fmt::Display) {
        self.say(&json!({"bad": why.to_string()}));
    }

    fn run(&self) {
        if let Err(Failure(why)) = self.lay_out() {
            return self.bad(why);
        }
        let armed = self.arm();
        let ended = self.open_and_work();
        if let Err(error) = ended {
            self.say(&json!({"open": error.code(), "kind": error.kind().name()}));
        }
        if let Some(armed) = armed {
            self.say(&json!({"seen": armed.seen(), "fired": armed.fired()}));
            drop(armed);
            if matches!(self.work.fault, Fault::At(..)) {
                self.come_back();
            }
        }
    }

    fn lay_out(&self) -> Check {
        if self.work.chores == Chores::None {
            return Ok(());
        }
        chores::write_rows(&self.work.path)
    }

    /// Puts the fault in force for everything below the folder that the database is in.
    fn arm(&self) -> Option<Armed> {
        let folder = self.work.path.parent().unwrap_or(Path::new("/"));
        Some(syscalls::arm(match &self.work.fault {
            Fault::None => return None,
            Fault::Count(call) => Plan::count(folder, &[*call]),
            Fault::At(call, nth, what) => {
                let action = match what {
                    What::Errno(errno) => Action::Errno(*errno),
                    What::Exit => Action::Exit(9),
                    What::Cut => {
                        let mouth = Arc::clone(&self.mouth);
                        Action::Hook(Arc::new(move || {
                            mouth.say(&json!({"cut": true}));
                            loop {
                                std::thread::park();
                            }
                        }))
                    }
                };
                Plan { folder: folder.into(), calls: vec![*call], nth: *nth, action }
            }
        }))
    }

    fn open(&self) -> kenning::Result<Database> {
        let settings = Settings { planted: self.work.bug, ..crate::place::settings() };
        let options = Options { settings, ..crate::place::options() };
        block_on(kenning::open_with(&self.work.path.display().to_string(), options))
    }

    fn open_and_work(&self) -> kenning::Result<()> {
        let db = self.open()?;
        block_on(create_tables(&db))?;
        if self.work.chores != Chores::None {
            block_on(chores::begin(&db))?;
        }
        self.say(&json!({"ready": true}));
        std::thread::scope(|scope| {
            for thread in 0..self.work.threads {
                let db = &db;
                scope.spawn(move || self.work_on(db, thread));
            }
        });
        match block_on(db.close()) {
            Err(error) if !self.failed.load(Ordering::SeqCst) => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// After a fault: the same process opens the database again and asks what became of it.
    fn come_back(&self) {
        let db = match self.open() {
            Ok(db) => db,
            Err(error) => return self.bad(format!("the database does not open again: {error}")),
        };
        for id in self.unknown.lock().expect("no holder of this lock panics").iter() {
            match block_on(db.outcome(*id)) {
                Ok(outcome) => self.say(&json!({"o": id.to_string(), "v": outcome})),
                Err(error) => self.bad(format!("no outcome of {id}: {error}")),
            }
        }
        if let Err(error) = block_on(db.close()) {
            self.bad(format!("the database does not close: {error}"));
        }
    }

    fn work_on(&self, db: &Database, thread: u64) {
        let mut chance = Chance::new(self.work.seed ^ (thread << 48));
        for round in 0..self.work.rounds {
            if self.failed.load(Ordering::SeqCst) {
                return;
            }
            let stamp = (self.work.seed << 32) + (thread << 24) + round;
            let chore = self.work.chores.pick(thread, self.work.threads, &mut chance);
            let dice = chance.below(100);
            let done = match (chore, dice) {
                (Some(chore), _) => block_on(self.chore(db, chore, stamp, &mut chance)),
                (None, 0..=39) => block_on(self.alone(db, stamp, &mut chance)),
                (None, 40..=54) => block_on(self.count(db, &mut chance)),
                (None, 55..=69) => block_on(self.look(db, &mut chance)),
                (None, _) => block_on(self.together(db, &mut chance)),
            };
            if let Err(Failure(why)) = done {
                self.bad(why);
                return;
            }
        }
    }

    /// One verb; it is recognised by its stamp.
    async fn alone(&self, db: &Database, stamp: u64, chance: &mut Chance) -> Check {
        let mut op = change(&State::new(SHAPES), chance);
        match &mut op {
            Op::Put { properties, key, id, .. } => {
                properties["stamp"] = stamp.into();
                if key.is_none() {
                    *id = Some(Id(chance.bytes()));
                }
            }
            Op::Update { patch, .. } => patch["stamp"] = stamp.into(),
            Op::Delete { .. } | Op::Link { .. } | Op::Unlink { .. } => return Ok(()),
        }
        // A given id makes no sense where the key says it.
        if let Op::Put { table, id, .. } = &mut op
            && table != "people"
        {
            *id = None;
        }
        let name = format!("s{stamp}");
        self.intend(&name, &[(op.clone(), None)]);
        match perform_alone(db, &mut op).await {
            Ok(done) => {
                let version = done.stored.map(|record| record.version);
                self.acknowledge(&name, version);
            }
            Err(error) => self.refused(db, &name, None, &error).await?,
        }
        Ok(())
    }

    /// A search: it reads the log into memory while the sealer makes parts.
    async fn look(&self, db: &Database, chance: &mut Chance) -> Check {
        let ask = Ask::text(*chance.pick(WORDS)).table("people").limit(5);
        match db.search(&ask).await {
            Ok(_) => Ok(()),
            Err(error) => self.staging(&error),
        }
    }

    /// Reads a counter and writes one more: a lost update would show.
    async fn count(&self, db: &Database, chance: &mut Chance) -> Check {
        let id = TransactionId(chance.bytes());
        let mut transaction = match db.begin_with(id) {
            Ok(transaction) => transaction,
            Err(error) => return self.staging(&error),
        };
        let key = format!("counter {}", chance.below(2));
        let counted = async {
            let before = transaction.get("entities", &key).await?;
            let count = before.and_then(|record| record.properties["count"].as_u64()).unwrap_or(0);
            let properties = json!({"name": key, "count": count + 1});
            transaction.put("entities", Draft::from(properties.clone())).await?;
            Ok(properties)
        };
        let properties = match counted.await {
            Ok(properties) => properties,
            Err(error) => return self.staging(&error),
        };
        let op = Op::Put {
            table: "entities".into(),
            key: None,
            id: None,
            aliases: None,
            properties,
            new: false,
        };
        self.commit(db, transaction, id, &[(op, None)]).await
    }

    /// Several changes at once.
    async fn together(&self, db: &Database, chance: &mut Chance) -> Check {
        let id = TransactionId(chance.bytes());
        let mut transaction = match db.begin_with(id) {
            Ok(transaction) => transaction,
            Err(error) => return self.staging(&error),
        };
        let mut ops = Vec::new();
        for _ in 0..=chance.below(6) {
            let mut op = change(&State::new(SHAPES), chance);
            match perform_in(&mut transaction, &mut op).await {
                Ok(done) => ops.push((op, done.there)),
                Err(error) if error.kind() == ErrorKind::Invalid => {}
                Err(error) => return self.staging(&error),
            }
        }
        self.commit(db, transaction, id, &ops).await
    }

    async fn commit(
        &self,
        db: &Database,
        transaction: kenning::Transaction,
        id: TransactionId,
        ops: &[(Op, Option<bool>)],
    ) -> Check {
        let name = id.to_string();
        self.intend(&name, ops);
        match transaction.commit().await {
            Ok(committed) => self.acknowledge(&name, Some(committed.version)),
            Err(error) => self.refused(db, &name, Some(id), &error).await?,
        }
        Ok(())
    }

    /// Says what the database answered, and when.
    fn acknowledge(&self, name: &str, version: Option<u64>) {
        self.say(&json!({"a": name, "v": version, "at": self.now_ms()}));
    }

    fn intend(&self, name: &str, ops: &[(Op, Option<bool>)]) {
        let ops: Vec<Json> = ops.iter().map(|(op, there)| json!([op.to_json(), there])).collect();
        self.say(&json!({"i": name, "ops": ops}));
    }

    /// Before a commit only conflicts and the end are acceptable, and that nothing can be read from
    /// a disk without power.
    fn staging(&self, error: &Error) -> Check {
        match error.kind() {
            ErrorKind::Conflict => Ok(()),
            ErrorKind::Closed | ErrorKind::Unavailable => {
                self.close();
                Ok(())
            }
            ErrorKind::Invalid | ErrorKind::Denied | ErrorKind::Exhausted | ErrorKind::Corrupt => {
                Err(Failure(format!("staging failed: {error:?}")))
            }
        }
    }

    /// What a commit that failed must say, and what the database must be then.
    async fn refused(
        &self,
        db: &Database,
        name: &str,
        id: Option<TransactionId>,
        error: &Error,
    ) -> Check {
        match error.kind() {
            ErrorKind::Conflict | ErrorKind::Invalid => {
                self.say(&json!({"x": name}));
                return Ok(());
            }
            // The committer could not read what it has to know: nothing was written.
            ErrorKind::Unavailable => {
                self.failed.store(true, Ordering::SeqCst);
                self.say(&json!({"x": name}));
                return Ok(());
            }
            ErrorKind::Closed => {}
            ErrorKind::Denied | ErrorKind::Exhausted | ErrorKind::Corrupt => {
                return Err(Failure(format!("a commit failed with {error:?}")));
            }
        }
        self.failed.store(true, Ordering::SeqCst);
        self.say(&json!({"u": name, "code": error.code()}));
        if let Some(id) = id {
            self.unknown.lock().expect("no holder of this lock panics").push(id);
            if error.code() == "OUTCOME_UNKNOWN" && !error.message().contains(&id.to_string()) {
                return Err(Failure(format!("the error does not name transaction {id}: {error}")));
            }
        }
        match db.get("entities", "counter 0").await {
            Err(error) if error.kind() == ErrorKind::Closed => {}
            // Another thread's commit may be what is failing at this moment.
            Ok(_) if error.code() != "OUTCOME_UNKNOWN" => {}
            other => {
                return Err(Failure(format!(
                    "after an unknown outcome a read answered {:?}",
                    other.map(|_| ())
                )));
            }
        }
        Ok(())
    }
}
