//! The exact answer against one that sorts everything.

use std::sync::atomic::AtomicU64;

use kenning_index::{Bitmap, Mask, Near, NearCost, NearQuestion, VectorIndex};
use kenning_record::{Metric, VectorSpec};

use crate::{Chance, METRICS, clustered, index, part};

/// The distance as its definition says it, in doubles.
fn plain_distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        a.iter().zip(b).map(|(a, b)| of(f64::from(*a), f64::from(*b))).sum()
    };
    let lengths = sum(&|a, _| a * a).sqrt() * sum(&|_, b| b * b).sqrt();
    match metric {
        Metric::Cosine if lengths == 0.0 => 1.0,
        Metric::Cosine => 1.0 - sum(&|a, b| a * b) / lengths,
        Metric::InnerProduct => -sum(&|a, b| a * b),
        Metric::L2 => sum(&|a, b| (a - b) * (a - b)),
    }
}

/// Says what is wrong with an answer.
fn check(
    spec: VectorSpec,
    vectors: &[f32],
    question: &NearQuestion<'_>,
    mask: &Mask<'_>,
    near: &[Near],
) {
    let all = vectors.chunks(spec.dimensions).enumerate();
    let distance = |v: &[f32]| plain_distance(spec.metric, question.vector, v);
    let visible = all.filter(|(row, _)| mask.sees(*row as u32));
    let mut right: Vec<f64> = visible.map(|(_, vector)| distance(vector)).collect();
    right.sort_by(f64::total_cmp);
    right.truncate(question.rows_max);
    assert_eq!(near.len(), right.len(), "rows are missing");
    let is_sorted = |a: &Near, b: &Near| (a.distance, a.row) < (b.distance, b.row);
    assert!(near.is_sorted_by(is_sorted), "not in order: {near:?}");
    let size = question.vector.iter().chain(vectors).fold(1.0f32, |most, v| most.max(v.abs()));
    let error = f64::from(size * size) * spec.dimensions as f64 * 1e-6;
    for (near, right) in near.iter().zip(right) {
        assert!(mask.sees(near.row), "row {} can't be seen", near.row);
        let vector = &vectors[near.row as usize * spec.dimensions..][..spec.dimensions];
        for expected in [right, distance(vector)] {
            let said = f64::from(near.distance);
            assert!((said - expected).abs() <= error, "{spec:?}: {said} is not {expected}");
        }
    }
}

/// Asks a part without a graph and one with a graph, with some masks.
fn check_all(spec: VectorSpec, vectors: &[f32], questions: &[Vec<f32>], chance: &mut Chance) {
    let rows = vectors.len() / spec.dimensions;
    let parts = [part(spec, vectors, false), part(spec, vectors, true)];
    assert_eq!(parts[0].rows() as usize, rows);
    for (row, vector) in (0..).zip(vectors.chunks(spec.dimensions)) {
        assert_eq!(parts[0].vector(row), vector);
        assert_eq!(parts[1].vector(row), vector);
    }
    let from: Vec<u64> = (0..rows).map(|_| chance.next() % 10).collect();
    let until: Vec<AtomicU64> =
        from.iter().map(|from| AtomicU64::new(from + chance.next() % 10)).collect();
    let share = 1 + chance.below(20);
    let filter = Bitmap::from_fn(rows as u32, |_| chance.below(share) == 0);
    let versioned = Mask { from: Some(&from), until: Some(&until), at: 8, filter: None };
    let masks = [
        Mask::ALL,
        versioned,
        Mask { filter: Some(&filter), ..Mask::ALL },
        Mask { filter: Some(&filter), ..versioned },
    ];
    for (vector, mask) in questions.iter().flat_map(|vector| masks.map(|mask| (vector, mask))) {
        for rows_max in [0, 1, 10, rows, usize::MAX] {
            let question = NearQuestion { vector, rows_max, candidates: 0, exact: true };
            let mut cost = NearCost::default();
            for part in &parts {
                let near = part.nearest(&question, &mask, &mut cost).expect("it is whole");
                check(spec, vectors, &question, &mask, &near);
            }
            let scans = if rows_max.min(rows) == 0 { 0 } else { 2 };
            assert_eq!((cost.graphs, cost.scans), (0, scans));
        }
    }
}

