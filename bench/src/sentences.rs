//! The corpus of finding: sentences of 10 to 20 words that nobody wrote, and what they mean.
//!
//! A seeded grammar makes them, each once. A model reads them: the one in full where its files are,
//! else the compact one, else hashes of words, which measure the same things and mean nothing. That
//! takes minutes, so the vectors are kept beside the model, in a file named by a hash of model and
//! texts. Questions are other sentences of the same grammar. Where more rows are wanted than there
//! are sentences, the same ones come again with noise: a vector of random direction and of
//! [`NOISE`] of their length is added, which leaves a cosine of .958 to where they were.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use kenning::{Embedder, Hashing};
use kenning_embed::{Model, known_model};

use crate::Result;
use crate::people::Chance;

/// The length of the noise, in lengths of a vector.
pub(crate) const NOISE: f32 = 0.3;

/// Texts that a model gets at a time.
const TEXTS: usize = 512;
/// Threads of a model.
const THREADS: usize = 2;
/// Streams of chance that are not those of people.
const STREAM: u64 = 1 << 40;
const NOISE_STREAM: u64 = 1 << 41;

const PEOPLE: [&str; 48] = [
    "baker",
    "teacher",
    "sailor",
    "nurse",
    "farmer",
    "painter",
    "lawyer",
    "singer",
    "judge",
    "miller",
    "writer",
    "doctor",
    "soldier",
    "priest",
    "student",
    "gardener",
    "captain",
    "driver",
    "merchant",
    "hunter",
    "poet",
    "mayor",
    "tailor",
    "dancer",
    "engineer",
    "cook",
    "clerk",
    "widow",
    "guard",
    "king",
    "queen",
    "child",
    "neighbor",
    "stranger",
    "thief",
    "pilot",
    "banker",
    "builder",
    "butcher",
    "chemist",
    "coach",
    "editor",
    "fisherman",
    "actor",
    "monk",
    "plumber",
    "librarian",
    "reporter",
];
const THINGS: [&str; 64] = [
    "boat",
    "letter",
    "lamp",
    "bridge",
    "horse",
    "clock",
    "piano",
    "garden",
    "map",
    "ring",
    "coat",
    "ladder",
    "violin",
    "book",
    "engine",
    "wheel",
    "table",
    "mirror",
    "painting",
    "key",
    "basket",
    "bicycle",
    "camera",
    "telescope",
    "bottle",
    "chair",
    "carpet",
    "ticket",
    "coin",
    "knife",
    "drum",
    "blanket",
    "radio",
    "window",
    "fence",
    "tent",
    "sword",
    "statue",
    "recipe",
    "contract",
    "newspaper",
    "wagon",
    "candle",
    "suitcase",
    "diamond",
    "rope",
    "stove",
    "barrel",
    "flag",
    "hammer",
    "guitar",
    "passport",
    "kite",
    "umbrella",
    "computer",
    "necklace",
    "cheese",
    "tower",
    "roof",
    "cage",
    "apple",
    "truck",
    "medal",
    "chimney",
];
const QUALITIES: [&str; 48] = [
    "old", "young", "tired", "angry", "happy", "quiet", "famous", "poor", "rich", "clever",
    "broken", "heavy", "small", "large", "golden", "wooden", "green", "red", "blue", "white",
    "dark", "empty", "cheap", "rare", "strange", "proud", "gentle", "lonely", "brave", "careful",
    "dirty", "frozen", "hidden", "honest", "hungry", "lazy", "lucky", "modern", "narrow",
    "nervous", "polite", "rusty", "silver", "tall", "thin", "warm", "wild", "wise",
];
const DEEDS: [&str; 48] = [
    "sold",
    "repaired",
    "carried",
    "found",
    "lost",
    "painted",
    "bought",
    "burned",
    "stole",
    "borrowed",
    "described",
    "drew",
    "buried",
    "cleaned",
    "broke",
    "built",
    "counted",
    "covered",
    "destroyed",
    "dropped",
    "examined",
    "followed",
    "forgot",
    "gave away",
    "guarded",
    "hid",
    "inherited",
    "kept",
    "lifted",
    "loved",
    "measured",
    "moved",
    "offered",
    "opened",
    "ordered",
    "photographed",
    "pulled",
    "refused",
    "remembered",
    "returned",
    "saved",
    "sent",
    "shared",
    "showed",
    "studied",
    "threw away",
    "traded",
    "wanted",
];
const PLACES: [&str; 48] = [
    "near the harbor",
    "behind the church",
    "in the market",
    "on the mountain",
    "under the bridge",
    "at the station",
    "in the old mill",
    "beside the river",
    "in a small village",
    "at the airport",
    "in the kitchen",
    "on the island",
    "in the forest",
    "at the border",
    "in the museum",
    "outside the school",
    "in the hospital",
    "on the roof",
    "in the cellar",
    "at the theater",
    "across the street",
    "in the desert",
    "on the beach",
    "at the university",
    "in the library",
    "by the lake",
    "in the capital",
    "on a farm",
    "in the prison",
    "at the court",
    "on the train",
    "in a quiet valley",
    "at the factory",
    "in the castle",
    "on the northern coast",
    "in the snow",
    "at the hotel",
    "in the office",
    "on the stairs",
    "in the park",
    "near the lighthouse",
    "behind the stable",
    "at the bank",
    "in the cathedral",
    "on the ship",
    "in the tunnel",
    "at the bakery",
    "in the cave",
];
const TIMES: [&str; 32] = [
    "last winter",
    "in early spring",
    "on a rainy morning",
    "before the war",
    "after the storm",
    "at midnight",
    "every Sunday",
    "during the summer",
    "in October",
    "long ago",
    "this week",
    "on the first day of school",
    "after breakfast",
    "before sunrise",
    "at noon",
    "for ten years",
    "in the nineteenth century",
    "late in the evening",
    "during the harvest",
    "on his birthday",
    "while it was snowing",
    "at the end of the month",
    "once a year",
    "after the funeral",
    "before the wedding",
    "in the middle of the night",
    "on Friday",
    "during the strike",
    "in her youth",
    "after the election",
    "as the sun went down",
    "the following year",
];
const REASONS: [&str; 40] = [
    "because the rent was due",
    "because nobody else would",
    "because the roof was leaking",
    "because of a promise",
    "because the doctor said so",
    "because winter was coming",
    "because the law had changed",
    "because it was worth a fortune",
    "because of the noise",
    "because the children were hungry",
    "because the price had fallen",
    "because of an old debt",
    "because the river had risen",
    "because the letter never came",
    "because of a mistake",
    "because the road was closed",
    "because the guests were waiting",
    "because it smelled of smoke",
    "because the company was bankrupt",
    "because of a bad dream",
    "because the trial had begun",
    "because the horses were sick",
    "because the music had stopped",
    "because of the new tax",
    "because the battery was empty",
    "because a friend had asked",
    "because the key did not fit",
    "because the enemy was near",
    "because the bread was burned",
    "because of the fog",
    "because the museum was closing",
    "because the phone kept ringing",
    "because of an accident",
    "because the crops had failed",
    "because the crew was exhausted",
    "because of her allergy",
    "because the wedding was canceled",
    "because the software failed",
    "because of the drought",
    "because the manuscript was a forgery",
];
const MANNERS: [&str; 16] = [
    "secretly",
    "slowly",
    "gladly",
    "suddenly",
    "carefully",
    "quickly",
    "silently",
    "finally",
    "proudly",
    "reluctantly",
    "angrily",
    "twice",
    "almost",
    "never",
    "often",
    "accidentally",
];

