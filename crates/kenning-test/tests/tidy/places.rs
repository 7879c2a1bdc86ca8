//! Where this was built, and where its dependencies were taken from, is nobody's business: a path
//! of one machine is wrong on the next one.
//!
//! The words are put together here, so that this file does not say them.

use crate::source::{Finding, Source, assert_found, assert_none, checkout, is_word};

/// The first folders of paths that differ between machines.
fn folders() -> [String; 6] {
    [["wo", "rk"], ["ro", "ot"], ["t", "mp"], ["ho", "me"], ["Us", "ers"], ["work", "space"]]
        .map(|halves| format!("/{}", halves.concat()))
}

/// Hosts of package registries.
fn hosts() -> [String; 9] {
    [
        ["crates", ".io"],
        ["py", "pi.org"],
        ["python", "hosted.org"],
        ["npm", "js.org"],
        ["npm", "js.com"],
        ["proxy.golang", ".org"],
        ["rubygems", ".org"],
        ["maven", ".org"],
        ["deb.debian", ".org"],
    ]
    .map(|halves| halves.concat())
}

fn paths(sources: &[Source]) -> Vec<Finding> {
    let folders = folders();
    let mut findings = Vec::new();
    for source in sources {
        for folder in &folders {
            let found = source.text.match_indices(folder.as_str()).map(|(at, _)| at);
            let absolute = found.filter(|at| is_absolute(&source.text, *at, folder.len()));
            let message = format!("{folder} is a path of one machine");
            findings.extend(absolute.map(|at| source.finding(at, &message)));
        }
    }
    findings
}

/// Whether the path begins here, and the folder's name ends after `size` bytes.
fn is_absolute(text: &str, at: usize, size: usize) -> bool {
    // A byte that a longer path may have before this slash: a name, a dot, a variable, a call.
    let inside = |byte: &u8| is_word(*byte) || b".-~}])*%>".contains(byte);
    let before = at.checked_sub(1).and_then(|at| text.as_bytes().get(at));
    let after = text.as_bytes().get(at + size);
    !before.is_some_and(inside) && !after.is_some_and(|byte| is_word(*byte) || *byte == b'-')
}

fn registries(sources: &[Source]) -> Vec<Finding> {
    let hosts = hosts();
    let mut findings = Vec::new();
    // Cargo writes the registry into its lock; nobody else writes there.
    for source in sources.iter().filter(|source| source.name() != "Cargo.lock") {
        for host in &hosts {
            let found = source.text.match_indices(host.as_str());
            let message = format!("{host} is a package registry: say 'the package registry'");
            findings.extend(found.map(|(at, _)| source.finding(at, &message)));
        }
    }
    findings
}

#[test]
fn no_path_is_of_one_machine() {
    assert_none(&paths(checkout()));
}

#[test]
fn no_registry_is_named() {
    assert_none(&registries(checkout()));
}

#[test]
fn a_path_of_one_machine_is_found() {
    for folder in folders() {
        let text =
            format!("a{folder}/b ~{folder}\n`{folder}` ${{A}}{folder}\n{folder}/a\n{folder}y");
        assert_found(&paths(&[Source::new("a.md", &text)]), &["a.md:2", "a.md:3"]);
    }
}

#[test]
fn a_registry_is_found() {
    for host in hosts() {
        let text = format!("a\nhttps://index.{host}/a\n");
        let findings = registries(&["a.md", "Cargo.lock"].map(|path| Source::new(path, &text)));
        assert_found(&findings, &["a.md:2"]);
    }
}