#[test]
fn an_exact_answer_is_that_of_a_plain_search() {
    let mut chance = Chance(1);
    for dimensions in [1, 2, 3, 7, 16, 63, 64, 65, 100, 384, 1000] {
        for metric in METRICS {
            let spec = VectorSpec { dimensions, metric };
            let rows = [0, 1, 2, 300, 700][chance.below(5)];
            let mut vectors = clustered(rows, dimensions, chance.next());
            // Some rows are zero, some are there twice.
            for _ in 0..rows / 10 {
                let (row, other) = (chance.below(rows), chance.below(rows));
                vectors[row * dimensions..][..dimensions].fill(0.0);
                let copied = other * dimensions..(other + 1) * dimensions;
                vectors.copy_within(copied, chance.below(rows) * dimensions);
            }
            let mut questions = vec![chance.vector(dimensions), vec![0.0; dimensions]];
            questions.extend(vectors.chunks(dimensions).next().map(<[f32]>::to_vec));
            check_all(spec, &vectors, &questions, &mut chance);
        }
    }
}

#[test]
fn vectors_of_any_size_are_compared() {
    let mut chance = Chance(2);
    for factor in [1e-18, 1e-6, 1e4, 1e15] {
        for metric in METRICS {
            let spec = VectorSpec { dimensions: 20, metric };
            let mut vectors = clustered(400, 20, chance.next());
            vectors.iter_mut().for_each(|v| *v *= factor);
            let question = chance.vector(20).into_iter().map(|v| v * factor).collect();
            check_all(spec, &vectors, &[question], &mut chance);
        }
    }
}

#[test]
fn rows_far_from_the_origin_are_told_apart() {
    let mut chance = Chance(3);
    let spec = VectorSpec { dimensions: 30, metric: Metric::L2 };
    let mut vectors = clustered(2000, 30, 5);
    vectors.iter_mut().for_each(|v| *v += 1000.0);
    let vector: Vec<f32> = chance.vector(30).into_iter().map(|v| v + 1000.0).collect();
    let question = NearQuestion { vector: &vector, rows_max: 10, candidates: 0, exact: true };
    let mut cost = NearCost::default();
    let part = part(spec, &vectors, false);
    let from_part = part.nearest(&question, &Mask::ALL, &mut cost).expect("it is whole");
    check(spec, &vectors, &question, &Mask::ALL, &from_part);
    // Most rows were ruled out by their codes.
    assert!(cost.distances < 2000 + 400, "{cost:?}");
}

#[test]
fn what_is_no_number_is_far_and_harms_nobody() {
    let bad = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE, 1e-45];
    for metric in METRICS {
        let spec = VectorSpec { dimensions: 8, metric };
        let mut vectors = clustered(500, 8, 9);
        for (idx, bad) in bad.iter().enumerate() {
            vectors[idx * 400 + 3] = *bad;
        }
        let mut questions: Vec<Vec<f32>> = bad.iter().map(|bad| vec![*bad; 8]).collect();
        questions.push(vectors[4000 - 8..].to_vec());
        for part in [part(spec, &vectors, false), part(spec, &vectors, true)] {
            for (vector, exact) in questions.iter().flat_map(|q| [(q, true), (q, false)]) {
                let question = NearQuestion { vector, rows_max: 3, candidates: 1, exact };
                let near = part.nearest(&question, &Mask::ALL, &mut NearCost::default());
                let near = near.expect("it is whole");
                assert_eq!(near.len(), 3);
                assert!(near.iter().all(|near| !near.distance.is_nan()));
            }
        }
    }
}

#[test]
fn a_question_of_other_dimensions_is_refused() {
    let spec = VectorSpec { dimensions: 3, metric: Metric::L2 };
    let question = NearQuestion { vector: &[1.0; 4], rows_max: 1, candidates: 1, exact: false };
    let mut cost = NearCost::default();
    let from_part = part(spec, &[0.0; 9], true).nearest(&question, &Mask::ALL, &mut cost);
    assert_eq!(from_part.expect_err("it must be refused").code(), "DIMENSION_MISMATCH");
    for dimensions in [0, 16_385, usize::MAX] {
        let spec = VectorSpec { dimensions, metric: Metric::L2 };
        let refused = index().build(spec, &[], true, 1, &|| false).expect_err("it must be refused");
        assert_eq!(refused.code(), "DIMENSIONS");
    }
}
