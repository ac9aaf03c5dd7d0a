//! Commands on files; they create no database.

use std::fs;

use serde_json::json;

use crate::command::{CORP, Sandbox, assert_seen, exists};

const WRONG: &str = "\
format: decnet.topology/1
name: corp
lans:
  - {name: dmz, subnet: 10.204.240.0/24, dmz: true}
  - {name: office, subnet: 10.204.240.128/25}
deckies:
  - {name: web-01, services: [htpp], attachments: [{lan: dmz, ip: 10.204.240.1}, {lan: nowhere}]}
  - {name: web-02, colour: red}
";

#[test]
fn a_valid_file_exits_with_0_and_creates_no_database() {
    let sandbox = Sandbox::new();
    sandbox.write("corp.yaml", CORP);
    assert_seen!(sandbox, sandbox.run(&["validate", "corp.yaml"]).exits(0));
    assert!(!exists(&sandbox.database()));
}

#[test]
fn an_unusable_subnet_is_refused_by_every_command_with_a_subnet() {
    let sandbox = Sandbox::new();
    sandbox.write("loop.yaml", &CORP.replace("10.204.240.", "127.0.0."));
    for arguments in [
        &["validate", "loop.yaml"] as &[_],
        &["validate", "--live", "loop.yaml"],
        &["apply", "-f", "loop.yaml"],
        &["compose", "loop.yaml"],
        &["create", "corp", "--subnet", "127.0.0.0/24"],
        &["next-subnet", "--subnet-base-prefix", "224.0"],
    ] {
        let ran = sandbox.run(&[arguments, &["--json"]].concat()).exits(3);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains("SUBNET_SPECIAL"), "{arguments:?}: {said}");
    }
    let config = ["--name", "corp", "--depth", "1", "--branching-factor", "1"];
    let base = ["--subnet-base-prefix", "127.0.0.0/8", "-o", "-"];
    let ran = sandbox.run(&[&["generate"] as &[_], &config, &base].concat()).exits(3);
    assert!(ran.stderr.contains("loopback"), "{ran:#?}");
    sandbox.run(&["create", "link", "--subnet", "169.254.7.0/24"]).exits(0);
    let ran = sandbox
        .run(&[
            "mutate",
            "link",
            "add_lan",
            "--name",
            "x",
            "--subnet",
            "239.1.0.0/24",
            "--json",
        ])
        .exits(3);
    assert!(ran.stderr.contains("SUBNET_SPECIAL"), "{ran:#?}");
}

#[test]
fn all_findings_are_printed_together() {
    let sandbox = Sandbox::new();
    sandbox.write("wrong.yaml", WRONG);
    assert_seen!(sandbox, sandbox.run(&["validate", "wrong.yaml"]).exits(3));
}

#[test]
fn findings_as_json_have_severity_code_message_target_and_place() {
    let sandbox = Sandbox::new();
    sandbox.write("wrong.yaml", WRONG);
    let ran = sandbox.run(&["validate", "wrong.yaml", "--json"]).exits(3);
    let value = ran.json();
    let findings = value["findings"].as_array().expect("a list");
    assert!(!findings.is_empty());
    for finding in findings {
        let keys: Vec<_> = finding.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["code", "column", "line", "message", "severity", "target"]);
    }
    assert!(ran.stderr.is_empty(), "{ran:#?}");
}

#[test]
fn of_very_many_findings_the_first_are_listed_and_all_are_counted() {
    let sandbox = Sandbox::new();
    let decky = |n: usize| format!("  - {{name: d{n}, services: [nope], attachments: [{{lan: dmz}}]}}\n");
    let deckies = (0..3000).map(decky).collect::<Vec<_>>().concat();
    let head =
        "format: decnet.topology/1\nname: corp\nlans: [{name: dmz, subnet: 10.204.0.0/16, dmz: true}]\ndeckies:\n";
    sandbox.write("many.yaml", &(head.to_owned() + &deckies));
    let ran = sandbox.run(&["validate", "many.yaml"]).exits(3);
    assert_eq!(ran.stdout.lines().count(), 1001);
    assert!(
        ran.stdout.contains("2000 more of this code are not listed"),
        "{}",
        ran.stdout.lines().last().unwrap_or_default()
    );
    assert!(ran.stderr.contains("invalid: 3000 errors"), "{}", ran.stderr);
    let value = sandbox.run(&["validate", "many.yaml", "--json"]).exits(3).json();
    let findings = value["findings"].as_array().expect("a list");
    assert_eq!(findings.len(), 1001);
    assert_eq!(
        findings[1000]["target"],
        serde_json::json!({"kind": "more", "count": 2000})
    );
}

