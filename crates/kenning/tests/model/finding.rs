//! Searches, answered by the engine and by looking at every record.
//!
//! Who has a word is found by splitting texts at white space, and how near a vector is by plain
//! arithmetic. What words are worth is said by an index over words that is made of all records of
//! the view at once, in no parts and of no pieces: how its scores come about is tested where it is.

use std::collections::{BTreeMap, BTreeSet};

use kenning::{Answer, Arm, Ask, Embedder, Hashing, Hit, Id, Json, Mode};
use kenning::{Predicate, Record, View};
use kenning_index::{Mask, WordArm, WordIndex, WordRow};
use kenning_words::Words;

use crate::chance::{Chance, Check, Failure, ensure};
use crate::compare::{CITIES, WORDS};

/// How far scores may be apart that are sums of the same numbers in another order.
const ROUNDING: f32 = 1e-4;
/// More than the records of any test.
const ALL: usize = 5_000;

/// What is known of the vectors of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Every text was computed.
    Known,
    /// A text that nobody has any more may never have been computed.
    Perhaps,
}

/// What searches went through.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Searched {
    pub(crate) searches: u64,
    pub(crate) parts: u64,
    pub(crate) tails: u64,
    pub(crate) made: u64,
}

impl Searched {
    pub(crate) fn add(&mut self, other: Searched) {
        self.searches += other.searches;
        self.parts += other.parts;
        self.tails += other.tails;
        self.made += other.made;
    }
}

/// What is expected of one record.
#[derive(Clone, Copy, Debug, Default)]
struct Expected {
    words: Option<f32>,
    /// How alike its vector is.
    likeness: Option<f32>,
}

/// Every path of a search over people, with one random question.
pub(crate) async fn same_search(
    view: &View,
    meaning: Meaning,
    chance: &mut Chance,
) -> Check<Searched> {
    let records = view.records("people", None, ALL).await?;
    ensure!(records.len() < ALL, "there are more records than a test looks at");
    let mut searched = Searched::default();
    let (where_, passes) = filter(chance);
    let passes = |record: &Record| passes(&record.properties);
    let question: Vec<&str> = (0..1 + chance.below(3)).map(|_| *chance.pick(WORDS)).collect();
    let question = question.join(" ");
    let all = expected(&records, &question)?;
    let told: BTreeMap<Id, &Record> = records.iter().map(|it| (it.id, it)).collect();
    for mode in [Mode::Words, Mode::Vectors, Mode::Hybrid] {
        for where_ in [None, Some(&where_)] {
            let mut ask = Ask::text(&question).table("people").mode(mode).limit(ALL);
            ask.filter = where_.map(|text| Predicate::parse(text)).transpose()?;
            let answer = view.search(&ask).await?;
            searched.note(&answer);
            let kept = |id: &Id| where_.is_none() || passes(told[id]);
            let kept: BTreeMap<Id, Expected> =
                all.iter().filter(|(id, _)| kept(id)).map(|(id, it)| (*id, *it)).collect();
            let same = same_hits(&answer, &kept, &told, mode, meaning);
            let what = format!("'{question}' by {} where {where_:?}", mode.name());
            same.map_err(|failure| failure.at(format!("{what}, {:?}", answer.explain)))?;
        }
    }
    for where_ in [None, Some(&where_)] {
        let spot: [f32; 3] = std::array::from_fn(|_| chance.below(6) as f32 + 0.5);
        let mut ask = Ask::vector(spot.to_vec()).table("people").limit(ALL);
        ask.vectors = Some("spot".into());
        ask.filter = where_.map(|text| Predicate::parse(text)).transpose()?;
        let answer = view.search(&ask).await?;
        searched.note(&answer);
        let kept = |record: &&Record| where_.is_none() || passes(record);
        let kept = records.iter().filter(kept);
        let near = same_near(&answer, spot, kept);
        near.map_err(|failure| failure.at(format!("near {spot:?} where {where_:?}")))?;
    }
    Ok(searched)
}

impl Searched {
    fn note(&mut self, answer: &Answer) {
        let explain = &answer.explain;
        self.add(Searched {
            searches: 1,
            parts: explain.parts,
            tails: explain.tails,
            made: explain.made,
        });
    }
}

