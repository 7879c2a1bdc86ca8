//! Every kernel of this processor gives the same bits.

use kenning_index::{Mask, NearCost, NearQuestion, VectorIndex};
use kenning_record::VectorSpec;
use kenning_store::Bytes;
use kenning_vectors::{CODE_BYTES, Vectors, kernels};

use crate::{Chance, METRICS, clustered, world};

#[test]
fn sums_of_floats_have_the_same_bits() {
    let mut chance = Chance(1);
    for size in (0..200).chain([384, 768, 1000, 1536]) {
        let (a, b) = (chance.vector(size), chance.vector(size));
        let kernels = kernels();
        for kernel in &kernels {
            let said = |kernel: &dyn kenning_vectors::Kernel| {
                [kernel.dot(&a, &b).to_bits(), kernel.apart(&a, &b).to_bits()]
            };
            assert_eq!(said(*kernel), said(kernels[0]), "{} of {size}", kernel.name());
        }
        let plain: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        assert!((f64::from(kernels[0].dot(&a, &b)) - plain).abs() < 1e-4);
    }
}

#[test]
fn products_of_codes_are_exact() {
    let mut chance = Chance(2);
    for size in [CODE_BYTES, 3 * CODE_BYTES, 6 * CODE_BYTES, 16_384] {
        let mut question: Vec<u8> = (0..size).map(|_| chance.next() as u8).collect();
        let mut codes: Vec<i8> = (0..size * 9).map(|_| chance.next() as i8).collect();
        // The largest sums there are.
        codes[..size].fill(-128);
        codes[size..2 * size].fill(127);
        for round in 0..2 {
            for count in 0..9 {
                let rows: Vec<u32> = (0..count).map(|_| chance.below(9) as u32).collect();
                let plain = |row: &u32| -> i32 {
                    let row = &codes[*row as usize * size..][..size];
                    question.iter().zip(row).map(|(q, c)| i32::from(*q) * i32::from(*c)).sum()
                };
                let expected: Vec<i32> = rows.iter().map(plain).collect();
                for kernel in kernels() {
                    let mut dots = vec![0; rows.len()];
                    kernel.dots(&question, &codes, &rows, &mut dots);
                    assert_eq!(dots, expected, "{} in round {round}", kernel.name());
                }
            }
            question.fill(255);
        }
    }
}

#[test]
fn a_part_and_its_answers_are_the_same_from_every_kernel_and_any_number_of_threads() {
    for (metric, dimensions) in METRICS.into_iter().zip([65, 100, 7]) {
        let spec = VectorSpec { dimensions, metric };
        let vectors = clustered(3000, dimensions, 3);
        let mut first = None;
        for (kernel, threads) in kernels().into_iter().zip([1, 3, 2]) {
            let index = Vectors::with(world(), kernel);
            let body = index.build(spec, &vectors, true, threads, &|| false);
            let body = body.expect("it can be built");
            let part = index.open(spec, Bytes::from(body.clone())).expect("it was just built");
            let vector = Chance(4).vector(dimensions);
            let near = |exact| {
                let question = NearQuestion { vector: &vector, rows_max: 9, candidates: 20, exact };
                let near = part.nearest(&question, &Mask::ALL, &mut NearCost::default());
                near.expect("it is whole")
            };
            let said = (body, near(true), near(false));
            let first = first.get_or_insert_with(|| said.clone());
            assert!(*first == said, "{} says something else", kernel.name());
        }
    }
}
