//! Common tasks.

use super::lab::{Lab, docker};
use crate::command::assert_seen;

const ONE: &str = "\
format: decnet.topology/1
name: lab
lans:
  - {name: dmz, subnet: 10.204.11.0/28, dmz: true}
  - {name: office, subnet: 10.204.11.16/28}
deckies:
  - {name: web-01, services: [http], attachments: [{lan: dmz}]}
  - {name: door, services: [ssh], forwards_l3: true, attachments: [{lan: office}, {lan: dmz}]}
";

#[test]
#[ignore = "needs Docker"]
fn a_maze_is_deployed_inspected_repaired_and_torn_down() {
    let lab = Lab::generate(10);
    lab.run(&["verify", "lab"]).exits(4);
    let deployed = lab.run(&["deploy", "lab"]).exits(0);
    assert!(deployed.stdout.starts_with("DECKY"), "{deployed:#?}");
    assert!(
        !deployed.stdout.contains("absent") && deployed.stdout.contains(" running"),
        "{deployed:#?}"
    );
    assert_eq!(lab.status(), "active");

    let verified = lab.run(&["verify", "lab"]).exits(0);
    assert_eq!(verified.stdout, "");
    assert!(verified.stderr.contains("everything matches the maze"), "{verified:#?}");

    let before = lab.on_docker();
    let reconciled = lab.run(&["reconcile", "lab"]).exits(0);
    assert!(reconciled.stderr.contains("nothing to do"), "{reconciled:#?}");
    assert_eq!(lab.on_docker(), before, "containers keep their ids and start times");

    let down = lab.run(&["teardown", "lab"]).exits(0);
    assert!(
        down.stdout.contains("absent") && !down.stdout.contains(" running"),
        "{down:#?}"
    );
    assert_eq!(lab.status(), "torn_down");
    lab.assert_nothing_left();
    lab.run(&["delete", "lab"]).exits(0);
    lab.run(&["show", "lab"]).exits(1);
}

#[test]
#[ignore = "needs Docker"]
fn the_output_for_a_small_maze() {
    let lab = Lab::apply(ONE);
    let plan = lab.run(&["plan", "lab"]).exits(0);
    let deployed = without_progress(lab.run(&["deploy", "lab"]).exits(0));
    let shown = lab.run(&["show", "lab"]).exits(0);
    let again = without_progress(lab.run(&["deploy", "lab"]).exits(0));
    let down = lab.run(&["plan", "lab", "--down"]).exits(0);
    let torn = without_progress(lab.run(&["teardown", "lab"]).exits(0));
    let text = [plan, deployed, shown, again, down, torn]
        .map(|ran| ran.seen(&lab.sandbox))
        .join("\n");
    insta::assert_snapshot!(without_short_ids(&text));
}

/// Removes the lines of single steps and their number: their order and times vary, and the image may already exist for another
/// maze.
fn without_progress(mut ran: crate::command::Ran) -> crate::command::Ran {
    let is_step = |line: &str| line.starts_with("done: ") || line.starts_with("already done: ");
    let lines = ran.stderr.lines().filter(|line| !is_step(line));
    let lines = lines.map(|line| {
        line.split_once(": ")
            .filter(|(_, what)| what.ends_with("changes"))
            .map_or(line, |(who, _)| who)
    });
    ran.stderr = lines.flat_map(|line| [line, "\n"]).collect();
    ran
}

fn without_short_ids(text: &str) -> String {
    let parts: Vec<&str> = text.split("decnet_t_").collect();
    let mut replaced = parts[0].to_owned();
    for part in &parts[1..] {
        replaced.push_str("decnet_t_[short]");
        replaced.push_str(&part[8..]);
    }
    replaced
}

#[test]
#[ignore = "needs Docker"]
fn damage_is_reported_and_repaired_and_nothing_else_is_touched() {
    let lab = Lab::apply(&ONE.replace("10.204.11.", "10.204.12."));
    lab.run(&["deploy", "lab"]).exits(0);
    let before = lab.on_docker();
    let victim = before
        .iter()
        .find(|line| line.contains("web-01.http"))
        .expect("runs")
        .split(' ')
        .next()
        .expect("id");
    docker(&["rm", "--force", victim]);
    let shown = lab.run(&["show", "lab"]).exits(0);
    assert!(shown.stdout.contains("running, but http absent"), "{shown:#?}");
    lab.run(&["reconcile", "lab"]).exits(0);
    let after = lab.on_docker();
    let kept: Vec<_> = before.iter().filter(|line| !line.contains("web-01.http")).collect();
    assert!(kept.iter().all(|line| after.contains(line)), "{before:#?} {after:#?}");
    assert_eq!(after.len(), before.len());
    lab.run(&["teardown", "lab"]).exits(0);
}

