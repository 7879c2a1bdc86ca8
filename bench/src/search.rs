//! How much of the speed of the index over vectors is left through `search`?
//!
//! What: the ten nearest of 100,000 records by a vector, with everything that a search does: the
//! index as of the view, each hit held against the view, texts and reasons. First after `compact`;
//! then in 8 parts and a full tail, alone and while a writer commits a new record every 2 ms,
//! durably. Beside it the index itself, one part with the least effort that reaches a recall of
//! .95, in the same rounds. While `compact` builds the graph, somebody asks, one question after the
//! other. No model is at work: what it says of each text is known.
//!
//! Corpus: 100,000 sentences as MiniLM reads them, and for the parts 40,000 of them with noise;
//! 1,000 others are the questions. `--only search`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use kenning::blocking::{Database, open_with};
use kenning::{Ask, Embedder, Models, Options, Predicate, json};
use kenning_index::Mask;

use crate::Result;
use crate::exam::{Exam, NEAREST};
use crate::indexed::{self, Effort};
use crate::measure::{
    Contender, Goal, KENNING, Latencies, Measure, Outcome, Quantity, Scope, cost, race, rate, timed,
};
use crate::sentences::Sentences;
use crate::vectors::{RECALL_MIN, outcome};

/// The index without a database.
const INDEX: &str = "the index itself";
const TABLE: &str = "sentences";
const MODEL: &str = "bench-known";
/// What is left of the index, at least: after `compact`, and while somebody writes.
const COMPACTED_MIN: f64 = 0.7;
const WRITTEN_MIN: f64 = 0.35;
const FILTERED_MAX: f64 = 2_000.0;
const OPEN_MAX: f64 = 1_000.0;

/// Records of one transaction.
const TRANSACTION: usize = 1_000;
/// Parts, rows of each but the first, rows in memory; and those of a small run, which has no parts.
const PARTS: usize = 8;
const PART_ROWS: usize = 5_000;
const TAIL_ROWS: usize = 3_500;
/// How often the writer commits.
const WRITE_EVERY: Duration = Duration::from_millis(2);
/// How long parts are waited for.
const WAIT: Duration = Duration::from_secs(120);

const COMPACTED: [Quantity; 3] = [
    cost("search after compact, p50", "us"),
    rate("search after compact, 2 threads", "answers/s"),
    rate("search after compact, recall", "%"),
];
const PARTED: [Quantity; 3] = [
    cost("search in 8 parts and a tail, p50", "us"),
    rate("search in 8 parts and a tail, 2 threads", "answers/s"),
    rate("search in 8 parts and a tail, recall", "%"),
];
const WRITTEN: [Quantity; 2] = [
    cost("search in 8 parts and a tail, beside a writer, p50", "us"),
    rate("search in 8 parts and a tail, beside a writer, 2 threads", "answers/s"),
];
const WHILE: [Quantity; 2] = [
    cost("load 100,000 records and compact, until the graph is there", "s"),
    cost("the longest answer meanwhile", "ms"),
];

pub(crate) fn run(scope: &Scope) -> Result<Vec<Measure>> {
    let set = scope.sentences()?;
    let (parts, folder) = (scope.fresh()?, scope.fresh()?);
    let built = indexed::build(parts.path(), 1, &set.vectors, set.dimensions)?;
    let mut exam = indexed::exam(&*built.part, &set.asked, set.dimensions, &Mask::ALL)?;
    exam.rate_ms = scope.size(5, 1_000) as u64;
    let ask = |vector: &[f32], effort| {
        indexed::rows(&*built.part, vector, Effort::Candidates(effort), &Mask::ALL)
    };
    let effort = exam.tune(ask)?;
    let index = |_| outcome(&exam, |vector: &[f32]| ask(vector, effort));
    let known = Known::new(set);
    let database = open(folder.path(), &known)?;
    let mut measures = compacting(set, &database)?;
    let rows = Rows::of(set);
    let after = race(
        &COMPACTED,
        scope.rounds(5),
        vec![
            Contender::new(KENNING, |_| outcome(&exam, |vector| rows.found(&database, vector))),
            Contender::new(INDEX, index),
        ],
    )?;
    measures.extend(with_goals(after, COMPACTED_MIN));
    measures.extend(filters(scope, set, &database)?);
    database.close()?;
    measures.extend(opening(folder.path(), scope, set, &known)?);
    let database = open(folder.path(), &known)?;
    measures.extend(parted(scope, set, &database, &index)?);
    Ok(measures)
}

