//! How soon are words found among a million short documents?
//!
//! What: the ten best of 1,000,000 rows for 2, 3 and 4 words, by the index itself and through
//! `search` of a database after `compact`, by words alone; then with one row in fifty gone, and by
//! the neighbourhood: rows that stand beside each other, twenty to a source. One thread. The ten
//! best of index and database are compared.
//!
//! Corpus: rows of 8 to 20 words of 50,000 made-up ones, by Zipf's law; a question is the first
//! words of some row, so common and rare ones come alike. `--only words`.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use kenning::blocking::Database;
use kenning::{Ask, Mode, json};
use kenning_index::{Around, Mask, WordArm, WordIndex, WordPart, WordRow};
use kenning_words::Words;

use crate::Result;
use crate::measure::{
    Contender, Goal, KENNING, Latencies, Measure, Outcome, Quantity, Scope, cost, race, timed,
};
use crate::peers::ours;
use crate::people::Chance;

/// As asked for, in milliseconds.
const P50_MAX: f64 = 3.0;

const SEARCH: &str = "through search";
const GONE: &str = "2 % gone";
const WINDOW: &str = "its neighbourhood";
const VOCABULARY: usize = 50_000;
const NEAREST: usize = 10;
const STREAM: u64 = 1 << 43;
const LANGUAGE: &str = "en";
const TABLE: &str = "notes";
/// Records of one transaction.
const TRANSACTION: usize = 1_000;
/// Rows of one source.
const SOURCE: u32 = 20;

const QUANTITIES: [(usize, [Quantity; 2]); 3] = [
    (2, [cost("10 best of 1 M texts, 2 words, p50", "ms"), cost("2 words, p95", "ms")]),
    (3, [cost("10 best of 1 M texts, 3 words, p50", "ms"), cost("3 words, p95", "ms")]),
    (4, [cost("10 best of 1 M texts, 4 words, p50", "ms"), cost("4 words, p95", "ms")]),
];

pub(crate) fn run(scope: &Scope) -> Result<Vec<Measure>> {
    let texts = Texts::new().make(scope.size(2_000, 1_000_000));
    let (build_s, part) = timed(|| build(&texts))?;
    let folder = scope.fresh()?;
    let database = ours::open_relaxed(folder.path())?;
    let (load_s, ()) = timed(|| load(&database, &texts))?;
    let until: Vec<AtomicU64> = (0..texts.len())
        .map(|row| AtomicU64::new(if row % 50 == 7 { 1 } else { u64::MAX }))
        .collect();
    let aged = Mask { until: Some(&until), at: 5, ..Mask::ALL };
    let mut measures = Vec::new();
    for (terms, quantities) in QUANTITIES {
        let asked = questions(&texts, terms, scope.size(20, 500));
        let by_index = |mask: Mask<'_>, arm: WordArm<'_>| {
            answers(&asked, |text| {
                let question = Words.question(LANGUAGE, text)?;
                let best = Words.best(&[(Arc::clone(&part), mask)], &*question, arm, NEAREST)?;
                Ok(best.iter().map(|hit| hit.score).collect())
            })
        };
        let contenders = vec![
            Contender::new(KENNING, |_| by_index(Mask::ALL, WordArm::Unit)),
            Contender::new(SEARCH, |_| {
                answers(&asked, |text| {
                    let ask = Ask::text(text).table(TABLE).mode(Mode::Words).limit(NEAREST);
                    Ok(database.search(&ask)?.hits.iter().map(|hit| hit.score).collect())
                })
            }),
            Contender::new(GONE, |_| Ok(apart(by_index(aged, WordArm::Unit)?))),
            Contender::new(WINDOW, |_| Ok(apart(by_index(Mask::ALL, WordArm::Window(&Beside))?))),
        ];
        let mut raced = race(&quantities, scope.rounds(3), contenders)?;
        raced[0].goals.push(Goal::Reach(P50_MAX));
        measures.append(&mut raced);
    }
    measures[0].notes.push(format!(
        "the index alone was built in {build_s:.1} s; the database was loaded and compacted in \
         {load_s:.1} s"
    ));
    Ok(measures)
}

