//! A piece of a sealed index: some rows, and what finds them. It never changes, but for the ends of
//! its rows.
//!
//! A piece on the disk is a part. One in memory is made of what was written since; it is a part in
//! everything but its file, so both are searched, merged and checked alike.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use kenning_index::{Bitmap, Mask, Place, VectorPart, WordPart, WordRow};
use kenning_record::Version;
use kenning_store::{Bytes, PartId, Result};

use super::Finders;
use super::part::{self, Kind};
use super::roster::{Change, Roster, RosterDraft};
use super::spec::Spec;

/// Some rows of an index.
pub(crate) struct Piece {
    /// The part that it is on the disk.
    pub(crate) part: Option<PartId>,
    pub(crate) roster: Roster,
    pub(crate) body: Body,
    /// Bytes that it was made of, about.
    pub(crate) bytes: usize,
    /// Whether the sealer makes something else of it.
    pub(crate) is_taken: AtomicBool,
    /// What filters let through, the last one asked for at the end.
    filters: Mutex<Vec<Filtered>>,
}

/// What a filter lets through of a piece, for views of a version or later ones.
struct Filtered {
    name: String,
    since: Version,
    rows: Arc<Bitmap>,
}

/// Filters that a piece remembers.
const FILTERS_MAX: usize = 16;

/// What finds the rows.
#[derive(Clone)]
pub(crate) enum Body {
    Words(Arc<dyn WordPart>),
    Vectors(Arc<dyn VectorPart>),
}

impl Piece {
    /// Opens a part.
    pub(crate) fn open(
        finders: &Finders,
        spec: &Spec,
        part: Option<PartId>,
        bytes: &Bytes,
    ) -> Result<Self> {
        let (roster, body) = part::decode(spec.kind(), bytes)?;
        let body = match spec.vectors() {
            None => Body::Words(finders.words.open(body)?),
            Some(vectors) => Body::Vectors(finders.vectors.open(vectors, body)?),
        };
        let rows = match &body {
            Body::Words(words) => words.rows(),
            Body::Vectors(vectors) => vectors.rows(),
        };
        if rows != roster.rows() {
            let message = format!("a part has {} rows and finds {rows}", roster.rows());
            return Err(kenning_store::Error::corrupt("PART_DAMAGED", message));
        }
        Ok(Piece {
            part,
            roster,
            body,
            bytes: bytes.len(),
            is_taken: AtomicBool::new(false),
            filters: Mutex::default(),
        })
    }

    /// What a search at a version may see of it.
    pub(crate) fn mask<'a>(&'a self, at: Version, filter: Option<&'a Bitmap>) -> Mask<'a> {
        Mask { from: self.roster.since(at), until: self.roster.ends(), at, filter }
    }

    pub(crate) fn rows(&self) -> u32 {
        self.roster.rows()
    }

    /// The rows that the filter of this name lets through, if that is known for this version.
    pub(crate) fn filter(&self, name: &str, at: Version) -> Option<Arc<Bitmap>> {
        let mut filters = self.filters.lock().expect("no holder of this lock panics");
        let idx = filters.iter().position(|known| known.name == name && known.since <= at)?;
        let known = filters.remove(idx);
        let rows = Arc::clone(&known.rows);
        filters.push(known);
        Some(rows)
    }

    /// Remembers which rows a filter lets through at a version. They are the same at every later
    /// one, if no row was yet to come then.
    pub(crate) fn remember_filter(&self, name: String, at: Version, rows: &Arc<Bitmap>) {
        if self.roster.since(at).is_some() {
            return;
        }
        let mut filters = self.filters.lock().expect("no holder of this lock panics");
        filters.retain(|known| known.name != name);
        if filters.len() >= FILTERS_MAX {
            filters.remove(0);
        }
        filters.push(Filtered { name, since: at, rows: Arc::clone(rows) });
    }

    pub(crate) fn is_taken(&self) -> bool {
        self.is_taken.load(Ordering::Acquire)
    }
}

/// Rows on their way into a piece.
#[derive(Default)]
pub(crate) struct PieceDraft {
    pub(crate) roster: RosterDraft,
    words: Vec<WordRow>,
    vectors: Vec<f32>,
    bytes: usize,
}

impl PieceDraft {
    pub(crate) fn is_empty(&self) -> bool {
        self.roster.rows.is_empty() && self.roster.gone.is_empty()
    }

