//! Pieces to parts, in the background.
//!
//! The sealer is rung when much was written, and when a search finds that much is in memory. For
//! each tenant that it is rung for it catches up with the log; makes one part of the pieces of an
//! index that are in memory, once they have enough rows; merges parts where there are many; makes
//! an index anew that is not there, or is not what its table asks for any more; and at last gives
//! large parts their graph. A part is durable before the list that names it, and goes after the
//! list that names it no more: a crash leaves a part that nobody names, which is removed at the
//! next start.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use kenning_record::{End, TenantNo, Version, keys};
use kenning_store::{Batch, Bytes, PartId, Range, Result, Space, block_on};

use super::collect::{self, Collect};
use super::piece::{Body, Merge, Piece, PieceDraft};
use super::state::State;
use super::{Finders, Index, Sight};
use crate::database::Handle;
use crate::log::{Beside, write_beside};
use crate::shared::Shared;
use crate::sweep::{living, unless_dropped};
use crate::tenant::Tenant;
use crate::view::View;

/// Rows of an index that are kept in memory before they become a part.
pub(crate) const ROWS_MIN: usize = 5_000;
/// Bytes of them, whatever their number.
const BYTES_MIN: usize = 32 << 20;
/// Rows, and bytes, of a part that is made of records.
const PART_ROWS: usize = 200_000;
const PART_BYTES: usize = 512 << 20;
/// Parts of an index.
pub(crate) const PARTS_MAX: usize = 8;
/// Changes of a tenant after which the sealer looks.
const CHANGES_MIN: u64 = 1_000;
/// Changes of a tenant that may wait for the sealer before writers wait for it, too.
const CHANGES_MAX: u64 = 200_000;
/// Versions after which even a little is made a part, so that there is less of the log to read.
const VERSIONS_MAX: Version = 50_000;
/// Threads that make a graph.
const THREADS: usize = 2;

/// What waits for the sealer: how much each tenant changed since it was looked at.
#[derive(Default)]
pub(crate) struct Unsealed {
    tenants: Mutex<HashMap<TenantNo, u64>>,
}

impl Unsealed {
    /// Notes that a tenant changed; whether the sealer should look.
    pub(crate) fn note(&self, tenant: TenantNo, changes: u64) -> bool {
        let mut tenants = self.tenants();
        let known = tenants.entry(tenant).or_default();
        *known += changes;
        *known >= CHANGES_MIN
    }

    /// Notes that the sealer should look at a tenant.
    pub(crate) fn ask(&self, tenant: TenantNo) {
        self.note(tenant, CHANGES_MIN);
    }

    /// Whether a tenant changes faster than the sealer keeps up with.
    pub(crate) fn is_full(&self, tenant: TenantNo) -> bool {
        self.tenants().get(&tenant).is_some_and(|changes| *changes >= CHANGES_MAX)
    }

    /// The tenants to look at, and how much each changed.
    fn due(&self) -> Vec<(TenantNo, u64)> {
        let tenants = self.tenants();
        tenants.iter().map(|(tenant, changes)| (*tenant, *changes)).filter(is_due).collect()
    }

    /// Notes that so many changes were looked at.
    fn settle(&self, tenant: TenantNo, changes: u64) {
        let mut tenants = self.tenants();
        if let Some(known) = tenants.get_mut(&tenant) {
            *known = known.saturating_sub(changes);
            if *known == 0 {
                tenants.remove(&tenant);
            }
        }
    }

    fn tenants(&self) -> std::sync::MutexGuard<'_, HashMap<TenantNo, u64>> {
        self.tenants.lock().expect("no holder of this lock panics")
    }
}

fn is_due((_, changes): &(TenantNo, u64)) -> bool {
    *changes >= CHANGES_MIN
}

/// Seals until the database is closed.
pub(crate) fn run(shared: &Arc<Shared>) {
    let Some(finders) = shared.settings.finders.clone() else { return };
    let handle = Handle::background(Arc::clone(shared));
    if let Err(error) = block_on(drop_unnamed(&handle)) {
        shared.seal.fail(error);
    }
    while shared.seal.wait() {
        if let Err(error) = block_on(round(&handle, &finders)) {
            shared.seal.fail(error);
            shared.nudge();
        }
    }
}

async fn round(handle: &Handle, finders: &Finders) -> Result<()> {
    let shared = handle.shared();
    let due = shared.unsealed.due();
    let view = View::now(handle, shared.tenants.root())?;
    let tenants = crate::tenants::all(&view).await?;
    drop(view);
    let mut done = Ok(());
    for (number, changes) in due {
        if let Some(tenant) = living(handle, &tenants, number).await? {
            let sealing = Sealing { handle, tenant: &tenant, finders };
            done = done.and(unless_dropped(sealing.work().await));
        }
        // Also after an error: who writes must not wait for what does not get done.
        shared.unsealed.settle(number, changes);
        shared.nudge();
    }
    done
}

