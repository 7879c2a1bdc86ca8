//! Random operations against a map.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Debug)]
enum Op {
    Commit { writes: Vec<(Vec<u8>, Option<Vec<u8>>)>, strict: bool },
    Hold,
    Release(usize),
    Get(Vec<u8>),
    Scan { from: Vec<u8>, until: Option<Vec<u8>>, backward: bool, rows: usize },
    Compact,
    Reopen,
}

/// Whatever is done in whatever order, the store and each held snapshot agree with plain maps.
pub fn random_operations_agree_with_a_map(fresh: Fresh) {
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let ops = proptest::collection::vec(op(), 1..120);
    TestRunner::new_with_rng(config, rng)
        .run(&ops, |ops| {
            Run::new(fresh()).run(ops);
            Ok(())
        })
        .unwrap();
}

fn op() -> impl Strategy<Value = Op> {
    let value = proptest::option::weighted(0.7, proptest::collection::vec(any::<u8>(), 0..40));
    let writes = proptest::collection::vec((key(), value), 0..12);
    let scan = (key(), proptest::option::of(key()), any::<bool>(), 1..9usize);
    prop_oneof![
        12 => (writes, any::<bool>()).prop_map(|(writes, strict)| Op::Commit { writes, strict }),
        3 => Just(Op::Hold),
        3 => any::<usize>().prop_map(Op::Release),
        6 => key().prop_map(Op::Get),
        6 => scan.prop_map(|(from, until, backward, rows)| {
            Op::Scan { from, until, backward, rows }
        }),
        1 => Just(Op::Compact),
        1 => Just(Op::Reopen),
    ]
}

/// Few keys, so that they meet; with prefixes of each other, in several spaces.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![Just(0u8), Just(0x10), Just(0x11), Just(0x12), Just(0xff)];
    let rest = proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0xff)], 0..3);
    (first, rest).prop_map(|(first, rest)| [vec![first], rest].concat())
}

struct Run {
    subject: Box<dyn Subject>,
    store: Option<Arc<dyn Store>>,
    map: Map,
    held: Vec<(Arc<dyn Snapshot>, Map)>,
}

impl Run {
    fn new(subject: Box<dyn Subject>) -> Self {
        let store = Some(subject.open().unwrap());
        Run { subject, store, map: Map::new(), held: Vec::new() }
    }

    fn store(&self) -> &Arc<dyn Store> {
        self.store.as_ref().expect("it is open between two operations")
    }

    fn run(mut self, ops: Vec<Op>) {
        for op in ops {
            self.step(op);
        }
        self.check_all();
        self.reopen();
        assert_eq!(block_on(self.store().verify()).unwrap(), []);
        self.check_all();
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Commit { writes, strict } => self.commit(writes, strict),
            Op::Hold => self.held.push((snapshot(self.store()), self.map.clone())),
            Op::Release(which) => {
                if !self.held.is_empty() {
                    self.held.swap_remove(which % self.held.len());
                }
            }
            Op::Get(key) => self.each(|snapshot, map| {
                assert_eq!(get(snapshot, &key).as_deref(), map.get(&key).map(|value| &value[..]));
            }),
            Op::Scan { from, until, backward, rows } => {
                let range = Range { from, until };
                self.each(|snapshot, map| check_scan(snapshot, map, &range, backward, rows));
            }
            Op::Compact => block_on(self.store().compact()).unwrap(),
            Op::Reopen => self.reopen(),
        }
    }

    fn commit(&mut self, writes: Vec<(Vec<u8>, Option<Vec<u8>>)>, strict: bool) {
        let durability = if strict { Durability::Strict } else { Durability::Relaxed };
        let borrowed = writes.iter().map(|(key, value)| (&key[..], value.as_deref()));
        commit(self.store(), borrowed, durability);
        for (key, value) in writes {
            match value {
                Some(value) => self.map.insert(key, value),
                None => self.map.remove(&key),
            };
        }
    }

    fn reopen(&mut self) {
        self.held.clear();
        let store = self.store.take().expect("it is open between two operations");
        self.store = Some(self.subject.reopen(store).unwrap());
    }

    /// Shows the store and every held snapshot, each with what it must have.
    fn each(&self, check: impl Fn(&Arc<dyn Snapshot>, &Map)) {
        check(&snapshot(self.store()), &self.map);
        self.held.iter().for_each(|(snapshot, map)| check(snapshot, map));
    }

    fn check_all(&self) {
        self.each(|snapshot, map| check_scan(snapshot, map, &Range::all(), false, 1_000));
    }
}

fn check_scan(snapshot: &Arc<dyn Snapshot>, map: &Map, range: &Range, back: bool, max: usize) {
    let expected = map.iter().filter(|(key, _)| range.contains(key));
    let mut expected: Vec<_> = expected.map(|(key, value)| (key.clone(), value.clone())).collect();
    let range = range.clone();
    let scan = if back { range.backward() } else { range.forward() };
    if back {
        expected.reverse();
    }
    assert_eq!(rows(snapshot, scan.rows(max)), expected);
}
