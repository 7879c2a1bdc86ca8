//! How fast, how near, how large is the index over vectors, by itself?
//!
//! What: the ten nearest of 100,000 vectors of 384 numbers, by cosine. Kenning's index is one part
//! in a mapped file, as a database has it after `compact`. Each index has the least effort with
//! which it reaches a recall of .95, and has one thread for the time of an answer and two for
//! answers a second. `60 candidates` is the effort of who does not tune. Memory of Kenning is that
//! of a process that opens the part and answers every question, with every page of the file that it
//! touched; beside it what it has without the full vectors. Of others it is anonymous memory, in
//! the process that built. Filters keep rows by their number, or those whose text is about one
//! thing. Churn removes 20 % of the rows and adds as many others: Kenning's rows end, new ones are
//! a part of their own, until all is made one part again.
//!
//! Corpus: 100,000 sentences as MiniLM reads them; 1,000 others are the questions.
//! `--only vectors`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use kenning_index::{Bitmap, Mask, VectorPart};

use crate::Result;
use crate::child;
use crate::exam::{Exam, NEAREST, Sitting};
use crate::indexed::{self, Effort, Indexed};
use crate::measure::{
    Contender, Goal, KENNING, Measure, Outcome, Quantity, Scope, cost, race, rate, timed,
};
use crate::peers::near::{Files, Peer};
use crate::sentences::Sentences;

/// As asked for: microseconds, answers a second, percent, seconds, MiB, milliseconds.
const P50_MAX: f64 = 200.0;
const RATE_MIN: f64 = 15_000.0;
pub(crate) const RECALL_MIN: f64 = 95.0;
const BUILD_MAX: f64 = 30.0;
const MEMORY_MAX: f64 = 100.0;
const OPEN_MAX: f64 = 1_000.0;
const FILTERED_MAX: f64 = 2_000.0;

/// What a peer says after a round.
const ROUND: [&str; 3] = ["p50_us", "rate", "recall"];

/// The effort of who does not tune: ten, and the fifty to spare that a search has.
const UNTUNED: usize = 60;
const UNTUNED_NAME: &str = "Kenning (60 candidates)";
/// Without the full vectors, of which few are read.
pub(crate) const DENSE: &str = "Kenning (codes and graph)";
const EXACT: &str = "Kenning (exact scan)";
const THREADS: usize = 2;
/// Rows that are replaced, one in so many.
const CHURN: usize = 5;

const ANSWERS: [Quantity; 3] = [
    cost("10 nearest of 100,000, 1 thread, p50", "us"),
    rate("10 nearest of 100,000, 2 threads", "answers/s"),
    rate("10 nearest of 100,000, recall", "%"),
];
const COSTS: [Quantity; 2] = [
    cost("index of 100,000 vectors, built on 2 threads", "s"),
    cost("memory of that index", "MiB"),
];
const ANONYMOUS: [Quantity; 1] = [cost("anonymous memory of that index", "MiB")];
const CHURNED: [Quantity; 3] = [
    cost("20 % replaced, 1 thread, p50", "us"),
    rate("20 % replaced, 2 threads", "answers/s"),
    rate("20 % replaced, recall", "%"),
];

/// What everybody is asked.
struct Asked<'a> {
    set: &'a Sentences,
    built: Indexed,
    exam: Exam,
    /// Kenning's effort.
    effort: usize,
    churned: Churned,
}

pub(crate) fn run(scope: &Scope) -> Result<Vec<Measure>> {
    let set = scope.sentences()?;
    let folder = scope.fresh()?;
    let at = folder.path().join("kenning");
    let rate_ms = scope.size(5, 1_000) as u64;
    let built = indexed::build(&at, 1, &set.vectors, set.dimensions)?;
    let all = indexed::exam(&*built.part, &set.asked, set.dimensions, &Mask::ALL)?;
    let exam = Exam { rate_ms, ..all };
    let effort = exam.tune(|vector, effort| {
        indexed::rows(&*built.part, vector, Effort::Candidates(effort), &Mask::ALL)
    })?;
    let rows = set.texts.len();
    let fresh = set.noisy(rows + rows / CHURN).split_off(rows * set.dimensions);
    let churned = Churned::make(&at, &built, &fresh, set)?;
    let right_after = churned.right(&exam)?;
    let files = Files {
        folder: folder.path(),
        rows: &set.vectors,
        fresh: &fresh,
        exam: &exam,
        right_after: &right_after,
    };
    // A small run proves that the benches work, everywhere; peers are not everywhere.
    let (mut peers, missing) = if scope.tiny { Default::default() } else { files.start()? };
    let asked = Asked { set, built, exam, effort, churned };
    let costs = costs(&at, &asked, &mut peers)?;
    let mut measures = answers(scope, &asked, &mut peers)?;
    measures[0].notes.push(format!("vectors are those of {}", set.model));
    measures[0].notes.push(format!("Kenning has {effort} candidates"));
    measures[0].notes.extend(missing);
    measures.extend(costs);
    measures.extend(opening(&at, scope, &asked.exam)?);
    measures.extend(filters(scope, &asked)?);
    let exam = Exam { right: right_after, ..asked.exam };
    let asked = Asked { exam, ..asked };
    measures.extend(churn(&at, scope, &asked, &fresh, &mut peers)?);
    Ok(measures)
}

