//! Every score is that of a plain BM25 over the rows that are there, however rows are spread over
//! parts, whatever is gone, and whoever filters.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use kenning_index::WordRow;
use kenning_index::{Around, Bitmap, Mask, WINDOW_ROWS, WordArm, WordHit, WordIndex, WordPart};
use kenning_record::Version;
use kenning_words::Words;

/// Numbers that look random.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % end
    }

    /// Few of them often, most of them seldom.
    fn word(&mut self) -> String {
        let end = 1 + self.below(40);
        format!("w{}", self.below(end))
    }
}

/// A row of a history: what it says, and when it is there.
struct Row {
    title: Vec<String>,
    body: Vec<String>,
    from: Version,
    until: Version,
    /// Rows of one source stand beside each other.
    source: usize,
    passes: bool,
}

impl Row {
    fn random(dice: &mut Dice) -> Row {
        let words = |dice: &mut Dice, max| {
            let count = dice.below(max);
            (0..count).map(|_| dice.word()).collect()
        };
        let from = dice.below(20) as Version;
        let until = match dice.below(3) {
            0 => from + dice.below(20) as Version,
            _ => Version::MAX,
        };
        let (title, body) = (words(dice, 4), words(dice, 25));
        Row { title, body, from, until, source: dice.below(12), passes: dice.below(4) > 0 }
    }

    fn is_there(&self, at: Version) -> bool {
        self.from <= at && at < self.until
    }

    fn count(&self, word: &str) -> usize {
        // A title counts twice.
        let texts = [&self.title, &self.title, &self.body];
        texts.into_iter().flatten().filter(|own| *own == word).count()
    }

    fn length(&self) -> usize {
        2 * self.title.len() + self.body.len()
    }
}

/// BM25 as the books have it.
fn plain(
    rows: &[Row],
    at: Version,
    question: &[String],
    texts: &[Vec<usize>],
    times: f64,
) -> Vec<f64> {
    let there: Vec<usize> = (0..rows.len()).filter(|row| rows[*row].is_there(at)).collect();
    let total: usize = there.iter().map(|row| rows[*row].length()).sum();
    let usual = (total as f64 / there.len().max(1) as f64).max(1.0) * times;
    let count = |row: usize, word: &str| -> f64 {
        texts[row]
            .iter()
            .filter(|row| rows[**row].is_there(at))
            .map(|row| rows[*row].count(word))
            .sum::<usize>() as f64
    };
    let length = |row: usize| -> f64 {
        texts[row]
            .iter()
            .filter(|row| rows[**row].is_there(at))
            .map(|row| rows[*row].length())
            .sum::<usize>() as f64
    };
    let mut scores = vec![0.0; rows.len()];
    for word in question {
        let with = there.iter().filter(|row| count(**row, word) > 0.0).count() as f64;
        let idf = (1.0 + (there.len() as f64 - with + 0.5) / (with + 0.5)).ln();
        for row in &there {
            let n = count(*row, word);
            scores[*row] += idf * 2.2 * n / (n + 1.2 * (0.25 + 0.75 * length(*row) / usual));
        }
    }
    scores
}

/// A way to spread rows over parts.
struct Spread {
    /// By part, its rows.
    parts: Vec<Vec<usize>>,
    bodies: Vec<Vec<u8>>,
    open: Vec<Arc<dyn WordPart>>,
    from: Vec<Vec<Version>>,
    until: Vec<Vec<AtomicU64>>,
    filters: Vec<Bitmap>,
}

impl Spread {
    fn of(rows: &[Row], parts: Vec<Vec<usize>>) -> Spread {
        let open = parts.iter().map(|part| {
            let row = |row: &usize| {
                let [title, body] =
                    [&rows[*row].title, &rows[*row].body].map(|words| words.join(" "));
                Ok(WordRow { title, body })
            };
            Words.build("none", &mut part.iter().map(row)).unwrap()
        });
        let bodies: Vec<Vec<u8>> = open.collect();
        let open = bodies.iter().map(|body| Words.open(body.clone().into()).unwrap()).collect();
        let from = parts.iter().map(|part| part.iter().map(|row| rows[*row].from).collect());
        let until = parts
            .iter()
            .map(|part| part.iter().map(|row| AtomicU64::new(rows[*row].until)).collect());
        let filters = parts
            .iter()
            .map(|part| Bitmap::from_fn(part.len() as u32, |row| rows[part[row as usize]].passes));
        let (from, until, filters) = (from.collect(), until.collect(), filters.collect());
        Spread { parts, bodies, open, from, until, filters }
    }

