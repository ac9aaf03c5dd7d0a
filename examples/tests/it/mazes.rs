use std::{fs, path::PathBuf};

use decnet_topology::{Catalog, Finding, Graph, RuleSet, SubnetPool, Syntax, Topology, document};

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "mazes"].iter().collect()
}

fn catalog() -> Catalog {
    let own = fs::read_to_string(folder().join("forge.toml")).unwrap();
    Catalog::builtin().extend_from_toml(&own).unwrap()
}

fn resolve(text: &str) -> Topology {
    document::parse(text, Syntax::Auto)
        .unwrap()
        .resolve(&SubnetPool::default())
        .unwrap()
}

#[test]
fn every_maze_file_is_valid_without_warnings() {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let valid = resolve(&fs::read_to_string(&path).unwrap()).validate(&catalog(), RuleSet::deploy());
            let valid = valid.unwrap_or_else(|invalid| panic!("{}: {:#?}", path.display(), invalid.report));
            let none: [Finding; 0] = [];
            assert_eq!(valid.report().findings(), none, "{}", path.display());
            names.push(path.file_stem().unwrap().to_string_lossy().into_owned());
        }
    }
    names.sort();
    assert_eq!(names, ["corp", "forge", "plant"]);
}

#[test]
fn the_forge_needs_its_own_catalogue() {
    let text = fs::read_to_string(folder().join("forge.yaml")).unwrap();
    let invalid = resolve(&text)
        .validate(&Catalog::builtin(), RuleSet::deploy())
        .unwrap_err();
    assert!(
        invalid
            .report
            .errors()
            .all(|error| error.code.as_str() == "UNKNOWN_SERVICE"),
        "{:?}",
        invalid.report
    );
}

#[test]
fn the_documented_picture_shows_its_maze() {
    let page = fs::read_to_string(folder().join("../../docs/maze-file.md")).unwrap();
    let corp = resolve(&fs::read_to_string(folder().join("corp.yaml")).unwrap());
    assert!(page.contains(&format!("```mermaid\n{}```", Graph::new(&corp).to_mermaid())));
}
