//! Every key of the store, with a reader for each.
//!
//! A key is the byte of its space and then parts that compare as they should; within a space that
//! has a history no key is a prefix of another. Functions named in the plural give what several
//! keys begin with.
//!
//! Specified in `docs/format/keys.md`.

use kenning_store::{Error, Key, KeyReader, Range, Result, Space};

use crate::{End, Id, TableNo, TenantNo, Version, skip_ordered};

/// A link seen from its source: near is the source.
pub const OUT: u8 = 0;
/// A link seen from its target: near is the target.
pub const IN: u8 = 1;

const SWEEP: &str = "sweep";
const TENANT: &str = "tenant";
const INDEX: &str = "index";
const PURGE: &str = "purge";
const IDENTITY: &str = "identity";
const BACKUP: &str = "backup";

const OF_KEY: u8 = 0;
const OF_ALIAS: u8 = 1;

const VERSION_BYTES: usize = size_of::<Version>();
const ID_BYTES: usize = size_of::<Id>();

/// A setting or a counter.
pub fn meta(name: &str) -> Vec<u8> {
    Key::new(Space::Meta).text(name).into_bytes()
}

/// The name in a key made by `meta`.
pub fn meta_split(key: &[u8]) -> Result<String> {
    let mut reader = KeyReader::new(Space::Meta, key)?;
    let name = reader.text()?;
    reader.end().map(|()| name)
}

/// Which database it is.
pub fn identity() -> Vec<u8> {
    meta(IDENTITY)
}

/// A backup that was made into a folder.
pub fn backup(folder: &str, number: u64) -> Vec<u8> {
    Key::new(Space::Meta).text(BACKUP).text(folder).u64(number).into_bytes()
}

/// What all backups begin with.
pub fn backups() -> Vec<u8> {
    meta(BACKUP)
}

/// Folder and number in a key made by `backup`.
pub fn backup_split(key: &[u8]) -> Result<(String, u64)> {
    let mut reader = KeyReader::new(Space::Meta, key)?;
    if reader.text()? != BACKUP {
        return Err(damaged("its name"));
    }
    let parts = (reader.text()?, reader.u64()?);
    reader.end().map(|()| parts)
}

/// Work that waits for the sweeper: the links of a deleted record, or, without an id, all that
/// is left of a dropped table.
pub fn sweep(tenant: TenantNo, table: TableNo, id: Option<&Id>) -> Vec<u8> {
    let key = Key::new(Space::Meta).text(SWEEP).u32(tenant).u32(table);
    key.raw(id.map_or(&[], |id| id.as_bytes())).into_bytes()
}

/// What all work for the sweeper begins with.
pub fn sweeps() -> Vec<u8> {
    meta(SWEEP)
}

/// Tenant, table and id in a key made by `sweep`.
pub fn sweep_split(key: &[u8]) -> Result<(TenantNo, TableNo, Option<Id>)> {
    let mut reader = KeyReader::new(Space::Meta, key)?;
    if reader.text()? != SWEEP {
        return Err(damaged("its name"));
    }
    let (tenant, table) = (reader.u32()?, reader.u32()?);
    let id = if reader.rest().is_empty() { None } else { Some(Id(reader.id()?)) };
    reader.end().map(|()| (tenant, table, id))
}

/// What all work for the sweeper in tables of a tenant begins with.
pub fn sweeps_of(tenant: TenantNo) -> Vec<u8> {
    Key::new(Space::Meta).text(SWEEP).u32(tenant).into_bytes()
}

/// Work that waits for the sweeper: all that is left of a dropped tenant.
pub fn tenant_sweep(tenant: TenantNo) -> Vec<u8> {
    Key::new(Space::Meta).text(TENANT).u32(tenant).into_bytes()
}

/// What all work on dropped tenants begins with.
pub fn tenant_sweeps() -> Vec<u8> {
    meta(TENANT)
}

/// The tenant in a key made by `tenant_sweep`.
pub fn tenant_sweep_split(key: &[u8]) -> Result<TenantNo> {
    let mut reader = KeyReader::new(Space::Meta, key)?;
    if reader.text()? != TENANT {
        return Err(damaged("its name"));
    }
    let tenant = reader.u32()?;
    reader.end().map(|()| tenant)
}

/// Work on an index over property values: filling it, or clearing it away.
pub fn index_work(tenant: TenantNo, table: TableNo, index: u32) -> Vec<u8> {
    Key::new(Space::Meta).text(INDEX).u32(tenant).u32(table).u32(index).into_bytes()
}

