//! Concurrent transactions on a few items, recorded.
//!
//! Lists are records whose list grows by one value that nobody else writes; registers are records
//! put without being read; sets are what an index answers; a claim is a unique value that one
//! record can have. Each thread keeps several transactions open at once and commits them together,
//! so that many meet in one group.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use kenning::{Database, Draft, ErrorKind, Filter, Result, Transaction};
use kenning_store::block_on;
use serde_json::json;

use crate::chance::{Chance, Check};
use crate::cycles::{Deed, Event, History, Item};

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// So many land.
    pub(crate) transactions: u64,
    pub(crate) threads: u64,
    /// Transactions that a thread commits together.
    pub(crate) together: u64,
    pub(crate) seed: u64,
}

const LISTS: u64 = 6;
/// So many transactions meet on the same items before new ones are taken.
const ERA: u64 = 96;

struct Recorder<'a> {
    db: &'a Database,
    scale: Scale,
    begun: AtomicU64,
    landed: AtomicU64,
}

/// Runs and records.
pub(crate) fn record(db: &Database, scale: Scale) -> Check<History> {
    block_on(create_tables(db))?;
    let recorder = Recorder { db, scale, begun: AtomicU64::new(0), landed: AtomicU64::new(0) };
    let deeds = std::thread::scope(|scope| {
        let start = |thread| {
            let recorder = &recorder;
            scope.spawn(move || recorder.thread(thread))
        };
        let threads: Vec<_> = (0..scale.threads).map(start).collect();
        let mut deeds = Vec::new();
        for thread in threads {
            deeds.extend(thread.join().expect("a recorder does not panic")?);
        }
        Check::Ok(deeds)
    })?;
    let mut history = History { deeds, ..History::default() };
    block_on(read_ends(db, &mut history))?;
    Ok(history)
}

async fn create_tables(db: &Database) -> Result<()> {
    db.create_table("lists", json!({})).await?;
    db.create_table("registers", json!({})).await?;
    db.create_table("sets", json!({"x-kenning": {"indexed": ["set"]}})).await?;
    db.create_table("seats", json!({"x-kenning": {"unique": ["claim"]}})).await
}

/// A transaction that is not committed yet, and what it has done.
struct Open {
    transaction: Transaction,
    deed: Deed,
    claims: BTreeSet<u64>,
}

type Committing = Pin<Box<dyn Future<Output = Result<kenning::Committed>> + Send>>;

