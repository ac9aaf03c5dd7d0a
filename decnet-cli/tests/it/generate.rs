//! Generating mazes on the command line.

use std::process::Stdio;

use crate::command::{Sandbox, assert_seen, exists};

const SMALL: &[&str] = &[
    "--name",
    "corp",
    "--depth",
    "2",
    "--branching-factor",
    "2",
    "--seed",
    "2",
];

fn generate(more: &[&'static str]) -> Vec<&'static str> {
    [&["generate"], SMALL, more].concat()
}

#[test]
fn a_maze_goes_to_stdout_and_nothing_is_stored() {
    let sandbox = Sandbox::new();
    assert_seen!(sandbox, sandbox.run(&generate(&["-o", "-"])).exits(0));
    assert!(!exists(&sandbox.database()));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let sandbox = Sandbox::new();
    let first = sandbox.run(&generate(&["-o", "-"])).exits(0).stdout;
    assert_eq!(sandbox.run(&generate(&["-o", "-"])).exits(0).stdout, first);
    assert_ne!(
        sandbox
            .run(&generate(&["-o", "-", "--cross-edge-probability", "1"]))
            .exits(0)
            .stdout,
        first
    );
}

#[test]
fn the_format_of_the_output_file_follows_its_extension() {
    let sandbox = Sandbox::new();
    for file in ["maze.json", "maze.yaml"] {
        sandbox.run(&[&generate(&[])[..], &["-o", file]].concat()).exits(0);
        sandbox.run(&["validate", file]).exits(0);
    }
    let text = std::fs::read_to_string(sandbox.path("maze.json")).expect("written");
    assert!(text.starts_with('{'));
}

#[test]
fn a_config_can_be_json_yaml_or_toml_and_flags_override_it() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "c.json",
        r#"{"name": "corp", "depth": 2, "branching_factor": 2, "seed": 2}"#,
    );
    sandbox.write("c.yaml", "name: corp\ndepth: 2\nbranching_factor: 2\nseed: 2\n");
    sandbox.write("c.toml", "name = \"corp\"\ndepth = 2\nbranching_factor = 2\nseed = 2\n");
    let expected = sandbox.run(&generate(&["-o", "-"])).exits(0).stdout;
    for file in ["c.json", "c.yaml", "c.toml"] {
        let ran = sandbox.run(&["generate", "--config", file, "-o", "-"]).exits(0);
        assert_eq!(ran.stdout, expected, "{file}");
    }
    let config = b"{\"name\": \"corp\", \"depth\": 9, \"branching_factor\": 2, \"seed\": 3}";
    let ran = sandbox
        .run_with(
            &["generate", "--config", "-", "--depth", "2", "--seed", "2", "-o", "-"],
            config,
        )
        .exits(0);
    assert_eq!(ran.stdout, expected);
}

#[test]
fn all_faults_of_a_config_are_printed_together() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "c.yaml",
        "depth: 99\nbranching_factor: \"2\"\ncolour: red\nlan_prefix: 3\n",
    );
    assert_seen!(
        sandbox,
        sandbox
            .run(&["generate", "--config", "c.yaml", "--services-explicit", "http,htpp"])
            .exits(3)
    );
    assert!(!exists(&sandbox.database()));
}

#[test]
fn a_fault_of_a_config_has_its_place_in_each_syntax() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "c.toml",
        "name = \"corp\"\ndepth = 2\nbranching_factor = 2\nnaming = \"funny\"\n",
    );
    sandbox.write(
        "c.json",
        "{\"name\": \"corp\",\n  \"depth\": 99, \"branching_factor\": 2}",
    );
    let check = |arguments: &[&str], place: &str| {
        sandbox
            .run(&[&["generate", "-o", "-"][..], arguments].concat())
            .exits(3)
            .says(place);
    };
    check(&["-c", "c.toml"], "c.toml:4:11: naming: `funny` is not one of");
    check(&["-c", "c.json"], "c.json:2:4: depth: must be a whole number");
    // A flag is not in the file.
    check(
        &["-c", "c.json", "--depth", "98"],
        "  depth: must be a whole number from 1 to 16, not 98",
    );
}