/// What all work on indexes of a tenant begins with.
pub fn index_works_of(tenant: TenantNo) -> Vec<u8> {
    Key::new(Space::Meta).text(INDEX).u32(tenant).into_bytes()
}

/// What all work on indexes begins with.
pub fn index_works() -> Vec<u8> {
    meta(INDEX)
}

/// Tenant, table and index in a key made by `index_work`.
pub fn index_work_split(key: &[u8]) -> Result<(TenantNo, TableNo, u32)> {
    let mut reader = KeyReader::new(Space::Meta, key)?;
    if reader.text()? != INDEX {
        return Err(damaged("its name"));
    }
    let parts = (reader.u32()?, reader.u32()?, reader.u32()?);
    reader.end().map(|()| parts)
}

/// A record whose values are to be removed from everywhere.
pub fn purge(tenant: TenantNo, table: TableNo, id: &Id) -> Vec<u8> {
    let key = Key::new(Space::Meta).text(PURGE).u32(tenant).u32(table);
    key.id(id.as_bytes()).into_bytes()
}

/// What all records to be purged begin with.
pub fn purges() -> Vec<u8> {
    meta(PURGE)
}

/// What all records of a tenant to be purged begin with.
pub fn purges_of(tenant: TenantNo) -> Vec<u8> {
    Key::new(Space::Meta).text(PURGE).u32(tenant).into_bytes()
}

/// Tenant, table and id in a key made by `purge`.
pub fn purge_split(key: &[u8]) -> Result<(TenantNo, TableNo, Id)> {
    let mut reader = KeyReader::new(Space::Meta, key)?;
    if reader.text()? != PURGE {
        return Err(damaged("its name"));
    }
    let parts = (reader.u32()?, reader.u32()?, Id(reader.id()?));
    reader.end().map(|()| parts)
}

/// What all names of a tenant begin with.
pub fn names(tenant: TenantNo) -> Vec<u8> {
    Key::new(Space::Names).u32(tenant).into_bytes()
}

/// The last version at an instant.
pub fn clock(instant_ms: u64) -> Vec<u8> {
    Key::new(Space::Clock).u64(instant_ms).into_bytes()
}

/// The instant in a key made by `clock`.
pub fn clock_split(key: &[u8]) -> Result<u64> {
    let mut reader = KeyReader::new(Space::Clock, key)?;
    let instant = reader.u64()?;
    reader.end().map(|()| instant)
}

/// What became of a transaction. Its id is the client's, so another tenant may use the same.
pub fn outcome(tenant: TenantNo, transaction: &[u8; 16]) -> Vec<u8> {
    Key::new(Space::Outcomes).u32(tenant).id(transaction).into_bytes()
}

/// The tenant and the transaction in a key made by `outcome`.
pub fn outcome_split(key: &[u8]) -> Result<(TenantNo, [u8; 16])> {
    let mut reader = KeyReader::new(Space::Outcomes, key)?;
    let parts = (reader.u32()?, reader.id()?);
    reader.end().map(|()| parts)
}

/// How far the follower `name` has come in the log of a tenant.
pub fn watermark(tenant: TenantNo, name: &str) -> Vec<u8> {
    Key::new(Space::Watermarks).u32(tenant).text(name).into_bytes()
}

/// What all watermarks of a tenant begin with.
pub fn watermarks(tenant: TenantNo) -> Vec<u8> {
    Key::new(Space::Watermarks).u32(tenant).into_bytes()
}

/// The tenant and the follower in a key made by `watermark`.
pub fn watermark_split(key: &[u8]) -> Result<(TenantNo, String)> {
    let mut reader = KeyReader::new(Space::Watermarks, key)?;
    let parts = (reader.u32()?, reader.text()?);
    reader.end().map(|()| parts)
}

/// How far the work `id` on a table has come.
pub fn mark(tenant: TenantNo, table: TableNo, id: &Id) -> Vec<u8> {
    Key::new(Space::Marks).u32(tenant).u32(table).id(id.as_bytes()).into_bytes()
}

/// What all marks of a table begin with.
pub fn marks(tenant: TenantNo, table: TableNo) -> Vec<u8> {
    Key::new(Space::Marks).u32(tenant).u32(table).into_bytes()
}

/// Tenant, table and id in a key made by `mark`.
pub fn mark_split(key: &[u8]) -> Result<(TenantNo, TableNo, Id)> {
    id_split(Space::Marks, key)
}

/// Which parts a sealed index of a table has.
pub fn sealed(tenant: TenantNo, table: TableNo, slot: &str) -> Vec<u8> {
    Key::new(Space::Sealed).u32(tenant).u32(table).text(slot).into_bytes()
}

