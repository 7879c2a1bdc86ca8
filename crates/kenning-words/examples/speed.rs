//! What words cost: building, small pieces, questions.
//!
//! Corpus: rows of 8 to 20 words drawn from 50,000 made-up ones by Zipf's law, seeded. Questions:
//! words of a row that is there, so common and rare ones alike. Times are medians on one thread.
//! Run: `cargo run -p kenning-words --example speed -- ROWS...` (100000 and 1000000).

// What takes time is measured by a clock.
#![allow(clippy::disallowed_methods)]

use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use kenning_index::{Around, Bitmap, Mask, WordArm, WordIndex, WordPart, WordRow};
use kenning_record::Version;
use kenning_words::Words;

const VOCABULARY: usize = 50_000;
const QUESTIONS: usize = 300;

struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % end
    }
}

/// Made-up words, and how often each comes.
struct Corpus {
    words: Vec<String>,
    /// The sums of how often the words come, up to each.
    sums: Vec<u64>,
    dice: Dice,
}

impl Corpus {
    fn new() -> Self {
        let syllables =
            ["ka", "to", "mi", "ren", "sol", "va", "pe", "lu", "dor", "ing", "ta", "ne"];
        let word = |idx: usize| {
            let mut word = String::new();
            let mut left = idx + 12;
            while left > 0 {
                word.push_str(syllables[left % 12]);
                left /= 12;
            }
            word
        };
        let mut sum = 0;
        let sums = (0..VOCABULARY).map(|idx| {
            sum += 1_000_000_000 / (idx as u64 + 3);
            sum
        });
        let (words, sums) = ((0..VOCABULARY).map(word).collect(), sums.collect());
        Corpus { words, sums, dice: Dice(7) }
    }

    fn word(&mut self) -> &str {
        let total = self.sums[VOCABULARY - 1] as usize;
        let at = self.dice.below(1 << 31) * (total >> 31);
        let idx = self.sums.partition_point(|sum| *sum as usize <= at);
        &self.words[idx.min(VOCABULARY - 1)]
    }

    fn text(&mut self, words: Range<usize>) -> String {
        let count = words.start + self.dice.below(words.len());
        let mut text = String::new();
        for _ in 0..count {
            text.push_str(self.word());
            text.push(' ');
        }
        text
    }

    fn rows(&mut self, count: usize) -> Vec<WordRow> {
        let row = |_| WordRow { title: String::new(), body: self.text(8..21) };
        (0..count).map(row).collect()
    }
}

/// Rows that stand beside each other by number, twenty to a source.
struct Beside;

impl Around for Beside {
    fn around(&self, piece_idx: usize, row: u32, target: &mut Vec<(usize, u32)>) {
        let source = row / 20 * 20;
        let rows = row.saturating_sub(2).max(source)..=(row + 2).min(source + 19);
        target.extend(rows.map(|row| (piece_idx, row)));
    }
}

fn main() {
    let counts: Vec<usize> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let counts = if counts.is_empty() { vec![100_000, 1_000_000] } else { counts };
    let mut corpus = Corpus::new();
    small_pieces(&mut corpus);
    for count in counts {
        println!("\n{count} rows");
        large(&mut corpus, count / 20 * 20);
    }
}

/// The median of so many runs in milliseconds, each the best of five: a busy machine interrupts.
fn median(runs: usize, mut run: impl FnMut(usize)) -> f64 {
    let mut time = |idx| {
        let start = Instant::now();
        run(idx);
        start.elapsed().as_secs_f64() * 1e3
    };
    let best = |idx| (0..5).map(|_| time(idx)).fold(f64::INFINITY, f64::min);
    let mut times: Vec<f64> = (0..runs).map(best).collect();
    times.sort_by(f64::total_cmp);
    times[runs / 2]
}

fn built(rows: &[WordRow]) -> Vec<u8> {
    Words.build("en", &mut rows.iter().cloned().map(Ok)).expect("rows are built")
}

fn opened(body: Vec<u8>) -> Arc<dyn WordPart> {
    Words.open(body.into()).expect("a body that was built opens")
}

