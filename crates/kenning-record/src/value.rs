//! The compact binary form of JSON, from which one property is read without decoding the rest.
//!
//! An object is a table of where its members end, then the members, sorted by name: a name is found
//! by bisection, and its value is a slice. Everything else in the document is not looked at. Equal
//! values give equal bytes: names are sorted, numbers have one shortest form, and the width of a
//! table follows from the size of what it describes. A reader trusts nothing: every length is
//! checked against the bytes that are there, nothing is allocated by a claimed length, and nesting
//! ends at [`DEPTH_MAX`].
//!
//! Specified in `docs/format/values.md`.

use kenning_store::{Error, Result};

use crate::record::RECORD_BYTES_MAX;
use crate::{Json, Path, varint};

/// How deep arrays and objects may be nested in each other.
pub const DEPTH_MAX: usize = 64;

const NULL: u8 = 0x00;
const FALSE: u8 = 0x01;
const TRUE: u8 = 0x02;
const INT: u8 = 0x03;
const UINT: u8 = 0x04;
const FLOAT: u8 = 0x05;
const TEXT: u8 = 0x06;
// The low bits of a container's tag say how wide the ends in its table are.
const ARRAY: u8 = 0x10;
const OBJECT: u8 = 0x20;
const WIDTH_BITS: u8 = 0x03;
const WIDTHS: [usize; 3] = [1, 2, 4];

/// What kind of value it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nothing.
    Null,
    /// True or false.
    Bool,
    /// An integer or a fraction.
    Number,
    /// A string.
    Text,
    /// A list.
    Array,
    /// Names with values.
    Object,
}

/// A value without parts, as it is read from either form of a document.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(&'a str),
}

/// Appends the bytes of `value`. After an error `target` is as it was.
///
/// ```
/// use kenning_record::{ValueRef, encode};
/// let mut bytes = Vec::new();
/// encode(&serde_json::json!({"name": "Ada", "born": 1815}), &mut bytes)?;
/// let born = ValueRef::new(&bytes).get("born")?.expect("it was written");
/// assert_eq!(born.as_i64()?, Some(1815));
/// # Ok::<(), kenning_store::Error>(())
/// ```
pub fn encode(value: &Json, target: &mut Vec<u8>) -> Result<()> {
    let start = target.len();
    let mut encoder = Encoder { target, start, ends: Vec::new() };
    let result = encoder.value(value, 0).and_then(|()| encoder.check_size());
    if result.is_err() {
        target.truncate(start);
    }
    result
}

/// A value in its bytes; nothing is decoded before it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct ValueRef<'a>(&'a [u8]);

impl<'a> ValueRef<'a> {
    /// The value that `bytes` are. Damage is noticed by whoever reads the damaged part.
    pub fn new(bytes: &'a [u8]) -> Self {
        ValueRef(bytes)
    }

    /// Its bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// What kind of value it is.
    pub fn kind(self) -> Result<Kind> {
        match self.tag()? {
            (NULL, _) => Ok(Kind::Null),
            (FALSE | TRUE, _) => Ok(Kind::Bool),
            (INT | UINT | FLOAT, _) => Ok(Kind::Number),
            (TEXT, _) => Ok(Kind::Text),
            (tag, _) if tag & !WIDTH_BITS == ARRAY => Ok(Kind::Array),
            (tag, _) if tag & !WIDTH_BITS == OBJECT => Ok(Kind::Object),
            _ => Err(damaged("its tag")),
        }
    }