/// Removes parts that no list names.
async fn drop_unnamed(handle: &Handle) -> Result<()> {
    let store = handle.shared().store()?;
    let parts = store.parts().await?;
    if parts.is_empty() {
        return Ok(());
    }
    let view = View::now(handle, handle.shared().tenants.root())?;
    let mut named = HashSet::new();
    for row in view.rows(Range::prefix([Space::Sealed.byte()])).await? {
        named.extend(State::decode(&row.value).map(|state| state.parts).unwrap_or_default());
    }
    for part in parts.into_iter().filter(|part| !named.contains(part)) {
        store.drop_part(part).await?;
    }
    Ok(())
}

/// One part of everything, of every index of a tenant.
pub(crate) async fn compact(handle: &Handle, tenant: &Arc<Tenant>) -> Result<()> {
    let Some(finders) = handle.shared().settings.finders.clone() else { return Ok(()) };
    Sealing { handle, tenant, finders: &finders }.compact().await
}

/// Removes what the indexes still have of a record that was purged.
pub(crate) async fn erase(handle: &Handle, tenant: &Arc<Tenant>, end: End) -> Result<()> {
    let Some(finders) = handle.shared().settings.finders.clone() else { return Ok(()) };
    Sealing { handle, tenant, finders: &finders }.erase(end).await
}

/// Removes the parts of a tenant that was dropped; the list of them goes with all that it had.
pub(crate) async fn drop_tenant(handle: &Handle, tenant: TenantNo) -> Result<()> {
    let shared = handle.shared();
    let (store, view) = (shared.store()?, View::now(handle, shared.tenants.root())?);
    for row in view.rows(Range::prefix(keys::sealed_of(tenant))).await? {
        let parts = State::decode(&row.value).map(|state| state.parts).unwrap_or_default();
        for part in parts {
            store.drop_part(part).await?;
        }
    }
    Ok(())
}

/// Sealing the indexes of one tenant.
pub(crate) struct Sealing<'a> {
    pub(crate) handle: &'a Handle,
    pub(crate) tenant: &'a Arc<Tenant>,
    pub(crate) finders: &'a Finders,
}

