//! Rounds, medians, goals.
//!
//! Contenders run in turns, one after the other in each round, so that whatever else the machine
//! does meets all of them. A ratio is taken within a round and only then ordered: the median of the
//! ratios, not the ratio of the medians.

use std::cell::OnceCell;
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::arguments::Arguments;
use crate::million::Million;
use crate::sentences::Sentences;

/// The name of our own engine in every measure.
pub(crate) const KENNING: &str = "Kenning";

/// How large a run is, and where it works.
pub(crate) struct Scope {
    pub(crate) tiny: bool,
    rounds: Option<usize>,
    folder: TempDir,
    million: OnceCell<Million>,
    sentences: OnceCell<Sentences>,
}

impl Scope {
    pub(crate) fn new(arguments: &Arguments) -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("kenning-bench-");
        let folder = match &arguments.folder {
            Some(folder) => builder.tempdir_in(folder)?,
            None => builder.tempdir()?,
        };
        let (tiny, rounds) = (arguments.tiny, arguments.rounds);
        let (million, sentences) = (OnceCell::new(), OnceCell::new());
        Ok(Scope { tiny, rounds, folder, million, sentences })
    }

    /// One of two sizes.
    pub(crate) fn size(&self, tiny: usize, full: usize) -> usize {
        if self.tiny { tiny } else { full }
    }

    /// How many rounds, if a bench of this size takes `full`.
    pub(crate) fn rounds(&self, full: usize) -> usize {
        self.rounds.unwrap_or(if self.tiny { 1 } else { full })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new folder, which is gone when it is dropped.
    pub(crate) fn fresh(&self) -> Result<TempDir> {
        Ok(TempDir::new_in(self.folder())?)
    }

    /// The large database, made when it is first asked for.
    pub(crate) fn million(&self) -> Result<&Million> {
        if self.million.get().is_none() {
            let made = Million::make(self.fresh()?, self.size(2_000, 1_000_000))?;
            self.million.set(made).unwrap_or_else(|_| unreachable!("it was not there"));
        }
        Ok(self.million.get().expect("it was made above"))
    }

    /// Sentences and questions as a model reads them, when they are first asked for.
    pub(crate) fn sentences(&self) -> Result<&Sentences> {
        if self.sentences.get().is_none() {
            let made = Sentences::make(self.size(2_000, 100_000), self.size(50, 1_000))?;
            self.sentences.set(made).unwrap_or_else(|_| unreachable!("it was not there"));
        }
        Ok(self.sentences.get().expect("it was made above"))
    }
}

/// Which of two figures is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// What a figure is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quantity {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
}

/// Something per second.
pub(crate) const fn rate(what: &'static str, unit: &'static str) -> Quantity {
    Quantity { what, unit, better: Better::Higher }
}

/// Something that should be small.
pub(crate) const fn cost(what: &'static str, unit: &'static str) -> Quantity {
    Quantity { what, unit, better: Better::Lower }
}

/// What the issue asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// Kenning's figure over that of a peer, in the better direction, is at least so much.
    Ratio(&'static str, f64),
    /// Kenning's median is on the better side of this, or on it.
    Reach(f64),
    /// Kenning's median should be about this; nothing is missed below it.
    Orientation(f64),
}

/// The figures of one engine, a round each.
pub(crate) struct Series {
    pub(crate) engine: String,
    pub(crate) rounds: Vec<f64>,
    /// Whether its answers were compared.
    pub(crate) answered: bool,
}

/// One question, and what each engine took to answer it.
pub(crate) struct Measure {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    pub(crate) series: Vec<Series>,
    pub(crate) goals: Vec<Goal>,
    /// Hash of the answers, where engines answer the same question.
    pub(crate) answer: Option<u64>,
    pub(crate) notes: Vec<String>,
}

/// Median and spread of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(figures: &[f64]) -> Spread {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (sorted[0], sorted[sorted.len() - 1]);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        };
        Spread { median, min, max }
    }
}

