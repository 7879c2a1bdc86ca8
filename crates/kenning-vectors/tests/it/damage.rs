//! Bytes that nobody wrote: what is damaged is noticed, and harms nobody before it is.

use kenning_index::{Mask, NearCost, NearQuestion, VectorIndex};
use kenning_record::{Metric, VectorSpec};
use kenning_store::{Bytes, ErrorKind};

use crate::{METRICS, clustered, index};

const SPEC: VectorSpec = VectorSpec { dimensions: 3, metric: Metric::L2 };

fn body(spec: VectorSpec, rows: usize) -> Vec<u8> {
    let vectors = clustered(rows, spec.dimensions, 1);
    index().build(spec, &vectors, true, 1, &|| false).expect("it can be built")
}

/// Whether the bytes are those of a part that can be trusted. Asks it, whether or not.
fn is_whole(spec: VectorSpec, body: Vec<u8>) -> bool {
    let part = match index().open(spec, Bytes::from(body)) {
        Ok(part) => part,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            return false;
        }
    };
    let vector = vec![0.4; spec.dimensions];
    for (exact, rows_max) in [(false, 1), (true, 3)] {
        let question = NearQuestion { vector: &vector, rows_max, candidates: 1, exact };
        match part.nearest(&question, &Mask::ALL, &mut NearCost::default()) {
            Ok(near) => assert!(near.len() <= rows_max),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
        }
    }
    match part.verify() {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            false
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let body = body(SPEC, 60);
    assert!(is_whole(SPEC, body.clone()));
    for bit in 0..body.len() * 8 {
        let mut bad = body.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(!is_whole(SPEC, bad), "bit {bit} was not noticed");
    }
}

#[test]
fn every_cut_is_noticed() {
    let body = body(SPEC, 40);
    for size in 0..body.len() {
        assert!(!is_whole(SPEC, body[..size].to_vec()), "a cut at {size} was not noticed");
    }
    assert!(!is_whole(SPEC, [body, vec![0; 64]].concat()), "what is too long was not noticed");
}

/// Numbers that would send a walk astray, everywhere.
#[test]
fn wrong_numbers_send_nobody_astray() {
    let body = body(SPEC, 60);
    for at in (128..body.len()).step_by(4) {
        for number in [0, 1, 59, 60, 1 << 20, u32::MAX - 1, u32::MAX, 0x7fc0_0000, 0x7f80_0000] {
            let mut bad = body.clone();
            bad[at..at + 4].copy_from_slice(&number.to_le_bytes());
            let is_same = bad == body;
            assert_eq!(is_whole(SPEC, bad), is_same, "{number} at {at} was not noticed");
        }
    }
}

#[test]
fn a_part_of_other_vectors_is_refused() {
    let body = body(SPEC, 5);
    let others = METRICS.map(|metric| VectorSpec { dimensions: 3, metric });
    let longer = VectorSpec { dimensions: 4, ..SPEC };
    for spec in others.into_iter().chain([longer]).filter(|spec| *spec != SPEC) {
        assert!(!is_whole(spec, body.clone()), "{spec:?}");
    }
}

#[test]
fn bytes_may_begin_at_any_address() {
    let whole = body(SPEC, 60);
    let mut padded = vec![0; 16 + whole.len()];
    for shift in 0..16 {
        padded[shift..shift + whole.len()].copy_from_slice(&whole);
        let moved = Bytes::from(padded.clone()).slice(shift..shift + whole.len());
        let part = index().open(SPEC, moved).expect("it is whole");
        part.verify().expect("it is whole");
        assert_eq!(part.vector(59).len(), 3);
    }
}

/// Changing these bytes means changing the version of the format.
#[test]
fn the_bytes_are_pinned() {
    let spec = VectorSpec { dimensions: 2, metric: Metric::Cosine };
    let body = index().build(spec, &[3.0, 4.0, 1.0, 0.0, 6.0, 8.0], true, 1, &|| false);
    let body = body.expect("it can be built");
    let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines: Vec<&str> = (0..hex.len()).step_by(64).map(|at| &hex[at..at + 64]).collect();
    assert_eq!(lines.join("\n"), include_str!("part.hex").trim_end());
}

#[test]
fn a_graph_that_nobody_wants_any_more_is_not_built_to_its_end() {
    let spec = VectorSpec { dimensions: 8, metric: Metric::Cosine };
    let vectors = clustered(3_000, 8, 3);
    let asked = std::sync::atomic::AtomicU32::new(0);
    let stop = || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 5;
    let error = index().build(spec, &vectors, true, 2, &stop).expect_err("it was stopped");
    assert_eq!((error.kind(), error.code()), (ErrorKind::Closed, "STOPPED"));
    assert_eq!(asked.into_inner(), 6);
}
