//! The guide: whoever types what its pages show sees what its pages show.
//!
//! A page is one session of one shell, from its top to its end, that begins in an empty folder.
//!
//! | block | means |
//! |---|---|
//! | `console` | `$ command`; with `> ` it goes on; below it what a terminal shows |
//! | `sh` | a script that is pasted whole; what it says is in the `text` block behind it |
//! | `sources` | typed where the sources are: its targets and examples have to be there |
//! | `rust` | run by `cargo test --doc`; see the end of `crates/kenning/src/lib.rs` |
//!
//! `[2]` below a command is its exit code, where that is not 0. The pages show real ids, instants,
//! hashes and sizes; before they are compared, both sides lose what differs from run to run.
//! `UPDATE=1` rewrites what is no longer said. Read the difference before committing it.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::normal::Normal;
use crate::shell::Shell;

/// Stands behind what a command says, before its exit code.
const END: &str = "-- end of a command: ";

/// A command of a page, and the lines of the page that show what it says.
struct Step {
    command: String,
    shown: Range<usize>,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The fenced blocks of a page: their language, and the lines within.
fn blocks<'a>(lines: &[&'a str]) -> Vec<(&'a str, Range<usize>)> {
    let mut blocks = Vec::new();
    let mut open = None;
    for (at, line) in lines.iter().enumerate() {
        match (open.take(), line.strip_prefix("```")) {
            (None, Some(language)) => open = Some((language, at + 1)),
            (Some((language, start)), Some("")) => blocks.push((language, start..at)),
            (block, _) => open = block,
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// What is typed on a page, in order.
fn steps(lines: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let blocks = blocks(lines);
    for (at, (language, within)) in blocks.iter().enumerate() {
        match *language {
            "console" => steps.extend(typed(lines, within.clone())),
            "sh" => {
                let text = blocks
                    .get(at + 1)
                    .filter(|(language, text)| *language == "text" && text.start <= within.end + 3);
                let shown = text.map_or(within.end..within.end, |(_, text)| text.clone());
                steps.push(Step { command: lines[within.clone()].join("\n"), shown });
            }
            "text" => {
                let behind_a_script = steps.last().is_some_and(|step| step.shown == *within);
                assert!(behind_a_script, "line {}: nothing says this", within.start);
            }
            // These have tests of their own.
            "rust" | "toml" | "sources" => {}
            other => panic!("line {}: nothing runs a block of '{other}'", within.start),
        }
    }
    steps
}

/// The commands of a block that shows a terminal.
fn typed(lines: &[&str], within: Range<usize>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for at in within {
        if let Some(command) = lines[at].strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), shown: at + 1..at + 1 });
            continue;
        }
        let step = steps.last_mut().unwrap_or_else(|| panic!("line {}: no command", at + 1));
        match lines[at].strip_prefix("> ") {
            Some(more) if step.shown.is_empty() => {
                step.command = format!("{}\n{more}", step.command);
                step.shown = at + 1..at + 1;
            }
            _ => step.shown.end = at + 1,
        }
    }
    steps
}

/// What each step says, all of them typed into one shell.
fn run(steps: &[Step]) -> Vec<String> {
    let shell = Shell::new();
    let mut script = "exec 2>&1\n".to_owned();
    for step in steps {
        // The code is handed on, so that a page can ask for it.
        script += &format!("{}\ncode=$?; echo \"{END}$code\"; (exit $code)\n", step.command);
    }
    let output = shell.run(&script).stdout;
    let here = shell.here().to_str().unwrap().to_owned();
    let mut rest = String::from_utf8(output).unwrap().replace(&here, "HERE");
    let mut said = Vec::new();
    for step in steps {
        let (mut text, after) = match rest.split_once(END) {
            Some((text, after)) => (text.to_owned(), after),
            None => panic!("the shell ended within '{}':\n{rest}", step.command),
        };
        let (code, after) = after.split_once('\n').unwrap();
        if code != "0" {
            text += &format!("[{code}]\n");
        }
        said.push(text);
        rest = after.to_owned();
    }
    said
}

