//! Changes of a running maze, and their verification from inside.

use std::net::TcpListener;

use serde_json::{Value, json};

use super::lab::{Lab, docker};
use crate::{
    command::Ran,
    events::{Following, serve},
};

/// Stores and deploys a gateway, a LAN behind it and a host there, in `10.207.<number>.0/24`.
fn deployed(number: u8) -> Lab {
    let lab = Lab::apply(&format!(
        "format: decnet.topology/1\nname: lab\nlans:\n  - {{name: dmz, subnet: 10.207.{number}.0/28, dmz: true}}\n  - {{name: \
         office, subnet: 10.207.{number}.16/28}}\ndeckies:\n  - {{name: gate, services: [http, ssh], forwards_l3: true, \
         attachments: [{{lan: dmz, ip: 10.207.{number}.10}}, {{lan: office, ip: 10.207.{number}.26}}]}}\n  - {{name: desk, services: \
         [smb], attachments: [{{lan: office, ip: 10.207.{number}.18}}]}}\n"
    ));
    let free = [free_port(), free_port()];
    let [http, ssh] = [("http", free[0]), ("ssh", free[1])].map(|(name, port)| format!("{name}=127.0.0.1:{port}"));
    lab.run(&["deploy", "lab", "--quiet", "--publish", &http, "--publish", &ssh])
        .exits(0);
    lab
}

fn free_port() -> u16 {
    let bound = TcpListener::bind("127.0.0.1:0").expect("a port");
    bound.local_addr().expect("bound").port()
}

fn mutate(lab: &Lab, arguments: &[&str]) -> Ran {
    lab.run(&[&["mutate", "lab"], arguments].concat())
}

/// Tears a maze down, and asserts that nothing is left.
fn teardown(lab: &Lab) {
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
    lab.assert_nothing_left();
}

/// Removes the lines of one decky.
fn without(lines: &[String], decky: &str) -> Vec<String> {
    let is_its = |line: &&String| line.contains(&format!("_{decky} ")) || line.contains(&format!("_{decky}."));
    lines.iter().filter(|line| !is_its(line)).cloned().collect()
}

#[test]
#[ignore = "needs Docker"]
fn a_change_is_planned_then_applied_and_touches_nothing_else() {
    let lab = deployed(1);
    let _bus = serve(&lab.sandbox);
    let mut events = Following::start(&lab.sandbox, &["events", "--topology", "lab", "--json"]);
    let snapshot = events.until(|_| true);
    assert_eq!(
        (&snapshot["type"], &snapshot["payload"]["topologies"][0]["status"]),
        (&json!("snapshot"), &json!("active"))
    );
    let before = lab.on_docker();
    let add = ["add_decky", "--name", "safe", "--lan", "office", "--services", "ssh"];

    let planned = mutate(&lab, &[&add[..], &["--plan"]].concat()).exits(0);
    assert!(
        planned.stdout.contains("create base") && planned.stderr.contains("0 containers recreated or restarted"),
        "{planned:#?}"
    );
    let planned = mutate(&lab, &[&add[..], &["--plan", "--json"]].concat())
        .exits(0)
        .json();
    assert_eq!((&planned["restarts"], &planned["refusal"]), (&json!([]), &Value::Null));
    assert_eq!(lab.on_docker(), before, "a plan changes nothing");
    assert_eq!(lab.run(&["mutations", "--json"]).exits(0).json()["total"], 0);

    let made = mutate(&lab, &[&add[..], &["--wait"]].concat()).exits(0);
    assert_eq!(made.stdout, "#1 add_decky is applied\n");
    let states = ["enqueued", "applying", "applied"];
    for state in states {
        let event = events.until(|event| event["type"] == "mutation");
        assert_eq!(
            (&event["payload"]["state"], &event["payload"]["mutation"]),
            (&json!(state), &json!(1))
        );
    }
    let after = lab.on_docker();
    assert_eq!(without(&after, "safe"), before, "the others keep ids and start times");
    assert!(after.len() > before.len());
    let removed = mutate(&lab, &["remove_decky", "--decky", "safe", "--wait", "--json"])
        .exits(0)
        .json();
    assert_eq!(removed["mutation"]["state"], "applied");
    assert_eq!(lab.on_docker(), before);
    lab.run(&["plan", "lab"]).exits(0).says("nothing to do");
    let then = lab.run(&["show", "lab", "--at", "now"]).exits(0);
    assert!(!then.stdout.contains("safe"), "{then:#?}");
    teardown(&lab);
}

#[test]
#[ignore = "needs Docker"]
fn a_decky_gets_other_services_now_and_the_others_keep_their_containers() {
    let lab = Lab::apply(
        "format: decnet.topology/1\nname: lab\nlans:\n  - {name: dmz, subnet: 10.207.5.0/28, dmz: true}\ndeckies:\n  - {name: desk, \
         services: [ftp], shuffle: {every: 6h, from: [ftp, redis]}, attachments: [{lan: dmz, ip: 10.207.5.10}]}\n  - {name: other, \
         services: [ssh], attachments: [{lan: dmz, ip: 10.207.5.11}]}\n",
    );
    lab.run(&["deploy", "lab", "--quiet"]).exits(0);
    let before = lab.on_docker();
    let has = |lines: &[String], service: &str| {
        let name = format!("_desk.{service} ");
        lines.iter().any(|line| line.contains(&name) && line.ends_with(" true"))
    };
    assert!(has(&before, "ftp") && !has(&before, "redis"), "{before:#?}");
    mutate(&lab, &["--now", "desk", "--wait"]).exits(0);
    let after = lab.on_docker();
    assert!(has(&after, "redis") && !has(&after, "ftp"), "{after:#?}");
    assert_eq!(
        without(&after, "desk"),
        without(&before, "desk"),
        "the others keep ids and start times"
    );
    lab.run(&["plan", "lab"]).exits(0).says("nothing to do");
    teardown(&lab);
}

