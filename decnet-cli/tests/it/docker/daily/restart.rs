//! `decnet restart`.

use std::collections::BTreeSet;

use crate::docker::lab::Lab;

fn maze(number: u8) -> String {
    format!(
        "format: decnet.topology/1\nname: lab\nlans:\n  - {{name: dmz, subnet: 10.204.{number}.0/28, dmz: true}}\n  \
         - {{name: office, subnet: 10.204.{number}.16/28}}\ndeckies:\n  \
         - {{name: gate, services: [http, ssh], forwards_l3: true, attachments: [{{lan: dmz}}, {{lan: office}}]}}\n  \
         - {{name: files, services: [smb], attachments: [{{lan: office}}]}}\n"
    )
}

/// Returns the names of the containers that differ from before.
fn changed(before: &[String], after: &[String]) -> BTreeSet<String> {
    assert_eq!(before.len(), after.len());
    let ids = |all: &[String]| -> BTreeSet<String> {
        all.iter()
            .map(|line| line.split(' ').next().unwrap_or("").into())
            .collect()
    };
    assert_eq!(ids(before), ids(after), "every container and network keeps its id");
    let name = |line: &String| {
        line.split(' ')
            .nth(1)
            .and_then(|name| name.rsplit('_').next())
            .map(ToOwned::to_owned)
    };
    after
        .iter()
        .filter(|line| !before.contains(line))
        .filter_map(name)
        .collect()
}

#[test]
#[ignore = "needs Docker"]
fn a_gateway_and_a_service_are_restarted_and_everything_matches_the_maze_afterwards() {
    let lab = Lab::apply(&maze(60));
    let publish = ["--publish", "ssh=127.0.0.1:42060", "--publish", "http=127.0.0.1:42061"];
    lab.run(&[&["deploy", "lab", "--quiet"][..], &publish].concat())
        .exits(0);
    for (part, expected) in [
        ("gate", &["gate", "gate.http", "gate.ssh"][..]),
        ("gate.ssh", &["gate.ssh"]),
        ("files.smb", &["files.smb"]),
    ] {
        let before = lab.on_docker();
        let dry = lab.run(&["restart", "lab", part, "--dry-run"]).exits(0);
        assert!(dry.stdout.contains("(restart requested)"), "{dry:#?}");
        assert_eq!(lab.on_docker(), before, "a dry run changes nothing");
        let ran = lab.run(&["restart", "lab", part]).exits(0);
        let changed = changed(&before, &lab.on_docker());
        assert_eq!(
            changed,
            expected.iter().map(|name| (*name).to_owned()).collect(),
            "{part}: {ran:#?}"
        );
        assert!(ran.stderr.contains(&format!("{part} of lab was restarted")), "{ran:#?}");
        // It is well at once: nothing has to be waited for.
        std::net::TcpStream::connect("127.0.0.1:42060").expect("the published port answers");
        let verified = lab.run(&["verify", "lab"]).exits(0);
        assert_eq!(verified.stdout, "", "{part}: {verified:#?}");
    }
    let json = lab.run(&["restart", "lab", "gate.http", "--json"]).exits(0).json();
    assert_eq!(
        (&json["status"], json["deckies"].as_array().map(Vec::len)),
        (&"active".into(), Some(1))
    );
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
}

#[test]
#[ignore = "needs Docker"]
fn an_interrupted_restart_is_well_after_a_reconcile() {
    let lab = Lab::apply(&maze(61));
    lab.run(&["deploy", "lab", "--quiet"]).exits(0);
    for signal in ["INT", "KILL"] {
        let running = lab.start(&["restart", "lab", "gate"], "done: restart");
        running.signal(signal);
        let (status, said) = running.end();
        assert!(!status.success(), "{said}");
        if signal == "INT" {
            assert_eq!(status.code(), Some(130), "{said}");
        } else {
            // The lease of a killed process expires; this breaks it.
            lab.run(&["db", "unlock", "lab", "--yes"]);
        }
        lab.run(&["reconcile", "lab"]).exits(0);
        lab.run(&["verify", "lab"]).exits(0);
    }
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
}

#[test]
#[ignore = "needs Docker"]
fn a_restart_of_what_does_not_exist_or_does_not_run_says_what_to_do() {
    let lab = Lab::apply(&maze(62));
    lab.run(&["restart", "lab", "gate"])
        .exits(4)
        .says("is pending: it cannot be restarted");
    lab.run(&["deploy", "lab", "--quiet"]).exits(0);
    lab.run(&["restart", "lab", "gaet"])
        .exits(1)
        .says("no decky named `gaet` (did you mean `gate`?)");
    lab.run(&["restart", "lab", "gate.sshd"])
        .exits(1)
        .says("no service named `sshd` (did you mean `ssh`?)");
    lab.run(&["restart", "lab", "files.redis"])
        .exits(1)
        .says("decky `files` has no service named `redis`; it has smb");
    let nothing = lab.run(&["restart", "lab", "gate.", "--json"]).exits(2).error();
    assert_eq!(nothing["code"], "usage");
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
}