    /// The member `name`; `None` if there is none, or if this is not an object.
    pub fn get(self, name: &str) -> Result<Option<ValueRef<'a>>> {
        let Some(members) = self.container(OBJECT)? else { return Ok(None) };
        let mut from = 0;
        let mut until = members.n;
        while from < until {
            let middle = from + (until - from) / 2;
            let (key, value) = members.member(middle)?;
            match key.cmp(name.as_bytes()) {
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Equal => return Ok(Some(value)),
                std::cmp::Ordering::Greater => until = middle,
            }
        }
        Ok(None)
    }

    /// The one value at `path`, where no array is on the way.
    pub fn at(self, path: &Path) -> Result<Option<ValueRef<'a>>> {
        let mut value = self;
        for step in &path.steps {
            match value.get(step)? {
                Some(inner) => value = inner,
                None => return Ok(None),
            }
        }
        Ok(Some(value))
    }

    /// Shows every value at `path` to `visit`, in order. Arrays, also the last one and those
    /// within arrays, are expanded: `visit` never sees one.
    pub fn path(
        self,
        path: &Path,
        visit: &mut dyn FnMut(ValueRef<'a>) -> Result<()>,
    ) -> Result<()> {
        self.walk(&path.steps, visit, 0)
    }

    /// The text, if it is one.
    pub fn as_str(self) -> Result<Option<&'a str>> {
        match self.scalar()? {
            Some(Scalar::Text(text)) => Ok(Some(text)),
            _ => Ok(None),
        }
    }

    /// The number, if it is an integer that fits.
    pub fn as_i64(self) -> Result<Option<i64>> {
        match self.scalar()? {
            Some(Scalar::Int(number)) => Ok(Some(number)),
            _ => Ok(None),
        }
    }

    /// The number, if it is an integer that fits.
    pub fn as_u64(self) -> Result<Option<u64>> {
        match self.scalar()? {
            Some(Scalar::Int(number)) => Ok(u64::try_from(number).ok()),
            Some(Scalar::Uint(number)) => Ok(Some(number)),
            _ => Ok(None),
        }
    }

    /// The number, if it is one; a large integer is rounded.
    pub fn as_f64(self) -> Result<Option<f64>> {
        match self.scalar()? {
            Some(Scalar::Int(number)) => Ok(Some(number as f64)),
            Some(Scalar::Uint(number)) => Ok(Some(number as f64)),
            Some(Scalar::Float(number)) => Ok(Some(number)),
            _ => Ok(None),
        }
    }

    /// The truth value, if it is one.
    pub fn as_bool(self) -> Result<Option<bool>> {
        match self.scalar()? {
            Some(Scalar::Bool(truth)) => Ok(Some(truth)),
            _ => Ok(None),
        }
    }

    /// Whether it is null.
    pub fn is_null(self) -> Result<bool> {
        Ok(self.kind()? == Kind::Null)
    }

    /// The elements of an array; none if it is something else.
    pub fn items(self) -> Items<'a> {
        Items(Walk::new(self.container(ARRAY)))
    }

    /// The members of an object, sorted by name; none if it is something else.
    pub fn entries(self) -> Entries<'a> {
        Entries(Walk::new(self.container(OBJECT)))
    }

    /// The whole value.
    pub fn decode(self) -> Result<Json> {
        self.decode_at(0)
    }

    /// The value, if it has no parts.
    pub(crate) fn scalar(self) -> Result<Option<Scalar<'a>>> {
        let (tag, mut rest) = self.tag()?;
        let scalar = match tag {
            NULL => Scalar::Null,
            FALSE => Scalar::Bool(false),
            TRUE => Scalar::Bool(true),
            INT => {
                let number = varint::take(&mut rest).ok_or_else(|| damaged("an integer"))?;
                Scalar::Int(varint::unzigzag(number))
            }
            UINT => Scalar::Uint(beyond_i64(u64::from_le_bytes(take_eight(&mut rest)?))?),
            FLOAT => Scalar::Float(finite(f64::from_le_bytes(take_eight(&mut rest)?))?),
            TEXT => {
                let text = varint::take_bytes(&mut rest).ok_or_else(|| damaged("a text"))?;
                Scalar::Text(std::str::from_utf8(text).map_err(|_| damaged("a text"))?)
            }
            _ if matches!(tag & !WIDTH_BITS, ARRAY | OBJECT) => return Ok(None),
            _ => return Err(damaged("its tag")),
        };
        if rest.is_empty() { Ok(Some(scalar)) } else { Err(damaged("its end")) }
    }

    fn tag(self) -> Result<(u8, &'a [u8])> {
        self.0.split_first().map(|(tag, rest)| (*tag, rest)).ok_or_else(|| damaged("its tag"))
    }

    /// The parts, if it is a container of `kind`.
    fn container(self, kind: u8) -> Result<Option<Container<'a>>> {
        let (tag, rest) = self.tag()?;
        if tag & !WIDTH_BITS == kind {
            return Container::read(tag, rest).map(Some);
        }
        // A tag that means nothing is damage, not something else.
        self.kind().map(|_| None)
    }

    fn walk(
        self,
        steps: &[String],
        visit: &mut dyn FnMut(ValueRef<'a>) -> Result<()>,
        depth: usize,
    ) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(damaged("its depth"));
        }
        if self.kind()? == Kind::Array {
            return self.items().try_for_each(|item| item?.walk(steps, visit, depth + 1));
        }
        match steps.split_first() {
            None => visit(self),
            Some((step, rest)) => match self.get(step)? {
                Some(inner) => inner.walk(rest, visit, depth + 1),
                None => Ok(()),
            },
        }
    }

    fn decode_at(self, depth: usize) -> Result<Json> {
        if let Some(scalar) = self.scalar()? {
            return Ok(scalar.into_json());
        }
        if depth == DEPTH_MAX {
            return Err(damaged("its depth"));
        }
        if let Some(items) = self.container(ARRAY)? {
            let items = Items(Walk::new(Ok(Some(items))));
            return items.map(|item| item?.decode_at(depth + 1)).collect();
        }
        let mut object = serde_json::Map::new();
        let mut before: Option<&str> = None;
        for entry in self.entries() {
            let (name, value) = entry?;
            if before.is_some_and(|before| before >= name) {
                return Err(damaged("the order of names"));
            }
            before = Some(name);
            object.insert(name.to_owned(), value.decode_at(depth + 1)?);
        }
        Ok(Json::Object(object))
    }
}

