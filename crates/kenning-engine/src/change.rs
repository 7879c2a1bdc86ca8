//! Drafts to staged writes: the verbs that change something.

use kenning_index::Arc as LinkArc;
use kenning_record::{Body, Draft, End, Id, Json, Path, Record, RecordRef, Schema, encode_record};
use kenning_record::{entry, keys, normalize};
use kenning_store::{Bytes, Error, ErrorKind, Range, Result};

use crate::committer::frame;
use crate::staging::PENDING;
use crate::table::{Table, number};
use crate::tenant::LINKS;
use crate::transaction::{TOO_LARGE, Transaction};
use crate::view::View;

/// What is said about a link.
#[derive(Clone, Debug)]
pub struct Link {
    /// From 0 to 1.
    pub weight: f64,
    /// The user's own properties.
    pub properties: Json,
    /// Valid from this instant.
    pub valid_from: Option<i64>,
    /// Valid until this instant.
    pub valid_until: Option<i64>,
}

impl Default for Link {
    fn default() -> Self {
        let properties = Json::Object(serde_json::Map::new());
        Link { weight: 1.0, properties, valid_from: None, valid_until: None }
    }
}

/// What a write does when the record is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Present {
    Replace,
    Refuse,
}

/// A record on its way: where it goes, and what was there.
struct Target {
    id: Id,
    key: Option<String>,
    before: Option<Bytes>,
    /// Whether nobody can have used the id before.
    fresh: bool,
}

/// What was stored of a draft.
pub(crate) struct Stored {
    id: Id,
    key: Option<String>,
    aliases: Vec<String>,
    birth: u32,
    created_at: i64,
    modified_at: i64,
}

impl Stored {
    /// The record that `draft` became.
    pub(crate) fn record(self, table: &str, draft: Draft) -> Record {
        Record {
            id: self.id,
            table: table.into(),
            key: self.key,
            aliases: self.aliases,
            version: PENDING,
            birth: self.birth,
            created_at: self.created_at,
            modified_at: self.modified_at,
            valid_from: draft.valid_from,
            valid_until: draft.valid_until,
            properties: draft.properties,
        }
    }
}

/// Records. The version of what these verbs return is not known before the commit: until then it
/// is the greatest number.
impl Transaction {
    /// Stores a record; one with the same key, or the same id, is replaced. Its id, key and birth
    /// stay, and so do its aliases unless the draft has some.
    pub async fn put(&mut self, table: &str, draft: impl Into<Draft>) -> Result<Record> {
        let mut draft = draft.into();
        let stored = self.store(table, &mut draft, Present::Replace).await?;
        Ok(stored.record(table, draft))
    }

    /// Stores a record that must not be there.
    pub async fn insert(&mut self, table: &str, draft: impl Into<Draft>) -> Result<Record> {
        let mut draft = draft.into();
        let stored = self.store(table, &mut draft, Present::Refuse).await?;
        Ok(stored.record(table, draft))
    }

    /// Stores several records.
    pub async fn put_many(&mut self, table: &str, mut drafts: Vec<Draft>) -> Result<Vec<Id>> {
        self.store_many(table, &mut drafts).await
    }

