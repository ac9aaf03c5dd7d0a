//! The files in the pages can be used.

use std::fs;

use super::page::{Page, root};
use crate::command::Sandbox;

/// Returns the blocks of one kind.
fn blocks(kind: &str) -> Vec<String> {
    let page = Page::read("docs/maze-file.md");
    let blocks = page.blocks();
    let chosen = blocks.iter().filter(|block| block.kind == kind);
    chosen.map(|block| block.text.clone()).collect()
}

#[test]
fn the_maze_files_the_config_and_the_catalogue_of_the_page_can_be_used() {
    let sandbox = Sandbox::new();
    let [maze, part, shuffled, config] = &blocks("yaml")[..] else {
        panic!("name the new block here");
    };
    sandbox.write("maze.yaml", maze);
    sandbox.run(&["validate", "maze.yaml"]).exits(0);
    let around = "format: decnet.topology/1\nname: part\nlans: [{name: office, dmz: true}]\n";
    sandbox.write("part.yaml", &format!("{around}{part}"));
    sandbox.run(&["validate", "part.yaml"]).exits(0);
    sandbox.write("shuffled.yaml", shuffled);
    sandbox.run(&["validate", "shuffled.yaml"]).exits(0);

    sandbox.write("corp-config.yaml", config);
    sandbox.run(&["generate", "--config", "corp-config.yaml"]).exits(0);
    let shown = sandbox.run(&["show", "corp"]).exits(0).stdout;
    let page = Page::read("docs/maze-file.md");
    for name in [
        "exec-dc-01",
        "exec-desk-03",
        "app-web-01",
        "edge-mail-01",
        "exec-switch-01",
    ] {
        assert!(
            shown.contains(name) && page.has(&format!("`{name}`")),
            "{name}: {shown}"
        );
    }

    let [catalogue, forms, public] = &blocks("toml")[..] else {
        panic!("name the new block here");
    };
    for (name, text, defined) in [
        ("forms.toml", forms, "22:2222/tcp"),
        ("public.toml", public, "23:2223/tcp"),
    ] {
        sandbox.write(name, text);
        let base = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/catalog/high-interaction.toml");
        let ran = sandbox.run(&["services", "--check", name, "--catalog", base]).exits(0);
        assert!(ran.stdout.contains(defined), "{ran:#?}");
    }
    sandbox.write("catalogue.toml", catalogue);
    let services = ["services", "gitea", "build_agent", "--catalog", "catalogue.toml"];
    let ran = sandbox.run(&services).exits(0);
    assert!(ran.stdout.contains("3000/tcp"), "{ran:#?}");
    let archetypes = sandbox.run(&["archetypes", "--catalog", "catalogue.toml"]).exits(0);
    assert!(archetypes.stdout.contains("Software forge"), "{archetypes:#?}");
}

#[test]
fn the_maze_file_of_the_tutorial_is_the_example() {
    let page = Page::read("docs/tutorial.md");
    let blocks = page.blocks();
    let shown = blocks.iter().find(|block| block.kind == "yaml").expect("a maze file");
    let example = fs::read_to_string(root().join("examples/mazes/first.yaml")).expect("the example");
    assert_eq!(shown.text, example);
}
