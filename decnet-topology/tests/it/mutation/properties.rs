use std::collections::BTreeMap;

use decnet_topology::{
    Catalog, DeckySnapshot, Mutation, MutationContext, Publish, RuleSet, Stage, Topology, TopologyConfig,
    ValidTopology, apply, canonical_hash, generate, history, published_ports, testing::strategies, validate,
};
use proptest::{prelude::*, sample::Index, strategy::ValueTree, test_runner::TestRunner};

pub(super) fn maze(seed: u64) -> Topology {
    let config = TopologyConfig::builder("random", 3, 2)
        .deckies_per_lan(1, 3)
        .cross_edge_probability(0.3)
        .bridge_forward_probability(0.7)
        .dmz_gateway(seed.is_multiple_of(2))
        .seed(seed)
        .build()
        .expect("a config");
    generate(&config, &Catalog::builtin(), &[]).expect("a maze")
}

/// Returns whether the remaining gateways publish the same ports before and after.
fn unchanged_on_the_host(before: &Topology, after: &Topology, catalog: &Catalog) -> bool {
    let of_both = |maze: &Topology| {
        let both = [before, after];
        let mut published = published_ports(maze, catalog, &Publish::default());
        published.retain(|port| {
            let name = port.decky.parse().expect("a name");
            both.iter().all(|maze| maze.decky_named(&name).is_some())
        });
        published
    };
    of_both(before) == of_both(after)
}

fn draw(maze: &Topology, runner: &mut TestRunner) -> Mutation {
    let strategy = strategies::mutations(maze);
    strategy.new_tree(runner).expect("a mutation").current()
}

#[test]
fn any_sequence_of_mutations_keeps_a_maze_valid_and_a_refusal_changes_nothing() {
    let catalog = Catalog::builtin();
    let mut runner = TestRunner::deterministic();
    let (mut applied, mut refused): (BTreeMap<&str, u32>, BTreeMap<&str, u32>) = Default::default();
    for walk in 0..40 {
        let stage = if walk % 3 == 0 { Stage::Pending } else { Stage::Live };
        let context = MutationContext::new(&catalog, stage);
        let mut maze = maze(walk);
        for _ in 0..60 {
            let mutation = draw(&maze, &mut runner);
            let hash = canonical_hash(&maze);
            let outcome = apply(&maze, &mutation, &context);
            assert_eq!(canonical_hash(&maze), hash);
            let after = match outcome {
                Ok(after) => after,
                Err(error) => {
                    assert!(!error.is_bad_input(), "{error}");
                    *refused.entry(error.code()).or_default() += 1;
                    continue;
                }
            };
            *applied.entry(mutation.op()).or_default() += 1;
            assert_eq!(after.rules(), RuleSet::live());
            assert_eq!(
                validate(&after, &catalog, RuleSet::live()),
                *after.report(),
                "{mutation:?}"
            );
            let after = after.into_topology();
            let parts = after.clone().into_parts();
            assert_eq!(Topology::new(parts.0, parts.1), Ok(after.clone()));
            let forced = stage == Stage::Pending || mutation.force();
            assert!(forced || unchanged_on_the_host(&maze, &after, &catalog), "{mutation:?}");
            maze = after;
        }
    }
    // The sequences cover enough: every op was applied, and most refusals occurred.
    assert_eq!(applied.len(), Mutation::OPS.len(), "{applied:?}");
    assert!(refused.len() >= 11, "{refused:?}");
}

fn states(maze: &Topology) -> BTreeMap<decnet_topology::Name, DeckySnapshot> {
    history::at(maze, [])
}

proptest! {
    #[test]
    fn a_mutation_reads_back_as_it_was_written(
        mutation in strategies::topologies().prop_flat_map(|maze| strategies::mutations(&maze)),
    ) {
        let text = serde_json::to_string(&mutation).expect("JSON");
        prop_assert_eq!(Mutation::from_json(&text), Ok(mutation.clone()));
        prop_assert_eq!(serde_json::from_str::<Mutation>(&text).expect("a mutation"), mutation);
    }

    #[test]
    fn history_undoes_the_changes_of_mutations(seed in any::<u64>(), length in 1_usize..12, then in any::<Index>()) {
        let (catalog, mut runner) = (Catalog::builtin(), TestRunner::deterministic());
        let context = MutationContext::new(&catalog, Stage::Pending);
        let mut mazes = vec![maze(seed)];
        for _ in 0..length {
            let last = &mazes[mazes.len() - 1];
            let mutation = draw(last, &mut runner);
            mazes.extend(apply(last, &mutation, &context).map(ValidTopology::into_topology).ok());
        }
        let steps: Vec<_> = mazes.array_windows().map(|[one, other]| history::changes(one, other)).collect();
        let then = then.index(mazes.len());
        let later = steps[then..].iter().flatten();
        prop_assert_eq!(history::at(&mazes[mazes.len() - 1], later), states(&mazes[then]));
    }

    #[test]
    fn no_json_makes_the_reader_panic(value in crate::strategies::value(), op in prop::sample::select(Mutation::OPS), key in "[a-z_]{0,8}") {
        drop(Mutation::from_value(&value));
        drop(Mutation::from_value(&serde_json::json!({"op": op, "payload": value})));
        drop(Mutation::from_value(&serde_json::json!({"op": op, "payload": {"name": "a", "lan": "b", "decky": "c", key: value}})));
    }
}