fn answers(scope: &Scope, asked: &Asked<'_>, peers: &mut [Peer]) -> Result<Vec<Measure>> {
    let (exam, part) = (&asked.exam, &*asked.built.part);
    let ask = |effort| move |vector: &[f32]| indexed::rows(part, vector, effort, &Mask::ALL);
    let contender = |name, effort| Contender::new(name, move |_| outcome(exam, ask(effort)));
    let mut contenders = vec![
        contender(KENNING, Effort::Candidates(asked.effort)),
        contender(UNTUNED_NAME, Effort::Candidates(UNTUNED)),
        contender(EXACT, Effort::Exact),
    ];
    contenders.extend(able(peers).map(|peer| {
        Contender::new(peer.name, |_| {
            let [p50_us, rate, recall] = peer.figures("round", ROUND)?;
            Ok(Outcome::new([p50_us, rate, recall * 100.0], None))
        })
    }));
    let mut measures = race(&ANSWERS, scope.rounds(3), contenders)?;
    for (at, goal) in [P50_MAX, RATE_MIN, RECALL_MIN].into_iter().enumerate() {
        measures[at].goals.push(Goal::Reach(goal));
    }
    let goals = able(peers).map(|peer| Goal::Ratio(peer.name, 1.0));
    measures[1].goals.extend(goals);
    Ok(measures)
}

fn able(peers: &mut [Peer]) -> impl Iterator<Item = &mut Peer> {
    peers.iter_mut().filter(|peer| peer.failed.is_none())
}

/// Time of an answer, answers a second, recall.
pub(crate) fn outcome(
    exam: &Exam,
    answer: impl Fn(&[f32]) -> Result<Vec<u32>> + Sync,
) -> Result<Outcome> {
    let Sitting { recall, p50_us } = exam.sit(&answer)?;
    let rate = exam.rate(THREADS, &answer)?;
    Ok(Outcome::new([p50_us, rate, recall * 100.0], None))
}

/// What building takes, one index after the other, and how much memory there is then.
fn costs(folder: &Path, asked: &Asked<'_>, peers: &mut [Peer]) -> Result<Vec<Measure>> {
    let set = asked.set;
    let questions = folder.with_extension("questions");
    std::fs::write(&questions, crate::sentences::bytes_of(&set.asked))?;
    let [opened, own, resident] = child::near(folder, &questions, set.dimensions, asked.effort)?;
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    let dense = asked.built.dense_bytes as f64;
    let figures = [asked.built.build_s, mib(resident)];
    let without = [asked.built.build_s, mib(own + dense)];
    let mut contenders = vec![
        Contender::new(KENNING, move |_| Ok(Outcome::new(figures, None))),
        Contender::new(DENSE, move |_| Ok(Outcome::new(without, None))),
    ];
    let mut notes = Vec::new();
    for peer in peers {
        let figures = peer.figures("build", ["build_s", "memory_mib", "effort"]);
        match &figures {
            Ok([.., effort]) => notes.push(format!("{} has effort {effort}", peer.name)),
            Err(why) => peer.failed = Some(why.to_string()),
        }
        notes.extend(peer.failed.as_ref().map(|why| format!("not measured: {why}")));
        if let Ok([seconds, memory, _]) = figures {
            let round = move |_| Ok(Outcome::new([seconds, memory], None));
            contenders.push(Contender::new(peer.name, round));
        }
    }
    let mut measures = race(&COSTS, 1, contenders)?;
    measures[0].goals.push(Goal::Reach(BUILD_MAX));
    measures[0].notes = notes;
    let own = Contender::new(KENNING, |_| Ok(Outcome::new([mib(own)], None)));
    let mut anonymous = race(&ANONYMOUS, 1, vec![own])?;
    anonymous[0].goals.push(Goal::Reach(MEMORY_MAX));
    anonymous[0].notes.push(format!("{:.1} MiB once it is open", mib(opened)));
    measures.append(&mut anonymous);
    Ok(measures)
}

