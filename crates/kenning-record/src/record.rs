//! What is in a record, and the payload that keeps it.
//!
//! A payload begins with its format, then has what every record has in as few bytes as possible,
//! and ends with the properties, which are found and read without touching what is before them.
//! Id, table and version are not in it: they are in the key and in the frame
//! ([`entry`](crate::entry)).
//!
//! Specified in `docs/format/records.md`.

use kenning_store::{Error, Result};

use crate::{INSTANT_MAX, INSTANT_MIN, Id, Json, ValueRef, Version};
use crate::{encode, format_instant, varint};

/// The most bytes of an encoded record.
pub const RECORD_BYTES_MAX: usize = 32 << 20;

const FORMAT: u8 = 1;

const HAS_KEY: u8 = 1 << 0;
const HAS_ALIASES: u8 = 1 << 1;
const HAS_VALID_FROM: u8 = 1 << 2;
const HAS_VALID_UNTIL: u8 = 1 << 3;
const FLAGS: u8 = HAS_KEY | HAS_ALIASES | HAS_VALID_FROM | HAS_VALID_UNTIL;

/// A record as someone wants it to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Its id; made if there is none.
    pub id: Option<Id>,
    /// The name under which its table knows it.
    pub key: Option<String>,
    /// Further names; `None` leaves them as they are.
    pub aliases: Option<Vec<String>>,
    /// When it begins to hold, in milliseconds since the epoch.
    pub valid_from: Option<i64>,
    /// When it no longer holds.
    pub valid_until: Option<i64>,
    /// What it says: a JSON object.
    pub properties: Json,
}

/// A record as it is, or was.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its name for life.
    pub id: Id,
    /// The table that it is in.
    pub table: String,
    /// The name under which its table knows it, as it was given.
    pub key: Option<String>,
    /// Further names, as they were given.
    pub aliases: Vec<String>,
    /// The version in which it became what it is.
    pub version: Version,
    /// How often its id has been born: 1, and one more for each time it was put after a delete.
    pub birth: u32,
    /// When it was born, in milliseconds since the epoch.
    pub created_at: i64,
    /// When it became what it is.
    pub modified_at: i64,
    /// When it begins to hold.
    pub valid_from: Option<i64>,
    /// When it no longer holds.
    pub valid_until: Option<i64>,
    /// What it says: a JSON object.
    pub properties: Json,
}

/// What a payload is made of.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    /// How often the id has been born.
    pub birth: u32,
    /// When it was born, in milliseconds since the epoch.
    pub created_at: i64,
    /// When it became what it is.
    pub modified_at: i64,
    /// When it begins to hold.
    pub valid_from: Option<i64>,
    /// When it no longer holds.
    pub valid_until: Option<i64>,
    /// The key, as it was given.
    pub key: Option<&'a str>,
    /// Further names, as they were given.
    pub aliases: &'a [String],
    /// A JSON object.
    pub properties: &'a Json,
}

impl Draft {
    /// Checks what can be checked without looking at anything else.
    pub fn check(&self) -> Result<()> {
        check_object(&self.properties)?;
        for instant in [self.valid_from, self.valid_until].into_iter().flatten() {
            if !(INSTANT_MIN..=INSTANT_MAX).contains(&instant) {
                return Err(Error::invalid(
                    "INSTANT_MALFORMED",
                    format!("instant {instant} is outside the years 0000-9999"),
                ));
            }
        }
        match (self.valid_from, self.valid_until) {
            (Some(from), Some(until)) if until <= from => Err(Error::invalid(
                "VALIDITY_EMPTY",
                format!(
                    "valid_until {} is not after valid_from {}",
                    format_instant(until),
                    format_instant(from)
                ),
            )),
            _ => Ok(()),
        }
    }
}

impl Default for Draft {
    fn default() -> Self {
        Json::Object(serde_json::Map::new()).into()
    }
}

impl From<Json> for Draft {
    fn from(properties: Json) -> Self {
        Draft {
            id: None,
            key: None,
            aliases: None,
            valid_from: None,
            valid_until: None,
            properties,
        }
    }
}

