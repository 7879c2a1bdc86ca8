//! A compaction that ends early: killed, interrupted, on a disk that is full. It changes nothing
//! that anybody can see, so everything has to be there still.

use std::io::Write;
use std::process::{Child, Stdio};

use crate::shell::{Mount, Shell, bytes_in, wait_for_bytes};

const ENGINES: [&str; 2] = ["rocksdb", "fjall"];

/// A database with much that was overwritten since.
fn prepared(engine: &str) -> Shell {
    let shell = Shell::new();
    shell.done("head -c 3000000 /dev/urandom | base64 -w 2000 > texts");
    let row = r#"{print "{\"k\": \"" NR "\", \"t\": \"" $0 "\"}"}"#;
    shell.done(&format!("awk '{row}' texts > rows.jsonl"));
    shell.done(&format!("kenning --db db init --engine {engine}"));
    shell.done("echo '{\"x-kenning\": {\"key\": \"k\", \"words\": []}}' > schema.json");
    shell.done("kenning --db db table create rows --schema schema.json");
    shell.done("kenning --db db import rows rows.jsonl");
    shell.done("kenning --db db import rows rows.jsonl --again");
    shell
}

fn start(shell: &Shell) -> Child {
    let mut command = shell.command("exec kenning --db db compact");
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Everything is there, and nothing is wrong with it.
fn check(shell: &Shell) {
    assert_eq!(shell.done("kenning --db db verify"), "nothing is wrong\n");
    let expected = shell.done("wc -l < rows.jsonl");
    shell.done("rm -f out.jsonl && kenning --db db export rows out.jsonl");
    let there = shell.done("wc -l < out.jsonl");
    assert_eq!(there.trim(), expected.trim());
}

#[test]
fn a_compaction_that_is_killed_or_interrupted_loses_nothing() {
    for engine in ENGINES {
        let shell = prepared(engine);
        for round in 0..8 {
            let store = shell.here().join("db/store");
            let before = bytes_in(&store);
            let mut child = start(&shell);
            wait_for_bytes(&mut child, &store, before + 1 + round * 400_000);
            if round % 2 == 0 {
                child.kill().unwrap();
            } else {
                shell.run(&format!("kill -INT {}", child.id()));
            }
            child.wait().unwrap();
            if round % 3 == 2 {
                check(&shell);
            }
        }
        shell.done("kenning --db db compact");
        check(&shell);
    }
}

#[test]
fn a_compaction_that_fills_the_disk_says_so_and_loses_nothing() {
    for engine in ENGINES {
        let shell = prepared(engine);
        let small = shell.here().join("small");
        let Some(_small) = Mount::new(&["-t", "tmpfs", "-o", "size=400m", "tmpfs"], &small) else {
            std::io::stderr().write_all(b"skipped: a small file system takes root\n").unwrap();
            return;
        };
        shell.done("cp -r db small/ && rm -r db && ln -s small/db db");
        // What is there and a little more.
        shell.done("dd if=/dev/zero of=small/filler bs=64K status=none || true");
        shell.done("truncate -s -524288 small/filler");
        let ended = shell.run("kenning --format json --db db compact");
        if !ended.status.success() {
            let said = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert_eq!(ended.status.code(), Some(3), "{engine}: {said}");
            assert!(said.contains("\"code\":"), "{engine}: {said}");
        }
        shell.done("rm small/filler");
        check(&shell);
        shell.done("kenning --db db compact");
        check(&shell);
    }
}
