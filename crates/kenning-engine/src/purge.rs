//! The right to be forgotten: removing what a record ever said from everywhere.
//!
//! First the record is deleted, and a note of what is to be purged lands in the same batch. From
//! then on the values are removed from the past in steps: from the log, where a change that put
//! them becomes a delete; from the history of the record, of its names and of its index entries;
//! and all that with its links too, which say something about it. At last the store rewrites its
//! files, so that no byte stays behind, and the note goes away. A crash in between repeats what was
//! not finished. What stays is the id and how often it was born: a link that somebody makes to it
//! again must not find its way to the old one.
//!
//! What came before the purge is told apart from a later record of the same name by its births, and
//! where an entry has none by the version that it is from. Views that were made before keep their
//! snapshot, and what it shows stays on the disk as long as they do. Those of the engine's own
//! threads are waited for; if others are open the answer says so, and the note stays until what is
//! left could be done. Tables of the same name that were dropped are looked into as well. Out of
//! reach are copies, and a record that once had taken this one in: of the last, and of backups, the
//! answer tells.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kenning_index::LinkEntry;
use kenning_record::{End, Id, LogBody, LogChange, LogEntry, RecordRef, TableNo, Version};
use kenning_record::{entry, keys};
use kenning_store::{Batch, Error, ErrorKind, Range, Result, Row};

use crate::backup::KnownBackup;
use crate::build::Work;
use crate::cache::cache_key;
use crate::database::{Database, Handle};
use crate::history::Past;
use crate::log::{Beside, write_beside};
use crate::planted::Bug;
use crate::reference::as_id;
use crate::sealed::collect::{Changed, texts};
use crate::sealed::roster::Change;
use crate::sealed::spec::Spec;
use crate::shared::{Shared, Waiting};
use crate::table::{Table, number};
use crate::tenant::{MERGES, TABLES, Tenant};
use crate::transaction::Transaction;
use crate::view::View;

/// Bytes after which what is changed so far is committed.
const STEP_BYTES: usize = 8 << 20;
/// Writes of one step.
const STEP_ROWS: usize = 1_000;
/// How often it is looked whether views from before are still open, and how long it waits between
/// two looks, in ms. Those of the engine's own threads end after a step of their work.
const LOOKS: u64 = 400;
const LOOK_MS: u64 = 5;
/// Entries of links that are removed at a time.
const LINKS_MAX: usize = 10_000;

/// What was purged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Records: the one that was named, and those that it had taken in.
    pub records: u64,
    /// States of records and of index entries in the history.
    pub history_rows: u64,
    /// Changes in the log.
    pub log_changes: u64,
    /// Links.
    pub links: u64,
    /// Records of the same table that had taken it in for a while: their past may have what it
    /// said.
    pub taken_in_by: Vec<Id>,
    /// Backups that the database remembers and that may still have what was purged.
    pub backups: Vec<KnownBackup>,
    /// Whether a view from before is still open: for its sake the files may have what was purged
    /// until it ends. What is left is done when something is cleared up, or the database compacted
    /// or opened, after that.
    pub is_held: bool,
}

/// What is to be purged.
#[derive(Default)]
struct Doomed {
    ends: Vec<End>,
    taken_in_by: Vec<Id>,
    /// The first version that had any of it, as far as the history tells.
    since: Version,
}

/// Held by who removes the past: two at once would bring back what the other one removed.
pub(crate) struct Trimming(Arc<Shared>);

impl Trimming {
    pub(crate) fn begin(shared: &Arc<Shared>) -> Result<Self> {
        if shared.trimming.swap(true, Ordering::AcqRel) {
            let message = "the past is being pruned or purged already; try again when that is done";
            return Err(Error::new(ErrorKind::Unavailable, "TRIMMING", message));
        }
        Ok(Trimming(Arc::clone(shared)))
    }
}

impl Drop for Trimming {
    fn drop(&mut self) {
        self.0.trimming.store(false, Ordering::Release);
    }
}

/// What [`Trimming`] guards.
pub(crate) type IsTrimming = AtomicBool;

