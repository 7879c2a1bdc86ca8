//! Random predicates over random records. What holds is what a plain reading of the condition over
//! the JSON says; a plan loses nothing; what is written is read as the same.
//!
//! The conditions here are made, evaluated and written by this file alone. Single bounds are asked
//! of paths without arrays only: of an array two of them are one range, which is another law.

use std::collections::{BTreeMap, BTreeSet};

use kenning_index::{Fields, Index, Plan, Predicate, Subject};
use kenning_record::{Id, IndexSpec, Json, RecordRef};
use kenning_store::Range;
use serde_json::json;

use crate::chance::Chance;
use crate::{ID, encoded};

enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Is(Box<Condition>, bool),
    Asks(&'static str, Test),
}

enum Test {
    Null,
    Compare(&'static str, Json),
    From(Json, Json, bool),
    Among(Vec<Json>),
    Like(&'static str, bool),
}

const FALSE: u8 = 0;
const UNKNOWN: u8 = 1;
const TRUE: u8 = 2;

const PATHS: [&str; 6] = ["n", "t", "b", "list", "o.x", "gone"];
const SINGLE: [&str; 3] = ["n", "t", "b"];
const SIGNS: [&str; 6] = ["=", "<>", "<", "<=", ">", ">="];
const PATTERNS: [&str; 8] = ["a%", "%b", "_", "%", "a_", "", "%a%", "ab"];

fn scalar(chance: &mut Chance) -> Json {
    match chance.below(8) {
        0 => Json::Null,
        1 => chance.percent(50).into(),
        2..=4 => (chance.below(5) as i64 - 2).into(),
        5 => json!(chance.below(5) as f64 / 2.0 - 1.0),
        _ => (*chance.pick(&["", "a", "ab", "b", "A"])).into(),
    }
}

fn properties(chance: &mut Chance) -> Json {
    let mut all = serde_json::Map::new();
    for path in SINGLE {
        if chance.percent(85) {
            all.insert(path.into(), scalar(chance));
        }
    }
    if chance.percent(80) {
        let n = chance.below(4);
        let items = (0..n).map(|_| match chance.below(12) {
            0 => json!({}),
            1 => json!([scalar(chance)]),
            _ => scalar(chance),
        });
        all.insert("list".into(), items.collect());
    }
    if chance.percent(80) {
        let x = if chance.percent(50) { scalar(chance) } else { json!([scalar(chance), 1]) };
        all.insert("o".into(), if chance.percent(20) { x } else { json!({"x": x}) });
    }
    Json::Object(all)
}

fn condition(chance: &mut Chance, depth: usize) -> Condition {
    let several = |chance: &mut Chance| {
        (0..2 + chance.below(3)).map(|_| condition(chance, depth - 1)).collect()
    };
    match chance.below(if depth == 0 { 1 } else { 8 }) {
        1..=2 => Condition::All(several(chance)),
        3..=4 => Condition::Any(several(chance)),
        5 => Condition::Not(Box::new(condition(chance, depth - 1))),
        6 => Condition::Is(Box::new(condition(chance, depth - 1)), chance.percent(60)),
        _ => asks(chance),
    }
}

fn asks(chance: &mut Chance) -> Condition {
    let path = *chance.pick(&PATHS);
    let test = match chance.below(10) {
        0 => Test::Null,
        1..=2 => Test::From(scalar(chance), scalar(chance), true),
        3 => {
            let numbers = [chance.below(5), chance.below(5)].map(|n| Json::from(n as i64 - 2));
            let [from, until] = numbers;
            Test::From(from, until, false)
        }
        4 => Test::Among((0..1 + chance.below(4)).map(|_| scalar(chance)).collect()),
        5 => Test::Like(chance.pick::<&str>(&PATTERNS), chance.percent(70)),
        _ => {
            let sign = *chance.pick(&SIGNS);
            let is_bound = sign.starts_with(['<', '>']) && sign != "<>";
            if is_bound && !SINGLE.contains(&path) {
                return asks(chance);
            }
            Test::Compare(sign, scalar(chance))
        }
    };
    Condition::Asks(path, test)
}

fn literal(json: &Json) -> String {
    match json {
        Json::String(text) => format!("'{text}'"),
        Json::Null | Json::Bool(_) | Json::Number(_) => json.to_string(),
        Json::Array(_) | Json::Object(_) => panic!("a literal is a scalar"),
    }
}

fn written(condition: &Condition) -> String {
    let several = |all: &[Condition], word: &str| {
        let parts: Vec<String> = all.iter().map(|part| format!("({})", written(part))).collect();
        parts.join(word)
    };
    match condition {
        Condition::All(all) => several(all, " AND "),
        Condition::Any(any) => several(any, " or "),
        Condition::Not(not) => format!("NOT ({})", written(not)),
        Condition::Is(is, truth) => format!("({}) IS {truth}", written(is)),
        Condition::Asks(path, test) => match test {
            Test::Null => format!("{path} IS NULL"),
            Test::Compare(sign, json) => format!("{path} {sign} {}", literal(json)),
            Test::From(from, until, true) => {
                format!("{path} BETWEEN {} AND {}", literal(from), literal(until))
            }
            Test::From(from, until, false) => {
                format!("{path} >= {} AND {path} < {}", literal(from), literal(until))
            }
            Test::Among(all) => {
                let all: Vec<String> = all.iter().map(literal).collect();
                format!("{path} IN ({})", all.join(", "))
            }
            Test::Like(pattern, true) => format!("{path} LIKE '{pattern}'"),
            Test::Like(pattern, false) => format!("{path} ILIKE '{pattern}'"),
        },
    }
}

fn truth(condition: &Condition, json: &Json) -> u8 {
    match condition {
        Condition::All(all) => {
            all.iter().map(|part| truth(part, json)).min().expect("there are several")
        }
        Condition::Any(any) => {
            any.iter().map(|part| truth(part, json)).max().expect("there is one")
        }
        Condition::Not(not) => TRUE - truth(not, json),
        Condition::Is(is, said) => {
            let known = truth(is, json) == if *said { TRUE } else { FALSE };
            if known { TRUE } else { FALSE }
        }
        Condition::Asks(path, test) => {
            let mut values = Vec::new();
            let steps: Vec<&str> = path.split('.').collect();
            collect(json, &steps, &mut values);
            if let Test::Null = test {
                return if values.iter().all(|value| value.is_null()) { TRUE } else { FALSE };
            }
            values.into_iter().map(|value| of_value(test, value)).max().unwrap_or(UNKNOWN)
        }
    }
}

fn collect<'a>(json: &'a Json, steps: &[&str], values: &mut Vec<&'a Json>) {
    match (json, steps) {
        (Json::Array(items), _) => items.iter().for_each(|item| collect(item, steps, values)),
        (_, []) => values.push(json),
        (Json::Object(object), [step, rest @ ..]) => {
            if let Some(inner) = object.get(*step) {
                collect(inner, rest, values);
            }
        }
        (Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_), _) => {}
    }
}

