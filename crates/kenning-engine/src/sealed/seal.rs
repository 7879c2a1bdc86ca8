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

use kenning_record::{End, TableNo, TenantNo, Version, keys};
use kenning_store::{Batch, Bytes, PartId, Range, Result, Space, block_on};

use super::collect::{self, Collect};
use super::piece::{Body, Merge, Piece, PieceDraft};
use super::spec::WATERMARK;
use super::state::State;
use super::{Finders, Index, Sight};
use crate::database::Handle;
use crate::log::{Beside, write_beside};
use crate::planted::Bug;
use crate::settings::SealingLimits;
use crate::shared::{Shared, Waiting};
use crate::sweep::{living, unless_dropped};
use crate::tenant::Tenant;
use crate::view::View;

/// Bytes of an index that are kept in memory before they become a part, whatever the rows.
const BYTES_MIN: usize = 32 << 20;
/// Bytes of a part that is made of records, whatever the rows.
const PART_BYTES: usize = 512 << 20;
/// Changes of a tenant that may wait for the sealer before writers wait for it, too.
const CHANGES_MAX: u64 = 200_000;
/// Versions after which even a little is made a part, so that there is less of the log to read.
const VERSIONS_MAX: Version = 50_000;
/// How often one tenant is looked at before others are.
const ROUNDS: usize = 16;
/// Threads that make a graph.
const THREADS: usize = 2;

/// What waits for the sealer: how much each tenant changed since it was looked at.
pub(crate) struct Unsealed {
    tenants: Mutex<HashMap<TenantNo, u64>>,
    /// Changes of a tenant after which the sealer looks.
    changes_min: u64,
}

impl Unsealed {
    pub(crate) fn new(changes_min: u64) -> Self {
        Unsealed { tenants: Mutex::default(), changes_min: changes_min.max(1) }
    }

    /// Notes that a tenant changed; whether the sealer should look.
    pub(crate) fn note(&self, tenant: TenantNo, changes: u64) -> bool {
        let mut tenants = self.tenants();
        let known = tenants.entry(tenant).or_default();
        *known += changes;
        *known >= self.changes_min
    }

    /// Notes that the sealer should look at a tenant.
    pub(crate) fn ask(&self, tenant: TenantNo) {
        self.note(tenant, self.changes_min);
    }

    /// Whether a tenant changes faster than the sealer keeps up with.
    pub(crate) fn is_full(&self, tenant: TenantNo) -> bool {
        self.tenants().get(&tenant).is_some_and(|changes| *changes >= CHANGES_MAX)
    }

    /// The tenants to look at.
    fn due(&self) -> Vec<TenantNo> {
        let tenants = self.tenants();
        let due = tenants.iter().filter(|(_, changes)| **changes >= self.changes_min);
        due.map(|(tenant, _)| *tenant).collect()
    }

