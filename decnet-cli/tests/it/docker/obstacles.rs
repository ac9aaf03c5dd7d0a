//! Conflicts with other resources.

use std::net::TcpListener;

use super::lab::{Lab, docker, quietly};
use crate::command::{Sandbox, assert_seen};

fn gateway(number: u8, service: &str) -> String {
    format!(
        "format: decnet.topology/1\nname: lab\nlans:\n  - {{name: dmz, subnet: 10.204.{number}.0/28, dmz: true}}\n\
         deckies:\n  - {{name: gate, services: [{service}], forwards_l3: true, attachments: [{{lan: dmz}}]}}\n"
    )
}

#[test]
#[ignore = "needs Docker"]
fn a_host_port_in_use_is_reported_before_anything_changes() {
    let lab = Lab::apply(&gateway(30, "ssh"));
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port();
    let ran = lab
        .run(&["deploy", "lab", "--publish", &format!("ssh=127.0.0.1:{port}")])
        .exits(3);
    assert!(
        ran.stderr.contains("HOST_PORT_TAKEN") && ran.stderr.contains(&port.to_string()),
        "{ran:#?}"
    );
    assert_eq!(lab.status(), "pending");
    lab.assert_nothing_left();
    drop(taken);
    lab.run(&[
        "deploy",
        "lab",
        "--quiet",
        "--publish",
        &format!("ssh=127.0.0.1:{port}"),
    ])
    .exits(0);
    // For a running maze, the dry run finds the same as the deploy.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let rule = format!("ssh=127.0.0.1:{}", taken.local_addr().expect("bound").port());
    for dry_run in [&["--dry-run"][..], &[]] {
        let deploy = ["deploy", "lab", "--quiet", "--force", "--publish", &rule];
        let ran = lab.run(&[&deploy, dry_run].concat()).exits(3);
        assert!(ran.stderr.contains("HOST_PORT_TAKEN"), "{ran:#?}");
    }
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
}

/// A foreign network.
struct Foreign(String);

impl Foreign {
    fn create(name: &str, subnet: &str) -> Self {
        let id = docker(&["network", "create", "--subnet", subnet, name]);
        Self(id[0].clone())
    }

    fn is_there(&self) -> bool {
        docker(&["network", "ls", "--no-trunc", "--quiet"]).contains(&self.0)
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        quietly(&["network", "rm", &self.0]);
    }
}

#[test]
#[ignore = "needs Docker"]
fn a_foreign_network_on_the_subnet_is_named_and_survives_every_command() {
    let foreign = Foreign::create("decnet-test-foreign", "10.204.31.0/28");
    let lab = Lab::apply(&gateway(31, "redis"));
    let ran = lab.run(&["deploy", "lab"]).exits(3);
    assert!(
        ran.stderr.contains("SUBNET_HOST_OVERLAP") && ran.stderr.contains("decnet-test-foreign"),
        "{ran:#?}"
    );
    lab.assert_nothing_left();
    let ran = lab.run(&["plan", "lab"]).exits(3);
    assert!(ran.stderr.contains("SUBNET_HOST_OVERLAP"), "{ran:#?}");
    for arguments in [
        &["reap"][..],
        &["teardown", "lab"],
        &["delete", "lab"],
        &["reap", "--instance", lab.instance(), "--yes"],
    ] {
        lab.run(arguments).exits(0);
        assert!(foreign.is_there(), "{arguments:?}");
    }
}

#[test]
#[ignore = "needs Docker"]
fn automatic_subnets_avoid_foreign_networks() {
    let _foreign = Foreign::create("decnet-test-avoided", "10.204.32.0/28");
    let sandbox = Sandbox::with_docker();
    let ran = sandbox
        .run(&[
            "next-subnet",
            "--subnet-base-prefix",
            "10.204.32.0/24",
            "--lan-prefix",
            "28",
        ])
        .exits(0);
    assert_eq!(ran.stdout, "10.204.32.16/28\n");
    let ran = sandbox
        .run(&[
            "next-subnet",
            "--subnet-base-prefix",
            "10.204.32.0/28",
            "--lan-prefix",
            "28",
        ])
        .exits(1);
    assert_seen!(sandbox, ran);
}

#[test]
#[ignore = "needs Docker"]
fn an_image_that_cannot_be_pulled_is_reported_before_anything_is_created() {
    let lab = Lab::apply(&gateway(33, "redis").replace("forwards_l3: true, ", ""));
    // Nobody listens on port 1 of this machine.
    let catalog = lab.sandbox.write(
        "own.toml",
        "[services.redis]\nimage = \"127.0.0.1:1/decnet-test/none:1\"\n",
    );
    let catalog = catalog.to_string_lossy();
    let ran = lab.run(&["deploy", "lab", "--catalog", &catalog]).exits(3);
    assert!(
        ran.stderr.contains("IMAGE_UNAVAILABLE") && ran.stderr.contains("127.0.0.1:1/decnet-test/none:1"),
        "{ran:#?}"
    );
    lab.assert_nothing_left();
    assert_eq!(lab.status(), "pending");
    let error = lab
        .run(&["deploy", "lab", "--catalog", &catalog, "--json"])
        .exits(3)
        .error();
    assert_eq!(error["code"], "invalid");
    lab.run(&["delete", "lab"]).exits(0);
}

#[test]
#[ignore = "needs Docker"]
fn a_maze_for_an_agent_that_is_unknown_is_refused() {
    let sandbox = Sandbox::with_docker();
    sandbox
        .run(&[
            "generate",
            "--name",
            "far",
            "--depth",
            "1",
            "--branching-factor",
            "1",
            "--mode",
            "agent",
        ])
        .exits(0);
    sandbox
        .run(&["deploy", "far"])
        .exits(1)
        .says("`far` is for the agent of a host, and names none")
        .says("hint: `decnet host list` shows the hosts");
}

#[test]
#[ignore = "needs Docker"]
fn a_publish_rule_that_matches_nothing_exits_with_2() {
    let lab = Lab::apply(&gateway(39, "ssh"));
    for rule in ["shh=2222", "side.ssh=2222", "ssh:23=2222", "http=2222"] {
        lab.run(&["deploy", "lab", "--publish", rule])
            .exits(2)
            .says("maps nothing");
    }
    lab.assert_nothing_left();
}
