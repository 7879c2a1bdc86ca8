//! Names that are like another, by trigrams.
//!
//! A name is taken apart into its words, without accents and in lower case, each with two spaces in
//! front and one behind it; every three characters in a row of that are a trigram of the name. Two
//! names are as similar as they share trigrams: the number of those that both have, divided by the
//! number of those that one of them has. That is how PostgreSQL's `pg_trgm` measures it.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Characters of a name, or of what is looked for, that are looked at.
const CHARS_MAX: usize = 1024;

/// Names that may be gone before those that are left are arranged anew.
const GONE_MAX: usize = 1024;

/// How similar two names are: 0 to 1.
///
/// ```
/// assert_eq!(kenning_index::similarity("Ada Lovelace", "lovelace, ada"), 1.0);
/// assert!(kenning_index::similarity("word", "two words") > 0.36);
/// assert_eq!(kenning_index::similarity("", "anything"), 0.0);
/// ```
pub fn similarity(a: &str, b: &str) -> f32 {
    let (a, b) = (trigrams(a), trigrams(b));
    let shared = a.iter().filter(|trigram| b.binary_search(trigram).is_ok()).count();
    ratio(shared, a.len(), b.len())
}

/// Owners in memory, each with its names, to be found by what is like one of them.
///
/// ```
/// let mut names = kenning_index::NearNames::default();
/// names.set(7, &["Ada Lovelace", "Countess of Lovelace"]);
/// names.set(8, &["Alan Turing"]);
/// let found = names.nearest("ada lovelase", 0.2, 10, |_| true);
/// assert_eq!((found[0].name, found[0].owner), ("Ada Lovelace", &7));
/// assert_eq!(found.len(), 1);
/// ```
pub struct NearNames<K> {
    /// The slots of an owner's names.
    slots: HashMap<K, Box<[u32]>>,
    names: Vec<Option<Name<K>>>,
    /// By trigram, the slots of the names that have it, also of such that are gone.
    having: HashMap<u64, Vec<u32>>,
    gone: usize,
}

struct Name<K> {
    name: Box<str>,
    owner: K,
    trigrams: u32,
}

/// A name that is like another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NearName<'a, K> {
    /// The name, as it was given.
    pub name: &'a str,
    /// What it belongs to.
    pub owner: &'a K,
    /// How similar they are: 0 to 1.
    pub similarity: f32,
}

impl<K> Default for NearNames<K> {
    fn default() -> Self {
        NearNames { slots: HashMap::new(), names: Vec::new(), having: HashMap::new(), gone: 0 }
    }
}

impl<K: Clone + Eq + Hash + Ord> NearNames<K> {
    /// Gives an owner these names and no other; without names it is forgotten.
    pub fn set(&mut self, owner: K, names: &[&str]) {
        for slot in self.slots.remove(&owner).iter().flatten() {
            self.names[*slot as usize] = None;
            self.gone += 1;
        }
        if !names.is_empty() {
            let slots = names.iter().map(|name| self.add(name, owner.clone())).collect();
            self.slots.insert(owner, slots);
        }
        if self.gone > GONE_MAX && self.gone * 2 > self.names.len() {
            self.tidy();
        }
    }

    fn add(&mut self, name: &str, owner: K) -> u32 {
        let slot = self.names.len() as u32;
        let trigrams = trigrams(name);
        for trigram in &trigrams {
            self.having.entry(*trigram).or_default().push(slot);
        }
        let trigrams = trigrams.len() as u32;
        self.names.push(Some(Name { name: name.into(), owner, trigrams }));
        slot
    }

    /// Arranges what is left anew.
    fn tidy(&mut self) {
        let Self { slots, names, .. } = std::mem::take(self);
        for (owner, slots) in slots {
            let of_owner = slots.iter().flat_map(|slot| &names[*slot as usize]);
            let of_owner: Vec<&str> = of_owner.map(|name| &*name.name).collect();
            self.set(owner, &of_owner);
        }
    }

    /// Owners that have names.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The owners that pass with a name that shares trigrams with `text` and is as similar as
    /// `similarity_min`, each with the most similar of its names: the most similar first, then by
    /// name and owner; `owners_max` of them.
    pub fn nearest(
        &self,
        text: &str,
        similarity_min: f32,
        owners_max: usize,
        passes: impl Fn(&K) -> bool,
    ) -> Vec<NearName<'_, K>> {
        let asked = trigrams(text);
        let mut shared = vec![0_u16; self.names.len()];
        let mut touched = Vec::new();
        for slot in asked.iter().filter_map(|trigram| self.having.get(trigram)).flatten() {
            let shared = &mut shared[*slot as usize];
            if *shared == 0 {
                touched.push(*slot);
            }
            *shared += 1;
        }
        let near = touched.into_iter().filter_map(|slot| {
            let Name { name, owner, trigrams } = self.names[slot as usize].as_ref()?;
            let shared = usize::from(shared[slot as usize]);
            let similarity = ratio(shared, asked.len(), *trigrams as usize);
            let is_near = similarity >= similarity_min && passes(owner);
            is_near.then_some(NearName { name, owner, similarity })
        });
        let mut near: Vec<NearName<'_, K>> = near.collect();
        near.sort_unstable_by(|a, b| {
            let by_name = || (a.name, a.owner).cmp(&(b.name, b.owner));
            b.similarity.total_cmp(&a.similarity).then_with(by_name)
        });
        let mut seen = HashSet::new();
        near.retain(|it| seen.len() < owners_max && seen.insert(it.owner));
        near
    }
}