/// Without what else differs here: how many files a backup has, how many bytes they are, and so
/// how wide a column is.
fn steady(text: &str) -> String {
    let mut steady = String::new();
    for line in text.lines() {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        let counts = ["files", "bytes", "files_copied", "bytes_copied"].contains(&name);
        let value = if counts { "N" } else { value };
        let digits = |c: char| c.is_ascii_digit() || c == ' ';
        let known =
            line.rsplit_once("Z--").map(|(before, rest)| (before, rest.trim_matches(digits)));
        let words = match known {
            Some((before, "")) => before.to_owned(),
            _ => format!("{name} {value}"),
        };
        let words = words.split_whitespace().map(|word| match word.trim_matches('-') {
            "" => "-",
            _ => word,
        });
        steady.extend(words.flat_map(|word| [word, " "]));
        steady.push('\n');
    }
    steady
}

/// The page as it would have to be. What is the same but for what differs stays as it is.
fn replay(page: &str) -> String {
    let lines: Vec<&str> = page.lines().collect();
    let steps = steps(&lines);
    let (mut of_page, mut of_run) = (Normal::default(), Normal::default());
    let mut text = String::new();
    let mut done = 0;
    for (step, said) in steps.iter().zip(run(&steps)) {
        let said: String = said.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        let shown: String =
            lines[step.shown.clone()].iter().map(|line| format!("{line}\n")).collect();
        let same = steady(&of_page.text(&shown, "HERE")) == steady(&of_run.text(&said, "HERE"));
        text.extend(lines[done..step.shown.start].iter().map(|line| format!("{line}\n")));
        text += if same { &shown } else { &said };
        done = step.shown.end;
    }
    text.extend(lines[done..].iter().map(|line| format!("{line}\n")));
    text
}

fn check(name: &str) {
    let path = repository().join("docs/guide").join(name);
    let page = std::fs::read_to_string(&path).unwrap();
    let right = replay(&page);
    if std::env::var_os("UPDATE").is_some_and(|update| update == "1") {
        std::fs::write(&path, &right).unwrap();
        return;
    }
    for (at, (shown, said)) in page.lines().zip(right.lines()).enumerate() {
        assert_eq!(shown, said, "{name}, line {}", at + 1);
    }
    assert_eq!(page, right, "{name} ends elsewhere");
}

macro_rules! pages {
    ($($test:ident: $file:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            check($file);
        })*

        #[test]
        fn every_page_is_run() {
            for file in std::fs::read_dir(repository().join("docs/guide")).unwrap() {
                let name = file.unwrap().file_name().into_string().unwrap();
                assert!([$($file),*].contains(&&*name), "{name} is not run");
            }
        }
    };
}

pages!(
    the_first_page_is_right: "README.md",
    install_is_right: "install.md",
    first_hour_is_right: "first-hour.md",
    search_is_right: "search.md",
    time_is_right: "time.md",
    tenants_is_right: "tenants.md",
    import_export_is_right: "import-export.md",
    operate_is_right: "operate.md",
);

/// Every page that tells a newcomer what to do, with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let guide = std::fs::read_dir(repository().join("docs/guide")).unwrap();
    let mut paths: Vec<PathBuf> = guide.map(|file| file.unwrap().path()).collect();
    paths.extend(["README.md", "examples/README.md"].map(|name| repository().join(name)));
    let read = |path: PathBuf| (path.clone(), std::fs::read_to_string(path).unwrap());
    paths.into_iter().map(read).collect()
}

/// What a link calls the heading of a section.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_ascii_alphanumeric() || " -".contains(*c);
    heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

