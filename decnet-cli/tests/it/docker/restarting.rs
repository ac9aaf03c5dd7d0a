//! Docker is restarted while the loop runs.

use std::{thread, time::Duration};

use super::{
    daemon::Daemon,
    lab::{Lab, Running, docker},
};
use crate::command::Sandbox;

const MAZE: &str = "\
format: decnet.topology/1
name: lab
lans:
  - {name: dmz, subnet: 10.204.43.0/28, dmz: true}
  - {name: office, subnet: 10.204.43.16/28}
deckies:
  - name: web
    services: [http]
    forwards_l3: true
    attachments: [{lan: dmz, ip: 10.204.43.4}, {lan: office, ip: 10.204.43.20}]
  - name: files
    services: [smb]
    attachments: [{lan: office, ip: 10.204.43.21}]
";
const PAUSE: Duration = Duration::from_millis(200);
const ATTEMPTS: usize = 200;

fn matches_the_maze(sandbox: &Sandbox) -> bool {
    let shown = sandbox.run(&["show", "lab", "--json"]).exits(0).json();
    let queued = sandbox.run(&["mutations", "lab", "--state", "pending,applying", "--json"]);
    shown["status"] == "active"
        && queued.exits(0).json()["total"] == 0
        && sandbox.run(&["plan", "lab", "--json"]).json()["steps"] == serde_json::json!([])
}

fn add_decky(sandbox: &Sandbox, decky: &str, services: &str) {
    let payload = ["--name", decky, "--lan", "office", "--services", services];
    sandbox
        .run(&[&["mutate", "lab", "add_decky"][..], &payload].concat())
        .exits(0);
}

#[test]
#[ignore = "needs Docker"]
fn after_a_killed_or_stopped_daemon_the_maze_is_restored_and_queued_mutations_are_applied() {
    let mut daemon = Daemon::start();
    let sandbox = Sandbox::with_daemon(&daemon.host());
    sandbox.write("lab.yaml", MAZE);
    sandbox.run(&["apply", "-f", "lab.yaml"]).exits(0);
    sandbox.run(&["deploy", "lab", "--quiet"]).exits(0);
    let mut watch = Running::start(&sandbox, &["watch", "--poll", "500ms"], "watching; Ctrl-C stops");
    for (signal, number) in [("KILL", 1), ("TERM", 3)] {
        add_decky(&sandbox, &format!("during-{number}"), "ssh,ftp,smb");
        watch.until(&format!("#{number} add_decky: applying"));
        daemon.end(signal);
        add_decky(&sandbox, &format!("after-{number}"), "ssh");
        daemon.start_server();
        for attempt in 1.. {
            if matches_the_maze(&sandbox) {
                break;
            }
            assert!(attempt < ATTEMPTS, "{signal}: {}", sandbox.run(&["show", "lab"]).stdout);
            thread::sleep(PAUSE);
        }
        let mutations = sandbox.run(&["mutations", "lab", "--json"]).exits(0).json();
        let last = mutations["mutations"].as_array().and_then(|rows| rows.last());
        assert_eq!(last.expect("a row")["state"], "applied", "{signal}");
    }
    watch.signal("TERM");
    let (status, said) = watch.end();
    assert_eq!(status.code(), Some(0), "{said}");

    let label = ["--filter", "label=decnet.instance"];
    assert_eq!(daemon.docker(&[&["ps", "--quiet"][..], &label].concat()).len(), 16);
    sandbox.run(&["teardown", "lab", "--quiet"]).exits(0);
    for list in [&["ps", "--all", "--quiet"][..], &["network", "ls", "--quiet"]] {
        assert_eq!(daemon.docker(&[list, &label].concat()), Vec::<String>::new());
    }
}