impl Measure {
    pub(crate) fn series(&self, engine: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.engine == engine)
    }

    /// Kenning over `peer`, round by round, above 1 where Kenning is better. Kenning set up in
    /// another way is no peer.
    pub(crate) fn ratio(&self, peer: &str) -> Option<Spread> {
        if peer.starts_with(KENNING) {
            return None;
        }
        let (ours, theirs) = (self.series(KENNING)?, self.series(peer)?);
        let pairs = ours.rounds.iter().zip(&theirs.rounds);
        let ratios: Vec<f64> = pairs
            .map(|(ours, theirs)| match self.better {
                Better::Higher => ours / theirs,
                Better::Lower => theirs / ours,
            })
            .collect();
        Some(Spread::of(&ratios))
    }

    pub(crate) fn goal(mut self, goal: Goal) -> Self {
        self.goals.push(goal);
        self
    }

    pub(crate) fn note(mut self, note: String) -> Self {
        self.notes.push(note);
        self
    }

    /// Whether a goal is met; `None` for an orientation, and where there is nothing to compare.
    pub(crate) fn met(&self, goal: Goal) -> Option<bool> {
        match goal {
            Goal::Ratio(peer, at_least) => Some(self.ratio(peer)?.median >= at_least),
            Goal::Reach(bound) => {
                let median = Spread::of(&self.series(KENNING)?.rounds).median;
                Some(match self.better {
                    Better::Higher => median >= bound,
                    Better::Lower => median <= bound,
                })
            }
            Goal::Orientation(_) => None,
        }
    }
}

/// What one contender has to say after one round.
pub(crate) struct Outcome {
    /// One for each quantity.
    pub(crate) figures: Vec<f64>,
    /// Hash of the answer; `None` where it cannot be compared.
    pub(crate) answer: Option<u64>,
}

impl Outcome {
    pub(crate) fn new(figures: impl Into<Vec<f64>>, answer: impl Into<Option<u64>>) -> Self {
        Outcome { figures: figures.into(), answer: answer.into() }
    }
}

/// An engine, and what it does in a round.
pub(crate) struct Contender<'a> {
    pub(crate) engine: &'a str,
    pub(crate) round: Box<dyn FnMut(usize) -> Result<Outcome> + 'a>,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(engine: &'a str, round: impl FnMut(usize) -> Result<Outcome> + 'a) -> Self {
        Contender { engine, round: Box::new(round) }
    }
}

/// Lets the contenders run in turns. One measure for each quantity.
pub(crate) fn race(
    quantities: &[Quantity],
    rounds: usize,
    mut contenders: Vec<Contender<'_>>,
) -> Result<Vec<Measure>> {
    let mut figures = vec![vec![Vec::with_capacity(rounds); contenders.len()]; quantities.len()];
    let mut hash: Option<u64> = None;
    let mut answered = vec![false; contenders.len()];
    for round in 0..rounds {
        let mut answer = None;
        for (idx, contender) in contenders.iter_mut().enumerate() {
            let engine = contender.engine;
            let outcome = (contender.round)(round)?;
            assert_eq!(outcome.figures.len(), quantities.len(), "a figure for each quantity");
            for (of_quantity, figure) in figures.iter_mut().zip(outcome.figures) {
                of_quantity[idx].push(figure);
            }
            answered[idx] = outcome.answer.is_some();
            match (answer, outcome.answer) {
                (Some(expected), Some(other)) if expected != other => {
                    let message = format!("{engine} answers {other:016x}, not {expected:016x}");
                    return Err(message.into());
                }
                (None, given) => answer = given,
                (Some(_), _) => {}
            }
        }
        hash = answer.map(|answer| answer.wrapping_add(hash.unwrap_or(0).rotate_left(1)));
    }
    let measures = quantities.iter().zip(figures).map(|(quantity, figures)| Measure {
        what: quantity.what.to_owned(),
        unit: quantity.unit,
        better: quantity.better,
        series: (contenders.iter().zip(&answered).zip(figures))
            .map(|((contender, answered), rounds)| {
                let engine = contender.engine.to_owned();
                Series { engine, rounds, answered: *answered }
            })
            .collect(),
        goals: Vec::new(),
        answer: hash,
        notes: Vec::new(),
    });
    Ok(measures.collect())
}

