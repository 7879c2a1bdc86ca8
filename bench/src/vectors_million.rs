//! The same at a million: how fast, how near, how large is the index over vectors?
//!
//! What: the ten nearest of 1,000,000 vectors of 384 numbers, by cosine, of one part in a mapped
//! file, with the least effort that reaches a recall of .95. Memory is as in `src/vectors.rs`. The
//! build is shown; nobody asks for it.
//!
//! Corpus: 100,000 sentences as MiniLM reads them, and the same nine times more with noise, see
//! `src/sentences.rs`; 1,000 others are the questions. `--only vectors_million`.

use kenning_index::Mask;

use crate::Result;
use crate::child;
use crate::indexed::{self, Effort};
use crate::measure::{Contender, Goal, KENNING, Measure, Outcome, Quantity, Scope};
use crate::measure::{cost, race, rate};
use crate::sentences::{NOISE, bytes_of};
use crate::vectors::{DENSE, RECALL_MIN, outcome};

/// As asked for: microseconds, MiB.
const P50_MAX: f64 = 1_500.0;
const MEMORY_MAX: f64 = 1_024.0;

const ANSWERS: [Quantity; 3] = [
    cost("10 nearest of 1,000,000, 1 thread, p50", "us"),
    rate("10 nearest of 1,000,000, 2 threads", "answers/s"),
    rate("10 nearest of 1,000,000, recall", "%"),
];
const COSTS: [Quantity; 3] = [
    cost("index of 1,000,000 vectors, built on 2 threads", "s"),
    cost("memory of that index of 1,000,000", "MiB"),
    cost("anonymous memory of that index of 1,000,000", "MiB"),
];

pub(crate) fn run(scope: &Scope) -> Result<Vec<Measure>> {
    let set = scope.sentences()?;
    let (folder, questions) = (scope.fresh()?, scope.fresh()?);
    let vectors = set.noisy(scope.size(4_000, 1_000_000));
    let built = indexed::build(folder.path(), 1, &vectors, set.dimensions)?;
    drop(vectors);
    let part = &*built.part;
    let mut exam = indexed::exam(part, &set.asked, set.dimensions, &Mask::ALL)?;
    exam.rate_ms = scope.size(5, 1_000) as u64;
    let ask = |vector: &[f32], effort| {
        indexed::rows(part, vector, Effort::Candidates(effort), &Mask::ALL)
    };
    let effort = exam.tune(ask)?;
    let contender =
        Contender::new(KENNING, |_| outcome(&exam, |vector: &[f32]| ask(vector, effort)));
    let mut measures = race(&ANSWERS, scope.rounds(3), vec![contender])?;
    measures[0].goals.push(Goal::Reach(P50_MAX));
    measures[2].goals.push(Goal::Reach(RECALL_MIN));
    measures[0].notes.push(format!("Kenning has {effort} candidates; noise is {NOISE}"));
    let questions = questions.path().join("questions");
    std::fs::write(&questions, bytes_of(&set.asked))?;
    let [_, own, all] = child::near(folder.path(), &questions, set.dimensions, effort)?;
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    let dense = built.dense_bytes as f64;
    let contender = |name, bytes: f64| {
        let figures = [built.build_s, mib(bytes), mib(own)];
        Contender::new(name, move |_| Ok(Outcome::new(figures, None)))
    };
    let contenders = vec![contender(KENNING, all), contender(DENSE, own + dense)];
    let mut costs = race(&COSTS, 1, contenders)?;
    costs[1].goals.push(Goal::Reach(MEMORY_MAX));
    measures.append(&mut costs);
    Ok(measures)
}