impl Database {
    /// Removes every value that a record ever had, and its links, from the records, the indexes,
    /// the history, the log and the files. `None` if there never was such a record.
    pub async fn purge(&self, table: &str, reference: &str) -> Result<Option<Purged>> {
        let trimming = Trimming::begin(self.handle.shared())?;
        let mark = async |transaction: &mut Transaction| transaction.purge(table, reference).await;
        let Doomed { ends, taken_in_by, mut since } = self.transact(mark).await?;
        if ends.is_empty() {
            return Ok(None);
        }
        let records = ends.len() as u64;
        let mut purged = Purged { records, taken_in_by, ..Purged::default() };
        let mut notes = Vec::new();
        for end in ends {
            let key = keys::purge(self.tenant.number, end.table, &end.id);
            if let Some(value) = self.view()?.source.get(&key).await? {
                let note = Row { key: key.into(), value };
                since = since.min(erase(&self.handle, &self.tenant, &note, &mut purged).await?);
                notes.push(note);
            }
        }
        purged.is_held = !are_ended(self.handle.shared()).await;
        match purged.is_held {
            // The notes stay: what is left is done later.
            true => self.handle.shared().store()?.erase().await?,
            false => finish(&self.handle, &notes).await?,
        }
        // Not before: one that was made meanwhile may have it, too.
        purged.backups = self.backups().await?;
        purged.backups.retain(|backup| backup.version.is_none_or(|version| version >= since));
        drop(trimming);
        Ok(Some(purged))
    }
}

/// Finishes what a crash, a failing disk, or a view from before left unfinished.
pub(crate) async fn resume(handle: &Handle) -> Result<()> {
    let view = View::now(handle, handle.shared().tenants.root())?;
    let notes = view.rows(Range::prefix(keys::purges())).await?;
    if notes.is_empty() {
        return Ok(());
    }
    let tenants = crate::tenants::all(&view).await?;
    drop(view);
    // Whoever is at work finishes it.
    let Ok(trimming) = Trimming::begin(handle.shared()) else { return Ok(()) };
    // For the sake of a view from before nothing could be removed from the files.
    if !are_ended(handle.shared()).await {
        return Ok(());
    }
    let mut done = Vec::new();
    for note in notes {
        let (tenant, table, _) = keys::purge_split(&note.key)?;
        if let Some(tenant) = crate::sweep::living(handle, &tenants, tenant).await? {
            // The sweeper itself may be who asks.
            if is_swept(handle, &tenant, table).await? {
                continue;
            }
            let erased = erase(handle, &tenant, &note, &mut Purged::default()).await;
            crate::sweep::unless_dropped(erased.map(|_| ()))?;
        }
        done.push(note);
    }
    finish(handle, &done).await?;
    drop(trimming);
    Ok(())
}

/// Whether a table was dropped, and its records are not cleared up yet.
async fn is_swept(handle: &Handle, tenant: &Arc<Tenant>, table: TableNo) -> Result<bool> {
    let note = keys::sweep(tenant.number, table, None);
    Ok(View::now(handle, tenant)?.source.get(&note).await?.is_some())
}

/// Waits until the records of a table are cleared up, if it was dropped.
async fn wait_swept(handle: &Handle, tenant: &Arc<Tenant>, table: TableNo) -> Result<()> {
    let waiting = Waiting::new(handle.shared());
    loop {
        let seen = handle.shared().published();
        if !is_swept(handle, tenant, table).await? {
            return Ok(());
        }
        if let Some(error) = handle.shared().sweep.failure() {
            return Err(error);
        }
        waiting.moved(seen).await;
    }
}

/// Waits for a while until the views that there are have ended; whether they have.
async fn are_ended(shared: &Shared) -> bool {
    let last = shared.shown.last();
    for _ in 0..LOOKS {
        if !shared.shown.is_held_before(last) {
            return true;
        }
        shared.world.sleep(LOOK_MS).await;
    }
    !shared.shown.is_held_before(last)
}

