//! What `help` and `demo` show runs as it stands, and so do the scripts in `examples/`.

use std::path::Path;
use std::process::Stdio;

use crate::shell::Shell;

/// The indented lines of a text that are commands.
fn commands<'a>(text: &'a str, indent: &str) -> Vec<&'a str> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(indent));
    lines.filter(|line| line.contains("kenning ") && !line.starts_with(' ')).collect()
}

/// Every verb, as `help` lists them, those of `table` and `tenant` below them.
fn verbs(shell: &Shell, above: &str) -> Vec<String> {
    let help = shell.done(&format!("kenning help {above}"));
    let list = help.split("Commands:\n").nth(1).unwrap_or_default();
    let names = list.lines().take_while(|line| !line.is_empty());
    let names =
        names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    let mut verbs = Vec::new();
    for name in names {
        let verb = format!("{above} {name}");
        let below = self::verbs(shell, &verb);
        verbs.extend(if below.is_empty() { vec![verb] } else { below });
    }
    verbs
}

#[test]
fn every_example_of_help_runs() {
    let shell = Shell::new();
    let mut n_examples = 0;
    for verb in verbs(&shell, "") {
        let help = shell.done(&format!("kenning help {verb}"));
        let examples = commands(help.split("Example").nth(1).unwrap_or_default(), "  ");
        assert!(!examples.is_empty(), "{verb} has no example:\n{help}");
        // It needs a network, or a model.
        if verb == " model pull" {
            continue;
        }
        let shell = Shell::new();
        shell.done("kenning --db demo.db demo");
        for example in examples {
            let answer = shell.done(example);
            // What these did they say on standard error.
            let quiet = [" compact", " import", " export"].contains(&verb.as_str());
            assert!(!answer.is_empty() || quiet, "{example} says nothing");
            n_examples += 1;
        }
        assert_eq!(shell.done("kenning --db demo.db verify"), "nothing is wrong\n");
    }
    assert!(n_examples >= 22, "{n_examples} examples");
}

#[test]
fn the_start_that_help_shows_works() {
    let shell = Shell::new();
    let help = shell.done("kenning --help");
    let start = commands(help.split("Start with:").nth(1).unwrap(), "  ");
    assert_eq!(start.len(), 3, "{start:?}");
    for command in start {
        assert!(!shell.done(command).is_empty());
    }
}

#[test]
fn every_command_of_the_demo_runs_as_it_stands() {
    let shell = Shell::new();
    let story = shell.done("kenning --db demo.db demo");
    let typed = commands(&story, "    $ ");
    assert!(typed.len() >= 12, "{story}");
    for command in typed {
        let code = if command.contains("maybe") { 2 } else { 0 };
        let output = shell.run(command);
        assert_eq!(output.status.code(), Some(code), "{command}");
    }
}

#[test]
fn every_script_of_the_examples_runs_and_leaves_nothing_behind() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut n_scripts = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "sh") {
            let shell = Shell::new();
            let said = shell.done(&format!("TMPDIR=$PWD sh '{}'", path.display()));
            assert!(said.ends_with("nothing is wrong\n"), "{}: {said}", path.display());
            assert_eq!(std::fs::read_dir(shell.here()).unwrap().count(), 0);
            n_scripts += 1;
        }
    }
    assert_eq!(n_scripts, 2);
}

#[test]
fn the_demo_shows_the_past_and_leaves_nothing_behind() {
    let shell = Shell::new();
    let story = shell.done("kenning demo");
    for part in ["made up", "status: \"overturned\"", "status: \"accepted\"", "nothing is wrong"] {
        assert!(story.contains(part), "{part} is missing:\n{story}");
    }
    assert!(story.contains("error: SCHEMA_VIOLATION: field 'status'"), "{story}");
    assert!(story.lines().all(|line| line.chars().count() <= 130), "{story}");
    assert_eq!(std::fs::read_dir(shell.here()).unwrap().count(), 0);
}

#[test]
fn the_demo_can_be_told_twice_and_spares_the_tables_of_others() {
    let shell = Shell::new();
    for telling in ["first", "second"] {
        let story = shell.done("kenning --db demo.db demo");
        let before = story.split("--as-of").last().unwrap().split("What breaks").next().unwrap();
        assert!(before.contains("made"), "{telling}: {before}");
        assert!(!before.contains("replaces"), "{telling}: {before}");
    }
    shell.done("kenning --db mine.db init");
    shell.done(
        "echo '{\"required\": [\"x\"]}' | kenning --db mine.db table create people --schema -",
    );
    let said = shell.refused(2, "kenning --db mine.db demo");
    assert!(said.contains("TABLE_EXISTS"), "{said}");
}

#[test]
fn help_for_each_verb_is_on_standard_output() {
    let shell = Shell::new();
    let output = shell.command("kenning get --help").stderr(Stdio::piped()).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(String::from_utf8_lossy(&output.stdout).contains("--as-of"));
}
