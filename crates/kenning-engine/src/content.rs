//! What is known, in one order, and the hash of it.
//!
//! Two databases know the same if they have the same tenants, and each has the same tables, records
//! and links, and remembers the same of what is gone. Which engine keeps it, what numbers tables
//! have, in which versions it came and how far its indexes are does not matter. An [`Inventory`]
//! reads a table in that order, leaving out what nobody sees any more and the sweeper has not
//! removed yet; the hash is over nothing else.
//!
//! Specified in `docs/format/content.md`.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use kenning_index::Arc as LinkArc;
use kenning_record::{Body, End, Id, Json, Record, RecordRef, TableNo, encode, encode_record};
use kenning_record::{entry, keys};
use kenning_store::{Error, Range, Result, Row, Scan};

use crate::database::Database;
use crate::table::{Table, number};
use crate::tenant::{LINKS, Tenant};
use crate::view::{Encoded, View};

/// What the hash of a content begins with.
const CONTENT_DOMAIN: &[u8] = b"kenning content 1";

/// The BLAKE3 hash of what a database knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash(pub [u8; blake3::OUT_LEN]);

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ContentHash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let malformed = || Error::invalid("HASH_MALFORMED", "a hash has 64 hexadecimal digits");
        let mut bytes = [0; blake3::OUT_LEN];
        let is_hex = text.bytes().all(|digit| digit.is_ascii_hexdigit());
        if text.len() != 2 * bytes.len() || !is_hex {
            return Err(malformed());
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            let digits = &text[2 * at..2 * at + 2];
            *byte = u8::from_str_radix(digits, 16).map_err(|_| malformed())?;
        }
        Ok(ContentHash(bytes))
    }
}

/// Something that a table knows.
#[derive(Clone, Debug)]
pub enum Known<R = Encoded> {
    /// A record.
    Record(R),
    /// A record that is gone. It stays known how often it was born, so that links that were made
    /// for it do not come back with it.
    Gone {
        /// Its id.
        id: Id,
        /// How often it was born.
        births: u32,
    },
    /// A link.
    Link(Box<KnownLink>),
}

/// A link, with the names of the tables of its ends.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownLink {
    /// Its record; its properties are the user's own.
    pub record: Record,
    /// Where it starts.
    pub source: LinkEnd,
    /// Its type.
    pub kind: String,
    /// Where it ends.
    pub target: LinkEnd,
    /// From 0 to 1.
    pub weight: f64,
}

/// One end of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkEnd {
    /// The table.
    pub table: String,
    /// The record, there or yet to come.
    pub id: Id,
    /// The birth of the record that the link belongs to.
    pub birth: u32,
}

impl Database {
    /// The hash of what every tenant knows.
    pub async fn content_hash(&self) -> Result<ContentHash> {
        self.view()?.content_hash().await
    }
}

impl View {
    /// The hash of what every tenant knows, at the version of this view.
    pub async fn content_hash(&self) -> Result<ContentHash> {
        let mut content = ContentHasher::new();
        for tenant in self.every_tenant().await? {
            content.tenant(tenant.tenant_name());
            for table in tenant.tables().await? {
                content.table(&table.name, &table.schema)?;
                content.inventory(tenant.inventory(&table.name).await?).await?;
            }
            content.inventory(tenant.inventory(LINKS).await?).await?;
        }
        Ok(content.finish())
    }

    /// The same moment as each tenant sees it, in the order of their names.
    pub async fn every_tenant(&self) -> Result<Vec<View>> {
        let root = self.as_tenant(Arc::clone(self.handle.shared().tenants.root()));
        let mut tenants = crate::tenants::all(&root).await?;
        tenants.sort_unstable();
        let views = tenants.into_iter();
        Ok(views.map(|(name, number)| self.as_tenant(Tenant::new(number, &name))).collect())
    }

    pub(crate) fn as_tenant(&self, tenant: Arc<Tenant>) -> View {
        View { tenant, ..self.clone() }
    }

    /// Whose view it is.
    pub fn tenant_name(&self) -> &str {
        &self.tenant.name
    }

    /// What a table knows, the table `links` included.
    pub async fn inventory(&self, table: &str) -> Result<Inventory> {
        let table = self.table_named(table).await?;
        let rows = |key| Some(Range::prefix(key).forward());
        let tenant = self.tenant.number;
        Ok(Inventory {
            view: self.clone(),
            records: rows(keys::records(tenant, table.number)),
            births: rows(keys::births(tenant, table.number)).filter(|_| !is_links(&table)),
            table,
            names: HashMap::new(),
        })
    }
}

