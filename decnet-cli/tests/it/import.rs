//! `decnet import`: files of other tools as maze files.

use crate::command::{Sandbox, assert_seen};

const COMPOSE: &str = "\
services:
  web: {image: nginx, ports: ['80:80'], networks: [front, back]}
  db: {image: mysql, networks: [back], volumes: ['data:/var/lib/mysql']}
networks: {front: {}, back: {}}
volumes: {data: {}}
";

const CONTAINERLAB: &str = "\
name: campus
topology:
  nodes:
    edge: {kind: nokia_srlinux, ports: ['8080:80']}
    pc: {kind: linux, image: alpine}
  links:
    - endpoints: ['edge:e1-1', 'pc:eth1']
    - endpoints: ['edge:e1-2', 'host:out']
";

#[test]
fn a_compose_file_becomes_a_maze_file_and_the_rest_is_listed() {
    let sandbox = Sandbox::new();
    sandbox.write("shop.compose.yml", COMPOSE);
    assert_seen!(sandbox, sandbox.run(&["import", "shop.compose.yml"]).exits(0));
    sandbox.run(&["import", "shop.compose.yml", "-o", "shop.yaml"]).exits(0);
    sandbox.run(&["apply", "-f", "shop.yaml"]).exits(0);
    sandbox.run(&["show", "shop"]).exits(0);
}

#[test]
fn a_containerlab_topology_becomes_a_maze_file_in_json_too() {
    let sandbox = Sandbox::new();
    sandbox.write("lab.clab.yml", CONTAINERLAB);
    let json = sandbox
        .run(&["import", "lab.clab.yml", "--name", "lab-2", "--json"])
        .exits(0)
        .json();
    assert_eq!(json["format"], "containerlab topology");
    assert_eq!(json["document"]["name"], "lab-2");
    assert_eq!(json["document"]["lans"].as_array().map(Vec::len), Some(2));
    let note = &json["notes"][0];
    assert_eq!(
        (note["line"].as_u64(), note["column"].as_u64()),
        (Some(5), Some(5)),
        "{json:#}"
    );
    sandbox.write("lab.json", &json["document"].to_string());
    sandbox.run(&["validate", "lab.json"]).exits(0);
}

#[test]
fn other_files_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("text.yml", "hello: world\n");
    let ran = sandbox.run(&["import", "text.yml"]).exits(3);
    assert!(
        ran.stderr
            .starts_with("error: text.yml cannot be imported\n  text.yml: error DOC_FORMAT: the file is neither"),
        "{ran:#?}"
    );
    assert_eq!(ran.stderr.matches("the file is neither").count(), 1, "{ran:#?}");
    assert_eq!(ran.stdout, "");
    ran.says("reads containerlab topologies and Compose files");
    sandbox.run(&["import", "missing.yml"]).exits(1);
    sandbox.write("corp.yaml", "format: decnet.topology/1\nname: corp\n");
    let ran = sandbox.run(&["import", "corp.yaml", "-o", "out.yaml"]).exits(3);
    assert!(
        ran.stderr
            .contains("corp.yaml:1:1: error DOC_FORMAT: the file is a maze file already"),
        "{ran:#?}"
    );
    assert!(!sandbox.path("out.yaml").exists());
    sandbox.write("broken.yml", "services:\n  web:\n    image: nginx\n   ports: [80]\n");
    let ran = sandbox.run(&["import", "broken.yml"]).exits(3);
    ran.says("broken.yml:4:4: error DOC_SYNTAX").says("hint: fix the file");
}

#[test]
fn a_maze_that_cannot_be_deployed_is_written_with_a_warning() {
    let sandbox = Sandbox::new();
    let text = "services: {a: {image: nginx, networks: [one]}, b: {image: nginx, networks: [two]}}\n";
    sandbox.write("two.yml", text);
    let ran = sandbox.run(&["import", "two.yml", "-o", "two.yaml"]).exits(0);
    assert!(
        ran.stderr.contains("warning: the maze cannot be deployed as it is"),
        "{ran:#?}"
    );
    sandbox.run(&["validate", "two.yaml"]).exits(3);
}
