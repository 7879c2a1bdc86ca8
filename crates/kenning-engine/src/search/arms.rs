//! What each arm finds.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use kenning_index::{Bitmap, Mask, NearCost, NearQuestion, WordArm, WordPart, WordQuestion};
use kenning_record::{Metric, TableNo, VectorSpec, Version, keys};
use kenning_store::{Error, ErrorKind, Range, Result};

use super::filter::Filters;
use super::measure::Neighbours;
use super::{Mode, Search, SearchExplain, Whose, missing};
use crate::embedding;
use crate::sealed::collect::{Changed, Collect};
use crate::sealed::follow::index_of;
use crate::sealed::piece::{Body, Piece, PieceDraft};
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
const ALONE_SPARE_PART: usize = 8;
const ALONE_SPARE: usize = 3;
/// Candidates that a graph keeps beyond those that it gives.
const GRAPH_SPARE: usize = 50;

/// How many candidates are asked of each arm for so many hits. Where one arm decides alone, those
/// that are wanted, and a few in the place of such as the view does not show.
pub(super) fn depth(mode: Mode, wanted: usize) -> usize {
    match mode {
        Mode::Hybrid => (wanted * VECTORS_PER_HIT).max(VECTORS_DEPTH),
        Mode::Words | Mode::Vectors => wanted + wanted / ALONE_SPARE_PART + ALONE_SPARE,
    }
}

/// What is known of each of many records.
pub(super) type ByWhose<T> = HashMap<Whose, T, FixedState>;

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
    /// Who is named, and how sure it is that it is meant: 0 to 1.
    pub(super) named: Vec<Candidate>,
    pub(super) alike: Option<Alike>,
    /// Whether any record that is searched may have others around it, and any of these has.
    pub(super) has_neighbours: bool,
    pub(super) in_company: bool,
    /// How near each of them is to the question, as far as it was measured.
    pub(super) near: ByWhose<Near>,
    /// How alike those around each of them are, on average.
    pub(super) around: ByWhose<f32>,
}

/// What is like the first hit.
pub(super) struct Alike {
    pub(super) first: Whose,
    /// Its vector, of several the nearest to the question.
    pub(super) vector: Arc<Vec<f32>>,
    /// The candidates that are near it.
    pub(super) found: Vec<Candidate>,
    /// How alike each candidate is to it, as far as it was measured.
    pub(super) likeness: ByWhose<f32>,
}

/// How near a record is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Near {
    pub(super) distance: f32,
    pub(super) likeness: f32,
}

impl Candidates {
    /// Every record that was found, once.
    pub(super) fn whose(&self) -> impl Iterator<Item = (Whose, Version)> {
        let alike = self.alike.iter().flat_map(|alike| &alike.found);
        let all = self.words.iter().chain(&self.window).chain(&self.vectors);
        let all = all.chain(&self.named).chain(alike);
        let versions: ByWhose<Version> = all.fold(ByWhose::default(), |mut versions, it| {
            let known = versions.entry(it.whose).or_insert(it.version);
            *known = it.version.max(*known);
            versions
        });
        versions.into_iter()
    }

    /// Keeps those that are shown as they were found: what an index knows of another version,
    /// because it is behind, says nothing of a record.
    pub(super) fn keep(&mut self, shown: impl Fn(&Whose) -> Option<Version>) {
        let is_shown = |it: &Candidate| shown(&it.whose) == Some(it.version);
        for arm in [&mut self.words, &mut self.window, &mut self.vectors, &mut self.named] {
            arm.retain(is_shown);
        }
        if let Some(alike) = &mut self.alike {
            alike.found.retain(is_shown);
        }
    }

    /// Whether an arm gave as many as were asked, so that there may be more.
    pub(super) fn is_full(&self, depth: usize) -> bool {
        [&self.words, &self.window, &self.vectors].iter().any(|arm| arm.len() >= depth)
    }
}

/// An index that is searched, with what of it may be found.
pub(super) struct Searched {
    pub(super) index: Arc<Index>,
    /// What the transaction has staged, as pieces of its own.
    staged: Vec<Arc<Piece>>,
    pub(super) table: Arc<Table>,
    filters: Vec<Option<Arc<Bitmap>>>,
    /// The version at which its pieces are looked at.
    at: Version,
}

/// A piece that is searched.
pub(super) struct Pieced<'a> {
    pub(super) piece: &'a Arc<Piece>,
    pub(super) mask: Mask<'a>,
    pub(super) searched: &'a Searched,
    is_staged: bool,
}

impl Searched {
    pub(super) fn pieces(&self) -> impl Iterator<Item = Pieced<'_>> {
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
    pub(super) fn candidate(&self, row: u32, score: f32) -> Candidate {
        let roster = &self.piece.roster;
        let whose = (self.searched.table.number, roster.id(row));
        let version = if self.is_staged { PENDING } else { roster.from(row) };
        Candidate { whose, version, score }
    }
}

/// The arms of a search.
pub(super) struct Arms<'a> {
    pub(super) search: &'a Search<'a>,
    pub(super) explain: SearchExplain,
    /// The question as each language reads it.
    pub(super) questions: Vec<(String, Arc<dyn WordQuestion>)>,
    pub(super) words: Vec<Searched>,
    pub(super) vectors: Vec<(Searched, Arc<Vec<f32>>)>,
}

impl<'a> Arms<'a> {
    /// Finds the indexes of every table, and reads the question.
    pub(super) async fn open(search: &'a Search<'a>) -> Result<Self> {
        let Search { view, ask, finders, .. } = *search;
        let now = View::now(&view.handle, &view.tenant)?;
        embedding::open_models(&now, finders).await?;
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
        embedding::question(view.handle.shared(), embedder?, text).await
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
            let is_alone = self.search.ask.mode == Mode::Words;
            let depth = if is_alone { depth } else { depth.max(WORDS_DEPTH) };
            found.words = self.by_words(depth, false)?;
            let pieces: Vec<Pieced<'_>> = self.words.iter().flat_map(Searched::pieces).collect();
            let is_hybrid = self.search.ask.mode == Mode::Hybrid;
            found.has_neighbours = is_hybrid && (Neighbours { pieces: &pieces }).are_any();
            if found.has_neighbours {
                found.window = self.by_words(depth, true)?;
            }
        }
        if self.search.ask.mode == Mode::Hybrid {
            found.named = self.named(None)?;
        }
        self.explain.named = found.named.len() as u64;
        let asked = self.vectors.iter().map(|(searched, question)| (searched, &question[..]));
        let (near, cost) = self.nearest(asked, depth)?;
        found.vectors = near;
        self.pay(cost);
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

    /// The rows nearest to a vector in each index, best first.
    pub(super) fn nearest<'b>(
        &'b self,
        asked: impl Iterator<Item = (&'b Searched, &'b [f32])>,
        depth: usize,
    ) -> Result<(Vec<Candidate>, NearCost)> {
        let mut cost = NearCost::default();
        let mut best: ByWhose<Candidate> = ByWhose::default();
        for (searched, vector) in asked {
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
        let mut best: Vec<Candidate> = best.into_values().collect();
        best.sort_by(|a, b| a.score.total_cmp(&b.score).then(a.whose.cmp(&b.whose)));
        best.truncate(depth);
        Ok((best, cost))
    }

    pub(super) fn pay(&mut self, cost: NearCost) {
        self.explain.graphs += cost.graphs;
        self.explain.scans += cost.scans;
        self.explain.distances += cost.distances;
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