fn build(texts: &[String]) -> Result<Arc<dyn WordPart>> {
    let row = |text: &String| Ok(WordRow { title: String::new(), body: text.clone() });
    Ok(Words.open(Words.build(LANGUAGE, &mut texts.iter().map(row))?.into())?)
}

fn load(database: &Database, texts: &[String]) -> Result<()> {
    database.create_table(TABLE, json!({"x-kenning": {"words": ["text"]}}))?;
    for texts in texts.chunks(TRANSACTION) {
        let drafts = texts.iter().map(|text| json!({"text": text}).into()).collect();
        database.put_many(TABLE, drafts)?;
    }
    Ok(database.compact()?)
}

/// First words of rows that are far apart.
fn questions(texts: &[String], terms: usize, count: usize) -> Vec<String> {
    let mut chance = Chance::new(STREAM + terms as u64);
    let mut question = || {
        let words: Vec<&str> = texts[chance.below(texts.len())].split(' ').take(terms).collect();
        words.join(" ")
    };
    (0..count).map(|_| question()).collect()
}

/// Times of all answers, and a hash of their scores, which equal rows share.
fn answers(asked: &[String], answer: impl Fn(&str) -> Result<Vec<f32>>) -> Result<Outcome> {
    let mut latencies = Latencies::default();
    let mut hasher = DefaultHasher::new();
    for text in asked {
        let scores = latencies.call(|| answer(text))?;
        scores.iter().for_each(|score| score.to_bits().hash(&mut hasher));
    }
    let figures = [50, 95].map(|percent| latencies.percentile(percent) / 1e3);
    Ok(Outcome::new(figures, hasher.finish()))
}

/// The same of another question, whose answers are others.
fn apart(outcome: Outcome) -> Outcome {
    Outcome { answer: None, ..outcome }
}

/// Rows that stand beside each other by number.
struct Beside;

impl Around for Beside {
    fn around(&self, piece_idx: usize, row: u32, target: &mut Vec<(usize, u32)>) {
        let source = row / SOURCE * SOURCE;
        let rows = row.saturating_sub(2).max(source)..=(row + 2).min(source + SOURCE - 1);
        target.extend(rows.map(|row| (piece_idx, row)));
    }
}

/// Made-up words, and how often each comes.
struct Texts {
    words: Vec<String>,
    /// The sums of how often the words come, up to each.
    sums: Vec<u64>,
    chance: Chance,
}

impl Texts {
    fn new() -> Self {
        let mut sum = 0;
        let sums = (0..VOCABULARY).map(|idx| {
            sum += 1_000_000_000 / (idx as u64 + 3);
            sum
        });
        let sums = sums.collect();
        Texts { words: (0..VOCABULARY).map(word).collect(), sums, chance: Chance::new(STREAM) }
    }

    fn make(mut self, count: usize) -> Vec<String> {
        let count = count.next_multiple_of(SOURCE as usize);
        let mut text = || {
            let words = 8 + self.chance.below(13);
            let drawn: Vec<usize> = (0..words).map(|_| self.next()).collect();
            let words: Vec<&str> = drawn.iter().map(|idx| self.words[*idx].as_str()).collect();
            words.join(" ")
        };
        (0..count).map(|_| text()).collect()
    }

    fn next(&mut self) -> usize {
        let total = self.sums[VOCABULARY - 1];
        let at = self.chance.draw() % total;
        self.sums.partition_point(|sum| *sum <= at)
    }
}

/// A word by its number.
fn word(number: usize) -> String {
    const SYLLABLES: [&str; 12] =
        ["ka", "to", "mi", "ren", "sol", "va", "pe", "lu", "dor", "ing", "ta", "ne"];
    let mut word = String::new();
    let mut left = number + SYLLABLES.len();
    while left > 0 {
        word.push_str(SYLLABLES[left % SYLLABLES.len()]);
        left /= SYLLABLES.len();
    }
    word
}
