//! The plain model: what a database should hold, in maps, written from the design and not from the
//! code. No bytes, no indexes, no cache: every question is answered by looking at everything.
//!
//! A record is named here by its key in its table, which is what it is for life, or by its id where
//! it has no key. A state is kept for every version, so the past is answered by looking it up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kenning::{Id, Json};
use serde_json::json;

/// What a record is called, for life.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Who {
    pub(crate) table: String,
    pub(crate) name: Name,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    /// The normalised key.
    Key(String),
    Id(Id),
}

/// A record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) who: Who,
    pub(crate) aliases: BTreeSet<String>,
    pub(crate) properties: Json,
    pub(crate) birth: u32,
    pub(crate) version: u64,
}

/// A link; it is seen while both ends live in these births.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Arrow {
    pub(crate) source_birth: u32,
    pub(crate) target_birth: u32,
    pub(crate) weight: f64,
}

/// What a table asks of its records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// The property that is the key.
    pub(crate) key: Option<&'static str>,
    /// Properties whose values, taken together, belong to one record.
    pub(crate) unique: &'static [&'static [&'static str]],
}

/// A change.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Op {
    Put {
        table: String,
        key: Option<String>,
        id: Option<Id>,
        aliases: Option<Vec<String>>,
        properties: Json,
        /// Whether it must not be there.
        new: bool,
    },
    Update {
        table: String,
        reference: String,
        patch: Json,
    },
    Delete {
        table: String,
        reference: String,
    },
    Link {
        source: String,
        kind: String,
        target: String,
        weight: f64,
    },
    Unlink {
        source: String,
        kind: String,
        target: String,
    },
}

/// Why a change is refused: the code that the engine should answer.
pub(crate) type Refusal = &'static str;

/// Everything at one version.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    shapes: Vec<Shape>,
    pub(crate) rows: BTreeMap<Who, Arc<Row>>,
    /// How often somebody was born and has died.
    deaths: BTreeMap<Who, u32>,
    arrows: BTreeMap<(Who, String, Who), Arrow>,
    /// Ids of records with keys, as the engine told them.
    ids: BTreeMap<(String, Id), Who>,
    /// Whose record was written or deleted last.
    pub(crate) touched: Option<Who>,
    /// Which link was made or removed last, there or not.
    pub(crate) touched_link: Option<Ends>,
}

/// What a link is, for life.
pub(crate) type Ends = (Who, String, Who);

/// A neighbor: the type of the link, whether it goes out, and who is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    pub(crate) who: Who,
    pub(crate) kind: String,
    pub(crate) out: bool,
}

