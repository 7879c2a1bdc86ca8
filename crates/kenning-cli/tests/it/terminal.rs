//! Tables where somebody looks at them.

use crate::shell::Shell;

#[test]
fn a_table_fits_the_terminal_and_only_the_terminal() {
    let shell = Shell::new();
    let long = "x".repeat(300);
    shell.done(&format!("kenning put entities --key a '{{\"text\": \"{long}\"}}'"));
    assert!(shell.done("kenning lookup a").contains(&long));
    // `script` runs a command on a terminal of its own.
    let seen = shell.done("script -qec 'stty cols 90; kenning lookup a' /dev/null < /dev/null");
    let lines: Vec<&str> = seen.lines().map(str::trim_end).collect();
    assert_eq!(lines.len(), 3, "{seen}");
    assert!(lines.iter().all(|line| line.chars().count() <= 90), "{seen}");
    assert!(lines[2].ends_with("xxx..."), "{seen}");
}
