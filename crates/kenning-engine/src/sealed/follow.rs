//! Catching up with the log.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use kenning_record::{Id, LogEntry, TableNo, Version, entry, keys};
use kenning_store::{Error, ErrorKind, PartId, Result, Row};

use super::collect::{self, Changed, Collect};
use super::damage::Damage;
use super::piece::{Merge, Piece, PieceDraft};
use super::roster::Change;
use super::spec::Spec;
use super::state::State;
use super::{Finders, Index, Library, Sight};
use crate::table::{Table, number};
use crate::view::View;

/// Changes of the log that become one piece, unless they have too many bytes.
const STEP_ROWS: usize = 5_000;
const STEP_BYTES: usize = 16 << 20;
/// Pieces in memory that are about as large before they become one.
const PIECES_ALIKE_MAX: usize = 4;

/// How far the texts of a table were computed; `None` if they were not begun with.
pub(crate) async fn embedded(view: &View, table: TableNo, spec: &Spec) -> Result<Option<Version>> {
    let key = keys::watermark(view.tenant.number, &spec.watermark(table));
    let Some(bytes) = view.source.get(&key).await? else { return Ok(None) };
    Ok(Some(entry::check(&bytes)?.0.min(view.version)))
}

impl Library {
    /// The indexes, with everything up to the version of `view`, which is one of the present; those
    /// over what a model says as far as it was computed.
    pub(crate) async fn follow(&self, view: &View, finders: &Finders) -> Result<Arc<Sight>> {
        let shared = view.handle.shared();
        loop {
            // Before the sight: tables that change later are looked at later.
            let schemas = shared.schemas();
            let sight = self.sight();
            let targets = Targets::of(view, &sight, finders).await?;
            if sight.tables_at == Some(schemas) && targets.lag(&sight).is_none() {
                return Ok(sight);
            }
            let _turn = self.turn(shared).await;
            let sight = self.sight();
            if sight.tables_at != Some(schemas) {
                let now = View::now(&view.handle, &view.tenant)?;
                self.show(look(&now, &sight, schemas, finders).await?);
                continue;
            }
            let targets = Targets::of(view, &sight, finders).await?;
            if let Some(from) = targets.lag(&sight) {
                self.show(step(view, &sight, &targets, from, finders).await?);
            }
        }
    }
}

/// Up to which version each index can be followed, in the order of the sight.
struct Targets(Vec<Version>);

impl Targets {
    async fn of(view: &View, sight: &Sight, finders: &Finders) -> Result<Self> {
        let mut targets = Vec::with_capacity(sight.indexes.len());
        for index in &sight.indexes {
            targets.push(match index.spec.model() {
                // Which texts a record has only its model says.
                Some(_) if is_missing(index, finders) => 0,
                Some(_) => embedded(view, index.table, &index.spec).await?.unwrap_or(0),
                None => view.version,
            });
        }
        Ok(Targets(targets))
    }

    /// Where the log has to be read from.
    fn lag(&self, sight: &Sight) -> Option<Version> {
        let behind =
            |(index, target): &(&Arc<Index>, &Version)| index.is_ready && index.position < **target;
        sight.indexes.iter().zip(&self.0).filter(behind).map(|(index, _)| index.position).min()
    }
}

fn is_missing(index: &Index, finders: &Finders) -> bool {
    index.spec.embedder(finders).is_some_and(|embedder| embedder.is_err())
}

/// Changes of the log, by their table.
pub(crate) struct Changes {
    pub(crate) by_table: HashMap<TableNo, Vec<Changed>>,
    /// Nothing is missing up to this version.
    pub(crate) until: Version,
    /// Whether the log behind the position is gone.
    pub(crate) is_cut: bool,
}

/// The sight some changes further on.
async fn step(
    view: &View,
    sight: &Sight,
    targets: &Targets,
    from: Version,
    finders: &Finders,
) -> Result<Sight> {
    let changes = read(view, from, STEP_ROWS).await?;
    let mut next = sight.clone();
    for (known, target) in sight.indexes.iter().zip(&targets.0) {
        let target = (*target).min(changes.until);
        if !known.is_ready || known.position >= target {
            continue;
        }
        let mut index = (**known).clone();
        if changes.is_cut {
            // Then the records tell: the sealer makes it anew.
            (index.is_ready, index.pieces) = (false, Vec::new());
            next = next.with(index);
            continue;
        }
        let none = Vec::new();
        let changed = changes.by_table.get(&index.table).unwrap_or(&none);
        let is_new =
            |it: &&Changed| index.position < it.change.version && it.change.version <= target;
        let new: Vec<Changed> = changed.iter().filter(is_new).map(Changed::copy).collect();
        let mut draft = PieceDraft::default();
        let (tenant, source) = (view.tenant.number, &view.source);
        Collect { finders, spec: &index.spec, tenant, source }.take(&new, &mut draft).await?;
        if !draft.is_empty() {
            let piece = draft.finish(finders, &index.spec)?;
            index.push(piece);
            settle(&mut index, finders)?;
        }
        index.position = target;
        next = next.with(index);
    }
    Ok(next)
}

