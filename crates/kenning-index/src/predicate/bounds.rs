//! Two bounds that are one range.
//!
//! A bound that `AND` joins goes to the first one on the other side that has the same path and type
//! and no counterpart yet. Which ones meet must not depend on how the parts came together: ranges
//! stand before single bounds, so that what is written in this order meets in the same way again.

use std::collections::{BTreeMap, VecDeque};

use super::value::Type;
use super::{Name, Node, Test};

/// Conditions that all must hold.
#[derive(Default)]
pub(super) struct Joined {
    pub(super) nodes: Vec<Node>,
    /// Where bounds are that have no counterpart, in order; those of one entry are on one side.
    single: BTreeMap<(Name, Type), VecDeque<usize>>,
}

/// Which bounds a range has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sides {
    Lower,
    Upper,
    Both,
}

impl Joined {
    pub(super) fn push(&mut self, node: Node) {
        let Some((name, kind, sides)) = range_of(&node) else { return self.nodes.push(node) };
        let single = self.single.entry((name.clone(), kind)).or_default();
        let end = self.nodes.len();
        let Some(&idx) = single.front() else {
            if sides != Sides::Both {
                single.push_back(end);
            }
            return self.nodes.push(node);
        };
        if sides == Sides::Both {
            single.rotate_left(1);
            *single.back_mut().expect("it has a front") = end;
            let moved = std::mem::replace(&mut self.nodes[idx], node);
            self.nodes.push(moved);
        } else if range_of(&self.nodes[idx]).is_some_and(|(_, _, other)| other == sides) {
            single.push_back(end);
            self.nodes.push(node);
        } else {
            single.pop_front();
            join(&mut self.nodes[idx], node);
        }
    }
}

/// What is asked for, in which type, and by which bounds: of ranges that have one type and are not
/// written with `BETWEEN`.
fn range_of(node: &Node) -> Option<(&Name, Type, Sides)> {
    let Node::Asks(name, Test::Range(from, until)) = node else { return None };
    let (kind, sides) = match (from, until) {
        (Some(from), None) => (from.literal.kind(), Sides::Lower),
        (None, Some(until)) => (until.literal.kind(), Sides::Upper),
        (Some(from), Some(until)) if !(from.inclusive && until.inclusive) => {
            (from.literal.kind(), Sides::Both)
        }
        (Some(_), Some(_)) | (None, None) => return None,
    };
    (kind != Type::Null).then_some((name, kind, sides))
}

/// Makes a range of a bound and its counterpart.
fn join(one: &mut Node, other: Node) {
    let Node::Asks(_, Test::Range(from, until)) = one else { return };
    let Node::Asks(_, Test::Range(other_from, other_until)) = other else { return };
    *from = from.take().or(other_from);
    *until = until.take().or(other_until);
}
