//! The catalogues of the command line, and what a maze keeps of them.

use crate::command::Sandbox;

const MAZE: &str = "\
format: decnet.topology/1
name: corp
lans: [{name: dmz, subnet: 10.204.240.0/24, dmz: true}]
deckies:
  - {name: web, services: [till, ftp], attachments: [{lan: dmz, ip: 10.204.240.10}]}
";

const OWN: &str = "\
[services.till]
ports = [\"9100/tcp\"]
banner = \"till 1.0\\r\\n\"
[services.ftp]
banner = \"220 one\\r\\n\"
";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("corp.yaml", MAZE);
    sandbox.write("own.toml", OWN);
    sandbox.write(
        "more.toml",
        "[services.ftp]\nbanner = \"220 two\\r\\n\"\n[services.spare]\nports = []\n",
    );
    sandbox
}

#[test]
fn a_stored_maze_needs_its_catalogue_only_once() {
    let sandbox = sandbox();
    let refused = sandbox.run(&["apply", "-f", "corp.yaml"]).exits(3);
    assert!(
        format!("{}{}", refused.stdout, refused.stderr).contains("UNKNOWN_SERVICE"),
        "{refused:#?}"
    );
    sandbox
        .run(&["apply", "-f", "corp.yaml", "--catalog", "own.toml"])
        .exits(0);
    let composed = sandbox.run(&["compose", "corp"]).exits(0).stdout;
    assert!(
        composed.contains("till 1.0") && composed.contains("220 one"),
        "{composed}"
    );
    let add = [
        "mutate",
        "corp",
        "add_decky",
        "--name",
        "second",
        "--lan",
        "dmz",
        "--services",
        "till",
    ];
    sandbox.run(&add).exits(0);
    // Entries that no decky uses are not kept.
    let spare = [
        "mutate",
        "corp",
        "add_decky",
        "--name",
        "third",
        "--lan",
        "dmz",
        "--services",
        "spare",
    ];
    let given = [&["--catalog", "own.toml,more.toml"], &spare[..]].concat();
    sandbox.run(&spare).exits(3);
    sandbox.run(&given).exits(0);
    sandbox
        .run(&["mutate", "corp", "remove_decky", "--decky", "second"])
        .exits(0);
    // The file is that of a maze with other deckies now, but its services are known.
    sandbox.run(&["apply", "-f", "corp.yaml"]).exits(0);
}

#[test]
fn later_catalogues_override_earlier_ones_and_win_over_stored_entries() {
    let sandbox = sandbox();
    let composed = |arguments: &[&str]| sandbox.run(&[&["compose", "corp"], arguments].concat()).exits(0).stdout;
    let (own, more) = (["--catalog", "own.toml"], ["--catalog", "more.toml"]);
    let apply = ["apply", "-f", "corp.yaml"];
    sandbox.run(&[&apply[..], &own, &more].concat()).exits(0);
    assert!(composed(&[]).contains("220 two"));
    assert!(composed(&own).contains("220 one"), "the caller's entry wins");
    assert!(composed(&[]).contains("220 two"), "nothing was stored");
    sandbox.run(&[&apply[..], &more, &own].concat()).exits(0);
    assert!(composed(&[]).contains("220 one"), "an apply stores what it used");
    // A table without keys brings the built-in entry back.
    sandbox.write("plain.toml", "[services.ftp]\n");
    sandbox
        .run(&[&apply[..], &["--catalog", "plain.toml"]].concat())
        .exits(0);
    let plain = composed(&[]);
    assert!(!plain.contains("220 one") && plain.contains("till 1.0"), "{plain}");
    // Commas separate files, also in the environment.
    let mut command = sandbox.command(&["services", "spare"]);
    let listed = command
        .env("DECNET_CATALOG", "own.toml,more.toml")
        .output()
        .expect("it runs");
    assert!(listed.status.success(), "{listed:?}");
}
