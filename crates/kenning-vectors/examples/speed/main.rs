//! How fast, how near and how large the index over vectors is.
//!
//! `cargo run -p kenning-vectors --example speed -- [ROWS] [DIMENSIONS] [METRIC] [FILE]`. Vectors
//! are sentence-like: points of a mixture in some fifty dimensions, of which the first matter most,
//! thrown into all dimensions with some noise. They are not sentences. With a file they are its
//! floats; the 500 behind the rows are the questions. `WRITE=FILE` keeps what was made, for others.

#![allow(clippy::disallowed_methods)]

mod data; // vectors that resemble those of sentences
mod raw; // a mapped file

use std::sync::Arc;
use std::time::Instant;

use kenning_index::{Bitmap, Mask, NearCost, NearQuestion, VectorIndex, VectorPart};
use kenning_record::Metric;
use kenning_record::VectorSpec;
use kenning_store::Bytes;
use kenning_test::ManualWorld;
use kenning_vectors::{Vectors, fastest};

const QUESTIONS: usize = 500;
const NEAREST: usize = 10;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| {
        arguments.next().map_or(default, |text| text.parse().expect("a number was expected"))
    };
    let (rows, dimensions) = (number(100_000), number(384));
    let metric = match arguments.next().as_deref() {
        None | Some("cosine") => Metric::Cosine,
        Some("ip") => Metric::InnerProduct,
        Some("l2") => Metric::L2,
        Some(other) => panic!("no metric is named {other}"),
    };
    let spec = VectorSpec { dimensions, metric };
    let all = match arguments.next() {
        Some(file) => data::read(&file, (rows + QUESTIONS) * dimensions),
        None => data::sentences(rows + QUESTIONS, dimensions, 7),
    };
    if let Ok(file) = std::env::var("WRITE") {
        data::write(&file, &all);
    }
    let (vectors, questions) = all.split_at(rows * dimensions);
    println!("{rows} x {dimensions} {metric:?}, kernel {}", fastest().name());
    let file = std::env::temp_dir().join(format!("kenning-vectors-speed-{}", std::process::id()));
    build(spec, vectors, &file);
    let questions = questions.to_vec();
    drop(all);
    measure(spec, &questions, &file);
    std::fs::remove_file(&file).expect("it was written");
}

fn index() -> Vectors {
    Vectors::new(ManualWorld::new(1))
}

fn build(spec: VectorSpec, vectors: &[f32], file: &std::path::Path) {
    let began = Instant::now();
    let body = index().build(spec, vectors, true, 2, &|| false).expect("it can be built");
    println!("build, 2 threads: {:.1} s, {} MB", began.elapsed().as_secs_f64(), body.len() >> 20);
    std::fs::write(file, body).expect("there is room");
}

fn measure(spec: VectorSpec, questions: &[f32], file: &std::path::Path) {
    let before = anonymous_kb();
    let began = Instant::now();
    let file = std::fs::File::open(file).expect("it was written");
    let body = Bytes::from_owner(raw::Mapped::new(&file));
    let part = index().open(spec, body).expect("it was just built");
    println!("open: {:.3} ms", began.elapsed().as_secs_f64() * 1e3);
    let questions: Vec<&[f32]> = questions.chunks(spec.dimensions).collect();
    let all = Mask::ALL;
    let exact = answers(&*part, &questions, 0, true, &all);
    println!("exact: {}", exact.says(&exact));
    for candidates in [10, 20, 30, 50, 75, 100, 200] {
        let answers = answers(&*part, &questions, candidates, false, &all);
        let qps = [1, 2].map(|threads| rate(&part, &questions, candidates, threads));
        let line = answers.says(&exact);
        println!("candidates {candidates}: {line}, QPS {:.0} / {:.0}", qps[0], qps[1]);
    }
    for (share, is_near) in [(2, false), (10, false), (100, false), (1000, false), (10, true)] {
        let filter = match is_near {
            false => Bitmap::from_fn(part.rows(), |row| hash(row).is_multiple_of(share)),
            // A filter that knows what it is about: one side of a plane.
            true => Bitmap::from_fn(part.rows(), |row| part.vector(row)[0] > 0.06),
        };
        let mask = Mask { filter: Some(&filter), ..Mask::ALL };
        let exact = answers(&*part, &questions, 0, true, &mask);
        let answers = answers(&*part, &questions, 50, false, &mask);
        println!("1 of {share}, beside the matter {is_near}: {}", answers.says(&exact));
        println!("    exact: {}", exact.says(&exact));
    }
    println!("anonymous memory: {} KB more", anonymous_kb().saturating_sub(before));
    let began = Instant::now();
    part.verify().expect("it is whole");
    println!("verify: {:.0} ms", began.elapsed().as_secs_f64() * 1e3);
}

struct Answers {
    rows: Vec<Vec<u32>>,
    micros: Vec<f64>,
    cost: NearCost,
}

impl Answers {
    fn says(&self, exact: &Answers) -> String {
        let pairs = || self.rows.iter().zip(&exact.rows);
        let found = |(ours, right): (&Vec<u32>, &Vec<u32>)| {
            right.iter().filter(|row| ours.contains(row)).count()
        };
        let right: usize = pairs().map(|(_, right)| right.len()).sum();
        let recall = pairs().map(found).sum::<usize>() as f64 / right as f64;
        let mut micros = self.micros.clone();
        micros.sort_by(f64::total_cmp);
        let (p50, p99) = (micros[micros.len() / 2], micros[micros.len() * 99 / 100]);
        let distances = self.cost.distances / self.rows.len() as u64;
        let (graphs, scans) = (self.cost.graphs, self.cost.scans);
        format!(
            "recall {recall:.4}, p50 {p50:.0} us, p99 {p99:.0} us, {distances} distances, \
             {graphs} graphs, {scans} scans"
        )
    }
}

fn answers(
    part: &dyn VectorPart,
    questions: &[&[f32]],
    candidates: usize,
    exact: bool,
    mask: &Mask<'_>,
) -> Answers {
    let mut answers = Answers { rows: vec![], micros: vec![], cost: NearCost::default() };
    for vector in questions {
        let question = NearQuestion { vector, rows_max: NEAREST, candidates, exact };
        let began = Instant::now();
        let near = part.nearest(&question, mask, &mut answers.cost).expect("it is whole");
        answers.micros.push(began.elapsed().as_secs_f64() * 1e6);
        answers.rows.push(near.iter().map(|near| near.row).collect());
    }
    answers
}

/// Answers in a second, by so many threads: the best of three.
fn rate(
    part: &Arc<dyn VectorPart>,
    questions: &[&[f32]],
    candidates: usize,
    threads: usize,
) -> f64 {
    const ROUNDS: usize = 6;
    let once = || {
        let began = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        answers(&**part, questions, candidates, false, &Mask::ALL);
                    }
                });
            }
        });
        (threads * ROUNDS * questions.len()) as f64 / began.elapsed().as_secs_f64()
    };
    (0..3).map(|_| once()).fold(0.0, f64::max)
}

fn hash(row: u32) -> u32 {
    (row.wrapping_mul(0x9e37_79b1) ^ 0x5bd1_e995).wrapping_mul(0x85eb_ca6b) >> 8
}

fn anonymous_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