/// Has the store forget what was removed, and then the notes.
async fn finish(handle: &Handle, notes: &[Row]) -> Result<()> {
    handle.shared().store()?.erase().await?;
    let mut batch = Batch::new();
    notes.iter().for_each(|note| batch.delete(&note.key));
    let view = View::now(handle, handle.shared().tenants.root())?;
    write_beside(&view, Beside { batch, ..Beside::default() }).await
}

impl Transaction {
    /// Deletes what is to be purged and leaves a note of each record. Nothing if there never was
    /// one.
    async fn purge(&mut self, table: &str, reference: &str) -> Result<Doomed> {
        self.reads_checked = true;
        let table = self.table_named(table).await?;
        table.check_writable()?;
        let id = self.id_for_life(&table, reference).await?;
        let states = self.history_of_id(&table, id).await?;
        let end = End { table: table.number, id };
        let mut earlier = Vec::new();
        self.purge_earlier(&table, id, &mut earlier).await?;
        if states.is_empty() && self.births(end).await? == 0 {
            // It may have been in a table of this name that was dropped, and nowhere else.
            return Ok(Doomed { ends: earlier, ..Doomed::default() });
        }
        let head = self.handle.shared().head()?;
        let mut since = states.iter().map(|state| state.record.version).min().unwrap_or(0);
        let aliases = states.iter().flat_map(|state| &state.record.aliases);
        let taken = self.taken_in(&table, id, aliases).await?;
        let was_half_done = std::mem::replace(&mut self.half_done, true);
        let mut ends = earlier;
        self.delete_for_purge(&table, end, &mut ends).await?;
        let merges = self.table_named(MERGES).await?;
        let mut keepers = self.keepers_of(&merges, &table, id).await?;
        for (id, version) in taken {
            let states = self.history_of_id(&table, id).await?;
            since = states.iter().map(|state| state.record.version).fold(since, Version::min);
            keepers.extend(self.keepers_of(&merges, &table, id).await?);
            let end = End { table: table.number, id };
            // A record that was made under its key since is another one.
            if states.iter().any(|state| state.record.version >= version) {
                let before = states.iter().filter(|state| state.record.version < version);
                let births = before.map(|state| state.record.birth).max().unwrap_or(0);
                self.note_purge(end, births, version, &mut ends);
            } else {
                self.delete_for_purge(&table, end, &mut ends).await?;
            }
            let merge = crate::merge::merge_id(self, &table, id)?;
            self.remove(&merges, merge).await?;
        }
        self.half_done = was_half_done;
        keepers.retain(|id| ends.iter().all(|end| end.id != *id));
        keepers.sort_unstable();
        keepers.dedup();
        // What was pruned tells nothing: then any backup may have it.
        let since = if head.history_from > 0 { 0 } else { since };
        Ok(Doomed { ends, taken_in_by: keepers, since })
    }

    async fn delete_for_purge(
        &mut self,
        table: &Table,
        end: End,
        ends: &mut Vec<End>,
    ) -> Result<()> {
        self.remove(table, end.id).await?;
        let births = self.births(end).await?;
        // What the log told of its births goes away with its values.
        self.log_births(table, end.id, births)?;
        self.note_purge(end, births, 0, ends);
        Ok(())
    }

    /// Notes what tables of the same name that were dropped had under the same id.
    async fn purge_earlier(&mut self, table: &Table, id: Id, ends: &mut Vec<End>) -> Result<()> {
        let tables = self.table_named(TABLES).await?;
        for state in self.history_of_id(&tables, table.id).await? {
            let number = state.record.properties["number"].as_u64();
            let number = number.and_then(|number| u32::try_from(number).ok());
            let Some(number) = number.filter(|number| *number != table.number) else { continue };
            let end = End { table: number, id };
            let is_known = ends.contains(&end);
            let was_there = self.births(end).await? > 0
                || self.record_bytes(end.table, end.id).await?.is_some();
            if was_there && !is_known {
                self.note_purge(end, u32::MAX, 0, ends);
            }
        }
        Ok(())
    }

