//! Literals, and the values of a record that they are compared with.
//!
//! Numbers are compared by their ordered bytes, so that a predicate and an index never differ;
//! texts and truth values are compared as they are, which is the same order.

use std::cmp::Ordering;

use kenning_record::{Json, Kind, ValueRef, encode, format_instant, order_compared};
use kenning_store::{Error, Result};

use super::Truth;

/// A number in the order of an index.
pub(super) type Place = [u8; PLACE_BYTES];

const PLACE_BYTES: usize = 11;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Number {
        written: Json,
        place: Place,
    },
    Text(String),
    /// Of the record itself, in milliseconds since the epoch.
    Instant(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Type {
    Null,
    Bool,
    Number,
    Text,
    Instant,
}

/// A value of a record; never an array, of which every element is one.
#[derive(Clone, Copy)]
pub(super) enum Found<'a> {
    Null,
    Bool(bool),
    Number(Place),
    Text(&'a str),
    Instant(i64),
    Object,
}

impl Literal {
    pub(super) fn of_json(json: &Json) -> Result<Literal> {
        Ok(match json {
            Json::Null => Literal::Null,
            Json::Bool(truth) => Literal::Bool(*truth),
            Json::String(text) => Literal::Text(text.clone()),
            Json::Number(_) => {
                Literal::Number { written: json.clone(), place: place_of_json(json)? }
            }
            Json::Array(_) | Json::Object(_) => {
                let message = "an array or object cannot be compared";
                return Err(Error::invalid("NOT_SCALAR", message));
            }
        })
    }

    pub(super) fn kind(&self) -> Type {
        match self {
            Literal::Null => Type::Null,
            Literal::Bool(_) => Type::Bool,
            Literal::Number { .. } => Type::Number,
            Literal::Text(_) => Type::Text,
            Literal::Instant(_) => Type::Instant,
        }
    }

    pub(super) fn is(&self, kind: Type) -> bool {
        self.kind() == kind
    }

    /// What is known of `test` of how `found` compares with this.
    pub(super) fn truth(&self, found: Found<'_>, test: impl Fn(Ordering) -> bool) -> Truth {
        match self.order(found) {
            Some(order) => Truth::of(test(order)),
            None => Truth::Unknown,
        }
    }

    /// How `found` compares with this; `None` where there is nothing, or something else.
    fn order(&self, found: Found<'_>) -> Option<Ordering> {
        match (found, self) {
            (Found::Bool(found), Literal::Bool(this)) => Some(found.cmp(this)),
            (Found::Number(found), Literal::Number { place, .. }) => Some(found.cmp(place)),
            (Found::Text(found), Literal::Text(this)) => Some(found.cmp(this)),
            (Found::Instant(found), Literal::Instant(this)) => Some(found.cmp(this)),
            (
                Found::Null
                | Found::Bool(_)
                | Found::Number(_)
                | Found::Text(_)
                | Found::Instant(_)
                | Found::Object,
                _,
            ) => None,
        }
    }

    /// Its bytes in the order of an index.
    pub(super) fn ordered(&self) -> Vec<u8> {
        match self {
            Literal::Null => ordered(&Json::Null),
            Literal::Bool(truth) => ordered(&Json::Bool(*truth)),
            Literal::Number { place, .. } => place.to_vec(),
            Literal::Text(text) => ordered(&Json::String(text.clone())),
            Literal::Instant(ms) => ordered(&Json::String(format_instant(*ms))),
        }
    }
}

impl<'a> Found<'a> {
    pub(super) fn read(value: ValueRef<'a>) -> Result<Found<'a>> {
        let damaged = || Error::corrupt("VALUE_DAMAGED", "a stored value is not of its kind");
        Ok(match value.kind()? {
            Kind::Null => Found::Null,
            Kind::Bool => Found::Bool(value.as_bool()?.ok_or_else(damaged)?),
            Kind::Number => Found::Number(place(value)?),
            Kind::Text => Found::Text(value.as_str()?.ok_or_else(damaged)?),
            // A path shows the elements of an array and never an array.
            Kind::Object | Kind::Array => Found::Object,
        })
    }

    pub(super) fn is_null(self) -> bool {
        matches!(self, Found::Null)
    }
}

pub(super) fn place_of_json(json: &Json) -> Result<Place> {
    let mut bytes = Vec::new();
    encode(json, &mut bytes)?;
    place(ValueRef::new(&bytes))
}

fn place(value: ValueRef<'_>) -> Result<Place> {
    let mut bytes = Vec::with_capacity(PLACE_BYTES);
    order_compared(value, &mut bytes)?;
    Ok(bytes.try_into().expect("every number takes as many bytes"))
}

/// The ordered bytes of a scalar. It may be longer than an indexed one: then none equals it.
pub(super) fn ordered(json: &Json) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(json, &mut bytes).expect("a scalar is neither deep nor larger than a predicate");
    let mut ordered = Vec::new();
    order_compared(ValueRef::new(&bytes), &mut ordered).expect("it was just encoded");
    ordered
}
