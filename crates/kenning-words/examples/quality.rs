//! How good the answers are on sets in the form of BEIR.
//!
//! Run: `cargo run -p kenning-words --example quality -- FOLDER...`. A folder has `corpus.jsonl`
//! (`_id, title, text, metadata`), `queries.jsonl` (`_id, text, filter`) and `qrels.tsv`
//! (`query-id, corpus-id, score`). A row has its title; a chat's has speaker and date in front of
//! what was said. Its neighbourhood is what stands at most two rows before and behind it in the
//! same conversation and session. A filter is over one index of all rows.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use kenning_index::{Around, Bitmap, Mask, WordArm, WordIndex, WordRow};
use kenning_words::Words;
use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Set {
    rows: Vec<WordRow>,
    metadata: Vec<Value>,
    around: Vec<Vec<u32>>,
    questions: Vec<Question>,
}

struct Question {
    text: String,
    filter: Value,
    gold: HashMap<u32, f64>,
}

impl Around for Set {
    fn around(&self, piece_idx: usize, row: u32, target: &mut Vec<(usize, u32)>) {
        target.extend(self.around[row as usize].iter().map(|row| (piece_idx, *row)));
    }
}

fn main() -> Result<()> {
    println!("{:12} {:6}  R@5   R@10  MRR@10 nDCG@10", "set", "arm");
    for folder in std::env::args().skip(1) {
        let set = read(Path::new(&folder))?;
        let name = Path::new(&folder).file_name().unwrap_or_default().to_string_lossy();
        print(&name, "unit", measure(&set, WordArm::Unit)?);
        if set.around.iter().any(|around| around.len() > 1) {
            print(&name, "window", measure(&set, WordArm::Window(&set))?);
        }
    }
    Ok(())
}

fn print(set: &str, arm: &str, [r5, r10, mrr, ndcg]: [f64; 4]) {
    println!("{set:12} {arm:6} {r5:.3}  {r10:.3}  {mrr:.3}  {ndcg:.3}");
}

fn lines(path: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(path)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn read(folder: &Path) -> Result<Set> {
    let corpus = lines(&folder.join("corpus.jsonl"))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let id = |(row, value): (usize, &Value)| (text(&value["_id"]), row as u32);
    let ids: HashMap<String, u32> = corpus.iter().enumerate().map(id).collect();
    let row = |value: &Value| {
        let metadata = &value["metadata"];
        let body = match metadata["speaker"].as_str() {
            Some(speaker) => {
                format!("{speaker} ({}): {}", text(&metadata["date"]), text(&value["text"]))
            }
            None => text(&value["text"]),
        };
        WordRow { title: text(&value["title"]), body }
    };
    let metadata: Vec<Value> = corpus.iter().map(|value| value["metadata"].clone()).collect();
    let is_beside = |a: usize, b: usize| {
        a == b
            || metadata[a] != Value::Null
                && ["conversation", "session"]
                    .iter()
                    .all(|name| metadata[a][name] == metadata[b][name])
    };
    let around = |row: usize| {
        let near = row.saturating_sub(2)..corpus.len().min(row + 3);
        near.filter(|other| is_beside(row, *other)).map(|other| other as u32).collect()
    };
    let mut gold: HashMap<String, HashMap<u32, f64>> = HashMap::new();
    for line in fs::read_to_string(folder.join("qrels.tsv"))?.lines().skip(1) {
        let [question, row, score] = line.split('\t').collect::<Vec<_>>()[..] else { continue };
        let row = *ids.get(row).ok_or("a row that is not there")?;
        gold.entry(question.to_owned()).or_default().insert(row, score.parse()?);
    }
    let questions = lines(&folder.join("queries.jsonl"))?.into_iter().filter_map(|value| {
        let gold = gold.remove(value["_id"].as_str()?)?;
        Some(Question { text: text(&value["text"]), filter: value["filter"].clone(), gold })
    });
    let questions = questions.collect();
    let around = (0..corpus.len()).map(around).collect();
    Ok(Set { rows: corpus.iter().map(row).collect(), metadata, around, questions })
}

/// R@5, R@10, MRR@10 and nDCG@10.
fn measure(set: &Set, arm: WordArm<'_>) -> Result<[f64; 4]> {
    let body = Words.build("en", &mut set.rows.iter().cloned().map(Ok))?;
    let part = Words.open(body.into())?;
    let mut sums = [0.0; 4];
    for question in &set.questions {
        let passes = |row: u32| match question.filter.as_object() {
            Some(wanted) => {
                wanted.iter().all(|(name, value)| set.metadata[row as usize][name] == *value)
            }
            None => true,
        };
        let filter = Bitmap::from_fn(part.rows(), passes);
        let pieces = [(part.clone(), Mask { filter: Some(&filter), ..Mask::ALL })];
        let asked = Words.question("en", &question.text)?;
        let hits = Words.best(&pieces, &*asked, arm, 200)?;
        let rows: Vec<u32> = hits.iter().map(|hit| hit.row).collect();
        let figures = figures(&rows, &question.gold);
        sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure);
    }
    Ok(sums.map(|sum| sum / set.questions.len() as f64))
}

fn figures(rows: &[u32], gold: &HashMap<u32, f64>) -> [f64; 4] {
    let recall = |k: usize| {
        let found = rows.iter().take(k).filter(|row| gold.contains_key(row)).count();
        found as f64 / gold.len() as f64
    };
    let first = rows.iter().take(10).position(|row| gold.contains_key(row));
    let gain = |scores: &mut dyn Iterator<Item = f64>| -> f64 {
        scores.take(10).enumerate().map(|(idx, score)| score / (idx as f64 + 2.0).log2()).sum()
    };
    let mut ideal: Vec<f64> = gold.values().copied().collect();
    ideal.sort_by(|a, b| b.total_cmp(a));
    let found = gain(&mut rows.iter().map(|row| gold.get(row).copied().unwrap_or(0.0)));
    let mrr = first.map_or(0.0, |idx| 1.0 / (idx as f64 + 1.0));
    [recall(5), recall(10), mrr, found / gain(&mut ideal.into_iter())]
}
