//! Transcripts: a command, what it says, how it ends.
//!
//! | line | means |
//! |---|---|
//! | `# words` | a comment |
//! | `$ command` | run by a shell, in a folder that the script begins with empty |
//! | `> text` | it says so on standard output |
//! | `! text` | it says so on standard error |
//! | `= 2` | it ends with this code; without such a line with 0 |
//!
//! `UPDATE=1` rewrites the transcripts to what was said. Read the difference before committing it.

use std::path::Path;

use crate::normal::Normal;
use crate::shell::Shell;

/// Runs `script` and returns the transcript of what happened.
fn replay(script: &str) -> String {
    let shell = Shell::new();
    let here = shell.here().to_str().unwrap().to_owned();
    let mut normal = Normal::default();
    let mut transcript = String::new();
    for line in script.lines() {
        if line.is_empty() || line.starts_with('#') {
            transcript += &format!("{line}\n");
        }
        let Some(command) = line.strip_prefix("$ ") else { continue };
        transcript += &format!("{line}\n");
        let output = shell.run(command);
        for (mark, bytes) in [('>', &output.stdout), ('!', &output.stderr)] {
            let text = normal.text(&String::from_utf8_lossy(bytes), &here);
            for line in text.lines() {
                transcript += format!("{mark} {line}").trim_end();
                transcript.push('\n');
            }
        }
        match output.status.code() {
            Some(0) => {}
            Some(code) => transcript += &format!("= {code}\n"),
            None => transcript += "= killed\n",
        }
    }
    transcript
}

fn check(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let path = folder.join(name).with_extension("txt");
    let script = std::fs::read_to_string(&path).unwrap();
    let transcript = replay(&script);
    if std::env::var_os("UPDATE").is_some_and(|update| update == "1") {
        std::fs::write(&path, &transcript).unwrap();
        return;
    }
    for (idx, (expected, said)) in script.lines().zip(transcript.lines()).enumerate() {
        assert_eq!(expected, said, "{name}.txt, line {}; whole:\n{transcript}", idx + 1);
    }
    assert_eq!(script, transcript, "{name}.txt ends elsewhere");
}

macro_rules! scripts {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })*

        #[test]
        fn every_script_is_run() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
            for file in std::fs::read_dir(folder).unwrap() {
                let path = file.unwrap().path();
                let name = path.file_stem().unwrap().to_str().unwrap();
                assert!([$(stringify!($name)),*].contains(&name), "{name} is not run");
            }
        }
    };
}

scripts!(
    backups,
    bad_databases,
    bad_records,
    bad_searches,
    bad_tables,
    bad_words,
    bulk,
    eval,
    formats,
    fuzzy,
    links,
    log,
    merge,
    models,
    past,
    purge,
    records,
    search,
    stats,
    stdin,
    tables,
    tenants,
    whole,
);

#[test]
fn a_transcript_that_is_wrong_is_noticed() {
    let right = "$ echo a; echo b >&2; exit 4\n> a\n! b\n= 4\n";
    assert_eq!(replay(right), right);
    assert_ne!(replay("$ echo a\n> b\n"), "$ echo a\n> b\n");
}
