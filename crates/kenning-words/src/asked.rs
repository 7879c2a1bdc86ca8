//! A question before all pieces: which rows have what it asks for, and how rare that is.
//!
//! A word stays where it is, as postings that are read while rows are scored. Phrases, beginnings
//! of words and words nearly like another are found here and become lists of rows, and are scored
//! like a word of their own: as rare as the rows that have them are few. What counts as rare is
//! counted over the rows that are there at the version of the view, in all pieces together.

use std::collections::BTreeSet;

use kenning_index::WordPart;
use kenning_store::Result;
use tantivy::postings::{Postings, SegmentPostings, TermInfo};
use tantivy::{DocSet, TERMINATED};
use tantivy_fst::Automaton;

use crate::near::Near;
use crate::part::{Piece, unread};
use crate::question::{Ask, Clause, Sign};
use crate::score;
use crate::terms::MARK_WORD;

/// Terms that a prefix or a fuzzy word stands for: of each the first so many that are there, by
/// their order for a prefix, by their distance and order for a fuzzy word.
const PREFIX_TERMS_MAX: usize = 128;
const NEAR_TERMS_MAX: usize = 64;

/// Terms that are compared for it.
const COMPARED_MAX: usize = 4096;

/// What a clause has come to.
pub(crate) struct Asked {
    pub(crate) sign: Sign,
    pub(crate) weight: f32,
    /// By piece.
    pub(crate) rows: Vec<Rows>,
}

/// The rows of a piece that have what is asked for.
pub(crate) enum Rows {
    /// None.
    Nowhere,
    /// Those of a term, also such that are not there.
    Term(TermInfo),
    /// These, in order, and how often; all are there.
    Listed(Vec<(u32, f32)>),
}

impl Rows {
    /// How many there are at most.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Rows::Nowhere => 0,
            Rows::Term(term) => term.doc_freq.into(),
            Rows::Listed(rows) => rows.len() as u64,
        }
    }
}

