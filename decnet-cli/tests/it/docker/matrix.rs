//! The whole life of one maze, on any daemon. `scripts/test-matrix` runs this on daemons with many settings, and states the
//! missing features of each.

use std::{
    collections::BTreeSet,
    io::Read as _,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use super::lab::{Lab, docker};
use crate::command::Ran;

const MAZE: &str = "\
format: decnet.topology/1
name: lab
lans:
  - {name: dmz, subnet: 10.204.20.0/27, dmz: true}
  - {name: office, subnet: 10.204.20.32/27}
  - {name: vault, subnet: 10.204.20.64/27}
deckies:
  - {name: gate, services: [ssh], forwards_l3: true, attachments: [{lan: dmz}, {lan: office}]}
  - {name: web, services: [http], attachments: [{lan: dmz}]}
  - {name: jump, services: [ssh], forwards_l3: true, attachments: [{lan: office}, {lan: vault}]}
  - {name: desk, services: [smb], attachments: [{lan: office}]}
  - {name: safe, services: [mysql], attachments: [{lan: vault}]}
";

/// Above the privileged ports, which a rootless daemon cannot publish.
const PORT: u16 = 20_420;

/// The warnings of a deploy about missing features of the daemon.
const ABOUT_THE_DAEMON: [&str; 2] = ["HOST_UNLIMITED", "PUBLISH_ROOTLESS"];

/// The missing features of the daemon, from the matrix; none for an unknown daemon.
struct MissingFeatures {
    /// The codes of the warnings of a deploy.
    warnings: BTreeSet<String>,
    /// The checks of `doctor` that warn.
    checks: BTreeSet<String>,
    /// Why the addresses of visitors are hidden; none if they are visible.
    hides_visitors: Option<String>,
}

impl MissingFeatures {
    fn of_daemon() -> Self {
        let words = |name: &str| {
            let text = std::env::var(name).unwrap_or_default();
            text.split_whitespace().map(ToOwned::to_owned).collect()
        };
        let hides: BTreeSet<String> = words("MATRIX_HIDES_VISITORS");
        Self {
            warnings: words("MATRIX_WARNINGS"),
            checks: words("MATRIX_CHECKS"),
            hides_visitors: hides.into_iter().next(),
        }
    }
}

/// The strings at a key of each object in a list.
fn each(list: &serde_json::Value, key: &str) -> Vec<String> {
    let list = list.as_array().expect("a list").iter();
    list.filter_map(|one| Some(one[key].as_str()?.to_owned())).collect()
}

fn check_doctor(lab: &Lab, missing: &MissingFeatures) {
    let doctor = lab.run(&["doctor", "--json"]).json();
    let checks = doctor["checks"].as_array().expect("checks");
    let warned: BTreeSet<_> = checks
        .iter()
        .filter(|check| {
            check["verdict"] != "ok" && ["cgroups", "rootless"].contains(&check["what"].as_str().unwrap_or(""))
        })
        .filter_map(|check| Some(check["what"].as_str()?.to_owned()))
        .collect();
    assert_eq!(warned, missing.checks, "{doctor:#}");
}

/// Verifies the maze: it matches, except for what the daemon hides.
fn check(lab: &Lab, missing: &MissingFeatures) {
    let ran = verified_in_time(lab, missing);
    let report = ran.json();
    let Some(cause) = &missing.hides_visitors else {
        assert_eq!(ran.code, Some(0), "{report:#}");
        return;
    };
    assert_eq!(ran.code, Some(1), "{report:#}");
    let found = each(&report["deviations"], "found");
    assert_eq!(found, ["anonymous"], "{report:#}");
    assert_eq!(each(&report["causes"], "code"), [cause.as_str()], "{report:#}");
    // A check of only the host gives the same result.
    let doctor = lab.run(&["doctor", "--json"]).json();
    let hosts = doctor["checks"].as_array().expect("checks").iter();
    let said: Vec<_> = hosts
        .filter(|check| check["what"] == "host" && check["verdict"] == "warn")
        .filter_map(|check| check["message"].as_str())
        .collect();
    assert!(
        said.iter().any(|message| message.contains(cause.as_str())),
        "{doctor:#}"
    );
}

/// Verifies the maze until the result is as expected: a new service starts to listen a moment later.
fn verified_in_time(lab: &Lab, missing: &MissingFeatures) -> Ran {
    let expected = Some(i32::from(missing.hides_visitors.is_some()));
    for _ in 0..10 {
        let ran = lab.run(&["verify", "lab", "--json"]);
        if ran.code == expected {
            return ran;
        }
        thread::sleep(Duration::from_millis(500));
    }
    lab.run(&["verify", "lab", "--json"])
}

/// Reads the banner of the published service.
fn banner() -> String {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let mut banner = [0; 8];
    let read = |banner: &mut [u8]| {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(3))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.read_exact(banner)
    };
    for attempt in 1.. {
        match read(&mut banner) {
            Ok(()) => break,
            Err(error) => assert!(attempt < 50, "{error}"),
        }
        thread::sleep(Duration::from_millis(100));
    }
    String::from_utf8_lossy(&banner).into_owned()
}