impl Record {
    /// Whether it is valid at `instant`; its validity is half-open.
    pub fn is_valid_at(&self, instant: i64) -> bool {
        self.valid_from.is_none_or(|from| from <= instant)
            && self.valid_until.is_none_or(|until| instant < until)
    }

    /// What its payload is made of.
    pub fn body(&self) -> Body<'_> {
        Body {
            birth: self.birth,
            created_at: self.created_at,
            modified_at: self.modified_at,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            key: self.key.as_deref(),
            aliases: &self.aliases,
            properties: &self.properties,
        }
    }

    /// The record as every door shows it; instants are texts.
    pub fn to_json(&self) -> Json {
        let mut object = serde_json::Map::new();
        let mut put = |name: &str, value: Json| object.insert(name.to_owned(), value);
        put("id", self.id.to_string().into());
        put("table", self.table.as_str().into());
        put("key", self.key.as_deref().into());
        if !self.aliases.is_empty() {
            put("aliases", self.aliases.as_slice().into());
        }
        put("version", self.version.into());
        put("created_at", format_instant(self.created_at).into());
        put("modified_at", format_instant(self.modified_at).into());
        if let Some(instant) = self.valid_from {
            put("valid_from", format_instant(instant).into());
        }
        if let Some(instant) = self.valid_until {
            put("valid_until", format_instant(instant).into());
        }
        put("properties", self.properties.clone());
        Json::Object(object)
    }
}

/// Appends the payload of a record. After an error `target` is as it was.
pub fn encode_record(body: &Body<'_>, target: &mut Vec<u8>) -> Result<()> {
    check_object(body.properties)?;
    let start = target.len();
    push_head(body, target);
    let mut result = encode(body.properties, target);
    let size = target.len() - start;
    if result.is_ok() && size > RECORD_BYTES_MAX {
        result = Err(too_large(size));
    }
    if result.is_err() {
        target.truncate(start);
    }
    result
}

/// A record in its payload; nothing is decoded before it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    bytes: &'a [u8],
}

impl<'a> RecordRef<'a> {
    /// The record whose payload is `bytes`. Only the format is looked at.
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        match bytes {
            [FORMAT, flags, ..] if flags & !FLAGS == 0 => Ok(RecordRef { bytes }),
            [FORMAT, ..] | [] => Err(damaged("its head")),
            [format, ..] => Err(Error::corrupt(
                "RECORD_FORMAT",
                format!("a record has format {format}, the only one known here is {FORMAT}"),
            )),
        }
    }

    /// Its payload.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How often the id has been born.
    pub fn birth(&self) -> Result<u32> {
        self.parts().map(|parts| parts.birth)
    }

    /// When it was born.
    pub fn created_at(&self) -> Result<i64> {
        self.parts().map(|parts| parts.created_at)
    }

    /// When it became what it is.
    pub fn modified_at(&self) -> Result<i64> {
        self.parts().map(|parts| parts.modified_at)
    }

    /// From when, and until when, it holds.
    pub fn valid(&self) -> Result<(Option<i64>, Option<i64>)> {
        self.parts().map(|parts| (parts.valid_from, parts.valid_until))
    }

    /// The key, as it was given.
    pub fn key(&self) -> Result<Option<&'a str>> {
        self.parts()?.key.map(text).transpose()
    }

    /// Further names, as they were given. After damage it ends.
    pub fn aliases(&self) -> impl Iterator<Item = Result<&'a str>> + use<'a> {
        let (mut rest, mut error) = match self.parts() {
            Ok(parts) => (parts.aliases, None),
            Err(error) => (&[][..], Some(error)),
        };
        std::iter::from_fn(move || {
            if let Some(error) = error.take() {
                return Some(Err(error));
            }
            if rest.is_empty() {
                return None;
            }
            let alias = varint::take_bytes(&mut rest).ok_or_else(|| damaged("an alias"));
            if alias.is_err() {
                rest = &[];
            }
            Some(alias.and_then(text))
        })
    }

    /// What it says.
    pub fn properties(&self) -> Result<ValueRef<'a>> {
        self.parts().map(|parts| ValueRef::new(parts.properties))
    }

    /// The whole record; what is not in the payload is given.
    pub fn to_record(&self, id: Id, table: &str, version: Version) -> Result<Record> {
        let parts = self.parts()?;
        Ok(Record {
            id,
            table: table.to_owned(),
            key: parts.key.map(text).transpose()?.map(str::to_owned),
            aliases: self.aliases().map(|alias| alias.map(str::to_owned)).collect::<Result<_>>()?,
            version,
            birth: parts.birth,
            created_at: parts.created_at,
            modified_at: parts.modified_at,
            valid_from: parts.valid_from,
            valid_until: parts.valid_until,
            properties: ValueRef::new(parts.properties).decode()?,
        })
    }

    fn parts(&self) -> Result<Parts<'a>> {
        take_parts(self.bytes).ok_or_else(|| damaged("its head"))
    }
}

