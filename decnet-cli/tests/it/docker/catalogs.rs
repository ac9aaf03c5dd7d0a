//! A maze keeps what it uses of a user's catalogue, on Docker.

use std::{thread, time::Duration};

use serde_json::json;

use super::lab::{Lab, docker};

/// A service of the built-in program, and another banner of `ftp`.
const OWN: &str = "\
[services.till]
ports = [\"9100/tcp\"]
banner = \"till 1.0\\r\\n\"
[services.ftp]
banner = \"220 shop\\r\\n\"
[archetypes.kiosk]
services = [\"till\", \"ftp\"]
";

const MAZE: &str = "\
format: decnet.topology/1
name: lab
lans:
  - {name: dmz, subnet: 10.204.46.0/28, dmz: true}
  - {name: office, subnet: 10.204.46.16/28}
deckies:
  - name: web
    services: [http]
    forwards_l3: true
    attachments: [{lan: dmz, ip: 10.204.46.4}, {lan: office, ip: 10.204.46.20}]
  - name: kiosk
    archetype: kiosk
    attachments: [{lan: office, ip: 10.204.46.21}]
";

/// Removes the container of a service, and returns its id.
fn kill(lab: &Lab, service: &str) -> String {
    let id = find(lab, service).expect("a container");
    docker(&["rm", "--force", &id]);
    id
}

fn find(lab: &Lab, service: &str) -> Option<String> {
    let instance = format!("label=decnet.instance={}", lab.instance());
    let service = format!("label=decnet.topology.service_name={service}");
    let ids = docker(&[
        "ps",
        "--quiet",
        "--no-trunc",
        "--filter",
        &instance,
        "--filter",
        &service,
    ]);
    ids.into_iter().next()
}

#[test]
#[ignore = "needs Docker"]
fn a_maze_that_was_deployed_with_a_catalogue_is_planned_healed_and_watched_without_it() {
    let lab = Lab::apply(&MAZE.replace("    archetype: kiosk\n", "    services: []\n"));
    lab.sandbox.write("lab.yaml", MAZE);
    let own = lab.sandbox.write("own.toml", OWN);
    let own = own.to_string_lossy();
    lab.run(&["deploy", "-f", "lab.yaml", "--catalog", &own, "--quiet"])
        .exits(0);
    let steps = |lab: &Lab| lab.run(&["plan", "lab", "--json"]).exits(0).json()["steps"].clone();
    assert_eq!(steps(&lab), json!([]));
    lab.run(&["verify", "lab"]).exits(0);

    let killed = kill(&lab, "till");
    lab.run(&["reconcile", "lab", "--quiet"]).exits(0);
    assert!(find(&lab, "till").is_some_and(|id| id != killed));
    assert_eq!((lab.status().as_str(), steps(&lab)), ("active", json!([])));

    let mut watch = lab.start(&["watch", "--poll", "500ms"], "watching; Ctrl-C stops");
    let killed = kill(&lab, "till");
    let healed = || find(&lab, "till").is_some_and(|id| id != killed) && steps(&lab) == json!([]);
    let in_time = (0..100).any(|_| {
        healed() || {
            thread::sleep(Duration::from_millis(200));
            false
        }
    });
    assert!(in_time, "the watch loop restores the service");
    let add = [
        "mutate",
        "lab",
        "add_decky",
        "--name",
        "second",
        "--lan",
        "office",
        "--archetype",
        "kiosk",
    ];
    lab.run(&add).exits(0);
    watch.until("add_decky: applied");
    watch.signal("TERM");
    let (status, said) = watch.end();
    assert_eq!(status.code(), Some(0), "{said}");
    let shown = lab.run(&["show", "lab", "--json"]).exits(0);
    assert!(
        shown.stdout.contains("second") && lab.status() == "active",
        "{shown:#?}"
    );
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
    lab.assert_nothing_left();
}
