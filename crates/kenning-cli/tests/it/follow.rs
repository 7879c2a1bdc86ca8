//! A log that is followed: until somebody interrupts it, or stops reading.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::shell::Shell;

fn start(shell: &Shell, words: &str) -> (Child, BufReader<ChildStdout>) {
    let mut command = shell.command(&format!("exec kenning {words}"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout)
}

fn line(stdout: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    line
}

/// How it ended, without a word.
fn code(mut child: Child) -> Option<i32> {
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
    child.wait().unwrap().code()
}

fn filled() -> Shell {
    let shell = Shell::new();
    shell.done("kenning init");
    shell.done(r#"seq 3000 | sed 's/.*/{"n": &}/' | kenning put resources - > /dev/null"#);
    shell
}

#[test]
fn an_interrupt_ends_it_well() {
    for format in ["jsonl", "csv", "table"] {
        let shell = filled();
        let (child, mut stdout) =
            start(&shell, &format!("--format {format} log --follow --after 0"));
        // The last transaction is told while it waits for more.
        while !line(&mut stdout).contains(":3000}") {}
        let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        assert_eq!(stdout.lines().count(), 0);
        assert_eq!(code(child), Some(0), "{format}");
        shell.done("kenning table list");
    }
}

#[test]
fn nobody_reading_ends_it_even_while_it_waits() {
    let shell = filled();
    let (child, mut stdout) = start(&shell, "--format jsonl log --follow --after 0");
    while !line(&mut stdout).contains(":3000}") {}
    drop(stdout);
    assert_eq!(code(child), Some(0));
    // And while it has much to say.
    let (child, mut stdout) = start(&shell, "--format jsonl log --follow --after 0");
    line(&mut stdout);
    drop(stdout);
    assert_eq!(code(child), Some(0));
}

#[test]
fn it_shows_the_steps_of_an_index_and_holds_the_database() {
    let shell = filled();
    let before = shell.done("kenning --format json stats");
    let version = before.split("\"version\":").nth(1).unwrap();
    let version: String = version.chars().take_while(char::is_ascii_digit).collect();
    shell.done("echo '{\"x-kenning\": {\"indexed\": [\"n\"]}}' > schema.json");
    shell.done("kenning table alter resources --schema schema.json --no-wait");
    let words = format!("--format jsonl log --follow --after {version}");
    let (child, mut stdout) = start(&shell, &words);
    // The table is altered, then the index is complete: a change of the table each time.
    let mut tables = 0;
    let mut steps = 0;
    while tables < 2 {
        let said = line(&mut stdout);
        tables += usize::from(said.contains("\"table\":\"_tables\""));
        steps += usize::from(said.contains("\"changes\":[]"));
    }
    assert!(steps >= 2, "{steps} steps");
    let said = shell.refused(3, "kenning log --follow");
    assert!(said.starts_with("error: HELD"), "{said}");
    drop(stdout);
    assert_eq!(code(child), Some(0));
}
