//! The help, and invalid command lines.

use crate::command::{Sandbox, assert_seen};

const COMMANDS: &[&str] = &[
    "init",
    "generate",
    "import",
    "validate",
    "schema",
    "apply",
    "create",
    "list",
    "show",
    "top",
    "graph",
    "hash",
    "plan",
    "deploy",
    "teardown",
    "reconcile",
    "restart",
    "delete",
    "reap",
    "compose",
    "services",
    "archetypes",
    "mutate",
    "mutations",
    "watch",
    "verify",
    "events",
    "logs",
    "exec",
    "cp",
    "capture",
    "bus",
    "serve",
    "token",
    "agent",
    "host",
    "next-subnet",
    "next-ip",
    "doctor",
    "db",
    "completions",
    "man",
];

#[test]
fn the_help_lists_all_commands_and_exit_codes() {
    let sandbox = Sandbox::new();
    assert_seen!(sandbox, sandbox.run(&["-h"]).exits(0));
}

#[test]
fn every_command_explains_itself() {
    let sandbox = Sandbox::new();
    for command in COMMANDS {
        let ran = sandbox.run(&[command, "--help"]).exits(0);
        assert!(ran.stdout.contains(&format!("Usage: decnet {command}")), "{ran:#?}");
    }
}

#[test]
fn every_command_has_a_manual_page_with_examples() {
    let sandbox = Sandbox::new();
    sandbox.run(&["man", "pages/man1"]).exits(0);
    for command in COMMANDS.iter().chain(&["db-reset", "token-create", "host-enroll"]) {
        let page = sandbox.read(&format!("pages/man1/decnet-{command}.1"));
        let (_, examples) = page
            .rsplit_once("\n.SH EXAMPLES\n")
            .or(page.rsplit_once("\nExamples:\n"))
            .expect("examples");
        assert!(examples.contains("decnet "), "{page}");
    }
    assert!(sandbox.read("pages/man1/decnet.1").contains("decnet\\-deploy(1)"));
    sandbox.write("file", "");
    let ran = sandbox.run(&["man", "file"]).exits(1);
    ran.says("file cannot be written");
}

#[test]
fn the_help_of_generate_has_every_field_of_a_config() {
    let sandbox = Sandbox::new();
    assert_seen!(sandbox, sandbox.run(&["generate", "-h"]).exits(0));
}

#[test]
fn the_help_of_deploy_lists_the_options_for_docker() {
    let sandbox = Sandbox::new();
    assert_seen!(sandbox, sandbox.run(&["deploy", "--help"]).exits(0));
}

#[test]
fn the_help_of_mutate_names_the_keys_of_every_op() {
    let sandbox = Sandbox::new();
    assert_seen!(sandbox, sandbox.run(&["mutate", "--help"]).exits(0));
}

#[test]
fn the_word_help_is_the_flag() {
    let sandbox = Sandbox::new();
    for (words, flag) in [
        (&["help"][..], &["--help"][..]),
        (&["help", "deploy"], &["deploy", "--help"]),
        (&["help", "db", "unlock"], &["db", "unlock", "--help"]),
    ] {
        assert_eq!(sandbox.run(words).exits(0).stdout, sandbox.run(flag).exits(0).stdout);
    }
    sandbox
        .run(&["help", "deplow"])
        .exits(2)
        .says("unrecognized subcommand 'deplow'");
}

#[test]
fn the_environment_is_not_in_the_usage_of_a_wrong_command_line() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["show"]).exits(2).says("Usage: decnet show <TOPOLOGY>");
    assert!(!ran.stderr.contains("--db"), "{ran:#?}");
    // Without any argument, the help is printed.
    sandbox
        .run(&[])
        .exits(2)
        .says("Write a commented maze file to start from");
    sandbox.run(&["db"]).exits(2).says("Break the lease of a maze");
}

#[test]
fn the_keys_of_mutations_fit_into_80_columns() {
    let ran = Sandbox::new().run(&["mutate", "--help"]).exits(0);
    let (_, keys) = ran.stdout.split_once("\nKeys (").expect("keys");
    for line in keys.lines().take_while(|line| !line.starts_with("A flag")) {
        assert!(line.len() <= 80, "{line}");
    }
}

