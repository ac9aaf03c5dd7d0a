//! Plans from any maze to any other.

use decnet_engine::naming;
use decnet_topology::{Decky, ServiceName, Topology, testing::strategies};
use proptest::prelude::*;

use super::{
    CATALOG, Ground, lives,
    order::{block_on, drawing, run_in_some_order},
};

/// Gives each decky up to three services, selected by the bits of a number.
fn served(topology: Topology, bits: u64) -> Topology {
    let (lans, deckies) = topology.into_parts();
    let deckies = (0_u32..).zip(deckies).map(|(at, decky): (u32, Decky)| {
        let own = bits.rotate_right(3 * at);
        let services = ["http", "ssh", "smb"]
            .iter()
            .enumerate()
            .filter(|(bit, _)| own >> bit & 1 == 1);
        decky.with_services(
            services
                .map(|(_, service)| ServiceName::new(service))
                .collect::<Vec<_>>(),
        )
    });
    let deckies = deckies.collect();
    Topology::new(lans, deckies).expect("still a valid topology")
}

fn mazes() -> impl Strategy<Value = Topology> {
    (strategies::topologies(), any::<u64>())
        .prop_map(|(topology, bits)| served(topology, bits))
        // Two gateways with one port could not run together.
        .prop_filter("valid", |topology| {
            topology
                .clone()
                .validate(&CATALOG, decnet_topology::RuleSet::live())
                .is_ok()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_plan_between_any_two_mazes_reaches_the_second_and_keeps_the_common_part(
        before in mazes(), after in mazes(), seed: u64,
    ) {
        block_on(async {
            let ground = Ground::with(before.clone()).await;
            let (was, is) = (ground.desired(before), ground.desired(after.clone()));
            let lived = lives(&ground.docker.world());
            let plan = ground.plan(after.clone()).await;
            run_in_some_order(&ground, &plan, drawing(seed)).await;
            assert!(ground.plan(after).await.is_empty());

            let world = ground.docker.world();
            assert!(world.networks.keys().eq(is.networks.keys()));
            assert_eq!(world.containers.len(), is.bases.len() + is.services.len());
            let live = lives(&world);
            for (name, base) in &is.bases {
                let same = |network| was.networks.get(network) == is.networks.get(network);
                let stood = was.bases.get(name).is_some_and(|old| {
                    old.labels[naming::SPEC] == base.labels[naming::SPEC]
                        && old.interfaces.iter().all(|interface| {
                            !is.networks.contains_key(&interface.network) || same(&interface.network)
                        })
                });
                assert_eq!(live.get(name) == lived.get(name), stood, "{name}");
                let services = is.services.values().filter(|service| service.base == *name);
                for service in services {
                    let stood = stood && was.services.get(&service.name) == Some(service);
                    assert_eq!(live.get(&service.name) == lived.get(&service.name), stood, "{}", service.name);
                }
            }
        });
    }
}