/// The elements of an array.
#[derive(Debug)]
pub struct Items<'a>(Walk<'a>);

impl<'a> Iterator for Items<'a> {
    type Item = Result<ValueRef<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|item| item.map(ValueRef))
    }
}

/// The members of an object, sorted by name.
#[derive(Debug)]
pub struct Entries<'a>(Walk<'a>);

impl<'a> Iterator for Entries<'a> {
    type Item = Result<(&'a str, ValueRef<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|member| {
            let (name, value) = split_member(member?)?;
            let name = std::str::from_utf8(name).map_err(|_| damaged("a name"))?;
            Ok((name, value))
        })
    }
}

impl<'a> Scalar<'a> {
    /// The scalar that `json` is, if it has no parts.
    pub(crate) fn of_json(json: &'a Json) -> Result<Option<Self>> {
        Ok(Some(match json {
            Json::Null => Scalar::Null,
            Json::Bool(truth) => Scalar::Bool(*truth),
            Json::String(text) => Scalar::Text(text),
            Json::Number(number) => {
                if let Some(number) = number.as_i64() {
                    Scalar::Int(number)
                } else if let Some(number) = number.as_u64() {
                    Scalar::Uint(number)
                } else {
                    let number = number.as_f64().filter(|number| number.is_finite());
                    // Adding zero makes -0.0, which equals 0.0, the same bytes.
                    Scalar::Float(number.ok_or_else(not_a_number)? + 0.0)
                }
            }
            Json::Array(_) | Json::Object(_) => return Ok(None),
        }))
    }

    /// The same value as a document.
    pub(crate) fn into_json(self) -> Json {
        match self {
            Scalar::Null => Json::Null,
            Scalar::Bool(truth) => Json::Bool(truth),
            Scalar::Int(number) => Json::from(number),
            Scalar::Uint(number) => Json::from(number),
            Scalar::Float(number) => Json::from(number),
            Scalar::Text(text) => Json::from(text),
        }
    }
}

