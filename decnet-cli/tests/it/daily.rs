//! Bad input of the daily verbs, without Docker.

use decnet_topology::Status;

use crate::{
    command::Sandbox,
    mutate::{becomes, with_corp},
};

/// A sandbox where `corp` runs, according to the store.
fn with_running() -> Sandbox {
    let sandbox = with_corp();
    becomes(&sandbox, &[Status::Deploying, Status::Active]);
    sandbox
}

#[track_caller]
fn check(sandbox: &Sandbox, arguments: &[&str], code: i32, says: &str) {
    let ran = sandbox.run(arguments).exits(code).says(says);
    assert_eq!(ran.stdout, "", "{arguments:?}");
}

#[test]
fn what_does_not_exist_is_named_with_a_suggestion() {
    let sandbox = with_running();
    for verb in [
        &["exec", "copr", "web-01", "routes"][..],
        &["cp", "copr", "web-01.http:/etc", "here"],
        &["capture", "copr", "office"],
    ] {
        check(&sandbox, verb, 1, "no maze named `copr`");
    }
    let unknown = "no decky named `web-1` (did you mean `web-01`?)";
    check(&sandbox, &["exec", "corp", "web-1", "routes"], 1, unknown);
    check(&sandbox, &["exec", "corp", "web-1"], 1, unknown);
    check(&sandbox, &["cp", "corp", "web-1:/etc", "here"], 1, unknown);
    check(&sandbox, &["capture", "corp", "web-1.dmz"], 1, unknown);
    check(
        &sandbox,
        &["exec", "corp", "web-01.htpp", "sh"],
        1,
        "no service named `htpp` (did you mean `http`?)",
    );
    check(
        &sandbox,
        &["capture", "corp", "offise"],
        1,
        "neither a LAN nor a decky named `offise` (did you mean `office`?)",
    );
    check(
        &sandbox,
        &["capture", "corp", "web-01.office"],
        1,
        "not on a LAN named `office`; it is on dmz",
    );
    assert!(!sandbox.path("here").exists());
}

#[test]
fn a_maze_that_does_not_run_and_a_missing_daemon_are_reported() {
    let pending = with_corp();
    let running = with_running();
    for arguments in [
        &["exec", "corp", "web-01", "ping", "door"][..],
        &["exec", "corp", "web-01"],
        &["cp", "corp", "web-01.http:/etc", "here"],
        &["capture", "corp", "office"],
    ] {
        check(&pending, arguments, 4, "is pending: it cannot be");
        check(&running, arguments, 5, "no Docker daemon answers");
    }
    check(&running, &["restart", "corp", "web-01"], 5, "no Docker daemon answers");
}

#[test]
fn bad_arguments_exit_with_2_and_say_what_is_wrong() {
    let sandbox = with_running();
    for (arguments, says) in [
        (&["exec", "corp"][..], "DECKY"),
        (&["exec", "corp", "web 01", "routes"], "web 01"),
        (&["exec", "corp", "web-01", "ping"], "usage: ping ADDRESS|DECKY"),
        (
            &["exec", "corp", "web-01", "connect", "door", "ssh"],
            "`ssh` is not a port",
        ),
        (&["exec", "-it", "corp", "web-01.http", "sh"], "stdin is not a terminal"),
        (&["cp", "corp", "here", "web-01:/etc"], "copied out of a container"),
        (
            &["cp", "corp", "web-01:/etc", "here", "--max-size", "much"],
            "--max-size",
        ),
        (
            &["capture", "corp", "office", "--protocol", "http"],
            "the protocols are tcp, udp, icmp and arp",
        ),
        (&["capture", "corp", "office", "--port", "0"], "--port"),
        (
            &["capture", "corp", "office", "--duration", "soon"],
            "invalid duration `soon`",
        ),
        (
            &["restart", "corp", "web-01", "--wait", "0"],
            "must be longer than zero",
        ),
    ] {
        check(&sandbox, arguments, 2, says);
    }
    check(
        &sandbox,
        &["cp", "corp", "web-01.http:/", "here"],
        2,
        "does not name a file or a folder",
    );
}
