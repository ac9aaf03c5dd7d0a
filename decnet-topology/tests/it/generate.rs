use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    process::Command,
    sync::LazyLock,
};

use decnet_topology::{
    AllocError, Catalog, ConfigBuilder, GenerateError, InvalidConfig, LanId, Naming, RuleSet, ServiceChoice, Topology,
    TopologyConfig, canonical_hash, generate, net, testing::strategies, validate,
};
use ipnet::Ipv4Net;
use proptest::{
    prelude::*,
    test_runner::{Config as ProptestConfig, TestRunner},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::vectors::vectors;

/// Read once: thousands of mazes are drawn from it.
static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::builtin);

/// Describes a maze completely, one line per part.
fn written(topology: &Topology) -> String {
    let mut text = String::new();
    for lan in topology.lans() {
        writeln!(
            text,
            "lan {} {} {} {}",
            lan.id(),
            lan.name(),
            lan.subnet(),
            lan.is_dmz()
        )
        .expect("text");
    }
    for decky in topology.deckies() {
        let services: Vec<&str> = decky.services().iter().map(AsRef::as_ref).collect();
        let edges: Vec<String> = decky
            .attachments()
            .iter()
            .map(|edge| format!("{}:{}", edge.lan, edge.ip))
            .collect();
        writeln!(
            text,
            "decky {} {} {} {} {}",
            decky.id(),
            decky.name(),
            decky.forwards_l3(),
            services.join(","),
            edges.join(",")
        )
        .expect("text");
    }
    text
}

