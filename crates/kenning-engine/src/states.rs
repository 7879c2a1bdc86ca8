//! What was known, and when: every state that a view of the past can show, and the hash of them.
//!
//! The states of a table's records are its live entries and its history, in the order of the ids
//! and for each id the oldest first. What a view never shows is left out: a record of a dropped
//! table is not seen any more from then on, and a link not once an end of it was gone, however
//! long the sweeper takes to remove them. When something began and ended is said as an instant,
//! because versions are numbers of one database.
//!
//! Specified in `docs/format/content.md`.

use std::collections::{BTreeMap, HashMap};

use kenning_index::Arc as LinkArc;
use kenning_record::{End, Id, Json, RecordRef, TableNo, TenantNo, Version, entry, keys};
use kenning_store::{Bytes, Error, Range, Result, Snapshot, Space};

use crate::content::{ContentHash, ContentHasher, KnownLink, count, part};
use crate::database::Database;
use crate::past::Rows;
use crate::shared::Head;
use crate::table::number;
use crate::tenant::LINKS;
use crate::view::{TABLE_COUNTER, View};

/// What the hash of a history begins with.
const HISTORY_DOMAIN: &[u8] = b"kenning history 1";
/// Instants that are held in memory; of more, every second one, or every fourth, and so on.
const INSTANTS_MAX: usize = 1 << 20;

impl Database {
    /// The hash of every state of every record and link that a view of the past can show.
    pub async fn history_hash(&self) -> Result<ContentHash> {
        self.view()?.history_hash().await
    }
}

impl View {
    /// The hash of every state of every record and link. Only the present knows them all.
    pub async fn history_hash(&self) -> Result<ContentHash> {
        let mut states = States {
            horizon: self.present().await?.history_from,
            instants: Instants::read(&*self.source).await?,
            hash: ContentHasher::of(HISTORY_DOMAIN),
        };
        for tenant in self.every_tenant().await? {
            states.hash.tenant(tenant.tenant_name());
            let tables = Tables::read(&tenant).await?;
            for (name, number) in &tables.ordered {
                states.table(&tenant, name, &tables.ages[number], *number).await?;
            }
            states.links(&tenant, &tables).await?;
        }
        Ok(states.hash.finish())
    }
}

/// The last moment that a database has seen, and how far back it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Present {
    /// The last version.
    pub version: Version,
    /// Its instant, in milliseconds since the epoch.
    pub instant: i64,
    /// Views of the past reach back to this version.
    pub history_from: Version,
}

impl View {
    /// What this view is the present of; a view of the past is refused.
    pub async fn present(&self) -> Result<Present> {
        let head = self.source.get(&keys::meta("head")).await?;
        let (version, instant, history_from) =
            head.map_or(Ok((0, 0, 0)), |bytes| Head::decode(&bytes))?;
        if version != self.version {
            let message = format!("version {} is past, the last one is {version}", self.version);
            return Err(Error::invalid("PAST", message));
        }
        Ok(Present { version, instant, history_from })
    }
}

/// From when until when something was as it was.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Span {
    from: Version,
    until: Option<Version>,
}

impl Span {
    /// The part of it before `end`.
    fn before(self, end: Option<Version>) -> Span {
        let ends = [self.until, end].into_iter().flatten().min();
        Span { until: ends, ..self }
    }

    fn is_empty(self) -> bool {
        self.until.is_some_and(|until| until <= self.from)
    }
}

/// One state of an entry.
struct State {
    span: Span,
    /// The whole key of the live entry.
    key: Bytes,
    value: Bytes,
}

/// Every state of the entries of a range, by key and the oldest first.
struct Merged<'a> {
    live: Rows<'a>,
    dead: Rows<'a>,
}

impl<'a> Merged<'a> {
    fn of(source: &'a dyn Snapshot, range: Range) -> Self {
        let dead = keys::history_range(&range).forward();
        Merged { live: Rows::new(source, range.forward()), dead: Rows::new(source, dead) }
    }

    /// The next state that lasted beyond `horizon`.
    async fn next(&mut self, horizon: Version) -> Result<Option<State>> {
        loop {
            let dead = self.dead.peek().await?;
            let dead = dead.map(|row| keys::history_split(&row.key)).transpose()?;
            let dead_first = match (self.live.peek().await?, dead) {
                (None, None) => return Ok(None),
                (None, Some(_)) => true,
                (Some(_), None) => false,
                // What an entry was comes before what it is.
                (Some(live), Some((key, _))) => key <= &live.key[..],
            };
            let taken = if dead_first { self.dead.take() } else { self.live.take() };
            let row = taken.expect("it was looked at above");
            let (from, _) = entry::check(&row.value)?;
            let (key, until) = match dead_first {
                true => {
                    let (key, until) = keys::history_split(&row.key)?;
                    (row.key.slice_ref(key), Some(until))
                }
                false => (row.key.clone(), None),
            };
            if until.is_none_or(|until| until > horizon) {
                return Ok(Some(State { span: Span { from, until }, key, value: row.value }));
            }
        }
    }
}

