//! `decnet init`: a maze file to start from.

use crate::command::Sandbox;

#[test]
fn the_written_maze_file_is_valid_and_its_schema_is_beside_it() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["init", "shop"]).exits(0);
    assert_eq!(ran.stdout, "shop.yaml\ndecnet.schema.json\n");
    let validated = sandbox.run(&["validate", "shop.yaml"]).exits(0);
    assert_eq!(validated.stdout, "", "no warnings: {validated:#?}");
    let text = sandbox.read("shop.yaml");
    assert!(
        text.starts_with("# yaml-language-server: $schema=decnet.schema.json\n"),
        "{text}"
    );
    let schema = sandbox.run(&["schema"]).exits(0).stdout;
    assert_eq!(sandbox.read("decnet.schema.json"), schema);
    let applied = sandbox.run(&["apply", "-f", "shop.yaml"]).exits(0);
    assert!(applied.stdout.contains("2 LANs, 2 deckies"), "{applied:#?}");
    sandbox.run(&["show", "shop"]).exits(0);
}

#[test]
fn a_file_that_exists_is_replaced_only_with_force() {
    let sandbox = Sandbox::new();
    sandbox.write("corp.yaml", "mine");
    let ran = sandbox.run(&["init"]).exits(4);
    assert!(
        ran.stderr.contains("error: the file corp.yaml exists already"),
        "{ran:#?}"
    );
    assert!(ran.stderr.contains("--force replaces it"), "{ran:#?}");
    assert_eq!(sandbox.read("corp.yaml"), "mine");
    assert!(
        !sandbox.path("decnet.schema.json").exists(),
        "a refused command writes nothing"
    );
    sandbox.run(&["init", "--force"]).exits(0);
    assert!(sandbox.read("corp.yaml").contains("name: \"corp\""));
}

#[test]
fn it_can_be_printed_and_any_name_of_a_maze_is_possible() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["init", "yes: & no", "-o", "-"]).exits(0);
    sandbox.write("maze.yaml", &ran.stdout);
    sandbox.run(&["apply", "-f", "maze.yaml"]).exits(0);
    sandbox.run(&["show", "yes: & no"]).exits(0);
    assert!(!sandbox.path("decnet.schema.json").exists());
}