fn small_pieces(corpus: &mut Corpus) {
    let question = Words.question("en", "tokami renka").expect("every text is a question");
    let best = |part: &Arc<dyn WordPart>| {
        let pieces = [(part.clone(), Mask::ALL)];
        black_box(Words.best(&pieces, &*question, WordArm::Unit, 10).expect("an answer"));
    };
    for count in [1, 10, 100] {
        let rows = corpus.rows(count);
        let build = median(300, |_| drop(black_box(built(&rows))));
        let body = built(&rows);
        let open = median(300, |_| best(&opened(body.clone())));
        println!("piece of {count:3} rows: build {build:.3} ms, open and ask {open:.3} ms");
    }
    let pieces: Vec<_> = (0..8).map(|idx| opened(built(&corpus.rows(1 + idx * 14)))).collect();
    let kept: Vec<Bitmap> = pieces.iter().map(|piece| Bitmap::all(piece.rows())).collect();
    let parts: Vec<_> = pieces.iter().cloned().zip(&kept).collect();
    let merge = median(300, |_| drop(black_box(Words.merge(&parts).expect("parts merge"))));
    println!("merge of 8 pieces of 1 to 99 rows: {merge:.3} ms");
}

fn large(corpus: &mut Corpus, count: usize) {
    let rows = corpus.rows(count);
    let start = Instant::now();
    let body = built(&rows);
    let build = start.elapsed().as_secs_f64();
    println!("build: {:.0} rows/s, {} bytes a row", count as f64 / build, body.len() / count);
    let part = opened(body);
    let first = Instant::now();
    let question = Words.question("en", "tokami").expect("every text is a question");
    Words.best(&[(part.clone(), Mask::ALL)], &*question, WordArm::Unit, 1).expect("an answer");
    println!("first question: {:.1} ms", first.elapsed().as_secs_f64() * 1e3);

    let from = vec![0; count];
    let until: Vec<AtomicU64> = (0..count)
        .map(|row| AtomicU64::new(if row % 50 == 7 { 1 } else { Version::MAX }))
        .collect();
    let aged = Mask { from: Some(&from), until: Some(&until), at: 5, filter: None };
    let some = |one_in: u32| Bitmap::from_fn(count as u32, |row| row % one_in == 0);
    let filters = [2, 10, 100, 1000].map(some);
    for terms in [1, 2, 3, 4, 8] {
        let asked: Vec<String> = (0..QUESTIONS)
            .map(|_| {
                let row = &rows[corpus.dice.below(count)].body;
                row.split(' ').take(terms).collect::<Vec<_>>().join(" ")
            })
            .collect();
        let time = |mask: Mask<'_>, arm: WordArm<'_>, k: usize, runs: usize| {
            let pieces = [(part.clone(), mask)];
            median(runs, |idx| {
                let question = Words.question("en", &asked[idx]).expect("a question");
                black_box(Words.best(&pieces, &*question, arm, k).expect("an answer"));
            })
        };
        let unit = [10, 200].map(|k| time(Mask::ALL, WordArm::Unit, k, QUESTIONS));
        let aged = time(aged, WordArm::Unit, 10, 60);
        let filtered = filters
            .each_ref()
            .map(|filter| time(Mask { filter: Some(filter), ..Mask::ALL }, WordArm::Unit, 10, 100));
        let window = time(Mask::ALL, WordArm::Window(&Beside), 10, 60);
        println!(
            "{terms} terms: p50 {:.2} ms (200 best: {:.2}); 2 % gone {aged:.2}; \
             filter 1/2 {:.2} 1/10 {:.2} 1/100 {:.2} 1/1000 {:.2}; window {window:.2}",
            unit[0], unit[1], filtered[0], filtered[1], filtered[2], filtered[3],
        );
    }
    for text in ["toka*", "tokami~1", "tokami~2", "\"tomi toka\"", "+tomi toka", "toka -tomi"] {
        let pieces = [(part.clone(), Mask::ALL)];
        let question = Words.question("en", text).expect("every text is a question");
        let mut hits = 0;
        let time = median(30, |_| {
            let best = Words.best(&pieces, &*question, WordArm::Unit, 10).expect("an answer");
            hits = best.len();
        });
        println!("{text}: {time:.2} ms, {hits} hits");
    }
    let long: String = (0..150_000).map(|_| format!("{} ", corpus.word())).collect();
    let pieces = [(part.clone(), Mask::ALL)];
    let time = median(3, |_| {
        let question = Words.question("en", &long).expect("every text is a question");
        black_box(Words.best(&pieces, &*question, WordArm::Unit, 10).expect("an answer"));
    });
    println!("a question of {} bytes: {time:.2} ms", long.len());
    let all = Bitmap::all(count as u32);
    let start = Instant::now();
    let merged = Words.merge(&[(part.clone(), &all), (part, &all)]).expect("parts merge");
    let rate = 2.0 * count as f64 / start.elapsed().as_secs_f64();
    println!("merge: {rate:.0} rows/s ({} bytes)", merged.len());
}