fn with_goals(mut measures: Vec<Measure>, least: f64) -> Vec<Measure> {
    measures[1].goals.push(Goal::Ratio(INDEX, least));
    measures[2].goals.push(Goal::Reach(RECALL_MIN));
    measures
}

fn open(folder: &Path, known: &Arc<Known>) -> Result<Database> {
    let url = folder.to_str().ok_or("the folder has a name that is no text")?;
    let own: Vec<Arc<dyn Embedder>> = vec![Arc::clone(known) as Arc<dyn Embedder>];
    let models = Models { default: Some(MODEL.to_owned()), own, ..Models::default() };
    Ok(open_with(url, Options { models, ..Options::default() })?)
}

/// Loads and compacts, while somebody asks.
fn compacting(set: &Sentences, database: &Database) -> Result<Vec<Measure>> {
    let schema = json!({"x-kenning": {"embed": ["text"], "indexed": ["part"]}});
    database.create_table(TABLE, schema)?;
    let is_done = AtomicBool::new(false);
    let (mut longest, mut answers) = (0.0_f64, 0);
    let seconds = std::thread::scope(|threads| {
        let work = threads.spawn(|| -> Result<f64> {
            let (seconds, ()) = timed(|| {
                put(database, &set.texts, 0)?;
                database.wait_indexed()?;
                Ok(database.compact()?)
            })?;
            is_done.store(true, Relaxed);
            Ok(seconds)
        });
        for question in set.asked.chunks(set.dimensions).cycle() {
            if is_done.load(Relaxed) || work.is_finished() {
                break;
            }
            let began = Instant::now();
            database.search(&asking(question))?;
            longest = longest.max(began.elapsed().as_secs_f64());
            answers += 1;
        }
        work.join().unwrap_or_else(|_| Err("who compacts panicked".into()))
    })?;
    let contender = Contender::new(KENNING, |_| Ok(Outcome::new([seconds, longest * 1e3], None)));
    let mut measures = race(&WHILE, 1, vec![contender])?;
    measures[0].notes.push(format!("{answers} answers meanwhile"));
    Ok(measures)
}

fn put(database: &Database, texts: &[String], from: usize) -> Result<()> {
    let mut number = from;
    for texts in texts.chunks(TRANSACTION) {
        let drafts = texts.iter().map(|text| {
            number += 1;
            json!({"text": text, "part": number % 1_000}).into()
        });
        database.put_many(TABLE, drafts.collect())?;
    }
    Ok(())
}

fn asking(vector: &[f32]) -> Ask {
    Ask::vector(vector.to_vec()).table(TABLE).limit(NEAREST)
}

/// Rows by their texts.
struct Rows<'a>(HashMap<&'a str, u32>);

impl<'a> Rows<'a> {
    fn of(set: &'a Sentences) -> Self {
        let rows = set.texts.iter().enumerate();
        Rows(rows.map(|(row, text)| (text.as_str(), row as u32)).collect())
    }

    fn found(&self, database: &Database, vector: &[f32]) -> Result<Vec<u32>> {
        let answer = database.search(&asking(vector))?;
        let row = |text: &str| self.0.get(text).copied().ok_or("a text that nobody wrote");
        Ok(answer.hits.iter().map(|hit| row(&hit.text)).collect::<std::result::Result<_, _>>()?)
    }
}