    pub(crate) async fn store_many(
        &mut self,
        table: &str,
        drafts: &mut [Draft],
    ) -> Result<Vec<Id>> {
        let table = self.table_named(table).await?;
        let mut ids = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let was_half_done = std::mem::replace(&mut self.half_done, !ids.is_empty());
            ids.push(self.store_in(&table, draft, Present::Replace).await?.id);
            self.half_done = was_half_done;
        }
        Ok(ids)
    }

    /// Stores several records, each for itself. One that is refused leaves nothing behind, and its
    /// answer says why; an error that is not about one record is the error of them all, and then
    /// the transaction is of no more use.
    pub async fn put_each(
        &mut self,
        table: &str,
        drafts: impl IntoIterator<Item = &mut Draft>,
    ) -> Result<Vec<Result<Id>>> {
        let table = self.table_named(table).await?;
        table.check_writable()?;
        let mut answers = Vec::new();
        for draft in drafts {
            let stored = self.store_in(&table, draft, Present::Replace).await;
            match stored {
                Err(error) if !is_about_one(&error) => return Err(error),
                stored => answers.push(stored.map(|stored| stored.id)),
            }
        }
        Ok(answers)
    }

    /// Changes a record by a JSON merge patch: members are replaced, null removes.
    pub async fn update(&mut self, table: &str, reference: &str, patch: Json) -> Result<Record> {
        let table = self.table_named(table).await?;
        let missing = || {
            let message = format!("table '{}' has no record '{reference}'", table.name);
            Error::invalid("RECORD_NOT_FOUND", message)
        };
        let id = self.id_in(&table, reference).await?.ok_or_else(missing)?;
        let record = self.record(&table, id).await?.ok_or_else(missing)?;
        let mut properties = record.properties;
        merge(&mut properties, patch);
        let mut draft = Draft {
            id: Some(id),
            key: None,
            aliases: None,
            valid_from: record.valid_from,
            valid_until: record.valid_until,
            properties,
        };
        let stored = self.store_in(&table, &mut draft, Present::Replace).await?;
        Ok(stored.record(&table.name, draft))
    }

    /// Deletes a record. Its key and its unique values are free at once, its links are gone, and
    /// its history stays. `false` if it was not there.
    pub async fn delete(&mut self, table: &str, reference: &str) -> Result<bool> {
        let table = self.table_named(table).await?;
        table.check_writable()?;
        match self.id_in(&table, reference).await? {
            Some(id) => self.remove(&table, id).await,
            None => Ok(false),
        }
    }

    pub(crate) async fn store(
        &mut self,
        table: &str,
        draft: &mut Draft,
        present: Present,
    ) -> Result<Stored> {
        let table = self.table_named(table).await?;
        self.store_in(&table, draft, present).await
    }

    async fn store_in(
        &mut self,
        table: &Table,
        draft: &mut Draft,
        present: Present,
    ) -> Result<Stored> {
        let now = self.now()?;
        table.check_writable()?;
        draft.check()?;
        let target = self.target(table, draft, now).await?;
        if present == Present::Refuse && target.before.is_some() {
            let name = target.key.clone().unwrap_or_else(|| target.id.to_string());
            let message = format!("table '{}' has a record '{name}' already", table.name);
            return Err(Error::invalid("KEY_EXISTS", message));
        }
        table.schema.validate(&draft.properties)?;
        self.write(table, target, draft, now).await
    }

    /// Where a draft goes: by its id, by its key, or to a new id.
    async fn target(&mut self, table: &Table, draft: &mut Draft, now: i64) -> Result<Target> {
        let key = key_of(&table.schema, draft)?;
        let Some(id) = draft.id else {
            let Some(key) = key else {
                if table.schema.key.is_some() {
                    return Err(key_missing(table));
                }
                return Ok(self.fresh_target(now));
            };
            let id = match self.owner_of(table, &key).await? {
                Some(id) => id,
                None => Id::derived(&self.tenant.name, &table.name, &normalize(&key)?),
            };
            let before = self.record_bytes(table.number, id).await?;
            return Ok(Target { id, key: Some(key), before, fresh: false });
        };
        let before = self.record_bytes(table.number, id).await?;
        let known = before.as_ref().map(stored_key).transpose()?.flatten();
        match (&known, &key) {
            (Some(old), Some(new)) if normalize(old)? != normalize(new)? => {
                return Err(Error::invalid(
                    "KEY_IS_IDENTITY",
                    format!("the key of '{old}' can't become '{new}'; add an alias instead"),
                ));
            }
            (Some(_), None) if table.schema.key.is_some() => return Err(key_missing(table)),
            (None, None) if table.schema.key.is_some() => return Err(key_missing(table)),
            _ => {}
        }
        if let (None, Some(key)) = (&before, &key)
            && id != Id::derived(&self.tenant.name, &table.name, &normalize(key)?)
        {
            let message = format!("id {id} is not the one that key '{key}' leads to");
            return Err(Error::invalid("ID_NOT_OF_KEY", message));
        }
        if before.is_some() && known.is_none() && key.is_some() {
            let message = format!("record {id} was made without a key; add an alias instead");
            return Err(Error::invalid("KEY_IS_IDENTITY", message));
        }
        Ok(Target { id, key: key.or(known), before, fresh: false })
    }

    /// A new id. Those of one transaction ascend, so that its records lie in the order in which
    /// they were made.
    fn fresh_target(&mut self, now: i64) -> Target {
        let world = &self.handle.shared().world;
        let now_ms = now.max(0) as u64;
        let (ms, id) = match self.made_last {
            Some((ms, last)) if now_ms <= ms => match last.next_v7(world.random() as u32) {
                Some(next) => (ms, next),
                // It ran over: on with the next millisecond, ahead of the clock.
                None => (ms + 1, Id::v7(ms + 1, [world.random(), world.random()])),
            },
            Some(_) | None => (now_ms, Id::v7(now_ms, [world.random(), world.random()])),
        };
        self.made_last = Some((ms, id));
        Target { id, key: None, before: None, fresh: true }
    }

    /// The record that has `key` in `table`.
    async fn owner_of(&self, table: &Table, key: &str) -> Result<Option<Id>> {
        let name = keys::name_key(self.tenant.number, &normalize(key)?, table.number);
        self.staging.stand_on(&name);
        match self.source.get(&name).await? {
            Some(bytes) => kenning_index::entry_id(entry::check(&bytes)?.1).map(Some),
            None => Ok(None),
        }
    }

    /// Stores a record of the system, whoever may write its table.
    pub(crate) async fn put_record(
        &mut self,
        table: &str,
        id: Id,
        key: Option<String>,
        properties: Json,
    ) -> Result<()> {
        self.put_draft(table, id, key, properties.into()).await
    }

    /// The same, with a validity.
    pub(crate) async fn put_draft(
        &mut self,
        table: &str,
        id: Id,
        key: Option<String>,
        draft: Draft,
    ) -> Result<()> {
        let table = self.table_named(table).await?;
        let before = self.record_bytes(table.number, id).await?;
        let target = Target { id, key, before, fresh: false };
        self.write(&table, target, &draft, self.now()?).await?;
        Ok(())
    }

    async fn write(
        &mut self,
        table: &Table,
        target: Target,
        draft: &Draft,
        now: i64,
    ) -> Result<Stored> {
        let Target { id, key, before, fresh } = target;
        let old = before.as_ref().map(|bytes| entry::split(bytes)).transpose()?;
        let old = old.map(|(_, payload)| RecordRef::new(payload)).transpose()?;
        let (birth, created_at, old_aliases) = match old {
            Some(old) => {
                let aliases = old.aliases().map(|alias| Ok(alias?.to_owned()));
                (old.birth()?, old.created_at()?, aliases.collect::<Result<Vec<_>>>()?)
            }
            None if fresh => (1, now, Vec::new()),
            None => (self.births(End { table: table.number, id }).await? + 1, now, Vec::new()),
        };
        let aliases = draft.aliases.clone().unwrap_or(old_aliases);
        let body = Body {
            birth,
            created_at,
            modified_at: now,
            valid_from: draft.valid_from,
            valid_until: draft.valid_until,
            key: key.as_deref(),
            aliases: &aliases,
            properties: &draft.properties,
        };
        let mut payload = Vec::with_capacity(256);
        encode_record(&body, &mut payload)?;
        if !fresh {
            self.staging.stand_on(&keys::record(self.tenant.number, table.number, &id));
        }
        self.stage(table, id, before.as_ref(), Some(&payload)).await?;
        Ok(Stored { id, key, aliases, birth, created_at, modified_at: now })
    }

    /// Removes a record and counts its births, so that links to it stay gone when it is born again.
    pub(crate) async fn remove(&mut self, table: &Table, id: Id) -> Result<bool> {
        self.now()?;
        let Some(before) = self.record_bytes(table.number, id).await? else { return Ok(false) };
        let birth = RecordRef::new(entry::split(&before)?.1)?.birth()?;
        let was_half_done = std::mem::replace(&mut self.half_done, true);
        self.staging.stand_on(&keys::record(self.tenant.number, table.number, &id));
        self.stage(table, id, Some(&before), None).await?;
        if table.number >= number::FIRST {
            // A link that lands meanwhile must not miss its note.
            self.reads_checked = true;
            let key = keys::birth(self.tenant.number, table.number, &id);
            let was = self.staging.base(&key).await?;
            self.staging.put(&key, &birth.to_le_bytes(), was);
            if self.has_links(End { table: table.number, id }).await? {
                let work = keys::sweep(self.tenant.number, table.number, Some(&id));
                self.beside.put(&work, &frame(0, &[]));
            }
        }
        self.half_done = was_half_done;
        Ok(true)
    }

    /// Tells the log of a record that was made and deleted, so that whoever repeats it counts its
    /// births as well.
    pub(crate) fn log_births(&mut self, table: &Table, id: Id, births: u32) -> Result<()> {
        let now = self.now()?;
        let nothing = Json::Object(serde_json::Map::new());
        let body = Body {
            birth: births,
            created_at: now,
            modified_at: now,
            valid_from: None,
            valid_until: None,
            key: None,
            aliases: &[],
            properties: &nothing,
        };
        let mut payload = Vec::new();
        encode_record(&body, &mut payload)?;
        self.log.push(table.number, id, Some(&payload));
        self.log.push(table.number, id, None);
        Ok(())
    }

    async fn has_links(&self, end: End) -> Result<bool> {
        for at in [kenning_index::direction::OUT, kenning_index::direction::IN] {
            let range = Range::prefix(keys::links_of(self.tenant.number, at, end));
            let mut next = Some(range.forward().rows(1));
            while let Some(scan) = next {
                let page = self.source.page(&scan).await?;
                if !page.rows.is_empty() {
                    return Ok(true);
                }
                // Of links that this transaction removed a page may be empty and not the last.
                next = page.rest;
            }
        }
        Ok(false)
    }
}

