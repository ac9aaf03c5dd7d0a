//! Completion in real shells.

use std::process::Command;

use crate::command::{CORP, Sandbox, exists};

/// Completes a command line in bash, and returns the candidates that are not flags.
fn names_in_bash(sandbox: &Sandbox, words: &[&str]) -> Vec<String> {
    let mut found = in_bash(sandbox, words);
    found.retain(|word| !word.starts_with('-'));
    found
}

/// Completes a command line in bash, and returns the candidates.
fn in_bash(sandbox: &Sandbox, words: &[&str]) -> Vec<String> {
    let script = r#"
        PATH="$BIN:$PATH"
        source <(decnet completions bash)
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9
        _clap_complete_decnet decnet "${COMP_WORDS[COMP_CWORD]}" ""
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    in_shell(sandbox, "bash", &["-c", script, "bash"], words)
}

fn in_shell(sandbox: &Sandbox, shell: &str, options: &[&str], words: &[&str]) -> Vec<String> {
    let prepared = sandbox.command(&[]);
    let mut command = Command::new(shell);
    command.args(options).args(words).current_dir(sandbox.path(""));
    for (key, value) in prepared.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_decnet"));
    command.env("BIN", program.parent().expect("a folder"));
    let output = command.output().expect("the shell runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{words:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.trim().to_owned())
        .collect()
}

fn with_corp() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("corp.yaml", CORP);
    sandbox.run(&["apply", "-f", "corp.yaml", "--quiet"]).exits(0);
    sandbox.run(&["create", "cellar", "--quiet"]).exits(0);
    sandbox
}

#[test]
fn bash_completes_commands_mazes_and_their_parts() {
    let sandbox = with_corp();
    let check = |words: &[&str], expected: &[&str]| assert_eq!(in_bash(&sandbox, words), expected, "{words:?}");
    check(&["decnet", "telep"], &[]);
    check(&["decnet", "teard"], &["teardown"]);
    check(&["decnet", "show", ""], &["corp", "cellar"]);
    check(&["decnet", "show", "ce"], &["cellar"]);
    check(&["decnet", "deploy", "co"], &["corp"]);
    check(&["decnet", "deploy", "--dry"], &["--dry-run"]);
    check(&["decnet", "graph", "--format", "do"], &["dot"]);
    check(&["decnet", "logs", "corp", "--decky", "w"], &["web-01"]);
    check(
        &["decnet", "mutate", "corp", "attach_decky", "--decky", ""],
        &["web-01", "door"],
    );
    check(
        &["decnet", "mutate", "corp", "attach_decky", "--lan", "of"],
        &["office"],
    );
    let list = ["decnet", "mutate", "corp", "add_decky", "--services", "ssh,postg"];
    check(&list, &["ssh,postgres"]);
    check(&["decnet", "next-ip", "corp", "d"], &["dmz"]);
    check(&["decnet", "restart", "corp", "d"], &["door", "door.ssh"]);
    check(&["decnet", "services", "post"], &["postgres"]);
    check(&["decnet", "deploy", "-f", "cor"], &["corp.yaml"]);
    check(&["decnet", "graph", "cor"], &["corp", "corp.yaml"]);
}

#[test]
fn bash_completes_what_is_copied_and_captured() {
    let sandbox = with_corp();
    let check = |words: &[&str], expected: &[&str]| assert_eq!(in_bash(&sandbox, words), expected, "{words:?}");
    check(&["decnet", "cp", "corp", "door"], &["door:", "door.ssh:"]);
    check(
        &["decnet", "capture", "corp", "d"],
        &["dmz", "door", "door.dmz", "door.office"],
    );
    check(&["decnet", "capture", "corp", "w"], &["web-01"]);
    check(&["decnet", "generate", "--services", "a"], &["archetypes"]);
}