/// Filters by a property that is in an exact index; asked once before.
fn filters(scope: &Scope, set: &Sentences, database: &Database) -> Result<Vec<Measure>> {
    const FILTERS: [(&str, &str, Quantity); 4] = [
        ("50 %", "part < 500", cost("search, a filter keeps 50 %, p50", "us")),
        ("10 %", "part < 100", cost("search, a filter keeps 10 %, p50", "us")),
        ("1 %", "part < 10", cost("search, a filter keeps 1 %, p50", "us")),
        ("0.1 %", "part = 7", cost("search, a filter keeps 0.1 %, p50", "us")),
    ];
    let mut measures = Vec::new();
    for (_, filter, quantity) in FILTERS {
        let filter = Predicate::parse(filter)?;
        let ask = |vector: &[f32]| asking(vector).filter(filter.clone());
        let (first, _) = timed(|| Ok(database.search(&ask(&set.asked[..set.dimensions]))?))?;
        let contender = Contender::new(KENNING, |_| {
            let mut latencies = Latencies::default();
            for vector in set.asked.chunks(set.dimensions) {
                let ask = ask(vector);
                latencies.call(|| Ok(database.search(&ask)?))?;
            }
            Ok(Outcome::new([latencies.percentile(50)], None))
        });
        let mut raced = race(&[quantity], scope.rounds(3), vec![contender])?;
        let first = format!("the first time {:.1} ms", first * 1e3);
        raced[0].goals.push(Goal::Reach(FILTERED_MAX));
        raced[0].notes.push(first);
        measures.append(&mut raced);
    }
    Ok(measures)
}

fn opening(
    folder: &Path,
    scope: &Scope,
    set: &Sentences,
    known: &Arc<Known>,
) -> Result<Vec<Measure>> {
    let contender = Contender::new(KENNING, |_| {
        let (seconds, database) = timed(|| {
            let database = open(folder, known)?;
            database.search(&asking(&set.asked[..set.dimensions]))?;
            Ok(database)
        })?;
        database.close()?;
        Ok(Outcome::new([seconds * 1e3], None))
    });
    let quantity = cost("open that database, first answer", "ms");
    let measures = race(&[quantity], scope.rounds(3), vec![contender])?;
    Ok(measures.into_iter().map(|it| it.goal(Goal::Reach(OPEN_MAX))).collect())
}

/// The same in 8 parts and a tail, alone and beside a writer.
fn parted(
    scope: &Scope,
    set: &Sentences,
    database: &Database,
    index: &dyn Fn(usize) -> Result<Outcome>,
) -> Result<Vec<Measure>> {
    let mut again = Again { set, next: 0 };
    for part in 1..if scope.tiny { 1 } else { PARTS } {
        put(database, &again.texts(PART_ROWS), 0)?;
        wait_for(database, part + 1)?;
    }
    put(database, &again.texts(scope.size(100, TAIL_ROWS)), 0)?;
    database.wait_indexed()?;
    let exam = exact(scope, set, database)?;
    let number = |hit: &kenning::Hit| fold(&hit.text);
    let found = |vector: &[f32]| {
        Ok(database.search(&asking(vector))?.hits.iter().map(number).collect::<Vec<u32>>())
    };
    let explain = database.search(&asking(&set.asked[..set.dimensions]))?.explain;
    let alone = race(
        &PARTED,
        scope.rounds(3),
        vec![Contender::new(KENNING, |_| outcome(&exam, found)), Contender::new(INDEX, index)],
    )?;
    let mut measures = with_goals(alone, WRITTEN_MIN);
    let said = format!("{} parts, {} pieces in memory", explain.parts, explain.tails);
    measures[0].notes.push(said);
    let (short, written) = (Exam { rate_ms: exam.rate_ms / 2, ..exam }, AtomicU64::new(0));
    let beside = race(
        &WRITTEN,
        scope.rounds(3),
        vec![
            Contender::new(KENNING, |_| {
                let round = beside(database, &mut again, &written, || outcome(&short, found))?;
                Ok(Outcome::new(&round.figures[..2], None))
            }),
            Contender::new(INDEX, |round| Ok(Outcome::new(&index(round)?.figures[..2], None))),
        ],
    )?;
    let explain = database.search(&asking(&set.asked[..set.dimensions]))?.explain;
    let said = format!(
        "{} records were written meanwhile; then {} parts, {} pieces in memory",
        written.load(Relaxed),
        explain.parts,
        explain.tails
    );
    measures.extend(beside.into_iter().map(|it| it.note(said.clone())));
    let rate = measures.last_mut().ok_or("nothing was measured")?;
    rate.goals.push(Goal::Ratio(INDEX, WRITTEN_MIN));
    Ok(measures)
}