/// The tables that a tenant has, or had.
struct Tables {
    ages: HashMap<TableNo, Ages>,
    /// By name, and of one name the older first.
    ordered: Vec<(String, TableNo)>,
}

/// One table from when it was made until it was dropped.
struct Ages {
    name: String,
    until: Option<Version>,
    schemas: Vec<(Span, Json)>,
}

impl Tables {
    async fn read(view: &View) -> Result<Self> {
        let mut ages: BTreeMap<TableNo, Ages> = BTreeMap::new();
        let range = Range::prefix(keys::records(view.tenant.number, number::TABLES));
        let mut states = Merged::of(&*view.source, range);
        let horizon = view.present().await?.history_from;
        while let Some(State { span, key, value }) = states.next(horizon).await? {
            if keys::record_split(&key)?.2 == TABLE_COUNTER {
                continue;
            }
            let damaged = || Error::corrupt("TABLE_DAMAGED", "the record of a table is damaged");
            let record = RecordRef::new(entry::split(&value)?.1)?;
            let name = record.key()?.ok_or_else(damaged)?;
            let mut said = record.properties()?.decode()?;
            let number = said["number"].as_u64().and_then(|number| u32::try_from(number).ok());
            let table = ages.entry(number.ok_or_else(damaged)?).or_insert_with(|| Ages {
                name: name.to_owned(),
                until: None,
                schemas: Vec::new(),
            });
            table.until = span.until;
            let schema = said["schema"].take();
            match table.schemas.last_mut() {
                // How far its indexes are changes the record, and says nothing about the world.
                Some((last, same)) if *same == schema => last.until = span.until,
                _ => table.schemas.push((span, schema)),
            }
        }
        let mut ordered: Vec<_> =
            ages.iter().map(|(number, table)| (table.name.clone(), *number)).collect();
        ordered.sort_unstable();
        Ok(Tables { ages: ages.into_iter().collect(), ordered })
    }
}

struct States {
    horizon: Version,
    instants: Instants,
    hash: ContentHasher,
}

impl States {
    async fn table(&mut self, view: &View, name: &str, ages: &Ages, number: TableNo) -> Result<()> {
        self.hash.part(part::TABLE);
        self.hash.bytes(name.as_bytes());
        for (span, schema) in &ages.schemas {
            self.hash.part(part::SCHEMA);
            self.span(view, *span).await?;
            self.hash.json(schema)?;
        }
        let range = Range::prefix(keys::records(view.tenant.number, number));
        let mut states = Merged::of(&*view.source, range);
        while let Some(state) = states.next(self.horizon).await? {
            let span = state.span.before(ages.until);
            if !span.is_empty() {
                self.hash.part(part::RECORD);
                self.hash.fixed(keys::record_split(&state.key)?.2.as_bytes());
                self.span(view, span).await?;
                self.hash.bytes(entry::split(&state.value)?.1);
            }
        }
        Ok(())
    }

    async fn links(&mut self, view: &View, tables: &Tables) -> Result<()> {
        let tenant = view.tenant.number;
        let mut states =
            Merged::of(&*view.source, Range::prefix(keys::records(tenant, number::LINKS)));
        while let Some(state) = states.next(self.horizon).await? {
            let (version, payload) = entry::split(&state.value)?;
            let arc = LinkArc::read(RecordRef::new(payload)?)?;
            let ends = (tables.ages.get(&arc.source.table), tables.ages.get(&arc.target.table));
            // A table that was dropped before the horizon is not known any more.
            let (Some(source), Some(target)) = ends else { continue };
            let mut span = state.span.before(source.until).before(target.until);
            for (end, birth) in [(arc.source, arc.source_birth), (arc.target, arc.target_birth)] {
                span = span.before(death(view, tenant, end, birth).await?);
            }
            if span.is_empty() || span.until.is_some_and(|until| until <= self.horizon) {
                continue;
            }
            let (_, _, id) = keys::record_split(&state.key)?;
            let names = (source.name.clone(), target.name.clone());
            self.link(
                view,
                id,
                span,
                KnownLink::new(
                    RecordRef::new(payload)?.to_record(id, LINKS, version)?,
                    arc,
                    names.0,
                    names.1,
                )?,
            )
            .await?;
        }
        Ok(())
    }

