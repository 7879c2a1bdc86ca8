//! Where a text has what a question asks for.

use std::collections::HashSet;
use std::ops::Range;

use foldhash::fast::FixedState;

use crate::question::{Ask, Question, Sign};
use crate::terms::{MARK_WORD, Reader, Term};

/// Places that are shown at most: a text that has more is shown its first.
const HIGHLIGHTS_MAX: usize = 10_000;

/// The ranges of `text`, in order, without overlap.
pub(crate) fn highlights(question: &Question, text: &str) -> Vec<Range<usize>> {
    let sought = Sought::of(question);
    let mut phrases: Vec<Walk<'_>> = sought.phrases.iter().map(|terms| Walk::of(terms)).collect();
    let mut ranges = Ranges::default();
    Reader::of(question.language).read(text, |term, _| {
        if ranges.list.len() >= HIGHLIGHTS_MAX {
            return;
        }
        if sought.has(&term) {
            ranges.add(term.range.clone());
        }
        for walk in &mut phrases {
            walk.step(&term, &mut ranges);
        }
    });
    ranges.finish()
}

/// What is looked for, word by word.
struct Sought<'a> {
    words: HashSet<&'a str, FixedState>,
    others: Vec<&'a Ask>,
    phrases: Vec<&'a [(Box<str>, u32)]>,
}

impl<'a> Sought<'a> {
    fn of(question: &'a Question) -> Self {
        let mut sought =
            Sought { words: HashSet::default(), others: Vec::new(), phrases: Vec::new() };
        for clause in question.clauses.iter().filter(|clause| clause.sign != Sign::Not) {
            match &clause.ask {
                Ask::Word(term) => {
                    sought.words.insert(term);
                }
                Ask::Phrase(terms) => sought.phrases.push(terms),
                Ask::Prefix(_) | Ask::Near(_) => sought.others.push(&clause.ask),
            }
        }
        sought
    }

    fn has(&self, term: &Term<'_>) -> bool {
        self.words.contains(term.text)
            || self.others.iter().any(|ask| match ask {
                Ask::Prefix(start) => term.text.trim_start_matches(MARK_WORD).starts_with(&**start),
                Ask::Near(near) => near.distance(term.text).is_some(),
                Ask::Word(_) | Ask::Phrase(_) => false,
            })
    }
}

/// A phrase, and how far the places at which it may have begun have come.
struct Walk<'a> {
    terms: &'a [(Box<str>, u32)],
    /// The place of the first word, where it begins, and how many words were there.
    begun: Vec<(u32, usize, usize)>,
}

impl<'a> Walk<'a> {
    fn of(terms: &'a [(Box<str>, u32)]) -> Self {
        Walk { terms, begun: Vec::new() }
    }

    fn step(&mut self, term: &Term<'_>, ranges: &mut Ranges) {
        let terms = self.terms;
        let first_place = terms.first().map_or(0, |(_, place)| *place);
        let due = |at: &(u32, usize, usize)| at.0 + (terms[at.2].1 - first_place);
        for at in self.begun.iter_mut().filter(|at| due(at) == term.place) {
            if *terms[at.2].0 == *term.text {
                at.2 += 1;
                if at.2 == terms.len() {
                    ranges.add(at.1..term.range.end);
                    // It is over.
                    (at.0, at.2) = (u32::MAX, 0);
                }
            }
        }
        self.begun.retain(|at| at.0 != u32::MAX && due(at) >= term.place);
        if terms.len() > 1 && *terms[0].0 == *term.text {
            self.begun.push((term.place, term.range.start, 1));
        }
    }
}

#[derive(Default)]
struct Ranges {
    list: Vec<Range<usize>>,
}

impl Ranges {
    fn add(&mut self, range: Range<usize>) {
        if self.list.last() != Some(&range) {
            self.list.push(range);
        }
    }

    /// In order, those that overlap as one.
    fn finish(mut self) -> Vec<Range<usize>> {
        self.list.sort_by_key(|range| (range.start, range.end));
        let mut joined: Vec<Range<usize>> = Vec::with_capacity(self.list.len());
        for range in self.list {
            match joined.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                Some(_) | None => joined.push(range),
            }
        }
        joined
    }
}