/// The form in which names are compared. The tests use ASCII names only.
pub(crate) fn normal(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn as_id(reference: &str) -> Option<Id> {
    reference.parse().ok()
}

impl Who {
    pub(crate) fn keyed(table: &str, key: &str) -> Self {
        Who { table: table.into(), name: Name::Key(normal(key)) }
    }

    pub(crate) fn with_id(table: &str, id: Id) -> Self {
        Who { table: table.into(), name: Name::Id(id) }
    }

    /// Who a record of the engine is.
    pub(crate) fn of(record: &kenning::Record) -> Self {
        match &record.key {
            Some(key) => Who::keyed(&record.table, key),
            None => Who::with_id(&record.table, record.id),
        }
    }

    /// A reference by which the engine finds it within its table.
    pub(crate) fn reference(&self) -> String {
        match &self.name {
            Name::Key(key) => key.clone(),
            Name::Id(id) => id.to_string(),
        }
    }
}

impl State {
    pub(crate) fn new(shapes: &[Shape]) -> Self {
        State { shapes: shapes.to_vec(), ..State::default() }
    }

    fn shape(&self, table: &str) -> Result<Shape, Refusal> {
        let shape = self.shapes.iter().find(|shape| shape.name == table);
        shape.copied().ok_or("TABLE_NOT_FOUND")
    }

    /// The engine says that this id belongs to this name; it must never say another.
    pub(crate) fn learn(&mut self, id: Id, who: &Who) -> bool {
        let known = self.ids.entry((who.table.clone(), id)).or_insert_with(|| who.clone());
        known == who
    }

    /// The id of somebody, as the engine told it.
    pub(crate) fn id_of(&self, who: &Who) -> Option<Id> {
        self.ids.iter().find(|(_, known)| *known == who).map(|((_, id), _)| *id)
    }

    /// Learns every id that `other` knows.
    pub(crate) fn learn_all(&mut self, other: &State) {
        self.ids.extend(other.ids.iter().map(|(id, who)| (id.clone(), who.clone())));
    }

    /// Applies `op` as version `version`. Says whether something was there to be changed.
    pub(crate) fn apply(&mut self, op: &Op, version: u64) -> Result<bool, Refusal> {
        match op {
            Op::Put { .. } => self.put(op, version),
            Op::Update { table, reference, patch } => {
                self.shape(table)?;
                let who = self.resolve_in(table, reference)?.ok_or("RECORD_NOT_FOUND")?;
                let row = self.rows.get(&who).ok_or("RECORD_NOT_FOUND")?;
                let mut row = Row::clone(row);
                merge(&mut row.properties, patch);
                self.check_key(&row.who, &row.properties)?;
                self.store(Row { version, ..row })
            }
            Op::Delete { table, reference } => {
                self.shape(table)?;
                let Some(who) = self.resolve_in(table, reference)? else { return Ok(false) };
                let Some(row) = self.rows.remove(&who) else { return Ok(false) };
                self.touched = Some(who.clone());
                self.deaths.insert(who, row.birth);
                Ok(true)
            }
            Op::Link { source, kind, target, weight } => {
                let (source, target) = (self.end(source)?, self.end(target)?);
                let arrow = Arrow {
                    source_birth: self.birth(&source),
                    target_birth: self.birth(&target),
                    weight: *weight,
                };
                let ends = (source, kind.clone(), target);
                self.touched_link = Some(ends.clone());
                self.arrows.insert(ends, arrow);
                Ok(true)
            }
            Op::Unlink { source, kind, target } => {
                let (source, target) = (self.end(source)?, self.end(target)?);
                let ends = (source.clone(), target.clone());
                let link = (source, kind.clone(), target);
                let arrow = self.arrows.remove(&link);
                self.touched_link = Some(link);
                // A link of a birth that is over is gone already, cleared up or not.
                let over = |who: &Who, birth| birth <= self.deaths.get(who).copied().unwrap_or(0);
                Ok(arrow.is_some_and(|arrow| {
                    !over(&ends.0, arrow.source_birth) && !over(&ends.1, arrow.target_birth)
                }))
            }
        }
    }

    fn put(&mut self, op: &Op, version: u64) -> Result<bool, Refusal> {
        let Op::Put { table, key, id, aliases, properties, new } = op else {
            unreachable!("it is called for puts only");
        };
        let mut properties = properties.clone();
        let who = match (self.key_of(table, key.as_deref(), &mut properties)?, id) {
            (Some(key), _) => Who::keyed(table, &key),
            (None, Some(id)) => match self.ids.get(&(table.clone(), *id)) {
                Some(who) => who.clone(),
                None => Who::with_id(table, *id),
            },
            (None, None) => unreachable!("the engine told the id before the model is asked"),
        };
        let before = self.rows.get(&who);
        if *new && before.is_some() {
            return Err("KEY_EXISTS");
        }
        let given = aliases.as_ref().map(|aliases| aliases.iter().map(|a| normal(a)).collect());
        let kept = || before.map(|row| row.aliases.clone()).unwrap_or_default();
        let row = Row {
            aliases: given.unwrap_or_else(kept),
            birth: self.birth(&who),
            properties,
            version,
            who,
        };
        self.store(row)
    }

    /// The key of a draft: given, or in the property that is the key.
    fn key_of(
        &self,
        table: &str,
        key: Option<&str>,
        properties: &mut Json,
    ) -> Result<Option<String>, Refusal> {
        let Some(property) = self.shape(table)?.key else { return Ok(key.map(str::to_owned)) };
        match (key, properties[property].as_str().map(str::to_owned)) {
            (Some(key), Some(said)) if normal(key) != normal(&said) => Err("KEY_IS_IDENTITY"),
            (_, Some(said)) => Ok(Some(said)),
            (Some(key), None) => {
                properties[property] = key.into();
                Ok(Some(key.into()))
            }
            (None, None) => Err("KEY_MISSING"),
        }
    }

    fn check_key(&self, who: &Who, properties: &Json) -> Result<(), Refusal> {
        let (Some(property), Name::Key(key)) = (self.shape(&who.table)?.key, &who.name) else {
            return Ok(());
        };
        match properties[property].as_str() {
            None => Err("KEY_MISSING"),
            Some(said) if normal(said) != *key => Err("KEY_IS_IDENTITY"),
            Some(_) => Ok(()),
        }
    }

    fn store(&mut self, row: Row) -> Result<bool, Refusal> {
        // The one rule of the schemas that the tests use.
        let age = row.properties.get("age");
        if row.who.table == "people" && age.is_some_and(|age| !age.is_i64()) {
            return Err("SCHEMA_VIOLATION");
        }
        for paths in self.shape(&row.who.table)?.unique {
            let mine = claims(&row.properties, paths);
            let taken = self.of_table(&row.who.table).any(|other| {
                other.who != row.who && !mine.is_disjoint(&claims(&other.properties, paths))
            });
            if taken {
                return Err("UNIQUE_TAKEN");
            }
        }
        self.touched = Some(row.who.clone());
        Ok(self.rows.insert(row.who.clone(), Arc::new(row)).is_some())
    }

    /// The birth of who lives, or the one that who does not will have.
    fn birth(&self, who: &Who) -> u32 {
        match self.rows.get(who) {
            Some(row) => row.birth,
            None => self.deaths.get(who).copied().unwrap_or(0) + 1,
        }
    }

    pub(crate) fn of_table(&self, table: &str) -> impl Iterator<Item = &Arc<Row>> {
        self.rows.values().filter(move |row| row.who.table == table)
    }

    /// Who `reference`, an id or a key or an alias, is in `table`.
    pub(crate) fn resolve_in(&self, table: &str, reference: &str) -> Result<Option<Who>, Refusal> {
        if let Some(id) = as_id(reference) {
            let known = self.ids.get(&(table.to_owned(), id)).cloned();
            return Ok(Some(known.unwrap_or_else(|| Who::with_id(table, id))));
        }
        let keyed = Who::keyed(table, reference);
        if self.rows.contains_key(&keyed) {
            return Ok(Some(keyed));
        }
        let name = normal(reference);
        let mut found = self.of_table(table).filter(|row| row.aliases.contains(&name));
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some(row), None) => Ok(Some(row.who.clone())),
            (Some(_), Some(_)) => Err("AMBIGUOUS"),
        }
    }

    /// Who `reference` means in any table.
    pub(crate) fn resolve(&self, reference: &str) -> Result<Option<Who>, Refusal> {
        if let Some((table, rest)) = reference.split_once('/')
            && self.shape(table).is_ok()
        {
            return self.resolve_in(table, rest);
        }
        if let Some(id) = as_id(reference) {
            let with_id = |who: &Who| {
                who.name == Name::Id(id) || self.ids.get(&(who.table.clone(), id)) == Some(who)
            };
            return Ok(self.rows.keys().find(|who| with_id(who)).cloned());
        }
        let name = normal(reference);
        let named = |row: &&Arc<Row>| row.who.name == Name::Key(name.clone());
        let keyed: Vec<_> = self.rows.values().filter(named).collect();
        let aliased = || self.rows.values().filter(|row| row.aliases.contains(&name)).collect();
        let found = if keyed.is_empty() { aliased() } else { keyed };
        match found[..] {
            [] => Ok(None),
            [row] => Ok(Some(row.who.clone())),
            [..] => Err("AMBIGUOUS"),
        }
    }

    /// One end of a link: there, or where its key will be.
    fn end(&self, reference: &str) -> Result<Who, Refusal> {
        if let Some(who) = self.resolve(reference)? {
            return Ok(who);
        }
        match reference.split_once('/') {
            Some((table, rest)) if self.shape(table).is_ok() => Ok(Who::keyed(table, rest)),
            _ if as_id(reference).is_some() => Err("RECORD_NOT_FOUND"),
            _ => Ok(Who::keyed("entities", reference)),
        }
    }

    pub(crate) fn get(&self, table: &str, reference: &str) -> Result<Option<&Arc<Row>>, Refusal> {
        self.shape(table)?;
        let who = self.resolve_in(table, reference)?;
        Ok(who.and_then(|who| self.rows.get(&who)))
    }

    /// Everybody with this key or alias.
    pub(crate) fn lookup(&self, name: &str) -> BTreeSet<Who> {
        let name = normal(name);
        let named = |row: &&Arc<Row>| {
            row.who.name == Name::Key(name.clone()) || row.aliases.contains(&name)
        };
        self.rows.values().filter(named).map(|row| row.who.clone()).collect()
    }

    /// Rows of a table whose values at `path` include one that passes `test`.
    pub(crate) fn find(
        &self,
        table: &str,
        path: &str,
        test: impl Fn(&Json) -> bool,
    ) -> BTreeSet<Who> {
        let passes = |row: &&Arc<Row>| {
            let values = scalars(&row.properties, path);
            values.iter().any(&test) || (values.is_empty() && test(&Json::Null))
        };
        self.of_table(table).filter(passes).map(|row| row.who.clone()).collect()
    }

    /// Links that are seen.
    fn visible(&self) -> impl Iterator<Item = (&(Who, String, Who), &Arrow)> {
        let lives =
            |who: &Who, birth: u32| self.rows.get(who).is_some_and(|row| row.birth == birth);
        self.arrows.iter().filter(move |((source, _, target), arrow)| {
            lives(source, arrow.source_birth) && lives(target, arrow.target_birth)
        })
    }

    /// Everybody one link away, with the weight of the link in thousandths.
    pub(crate) fn neighbors(&self, who: &Who) -> BTreeMap<Seen, u32> {
        let mut seen = BTreeMap::new();
        for ((source, kind, target), arrow) in self.visible() {
            let weight = (arrow.weight * 1_000.0).round() as u32;
            if source == who {
                let seen_out = Seen { who: target.clone(), kind: kind.clone(), out: true };
                seen.insert(seen_out, weight);
            }
            if target == who {
                let seen_in = Seen { who: source.clone(), kind: kind.clone(), out: false };
                seen.insert(seen_in, weight);
            }
        }
        seen
    }

    /// Everybody at most `depth` links away, and how far that is.
    pub(crate) fn reach(&self, who: &Who, depth: usize) -> BTreeMap<Who, usize> {
        let mut reached = BTreeMap::from([(who.clone(), 0)]);
        let mut edge = vec![who.clone()];
        for far in 1..=depth {
            let mut next = Vec::new();
            for near in edge {
                for seen in self.neighbors(&near).into_keys() {
                    if !reached.contains_key(&seen.who) {
                        reached.insert(seen.who.clone(), far);
                        next.push(seen.who);
                    }
                }
            }
            edge = next;
        }
        reached.remove(who);
        reached
    }
}

