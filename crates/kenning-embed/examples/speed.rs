//! How fast the models are: `speed FOLDER` with the files of both forms.
//!
//! Texts of 128 tokens a second, and the median time of a question of 10 tokens, for each kernel of
//! this processor with one thread and with two. The best of twelve short runs, as a machine that
//! does other things, too, has slow ones.
#![allow(clippy::disallowed_methods, reason = "it measures")]

use std::path::Path;
use std::time::Instant;

use kenning_embed::{KNOWN_MODELS, Kernel, KnownModel, Model};
use kenning_index::Embedder;
use kenning_store::Result;

const WORDS: &str =
    "the river carried small boats past an old mill where two sisters kept bees and";
const TEXTS: usize = 16;
const QUESTIONS: usize = 50;
const RUNS: usize = 12;

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    println!(
        "{:24} {:12} {:>7} {:>9} {:>12}",
        "model", "kernel", "threads", "texts/s", "question ms"
    );
    for known in &KNOWN_MODELS {
        for kernel in Kernel::all() {
            for threads in [1, 2] {
                measure(known, Path::new(&folder), kernel, threads)?;
            }
        }
    }
    Ok(())
}

fn measure(
    known: &'static KnownModel,
    folder: &Path,
    kernel: Kernel,
    threads: usize,
) -> Result<()> {
    let model = Model::open(known, folder, threads)?.with_kernel(kernel)?;
    let text = text(&model, 128)?;
    let question = text_of(8);
    assert_eq!(model.tokens(&question)?.len(), 10);
    let texts = vec![text.as_str(); TEXTS];
    let (mut rate, mut median) = (0.0_f64, f64::MAX);
    for _ in 0..RUNS {
        let start = Instant::now();
        model.embed(&texts)?;
        rate = rate.max(TEXTS as f64 / start.elapsed().as_secs_f64());
        let mut times = Vec::new();
        for _ in 0..QUESTIONS {
            let start = Instant::now();
            model.embed(&[&question])?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        median = median.min(times[QUESTIONS / 2]);
    }
    let kernel = format!("{kernel:?}");
    println!("{:24} {kernel:12} {threads:7} {rate:9.1} {median:12.3}", known.id);
    Ok(())
}

/// A text of `tokens` tokens.
fn text(model: &Model, tokens: usize) -> Result<String> {
    let mut words = tokens;
    while tokens < model.tokens(&text_of(words))?.len() {
        words -= 1;
    }
    Ok(text_of(words))
}

fn text_of(words: usize) -> String {
    WORDS.split(' ').cycle().take(words).collect::<Vec<_>>().join(" ")
}
