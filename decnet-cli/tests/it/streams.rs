//! Data on stdout, everything else on stderr, and closed output.

use std::{io::Read as _, process::Stdio};

use crate::command::{CORP, Sandbox};

#[test]
fn a_reader_that_closes_early_is_not_an_error() {
    let sandbox = Sandbox::new();
    let mut child = sandbox.spawn(&["completions", "bash"], Stdio::null());
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ended");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn data_goes_to_stdout_and_everything_else_to_stderr() {
    let sandbox = Sandbox::new();
    sandbox.write("corp.yaml", CORP);
    let ran = sandbox.run(&["validate", "corp.yaml"]).exits(0);
    assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{ran:#?}");
    let ran = sandbox.run(&["validate", "corp.yaml", "--quiet"]).exits(0);
    assert!(ran.stdout.is_empty() && ran.stderr.is_empty(), "{ran:#?}");
}

#[test]
fn colours_are_off_without_a_terminal_unless_requested() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["show", "x"]).exits(1);
    assert!(!ran.stderr.contains('\u{1b}'), "{ran:#?}");
    let ran = sandbox.run(&["show", "x", "--color", "always"]).exits(1);
    assert!(ran.stderr.contains('\u{1b}'), "{ran:#?}");
}

#[test]
fn logs_as_json_are_lines() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["create", "lab", "--json", "-v"]).exits(0);
    ran.json();
    for line in ran.stderr.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
    assert!(ran.stderr.contains("the runtime did not list its networks"), "{ran:#?}");
}

#[test]
fn nothing_waits_for_a_missing_terminal() {
    let sandbox = Sandbox::new();
    sandbox.run(&["create", "lab"]).exits(0);
    let mut child = sandbox.spawn(&["db", "reset"], Stdio::piped());
    let mut words = String::new();
    child
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut words)
        .expect("text");
    assert_eq!(child.wait().expect("ended").code(), Some(2));
    assert!(words.contains("--yes"), "{words}");
}
