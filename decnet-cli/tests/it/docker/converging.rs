//! Running mazes that are changed to match a file.

use serde_json::json;

use super::lab::Lab;

/// A DMZ, an office, and a router between them. `more` is more LANs and `deckies` the other deckies, in `10.204.<number>.0/24`.
fn document(number: u8, more: &str, door: &str, deckies: &str) -> String {
    format!(
        "format: decnet.topology/1
name: lab
lans:
  - {{name: dmz, subnet: 10.204.{number}.0/28, dmz: true}}
  - {{name: office, subnet: 10.204.{number}.16/28}}
{more}deckies:
  - {{name: door, services: [ssh], forwards_l3: true, attachments: [{{lan: office}}, {{lan: dmz}}{door}]}}
{deckies}"
    )
}

const BEFORE: &str = "  - {name: web-01, services: [http], attachments: [{lan: dmz}]}
  - {name: desk, services: [ssh], attachments: [{lan: office}]}
  - {name: mail, services: [smtp], attachments: [{lan: office}]}
";
const AFTER: &str = "  - {name: web-01, services: [http, ssh], attachments: [{lan: dmz}]}
  - {name: mail, services: [smtp], attachments: [{lan: office}]}
  - {name: safe, services: [smb], attachments: [{lan: vault}]}
";

/// Returns the lines of containers that a change of `web-01`, `desk` and `safe` must not touch.
fn untouched(lines: &[String]) -> Vec<String> {
    let touched = |line: &&String| line.contains("_desk") || line.contains("_safe") || line.contains("_vault");
    let kept = lines
        .iter()
        .filter(|line| !touched(line) && !line.contains("_web-01.ssh"));
    kept.cloned().collect()
}

#[test]
#[ignore = "needs Docker"]
fn a_changed_file_changes_a_running_maze_and_touches_nothing_else() {
    let lab = Lab::apply(&document(45, "", "", BEFORE));
    lab.run(&["deploy", "-f", "lab.yaml", "--quiet"]).exits(0);
    let before = lab.on_docker();
    let vault = "  - {name: vault, subnet: 10.204.45.32/28}\n";
    lab.sandbox
        .write("lab.yaml", &document(45, vault, ", {lan: vault}", AFTER));

    let dry = lab.run(&["deploy", "-f", "lab.yaml", "--dry-run"]).exits(0);
    for line in [
        "- decky desk\n",
        "+ lan vault 10.204.45.32/28\n",
        "+ decky safe: lan vault 10.204.45.3",
        "~ decky door: + lan vault 10.204.45.3",
        "~ decky web-01: services http -> http,ssh\n",
        "create network",
    ] {
        assert!(dry.stdout.contains(line), "{line}: {dry:#?}");
    }
    let asked = lab.run(&["deploy", "-f", "lab.yaml"]).exits(2);
    assert!(asked.stdout.contains("+ lan vault"), "{asked:#?}");
    asked.says("apply 5 changes to `lab`").says("--yes confirms it");
    let refused = lab.run(&["deploy", "-f", "lab.yaml", "--json"]).exits(2);
    assert_eq!(
        (refused.stdout.as_str(), &refused.error()["code"]),
        ("", &json!("unconfirmed")),
        "one document"
    );
    lab.run(&["apply", "-f", "lab.yaml"])
        .exits(4)
        .says("`decnet deploy -f FILE`");
    assert_eq!(lab.on_docker(), before, "nothing was changed");
    assert_eq!(lab.run(&["mutations", "--json"]).exits(0).json()["total"], 0);

    let changed = lab
        .run(&["deploy", "-f", "lab.yaml", "--yes", "--json"])
        .exits(0)
        .json();
    assert_eq!(
        (&changed["status"], &changed["restarts"]),
        (&json!("active"), &json!([]))
    );
    let ops: Vec<_> = changed["mutations"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["op"].clone())
        .collect();
    assert_eq!(
        json!(ops),
        json!(["remove_decky", "add_lan", "add_decky", "attach_decky", "update_decky"])
    );
    assert!(
        changed["steps"].as_array().is_some_and(|steps| !steps.is_empty()),
        "{changed:#}"
    );
    let after = lab.on_docker();
    assert_eq!(
        untouched(&after),
        untouched(&before),
        "the others keep ids and start times"
    );
    assert!(!after.iter().any(|line| line.contains("_desk")), "{after:#?}");
    lab.run(&["verify", "lab"]).exits(0);
    lab.run(&["plan", "lab"]).exits(0).says("nothing to do");

    let listed = lab.run(&["mutations", "lab", "--json"]).exits(0).json();
    let rows = listed["mutations"].as_array().expect("rows");
    assert!(rows.iter().all(|row| row["state"] == "applied"), "{listed:#}");
    assert_eq!(
        rows.iter().map(|row| row["mutation"]["op"].clone()).collect::<Vec<_>>(),
        ops
    );
    let then = lab.run(&["show", "lab", "--at", rows[0]["enqueued_at"].as_str().expect("a time")]);
    assert!(then.exits(0).stdout.contains("safe"));

    lab.run(&["deploy", "-f", "lab.yaml"]).exits(0).says("nothing to do");
    assert_eq!(lab.on_docker(), after);
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
    lab.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker"]
fn a_refused_file_changes_nothing_and_a_new_one_can_be_planned() {
    let lab = Lab::apply(&document(46, "", "", BEFORE));
    lab.run(&["deploy", "lab", "--quiet"]).exits(0);
    let before = lab.on_docker();
    let wrong = document(46, "", "", &BEFORE.replace("[http]", "[htp]"));
    lab.sandbox.write("wrong.yaml", &wrong);
    for flags in [&["--yes"][..], &["--dry-run"]] {
        lab.run(&[&["deploy", "-f", "wrong.yaml"], flags].concat())
            .exits(3)
            .says("wrong.yaml breaks 1 rule");
    }
    // Its address is not the same, so its base keeps running and gets another interface.
    let moved = BEFORE.replace(
        "name: mail, services: [smtp], attachments: [{lan: office}]",
        "name: mail, services: [smtp], attachments: [{lan: office, ip: 10.204.46.28}]",
    );
    lab.sandbox.write("moved.yaml", &document(46, "", "", &moved));
    let dry = lab.run(&["deploy", "-f", "moved.yaml", "--dry-run"]).exits(0);
    assert!(
        dry.stdout.contains("- decky mail\n") && dry.stdout.contains("services smtp (removed and added again)\n"),
        "{dry:#?}"
    );
    lab.sandbox.write(
        "twin.yaml",
        &document(47, "", "", BEFORE).replace("name: lab", "name: twin"),
    );
    let new = lab
        .run(&["deploy", "-f", "twin.yaml", "--dry-run", "--json"])
        .exits(0)
        .json();
    assert!(
        new["mutations"] == json!([]) && new["steps"].as_array().is_some_and(|steps| steps.len() > 5),
        "{new:#}"
    );
    lab.run(&["show", "twin"]).exits(1);
    assert_eq!(lab.on_docker(), before);
    assert_eq!(lab.run(&["mutations", "--json"]).exits(0).json()["total"], 0);
    lab.run(&["deploy", "-f", "moved.yaml", "--yes"]).exits(0);
    lab.run(&["verify", "lab"]).exits(0);
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
    lab.assert_nothing_left();
}
