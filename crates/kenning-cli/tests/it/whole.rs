//! Exports and imports of whole databases that end early: killed, interrupted, on a full disk.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};

use crate::bulk::{interrupt, write_rows};
use crate::shell::{Mount, Shell, wait_for_bytes};

const ROWS: usize = 60_000;

/// A database with a past.
fn make(shell: &Shell, rows: usize) {
    shell.done("kenning init");
    write_rows(&shell.here().join("rows.jsonl"), rows);
    shell.done("kenning import resources rows.jsonl");
    shell.done("seq 500 | sed 's/.*/{\"name\": \"e&\"}/' | kenning put entities -");
    for name in ["e1", "e2", "e3"] {
        shell.done(&format!("kenning link e4 knows {name}"));
        shell.done(&format!("kenning delete entities {name}"));
    }
}

/// The hashes of what a database knows, and of its past if that was copied as well.
fn content(shell: &Shell, db: &str, history: bool) -> String {
    let said = shell.done(&format!("kenning --db {db} verify --content"));
    said.lines().take(1 + usize::from(history)).collect()
}

fn start(shell: &Shell, line: &str) -> Child {
    shell.command(&format!("exec kenning {line}")).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn an_import_of_everything_that_is_killed_anywhere_is_gone_on_with() {
    let shell = Shell::new();
    make(&shell, ROWS);
    for (flags, history) in [("", false), ("--history", true)] {
        let files = format!("files{history}");
        let copy = format!("copy{history}.db");
        shell.done(&format!("kenning export --all {files} {flags}"));
        let folder = shell.here().join(&copy);
        let mut kills = 0;
        for round in 0..30 {
            let mut child = start(&shell, &format!("--db {copy} import --all {files}"));
            wait_for_bytes(&mut child, &folder.join("store"), round * 700_000);
            child.kill().unwrap();
            if child.wait().unwrap().success() {
                break;
            }
            kills += 1;
            let looked = shell.run(&format!("kenning --db {copy} get entities e5"));
            let said = String::from_utf8(looked.stderr).unwrap();
            if looked.status.success() {
                break;
            }
            // It is half made and says so, unless it was killed before it had begun.
            let refused = ["IMPORT_UNFINISHED", "NO_DATABASE", "nothing found"];
            assert!(refused.iter().any(|code| said.contains(code)), "{said}");
        }
        assert!(kills >= 3, "{kills} imports were killed");
        if !shell.run(&format!("kenning --db {copy} get entities e5")).status.success() {
            shell.done(&format!("kenning --db {copy} import --all {files}"));
        }
        assert_eq!(content(&shell, &copy, history), content(&shell, "kenning.db", history));
        let again = shell.run(&format!("kenning --db {copy} import --all {files}"));
        let said = String::from_utf8(again.stderr).unwrap();
        assert!(again.status.success() && said.starts_with("imported before"), "{said}");
    }
}

#[test]
fn an_import_of_everything_that_is_interrupted_goes_on() {
    let shell = Shell::new();
    make(&shell, 4 * ROWS);
    shell.done("kenning export --all files");
    let mut child = start(&shell, "--db copy.db import --all files");
    wait_for_bytes(&mut child, &shell.here().join("copy.db/store"), 2_000_000);
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let said = shell.refused(2, "kenning --db copy.db table list");
    assert!(said.contains("IMPORT_UNFINISHED"), "{said}");
    // Another export is not what it is half made of.
    shell.done("kenning put entities '{\"name\": \"later\"}'");
    shell.done("kenning export --all later");
    let said = shell.refused(2, "kenning --db copy.db import --all later");
    assert!(said.contains("IMPORT_OTHER"), "{said}");
    let on = shell.run("kenning --db copy.db import --all files");
    let said = String::from_utf8(on.stderr).unwrap();
    assert!(said.starts_with("gone on from where it was cut off"), "{said}");
    shell.done("kenning delete entities later");
    shell.done("kenning --db copy.db get entities e5");
    assert_eq!(shell.done("kenning --db copy.db verify"), "nothing is wrong\n");
}

#[test]
fn an_export_of_everything_that_ends_early_is_no_export() {
    let shell = Shell::new();
    make(&shell, 4 * ROWS);
    let marker = shell.here().join("files/KENNING-EXPORT");
    let file = shell.here().join("files/default/resources.jsonl.part");
    for (at, signal) in ["-KILL", "-KILL", "-INT"].into_iter().enumerate() {
        // What the one before left must not be taken for what this one writes.
        let _ = std::fs::remove_file(&file);
        let mut child = start(&shell, "export --all files");
        let written = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
        while written(&file) < 1 + 4_000_000 * at as u64 && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        match signal {
            "-INT" => interrupt(&child),
            _ => child.kill().unwrap(),
        }
        let ended = child.wait().unwrap();
        assert!(!ended.success() && !marker.exists(), "{signal} came too late");
        if signal == "-INT" {
            assert_eq!(ended.code(), Some(130));
            assert!(!file.exists());
        }
        let said = shell.refused(2, "kenning --db copy.db import --all files");
        assert!(said.contains("EXPORT_MISSING"), "{said}");
        assert!(!shell.here().join("copy.db").exists());
    }
    shell.done("kenning export --all files");
    shell.done("kenning --db copy.db import --all files");
    assert_eq!(content(&shell, "copy.db", false), content(&shell, "kenning.db", false));
}

#[test]
fn a_disk_that_fills_leaves_no_export_and_an_import_that_goes_on() {
    let shell = Shell::new();
    let small = shell.here().join("small");
    let Some(_small) = Mount::new(&["-t", "tmpfs", "-o", "size=8m", "tmpfs"], &small) else {
        std::io::stderr().write_all(b"skipped: a small file system takes root\n").unwrap();
        return;
    };
    make(&shell, 4 * ROWS);
    let said = shell.refused(3, "kenning export --all small/files");
    assert!(said.contains("DISK_FULL"), "{said}");
    assert_eq!(std::fs::read_dir(&small).unwrap().count(), 0);
    for (flags, copy) in [("", "small/a.db"), ("--history", "small/b.db")] {
        shell.done(&format!("kenning export --all {copy}.files {flags}").replace("small/", ""));
        let import = format!("kenning --db {copy} import --all {copy}.files")
            .replace(&format!("--all {copy}"), &format!("--all {}", &copy[6..]));
        assert!(shell.run("mount -o remount,size=16m small").status.success());
        let said = shell.refused(3, &import);
        assert!(said.contains("DISK_FULL") || said.contains("OUTCOME_UNKNOWN"), "{said}");
        assert!(shell.run("mount -o remount,size=600m small").status.success());
        shell.done(&import);
        let history = !flags.is_empty();
        assert_eq!(content(&shell, copy, history), content(&shell, "kenning.db", history));
        std::fs::remove_dir_all(shell.here().join(copy)).unwrap();
    }
}
