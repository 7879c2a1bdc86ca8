//! Arrows point down only. What a crate does not know is what makes it simple, so the map is a
//! table, and changing the map is a commit of its own.

use crate::source::{Finding, Source, assert_found, assert_none, checkout};

/// Every crate and the crates it may use. Tests may use `kenning-test` besides.
const MAY_USE: &[(&str, &[&str])] = &[
    ("kenning-store", &[]),
    ("kenning-record", &["kenning-store"]),
    ("kenning-index", &["kenning-record", "kenning-store"]),
    ("kenning-embed", &["kenning-index", "kenning-store"]),
    ("kenning-engine", &["kenning-index", "kenning-record", "kenning-store"]),
    ("kenning-fjall", &["kenning-store"]),
    ("kenning-rocks", &["kenning-store"]),
    ("kenning-words", &["kenning-index", "kenning-record", "kenning-store"]),
    ("kenning-vectors", &["kenning-index", "kenning-record", "kenning-store"]),
    ("kenning-ingest", &["kenning-engine", "kenning-index", "kenning-record", "kenning-store"]),
    (
        "kenning",
        &[
            "kenning-embed",
            "kenning-engine",
            "kenning-fjall",
            "kenning-index",
            "kenning-ingest",
            "kenning-record",
            "kenning-rocks",
            "kenning-store",
            "kenning-vectors",
            "kenning-words",
        ],
    ),
    ("kenning-cli", &["kenning"]),
    ("kenning-test", &["kenning-store"]),
    (
        "kenning-fuzz",
        &[
            "kenning-engine",
            "kenning-fjall",
            "kenning-index",
            "kenning-ingest",
            "kenning-record",
            "kenning-store",
            "kenning-vectors",
        ],
    ),
    (
        "kenning-bench",
        &[
            "kenning",
            "kenning-embed",
            "kenning-index",
            "kenning-record",
            "kenning-rocks",
            "kenning-store",
            "kenning-vectors",
            "kenning-words",
        ],
    ),
];

/// The floors that are functions over bytes.
const PURE: &[&str] = &["kenning-store", "kenning-record", "kenning-index"];

/// What those floors do not know, by how the names begin: runtimes, columns, HTTP.
const IMPURE: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "arrow",
    "datafusion",
    "parquet",
    "http",
    "hyper",
    "axum",
    "tonic",
    "reqwest",
    "ureq",
];

/// One dependency as a manifest names it.
#[derive(Debug, PartialEq, Eq)]
struct Dependency<'a> {
    line: usize,
    name: &'a str,
    for_tests: bool,
}

fn edges(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in sources.iter().filter(|source| source.name() == "Cargo.toml") {
        let Some(name) = package(&manifest.text) else { continue };
        let Some((_, may_use)) = MAY_USE.iter().find(|(known, _)| *known == name) else {
            findings.push(manifest.finding_in_line(1, format!("{name} is not in MAY_USE")));
            continue;
        };
        for dependency in dependencies(&manifest.text) {
            if let Some(reason) = refusal(name, may_use, &dependency) {
                findings.push(manifest.finding_in_line(dependency.line, reason));
            }
        }
    }
    findings
}

fn refusal(name: &str, may_use: &[&str], dependency: &Dependency<'_>) -> Option<String> {
    let used = dependency.name;
    if used.starts_with("kenning") {
        // A crate may name itself for its tests, to switch a feature on.
        let allowed = may_use.contains(&used)
            || dependency.for_tests && (used == "kenning-test" || used == name);
        return (!allowed).then(|| format!("{name} may not use {used}"));
    }
    let impure = IMPURE.iter().any(|start| used.starts_with(start));
    (PURE.contains(&name) && impure).then(|| format!("{name} knows no runtime and no {used}"))
}

fn package(manifest: &str) -> Option<&str> {
    let package = manifest.split("[package]").nth(1)?;
    let line = package.lines().find(|line| line.starts_with("name"))?;
    line.split('"').nth(1)
}

fn dependencies(manifest: &str) -> Vec<Dependency<'_>> {
    let mut dependencies = Vec::new();
    let mut kind = None;
    for (line_idx, line) in manifest.lines().enumerate() {
        let line = line.trim();
        let dependency = |kind, name| {
            let for_tests = kind == "dev-dependencies";
            Dependency { line: line_idx + 1, name, for_tests }
        };
        if let Some(header) = line.strip_prefix('[') {
            let section = header.trim_end_matches(']');
            kind = section_of(section);
            // `[dependencies.name]` is a dependency by itself.
            if let Some((parent, name)) = section.rsplit_once('.')
                && let Some(kind) = section_of(parent)
            {
                dependencies.push(dependency(kind, name.trim_matches('"')));
            }
        } else if let Some(kind) = kind
            && !line.is_empty()
            && !line.starts_with('#')
        {
            dependencies.push(dependency(kind, renamed(line).unwrap_or_else(|| key(line))));
        }
    }
    dependencies
}

/// Which kind of dependencies a section has, also for one target only.
fn section_of(section: &str) -> Option<&'static str> {
    ["dev-dependencies", "build-dependencies", "dependencies"].into_iter().find(|kind| {
        section == *kind || section.starts_with("target.") && section.ends_with(&format!(".{kind}"))
    })
}

fn key(line: &str) -> &str {
    let line = line.trim_start_matches('"');
    let end = line.find(['.', '=', ' ', '"']).unwrap_or(line.len());
    &line[..end]
}

fn renamed(line: &str) -> Option<&str> {
    line.split("package = \"").nth(1)?.split('"').next()
}

#[test]
fn arrows_point_down() {
    assert_none(&edges(checkout()));
}

#[test]
fn every_crate_is_seen() {
    let manifests = checkout().iter().filter(|source| source.name() == "Cargo.toml");
    let names: Vec<&str> = manifests.filter_map(|manifest| package(&manifest.text)).collect();
    for (name, _) in MAY_USE.iter().filter(|(name, _)| *name != "kenning-bench") {
        assert!(names.contains(name), "{name} is in MAY_USE and has no manifest");
    }
}

#[test]
fn an_arrow_up_is_found() {
    let manifest = "[package]\nname = \"kenning-record\"\n[dependencies]\n\
        kenning-store.workspace = true\nkenning-index = { path = \"../kenning-index\" }\n\
        tokio = \"1\"\ninner = { package = \"kenning-engine\", version = \"1\" }\n\
        [dev-dependencies]\nkenning-test.workspace = true\nkenning.workspace = true\n\
        [target.'cfg(unix)'.build-dependencies]\nkenning-rocks.workspace = true\n\
        [dependencies.kenning-cli]\nworkspace = true\n\
        [dev-dependencies.kenning-test]\nworkspace = true\n";
    let unknown = "[package]\nname = \"kenning-new\"\n";
    let findings = edges(&[
        Source::new("a/Cargo.toml", manifest),
        Source::new("b/Cargo.toml", unknown),
        Source::new("Cargo.toml", "[workspace.dependencies]\nkenning = \"1\"\n"),
    ]);
    let places = [5, 6, 7, 10, 12, 13].map(|line| format!("a/Cargo.toml:{line}"));
    let mut places: Vec<&str> = places.iter().map(String::as_str).collect();
    places.push("b/Cargo.toml:1");
    assert_found(&findings, &places);
}

#[test]
fn the_product_may_not_use_what_tests_may() {
    let manifest = "[package]\nname = \"kenning-store\"\n[dependencies]\n\
        kenning-test.workspace = true\n";
    assert_found(&edges(&[Source::new("Cargo.toml", manifest)]), &["Cargo.toml:4"]);
}