/// Some changes behind version `after`: `rows_max` of them, or a transaction more.
pub(crate) async fn read(view: &View, after: Version, rows_max: usize) -> Result<Changes> {
    let range = keys::log_range(view.tenant.number, after + 1, view.version.saturating_add(1));
    let mut changes = Changes { by_table: HashMap::new(), until: after, is_cut: false };
    let (mut rows, mut bytes) = (0, 0);
    let mut next = Some(range.forward().rows(rows_max));
    while let Some(scan) = next {
        let page = view.source.page(&scan).await?;
        for row in &page.rows {
            let (_, version) = keys::log_split(&row.key)?;
            let entry = LogEntry::decode(&row.value, version)?;
            changes.is_cut |= rows == 0 && entry.head.previous > after;
            rows += changes.take(&entry, row)?;
            bytes += row.value.len();
            changes.until = version;
            if rows >= rows_max || bytes >= STEP_BYTES {
                return Ok(changes);
            }
        }
        next = page.rest;
    }
    changes.until = view.version;
    Ok(changes)
}

impl Changes {
    /// Of a record that a transaction changed several times the last change is what it is since.
    fn take(&mut self, entry: &LogEntry<'_>, row: &Row) -> Result<usize> {
        let version = entry.head.version;
        let mut rows = 1;
        let mut known: HashMap<(TableNo, Id), usize> = HashMap::new();
        for change in entry.changes() {
            let change = change?;
            rows += 1;
            if change.table >= number::FIRST {
                let payload = change.after.map(|after| row.value.slice_ref(after));
                let changed = Changed { change: Change { id: change.id, version }, payload };
                let of_table = self.by_table.entry(change.table).or_default();
                match known.entry((change.table, change.id)) {
                    Entry::Occupied(place) => of_table[*place.get()] = changed,
                    Entry::Vacant(place) => {
                        place.insert(of_table.len());
                        of_table.push(changed);
                    }
                }
            }
        }
        Ok(rows)
    }
}

/// Makes one piece of several that are about as large, so that there are few.
fn settle(index: &mut Index, finders: &Finders) -> Result<()> {
    loop {
        let class = |piece: &Piece| (piece.rows() + 1).ilog2() / 2;
        let tail: Vec<Arc<Piece>> = index.tail().cloned().collect();
        let Some(last) = tail.last() else { return Ok(()) };
        let alike: Vec<Arc<Piece>> = tail
            .iter()
            .rev()
            .take_while(|it| class(it) <= class(last) && !it.is_taken())
            .cloned()
            .collect();
        if alike.len() < PIECES_ALIKE_MAX {
            return Ok(());
        }
        let alike: Vec<Arc<Piece>> = alike.into_iter().rev().collect();
        let spec = Arc::clone(&index.spec);
        let merge = Merge {
            finders,
            spec: &spec,
            ended: 0,
            whole: false,
            graph: false,
            threads: 1,
            stop: &|| false,
        };
        let (bytes, _) = merge.merge(&alike)?;
        index.replace(&alike, Piece::open(finders, &spec, None, &bytes)?);
    }
}

/// The sight with an index for whatever the tables ask for by now.
async fn look(now: &View, sight: &Sight, schemas: u64, finders: &Finders) -> Result<Sight> {
    let (mut indexes, mut missing) = (Vec::new(), Vec::new());
    for table in now.all_tables().await? {
        if table.number < number::FIRST {
            continue;
        }
        let (specs, not_there) = Spec::of(&table.schema, finders);
        for (slot, _) in not_there {
            missing.push((table.number, slot));
            indexes.extend(sight.index(table.number, slot.name()).cloned());
        }
        for spec in specs {
            let index = match sight.index(table.number, &spec.name()) {
                Some(known) if *known.spec == spec => Arc::clone(known),
                Some(known) => Arc::new(Index { is_stale: true, ..(**known).clone() }),
                None => Arc::new(open(now, &table, spec, finders).await?),
            };
            indexes.push(index);
        }
    }
    Ok(Sight { tables_at: Some(schemas), indexes, missing })
}

