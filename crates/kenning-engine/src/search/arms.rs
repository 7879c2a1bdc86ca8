//! What each arm finds.

use std::collections::HashMap;
use std::sync::Arc;

use kenning_index::{
    Around, Bitmap, Mask, NearCost, NearQuestion, WordArm, WordPart, WordQuestion,
};
use kenning_record::{Metric, TableNo, VectorSpec, Version, keys};
use kenning_store::{Error, ErrorKind, Range, Result};

use super::filter::Filters;
use super::{Mode, Search, SearchExplain, Whose, missing};
use crate::embedding;
use crate::sealed::collect::{Changed, Collect};
use crate::sealed::follow::index_of;
use crate::sealed::piece::{Body, Piece, PieceDraft};
use crate::sealed::roster::Roster;
use crate::sealed::spec::Spec;
use crate::sealed::{Index, Sight};
use crate::staging::PENDING;
use crate::table::Table;
use crate::view::View;

/// Candidates of an arm over words: enough that a hit of another arm is among them, if it has any
/// of the words that matter.
const WORDS_DEPTH: usize = 1_000;
/// Candidates of an arm over vectors, for each hit that is wanted, and at least.
const VECTORS_PER_HIT: usize = 4;
const VECTORS_DEPTH: usize = 200;
/// Candidates that a graph keeps beyond those that it gives.
const GRAPH_SPARE: usize = 50;

/// How many candidates are asked of each arm for so many hits.
pub(super) fn depth(wanted: usize) -> usize {
    (wanted * VECTORS_PER_HIT).max(VECTORS_DEPTH)
}

/// A record that an arm found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) whose: Whose,
    /// The version that was found.
    pub(super) version: Version,
    /// BM25, or a distance.
    pub(super) score: f32,
}

/// What the arms found, each its best first.
#[derive(Default)]
pub(super) struct Candidates {
    pub(super) words: Vec<Candidate>,
    pub(super) window: Vec<Candidate>,
    pub(super) vectors: Vec<Candidate>,
}

impl Candidates {
    /// Every record that was found, once.
    pub(super) fn whose(&self) -> impl Iterator<Item = (Whose, Version)> {
        let all = self.words.iter().chain(&self.window).chain(&self.vectors);
        let versions: HashMap<Whose, Version> = all.fold(HashMap::new(), |mut versions, it| {
            let known = versions.entry(it.whose).or_insert(it.version);
            *known = it.version.max(*known);
            versions
        });
        versions.into_iter()
    }

    /// Whether an arm gave as many as were asked, so that there may be more.
    pub(super) fn is_full(&self, depth: usize) -> bool {
        [&self.words, &self.window, &self.vectors].iter().any(|arm| arm.len() >= depth)
    }
}

/// An index that is searched, with what of it may be found.
struct Searched {
    index: Arc<Index>,
    /// What the transaction has staged, as pieces of its own.
    staged: Vec<Arc<Piece>>,
    table: Arc<Table>,
    filters: Vec<Option<Arc<Bitmap>>>,
    /// The version at which its pieces are looked at.
    at: Version,
}

/// A piece that is searched.
#[derive(Clone)]
struct Pieced<'a> {
    piece: &'a Arc<Piece>,
    mask: Mask<'a>,
    searched: &'a Searched,
    is_staged: bool,
}

impl Searched {
    fn pieces(&self) -> impl Iterator<Item = Pieced<'_>> {
        let filters = self.filters.iter().map(Option::as_deref);
        let sealed = self.index.pieces.iter().zip(filters).map(|(piece, filter)| Pieced {
            piece,
            mask: piece.mask(self.at, filter),
            searched: self,
            is_staged: false,
        });
        let staged = self.staged.iter().map(|piece| Pieced {
            piece,
            mask: Mask::ALL,
            searched: self,
            is_staged: true,
        });
        sealed.chain(staged)
    }
}

impl Pieced<'_> {
    fn candidate(&self, row: u32, score: f32) -> Candidate {
        let roster = &self.piece.roster;
        let whose = (self.searched.table.number, roster.id(row));
        let version = if self.is_staged { PENDING } else { roster.from(row) };
        Candidate { whose, version, score }
    }
}

