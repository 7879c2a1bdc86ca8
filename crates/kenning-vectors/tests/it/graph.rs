//! What a graph finds, and what it costs.

use std::sync::atomic::AtomicU64;

use kenning_index::{Bitmap, Mask, NearCost, NearQuestion, VectorPart};
use kenning_record::{Metric, VectorSpec};

use crate::{Chance, METRICS, clustered, part};

const NEAREST: usize = 10;

/// The part of the nearest rows that was found, and what that cost.
fn recall(
    part: &dyn VectorPart,
    questions: &[Vec<f32>],
    candidates: usize,
    mask: &Mask<'_>,
) -> (f64, NearCost) {
    let mut cost = NearCost::default();
    let (mut found, mut all) = (0, 0);
    for vector in questions {
        let near = |exact, cost: &mut NearCost| {
            let question = NearQuestion { vector, rows_max: NEAREST, candidates, exact };
            part.nearest(&question, mask, cost).expect("it is whole")
        };
        let right = near(true, &mut NearCost::default());
        let near = near(false, &mut cost);
        assert!(near.iter().all(|near| mask.sees(near.row)));
        assert!(near.is_sorted_by(|a, b| (a.distance, a.row) < (b.distance, b.row)));
        // Equal distances are equally right.
        let worst = right.last().map_or(0.0, |near| near.distance);
        found += near.iter().filter(|near| near.distance <= worst).count();
        all += right.len();
    }
    (found as f64 / all as f64, cost)
}

fn questions(dimensions: usize, vectors: &[f32], seed: u64) -> Vec<Vec<f32>> {
    let mut chance = Chance(seed);
    let rows = vectors.len() / dimensions;
    let near = |_| {
        let vector = &vectors[chance.below(rows) * dimensions..][..dimensions];
        vector.iter().map(|v| v + 0.3 * chance.float()).collect()
    };
    (0..100).map(near).collect()
}

#[test]
fn a_graph_finds_most_of_what_is_near_under_every_filter() {
    for (metric, dimensions) in METRICS.into_iter().zip([48, 96, 24]) {
        let spec = VectorSpec { dimensions, metric };
        let vectors = clustered(8000, dimensions, 11);
        let questions = questions(dimensions, &vectors, 12);
        let part = part(spec, &vectors, true);
        let (found, cost) = recall(&*part, &questions, 50, &Mask::ALL);
        assert!(found >= 0.95, "{metric:?}: {found} of the nearest");
        assert_eq!((cost.graphs, cost.scans), (100, 0), "the graph was not used");
        assert!(cost.distances < 100 * 2500, "a walk looks at a small part: {cost:?}");
        for share in [2, 10, 100, 1000] {
            let filter = Bitmap::from_fn(8000, |row| row % share == 0);
            let mask = Mask { filter: Some(&filter), ..Mask::ALL };
            let (found, cost) = recall(&*part, &questions, 50, &mask);
            assert!(found >= 0.95, "{metric:?}, 1 of {share}: {found} of the nearest");
            let walks = if share == 2 { 100 } else { 0 };
            assert_eq!((cost.graphs, cost.scans), (walks, 100 - walks), "1 of {share}");
        }
    }
}

#[test]
fn a_mask_of_versions_decides_like_a_filter() {
    let spec = VectorSpec { dimensions: 32, metric: Metric::Cosine };
    let vectors = clustered(8000, 32, 21);
    let questions = questions(32, &vectors, 22);
    let part = part(spec, &vectors, true);
    let until: Vec<AtomicU64> = (0..8000).map(|row| AtomicU64::new(row % 100)).collect();
    for (at, walks) in [(10, 100), (97, 0)] {
        let mask = Mask { from: None, until: Some(&until), at, filter: None };
        let (found, cost) = recall(&*part, &questions, 50, &mask);
        assert!(found >= 0.95, "{found} of the nearest at {at}");
        assert_eq!((cost.graphs, cost.scans), (walks, 100 - walks), "at {at}");
    }
}