#[test]
fn the_catalogues_of_the_command_line_and_of_the_maze_are_completed() {
    let sandbox = with_corp();
    sandbox.write(
        "own.toml",
        "[services.gopher]\nports = [\"70/tcp\"]\n[archetypes.gopher-hole]\nservices = [\"gopher\"]\n",
    );
    let check = |words: &[&str], expected: &[&str]| assert_eq!(in_bash(&sandbox, words), expected, "{words:?}");
    check(&["decnet", "services", "goph"], &[]);
    check(&["decnet", "--catalog", "own.toml", "services", "goph"], &["gopher"]);
    check(&["decnet", "services", "--catalog", "own.toml", "goph"], &["gopher"]);
    let add = ["decnet", "mutate", "corp", "update_decky", "--archetype", "goph"];
    check(&add, &[]);
    check(
        &[&["decnet", "--catalog", "own.toml"][..], &add[1..]].concat(),
        &["gopher-hole"],
    );
    sandbox.write(
        "hole.yaml",
        &CORP
            .replace("name: corp", "name: hole")
            .replace("[http]", "[gopher]")
            .replace("10.204.", "10.205."),
    );
    let apply = ["apply", "-f", "hole.yaml", "--quiet", "--catalog", "own.toml"];
    sandbox.run(&apply).exits(0);
    let add = ["decnet", "mutate", "hole", "update_decky", "--services", "goph"];
    check(&add, &["gopher"]);
    // A broken catalogue leaves the built-in entries.
    sandbox.write("broken.toml", "[services");
    check(
        &["decnet", "--catalog", "broken.toml", "services", "post"],
        &["postgres"],
    );
}

#[test]
fn a_database_elsewhere_is_read_and_a_missing_one_is_not_created() {
    let sandbox = with_corp();
    let elsewhere = sandbox.path("other.db");
    let other = elsewhere.to_string_lossy();
    assert_eq!(
        names_in_bash(&sandbox, &["decnet", "--db", &other, "show", ""]),
        Vec::<String>::new()
    );
    assert!(!exists(&elsewhere));
    sandbox.run(&["create", "lab", "--quiet", "--db", &other]).exits(0);
    assert_eq!(in_bash(&sandbox, &["decnet", "--db", &other, "show", ""]), ["lab"]);
    assert_eq!(in_bash(&sandbox, &["decnet", "show", "--db", &other, ""]), ["lab"]);
}

#[test]
fn a_database_that_cannot_be_read_has_no_candidates_and_no_error() {
    let sandbox = with_corp();
    for broken in ["corp.yaml", "."] {
        let words = ["decnet", "--db", broken, "show", ""];
        assert_eq!(names_in_bash(&sandbox, &words), Vec::<String>::new(), "{broken}");
    }
    assert_eq!(
        names_in_bash(&sandbox, &["decnet", "logs", "nothing", "--decky", ""]),
        Vec::<String>::new()
    );
}

#[test]
fn zsh_and_fish_complete_mazes() {
    let sandbox = with_corp();
    let zsh = r#"
        PATH="$BIN:$PATH"
        compdef() { :; }
        _describe() { local name=${@[-1]}; print -rl -- "${(@P)name}"; }
        source <(decnet completions zsh)
        words=("$@"); CURRENT=$#
        _clap_dynamic_completer_decnet
    "#;
    let fish = r#"
        set -x PATH $BIN $PATH
        decnet completions fish | source
        complete --do-complete "$argv"
    "#;
    let has = |shell: &str| Command::new(shell).arg("--version").output().is_ok();
    if has("fish") {
        let found = in_shell(&sandbox, "fish", &["--no-config", "-c", fish], &["decnet show ce"]);
        assert_eq!(found, ["cellar\tpending"]);
    } else {
        eprintln!("SKIPPED: fish is not installed (apt-get install fish)");
    }
    if has("zsh") {
        let found = in_shell(&sandbox, "zsh", &["-f", "-c", zsh, "zsh"], &["decnet", "show", "ce"]);
        assert_eq!(found, ["cellar:pending"]);
    } else {
        eprintln!("SKIPPED: zsh is not installed (apt-get install zsh)");
    }
}
