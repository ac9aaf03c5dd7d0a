//! Every exit code that needs no Docker; 0, 4, 6 and 130 are tested in `docker`.

use crate::command::{Sandbox, assert_seen};

#[test]
fn failures_exit_with_1() {
    Sandbox::with_corp().run(&["show", "nothing"]).exits(1);
}

#[test]
fn usage_exits_with_2() {
    Sandbox::with_corp().run(&["show"]).exits(2);
}

#[test]
fn an_ambiguous_start_of_an_id_exits_with_2() {
    let sandbox = Sandbox::new();
    // Of 17 ids, two start with the same digit.
    for number in 0..17 {
        sandbox.run(&["create", &format!("lab-{number}")]).exits(0);
    }
    let value = sandbox.run(&["list", "--json"]).exits(0).json();
    let firsts = value["topologies"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["id"].as_str().expect("id")[..1].to_owned());
    let mut firsts: Vec<String> = firsts.collect();
    firsts.sort();
    let shared = firsts
        .windows(2)
        .find(|pair| pair[0] == pair[1])
        .map(|pair| pair[0].clone())
        .expect("pigeons");
    sandbox.run(&["show", &shared]).exits(2).says("is ambiguous");
}

#[test]
fn an_invalid_maze_or_config_exits_with_3() {
    Sandbox::new()
        .run_with(&["validate", "-"], b"format: decnet.topology/1\nname: x\n")
        .exits(3);
}

#[test]
fn conflicts_exit_with_4() {
    Sandbox::with_corp().run(&["create", "Corp"]).exits(4);
}

#[test]
fn without_docker_every_command_that_needs_it_exits_with_5() {
    let sandbox = Sandbox::with_corp();
    assert_seen!(sandbox, sandbox.run(&["deploy", "corp"]).exits(5));
    for arguments in [
        &["plan", "corp"][..],
        &["deploy", "corp", "--dry-run"],
        &["teardown", "corp"],
        &["reconcile", "corp"],
        &["restart", "corp", "web-01"],
        &["reap"],
        &["reap", "--dry-run"],
    ] {
        sandbox
            .run(arguments)
            .exits(5)
            .says("no Docker daemon answers at unix:///nonexistent/docker.sock");
    }
    let error = sandbox.run(&["deploy", "corp", "--json"]).exits(5).error();
    assert_eq!(
        (error["code"].as_str(), error["exit"].as_i64()),
        (Some("docker_unreachable"), Some(5))
    );
    assert_eq!(
        sandbox.run(&["show", "corp", "--json"]).exits(0).json()["status"],
        "pending"
    );
}

#[test]
fn an_invalid_host_exits_with_5() {
    let sandbox = Sandbox::with_corp();
    sandbox
        .run(&["plan", "corp", "--host", "gopher://nowhere"])
        .exits(5)
        .says("hint:");
}

#[test]
fn a_stale_socket_exits_with_5() {
    let sandbox = Sandbox::with_corp();
    let socket = sandbox.path("docker.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).expect("bound"));
    sandbox
        .run(&["plan", "corp", "--host", &format!("unix://{}", socket.display())])
        .exits(5)
        .says("hint:");
}

#[test]
fn a_daemon_that_never_answers_exits_with_5() {
    let sandbox = Sandbox::with_corp();
    let socket = sandbox.path("docker.sock");
    let _silent = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
    let host = format!("unix://{}", socket.display());
    sandbox
        .run(&["plan", "corp", "--host", &host, "--timeout", "1"])
        .exits(5)
        .says("--timeout waits longer");
}