/// What all sealed indexes of a tenant begin with.
pub fn sealed_of(tenant: TenantNo) -> Vec<u8> {
    Key::new(Space::Sealed).u32(tenant).into_bytes()
}

/// Tenant, table and slot in a key made by `sealed`.
pub fn sealed_split(key: &[u8]) -> Result<(TenantNo, TableNo, String)> {
    let mut reader = KeyReader::new(Space::Sealed, key)?;
    let parts = (reader.u32()?, reader.u32()?, reader.text()?);
    reader.end().map(|()| parts)
}

/// What the model of this id says of `text`.
pub fn vector(tenant: TenantNo, model: &str, text: &str) -> Vec<u8> {
    let hash = blake3::hash(text.as_bytes());
    let (half, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
    Key::new(Space::Vectors).u32(tenant).id(&model_hash(model)).id(half).into_bytes()
}

/// What all that a model says begins with.
pub fn vectors_of(tenant: TenantNo, model: &str) -> Vec<u8> {
    Key::new(Space::Vectors).u32(tenant).id(&model_hash(model)).into_bytes()
}

fn model_hash(model: &str) -> [u8; 16] {
    *blake3::hash(model.as_bytes()).as_bytes().first_chunk().expect("a hash has 32 bytes")
}

/// The key of a record. It is made often, and allocates nothing.
pub type RecordKey = [u8; RECORD_KEY_BYTES];

const TENANT_AT: usize = 1;
const TABLE_AT: usize = 5;
const ID_AT: usize = 9;
const RECORD_KEY_BYTES: usize = 25;

const _: () = assert!(TENANT_AT + size_of::<TenantNo>() == TABLE_AT);
const _: () = assert!(TABLE_AT + size_of::<TableNo>() == ID_AT);
const _: () = assert!(ID_AT + size_of::<Id>() == RECORD_KEY_BYTES);

/// A record.
pub fn record(tenant: TenantNo, table: TableNo, id: &Id) -> RecordKey {
    let mut key = [Space::Records.byte(); RECORD_KEY_BYTES];
    key[TENANT_AT..TABLE_AT].copy_from_slice(&tenant.to_be_bytes());
    key[TABLE_AT..ID_AT].copy_from_slice(&table.to_be_bytes());
    key[ID_AT..].copy_from_slice(id.as_bytes());
    key
}

/// What all records of a table begin with.
pub fn records(tenant: TenantNo, table: TableNo) -> Vec<u8> {
    Key::new(Space::Records).u32(tenant).u32(table).into_bytes()
}

/// Tenant, table and id in a key made by `record`.
pub fn record_split(key: &[u8]) -> Result<(TenantNo, TableNo, Id)> {
    id_split(Space::Records, key)
}

/// How often an id has been born.
pub fn birth(tenant: TenantNo, table: TableNo, id: &Id) -> Vec<u8> {
    Key::new(Space::Births).u32(tenant).u32(table).id(id.as_bytes()).into_bytes()
}

/// What all births of a table begin with.
pub fn births(tenant: TenantNo, table: TableNo) -> Vec<u8> {
    Key::new(Space::Births).u32(tenant).u32(table).into_bytes()
}

/// Tenant, table and id in a key made by `birth`.
pub fn birth_split(key: &[u8]) -> Result<(TenantNo, TableNo, Id)> {
    id_split(Space::Births, key)
}

/// The parts of a key in the space of names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameKey {
    /// The tenant.
    pub tenant: TenantNo,
    /// The name, normalized.
    pub normal: String,
    /// The table that knows it.
    pub table: TableNo,
    /// For an alias, whose it is. The id of a key is in the payload.
    pub alias_of: Option<Id>,
}

/// The key of a record: it has no id, so that two claimants meet.
pub fn name_key(tenant: TenantNo, normal: &str, table: TableNo) -> Vec<u8> {
    Key::new(Space::Names).u32(tenant).text(normal).u32(table).u8(OF_KEY).into_bytes()
}

/// An alias of a record; several records may share it.
pub fn name_alias(tenant: TenantNo, normal: &str, table: TableNo, id: &Id) -> Vec<u8> {
    let key = Key::new(Space::Names).u32(tenant).text(normal).u32(table);
    key.u8(OF_ALIAS).id(id.as_bytes()).into_bytes()
}

/// What all bearers of a name begin with, in whichever table.
pub fn names_of(tenant: TenantNo, normal: &str) -> Vec<u8> {
    Key::new(Space::Names).u32(tenant).text(normal).into_bytes()
}