#[test]
#[ignore = "needs Docker"]
fn after_a_restart_of_daemon_or_base_every_service_answers_again_without_the_loop() {
    let mut daemon = Daemon::start();
    let sandbox = Sandbox::with_daemon(&daemon.host());
    sandbox.write("lab.yaml", MAZE);
    sandbox.run(&["apply", "-f", "lab.yaml"]).exits(0);
    sandbox.run(&["deploy", "lab", "--quiet"]).exits(0);
    let label = ["--filter", "label=decnet.instance"];
    let ids = |daemon: &Daemon| {
        let mut ids = daemon.docker(&[&["ps", "--quiet"][..], &label].concat());
        ids.sort();
        ids
    };
    let before = ids(&daemon);
    // Published ports are in the daemon's own namespace, and not visible from here.
    let answers = |sandbox: &Sandbox| {
        let report = sandbox.run(&["verify", "lab", "--json"]);
        let report: Option<serde_json::Value> = serde_json::from_str(&report.stdout).ok();
        let deviations = report.as_ref().and_then(|report| report["deviations"].as_array());
        deviations.is_some_and(|all| all.iter().all(|deviation| deviation["from"] == "host"))
            && matches_the_maze(sandbox)
    };
    for what in ["TERM", "KILL", "a base"] {
        if what == "a base" {
            let base = [
                &["ps", "--quiet", "--filter", "label=decnet.topology.role=base"][..],
                &label,
            ]
            .concat();
            let base = daemon.docker(&base);
            daemon.docker(&["restart", "--time", "0", &base[0]]);
        } else {
            daemon.end(what);
            daemon.start_server();
        }
        for attempt in 1.. {
            if answers(&sandbox) {
                break;
            }
            assert!(attempt < ATTEMPTS, "{what}: {}", sandbox.run(&["verify", "lab"]).stdout);
            thread::sleep(PAUSE);
        }
        assert_eq!(ids(&daemon), before, "{what}");
    }
    sandbox.run(&["teardown", "lab", "--quiet"]).exits(0);
    assert_eq!(daemon.docker(&["volume", "ls", "--quiet"]), Vec::<String>::new());
}

#[test]
#[ignore = "needs Docker"]
fn deploy_names_the_unit_that_restarts_services_with_their_own_images() {
    let lab = Lab::apply(&MAZE.replace("10.204.43", "10.204.44"));
    let plain = lab.run(&["deploy", "lab"]).exits(0);
    assert!(!plain.stderr.contains("contrib/"), "{plain:#?}");
    // An image other than the built-in one, from the catalogue. It keeps running and waits for sockets.
    let file = lab.run(&["compose", "lab"]).exits(0).stdout;
    let image = file.lines().find_map(|line| line.trim().strip_prefix("image: "));
    let image = image.expect("an image");
    let service = format!(
        r#"{{\"decky\":\"files\",\"persona\":{{\"hostname\":\"files\",\"domain\":\"corp.local\",\"os\":\"debian-12\"}},\"secret\":\"{}\",\"services\":[]}}"#,
        "07".repeat(32)
    );
    let entry = format!(
        "[services.smb]\nimage = \"{image}\"\ncommand = [\"service\"]\nenvironment = {{ SERVICE_STATE = \"{service}\" }}\n"
    );
    let catalog = lab.sandbox.write("own.toml", &entry);
    let catalog = catalog.to_string_lossy();
    let ran = lab.run(&["deploy", "lab", "--catalog", &catalog]).exits(0);
    assert!(
        ran.stderr.contains("1 service has its own image (first: files.smb)")
            && ran
                .stderr
                .contains("as a service starts it again: decnet-watch.service"),
        "{ran:#?}"
    );
    let id = docker(&[
        "ps",
        "--quiet",
        "--filter",
        &format!("label=decnet.instance={}", lab.instance()),
        "--filter",
        "label=decnet.topology.service_name=smb",
    ]);
    let mode = docker(&["inspect", "--format", "{{.HostConfig.NetworkMode}}", &id[0]]);
    assert!(mode[0].starts_with("container:"), "{mode:?}");
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
    lab.assert_nothing_left();
}
