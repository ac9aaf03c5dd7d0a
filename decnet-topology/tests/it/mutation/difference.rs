use std::collections::BTreeMap;

use decnet_topology::{
    Catalog, Mutation, MutationBatch, MutationContext, Name, Position, RuleSet, Stage, SubnetPool, Syntax, Topology,
    ValidTopology, apply, canonical_hash, difference, document, testing::strategies,
};
use proptest::{prelude::*, sample::Index, strategy::ValueTree, test_runner::TestRunner};

use super::properties::maze;

/// Lists the positions of LANs and deckies by kind and name.
fn positions(maze: &Topology) -> BTreeMap<(bool, &Name), Position> {
    let lans = maze.lans().iter().map(|lan| ((false, lan.name()), lan.position()));
    let deckies = maze
        .deckies()
        .iter()
        .map(|decky| ((true, decky.name()), decky.position()));
    lans.chain(deckies).collect()
}

/// Checks that the difference leads from one maze to the other, and returns it.
fn check(before: &Topology, after: &Topology) -> Vec<Mutation> {
    let catalog = Catalog::builtin();
    let context = MutationContext::new(&catalog, Stage::Live);
    let mutations = difference(before, after).expect("every decky has a home");
    assert_eq!(
        difference(before, after).as_ref(),
        Ok(&mutations),
        "it is deterministic"
    );
    let batch = MutationBatch::apply(before, mutations.clone(), &context).expect("the wanted maze is valid");
    let then = batch.topology();
    assert_eq!(canonical_hash(then), canonical_hash(after), "{mutations:#?}");
    assert_eq!(positions(then), positions(after), "{mutations:#?}");
    assert_eq!(difference(then, after), Ok(Vec::new()), "nothing is left to do");
    mutations
}

/// Changes a maze by some mutations that a pending maze accepts.
fn changed(maze: &Topology, length: usize, runner: &mut TestRunner) -> Topology {
    let catalog = Catalog::builtin();
    let context = MutationContext::new(&catalog, Stage::Pending);
    let mut maze = maze.clone();
    for _ in 0..length {
        let mutation = strategies::mutations(&maze)
            .new_tree(runner)
            .expect("a mutation")
            .current();
        maze = apply(&maze, &mutation, &context).map_or(maze, ValidTopology::into_topology);
    }
    maze
}

proptest! {
    #[test]
    fn the_difference_of_two_versions_of_a_maze_leads_from_one_to_the_other(
        seed in any::<u64>(), length in 1_usize..30, turn in any::<Index>(),
    ) {
        let mut runner = TestRunner::deterministic();
        // Every case draws other mutations.
        for _ in 0..turn.index(50) {
            runner.new_rng();
        }
        let before = maze(seed);
        let after = changed(&before, length, &mut runner);
        check(&before, &after);
        check(&after, &before);
    }

    #[test]
    fn the_difference_of_any_two_mazes_leads_from_one_to_the_other(one in any::<u64>(), other in any::<u64>()) {
        check(&maze(one), &maze(other));
    }

    #[test]
    fn the_difference_of_random_graphs_leads_from_one_to_the_other(
        one in strategies::topologies(), other in strategies::topologies(),
    ) {
        let catalog = Catalog::builtin();
        let homeless = other.deckies().iter().any(|decky| decky.attachments().is_empty());
        let valid = other.clone().validate(&catalog, RuleSet::live()).is_ok();
        prop_assume!(valid && !homeless);
        check(&one, &other);
    }
}

/// Reads a maze with a DMZ, an office and a bridge: `office` is the subnet of the office without the last byte, `web` a decky in the
/// DMZ.
fn small(office: &str, web: &str) -> Topology {
    let text = format!(
        "{{format: decnet.topology/1, name: corp,
          lans: [{{name: dmz, dmz: true, subnet: 172.20.0.0/24}}, {{name: office, subnet: {office}.0/24}}],
          deckies: [{{name: bridge, attachments: [{{lan: dmz, ip: 172.20.0.9}}, {{lan: office, ip: {office}.9}}]}}, {web}]}}"
    );
    let draft = document::parse(&text, Syntax::Yaml).expect("a maze file");
    draft
        .resolve(&Catalog::builtin(), &SubnetPool::default())
        .expect("a maze")
}

/// Returns the decky `web` with more keys.
fn web(ip: &str, keys: &str) -> String {
    format!("{{name: web, attachments: [{{lan: dmz, ip: {ip}}}], {keys}}}")
}