/// Links.
impl Transaction {
    /// Links `source` to `target`. A link of the same type between them is replaced. A target that
    /// is not there yet is linked under the id that its key will have.
    pub async fn link(&mut self, source: &str, kind: &str, target: &str, link: Link) -> Result<Id> {
        check_link(kind, &link)?;
        let table = self.table_named(LINKS).await?;
        let (source, source_birth) = self.end(source).await?;
        let (target, target_birth) = self.end(target).await?;
        let arc = LinkArc {
            source,
            source_birth,
            kind: kind.into(),
            target,
            target_birth,
            weight: link.weight,
        };
        let draft = Draft {
            valid_from: link.valid_from,
            valid_until: link.valid_until,
            ..Draft::from(arc.properties(&link.properties))
        };
        draft.check()?;
        let id = self.link_id(arc.source, kind, arc.target).await?;
        let before = self.record_bytes(number::LINKS, id).await?;
        let target = Target { id, key: None, before, fresh: false };
        self.write(&table, target, &draft, self.now()?).await?;
        Ok(id)
    }

    /// Removes a link. `false` if it was not there: never made, or made for an earlier birth of one
    /// of its ends.
    pub async fn unlink(&mut self, source: &str, kind: &str, target: &str) -> Result<bool> {
        let table = self.table_named(LINKS).await?;
        let source = self.referent_or_future(source).await?;
        let target = self.referent_or_future(target).await?;
        let id = self.link_id(source, kind, target).await?;
        let Some(bytes) = self.record_bytes(number::LINKS, id).await? else { return Ok(false) };
        let arc = LinkArc::read(RecordRef::new(entry::split(&bytes)?.1)?)?;
        self.remove(&table, id).await?;
        Ok(self.births(source).await? < arc.source_birth
            && self.births(target).await? < arc.target_birth)
    }