    /// How much a tenant changed.
    fn of(&self, tenant: TenantNo) -> u64 {
        self.tenants().get(&tenant).copied().unwrap_or(0)
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

/// Seals until the database is closed.
pub(crate) fn run(shared: &Arc<Shared>) {
    let Some(finders) = shared.settings.finders.clone() else { return };
    let handle = Handle::background(Arc::clone(shared));
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
    for number in due {
        let changes = shared.unsealed.of(number);
        if let Some(tenant) = living(handle, &tenants, number).await? {
            let sealing = Sealing { handle, tenant: &tenant, finders };
            let worked = unless_dropped(sealing.work().await);
            if worked.is_ok() {
                continue;
            }
            done = done.and(worked);
        }
        // Who writes must not wait for what does not get done.
        shared.unsealed.settle(number, changes);
        shared.nudge();
    }
    done
}

/// Removes parts that no list names. Only before anybody makes parts: one that is being made is
/// named when it is durable.
pub(crate) async fn drop_unnamed(handle: &Handle) -> Result<()> {
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

/// One part of everything, of every index of every tenant.
pub(crate) async fn compact(handle: &Handle) -> Result<()> {
    let shared = handle.shared();
    let Some(finders) = shared.settings.finders.clone() else { return Ok(()) };
    let view = View::now(handle, shared.tenants.root())?;
    let tenants = crate::tenants::all(&view).await?;
    drop(view);
    for (_, number) in &tenants {
        if let Some(tenant) = living(handle, &tenants, *number).await? {
            let sealing = Sealing { handle, tenant: &tenant, finders: &finders };
            unless_dropped(sealing.compact().await)?;
        }
    }
    Ok(())
}

/// Removes what is stored of the indexes of a table that was dropped.
pub(crate) async fn drop_table(
    handle: &Handle,
    tenant: &Arc<Tenant>,
    table: TableNo,
) -> Result<()> {
    let shared = handle.shared();
    let library = &tenant.library;
    let _turn = library.turn(shared).await;
    let sight = library.sight();
    let others = sight.indexes.iter().filter(|index| index.table != table);
    library.show(Sight { indexes: others.cloned().collect(), ..(*sight).clone() });
    let view = View::now(handle, tenant)?;
    let (mut batch, mut parts) = (Batch::new(), Vec::new());
    for row in view.rows(Range::prefix(keys::sealed_of(tenant.number))).await? {
        if keys::sealed_split(&row.key)?.1 == table {
            parts.extend(State::decode(&row.value).map(|state| state.parts).unwrap_or_default());
            batch.delete(&row.key);
        }
    }
    let embedded = format!("{WATERMARK}{table} ");
    for row in view.rows(Range::prefix(keys::watermarks(tenant.number))).await? {
        if keys::watermark_split(&row.key)?.1.starts_with(&embedded) {
            batch.delete(&row.key);
        }
    }
    if !batch.is_empty() {
        write_beside(&view, Beside { batch, ..Beside::default() }).await?;
    }
    let store = shared.store()?;
    for part in parts {
        store.drop_part(part).await?;
    }
    Ok(())
}

/// Every index of a table anew.
pub(crate) async fn remake(handle: &Handle, tenant: &Arc<Tenant>, table: TableNo) -> Result<()> {
    let Some(finders) = handle.shared().settings.finders.clone() else { return Ok(()) };
    Sealing { handle, tenant, finders: &finders }.remake(table).await
}

/// Waits until every index of a tenant is one that its table asks for.
pub(crate) async fn wait(handle: &Handle, tenant: &Arc<Tenant>) -> Result<()> {
    let shared = handle.shared();
    let Some(finders) = &shared.settings.finders else { return Ok(()) };
    if !shared.is_followed.load(Ordering::Acquire) {
        return Ok(());
    }
    let waiting = Waiting::new(shared);
    loop {
        let seen = shared.published();
        let sight = tenant.library.follow(&View::now(handle, tenant)?, finders).await?;
        if sight.indexes.iter().all(|index| index.is_ready && !index.is_stale) {
            return Ok(());
        }
        if let Some(error) = shared.seal.failure() {
            return Err(error);
        }
        shared.unsealed.ask(tenant.number);
        shared.seal.ring();
        waiting.moved(seen).await;
    }
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
        let unsealed = &self.handle.shared().unsealed;
        for _ in 0..ROUNDS {
            let changes = unsealed.of(self.tenant.number);
            let sight = self.follow().await?;
            // Who writes waits for what is not followed yet, and not for parts that are merged.
            unsealed.settle(self.tenant.number, changes);
            self.handle.shared().nudge();
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
        // Others wait, too.
        unsealed.ask(self.tenant.number);
        self.handle.shared().seal.ring();
        Ok(())
    }

    /// One part of everything, with a graph, of every index.
    pub(crate) async fn compact(&self) -> Result<()> {
        self.work().await?;
        let sight = self.follow().await?;
        for index in &sight.indexes {
            let is_done = match &index.pieces[..] {
                [] => true,
                [only] => only.part.is_some() && self.is_fast(only) && only.roster.dead() == 0,
                _ => false,
            };
            let rows: u64 = index.pieces.iter().map(|piece| u64::from(piece.rows())).sum();
            if index.is_ready && !is_done && rows >= self.rows_min() {
                self.merge(index, &index.pieces, true).await?;
            }
        }
        Ok(())
    }

    /// Makes every index of a table anew, of its records. Each one serves until the new one is
    /// complete.
    async fn remake(&self, table: TableNo) -> Result<()> {
        let sight = self.follow().await?;
        for index in sight.indexes.iter().filter(|index| index.table == table) {
            self.make(index).await?;
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
                let mut pieces: Vec<Arc<Piece>> =
                    index.pieces.iter().filter(has_rows).cloned().collect();
                if !pieces.is_empty() {
                    is_clean = false;
                    // A list is complete up to a version: of what is in memory all is in parts
                    // then, or nothing.
                    let others = index.tail().filter(|one| !has(&pieces, one)).cloned();
                    pieces.extend(others.collect::<Vec<_>>());
                    let ended = self.handle.shared().version();
                    self.merge_ended(index, &pieces, true, ended).await?;
                }
            }
            if is_clean {
                return Ok(());
            }
        }
    }

    fn limits(&self) -> &SealingLimits {
        &self.handle.shared().settings.sealing
    }

    fn rows_min(&self) -> u64 {
        self.limits().rows_min.max(1) as u64
    }

    /// Whether a piece is as fast as it can be.
    fn is_fast(&self, piece: &Piece) -> bool {
        match &piece.body {
            Body::Words(_) => true,
            Body::Vectors(vectors) => {
                vectors.has_graph() || u64::from(piece.rows()) < self.rows_min()
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
        if index.tail_rows() >= self.rows_min() || index.tail_bytes() >= BYTES_MIN || is_far {
            self.merge(index, &tail, false).await?;
            return Ok(true);
        }
        let mut parts: Vec<Arc<Piece>> = index.parts().cloned().collect();
        if parts.len() > self.limits().parts_max.max(1) {
            parts.sort_by_key(|piece| piece.rows());
            let few = few_to_merge(&parts);
            self.merge(index, few, true).await?;
            return Ok(true);
        }
        if let Some(plain) = parts.iter().find(|piece| !self.is_fast(piece)) {
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
        let n_tail = pieces.iter().filter(|piece| piece.part.is_none()).count();
        assert!(n_tail == 0 || n_tail == index.tail().count(), "all that is in memory, or nothing");
        if !self.begin(index, pieces).await {
            return Ok(());
        }
        let shared = self.handle.shared();
        let merge = Merge {
            finders: self.finders,
            spec: &index.spec,
            ended,
            whole: pieces.len() == index.pieces.len() || shared.settings.has(Bug::LoseEnds),
            graph,
            threads: THREADS,
            // What is left is done when it is opened again.
            stop: &|| !shared.is_open(),
        };
        let (bytes, complete_from) = merge.merge(pieces)?;
        let is_late = shared.settings.has(Bug::NameBeforePart);
        let piece = match is_late {
            true => Piece::open(self.finders, &index.spec, Some(self.new_part()), &bytes)?,
            false => self.put(&index.spec, bytes.clone()).await?,
        };
        let library = &self.tenant.library;
        let turn = library.turn(shared).await;
        let sight = library.sight();
        let known = sight.index(index.table, &index.spec.name());
        let Some(known) = known.filter(|known| has_all(known, pieces)) else {
            drop(turn);
            return self.drop_parts(&[Arc::new(piece)]).await;
        };
        let mut next = (**known).clone();
        let part = piece.part;
        next.replace(pieces, piece);
        next.ready_from = next.ready_from.max(complete_from);
        // What came while the part was made is read from the log again after a crash.
        next.sealed_at = match index.tail().all(|one| has(pieces, one)) {
            true => index.position,
            false => next.sealed_at,
        };
        self.publish(&next).await?;
        if let Some(part) = part.filter(|_| is_late) {
            shared.store()?.put_part(part, bytes).await?;
        }
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

    fn new_part(&self) -> PartId {
        let world = &self.handle.shared().world;
        PartId(u128::from(world.random()) << 64 | u128::from(world.random()))
    }

    /// Stores a part.
    async fn put(&self, spec: &super::spec::Spec, bytes: Bytes) -> Result<Piece> {
        let (store, part) = (self.handle.shared().store()?, self.new_part());
        store.put_part(part, bytes.clone()).await?;
        let mapped = store.map_part(part).await?.unwrap_or(bytes);
        Piece::open(self.finders, spec, Some(part), &mapped)
    }

    /// Writes which parts an index has.
    async fn publish(&self, index: &Index) -> Result<()> {
        let is_ahead = self.handle.shared().settings.has(Bug::SealedTooFar);
        let state = State {
            spec: (*index.spec).clone(),
            position: if is_ahead { index.position } else { index.sealed_at },
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
        loop {
            if let Some(made) = self.make_unless_erased(index).await? {
                return Ok(made);
            }
        }
    }

    /// The same; nothing if something was purged meanwhile, which may be in it.
    async fn make_unless_erased(&self, index: &Arc<Index>) -> Result<Option<bool>> {
        let shared = self.handle.shared();
        let erased = shared.erasures();
        let view = View::now(self.handle, self.tenant)?;
        let Some(table) = view.find_numbered(index.table).await? else { return Ok(Some(false)) };
        let (specs, _) = super::spec::Spec::of(&table.schema, self.finders);
        let name = index.spec.name();
        let Some(spec) = specs.into_iter().find(|spec| spec.name() == name) else {
            return Ok(Some(false));
        };
        let mut position = view.version;
        if spec.model().is_some() {
            // Until its texts were computed there is nothing to make it of.
            let until = super::follow::embedded(&view, table.number, &spec).await?;
            let Some(until) = until else { return Ok(Some(false)) };
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
        let now = View::now(self.handle, self.tenant)?;
        let is_there = now.find_numbered(index.table).await?.is_some();
        if !is_there || shared.erasures() != erased {
            drop(turn);
            self.drop_parts(&made.pieces).await?;
            return Ok(if is_there { None } else { Some(false) });
        }
        let mut before = self.named(index.table, &name).await?;
        // Those of an index that nobody could open are named, and not there.
        let known = sight.index(index.table, &name);
        before.extend(known.iter().flat_map(|known| known.parts()).filter_map(|it| it.part));
        before.retain(|part| made.parts().all(|piece| piece.part != Some(*part)));
        self.publish(&made).await?;
        library.show(sight.with(made));
        drop(turn);
        let store = shared.store()?;
        for part in before {
            store.drop_part(part).await?;
        }
        Ok(Some(true))
    }

    /// The parts that the list of an index names, if it can be read.
    async fn named(&self, table: TableNo, name: &str) -> Result<Vec<PartId>> {
        let view = View::now(self.handle, self.tenant)?;
        let stored = view.source.get(&keys::sealed(self.tenant.number, table, name)).await?;
        let state = stored.and_then(|bytes| State::decode(&bytes).ok());
        Ok(state.map(|state| state.parts).unwrap_or_default())
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
            let is_full =
                draft.rows() >= self.limits().part_rows.max(1) || draft.bytes() >= PART_BYTES;
            let is_last = next.is_none() && !made.pieces.is_empty();
            if is_full || is_last || (next.is_none() && draft.rows() as u64 >= self.rows_min()) {
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
            let is_missing = sight.missing.iter().any(|it| it.0 == table && it.1.name() == name);
            if is_missing || sight.index(table, &name).is_some() {
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