fn ratio(shared: usize, a: usize, b: usize) -> f32 {
    if shared == 0 { 0.0 } else { shared as f32 / (a + b - shared) as f32 }
}

/// The trigrams of a text, in order, each once: three characters of 21 bits.
fn trigrams(text: &str) -> Vec<u64> {
    let letters = text.nfkd().filter(|letter| !is_combining_mark(*letter));
    let letters = letters.flat_map(char::to_lowercase).take(CHARS_MAX);
    let mut trigrams = Vec::new();
    // Two spaces are in front of every word.
    let (mut last, mut in_word) = (SPACES, false);
    for letter in letters.chain([' ']) {
        let is_letter = letter.is_alphanumeric();
        if is_letter || in_word {
            let letter = if is_letter { letter } else { ' ' };
            last = (last << 21 | u64::from(letter)) & ((1 << 63) - 1);
            trigrams.push(last);
        }
        if !is_letter {
            last = SPACES;
        }
        in_word = is_letter;
    }
    trigrams.sort_unstable();
    trigrams.dedup();
    trigrams
}

/// Three spaces.
const SPACES: u64 = (32 << 42) | (32 << 21) | 32;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn similarity_is_that_of_pg_trgm() {
        // Taken from its manual, and by hand.
        for (a, b, expected) in [
            ("word", "two words", 4.0 / 11.0),
            ("word", "words", 4.0 / 7.0),
            ("Caf\u{e9}", "cafe", 1.0),
            ("a b", "b a", 1.0),
            ("abc", "xyz", 0.0),
            ("", "", 0.0),
            ("?!", "?!", 0.0),
        ] {
            let found = similarity(a, b);
            assert!((found - expected).abs() < 1e-6, "{a} {b}: {found}");
            assert_eq!(found, similarity(b, a));
        }
    }

    #[test]
    fn the_nearest_are_those_that_a_look_at_all_finds() {
        let mut seed = 5_u64;
        let mut below = |end: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % end
        };
        let mut names = NearNames::default();
        let mut all: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for round in 0..4_000 {
            let mut name =
                || (0..below(9)).map(|_| ['a', 'b', 'c', ' '][below(4) as usize]).collect();
            let given: Vec<String> = (0..3).map(|_| name()).collect();
            let (owner, count) = (below(40), below(4) as usize);
            let asked = &given[0];
            let given = &given[..count];
            names.set(owner, &given.iter().map(String::as_str).collect::<Vec<_>>());
            all.insert(owner, given.to_vec());
            all.retain(|_, names| !names.is_empty());
            assert_eq!(names.len(), all.len());
            if round % 40 == 0 {
                let (least, max) = ([0.0, 0.3, 1.0][below(3) as usize], below(20) as usize);
                let odd_only = below(2) == 1;
                let passes = |owner: &u64| !odd_only || owner % 2 == 1;
                let best = |(owner, names): (&u64, &Vec<String>)| {
                    let near = names.iter().map(|name| (similarity(asked, name), name.clone()));
                    let near = near.filter(|(near, _)| *near > 0.0 && *near >= least);
                    near.min_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)))
                        .map(|(near, name)| (near, name, *owner))
                };
                let passing = all.iter().filter(|(owner, _)| passes(owner));
                let mut expected: Vec<_> = passing.filter_map(best).collect();
                expected.sort_by(|a, b| {
                    b.0.total_cmp(&a.0).then_with(|| (&a.1, a.2).cmp(&(&b.1, b.2)))
                });
                expected.truncate(max);
                let found = names.nearest(asked, least, max, passes);
                let found: Vec<_> =
                    found.iter().map(|it| (it.similarity, it.name.to_owned(), *it.owner)).collect();
                assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn names_that_are_gone_leave_nothing_behind() {
        let mut names = NearNames::default();
        for number in 0..5_000 {
            names.set(number, &[&format!("name {number}")]);
            names.set(number, &[&format!("name {number}"), "other"]);
        }
        for number in 0..4_990 {
            names.set(number, &[]);
        }
        assert_eq!(names.len(), 10);
        assert!(names.names.len() <= 20 + 2 * GONE_MAX);
        assert_eq!(names.nearest("name 4995", 0.9, 5, |_| true).len(), 1);
        assert!(names.nearest("name 17", 0.9, 5, |_| true).is_empty());
        names.set(0, &[&"long ".repeat(1_000_000)]);
        assert!(!names.nearest(&"long ".repeat(1_000_000), 0.9, 5, |_| true).is_empty());
    }
}
