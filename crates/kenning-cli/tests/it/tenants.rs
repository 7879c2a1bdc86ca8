//! A tenant that is dropped by a process that is killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use crate::shell::{Shell, bytes_in, wait_for_bytes};

const ROWS: usize = 40_000;

fn rows(shell: &Shell, tenant: &str) -> String {
    shell.done(&format!("kenning --tenant {tenant} --format json lookup n1 n77 n399"))
}

#[test]
fn a_sweep_that_is_killed_anywhere_is_gone_on_with() {
    let shell = Shell::new();
    shell.done("kenning init");
    shell.done("kenning tenant create guests");
    shell.done(r#"seq 400 | sed 's/.*/{"name": "n&"}/' | kenning import entities - --as jsonl"#);
    let many = format!("seq {ROWS} | sed 's/.*/{{\"name\": \"n&\"}}/'");
    shell.done(&format!("{many} | kenning --tenant guests import entities - --as jsonl"));
    let before = rows(&shell, "default");
    let folder = shell.here().join("kenning.db/store");
    let mut kills = 0;
    for round in 0..12 {
        let name = if round == 0 { "guests".to_owned() } else { format!("extra{round}") };
        if round > 0 {
            shell.done(&format!("kenning tenant create {name}"));
        }
        let mut child = shell.command(&format!("exec kenning tenant drop {name} --yes"));
        let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        // From here on it is dropped, whatever happens; the process waits for the sweeper.
        told.read_line(&mut String::new()).unwrap();
        let begun = bytes_in(&folder);
        wait_for_bytes(&mut child, &folder, begun + 200_000 * (round % 4));
        child.kill().unwrap();
        kills += usize::from(!child.wait().unwrap().success());
        let said = shell.refused(2, "kenning --tenant guests lookup n1");
        assert!(said.contains("TENANT_NOT_FOUND"), "{said}");
        assert_eq!(rows(&shell, "default"), before);
        assert_eq!(shell.done("kenning verify"), "nothing is wrong\n");
    }
    assert!(kills >= 3, "{kills} sweeps were killed");
    shell.done("kenning tenant create guests");
    let nothing = shell.run("kenning --tenant guests lookup n1");
    assert_eq!(nothing.status.code(), Some(1), "a new tenant has nothing of the old one");
    // This one waits for what the killed ones left.
    shell.done("kenning tenant drop guests --yes");
    shell.done("kenning compact");
    let list = shell.done("kenning --format csv tenant list");
    assert_eq!(list.lines().count(), 2, "{list}");
    let stats = shell.done("kenning --format csv stats");
    let bytes = |whose: &str| -> u64 {
        let name = format!("bytes.{whose}.names,");
        let line = stats.lines().find_map(|line| line.strip_prefix(name.as_str()));
        line.unwrap().parse().unwrap()
    };
    // Of root's own there is one name left: that of the one tenant.
    assert!(bytes("database") < bytes("tenant") + 10_000, "{stats}");
    assert_eq!(rows(&shell, "default"), before);
}

#[test]
fn whoever_sits_at_a_terminal_is_asked() {
    let shell = Shell::new();
    shell.done("kenning init");
    shell.done("kenning tenant create guests");
    for (answer, left) in [("n", 2), ("", 2), ("y", 1)] {
        // `script` runs a command on a terminal of its own.
        let mut child = shell.command("script -qec 'kenning tenant drop guests' /dev/null");
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(format!("{answer}\n").as_bytes()).unwrap();
        let mut seen = String::new();
        child.stdout.take().unwrap().read_to_string(&mut seen).unwrap();
        drop(stdin);
        child.wait().unwrap();
        assert!(seen.contains("Drop tenant 'guests' with all"), "{seen}");
        assert_eq!(seen.contains("NOT_CONFIRMED"), left == 2, "{seen}");
        let list = shell.done("kenning --format jsonl tenant list");
        assert_eq!(list.lines().count(), left, "{answer}: {list}");
    }
}