#[track_caller]
fn mutate(lab: &Lab, change: &[&str]) {
    let arguments = [&["mutate", "lab"], change, &["--wait", "--quiet"]].concat();
    lab.run(&arguments).exits(0);
}

/// Lists the volumes of the store.
fn volumes(lab: &Lab) -> Vec<String> {
    let label = format!("label=decnet.instance={}", lab.instance());
    docker(&["volume", "ls", "--quiet", "--filter", &label])
}

#[test]
#[ignore = "needs Docker"]
fn the_whole_life_of_a_maze() {
    let missing = MissingFeatures::of_daemon();
    let lab = Lab::apply(MAZE);
    check_doctor(&lab, &missing);
    let publish = format!("ssh={PORT}");
    let deployed = lab
        .run(&["deploy", "lab", "--json", "--publish", &publish])
        .exits(0)
        .json();
    assert_eq!(deployed["status"], "active");
    let about = each(&deployed["warnings"], "code").into_iter();
    let about: BTreeSet<_> = about.filter(|code| ABOUT_THE_DAEMON.contains(&code.as_str())).collect();
    assert_eq!(about, missing.warnings, "{deployed:#}");
    check(&lab, &missing);
    assert_eq!(banner(), "SSH-2.0-");

    let before = lab.on_docker();
    mutate(&lab, &["add_lan", "--name", "lab", "--subnet", "10.204.20.96/27"]);
    mutate(&lab, &["attach_decky", "--decky", "desk", "--lan", "lab"]);
    mutate(
        &lab,
        &["add_decky", "--name", "late", "--lan", "lab", "--services", "ftp"],
    );
    mutate(&lab, &["update_decky", "--decky", "safe", "--services", "mysql,http"]);
    check(&lab, &missing);
    mutate(&lab, &["update_decky", "--decky", "safe", "--services", "mysql"]);
    mutate(&lab, &["remove_decky", "--decky", "late"]);
    mutate(&lab, &["detach_decky", "--decky", "desk", "--lan", "lab"]);
    mutate(&lab, &["remove_lan", "--name", "lab"]);
    check(&lab, &missing);
    assert_eq!(
        lab.on_docker(),
        before,
        "unchanged containers keep their ids and start times"
    );
    assert_eq!(banner(), "SSH-2.0-");

    let plan = lab.run(&["plan", "lab", "--json"]).exits(0).json();
    assert_eq!(plan["steps"], serde_json::json!([]), "{plan:#}");
    assert!(!volumes(&lab).is_empty(), "bases keep their states");
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
    lab.assert_nothing_left();
    assert_eq!(volumes(&lab), [""; 0]);
}
