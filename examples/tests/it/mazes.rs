use std::{fs, path::PathBuf};

use decnet_topology::{
    Catalog, Finding, Graph, ImageSource, RuleSet, SeccompMode, Service, SubnetPool, Syntax, Topology, document,
};

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "mazes"].iter().collect()
}

fn catalog() -> Catalog {
    let mut catalog = Catalog::builtin();
    for name in ["forge.toml", "shop.toml"] {
        let own = fs::read_to_string(folder().join(name)).unwrap();
        catalog = catalog.extend_from_toml(&own).unwrap();
    }
    catalog
}

fn resolve(text: &str) -> Topology {
    document::parse(text, Syntax::Auto)
        .unwrap()
        .resolve(&catalog(), &SubnetPool::default())
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
    assert_eq!(names, ["corp", "first", "forge", "plant", "shop"]);
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

/// `DECNET_UPDATE=1` writes the picture.
#[test]
fn the_picture_of_the_readme_shows_its_maze() {
    let path = folder().join("../../docs/corp.svg");
    let corp = resolve(&fs::read_to_string(folder().join("corp.yaml")).unwrap());
    let picture = Graph::new(&corp).to_svg();
    if std::env::var_os("DECNET_UPDATE").is_some() {
        fs::write(&path, &picture).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap() == picture,
        "write it with `decnet graph examples/mazes/corp.yaml --format svg -o docs/corp.svg`"
    );
}

fn public() -> Catalog {
    let path = folder().join("../catalog/high-interaction.toml");
    let own = fs::read_to_string(path).unwrap();
    Catalog::builtin()
        .extend_from_toml(&own)
        .unwrap_or_else(|refused| panic!("{refused}"))
}

/// The services of the catalogue of public images.
pub(crate) fn public_services() -> Vec<Service> {
    let catalog = public();
    let own = catalog
        .services()
        .filter(|service| service.image != ImageSource::Builtin);
    own.cloned().collect()
}

#[test]
fn every_public_image_has_a_tag_and_all_limits_that_the_hardening_has() {
    let services = public_services();
    let names: Vec<_> = services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "adbhoney",
            "conpot_full",
            "cowrie",
            "dicompot",
            "dionaea",
            "elasticpot",
            "heralding",
            "medpot",
            "redishoneypot"
        ]
    );
    for service in &services {
        let name = &service.name;
        let ImageSource::Reference(image) = &service.image else {
            panic!("{name}: {}", service.image);
        };
        assert!(image.rsplit('/').next().unwrap().contains(':'), "{name}: {image}");
        assert!(!service.is_root() && !service.writable_root, "{name}");
        assert_eq!(service.seccomp, SeccompMode::Decnet, "{name}");
        let privileged = service.ports.iter().any(|port| port.number < 1024);
        assert_eq!(service.capabilities.contains("NET_BIND_SERVICE"), privileged, "{name}");
    }
}

#[test]
fn a_maze_with_every_public_image_is_valid_without_warnings() {
    let mut maze = Topology::builder()
        .dmz("dmz", "10.77.0.0/24")
        .lan("inner", "10.77.1.0/24");
    maze = maze.decky("gate", |decky| {
        decky.on("dmz", "10.77.0.10").on("inner", "10.77.1.10").forwards()
    });
    for (at, service) in public_services().iter().enumerate() {
        let address = format!("10.77.1.{}", 20 + at);
        maze = maze.decky(&format!("pot-{at}"), |decky| {
            decky.on("inner", &address).services([service.name.as_str()])
        });
    }
    let valid = maze.build().unwrap().validate(&public(), RuleSet::deploy());
    let valid = valid.unwrap_or_else(|invalid| panic!("{:#?}", invalid.report));
    let none: [Finding; 0] = [];
    assert_eq!(valid.report().findings(), none);
}

#[test]
fn one_line_swaps_a_built_in_service_for_a_public_image() {
    let text = fs::read_to_string(folder().join("corp.yaml")).unwrap();
    let swapped = text.replacen("[ssh]", "[cowrie]", 1);
    assert_ne!(text, swapped, "a decky with ssh only");
    resolve(&swapped).validate(&public(), RuleSet::deploy()).unwrap();
}

#[test]
fn two_public_images_on_one_port_are_refused() {
    let maze = Topology::builder().dmz("dmz", "10.77.0.0/24").decky("gate", |decky| {
        decky.on("dmz", "10.77.0.10").services(["cowrie", "heralding"])
    });
    let invalid = maze
        .build()
        .unwrap()
        .validate(&public(), RuleSet::deploy())
        .unwrap_err();
    let codes: Vec<_> = invalid.report.errors().map(|error| error.code.as_str()).collect();
    assert_eq!(codes, ["SERVICE_PORT_CLASH", "SERVICE_PORT_CLASH"]);
}