#[test]
fn plausible_hosts_can_be_asked_for_by_flags() {
    let sandbox = Sandbox::new();
    let flags = ["--services", "archetypes", "--naming", "realistic"];
    let by_flags = sandbox
        .run(&[&generate(&["-o", "-"])[..], &flags].concat())
        .exits(0)
        .stdout;
    sandbox.write(
        "c.yaml",
        "name: corp\ndepth: 2\nbranching_factor: 2\nseed: 2\nservices: archetypes\nnaming: realistic\n",
    );
    let ran = sandbox.run(&["generate", "--config", "c.yaml", "-o", "-"]).exits(0);
    assert_eq!(ran.stdout, by_flags);
    assert!(
        by_flags.contains("archetype:") && !by_flags.contains("decky-0"),
        "{by_flags}"
    );
    let wrong = ["--services", "archetype", "--naming", "funny", "-o", "-"];
    sandbox
        .run(&generate(&wrong))
        .exits(3)
        .says("services: `archetype` is not one of random, archetypes")
        .says("naming: `funny` is not one of numbered, realistic");
}

#[test]
fn an_unreadable_config_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write("c.toml", "name = corp");
    sandbox
        .run(&["generate", "--config", "c.toml"])
        .exits(3)
        .says("c.toml cannot be read as TOML");
    sandbox.write("c.json", "{");
    sandbox
        .run(&["generate", "--config", "c.json"])
        .exits(3)
        .says("c.json cannot be read as JSON");
    sandbox
        .run(&["generate", "--config", "nowhere.json"])
        .exits(1)
        .says("the file nowhere.json does not exist");
}

#[test]
fn without_a_file_the_maze_is_stored_as_pending_and_named() {
    let sandbox = Sandbox::new();
    assert_seen!(
        sandbox,
        sandbox.run(&generate(&[])).exits(0),
        sandbox.run(&["list"]).exits(0),
        sandbox.run(&["show", "corp"]).exits(0),
    );
}

#[test]
fn the_json_has_name_and_id_as_fields() {
    let sandbox = Sandbox::new();
    let value = sandbox.run(&generate(&["--json"])).exits(0).json();
    assert_eq!(value["name"], "corp");
    assert_eq!(value["status"], "pending");
    assert_eq!(value["seed"], 2);
    let shown = sandbox
        .run(&["show", value["id"].as_str().expect("an id"), "--json"])
        .exits(0);
    assert!(
        shown.stdout.starts_with("{\n  \"id\": "),
        "the id comes first: {shown:#?}"
    );
    assert_eq!(shown.json()["status"], "pending");
    assert_eq!(shown.json()["topology"]["config"]["seed"], 2);
}

#[test]
fn a_stored_maze_avoids_the_subnets_of_earlier_ones() {
    let sandbox = Sandbox::new();
    sandbox.run(&generate(&[])).exits(0);
    sandbox
        .run(&[
            "generate",
            "--name",
            "twin",
            "--depth",
            "2",
            "--branching-factor",
            "2",
            "--seed",
            "2",
        ])
        .exits(0);
    let subnets = |name| {
        let value = sandbox.run(&["show", name, "--json"]).exits(0).json();
        let lans = value["topology"]["lans"].as_array().expect("LANs").clone();
        lans.iter().map(|lan| lan["subnet"].to_string()).collect::<Vec<_>>()
    };
    let (corp, twin) = (subnets("corp"), subnets("twin"));
    assert!(twin.iter().all(|subnet| !corp.contains(subnet)), "{corp:?} {twin:?}");
}

#[test]
fn an_exhausted_pool_is_reported_with_the_numbers() {
    let sandbox = Sandbox::new();
    let ran = sandbox
        .run(&generate(&["--subnet-base-prefix", "10.204.0.0/22"]))
        .exits(1);
    assert_seen!(sandbox, ran);
}

#[test]
fn a_name_in_use_is_a_conflict() {
    let sandbox = Sandbox::new();
    sandbox.run(&generate(&[])).exits(0);
    assert_seen!(
        sandbox,
        sandbox
            .run(&["generate", "--name", "CORP", "--depth", "1", "--branching-factor", "1"])
            .exits(4)
    );
}

#[test]
fn many_concurrent_processes_get_mazes_that_do_not_overlap() {
    let sandbox = Sandbox::new();
    let names: Vec<String> = (0..6).map(|number| format!("maze-{number}")).collect();
    let children: Vec<_> = names
        .iter()
        .map(|name| {
            sandbox.spawn(
                &["generate", "--name", name, "--depth", "2", "--branching-factor", "2"],
                Stdio::null(),
            )
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().expect("ended");
        assert!(output.status.success(), "{output:?}");
    }
    let mut subnets = Vec::new();
    for name in &names {
        let value = sandbox.run(&["show", name, "--json"]).exits(0).json();
        let lans = value["topology"]["lans"].as_array().expect("LANs").clone();
        subnets.extend(lans.iter().map(|lan| lan["subnet"].to_string()));
    }
    let all = subnets.len();
    subnets.sort();
    subnets.dedup();
    assert_eq!(subnets.len(), all);
}
