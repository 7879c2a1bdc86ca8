//! Predicate to ranges of an index.
//!
//! What `AND` joins must hold for every record that passes; so each part that says of one path in
//! which ranges of the order its values lie narrows an index over that path. Leading paths of an
//! index whose values are told lead to a range for each combination; the first path of which only
//! ranges are told ends it. The rest is checked on the record, as everything is: a plan may only
//! name too much, never too little. That is also why a path that is asked twice counts once: of an
//! array, each question may be met by another element.

use kenning_record::{IndexSpec, Json, Path, TableNo, TenantNo, keys};
use kenning_store::Range;

use super::value::{Literal, Type, ordered};
use super::{Bound, Name, Node, Predicate, Test};

/// The most ranges of a plan. What would need more is read as one range from the first to the last.
const RANGES_MAX: usize = 256;

/// Where in which index the answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The position of the index among those offered.
    pub index_idx: usize,
    /// The entries to read: ranges without overlap, in order; none if no record can pass.
    pub ranges: Vec<Range>,
}

/// What is known of the values at one path.
struct Told<'a> {
    path: &'a Path,
    /// Of the ordered bytes of a value; without overlap, in order.
    ranges: Vec<Range>,
    /// Whether each range is one value.
    is_exact: bool,
    /// Whether it holds where there is nothing.
    takes_null: bool,
}

/// How well an index answers, and with what.
struct Cover {
    /// Paths that narrow it, and how many of them are exact.
    paths: (usize, usize),
    ranges: Vec<Range>,
}

impl Predicate {
    /// The index that narrows most, if one does: the one with the most of its leading paths asked
    /// for, and with the most of these for certain values. Each index is offered with a position,
    /// its number and what it covers.
    pub fn plan<'a>(
        &self,
        tenant: TenantNo,
        table: TableNo,
        indexes: impl Iterator<Item = (usize, u32, &'a IndexSpec)>,
    ) -> Option<Plan> {
        let mut told = Vec::new();
        self.0.tell(&mut told);
        let covers = indexes.filter_map(|(index_idx, number, spec)| {
            let cover = cover(spec, &told)?;
            let prefix = keys::fields(tenant, table, number);
            let ranges = cover.ranges.into_iter().map(|range| under(&prefix, &range)).collect();
            Some((cover.paths, Plan { index_idx, ranges }))
        });
        let best = covers.max_by_key(|(paths, plan)| (*paths, usize::MAX - plan.index_idx));
        best.map(|(_, plan)| plan)
    }
}

impl Node {
    /// Appends what every record tells that passes.
    fn tell<'a>(&'a self, target: &mut Vec<Told<'a>>) {
        match self {
            Node::All(nodes) => nodes.iter().for_each(|node| node.tell(target)),
            Node::Is(node, true) => node.tell(target),
            Node::Any(_) | Node::Asks(..) => target.extend(self.told()),
            Node::Not(_) | Node::Is(_, false) => {}
        }
    }

    /// What it tells of one path.
    fn told(&self) -> Option<Told<'_>> {
        match self {
            Node::Asks(Name::Property(path), test) => {
                let (ranges, is_exact) = test.ranges()?;
                Some(Told { path, ranges, is_exact, takes_null: *test == Test::Null })
            }
            Node::Any(nodes) => {
                let mut nodes = nodes.iter();
                let mut told = nodes.next()?.told()?;
                for node in nodes {
                    let other = node.told().filter(|other| other.path == told.path)?;
                    told.ranges.extend(other.ranges);
                    told.is_exact &= other.is_exact;
                    told.takes_null |= other.takes_null;
                }
                told.ranges = merged(told.ranges);
                Some(told)
            }
            Node::Asks(Name::Own(_), _) | Node::All(_) | Node::Not(_) | Node::Is(..) => None,
        }
    }
}

impl Test {
    /// The ranges of the values for which it holds, and whether each is one value.
    fn ranges(&self) -> Option<(Vec<Range>, bool)> {
        match self {
            Test::Null => Some((vec![Range::prefix(ordered(&Json::Null))], true)),
            Test::Equal(literal) => Some((exact(std::slice::from_ref(literal)), true)),
            Test::Among(literals) => Some((exact(literals), true)),
            Test::Range(from, until) => Some((between(from.as_ref(), until.as_ref()), false)),
            Test::Like(pattern) => {
                let (text, is_whole) = pattern.beginning()?;
                let mut bytes = ordered(&Json::from(text));
                if !is_whole {
                    bytes.truncate(bytes.len() - TEXT_END_BYTES);
                }
                Some((vec![Range::prefix(bytes)], is_whole))
            }
            Test::Unequal(_) => None,
        }
    }
}