fn digest(topology: &Topology) -> String {
    let digest = Sha256::digest(written(topology));
    digest[..8]
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Reads a config; one without a seed gets a fixed one.
pub(crate) fn read(config: &Value) -> Result<TopologyConfig, InvalidConfig> {
    TopologyConfig::from_value(config, &CATALOG, || 0x00c0_ffee)
}

fn drawn(config: ConfigBuilder) -> Topology {
    let config = config.build().expect("config");
    generate(&config, &CATALOG, &[]).unwrap_or_else(|error| panic!("{config:?}: {error:?}"))
}

/// The smallest and the largest number of LANs of a config.
fn lan_bounds(config: &TopologyConfig) -> (usize, usize) {
    let levels = |branching: usize| (0..=u32::from(config.depth())).map(|level| branching.pow(level)).sum();
    (levels(1), levels(config.branching_factor().into()))
}

/// Checks a maze against the bounds of its config.
fn check_shape(config: &TopologyConfig, topology: &Topology, reserved: &[Ipv4Net]) {
    let context = format!("{config:?}");
    let (lans, deckies) = (topology.lans(), topology.deckies());
    let (fewest, most) = lan_bounds(config);
    assert!((fewest..=most).contains(&lans.len()), "{context}");
    check_lans(config, topology, reserved);
    let mut at_home: BTreeMap<LanId, usize> = BTreeMap::new();
    let mut joined: BTreeMap<LanId, LanId> = BTreeMap::new();
    let mut addresses: BTreeMap<_, &str> = BTreeMap::new();
    let mut crossed = 0;
    for (at, decky) in deckies.iter().enumerate() {
        let numbered = format!("decky-{at:03}");
        assert_eq!(
            decky.name().as_str() == numbered,
            config.naming() == Naming::Numbered,
            "{context}"
        );
        let home = decky.home().expect("a home").lan;
        *at_home.entry(home).or_default() += 1;
        for edge in decky.attachments() {
            let subnet = topology.lan(edge.lan).expect("lan").subnet();
            assert!(
                subnet.contains(&edge.ip) && net::reserved(subnet, edge.ip).is_none(),
                "{context}"
            );
            assert_eq!(addresses.insert(edge.ip, decky.name().as_str()), None, "{context}");
        }
        let gateway = home == LanId::new(0);
        assert_eq!(topology.is_gateway(decky), gateway && config.dmz_gateway(), "{context}");
        assert!(gateway || !decky.forwards_l3() || decky.is_bridge(), "{context}");
        assert!(!gateway || !decky.is_bridge(), "{context}");
        // A cross edge comes after the edge to the parent, if the decky has both.
        match decky.attachments() {
            [_] => {}
            [_, other] if !joined.contains_key(&home) && other.lan < home => {
                joined.insert(home, other.lan);
            }
            [_, _] => crossed += 1,
            [_, parent, _] => {
                assert_eq!(joined.insert(home, parent.lan), None, "{context}");
                crossed += 1;
            }
            more => panic!("{context}: {more:?}"),
        }
        check_services(config, &CATALOG, decky);
    }
    for lan in lans {
        let count = at_home.get(&lan.id()).copied().unwrap_or_default();
        if lan.is_dmz() {
            assert_eq!(count, 1, "{context}");
        } else {
            let count = u8::try_from(count).expect("count");
            assert!(config.deckies_per_lan().contains(&count), "{context}");
            assert!(
                joined[&lan.id()] < lan.id(),
                "{context}: every LAN is attached to an earlier one"
            );
        }
    }
    assert_eq!(
        topology.edges().count(),
        deckies.len() + lans.len() - 1 + crossed,
        "{context}"
    );
    assert!(crossed < lans.len(), "{context}");
    if config.cross_edge_probability() == 0.0 {
        assert_eq!(crossed, 0, "{context}");
    }
    let report = validate(topology, &CATALOG, RuleSet::deploy());
    assert_eq!(report.findings(), [], "{context}");
}

fn check_lans(config: &TopologyConfig, topology: &Topology, reserved: &[Ipv4Net]) {
    for (at, lan) in topology.lans().iter().enumerate() {
        assert_eq!(lan.name().as_str(), format!("LAN-{at:02}"));
        assert_eq!(lan.is_dmz(), at == 0);
        assert_eq!(lan.subnet().prefix_len(), config.lan_prefix());
        assert!(config.subnet_base_prefix().contains(&lan.subnet()));
        assert!(reserved.iter().all(|other| !net::overlaps(lan.subnet(), *other)));
    }
    let mut in_order = topology.lans().windows(2);
    assert!(in_order.all(|pair| pair[0].subnet().broadcast() < pair[1].subnet().network()));
}

fn check_services(config: &TopologyConfig, catalog: &Catalog, decky: &decnet_topology::Decky) {
    if let Some(explicit) = config.services_explicit() {
        assert!(
            decky
                .services()
                .iter()
                .eq(explicit.iter().collect::<std::collections::BTreeSet<_>>())
        );
        return;
    }
    if config.services() == ServiceChoice::Archetypes {
        let archetype = decky.archetype().and_then(|slug| catalog.archetype(slug));
        assert_eq!(archetype.map(|archetype| &archetype.services), Some(decky.services()));
        return;
    }
    assert!((1..=3).contains(&decky.services().len()));
    let mut ports = std::collections::BTreeSet::new();
    for service in decky.services() {
        let service = catalog.decky_service(service.as_str()).expect("a service for deckies");
        assert!(
            service.ports.iter().all(|port| ports.insert(*port)),
            "{:?}",
            decky.services()
        );
    }
}

#[test]
fn the_conformance_rows_hold() {
    for row in vectors("generate.json") {
        let name = row["name"].as_str().expect("name");
        let reserved = row["reserved"].as_array().into_iter().flatten();
        let reserved: Vec<Ipv4Net> = reserved
            .map(|net| net::parse_subnet(net.as_str().expect("subnet")).expect("subnet"))
            .collect();
        match (read(&row["config"]), row["expect"].as_str().expect("expect")) {
            (Ok(config), "ok") => {
                let topology = generate(&config, &CATALOG, &reserved).expect(name);
                check_shape(&config, &topology, &reserved);
                for (kind, count) in [("lans", topology.lans().len()), ("deckies", topology.deckies().len())] {
                    let bounds: (usize, usize) = serde_json::from_value(row["bounds"][kind].clone()).expect(name);
                    assert!((bounds.0..=bounds.1).contains(&count), "{name}: {count} {kind}");
                }
            }
            (Err(invalid), "invalid_config") => {
                let mut fields: Vec<&str> = invalid.faults.iter().map(|fault| fault.field.as_str()).collect();
                fields.dedup();
                // A row may omit the fields at fault.
                if let Some(expected) = row.get("fields") {
                    assert_eq!(json!(fields), *expected, "{name}: {invalid}");
                }
            }
            (Ok(config), "subnet_pool_exhausted") => {
                let refused = generate(&config, &CATALOG, &reserved);
                assert!(
                    matches!(refused, Err(GenerateError::Subnets { .. })),
                    "{name}: {refused:?}"
                );
            }
            (config, expected) => panic!("{name}: {config:?} instead of {expected}"),
        }
    }
}

#[test]
fn ten_thousand_random_configs_give_mazes_within_their_bounds() {
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 10_000,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&strategies::configs(), |config| {
        let topology = generate(&config, &CATALOG, &[]).map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
        check_shape(&config, &topology, &[]);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// Starts a config with a fixed seed.
pub(crate) fn seeded(depth: u8, branching: u8) -> ConfigBuilder {
    TopologyConfig::builder("maze", depth, branching).seed(42)
}

#[test]
fn a_maze_of_plausible_hosts_has_one_domain_controller_unique_names_and_services_that_fit() {
    let mut desks = 0;
    for seed in 0..40 {
        let plain = TopologyConfig::builder("corp", 2, 3).deckies_per_lan(1, 8).seed(seed);
        let config = plain
            .clone()
            .services(ServiceChoice::Archetypes)
            .naming(Naming::Realistic);
        let maze = drawn(config.clone());
        assert_eq!(
            written(&maze),
            written(&drawn(config)),
            "the same config gives the same maze"
        );
        let report = validate(&maze, &CATALOG, RuleSet::deploy());
        assert!(report.is_clean(), "seed {seed}: {report:?}");
        let names: BTreeSet<_> = maze.deckies().iter().map(|decky| decky.name().to_lowercase()).collect();
        assert_eq!(names.len(), maze.deckies().len(), "seed {seed}");
        let mut controllers = 0;
        for decky in maze.deckies() {
            let slug = decky.archetype().expect("an archetype");
            let archetype = CATALOG.archetype(slug).expect("an archetype of the catalogue");
            assert_eq!(decky.services(), &archetype.services, "{}", decky.name());
            let in_dmz = decky.home().is_some_and(|home| home.lan == LanId::new(0));
            controllers += usize::from(slug == "domain-controller" && !in_dmz);
            desks += usize::from(slug == "windows-workstation" && decky.name().as_str().contains("-desk-"));
            let words: Vec<_> = decky.name().as_str().split('-').collect();
            assert!(
                matches!(words[..], [unit, word, number]
                if !unit.is_empty() && !word.is_empty() && number.parse::<u32>().is_ok()),
                "{}",
                decky.name()
            );
            assert_eq!(in_dmz, words[0] == "edge", "{}", decky.name());
        }
        assert_eq!(controllers, 1, "seed {seed}");
        let all = maze
            .deckies()
            .iter()
            .filter(|decky| decky.archetype() == Some("domain-controller"));
        assert_eq!(all.count(), 1, "seed {seed}");
        // The shape is that of the maze without these options.
        let plain = drawn(plain);
        assert_eq!(maze.lans(), plain.lans());
        let attachments = |maze: &Topology| -> Vec<_> { maze.edges().map(|(_, edge)| edge).collect() };
        assert_eq!(attachments(&maze), attachments(&plain));
    }
    assert!(desks > 100, "{desks} desks");
}

#[test]
fn names_and_archetypes_are_chosen_separately() {
    let named = drawn(seeded(2, 2).naming(Naming::Realistic).services_explicit(["ssh"]));
    assert!(
        named
            .deckies()
            .iter()
            .all(|decky| decky.services().len() == 1 && decky.archetype().is_none())
    );
    assert!(named.deckies()[0].name().as_str().starts_with("edge-"));
    let typed = drawn(seeded(2, 2).services(ServiceChoice::Archetypes));
    assert!(typed.deckies().iter().all(|decky| decky.archetype().is_some()));
    assert_eq!(typed.deckies()[0].name().as_str(), "decky-000");
    let both = drawn(
        seeded(2, 2)
            .services(ServiceChoice::Archetypes)
            .naming(Naming::Realistic),
    );
    let text = both
        .deckies()
        .iter()
        .map(|decky| format!("{} {}", decky.name(), decky.archetype().unwrap_or_default()));
    insta::assert_snapshot!(text.collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_stored_config_has_the_new_fields_only_if_they_are_set() {
    let config = seeded(1, 1).build().expect("config");
    let stored = serde_json::to_value(&config).expect("JSON");
    assert!(stored.get("services").is_none() && stored.get("naming").is_none());
    let value = json!({"name": "corp", "depth": 2, "branching_factor": 2, "services": "archetypes", "naming": "realistic", "seed": 7});
    let config = read(&value).expect("config");
    assert_eq!(
        (config.services(), config.naming()),
        (ServiceChoice::Archetypes, Naming::Realistic)
    );
    let stored = serde_json::to_value(&config).expect("JSON");
    assert_eq!(
        (&stored["services"], &stored["naming"]),
        (&json!("archetypes"), &json!("realistic"))
    );
    assert_eq!(
        serde_json::from_value::<TopologyConfig>(stored).expect("config"),
        config
    );
    let refused = read(&json!({"name": "x", "depth": 1, "branching_factor": 1, "services": "archetype", "naming": 1}));
    let fields: Vec<_> = refused
        .expect_err("faults")
        .faults
        .into_iter()
        .map(|fault| fault.field)
        .collect();
    assert_eq!(fields, ["naming", "services"]);
    let both = read(
        &json!({"name": "x", "depth": 1, "branching_factor": 1, "services": "archetypes", "services_explicit": ["ssh"]}),
    );
    assert_eq!(both.expect_err("a fault").faults[0].field, "services");
}

#[test]
fn the_mazes_are_pinned() {
    let digests = [
        digest(&drawn(seeded(1, 1))),
        digest(&drawn(seeded(3, 3).deckies_per_lan(0, 5))),
        digest(&drawn(
            seeded(3, 3).cross_edge_probability(0.5).bridge_forward_probability(0.5),
        )),
        digest(&drawn(
            seeded(2, 2)
                .subnet_base_prefix("10.0.0.0/8")
                .lan_prefix(20)
                .dmz_gateway(true),
        )),
        digest(&drawn(seeded(4, 4).services_explicit(["ssh", "http"]).seed(u64::MAX))),
    ];
    assert_eq!(
        digests,
        [
            "6aeefcd63b776077",
            "61a8c53dc2a84090",
            "5cd3ce916f5e3103",
            "7dd4f6ae2f51ba65",
            "d809cf4850b2a942"
        ]
    );
    // The canonical hash does not include ids and the order of parts, but the digests above do.
    let canonical = canonical_hash(&drawn(seeded(1, 1))).to_string();
    assert_eq!(
        canonical,
        "7e4371ca222533975221e5b9af74a3735c3be9dfcdb7477f6db22e8f8bc06b2e"
    );
}

#[test]
fn the_same_config_gives_the_same_bytes_in_100_processes() {
    const CHILD: &str = "DECNET_TEST_CHILD";
    const TEST: &str = "generate::the_same_config_gives_the_same_bytes_in_100_processes";
    let maze = drawn(seeded(3, 4).cross_edge_probability(0.3).bridge_forward_probability(0.7));
    let said = format!("maze {}", digest(&maze));
    if std::env::var_os(CHILD).is_some() {
        println!("{said}");
        return;
    }
    let program = std::env::current_exe().expect("the test's own program");
    for number in 0..100 {
        let child = Command::new(&program)
            .args([TEST, "--exact", "--nocapture"])
            .env(CHILD, number.to_string())
            .output()
            .expect("child");
        let out = String::from_utf8(child.stdout).expect("text");
        assert!(
            out.lines().any(|line| line.ends_with(&said)),
            "process {number} printed {out}, not {said}"
        );
    }
}

#[test]
fn more_deckies_per_lan_keep_the_tree_and_earlier_draws() {
    let tree = |min, max| {
        let topology = drawn(seeded(4, 3).deckies_per_lan(min, max).subnet_base_prefix("10.0.0.0/8"));
        let parents = topology.deckies().iter().filter(|decky| decky.is_bridge());
        let parents: Vec<(LanId, LanId)> = parents
            .map(|decky| (decky.attachments()[0].lan, decky.attachments()[1].lan))
            .collect();
        let lans: Vec<String> = topology
            .lans()
            .iter()
            .map(|lan| format!("{} {}", lan.name(), lan.subnet()))
            .collect();
        (lans, parents)
    };
    assert_eq!(tree(1, 1), tree(9, 20));
    assert!(tree(1, 1).0.len() > 20);
}

#[test]
fn a_set_of_services_repeats_only_if_few_are_left() {
    let topology = drawn(seeded(3, 3));
    let mut sets: Vec<_> = topology
        .deckies()
        .iter()
        .map(decnet_topology::Decky::services)
        .collect();
    assert!(sets.len() > 20);
    let all = sets.len();
    sets.sort();
    sets.dedup();
    assert_eq!(sets.len(), all);
}

#[test]
fn too_small_pools_are_refused_with_the_numbers() {
    let refused = |config: ConfigBuilder, reserved: &[Ipv4Net]| {
        let config = config.build().expect("config");
        generate(&config, &CATALOG, reserved).expect_err("no room")
    };
    let base = net::parse_subnet("10.0.0.0/22").expect("subnet");
    let taken = net::parse_subnet("10.0.1.128/25").expect("subnet");
    let error = refused(seeded(3, 1).subnet_base_prefix("10.0.0.0/22"), &[taken]);
    let source = AllocError::SubnetsExhausted {
        base,
        prefix: 24,
        needed: 4,
        available: 3,
    };
    assert_eq!(error, GenerateError::Subnets { source });
    let error = refused(seeded(1, 1).deckies_per_lan(6, 6).lan_prefix(29), &[]);
    let source = AllocError::AddressesExhausted {
        subnet: net::parse_subnet("172.16.0.8/29").expect("subnet"),
        needed: 6,
        available: 5,
    };
    let lan = "LAN-01".parse().expect("name");
    assert_eq!(error, GenerateError::Addresses { lan, source });
    // The widest and deepest tree would have more LANs than there are addresses: drawing stops early.
    let error = refused(seeded(16, 8), &[]);
    assert!(matches!(
        error,
        GenerateError::Subnets { source: AllocError::SubnetsExhausted { needed, available: 4096, .. } } if needed > 4096
    ));
    let everything = net::parse_subnet("0.0.0.0/0").expect("subnet");
    assert!(matches!(
        refused(seeded(1, 1), &[everything]),
        GenerateError::Subnets { .. }
    ));
}

#[test]
fn without_services_for_deckies_none_are_drawn() {
    let config = seeded(1, 1).build().expect("config");
    assert_eq!(
        generate(&config, &Catalog::default(), &[]),
        Err(GenerateError::NoServices)
    );
}