pub(crate) fn too_deep() -> Error {
    Error::exhausted("TOO_DEEP", format!("a value is nested deeper than {DEPTH_MAX}"))
}

struct Encoder<'t> {
    target: &'t mut Vec<u8>,
    start: usize,
    /// The ends of the containers that are being written, innermost last.
    ends: Vec<u32>,
}

impl Encoder<'_> {
    fn value(&mut self, value: &Json, depth: usize) -> Result<()> {
        match value {
            Json::Array(items) => self.container(ARRAY, items.len(), depth, |encoder, part| {
                items.iter().try_for_each(|item| {
                    encoder.value(item, depth + 1)?;
                    encoder.end_part(part)
                })
            }),
            Json::Object(object) => self.container(OBJECT, object.len(), depth, |encoder, part| {
                let mut member = |(name, value): (&String, &Json)| {
                    varint::push_bytes(name.as_bytes(), encoder.target);
                    encoder.value(value, depth + 1)?;
                    encoder.end_part(part)
                };
                // Whether a map is sorted depends on the features `serde_json` was built with.
                if object.keys().is_sorted() {
                    return object.iter().try_for_each(member);
                }
                let mut members: Vec<_> = object.iter().collect();
                members.sort_unstable_by_key(|(name, _)| *name);
                members.into_iter().try_for_each(&mut member)
            }),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
                let scalar = Scalar::of_json(value)?.expect("arrays and objects went above");
                self.scalar(scalar);
                Ok(())
            }
        }
    }

    fn scalar(&mut self, scalar: Scalar<'_>) {
        match scalar {
            Scalar::Null => self.target.push(NULL),
            Scalar::Bool(truth) => self.target.push(if truth { TRUE } else { FALSE }),
            Scalar::Int(number) => {
                self.target.push(INT);
                varint::push(varint::zigzag(number), self.target);
            }
            Scalar::Uint(number) => {
                self.target.push(UINT);
                self.target.extend_from_slice(&number.to_le_bytes());
            }
            Scalar::Float(number) => {
                self.target.push(FLOAT);
                self.target.extend_from_slice(&number.to_le_bytes());
            }
            Scalar::Text(text) => {
                self.target.push(TEXT);
                varint::push_bytes(text.as_bytes(), self.target);
            }
        }
    }

    /// Writes a container: `parts` appends each part and calls `end_part` with what it is given.
    fn container(
        &mut self,
        kind: u8,
        n: usize,
        depth: usize,
        parts: impl FnOnce(&mut Self, usize) -> Result<()>,
    ) -> Result<()> {
        if depth == DEPTH_MAX {
            return Err(too_deep());
        }
        let tag_at = self.target.len();
        self.target.push(kind);
        varint::push(n as u64, self.target);
        let table_at = self.target.len();
        let ends_from = self.ends.len();
        // Most containers are small: leave room for the narrowest table, move the parts if wrong.
        self.target.resize(table_at + n, 0);
        parts(self, table_at + n)?;
        let area_bytes = self.target.len() - table_at - n;
        let code = width_code(area_bytes);
        let width = WIDTHS[usize::from(code)];
        if width > 1 {
            self.target.resize(table_at + n * width + area_bytes, 0);
            let parts = table_at + n..table_at + n + area_bytes;
            self.target.copy_within(parts, table_at + n * width);
        }
        self.target[tag_at] = kind | code;
        let table = self.target[table_at..table_at + n * width].chunks_exact_mut(width);
        for (place, end) in table.zip(self.ends.drain(ends_from..)) {
            place.copy_from_slice(&end.to_le_bytes()[..width]);
        }
        Ok(())
    }

    fn end_part(&mut self, area_at: usize) -> Result<()> {
        self.check_size()?;
        let end = u32::try_from(self.target.len() - area_at).expect("a record is below 4 GiB");
        self.ends.push(end);
        Ok(())
    }

    fn check_size(&self) -> Result<()> {
        let size = self.target.len() - self.start;
        if size > RECORD_BYTES_MAX { Err(crate::record::too_large(size)) } else { Ok(()) }
    }
}

