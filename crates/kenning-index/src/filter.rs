//! A question about property values, and the index that answers it.
//!
//! Every test is a range of ordered bytes. An index answers a question when its leading paths are
//! asked for equality and the next one for any range; what it does not cover is checked on the
//! record. A hit is checked on the record in any case: an index may only be slow, never wrong.

use kenning_record::{IndexSpec, Json, Path, RecordRef, keys, order_compared, order_json};
use kenning_record::{TableNo, TenantNo};
use kenning_store::{Error, Key, Range, Result};

use crate::fields::is_ordered;

/// What is asked of the records of a table.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Every test must hold.
    pub tests: Vec<(String, Test)>,
    /// At most so many records.
    pub limit: Option<usize>,
    /// Largest value first.
    pub reverse: bool,
}

/// What is asked of one property. For an array it holds if it holds for an element.
#[derive(Clone, Debug)]
pub enum Test {
    /// It equals this scalar; null also means absent.
    Equal(Json),
    /// It has the type of the bounds and lies between them, the first one included.
    Range(Option<Json>, Option<Json>),
    /// It is text that begins so.
    Prefix(String),
}

impl Filter {
    /// Records whose property at `path` equals `value`.
    pub fn equal(path: &str, value: impl Into<Json>) -> Self {
        Filter::default().and(path, Test::Equal(value.into()))
    }

    /// Records whose properties equal these values.
    pub fn equals(values: &[(&str, Json)]) -> Self {
        let tests = values.iter().map(|(path, value)| ((*path).into(), Test::Equal(value.clone())));
        Filter { tests: tests.collect(), ..Filter::default() }
    }

    /// Records whose property at `path` is at least `from` and less than `until`.
    pub fn range(path: &str, from: Option<Json>, until: Option<Json>) -> Self {
        Filter::default().and(path, Test::Range(from, until))
    }

    /// Records whose property at `path` is text that begins with `prefix`.
    pub fn prefix(path: &str, prefix: &str) -> Self {
        Filter::default().and(path, Test::Prefix(prefix.into()))
    }

    /// The same, and `test` holds at `path`.
    #[must_use]
    pub fn and(mut self, path: &str, test: Test) -> Self {
        self.tests.push((path.into(), test));
        self
    }

    /// The same, at most `limit` records.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The same, largest first.
    #[must_use]
    pub fn reverse(mut self) -> Self {
        self.reverse = true;
        self
    }

    /// The question in bytes.
    pub fn question(&self) -> Result<Question> {
        let term = |(path, test): &(String, Test)| {
            Ok(Term { path: path.parse()?, equal: test.is_equal(), bounds: test.bounds()? })
        };
        Ok(Question { terms: self.tests.iter().map(term).collect::<Result<_>>()? })
    }
}

impl Test {
    fn is_equal(&self) -> bool {
        match self {
            Test::Equal(_) => true,
            Test::Range(..) | Test::Prefix(_) => false,
        }
    }

    fn bounds(&self) -> Result<Range> {
        match self {
            Test::Equal(value) => Ok(Range::prefix(ordered(value)?)),
            Test::Range(from, until) => range(from.as_ref(), until.as_ref()),
            Test::Prefix(prefix) => {
                let mut bytes = ordered(&Json::from(""))?;
                bytes.truncate(1);
                Key::escape_into(prefix.as_bytes(), &mut bytes);
                bytes.truncate(bytes.len() - 2); // without the end of the text
                Ok(Range::prefix(bytes))
            }
        }
    }
}

/// A range ends with the type of its bound: a number is never less than a text.
fn range(from: Option<&Json>, until: Option<&Json>) -> Result<Range> {
    let (from, until) = (from.map(ordered).transpose()?, until.map(ordered).transpose()?);
    let Some(tag) = from.as_ref().or(until.as_ref()).map(|bytes| bytes[0]) else {
        return Err(Error::invalid("RANGE_EMPTY", "a range needs a bound"));
    };
    if let (Some(from), Some(until)) = (&from, &until)
        && from[0] != until[0]
    {
        return Err(Error::invalid("RANGE_TYPES", "the bounds of a range have different types"));
    }
    let whole = Range::prefix([tag]);
    Ok(Range { from: from.unwrap_or(whole.from), until: until.or(whole.until) })
}

fn ordered(value: &Json) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    order_json(value, &mut bytes)?;
    Ok(bytes)
}

fn null() -> Vec<u8> {
    ordered(&Json::Null).expect("null is a scalar")
}

/// A filter in bytes.
pub struct Question {
    terms: Vec<Term>,
}

struct Term {
    path: Path,
    equal: bool,
    bounds: Range,
}

/// Where in which index the answer is.
pub struct Plan {
    /// The position of the index among those offered.
    pub index_idx: usize,
    /// The entries to read.
    pub range: Range,
}

impl Question {
    /// Whether `record` passes every test. Values may be longer, and more, than an index takes.
    pub fn holds(&self, record: RecordRef<'_>) -> Result<bool> {
        let mut bytes = Vec::new();
        for term in &self.terms {
            let (mut any, mut passes) = (false, false);
            record.properties()?.path(&term.path, &mut |value| {
                if !passes && is_ordered(value)? {
                    any = true;
                    bytes.clear();
                    order_compared(value, &mut bytes)?;
                    passes = term.bounds.contains(&bytes);
                }
                Ok(())
            })?;
            if !passes && (any || !term.bounds.contains(&null())) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The index that narrows most: the one with the most of its leading paths asked for.
    pub fn plan<'a>(
        &self,
        tenant: TenantNo,
        table: TableNo,
        indexes: impl Iterator<Item = (usize, u32, &'a IndexSpec)>,
    ) -> Option<Plan> {
        indexes
            .filter_map(|(index_idx, number, spec)| {
                let (covered, from, until) = self.cover(spec)?;
                let prefix = keys::fields(tenant, table, number);
                let until = match until {
                    Some(until) => Some([&prefix[..], &until].concat()),
                    None => Range::prefix(prefix.clone()).until,
                };
                let range = Range { from: [&prefix[..], &from].concat(), until };
                Some((covered, Plan { index_idx, range }))
            })
            .max_by_key(|(covered, plan)| (*covered, usize::MAX - plan.index_idx))
            .map(|(_, plan)| plan)
    }

    /// How many leading paths of `spec` are asked for, and the range of values.
    fn cover(&self, spec: &IndexSpec) -> Option<(usize, Vec<u8>, Option<Vec<u8>>)> {
        let null = null();
        let mut prefix = Vec::new();
        let mut covered = 0;
        for path in &spec.paths {
            let asked = || self.terms.iter().filter(|term| &term.path == path);
            // A unique index has no entries for nulls, so it can't answer for them.
            if asked().any(|term| spec.unique && term.bounds.contains(&null)) {
                return None;
            }
            if let Some(term) = asked().find(|term| term.equal) {
                prefix.extend_from_slice(&term.bounds.from);
                covered += 1;
                continue;
            }
            let Some(term) = asked().next() else { break };
            let until = term.bounds.until.as_ref().map(|until| [&prefix[..], until].concat());
            return Some((covered + 1, [&prefix[..], &term.bounds.from].concat(), until));
        }
        // A unique index also has none where a later path is null.
        if covered == 0 || (spec.unique && covered < spec.paths.len()) {
            return None;
        }
        let range = Range::prefix(prefix);
        Some((covered, range.from, range.until))
    }
}
