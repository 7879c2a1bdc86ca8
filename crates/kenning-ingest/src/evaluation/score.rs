//! Rankings to numbers.
//!
//! | measure | is |
//! |---|---|
//! | `R@k` | the share of the gold rows that are among the first k |
//! | `MRR@10` | 1 through the place of the first gold row, 0 if it is not among the first 10 |
//! | `nDCG@10` | the gains of the first 10, each through the logarithm of its place, by the best |
//! | `all@8` | 1 if every gold row is among the first 8, else 0 |
//! | `evidence@B` | the share of the gold rows that fit into B tokens, the best first |
//!
//! The gain of a gold row is its grade. A token is four characters of what is shown of a row, its
//! header included; a row that does not fit is left out, and the next one may. Over many questions
//! each measure is the mean.

use std::collections::BTreeMap;

/// The rows that answer a question, and how well: each grade is more than 0.
pub type Gold = BTreeMap<usize, f64>;

const FIRST: usize = 10;
const ALL: usize = 8;
const TOKEN_CHARS: usize = 4;

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measures {
    /// The places up to which gold rows are counted.
    pub places: Vec<usize>,
    /// The budgets of tokens.
    pub budgets: Vec<usize>,
}

impl Measures {
    /// The names of what is measured, in their order.
    pub fn names(&self) -> Vec<String> {
        let recall = self.places.iter().map(|places| format!("R@{places}"));
        let fixed = [format!("MRR@{FIRST}"), format!("nDCG@{FIRST}"), format!("all@{ALL}")];
        let evidence = self.budgets.iter().map(|budget| format!("evidence@{budget}"));
        recall.chain(fixed).chain(evidence).collect()
    }

    /// What a ranking of rows scores, in the order of the names. A row is ranked once; `chars` says
    /// how many characters it takes.
    pub fn of(&self, gold: &Gold, ranking: &[usize], chars: impl Fn(usize) -> usize) -> Vec<f64> {
        let recall = self.places.iter().map(|places| recall(gold, ranking, *places));
        let all = if recall_is_whole(gold, ranking, ALL) { 1.0 } else { 0.0 };
        let fixed = [mrr(gold, ranking), ndcg(gold, ranking), all];
        let evidence = self.budgets.iter().map(|budget| evidence(gold, ranking, &chars, *budget));
        recall.chain(fixed).chain(evidence).collect()
    }
}

fn found<'a>(gold: &Gold, ranking: impl IntoIterator<Item = &'a usize>) -> usize {
    ranking.into_iter().filter(|row| gold.contains_key(row)).count()
}

fn share(part: usize, gold: &Gold) -> f64 {
    if gold.is_empty() { 0.0 } else { part as f64 / gold.len() as f64 }
}

fn recall(gold: &Gold, ranking: &[usize], places: usize) -> f64 {
    share(found(gold, ranking.iter().take(places)), gold)
}

fn recall_is_whole(gold: &Gold, ranking: &[usize], places: usize) -> bool {
    found(gold, ranking.iter().take(places)) == gold.len()
}

fn mrr(gold: &Gold, ranking: &[usize]) -> f64 {
    let first = ranking.iter().take(FIRST).position(|row| gold.contains_key(row));
    first.map_or(0.0, |idx| 1.0 / (idx + 1) as f64)
}

fn ndcg(gold: &Gold, ranking: &[usize]) -> f64 {
    let gains = ranking.iter().map(|row| gold.get(row).copied().unwrap_or(0.0));
    let mut ideal: Vec<f64> = gold.values().copied().collect();
    ideal.sort_by(|a, b| b.total_cmp(a));
    let best = dcg(ideal.into_iter());
    if best > 0.0 { dcg(gains) / best } else { 0.0 }
}

fn dcg(gains: impl Iterator<Item = f64>) -> f64 {
    gains.take(FIRST).enumerate().map(|(idx, gain)| gain / ((idx + 2) as f64).log2()).sum()
}

