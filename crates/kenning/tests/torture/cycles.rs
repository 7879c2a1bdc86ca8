//! Finds anomalies in a history of transactions.
//!
//! Every item is a list that only grows (a register is the list of its values), so a read shows not
//! only a value but which writes came before it, and the order of the writes of an item follows
//! from what was read. From that come the three dependencies between transactions: *ww*, one
//! overwrites the other; *wr*, one reads what the other wrote; *rw*, one does not see what the
//! other wrote. In a serial history they never go round in a circle. What kind of anomaly a circle
//! is, Adya's names say: G0 is of ww alone, G1c has no rw, G-single has one rw, G2 has several.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::chance::{Failure, ensure};
use crate::{Ended, Torture};

/// An item: a list, a register, a unique value.
pub(crate) type Item = (&'static str, u64);

/// What a transaction did, in order.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// It saw these values of an item, in this order.
    Read(Item, Vec<u64>),
    /// It saw an item whose last value was this one; `None` before the first.
    ReadLast(Item, Option<u64>),
    /// It added a value to an item.
    Write(Item, u64),
    /// It saw these members of a set, all there were.
    ReadSet(Item, BTreeSet<u64>),
    /// It added a member to a set.
    Add(Item, u64),
}

/// A transaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deed {
    /// `None` if it was refused.
    pub(crate) version: Option<u64>,
    pub(crate) events: Vec<Event>,
}

/// What happened, and what was there in the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) deeds: Vec<Deed>,
    /// The values of each item in order.
    pub(crate) ends: BTreeMap<Item, Vec<u64>>,
    pub(crate) sets: BTreeMap<Item, BTreeSet<u64>>,
}

/// What must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Anomaly {
    /// A circle of ww.
    G0,
    /// A read of what was refused.
    G1a,
    /// A read of what its writer overwrote itself.
    G1b,
    /// A circle of ww and wr.
    G1c,
    /// Two read the same and both wrote.
    LostUpdate,
    /// A circle with one rw.
    GSingle,
    /// A circle with several rw: write skew.
    G2,
    /// What was acknowledged is not there, or is there twice.
    LostWrite,
    /// A read that no order of the writes explains.
    Incompatible,
    /// A transaction does not see its own writes, or sees something else the second time.
    Internal,
    /// Versions do not go up along a dependency, or two transactions have the same.
    Versions,
}

/// An anomaly and an example of it.
pub(crate) type Found = BTreeMap<Anomaly, Vec<String>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Ww,
    Wr,
    Rw,
}

struct Checker<'a> {
    history: &'a History,
    /// Who wrote a value of an item.
    writers: HashMap<(Item, u64), usize>,
    /// Where a value is in the order of its item.
    places: HashMap<(Item, u64), usize>,
    edges: Vec<Vec<(usize, Kind)>>,
    found: Found,
}

/// Everything that is wrong with a history.
pub(crate) fn anomalies(history: &History) -> Found {
    let mut checker = Checker {
        history,
        writers: HashMap::new(),
        places: HashMap::new(),
        edges: vec![Vec::new(); history.deeds.len()],
        found: Found::new(),
    };
    checker.index();
    checker.orders();
    for deed in 0..history.deeds.len() {
        if history.deeds[deed].version.is_some() {
            checker.reads(deed);
        }
    }
    checker.lost_updates();
    checker.circles();
    checker.versions();
    checker.found
}