/// What a condition says of the properties of a record.
type Passes = Box<dyn Fn(&Json) -> bool + Send>;

/// A condition, and who meets it.
fn filter(chance: &mut Chance) -> (String, Passes) {
    if chance.percent(50) {
        let city = chance.pick(&CITIES[..4]).to_string();
        let text = format!("city = '{city}'");
        return (text, Box::new(move |properties| properties["city"] == *city));
    }
    let age = chance.below(40) as i64 - 3;
    let is_less = move |properties: &Json| properties["age"].as_i64().is_some_and(|it| it < age);
    (format!("age < {age}"), Box::new(is_less))
}

fn text_of<'a>(record: &'a Record, property: &str) -> &'a str {
    record.properties[property].as_str().unwrap_or_default()
}

/// What each record is worth to a question.
fn expected(records: &[Record], question: &str) -> Check<BTreeMap<Id, Expected>> {
    let mut expected: BTreeMap<Id, Expected> = BTreeMap::new();
    let mut rows = Vec::new();
    let mut whose = Vec::new();
    for record in records {
        let names: Vec<&str> =
            record.key.iter().chain(&record.aliases).map(String::as_str).collect();
        let title = names.join("\n");
        let body = [text_of(record, "text"), text_of(record, "city")].join("\n");
        if title.is_empty() && body.trim().is_empty() {
            continue;
        }
        rows.push(WordRow { title, body });
        whose.push(record);
    }
    let body = Words.build("en", &mut rows.into_iter().map(Ok))?;
    let pieces = [(Words.open(body.into())?, Mask::ALL)];
    let read = Words.question("en", question)?;
    for hit in Words.best(&pieces, &*read, WordArm::Unit, ALL)? {
        let it = expected.entry(whose[hit.row as usize].id).or_default();
        it.words = Some(hit.score);
    }
    let has = |record: &&Record| {
        let mut said = text_of(record, "text").split_whitespace();
        said.any(|word| question.split(' ').any(|asked| asked == word))
    };
    let with: BTreeSet<Id> = records.iter().filter(has).map(|record| record.id).collect();
    let found: BTreeSet<Id> = expected.keys().copied().collect();
    ensure!(with == found, "the index over words is wrong: {with:?} have them, not {found:?}");
    let asked = Hashing.embed(&[question])?;
    for record in records {
        let text = text_of(record, "text");
        if text.trim().is_empty() {
            continue;
        }
        let said = Hashing.embed(&[text])?;
        let likeness = asked.iter().zip(&said).map(|(a, b)| a * b).sum();
        expected.entry(record.id).or_default().likeness = Some(likeness);
    }
    Ok(expected)
}

/// The hits are those that are expected, with their scores, best first.
fn same_hits(
    answer: &Answer,
    expected: &BTreeMap<Id, Expected>,
    records: &BTreeMap<Id, &Record>,
    mode: Mode,
    meaning: Meaning,
) -> Check {
    let is_whole = meaning == Meaning::Known;
    let score = |it: &Expected| match mode {
        Mode::Words => it.words,
        Mode::Vectors => it.likeness,
        Mode::Hybrid => None,
    };
    let mut left: BTreeMap<Id, &Expected> = expected.iter().map(|(id, it)| (*id, it)).collect();
    let hits = &answer.hits;
    ensure!(hits.is_sorted_by(|a, b| a.score >= b.score), "the hits are not best first");
    for hit in hits {
        let Some(record) = records.get(&hit.id) else {
            return Err(Failure(format!("{hit:?} is not there")));
        };
        ensure!(hit.version == record.version, "{hit:?} is from {}", record.version);
        let Some(it) = left.remove(&hit.id) else {
            return Err(Failure(format!("{hit:?} is there twice, or should not be found")));
        };
        if mode != Mode::Hybrid {
            let is_same = score(it).is_some_and(|score| (hit.score - score).abs() < ROUNDING);
            ensure!(is_same, "{hit:?} is worth {:?}", score(it));
        }
        if let (Some(likeness), Some(distance)) = (it.likeness, hit.distance) {
            let is_near = (1.0 - distance - likeness).abs() < ROUNDING;
            ensure!(is_near, "{hit:?} is as far as {likeness} says");
        }
    }
    if mode == Mode::Hybrid {
        same_parts(hits, expected, is_whole)?;
    }
    let is_missed = |it: &Expected| {
        let by_words = it.words.is_some() && mode != Mode::Vectors;
        let by_vector = match mode {
            Mode::Words => false,
            Mode::Vectors => it.likeness.is_some(),
            // What points away from the question is no hit.
            Mode::Hybrid => it.likeness.is_some_and(|likeness| likeness > ROUNDING),
        };
        by_words || (is_whole && by_vector)
    };
    left.retain(|_, it| is_missed(it));
    ensure!(left.is_empty(), "not found: {left:?}, only {hits:?}");
    Ok(())
}

