//! Records by names that are like what is asked for.
//!
//! The keys and aliases of a tenant are held in memory, by their trigrams, from the first question
//! on; they follow the log before each further one, and go with the last handle on the tenant. They
//! answer for every view: a record that changed between the view and the present, or that a
//! transaction has written itself, is passed over there and looked at in the view. Where these are
//! too many, where the log no longer has them, and where a table has been dropped since, the names
//! that the view shows are looked at one by one, which is slow and never wrong.

use std::collections::{HashMap, HashSet};
use std::sync::RwLock;

use kenning_index::{NearNames, similarity};
use kenning_record::{End, LogEntry, Record, RecordRef, Version, entry, keys, normalize};
use kenning_store::{Error, Range, Result, Row, Space};

use crate::database::Database;
use crate::table::number;
use crate::view::View;

/// Hits that can be asked for.
const HITS_MAX: usize = 10_000;
/// Bytes of what is asked for.
const TEXT_BYTES_MAX: usize = 4 << 10;
/// Records that a view shows otherwise before every name is looked at.
const CHANGED_MAX: usize = 10_000;
/// Rows that are read at once.
const STEP_ROWS: usize = 5_000;
/// How often it is tried again while others follow the log further, before every name is looked at.
const TRIES: usize = 4;

/// What is asked of names.
#[derive(Clone, Debug, PartialEq)]
pub struct Fuzzy {
    /// The table; every one if none is named.
    pub table: Option<String>,
    /// How similar a name has to be: above 0, to 1.
    pub similarity_min: f32,
    /// How many records.
    pub limit: usize,
}

/// What PostgreSQL takes for similar, and ten records.
impl Default for Fuzzy {
    fn default() -> Self {
        Fuzzy { table: None, similarity_min: 0.3, limit: 10 }
    }
}

/// A record with a name that is like another.
#[derive(Clone, Debug, PartialEq)]
pub struct Near {
    /// The record.
    pub record: Record,
    /// Its key or alias that is most like it.
    pub name: String,
    /// How similar they are: 0 to 1.
    pub similarity: f32,
}

/// The names of one tenant, once somebody asked.
#[derive(Default)]
pub(crate) struct Names {
    known: RwLock<Option<Known>>,
}

struct Known {
    near: NearNames<End>,
    /// They are those of this version.
    position: Version,
}

/// A name that is like what was asked for, as the index has it.
struct Found {
    similarity: f32,
    name: String,
    end: End,
}

impl Database {
    /// See [`View::fuzzy`].
    pub async fn fuzzy(&self, text: &str, ask: &Fuzzy) -> Result<Vec<Near>> {
        self.view()?.fuzzy(text, ask).await
    }
}

impl View {
    /// The records with a key or alias that is like `text`, the most similar first: two names are
    /// as similar as they share trigrams, case and accents aside.
    pub async fn fuzzy(&self, text: &str, ask: &Fuzzy) -> Result<Vec<Near>> {
        check(text, ask)?;
        let tables = match &ask.table {
            Some(table) => vec![self.table_named(table).await?],
            None => self.all_tables().await?,
        };
        let numbers = tables.iter().map(|table| table.number);
        let numbers = numbers.filter(|number| *number >= number::FIRST).collect();
        let text = normalize(text)?;
        let mut looking = Looking { view: self, text: &text, ask, tables: numbers, found: vec![] };
        if !looking.in_memory().await? {
            looking.one_by_one().await?;
        }
        let mut near = Vec::new();
        for found in looking.best() {
            let table = tables.iter().find(|table| table.number == found.end.table);
            let table = table.expect("a name of another table does not pass");
            if let Some(record) = self.record(table, found.end.id).await? {
                let name = given_name(&record, &found.name)?;
                near.push(Near { record, name, similarity: found.similarity });
            }
        }
        Ok(near)
    }
}