fn is_links(table: &Table) -> bool {
    table.number == number::LINKS
}

/// What a table knows, a page at a time: its records by id, then what is gone by id.
pub struct Inventory {
    view: View,
    table: Arc<Table>,
    records: Option<Scan>,
    births: Option<Scan>,
    /// Of the tables that links name; `None` for those that were dropped.
    names: HashMap<TableNo, Option<String>>,
}

impl Inventory {
    /// The next page; `None` behind the last one. A page may be empty.
    pub async fn page(&mut self) -> Result<Option<Vec<Known>>> {
        if let Some(scan) = self.records.take() {
            let page = self.view.source.page(&scan).await?;
            self.records = page.rest;
            return match is_links(&self.table) {
                true => self.links(&page.rows).await.map(Some),
                false => {
                    let label = self.table.label;
                    let known = |row| Encoded::read(label, row).map(Known::Record);
                    page.rows.into_iter().map(known).collect::<Result<_>>().map(Some)
                }
            };
        }
        let Some(scan) = self.births.take() else { return Ok(None) };
        let page = self.view.source.page(&scan).await?;
        self.births = page.rest;
        self.gone(&page.rows).await.map(Some)
    }

    /// Those of the births whose record is not there.
    async fn gone(&self, rows: &[Row]) -> Result<Vec<Known>> {
        let mut births = Vec::with_capacity(rows.len());
        for row in rows {
            let (tenant, table, id) = keys::birth_split(&row.key)?;
            births.push((keys::record(tenant, table, &id), id, count(&row.value)?));
        }
        let asked: Vec<&[u8]> = births.iter().map(|(key, ..)| &key[..]).collect();
        let there = self.view.source.get_many(&asked).await?;
        let gone = births.into_iter().zip(there).filter(|(_, there)| there.is_none());
        Ok(gone.map(|((_, id, births), _)| Known::Gone { id, births }).collect())
    }

    /// Those of the links whose ends are in the births that they were made for, or before them.
    async fn links(&mut self, rows: &[Row]) -> Result<Vec<Known>> {
        let tenant = self.view.tenant.number;
        let mut arcs = Vec::with_capacity(rows.len());
        let mut asked = Vec::with_capacity(2 * rows.len());
        for row in rows {
            let (_, payload) = entry::check(&row.value)?;
            let arc = LinkArc::read(RecordRef::new(payload)?)?;
            asked.push(keys::birth(tenant, arc.source.table, &arc.source.id));
            asked.push(keys::birth(tenant, arc.target.table, &arc.target.id));
            arcs.push(arc);
        }
        let asked: Vec<&[u8]> = asked.iter().map(Vec::as_slice).collect();
        let births = self.view.source.get_many(&asked).await?;
        let mut links = Vec::new();
        for ((row, arc), births) in rows.iter().zip(arcs).zip(births.chunks(2)) {
            let over = |at: usize| births[at].as_ref().map_or(Ok(0), |bytes| count(bytes));
            let alive = over(0)? < arc.source_birth && over(1)? < arc.target_birth;
            let names = (self.name(arc.source.table).await?, self.name(arc.target.table).await?);
            if let (true, (Some(source), Some(target))) = (alive, names) {
                let (_, _, id) = keys::record_split(&row.key)?;
                let (version, payload) = entry::split(&row.value)?;
                let record = RecordRef::new(payload)?.to_record(id, LINKS, version)?;
                let link = KnownLink::new(record, arc, source, target)?;
                links.push(Known::Link(Box::new(link)));
            }
        }
        Ok(links)
    }

    async fn name(&mut self, table: TableNo) -> Result<Option<String>> {
        if let Some(name) = self.names.get(&table) {
            return Ok(name.clone());
        }
        let name = self.view.find_numbered(table).await?.map(|table| table.name.clone());
        self.names.insert(table, name.clone());
        Ok(name)
    }
}

/// What an entry of births says.
pub(crate) fn count(bytes: &[u8]) -> Result<u32> {
    match entry::check(bytes)?.1.try_into() {
        Ok(births) => Ok(u32::from_le_bytes(births)),
        Err(_) => Err(Error::corrupt("ENTRY_DAMAGED", "a count of births is damaged")),
    }
}