/// What a process says that opens a part and answers: anonymous bytes more once it is open, and
/// after every question; bytes with what is mapped, then.
pub(crate) fn memory(
    folder: &Path,
    questions: &Path,
    dimensions: usize,
    effort: usize,
) -> Result<[f64; 3]> {
    use crate::machine::{anonymous_bytes, resident_bytes};
    let questions = crate::sentences::floats_of(&std::fs::read(questions)?);
    let (before, resident) = (anonymous_bytes()?, resident_bytes()?);
    let part = indexed::open(folder, 1, dimensions)?;
    let opened = anonymous_bytes()?;
    for question in questions.chunks(dimensions) {
        indexed::rows(&*part, question, Effort::Candidates(effort), &Mask::ALL)?;
    }
    let more = |now: u64, before: u64| now.saturating_sub(before) as f64;
    Ok([more(opened, before), more(anonymous_bytes()?, before), more(resident_bytes()?, resident)])
}

fn opening(folder: &Path, scope: &Scope, exam: &Exam) -> Result<Vec<Measure>> {
    let contender = Contender::new(KENNING, |round| {
        let question = exam.questions().nth(round % exam.right.len()).ok_or("nothing is asked")?;
        let (seconds, _) = timed(|| {
            let part = indexed::open(folder, 1, exam.dimensions)?;
            indexed::rows(&*part, question, Effort::Candidates(UNTUNED), &Mask::ALL)
        })?;
        Ok(Outcome::new([seconds * 1e3], None))
    });
    let quantity = cost("open that index, first answer", "ms");
    let measures = race(&[quantity], scope.rounds(5), vec![contender])?;
    Ok(measures.into_iter().map(|it| it.goal(Goal::Reach(OPEN_MAX))).collect())
}

/// A filter, by what it keeps.
struct Kept {
    quantities: [Quantity; 2],
    keeps: fn(usize, &str) -> bool,
}

fn filters(scope: &Scope, asked: &Asked<'_>) -> Result<Vec<Measure>> {
    let Asked { set, exam, .. } = asked;
    let part = &*asked.built.part;
    let mut measures = Vec::new();
    for Kept { quantities, keeps } in KEPT {
        let rows =
            Bitmap::from_fn(part.rows(), |row| keeps(row as usize, &set.texts[row as usize]));
        let mask = Mask { filter: Some(&rows), ..Mask::ALL };
        let exam = indexed::exam(part, &exam.questions, exam.dimensions, &mask)?;
        let contender = Contender::new(KENNING, |_| {
            let Sitting { recall, p50_us } =
                exam.sit(|vector| indexed::rows(part, vector, Effort::Candidates(UNTUNED), &mask))?;
            Ok(Outcome::new([p50_us, recall * 100.0], None))
        });
        let mut raced = race(&quantities, scope.rounds(3), vec![contender])?;
        raced[0].goals.push(Goal::Reach(FILTERED_MAX));
        raced[1].goals.push(Goal::Reach(RECALL_MIN));
        raced[0].notes.push(format!("{} rows are kept", rows.count()));
        measures.append(&mut raced);
    }
    Ok(measures)
}