#[test]
fn a_valid_file_has_no_findings_as_json() {
    let sandbox = Sandbox::new();
    sandbox.write("corp.yaml", CORP);
    let ran = sandbox.run(&["validate", "corp.yaml", "--json"]).exits(0);
    assert_eq!(ran.json(), serde_json::json!({"findings": []}));
}

#[test]
fn a_document_can_come_from_stdin() {
    let sandbox = Sandbox::new();
    sandbox.run_with(&["validate", "-"], CORP.as_bytes()).exits(0);
    sandbox.run_with(&["validate", "-"], b"{\"format\":").exits(3);
    sandbox.run_with(&["validate", "-"], b"").exits(3);
    sandbox.run_with(&["validate", "-"], &[0xff, 0xfe, 0x00]).exits(3);
}

#[test]
fn a_folder_means_the_maze_files_in_it() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("mazes")).expect("made");
    sandbox.write("mazes/a.yaml", CORP);
    sandbox.write("mazes/b.json", "{}");
    sandbox.write("mazes/notes.txt", "no maze");
    let ran = sandbox.run(&["validate", "mazes", "--json"]).exits(3);
    let value = ran.json();
    assert_eq!(value["findings"][0]["file"], "mazes/b.json");
    assert_eq!(value["findings"].as_array().map(Vec::len), Some(1));
}

#[test]
fn huge_and_deep_documents_are_refused_quickly() {
    let sandbox = Sandbox::new();
    let huge = vec![b'['; 100 << 20];
    sandbox.run_with(&["validate", "-", "--json"], &huge).exits(3);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    sandbox.run_with(&["validate", "-", "--json"], deep.as_bytes()).exits(3);
}

#[test]
fn the_contents_of_a_file_cannot_control_the_terminal() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "odd.json",
        r#"{"format":"decnet.topology/1","name":"x","lans":[{"name":"a\u001b[2Jb"}]}"#,
    );
    let ran = sandbox.run(&["validate", "odd.json"]).exits(3);
    assert!(!ran.stdout.contains('\u{1b}'), "{ran:#?}");
}

#[test]
fn a_missing_file_is_named() {
    let sandbox = Sandbox::new();
    assert_seen!(sandbox, sandbox.run(&["validate", "nowhere.yaml"]).exits(1));
}

#[test]
fn live_rules_allow_a_missing_dmz() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "half.yaml",
        "format: decnet.topology/1\nname: half\nlans: [{name: a, subnet: 10.204.240.0/24}]\n",
    );
    sandbox.run(&["validate", "half.yaml"]).exits(3);
    sandbox.run(&["validate", "half.yaml", "--live"]).exits(0);
}

#[test]
fn overlaps_with_stored_mazes_are_found_on_request() {
    let sandbox = Sandbox::new();
    sandbox.write("corp.yaml", CORP);
    sandbox.write("twin.yaml", &CORP.replace("name: corp", "name: twin"));
    sandbox.run(&["apply", "-f", "corp.yaml"]).exits(0);
    sandbox.run(&["validate", "twin.yaml"]).exits(0);
    let ran = sandbox.run(&["validate", "twin.yaml", "--against-store"]).exits(3);
    assert!(ran.stdout.contains("SUBNET_OVERLAP"), "{ran:#?}");
    // A stored maze does not conflict with itself.
    sandbox.run(&["validate", "corp.yaml", "--against-store"]).exits(0);
}

