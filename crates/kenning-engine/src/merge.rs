//! Two records that are one.
//!
//! One of the two is kept and takes the other one in: what it does not say itself it says from then
//! on as the other one did; the other one's key, aliases and id become aliases of it, so that
//! whoever knows one of those names finds it; links move; and the other one is deleted. All this is
//! one transaction. A record of the system table `_merges` says which record was taken in and by
//! which. It holds no copy of anything: its own version says where in the past to look, so history
//! follows it, and undoing reads from there what belongs to whom. What was changed since the merge
//! stays with the record that was kept.
//!
//! Two records with different unique values are not one: that is refused, and so are records of two
//! tables, because names and schema belong to a table.

use kenning_index::{Arc, Index, LinkEntry, Subject};
use kenning_record::{Body, Draft, End, Id, Json, Record, RecordRef, Version, encode_record};
use kenning_record::{entry, keys, normalize};
use kenning_store::{Bytes, Error, Result};
use serde_json::json;

use crate::change::{Link, Present};
use crate::database::Database;
use crate::reference::as_id;
use crate::staging::PENDING;
use crate::table::{Table, number};
use crate::tenant::{LINKS, MERGES};
use crate::transaction::Transaction;
use crate::view::{At, View};
use crate::walk::Walk;

/// Merges that are followed from a record to the one that has it in the end.
const MERGES_MAX: usize = 1_000;

/// What a merge, or its undoing, did.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The table of both.
    pub table: String,
    /// The record that was kept.
    pub kept: Id,
    /// The record that was taken in, or that is back.
    pub taken: Id,
    /// Links that moved.
    pub links: usize,
}

/// One merge, as `_merges` has it.
struct Merge {
    /// The id of its own record.
    id: Id,
    table: String,
    kept: Id,
    taken: Id,
    /// When it was made.
    version: Version,
}

impl Merge {
    fn properties(table: &Table, kept: Id, taken: Id) -> Json {
        json!({"table": table.name, "kept": kept.to_string(), "taken": taken.to_string()})
    }

    fn read(id: Id, bytes: &Bytes) -> Result<Self> {
        let (version, payload) = entry::split(bytes)?;
        let said = RecordRef::new(payload)?.properties()?.decode()?;
        let text = |name: &str| said[name].as_str();
        let named = |name: &str| text(name).and_then(as_id);
        match (text("table"), named("kept"), named("taken")) {
            (Some(table), Some(kept), Some(taken)) => {
                Ok(Merge { id, table: table.to_owned(), kept, taken, version })
            }
            _ => Err(Error::corrupt("MERGE_DAMAGED", "the record of a merge is damaged")),
        }
    }
}

/// A link, and the record that it is.
struct Linked {
    id: Id,
    arc: Arc,
    record: Record,
}

impl Database {
    /// Makes two records one; see [`Transaction::merge`].
    pub async fn merge(&self, keep: &str, other: &str) -> Result<Merged> {
        self.transact(async |transaction| transaction.merge(keep, other).await).await
    }

    /// Takes a merge back; see [`Transaction::unmerge`].
    pub async fn unmerge(&self, keep: &str, other: &str) -> Result<Merged> {
        self.transact(async |transaction| transaction.unmerge(keep, other).await).await
    }
}

impl Transaction {
    /// Makes two records one. What `keep` says counts; what it does not say is taken from `other`,
    /// whose names become aliases, whose links move, and which is deleted.
    pub async fn merge(&mut self, keep: &str, other: &str) -> Result<Merged> {
        self.reads_checked = true;
        let (table, kept) = self.living(keep).await?;
        let (other_table, taken) = self.living(other).await?;
        if table.number != other_table.number {
            return Err(Error::invalid(
                "MERGE_TABLES",
                format!(
                    "'{keep}' is in table '{}' and '{other}' in '{}'; only records of one table \
                     can be one",
                    table.name, other_table.name
                ),
            ));
        }
        if kept.id == taken.id {
            let message = format!("'{keep}' and '{other}' are one record already");
            return Err(Error::invalid("MERGE_SELF", message));
        }
        if [&kept, &taken].iter().any(|record| record.version == PENDING) {
            let message = "both records must be stored before the transaction that merges them, or \
                           the merge could not be taken back";
            return Err(Error::invalid("MERGE_PENDING", message));
        }
        self.check_unique(&table, &kept, &taken).await?;
        let mut draft = Draft {
            id: Some(kept.id),
            key: kept.key.clone(),
            aliases: Some(aliases_of_both(&kept, &taken)?),
            valid_from: kept.valid_from,
            valid_until: kept.valid_until,
            properties: kept.properties.clone(),
        };
        fill(&mut draft.properties, &taken.properties);
        table.schema.validate(&draft.properties)?;
        let was_half_done = std::mem::replace(&mut self.half_done, true);
        let ends = (end_of(&table, &taken), end_of(&table, &kept));
        let links = self.move_links(ends.0, ends.1).await?;
        self.remove(&table, taken.id).await?;
        self.replace(&table, draft).await?;
        let id = merge_id(self, &table, taken.id)?;
        let said = Merge::properties(&table, kept.id, taken.id);
        self.put_record(MERGES, id, None, said).await?;
        self.half_done = was_half_done;
        Ok(Merged { table: table.name.clone(), kept: kept.id, taken: taken.id, links })
    }

