//! Several rankings to one.
//!
//! | arm | says of a record | weight |
//! |---|---|---|
//! | words | how well its own words answer | .35, half of it where neighbours are |
//! | window | how well the words around it in its source do | the other half |
//! | vectors | how alike it is to the question | .35, half of it where neighbours are |
//! | around | how alike those around it are, on average | the other half |
//! | named | whether the question, or the first hit, names it | .15 |
//! | alike | how alike it is to the first hit | .15 |
//!
//! The first hit is the one that stands first without the last arm, and without what it names
//! itself: what it is about is asked once more. An arm that found nothing gives its weight to the
//! others, so all weights are 1 together, and a score is 0 to 1. What an arm says is divided by the
//! best that it says, so that each says 1 of what it likes most; what it did not find has 0 there.
//! A record of which no arm says anything good is no hit.

use super::arms::{ByWhose, Candidate, Candidates};
use super::{Arm, Mode, Whose, Why};

/// How much words, and vectors, count; names; and likeness to the first hit. They were measured on
/// sets of questions whose answers are known: decision 99.
const SIDE: f32 = 0.35;
const NAMED: f32 = 0.15;
const ALIKE: f32 = 0.15;

/// A record in its place.
pub(super) struct Ranked {
    pub(super) whose: Whose,
    pub(super) score: f32,
    pub(super) distance: Option<f32>,
    pub(super) why: Vec<Why>,
}

/// The records that are `shown`, best first. Why is said of the first `told`.
pub(super) fn fuse(
    mode: Mode,
    found: &Candidates,
    told: usize,
    shown: impl Fn(&Whose) -> bool,
) -> Vec<Ranked> {
    match mode {
        Mode::Hybrid => hybrid(found, told, shown),
        Mode::Words => alone(Arm::Words, &found.words, found, shown),
        Mode::Vectors => alone(Arm::Vectors, &found.vectors, found, shown),
    }
}

/// What one arm found, as it is.
fn alone(
    arm: Arm,
    candidates: &[Candidate],
    found: &Candidates,
    shown: impl Fn(&Whose) -> bool,
) -> Vec<Ranked> {
    // A record that a transaction has changed is found as it was and as it is.
    let mut known: ByWhose<()> = ByWhose::default();
    let is_new = |it: &&Candidate| known.insert(it.whose, ()).is_none();
    let shown = candidates.iter().filter(|it| shown(&it.whose)).filter(is_new).enumerate();
    let ranked = shown.map(|(idx, it)| {
        let near = found.near.get(&it.whose);
        let score = near.map_or(it.score, |near| near.likeness);
        let why = vec![Why { arm, rank: idx + 1, score, part: score }];
        Ranked { whose: it.whose, score, distance: near.map(|near| near.distance), why }
    });
    let mut ranked: Vec<Ranked> = ranked.collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.whose.cmp(&b.whose)));
    ranked
}

fn hybrid(found: &Candidates, told: usize, shown: impl Fn(&Whose) -> bool) -> Vec<Ranked> {
    let mut whose: Vec<Whose> = found.whose().map(|(whose, _)| whose).filter(shown).collect();
    whose.sort_unstable();
    let said = weighed(rankings(found, &whose));
    // Summed up in the order of the parts: who is best at all has 1, not nearly 1.
    let all: f32 = said.iter().map(|ranking| ranking.weight).sum();
    let score = |idx| said.iter().map(|ranking| ranking.part(idx)).sum::<f32>() / all;
    let mut order: Vec<(f32, usize)> = (0..whose.len()).map(|idx| (score(idx), idx)).collect();
    order.retain(|(score, _)| *score > 0.0);
    order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let ranked = order.into_iter().zip(0..).map(|((score, idx), place)| {
        let why = said.iter().filter(|_| place < told).filter_map(|ranking| ranking.why(idx, all));
        let distance = found.near.get(&whose[idx]).map(|near| near.distance);
        Ranked { whose: whose[idx], score, distance, why: why.collect() }
    });
    ranked.collect()
}

/// What every arm says of these records, which stand in their order.
fn rankings(found: &Candidates, whose: &[Whose]) -> [Ranking; 6] {
    let of = |arm: Arm, weight: f32, score: &dyn Fn(&Whose) -> Option<f32>| {
        Ranking::of(arm, weight, whose.iter().map(score).collect())
    };
    let listed = |arm: Arm, weight: f32, candidates: &[Candidate]| {
        let mut scores = vec![None; whose.len()];
        for it in candidates {
            if let Ok(idx) = whose.binary_search(&it.whose) {
                scores[idx] = scores[idx].or(Some(it.score));
            }
        }
        Ranking::of(arm, weight, scores)
    };
    let halves = if found.in_company { 0.5 } else { 1.0 };
    let window = if found.in_company { &found.window[..] } else { &[] };
    let alike = found.alike.as_ref();
    let mut like_first = of(Arm::Alike, ALIKE, &|whose| alike?.likeness.get(whose).copied());
    // The first hit is as alike to itself as can be: the best is the best of the others.
    let first = alike.and_then(|alike| whose.binary_search(&alike.first).ok());
    like_first.best = like_first.best_but(first);
    let mut named = listed(Arm::Named, NAMED, &found.named);
    // Whom a first hit names that is not much of an answer is not meant for certain.
    named.best = if named.best > 0.0 { 1.0 } else { 0.0 };
    [
        listed(Arm::Words, SIDE * halves, &found.words),
        listed(Arm::Window, SIDE * halves, window),
        of(Arm::Vectors, SIDE * halves, &|whose| Some(found.near.get(whose)?.likeness)),
        of(Arm::Around, SIDE * halves, &|whose| found.around.get(whose).copied()),
        named,
        like_first,
    ]
}