fn of_value(test: &Test, value: &Json) -> u8 {
    match test {
        Test::Null => panic!("it was answered"),
        Test::Compare(sign, json) => compared(value, sign, json),
        Test::From(from, until, whole) => {
            let below = if *whole { "<=" } else { "<" };
            compared(value, ">=", from).min(compared(value, below, until))
        }
        Test::Among(all) => {
            all.iter().map(|json| compared(value, "=", json)).max().expect("there is one")
        }
        Test::Like(pattern, is_cased) => match (value.as_str(), is_cased) {
            (None, _) => UNKNOWN,
            (Some(text), true) => {
                if like(pattern, text) {
                    TRUE
                } else {
                    FALSE
                }
            }
            (Some(text), false) => {
                if like(pattern, &text.to_lowercase()) {
                    TRUE
                } else {
                    FALSE
                }
            }
        },
    }
}

fn compared(value: &Json, sign: &str, json: &Json) -> u8 {
    let order = match (value, json) {
        (Json::Number(one), Json::Number(two)) => one.as_f64().partial_cmp(&two.as_f64()),
        (Json::String(one), Json::String(two)) => Some(one.cmp(two)),
        (Json::Bool(one), Json::Bool(two)) => Some(one.cmp(two)),
        _ => None,
    };
    let Some(order) = order else { return UNKNOWN };
    let holds = match sign {
        "=" => order.is_eq(),
        "<>" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    };
    if holds { TRUE } else { FALSE }
}

/// Every way to split, tried.
fn like(pattern: &str, text: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return text.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    match first {
        '%' => (0..=text.len()).any(|at| like(rest, &text[at..])),
        '_' => !text.is_empty() && like(rest, &text[1..]),
        first => text.strip_prefix(first).is_some_and(|text| like(rest, text)),
    }
}

fn holds(predicate: &Predicate, payload: &[u8]) -> bool {
    let record = RecordRef::new(payload).expect("it was encoded");
    predicate.holds(ID, 1, record).expect("it was encoded")
}

