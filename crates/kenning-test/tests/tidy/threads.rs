//! A thread that nobody listed is a thread that nobody stops. So `World::spawn` is the only way to
//! start one, its name is a literal, and `ARCHITECTURE.md` has that name in backticks.

use crate::source::{Finding, Source, assert_found, assert_none, checkout, is_word, occurrences};

/// The one place that starts threads, for everyone.
const WORLD: &str = "crates/kenning/src/world.rs";

/// Where threads are started that end before the call does: nobody has to stop those.
const SCOPED: [&str; 1] = ["crates/kenning-embed/src/threads.rs"];

/// Start threads as tests and measurements like.
const FREE: [&str; 2] = ["crates/kenning-test/", "bench/"];

fn threads(sources: &[Source]) -> Vec<Finding> {
    let page = sources.iter().find(|source| source.path == "ARCHITECTURE.md");
    let page = page.map_or("", |page| page.text.as_str());
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| is_watched(source)) {
        for word in ["thread::spawn", "thread::Builder", "thread::scope"] {
            let found = occurrences(&source.product, word);
            findings.extend(found.map(|at| source.finding(at, "threads start by World::spawn")));
        }
        for at in occurrences(&source.product, ".spawn(") {
            findings.extend(refusal(source, at + ".spawn(".len(), page, sources));
        }
    }
    findings
}

fn is_watched(source: &Source) -> bool {
    source.path.contains("/src/")
        && source.path != WORLD
        && !SCOPED.contains(&source.path.as_str())
        && !FREE.iter().any(|free| source.path.starts_with(free))
}

/// What is wrong with the name in the arguments at `at`.
fn refusal(source: &Source, at: usize, page: &str, sources: &[Source]) -> Option<Finding> {
    let skipped = source.text[at..].len() - source.text[at..].trim_start().len();
    let argument = &source.text[at + skipped..];
    // `Command::spawn` has no arguments, and starts a process.
    if argument.starts_with(')') {
        return None;
    }
    let Some(name) = literal(argument).or_else(|| constant(argument, sources)) else {
        return Some(source.finding(at, "a thread's name is a literal or a constant"));
    };
    let listed = page.contains(&format!("`{name}`"));
    (!listed).then(|| source.finding(at, format!("ARCHITECTURE.md does not list thread `{name}`")))
}

fn literal(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.split('"').next()
}

/// The text of the constant whose name begins `argument`, wherever it is defined.
fn constant<'a>(argument: &str, sources: &'a [Source]) -> Option<&'a str> {
    let end = argument.bytes().position(|byte| !is_word(byte)).unwrap_or(argument.len());
    let definition = format!("const {}: &str = ", &argument[..end]);
    let rest = |source: &'a Source| {
        let at = source.code.find(&definition)?;
        literal(&source.text[at + definition.len()..])
    };
    if end == 0 { None } else { sources.iter().find_map(rest) }
}

#[test]
fn every_thread_is_listed() {
    assert_none(&threads(checkout()));
}

#[test]
fn a_thread_that_is_not_listed_is_found() {
    let text = "const NAME: &str = \"kenning-b\";\n\
        fn a() { world.spawn(\"kenning-a\", Box::new(|| {})); }\n\
        fn b() { world.spawn(\n    NAME, Box::new(|| {})); }\n\
        fn c() { world.spawn(name, Box::new(|| {})); }\n\
        fn d() { std::thread::spawn(|| {}); }\n\
        fn e() { Command::new(\"ls\").spawn() }\n\
        fn f() { world.spawn(\"kenning-c\", Box::new(|| {})); }\n\
        #[cfg(test)]\nmod tests { fn g() { std::thread::spawn(|| {}); } }\n";
    let path = "crates/kenning-engine/src/a.rs";
    let check = |page: &str, places: &[usize]| {
        let findings = threads(&[Source::new(path, text), Source::new("ARCHITECTURE.md", page)]);
        let places: Vec<String> = places.iter().map(|line| format!("{path}:{line}")).collect();
        assert_found(&findings, &places.iter().map(String::as_str).collect::<Vec<_>>());
    };
    check("`kenning-c`", &[6, 2, 3, 5]);
    check("| `kenning-a` | `kenning-b` | `kenning-c` |", &[6, 5]);
    check("kenning-a", &[6, 2, 3, 5, 8]);
}