/// Returns the difference as JSON, one mutation per line.
fn written(before: &Topology, after: &Topology) -> String {
    let line = |mutation: &Mutation| serde_json::to_string(mutation).expect("JSON");
    check(before, after).iter().map(line).collect::<Vec<_>>().join("\n")
}

const OFFICE: &str = "172.20.1";
const IP: &str = "172.20.0.10";

#[test]
fn the_same_maze_has_no_difference() {
    let maze = small(OFFICE, &web(IP, "services: [http], x: 1, y: 2"));
    assert_eq!(check(&maze, &maze), []);
}

#[test]
fn a_change_that_a_mutation_expresses_is_one_mutation() {
    let before = small(
        OFFICE,
        &web(IP, "services: [http], service_config: {http: {banner: hi}}"),
    );
    let afters = [
        web(IP, "services: [http, ssh], service_config: {http: {banner: hi}}"),
        web(IP, "services: [ssh]"),
        web(IP, "services: [http]"),
        web(
            IP,
            "services: [http], service_config: {http: {banner: hi}}, forwards_l3: true",
        ),
        web(
            IP,
            "services: [http], service_config: {http: {banner: hi}}, archetype: printer, x: 1, y: 2",
        ),
    ];
    let lines = afters.map(|web| written(&before, &small(OFFICE, &web)));
    insta::assert_snapshot!(lines.join("\n"), @r#"
    {"op":"update_decky","payload":{"decky":"web","patch":{},"services":["http","ssh"],"force":false}}
    {"op":"update_decky","payload":{"decky":"web","patch":{},"services":["ssh"],"force":false}}
    {"op":"update_decky","payload":{"decky":"web","patch":{"service_config":{}},"force":false}}
    {"op":"update_decky","payload":{"decky":"web","patch":{"forwards_l3":true},"force":false}}
    {"op":"update_decky","payload":{"decky":"web","patch":{"archetype":"printer"},"x":1.0,"y":2.0,"force":false}}
    "#);
}

#[test]
fn what_no_mutation_expresses_is_removed_and_added_again() {
    let before = small(OFFICE, &web(IP, "services: [http], x: 1, y: 2"));
    let readdressed = small(OFFICE, &web("172.20.0.11", "services: [http], x: 1, y: 2"));
    let respelled = small(OFFICE, &web(IP, "services: [http], x: 1, y: 2").replace("web", "WEB"));
    let resized = small("172.20.2", &web(IP, "services: [http], x: 1, y: 2"));
    insta::assert_snapshot!(written(&before, &readdressed), @r#"
    {"op":"remove_decky","payload":{"decky":"web"}}
    {"op":"add_decky","payload":{"name":"web","lan":"dmz","services":["http"],"forwards_l3":false,"ip":"172.20.0.11","x":1.0,"y":2.0}}
    "#);
    insta::assert_snapshot!(written(&before, &respelled), @r#"
    {"op":"remove_decky","payload":{"decky":"web"}}
    {"op":"add_decky","payload":{"name":"WEB","lan":"dmz","services":["http"],"forwards_l3":false,"ip":"172.20.0.10","x":1.0,"y":2.0}}
    "#);
    insta::assert_snapshot!(written(&before, &resized), @r#"
    {"op":"remove_lan","payload":{"name":"office"}}
    {"op":"add_lan","payload":{"name":"office","subnet":"172.20.2.0/24","is_dmz":false}}
    {"op":"attach_decky","payload":{"decky":"bridge","lan":"office","ip":"172.20.2.9","forwards_l3":false,"force":false}}
    "#);
}

#[test]
fn a_coordinate_that_is_no_longer_set_is_cleared() {
    let before = small(OFFICE, &web(IP, "services: [http], x: 1, y: 2"));
    let unplaced = small(OFFICE, &web(IP, "services: [http], x: 1"));
    insta::assert_snapshot!(written(&before, &unplaced), @r#"{"op":"update_decky","payload":{"decky":"web","patch":{},"x":1.0,"y":null,"force":false}}"#);
}

#[test]
fn a_decky_without_attachments_cannot_be_added() {
    let after = Topology::builder()
        .dmz("dmz", "172.20.0.0/24")
        .decky("web", |decky| decky)
        .build()
        .expect("a maze");
    let before = Topology::builder().dmz("dmz", "172.20.0.0/24").build().expect("a maze");
    let error = difference(&before, &after).expect_err("it has no home");
    assert_eq!(error.code(), "DECKY_ORPHAN");
    assert_eq!(difference(&after, &after), Ok(Vec::new()));
}