#[test]
#[ignore = "needs Docker"]
fn a_dry_run_changes_nothing() {
    let lab = Lab::generate(13);
    for arguments in [
        &["plan", "lab"][..],
        &["deploy", "lab", "--dry-run"],
        &["reap", "--dry-run"],
    ] {
        lab.run(arguments).exits(0);
    }
    lab.assert_nothing_left();
    assert_eq!(lab.status(), "pending");
    lab.run(&["deploy", "lab", "--quiet"]).exits(0);
    let before = lab.on_docker();
    for arguments in [
        &["plan", "lab", "--down"][..],
        &["teardown", "lab", "--dry-run"],
        &["reconcile", "lab", "--dry-run"],
        &["deploy", "lab", "--dry-run"],
        &["reap", "--dry-run"],
    ] {
        let ran = lab.run(arguments).exits(0);
        if arguments.contains(&"--down") {
            assert!(ran.stdout.contains("remove network"), "{ran:#?}");
        }
    }
    let change = ["deploy", "lab", "--dry-run", "--log-opt", "max-size=7m"];
    let refused = lab.run(&change).exits(4).says("--force allows them");
    assert!(refused.stdout.contains("create base"), "{refused:#?}");
    lab.run(&[&change[..], &["--force"]].concat()).exits(0);
    assert_eq!(lab.on_docker(), before);
    assert_eq!(lab.status(), "active");
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
}

#[test]
#[ignore = "needs Docker"]
fn a_file_is_applied_and_deployed_together_and_apply_does_not_replace_a_running_maze() {
    let document = ONE.replace("10.204.11.", "10.204.14.");
    let lab = Lab::apply(&document);
    lab.sandbox.write(
        "twin.yaml",
        &document
            .replace("name: lab", "name: twin")
            .replace("10.204.14.", "10.204.31."),
    );
    lab.run(&["deploy", "-f", "twin.yaml", "--publish", "shh=127.0.0.1:2222"])
        .exits(2)
        .says("shh=127.0.0.1:2222");
    lab.run(&["show", "twin"]).exits(1);
    let value = lab.run(&["deploy", "-f", "lab.yaml", "--json"]).exits(0).json();
    assert_eq!(value["status"], "active");
    assert_eq!(
        lab.run(&["apply", "-f", "lab.yaml", "--json"]).exits(0).json()["result"],
        "unchanged"
    );
    lab.sandbox
        .write("lab.yaml", &document.replace("services: [ssh]", "services: [dns]"));
    assert_seen!(lab.sandbox, lab.run(&["apply", "-f", "lab.yaml"]).exits(4));
    lab.run(&["delete", "lab"]).exits(4).says("teardown");
    lab.run(&["db", "reset", "--yes"]).exits(4).says("lab (active)");
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
}

#[test]
#[ignore = "needs Docker"]
fn a_torn_down_maze_is_deployed_again_as_a_fresh_copy() {
    let lab = Lab::apply(&ONE.replace("10.204.11.", "10.204.15."));
    let first = lab.run(&["deploy", "lab", "--json"]).exits(0).json();
    lab.run(&["teardown", "lab", "--json"]).exits(0);
    let second = lab.run(&["deploy", "lab", "--json"]).exits(0).json();
    assert_ne!(first["id"], second["id"]);
    assert_eq!(second["status"], "active");
    lab.run(&["teardown", "lab", "--json"]).exits(0);
    lab.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker"]
fn the_remains_of_a_lost_database_are_listed_and_reaped() {
    let lab = Lab::apply(&ONE.replace("10.204.11.", "10.204.16."));
    lab.run(&["deploy", "lab", "--quiet"]).exits(0);
    lab.run(&["db", "reset", "--yes", "--force"]).exits(0);
    lab.run(&["reap"]).exits(0);
    assert!(
        !lab.on_docker().is_empty(),
        "resources of another database are left alone"
    );
    let doctor = lab.run(&["doctor"]);
    assert!(doctor.stdout.contains(lab.instance()), "{doctor:#?}");
    lab.run(&["reap", "--instance", lab.instance()]).exits(2).says("--yes");
    let reaped = lab.run(&["reap", "--instance", lab.instance(), "--yes"]).exits(0);
    assert!(reaped.stdout.contains("removed"), "{reaped:#?}");
    lab.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker"]
fn the_doctor_reports_a_broken_catalogue_and_runs_its_other_checks() {
    let lab = Lab::apply(&ONE.replace("10.204.11.", "10.204.17."));
    let catalog = lab.sandbox.write("broken.toml", "[services.forge]\nports = 3\n");
    let catalog = catalog.to_str().expect("UTF-8");
    let doctor = lab.run(&["--catalog", catalog, "doctor", "--json"]).json();
    let verdicts: Vec<_> = doctor["checks"].as_array().expect("checks").iter().collect();
    let verdict = |what: &str| {
        verdicts
            .iter()
            .find(|check| check["what"] == what)
            .map(|check| &check["verdict"])
    };
    assert_eq!(verdict("host"), Some(&"warn".into()), "{doctor:#}");
    assert!(verdict("docker").is_some(), "{doctor:#}");
}