/// Bytes that end a text in the order.
const TEXT_END_BYTES: usize = 2;

/// Nothing is equal to null.
fn exact(literals: &[Literal]) -> Vec<Range> {
    let literals = literals.iter().filter(|literal| !literal.is(Type::Null));
    merged(literals.map(|literal| Range::prefix(literal.ordered())).collect())
}

/// A range ends with the type of its bounds; none holds for bounds of two types.
fn between(from: Option<&Bound>, until: Option<&Bound>) -> Vec<Range> {
    let mut range: Option<Range> = None;
    for (bound, is_lower) in [(from, true), (until, false)] {
        let Some(bound) = bound else { continue };
        let Some(whole) = of_type(bound.literal.kind()) else { return Vec::new() };
        let value = Range::prefix(bound.literal.ordered());
        let half = match (is_lower, bound.inclusive) {
            (true, true) => Range { from: value.from, ..whole },
            (true, false) => Range { from: value.until.unwrap_or_default(), ..whole },
            (false, true) => Range { until: value.until, ..whole },
            (false, false) => Range { until: Some(value.from), ..whole },
        };
        range = Some(match range {
            Some(range) => intersection(range, half),
            None => half,
        });
    }
    range.filter(|range| !range.is_empty()).into_iter().collect()
}

/// Every value of a type.
fn of_type(kind: Type) -> Option<Range> {
    let tag = |json: Json| Range::prefix(&ordered(&json)[..1]);
    match kind {
        Type::Null => None,
        Type::Bool => Some(Range { from: tag(false.into()).from, until: tag(true.into()).until }),
        Type::Number => Some(tag(0.into())),
        Type::Text | Type::Instant => Some(tag("".into())),
    }
}

fn intersection(one: Range, other: Range) -> Range {
    let until = match (one.until, other.until) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    Range { from: one.from.max(other.from), until }
}

/// The same keys in ranges without overlap, in order.
fn merged(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut merged: Vec<Range> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if last.until.as_ref().is_none_or(|until| range.from < *until) => {
                last.until = match (last.until.take(), range.until) {
                    (Some(one), Some(other)) => Some(one.max(other)),
                    (_, None) | (None, _) => None,
                };
            }
            Some(_) | None => merged.push(range),
        }
    }
    merged
}

/// What an index over `spec` narrows.
fn cover(spec: &IndexSpec, told: &[Told<'_>]) -> Option<Cover> {
    // A unique index has no entry for a record that has nothing at one of its paths.
    let has_value = |path| told.iter().any(|told| told.path == path && !told.takes_null);
    if spec.unique && !spec.paths.iter().all(has_value) {
        return None;
    }
    let mut cover = Cover { paths: (0, 0), ranges: vec![Range::all()] };
    let mut prefixes = vec![Vec::new()];
    for path in &spec.paths {
        let asked = told.iter().filter(|told| told.path == path);
        let Some(told) = asked.min_by_key(|told| (!told.is_exact, told.ranges.len())) else {
            break;
        };
        cover.paths.0 += 1;
        cover.paths.1 += usize::from(told.is_exact);
        let ranges = spanned(prefixes.len(), &told.ranges);
        let is_exact = told.is_exact && ranges.len() == told.ranges.len();
        cover.ranges = prefixes
            .iter()
            .flat_map(|prefix: &Vec<u8>| ranges.iter().map(move |range| under(prefix, range)))
            .collect();
        if !is_exact {
            break;
        }
        prefixes = cover.ranges.iter().map(|range| range.from.clone()).collect();
    }
    (cover.paths.0 > 0).then_some(cover)
}

/// The ranges, or one from the first to the last if there would be too many.
fn spanned(prefixes: usize, ranges: &[Range]) -> Vec<Range> {
    match ranges {
        [first, .., last] if prefixes * ranges.len() > RANGES_MAX => {
            vec![Range { from: first.from.clone(), until: last.until.clone() }]
        }
        ranges => ranges.to_vec(),
    }
}

/// The keys that are `prefix` and then in `range`.
fn under(prefix: &[u8], range: &Range) -> Range {
    let until = match &range.until {
        Some(until) => Some([prefix, until].concat()),
        None => Range::prefix(prefix).until,
    };
    Range { from: [prefix, &range.from].concat(), until }
}
