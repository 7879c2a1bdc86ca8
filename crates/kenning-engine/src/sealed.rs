//! Sealed indexes: words and vectors.
//!
//! An exact index is written with the record. A sealed one could not be: it is made for searching,
//! and changes in large pieces. So **the log is its tail**: what a table says to an index up to
//! some version, its *position*, is in pieces, and what came since is read from the log by whoever
//! needs it first, a search or the sealer. A piece in memory becomes a part on the disk when there
//! is enough of it; the list of parts, with the position up to which they are complete, is one
//! entry in the store, written when the parts are durable. After a crash the rest is read from the
//! log once more. Below [`SealingLimits::rows_min`] rows there are no parts at all.
//!
//! Every row says from which version on it is there, and until when ([`roster`]), so one set of
//! pieces serves the views of many versions. Rows that ended are left out when pieces are merged:
//! a view from before that is answered from its records, by an index that is made for it and
//! thrown away. That is slow and never wrong, and it is what answers too while an index is not
//! there yet. Each hit is held against its view in any case.
//!
//! What a model says of a text is computed later, and kept by the hash of the text. The position of
//! an index over such vectors is how far they were computed.

pub(crate) mod check; // against records
pub(crate) mod collect; // records to rows
pub(crate) mod damage; // parts that can't be read
pub(crate) mod follow; // catching up with the log
mod part; // the bytes of a part
pub(crate) mod piece; // some rows, and what finds them
pub(crate) mod roster; // whose rows they are, from when until when
pub(crate) mod seal; // pieces to parts, in the background
pub(crate) mod spec; // which indexes a table has
pub(crate) mod state; // which parts an index has

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use kenning_index::{Embedder, VectorIndex, WordIndex};
use kenning_record::{TableNo, TenantNo, Version};
use kenning_store::Result;

#[cfg(doc)]
use crate::settings::SealingLimits;
use crate::shared::{Gate, Passing, Shared};
use piece::Piece;
use spec::{Slot, Spec};

/// What finds by words and by meaning. It is handed in from above, as stores are.
#[derive(Clone)]
pub struct Finders {
    /// Words to pieces and answers.
    pub words: Arc<dyn WordIndex>,
    /// Vectors to pieces and answers.
    pub vectors: Arc<dyn VectorIndex>,
    /// The models.
    pub embedders: Arc<dyn Embedders>,
}

/// The models that there are.
pub trait Embedders: Send + Sync {
    /// The model of this name or id; without one, the one for tables that name none. Refuses one
    /// that is not there.
    fn embedder(&self, model: Option<&str>) -> Result<Arc<dyn Embedder>>;
}

impl fmt::Debug for Finders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Finders")
    }
}

/// The sealed indexes of one tenant that somebody searched, or wrote enough to. They go with the
/// last handle on the tenant, and are read again when they are asked for.
pub(crate) struct Library {
    tenant: TenantNo,
    sight: Mutex<Arc<Sight>>,
    /// Passed by who changes the sight.
    turn: Arc<Gate>,
}

/// The indexes of a tenant as a search finds them. It is replaced, never changed.
#[derive(Clone, Default)]
pub(crate) struct Sight {
    /// At which version its tables were looked at; none if they never were.
    pub(crate) tables_at: Option<Version>,
    pub(crate) indexes: Vec<Arc<Index>>,
    /// Indexes of which nothing can be said, because their model is not there.
    pub(crate) missing: Vec<(TableNo, Slot)>,
}

/// One index.
#[derive(Clone)]
pub(crate) struct Index {
    pub(crate) table: TableNo,
    pub(crate) spec: Arc<Spec>,
    /// Parts first, in the order in which they were made.
    pub(crate) pieces: Vec<Arc<Piece>>,
    /// What was written up to this version is in the pieces.
    pub(crate) position: Version,
    /// What was written up to this version is in the parts.
    pub(crate) sealed_at: Version,
    /// Views from before are not answered by the pieces.
    pub(crate) ready_from: Version,
    /// Whether the pieces are complete up to the position. If not, the sealer makes them.
    pub(crate) is_ready: bool,
    /// Whether the table asks for something else by now.
    pub(crate) is_stale: bool,
}

