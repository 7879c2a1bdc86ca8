//! Peers of the index over vectors that are Rust crates, as `bench/peers/exam.py` wants them: this
//! program as another process, built with the feature `peers`.

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use hnsw_rs::prelude::{DistDot, Hnsw};
use kenning::{Json, json};
use usearch::{Index as Usearch, IndexOptions, MetricKind, ScalarKind};

use crate::Result;
use crate::exam::{Exam, NEAREST};
use crate::machine::anonymous_bytes;
use crate::measure::{deal, together};
use crate::sentences::floats_of;

/// Names of these peers.
pub(crate) const IN_RUST: [&str; 2] = ["usearch", "hnsw_rs"];

const THREADS: usize = 2;
/// Neighbours of a node, and candidates while it is added: as hnswlib's own examples have it.
const LINKS: usize = 16;
const BUILD_EFFORT: usize = 200;
/// Rows that go, one in so many.
const CHURN: usize = 5;

/// What a peer can do.
trait Peer: Sync {
    /// Adds rows, the first of which has this number.
    fn add(&self, first: usize, rows: &[&[f32]]) -> Result<()>;

    /// Says how many candidates are looked at from now on.
    fn aim(&self, effort: usize);

    fn ask(&self, question: &[f32], effort: usize) -> Result<Vec<u32>>;

    fn remove(&self, row: usize) -> Result<()>;
}

/// Answers commands until there are no more.
pub(crate) fn serve(name: &str, folder: &Path, dimensions: usize, rate_ms: u64) -> Result<()> {
    let read = |name: &str| std::fs::read(folder.join(name));
    let right = |name: &str| -> Result<Vec<Vec<u32>>> {
        let bytes = read(name)?;
        let (rows, _) = bytes.as_chunks::<4>();
        let rows: Vec<u32> = rows.iter().map(|row| u32::from_le_bytes(*row)).collect();
        Ok(rows.chunks(NEAREST).map(<[u32]>::to_vec).collect())
    };
    let questions = floats_of(&read("questions.f32")?);
    let mut exam = Exam { dimensions, questions, right: right("right.u32")?, rate_ms };
    let rows = floats_of(&read("rows.f32")?);
    let fresh = floats_of(&read("fresh.f32")?);
    let (rows, fresh): (Vec<&[f32]>, Vec<&[f32]>) =
        (rows.chunks(dimensions).collect(), fresh.chunks(dimensions).collect());
    let before = anonymous_bytes()?;
    let more =
        || -> Result<f64> { Ok((anonymous_bytes()? as f64 - before as f64) / f64::from(1 << 20)) };
    let room = rows.len() + fresh.len();
    let peer: Box<dyn Peer> = match name {
        "usearch" => Box::new(usearch(dimensions, room)?),
        "hnsw_rs" => Box::new(Hnsw::<f32, DistDot>::new(LINKS, room, 16, BUILD_EFFORT, DistDot {})),
        _ => return Err(format!("no peer is named {name}").into()),
    };
    let mut effort = NEAREST;
    for line in std::io::stdin().lock().lines() {
        let said = match line?.as_str() {
            "build" => {
                let seconds = added(&*peer, 0, &rows)?;
                let memory = more()?;
                effort = exam.tune(|vector, effort| {
                    peer.aim(effort);
                    peer.ask(vector, effort)
                })?;
                Ok(json!({"build_s": seconds, "memory_mib": memory, "effort": effort}))
            }
            "round" => round(&*peer, &exam, effort),
            "churn" => {
                exam.right = right("right_after.u32")?;
                churn(&*peer, rows.len(), &fresh)
                    .and_then(|seconds| Ok(json!({"churn_s": seconds, "memory_mib": more()?})))
            }
            other => return Err(format!("{other} is no command").into()),
        };
        let said = said.unwrap_or_else(|why| json!({"failed": why.to_string()}));
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{said}")?;
        stdout.flush()?;
    }
    Ok(())
}

fn round(peer: &dyn Peer, exam: &Exam, effort: usize) -> Result<Json> {
    peer.aim(effort);
    let sat = exam.sit(|vector| peer.ask(vector, effort))?;
    let rate = exam.rate(THREADS, |vector| peer.ask(vector, effort))?;
    Ok(json!({"p50_us": sat.p50_us, "rate": rate, "recall": sat.recall}))
}

/// Adds rows on all threads.
fn added(peer: &dyn Peer, first: usize, rows: &[&[f32]]) -> Result<f64> {
    const CHUNK: usize = 256;
    let chunks = rows.chunks(CHUNK).enumerate();
    let chunks = deal(chunks.map(|(idx, rows)| (first + idx * CHUNK, rows)), THREADS);
    together(chunks, |chunks| chunks.into_iter().try_for_each(|(at, rows)| peer.add(at, rows)))
}

fn churn(peer: &dyn Peer, rows: usize, fresh: &[&[f32]]) -> Result<f64> {
    let began = Instant::now();
    (0..rows).step_by(CHURN).try_for_each(|row| peer.remove(row))?;
    added(peer, rows, fresh)?;
    Ok(began.elapsed().as_secs_f64())
}

/// With numbers of 16 bits, for which this processor has instructions; 8 bits stay below .95.
fn usearch(dimensions: usize, room: usize) -> Result<Usearch> {
    let options = IndexOptions {
        dimensions,
        metric: MetricKind::Cos,
        quantization: ScalarKind::BF16,
        connectivity: LINKS,
        expansion_add: BUILD_EFFORT,
        ..IndexOptions::default()
    };
    let index = Usearch::new(&options)?;
    index.reserve(room)?;
    Ok(index)
}

impl Peer for Usearch {
    fn add(&self, first: usize, rows: &[&[f32]]) -> Result<()> {
        let rows = rows.iter().enumerate();
        Ok(rows
            .into_iter()
            .try_for_each(|(idx, row)| Usearch::add(self, (first + idx) as u64, row))?)
    }

    fn aim(&self, effort: usize) {
        self.change_expansion_search(effort);
    }

    fn ask(&self, question: &[f32], _: usize) -> Result<Vec<u32>> {
        Ok(self.search(question, NEAREST)?.keys.iter().map(|key| *key as u32).collect())
    }

    fn remove(&self, row: usize) -> Result<()> {
        Usearch::remove(self, row as u64)?;
        Ok(())
    }
}

/// Its own vectors have length 1, so the inner product is the cosine.
impl Peer for Hnsw<'_, f32, DistDot> {
    fn add(&self, first: usize, rows: &[&[f32]]) -> Result<()> {
        rows.iter().enumerate().for_each(|(idx, row)| self.insert((row, first + idx)));
        Ok(())
    }

    fn aim(&self, _: usize) {}

    fn ask(&self, question: &[f32], effort: usize) -> Result<Vec<u32>> {
        Ok(self.search(question, NEAREST, effort).iter().map(|near| near.d_id as u32).collect())
    }

    fn remove(&self, _: usize) -> Result<()> {
        Err("it removes nothing".into())
    }
}
