//! Words that are nearly another.
//!
//! The distance of two words is how many letters have to be put in, left out, replaced, or swapped
//! with their neighbour. An automaton keeps the last two rows of the table of distances, so a
//! dictionary is walked only where something near may still come.

use tantivy_fst::Automaton;

use crate::terms::{MARK_NAME, MARK_WORD};

/// Letters of a word that can be looked for; longer ones are not looked for like this.
pub(crate) const LETTERS_MAX: usize = 64;

/// The greatest distance that can be asked for.
pub(crate) const DISTANCE_MAX: u8 = 2;

/// Words within a distance of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Near {
    letters: Vec<char>,
    distance_max: u8,
}

/// How far a word has been read.
#[derive(Clone)]
pub(crate) struct Progress {
    /// The row of the table for the letters before the last, and for all.
    before: Row,
    row: Row,
    last: Option<char>,
    /// Bytes of a letter that is not whole yet.
    bytes: [u8; 4],
    bytes_len: u8,
    read_any: bool,
}

type Row = [u8; LETTERS_MAX + 1];

impl Near {
    /// Words within `distance_max` of a folded word. None if that is no other word: short words
    /// have no others that are nearly like them.
    pub(crate) fn new(word: &str, distance_max: u8) -> Option<Near> {
        let letters: Vec<char> = word.chars().collect();
        let distance_max = usize::from(distance_max.min(DISTANCE_MAX));
        let distance_max = distance_max.min(letters.len().saturating_sub(1) / 2) as u8;
        let is_asked = distance_max > 0 && letters.len() <= LETTERS_MAX;
        is_asked.then_some(Near { letters, distance_max })
    }

    /// The distance of a term, if it is near.
    pub(crate) fn distance(&self, term: &str) -> Option<u8> {
        let mut progress = self.start();
        for byte in term.bytes() {
            progress = self.accept(&progress, byte);
            if !self.can_match(&progress) {
                return None;
            }
        }
        self.is_match(&progress).then(|| progress.row[self.letters.len()])
    }

    fn read(&self, progress: &mut Progress, letter: char) {
        let (before, row) = (progress.before, progress.row);
        let mut next = [u8::MAX; LETTERS_MAX + 1];
        next[0] = row[0].saturating_add(1);
        for (idx, own) in self.letters.iter().enumerate() {
            let replaced = row[idx].saturating_add(u8::from(*own != letter));
            let put_in = next[idx].saturating_add(1);
            let left_out = row[idx + 1].saturating_add(1);
            next[idx + 1] = replaced.min(put_in).min(left_out);
            let is_swapped =
                idx > 0 && progress.last == Some(*own) && self.letters[idx - 1] == letter;
            if is_swapped {
                next[idx + 1] = next[idx + 1].min(before[idx - 1].saturating_add(1));
            }
        }
        (progress.before, progress.row, progress.last) = (row, next, Some(letter));
    }
}

impl Automaton for Near {
    type State = Progress;

    fn start(&self) -> Progress {
        let row = std::array::from_fn(|idx| idx as u8);
        let before = [u8::MAX; LETTERS_MAX + 1];
        Progress { before, row, last: None, bytes: [0; 4], bytes_len: 0, read_any: false }
    }

    fn is_match(&self, progress: &Progress) -> bool {
        progress.bytes_len == 0 && progress.row[self.letters.len()] <= self.distance_max
    }

    fn can_match(&self, progress: &Progress) -> bool {
        progress.row[..=self.letters.len()].iter().any(|so_far| *so_far <= self.distance_max)
    }

    fn accept(&self, progress: &Progress, byte: u8) -> Progress {
        let mut next = progress.clone();
        // A word is as near as it is, marked or not.
        if !next.read_any && u32::from(byte) == u32::from(MARK_WORD) {
            next.read_any = true;
            return next;
        }
        if !next.read_any && u32::from(byte) == u32::from(MARK_NAME) {
            // A name is no word.
            next.row = [u8::MAX; LETTERS_MAX + 1];
            next.before = next.row;
        }
        next.read_any = true;
        next.bytes[usize::from(next.bytes_len)] = byte;
        next.bytes_len += 1;
        match std::str::from_utf8(&next.bytes[..usize::from(next.bytes_len)]) {
            Ok(letter) => {
                let letter = letter.chars().next().unwrap_or_default();
                next.bytes_len = 0;
                self.read(&mut next, letter);
            }
            // Four bytes that are no letter are in no dictionary that this house wrote.
            Err(_) if next.bytes_len == 4 => {
                next.bytes_len = 0;
                next.row = [u8::MAX; LETTERS_MAX + 1];
            }
            Err(_) => {}
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distance by the whole table.
    fn plain(a: &[char], b: &[char]) -> usize {
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                table[i][j] = match (i, j) {
                    (0, other) | (other, 0) => other,
                    (i, j) => {
                        let replaced = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                        let mut least = replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                        if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                            least = least.min(table[i - 2][j - 2] + 1);
                        }
                        least
                    }
                };
            }
        }
        table[a.len()][b.len()]
    }

    #[test]
    fn the_automaton_agrees_with_the_table() {
        let letters = ['a', 'b', '\u{e9}', '\u{6771}'];
        let word = |mut number: usize, len: usize| -> String {
            let next = |_| {
                let letter = letters[number % 4];
                number /= 4;
                letter
            };
            (0..len).map(next).collect()
        };
        let words: Vec<String> = (3..7)
            .flat_map(|len| (0..60).map(move |n| (n * 37, len)))
            .map(|(n, len)| word(n, len))
            .collect();
        for a in &words {
            for distance_max in 1..=2 {
                let near = Near::new(a, distance_max).expect("it is long enough");
                for b in &words {
                    let [a, b_letters] = [a, b].map(|word| word.chars().collect::<Vec<_>>());
                    let expected = plain(&a, &b_letters);
                    let expected =
                        (expected <= usize::from(near.distance_max)).then_some(expected as u8);
                    assert_eq!(near.distance(b), expected, "{a:?} {b}");
                    assert_eq!(near.distance(&format!("{MARK_WORD}{b}")), expected);
                }
            }
        }
        assert!(Near::new("ab", 2).is_none());
    }
}
