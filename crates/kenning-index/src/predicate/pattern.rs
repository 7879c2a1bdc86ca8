//! `LIKE`: a pattern is texts with single characters between them, and gaps of any length.
//!
//! The first run must be at the beginning and the last one at the end; each of the others is taken
//! where it comes first, because that leaves most for what follows. So no choice is ever taken
//! back, and the time is that of finding the runs one behind the other.

/// The sign that takes away the meaning of what follows; none if nothing does.
#[derive(Clone, Copy)]
pub(super) struct Escape(pub(super) Option<char>);

/// The sign that takes the meaning of `%`, `_` and itself away, where nobody says another one.
const ESCAPE: char = '\\';

impl Default for Escape {
    fn default() -> Self {
        Escape(Some(ESCAPE))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern {
    /// Between two of them is a gap; there is at least one, and any may be empty.
    runs: Vec<Run>,
    is_cased: bool,
}

/// Characters next to each other.
#[derive(Clone, Debug, Default, PartialEq)]
struct Run {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    /// Never empty, never next to each other.
    Text(String),
    /// So many characters.
    Any(usize),
}

impl Pattern {
    /// Texts that begin so.
    pub(super) fn prefix(prefix: &str) -> Pattern {
        let mut pattern = Pattern { runs: vec![Run::default()], is_cased: true };
        prefix.chars().for_each(|character| pattern.push(character));
        pattern.runs.push(Run::default());
        pattern
    }

    /// Reads a pattern; `None` if its last sign takes the meaning of nothing away.
    pub(super) fn read(text: &str, escape: Escape, is_cased: bool) -> Option<Pattern> {
        let mut pattern = Pattern { runs: vec![Run::default()], is_cased };
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                character if escape.0 == Some(character) => pattern.push(characters.next()?),
                '%' => pattern.gap(),
                '_' => pattern.any(),
                character => pattern.push(character),
            }
        }
        Some(pattern)
    }

    /// The pattern as it is read with the usual sign.
    pub(super) fn write(&self) -> String {
        let mut text = String::new();
        for (idx, run) in self.runs.iter().enumerate() {
            if idx > 0 {
                text.push('%');
            }
            for piece in &run.pieces {
                match piece {
                    Piece::Any(n) => text.extend(std::iter::repeat_n('_', *n)),
                    Piece::Text(part) => part.chars().for_each(|character| {
                        if matches!(character, '%' | '_' | ESCAPE) {
                            text.push(ESCAPE);
                        }
                        text.push(character);
                    }),
                }
            }
        }
        text
    }

    pub(super) fn is_cased(&self) -> bool {
        self.is_cased
    }

    /// What every text begins with that fits, and whether no other text fits; `None` where that
    /// says nothing, but for the pattern that every text fits.
    pub(super) fn beginning(&self) -> Option<(&str, bool)> {
        let [first, others @ ..] = self.runs.as_slice() else { return None };
        match first.pieces.as_slice() {
            _ if !self.is_cased => None,
            [] if others.iter().all(|run| run.pieces.is_empty()) => Some(("", others.is_empty())),
            [Piece::Text(text), rest @ ..] => Some((text, rest.is_empty() && others.is_empty())),
            [] | [Piece::Any(_), ..] => None,
        }
    }

    pub(super) fn fits(&self, text: &str) -> bool {
        if self.is_cased { fits(&self.runs, text) } else { fits(&self.runs, &lowered(text)) }
    }

    fn push(&mut self, character: char) {
        let is_cased = self.is_cased;
        let pieces = self.last();
        if !matches!(pieces.last(), Some(Piece::Text(_))) {
            pieces.push(Piece::Text(String::new()));
        }
        if let Some(Piece::Text(text)) = pieces.last_mut() {
            if is_cased { text.push(character) } else { text.extend(character.to_lowercase()) }
        }
    }

    fn any(&mut self) {
        let pieces = self.last();
        match pieces.last_mut() {
            Some(Piece::Any(n)) => *n += 1,
            Some(Piece::Text(_)) | None => pieces.push(Piece::Any(1)),
        }
    }

    fn gap(&mut self) {
        // Two gaps next to each other are one.
        if self.runs.len() == 1 || !self.last().is_empty() {
            self.runs.push(Run::default());
        }
    }

    fn last(&mut self) -> &mut Vec<Piece> {
        &mut self.runs.last_mut().expect("there is always a run").pieces
    }
}

fn fits(runs: &[Run], text: &str) -> bool {
    let [first, others @ ..] = runs else { return false };
    let Some(mut rest) = first.strip(text) else { return false };
    let [between @ .., last] = others else { return rest.is_empty() };
    for run in between {
        let Some(behind) = run.find(rest) else { return false };
        rest = behind;
    }
    last.ends(rest)
}

impl Run {
    /// What is behind it, if `text` begins with it.
    fn strip<'a>(&self, text: &'a str) -> Option<&'a str> {
        self.pieces.iter().try_fold(text, |rest, piece| match piece {
            Piece::Text(part) => rest.strip_prefix(part.as_str()),
            Piece::Any(n) => {
                let mut characters = rest.chars();
                characters.nth(n - 1).map(|_| characters.as_str())
            }
        })
    }

    /// What is behind it, where it first comes in `text`.
    fn find<'a>(&self, text: &'a str) -> Option<&'a str> {
        if let [Piece::Text(part)] = self.pieces.as_slice() {
            return text.find(part.as_str()).map(|at| &text[at + part.len()..]);
        }
        text.char_indices().find_map(|(at, _)| self.strip(&text[at..]))
    }

    fn ends(&self, text: &str) -> bool {
        let rest = self.pieces.iter().rev().try_fold(text, |rest, piece| match piece {
            Piece::Text(part) => rest.strip_suffix(part.as_str()),
            Piece::Any(n) => {
                let mut characters = rest.chars();
                characters.nth_back(n - 1).map(|_| characters.as_str())
            }
        });
        rest.is_some()
    }
}

/// Letter by letter, so that what a letter becomes does not depend on those around it.
fn lowered(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}