    /// The rows that are there, merged into one part.
    fn merged(&self, rows: &[Row], at: Version) -> Spread {
        let kept = |part: &Vec<usize>| {
            Bitmap::from_fn(part.len() as u32, |row| rows[part[row as usize]].is_there(at))
        };
        let kept: Vec<Bitmap> = self.parts.iter().map(kept).collect();
        let parts: Vec<_> = self.open.iter().cloned().zip(&kept).collect();
        let body = Words.merge(&parts).unwrap();
        let rows_kept = |(part, kept): (&Vec<usize>, &Bitmap)| -> Vec<usize> {
            kept.iter().map(|row| part[row as usize]).collect()
        };
        let part = self.parts.iter().zip(&kept).flat_map(rows_kept).collect();
        let built = Spread::of(rows, vec![part]);
        assert_eq!(body, built.bodies[0], "merged bytes are built bytes");
        Spread { open: vec![Words.open(body.into()).unwrap()], ..built }
    }

    fn pieces(&self, at: Version, filtered: bool) -> Vec<(Arc<dyn WordPart>, Mask<'_>)> {
        let piece = |idx: usize| {
            let mask = Mask {
                from: Some(&self.from[idx]),
                until: Some(&self.until[idx]),
                at,
                filter: filtered.then_some(&self.filters[idx]),
            };
            (self.open[idx].clone(), mask)
        };
        (0..self.parts.len()).map(piece).collect()
    }

    /// Hits by the rows of the history.
    fn rows(&self, hits: &[WordHit]) -> Vec<(usize, f32)> {
        hits.iter().map(|hit| (self.parts[hit.piece_idx][hit.row as usize], hit.score)).collect()
    }
}

/// Who stands beside whom: rows of one source, at most two before and two behind.
struct Sources<'a> {
    spread: &'a Spread,
    texts: &'a [Vec<usize>],
}

impl Around for Sources<'_> {
    fn around(&self, piece_idx: usize, row: u32, target: &mut Vec<(usize, u32)>) {
        for other in &self.texts[self.spread.parts[piece_idx][row as usize]] {
            let at = self.spread.parts.iter().enumerate().find_map(|(idx, part)| {
                Some((idx, part.iter().position(|row| row == other)? as u32))
            });
            target.push(at.expect("every row is in a part"));
        }
    }
}

fn neighbourhoods(rows: &[Row]) -> Vec<Vec<usize>> {
    let mut by_source: Vec<Vec<usize>> = vec![Vec::new(); 12];
    let mut place = Vec::new();
    for (idx, row) in rows.iter().enumerate() {
        place.push(by_source[row.source].len());
        by_source[row.source].push(idx);
    }
    let around = |idx: usize| {
        let source = &by_source[rows[idx].source];
        let at = place[idx];
        source[at.saturating_sub(2)..source.len().min(at + 3)].to_vec()
    };
    (0..rows.len()).map(around).collect()
}

fn check(
    spread: &Spread,
    hits: &[WordHit],
    scores: &[f64],
    rows: &[Row],
    filtered: bool,
    k: usize,
) {
    let found = spread.rows(hits);
    let mut expected: Vec<f64> = scores
        .iter()
        .zip(rows)
        .filter(|(score, row)| **score > 0.0 && (!filtered || row.passes))
        .map(|(score, _)| *score)
        .collect();
    expected.sort_by(|a, b| b.total_cmp(a));
    expected.truncate(k);
    assert_eq!(found.len(), expected.len());
    for ((row, score), expected) in found.iter().zip(&expected) {
        assert!((f64::from(*score) - expected).abs() < 1e-3, "{score} instead of {expected}");
        assert!((scores[*row] - expected).abs() < 1e-3, "row {row} has {}", scores[*row]);
        assert!(!filtered || rows[*row].passes);
    }
}

