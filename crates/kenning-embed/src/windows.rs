//! Long texts to windows that a model can read.
//!
//! A window ends with a sentence or a line if one ends in its second half, else with a word.
//! Windows do not overlap: what a sentence says is read as a whole wherever it fits, a hit is the
//! best window of its text, and overlap would be paid for in vectors by every long text. The last
//! two windows are made alike if the last one would be short: a vector of three words is near to
//! much.

use std::ops::Range;

use crate::words::words;

/// A word and what it costs.
#[derive(Clone)]
struct Unit {
    bytes: Range<usize>,
    cost: usize,
    /// A sentence or a line ends with it.
    ends: bool,
}

/// Where `text` is cut so that no window costs more than `cost_max`. `cost` says what a part of the
/// text costs: a word, or a part of one that costs too much by itself.
pub(crate) fn windows(
    text: &str,
    cost_max: usize,
    mut cost: impl FnMut(&str) -> usize,
) -> Vec<Range<usize>> {
    let (before, units) = (Vec::new(), Vec::new());
    let mut cut = Cut { windows: Vec::new(), before, units, paid: 0, cost_max };
    for word in words(text) {
        let price = cost(&text[word.clone()]);
        if price <= cost_max {
            cut.push(text, word, price);
        } else {
            for part in slices(text, word, cost_max / CHAR_COST_MAX) {
                let price = cost(&text[part.clone()]);
                cut.push(text, part, price.min(cost_max));
            }
        }
    }
    cut.finish()
}

/// Tokens that one character can be at most: its canonical decomposition, each part by itself.
const CHAR_COST_MAX: usize = 4;

/// `range` in slices of some characters.
fn slices(text: &str, range: Range<usize>, chars: usize) -> impl Iterator<Item = Range<usize>> {
    let mut from = range.start;
    std::iter::from_fn(move || {
        let rest = text[from..range.end].char_indices();
        let size = rest.map(|(at, c)| at + c.len_utf8()).take(chars.max(1)).last()?;
        from += size;
        Some(from - size..from)
    })
}

struct Cut {
    windows: Vec<Range<usize>>,
    /// The window before, which may still be made shorter.
    before: Vec<Unit>,
    units: Vec<Unit>,
    /// What the units cost.
    paid: usize,
    cost_max: usize,
}

impl Cut {
    fn push(&mut self, text: &str, bytes: Range<usize>, cost: usize) {
        // It says nothing.
        if cost == 0 {
            return;
        }
        if let Some(last) = self.units.last_mut() {
            let between = &text[last.bytes.end..bytes.start];
            let word = &text[last.bytes.clone()];
            last.ends = between.contains('\n') || ends_sentence(word) && !between.is_empty();
            last.ends |= matches!(word, "\u{3002}" | "\u{ff01}" | "\u{ff1f}");
        }
        while self.cost_max < self.paid + cost {
            self.close();
        }
        self.paid += cost;
        self.units.push(Unit { bytes, cost, ends: false });
    }

    /// Where the window that is full should end.
    fn first_behind(&self) -> usize {
        let mut paid = 0;
        let mut best = self.units.len();
        for (idx, unit) in self.units.iter().enumerate() {
            paid += unit.cost;
            if unit.ends && self.cost_max <= 2 * paid {
                best = idx + 1;
            }
        }
        best
    }

    /// What belongs into a window leaves the units.
    fn close(&mut self) {
        let behind = self.units.split_off(self.first_behind());
        self.paid = price(&behind);
        self.windows.extend(bytes(&self.before));
        self.before = std::mem::replace(&mut self.units, behind);
    }

    fn finish(mut self) -> Vec<Range<usize>> {
        if self.paid * 4 < self.cost_max {
            self.level();
        }
        self.windows.extend(bytes(&self.before));
        self.windows.extend(bytes(&self.units));
        self.windows
    }

    /// The last two windows get the same, as nearly as their words allow.
    fn level(&mut self) {
        let from = self.before.len();
        self.before.append(&mut self.units);
        let all = price(&self.before);
        let mut paid = 0;
        let middle = self.before.iter().position(|unit| {
            paid += unit.cost;
            all <= 2 * paid
        });
        let fits = paid <= self.cost_max && all - paid <= self.cost_max;
        let from = middle.filter(|_| fits && 0 < from).map_or(from, |idx| idx + 1);
        self.units = self.before.split_off(from);
    }
}

fn ends_sentence(word: &str) -> bool {
    matches!(word, "." | "!" | "?" | ":" | ";" | "\u{2026}" | "\u{61f}" | "\u{964}")
}

fn price(units: &[Unit]) -> usize {
    units.iter().map(|unit| unit.cost).sum()
}

fn bytes(units: &[Unit]) -> Option<Range<usize>> {
    Some(units.first()?.bytes.start..units.last()?.bytes.end)
}