/// Sentences, what the model says of them, and what it says of questions.
pub(crate) struct Sentences {
    pub(crate) texts: Vec<String>,
    /// One behind the other.
    pub(crate) vectors: Vec<f32>,
    pub(crate) asked: Vec<f32>,
    pub(crate) dimensions: usize,
    /// Which model it was.
    pub(crate) model: String,
}

impl Sentences {
    /// So many of each.
    pub(crate) fn make(rows: usize, questions: usize) -> Result<Self> {
        let mut texts = distinct(rows + questions);
        let model = model()?;
        let mut vectors = cached(&*model, &texts)?;
        let dimensions = model.dimensions();
        let asked = vectors.split_off(rows * dimensions);
        texts.truncate(rows);
        Ok(Sentences { texts, vectors, asked, dimensions, model: model.model_id().to_owned() })
    }

    /// Vectors of so many rows: those of the sentences, and then the same again with noise.
    pub(crate) fn noisy(&self, rows: usize) -> Vec<f32> {
        let mut vectors = Vec::with_capacity(rows * self.dimensions);
        let mut chance = Chance::new(NOISE_STREAM);
        let of_texts = self.vectors.chunks(self.dimensions).cycle();
        for (row, vector) in of_texts.take(rows).enumerate() {
            let from = vectors.len();
            vectors.extend_from_slice(vector);
            if row >= self.texts.len() {
                shake(&mut vectors[from..], &mut chance);
            }
        }
        vectors
    }
}