    /// Notes that so many births, and what is from before version `until`, are to be purged; with 0
    /// that is the version of the note itself, which it gets as every entry does.
    fn note_purge(&mut self, end: End, births: u32, until: Version, ends: &mut Vec<End>) {
        let note = keys::purge(self.tenant.number, end.table, &end.id);
        let said = [&births.to_le_bytes()[..], &until.to_le_bytes()].concat();
        self.staging.put(&note, &said, None);
        ends.push(end);
    }

    /// The records that took this one in at some time.
    async fn keepers_of(&self, merges: &Table, table: &Table, id: Id) -> Result<Vec<Id>> {
        let merge = crate::merge::merge_id(self, table, id)?;
        let states = self.history_of_id(merges, merge).await?;
        let kept = |state: &Past| state.record.properties["kept"].as_str().and_then(as_id);
        Ok(states.iter().filter_map(kept).collect())
    }
}

/// What one note says is to be removed.
struct Subject {
    end: End,
    /// The births that are over.
    births: u32,
    /// What is from before this version is its.
    until: Version,
}

/// Removing one subject from the past of its tenant.
struct Erasing<'a> {
    subject: Subject,
    view: View,
    batch: Batch,
    /// The first version of a link of it.
    since: Version,
    purged: &'a mut Purged,
}

/// Removes the values of a deleted record from the past. The first version of a link of it.
async fn erase(
    handle: &Handle,
    tenant: &Arc<Tenant>,
    note: &Row,
    purged: &mut Purged,
) -> Result<Version> {
    let subject = Subject::read(note)?;
    let end = subject.end;
    crate::sweep::clear_links(handle, tenant, subject.end).await?;
    wait_swept(handle, tenant, subject.end.table).await?;
    wait_cleared(handle, tenant, subject.end.table).await?;
    let (view, batch) = (View::now(handle, tenant)?, Batch::new());
    let mut erasing = Erasing { subject, view, batch, since: Version::MAX, purged };
    erasing.log().await?;
    loop {
        let links = erasing.links().await?;
        let ids: HashSet<Id> = links.iter().map(|(_, link)| link.link).collect();
        erasing.link_records(&ids).await?;
        erasing.link_entries(&links).await?;
        erasing.purged.links += ids.len() as u64;
        if ids.is_empty() {
            break;
        }
        erasing.view = View::now(handle, tenant)?;
    }
    erasing.record().await?;
    erasing.names().await?;
    erasing.fields().await?;
    erasing.commit().await?;
    let since = erasing.since;
    // The log tells nothing of it any more, so nobody finds it there again.
    crate::sealed::seal::erase(handle, tenant, end).await?;
    Ok(since)
}

impl Subject {
    fn read(note: &Row) -> Result<Self> {
        let damaged = || Error::corrupt("NOTE_DAMAGED", "a note about a purge is damaged");
        let (_, table, id) = keys::purge_split(&note.key)?;
        let (version, said) = entry::check(&note.value)?;
        let (births, until) = said.split_first_chunk().ok_or_else(damaged)?;
        let until = Version::from_le_bytes(until.try_into().map_err(|_| damaged())?);
        let until = if until == 0 { version } else { until };
        Ok(Subject { end: End { table, id }, births: u32::from_le_bytes(*births), until })
    }
}

/// Waits until no index of the table is being cleared away: what is cleared goes into the history.
async fn wait_cleared(handle: &Handle, tenant: &Arc<Tenant>, table: u32) -> Result<()> {
    let waiting = Waiting::new(handle.shared());
    loop {
        let seen = handle.shared().published();
        let view = View::now(handle, tenant)?;
        let mut is_clearing = false;
        for note in view.rows(Range::prefix(keys::index_works_of(tenant.number))).await? {
            let (_, of, _) = keys::index_work_split(&note.key)?;
            is_clearing |= of == table && matches!(Work::decode(&note.value)?, Work::Clear { .. });
        }
        if !is_clearing {
            return Ok(());
        }
        if let Some(error) = handle.shared().build.failure() {
            return Err(error);
        }
        waiting.moved(seen).await;
    }
}