impl KnownLink {
    /// The link that `record` of the table of links is.
    pub(crate) fn new(
        mut record: Record,
        arc: LinkArc,
        source: String,
        target: String,
    ) -> Result<Self> {
        let own = record.properties.get_mut("properties").map(Json::take);
        record.properties =
            own.ok_or_else(|| Error::corrupt("LINK_DAMAGED", "a stored link has no properties"))?;
        let end = |table, end: End, birth| LinkEnd { table, id: end.id, birth };
        Ok(KnownLink {
            record,
            source: end(source, arc.source, arc.source_birth),
            kind: arc.kind,
            target: end(target, arc.target, arc.target_birth),
            weight: arc.weight,
        })
    }

    /// The properties of its record, with whatever stands for the tables.
    pub(crate) fn properties(&self, source: Json, target: Json) -> Json {
        let end = |table: Json, end: &LinkEnd| {
            let id = end.id.to_string();
            serde_json::json!({"table": table, "id": id, "birth": end.birth})
        };
        serde_json::json!({
            "source": end(source, &self.source),
            "type": self.kind,
            "target": end(target, &self.target),
            "weight": self.weight,
            "properties": self.record.properties,
        })
    }

    /// The payload of its record, with names of tables instead of numbers.
    pub(crate) fn named_payload(&self, target: &mut Vec<u8>) -> Result<()> {
        let names = (self.source.table.as_str().into(), self.target.table.as_str().into());
        let properties = self.properties(names.0, names.1);
        let body = Body { properties: &properties, ..self.record.body() };
        encode_record(&body, target)
    }
}

/// What each part of a hash begins with, so that none can be taken for another.
pub(crate) mod part {
    pub(crate) const TENANT: u8 = 1;
    pub(crate) const TABLE: u8 = 2;
    pub(crate) const RECORD: u8 = 3;
    pub(crate) const GONE: u8 = 4;
    pub(crate) const LINK: u8 = 5;
    pub(crate) const SCHEMA: u8 = 6;
}

/// Makes the hash of a content of what is said in its order.
pub struct ContentHasher {
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
}

impl ContentHasher {
    /// Nothing is known yet.
    #[expect(clippy::new_without_default, reason = "an empty hash is no default of anything")]
    pub fn new() -> Self {
        ContentHasher::of(CONTENT_DOMAIN)
    }

    pub(crate) fn of(domain: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(domain);
        ContentHasher { hasher, buffer: Vec::new() }
    }

    /// What follows belongs to this tenant.
    pub fn tenant(&mut self, name: &str) {
        self.part(part::TENANT);
        self.bytes(name.as_bytes());
    }

    /// What follows belongs to this table, unless it is a link.
    pub fn table(&mut self, name: &str, schema: &Json) -> Result<()> {
        self.part(part::TABLE);
        self.bytes(name.as_bytes());
        self.json(schema)
    }

    /// Something that the table, or the tenant, knows.
    pub fn known(&mut self, known: &Known) -> Result<()> {
        match known {
            Known::Record(record) => {
                self.part(part::RECORD);
                self.fixed(record.id().as_bytes());
                self.bytes(entry::split(record.bytes())?.1);
            }
            Known::Gone { id, births } => {
                self.part(part::GONE);
                self.fixed(id.as_bytes());
                self.fixed(&births.to_le_bytes());
            }
            Known::Link(link) => {
                self.part(part::LINK);
                self.fixed(link.record.id.as_bytes());
                self.link(link)?;
            }
        }
        Ok(())
    }

    async fn inventory(&mut self, mut inventory: Inventory) -> Result<()> {
        while let Some(page) = inventory.page().await? {
            page.iter().try_for_each(|known| self.known(known))?;
        }
        Ok(())
    }

    /// The hash of all that was said.
    pub fn finish(self) -> ContentHash {
        ContentHash(*self.hasher.finalize().as_bytes())
    }

    pub(crate) fn part(&mut self, part: u8) {
        self.hasher.update(&[part]);
    }

    /// Bytes whose number is known.
    pub(crate) fn fixed(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// Bytes, behind their number.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.hasher.update(&(bytes.len() as u64).to_le_bytes());
        self.hasher.update(bytes);
    }

    pub(crate) fn json(&mut self, json: &Json) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        encode(json, &mut buffer)?;
        self.bytes(&buffer);
        self.buffer = buffer;
        Ok(())
    }

    pub(crate) fn link(&mut self, link: &KnownLink) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        link.named_payload(&mut buffer)?;
        self.bytes(&buffer);
        self.buffer = buffer;
        Ok(())
    }
}