/// Rankings with the weights that they have beside each other: who says nothing has none. What one
/// half of words, or of vectors, does not say is the business of the other half first.
fn weighed(mut rankings: [Ranking; 6]) -> [Ranking; 6] {
    for (one, other) in [(0, 1), (2, 3)] {
        let [one, other] =
            rankings.get_disjoint_mut([one, other]).expect("they are two of the six");
        match (one.best > 0.0, other.best > 0.0) {
            (true, true) | (false, false) => {}
            (true, false) => one.weight = SIDE,
            (false, true) => other.weight = SIDE,
        }
    }
    rankings.iter_mut().filter(|it| it.best <= 0.0).for_each(|it| it.weight = 0.0);
    rankings
}

/// What one arm says.
struct Ranking {
    arm: Arm,
    weight: f32,
    /// The score that is as good as can be.
    best: f32,
    /// The score of each record, if it has one.
    scores: Vec<Option<f32>>,
    /// All scores, the best first.
    sorted: Vec<f32>,
}

impl Ranking {
    fn of(arm: Arm, weight: f32, scores: Vec<Option<f32>>) -> Self {
        let mut sorted: Vec<f32> = scores.iter().copied().flatten().collect();
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let best = sorted.first().copied().unwrap_or(0.0);
        Ranking { arm, weight, best, scores, sorted }
    }

    fn best_but(&self, first: Option<usize>) -> f32 {
        let others = self.scores.iter().zip(0..).filter(|(_, idx)| Some(*idx) != first);
        others.filter_map(|(score, _)| *score).fold(0.0, f32::max)
    }

    /// What it adds to the score of a record, by all weights.
    fn part(&self, idx: usize) -> f32 {
        match self.scores[idx] {
            Some(score) if self.best > 0.0 => self.weight * (score / self.best).clamp(0.0, 1.0),
            Some(_) | None => 0.0,
        }
    }

    /// What it says for a record. Records of one score share a place.
    fn why(&self, idx: usize, all: f32) -> Option<Why> {
        let (score, part) = (self.scores[idx]?, self.part(idx) / all);
        let rank = self.sorted.partition_point(|better| score < *better) + 1;
        (part > 0.0).then_some(Why { arm: self.arm, rank, score, part })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(arm: Arm, weight: f32, scores: &[f32]) -> Ranking {
        Ranking::of(arm, weight, scores.iter().copied().map(Some).collect())
    }

    fn six(scores: [&[f32]; 6]) -> [Ranking; 6] {
        let arms = [Arm::Words, Arm::Window, Arm::Vectors, Arm::Around, Arm::Named, Arm::Alike];
        let weights = [SIDE / 2.0, SIDE / 2.0, SIDE / 2.0, SIDE / 2.0, NAMED, ALIKE];
        std::array::from_fn(|idx| ranking(arms[idx], weights[idx], scores[idx]))
    }

    #[test]
    fn who_says_nothing_counts_for_nothing_and_the_others_are_one_together() {
        let (some, none): (&[f32], &[f32]) = (&[2.0, 1.0], &[0.0, -1.0]);
        for said in 1..64 {
            let said: [&[f32]; 6] =
                std::array::from_fn(|idx| if said >> idx & 1 == 1 { some } else { none });
            let rankings = weighed(six(said));
            let sum = |idx| rankings.iter().map(|ranking| ranking.part(idx)).sum::<f32>();
            let all: f32 = rankings.iter().map(|ranking| ranking.weight).sum();
            assert_eq!([sum(0) / all, sum(1) / all], [1.0, 0.5], "{said:?}");
        }
        assert!(weighed(six([&[]; 6])).iter().all(|ranking| ranking.weight == 0.0));
    }

    #[test]
    fn one_half_of_a_side_stands_for_both() {
        let (some, none): (&[f32], &[f32]) = (&[1.0], &[]);
        let rankings = weighed(six([some, none, some, some, none, none]));
        let weights = rankings.map(|ranking| ranking.weight);
        assert_eq!(weights, [SIDE, 0.0, SIDE / 2.0, SIDE / 2.0, 0.0, 0.0]);
    }

    #[test]
    fn records_of_one_score_share_a_place() {
        let ranking = ranking(Arm::Words, 1.0, &[2.0, 4.0, 4.0, 0.0, -3.0]);
        let told: Vec<_> = (0..5).map(|idx| ranking.why(idx, 1.0).map(|why| why.rank)).collect();
        assert_eq!(told, [Some(3), Some(1), Some(1), None, None]);
    }
}