fn check(text: &str, ask: &Fuzzy) -> Result<()> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the name has {} bytes, the most is {TEXT_BYTES_MAX}", text.len());
        return Err(Error::exhausted("QUESTION_TOO_LONG", message));
    }
    if !text.chars().any(char::is_alphanumeric) {
        return Err(Error::invalid("QUESTION_EMPTY", "the name has neither letter nor digit"));
    }
    if !(ask.similarity_min > 0.0 && ask.similarity_min <= 1.0) {
        let message = format!("{} is no similarity: it is above 0, to 1", ask.similarity_min);
        return Err(Error::invalid("SIMILARITY_RANGE", message));
    }
    if ask.limit > HITS_MAX {
        let message = format!("{} hits are asked for, the most is {HITS_MAX}", ask.limit);
        return Err(Error::exhausted("HITS_TOO_MANY", message));
    }
    Ok(())
}

/// The name as the record has it.
fn given_name(record: &Record, normal: &str) -> Result<String> {
    for name in record.key.iter().chain(&record.aliases) {
        if normalize(name)? == normal {
            return Ok(name.clone());
        }
    }
    Ok(normal.to_owned())
}

/// One question.
struct Looking<'a> {
    view: &'a View,
    text: &'a str,
    ask: &'a Fuzzy,
    tables: HashSet<u32>,
    found: Vec<Found>,
}