impl Checker<'_> {
    fn report(&mut self, anomaly: Anomaly, example: String) {
        let examples = self.found.entry(anomaly).or_default();
        if examples.len() < 5 {
            examples.push(example);
        }
    }

    fn has_landed(&self, deed: usize) -> bool {
        self.history.deeds[deed].version.is_some()
    }

    fn index(&mut self) {
        for (at, deed) in self.history.deeds.iter().enumerate() {
            for event in &deed.events {
                if let Event::Write(item, value) | Event::Add(item, value) = event {
                    self.writers.insert((*item, *value), at);
                }
            }
        }
        for (item, values) in &self.history.ends {
            for (place, value) in values.iter().enumerate() {
                if self.places.insert((*item, *value), place).is_some() {
                    self.report(Anomaly::LostWrite, format!("{value} is twice in {item:?}"));
                }
            }
        }
    }

    /// What was acknowledged is there; ww along the order of each item.
    fn orders(&mut self) {
        let history = self.history;
        for (at, deed) in history.deeds.iter().enumerate() {
            for event in &deed.events {
                let there = match event {
                    Event::Write(item, value) => self.places.contains_key(&(*item, *value)),
                    Event::Add(item, value) => {
                        history.sets.get(item).is_some_and(|set| set.contains(value))
                    }
                    Event::Read(..) | Event::ReadLast(..) | Event::ReadSet(..) => continue,
                };
                match (deed.version, there) {
                    (Some(_), false) => {
                        self.report(Anomaly::LostWrite, format!("{event:?} of {at} is lost"));
                    }
                    (None, true) => {
                        self.report(Anomaly::G1a, format!("{event:?} of {at}, refused, is there"));
                    }
                    (Some(_), true) | (None, false) => {}
                }
            }
        }
        for (item, values) in &history.ends {
            for pair in values.windows(2) {
                let writer = |value: u64| self.writers.get(&(*item, value)).copied();
                if let (Some(before), Some(after)) = (writer(pair[0]), writer(pair[1])) {
                    self.depend(before, after, Kind::Ww);
                }
            }
        }
    }

    fn depend(&mut self, from: usize, to: usize, kind: Kind) {
        if from != to && self.has_landed(from) && self.has_landed(to) {
            self.edges[from].push((to, kind));
        }
    }

    /// Every read of a transaction against its own writes, then against the others'.
    fn reads(&mut self, deed: usize) {
        // How much of an item this transaction has seen of others, and its own writes on top.
        let mut seen: HashMap<Item, usize> = HashMap::new();
        let mut own: HashMap<Item, Vec<u64>> = HashMap::new();
        let history = self.history;
        for event in &history.deeds[deed].events {
            match event {
                Event::Write(item, value) | Event::Add(item, value) => {
                    own.entry(*item).or_default().push(*value);
                }
                Event::ReadSet(item, members) => {
                    let own = own.get(item).map_or(&[][..], Vec::as_slice);
                    self.read_set(deed, *item, members, own);
                }
                Event::ReadLast(item, last) => {
                    let own = own.get(item).and_then(|own| own.last());
                    if own.is_some() {
                        if *last != own.copied() {
                            self.report(Anomaly::Internal, format!("{event:?} by {deed}"));
                        }
                        continue;
                    }
                    self.read_last(deed, *item, *last, &mut seen);
                }
                Event::Read(item, values) => {
                    let own = own.get(item).map_or(&[][..], Vec::as_slice);
                    let Some(others) = values.strip_suffix(own) else {
                        self.report(Anomaly::Internal, format!("{event:?} by {deed}, own {own:?}"));
                        continue;
                    };
                    let end = history.ends.get(item).map_or(&[][..], Vec::as_slice);
                    if !end.starts_with(others) {
                        self.report(
                            Anomaly::Incompatible,
                            format!("{deed} read {others:?} of {item:?}, it became {end:?}"),
                        );
                    }
                    self.read_last(deed, *item, others.last().copied(), &mut seen);
                }
            }
        }
    }

    fn read_last(
        &mut self,
        deed: usize,
        item: Item,
        last: Option<u64>,
        seen: &mut HashMap<Item, usize>,
    ) {
        let history = self.history;
        let place = match last {
            None => 0,
            Some(value) => {
                let writer = self.writers.get(&(item, value)).copied();
                if let Some(writer) = writer {
                    if !self.has_landed(writer) {
                        let example = format!("{deed} read {value} of {item:?} by {writer}");
                        return self.report(Anomaly::G1a, example);
                    }
                    let last_of_writer = history.deeds[writer].events.iter().rev().find_map(|e| {
                        if let Event::Write(of, value) = e
                            && *of == item
                        {
                            Some(*value)
                        } else {
                            None
                        }
                    });
                    if writer != deed && last_of_writer != Some(value) {
                        let example = format!("{deed} read {value} of {item:?} in between");
                        self.report(Anomaly::G1b, example);
                    }
                    self.depend(writer, deed, Kind::Wr);
                }
                match self.places.get(&(item, value)) {
                    Some(place) => place + 1,
                    None => {
                        let example = format!("{deed} read {value} of {item:?}, which is gone");
                        return self.report(Anomaly::Incompatible, example);
                    }
                }
            }
        };
        if *seen.entry(item).or_insert(place) != place {
            self.report(Anomaly::Internal, format!("{deed} read {item:?} twice, differently"));
        }
        let next = history.ends.get(&item).and_then(|end| end.get(place));
        if let Some(next) = next
            && let Some(writer) = self.writers.get(&(item, *next)).copied()
        {
            self.depend(deed, writer, Kind::Rw);
        }
    }

    fn read_set(&mut self, deed: usize, item: Item, members: &BTreeSet<u64>, own: &[u64]) {
        if own.iter().any(|value| !members.contains(value)) {
            self.report(Anomaly::Internal, format!("{deed} does not see its own of {item:?}"));
        }
        let all = self.history.sets.get(&item);
        for value in all.into_iter().flatten() {
            let Some(writer) = self.writers.get(&(item, *value)).copied() else { continue };
            match members.contains(value) {
                true => self.depend(writer, deed, Kind::Wr),
                false => self.depend(deed, writer, Kind::Rw),
            }
        }
        for value in members {
            let writer = self.writers.get(&(item, *value)).copied();
            if !writer.is_some_and(|writer| self.has_landed(writer)) {
                self.report(Anomaly::G1a, format!("{deed} saw {value} of {item:?}"));
            }
        }
    }

    /// Two that read the same place of an item and both wrote it.
    fn lost_updates(&mut self) {
        let mut updates: HashMap<(Item, Option<u64>), usize> = HashMap::new();
        let mut lost = Vec::new();
        for (at, deed) in self.history.deeds.iter().enumerate() {
            if deed.version.is_none() {
                continue;
            }
            let mut read: HashMap<Item, Option<u64>> = HashMap::new();
            let mut written = BTreeSet::new();
            for event in &deed.events {
                match event {
                    Event::Read(item, values) => {
                        read.entry(*item).or_insert(values.last().copied());
                    }
                    Event::ReadLast(item, last) => {
                        read.entry(*item).or_insert(*last);
                    }
                    Event::Write(item, _) if written.insert(*item) => {
                        let Some(last) = read.get(item) else { continue };
                        if let Some(other) = updates.insert((*item, *last), at) {
                            lost.push(format!(
                                "{other} and {at} both followed {last:?} of {item:?}"
                            ));
                        }
                    }
                    Event::Write(..) | Event::ReadSet(..) | Event::Add(..) => {}
                }
            }
        }
        lost.into_iter().for_each(|example| self.report(Anomaly::LostUpdate, example));
    }

    fn circles(&mut self) {
        for edges in &mut self.edges {
            edges.sort_unstable();
            edges.dedup();
        }
        let ww = self.components(&[Kind::Ww]);
        self.report_all(Anomaly::G0, &ww);
        let g1 = self.components(&[Kind::Ww, Kind::Wr]);
        self.report_all(Anomaly::G1c, &g1);
        for component in self.components(&[Kind::Ww, Kind::Wr, Kind::Rw]) {
            self.with_rw(&component);
        }
    }

    fn report_all(&mut self, anomaly: Anomaly, components: &[Vec<usize>]) {
        for component in components {
            let few: Vec<usize> = component.iter().copied().take(8).collect();
            self.report(anomaly, format!("among {few:?}"));
        }
    }

    /// The shortest circle through each rw of a component: with that one rw alone, or with more.
    fn with_rw(&mut self, component: &[usize]) {
        let inside: BTreeSet<usize> = component.iter().copied().collect();
        // Components without any anomaly have one member; those with one are small unless
        // everything is broken, and then a few examples are enough.
        for from in component.iter().copied().take(200) {
            let targets: Vec<usize> = self.edges[from]
                .iter()
                .filter(|(to, kind)| *kind == Kind::Rw && inside.contains(to))
                .map(|(to, _)| *to)
                .collect();
            for to in targets {
                match self.fewest_rw(to, from, &inside) {
                    Some(0) => {
                        self.report(Anomaly::GSingle, format!("{from} -rw-> {to} -> {from}"))
                    }
                    Some(more) => {
                        let example = format!("{from} -rw-> {to} and {more} more rw back");
                        self.report(Anomaly::G2, example);
                    }
                    None => {}
                }
            }
        }
    }

    /// The least number of rw on a way between two.
    fn fewest_rw(&self, from: usize, to: usize, inside: &BTreeSet<usize>) -> Option<usize> {
        let mut least: HashMap<usize, usize> = HashMap::from([(from, 0)]);
        let mut queue = VecDeque::from([(from, 0)]);
        while let Some((at, cost)) = queue.pop_front() {
            if at == to {
                return Some(cost);
            }
            if least.get(&at).is_some_and(|known| *known < cost) {
                continue;
            }
            for (next, kind) in &self.edges[at] {
                let cost = cost + usize::from(*kind == Kind::Rw);
                let better = least.get(next).is_none_or(|known| cost < *known);
                if inside.contains(next) && better {
                    least.insert(*next, cost);
                    match kind {
                        Kind::Rw => queue.push_back((*next, cost)),
                        Kind::Ww | Kind::Wr => queue.push_front((*next, cost)),
                    }
                }
            }
        }
        None
    }

    /// Sets of more than one transaction that all reach each other (Tarjan, without recursion).
    fn components(&self, kinds: &[Kind]) -> Vec<Vec<usize>> {
        const UNSEEN: usize = usize::MAX;
        let n = self.edges.len();
        let (mut number, mut low) = (vec![UNSEEN; n], vec![0; n]);
        let mut on_stack = vec![false; n];
        let (mut stack, mut components, mut next) = (Vec::new(), Vec::new(), 0);
        for root in 0..n {
            if number[root] != UNSEEN {
                continue;
            }
            let mut calls = vec![(root, 0)];
            while let Some((at, edge)) = calls.pop() {
                if edge == 0 {
                    (number[at], low[at]) = (next, next);
                    next += 1;
                    stack.push(at);
                    on_stack[at] = true;
                }
                if let Some((to, kind)) = self.edges[at].get(edge) {
                    calls.push((at, edge + 1));
                    if !kinds.contains(kind) {
                        continue;
                    }
                    if number[*to] == UNSEEN {
                        calls.push((*to, 0));
                    } else if on_stack[*to] {
                        low[at] = low[at].min(number[*to]);
                    }
                    continue;
                }
                if low[at] == number[at] {
                    let from = stack.iter().rposition(|on| *on == at).expect("it was pushed");
                    let component = stack.split_off(from);
                    component.iter().for_each(|on| on_stack[*on] = false);
                    if component.len() > 1 {
                        components.push(component);
                    }
                }
                if let Some((parent, _)) = calls.last() {
                    low[*parent] = low[*parent].min(low[at]);
                }
            }
        }
        components
    }

    /// Versions are a serial order, if there is one.
    fn versions(&mut self) {
        let history = self.history;
        let writes = |deed: &Deed| {
            deed.events.iter().any(|event| matches!(event, Event::Write(..) | Event::Add(..)))
        };
        let mut known: HashMap<u64, usize> = HashMap::new();
        let mut wrong = Vec::new();
        for (at, deed) in history.deeds.iter().enumerate() {
            let Some(version) = deed.version.filter(|_| writes(deed)) else { continue };
            if let Some(other) = known.insert(version, at) {
                wrong.push(format!("{other} and {at} both have version {version}"));
            }
        }
        for (from, edges) in self.edges.iter().enumerate() {
            for (to, kind) in edges {
                let version = |deed: usize| history.deeds[deed].version.unwrap_or(0);
                // Who only reads has the version that it read.
                let right = match writes(&history.deeds[*to]) {
                    true => version(from) < version(*to),
                    false => version(from) <= version(*to),
                };
                if !right {
                    wrong.push(format!(
                        "{from} {kind:?} {to}, but {} to {}",
                        version(from),
                        version(*to)
                    ));
                }
            }
        }
        wrong.into_iter().for_each(|example| self.report(Anomaly::Versions, example));
    }
}