#[test]
fn an_invalid_command_line_exits_with_2() {
    let sandbox = Sandbox::new();
    for arguments in [
        &["deplow", "corp"][..],
        &["deploy"],
        &["show"],
        &["deploy", "corp", "--max-workers", "0"],
        &["deploy", "corp", "--max-workers", "many"],
        &["deploy", "corp", "--publish", "ssh"],
        &["list", "--status", "sleeping"],
        &["list", "--timeout", "soon"],
        &["apply"],
        &["create", "corp", "--subnet", "10.0.0.1/24"],
        &["reap", "--instance", "mine"],
        &["logs", "--rotate-size", "1MB"],
        &["logs", "--output", "visits.log", "--rotate-size", "large"],
        &[
            "logs",
            "--output",
            "visits.log",
            "--rotate-size",
            "1MB",
            "--rotate-keep",
            "0",
        ],
        &[],
    ] {
        let ran = sandbox.run(arguments).exits(2);
        assert!(ran.stdout.is_empty(), "{ran:#?}");
    }
}

#[test]
fn with_json_an_invalid_command_line_is_an_error_object() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["show", "--json"]).exits(2);
    let error = ran.error();
    assert_eq!(error["code"], "usage");
    assert_eq!(error["exit"], 2);
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|message| message.contains("<TOPOLOGY>")),
        "{error}"
    );
}

#[test]
fn flags_can_come_from_the_environment() {
    let sandbox = Sandbox::new();
    let output = sandbox
        .command(&["services"])
        .env("DECNET_JSON", "1")
        .output()
        .expect("runs");
    assert!(output.stdout.starts_with(b"{"));
    let output = sandbox
        .command(&["services"])
        .env("DECNET_JSON", "false")
        .output()
        .expect("runs");
    assert!(!output.stdout.starts_with(b"{"));
    let mut command = sandbox.command(&["generate", "-o", "-"]);
    command.envs([
        ("DECNET_GENERATE_NAME", "corp"),
        ("DECNET_GENERATE_DEPTH", "1"),
        ("DECNET_GENERATE_BRANCHING_FACTOR", "1"),
        ("DECNET_GENERATE_SEED", "5"),
    ]);
    let output = command.output().expect("runs");
    assert!(output.status.success(), "{output:?}");
}

const SMALL: [&str; 7] = ["generate", "--name", "corp", "--depth", "1", "--branching-factor", "1"];

#[test]
fn a_variable_of_one_command_does_not_affect_another() {
    let sandbox = Sandbox::new();
    for variable in ["DECNET_OUTPUT", "DECNET_COMPOSE_OUTPUT"] {
        let sandbox = Sandbox::new();
        let mut command = sandbox.command(&SMALL);
        let output = command.env(variable, "elsewhere.yaml").output().expect("runs");
        assert!(output.status.success(), "{output:?}");
        assert!(!sandbox.path("elsewhere.yaml").exists(), "{variable}");
    }
    let mut command = sandbox.command(&SMALL);
    let output = command
        .env("DECNET_GENERATE_OUTPUT", sandbox.path("here.yaml"))
        .output();
    assert!(output.expect("runs").status.success() && sandbox.path("here.yaml").exists());
}

#[test]
fn a_reset_of_the_database_is_never_forced_from_the_environment() {
    let sandbox = Sandbox::new();
    // A truncated database can be removed only by force.
    std::fs::write(sandbox.database(), "").expect("written");
    for variable in ["DECNET_FORCE", "DECNET_DB_RESET_FORCE", "DECNET_RESET_FORCE"] {
        let mut command = sandbox.command(&["db", "reset", "--yes"]);
        let output = command.env(variable, "1").output().expect("runs");
        assert!(!output.status.success(), "{variable}: {output:?}");
        assert!(sandbox.database().exists(), "{variable}");
    }
    sandbox.run(&["db", "reset", "--yes", "--force"]).exits(0);
    assert!(!sandbox.database().exists());
}

#[test]
fn a_flag_overrides_the_environment() {
    let sandbox = Sandbox::new();
    let other = sandbox.path("other.db");
    let ran = sandbox.run(&["db", "path", "--db", &other.to_string_lossy()]).exits(0);
    assert_eq!(ran.stdout.trim_end(), other.to_string_lossy());
}

#[test]
fn completions_exist_for_every_shell() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = sandbox.run(&["completions", shell]).exits(0);
        assert!(ran.stdout.contains("DECNET_COMPLETE"), "{shell}: {ran:#?}");
    }
}