/// The score of a hybrid hit is the sum of its parts; those of words and of vectors are as large as
/// their scores say, beside the best there is. Whom a text names, and what is like the first hit,
/// is left to their own tests.
fn same_parts(hits: &[Hit], expected: &BTreeMap<Id, Expected>, is_whole: bool) -> Check {
    let part = |hit: &Hit, arm: Arm| hit.why.iter().find(|why| why.arm == arm).copied();
    for hit in hits {
        let sum: f32 = hit.why.iter().map(|why| why.part).sum();
        let is_sum = (hit.score - sum).abs() < ROUNDING;
        ensure!(is_sum, "{hit:?} is not the sum of its parts");
        ensure!(0.0 < hit.score && hit.score < 1.0 + ROUNDING, "{hit:?} is worth {}", hit.score);
    }
    for (arm, score) in [
        (Arm::Words, (|it| it.words) as fn(&Expected) -> Option<f32>),
        (Arm::Vectors, |it| it.likeness),
    ] {
        let all = hits.iter().filter_map(|hit| part(hit, arm));
        let Some(best) = all.max_by(|a, b| a.score.total_cmp(&b.score)) else { continue };
        for hit in hits {
            let (said, score) = (part(hit, arm), score(&expected[&hit.id]));
            let said_score = said.map_or(0.0, |why| why.score);
            let is_same = (said_score - score.unwrap_or(0.0).max(0.0)).abs() < ROUNDING;
            // A text that nobody has any more may never have been computed.
            let may_lack = !is_whole && said.is_none() && arm == Arm::Vectors;
            ensure!(is_same || may_lack, "{hit:?}: {score:?}");
            let part = said.map_or(0.0, |why| why.part);
            let apart = part * best.score - best.part * said_score;
            let is_even = apart.abs() < ROUNDING * best.score;
            ensure!(is_even, "{hit:?} beside {best:?}");
        }
    }
    Ok(())
}

/// Vectors of the records' own: every one, nearest first.
fn same_near<'a>(
    answer: &Answer,
    spot: [f32; 3],
    records: impl Iterator<Item = &'a Record>,
) -> Check {
    let mut left: BTreeMap<Id, (u64, f32)> = BTreeMap::new();
    for record in records {
        let Some(there) = record.properties["spot"].as_array() else { continue };
        let apart = there.iter().zip(spot).map(|(a, b)| a.as_f64().unwrap_or(0.0) as f32 - b);
        left.insert(record.id, (record.version, apart.map(|it| it * it).sum()));
    }
    let hits = &answer.hits;
    for hit in hits {
        let Some((version, distance)) = left.remove(&hit.id) else {
            return Err(Failure(format!("{hit:?} is there twice, or should not be found")));
        };
        ensure!(hit.version == version, "{hit:?} is from {version}");
        let is_same = hit.distance.is_some_and(|it| (it - distance).abs() < ROUNDING);
        ensure!(is_same, "{hit:?} is {distance} away");
    }
    ensure!(hits.is_sorted_by(|a, b| a.distance <= b.distance), "the hits are not nearest first");
    ensure!(left.is_empty(), "not found: {left:?}, only {hits:?}");
    Ok(())
}