const X: Item = ("list", 1);
const Y: Item = ("list", 2);

fn deed(version: u64, events: &[Event]) -> Deed {
    Deed { version: (version > 0).then_some(version), events: events.to_vec() }
}

fn read(item: Item, values: &[u64]) -> Event {
    Event::Read(item, values.to_vec())
}

fn history(deeds: &[Deed], ends: &[(Item, &[u64])]) -> History {
    History {
        deeds: deeds.to_vec(),
        ends: ends.iter().map(|(item, values)| (*item, values.to_vec())).collect(),
        sets: BTreeMap::new(),
    }
}

/// Hand-made histories, and the anomaly that each has. `None`: it has none.
// tidy: long because it is a table.
fn samples() -> Vec<(&'static str, Option<Anomaly>, History)> {
    use Event::{Add, ReadLast, ReadSet, Write};
    let set: Item = ("set", 1);
    let members = |values: &[u64]| values.iter().copied().collect::<BTreeSet<u64>>();
    let one_then_two = [(X, &[1, 2][..])];
    let mut samples = vec![
        (
            "a serial history",
            None,
            history(
                &[
                    deed(1, &[read(X, &[]), Write(X, 1), read(X, &[1])]),
                    deed(2, &[read(X, &[1]), Write(X, 2), Write(Y, 3)]),
                    deed(2, &[read(X, &[1, 2]), read(Y, &[3])]),
                    deed(0, &[read(X, &[1, 2]), Write(X, 9)]),
                ],
                &[(X, &[1, 2]), (Y, &[3])],
            ),
        ),
        (
            "two overwrite each other",
            Some(Anomaly::G0),
            history(
                &[deed(1, &[Write(X, 1), Write(Y, 1)]), deed(2, &[Write(X, 2), Write(Y, 2)])],
                &[(X, &[1, 2]), (Y, &[2, 1])],
            ),
        ),
        (
            "a read of what was refused",
            Some(Anomaly::G1a),
            history(&[deed(0, &[Write(X, 1)]), deed(2, &[read(X, &[1])])], &[(X, &[1])]),
        ),
        (
            "a read in between",
            Some(Anomaly::G1b),
            history(
                &[deed(2, &[Write(X, 1), Write(X, 2)]), deed(1, &[read(X, &[1])])],
                &one_then_two,
            ),
        ),
        (
            "two read each other",
            Some(Anomaly::G1c),
            history(
                &[deed(1, &[Write(X, 1), read(Y, &[1])]), deed(2, &[Write(Y, 1), read(X, &[1])])],
                &[(X, &[1]), (Y, &[1])],
            ),
        ),
        (
            "two follow the same",
            Some(Anomaly::LostUpdate),
            history(
                &[deed(1, &[read(X, &[]), Write(X, 1)]), deed(2, &[read(X, &[]), Write(X, 2)])],
                &one_then_two,
            ),
        ),
        (
            "half of another is seen",
            Some(Anomaly::GSingle),
            history(
                &[deed(1, &[Write(X, 1), Write(Y, 1)]), deed(2, &[read(X, &[1]), read(Y, &[])])],
                &[(X, &[1]), (Y, &[1])],
            ),
        ),
        (
            "write skew",
            Some(Anomaly::G2),
            history(
                &[
                    deed(1, &[read(X, &[]), read(Y, &[]), Write(X, 1)]),
                    deed(2, &[read(X, &[]), read(Y, &[]), Write(Y, 1)]),
                ],
                &[(X, &[1]), (Y, &[1])],
            ),
        ),
        (
            "an acknowledged write is gone",
            Some(Anomaly::LostWrite),
            history(&[deed(1, &[Write(X, 1)]), deed(2, &[Write(X, 2)])], &[(X, &[2])]),
        ),
        (
            "no order explains a read",
            Some(Anomaly::Incompatible),
            history(
                &[deed(1, &[Write(X, 1)]), deed(2, &[Write(X, 2)]), deed(3, &[read(X, &[2])])],
                &one_then_two,
            ),
        ),
        (
            "an own write is not seen",
            Some(Anomaly::Internal),
            history(&[deed(1, &[Write(X, 1), read(X, &[])])], &[(X, &[1])]),
        ),
        (
            "one version for two",
            Some(Anomaly::Versions),
            history(&[deed(1, &[Write(X, 1)]), deed(1, &[Write(Y, 1)])], &[(X, &[1]), (Y, &[1])]),
        ),
        (
            "a register read before and after",
            Some(Anomaly::Internal),
            history(
                &[
                    deed(1, &[Write(X, 1)]),
                    deed(2, &[Write(X, 2)]),
                    deed(2, &[ReadLast(X, Some(1)), ReadLast(X, Some(2))]),
                ],
                &one_then_two,
            ),
        ),
    ];
    let mut phantom = history(
        &[
            deed(1, &[ReadSet(set, members(&[])), Add(set, 1)]),
            deed(2, &[ReadSet(set, members(&[])), Add(set, 2)]),
        ],
        &[],
    );
    phantom.sets.insert(set, members(&[1, 2]));
    samples.push(("a phantom", Some(Anomaly::G2), phantom));
    samples
}

/// The checker is worth nothing unless it finds what is there, and nothing where nothing is.
pub(crate) fn the_checker_finds_what_is_there(_: &Torture) -> Result<Ended, Failure> {
    let samples = samples();
    for (name, anomaly, history) in &samples {
        let found = anomalies(history);
        match anomaly {
            None => ensure!(found.is_empty(), "in {name} it found {found:?}"),
            Some(anomaly) => {
                ensure!(found.contains_key(anomaly), "in {name} it found only {found:?}");
            }
        }
    }
    Ok(Ended::Passed(format!("{} hand-made histories judged rightly", samples.len())))
}
