//! A maze that was pushed to the agent of a host, on two daemons of their own: the agent gets it again, and its visits are read.

use std::process::Command;

use crate::stage::{HOSTS, Stage, kill, must};

const DEPLOY: &[&str] = &["deploy", "-f", "corp.yaml", "--agent", "east", "--yes"];

/// Returns the id and the start of each container of the first host that belongs to a decky, or not.
fn containers(stage: &Stage, decky: &str, belongs: bool) -> Vec<String> {
    let docker = |arguments: &[&str]| {
        let arguments = [&["--host", &stage.sockets[0]][..], arguments].concat();
        let output = Command::new("docker").args(arguments).output().expect("docker runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let form = "{{.Name}} {{.Id}} {{.State.StartedAt}}";
    // A container that exists only for a moment, to list links, is not one of the maze.
    let ids = docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", "label=decnet.spec"]);
    let found = ids.lines().map(|id| docker(&["inspect", "--format", form, id]));
    found.filter(|line| line.contains(decky) == belongs).collect()
}

#[test]
#[ignore = "needs Docker"]
fn an_agent_with_an_older_version_gets_the_stored_one_again_and_restarts_nothing_else() {
    let mut stage = Stage::start("resync");
    stage.complete(DEPLOY);
    stage.stop_agent(0);
    stage.save_store(0);
    stage.start_agent(0);
    let add = [
        "mutate",
        "corp",
        "add_decky",
        "--name",
        "new-01",
        "--lan",
        "dmz",
        "--services",
        "ssh",
        "--wait",
    ];
    stage.complete(&add);
    let others = containers(&stage, "new-01", false);
    assert!(!others.is_empty() && !containers(&stage, "new-01", true).is_empty());

    // The machine is restored from a copy, and the maze changes meanwhile.
    stage.stop_agent(0);
    let lost = containers(&stage, "new-01", true);
    let ids = lost.iter().map(|line| line.split(' ').nth(1).expect("an id"));
    let remove: Vec<&str> = ["--host", &stage.sockets[0], "rm", "--force"]
        .into_iter()
        .chain(ids)
        .collect();
    must("docker", &remove);
    stage.restore_store(0);
    let later = [
        "mutate",
        "corp",
        "add_decky",
        "--name",
        "late-01",
        "--lan",
        "dmz",
        "--services",
        "ssh",
    ];
    stage.complete(&later);
    let heard = |stage: &Stage| stage.json(&["host", "show", "east"])["heard_at"].clone();
    let newest = heard(&stage);
    stage.start_agent(0);
    stage.wait("heard", |stage| heard(stage) != newest);
    assert!(!stage.is_in_step(0), "it reports the older version");

    let mut watch = stage.begin(&stage.master(&["watch", "--poll", "1s"]));
    stage.wait("resynced", |stage| {
        stage.is_in_step(0)
            && stage.json(&["mutations", "corp"])["mutations"]
                .as_array()
                .is_some_and(|rows| rows.iter().all(|row| row["state"] == "applied"))
    });
    kill(&mut watch);
    for decky in ["new-01", "late-01"] {
        assert_eq!(containers(&stage, decky, true).len(), 2, "{decky}");
    }
    let now = containers(&stage, "new-01", false);
    assert!(others.iter().all(|one| now.contains(one)), "{others:#?}\n{now:#?}");
    stage.complete(&["teardown", "corp", "--yes"]);
    stage.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker"]
fn the_visits_of_a_pushed_maze_are_read_by_its_agent() {
    let stage = Stage::start("visits");
    stage.complete(DEPLOY);
    let visit = "exec 3<>/dev/tcp/10.71.0.10/22 && head --bytes 4 <&3 && echo 'no ident' >&3";
    let space = stage.namespace(HOSTS[0]);
    let visited = must("ip", &["netns", "exec", &space, "timeout", "20", "bash", "-c", visit]);
    assert_eq!(visited, "SSH-");
    for arguments in [
        &["logs", "corp", "--json"][..],
        &["logs", "--json", "--decky", "web-01"],
    ] {
        // The line of the visit may come a moment later.
        stage.wait("logged", |stage| stage.complete(arguments).contains("session.open"));
    }
    let text = stage.complete(&["logs", "corp"]);
    assert!(text.contains("web-01") && text.contains("ssh"), "{text}");
    stage.complete(&["teardown", "corp", "--yes"]);
    stage.assert_nothing_left();
}