    /// An end of a new link, and the birth that the link belongs to.
    async fn end(&self, reference: &str) -> Result<(End, u32)> {
        let end = self.referent_or_future(reference).await?;
        // The birth must not change before this transaction lands.
        self.staging.stand_on(&keys::record(self.tenant.number, end.table, &end.id));
        let birth = self.birth_now(end).await?;
        Ok((end, birth))
    }
}

impl View {
    /// The id of the record of a link.
    pub(crate) async fn link_id(&self, source: End, kind: &str, target: End) -> Result<Id> {
        let (from, to) =
            (self.table_numbered(source.table).await?, self.table_numbered(target.table).await?);
        Ok(Id::of_link((&from.name, source.id), kind, (&to.name, target.id)))
    }

    /// How often `end` was born and has died.
    pub(crate) async fn births(&self, end: End) -> Result<u32> {
        let key = keys::birth(self.tenant.number, end.table, &end.id);
        self.source.get(&key).await?.map_or(Ok(0), |bytes| crate::content::count(&bytes))
    }

    /// The birth that a link to `end` belongs to: the one it has, or its next one.
    pub(crate) async fn birth_now(&self, end: End) -> Result<u32> {
        match self.record_bytes(end.table, end.id).await? {
            Some(bytes) => RecordRef::new(entry::split(&bytes)?.1)?.birth(),
            None => Ok(self.births(end).await? + 1),
        }
    }
}

