//! What a shell is told about the words of this program.

use crate::shell::Shell;

#[test]
fn bash_understands_the_script_and_completes_a_verb() {
    let shell = Shell::new();
    shell.done("kenning completions bash > kenning.bash");
    shell.done("bash -n kenning.bash");
    std::fs::write(
        shell.here().join("complete.bash"),
        "source kenning.bash
complete -p kenning > how
COMP_WORDS=(kenning \"$@\"); COMP_CWORD=$#
_kenning kenning \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"
printf '%s\\n' \"${COMPREPLY[@]}\"
",
    )
    .unwrap();
    let complete = |words: &str| shell.done(&format!("bash complete.bash {words}"));
    assert_eq!(complete("trav"), "traverse\n");
    assert_eq!(complete("tenant dr"), "drop\n");
    assert_eq!(complete("--format js"), "json\njsonl\n");
    assert!(complete("''").contains("put\n"));
    assert!(shell.done("cat how").contains("_kenning"));
}

#[test]
fn there_is_a_script_for_each_shell_and_no_database() {
    let shell = Shell::new();
    for name in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = shell.done(&format!("kenning --db nowhere/at/all completions {name}"));
        for word in ["traverse", "tenant", "completions"] {
            assert!(script.contains(word), "{word} is missing for {name}");
        }
    }
    assert_eq!(std::fs::read_dir(shell.here()).unwrap().count(), 0);
    let said = shell.refused(2, "kenning completions tcsh");
    assert!(said.contains("possible values"), "{said}");
    assert_eq!(shell.done("kenning completions bash | head -c 3").len(), 3);
}