#[test]
fn the_hash_does_not_depend_on_the_form_of_the_file() {
    let sandbox = Sandbox::new();
    sandbox.write("corp.yaml", CORP);
    let hash = sandbox.run(&["hash", "corp.yaml"]).exits(0).stdout;
    assert_eq!(hash.trim_end().len(), 64);
    let other = CORP
        .replace("name: corp", "name: other")
        .replace("{lan: office, ip", "{ lan:  office,  ip");
    assert_eq!(sandbox.run_with(&["hash", "-"], other.as_bytes()).exits(0).stdout, hash);
    sandbox.run(&["apply", "-f", "corp.yaml"]).exits(0);
    assert_eq!(sandbox.run(&["hash", "corp"]).exits(0).stdout, hash);
}

#[test]
fn the_hash_of_an_invalid_file_is_refused_with_the_reason() {
    let sandbox = Sandbox::new();
    sandbox.write("wrong.yaml", WRONG);
    sandbox.run(&["hash", "wrong.yaml"]).exits(3).says("nowhere");
}

#[test]
fn a_maze_is_drawn_as_a_tree() {
    let sandbox = Sandbox::new();
    sandbox.write("corp.yaml", CORP);
    assert_seen!(sandbox, sandbox.run(&["graph", "corp.yaml"]).exits(0));
}

#[test]
fn a_maze_is_drawn_for_browsers_graphviz_and_mermaid() {
    let sandbox = Sandbox::new();
    sandbox.write("corp.yaml", CORP);
    assert!(
        sandbox
            .run(&["graph", "corp.yaml", "--format", "dot"])
            .exits(0)
            .stdout
            .starts_with("graph")
    );
    assert!(
        sandbox
            .run(&["graph", "corp.yaml", "--format", "mermaid"])
            .exits(0)
            .stdout
            .contains("web-01")
    );
    let picture = sandbox.run(&["graph", "corp.yaml", "--format", "svg"]).exits(0).stdout;
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n") && picture.contains("web-01"));
    sandbox
        .run(&["graph", "corp.yaml", "--format", "svg", "-o", "corp.svg"])
        .exits(0);
    assert_eq!(sandbox.read("corp.svg"), picture);
    let page = sandbox.run(&["graph", "corp.yaml", "--format", "html"]).exits(0).stdout;
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("Content-Security-Policy") && page.contains("web-01"));
    let refused = sandbox.run(&["graph", "corp.yaml", "--format", "html", "-o", "no/such/folder.html"]);
    refused.exits(1).says("cannot be written");
    let json = sandbox.run(&["graph", "corp.yaml", "--format", "json"]).exits(0).stdout;
    assert_eq!(json, sandbox.run(&["graph", "corp.yaml", "--json"]).exits(0).stdout);
    let value = sandbox.run(&["graph", "corp.yaml", "--json"]).exits(0).json();
    assert_eq!(value["layers"], serde_json::json!([["dmz"], ["office"]]));
    assert_eq!(value["choke_points"]["deckies"], serde_json::json!(["door"]));
}

#[test]
fn the_schema_is_json_and_is_written_to_the_given_file() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run(&["schema"]).exits(0).json()["title"], "decnet.topology/1");
    sandbox.run(&["schema", "-o", "schema.json"]).exits(0);
    assert!(exists(&sandbox.path("schema.json")));
    sandbox
        .run(&["schema", "-o", "no/such/folder.json"])
        .exits(1)
        .says("cannot be written");
}

#[test]
fn a_compose_file_names_every_network_and_container() {
    let sandbox = Sandbox::new();
    sandbox.write("corp.yaml", CORP);
    let ran = sandbox.run(&["compose", "corp.yaml"]).exits(0);
    for word in ["web-01.http", "door.ssh", "10.204.241.0/24", "decnet.topology.id"] {
        assert!(ran.stdout.contains(word), "{word}: {ran:#?}");
    }
    assert!(!exists(&sandbox.database()));
}