/// What a record claims of a unique index: combinations of scalars without null.
fn claims(properties: &Json, paths: &[&str]) -> BTreeSet<String> {
    let mut claims = BTreeSet::from([String::new()]);
    for path in paths {
        let values = scalars(properties, path);
        let values = values.iter().filter(|value| !value.is_null());
        let texts: Vec<String> = values.map(ToString::to_string).collect();
        let mut longer = BTreeSet::new();
        for claim in &claims {
            longer.extend(texts.iter().map(|text| format!("{claim} {text}")));
        }
        claims = longer;
    }
    claims
}

/// The scalars at a dotted path; arrays on the way and at the end are expanded.
fn scalars(value: &Json, path: &str) -> Vec<Json> {
    let mut places = vec![value];
    for step in path.split('.') {
        let inner = places.into_iter().flat_map(elements).filter_map(|place| place.get(step));
        places = inner.collect();
    }
    let found = places.into_iter().flat_map(elements);
    found.filter(|value| !value.is_object()).cloned().collect()
}

fn elements(value: &Json) -> Vec<&Json> {
    match value {
        Json::Array(items) => items.iter().flat_map(elements).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => {
            vec![value]
        }
    }
}

/// JSON merge patch, as RFC 7396 says it.
pub(crate) fn merge(target: &mut Json, patch: &Json) {
    let Some(members) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in members {
        if value.is_null() {
            target.as_object_mut().and_then(|object| object.remove(name));
        } else {
            merge(&mut target[name.as_str()], value);
        }
    }
}