    async fn link(&mut self, view: &View, id: Id, span: Span, link: KnownLink) -> Result<()> {
        self.hash.part(part::LINK);
        self.hash.fixed(id.as_bytes());
        self.span(view, span).await?;
        self.hash.link(&link)
    }

    /// When it began, unless that was before the horizon, and when it ended, unless it has not.
    async fn span(&mut self, view: &View, span: Span) -> Result<()> {
        let from = Some(span.from).filter(|from| *from > self.horizon);
        for version in [from, span.until] {
            match version {
                None => self.hash.part(0),
                Some(version) => {
                    let instant = self.instants.of(&*view.source, version).await?;
                    self.hash.part(1);
                    self.hash.fixed(&instant.to_le_bytes());
                }
            }
        }
        Ok(())
    }
}

/// The version in which the birth `birth` of `end` was over.
async fn death(view: &View, tenant: TenantNo, end: End, birth: u32) -> Result<Option<Version>> {
    let key = keys::birth(tenant, end.table, &end.id);
    let Some(live) = view.source.get(&key).await? else { return Ok(None) };
    if count(&live)? < birth {
        return Ok(None);
    }
    for row in view.rows(keys::history_of(&key)).await? {
        if count(&row.value)? >= birth {
            return entry::from(&row.value).map(Some);
        }
    }
    entry::from(&live).map(Some)
}

/// The instants of versions, as many as memory should hold.
struct Instants {
    /// The last version at an instant, and the instant; ascending.
    known: Vec<(Version, u64)>,
    /// One of so many is in the list, and the last one.
    stride: usize,
}

impl Instants {
    async fn read(source: &dyn Snapshot) -> Result<Self> {
        let mut instants = Instants { known: Vec::new(), stride: 1 };
        let mut rows = Rows::new(source, Range::prefix([Space::Clock.byte()]).forward());
        let mut last = None;
        let mut n_rows = 0;
        while rows.peek().await?.is_some() {
            let row = rows.take().expect("it was looked at a line above");
            let at = (entry::check(&row.value)?.0, keys::clock_split(&row.key)?);
            if n_rows % instants.stride == 0 {
                instants.known.push(at);
            }
            (last, n_rows) = (Some(at), n_rows + 1);
            if instants.known.len() == INSTANTS_MAX {
                instants.stride *= 2;
                let mut idx = 0;
                instants.known.retain(|_| {
                    idx += 1;
                    idx % 2 == 1
                });
            }
        }
        if let Some(last) = last.filter(|last| instants.known.last() != Some(last)) {
            instants.known.push(last);
        }
        Ok(instants)
    }

    /// The instant of `version`: the first one whose last version is not before it.
    async fn of(&self, source: &dyn Snapshot, version: Version) -> Result<u64> {
        let at = self.known.partition_point(|(last, _)| *last < version);
        let missing = || Error::corrupt("CLOCK_DAMAGED", "a version has no instant");
        let (_, until) = *self.known.get(at).ok_or_else(missing)?;
        let before = at.checked_sub(1).map(|before| self.known[before].1);
        if self.stride == 1 {
            return Ok(until);
        }
        let from = before.map_or_else(|| vec![Space::Clock.byte()], |at| keys::clock(at + 1));
        let between = Range::new(from, keys::clock(until));
        let mut rows = Rows::new(source, between.forward());
        while let Some(row) = rows.peek().await? {
            if entry::check(&row.value)?.0 >= version {
                return keys::clock_split(&row.key);
            }
            rows.take();
        }
        Ok(until)
    }
}

#[cfg(test)]
mod tests {
    use kenning_store::{Batch, Durability, Memory, Store, block_on};

    use super::*;
    use crate::committer::frame;

    #[test]
    fn instants_that_are_not_in_memory_are_looked_up() {
        let store = Memory::new();
        let mut batch = Batch::new();
        for n in 0..500_u64 {
            batch.put(&keys::clock(1_000 + 3 * n), &frame(2 + 2 * n, &[]));
        }
        block_on(store.commit(batch, Durability::Relaxed)).unwrap();
        let source = block_on(store.snapshot()).unwrap();
        let whole = block_on(Instants::read(&*source)).unwrap();
        let last = *whole.known.last().unwrap();
        let mut few: Vec<_> = whole.known.iter().copied().step_by(64).collect();
        few.push(last);
        let few = Instants { known: few, stride: 64 };
        for version in 1..=last.0 {
            let expected = 1_000 + 3 * (version.div_ceil(2) - 1);
            assert_eq!(block_on(whole.of(&*source, version)).unwrap(), expected);
            assert_eq!(block_on(few.of(&*source, version)).unwrap(), expected);
        }
        assert!(block_on(whole.of(&*source, last.0 + 1)).is_err());
    }
}
