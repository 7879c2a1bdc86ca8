//! Disks that refuse, readers that leave, a second process.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use crate::shell::{Mount, Shell};

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let shell = Shell::new();
    shell.done(r#"seq 5000 | sed 's/.*/{"n": &}/' | kenning put resources - > /dev/null"#);
    let script = "{ kenning --format jsonl log --limit 100000; echo $? > code; } | head -c 10";
    let output = shell.run(script);
    assert_eq!(output.stdout.len(), 10);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(std::fs::read_to_string(shell.here().join("code")).unwrap(), "0\n");
}

#[test]
fn an_output_that_is_full_is_told() {
    let shell = Shell::new();
    shell.done("kenning init");
    let said = shell.refused(3, "kenning table list > /dev/full");
    assert!(said.starts_with("error: OUTPUT: "), "{said}");
}

#[test]
fn a_second_process_is_told_who_holds_the_database() {
    let shell = Shell::new();
    let mut holder = shell.command("exec kenning --format jsonl put resources -");
    let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = holder.stdin.take().unwrap();
    // The first thousand are committed and told while standard input is still open.
    stdin.write_all("{}\n".repeat(1000).as_bytes()).unwrap();
    stdin.flush().unwrap();
    let mut stdout = BufReader::new(holder.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    let said = shell.refused(3, "kenning --format json table list");
    assert!(said.contains(r#""kind":"Unavailable","code":"HELD""#), "{said}");
    assert!(said.contains(&holder.id().to_string()), "{said}");
    drop(stdin);
    stdout.read_to_end(&mut Vec::new()).unwrap();
    assert!(holder.wait().unwrap().success());
    shell.done("kenning table list");
}

#[test]
fn a_killed_process_leaves_what_it_acknowledged() {
    let shell = Shell::new();
    let mut writer = shell.command("exec kenning --format csv put resources -");
    let mut writer = writer.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = writer.stdin.take().unwrap();
    stdin.write_all("{}\n".repeat(1500).as_bytes()).unwrap();
    stdin.flush().unwrap();
    let stdout = BufReader::new(writer.stdout.take().unwrap());
    let told: Vec<String> = stdout.lines().take(1001).map(Result::unwrap).collect();
    writer.kill().unwrap();
    writer.wait().unwrap();
    let id = told[1000].rsplit(',').next().unwrap();
    let record = shell.done(&format!("kenning --format json get resources {id}"));
    assert!(record.contains(id), "{record}");
    assert_eq!(shell.done("kenning verify"), "nothing is wrong\n");
    let changes = shell.done("kenning --format csv log");
    assert_eq!(changes.lines().filter(|line| line.contains(",resources,")).count(), 1000);
}

#[test]
fn a_folder_that_can_only_be_read_is_denied() {
    let shell = Shell::new();
    shell.done("kenning init");
    let bound = shell.here().join("bound");
    let here = shell.here();
    let Some(_bind) = Mount::new(&["--bind", here.to_str().unwrap()], &bound) else {
        skipped("a bind mount takes root");
        return;
    };
    shell.done("mount -o remount,ro,bind bound");
    for line in [
        "kenning --format json --db bound/kenning.db put resources '{}'",
        "kenning --format json --db bound/new.db init",
    ] {
        let said = shell.refused(2, line);
        assert!(said.contains(r#""kind":"Denied","code":"READ_ONLY""#), "{said}");
    }
    assert!(!shell.here().join("new.db").exists());
}

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let shell = Shell::new();
    let small = shell.here().join("small");
    let Some(_small) = Mount::new(&["-t", "tmpfs", "-o", "size=24m", "tmpfs"], &small) else {
        skipped("a small file system takes root");
        return;
    };
    shell.done("kenning --db small/kenning.db put entities --key first '{\"kept\": true}'");
    // Enough to fill it, in text that does not compress well.
    let fill = "head -c 40000000 /dev/urandom | base64 -w 4000 | sed 's/.*/{\"t\": \"&\"}/' \
                | kenning --format csv --db small/kenning.db put resources - > told";
    let said = shell.refused(3, fill);
    assert!(said.contains("DISK_FULL") || said.contains("OUTCOME_UNKNOWN"), "{said}");
    let told = std::fs::read_to_string(shell.here().join("told")).unwrap();
    let larger = shell.run("mount -o remount,size=200m small");
    assert!(larger.status.success());
    let first = shell.done("kenning --db small/kenning.db get entities first");
    assert!(first.contains("kept: true"), "{first}");
    for line in told.lines().skip(1).step_by(97) {
        let id = line.rsplit(',').next().unwrap();
        shell.done(&format!("kenning --db small/kenning.db get resources {id}"));
    }
    assert_eq!(shell.done("kenning --db small/kenning.db verify"), "nothing is wrong\n");
}

#[test]
fn damage_is_found_and_ends_with_three() {
    let shell = Shell::new();
    shell.done("kenning --db demo.db demo");
    shell.done("kenning --db demo.db compact");
    let mut damaged = 0;
    for file in std::fs::read_dir(shell.here().join("demo.db/store")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "sst") {
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[16] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 0, "there is no file to damage");
    let output = shell.run("kenning --db demo.db verify");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(!output.stdout.is_empty() || !output.stderr.is_empty());
}

#[test]
fn what_is_no_text_is_no_argument() {
    let shell = Shell::new();
    let said = shell.refused(2, r#"kenning --format json get entities "$(printf '\377')""#);
    assert!(said.contains(r#""kind":"Invalid","code":"UTF8_MALFORMED""#), "{said}");
}

/// Says so even where the output of a test that passes is not shown.
fn skipped(why: &str) {
    let line = format!("skipped: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}