#[test]
#[ignore = "needs Docker"]
fn a_gateway_is_recreated_only_with_force_and_an_illegal_change_is_refused_with_the_reason() {
    let lab = deployed(2);
    let before = lab.on_docker();
    let close = ["update_decky", "--decky", "gate", "--services", "http"];
    for arguments in [&["--plan"][..], &["--wait"]] {
        mutate(&lab, &[&close[..], arguments].concat())
            .exits(3)
            .says("recreates its base; repeat it with `force`")
            .says("--force allows the running container to be recreated");
    }
    let home = ["remove_lan", "--name", "office", "--wait"];
    mutate(&lab, &home).exits(3).says("is the home of decky `desk`");
    assert_eq!(lab.on_docker(), before, "a refused change has no effect");
    assert_eq!(lab.run(&["mutations", "--json"]).exits(0).json()["total"], 0);
    assert_eq!(lab.status(), "active");

    let forced = [&close[..], &["--force"]].concat();
    let planned = mutate(&lab, &[&forced[..], &["--plan", "--json"]].concat())
        .exits(0)
        .json();
    let restarts = planned["restarts"].as_array().expect("a list");
    let ends: Vec<_> = restarts
        .iter()
        .filter_map(|name| name.as_str()?.rsplit('_').next())
        .collect();
    assert_eq!(ends, ["gate", "gate.http"]);
    mutate(&lab, &[&forced[..], &["--wait"]].concat()).exits(0);
    let after = lab.on_docker();
    assert_eq!(without(&after, "gate"), without(&before, "gate"));
    assert!(!after.iter().any(|line| line.contains("gate.ssh")), "{after:#?}");

    let listed = lab.run(&["mutations", "lab"]).exits(0);
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{listed:#?}");
    for word in ["#1", "update_decky", "applied", "gate"] {
        assert!(lines[1].contains(word), "{word}: {listed:#?}");
    }
    lab.run(&["verify", "lab"]).exits(0);
    teardown(&lab);
}

#[test]
#[ignore = "needs Docker"]
fn manual_damage_is_found_by_verify_and_repaired() {
    let lab = deployed(3);
    let clean = lab.run(&["verify", "lab", "--json"]).exits(0).json();
    assert_eq!(clean["deviations"], json!([]));
    let before = lab.on_docker();

    let names = docker(&[
        "ps",
        "--filter",
        &format!("label=decnet.instance={}", lab.instance()),
        "--format",
        "{{.Names}}",
    ]);
    let desk = names.iter().find(|name| name.ends_with("_desk")).expect("runs");
    // Correct, except for the route over the gateway.
    let state = json!({
        "forward": false, "default_route": false, "interfaces": ["10.207.3.18"], "routes": [],
        "lans": ["10.207.3.16/28"], "closed": [], "egress": "none",
    });
    docker(&["exec", desk, "/sbin/init", "state", "set", &state.to_string()]);

    let found = lab
        .run(&["verify", "lab"])
        .exits(1)
        .says("`decnet reconcile lab` fixes it");
    assert!(found.stdout.starts_with("FROM"), "{found:#?}");
    let words = |line: &str| line.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>();
    let deviates = ["desk", "gate", "10.207.3.10", "reachable", "unreachable"];
    assert!(
        found
            .stdout
            .lines()
            .any(|line| words(line).starts_with(&deviates.map(ToOwned::to_owned))),
        "{found:#?}"
    );
    let found = lab.run(&["verify", "lab", "--json"]).exits(1).json();
    let deviations = found["deviations"].as_array().expect("a list");
    let to_gate = |deviation: &&Value| deviation["from"]["decky"] == "desk" && deviation["to"]["decky"] == "gate";
    let deviation = deviations.iter().find(to_gate).expect("found");
    assert_eq!(
        (&deviation["address"], &deviation["expected"], &deviation["found"]),
        (&json!("10.207.3.10"), &json!("reachable"), &json!("unreachable"))
    );

    lab.run(&["reconcile", "lab"]).exits(0);
    lab.run(&["verify", "lab"]).exits(0);
    assert_eq!(lab.on_docker(), before, "nothing was restarted for it");
    teardown(&lab);
}

#[test]
#[ignore = "needs Docker"]
fn an_interrupted_wait_leaves_the_change_in_the_queue_and_the_next_one_applies_it() {
    let lab = deployed(4);
    let add = |name| {
        [
            "mutate",
            "lab",
            "add_decky",
            "--name",
            name,
            "--lan",
            "office",
            "--services",
            "ssh",
            "--wait",
        ]
    };
    let waiting = lab.start(&add("first"), "plan: ");
    waiting.signal("INT");
    let (status, said) = waiting.end();
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(
        said.contains("mutation #1 is not finished") && said.contains("it stays queued"),
        "{said}"
    );
    let listed = lab.run(&["mutations", "--json"]).exits(0).json();
    assert_eq!(listed["mutations"][0]["state"], "pending");

    let second = lab.run(&add("second")).exits(0);
    assert!(second.stderr.contains("mutation #1 add_decky: applied"), "{second:#?}");
    lab.run(&["plan", "lab"]).exits(0).says("nothing to do");
    let shown = lab.run(&["show", "lab"]).exits(0);
    assert!(
        shown.stdout.contains("first") && !shown.stdout.contains("absent"),
        "{shown:#?}"
    );
    teardown(&lab);
}
