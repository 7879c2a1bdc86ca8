//! A table: its schema and its indexes.
//!
//! Tables are records of the system table `_tables`, so a schema change is a record change, with
//! history and log for free. A compiled table is kept as long as the bytes of its record are the
//! same; nothing else can make it stale.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use kenning_index::{Claim, Entries, Entry, Fields, Index, Links, Names, Subject};
use kenning_record::{Id, IndexSpec, Json, RecordRef, Schema, TableNo, TenantNo, Version};
use kenning_record::{check_table_name, entry, keys};
use kenning_store::{Bytes, Error, ErrorKind, Result};
use serde_json::json;

use crate::staging::PENDING;

/// Numbers of the tables that are not records themselves.
pub(crate) mod number {
    use kenning_record::TableNo;
    pub(crate) const TABLES: TableNo = 1;
    pub(crate) const LINKS: TableNo = 2;
    pub(crate) const TENANTS: TableNo = 3;
    pub(crate) const MERGES: TableNo = 4;
    /// Tables that a user makes are numbered from here on.
    pub(crate) const FIRST: TableNo = 16;
}

/// Names that no user's table may have: they are, or will be, tables of the system.
const RESERVED: &[&str] =
    &["links", "claims", "assertions", "sources", "predicates", "log", "history", "kv"];

/// A table with its schema compiled.
pub(crate) struct Table {
    pub(crate) tenant: TenantNo,
    /// The id of its record. Zero for tables of the system.
    pub(crate) id: Id,
    pub(crate) number: TableNo,
    pub(crate) name: String,
    /// The name once more, for records that outlive the table.
    pub(crate) label: Label,
    pub(crate) schema: Schema,
    pub(crate) fields: Vec<Field>,
    pub(crate) next_index: u32,
    /// Since when it is like this. 0 for tables of the system.
    pub(crate) version: Version,
    /// The stored entry that it was made from.
    bytes: Bytes,
}

/// The name of a table in a form that is copied and not counted: a counter that every reader of
/// every record changes would be the one thing that they wait for.
#[derive(Clone, Copy)]
pub(crate) struct Label {
    bytes: [u8; LABEL_BYTES],
    size: u8,
}

/// The most bytes of a table's name.
const LABEL_BYTES: usize = 63;

impl Label {
    fn new(name: &str) -> Self {
        let mut bytes = [0; LABEL_BYTES];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Label { bytes, size: name.len() as u8 }
    }
}

impl std::ops::Deref for Label {
    type Target = str;

    fn deref(&self) -> &str {
        str::from_utf8(&self.bytes[..usize::from(self.size)]).expect("it was made of a name")
    }
}

impl std::fmt::Debug for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self)
    }
}

/// An index over property values, and how far it is.
pub(crate) struct Field {
    pub(crate) index: Fields,
    pub(crate) progress: Progress,
}

/// How far an index over property values is.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Every write maintains it, and what was there before is being added.
    Building,
    /// It is complete since this version; older views don't use it.
    Ready(Version),
    /// It could not be built, because of these records. Nothing maintains it.
    Failed(Vec<Violation>),
}

/// A record that keeps an index from being built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The record.
    pub id: Id,
    /// What is wrong with it.
    pub message: String,
}

/// What is told about a table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableInfo {
    /// Its name.
    pub name: String,
    /// Its number, never reused.
    pub number: TableNo,
    /// Since when its schema is like this.
    pub version: Version,
    /// Its schema.
    pub schema: Json,
    /// Its indexes over property values.
    pub indexes: Vec<IndexState>,
}

impl TableInfo {
    /// An error that tells which index could not be built, if one could not.
    pub fn check_indexes(&self) -> Result<()> {
        for index in &self.indexes {
            if let Progress::Failed(violations) = &index.progress {
                let first = violations.first();
                let first = first.map(|first| format!("record {}: {}", first.id, first.message));
                let message = format!(
                    "the index of table '{}' on {} could not be built, {} or more records are in \
                     its way; {}",
                    self.name,
                    index.paths.join(", "),
                    violations.len(),
                    first.unwrap_or_default(),
                );
                return Err(Error::invalid("INDEX_FAILED", message));
            }
        }
        Ok(())
    }
}

/// What is told about an index.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexState {
    /// The properties it covers.
    pub paths: Vec<String>,
    /// Whether a value belongs to one record.
    pub unique: bool,
    /// How far it is.
    pub progress: Progress,
}

impl Table {
    /// A table that is not a record itself.
    pub(crate) fn system(tenant: TenantNo, number: TableNo, name: &str) -> Arc<Self> {
        Arc::new(Table {
            tenant,
            id: Id([0; 16]),
            number,
            name: name.into(),
            label: Label::new(name),
            schema: Schema::parse(&json!({})).expect("the empty schema is a schema"),
            fields: Vec::new(),
            next_index: 1,
            version: 0,
            bytes: Bytes::new(),
        })
    }