#[test]
fn what_holds_is_what_a_plain_reading_says() {
    let mut n_held = 0;
    for seed in 0..4_000 {
        let mut chance = Chance::new(seed);
        let condition = condition(&mut chance, 3);
        let text = written(&condition);
        let predicate = Predicate::parse(&text).unwrap();
        for _ in 0..12 {
            let properties = properties(&mut chance);
            let expected = truth(&condition, &properties) == TRUE;
            let found = holds(&predicate, &encoded(None, None, &properties));
            assert_eq!(found, expected, "seed {seed}: {text} of {properties}");
            n_held += usize::from(found);
        }
    }
    assert!((5_000..43_000).contains(&n_held), "{n_held} of 48,000 held");
}

#[test]
fn what_is_written_is_read_as_the_same() {
    for seed in 0..20_000 {
        let mut chance = Chance::new(seed);
        let text = written(&condition(&mut chance, 4));
        let predicate = Predicate::parse(&text).unwrap();
        let again = Predicate::parse(&predicate.to_string()).unwrap();
        assert_eq!(again, predicate, "seed {seed}: {text} became {predicate}");
        assert_eq!(again.to_string(), predicate.to_string());
    }
}

#[test]
fn a_pattern_fits_what_every_way_to_split_it_fits() {
    let mut chance = Chance::new(7);
    let text_of = |chance: &mut Chance, from: &[char]| -> String {
        (0..chance.below(8)).map(|_| *chance.pick(from)).collect()
    };
    for _ in 0..20_000 {
        let pattern = text_of(&mut chance, &['a', 'b', '%', '_']);
        let text = text_of(&mut chance, &['a', 'b']);
        let found = holds(
            &Predicate::parse(&format!("t LIKE '{pattern}'")).unwrap(),
            &encoded(None, None, &json!({"t": text})),
        );
        assert_eq!(found, like(&pattern, &text), "'{text}' LIKE '{pattern}'");
    }
}

/// Every index over these records: its entries, and whose they are.
struct Model {
    indexes: Vec<Fields>,
    entries: Vec<Vec<(Vec<u8>, usize)>>,
    payloads: Vec<Vec<u8>>,
}

fn spec(paths: &[&str], unique: bool) -> IndexSpec {
    IndexSpec {
        paths: paths.iter().map(|path| path.parse().expect("it is a path")).collect(),
        unique,
    }
}

impl Model {
    fn new(specs: Vec<IndexSpec>, records: &[Json]) -> Model {
        let indexes: Vec<Fields> =
            (0..).zip(specs).map(|(number, spec)| Fields { number: number + 5, spec }).collect();
        let payloads: Vec<Vec<u8>> =
            records.iter().map(|properties| encoded(None, None, properties)).collect();
        let entries = indexes.iter().map(|index| {
            let mut all = Vec::new();
            for (idx, payload) in payloads.iter().enumerate() {
                let record = RecordRef::new(payload).expect("it was encoded");
                let id = Id([idx as u8; 16]);
                let mut entries = Vec::new();
                let subject = Subject { tenant: 1, table: 2, id, record };
                index.entries(&subject, &mut entries).expect("there are few");
                all.extend(entries.into_iter().map(|entry| (entry.key, idx)));
            }
            all
        });
        Model { entries: entries.collect(), indexes, payloads }
    }

    fn plan(&self, predicate: &Predicate) -> Option<Plan> {
        let indexes = self.indexes.iter().enumerate();
        predicate.plan(1, 2, indexes.map(|(idx, index)| (idx, index.number, &index.spec)))
    }

    fn read(&self, plan: &Plan) -> BTreeSet<usize> {
        let is_in = |key: &[u8]| plan.ranges.iter().any(|range| range.contains(key));
        let entries = self.entries[plan.index_idx].iter();
        entries.filter(|(key, _)| is_in(key)).map(|(_, idx)| *idx).collect()
    }
}

fn are_apart(ranges: &[Range]) -> bool {
    let pairs = ranges.windows(2);
    let mut apart = pairs.map(|pair| pair[0].until.as_ref().is_some_and(|u| *u <= pair[1].from));
    apart.all(|apart| apart) && ranges.iter().all(|range| !range.is_empty())
}

