//! How many texts a second does the model read, and how soon is a question read?
//!
//! What: texts of 128 tokens, 64 at a time, on two threads, and a question of 10 tokens, one after
//! the other, by the clock: both forms of all-MiniLM-L6-v2. The compact one is that which a program
//! has inside; the one in full is measured where its files are.
//!
//! Corpus: sentences of a seeded grammar, one behind the other until 128 tokens are full; first
//! words of others. `--only embedding`.

use std::path::PathBuf;

use kenning::Embedder;
use kenning_embed::{Model, known_model};

use crate::Result;
use crate::measure::{
    Contender, Goal, KENNING, Latencies, Measure, Outcome, Quantity, Scope, cost, race, rate, timed,
};
use crate::sentences::distinct;

/// As asked for: texts a second, milliseconds.
const RATE_MIN: f64 = 80.0;
const QUESTION_MAX: f64 = 3.0;

const THREADS: usize = 2;
/// Texts that the model gets at a time.
const TEXTS: usize = 64;
const TEXT_TOKENS: usize = 128;
const QUESTION_TOKENS: usize = 10;

const COMPACT: [Quantity; 2] = [
    rate("texts of 128 tokens, compact, 2 threads", "texts/s"),
    cost("a question of 10 tokens, compact, p50", "ms"),
];
const FULL: [Quantity; 2] = [
    rate("texts of 128 tokens, in full, 2 threads", "texts/s"),
    cost("a question of 10 tokens, in full, p50", "ms"),
];

pub(crate) fn run(scope: &Scope) -> Result<Vec<Measure>> {
    let folder = std::env::var("KENNING_MODEL_FOLDER").map(PathBuf::from);
    let full = known_model("all-minilm-l6-v2")?;
    let full = match folder.ok().filter(|folder| full.look(folder).is_ok()) {
        Some(folder) => Some(Model::open(full, &folder, THREADS)?),
        None => None,
    };
    let mut measures = Vec::new();
    for (quantities, model) in [(COMPACT, Model::built_in(THREADS)), (FULL, full)] {
        if let Some(model) = model {
            measures.append(&mut read(scope, &quantities, &model)?);
        }
    }
    Ok(measures)
}

fn read(scope: &Scope, quantities: &[Quantity], model: &Model) -> Result<Vec<Measure>> {
    let sentences = distinct(2_000);
    let mut rest = sentences.iter();
    let texts = (0..scope.size(8, TEXTS)).map(|_| text(model, &mut rest, TEXT_TOKENS));
    let texts: Vec<String> = texts.collect::<Result<_>>()?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let asked = (0..scope.size(5, 200)).map(|_| text(model, &mut rest, QUESTION_TOKENS));
    let asked: Vec<String> = asked.collect::<Result<_>>()?;
    model.warm()?;
    let contender = Contender::new(KENNING, |_| {
        let (seconds, _) = timed(|| Ok(model.embed(&texts)?))?;
        let mut latencies = Latencies::default();
        for question in &asked {
            latencies.call(|| Ok(model.embed(&[question])?))?;
        }
        let figures = [texts.len() as f64 / seconds, latencies.percentile(50) / 1e3];
        Ok(Outcome::new(figures, None))
    });
    let mut measures = race(quantities, scope.rounds(7), vec![contender])?;
    measures[0].goals.push(Goal::Reach(RATE_MIN));
    measures[1].goals.push(Goal::Reach(QUESTION_MAX));
    Ok(measures)
}

/// Words of the next sentences, as many as have just so many tokens.
fn text<'a>(
    model: &Model,
    sentences: &mut impl Iterator<Item = &'a String>,
    tokens: usize,
) -> Result<String> {
    let mut text = String::new();
    for sentence in sentences {
        for word in sentence.split(' ') {
            let longer = format!("{text}{word} ");
            let count = model.tokens(&longer)?.len();
            if count == tokens {
                return Ok(longer);
            }
            if count < tokens {
                text = longer;
            }
        }
    }
    Err(format!("no text has {tokens} tokens").into())
}