#[test]
fn every_score_is_that_of_a_plain_bm25_however_rows_are_spread() {
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let count = 1 + dice.below(if seed % 10 == 0 { 600 } else { 60 });
        let rows: Vec<Row> = (0..count).map(|_| Row::random(&mut dice)).collect();
        let texts = neighbourhoods(&rows);
        let alone: Vec<Vec<usize>> = (0..count).map(|row| vec![row]).collect();
        let pieces = 1 + dice.below(7);
        let mut random = vec![Vec::new(); pieces];
        (0..count).for_each(|row| random[dice.below(pieces)].push(row));
        let spreads = [vec![(0..count).collect()], random].map(|parts| Spread::of(&rows, parts));
        for _ in 0..12 {
            let at = dice.below(40) as Version;
            let question: Vec<String> = {
                let mut words: Vec<String> = (0..1 + dice.below(5)).map(|_| dice.word()).collect();
                words.sort();
                words.dedup();
                words
            };
            let asked = Words.question("none", &question.join(" ")).unwrap();
            let (filtered, k) = (dice.below(2) == 0, [1, 3, 10, 1000][dice.below(4)]);
            let unit = plain(&rows, at, &question, &alone, 1.0);
            let window = plain(&rows, at, &question, &texts, WINDOW_ROWS as f64);
            let mut same: Vec<Vec<(usize, f32)>> = Vec::new();
            // What is gone is as if it had never been.
            let rebuilt = (0..count).filter(|row| rows[*row].is_there(at)).collect();
            let rebuilt = Spread::of(&rows, vec![rebuilt]);
            let merged = spreads[1].merged(&rows, at);
            for spread in spreads.iter().chain([&rebuilt, &merged]) {
                let pieces = spread.pieces(at, filtered);
                let hits = Words.best(&pieces, &*asked, WordArm::Unit, k).unwrap();
                check(spread, &hits, &unit, &rows, filtered, k);
                let mut all = Words.best(&pieces, &*asked, WordArm::Unit, 1000).unwrap();
                assert_eq!(all[..hits.len()], hits);
                all.sort_by_key(|hit| (hit.piece_idx, hit.row));
                let mut all = spread.rows(&all);
                all.sort_by_key(|(row, _)| *row);
                same.push(all);
            }
            assert!(same.windows(2).all(|two| two[0] == two[1]), "seed {seed}");
            for spread in &spreads {
                let pieces = spread.pieces(at, filtered);
                let sources = Sources { spread, texts: &texts };
                let hits = Words.best(&pieces, &*asked, WordArm::Window(&sources), k).unwrap();
                let window: Vec<f64> = window
                    .iter()
                    .zip(&rows)
                    .map(|(score, row)| if row.is_there(at) { *score } else { 0.0 })
                    .collect();
                check(spread, &hits, &window, &rows, filtered, k);
            }
        }
    }
}

/// A question with signs, phrases, beginnings and words nearly like others, and what it means.
struct Signed {
    text: String,
    may: Vec<Meaning>,
    must: Vec<Meaning>,
    not: Vec<Meaning>,
}

enum Meaning {
    Word(String),
    Phrase([String; 2]),
    Begins(String),
    Near(String),
}

impl Meaning {
    fn random(dice: &mut Dice) -> Meaning {
        match dice.below(5) {
            0 => Meaning::Phrase([dice.word(), dice.word()]),
            1 => Meaning::Begins(dice.word()),
            2 => Meaning::Near(format!("w{}", 10 + dice.below(30))),
            _ => Meaning::Word(dice.word()),
        }
    }

    fn typed(&self) -> String {
        match self {
            Meaning::Word(word) => word.clone(),
            Meaning::Phrase([a, b]) => format!("\"{a} {b}\""),
            Meaning::Begins(start) => format!("{start}*"),
            Meaning::Near(word) => format!("{word}~1"),
        }
    }

