//! What a line says: JSON, with the members that are not what they mostly are.

use kenning_engine::{IndexState, Known, KnownLink, LinkEnd, Progress, Said, SaidTable, Violation};
use kenning_record::{INSTANT_MAX, INSTANT_MIN, Id, Json, Record, RecordRef};
use kenning_record::{format_instant, parse_instant};
use kenning_store::{Error, Result};
use serde_json::{Map, json};

/// The members of a line that were not read yet.
pub(super) struct Members(Map<String, Json>);

impl Members {
    pub(super) fn read(line: &str) -> Result<Self> {
        let Json::Object(members) = crate::jsonl::object(line)? else {
            unreachable!("the reader of objects gives objects")
        };
        Ok(Members(members))
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Json> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    fn need(&mut self, name: &str) -> Result<Json> {
        self.take(name).ok_or_else(|| malformed(format!("the line has no member '{name}'")))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(malformed(format!("the member '{name}' is no text"))),
        }
    }

    pub(super) fn number(&mut self, name: &str) -> Result<u64> {
        let number = self.need(name)?.as_u64();
        number.ok_or_else(|| malformed(format!("the member '{name}' is no number")))
    }

    pub(super) fn id(&mut self, name: &str) -> Result<Id> {
        self.need(name)?.as_str().unwrap_or_default().parse()
    }

    pub(super) fn instant(&mut self, name: &str) -> Result<Option<i64>> {
        self.take(name).map(|said| instant_of(&said)).transpose()
    }

    pub(super) fn needed_instant(&mut self, name: &str) -> Result<i64> {
        instant_of(&self.need(name)?)
    }

    fn birth(&mut self, name: &str) -> Result<u32> {
        match self.take(name) {
            None => Ok(1),
            Some(said) => small(&said, name),
        }
    }

    fn object(&mut self, name: &str) -> Result<Json> {
        let value = self.need(name)?;
        if value.is_object() {
            return Ok(value);
        }
        Err(malformed(format!("the member '{name}' is no object")))
    }

    /// Refuses a line that says more than was read.
    pub(super) fn end(self) -> Result<()> {
        match self.0.into_iter().find(|(_, value)| !value.is_null()) {
            Some((name, _)) => Err(malformed(format!("a line has no member '{name}'"))),
            None => Ok(()),
        }
    }
}

fn small(said: &Json, name: &str) -> Result<u32> {
    let number = said.as_u64().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| malformed(format!("the member '{name}' is no small number")))
}

/// An instant is a text, or a number of milliseconds where no text can say it.
fn instant_of(said: &Json) -> Result<i64> {
    match said.as_str() {
        Some(text) => parse_instant(text),
        None => said.as_i64().ok_or_else(|| malformed("an instant is no text and no number")),
    }
}

pub(super) fn instant(ms: i64) -> Json {
    match (INSTANT_MIN..=INSTANT_MAX).contains(&ms) {
        true => format_instant(ms).into(),
        false => ms.into(),
    }
}

/// Appends a line.
pub(super) fn push(line: &Map<String, Json>, target: &mut Vec<u8>) {
    serde_json::to_writer(&mut *target, line)
        .expect("a vector takes everything, and JSON has texts for names");
    target.push(b'\n');
}

/// What every record says.
pub(super) fn record(line: &mut Map<String, Json>, id: Id, record: RecordRef<'_>) -> Result<()> {
    let record = record.to_record(id, "", 0)?;
    head(line, &record);
    line.insert("properties".into(), record.properties);
    Ok(())
}

fn head(line: &mut Map<String, Json>, record: &Record) {
    let mut put = |name: &str, value: Json| line.insert(name.into(), value);
    put("id", record.id.to_string().into());
    if let Some(key) = &record.key {
        put("key", key.as_str().into());
    }
    if !record.aliases.is_empty() {
        put("aliases", record.aliases.as_slice().into());
    }
    if record.birth != 1 {
        put("birth", record.birth.into());
    }
    put("created_at", instant(record.created_at));
    put("modified_at", instant(record.modified_at));
    for (name, validity) in [("valid_from", record.valid_from), ("valid_until", record.valid_until)]
    {
        if let Some(at) = validity {
            put(name, instant(at));
        }
    }
}

/// Reads what `record` wrote.
pub(super) fn read_record(members: &mut Members) -> Result<Record> {
    let aliases = match members.take("aliases") {
        None => Vec::new(),
        Some(Json::Array(aliases)) => crate::draft::texts(aliases)?,
        Some(_) => return Err(malformed("the member 'aliases' is no list")),
    };
    Ok(Record {
        id: members.id("id")?,
        table: String::new(),
        key: members.text("key")?,
        aliases,
        version: 0,
        birth: members.birth("birth")?,
        created_at: members.needed_instant("created_at")?,
        modified_at: members.needed_instant("modified_at")?,
        valid_from: members.instant("valid_from")?,
        valid_until: members.instant("valid_until")?,
        properties: members.object("properties")?,
    })
}