/// The arms of a search.
pub(super) struct Arms<'a> {
    search: &'a Search<'a>,
    pub(super) explain: SearchExplain,
    /// The question as each language reads it.
    questions: Vec<(String, Arc<dyn WordQuestion>)>,
    words: Vec<Searched>,
    vectors: Vec<(Searched, Arc<Vec<f32>>)>,
}

impl<'a> Arms<'a> {
    /// Finds the indexes of every table, and reads the question.
    pub(super) async fn open(search: &'a Search<'a>) -> Result<Self> {
        let Search { view, ask, finders, .. } = *search;
        let now = View::now(&view.handle, &view.tenant)?;
        let sight = view.tenant.library.follow(&now, finders).await?;
        drop(now);
        let mut arms = Arms {
            search,
            explain: SearchExplain::default(),
            questions: Vec::new(),
            words: Vec::new(),
            vectors: Vec::new(),
        };
        let mut filters = Filters::new(search);
        if let Some(text) = ask.text.as_ref().filter(|_| ask.mode != Mode::Vectors) {
            arms.open_words(&sight, text, &mut filters).await?;
        }
        if ask.mode != Mode::Words {
            arms.open_vectors(&sight, &mut filters).await?;
        }
        arms.explain.filter_rows = filters.rows();
        arms.explain.filter_known = filters.was_known();
        Ok(arms)
    }

    async fn open_words(
        &mut self,
        sight: &Sight,
        text: &str,
        filters: &mut Filters<'_>,
    ) -> Result<()> {
        for table in &self.search.tables {
            let spec = Spec::of_words(&table.schema);
            let searched = self.searched(sight, table, spec, filters).await?;
            let language = searched.index.spec.language();
            if !self.questions.iter().any(|(known, _)| known == language) {
                let read = self.search.finders.words.question(language, text)?;
                self.questions.push((language.to_owned(), read));
            }
            self.words.push(searched);
        }
        Ok(())
    }

    async fn open_vectors(&mut self, sight: &Sight, filters: &mut Filters<'_>) -> Result<()> {
        let Search { ask, finders, .. } = *self.search;
        let name = match ask.vectors.as_deref() {
            None => "embed".to_owned(),
            Some(name @ ("embed" | "embed_alt")) => name.to_owned(),
            Some(path) => format!("vector:{path}"),
        };
        let mut known: HashMap<String, Arc<Vec<f32>>> = HashMap::new();
        let mut refused: Vec<Error> = Vec::new();
        for table in &self.search.tables {
            let (specs, not_there) = Spec::of(&table.schema, finders);
            let Some(spec) = specs.into_iter().find(|spec| spec.name() == name) else {
                let why = not_there.into_iter().find(|(slot, _)| slot.name() == name);
                if let Some((_, why)) = why {
                    refused.push(of_table(table, &why));
                }
                continue;
            };
            // While another model is being asked, the one before serves.
            let spec = match sight.index(table.number, &name) {
                Some(index) if index.is_stale => (*index.spec).clone(),
                Some(_) | None => spec,
            };
            let asked = spec.model().unwrap_or_default().to_owned();
            let question = match known.get(&asked) {
                Some(question) => Arc::clone(question),
                None => match self.vector(&spec).await {
                    Ok(question) => Arc::clone(known.entry(asked).or_insert(question)),
                    Err(error) if error.kind() == ErrorKind::Corrupt => return Err(error),
                    Err(error) => {
                        refused.push(of_table(table, &error));
                        continue;
                    }
                },
            };
            check_vector(&question, spec.vectors().expect("it has vectors"))?;
            let searched = self.searched(sight, table, spec, filters).await?;
            self.vectors.push((searched, question));
        }
        if self.vectors.is_empty() && refused.is_empty() {
            let message = format!("no table that is searched has vectors '{name}'");
            refused.push(Error::invalid("VECTORS_MISSING", message));
        }
        // The other tables answer for themselves.
        let mode = if self.vectors.is_empty() { ask.mode } else { Mode::Hybrid };
        refused.into_iter().try_for_each(|error| missing(mode, error, &mut self.explain))
    }