#[test]
fn services_and_archetypes_are_listed() {
    let sandbox = Sandbox::new();
    let value = sandbox.run(&["services", "--json"]).exits(0).json();
    assert_eq!(value["services"].as_array().map(Vec::len), Some(29));
    let ran = sandbox.run(&["services"]).exits(0);
    assert!(
        ran.stdout
            .lines()
            .any(|line| line.starts_with("ssh ") && line.contains("22/tcp")),
        "{ran:#?}"
    );
    let ran = sandbox.run(&["archetypes"]).exits(0);
    assert!(
        ran.stdout
            .lines()
            .any(|line| line.starts_with("printer ") && line.contains("snmp")),
        "{ran:#?}"
    );
    sandbox
        .run(&["services", "sssh"])
        .exits(1)
        .says("no service named `sssh`");
}

#[test]
fn a_named_service_is_shown_in_full() {
    let sandbox = Sandbox::new();
    sandbox.write("own.toml", OWN);
    let named = ["services", "gopher", "--catalog", "own.toml"];
    assert_seen!(sandbox, sandbox.run(&named).exits(0));
    let value = sandbox.run(&[&named[..], &["--json"]].concat()).exits(0).json();
    let gopher = &value["services"][0];
    assert_eq!(gopher["command"], json!(["serve", "--quiet"]));
    assert_eq!(gopher["limits"], json!({"memory_mib": 32}));
    assert_eq!(gopher["seccomp"], "engine");
}

const OWN: &str = r#"
[services.gopher]
ports = ["70/tcp"]
image = "example.org/gopher:1"
command = ["serve", "--quiet"]
limits = { memory_mib = 32 }
seccomp = "engine"
fields = [
    { key = "root", type = "string", default = "/srv", help = "Where the files are." },
    { key = "style", type = "enum", options = ["plain", "bold"], help = "How it looks." },
]
"#;

#[test]
fn a_custom_catalogue_adds_services() {
    let sandbox = Sandbox::new();
    sandbox.write("own.toml", "[services.gopher]\nports = [\"70/tcp\"]\n");
    let ran = sandbox.run(&["services", "gopher", "--catalog", "own.toml"]).exits(0);
    assert!(ran.stdout.contains("70/tcp"), "{ran:#?}");
    sandbox.write(
        "bad.toml",
        "[services.gopher]\nportz = 3\n\n[services.ssh]\nbaner = \"x\"\n",
    );
    let ran = sandbox.run(&["services", "--catalog", "bad.toml"]).exits(3);
    ran.says("bad.toml cannot be used")
        .says("bad.toml:2:1: error DOC_UNKNOWN_KEY: services.gopher has no key `portz` (did you mean `ports`?)")
        .says("bad.toml:5:1: error DOC_UNKNOWN_KEY: services.ssh has no key `baner` (did you mean `banner`?)");
    sandbox
        .run(&["services", "--catalog", "nowhere.toml"])
        .exits(1)
        .says("the file nowhere.toml does not exist");
}

#[test]
fn a_catalogue_is_checked() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "own.toml",
        "[services.gopher]\nports = [\"70/tcp\"]\n[services.ssh]\nbanner = \"SSH-2.0-x\\r\\n\"\n[archetypes.burrow]\nservices = [\"gopher\"]\n",
    );
    assert_seen!(sandbox, sandbox.run(&["services", "--check", "own.toml"]).exits(0));
    let value = sandbox
        .run(&["services", "--check", "own.toml", "--json"])
        .exits(0)
        .json();
    assert_eq!(value["findings"], json!([]));
    assert_eq!(value["services"][1]["banner"], "SSH-2.0-x\r\n");
    assert_eq!(value["services"].as_array().map(Vec::len), Some(2));
    assert_eq!(value["archetypes"][0]["slug"], "burrow");
    assert!(!exists(&sandbox.database()));
}

#[test]
fn all_faults_of_a_checked_catalogue_are_printed_with_their_places() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "bad.toml",
        "[services.gopher]\nportz = 3\n\n[services.ssh]\nbaner = \"x\"\n",
    );
    assert_seen!(sandbox, sandbox.run(&["services", "--check", "bad.toml"]).exits(3));
    let value = sandbox
        .run(&["services", "--check", "bad.toml", "--json"])
        .exits(3)
        .json();
    assert_eq!(value["findings"].as_array().map(Vec::len), Some(3));
    assert_eq!(value["findings"][0]["target"]["line"], 1);
    sandbox.write("cut.toml", "[services.gopher\n");
    let ran = sandbox.run(&["services", "--check", "cut.toml"]).exits(3);
    assert!(ran.stdout.starts_with("cut.toml:1:"), "{ran:#?}");
    sandbox
        .run(&["services", "--check", "nowhere.toml"])
        .exits(1)
        .says("the file nowhere.toml does not exist");
    sandbox.run(&["services", "ssh", "--check", "bad.toml"]).exits(2);
}