/// Adds noise that follows from a number.
pub(crate) fn noise(vector: &mut [f32], number: u64) {
    shake(vector, &mut Chance::new(NOISE_STREAM + 1 + number));
}

/// Adds noise, and makes the length 1 again.
fn shake(vector: &mut [f32], chance: &mut Chance) {
    let noise: Vec<f32> = vector.iter().map(|_| normal(chance)).collect();
    let (own, other) = (length(vector), length(&noise));
    let share = NOISE * own / other;
    vector.iter_mut().zip(&noise).for_each(|(number, noise)| *number += share * noise);
    let length = length(vector);
    vector.iter_mut().for_each(|number| *number /= length);
}

fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|number| number * number).sum::<f32>().sqrt()
}

/// Nearly normal.
fn normal(chance: &mut Chance) -> f32 {
    let uniform = |chance: &mut Chance| (chance.draw() >> 40) as f32 / (1_u32 << 24) as f32;
    (0..4).map(|_| uniform(chance)).sum::<f32>() - 2.0
}

/// So many sentences, no two alike.
pub(crate) fn distinct(count: usize) -> Vec<String> {
    let mut known = HashSet::with_capacity(count);
    let mut sentences = Vec::with_capacity(count);
    let mut stream = STREAM;
    while sentences.len() < count {
        let sentence = sentence(&mut Chance::new(stream));
        stream += 1;
        if known.insert(sentence.clone()) {
            sentences.push(sentence);
        }
    }
    sentences
}

/// One of them.
fn sentence(chance: &mut Chance) -> String {
    let pattern = chance.below(6);
    let mut of = |words: &[&'static str]| words[chance.below(words.len())];
    let (who, whom) = (of(&PEOPLE), of(&PEOPLE));
    let (how, which) = (of(&QUALITIES), of(&QUALITIES));
    let (what, other) = (of(&THINGS), of(&THINGS));
    let (did, so) = (of(&DEEDS), of(&MANNERS));
    let (place, time, reason) = (of(&PLACES), of(&TIMES), of(&REASONS));
    let text = match pattern {
        0 => format!("{time} the {how} {who} {did} a {which} {what} {reason}"),
        1 => format!("the {who} and the {how} {whom} {did} the {what} {place} {time}"),
        2 => format!("{place} a {how} {who} {so} {did} the {what} that the {whom} had left"),
        3 => format!("nobody knew why the {who} {did} the {which} {what} {place} {time}"),
        4 => format!("a {how} {what} and a {which} {other} were found {place} {reason}"),
        _ => format!("{reason}, the {who} {so} {did} a {which} {what} {place}"),
    };
    format!("{}{}.", text[..1].to_uppercase(), &text[1..])
}

/// The best model that is here.
fn model() -> Result<Box<dyn Embedder>> {
    if let Ok(folder) = std::env::var("KENNING_MODEL_FOLDER") {
        let known = known_model("all-minilm-l6-v2")?;
        if known.look(Path::new(&folder)).is_ok() {
            return Ok(Box::new(Model::open(known, Path::new(&folder), THREADS)?));
        }
    }
    match Model::built_in(THREADS) {
        Some(model) => Ok(Box::new(model)),
        None => Ok(Box::new(Hashing)),
    }
}

/// What the model says of the texts, from the file that an earlier run has left.
fn cached(model: &dyn Embedder, texts: &[String]) -> Result<Vec<f32>> {
    let path = folder().join(format!("sentences-{:016x}.f32", hash(model, texts)));
    let count = texts.len() * model.dimensions();
    if let Some(vectors) = fs::read(&path).ok().and_then(|bytes| decode(&bytes, count)) {
        return Ok(vectors);
    }
    eprintln!("  {} reads {} sentences ...", model.model_id(), texts.len());
    let mut vectors = Vec::with_capacity(count);
    for texts in texts.chunks(TEXTS) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        vectors.extend(model.embed(&texts)?);
    }
    keep(&path, &vectors)?;
    Ok(vectors)
}