    /// The question as a vector that an index can compare.
    async fn vector(&self, spec: &Spec) -> Result<Arc<Vec<f32>>> {
        let Search { ask, finders, view, .. } = *self.search;
        if let Some(vector) = &ask.vector {
            return Ok(Arc::new(vector.clone()));
        }
        let Some(embedder) = spec.embedder(finders) else {
            let message = format!("'{}' can be asked by a vector only", spec.name());
            return Err(Error::invalid("QUESTION_IS_TEXT", message));
        };
        let text = ask.text.as_deref().unwrap_or_default();
        let embedder = embedder?;
        let asked = &view.handle.shared().asked;
        if let Some(vector) = asked.get(embedder.model_id(), text) {
            return Ok(vector);
        }
        let vector = Arc::new(embedding::ask(&*embedder, &[text])?);
        asked.insert(embedder.model_id(), text, &vector);
        Ok(vector)
    }

    /// The index of a table, for the version of the view.
    async fn searched(
        &mut self,
        sight: &Sight,
        table: &Arc<Table>,
        spec: Spec,
        filters: &mut Filters<'_>,
    ) -> Result<Searched> {
        let Search { view, finders, .. } = *self.search;
        let version = view.version;
        let known = sight.index(table.number, &spec.name());
        let serves = |index: &&Arc<Index>| {
            let is_behind = spec.model().is_none() && index.position < version;
            index.serves(version) && !is_behind
        };
        let index = match known.filter(serves) {
            Some(index) => Arc::clone(index),
            None => {
                if known.is_some_and(|index| !index.is_ready) {
                    let shared = view.handle.shared();
                    shared.unsealed.ask(view.tenant.number);
                    shared.seal.ring();
                }
                self.explain.made += 1;
                let below = view.below_staged();
                Arc::new(index_of(&below, table, &Arc::new(spec), finders).await?)
            }
        };
        let at = version;
        let mut bitmaps = Vec::with_capacity(index.pieces.len());
        for piece in &index.pieces {
            bitmaps.push(filters.bitmap(table, piece).await?);
            let count = if piece.part.is_some() {
                &mut self.explain.parts
            } else {
                &mut self.explain.tails
            };
            *count += 1;
        }
        let staged = self.staged(table, &index.spec).await?;
        Ok(Searched { index, staged, table: Arc::clone(table), filters: bitmaps, at })
    }

    /// What a transaction has staged of a table, as a piece.
    async fn staged(&self, table: &Table, spec: &Spec) -> Result<Vec<Arc<Piece>>> {
        let Search { view, finders, .. } = *self.search;
        let Some(staging) = &view.staging else { return Ok(Vec::new()) };
        let tenant = view.tenant.number;
        let records = Range::prefix(keys::records(tenant, table.number));
        // What others put there would be found, too.
        staging.remember(&records);
        let mut changes = Vec::new();
        for row in staging.staged(&records) {
            let mut changed = Changed::stored(&row)?;
            // A mask lets through what is from before.
            changed.change.version = 0;
            changes.push(changed);
        }
        let mut draft = PieceDraft::default();
        Collect { finders, spec, tenant, source: &view.below }.take(&changes, &mut draft).await?;
        if draft.rows() == 0 {
            return Ok(Vec::new());
        }
        Ok(vec![Arc::new(draft.finish(finders, spec)?)])
    }

    /// The best of each arm.
    pub(super) async fn ask(&mut self, depth: usize) -> Result<Candidates> {
        let mut found = Candidates::default();
        if self.questions.iter().any(|(_, question)| !question.is_empty()) {
            let depth = depth.max(WORDS_DEPTH);
            found.words = self.by_words(depth, false)?;
            let pieces: Vec<Pieced<'_>> = self.words.iter().flat_map(Searched::pieces).collect();
            if self.search.ask.mode == Mode::Hybrid && (Neighbours { pieces: &pieces }).are_any() {
                found.window = self.by_words(depth, true)?;
            }
        }
        found.vectors = self.by_vectors(depth)?;
        Ok(found)
    }

    /// How the language of a table reads the question.
    pub(super) fn question(&self, table: TableNo) -> Option<&dyn WordQuestion> {
        let searched = self.words.iter().find(|searched| searched.table.number == table)?;
        let language = searched.index.spec.language();
        let known = self.questions.iter().find(|(known, _)| known == language);
        known.map(|(_, question)| &**question)
    }