/// What all bearers of a name in one table begin with.
pub fn names_of_table(tenant: TenantNo, normal: &str, table: TableNo) -> Vec<u8> {
    Key::new(Space::Names).u32(tenant).text(normal).u32(table).into_bytes()
}

/// What all names that begin with `normal_prefix` begin with.
pub fn names_prefix(tenant: TenantNo, normal_prefix: &str) -> Vec<u8> {
    const END_BYTES: usize = 2;
    let mut key = names_of(tenant, normal_prefix);
    key.truncate(key.len() - END_BYTES);
    key
}

/// The parts of a key made by `name_key` or `name_alias`.
pub fn name_split(key: &[u8]) -> Result<NameKey> {
    let mut reader = KeyReader::new(Space::Names, key)?;
    let (tenant, normal, table) = (reader.u32()?, reader.text()?, reader.u32()?);
    let alias_of = match reader.u8()? {
        OF_KEY => None,
        OF_ALIAS => Some(Id(reader.id()?)),
        _ => return Err(damaged("its kind of name")),
    };
    reader.end().map(|()| NameKey { tenant, normal, table, alias_of })
}

/// The parts of a key in the space of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FieldKey<'a> {
    /// The tenant.
    pub tenant: TenantNo,
    /// The table.
    pub table: TableNo,
    /// The number of the index.
    pub index: u32,
    /// The values, in their order.
    pub values: &'a [u8],
    /// Whose they are. The id of a unique entry is in the payload.
    pub id: Option<Id>,
}

/// An entry of a field index. `values` are the ordered bytes of each of its values, one after the
/// other. A unique entry has no id, so that two claimants meet.
pub fn field(
    tenant: TenantNo,
    table: TableNo,
    index: u32,
    values: &[u8],
    id: Option<&Id>,
) -> Vec<u8> {
    let key = Key::new(Space::Fields).u32(tenant).u32(table).u32(index).raw(values);
    match id {
        Some(id) => key.id(id.as_bytes()).into_bytes(),
        None => key.into_bytes(),
    }
}

/// What all entries of an index begin with.
pub fn fields(tenant: TenantNo, table: TableNo, index: u32) -> Vec<u8> {
    fields_of(tenant, table, index, &[])
}

/// What all entries of the indexes of a table begin with.
pub fn fields_of_table(tenant: TenantNo, table: TableNo) -> Vec<u8> {
    Key::new(Space::Fields).u32(tenant).u32(table).into_bytes()
}

/// What all entries of an index that have these first values begin with.
pub fn fields_of(tenant: TenantNo, table: TableNo, index: u32, values: &[u8]) -> Vec<u8> {
    field(tenant, table, index, values, None)
}

/// The parts of a key made by `field`, of an index that has `n_values` values.
pub fn field_split(key: &[u8], n_values: usize) -> Result<FieldKey<'_>> {
    let mut reader = KeyReader::new(Space::Fields, key)?;
    let (tenant, table, index) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let rest = reader.rest();
    let mut values_bytes = 0;
    for _ in 0..n_values {
        values_bytes += skip_ordered(&rest[values_bytes..])?;
    }
    let (values, id) = rest.split_at(values_bytes);
    let id = match id.len() {
        0 => None,
        ID_BYTES => Some(Id(*id.first_chunk().expect("its length is that of an id"))),
        _ => return Err(damaged("its end")),
    };
    Ok(FieldKey { tenant, table, index, values, id })
}

/// The parts of a key in the space of links.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinkKey {
    /// The tenant.
    pub tenant: TenantNo,
    /// `OUT` or `IN`.
    pub direction: u8,
    /// The end from which it is seen.
    pub near: End,
    /// Its type.
    pub kind: String,
    /// The other end.
    pub far: End,
}

/// A link, seen from one of its ends. Each link has two entries, one for each direction.
pub fn link(tenant: TenantNo, direction: u8, near: End, kind: &str, far: End) -> Vec<u8> {
    let key = links_key(tenant, direction, near).text(kind);
    key.u32(far.table).id(far.id.as_bytes()).into_bytes()
}

/// What all links of a tenant in one direction begin with.
pub fn links(tenant: TenantNo, direction: u8) -> Vec<u8> {
    Key::new(Space::Links).u32(tenant).u8(direction).into_bytes()
}

/// What all links of one end in one direction begin with.
pub fn links_of(tenant: TenantNo, direction: u8, near: End) -> Vec<u8> {
    links_key(tenant, direction, near).into_bytes()
}

/// What all links of one type and one end in one direction begin with.
pub fn links_of_kind(tenant: TenantNo, direction: u8, near: End, kind: &str) -> Vec<u8> {
    links_key(tenant, direction, near).text(kind).into_bytes()
}