    /// Takes a merge back. The record that was taken in is there again as it was before, under a
    /// new birth; the other one loses what it had from it, unless that was changed since; and the
    /// links that moved, and are there still, move back.
    pub async fn unmerge(&mut self, keep: &str, other: &str) -> Result<Merged> {
        self.reads_checked = true;
        let (table, kept) = self.living(keep).await?;
        let merge = self.merge_of(&table, &kept, other).await?;
        let before = self.as_of(At::Version(merge.version.saturating_sub(1))).await?;
        let after = self.as_of(At::Version(merge.version)).await?;
        let gone = || {
            let message = format!("what '{other}' was before the merge is no longer known");
            Error::invalid("MERGE_PAST_GONE", message)
        };
        let taken = before.record(&table, merge.taken).await?.ok_or_else(gone)?;
        let was = before.record(&table, kept.id).await?.ok_or_else(gone)?;
        let merged = after.record(&table, kept.id).await?.ok_or_else(gone)?;
        if self.record_bytes(table.number, taken.id).await?.is_some() {
            let message = format!("table '{}' has another record '{other}' by now", table.name);
            return Err(Error::invalid("KEY_EXISTS", message));
        }
        let others = self.others_in(&table, &kept, taken.id).await?;
        let names = names_of(others.iter().map(|(other, _)| other))?;
        let mut draft = Draft {
            id: Some(kept.id),
            key: kept.key.clone(),
            aliases: Some(without_aliases(&kept, &was, &merged, &names)),
            valid_from: kept.valid_from,
            valid_until: kept.valid_until,
            properties: kept.properties.clone(),
        };
        unfill(&mut draft.properties, &was.properties, &merged.properties);
        for (other, _) in &others {
            refill(&mut draft.properties, &kept.properties, &other.properties);
        }
        // What another one had lent, and took back since, was not its own.
        let mut undone = before.others_in(&table, &was, taken.id).await?;
        undone.retain(|(gone, _)| others.iter().all(|(other, _)| other.id != gone.id));
        for (_, lent) in &undone {
            let Some(own) = lent.record(&table, kept.id).await? else { continue };
            let mut filled = own.properties.clone();
            fill(&mut filled, &taken.properties);
            unfill(&mut draft.properties, &own.properties, &filled);
        }
        table.schema.validate(&draft.properties)?;
        table.schema.validate(&taken.properties)?;
        let was_half_done = std::mem::replace(&mut self.half_done, true);
        // First, so that what is unique is free again.
        self.replace(&table, draft).await?;
        self.revive(&table, &taken).await?;
        let links = self
            .return_links(&table, [&before, &after], [&kept, &taken], [&others, &undone])
            .await?;
        let merges = self.table_named(MERGES).await?;
        self.remove(&merges, merge.id).await?;
        self.half_done = was_half_done;
        Ok(Merged { table: table.name.clone(), kept: kept.id, taken: taken.id, links })
    }

    /// The record that `reference` means, which must be there and a user's own.
    async fn living(&self, reference: &str) -> Result<(std::sync::Arc<Table>, Record)> {
        let missing = || {
            let message = format!("nothing is named '{reference}'");
            Error::invalid("RECORD_NOT_FOUND", message)
        };
        let end = self.referent(reference).await?.ok_or_else(missing)?;
        let table = self.table_numbered(end.table).await?;
        table.check_writable()?;
        let record = self.record(&table, end.id).await?.ok_or_else(missing)?;
        Ok((table, record))
    }

