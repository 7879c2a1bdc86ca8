//! Which records: written as a SQL expression, held against a record, planned onto an index.
//!
//! | written | holds where |
//! |---|---|
//! | `a.b = 5`, `<>`, `!=`, `<`, `<=`, `>`, `>=`; `5 = a.b` | the value compares so |
//! | `a [NOT] IN ('x', 'y')` | it equals one of them |
//! | `a [NOT] BETWEEN 1 AND 5` | it is one of them or between them |
//! | `a [NOT] LIKE 'x%'`, `ILIKE` | it is text like that; `ILIKE` whatever the case |
//! | `a IS [NOT] NULL` | there is nothing: absent, null, an array with nothing in it |
//! | `a`, `a IS [NOT] TRUE`, `a IS [NOT] FALSE` | it is true or false, or not |
//! | `AND`, `OR`, `NOT`, `( )`, `TRUE`, `FALSE` | as in SQL |
//!
//! In a pattern `%` is any text and `_` any character. `\` takes their meaning away, another sign
//! does after `ESCAPE '!'`, and none after `ESCAPE ''`.
//!
//! A name is the path of a property, as [`Path`] is written; `"a name"` in double quotes is one
//! step of a path and may be anything. Case counts in names, not in keywords, and a keyword is a
//! name where it can be nothing else. `_id`, `_key`, `_version`, `_created_at`, `_modified_at`,
//! `_valid_from` and `_valid_until` are of the record itself (`"_key"` is a property); instants are
//! texts in RFC 3339, a key is compared as it was given. Texts are in single quotes.
//!
//! **Logic has three values.** A comparison with nothing is unknown, and so is one of different
//! types: nothing is converted. What is unknown holds no more than what is false, and `NOT` of it
//! is unknown. Numbers compare exactly, whatever their form; texts by their code points; false is
//! less than true.
//!
//! **Of an array, a comparison asks for an element.** `tags = 'a'` holds if one of them is `a`, and
//! `tags <> 'a'` if one of them is not; `NOT tags = 'a'` if none is. A lower and an upper bound of
//! the same path that `AND` joins are one range, as `BETWEEN` is: they ask for one element. Of the
//! types of elements, and of nulls among them, what was said above holds.
//!
//! A predicate is a tree of bounded depth, so whatever walks it may recurse.

mod bounds; // two bounds that are one range
mod closed; // names that a closed table does not have
mod parse; // text to predicate
mod pattern; // LIKE
mod plan; // predicate to ranges of an index
mod subject; // what is asked of a record
mod tokens; // text to words, literals, signs
mod value; // literals, and what they are compared with
mod write; // predicate to text

use kenning_record::{Id, Json, Path, RecordRef, Version};
use kenning_store::{Error, Result};

pub use plan::Plan;

use bounds::Joined;
use pattern::Pattern;
use subject::Subject;
use value::{Literal, Type};

/// The most bytes of a predicate as it is written.
pub const PREDICATE_BYTES_MAX: usize = 64 << 10;

/// How deep parentheses and `NOT` may be nested in each other.
pub const PREDICATE_DEPTH_MAX: usize = 64;

/// Which records.
///
/// ```
/// use kenning_index::Predicate;
/// let predicate = Predicate::parse("city = 'Bern' and (age > 30 or vip)")?;
/// assert_eq!(predicate.to_string(), "city = 'Bern' AND (age > 30 OR vip)");
/// assert_eq!(predicate, Predicate::parse(&predicate.to_string())?);
/// let error = Predicate::parse("city = Bern").unwrap_err();
/// assert_eq!(error.code(), "PREDICATE_MALFORMED");
/// # Ok::<(), kenning_store::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Predicate(Node);

#[derive(Clone, Debug, PartialEq)]
enum Node {
    /// All of them; true if there is none. Never nested in each other, never just one.
    All(Vec<Node>),
    /// One of them; false if there is none. Never nested in each other, never just one.
    Any(Vec<Node>),
    /// Never nested in each other.
    Not(Box<Node>),
    /// Whether it is known to be true, or known to be false.
    Is(Box<Node>, bool),
    /// What is asked of a value.
    Asks(Name, Test),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Property(Path),
    Own(Own),
}