    /// Compiles the table of a stored entry.
    pub(crate) fn compile(tenant: TenantNo, id: Id, bytes: &Bytes) -> Result<Self> {
        let (version, payload) = entry::split(bytes)?;
        let record = RecordRef::new(payload)?;
        let name = record.key()?.ok_or_else(|| damaged("its name"))?.to_owned();
        check_table_name(&name).map_err(|error| damaged("its name").because(error))?;
        let said = record.properties()?.decode()?;
        let number = |name: &str| said[name].as_u64().and_then(|number| u32::try_from(number).ok());
        let fields = said["indexes"].as_array().ok_or_else(|| damaged("its indexes"))?;
        Ok(Table {
            tenant,
            id,
            label: Label::new(&name),
            number: number("number").ok_or_else(|| damaged("its number"))?,
            name,
            schema: Schema::parse(&said["schema"])?,
            fields: fields
                .iter()
                .map(|field| Field::read(field, version))
                .collect::<Result<_>>()?,
            next_index: number("next_index").ok_or_else(|| damaged("its next index"))?,
            version,
            bytes: bytes.clone(),
        })
    }

    /// Properties of the record of a table.
    pub(crate) fn properties(
        number: TableNo,
        schema: &Schema,
        fields: &[Field],
        next_index: u32,
    ) -> Json {
        let indexes: Vec<Json> = fields.iter().map(Field::to_json).collect();
        json!({
            "number": number,
            "schema": schema.json,
            "indexes": indexes,
            "next_index": next_index,
        })
    }

    /// Whether it was made from `bytes`.
    pub(crate) fn is(&self, bytes: &Bytes) -> bool {
        self.bytes.as_ptr() == bytes.as_ptr() || self.bytes == bytes
    }

    /// Every entry that a write of `record` maintains.
    pub(crate) fn entries(&self, id: Id, record: RecordRef<'_>) -> Result<Entries> {
        self.entries_of(id, record, Field::is_maintained)
    }

    /// Every entry that must be there at `version`, if the table is like this then.
    pub(crate) fn complete_entries(
        &self,
        id: Id,
        record: RecordRef<'_>,
        version: Version,
    ) -> Result<Entries> {
        self.entries_of(id, record, |field| field.is_ready(version))
    }

    fn entries_of(
        &self,
        id: Id,
        record: RecordRef<'_>,
        is_asked: impl Fn(&Field) -> bool,
    ) -> Result<Entries> {
        let subject = Subject { tenant: self.tenant, table: self.number, id, record };
        let mut entries = Entries::new();
        if self.number == number::LINKS {
            Links.entries(&subject, &mut entries)?;
            return Ok(entries);
        }
        Names.entries(&subject, &mut entries)?;
        for field in self.fields.iter().filter(|field| is_asked(field)) {
            field.index.entries(&subject, &mut entries)?;
        }
        Ok(entries)
    }

    /// The index with this number.
    pub(crate) fn field(&self, number: u32) -> Option<&Field> {
        self.fields.iter().find(|field| field.index.number == number)
    }

    /// Another record has what `entry` claims.
    pub(crate) fn taken(&self, entry: &Entry) -> Error {
        let Claim::Unique(number) = entry.claim else {
            let message = format!("table '{}' has another record with this key", self.name);
            return Error::invalid("KEY_EXISTS", message);
        };
        let field = self.field(number);
        let paths = field.map(|field| field.told().paths.join(", ")).unwrap_or_default();
        let values = keys::field_split(&entry.key, field.map_or(0, |f| f.index.spec.paths.len()))
            .and_then(|key| kenning_index::values(key.values))
            .map(|values| Json::Array(values).to_string())
            .unwrap_or_default();
        let message = format!("table '{}' has another record with {paths} = {values}", self.name);
        Error::invalid("UNIQUE_TAKEN", message)
    }

    /// Refuses what only the engine itself may write.
    pub(crate) fn check_writable(&self) -> Result<()> {
        if self.number < number::FIRST {
            let message = format!("table '{}' belongs to the system; use its own verbs", self.name);
            return Err(Error::new(ErrorKind::Denied, "SYSTEM_TABLE", message));
        }
        Ok(())
    }

    pub(crate) fn info(&self) -> TableInfo {
        TableInfo {
            name: self.name.clone(),
            number: self.number,
            version: self.version,
            schema: self.schema.json.clone(),
            indexes: self.fields.iter().map(Field::told).collect(),
        }
    }
}

impl Field {
    /// An index.
    pub(crate) fn new(number: u32, spec: IndexSpec, progress: Progress) -> Self {
        Field { index: Fields { number, spec }, progress }
    }

    /// The same index in a newer version of its table.
    pub(crate) fn copy(&self) -> Self {
        self.with(self.progress.clone())
    }

    /// The same index, further on.
    pub(crate) fn with(&self, progress: Progress) -> Self {
        Field::new(self.index.number, self.index.spec.clone(), progress)
    }

