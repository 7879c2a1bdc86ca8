//! Backups and restores that end early: killed, interrupted, on a disk that is full or can only be
//! read. What was there before has to be there still, and the next one has to go on.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use crate::shell::{Mount, Shell, bytes_in, wait_for_bytes};

/// A database of some megabytes that do not compress, with one backup, and a change since.
fn prepared() -> Shell {
    let shell = Shell::new();
    shell.done(
        "head -c 6000000 /dev/urandom | base64 -w 4000 | sed 's/.*/{\"t\": \"&\"}/' > rows.jsonl",
    );
    shell.done("kenning --db db put entities '{\"name\": \"first\"}'");
    shell.done("kenning --db db backup backups");
    shell.done("kenning --db db import resources rows.jsonl");
    shell
}

fn start(shell: &Shell, words: &str) -> Child {
    let mut command = shell.command(&format!("exec kenning {words}"));
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Restores every backup that is listed, and looks whether it is whole. Returns how many there are.
fn check_all(shell: &Shell) -> usize {
    let listed = shell.done("kenning --format csv backup backups --list");
    let numbers = listed.lines().skip(1).map(|line| line.split(',').next().unwrap());
    let mut count = 0;
    for number in numbers {
        shell.done(&format!("kenning --db restored restore backups --backup {number}"));
        assert_eq!(shell.done("kenning --db restored verify"), "nothing is wrong\n");
        assert!(shell.done("kenning --db restored get entities first").contains("first"));
        std::fs::remove_dir_all(shell.here().join("restored")).unwrap();
        count += 1;
    }
    count
}

#[test]
fn a_backup_that_is_killed_anywhere_spares_the_earlier_ones() {
    let shell = prepared();
    let files = shell.here().join("backups/files");
    let before = bytes_in(&files);
    let mut kills = 0;
    for round in 0..12 {
        let mut child = start(&shell, "--db db backup backups");
        wait_for_bytes(&mut child, &files, before + round * 700_000);
        child.kill().unwrap();
        let killed = !child.wait().unwrap().success();
        kills += usize::from(killed);
        if round % 4 == 0 {
            assert!(check_all(&shell) >= 1);
        }
    }
    assert!(kills >= 3, "{kills} backups were killed");
    shell.done("kenning --db db backup backups");
    assert!(!shell.here().join("db/copy.tmp").exists());
    check_all(&shell);
    let left = shell.done("ls backups/files backups/backups");
    assert!(!left.contains(".next"), "{left}");
}

#[test]
fn a_restore_that_is_killed_anywhere_is_repeated() {
    let shell = prepared();
    shell.done("kenning --db db backup backups");
    let target = shell.here().join("new");
    let mut kills = 0;
    for round in 0..8 {
        let mut child = start(&shell, "--db new restore backups");
        wait_for_bytes(&mut child, &target.join("store"), 1 + round * 900_000);
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            assert_eq!(shell.done("kenning --db new verify"), "nothing is wrong\n");
            std::fs::remove_dir_all(&target).unwrap();
        } else {
            kills += 1;
            let said = shell.run("kenning --db new verify");
            // The kill may have come behind the last step.
            assert!([Some(0), Some(2)].contains(&said.status.code()), "{said:?}");
            if said.status.success() || !target.join("LOCK").exists() {
                std::fs::remove_dir_all(&target).unwrap();
            }
        }
    }
    assert!(kills >= 2, "{kills} restores were killed");
    let _ = std::fs::remove_dir_all(target);
    shell.done("kenning --db new restore backups");
    assert_eq!(shell.done("kenning --db new verify"), "nothing is wrong\n");
}

fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn an_interrupt_leaves_no_backup_and_no_database() {
    let shell = prepared();
    let files = shell.here().join("backups/files");
    let mut codes = Vec::new();
    // It may be done before the signal comes; then it is tried once more, into another folder.
    while codes.len() < 20 && codes.last() != Some(&130) {
        let before = bytes_in(&files);
        let mut child = start(&shell, "--db db backup backups");
        wait_for_bytes(&mut child, &files, before + 1);
        interrupt(&child);
        codes.push(child.wait().unwrap().code().unwrap());
        if codes.last() == Some(&0) {
            shell.done("kenning --db db import resources rows.jsonl --again");
        }
    }
    assert_eq!(codes.last(), Some(&130), "{codes:?}");
    assert_eq!(check_all(&shell), codes.len());
    // One backup, which needs every file that is there.
    shell.done("rm -r backups && kenning --db db backup backups");
    // A pipe in place of a file: the restore waits in the middle until somebody writes.
    let largest = shell.done("cd backups/files && ls -S | head -n 1");
    let largest = files.join(largest.trim());
    std::fs::rename(&largest, shell.here().join("content")).unwrap();
    shell.done(&format!("mkfifo {}", largest.display()));
    let child = start(&shell, "--db new restore backups");
    let mut pipe = std::fs::File::options().write(true).open(&largest).unwrap();
    interrupt(&child);
    pipe.write_all(b"x").unwrap();
    drop(pipe);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    assert_eq!(ended.stderr, b"interrupted: there is no database\n");
    assert!(!shell.here().join("new").exists());
}

#[test]
fn a_disk_that_is_full_or_only_read_spares_the_earlier_backups() {
    let shell = prepared();
    let small = shell.here().join("small");
    let Some(_small) = Mount::new(&["-t", "tmpfs", "-o", "size=3m", "tmpfs"], &small) else {
        std::io::stderr().write_all(b"skipped: a small file system takes root\n").unwrap();
        return;
    };
    shell.done("cp -r backups small/ && rm -r backups && ln -s small/backups backups");
    let said = shell.refused(3, "kenning --format json --db db backup backups");
    assert!(said.contains(r#""kind":"Unavailable","code":"DISK_FULL""#), "{said}");
    assert_eq!(check_all(&shell), 1);
    assert_eq!(shell.done("kenning --db db verify"), "nothing is wrong\n");
    assert!(shell.run("mount -o remount,size=40m small").status.success());
    shell.done("kenning --db db backup backups");
    assert_eq!(check_all(&shell), 2);
    let other = shell.here().join("other");
    let _other = Mount::new(&["-t", "tmpfs", "-o", "size=3m", "tmpfs"], &other).unwrap();
    let said = shell.refused(3, "kenning --db other/new restore backups");
    assert!(said.starts_with("error: DISK_FULL"), "{said}");
    assert_eq!(std::fs::read_dir(&other).unwrap().count(), 0);
    assert!(shell.run("mount -o remount,ro small").status.success());
    for folder in ["backups", "small/new"] {
        let said = shell.refused(2, &format!("kenning --format json --db db backup {folder}"));
        assert!(said.contains(r#""kind":"Denied","code":"READ_ONLY""#), "{said}");
    }
    assert_eq!(check_all(&shell), 2, "what can only be read can be restored");
    shell.done("rm backups && kenning --db db backup backups");
}
