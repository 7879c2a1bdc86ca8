//! Several rankings to one.
//!
//! The scores of an arm are divided by its best one, so that each arm says 1 of what it likes most;
//! then they are summed with weights that are 1 together. A record that an arm over words did not
//! find has none of the words that matter: it gets 0 there. How far its vector is can always be
//! said. A record that stands nowhere is its own neighbourhood.

use std::collections::HashMap;

use kenning_record::Version;

use super::arms::{Arms, Candidate, Candidates};
use super::{Arm, Mode, Whose, Why};

/// How much each arm counts. They were measured on sets of questions whose answers are known:
/// decision 61.
const VECTORS: f32 = 0.45;
const WINDOW: f32 = 0.275;
/// The same where nothing has neighbours.
const VECTORS_ALONE: f32 = 0.5;

/// A record in its place.
pub(super) struct Ranked {
    pub(super) whose: Whose,
    pub(super) score: f32,
    pub(super) distance: Option<f32>,
    pub(super) why: Vec<Why>,
}

/// The records that are shown, best first. `shown` says from which version each is: what an index
/// knows of another one, because it is behind, says nothing of it.
pub(super) fn fuse(
    mode: Mode,
    arms: &Arms<'_>,
    found: &Candidates,
    shown: impl Fn(&Whose) -> Option<Version>,
) -> Vec<Ranked> {
    let keep = |arm: &[Candidate]| -> Vec<Candidate> {
        arm.iter().copied().filter(|it| shown(&it.whose) == Some(it.version)).collect()
    };
    let (words, mut window, near) = (keep(&found.words), keep(&found.window), keep(&found.vectors));
    if !arms.are_in_company(window.iter().map(|it| it.whose)) {
        window.clear();
    }
    let vectors: Vec<Candidate> = near
        .iter()
        .map(|it| Candidate { score: arms.likeness(it.whose, it.score), ..*it })
        .collect();
    let mut hits = Hits::default();
    hits.take(Arm::Words, &words);
    hits.take(Arm::Window, &window);
    hits.take(Arm::Vectors, &vectors);
    let best = |arm: &[Candidate]| arm.first().map_or(0.0, |first| first.score.max(0.0));
    let best = [best(&words), best(&window), best(&vectors)];
    let mut ranked: Vec<Ranked> = hits
        .by_whose
        .into_iter()
        .map(|(whose, why)| {
            let known = near.iter().find(|it| it.whose == whose).map(|it| it.score);
            let distance = known.or_else(|| arms.distance(whose, shown(&whose)?));
            let score = match mode {
                Mode::Words | Mode::Vectors => {
                    why.iter().map(|why| why.score).next().unwrap_or(0.0)
                }
                Mode::Hybrid => {
                    let likeness = distance.map(|distance| arms.likeness(whose, distance));
                    sum(&why, likeness, best)
                }
            };
            Ranked { whose, score, distance, why }
        })
        .collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.whose.cmp(&b.whose)));
    ranked
}

/// The weighted sum of what the arms say. `best` is the best of words, window and vectors.
fn sum(why: &[Why], likeness: Option<f32>, best: [f32; 3]) -> f32 {
    let score = |arm: Arm| why.iter().find(|why| why.arm == arm).map_or(0.0, |why| why.score);
    let part = |score: f32, best: f32| if best > 0.0 { score.max(0.0) / best } else { 0.0 };
    let words = part(score(Arm::Words), best[0]);
    let vectors = part(likeness.unwrap_or(0.0), best[2]);
    if best[1] <= 0.0 {
        // Where one of the two found nothing the other one decides.
        return match (best[0] > 0.0, best[2] > 0.0) {
            (true, false) => words,
            (false, _) => vectors,
            (true, true) => VECTORS_ALONE * vectors + (1.0 - VECTORS_ALONE) * words,
        };
    }
    let window = part(score(Arm::Window), best[1]);
    let weight = if best[2] > 0.0 { VECTORS } else { 0.0 };
    let window_weight = WINDOW * (1.0 - weight) / (1.0 - VECTORS);
    weight * vectors + window_weight * window + (1.0 - weight - window_weight) * words
}

/// Why each record was found.
#[derive(Default)]
struct Hits {
    by_whose: HashMap<Whose, Vec<Why>>,
}

impl Hits {
    fn take(&mut self, arm: Arm, found: &[Candidate]) {
        for (idx, it) in found.iter().enumerate() {
            let why = Why { arm, rank: idx + 1, score: it.score };
            self.by_whose.entry(it.whose).or_default().push(why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(arm: Arm, score: f32) -> Why {
        Why { arm, rank: 1, score }
    }

    #[test]
    fn the_best_of_every_arm_is_one_and_nothing_is_more() {
        let all = [why(Arm::Words, 8.0), why(Arm::Window, 20.0)];
        assert!((sum(&all, Some(0.7), [8.0, 20.0, 0.7]) - 1.0).abs() < 1e-6);
        assert!((sum(&all[..1], Some(0.7), [8.0, 0.0, 0.7]) - 1.0).abs() < 1e-6);
        assert!((sum(&all, None, [8.0, 20.0, 0.0]) - 1.0).abs() < 1e-6);
        assert!((sum(&[], Some(0.7), [0.0, 0.0, 0.7]) - 1.0).abs() < 1e-6);
        assert_eq!(sum(&[], Some(-0.7), [8.0, 20.0, 0.7]), 0.0);
    }
}
