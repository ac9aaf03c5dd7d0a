//! Drawing mazes, from the command line.

use std::process::Stdio;

use crate::command::{Place, assert_seen, exists};

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
    let place = Place::new();
    assert_seen!(place, place.run(&generate(&["-o", "-"])).exits(0));
    assert!(!exists(&place.database()));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let place = Place::new();
    let first = place.run(&generate(&["-o", "-"])).exits(0).stdout;
    assert_eq!(place.run(&generate(&["-o", "-"])).exits(0).stdout, first);
    assert_ne!(
        place
            .run(&generate(&["-o", "-", "--cross-edge-probability", "1"]))
            .exits(0)
            .stdout,
        first
    );
}

#[test]
fn a_file_is_written_as_its_ending_says_and_is_valid() {
    let place = Place::new();
    for file in ["maze.json", "maze.yaml"] {
        place.run(&[&generate(&[])[..], &["-o", file]].concat()).exits(0);
        place.run(&["validate", file]).exits(0);
    }
    let text = std::fs::read_to_string(place.path("maze.json")).expect("written");
    assert!(text.starts_with('{'));
}

#[test]
fn a_config_may_be_json_yaml_or_toml_and_flags_win() {
    let place = Place::new();
    place.write(
        "c.json",
        r#"{"name": "corp", "depth": 2, "branching_factor": 2, "seed": 2}"#,
    );
    place.write("c.yaml", "name: corp\ndepth: 2\nbranching_factor: 2\nseed: 2\n");
    place.write("c.toml", "name = \"corp\"\ndepth = 2\nbranching_factor = 2\nseed = 2\n");
    let expected = place.run(&generate(&["-o", "-"])).exits(0).stdout;
    for file in ["c.json", "c.yaml", "c.toml"] {
        let ran = place.run(&["generate", "--config", file, "-o", "-"]).exits(0);
        assert_eq!(ran.stdout, expected, "{file}");
    }
    let config = b"{\"name\": \"corp\", \"depth\": 9, \"branching_factor\": 2, \"seed\": 3}";
    let ran = place
        .run_with(
            &["generate", "--config", "-", "--depth", "2", "--seed", "2", "-o", "-"],
            config,
        )
        .exits(0);
    assert_eq!(ran.stdout, expected);
}

#[test]
fn all_faults_of_a_config_are_said_at_once() {
    let place = Place::new();
    place.write(
        "c.yaml",
        "depth: 99\nbranching_factor: \"2\"\ncolour: red\nlan_prefix: 3\n",
    );
    assert_seen!(
        place,
        place
            .run(&["generate", "--config", "c.yaml", "--services-explicit", "http,htpp"])
            .exits(3)
    );
    assert!(!exists(&place.database()));
}

#[test]
fn a_config_that_cannot_be_read_is_named() {
    let place = Place::new();
    place.write("c.toml", "name = corp");
    place
        .run(&["generate", "--config", "c.toml"])
        .exits(3)
        .says("c.toml cannot be read as TOML");
    place.write("c.json", "{");
    place
        .run(&["generate", "--config", "c.json"])
        .exits(3)
        .says("c.json cannot be read as JSON");
    place
        .run(&["generate", "--config", "nowhere.json"])
        .exits(1)
        .says("cannot be read");
}

#[test]
fn without_a_file_the_maze_is_stored_as_pending_and_named() {
    let place = Place::new();
    assert_seen!(
        place,
        place.run(&generate(&[])).exits(0),
        place.run(&["list"]).exits(0),
        place.run(&["show", "corp"]).exits(0),
    );
}

#[test]
fn for_programs_the_name_and_id_are_fields() {
    let place = Place::new();
    let value = place.run(&generate(&["--json"])).exits(0).json();
    assert_eq!(value["name"], "corp");
    assert_eq!(value["status"], "pending");
    assert_eq!(value["seed"], 2);
    let shown = place
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
fn a_stored_maze_avoids_the_subnets_of_those_before() {
    let place = Place::new();
    place.run(&generate(&[])).exits(0);
    place
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
        let value = place.run(&["show", name, "--json"]).exits(0).json();
        let lans = value["topology"]["lans"].as_array().expect("LANs").clone();
        lans.iter().map(|lan| lan["subnet"].to_string()).collect::<Vec<_>>()
    };
    let (corp, twin) = (subnets("corp"), subnets("twin"));
    assert!(twin.iter().all(|subnet| !corp.contains(subnet)), "{corp:?} {twin:?}");
}

#[test]
fn a_pool_that_ran_dry_says_how_many_there_were() {
    let place = Place::new();
    let ran = place
        .run(&generate(&["--subnet-base-prefix", "10.204.0.0/22"]))
        .exits(1);
    assert_seen!(place, ran);
}

#[test]
fn a_name_that_is_taken_is_a_conflict() {
    let place = Place::new();
    place.run(&generate(&[])).exits(0);
    assert_seen!(
        place,
        place
            .run(&["generate", "--name", "CORP", "--depth", "1", "--branching-factor", "1"])
            .exits(4)
    );
}

#[test]
fn many_processes_at_once_get_mazes_that_do_not_overlap() {
    let place = Place::new();
    let names: Vec<String> = (0..6).map(|number| format!("maze-{number}")).collect();
    let children: Vec<_> = names
        .iter()
        .map(|name| {
            place.spawn(
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
        let value = place.run(&["show", name, "--json"]).exits(0).json();
        let lans = value["topology"]["lans"].as_array().expect("LANs").clone();
        subnets.extend(lans.iter().map(|lan| lan["subnet"].to_string()));
    }
    let all = subnets.len();
    subnets.sort();
    subnets.dedup();
    assert_eq!(subnets.len(), all);
}