impl Erasing<'_> {
    /// Some entries of links in the history that belong to the subject, with their keys there.
    async fn links(&mut self) -> Result<Vec<(Row, LinkEntry)>> {
        let tenant = self.view.tenant.number;
        let mut links = Vec::new();
        for side in [keys::OUT, keys::IN] {
            let prefix = Range::prefix(keys::links_of(tenant, side, self.subject.end));
            let mut next = Some(keys::history_range(&prefix).forward());
            while let Some(scan) = next
                && links.len() < LINKS_MAX
            {
                let page = self.view.source.page(&scan).await?;
                for row in page.rows {
                    let (key, _) = keys::history_split(&row.key)?;
                    let (version, payload) = entry::check(&row.value)?;
                    let link = LinkEntry::read(tenant, key, version, payload)?;
                    if link.near_birth <= self.subject.births {
                        self.since = self.since.min(version);
                        links.push((row, link));
                    }
                }
                next = page.rest;
            }
        }
        Ok(links)
    }

    /// Rewrites the transactions that put the subject, or a link of it.
    async fn log(&mut self) -> Result<()> {
        if self.view.handle.shared().settings.has(Bug::PurgeSparesLog) {
            return Ok(());
        }
        let tenant = self.view.tenant.number;
        let mut next = Some(crate::log::whole(tenant).forward());
        while let Some(scan) = next {
            let page = self.view.source.page(&scan).await?;
            for row in &page.rows {
                let (_, version) = keys::log_split(&row.key)?;
                let entry = LogEntry::decode(&row.value, version)?;
                let mut body = LogBody::new();
                let mut erased = 0;
                for change in entry.changes() {
                    let change = change?;
                    let is_erased = self.is_erased(&change, version)?;
                    erased += u64::from(is_erased);
                    body.push(change.table, change.id, change.after.filter(|_| !is_erased));
                }
                if erased > 0 {
                    self.purged.log_changes += erased;
                    self.batch.put_with(&row.key, |bytes| body.finish(entry.head, bytes));
                    self.step().await?;
                }
            }
            next = page.rest;
        }
        Ok(())
    }

    /// Whether a change of the log put a value that is to be removed.
    fn is_erased(&self, change: &LogChange<'_>, version: Version) -> Result<bool> {
        let Some(payload) = change.after else { return Ok(false) };
        if change.table == self.subject.end.table && change.id == self.subject.end.id {
            return Ok(version < self.subject.until);
        }
        if change.table == number::LINKS {
            return self.is_of_subject(RecordRef::new(payload)?);
        }
        Ok(false)
    }

    /// Whether the record of a link is of a birth of the subject that is over.
    fn is_of_subject(&self, record: RecordRef<'_>) -> Result<bool> {
        let arc = kenning_index::Arc::read(record)?;
        let Subject { end, births, .. } = self.subject;
        Ok((arc.source == end && arc.source_birth <= births)
            || (arc.target == end && arc.target_birth <= births))
    }

    async fn link_records(&mut self, ids: &HashSet<Id>) -> Result<()> {
        let tenant = self.view.tenant.number;
        for id in ids {
            let key = keys::record(tenant, number::LINKS, id);
            for row in self.view.rows(keys::history_of(&key)).await? {
                if self.is_of_subject(RecordRef::new(entry::check(&row.value)?.1)?)? {
                    self.remove(&row.key).await?;
                }
            }
            self.view.handle.shared().cache.forget(&cache_key(&key));
        }
        Ok(())
    }

    /// The entries of links, under both ends. Last, because they lead to everything else.
    async fn link_entries(&mut self, links: &[(Row, LinkEntry)]) -> Result<()> {
        // Durably gone are the others before these are.
        self.commit().await?;
        let tenant = self.view.tenant.number;
        for (row, link) in links {
            let (_, until) = keys::history_split(&row.key)?;
            let other = if link.direction == keys::OUT { keys::IN } else { keys::OUT };
            let far = keys::link(tenant, other, link.far, &link.kind, link.near);
            self.remove(&row.key).await?;
            self.remove(&keys::history(&far, until)).await?;
        }
        self.commit().await
    }

    async fn record(&mut self) -> Result<()> {
        let end = self.subject.end;
        let key = keys::record(self.view.tenant.number, end.table, &end.id);
        self.vectors(end, &key).await?;
        self.past_of(keys::history_of(&key), |_, _| Ok(true)).await?;
        self.view.handle.shared().cache.forget(&cache_key(&key));
        Ok(())
    }

    /// What models said of its texts. Others may have the same text: it is computed again for them.
    async fn vectors(&mut self, end: End, key: &[u8]) -> Result<()> {
        let Some(finders) = self.view.handle.shared().settings.finders.clone() else {
            return Ok(());
        };
        // Before it is told that nothing tells of it any more.
        self.commit().await?;
        let shared = Arc::clone(self.view.handle.shared());
        let _passing = shared.erasing.pass(&shared).await;
        let table = self.view.find_numbered(end.table).await?;
        let specs = table.as_ref().map(|table| Spec::of(&table.schema, &finders).0);
        for spec in specs.unwrap_or_default() {
            let Some(Ok(embedder)) = spec.embedder(&finders) else { continue };
            let Spec::Embedded { paths, .. } = &spec else { continue };
            for row in self.view.rows(keys::history_of(key)).await? {
                let (version, payload) = entry::check(&row.value)?;
                let payload = Some(row.value.slice_ref(payload));
                let changed = Changed { change: Change { id: end.id, version }, payload };
                for text in texts(&changed, paths, &*embedder)? {
                    let tenant = self.view.tenant.number;
                    self.batch.delete(&keys::vector(tenant, embedder.model_id(), &text));
                }
            }
            let watermark = spec.watermark(end.table);
            self.batch.delete(&keys::watermark(self.view.tenant.number, &watermark));
        }
        self.commit().await?;
        // Who read it before may not write any more what was made of it.
        shared.change_erasures();
        shared.unembedded.redo(self.view.tenant.number);
        shared.embed.ring();
        Ok(())
    }

    async fn names(&mut self) -> Result<()> {
        let range = keys::history_range(&Range::prefix(keys::names(self.view.tenant.number)));
        let end = self.subject.end;
        self.past_of(range, |key, payload| {
            let name = keys::name_split(key)?;
            let owner = match name.alias_of {
                Some(id) => id,
                None => kenning_index::entry_id(payload)?,
            };
            Ok(name.table == end.table && owner == end.id)
        })
        .await
    }

    async fn fields(&mut self) -> Result<()> {
        let (tenant, end) = (self.view.tenant.number, self.subject.end);
        let fields = Range::prefix(keys::fields_of_table(tenant, end.table));
        self.past_of(keys::history_range(&fields), |key, payload| {
            // Whose it is stands at the end of the key, or, where a value is unique, behind it.
            let id = if payload.is_empty() { key } else { payload };
            Ok(id.ends_with(end.id.as_bytes()))
        })
        .await
    }

    /// Removes the rows of a range of the history that `is_of` says are the subject's.
    async fn past_of(
        &mut self,
        range: Range,
        is_of: impl Fn(&[u8], &[u8]) -> Result<bool>,
    ) -> Result<()> {
        let mut next = Some(range.forward());
        while let Some(scan) = next {
            let page = self.view.source.page(&scan).await?;
            for row in &page.rows {
                let (key, _) = keys::history_split(&row.key)?;
                let (from, payload) = entry::split(&row.value)?;
                if from < self.subject.until && is_of(key, payload)? {
                    self.remove(&row.key).await?;
                }
            }
            next = page.rest;
        }
        Ok(())
    }

    async fn remove(&mut self, key: &[u8]) -> Result<()> {
        self.batch.delete(key);
        self.purged.history_rows += 1;
        self.step().await
    }

    async fn step(&mut self) -> Result<()> {
        if self.batch.size_bytes() >= STEP_BYTES || self.batch.len() >= STEP_ROWS {
            self.commit().await?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        write_beside(&self.view, Beside { batch, ..Beside::default() }).await
    }
}