#[test]
fn a_decky_without_services_runs_those_of_its_archetype_everywhere() {
    let sandbox = Sandbox::new();
    let maze = "\
format: decnet.topology/1
name: corp
lans: [{name: dmz, subnet: 10.204.240.0/24, dmz: true}]
deckies:
  - {name: web, archetype: kiosk, attachments: [{lan: dmz, ip: 10.204.240.10}]}
  - {name: bare, archetype: kiosk, services: [], attachments: [{lan: dmz, ip: 10.204.240.11}]}
";
    sandbox.write("corp.yaml", maze);
    sandbox.write(
        "own.toml",
        "[services.till]\nports = [\"9100/tcp\"]\n[archetypes.kiosk]\nservices = [\"till\", \"ssh\"]\n",
    );
    let own = |arguments: &[&str]| sandbox.run(&[&["--catalog", "own.toml"], arguments].concat()).exits(0);
    // Without the catalogue, the archetype is unknown and adds no services.
    let unknown = sandbox.run(&["validate", "corp.yaml"]).exits(0);
    assert!(unknown.stdout.contains("ARCHETYPE_UNKNOWN"), "{unknown:#?}");
    assert_eq!(own(&["validate", "corp.yaml"]).stdout, "");
    let compose = own(&["compose", "corp.yaml"]).stdout;
    assert!(compose.contains(".till") && !compose.contains("bare."), "{compose}");
    own(&["apply", "-f", "corp.yaml"]);
    for (name, flags) in [("second", &[] as &[_]), ("third", &["--services", ""])] {
        let add = [
            "mutate",
            "corp",
            "add_decky",
            "--name",
            name,
            "--lan",
            "dmz",
            "--archetype",
            "kiosk",
        ];
        own(&[&add, flags].concat());
    }
    let shown = own(&["show", "corp", "--document"]).stdout;
    sandbox.write("stored.yaml", &shown);
    let services = |name: &str| {
        let at = shown.find(&format!("name: {name}\n")).expect(name);
        let decky = &shown[at..];
        decky[..decky.find("attachments").expect("a home")].contains("till")
    };
    assert_eq!(
        ["web", "bare", "second", "third"].map(services),
        [true, false, true, false],
        "{shown}"
    );
    assert_eq!(own(&["hash", "stored.yaml"]).stdout, own(&["hash", "corp"]).stdout);
}

#[test]
fn a_service_shows_its_inside_port_folders_and_volumes() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "pot.toml",
        "[services.pot]\nimage = \"pot:1\"\nports = [\"22:2222/tcp\", \"80/tcp\"]\ntmpfs = [\"/run:size=16m\"]\n\
         volumes = [\"data:/data\", { name = \"loot\", path = \"/loot\", keep = true }]\n",
    );
    let ran = sandbox.run(&["services", "pot", "--catalog", "pot.toml"]).exits(0);
    for line in [
        "  ports         22:2222/tcp 80/tcp",
        "  in memory     /run:size=16m",
        "  volumes       data:/data, loot:/loot (kept)",
    ] {
        assert!(ran.stdout.lines().any(|shown| shown == line), "{line}: {ran:#?}");
    }
    sandbox.write(
        "host.toml",
        "[services.pot]\nimage = \"pot:1\"\nports = []\nvolumes = [\"/srv:/data\"]\n",
    );
    let ran = sandbox.run(&["services", "--check", "host.toml"]).exits(3);
    assert!(ran.stdout.starts_with("host.toml:4:13: error DOC_TYPE"), "{ran:#?}");
    assert!(ran.stdout.contains("cannot mount a folder of the host"), "{ran:#?}");
}
