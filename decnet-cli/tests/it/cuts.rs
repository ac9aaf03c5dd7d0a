//! The network between hosts and the master is cut, on two daemons of their own. Nothing is lost, and all of it heals.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::stage::{HOSTS, Stage, kill, must};

/// Returns the id and the start of each container of both hosts.
fn containers(stage: &Stage) -> Vec<String> {
    let mut found = Vec::new();
    for socket in &stage.sockets {
        let docker = |arguments: &[&str]| must("docker", &[&["--host", socket][..], arguments].concat());
        for id in docker(&["ps", "--all", "--quiet", "--no-trunc"]).lines() {
            found.push(docker(&["inspect", "--format", "{{.Id}} {{.State.StartedAt}}", id]));
        }
    }
    found.sort();
    found
}

/// Runs a command of the master once, and returns all that it prints, whatever its exit status is.
fn said(stage: &Stage, arguments: &[&str]) -> String {
    let output = stage.output(arguments);
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
#[ignore = "needs Docker"]
fn a_link_that_is_cut_for_a_minute_is_unseen_and_then_heals() {
    let stage = Stage::start("cuts");
    stage.complete(&["deploy", "-f", "corp.yaml", "--spread", "--yes"]);
    assert!(stage.is_spread());
    let before = containers(&stage);
    let mut watch = stage.begin(&stage.master(&["watch"]));
    let west = stage.namespace(HOSTS[1]);
    must("ip", &["-n", &west, "link", "set", "cable", "down"]);
    let cut = Instant::now();
    stage.hosts_are(|state| state == "unreachable", 1);
    for (command, words) in [
        ("show", "west does not answer"),
        ("plan", "host west is unseen"),
        ("reconcile", "host west is unseen"),
    ] {
        let mut text = said(&stage, &[command, "corp"]);
        // The loop may work on the maze at this moment.
        while text.contains("is working on `corp`") && cut.elapsed() < Duration::from_secs(50) {
            thread::sleep(Duration::from_secs(1));
            text = said(&stage, &[command, "corp"]);
        }
        assert!(text.contains(words), "{command}: {text}");
    }
    let shown: Value = serde_json::from_str(&stage.complete(&["--json", "show", "corp"])).expect("JSON");
    assert_eq!(shown["status"], "degraded", "{shown:#}");
    thread::sleep(Duration::from_mins(1).saturating_sub(cut.elapsed()));
    assert_eq!(containers(&stage), before, "while the link is cut");
    must("ip", &["-n", &west, "link", "set", "cable", "up"]);
    let healed = Instant::now();
    loop {
        let shown: Value = serde_json::from_str(&stage.complete(&["--json", "show", "corp"])).expect("JSON");
        if shown["status"] == "active" {
            break;
        }
        assert!(healed.elapsed() < Duration::from_mins(2), "{shown:#}");
        thread::sleep(Duration::from_millis(500));
    }
    stage.hosts_are(|state| state == "ready", 2);
    assert_eq!(containers(&stage), before, "after the link is up again");
    stage.complete(&["verify", "corp"]);
    kill(&mut watch);
    stage.complete(&["teardown", "corp", "--yes"]);
    stage.assert_nothing_left();
}