/// The index as it is stored; a small one of which nothing is stored is made of its records. If
/// what is stored is damaged, the sealer makes it anew.
async fn open(now: &View, table: &Table, spec: Spec, finders: &Finders) -> Result<Index> {
    let key = keys::sealed(now.tenant.number, table.number, &spec.name());
    let stored = now.source.get(&key).await?;
    let is_stored = stored.is_some();
    if let Some(bytes) = stored {
        let opened = match State::decode(&bytes) {
            Ok(state) => open_parts(now, table, &state, finders).await?,
            Err(error) => Err((None, error)),
        };
        match opened {
            Ok(index) => return Ok(Index { is_stale: *index.spec != spec, ..index }),
            Err((part, why)) => {
                let (index, why) = (spec.name(), why.to_string());
                let damage = Damage { table: table.number, index, part, why };
                now.handle.shared().damaged.note(now.tenant.number, damage);
            }
        }
        let shared = now.handle.shared();
        shared.unsealed.ask(now.tenant.number);
        shared.seal.ring();
    }
    let spec = Arc::new(spec);
    let mut index = Index {
        table: table.number,
        spec: Arc::clone(&spec),
        pieces: Vec::new(),
        position: now.version,
        sealed_at: now.version,
        ready_from: now.version,
        is_ready: false,
        is_stale: false,
    };
    if spec.model().is_some() {
        // Before its texts were computed nothing can be said.
        let Some(until) = embedded(now, table.number, &spec).await? else { return Ok(index) };
        (index.position, index.sealed_at) = (until, until);
    }
    if !is_stored && let Some(draft) = few(now, &index, finders).await? {
        index.is_ready = true;
        if !draft.is_empty() {
            index.push(draft.finish(finders, &spec)?);
        }
    }
    Ok(index)
}

/// Which part could not be opened, and why.
type Unopened = (Option<PartId>, Error);

/// The parts of an index, unless one of them is missing or damaged.
async fn open_parts(
    now: &View,
    table: &Table,
    state: &State,
    finders: &Finders,
) -> Result<std::result::Result<Index, Unopened>> {
    let store = now.handle.shared().store()?;
    let mut index = Index {
        table: table.number,
        spec: Arc::new(state.spec.clone()),
        pieces: Vec::new(),
        position: state.position,
        sealed_at: state.position,
        ready_from: state.ready_from,
        is_ready: true,
        is_stale: false,
    };
    for part in &state.parts {
        let mapped = store.map_part(*part).await.and_then(|bytes| {
            bytes.ok_or_else(|| Error::corrupt("PART_MISSING", format!("part {part} is gone")))
        });
        let opened = mapped.and_then(|it| Piece::open(finders, &state.spec, Some(*part), &it));
        match opened {
            Ok(piece) => index.push(piece),
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                return Ok(Err((Some(*part), error)));
            }
            Err(error) => return Err(error),
        }
        let (last, others) = index.pieces.split_last().expect("one was pushed just now");
        others.iter().for_each(|other| last.roster.outdate(&other.roster));
    }
    Ok(Ok(index))
}

/// The rows of a table that has few of them.
async fn few(now: &View, index: &Index, finders: &Finders) -> Result<Option<PieceDraft>> {
    let (tenant, source) = (now.tenant.number, &now.source);
    let collect = Collect { finders, spec: &index.spec, tenant, source };
    let mut draft = PieceDraft::default();
    let rows_min = now.handle.shared().settings.sealing.rows_min.max(1);
    let mut next = Some(collect::records(tenant, index.table).rows(rows_min));
    let mut rows = 0;
    while next.is_some() {
        let mut records = collect::page(&**source, &mut next).await?;
        rows += records.len();
        // What is newer than the position comes with the log.
        records.retain(|it| it.change.version <= index.position);
        collect.take(&records, &mut draft).await?;
        if rows >= rows_min || draft.bytes() > STEP_BYTES {
            return Ok(None);
        }
    }
    Ok(Some(draft))
}

impl Changed {
    pub(crate) fn copy(&self) -> Self {
        Changed { change: self.change, payload: self.payload.clone() }
    }
}

/// An index over the records of one view, made for it and thrown away.
pub(crate) async fn index_of(
    view: &View,
    table: &Table,
    spec: &Arc<Spec>,
    finders: &Finders,
) -> Result<Index> {
    let (tenant, source) = (view.tenant.number, &view.source);
    let collect = Collect { finders, spec, tenant, source };
    let mut index = Index {
        table: table.number,
        spec: Arc::clone(spec),
        pieces: Vec::new(),
        position: view.version,
        sealed_at: view.version,
        ready_from: 0,
        is_ready: true,
        is_stale: false,
    };
    let mut draft = PieceDraft::default();
    let mut next = Some(collect::records(tenant, table.number));
    while next.is_some() {
        let records = collect::page(&**source, &mut next).await?;
        collect.take(&records, &mut draft).await?;
        if draft.bytes() > STEP_BYTES && next.is_some() {
            let draft = std::mem::take(&mut draft);
            index.push(draft.finish(finders, spec)?);
        }
    }
    if !draft.is_empty() {
        index.push(draft.finish(finders, spec)?);
    }
    Ok(index)
}