impl Looking<'_> {
    /// Asks the names in memory; whether they could answer.
    async fn in_memory(&mut self) -> Result<bool> {
        for _ in 0..TRIES {
            follow(&View::now(&self.view.handle, &self.view.tenant)?).await?;
            let now = View::now(&self.view.handle, &self.view.tenant)?;
            let there = now.all_tables().await?;
            if self.tables.iter().any(|number| !there.iter().any(|it| it.number == *number)) {
                return Ok(false);
            }
            let Some(changed) = self.changed(&now).await? else { return Ok(false) };
            if !self.ask(&changed, now.version) {
                continue;
            }
            for end in changed {
                self.look_at(end).await?;
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Asks the names in memory for records other than those that changed up to a version; whether
    /// the names are not of a later one by now.
    fn ask(&mut self, changed: &HashSet<End>, until: Version) -> bool {
        let known = self.view.tenant.names.known.read().expect("no holder of this lock panics");
        let Some(known) = known.as_ref().filter(|known| known.position <= until) else {
            return false;
        };
        let passes = |end: &End| self.tables.contains(&end.table) && !changed.contains(end);
        let Fuzzy { similarity_min, limit, .. } = *self.ask;
        for near in known.near.nearest(self.text, similarity_min, limit, passes) {
            let (name, end) = (near.name.to_owned(), *near.owner);
            self.found.push(Found { similarity: near.similarity, name, end });
        }
        true
    }

    /// The records that this view shows otherwise than `now`; `None` if they are too many, or not
    /// known.
    async fn changed(&self, now: &View) -> Result<Option<HashSet<End>>> {
        let mut changed = HashSet::new();
        if let Some(staging) = &self.view.staging {
            for key in staging.staged_keys(&Range::prefix([Space::Records.byte()])) {
                let (_, table, id) = keys::record_split(&key)?;
                changed.insert(End { table, id });
            }
        }
        let mut at = self.view.version;
        while at < now.version && changed.len() <= CHANGED_MAX {
            let Some(step) = changes(now, at).await? else { return Ok(None) };
            at = step.until;
            changed.extend(step.names.into_iter().map(|(end, _)| end));
        }
        Ok((changed.len() <= CHANGED_MAX).then_some(changed))
    }

    async fn look_at(&mut self, end: End) -> Result<()> {
        if !self.tables.contains(&end.table) {
            return Ok(());
        }
        if let Some(bytes) = self.view.record_bytes(end.table, end.id).await? {
            for name in names_of(entry::split(&bytes)?.1)? {
                self.take(name, end);
            }
        }
        Ok(())
    }

    fn take(&mut self, name: String, end: End) {
        let similarity = similarity(self.text, &name);
        if similarity > 0.0 && similarity >= self.ask.similarity_min {
            self.found.push(Found { similarity, name, end });
        }
    }

    /// Looks at every name that the view shows.
    async fn one_by_one(&mut self) -> Result<()> {
        self.found.clear();
        let range = Range::prefix(keys::names(self.view.tenant.number));
        let mut next = Some(range.forward().rows(STEP_ROWS));
        while let Some(scan) = next {
            let page = self.view.source.page(&scan).await?;
            for row in &page.rows {
                let (name, end) = name_of(row)?;
                if self.tables.contains(&end.table) {
                    self.take(name, end);
                }
            }
            next = page.rest;
        }
        Ok(())
    }

    /// The best name of each record.
    fn best(&mut self) -> Vec<Found> {
        let mut found = std::mem::take(&mut self.found);
        found.sort_by(|a, b| {
            let by_name = || (&a.name, a.end).cmp(&(&b.name, b.end));
            b.similarity.total_cmp(&a.similarity).then_with(by_name)
        });
        let mut seen = HashSet::new();
        found.retain(|it| seen.len() < self.ask.limit && seen.insert(it.end));
        found
    }
}

/// Names as some records have them behind a version, and the version that they are of.
struct Step {
    names: Vec<(End, Vec<String>)>,
    until: Version,
}

/// Brings the names in memory to the version of `now`.
async fn follow(now: &View) -> Result<()> {
    let names = &now.tenant.names;
    loop {
        let position = {
            let known = names.known.read().expect("no holder of this lock panics");
            known.as_ref().map(|known| known.position)
        };
        let step = match position {
            Some(position) if position >= now.version => return Ok(()),
            Some(position) => changes(now, position).await?,
            None => None,
        };
        let read = match step {
            Some(_) => None,
            None => Some(read(now).await?),
        };
        let mut known = names.known.write().expect("no holder of this lock panics");
        // Else somebody else was faster.
        if known.as_ref().map(|known| known.position) == position {
            if let Some(read) = read {
                *known = Some(read);
            }
            if let (Some(known), Some(step)) = (known.as_mut(), step) {
                for (end, names) in step.names {
                    known.near.set(end, &names.iter().map(String::as_str).collect::<Vec<_>>());
                }
                known.position = step.until;
            }
        }
    }
}

/// Every name.
async fn read(now: &View) -> Result<Known> {
    let mut near = NearNames::default();
    let mut next = Some(Range::prefix(keys::names(now.tenant.number)).forward().rows(STEP_ROWS));
    let mut of_owner = HashMap::<End, Vec<String>>::new();
    while let Some(scan) = next {
        let page = now.source.page(&scan).await?;
        for row in &page.rows {
            let (name, end) = name_of(row)?;
            of_owner.entry(end).or_default().push(name);
        }
        next = page.rest;
    }
    for (end, names) in of_owner {
        near.set(end, &names.iter().map(String::as_str).collect::<Vec<_>>());
    }
    Ok(Known { near, position: now.version })
}

/// Some changes behind version `after`; `None` if the log no longer has them.
async fn changes(now: &View, after: Version) -> Result<Option<Step>> {
    let range = keys::log_range(now.tenant.number, after + 1, now.version.saturating_add(1));
    let mut step = Step { names: Vec::new(), until: now.version };
    let page = now.source.page(&range.forward().rows(STEP_ROWS)).await?;
    for (idx, row) in page.rows.iter().enumerate() {
        let (_, version) = keys::log_split(&row.key)?;
        let entry = LogEntry::decode(&row.value, version)?;
        if idx == 0 && entry.head.previous > after {
            return Ok(None);
        }
        for change in entry.changes() {
            let change = change?;
            if change.table >= number::FIRST {
                let names = change.after.map_or(Ok(Vec::new()), names_of)?;
                step.names.push((End { table: change.table, id: change.id }, names));
            }
        }
        if page.rest.is_some() {
            step.until = version;
        }
    }
    Ok(Some(step))
}

/// Key and aliases of a record.
fn names_of(payload: &[u8]) -> Result<Vec<String>> {
    let record = RecordRef::new(payload)?;
    let key = record.key()?.into_iter().map(Ok);
    key.chain(record.aliases()).map(|name| normalize(name?)).collect()
}

/// A row of the space of names.
fn name_of(row: &Row) -> Result<(String, End)> {
    let key = keys::name_split(&row.key)?;
    let (_, payload) = entry::check(&row.value)?;
    let id = match key.alias_of {
        Some(id) => id,
        None => kenning_index::entry_id(payload)?,
    };
    Ok((key.normal, End { table: key.table, id }))
}
