//! The whole facade against a plain model: random steps, compared after each.
//!
//! A failure shrinks to the steps that matter; each step is a seed, so the seeds printed are the
//! whole case.

#[allow(dead_code, reason = "the torture needs more chance than the model")]
mod chance; // chance with a seed, and failures with a sentence
mod compare; // the same questions to both
mod finding; // the same searches
mod place; // where the database is
#[allow(dead_code, reason = "only the torture sends changes through a pipe")]
mod plain; // the plain model
mod run; // random steps

use kenning::{Engine, Options};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use place::Place;

const STEPS_MAX: usize = 80;

fn check(cases: u32, engine: Engine, place: impl Fn() -> (Place, Option<tempfile::TempDir>)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let seeds = vec(any::<u64>().no_shrink(), 1..STEPS_MAX);
    // The same cases in every run; the torture tries others.
    let chance = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let outcome = TestRunner::new_with_rng(config, chance).run(&seeds, |seeds| {
        let (place, _folder) = place();
        let options = Options { engine, settings: place::settings(), ..Options::default() };
        let run = run::run(&place, &options, &seeds);
        kenning_store::block_on(run).map_err(|failure| TestCaseError::fail(failure.0))
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, seeds)) => panic!("{why}\nafter the steps {seeds:?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

#[test]
fn the_memory_engine_does_what_the_model_does() {
    check(300, Engine::default(), || (Place::Memory, None));
}

fn check_on_disk(engine: Engine) {
    check(12, engine, || {
        let folder = tempfile::tempdir().expect("a test machine has a temporary folder");
        (Place::Folder(folder.path().join("db")), Some(folder))
    });
}

#[test]
fn rocksdb_does_what_the_model_does() {
    check_on_disk(Engine::Rocksdb);
}

#[test]
fn fjall_does_what_the_model_does() {
    check_on_disk(Engine::Fjall);
}