#[test]
fn every_link_leads_somewhere() {
    let mut n_links = 0;
    for (path, text) in pages() {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (file, section) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            assert!(file.exists(), "{}: {target}", path.display());
            if !section.is_empty() {
                let text = std::fs::read_to_string(file).unwrap();
                let mut headings = text.lines().filter_map(|line| line.strip_prefix("## "));
                let is_there = headings.any(|heading| anchor(heading) == section);
                assert!(is_there, "{}: {target}", path.display());
            }
            n_links += 1;
        }
    }
    assert!(n_links >= 30, "{n_links} links");
}

/// Whether a line that is typed in the folder of the sources finds what it names.
fn is_in_the_sources(command: &str) -> bool {
    let makefile = std::fs::read_to_string(repository().join("Makefile")).unwrap();
    let words: Vec<&str> = command.split(' ').collect();
    match words[..] {
        ["make", target] => makefile.contains(&format!("\n{target}: ")),
        ["cargo", "run", "--example", name] => {
            repository().join("examples").join(name).with_extension("rs").exists()
        }
        ["sh", script] => repository().join(script).exists(),
        _ => ["source scripts/env", "export PATH=$PWD/bin:$PATH"].contains(&command),
    }
}

#[test]
fn what_is_typed_in_the_sources_is_there() {
    let shell = Shell::new();
    let mut n_commands = 0;
    for (path, text) in pages() {
        let lines: Vec<&str> = text.lines().collect();
        let is_readme = path == repository().join("README.md");
        let typed = |language: &str| language == "sources" || is_readme && language == "sh";
        let blocks = blocks(&lines).into_iter().filter(|(language, _)| typed(language));
        for line in blocks.flat_map(|(_, within)| within).map(|at| lines[at]) {
            let command = line.split(" # ").next().unwrap().trim_end();
            if command.starts_with("kenning ") {
                assert!(!shell.done(command).is_empty());
            } else {
                let is_there = command.split(" && ").all(is_in_the_sources);
                assert!(is_there, "{}: {command}", path.display());
            }
            n_commands += 1;
        }
    }
    assert!(n_commands >= 12, "{n_commands} commands");
}

#[test]
fn the_restore_drill_fails_where_it_has_to() {
    let page = std::fs::read_to_string(repository().join("docs/guide/operate.md")).unwrap();
    let lines: Vec<&str> = page.lines().collect();
    let mut scripts = steps(&lines).into_iter().map(|step| step.command);
    let drill = scripts.find(|script| script.contains("THE DRILL HAS FAILED")).unwrap();
    let shell = Shell::new();
    shell.done("kenning --db kenning.db demo && kenning compact && kenning backup backups");
    assert!(shell.done(&drill).contains("the drill is passed"));
    let before = shell.done("ls");
    // As many bytes as before, and others: what the next backup takes for copied already.
    let damage = "printf X | dd of=$file bs=1 conv=notrunc status=none";
    shell.done(&format!("for file in backups/files/*; do {damage}; done"));
    let said = shell.done(&drill);
    assert!(said.ends_with("THE DRILL HAS FAILED\n") && !said.contains("is passed"), "{said}");
    assert_eq!(shell.done("ls"), before, "the drill leaves nothing behind");
}

#[test]
fn a_page_that_is_wrong_is_noticed() {
    let right = "# A\n\n```console\n$ x=7\n$ echo $x\n7\n$ (exit 4)\n[4]\n```\n\n\
                 ```sh\necho one\necho two >&2\n```\n\n```text\none\ntwo\n```\n";
    assert_eq!(replay(right), right);
    assert_eq!(replay(&right.replace("\n7\n", "\n8\n")), right);
    assert_eq!(replay(&right.replace("[4]\n", "")), right);
    assert_eq!(replay(&right.replace("two\n```\n", "```\n")), right);
    let id = "```console\n$ echo 01901234-8694-739b-aea5-966c26f8ad91\n\
              01901234-8694-739b-aea5-966c26f8ad92\n```\n";
    assert_eq!(replay(id), id, "another id is as good");
}