/// What a record has besides its properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Own {
    Id,
    Key,
    Version,
    CreatedAt,
    ModifiedAt,
    ValidFrom,
    ValidUntil,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Null,
    Equal(Literal),
    Unequal(Literal),
    /// It has at least one bound.
    Range(Option<Bound>, Option<Bound>),
    /// There is at least one.
    Among(Vec<Literal>),
    Like(Pattern),
}

#[derive(Clone, Debug, PartialEq)]
struct Bound {
    literal: Literal,
    inclusive: bool,
}

/// What is known of a condition. Of several, `AND` takes the least and `OR` the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Truth {
    False,
    Unknown,
    True,
}

impl Predicate {
    /// Reads a predicate. What is wrong, where, and what was expected there, is in the error.
    pub fn parse(text: &str) -> Result<Predicate> {
        parse::predicate(text).map(Predicate)
    }

    /// The property at `path` equals `value`; with null, there is nothing.
    pub fn equal(path: &str, value: impl Into<Json>) -> Result<Predicate> {
        let value = value.into();
        if value.is_null() {
            return asks(path, Test::Null);
        }
        asks(path, Test::Equal(Literal::of_json(&value)?))
    }

    /// It is at least `from` and less than `until`; one of them may be missing.
    pub fn range(path: &str, from: Option<Json>, until: Option<Json>) -> Result<Predicate> {
        let bound = |value: Option<Json>, inclusive| -> Result<_> {
            let literal = value.map(|value| Literal::of_json(&value)).transpose()?;
            Ok(literal.map(|literal| Bound { literal, inclusive }))
        };
        let (from, until) = (bound(from, true)?, bound(until, false)?);
        let Some(first) = from.as_ref().or(until.as_ref()) else {
            return Err(Error::invalid("RANGE_EMPTY", "a range needs a bound"));
        };
        let has_type = |bound: &Bound| bound.literal.is(first.literal.kind());
        if first.literal.is(Type::Null) || !from.iter().chain(&until).all(has_type) {
            let message = "the bounds of a range have different types, or are null";
            return Err(Error::invalid("RANGE_TYPES", message));
        }
        asks(path, Test::Range(from, until))
    }

    /// It is text that begins with `prefix`.
    pub fn prefix(path: &str, prefix: &str) -> Result<Predicate> {
        asks(path, Test::Like(Pattern::prefix(prefix)))
    }

    /// It equals one of `values`; as in SQL, nothing equals a null among them.
    pub fn among(path: &str, values: impl IntoIterator<Item = Json>) -> Result<Predicate> {
        let literals = values.into_iter().map(|value| Literal::of_json(&value));
        let literals = literals.collect::<Result<Vec<_>>>()?;
        match literals.is_empty() {
            true => Ok(Predicate(Node::Any(Vec::new()))),
            false => asks(path, Test::Among(literals)),
        }
    }

    /// Both hold.
    pub fn and(self, other: Predicate) -> Result<Predicate> {
        Predicate(Node::all(vec![self.0, other.0])).bounded()
    }

    /// One of them holds.
    pub fn or(self, other: Predicate) -> Result<Predicate> {
        Predicate(Node::any(vec![self.0, other.0])).bounded()
    }

    /// It is known not to hold.
    pub fn negated(self) -> Result<Predicate> {
        Predicate(Node::not(self.0)).bounded()
    }

    /// Whether it asks nothing.
    pub fn is_always(&self) -> bool {
        self.0 == Node::All(Vec::new())
    }

    /// Whether a record passes. Of its properties only those are read that are asked.
    pub fn holds(&self, id: Id, version: Version, record: RecordRef<'_>) -> Result<bool> {
        if self.is_always() {
            return Ok(true);
        }
        let subject = Subject { id, version, record, properties: record.properties()? };
        Ok(self.0.truth(&subject)? == Truth::True)
    }

    /// The paths of the properties that are asked, each once.
    pub fn names(&self) -> Vec<&Path> {
        let mut names = Vec::new();
        self.0.names(&mut names);
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What a program puts together is bounded as what a person writes is.
    fn bounded(self) -> Result<Predicate> {
        let depth = self.0.depth();
        if depth > PREDICATE_DEPTH_MAX {
            return Err(too_deep());
        }
        let size = write::size(&self.0);
        if size > PREDICATE_BYTES_MAX { Err(too_long(size)) } else { Ok(self) }
    }
}

impl Default for Predicate {
    /// Every record.
    fn default() -> Self {
        Predicate(Node::All(Vec::new()))
    }
}

impl Node {
    fn all(nodes: Vec<Node>) -> Node {
        let mut all = Joined::default();
        for node in nodes {
            match node {
                Node::All(inner) => inner.into_iter().for_each(|node| all.push(node)),
                Node::Any(_) | Node::Not(_) | Node::Is(..) | Node::Asks(..) => all.push(node),
            }
        }
        let mut all = all.nodes;
        if all.len() == 1 { all.remove(0) } else { Node::All(all) }
    }