impl Library {
    pub(crate) fn new(tenant: TenantNo) -> Self {
        Library { tenant, sight: Mutex::default(), turn: Arc::default() }
    }

    pub(crate) fn sight(&self) -> Arc<Sight> {
        Arc::clone(&self.sight.lock().expect("no holder of this lock panics"))
    }

    fn show(&self, sight: Sight) -> Arc<Sight> {
        let sight = Arc::new(sight);
        *self.sight.lock().expect("no holder of this lock panics") = Arc::clone(&sight);
        sight
    }

    /// Waits until nobody else changes the sight.
    async fn turn(&self, shared: &Arc<Shared>) -> Passing {
        self.turn.pass(shared).await
    }

    /// Looks at the tables again, if the model of one of these was missing and now is there.
    pub(crate) async fn found(&self, shared: &Arc<Shared>, wishes: &HashSet<(TableNo, Slot)>) {
        let is_found = |sight: &Sight| sight.missing.iter().any(|it| wishes.contains(it));
        if !is_found(&self.sight()) {
            return;
        }
        let _turn = self.turn(shared).await;
        let sight = self.sight();
        self.show(Sight { tables_at: None, ..(*sight).clone() });
    }
}

impl Sight {
    /// The index of a table that has this name.
    pub(crate) fn index(&self, table: TableNo, name: &str) -> Option<&Arc<Index>> {
        self.indexes.iter().find(|index| index.table == table && index.spec.name() == name)
    }

    /// The same with another state of one index.
    fn with(&self, index: Index) -> Sight {
        let name = index.spec.name();
        let is_other =
            |other: &&Arc<Index>| other.table != index.table || other.spec.name() != name;
        let mut indexes: Vec<Arc<Index>> = self.indexes.iter().filter(is_other).cloned().collect();
        indexes.push(Arc::new(index));
        Sight { indexes, ..self.clone() }
    }
}

impl Index {
    /// Rows in pieces that are in memory only.
    pub(crate) fn tail_rows(&self) -> u64 {
        self.tail().map(|piece| u64::from(piece.rows())).sum()
    }

    pub(crate) fn tail_bytes(&self) -> usize {
        self.tail().map(|piece| piece.bytes).sum()
    }

    pub(crate) fn tail(&self) -> impl Iterator<Item = &Arc<Piece>> {
        self.pieces.iter().filter(|piece| piece.part.is_none())
    }

    pub(crate) fn parts(&self) -> impl Iterator<Item = &Arc<Piece>> {
        self.pieces.iter().filter(|piece| piece.part.is_some())
    }

    /// Whether a view of this version is answered by the pieces.
    pub(crate) fn serves(&self, version: Version) -> bool {
        self.is_ready && self.ready_from <= version
    }

    /// The same with one more piece, which ends rows of the others.
    pub(crate) fn push(&mut self, piece: Piece) {
        for other in &self.pieces {
            other.roster.outdate(&piece.roster);
        }
        self.pieces.push(Arc::new(piece));
    }

    /// The same with `merged` in the place of `pieces`.
    pub(crate) fn replace(&mut self, pieces: &[Arc<Piece>], merged: Piece) {
        let is_one = |piece: &Arc<Piece>| pieces.iter().any(|one| Arc::ptr_eq(one, piece));
        let at = self.pieces.iter().position(is_one).unwrap_or(self.pieces.len());
        self.pieces.retain(|piece| !is_one(piece));
        // What was written since it was made ended rows of what it was made of.
        for other in &self.pieces {
            merged.roster.outdate(&other.roster);
        }
        self.pieces.insert(at, Arc::new(merged));
    }
}