/// The parts of a key made by `link`.
pub fn link_split(key: &[u8]) -> Result<LinkKey> {
    let mut reader = KeyReader::new(Space::Links, key)?;
    let (tenant, direction) = (reader.u32()?, reader.u8()?);
    if !matches!(direction, OUT | IN) {
        return Err(damaged("its direction"));
    }
    let near = End { table: reader.u32()?, id: Id(reader.id()?) };
    let kind = reader.text()?;
    let far = End { table: reader.u32()?, id: Id(reader.id()?) };
    reader.end().map(|()| LinkKey { tenant, direction, near, kind, far })
}

/// What the live entry under `key` was until version `until`.
pub fn history(key: &[u8], until: Version) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(history_bytes(key));
    bytes.push(Space::History.byte());
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(&until.to_be_bytes());
    bytes
}

/// The bytes of a key made by `history`.
pub fn history_bytes(key: &[u8]) -> usize {
    1 + key.len() + VERSION_BYTES
}

/// What the live entries of `range` were. The bounds of `range` must be keys, or what keys begin
/// with, or what comes after that ([`Range::prefix`]); for one key there is [`history_of`].
pub fn history_range(range: &Range) -> Range {
    let space = [Space::History.byte()];
    let until = match &range.until {
        Some(until) => Some([&space, until.as_slice()].concat()),
        None => Range::prefix(space).until,
    };
    Range { from: [&space, range.from.as_slice()].concat(), until }
}

/// What the live entry under `key` was, oldest first.
pub fn history_of(key: &[u8]) -> Range {
    // No key is a prefix of another: only versions follow.
    Range::prefix([&[Space::History.byte()], key].concat())
}

/// The key of the live entry, and until when it was so, in a key made by `history`.
pub fn history_split(key: &[u8]) -> Result<(&[u8], Version)> {
    let split = key.split_first().and_then(|(space, rest)| {
        let (live, until) = rest.split_last_chunk()?;
        (*space == Space::History.byte() && !live.is_empty())
            .then_some((live, Version::from_be_bytes(*until)))
    });
    split.ok_or_else(|| damaged("its version"))
}

/// A transaction in the log.
pub fn log(tenant: TenantNo, version: Version) -> Vec<u8> {
    Key::new(Space::Log).u32(tenant).u64(version).into_bytes()
}

/// What the whole log of a tenant begins with.
pub fn logs(tenant: TenantNo) -> Vec<u8> {
    Key::new(Space::Log).u32(tenant).into_bytes()
}

/// The log of a tenant from version `from` (included) until version `until` (excluded).
pub fn log_range(tenant: TenantNo, from: Version, until: Version) -> Range {
    Range::new(log(tenant, from), log(tenant, until))
}

/// Tenant and version in a key made by `log`.
pub fn log_split(key: &[u8]) -> Result<(TenantNo, Version)> {
    let mut reader = KeyReader::new(Space::Log, key)?;
    let parts = (reader.u32()?, reader.u64()?);
    reader.end().map(|()| parts)
}

/// Every range of keys that begin with a tenant, each with the space that it is in: all that a
/// tenant has but the work for threads under meta.
pub fn ranges_of(tenant: TenantNo) -> Vec<(Space, Range)> {
    let of = |space: Space| Range::prefix(Key::new(space).u32(tenant).into_bytes());
    let mut ranges = Vec::new();
    for space in Space::ALL {
        match space {
            // Keys there don't begin with a tenant; those of history do behind its own byte.
            Space::Meta | Space::Clock | Space::History => {}
            Space::Outcomes
            | Space::Watermarks
            | Space::Marks
            | Space::Sealed
            | Space::Records
            | Space::Births
            | Space::Names
            | Space::Fields
            | Space::Links
            | Space::Log
            | Space::Vectors => ranges.push((space, of(space))),
        }
        if space.is_exact() {
            ranges.push((Space::History, history_range(&of(space))));
        }
    }
    ranges
}

fn links_key(tenant: TenantNo, direction: u8, near: End) -> Key {
    let key = Key::new(Space::Links).u32(tenant).u8(direction);
    key.u32(near.table).id(near.id.as_bytes())
}

fn id_split(space: Space, key: &[u8]) -> Result<(TenantNo, TableNo, Id)> {
    let mut reader = KeyReader::new(space, key)?;
    let parts = (reader.u32()?, reader.u32()?, Id(reader.id()?));
    reader.end().map(|()| parts)
}

fn damaged(what: &str) -> Error {
    Error::corrupt("KEY_DAMAGED", format!("a stored key is damaged at {what}"))
}