    pub(crate) fn rows(&self) -> usize {
        self.roster.rows.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn words(&mut self, change: Change, place: Option<Place>, row: WordRow) {
        self.bytes += row.title.len() + row.body.len() + size_of::<Change>();
        self.roster.rows.push((change, place));
        self.words.push(row);
    }

    pub(crate) fn vector(&mut self, change: Change, vector: &[f32]) {
        self.bytes += size_of_val(vector) + size_of::<Change>();
        self.roster.rows.push((change, None));
        self.vectors.extend_from_slice(vector);
    }

    /// The vector of a row, if it has one.
    pub(crate) fn vector_of(&self, row: usize) -> Option<&[f32]> {
        let dimensions = self.vectors.len().checked_div(self.rows())?;
        self.vectors.get(row * dimensions..(row + 1) * dimensions)
    }

    pub(crate) fn gone(&mut self, change: Change) {
        self.bytes += size_of::<Change>();
        self.roster.gone.push(change);
    }

    /// The bytes of a part with these rows.
    pub(crate) fn encode(self, finders: &Finders, spec: &Spec) -> Result<Bytes> {
        let roster = self.roster.finish();
        let body = match spec.vectors() {
            None => finders.words.build(spec.language(), &mut self.words.into_iter().map(Ok))?,
            Some(vectors) => finders.vectors.build(vectors, &self.vectors, false, 1, &|| false)?,
        };
        Ok(part::encode(spec.kind(), &roster, &body).into())
    }

    /// A piece in memory.
    pub(crate) fn finish(self, finders: &Finders, spec: &Spec) -> Result<Piece> {
        let bytes = self.bytes;
        let piece = Piece::open(finders, spec, None, &self.encode(finders, spec)?)?;
        Ok(Piece { bytes, ..piece })
    }
}

/// Several pieces as the bytes of one part.
pub(crate) struct Merge<'a> {
    pub(crate) finders: &'a Finders,
    pub(crate) spec: &'a Spec,
    /// Rows that ended at this version or before are left out.
    pub(crate) ended: Version,
    /// Whether these are all pieces of the index: then nothing has to be ended elsewhere.
    pub(crate) whole: bool,
    pub(crate) graph: bool,
    pub(crate) threads: usize,
    /// Whether to stop, because nobody wants it any more.
    pub(crate) stop: &'a (dyn Fn() -> bool + Sync),
}

impl Merge<'_> {
    /// The bytes, and the version since which they tell all that was there.
    pub(crate) fn merge(&self, pieces: &[Arc<Piece>]) -> Result<(Bytes, Version)> {
        let mut draft = RosterDraft::default();
        let mut complete_from = 0;
        let mut kept = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let roster = &piece.roster;
            let keep = Bitmap::from_fn(roster.rows(), |row| roster.until(row) > self.ended);
            for row in 0..roster.rows() {
                let change = Change { id: roster.id(row), version: roster.from(row) };
                if keep.has(row) {
                    draft.rows.push((change, roster.place(row)));
                    continue;
                }
                complete_from = complete_from.max(roster.until(row));
                if !self.whole {
                    draft.gone.push(change);
                }
            }
            // A row that is kept because somebody may look at it still has to end when it did.
            let ends = |gone: &&Change| !self.whole || gone.version > self.ended;
            draft.gone.extend(roster.gone().iter().filter(ends));
            kept.push(keep);
        }
        let body = self.body(pieces, &kept)?;
        let bytes = part::encode(self.spec.kind(), &draft.finish(), &body);
        Ok((bytes.into(), complete_from))
    }

    fn body(&self, pieces: &[Arc<Piece>], kept: &[Bitmap]) -> Result<Vec<u8>> {
        let Some(spec) = self.spec.vectors() else {
            let words: Vec<(Arc<dyn WordPart>, &Bitmap)> = pieces
                .iter()
                .zip(kept)
                .filter_map(|(piece, keep)| match &piece.body {
                    Body::Words(words) => Some((Arc::clone(words), keep)),
                    Body::Vectors(_) => None,
                })
                .collect();
            return self.finders.words.merge(&words);
        };
        let rows: usize = kept.iter().map(|keep| keep.count() as usize).sum();
        let mut vectors = Vec::with_capacity(rows * spec.dimensions);
        for (piece, keep) in pieces.iter().zip(kept) {
            if let Body::Vectors(part) = &piece.body {
                keep.iter().for_each(|row| vectors.extend_from_slice(part.vector(row)));
            }
        }
        self.finders.vectors.build(spec, &vectors, self.graph, self.threads, self.stop)
    }
}

impl Spec {
    fn kind(&self) -> Kind {
        match self {
            Spec::Words { .. } => Kind::Words,
            Spec::Embedded { .. } | Spec::Given { .. } => Kind::Vectors,
        }
    }
}