/// Beside the model; among temporary files where nobody says where that is.
fn folder() -> PathBuf {
    let model = std::env::var("KENNING_MODEL_FOLDER").map(PathBuf::from);
    let cache = model.ok().and_then(|model| Some(model.parent()?.parent()?.join("bench")));
    cache.unwrap_or_else(|| std::env::temp_dir().join("kenning-bench-sentences"))
}

/// Writes the file whole or not at all.
fn keep(path: &Path, vectors: &[f32]) -> Result<()> {
    fs::create_dir_all(path.parent().expect("it is in a folder"))?;
    let mut bytes = bytes_of(vectors);
    bytes.extend(sum(&bytes).to_le_bytes());
    let part = path.with_extension(format!("{}.part", std::process::id()));
    fs::write(&part, &bytes)?;
    Ok(fs::rename(&part, path)?)
}

/// Floats as a file has them.
pub(crate) fn bytes_of(floats: &[f32]) -> Vec<u8> {
    floats.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn decode(bytes: &[u8], count: usize) -> Option<Vec<f32>> {
    let (floats, said) = bytes.split_last_chunk::<8>()?;
    let is_whole = floats.len() == count * 4 && sum(floats) == u64::from_le_bytes(*said);
    is_whole.then(|| floats_of(floats))
}

/// Floats of a file.
pub(crate) fn floats_of(bytes: &[u8]) -> Vec<f32> {
    let (chunks, _) = bytes.as_chunks::<4>();
    chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect()
}

fn hash(model: &dyn Embedder, texts: &[String]) -> u64 {
    let mut all = model.model_id().to_owned();
    texts.iter().for_each(|text| {
        all.push('\n');
        all.push_str(text);
    });
    sum(all.as_bytes())
}

/// FNV-1a over words of eight bytes, which is quick enough for a few hundred megabytes.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let rest = rest.iter().map(|byte| u64::from(*byte));
    words.chain(rest).fold(0xcbf2_9ce4_8422_2325_u64, |sum, word| {
        (sum ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(29)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_have_ten_to_twenty_words_and_come_once() {
        let sentences = distinct(5_000);
        for sentence in &sentences {
            let words = sentence.split(' ').count();
            assert!((9..=20).contains(&words), "{words} words: {sentence}");
        }
        assert_eq!(sentences.iter().collect::<HashSet<_>>().len(), 5_000);
    }

    #[test]
    fn a_file_that_was_changed_is_not_believed() {
        let vectors = [0.5, -1.0, 3.0];
        let mut bytes = bytes_of(&vectors);
        bytes.extend(sum(&bytes).to_le_bytes());
        assert_eq!(decode(&bytes, 3).as_deref(), Some(&vectors[..]));
        assert_eq!(decode(&bytes, 2), None);
        assert_eq!(decode(&bytes[..15], 3), None);
        bytes[2] ^= 1;
        assert_eq!(decode(&bytes, 3), None);
    }

    #[test]
    fn noise_is_as_long_as_it_is_said_to_be() {
        let mut vector = vec![0.0; 384];
        vector[7] = 1.0;
        let before = vector.clone();
        shake(&mut vector, &mut Chance::new(1));
        let cosine: f32 = vector.iter().zip(&before).map(|(a, b)| a * b).sum();
        assert!((cosine - 1.0 / (1.0 + NOISE * NOISE).sqrt()).abs() < 0.02, "{cosine}");
    }
}
