//! Links by source and by target.
//!
//! A link is a record of the system table `links`; its properties name both ends. Each link has two
//! entries, one under each end, whose payload is all that a walk needs. A link is returned only
//! while both ends live in the births that it was made for, which whoever walks checks.

use kenning_record::{End, Id, Json, Kind, RecordRef, TenantNo, Version, keys};
use kenning_store::{Error, KeyReader, Result, Space};

use crate::{Claim, Entries, Entry, Index, Subject};

/// The second part of a link key.
pub mod direction {
    /// Under the source.
    pub const OUT: u8 = 0;
    /// Under the target.
    pub const IN: u8 = 1;
}

/// The index of links. Only the system table `links` has it.
pub struct Links;

/// What a link says, apart from its own properties.
#[derive(Clone, Debug, PartialEq)]
pub struct Arc {
    /// Where it starts.
    pub source: End,
    /// The birth of the source that it belongs to.
    pub source_birth: u32,
    /// Its type.
    pub kind: String,
    /// Where it ends.
    pub target: End,
    /// The birth of the target that it belongs to.
    pub target_birth: u32,
    /// From 0 to 1.
    pub weight: f64,
}

/// One entry of the index, seen from the near end.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkEntry {
    /// Whether the near end is the source or the target.
    pub direction: u8,
    /// The end whose links are listed.
    pub near: End,
    /// The type.
    pub kind: String,
    /// The other end.
    pub far: End,
    /// The birth of the near end that it belongs to.
    pub near_birth: u32,
    /// The birth of the far end that it belongs to.
    pub far_birth: u32,
    /// From 0 to 1.
    pub weight: f64,
    /// Valid from this instant.
    pub valid_from: Option<i64>,
    /// Valid until this instant.
    pub valid_until: Option<i64>,
    /// The record of the link.
    pub link: Id,
    /// The version it is from.
    pub version: Version,
}

impl Index for Links {
    fn entries(&self, subject: &Subject<'_>, target: &mut Entries) -> Result<()> {
        let arc = Arc::read(subject.record)?;
        let (from, until) = subject.record.valid()?;
        for at in [direction::OUT, direction::IN] {
            let out = at == direction::OUT;
            let ends = (arc.source, arc.source_birth, arc.target, arc.target_birth);
            let (near, near_birth, far, far_birth) =
                if out { ends } else { (ends.2, ends.3, ends.0, ends.1) };
            target.push(Entry {
                key: keys::link(subject.tenant, at, near, &arc.kind, far),
                payload: payload(near_birth, far_birth, arc.weight, from, until, subject.id),
                claim: Claim::Shared,
            });
        }
        Ok(())
    }
}

impl Arc {
    /// The properties of its record; `extra` are the user's own.
    pub fn properties(&self, extra: &Json) -> Json {
        let end = |end: &End, birth: u32| {
            let id = end.id.to_string();
            serde_json::json!({"table": end.table, "id": id, "birth": birth})
        };
        serde_json::json!({
            "source": end(&self.source, self.source_birth),
            "type": self.kind,
            "target": end(&self.target, self.target_birth),
            "weight": self.weight,
            "properties": extra,
        })
    }

    /// Reads the record of a link.
    pub fn read(record: RecordRef<'_>) -> Result<Self> {
        let properties = record.properties()?;
        let end = |name| -> Result<(End, u32)> {
            let end = properties.get(name)?.ok_or_else(damaged)?;
            let number = |name| -> Result<u32> {
                let value = end.get(name)?.ok_or_else(damaged)?.as_u64()?.ok_or_else(damaged)?;
                u32::try_from(value).map_err(|_| damaged())
            };
            let id = end.get("id")?.ok_or_else(damaged)?.as_str()?.ok_or_else(damaged)?;
            let id = id.parse().map_err(|_| damaged())?;
            Ok((End { table: number("table")?, id }, number("birth")?))
        };
        let (source, source_birth) = end("source")?;
        let (target, target_birth) = end("target")?;
        let kind = properties.get("type")?.ok_or_else(damaged)?.as_str()?.ok_or_else(damaged)?;
        let weight = properties.get("weight")?.ok_or_else(damaged)?;
        let weight = match weight.kind()? {
            Kind::Number => weight.as_f64()?.ok_or_else(damaged)?,
            Kind::Null | Kind::Bool | Kind::Text | Kind::Array | Kind::Object => {
                return Err(damaged());
            }
        };
        Ok(Arc { source, source_birth, kind: kind.into(), target, target_birth, weight })
    }
}

const NEAR_BIRTH_AT: usize = 0;
const FAR_BIRTH_AT: usize = 4;
const WEIGHT_AT: usize = 8;
const VALID_FROM_AT: usize = 16;
const VALID_UNTIL_AT: usize = 24;
const LINK_AT: usize = 32;
const PAYLOAD_BYTES: usize = 48;
const _: () = assert!(VALID_UNTIL_AT + size_of::<i64>() == LINK_AT);
const _: () = assert!(LINK_AT + size_of::<Id>() == PAYLOAD_BYTES);

fn payload(
    near: u32,
    far: u32,
    weight: f64,
    from: Option<i64>,
    until: Option<i64>,
    link: Id,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PAYLOAD_BYTES);
    bytes.extend_from_slice(&near.to_le_bytes());
    bytes.extend_from_slice(&far.to_le_bytes());
    bytes.extend_from_slice(&weight.to_le_bytes());
    bytes.extend_from_slice(&from.unwrap_or(i64::MIN).to_le_bytes());
    bytes.extend_from_slice(&until.unwrap_or(i64::MAX).to_le_bytes());
    bytes.extend_from_slice(link.as_bytes());
    assert_eq!(bytes.len(), PAYLOAD_BYTES);
    bytes
}

impl LinkEntry {
    /// Reads an entry of the index.
    pub fn read(tenant: TenantNo, key: &[u8], version: Version, payload: &[u8]) -> Result<Self> {
        let mut reader = KeyReader::new(Space::Links, key)?;
        assert_eq!(reader.u32()?, tenant, "a range of links belongs to one tenant");
        let direction = reader.u8()?;
        let near = End { table: reader.u32()?, id: Id(reader.id()?) };
        let kind = reader.text()?;
        let far = End { table: reader.u32()?, id: Id(reader.id()?) };
        reader.end()?;
        let bytes: &[u8; PAYLOAD_BYTES] = payload.try_into().map_err(|_| damaged())?;
        let number = |at: usize| u32::from_le_bytes(array(bytes, at));
        let from = i64::from_le_bytes(array(bytes, VALID_FROM_AT));
        let until = i64::from_le_bytes(array(bytes, VALID_UNTIL_AT));
        Ok(LinkEntry {
            direction,
            near,
            kind,
            far,
            near_birth: number(NEAR_BIRTH_AT),
            far_birth: number(FAR_BIRTH_AT),
            weight: f64::from_le_bytes(array(bytes, WEIGHT_AT)),
            valid_from: (from != i64::MIN).then_some(from),
            valid_until: (until != i64::MAX).then_some(until),
            link: Id(array(bytes, LINK_AT)),
            version,
        })
    }

    /// Whether it is valid at `instant`.
    pub fn is_valid_at(&self, instant: i64) -> bool {
        self.valid_from.is_none_or(|from| from <= instant)
            && self.valid_until.is_none_or(|until| instant < until)
    }
}

fn array<const N: usize>(bytes: &[u8; PAYLOAD_BYTES], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("offsets are inside by the assertion above")
}

fn damaged() -> Error {
    Error::corrupt("LINK_DAMAGED", "a stored link does not name its two ends")
}