/// The narrowest width in which every end up to `area_bytes` fits.
fn width_code(area_bytes: usize) -> u8 {
    match area_bytes {
        0..=0xff => 0,
        0x100..=0xffff => 1,
        _ => 2,
    }
}

/// The parts of an array or object.
#[derive(Clone, Copy, Debug)]
struct Container<'a> {
    n: usize,
    width: usize,
    table: &'a [u8],
    area: &'a [u8],
}

impl<'a> Container<'a> {
    fn read(tag: u8, mut rest: &'a [u8]) -> Result<Self> {
        let width = *WIDTHS
            .get(usize::from(tag & WIDTH_BITS))
            .ok_or_else(|| damaged("the width of a table"))?;
        let n = varint::take(&mut rest).and_then(|n| usize::try_from(n).ok());
        let n = n.ok_or_else(|| damaged("a count"))?;
        let (table, area) = n
            .checked_mul(width)
            .and_then(|table_bytes| rest.split_at_checked(table_bytes))
            .ok_or_else(|| damaged("a table"))?;
        let container = Container { n, width, table, area };
        if container.end(n) == area.len() { Ok(container) } else { Err(damaged("its end")) }
    }

    /// Where part `n - 1` ends, which is where part `n` begins.
    fn end(&self, n: usize) -> usize {
        let Some(idx) = n.checked_sub(1) else { return 0 };
        let mut bytes = [0; 4];
        let place = &self.table[idx * self.width..][..self.width];
        bytes[..self.width].copy_from_slice(place);
        u32::from_le_bytes(bytes) as usize
    }

    fn part(&self, idx: usize) -> Result<&'a [u8]> {
        self.area.get(self.end(idx)..self.end(idx + 1)).ok_or_else(|| damaged("a table"))
    }

    fn member(&self, idx: usize) -> Result<(&'a [u8], ValueRef<'a>)> {
        split_member(self.part(idx)?)
    }
}

/// Walks over the parts of a container; after damage it ends.
#[derive(Debug)]
struct Walk<'a> {
    container: Option<Container<'a>>,
    error: Option<Error>,
    idx: usize,
}

impl<'a> Walk<'a> {
    fn new(container: Result<Option<Container<'a>>>) -> Self {
        match container {
            Ok(container) => Walk { container, error: None, idx: 0 },
            Err(error) => Walk { container: None, error: Some(error), idx: 0 },
        }
    }

    fn next(&mut self) -> Option<Result<&'a [u8]>> {
        if let Some(error) = self.error.take() {
            return Some(Err(error));
        }
        let container = self.container.filter(|container| self.idx < container.n)?;
        let part = container.part(self.idx);
        self.idx += 1;
        if part.is_err() {
            self.container = None;
        }
        Some(part)
    }
}

/// The name and the value of a member.
fn split_member(mut part: &[u8]) -> Result<(&[u8], ValueRef<'_>)> {
    let name = varint::take_bytes(&mut part).ok_or_else(|| damaged("a name"))?;
    Ok((name, ValueRef(part)))
}

fn take_eight(bytes: &mut &[u8]) -> Result<[u8; 8]> {
    let (part, rest) = bytes.split_first_chunk().ok_or_else(|| damaged("a number"))?;
    *bytes = rest;
    Ok(*part)
}

fn beyond_i64(number: u64) -> Result<u64> {
    if i64::try_from(number).is_err() { Ok(number) } else { Err(damaged("a number")) }
}

fn finite(number: f64) -> Result<f64> {
    if number.is_finite() { Ok(number) } else { Err(damaged("a number")) }
}

fn not_a_number() -> Error {
    Error::invalid("NOT_A_NUMBER", "a number is not finite")
}

#[cold]
fn damaged(what: &str) -> Error {
    Error::corrupt("VALUE_DAMAGED", format!("a stored value is damaged at {what}"))
}