/// Looks up all clauses.
pub(crate) fn ask(clauses: &[Clause], pieces: &[Piece<'_>]) -> Result<Vec<Asked>> {
    let rows = pieces.iter().map(|piece| piece.rows).sum();
    let asked = clauses.iter().map(|clause| {
        let found = find(&clause.ask, pieces)?;
        let mut with = 0;
        for (piece, rows) in pieces.iter().zip(&found) {
            with += there(piece, rows)?;
        }
        let weight = score::weight(rows, with, clause.times);
        Ok(Asked { sign: clause.sign, weight, rows: found })
    });
    asked.collect()
}

/// The rows in each piece that have it.
pub(crate) fn find(ask: &Ask, pieces: &[Piece<'_>]) -> Result<Vec<Rows>> {
    let in_each = |find: &dyn Fn(&Piece<'_>) -> Result<Rows>| pieces.iter().map(find).collect();
    match ask {
        Ask::Word(term) => {
            in_each(&|piece| Ok(piece.part.term(term)?.map_or(Rows::Nowhere, Rows::Term)))
        }
        Ask::Phrase(terms) => in_each(&|piece| phrase(piece, terms)),
        Ask::Prefix(start) => {
            let terms = beginning(start, pieces)?;
            in_each(&|piece| any(piece, &terms))
        }
        Ask::Near(near) => {
            let terms = nearest(near, pieces)?;
            in_each(&|piece| any(piece, &terms))
        }
    }
}

/// How many of the rows are there.
pub(crate) fn there(piece: &Piece<'_>, rows: &Rows) -> Result<u64> {
    match rows {
        Rows::Term(term) if piece.there.is_some() => counted(piece, term),
        Rows::Nowhere | Rows::Term(_) | Rows::Listed(_) => Ok(rows.count()),
    }
}

fn counted(piece: &Piece<'_>, term: &TermInfo) -> Result<u64> {
    let mut postings = piece.part.rows_of(term, false)?;
    // Few rows that are gone are looked up; otherwise every row is.
    if let Some(gone) = piece.gone.as_ref().filter(|gone| gone.len() < term.doc_freq as usize / 32)
    {
        let mut left = u64::from(term.doc_freq);
        for row in gone {
            let at = postings.seek(*row);
            left -= u64::from(postings.doc(at) == *row);
        }
        return Ok(left);
    }
    let mut count = 0;
    while postings.block_len() > 0 {
        count += postings.docs().iter().filter(|row| piece.has(**row)).count() as u64;
        postings.advance();
    }
    Ok(count)
}

/// All rows of a term that are there, and how often each has it.
pub(crate) fn listed(piece: &Piece<'_>, rows: Rows) -> Result<Vec<(u32, f32)>> {
    let term = match rows {
        Rows::Nowhere => return Ok(Vec::new()),
        Rows::Listed(rows) => return Ok(rows),
        Rows::Term(term) => term,
    };
    let mut postings = piece.part.rows_of(&term, true)?;
    let mut rows = Vec::with_capacity(term.doc_freq as usize);
    while postings.block_len() > 0 {
        let counted = postings.docs().iter().zip(postings.freqs());
        let there = counted.filter(|(row, _)| piece.has(**row));
        rows.extend(there.map(|(row, count)| (*row, *count as f32)));
        postings.advance();
    }
    Ok(rows)
}

/// The rows that have these terms at these distances.
fn phrase(piece: &Piece<'_>, terms: &[(Box<str>, u32)]) -> Result<Rows> {
    let mut found: Vec<(SegmentPostings, u32)> = Vec::new();
    for (term, place) in terms {
        let Some(info) = piece.part.term(term)? else { return Ok(Rows::Nowhere) };
        found.push((piece.part.places_of(&info)?, *place));
    }
    // The rarest leads.
    found.sort_by_key(|(postings, _)| postings.doc_freq());
    let Some(((first, first_place), others)) = found.split_first_mut() else {
        return Ok(Rows::Nowhere);
    };
    let (mut rows, mut starts, mut places) = (Vec::new(), Vec::new(), Vec::new());
    let mut row = first.doc();
    while row != TERMINATED {
        let together = others.iter_mut().all(|(other, _)| at(other, row));
        if together && piece.has(row) {
            starts.clear();
            first.append_positions_with_offset(0, &mut starts);
            starts.retain_mut(|start| subtract(start, *first_place));
            for (other, place) in others.iter_mut() {
                places.clear();
                other.append_positions_with_offset(0, &mut places);
                starts.retain(|start| places.binary_search(&(start + *place)).is_ok());
            }
            if !starts.is_empty() {
                rows.push((row, starts.len() as f32));
            }
        }
        row = first.advance();
    }
    Ok(Rows::Listed(rows))
}

/// Moves to `row`, and says whether it is there.
fn at(postings: &mut SegmentPostings, row: u32) -> bool {
    // What is behind it already does not have it.
    let reached = if postings.doc() < row { postings.seek(row) } else { postings.doc() };
    reached == row
}

/// Whether a place lies so far from the beginning; it becomes that of the first term then.
fn subtract(place: &mut u32, distance: u32) -> bool {
    match place.checked_sub(distance) {
        Some(first) => {
            *place = first;
            true
        }
        None => false,
    }
}

/// A term, and what it counts as against the word that was asked for.
type Expanded = (Box<str>, f32);

/// The first terms that begin so, words and stems.
fn beginning(start: &str, pieces: &[Piece<'_>]) -> Result<Vec<Expanded>> {
    let mut terms = Vec::new();
    for start in [start.to_owned(), format!("{MARK_WORD}{start}")] {
        let mut first = BTreeSet::new();
        for piece in pieces {
            let stream = piece.part.words()?.terms().range().ge(&start).into_stream();
            let mut stream = stream.map_err(unread)?;
            let mut left = PREFIX_TERMS_MAX;
            while left > 0 && stream.advance() && stream.key().starts_with(start.as_bytes()) {
                left -= usize::from(keep(piece, stream.key(), stream.value(), &mut first)?);
            }
        }
        terms.extend(first.into_iter().take(PREFIX_TERMS_MAX).map(|term| (term, 1.0)));
    }
    Ok(terms)
}

/// The nearest terms, words and stems. What is farther counts less.
fn nearest(near: &Near, pieces: &[Piece<'_>]) -> Result<Vec<Expanded>> {
    let mut compared = BTreeSet::new();
    for piece in pieces {
        let stream = piece.part.words()?.terms().search(NearBy(near)).into_stream();
        let mut stream = stream.map_err(unread)?;
        let mut left = COMPARED_MAX;
        while left > 0 && stream.advance() {
            left -= usize::from(keep(piece, stream.key(), stream.value(), &mut compared)?);
        }
    }
    let distance = |term: Box<str>| near.distance(&term).map(|distance| (distance, term));
    let first = compared.into_iter().take(COMPARED_MAX);
    let mut terms: Vec<(u8, Box<str>)> = first.filter_map(distance).collect();
    terms.sort();
    terms.truncate(NEAR_TERMS_MAX);
    let counts = [1.0, 0.5, 0.25];
    Ok(terms.into_iter().map(|(distance, term)| (term, counts[usize::from(distance)])).collect())
}

/// Keeps a term that a row has which is there. Returns whether it has one.
fn keep(
    piece: &Piece<'_>,
    term: &[u8],
    info: &TermInfo,
    terms: &mut BTreeSet<Box<str>>,
) -> Result<bool> {
    let Ok(term) = std::str::from_utf8(term) else { return Ok(false) };
    if terms.contains(term) {
        return Ok(true);
    }
    let is_there = piece.there.is_none() || has_any(piece, info)?;
    if is_there {
        terms.insert(term.into());
    }
    Ok(is_there)
}

fn has_any(piece: &Piece<'_>, info: &TermInfo) -> Result<bool> {
    let mut postings = piece.part.rows_of(info, false)?;
    while postings.block_len() > 0 {
        if postings.docs().iter().any(|row| piece.has(*row)) {
            return Ok(true);
        }
        postings.advance();
    }
    Ok(false)
}

/// The rows that have any of these terms, and how often the one that counts most.
fn any(piece: &Piece<'_>, terms: &[Expanded]) -> Result<Rows> {
    let mut counts: Vec<f32> = Vec::new();
    let mut rows: Vec<u32> = Vec::new();
    for (term, factor) in terms {
        let Some(info) = piece.part.term(term)? else { continue };
        counts.resize(piece.part.rows() as usize, 0.0);
        for (row, count) in listed(piece, Rows::Term(info))? {
            let so_far = &mut counts[row as usize];
            if *so_far == 0.0 {
                rows.push(row);
            }
            *so_far = so_far.max(count * factor);
        }
    }
    rows.sort_unstable();
    Ok(Rows::Listed(rows.into_iter().map(|row| (row, counts[row as usize])).collect()))
}

/// An automaton that is borrowed.
struct NearBy<'a>(&'a Near);

impl Automaton for NearBy<'_> {
    type State = <Near as Automaton>::State;

    fn start(&self) -> Self::State {
        self.0.start()
    }

    fn is_match(&self, state: &Self::State) -> bool {
        self.0.is_match(state)
    }

    fn can_match(&self, state: &Self::State) -> bool {
        self.0.can_match(state)
    }

    fn accept(&self, state: &Self::State, byte: u8) -> Self::State {
        self.0.accept(state, byte)
    }
}