#[test]
fn a_walk_that_finds_nothing_it_may_return_gives_up() {
    let spec = VectorSpec { dimensions: 16, metric: Metric::L2 };
    let mut vectors = clustered(8000, 16, 31);
    // What may be returned is far from what is asked.
    vectors[4000 * 16..].iter_mut().for_each(|v| *v += 50.0);
    let part = part(spec, &vectors, true);
    let filter = Bitmap::from_fn(8000, |row| row >= 4000);
    let mask = Mask { filter: Some(&filter), ..Mask::ALL };
    let questions: Vec<Vec<f32>> = vectors.chunks(16).take(20).map(<[f32]>::to_vec).collect();
    let (found, cost) = recall(&*part, &questions, 50, &mask);
    assert!(found >= 0.95, "{found} of the nearest");
    assert!(cost.distances < 20 * 8000, "the walk went on: {cost:?}");
}

#[test]
fn rows_that_are_equal_cut_nobody_off() {
    for metric in METRICS {
        let spec = VectorSpec { dimensions: 24, metric };
        let mut vectors = clustered(6000, 24, 41);
        let mut chance = Chance(42);
        for row in 0..6000 {
            // Half of all rows are one of three; the rest are there once.
            if chance.below(2) == 0 {
                let copied = chance.below(3) * 24;
                vectors.copy_within(copied..copied + 24, row * 24);
            }
        }
        let part = part(spec, &vectors, true);
        let mut questions = questions(24, &vectors, 43);
        questions.extend(vectors.chunks(24).take(3).map(<[f32]>::to_vec));
        let (found, cost) = recall(&*part, &questions, 50, &Mask::ALL);
        assert!(found >= 0.95 && cost.scans == 0, "{metric:?}: {found}, {cost:?}");
        // The first of the equal ones can't be seen, but others can.
        let filter = Bitmap::from_fn(6000, |row| row >= 1000);
        let mask = Mask { filter: Some(&filter), ..Mask::ALL };
        let (found, cost) = recall(&*part, &questions, 50, &mask);
        assert!(found >= 0.95 && cost.scans == 0, "{metric:?}: {found}, {cost:?}");
    }
}

#[test]
fn rows_that_are_all_equal_are_a_graph() {
    for (metric, value) in METRICS.into_iter().flat_map(|metric| [(metric, 0.5), (metric, 0.0)]) {
        let spec = VectorSpec { dimensions: 4, metric };
        let part = part(spec, &[value; 4 * 3000], true);
        part.verify().expect("it is whole");
        let question = NearQuestion { vector: &[1.0; 4], rows_max: 7, candidates: 9, exact: false };
        let mut cost = NearCost::default();
        let near = part.nearest(&question, &Mask::ALL, &mut cost).expect("it is whole");
        assert_eq!(near.iter().map(|near| near.row).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!((cost.graphs, cost.scans), (1, 0));
    }
}

#[test]
fn few_dimensions_are_a_graph_too() {
    for (metric, dimensions) in METRICS.into_iter().flat_map(|m| [(m, 1), (m, 2), (m, 3)]) {
        let spec = VectorSpec { dimensions, metric };
        let vectors = clustered(5000, dimensions, 51);
        let part = part(spec, &vectors, true);
        part.verify().expect("it is whole");
        let questions = questions(dimensions, &vectors, 52);
        let (found, _) = recall(&*part, &questions, 100, &Mask::ALL);
        assert!(found >= 0.9, "{metric:?} of {dimensions}: {found}");
    }
}

#[test]
fn nearly_every_row_finds_itself() {
    let spec = VectorSpec { dimensions: 64, metric: Metric::Cosine };
    let vectors = Chance(61).vector(64 * 6000);
    let part = part(spec, &vectors, true);
    let finds = |(row, vector): (usize, &[f32])| {
        let question = NearQuestion { vector, rows_max: 1, candidates: 50, exact: false };
        let near = part.nearest(&question, &Mask::ALL, &mut NearCost::default());
        near.expect("it is whole")[0].row as usize == row
    };
    let found = vectors.chunks(64).enumerate().filter(|row| finds(*row)).count();
    assert!(found > 5940, "{found} of 6000");
}