    /// Whether it has every entry that it should have at `version`. One that was made in this very
    /// transaction is from a version yet to come.
    pub(crate) fn is_ready(&self, version: Version) -> bool {
        match self.progress {
            Progress::Ready(from) => from <= version || from == PENDING,
            Progress::Building | Progress::Failed(_) => false,
        }
    }

    /// Whether writes maintain it.
    fn is_maintained(&self) -> bool {
        match self.progress {
            Progress::Ready(_) | Progress::Building => true,
            Progress::Failed(_) => false,
        }
    }

    fn read(json: &Json, version: Version) -> Result<Self> {
        let wrong = || damaged("an index");
        let texts = json["paths"].as_array().ok_or_else(wrong)?;
        let path = |text: &Json| text.as_str().ok_or_else(wrong)?.parse();
        let spec = IndexSpec {
            paths: texts.iter().map(path).collect::<Result<_>>()?,
            unique: json["unique"].as_bool().ok_or_else(wrong)?,
        };
        let number = json["number"].as_u64().and_then(|number| u32::try_from(number).ok());
        let state = Progress::read(json, version).ok_or_else(wrong)?;
        Ok(Field::new(number.ok_or_else(wrong)?, spec, state))
    }

    fn to_json(&self) -> Json {
        let told = self.told();
        let mut json =
            json!({"number": self.index.number, "paths": told.paths, "unique": told.unique});
        let (name, value) = match &self.progress {
            Progress::Building => ("building", json!(true)),
            // Of an index made in this very transaction nobody knows the version yet.
            Progress::Ready(PENDING) => ("ready_from", json!(0)),
            Progress::Ready(from) => ("ready_from", json!(from)),
            Progress::Failed(violations) => {
                ("failed", violations.iter().map(Violation::to_json).collect())
            }
        };
        json[name] = value;
        json
    }

    /// What is told about it.
    pub(crate) fn told(&self) -> IndexState {
        IndexState {
            paths: self.index.spec.paths.iter().map(ToString::to_string).collect(),
            unique: self.index.spec.unique,
            progress: self.progress.clone(),
        }
    }
}

impl Progress {
    fn read(json: &Json, version: Version) -> Option<Self> {
        if json["building"] == true {
            return Some(Progress::Building);
        }
        if let Some(violations) = json["failed"].as_array() {
            return violations
                .iter()
                .map(Violation::read)
                .collect::<Option<_>>()
                .map(Progress::Failed);
        }
        Some(Progress::Ready(match json["ready_from"].as_u64()? {
            // Written in the version that made it complete, before that version had a number.
            0 => version,
            earlier => earlier,
        }))
    }
}

impl Violation {
    /// As it is stored, and as it is shown.
    pub fn to_json(&self) -> Json {
        json!({"id": self.id.to_string(), "message": self.message})
    }

    /// Reads what `to_json` shows.
    pub fn read(json: &Json) -> Option<Self> {
        let message = json["message"].as_str()?.to_owned();
        Some(Violation { id: json["id"].as_str()?.parse().ok()?, message })
    }
}

/// Refuses names that a user's table can't have.
pub(crate) fn check_new_name(name: &str) -> Result<()> {
    check_table_name(name)?;
    if name.starts_with('_') || RESERVED.contains(&name.to_lowercase().as_str()) {
        let message = format!("'{name}' is a name of the system");
        return Err(Error::invalid("TABLE_RESERVED", message));
    }
    Ok(())
}

fn damaged(what: &str) -> Error {
    Error::corrupt("TABLE_DAMAGED", format!("the record of a table is damaged at {what}"))
}

/// Tables of a tenant that were compiled, by name.
#[derive(Default)]
pub(crate) struct Tables {
    compiled: RwLock<HashMap<String, Arc<Table>>>,
}

impl Tables {
    /// The compiled table of this name, if it was asked for before.
    pub(crate) fn known(&self, name: &str) -> Option<Arc<Table>> {
        let compiled = self.compiled.read().expect("no holder of this lock panics");
        compiled.get(name).cloned()
    }

    /// The compiled table of this number.
    pub(crate) fn numbered(&self, number: TableNo) -> Option<Arc<Table>> {
        let compiled = self.compiled.read().expect("no holder of this lock panics");
        compiled.values().find(|table| table.number == number).cloned()
    }

    /// The table that `bytes` say. `known` is what `known` gave.
    pub(crate) fn compiled(
        &self,
        tenant: TenantNo,
        id: Id,
        known: Option<Arc<Table>>,
        bytes: &Bytes,
    ) -> Result<Arc<Table>> {
        if let Some(table) = known.as_ref()
            && table.is(bytes)
        {
            return Ok(Arc::clone(table));
        }
        let table = Arc::new(Table::compile(tenant, id, bytes)?);
        let staged = table.version == PENDING;
        // A view of the past must not push out what the present needs.
        let newer = known.is_none_or(|known| known.version < table.version);
        if newer && !staged {
            let mut compiled = self.compiled.write().expect("no holder of this lock panics");
            compiled.insert(table.name.clone(), Arc::clone(&table));
        }
        Ok(table)
    }
}
