//! What is asked of one record.

use std::cmp::Ordering;

use kenning_record::{Id, Json, RecordRef, ValueRef, Version};
use kenning_store::Result;

use super::value::{Found, place_of_json};
use super::{Name, Own, Test, Truth};

/// The record that is asked.
pub(super) struct Subject<'a> {
    pub(super) id: Id,
    pub(super) version: Version,
    pub(super) record: RecordRef<'a>,
    pub(super) properties: ValueRef<'a>,
}

impl Subject<'_> {
    pub(super) fn truth(&self, name: &Name, test: &Test) -> Result<Truth> {
        let mut asked = Asked { test, truth: Truth::False, is_any: false, has_value: false };
        match name {
            Name::Property(path) => self.properties.path(path, &mut |value| {
                // What follows is not looked at once the answer is known.
                if !asked.is_settled() {
                    asked.see(Found::read(value)?);
                }
                Ok(())
            })?,
            Name::Own(own) => self.own(*own, &mut asked)?,
        }
        Ok(asked.answer())
    }

    fn own(&self, own: Own, asked: &mut Asked<'_>) -> Result<()> {
        let instant = |ms: Option<i64>| ms.map_or(Found::Null, Found::Instant);
        match own {
            Own::Id => asked.see(Found::Text(&self.id.to_string())),
            Own::Key => asked.see(self.record.key()?.map_or(Found::Null, Found::Text)),
            Own::Version => asked.see(Found::Number(place_of_json(&Json::from(self.version))?)),
            Own::CreatedAt => asked.see(Found::Instant(self.record.created_at()?)),
            Own::ModifiedAt => asked.see(Found::Instant(self.record.modified_at()?)),
            Own::ValidFrom => asked.see(instant(self.record.valid()?.0)),
            Own::ValidUntil => asked.see(instant(self.record.valid()?.1)),
        }
        Ok(())
    }
}

/// What is known so far: one value after the other is seen.
struct Asked<'a> {
    test: &'a Test,
    truth: Truth,
    is_any: bool,
    has_value: bool,
}

impl Asked<'_> {
    fn is_settled(&self) -> bool {
        match self.test {
            Test::Null => self.has_value,
            Test::Equal(_)
            | Test::Unequal(_)
            | Test::Range(..)
            | Test::Among(_)
            | Test::Like(_) => self.truth == Truth::True,
        }
    }

    fn see(&mut self, found: Found<'_>) {
        self.is_any = true;
        self.has_value |= !found.is_null();
        self.truth = self.truth.max(self.test.truth(found));
    }

    fn answer(&self) -> Truth {
        match self.test {
            Test::Null => Truth::of(!self.has_value),
            Test::Equal(_)
            | Test::Unequal(_)
            | Test::Range(..)
            | Test::Among(_)
            | Test::Like(_) => {
                if self.is_any {
                    self.truth
                } else {
                    Truth::Unknown
                }
            }
        }
    }
}

impl Test {
    /// What is known of one value.
    fn truth(&self, found: Found<'_>) -> Truth {
        match self {
            Test::Null => Truth::of(found.is_null()),
            Test::Equal(literal) => literal.truth(found, Ordering::is_eq),
            Test::Unequal(literal) => literal.truth(found, Ordering::is_ne),
            Test::Range(from, until) => {
                let above = from.iter().map(|bound| {
                    bound
                        .literal
                        .truth(found, |order| order.is_gt() || bound.inclusive && order.is_eq())
                });
                let below = until.iter().map(|bound| {
                    bound
                        .literal
                        .truth(found, |order| order.is_lt() || bound.inclusive && order.is_eq())
                });
                above.chain(below).min().unwrap_or(Truth::True)
            }
            Test::Among(literals) => {
                let equal = literals.iter().map(|literal| literal.truth(found, Ordering::is_eq));
                equal.max().unwrap_or(Truth::False)
            }
            Test::Like(pattern) => match found {
                Found::Text(text) => Truth::of(pattern.fits(text)),
                Found::Null
                | Found::Bool(_)
                | Found::Number(_)
                | Found::Instant(_)
                | Found::Object => Truth::Unknown,
            },
        }
    }
}