/// A line of a table, or of the links.
pub(super) fn known(known: &Known) -> Result<Map<String, Json>> {
    let mut line = Map::new();
    match known {
        Known::Record(encoded) => {
            let stored = encoded.record()?;
            head(&mut line, &stored);
            line.insert("properties".into(), stored.properties);
        }
        Known::Gone { id, births } => {
            line.insert("id".into(), id.to_string().into());
            line.insert("gone".into(), (*births).into());
        }
        Known::Link(link) => {
            head(&mut line, &link.record);
            for (name, end) in [("source", &link.source), ("target", &link.target)] {
                let said = json!({
                    "table": end.table, "id": end.id.to_string(), "birth": end.birth,
                });
                line.insert(name.into(), said);
            }
            line.insert("type".into(), link.kind.as_str().into());
            line.insert("weight".into(), link.weight.into());
            line.insert("properties".into(), link.record.properties.clone());
        }
    }
    Ok(line)
}

/// Reads what `known` wrote.
pub(super) fn read_said(line: &str, links: bool) -> Result<Said> {
    let mut members = Members::read(line)?;
    let said = match members.take("gone") {
        Some(births) => Known::Gone { id: members.id("id")?, births: small(&births, "gone")? },
        None if links => Known::Link(Box::new(read_link(&mut members)?)),
        None => Known::Record(read_record(&mut members)?),
    };
    members.end().map(|()| said)
}

fn read_link(members: &mut Members) -> Result<KnownLink> {
    let record = read_record(members)?;
    let mut end = |name: &str| -> Result<LinkEnd> {
        let Json::Object(said) = members.object(name)? else { unreachable!("it is an object") };
        let mut said = Members(said);
        let table = said.text("table")?.ok_or_else(|| malformed("an end has no table"))?;
        let end = LinkEnd { table, id: said.id("id")?, birth: said.birth("birth")? };
        said.end().map(|()| end)
    };
    let (source, target) = (end("source")?, end("target")?);
    let kind = members.text("type")?.ok_or_else(|| malformed("a link has no type"))?;
    let weight =
        members.need("weight")?.as_f64().ok_or_else(|| malformed("a weight is a number"))?;
    Ok(KnownLink { record, source, kind, target, weight })
}

/// A line of the tables.
pub(super) fn table(name: &str, schema: &Json, indexes: &[IndexState]) -> Map<String, Json> {
    let index = |index: &IndexState| {
        let mut said = json!({"paths": index.paths, "unique": index.unique});
        match &index.progress {
            Progress::Ready(_) => said["state"] = "ready".into(),
            Progress::Building => said["state"] = "building".into(),
            Progress::Failed(violations) => {
                said["state"] = "failed".into();
                said["violations"] = violations.iter().map(Violation::to_json).collect();
            }
        }
        said
    };
    let mut line = Map::new();
    line.insert("table".into(), name.into());
    line.insert("schema".into(), schema.clone());
    line.insert("indexes".into(), indexes.iter().map(index).collect());
    line
}

/// Reads what `table` wrote.
pub(super) fn read_table(line: &str) -> Result<SaidTable> {
    let mut members = Members::read(line)?;
    let name = members.text("table")?.ok_or_else(|| malformed("a table has no name"))?;
    let schema = members.object("schema")?;
    let Json::Array(indexes) = members.need("indexes")? else {
        return Err(malformed("the member 'indexes' is no list"));
    };
    let indexes = indexes.into_iter().map(read_index).collect::<Result<_>>()?;
    members.end()?;
    Ok(SaidTable { name, schema, indexes })
}

fn read_index(said: Json) -> Result<IndexState> {
    let wrong = || malformed("an index is not said as it should be");
    let texts = said["paths"].as_array().ok_or_else(wrong)?.clone();
    let progress = match said["state"].as_str() {
        Some("ready") => Progress::Ready(0),
        Some("building") => Progress::Building,
        Some("failed") => {
            let violations = said["violations"].as_array().ok_or_else(wrong)?;
            let read = violations.iter().map(Violation::read);
            Progress::Failed(read.collect::<Option<_>>().ok_or_else(wrong)?)
        }
        _ => return Err(wrong()),
    };
    let paths = crate::draft::texts(texts).map_err(|_| wrong())?;
    Ok(IndexState { paths, unique: said["unique"].as_bool().ok_or_else(wrong)?, progress })
}

pub(super) fn malformed(what: impl Into<String>) -> Error {
    Error::invalid("LINE_MALFORMED", what)
}