    fn any(nodes: Vec<Node>) -> Node {
        let mut any = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node {
                Node::Any(inner) => any.extend(inner),
                Node::All(_) | Node::Not(_) | Node::Is(..) | Node::Asks(..) => any.push(node),
            }
        }
        if any.len() == 1 { any.remove(0) } else { Node::Any(any) }
    }

    fn not(node: Node) -> Node {
        match node {
            Node::Not(inner) => *inner,
            Node::All(_) | Node::Any(_) | Node::Is(..) | Node::Asks(..) => {
                Node::Not(Box::new(node))
            }
        }
    }

    fn truth(&self, subject: &Subject<'_>) -> Result<Truth> {
        match self {
            Node::All(nodes) => {
                let mut truth = Truth::True;
                for node in nodes {
                    truth = truth.min(node.truth(subject)?);
                    if truth == Truth::False {
                        break;
                    }
                }
                Ok(truth)
            }
            Node::Any(nodes) => {
                let mut truth = Truth::False;
                for node in nodes {
                    truth = truth.max(node.truth(subject)?);
                    if truth == Truth::True {
                        break;
                    }
                }
                Ok(truth)
            }
            Node::Not(node) => node.truth(subject).map(Truth::negated),
            Node::Is(node, truth) => Ok(Truth::of(node.truth(subject)? == Truth::of(*truth))),
            Node::Asks(name, test) => subject.truth(name, test),
        }
    }

    fn names<'a>(&'a self, target: &mut Vec<&'a Path>) {
        match self {
            Node::All(nodes) | Node::Any(nodes) => {
                nodes.iter().for_each(|node| node.names(target));
            }
            Node::Not(node) | Node::Is(node, _) => node.names(target),
            Node::Asks(Name::Property(path), _) => target.push(path),
            Node::Asks(Name::Own(_), _) => {}
        }
    }

    /// How deep it is, at least as deep as the parentheses and `NOT` that it is written with.
    fn depth(&self) -> usize {
        match self {
            Node::All(nodes) | Node::Any(nodes) => {
                1 + nodes.iter().map(Node::depth).max().unwrap_or(0)
            }
            Node::Not(node) | Node::Is(node, _) => 1 + node.depth(),
            Node::Asks(..) => 1,
        }
    }
}

fn asks(path: &str, test: Test) -> Result<Predicate> {
    Predicate(Node::Asks(Name::Property(path.parse()?), test)).bounded()
}

impl Truth {
    fn of(truth: bool) -> Truth {
        if truth { Truth::True } else { Truth::False }
    }

    fn negated(self) -> Truth {
        match self {
            Truth::False => Truth::True,
            Truth::Unknown => Truth::Unknown,
            Truth::True => Truth::False,
        }
    }
}

impl Own {
    const ALL: [Own; 7] = [
        Own::Id,
        Own::Key,
        Own::Version,
        Own::CreatedAt,
        Own::ModifiedAt,
        Own::ValidFrom,
        Own::ValidUntil,
    ];

    fn name(self) -> &'static str {
        match self {
            Own::Id => "_id",
            Own::Key => "_key",
            Own::Version => "_version",
            Own::CreatedAt => "_created_at",
            Own::ModifiedAt => "_modified_at",
            Own::ValidFrom => "_valid_from",
            Own::ValidUntil => "_valid_until",
        }
    }

    fn of_name(name: &str) -> Option<Own> {
        Own::ALL.into_iter().find(|own| own.name() == name)
    }
}

fn too_deep() -> Error {
    let message = format!("a predicate is nested deeper than {PREDICATE_DEPTH_MAX}");
    Error::exhausted("PREDICATE_TOO_DEEP", message)
}

fn too_long(size: usize) -> Error {
    let message = format!("a predicate has {size} bytes, the most is {PREDICATE_BYTES_MAX}");
    Error::exhausted("PREDICATE_TOO_LONG", message)
}