/// Whether an error is about the record that was to be stored, and nothing of it is staged.
fn is_about_one(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Invalid | ErrorKind::Denied => true,
        ErrorKind::Exhausted => error.code() != TOO_LARGE,
        ErrorKind::Conflict | ErrorKind::Unavailable | ErrorKind::Corrupt | ErrorKind::Closed => {
            false
        }
    }
}

fn stored_key(bytes: &Bytes) -> Result<Option<String>> {
    Ok(RecordRef::new(entry::split(bytes)?.1)?.key()?.map(str::to_owned))
}

/// The key of a draft, from the draft itself or from the property that its schema names. A key that
/// is given fills that property in.
fn key_of(schema: &Schema, draft: &mut Draft) -> Result<Option<String>> {
    let Some(path) = &schema.key else { return Ok(draft.key.clone()) };
    let said = match path.get(&draft.properties) {
        Some(Json::String(said)) => Some(said.clone()),
        Some(Json::Null) | None => None,
        Some(_) => {
            let message = format!("the key property '{path}' must be text");
            return Err(Error::invalid("KEY_MALFORMED", message));
        }
    };
    match (&draft.key, said) {
        (Some(key), Some(said)) if normalize(key)? != normalize(&said)? => {
            let message = format!("the key is '{key}' but property '{path}' says '{said}'");
            Err(Error::invalid("KEY_IS_IDENTITY", message))
        }
        (_, Some(said)) => Ok(Some(said)),
        (Some(key), None) => {
            fill(&mut draft.properties, path, key)?;
            Ok(Some(key.clone()))
        }
        (None, None) => Ok(None),
    }
}

fn fill(properties: &mut Json, path: &Path, key: &str) -> Result<()> {
    let mut place = properties;
    for step in &path.steps {
        if !place.is_object() && !place.is_null() {
            let message =
                format!("the key property '{path}' is inside something that is no object");
            return Err(Error::invalid("KEY_MALFORMED", message));
        }
        if !place.is_object() {
            *place = Json::Object(serde_json::Map::new());
        }
        place = place
            .as_object_mut()
            .expect("it was made an object a line above")
            .entry(step.clone())
            .or_insert(Json::Null);
    }
    *place = key.into();
    Ok(())
}

fn key_missing(table: &Table) -> Error {
    let path = table.schema.key.as_ref().map(ToString::to_string).unwrap_or_default();
    let message = format!("a record of table '{}' needs its key property '{path}'", table.name);
    Error::invalid("KEY_MISSING", message)
}

pub(crate) fn check_link(kind: &str, link: &Link) -> Result<()> {
    const KIND_BYTES_MAX: usize = 4_096;
    if kind.trim().is_empty() || kind.chars().any(char::is_control) {
        return Err(Error::invalid("LINK_TYPE", "the type of a link is text that can be seen"));
    }
    if kind.len() > KIND_BYTES_MAX {
        let message =
            format!("the type of a link has {} bytes, the most is {KIND_BYTES_MAX}", kind.len());
        return Err(Error::exhausted("LINK_TYPE_TOO_LARGE", message));
    }
    if !(0.0..=1.0).contains(&link.weight) {
        let message = format!("the weight of a link is {}, it must be from 0 to 1", link.weight);
        return Err(Error::invalid("LINK_WEIGHT", message));
    }
    match &link.properties {
        Json::Object(_) => Ok(()),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            Err(Error::invalid("NOT_AN_OBJECT", "the properties of a link are not a JSON object"))
        }
    }
}

/// JSON merge patch, RFC 7396.
pub(crate) fn merge(target: &mut Json, patch: Json) {
    let Json::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Json::Object(serde_json::Map::new());
    }
    let members = target.as_object_mut().expect("it was made an object a line above");
    for (name, value) in patch {
        if value.is_null() {
            members.remove(&name);
        } else {
            merge(members.entry(name).or_insert(Json::Null), value);
        }
    }
}