/// What is right, as exact searches of the database say.
fn exact(scope: &Scope, set: &Sentences, database: &Database) -> Result<Exam> {
    let mut right = Vec::new();
    for vector in set.asked.chunks(set.dimensions) {
        let answer = database.search(&Ask { exact: true, ..asking(vector) })?;
        right.push(answer.hits.iter().map(|hit| fold(&hit.text)).collect());
    }
    let rate_ms = scope.size(5, 1_000) as u64;
    Ok(Exam { dimensions: set.dimensions, questions: set.asked.clone(), right, rate_ms })
}

/// A number for a text.
fn fold(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Waits until the vectors are in so many parts.
fn wait_for(database: &Database, parts: usize) -> Result<()> {
    let began = Instant::now();
    database.wait_indexed()?;
    loop {
        // A search tells the sealer what came from the embedder.
        database.search(&Ask::text("boat").table(TABLE).limit(1))?;
        let stats = database.stats()?;
        let indexes = stats["sealed"].as_array().ok_or("the indexes are not told")?;
        let vectors = indexes.iter().find(|it| it["table"] == TABLE && it["index"] == "embed");
        let there = vectors.and_then(|it| it["parts"].as_u64()).unwrap_or(0);
        if there as usize >= parts {
            return Ok(());
        }
        if began.elapsed() > WAIT {
            return Err(format!("there are {there} parts and not {parts}").into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Does `work` while somebody writes.
fn beside<T>(
    database: &Database,
    again: &mut Again<'_>,
    written: &AtomicU64,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let is_done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let writer = threads.spawn(|| -> Result<()> {
            let mut due = Instant::now();
            while !is_done.load(Relaxed) {
                let text = again.texts(1).remove(0);
                database.put(TABLE, json!({"text": text, "part": 0}))?;
                written.fetch_add(1, Relaxed);
                due += WRITE_EVERY;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            Ok(())
        });
        let done = work();
        is_done.store(true, Relaxed);
        writer.join().map_err(|_| "the writer panicked")??;
        done
    })
}

/// Sentences again, with a mark that makes them others: what they mean is shaken.
struct Again<'a> {
    set: &'a Sentences,
    next: usize,
}

const MARK: &str = " -- once more, ";

impl Again<'_> {
    fn texts(&mut self, count: usize) -> Vec<String> {
        let from = self.next;
        self.next += count;
        let text = |number: usize| &self.set.texts[number * 7 % self.set.texts.len()];
        (from..self.next).map(|number| format!("{}{MARK}{number}", text(number))).collect()
    }
}

/// A model that knows what each sentence means.
struct Known {
    rows: HashMap<String, usize>,
    vectors: Vec<f32>,
    dimensions: usize,
}

impl Known {
    fn new(set: &Sentences) -> Arc<Self> {
        let rows = set.texts.iter().cloned().enumerate().map(|(row, text)| (text, row)).collect();
        Arc::new(Known { rows, vectors: set.vectors.clone(), dimensions: set.dimensions })
    }
}

impl Embedder for Known {
    fn model_id(&self) -> &str {
        MODEL
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn windows(&self, text: &str) -> kenning::Result<Vec<std::ops::Range<usize>>> {
        Ok(std::iter::once(0..text.len()).collect())
    }

    fn embed(&self, texts: &[&str]) -> kenning::Result<Vec<f32>> {
        let mut vectors = Vec::with_capacity(texts.len() * self.dimensions);
        for text in texts {
            let (sentence, mark) = text
                .split_once(MARK)
                .map_or((*text, None), |(text, mark)| (text, mark.parse::<u64>().ok()));
            let from = vectors.len();
            match self.rows.get(sentence) {
                Some(row) => {
                    vectors.extend(&self.vectors[row * self.dimensions..][..self.dimensions]);
                }
                // A question in words, of which no figure is taken.
                None => vectors.extend((0..self.dimensions).map(|idx| 1.0 / (1.0 + idx as f32))),
            }
            if let Some(mark) = mark {
                crate::sentences::noise(&mut vectors[from..], mark);
            }
        }
        Ok(vectors)
    }
}