/// Runs `work` on a thread for each part, all at once. Returns the seconds until the last ended.
pub(crate) fn together<T: Send>(
    parts: Vec<T>,
    work: impl Fn(T) -> Result<()> + Sync,
) -> Result<f64> {
    together_with(parts, |part| part, work)
}

/// The same; each thread makes what it works on itself, before the clock starts.
pub(crate) fn together_with<T: Send, U>(
    parts: Vec<T>,
    make: impl Fn(T) -> U + Sync,
    work: impl Fn(U) -> Result<()> + Sync,
) -> Result<f64> {
    let start = Barrier::new(parts.len() + 1);
    std::thread::scope(|scope| {
        let (start, make, work) = (&start, &make, &work);
        let run = |part| {
            scope.spawn(move || {
                let made = make(part);
                start.wait();
                work(made)
            })
        };
        let threads: Vec<_> = parts.into_iter().map(run).collect();
        start.wait();
        let began = Instant::now();
        for thread in threads {
            thread.join().map_err(|_| "a thread of the bench panicked")??;
        }
        Ok(began.elapsed().as_secs_f64())
    })
}

/// Deals `items` out to `hands`, one after the other.
pub(crate) fn deal<T>(items: impl IntoIterator<Item = T>, hands: usize) -> Vec<Vec<T>> {
    let mut dealt: Vec<Vec<T>> = (0..hands).map(|_| Vec::new()).collect();
    for (idx, item) in items.into_iter().enumerate() {
        dealt[idx % hands].push(item);
    }
    dealt
}

/// Seconds that `work` takes, and what it returns.
pub(crate) fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let began = Instant::now();
    let done = work()?;
    Ok((began.elapsed().as_secs_f64(), done))
}

/// How long single calls took.
#[derive(Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// Runs one call and notes how long it took.
    pub(crate) fn call<T>(&mut self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let began = Instant::now();
        let done = work();
        self.0.push(began.elapsed());
        done
    }

    /// The time that `percent` of the calls did not exceed, in microseconds.
    pub(crate) fn percentile(&mut self, percent: usize) -> f64 {
        self.0.sort_unstable();
        let last = self.0.len() - 1;
        self.0[last * percent / 100].as_secs_f64() * 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_lies_in_the_middle() {
        let spread = |median, min, max| Spread { median, min, max };
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), spread(2.0, 1.0, 3.0));
        assert_eq!(Spread::of(&[4.0, 1.0]), spread(2.5, 1.0, 4.0));
    }

    #[test]
    fn a_ratio_is_above_one_where_kenning_is_better() {
        let contenders = || {
            vec![
                Contender::new(KENNING, |_| Ok(Outcome::new([2.0, 2.0], 7))),
                Contender::new("peer", |_| Ok(Outcome::new([1.0, 1.0], None))),
            ]
        };
        let measures = race(&[rate("a", "/s"), cost("b", "s")], 3, contenders()).unwrap();
        assert_eq!(measures[0].ratio("peer").unwrap().median, 2.0);
        assert_eq!(measures[1].ratio("peer").unwrap().median, 0.5);
        assert_eq!(measures[0].met(Goal::Ratio("peer", 2.0)), Some(true));
        assert_eq!(measures[1].met(Goal::Reach(1.0)), Some(false));
    }

    #[test]
    fn answers_that_differ_fail() {
        let contenders = vec![
            Contender::new(KENNING, |_| Ok(Outcome::new([1.0], 1))),
            Contender::new("peer", |_| Ok(Outcome::new([1.0], 2))),
        ];
        assert!(race(&[rate("a", "/s")], 1, contenders).is_err());
    }
}