impl Sealing<'_> {
    /// Does whatever is to be done.
    async fn work(&self) -> Result<()> {
        loop {
            let sight = self.follow().await?;
            let mut worked = self.forget_dropped(&sight).await?;
            for index in &sight.indexes {
                // What is left is done when it is opened again.
                if !self.handle.shared().is_open() {
                    return Ok(());
                }
                worked |= self.tend(index).await?;
            }
            if !worked {
                return Ok(());
            }
        }
    }

    /// One part of everything, with a graph, of every index.
    pub(crate) async fn compact(&self) -> Result<()> {
        self.work().await?;
        let sight = self.follow().await?;
        for index in &sight.indexes {
            let is_done = match &index.pieces[..] {
                [] => true,
                [only] => only.part.is_some() && has_graph(only) && only.roster.dead() == 0,
                _ => false,
            };
            let rows: u64 = index.pieces.iter().map(|piece| u64::from(piece.rows())).sum();
            if index.is_ready && !is_done && rows >= ROWS_MIN as u64 {
                self.merge(index, &index.pieces, true).await?;
            }
        }
        Ok(())
    }

    /// Makes every piece anew that has rows of a record that is gone.
    async fn erase(&self, end: End) -> Result<()> {
        loop {
            let sight = self.follow().await?;
            let of_table = sight.indexes.iter().filter(|index| index.table == end.table);
            let mut is_clean = true;
            for index in of_table {
                let has_rows = |piece: &&Arc<Piece>| {
                    let rows = piece.roster.rows_of(end.id);
                    rows.iter().any(|row| piece.roster.until(*row) < Version::MAX)
                };
                let pieces: Vec<Arc<Piece>> =
                    index.pieces.iter().filter(has_rows).cloned().collect();
                if !pieces.is_empty() {
                    is_clean = false;
                    let ended = self.handle.shared().version();
                    self.merge_ended(index, &pieces, true, ended).await?;
                }
            }
            if is_clean {
                return Ok(());
            }
        }
    }

    async fn follow(&self) -> Result<Arc<Sight>> {
        let view = View::now(self.handle, self.tenant)?;
        self.tenant.library.follow(&view, self.finders).await
    }

    /// One thing that is to be done about an index; whether there was one.
    async fn tend(&self, index: &Arc<Index>) -> Result<bool> {
        if !index.is_ready || index.is_stale {
            return self.make(index).await;
        }
        let tail: Vec<Arc<Piece>> = index.tail().cloned().collect();
        let is_far = index.position - index.sealed_at >= VERSIONS_MAX && !index.pieces.is_empty();
        if index.tail_rows() >= ROWS_MIN as u64 || index.tail_bytes() >= BYTES_MIN || is_far {
            self.merge(index, &tail, false).await?;
            return Ok(true);
        }
        let mut parts: Vec<Arc<Piece>> = index.parts().cloned().collect();
        if parts.len() > PARTS_MAX {
            parts.sort_by_key(|piece| piece.rows());
            let few = few_to_merge(&parts);
            self.merge(index, few, true).await?;
            return Ok(true);
        }
        if let Some(plain) = parts.iter().find(|piece| !has_graph(piece)) {
            self.merge(index, std::slice::from_ref(plain), true).await?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Makes a part of pieces of an index and puts it in their place, with what somebody may look
    /// at still.
    async fn merge(&self, index: &Index, pieces: &[Arc<Piece>], graph: bool) -> Result<()> {
        let shared = self.handle.shared();
        self.merge_ended(index, pieces, graph, shared.oldest(shared.version())).await
    }

    /// The same without what ended at a version or before.
    async fn merge_ended(
        &self,
        index: &Index,
        pieces: &[Arc<Piece>],
        graph: bool,
        ended: Version,
    ) -> Result<()> {
        if !self.begin(index, pieces).await {
            return Ok(());
        }
        let shared = self.handle.shared();
        let merge = Merge {
            finders: self.finders,
            spec: &index.spec,
            ended,
            whole: pieces.len() == index.pieces.len(),
            graph,
            threads: THREADS,
        };
        let (bytes, complete_from) = merge.merge(pieces)?;
        let piece = self.put(&index.spec, bytes).await?;
        let library = &self.tenant.library;
        let turn = library.turn(shared).await;
        let sight = library.sight();
        let known = sight.index(index.table, &index.spec.name());
        let Some(known) = known.filter(|known| has_all(known, pieces)) else {
            drop(turn);
            return self.drop_parts(&[Arc::new(piece)]).await;
        };
        let mut next = (**known).clone();
        next.replace(pieces, piece);
        next.ready_from = next.ready_from.max(complete_from);
        // What came while the part was made is read from the log again after a crash.
        next.sealed_at = match index.tail().all(|one| has(pieces, one)) {
            true => index.position,
            false => next.sealed_at,
        };
        self.publish(&next).await?;
        library.show(sight.with(next));
        drop(turn);
        self.drop_parts(pieces).await
    }

    /// Makes sure that nobody else makes something of these pieces; `false` if somebody has.
    async fn begin(&self, index: &Index, pieces: &[Arc<Piece>]) -> bool {
        let library = &self.tenant.library;
        let _turn = library.turn(self.handle.shared()).await;
        let sight = library.sight();
        let known = sight.index(index.table, &index.spec.name());
        let is_there = known.is_some_and(|known| has_all(known, pieces));
        if is_there {
            pieces.iter().for_each(|piece| piece.is_taken.store(true, Ordering::Release));
        }
        is_there
    }

    /// Stores a part.
    async fn put(&self, spec: &super::spec::Spec, bytes: Bytes) -> Result<Piece> {
        let shared = self.handle.shared();
        let (store, world) = (shared.store()?, &shared.world);
        let part = PartId(u128::from(world.random()) << 64 | u128::from(world.random()));
        store.put_part(part, bytes.clone()).await?;
        let mapped = store.map_part(part).await?.unwrap_or(bytes);
        Piece::open(self.finders, spec, Some(part), &mapped)
    }

    /// Writes which parts an index has.
    async fn publish(&self, index: &Index) -> Result<()> {
        let state = State {
            spec: (*index.spec).clone(),
            position: index.sealed_at,
            ready_from: index.ready_from,
            parts: index.parts().filter_map(|piece| piece.part).collect(),
        };
        let key = keys::sealed(self.tenant.number, index.table, &index.spec.name());
        let mut batch = Batch::new();
        match state.parts.is_empty() {
            true => batch.delete(&key),
            false => batch.put(&key, &state.encode()),
        }
        self.write(batch).await
    }

    async fn write(&self, batch: Batch) -> Result<()> {
        let view = View::now(self.handle, self.tenant)?;
        write_beside(&view, Beside { batch, ..Beside::default() }).await
    }

    async fn drop_parts(&self, pieces: &[Arc<Piece>]) -> Result<()> {
        let store = self.handle.shared().store()?;
        for part in pieces.iter().filter_map(|piece| piece.part) {
            store.drop_part(part).await?;
        }
        Ok(())
    }

    /// Makes an index anew, of the records of its table; whether it could be made.
    async fn make(&self, index: &Arc<Index>) -> Result<bool> {
        let shared = self.handle.shared();
        let view = View::now(self.handle, self.tenant)?;
        let Some(table) = view.find_numbered(index.table).await? else { return Ok(false) };
        let (specs, _) = super::spec::Spec::of(&table.schema, self.finders);
        let name = index.spec.name();
        let Some(spec) = specs.into_iter().find(|spec| spec.name() == name) else {
            return Ok(false);
        };
        let mut position = view.version;
        if spec.model().is_some() {
            // Until its texts were computed there is nothing to make it of.
            let until = super::follow::embedded(&view, table.number, &spec).await?;
            let Some(until) = until else { return Ok(false) };
            position = until;
        }
        let spec = Arc::new(spec);
        let mut made = Index {
            table: index.table,
            spec: Arc::clone(&spec),
            pieces: Vec::new(),
            position,
            sealed_at: position,
            ready_from: view.version,
            is_ready: true,
            is_stale: false,
        };
        self.fill(&view, &mut made).await?;
        let library = &self.tenant.library;
        let turn = library.turn(shared).await;
        let sight = library.sight();
        let before = sight.index(index.table, &name).cloned();
        self.publish(&made).await?;
        library.show(sight.with(made));
        drop(turn);
        match before {
            Some(before) => self.drop_parts(&before.pieces).await.map(|()| true),
            None => Ok(true),
        }
    }

    /// The rows of every record, in parts if there are many.
    async fn fill(&self, view: &View, made: &mut Index) -> Result<()> {
        let (tenant, source) = (self.tenant.number, &view.source);
        let spec = Arc::clone(&made.spec);
        let collect = Collect { finders: self.finders, spec: &spec, tenant, source };
        let mut draft = PieceDraft::default();
        let mut next = Some(collect::records(tenant, made.table));
        while next.is_some() {
            let mut records = collect::page(&**source, &mut next).await?;
            // What is newer than the position comes with the log.
            records.retain(|it| it.change.version <= made.position);
            collect.take(&records, &mut draft).await?;
            let is_full = draft.rows() >= PART_ROWS || draft.bytes() >= PART_BYTES;
            let is_last = next.is_none() && !made.pieces.is_empty();
            if is_full || is_last || (next.is_none() && draft.rows() >= ROWS_MIN) {
                let draft = std::mem::take(&mut draft);
                let bytes = draft.encode(self.finders, &spec)?;
                made.push(self.put(&spec, bytes).await?);
            }
        }
        if !draft.is_empty() {
            made.push(draft.finish(self.finders, &spec)?);
        }
        Ok(())
    }

    /// Removes what is stored of indexes that no table asks for; whether there was any.
    async fn forget_dropped(&self, sight: &Sight) -> Result<bool> {
        let view = View::now(self.handle, self.tenant)?;
        let stored = view.rows(Range::prefix(keys::sealed_of(self.tenant.number))).await?;
        let mut worked = false;
        for row in stored {
            let (_, table, name) = keys::sealed_split(&row.key)?;
            if sight.index(table, &name).is_some() {
                continue;
            }
            let parts = State::decode(&row.value).map(|state| state.parts).unwrap_or_default();
            let mut batch = Batch::new();
            batch.delete(&row.key);
            self.write(batch).await?;
            let store = self.handle.shared().store()?;
            for part in parts {
                store.drop_part(part).await?;
            }
            worked = true;
        }
        Ok(worked)
    }
}

fn has(pieces: &[Arc<Piece>], one: &Arc<Piece>) -> bool {
    pieces.iter().any(|piece| Arc::ptr_eq(piece, one))
}

fn has_all(index: &Index, pieces: &[Arc<Piece>]) -> bool {
    pieces.iter().all(|one| has(&index.pieces, one))
}

/// Whether a piece is as fast as it can be.
fn has_graph(piece: &Piece) -> bool {
    match &piece.body {
        Body::Words(_) => true,
        Body::Vectors(vectors) => vectors.has_graph() || piece.rows() < ROWS_MIN as u32,
    }
}

/// The smallest parts, as many as are about as large together as the next one.
fn few_to_merge(by_rows: &[Arc<Piece>]) -> &[Arc<Piece>] {
    const FEWEST: usize = 4;
    let mut rows = 0;
    for (at, piece) in by_rows.iter().enumerate() {
        if at >= FEWEST && piece.rows() > rows {
            return &by_rows[..at];
        }
        rows += piece.rows();
    }
    by_rows
}