    /// The best by words. How rare a word is, is asked of the tables of one language.
    fn by_words(&self, depth: usize, around: bool) -> Result<Vec<Candidate>> {
        let mut best = Vec::new();
        for (language, question) in &self.questions {
            best.extend(self.by_words_of(language, &**question, depth, around)?);
        }
        if self.questions.len() > 1 {
            let better = |a: &Candidate, b: &Candidate| {
                b.score.total_cmp(&a.score).then_with(|| a.whose.cmp(&b.whose))
            };
            best.sort_by(better);
            best.truncate(depth);
        }
        Ok(best)
    }

    fn by_words_of(
        &self,
        language: &str,
        question: &dyn WordQuestion,
        depth: usize,
        around: bool,
    ) -> Result<Vec<Candidate>> {
        let is_read = |it: &&Searched| it.index.spec.language() == language;
        let read = self.words.iter().filter(is_read);
        let pieces: Vec<Pieced<'_>> = read.flat_map(Searched::pieces).collect();
        let asked: Vec<(Arc<dyn WordPart>, Mask<'_>)> = pieces
            .iter()
            .filter_map(|it| match &it.piece.body {
                Body::Words(words) => Some((Arc::clone(words), it.mask)),
                Body::Vectors(_) => None,
            })
            .collect();
        let neighbours = Neighbours { pieces: &pieces };
        let arm = if around { WordArm::Window(&neighbours) } else { WordArm::Unit };
        let hits = self.search.finders.words.best(&asked, question, arm, depth)?;
        Ok(hits.iter().map(|hit| pieces[hit.piece_idx].candidate(hit.row, hit.score)).collect())
    }

    fn by_vectors(&mut self, depth: usize) -> Result<Vec<Candidate>> {
        let mut cost = NearCost::default();
        let mut best: HashMap<Whose, Candidate> = HashMap::new();
        for (searched, vector) in &self.vectors {
            let question = NearQuestion {
                vector,
                rows_max: depth,
                candidates: depth + GRAPH_SPARE,
                exact: self.search.ask.exact,
            };
            for it in searched.pieces() {
                let Body::Vectors(part) = &it.piece.body else { continue };
                for near in part.nearest(&question, &it.mask, &mut cost)? {
                    let candidate = it.candidate(near.row, near.distance);
                    // Of a text in several windows the best one counts.
                    let known = best.entry(candidate.whose).or_insert(candidate);
                    if candidate.score < known.score {
                        *known = candidate;
                    }
                }
            }
        }
        self.explain.graphs += cost.graphs;
        self.explain.scans += cost.scans;
        self.explain.distances += cost.distances;
        let mut best: Vec<Candidate> = best.into_values().collect();
        best.sort_by(|a, b| a.score.total_cmp(&b.score).then(a.whose.cmp(&b.whose)));
        best.truncate(depth);
        Ok(best)
    }

    /// How far a record of this version is that another arm found.
    pub(super) fn distance(&self, whose: Whose, version: Version) -> Option<f32> {
        let (searched, question) =
            self.vectors.iter().find(|(searched, _)| searched.table.number == whose.0)?;
        let metric = searched.index.spec.vectors()?.metric;
        let distances = searched.pieces().flat_map(|it| {
            let rows = it.piece.roster.rows_of(whose.1);
            let is_seen = {
                let it = it.clone();
                move |row: &u32| it.mask.sees(*row) && it.candidate(*row, 0.0).version == version
            };
            let seen = rows.iter().copied().filter(is_seen);
            seen.filter_map(move |row| match &it.piece.body {
                Body::Vectors(part) => Some(distance(metric, question, part.vector(row))),
                Body::Words(_) => None,
            })
        });
        distances.min_by(f32::total_cmp)
    }

    /// How alike two vectors are, by how far they are from each other.
    pub(super) fn likeness(&self, whose: Whose, distance: f32) -> f32 {
        let of_table = self.vectors.iter().find(|(searched, _)| searched.table.number == whose.0);
        match of_table.and_then(|(searched, _)| searched.index.spec.vectors()) {
            Some(VectorSpec { metric: Metric::L2, .. }) => 1.0 / (1.0 + distance),
            Some(VectorSpec { metric: Metric::InnerProduct, .. }) => -distance,
            Some(VectorSpec { metric: Metric::Cosine, .. }) | None => 1.0 - distance,
        }
    }

    /// Whether any of these records has others around it.
    pub(super) fn are_in_company(&self, mut whose: impl Iterator<Item = Whose>) -> bool {
        let pieces: Vec<Pieced<'_>> = self.words.iter().flat_map(Searched::pieces).collect();
        let neighbours = Neighbours { pieces: &pieces };
        whose.any(|whose| {
            pieces.iter().enumerate().any(|(idx, it)| {
                let of_table = it.searched.table.number == whose.0;
                let rows = if of_table { it.piece.roster.rows_of(whose.1) } else { &[] };
                let seen = |row: &&u32| it.mask.sees(**row);
                rows.iter().filter(seen).any(|row| neighbours.has_others(idx, *row))
            })
        })
    }
}

/// What a table lacks.
fn of_table(table: &Table, why: &Error) -> Error {
    let message = format!("table '{}': {}", table.name, why.message());
    Error::new(why.kind(), why.code(), message)
}

fn check_vector(question: &[f32], spec: VectorSpec) -> Result<()> {
    if question.len() != spec.dimensions {
        let message = format!(
            "the question has {} dimensions, the vectors have {}",
            question.len(),
            spec.dimensions
        );
        return Err(Error::invalid("DIMENSION_MISMATCH", message));
    }
    let is_zero = question.iter().all(|number| *number == 0.0);
    if is_zero && spec.metric == Metric::Cosine {
        let message = "a vector of length 0 has no direction to compare";
        return Err(Error::invalid("VECTOR_ZERO", message));
    }
    Ok(())
}

/// As the index over vectors computes it, but for rounding.
fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    match metric {
        Metric::InnerProduct => -dot(a, b),
        Metric::L2 => a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum(),
        Metric::Cosine => {
            let lengths = (dot(a, a) * dot(b, b)).sqrt();
            if lengths > 0.0 { 1.0 - dot(a, b) / lengths } else { 1.0 }
        }
    }
}

