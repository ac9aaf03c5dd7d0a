//! The live view of a maze that runs.

use super::lab::{Lab, docker};
use crate::top::Session;

#[test]
#[ignore = "needs Docker"]
fn the_live_view_shows_states_visits_and_changes() {
    let lab = Lab::apply(
        "format: decnet.topology/1\nname: lab\nlans:\n  - {name: dmz, subnet: 10.204.61.0/28, dmz: true}\n\
         deckies:\n  - {name: gate, services: [ssh], attachments: [{lan: dmz}]}\n  - {name: desk, services: [http], attachments: [{lan: dmz}]}\n",
    );
    lab.run(&["deploy", "lab", "--quiet"]).exits(0);
    let mut session = Session::start(&lab.sandbox, "exec decnet top lab", 110, 30);
    session.shows("lab  active");
    session.shows("2 deckies, 2 running");

    lab.run(&["exec", "lab", "desk", "connect", "gate", "22"]).exits(0);
    session.shows("session.open");
    lab.run(&[
        "mutate",
        "lab",
        "update_decky",
        "--decky",
        "desk",
        "--services",
        "http,smb",
        "--wait",
    ])
    .exits(0);
    session.shows("http smb");
    session.shows("applied");

    let label = |key: &str, value: &str| format!("label=decnet.topology.{key}={value}");
    let own = format!("label=decnet.instance={}", lab.instance());
    let container = [
        "ps",
        "--quiet",
        "--filter",
        &own,
        "--filter",
        &label("decky", "gate"),
        "--filter",
        &label("service_name", "ssh"),
    ];
    let container = docker(&container);
    docker(&["kill", &container[0]]);
    session.shows("running, but ssh exited");
    session.press("\r");
    session.shows("service   ssh  exited");
    session.press("\u{1b}");
    lab.run(&["reconcile", "lab", "--quiet"]).exits(0);
    session.shows("2 deckies, 2 running");

    lab.run(&["teardown", "lab", "--quiet", "--yes"]).exits(0);
    session.shows("lab  torn_down");
    lab.run(&["delete", "lab"]).exits(0);
    session.shows("lab  deleted");
    session.press("q");
    assert_eq!(session.ends().code(), Some(0));
    lab.assert_nothing_left();
}
