//! The corpus, replayed: a target that no longer runs, a format that the seeds no longer have, and
//! a finding that comes back are seen here, without a fuzzer.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use kenning_fuzz::{TARGETS, seeds};

/// The corpus of every target: name to bytes.
fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let input = |path: std::path::PathBuf| {
        let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
        (name, fs::read(&path).expect("it can be read"))
    };
    entries.map(|entry| input(entry.expect("it can be listed").path())).collect()
}

#[test]
fn every_input_of_the_corpus_passes() {
    for (target, run) in TARGETS {
        for (name, input) in corpus(target) {
            let caught = std::panic::catch_unwind(|| run(&input));
            assert!(caught.is_ok(), "the target {target} breaks on fuzz/corpus/{target}/{name}");
        }
    }
}

/// What a fuzzer tries first: every cut, every byte flipped.
#[test]
fn what_is_near_the_corpus_passes() {
    for (target, run) in TARGETS {
        for (name, input) in corpus(target) {
            for at in 0..input.len() {
                let mut flipped = input.clone();
                flipped[at] ^= 1 << (at % 8);
                for near in [&flipped, &input[..at]] {
                    let caught = std::panic::catch_unwind(|| run(near));
                    assert!(caught.is_ok(), "{target} breaks on {name} changed at {at}: {near:?}");
                }
            }
        }
    }
}

#[test]
fn the_seeds_are_what_is_written_today() {
    for seed in seeds() {
        let there = corpus(seed.target).remove(seed.name);
        let again = "cargo run -p kenning-fuzz --example seeds";
        assert_eq!(there.as_ref(), Some(&seed.bytes), "{}: {again}", seed.name);
    }
}
