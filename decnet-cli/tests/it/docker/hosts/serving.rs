//! `decnet serve` deploys mazes over the hosts of its store, also over one that joins while it runs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Stage;
use crate::walk::terminal;

/// How long a host may take until the server knows it.
const SOON: Duration = Duration::from_mins(1);

impl Stage {
    /// Sends a request to the server, and returns the status and the body.
    #[track_caller]
    fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let flags = "--silent --show-error --write-out '\\n%{http_code}' --header 'Prefer: wait=120'";
        let answer = self.on_master(&format!(
            "curl {flags} --json '{body}' http://127.0.0.1:7377/api/v1/topologies{path}"
        ));
        let (body, status) = answer.rsplit_once('\n').expect("a status");
        (
            status.parse().expect("a number"),
            serde_json::from_str(body).expect("JSON"),
        )
    }
}

/// Returns the bodies of a maze: the document, and the settings that spread it over both hosts.
fn maze() -> (String, String) {
    let decky = |name: &str, services: &[&str], lans: &[&str]| {
        let attachments: Vec<Value> = lans.iter().map(|lan| json!({ "lan": lan })).collect();
        json!({ "name": name, "services": services, "attachments": attachments })
    };
    let document = json!({
        "format": "decnet.topology/1",
        "name": "served",
        "lans": [
            { "name": "dmz", "subnet": "10.8.0.0/24", "dmz": true },
            { "name": "office", "subnet": "10.8.1.0/24" },
        ],
        "deckies": [decky("web", &["http"], &["dmz"]), decky("desk", &["ssh"], &["office", "dmz"]), decky("files", &["smb"], &["office"])],
    });
    let settings = json!({ "settings": { "hosts": ["east", "west"], "placement": { "distribution": "spread" } } });
    (document.to_string(), settings.to_string())
}

#[test]
#[ignore = "needs Docker"]
fn a_server_deploys_over_hosts_that_join_while_it_runs() {
    let stage = Stage::start();
    stage.in_background("decnet host serve", "hosts.log");
    stage.join("east");
    stage.in_background("decnet serve --no-auth", "serve.log");
    let (document, settings) = maze();
    let (status, stored) = stage.post("", &document);
    assert_eq!(status, 201, "{stored}");
    let id = stored["id"].as_str().expect("an id");
    let (status, problem) = stage.post(&format!("/{id}/deploy"), &settings);
    assert_eq!((status, &problem["code"]), (422, &"hosts_unknown".into()), "{problem}");

    stage.join("west");
    let begun = Instant::now();
    let deployed = loop {
        let (status, result) = stage.post(&format!("/{id}/deploy"), &settings);
        if status == 200 {
            break result;
        }
        assert_eq!((status, &result["code"]), (422, &"hosts_unknown".into()), "{result}");
        assert!(begun.elapsed() < SOON, "west is not seen");
        std::thread::sleep(Duration::from_millis(500));
    };
    assert_eq!(deployed["result"]["status"], "active", "{deployed}");
    let (status, verified) = stage.post(&format!("/{id}/verify"), "{}");
    assert_eq!(
        (status, &verified["result"]["clean"]),
        (200, &true.into()),
        "{verified}"
    );
    assert!(verified["result"]["report"]["probes"].as_u64() > Some(0), "{verified}");

    shows_the_bridges_of_each_host(&stage);

    let (status, down) = stage.post(&format!("/{id}/teardown"), "{}");
    assert_eq!(
        (status, &down["result"]["status"]),
        (200, &"torn_down".into()),
        "{down}"
    );
    for host in ["east", "west"] {
        assert_eq!(stage.must(&["left", host]), "", "{host}");
    }
}

/// Checks what `decnet show` says for tcpdump: bridges that the kernels of the hosts know, and interfaces inside the deckies.
#[track_caller]
fn shows_the_bridges_of_each_host(stage: &Stage) {
    let shown: Value = serde_json::from_str(&stage.on_master("decnet show served --json")).expect("JSON");
    let stretched = shown["placement"]["stretched"].as_object().expect("an object");
    let bridges = shown["bridges"].as_array().expect("a list");
    assert_eq!((bridges.len(), stretched.len()), (3, 1), "{shown}");
    for bridge in bridges {
        let [host, name] = ["host", "name"].map(|key| bridge[key].as_str().expect("text"));
        let found = stage.must(&["ssh", host, &format!("ip -oneline link show {name} type bridge")]);
        assert!(found.contains(name), "{bridge}: {found}");
    }
    let deckies = shown["deckies"].as_array().expect("a list");
    let mut interfaces = deckies
        .iter()
        .flat_map(|decky| decky["interfaces"].as_array().expect("a list"));
    assert!(interfaces.all(|interface| interface["name"].is_string()), "{shown}");

    let seen = terminal::run(&mut stage.shell("decnet show served"), 80, None);
    assert_eq!(seen.code, Some(0), "{}", seen.text);
    assert!(seen.text.contains("LAN     HOST  BRIDGE"), "{}", seen.text);
    for bridge in bridges {
        let row = ["lan", "host", "name"].map(|key| bridge[key].as_str().expect("text"));
        let has_row = |line: &str| line.split_whitespace().eq(row);
        assert!(seen.text.lines().any(has_row), "{row:?}: {}", seen.text);
    }
}