    fn is_in(&self, row: &Row) -> bool {
        [&row.title, &row.body].into_iter().any(|text| match self {
            Meaning::Word(word) => text.contains(word),
            Meaning::Phrase(words) => text.windows(2).any(|two| two == words),
            Meaning::Begins(start) => text.iter().any(|word| word.starts_with(start)),
            Meaning::Near(word) => text.iter().any(|other| is_near(word, other)),
        })
    }
}

/// Whether two words of three letters at most are one letter apart, the first having three.
fn is_near(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let differ = a.iter().zip(b).filter(|(a, b)| a != b).count();
    match b.len() {
        3 => differ <= 1 || a[0] == b[0] && a[1] == b[2] && a[2] == b[1],
        2 => (0..3).any(|out| [&a[..out], &a[out + 1..]].concat() == b),
        _ => false,
    }
}

impl Signed {
    fn random(dice: &mut Dice) -> Signed {
        let mut signed =
            Signed { text: String::new(), may: Vec::new(), must: Vec::new(), not: Vec::new() };
        for _ in 0..1 + dice.below(4) {
            let meaning = Meaning::random(dice);
            let (sign, list) = match dice.below(5) {
                0 => ("+", &mut signed.must),
                1 => ("-", &mut signed.not),
                _ => ("", &mut signed.may),
            };
            signed.text += &format!("{sign}{} ", meaning.typed());
            list.push(meaning);
        }
        signed
    }

    fn finds(&self, row: &Row) -> bool {
        self.must.iter().all(|meaning| meaning.is_in(row))
            && !self.not.iter().any(|meaning| meaning.is_in(row))
            && self.may.iter().chain(&self.must).any(|meaning| meaning.is_in(row))
    }
}

#[test]
fn signs_phrases_beginnings_and_near_words_mean_the_same_however_rows_are_spread() {
    for seed in 0..60 {
        let mut dice = Dice(1_000 + seed);
        let count = 1 + dice.below(80);
        let rows: Vec<Row> = (0..count).map(|_| Row::random(&mut dice)).collect();
        let texts = neighbourhoods(&rows);
        let pieces = 1 + dice.below(7);
        let mut random = vec![Vec::new(); pieces];
        (0..count).for_each(|row| random[dice.below(pieces)].push(row));
        let random = Spread::of(&rows, random);
        for _ in 0..12 {
            let at = dice.below(40) as Version;
            let signed = Signed::random(&mut dice);
            let asked = Words.question("none", &signed.text).unwrap();
            let filtered = dice.below(2) == 0;
            let expected: Vec<usize> = (0..count)
                .filter(|row| rows[*row].is_there(at) && signed.finds(&rows[*row]))
                .filter(|row| !filtered || rows[*row].passes)
                .collect();
            let answers = [&random, &random.merged(&rows, at)].map(|spread| {
                let pieces = spread.pieces(at, filtered);
                let mut hits = Words.best(&pieces, &*asked, WordArm::Unit, 1000).unwrap();
                let best = Words.best(&pieces, &*asked, WordArm::Unit, 3).unwrap();
                assert_eq!(hits[..best.len()], best);
                let mut hits = spread.rows(&std::mem::take(&mut hits));
                hits.sort_by_key(|(row, _)| *row);
                hits
            });
            let found: Vec<usize> = answers[0].iter().map(|(row, _)| *row).collect();
            assert_eq!(found, expected, "seed {seed}: {}", signed.text);
            assert_eq!(answers[0], answers[1], "seed {seed}: {}", signed.text);
            // Rows that are gone stand around nobody, so only those who are there are compared.
            let merged = random.merged(&rows, at);
            let around = [&random, &merged].map(|spread| {
                let there = |row: &Vec<usize>| -> Vec<usize> {
                    row.iter().copied().filter(|row| rows[*row].is_there(at)).collect()
                };
                let texts: Vec<Vec<usize>> = texts.iter().map(there).collect();
                let sources = Sources { spread, texts: &texts };
                let pieces = spread.pieces(at, filtered);
                let hits = Words.best(&pieces, &*asked, WordArm::Window(&sources), 1000).unwrap();
                let mut hits = spread.rows(&hits);
                hits.sort_by_key(|(row, _)| *row);
                hits
            });
            assert_eq!(around[0], around[1], "seed {seed}: {}", signed.text);
        }
    }
}
