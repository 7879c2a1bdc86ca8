//! The corpus: people who do not exist, about 200 bytes of JSON each.
//!
//! Everything follows from one seed, so that each run and each engine has the same people. `score`
//! is a shuffled 0..n, so an index on it is written in random places and a range of 100 scores is
//! 100 people that lie anywhere. `team` is the hundred that the score is in, so both questions have
//! the same answer.

use kenning::{Draft, Json, json};

/// People of one team, and so rows of one answer.
pub(crate) const TEAM: usize = 100;

const SEED: u64 = 0x6b65_6e6e_696e_6721;

const WORDS: [&str; 32] = [
    "amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "haven", "islet", "jetty",
    "knoll", "ledge", "marsh", "north", "ocean", "prism", "quiet", "ridge", "stone", "thorn",
    "upper", "vista", "waves", "xenon", "yield", "zephyr", "anchor", "bridge", "copper", "drift",
    "eagle", "frost",
];

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// In the order in which they are made, as ids of Kenning are.
    pub(crate) id: [u8; 16],
    pub(crate) name: String,
    pub(crate) team: String,
    pub(crate) score: i64,
    pub(crate) city: String,
    pub(crate) about: String,
}

/// All of them.
pub(crate) struct People {
    scores: Vec<u32>,
}

impl People {
    pub(crate) fn new(count: usize) -> Self {
        let mut scores: Vec<u32> =
            (0..u32::try_from(count).expect("a bench is not so large")).collect();
        let mut chance = Chance::new(0);
        for idx in (1..scores.len()).rev() {
            scores.swap(idx, chance.below(idx + 1));
        }
        People { scores }
    }

    pub(crate) fn len(&self) -> usize {
        self.scores.len()
    }

    pub(crate) fn person(&self, idx: usize) -> Person {
        let mut chance = Chance::new(1 + idx as u64);
        let score = i64::from(self.scores[idx]);
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(idx as u64).to_be_bytes());
        id[8..].copy_from_slice(&chance.draw().to_be_bytes());
        let mut word = || WORDS[chance.below(WORDS.len())];
        let city = format!("{} {}", word(), word());
        let about: Vec<_> = (0..15).map(|_| word()).collect();
        Person {
            id,
            name: format!("person-{idx:08}"),
            team: team(score),
            score,
            city,
            about: about.join(" "),
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = Person> {
        (0..self.len()).map(|idx| self.person(idx))
    }
}

/// The team of who has `score`.
pub(crate) fn team(score: i64) -> String {
    format!("team-{:06}", score / TEAM as i64)
}

impl Person {
    pub(crate) fn json(&self) -> Json {
        json!({
            "name": self.name,
            "team": self.team,
            "score": self.score,
            "city": self.city,
            "about": self.about,
        })
    }

    pub(crate) fn draft(&self) -> Draft {
        self.json().into()
    }
}

/// What a person says, whichever engine says it. Sums of it do not depend on order.
pub(crate) fn hash(name: &str, team: &str, score: i64, about: &str) -> u64 {
    let parts = [name.as_bytes(), team.as_bytes(), &score.to_le_bytes(), about.as_bytes()];
    let bytes = parts.into_iter().flat_map(|part| part.iter().chain(&[0xff]));
    // FNV-1a: short, and the same everywhere.
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(hash)
}

/// The same of the properties of a record.
pub(crate) fn hash_json(properties: &Json) -> u64 {
    let text = |name: &str| properties[name].as_str().unwrap_or_default();
    hash(text("name"), text("team"), properties["score"].as_i64().unwrap_or(-1), text("about"))
}

/// Numbers that look random and follow from a seed.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(stream: u64) -> Self {
        Chance(mix(SEED ^ mix(stream)))
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        // The bias of the remainder is far below what a bench can see.
        usize::try_from(self.draw() % bound as u64).expect("it is below a usize")
    }
}

/// The finalizer of SplitMix64.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_about_200_bytes_of_json() {
        let people = People::new(1_000);
        let bytes: usize = people.all().map(|person| person.json().to_string().len()).sum();
        assert!((180..=220).contains(&(bytes / 1_000)), "{} bytes each", bytes / 1_000);
    }

    #[test]
    fn every_score_is_there_once() {
        let mut scores: Vec<_> = People::new(500).all().map(|person| person.score).collect();
        scores.sort_unstable();
        assert_eq!(scores, (0..500).collect::<Vec<_>>());
    }
}