/// Who stands around whom, over all pieces.
struct Neighbours<'a> {
    pieces: &'a [Pieced<'a>],
}

impl Neighbours<'_> {
    /// Whether any row has others around it. Within a piece that is known; otherwise those of all
    /// but the largest piece are looked up in the others.
    fn are_any(&self) -> bool {
        let rosters = || self.pieces.iter().map(|it| &it.piece.roster);
        if rosters().any(Roster::has_company) {
            return true;
        }
        let largest = rosters().map(Roster::rows).max().unwrap_or(0);
        let small = self.pieces.iter().enumerate().filter(|(_, it)| it.piece.rows() < largest);
        let mut rows = small.flat_map(|(idx, it)| (0..it.piece.rows()).map(move |row| (idx, row)));
        let is_alike = rosters().filter(|roster| roster.rows() == largest).count() > 1;
        is_alike || rows.any(|(idx, row)| self.has_others(idx, row))
    }

    /// Whether another record stands around a row.
    fn has_others(&self, piece_idx: usize, row: u32) -> bool {
        let roster = &self.pieces[piece_idx].piece.roster;
        let mut around = Vec::new();
        self.around(piece_idx, row, &mut around);
        around.iter().any(|(idx, other)| {
            let it = &self.pieces[*idx];
            it.piece.roster.id(*other) != roster.id(row) && it.mask.sees(*other)
        })
    }
}

impl Around for Neighbours<'_> {
    fn around(&self, piece_idx: usize, row: u32, target: &mut Vec<(usize, u32)>) {
        let own = &self.pieces[piece_idx];
        let Some(place) = own.piece.roster.place(row) else {
            return target.push((piece_idx, row));
        };
        let mut rows = Vec::new();
        for (idx, other) in self.pieces.iter().enumerate() {
            if other.searched.table.number != own.searched.table.number {
                continue;
            }
            rows.clear();
            other.piece.roster.around(place, &mut rows);
            target.extend(rows.iter().map(|row| (idx, *row)));
        }
    }
}