impl Recorder<'_> {
    fn thread(&self, thread: u64) -> Check<Vec<Deed>> {
        let mut chance = Chance::new(self.scale.seed ^ (thread << 50));
        let mut value = thread << 40;
        let mut deeds = Vec::new();
        while self.landed.load(Ordering::Relaxed) < self.scale.transactions {
            let mut open = Vec::new();
            for _ in 0..self.scale.together {
                let transaction = self.db.begin()?;
                self.begun.fetch_add(1, Ordering::Relaxed);
                open.push(Open { transaction, deed: Deed::default(), claims: BTreeSet::new() });
            }
            // A step of each in turn, so that they overlap whatever the scheduler does.
            for _ in 0..=chance.below(4) {
                for one in &mut open {
                    value += 1;
                    block_on(self.step(one, value, &mut chance))?;
                }
            }
            let committed = commit_together(open)?;
            let landed = committed.iter().filter(|deed| deed.version.is_some()).count();
            self.landed.fetch_add(landed as u64, Ordering::Relaxed);
            deeds.extend(committed);
        }
        Ok(deeds)
    }

    /// The number of an item of the current era.
    fn item(&self, of: u64, chance: &mut Chance) -> u64 {
        (self.begun.load(Ordering::Relaxed) / ERA) * of + chance.below(2 * of)
    }

    async fn step(&self, one: &mut Open, value: u64, chance: &mut Chance) -> Result<()> {
        let done = match chance.below(100) {
            0..=29 => self.read_list(one, chance).await.map(|_| ()),
            30..=59 => self.append(one, value, chance).await,
            60..=69 => self.put_register(one, value, chance).await,
            70..=76 => self.get_register(one, chance).await,
            77..=84 => self.add(one, value, chance).await,
            85..=92 => self.read_set(one, chance).await,
            _ => self.claim(one, value, chance).await,
        };
        match done {
            // It will be refused when it commits.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            done => done,
        }
    }

    async fn read_list(&self, one: &mut Open, chance: &mut Chance) -> Result<(Item, Vec<u64>)> {
        let item = ("lists", self.item(LISTS, chance));
        let record = one.transaction.get("lists", &format!("list {}", item.1)).await?;
        let list = record.map(|record| record.properties["list"].clone()).unwrap_or_default();
        let list: Vec<u64> =
            list.as_array().into_iter().flatten().filter_map(|v| v.as_u64()).collect();
        one.deed.events.push(Event::Read(item, list.clone()));
        Ok((item, list))
    }

    async fn append(&self, one: &mut Open, value: u64, chance: &mut Chance) -> Result<()> {
        let (item, mut list) = self.read_list(one, chance).await?;
        list.push(value);
        let draft = keyed(format!("list {}", item.1), json!({"list": list}));
        one.transaction.put("lists", draft).await?;
        one.deed.events.push(Event::Write(item, value));
        Ok(())
    }

    async fn put_register(&self, one: &mut Open, value: u64, chance: &mut Chance) -> Result<()> {
        let item = ("registers", self.item(2, chance));
        // A register that is written twice by one transaction has one value in its history.
        let twice = |event: &Event| matches!(event, Event::Write(of, _) if *of == item);
        if one.deed.events.iter().any(twice) {
            return Ok(());
        }
        let draft = keyed(format!("register {}", item.1), json!({"value": value}));
        one.transaction.put("registers", draft).await?;
        one.deed.events.push(Event::Write(item, value));
        Ok(())
    }

    async fn get_register(&self, one: &mut Open, chance: &mut Chance) -> Result<()> {
        let item = ("registers", self.item(2, chance));
        let record = one.transaction.get("registers", &format!("register {}", item.1)).await?;
        let value = record.and_then(|record| record.properties["value"].as_u64());
        one.deed.events.push(Event::ReadLast(item, value));
        Ok(())
    }

    async fn add(&self, one: &mut Open, value: u64, chance: &mut Chance) -> Result<()> {
        let item = ("sets", self.item(2, chance));
        let member = json!({"set": item.1, "member": value});
        one.transaction.put("sets", Draft::from(member)).await?;
        one.deed.events.push(Event::Add(item, value));
        Ok(())
    }

    async fn read_set(&self, one: &mut Open, chance: &mut Chance) -> Result<()> {
        let item = ("sets", self.item(2, chance));
        let found = one.transaction.find("sets", Filter::equal("set", item.1)).await?;
        let members = found.iter().filter_map(|record| record.properties["member"].as_u64());
        one.deed.events.push(Event::ReadSet(item, members.collect()));
        Ok(())
    }

    async fn claim(&self, one: &mut Open, value: u64, chance: &mut Chance) -> Result<()> {
        let item = ("seats", self.item(8, chance));
        if !one.claims.insert(item.1) {
            return Ok(());
        }
        let draft = Draft::from(json!({"claim": item.1, "by": value}));
        match one.transaction.put("seats", draft).await {
            Ok(_) => {
                // Who may claim it has seen that nobody had.
                one.deed.events.push(Event::ReadLast(item, None));
                one.deed.events.push(Event::Write(item, value));
                Ok(())
            }
            Err(error) if error.code() == "UNIQUE_TAKEN" => {
                let found = one.transaction.find("seats", Filter::equal("claim", item.1)).await?;
                let by = found.first().and_then(|record| record.properties["by"].as_u64());
                one.deed.events.push(Event::ReadLast(item, by));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

fn keyed(key: String, properties: kenning::Json) -> Draft {
    Draft { key: Some(key), properties, ..Draft::default() }
}

/// Hands all of them to the committer before waiting for any.
fn commit_together(open: Vec<Open>) -> Check<Vec<Deed>> {
    let (mut deeds, mut committing): (Vec<Deed>, Vec<Option<Committing>>) = open
        .into_iter()
        .map(|one| (one.deed, Some(Box::pin(one.transaction.commit()) as Committing)))
        .unzip();
    let mut answers: Vec<Option<Result<kenning::Committed>>> = Vec::new();
    answers.resize_with(deeds.len(), || None);
    block_on(poll_fn(|context| {
        for (waiting, answer) in committing.iter_mut().zip(&mut answers) {
            let Some(future) = waiting else { continue };
            if let Poll::Ready(answered) = future.as_mut().poll(context) {
                *answer = Some(answered);
                *waiting = None;
            }
        }
        let all = committing.iter().all(Option::is_none);
        if all { Poll::Ready(()) } else { Poll::Pending }
    }));
    for (deed, answer) in deeds.iter_mut().zip(answers) {
        match answer.expect("everybody was answered") {
            Ok(committed) => deed.version = Some(committed.version),
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(deeds)
}

/// What was there in the end.
async fn read_ends(db: &Database, history: &mut History) -> Result<()> {
    let mut items = BTreeSet::new();
    for event in history.deeds.iter().flat_map(|deed| &deed.events) {
        match event {
            Event::Write(item, _) | Event::Add(item, _) => items.insert(*item),
            Event::Read(item, _) | Event::ReadLast(item, _) => items.insert(*item),
            Event::ReadSet(item, _) => items.insert(*item),
        };
    }
    for item in items {
        match item.0 {
            "lists" => {
                let record = db.get("lists", &format!("list {}", item.1)).await?;
                let list = record.map(|record| record.properties["list"].clone());
                let list = list.unwrap_or_default();
                let list = list.as_array().into_iter().flatten().filter_map(|v| v.as_u64());
                history.ends.insert(item, list.collect());
            }
            "registers" => {
                let key = format!("register {}", item.1);
                let past = db.history("registers", &key).await?;
                let values =
                    past.iter().filter_map(|state| state.record.properties["value"].as_u64());
                history.ends.insert(item, values.collect());
            }
            "seats" => {
                let found = db.find("seats", Filter::equal("claim", item.1)).await?;
                let by = found.iter().filter_map(|record| record.properties["by"].as_u64());
                history.ends.insert(item, by.collect());
            }
            _ => {
                let found = db.find("sets", Filter::equal("set", item.1)).await?;
                let members =
                    found.iter().filter_map(|record| record.properties["member"].as_u64());
                history.sets.insert(item, members.collect());
            }
        }
    }
    Ok(())
}