    /// Refuses two records of which each has values of its own where a value belongs to one.
    async fn check_unique(&self, table: &Table, kept: &Record, taken: &Record) -> Result<()> {
        for field in table.fields.iter().filter(|field| field.index.spec.unique) {
            let mut both = Vec::new();
            for record in [kept, taken] {
                let bytes = self.record_bytes(table.number, record.id).await?;
                let bytes = bytes.expect("it was read a moment ago, from the same snapshot");
                let record_ref = RecordRef::new(entry::split(&bytes)?.1)?;
                let (tenant, number, id) = (self.tenant.number, table.number, record.id);
                let subject = Subject { tenant, table: number, id, record: record_ref };
                let mut entries = Vec::new();
                field.index.entries(&subject, &mut entries)?;
                both.push(entries);
            }
            if both.iter().all(|entries| !entries.is_empty()) {
                let paths = field.told().paths.join(", ");
                return Err(Error::invalid(
                    "MERGE_CONFLICT",
                    format!(
                        "both records have their own {paths}, which is unique in table '{}'; \
                         remove it from one of them first",
                        table.name
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Stores a record that is there.
    async fn replace(&mut self, table: &Table, mut draft: Draft) -> Result<()> {
        self.store(&table.name, &mut draft, Present::Replace).await.map(|_| ())
    }

    /// Stores a record that was deleted, as it was, under its next birth.
    async fn revive(&mut self, table: &Table, record: &Record) -> Result<()> {
        let end = End { table: table.number, id: record.id };
        let body = Body {
            birth: self.births(end).await? + 1,
            created_at: record.created_at,
            modified_at: self.now()?,
            valid_from: record.valid_from,
            valid_until: record.valid_until,
            key: record.key.as_deref(),
            aliases: &record.aliases,
            properties: &record.properties,
        };
        let mut payload = Vec::new();
        encode_record(&body, &mut payload)?;
        self.staging.stand_on(&keys::record(self.tenant.number, table.number, &record.id));
        self.stage(table, record.id, None, Some(&payload)).await
    }
}

/// Links.
impl Transaction {
    /// Gives the links of one record to another; how many.
    async fn move_links(&mut self, from: End, to: End) -> Result<usize> {
        let links = self.table_named(LINKS).await?;
        let mut moved = 0;
        for link in self.living_links(from).await? {
            self.remove(&links, link.id).await?;
            let arc = turned(&link.arc, from, to);
            // What was between the two has become one.
            if is_between(&link.arc, from, to) {
                continue;
            }
            moved += 1;
            let mut said = said_of(&link.record);
            if let Some(own) = self.living_link(&arc).await? {
                let others = std::mem::replace(&mut said, said_of(&own.record));
                said.weight = said.weight.max(others.weight);
                fill(&mut said.properties, &others.properties);
            }
            self.put_link(&arc, said).await?;
        }
        Ok(moved)
    }

    /// Gives back what a merge moved; how many links.
    async fn return_links(
        &mut self,
        table: &Table,
        [before, after]: [&View; 2],
        [kept, taken]: [&Record; 2],
        [others, undone]: [&[(Record, View)]; 2],
    ) -> Result<usize> {
        let links = self.table_named(LINKS).await?;
        let (kept, taken) = (end_of(table, kept), end_of(table, taken));
        let mut moved = 0;
        for link in before.living_links(taken).await? {
            let between = is_between(&link.arc, taken, kept);
            let turned = turned(&link.arc, taken, kept);
            let mut own = if between { None } else { before.living_link(&turned).await? };
            if own.is_some() && is_lent(table, &turned, kept, undone).await? {
                own = None;
            }
            let now = if between { None } else { self.living_link(&turned).await? };
            match (own, now) {
                // It had such a link before: what the merge added to it goes.
                (Some(own), Some(now)) => {
                    let merged = after.living_link(&turned).await?;
                    if merged.is_some_and(|merged| says_the_same(&merged.record, &now.record)) {
                        self.put_link(&turned, said_of(&own.record)).await?;
                    }
                    self.put_link(&link.arc, said_of(&link.record)).await?;
                }
                (None, Some(now)) => {
                    // Somebody else who is still the same brought it, too.
                    if !is_of_others(table, &link.arc, taken, others).await? {
                        self.remove(&links, now.id).await?;
                    }
                    self.put_link(&link.arc, said_of(&now.record)).await?;
                }
                (_, None) if between => self.put_link(&link.arc, said_of(&link.record)).await?,
                // It was removed since, or what it led to was.
                (_, None) => continue,
            }
            moved += 1;
        }
        Ok(moved)
    }

    /// Links the two ends of `arc` as they are born now.
    async fn put_link(&mut self, arc: &Arc, link: Link) -> Result<()> {
        let mut arc = Arc { weight: link.weight, ..arc.clone() };
        arc.source_birth = self.birth_now(arc.source).await?;
        arc.target_birth = self.birth_now(arc.target).await?;
        let id = self.link_id(arc.source, &arc.kind, arc.target).await?;
        let draft = Draft {
            valid_from: link.valid_from,
            valid_until: link.valid_until,
            ..Draft::from(arc.properties(&link.properties))
        };
        self.put_draft(LINKS, id, None, draft).await
    }
}

impl View {
    /// The links of a record that are there: those that a walk would follow, and those to what is
    /// not there yet.
    async fn living_links(&self, end: End) -> Result<Vec<Linked>> {
        let mut living: Vec<Linked> = Vec::new();
        for LinkEntry { link, .. } in self.links_of(end, &Walk::default()).await? {
            if living.iter().any(|known| known.id == link) {
                continue;
            }
            living.extend(self.link_record(link).await?);
        }
        Ok(living)
    }

    /// The link that has these ends and this type, if it is there.
    async fn living_link(&self, arc: &Arc) -> Result<Option<Linked>> {
        let id = self.link_id(arc.source, &arc.kind, arc.target).await?;
        self.link_record(id).await
    }

    async fn link_record(&self, id: Id) -> Result<Option<Linked>> {
        let Some(bytes) = self.record_bytes(number::LINKS, id).await? else { return Ok(None) };
        let (version, payload) = entry::split(&bytes)?;
        let record = RecordRef::new(payload)?;
        let arc = Arc::read(record)?;
        let is_there = self.births(arc.source).await? < arc.source_birth
            && self.births(arc.target).await? < arc.target_birth;
        let record = record.to_record(id, LINKS, version)?;
        Ok(is_there.then_some(Linked { id, arc, record }))
    }

    /// The merge that took `other` into `kept`.
    async fn merge_of(&self, table: &Table, kept: &Record, other: &str) -> Result<Merge> {
        let name = match other.split_once('/') {
            Some((first, rest)) if first == table.name => rest,
            _ => other,
        };
        let normal = normalize(name)?;
        let (mut found, mut unknown) = (Vec::new(), None);
        for merge in self.merges_into(table, kept).await? {
            if merge.version == PENDING {
                let message = "a merge can be taken back once its transaction has landed";
                return Err(Error::invalid("MERGE_PENDING", message));
            }
            if as_id(name) == Some(merge.taken) {
                return Ok(merge);
            }
            match self.taken_as_it_was(table, &merge).await {
                Ok(Some(taken)) if is_named(&taken, &normal) => found.push(merge),
                Ok(_) => {}
                // It may have been that one; another one may be known still.
                Err(error) if error.code() == "HISTORY_NOT_KEPT" => unknown = Some(error),
                Err(error) => return Err(error),
            }
        }
        if found.len() > 1 {
            let ids: Vec<String> = found.iter().map(|merge| merge.taken.to_string()).collect();
            let message = format!("'{other}' may mean {}; say which", ids.join(", "));
            return Err(Error::invalid("AMBIGUOUS", message));
        }
        if let (true, Some(error)) = (found.is_empty(), unknown) {
            return Err(error);
        }
        if let [merge] = &found[..] {
            self.check_direct(table, merge, &normal).await?;
        }
        found.pop().ok_or_else(|| {
            let name = kept.key.clone().unwrap_or_else(|| kept.id.to_string());
            let message = format!("'{other}' is not merged into '{name}'");
            Error::invalid("NOT_MERGED", message)
        })
    }

    /// The record that a merge took in, before it did.
    async fn taken_as_it_was(&self, table: &Table, merge: &Merge) -> Result<Option<Record>> {
        let before = self.as_of(At::Version(merge.version.saturating_sub(1))).await?;
        before.record(table, merge.taken).await
    }

    /// The records that `kept` took in, but for one of them, each as it was before, and when; those
    /// that are not known any more are left out.
    async fn others_in(
        &self,
        table: &Table,
        kept: &Record,
        but: Id,
    ) -> Result<Vec<(Record, View)>> {
        let mut others = Vec::new();
        for merge in self.merges_into(table, kept).await? {
            let version = merge.version.saturating_sub(1);
            if merge.taken != but
                && merge.version != PENDING
                && let Ok(before) = self.as_of(At::Version(version)).await
                && let Some(taken) = before.record(table, merge.taken).await?
            {
                others.push((taken, before));
            }
        }
        Ok(others)
    }

    /// Refuses the name of a record that was merged before into the one that `merge` took in.
    async fn check_direct(&self, table: &Table, merge: &Merge, normal: &str) -> Result<()> {
        let before = self.as_of(At::Version(merge.version.saturating_sub(1))).await?;
        let Some(taken) = before.record(table, merge.taken).await? else { return Ok(()) };
        for (inner, _) in before.others_in(table, &taken, taken.id).await? {
            if is_named(&inner, normal) {
                let name = |it: &Record| it.key.clone().unwrap_or_else(|| it.id.to_string());
                let (inner, taken) = (name(&inner), name(&taken));
                let message = format!("'{inner}' is merged into '{taken}', undo that one before");
                return Err(Error::invalid("NOT_MERGED", message));
            }
        }
        Ok(())
    }

    /// The merges by which `kept` took others in: their ids are among its aliases.
    async fn merges_into(&self, table: &Table, kept: &Record) -> Result<Vec<Merge>> {
        let mut merges = Vec::new();
        for taken in kept.aliases.iter().filter_map(|alias| as_id(alias)) {
            let merge = self.merge_that_took(table, taken).await?;
            merges.extend(merge.filter(|merge| merge.kept == kept.id));
        }
        Ok(merges)
    }

    async fn merge_that_took(&self, table: &Table, taken: Id) -> Result<Option<Merge>> {
        let id = merge_id(self, table, taken)?;
        let bytes = self.record_bytes(number::MERGES, id).await?;
        let merge = bytes.map(|bytes| Merge::read(id, &bytes)).transpose()?;
        Ok(merge.filter(|merge| merge.table == table.name))
    }

    /// Every record that `kept` took in, itself or with one that it took in, and in which version.
    /// `names` are the aliases that it has or had: an id among them need not mean that.
    pub(crate) async fn taken_in<'a>(
        &self,
        table: &Table,
        kept: Id,
        names: impl Iterator<Item = &'a String>,
    ) -> Result<Vec<(Id, Version)>> {
        let mut taken: Vec<(Id, Version)> = Vec::new();
        for id in names.filter_map(|name| as_id(name)) {
            if taken.iter().all(|(known, _)| *known != id)
                && let Some(merge) = self.merge_that_took(table, id).await?
                && self.ends_in(table, &merge, kept).await?
            {
                taken.push((id, merge.version));
            }
        }
        Ok(taken)
    }

    /// Whether what a merge kept is `kept`, or was taken in by it in the end.
    async fn ends_in(&self, table: &Table, merge: &Merge, kept: Id) -> Result<bool> {
        let mut end = merge.kept;
        for _ in 0..MERGES_MAX {
            if end == kept {
                return Ok(true);
            }
            let Some(next) = self.merge_that_took(table, end).await? else { return Ok(false) };
            end = next.kept;
        }
        Ok(false)
    }
}

/// The id of the record of a merge: of one record taken in there is at most one.
pub(crate) fn merge_id(view: &View, table: &Table, taken: Id) -> Result<Id> {
    let name = normalize(&format!("{}/{taken}", table.name))?;
    Ok(Id::derived(&view.tenant.name, MERGES, &name))
}

fn end_of(table: &Table, record: &Record) -> End {
    End { table: table.number, id: record.id }
}

/// The link with `to` wherever it has `from`.
fn turned(arc: &Arc, from: End, to: End) -> Arc {
    let turn = |end: End| if end == from { to } else { end };
    Arc { source: turn(arc.source), target: turn(arc.target), ..arc.clone() }
}

fn is_between(arc: &Arc, a: End, b: End) -> bool {
    (arc.source, arc.target) == (a, b) || (arc.source, arc.target) == (b, a)
}

fn says_the_same(a: &Record, b: &Record) -> bool {
    let said = |record: &Record| (record.valid_from, record.valid_until);
    a.properties == b.properties && said(a) == said(b)
}

/// What the record of a link says about it.
fn said_of(record: &Record) -> Link {
    Link {
        weight: record.properties["weight"].as_f64().unwrap_or(1.0),
        properties: record.properties["properties"].clone(),
        valid_from: record.valid_from,
        valid_until: record.valid_until,
    }
}

/// The aliases of `kept`, and all names of `taken`, each once.
fn aliases_of_both(kept: &Record, taken: &Record) -> Result<Vec<String>> {
    let mut known: Vec<String> = Vec::new();
    known.extend(kept.key.as_deref().map(normalize).transpose()?);
    let mut aliases = Vec::new();
    let id = taken.id.to_string();
    for name in kept.aliases.iter().chain(&taken.key).chain(&taken.aliases).chain([&id]) {
        let normal = normalize(name)?;
        if !known.contains(&normal) {
            known.push(normal);
            aliases.push(name.clone());
        }
    }
    Ok(aliases)
}

/// The aliases that `now` has, without those that came with the merge from `before` to `after` and
/// that none of the `others` had.
fn without_aliases(
    now: &Record,
    before: &Record,
    after: &Record,
    others: &[String],
) -> Vec<String> {
    let came = |alias: &&String| {
        after.aliases.contains(alias)
            && !before.aliases.contains(alias)
            && normalize(alias).is_ok_and(|normal| !others.contains(&normal))
    };
    now.aliases.iter().filter(|alias| !came(alias)).cloned().collect()
}

/// Whether `normal` is one of the record's names.
fn is_named(record: &Record, normal: &str) -> bool {
    let mut names = record.key.iter().chain(&record.aliases);
    names.any(|name| normalize(name).is_ok_and(|name| name == normal))
}

/// Adds what `target` lacks.
fn fill(target: &mut Json, other: &Json) {
    let (Json::Object(target), Json::Object(other)) = (target, other) else { return };
    for (name, value) in other {
        match target.get_mut(name) {
            Some(there) if !there.is_null() => fill(there, value),
            Some(_) | None => {
                target.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Takes away what came from `before` to `after`, where `now` still has it as it came.
fn unfill(now: &mut Json, before: &Json, after: &Json) {
    let (Json::Object(now), Json::Object(after)) = (now, after) else { return };
    for (name, came) in after {
        let was = before.get(name);
        let Some(there) = now.get_mut(name) else { continue };
        if was == Some(came) {
            continue;
        }
        match was {
            Some(was) if was.is_object() => unfill(there, was, came),
            Some(was) if there == came => *there = was.clone(),
            None if there == came => {
                now.remove(name);
            }
            Some(_) | None => {}
        }
    }
}

/// Fills with `other` what was there `before` and is not any more.
fn refill(now: &mut Json, before: &Json, other: &Json) {
    let (Json::Object(now), Json::Object(other)) = (now, other) else { return };
    for (name, value) in other {
        let Some(was) = before.get(name).filter(|was| !was.is_null()) else { continue };
        match now.get_mut(name) {
            Some(there) if !there.is_null() => refill(there, was, value),
            Some(_) | None => {
                now.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Whether one of these had the link that `taken` had.
async fn is_of_others(
    table: &Table,
    arc: &Arc,
    taken: End,
    others: &[(Record, View)],
) -> Result<bool> {
    for (other, before) in others {
        if before.living_link(&turned(arc, taken, end_of(table, other))).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a link of `kept` came from one of these, who took it back since.
async fn is_lent(table: &Table, arc: &Arc, kept: End, undone: &[(Record, View)]) -> Result<bool> {
    for (other, before) in undone {
        let theirs = turned(arc, kept, end_of(table, other));
        if before.living_link(arc).await?.is_none() && before.living_link(&theirs).await?.is_some()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The normal names of records.
fn names_of<'a>(records: impl Iterator<Item = &'a Record>) -> Result<Vec<String>> {
    let names = records.flat_map(|record| record.key.iter().chain(&record.aliases));
    names.map(|name| normalize(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_can_be_taken_out_again() {
        let before = json!({"a": 1, "b": {"c": 2}, "n": null});
        let other = json!({"a": 9, "b": {"c": 9, "d": 3}, "n": 4, "e": [5]});
        let mut after = before.clone();
        fill(&mut after, &other);
        assert_eq!(after, json!({"a": 1, "b": {"c": 2, "d": 3}, "n": 4, "e": [5]}));
        let mut now = after.clone();
        unfill(&mut now, &before, &after);
        assert_eq!(now, before);
        let mut edited = json!({"a": 7, "b": {"c": 2, "d": 8}, "n": 4, "e": [5], "f": 6});
        unfill(&mut edited, &before, &after);
        assert_eq!(edited, json!({"a": 7, "b": {"c": 2, "d": 8}, "n": null, "f": 6}));
    }
}