#[test]
fn a_plan_loses_nothing() {
    let specs = [
        spec(&["n"], false),
        spec(&["list"], false),
        spec(&["t", "n"], true),
        spec(&["o.x", "list", "b"], false),
        spec(&["b"], true),
        spec(&["t", "list"], false),
    ];
    let mut used = BTreeMap::new();
    let mut narrowed = 0;
    for seed in 0..150 {
        let mut chance = Chance::new(seed);
        let records: Vec<Json> = (0..60).map(|_| properties(&mut chance)).collect();
        // Each of them alone, and all of them together.
        for offered in specs.iter().map(|spec| vec![spec.clone()]).chain([specs.to_vec()]) {
            let model = Model::new(offered, &records);
            for _ in 0..30 {
                let text = written(&condition(&mut chance, 2));
                let predicate = Predicate::parse(&text).unwrap();
                let Some(plan) = model.plan(&predicate) else { continue };
                assert!(are_apart(&plan.ranges) && plan.ranges.len() <= 256, "{text}");
                let read = model.read(&plan);
                for (idx, payload) in model.payloads.iter().enumerate() {
                    let is_lost = holds(&predicate, payload) && !read.contains(&idx);
                    assert!(!is_lost, "seed {seed}: {text} loses {}", records[idx]);
                }
                let spec = &model.indexes[plan.index_idx].spec;
                *used.entry(format!("{:?}", spec.paths)).or_insert(0) += 1;
                narrowed += usize::from(read.len() < records.len() / 2);
            }
        }
    }
    assert_eq!(used.len(), specs.len(), "every index was used: {used:?}");
    let all: usize = used.values().sum();
    assert!(all > 5_000 && narrowed * 2 > all, "{narrowed} of {all} plans narrow");
}

/// Each line is a text, the paths of the index that is used, and how many ranges of it are read.
#[test]
fn a_plan_reads_what_is_asked_and_no_more() {
    let specs = ["n", "t", "t,n", "o.x,t,n", "+u", "+v,w"].map(|paths| {
        let unique = paths.starts_with('+');
        let paths: Vec<&str> = paths.trim_start_matches('+').split(',').collect();
        spec(&paths, unique)
    });
    let model = Model::new(specs.to_vec(), &[]);
    let lines = "
        n = 1 | n | 1
        n IN (3, 1, 2, 1) | n | 3
        n = 1 OR n = 2 OR n > 5 | n | 3
        n BETWEEN 1 AND 5 OR n = 3 | n | 1
        n > 1 AND n <= 5 | n | 1
        n IS NULL | n | 1
        n IS NULL OR n = 5 | n | 2
        n = NULL | n | 0
        n BETWEEN 5 AND 1 | n | 0
        n BETWEEN 1 AND 'x' | n | 0
        t LIKE 'a%' | t | 1
        t LIKE 'a' AND n = 1 | t, n | 1
        t LIKE '_a' AND n = 1 | n | 1
        t ILIKE 'a%' | - | 0
        t LIKE '%a' | - | 0
        t LIKE '%' | t | 1
        t LIKE '' | t | 1
        t IN ('a', 'b') AND n IN (1, 2, 3) | t, n | 6
        t IN ('a', 'b') AND n > 1 | t, n | 2
        t > 'a' AND n = 1 | n | 1
        (t = 'a' AND n = 1) IS TRUE AND o.x = 5 | o.x, t, n | 1
        o.x = 5 AND n = 1 | n | 1
        n <> 1 | - | 0
        NOT n = 1 | - | 0
        n = 1 OR t = 'a' | - | 0
        n = 1 AND (t = 'a' OR gone = 1) | n | 1
        u = 1 | u | 1
        u IS NULL | - | 0
        v = 1 | - | 0
        v > 1 | - | 0
        v > 1 AND w > 1 | v, w | 1
        v = 1 AND w IS NULL | - | 0
        _key = 'x' | - | 0
        TRUE | - | 0
    ";
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let text = line.split(" | ").next().unwrap();
        let plan = model.plan(&Predicate::parse(text).unwrap());
        let paths = plan.as_ref().map_or("-".into(), |plan| {
            let paths = model.indexes[plan.index_idx].spec.paths.iter();
            paths.map(ToString::to_string).collect::<Vec<_>>().join(", ")
        });
        let ranges = plan.map_or(0, |plan| plan.ranges.len());
        assert_eq!(format!("{text} | {paths} | {ranges}"), line);
    }
    let many: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    let many = Predicate::parse(&format!("n IN ({})", many.join(","))).unwrap();
    assert_eq!(model.plan(&many).unwrap().ranges.len(), 1, "too many ranges are one");
}