fn evidence(
    gold: &Gold,
    ranking: &[usize],
    chars: impl Fn(usize) -> usize,
    budget_tokens: usize,
) -> f64 {
    let mut left = budget_tokens.saturating_mul(TOKEN_CHARS);
    let mut taken = 0;
    for row in ranking {
        let size = chars(*row);
        if size <= left {
            left -= size;
            taken += usize::from(gold.contains_key(row));
        }
    }
    share(taken, gold)
}

/// The least of `sorted` that so many percent are not greater than; 0 of none.
pub fn percentile(sorted: &[f64], percent: usize) -> f64 {
    assert!(sorted.is_sorted(), "a percentile is of numbers in their order");
    let place = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(place - 1).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
        }
    }

    fn measures() -> Measures {
        Measures { places: vec![1, 3], budgets: vec![10, 25] }
    }

    #[test]
    fn every_measure_is_what_a_hand_computes() {
        let gold = Gold::from([(4, 2.0), (7, 1.0)]);
        // 60, 48, 30, 12 characters: 15, 12, 7.5, 3 tokens.
        let chars =
            |row: usize| [60, 48, 30, 12][[9, 7, 5, 4].iter().position(|it| *it == row).unwrap()];
        let scores = measures().of(&gold, &[9, 7, 5, 4], chars);
        let ndcg = (1.0 / 3.0_f64.log2() + 2.0 / 5.0_f64.log2()) / (2.0 + 1.0 / 3.0_f64.log2());
        // In 10 tokens fit the third row, no more the fourth: 30 + 12 characters are more than 40.
        // In 25 fit the first, not the second, the third, not the fourth.
        near(&scores, &[0.0, 0.5, 0.5, ndcg, 1.0, 0.0, 0.0]);
        let scores = measures().of(&gold, &[4, 7], |_| 20);
        near(&scores, &[0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(
            measures().names(),
            ["R@1", "R@3", "MRR@10", "nDCG@10", "all@8", "evidence@10", "evidence@25"]
        );
    }

    #[test]
    fn a_row_that_does_not_fit_shuts_out_no_later_one() {
        let gold = Gold::from([(1, 1.0)]);
        let chars = |row: usize| if row == 0 { 41 } else { 40 };
        near(&measures().of(&gold, &[0, 1], chars)[5..], &[1.0, 1.0]);
    }

    #[test]
    fn what_comes_too_late_counts_for_nothing() {
        let gold = Gold::from([(10, 3.0)]);
        let ranking: Vec<usize> = (0..=10).collect();
        near(&measures().of(&gold, &ranking, |_| 1000), &[0.0; 7]);
        let gold = Gold::from([(8, 1.0), (0, 1.0)]);
        let scores = measures().of(&gold, &ranking, |_| 4);
        // The ninth is too late for all@8 and in time for nDCG@10.
        let ndcg = (1.0 + 1.0 / 10.0_f64.log2()) / (1.0 + 1.0 / 3.0_f64.log2());
        near(&scores, &[0.5, 0.5, 1.0, ndcg, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn an_empty_ranking_scores_nothing_and_neither_does_a_question_without_an_answer() {
        near(&measures().of(&Gold::from([(0, 1.0)]), &[], |_| 1), &[0.0; 7]);
        let scores = measures().of(&Gold::new(), &[0], |_| 1);
        assert!(scores.iter().all(|score| score.is_finite()));
    }

    #[test]
    fn a_percentile_is_one_of_the_numbers() {
        let numbers: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!([50, 95, 100].map(|percent| percentile(&numbers, percent)), [50.0, 95.0, 100.0]);
        assert_eq!(percentile(&[3.0], 50), 3.0);
        assert_eq!(percentile(&[1.0, 2.0, 3.0], 50), 2.0);
        assert_eq!(percentile(&[], 95), 0.0);
    }
}