const KEPT: [Kept; 6] = [
    Kept {
        quantities: [
            cost("a filter keeps 50 %, p50", "us"),
            rate("a filter keeps 50 %, recall", "%"),
        ],
        keeps: |row, _| scattered(row).is_multiple_of(2),
    },
    Kept {
        quantities: [
            cost("a filter keeps 10 %, p50", "us"),
            rate("a filter keeps 10 %, recall", "%"),
        ],
        keeps: |row, _| scattered(row).is_multiple_of(10),
    },
    Kept {
        quantities: [
            cost("a filter keeps 1 %, p50", "us"),
            rate("a filter keeps 1 %, recall", "%"),
        ],
        keeps: |row, _| scattered(row).is_multiple_of(100),
    },
    Kept {
        quantities: [
            cost("a filter keeps 0.1 %, p50", "us"),
            rate("a filter keeps 0.1 %, recall", "%"),
        ],
        keeps: |row, _| scattered(row).is_multiple_of(1_000),
    },
    Kept {
        quantities: [
            cost("a filter keeps texts without a reason, p50", "us"),
            rate("a filter keeps texts without a reason, recall", "%"),
        ],
        keeps: |_, text| !text.to_ascii_lowercase().contains("because"),
    },
    Kept {
        quantities: [
            cost("a filter keeps texts about a king, p50", "us"),
            rate("a filter keeps texts about a king, recall", "%"),
        ],
        keeps: |_, text| text.split([' ', '.', ',']).any(|word| word == "king"),
    },
];

/// A number that has nothing to do with what a row says.
fn scattered(row: usize) -> u64 {
    crate::people::Chance::new((1 << 42) + row as u64).draw() >> 16
}

/// One row in five has ended, and as many others came: sentences with noise, as their own part.
struct Churned {
    kept: Arc<dyn VectorPart>,
    until: Vec<AtomicU64>,
    added: Indexed,
}

impl Churned {
    fn make(folder: &Path, built: &Indexed, fresh: &[f32], set: &Sentences) -> Result<Self> {
        let until = (0..set.texts.len())
            .map(|row| AtomicU64::new(if row.is_multiple_of(CHURN) { 1 } else { u64::MAX }));
        let added = indexed::build(folder, 2, fresh, set.dimensions)?;
        Ok(Churned { kept: Arc::clone(&built.part), until: until.collect(), added })
    }

    fn rows(&self, vector: &[f32], effort: Effort) -> Result<Vec<u32>> {
        let ended = Mask { until: Some(&self.until), at: 1, ..Mask::ALL };
        let mut near = indexed::nearest(&*self.kept, vector, effort, &ended)?;
        let added = indexed::nearest(&*self.added.part, vector, effort, &Mask::ALL)?;
        near.extend(added.into_iter().map(|(row, distance)| (row + self.kept.rows(), distance)));
        near.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        Ok(near.into_iter().take(NEAREST).map(|(row, _)| row).collect())
    }

    fn right(&self, exam: &Exam) -> Result<Vec<Vec<u32>>> {
        exam.questions().map(|vector| self.rows(vector, Effort::Exact)).collect()
    }
}

fn churn(
    folder: &Path,
    scope: &Scope,
    asked: &Asked<'_>,
    fresh: &[f32],
    peers: &mut [Peer],
) -> Result<Vec<Measure>> {
    let Asked { set, exam, effort, churned, .. } = asked;
    let mut notes = Vec::new();
    for peer in able(peers) {
        match peer.figures("churn", ["churn_s", "memory_mib"]) {
            Ok([seconds, memory]) => notes.push(format!(
                "{} took {seconds:.1} s to replace rows, and has {memory:.0} MiB then",
                peer.name
            )),
            Err(why) => peer.failed = Some(why.to_string()),
        }
        notes.extend(peer.failed.as_ref().map(|why| format!("not measured: {why}")));
    }
    let mut contenders = vec![Contender::new(KENNING, |_| {
        outcome(exam, |vector| churned.rows(vector, Effort::Candidates(*effort)))
    })];
    contenders.extend(able(peers).map(|peer| {
        Contender::new(peer.name, |_| {
            let [p50_us, rate, recall] = peer.figures("round", ROUND)?;
            Ok(Outcome::new([p50_us, rate, recall * 100.0], None))
        })
    }));
    let mut measures = race(&CHURNED, scope.rounds(3), contenders)?;
    measures[2].goals.push(Goal::Reach(RECALL_MIN));
    let rows = set.vectors.chunks(set.dimensions).enumerate();
    let kept = rows.filter(|(row, _)| !row.is_multiple_of(CHURN));
    let living: Vec<f32> = kept.flat_map(|(_, vector)| vector).chain(fresh).copied().collect();
    let merged = indexed::build(folder, 3, &living, set.dimensions)?;
    notes.push(format!(
        "the part of those that came took Kenning {:.1} s, all in one part again {:.1} s",
        churned.added.build_s, merged.build_s
    ));
    measures[0].notes = notes;
    Ok(measures)
}