pub(crate) fn too_large(size: usize) -> Error {
    Error::exhausted(
        "RECORD_TOO_LARGE",
        format!("a record has at least {size} bytes, the most is {RECORD_BYTES_MAX}"),
    )
}

pub(crate) fn check_object(properties: &Json) -> Result<()> {
    if properties.is_object() {
        return Ok(());
    }
    Err(Error::invalid("NOT_AN_OBJECT", "the properties of a record are not a JSON object"))
}

fn push_head(body: &Body<'_>, target: &mut Vec<u8>) {
    let flag = |present: bool, flag: u8| if present { flag } else { 0 };
    target.push(FORMAT);
    target.push(
        flag(body.key.is_some(), HAS_KEY)
            | flag(!body.aliases.is_empty(), HAS_ALIASES)
            | flag(body.valid_from.is_some(), HAS_VALID_FROM)
            | flag(body.valid_until.is_some(), HAS_VALID_UNTIL),
    );
    varint::push(body.birth.into(), target);
    target.extend_from_slice(&body.created_at.to_le_bytes());
    // Most records are never modified: the difference takes one byte.
    varint::push(varint::zigzag(body.modified_at.wrapping_sub(body.created_at)), target);
    for instant in [body.valid_from, body.valid_until].into_iter().flatten() {
        target.extend_from_slice(&instant.to_le_bytes());
    }
    if let Some(key) = body.key {
        varint::push_bytes(key.as_bytes(), target);
    }
    if !body.aliases.is_empty() {
        let mut aliases = Vec::new();
        body.aliases.iter().for_each(|alias| varint::push_bytes(alias.as_bytes(), &mut aliases));
        varint::push_bytes(&aliases, target);
    }
}

struct Parts<'a> {
    birth: u32,
    created_at: i64,
    modified_at: i64,
    valid_from: Option<i64>,
    valid_until: Option<i64>,
    key: Option<&'a [u8]>,
    aliases: &'a [u8],
    properties: &'a [u8],
}

fn take_parts(bytes: &[u8]) -> Option<Parts<'_>> {
    let (&[_, flags], mut rest) = bytes.split_first_chunk()?;
    let has = |flag: u8| flags & flag != 0;
    let birth = u32::try_from(varint::take(&mut rest)?).ok()?;
    let created_at = take_instant(&mut rest)?;
    let modified_at = created_at.wrapping_add(varint::unzigzag(varint::take(&mut rest)?));
    let valid_from = if has(HAS_VALID_FROM) { Some(take_instant(&mut rest)?) } else { None };
    let valid_until = if has(HAS_VALID_UNTIL) { Some(take_instant(&mut rest)?) } else { None };
    let key = if has(HAS_KEY) { Some(varint::take_bytes(&mut rest)?) } else { None };
    let aliases = if has(HAS_ALIASES) { varint::take_bytes(&mut rest)? } else { &[] };
    let properties = rest;
    Some(Parts {
        birth,
        created_at,
        modified_at,
        valid_from,
        valid_until,
        key,
        aliases,
        properties,
    })
}

fn take_instant(bytes: &mut &[u8]) -> Option<i64> {
    let (instant, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(i64::from_le_bytes(*instant))
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| damaged("a name"))
}

#[cold]
fn damaged(what: &str) -> Error {
    Error::corrupt("RECORD_DAMAGED", format!("a stored record is damaged at {what}"))
}