/// The state at every version.
pub(crate) struct Plain {
    shapes: Vec<Shape>,
    states: BTreeMap<u64, State>,
}

impl Plain {
    pub(crate) fn new(shapes: &[Shape]) -> Self {
        Plain { shapes: shapes.to_vec(), states: BTreeMap::new() }
    }

    /// The state after the last change at or before `version`.
    pub(crate) fn at(&self, version: u64) -> State {
        let state = self.states.range(..=version).next_back();
        state.map_or_else(|| State::new(&self.shapes), |(_, state)| state.clone())
    }

    pub(crate) fn last(&self) -> State {
        self.at(u64::MAX)
    }

    /// Everybody who was ever there.
    pub(crate) fn everybody(&self) -> Vec<Who> {
        let all = self.states.values().flat_map(|state| state.rows.keys().cloned());
        all.collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub(crate) fn push(&mut self, version: u64, state: State) {
        self.states.insert(version, state);
    }

    /// What `who` was, oldest first: from which version, and the row unless it was deleted then.
    pub(crate) fn history(&self, who: &Who) -> Vec<(u64, Option<Arc<Row>>)> {
        let mut past: Vec<(u64, Option<Arc<Row>>)> = Vec::new();
        for (version, state) in &self.states {
            let row = state.rows.get(who);
            let same = match past.last() {
                None => row.is_none(),
                Some((_, last)) => last.as_deref() == row.map(|row| &**row),
            };
            if !same {
                past.push((*version, row.cloned()));
            }
        }
        past
    }
}

impl Op {
    /// One line, for a pipe.
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Op::Put { table, key, id, aliases, properties, new } => {
                let id = id.map(|id| id.to_string());
                json!(["put", table, key, id, aliases, properties, new])
            }
            Op::Update { table, reference, patch } => json!(["update", table, reference, patch]),
            Op::Delete { table, reference } => json!(["delete", table, reference]),
            Op::Link { source, kind, target, weight } => {
                json!(["link", source, kind, target, weight])
            }
            Op::Unlink { source, kind, target } => json!(["unlink", source, kind, target]),
        }
    }

    /// Reads what `to_json` wrote.
    pub(crate) fn from_json(json: &Json) -> Option<Op> {
        let text = |at: usize| json[at].as_str().map(str::to_owned);
        let texts = |items: &Vec<Json>| {
            items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
        };
        Some(match json[0].as_str()? {
            "put" => Op::Put {
                table: text(1)?,
                key: text(2),
                id: text(3).and_then(|id| id.parse().ok()),
                aliases: json[4].as_array().map(texts),
                properties: json[5].clone(),
                new: json[6].as_bool()?,
            },
            "update" => Op::Update { table: text(1)?, reference: text(2)?, patch: json[3].clone() },
            "delete" => Op::Delete { table: text(1)?, reference: text(2)? },
            "link" => Op::Link {
                source: text(1)?,
                kind: text(2)?,
                target: text(3)?,
                weight: json[4].as_f64()?,
            },
            "unlink" => Op::Unlink { source: text(1)?, kind: text(2)?, target: text(3)? },
            _ => return None,
        })
    }
}
