//! Imports and exports that end early: killed, interrupted, on a full disk.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::shell::{Mount, Shell, wait_for_bytes};

const ROWS: usize = 60_000;

/// Rows without a key, so that one that is stored twice shows.
pub(crate) fn write_rows(path: &Path, rows: usize) {
    let mut text = String::new();
    for n in 0..rows {
        text += &format!("{{\"n\": {n}, \"text\": \"some text that makes the row longer\"}}\n");
    }
    std::fs::write(path, text).unwrap();
}

/// The numbers of all rows that are stored, in order.
fn numbers(shell: &Shell, db: &str) -> Vec<usize> {
    let rows = shell.done(&format!("kenning --db {db} export resources - --as csv"));
    let mut lines = rows.lines();
    let column = lines.next().unwrap().split(',').position(|name| name == "n").unwrap();
    let number = |line: &str| line.split(',').nth(column).unwrap().parse().unwrap();
    let mut numbers: Vec<usize> = lines.map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// Starts an import of `rows.jsonl`.
fn start(shell: &Shell) -> Child {
    let mut command = shell.command("exec kenning import resources rows.jsonl");
    command.stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn an_import_that_is_killed_anywhere_is_gone_on_with_exactly() {
    let shell = Shell::new();
    shell.done("kenning init");
    write_rows(&shell.here().join("rows.jsonl"), ROWS);
    let folder = shell.here().join("kenning.db");
    let mut kills = 0;
    for round in 0..40 {
        let mut child = start(&shell);
        wait_for_bytes(&mut child, &folder.join("store"), round * 800_000);
        child.kill().unwrap();
        kills += usize::from(!child.wait().unwrap().success());
    }
    assert!(kills >= 3, "{kills} imports were killed");
    shell.done("kenning import resources rows.jsonl");
    let stored = numbers(&shell, "kenning.db");
    assert!(stored == (0..ROWS).collect::<Vec<_>>(), "{} rows after {kills} kills", stored.len());
    assert_eq!(shell.done("kenning verify"), "nothing is wrong\n");
    let again = shell.run("kenning import resources rows.jsonl");
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(said.starts_with("imported before: 60,000 rows stored"), "{said}");
}

pub(crate) fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn an_import_that_is_interrupted_says_so_and_is_gone_on_with() {
    let shell = Shell::new();
    shell.done("kenning init");
    write_rows(&shell.here().join("rows.jsonl"), 10 * ROWS);
    // A bad line at the begin: once it is told, the import is under way.
    let rows = std::fs::read(shell.here().join("rows.jsonl")).unwrap();
    std::fs::write(shell.here().join("rows.jsonl"), [b"bad\n", &rows[..]].concat()).unwrap();
    let mut child = start(&shell);
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(told.next().unwrap().unwrap().starts_with("line 1: JSON_MALFORMED"));
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let said: Vec<String> = told.map(Result::unwrap).collect();
    assert_eq!(said[0], "interrupted: the same command goes on from here");
    let on = shell.run("kenning import resources rows.jsonl");
    assert_eq!(on.status.code(), Some(2), "the bad line counts for the whole import");
    assert!(String::from_utf8(on.stderr).unwrap().starts_with("going on from line "));
    assert!(numbers(&shell, "kenning.db") == (0..10 * ROWS).collect::<Vec<_>>());
}

#[test]
fn an_export_that_ends_early_leaves_no_file_under_the_name() {
    let shell = Shell::new();
    shell.done("kenning init");
    write_rows(&shell.here().join("rows.jsonl"), 2 * ROWS);
    shell.done("kenning import resources rows.jsonl");
    let part = shell.here().join("out.jsonl.part");
    for signal in ["-INT", "-KILL"] {
        // A pipe in place of the file: the export waits in the middle until somebody reads on.
        shell.done("mkfifo out.jsonl.part");
        let mut child = shell.command("exec kenning export resources out.jsonl").spawn().unwrap();
        let mut pipe = std::fs::File::open(&part).unwrap();
        pipe.read_exact(&mut [0; 1]).unwrap();
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        pipe.read_to_end(&mut Vec::new()).unwrap();
        let ended = child.wait().unwrap();
        assert!(!shell.here().join("out.jsonl").exists(), "{signal}");
        if signal == "-INT" {
            assert_eq!(ended.code(), Some(130));
            assert!(!part.exists());
        }
    }
    std::fs::remove_file(&part).unwrap();
    shell.done("kenning export resources out.jsonl");
    assert!(!part.exists());
    let written = std::fs::read_to_string(shell.here().join("out.jsonl")).unwrap();
    assert_eq!(written.lines().count(), 2 * ROWS);
}

#[test]
fn a_disk_that_fills_is_told_and_nothing_is_lost_or_doubled() {
    let shell = Shell::new();
    let small = shell.here().join("small");
    let Some(_small) = Mount::new(&["-t", "tmpfs", "-o", "size=16m", "tmpfs"], &small) else {
        std::io::stderr().write_all(b"skipped: a small file system takes root\n").unwrap();
        return;
    };
    shell.done("kenning --db small/db init");
    write_rows(&shell.here().join("rows.jsonl"), 4 * ROWS);
    let said = shell.refused(3, "kenning --db small/db import resources rows.jsonl");
    assert!(said.contains("DISK_FULL") || said.contains("OUTCOME_UNKNOWN"), "{said}");
    assert!(said.contains("rows up to line"), "{said}");
    assert!(shell.run("mount -o remount,size=400m small").status.success());
    shell.done("kenning --db small/db import resources rows.jsonl");
    assert!(numbers(&shell, "small/db") == (0..4 * ROWS).collect::<Vec<_>>());
    let other = shell.here().join("other");
    let _other = Mount::new(&["-t", "tmpfs", "-o", "size=4m", "tmpfs"], &other).unwrap();
    let said = shell.refused(3, "kenning --db small/db export resources other/out.jsonl");
    assert!(said.starts_with("error: DISK_FULL"), "{said}");
    assert_eq!(std::fs::read_dir(&other).unwrap().count(), 0);
}

#[test]
fn a_line_of_100_mb_is_told_and_passed_over() {
    let shell = Shell::new();
    shell.done("kenning init");
    shell.done(
        "{ echo '{\"n\": 1}'; head -c 100000000 /dev/zero | tr '\\0' x; echo; echo '{\"n\": 2}'; } \
         > rows.jsonl",
    );
    let output = shell.run("kenning import resources rows.jsonl");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("line 2: LINE_TOO_LONG: "), "{said}");
    assert!(said.contains("2 rows stored, 1 bad"), "{said}");
}
