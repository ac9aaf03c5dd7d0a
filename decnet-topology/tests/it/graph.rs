use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use decnet_topology::{
    Attachment, Catalog, Decky, DeckyId, Graph, GraphNode, Lan, LanId, Member, PlaceRequest, Placement, PlacementRules,
    Route, Topology, TopologyConfig, TopologyId, generate, place, testing::strategies,
};
use proptest::prelude::*;

type Routes = BTreeMap<DeckyId, Arc<[Route]>>;

/// Finds the owner of an address.
struct Addresses<'a>(BTreeMap<Ipv4Addr, &'a Decky>);

impl<'a> Addresses<'a> {
    fn of(topology: &'a Topology) -> Self {
        Self(topology.edges().map(|(decky, edge)| (edge.ip, decky)).collect())
    }
}

/// Returns the route that a kernel uses: the longest matching prefix.
fn lookup(routes: &[Route], to: Ipv4Addr) -> Option<&Route> {
    let holding = routes.iter().filter(|route| route.destination.contains(&to));
    holding.max_by_key(|route| route.destination.prefix_len())
}

fn is_attached(topology: &Topology, decky: &Decky, to: Ipv4Addr) -> bool {
    let mut subnets = decky
        .attachments()
        .iter()
        .filter_map(|edge| topology.lan(edge.lan))
        .map(Lan::subnet);
    subnets.any(|subnet| subnet.contains(&to))
}

/// Sends a packet hop by hop along the routes. Returns the number of crossed routers; none if it is lost.
fn send(topology: &Topology, addresses: &Addresses<'_>, routes: &Routes, from: &Decky, to: Ipv4Addr) -> Option<usize> {
    let mut at = from;
    for hops in 0..=topology.deckies().len() {
        if is_attached(topology, at, to) {
            return Some(hops);
        }
        if hops > 0 && !at.is_router() {
            return None;
        }
        let route = lookup(&routes[&at.id()], to)?;
        assert!(
            is_attached(topology, at, route.via),
            "the next hop is on a LAN of the decky"
        );
        at = addresses.0[&route.via];
    }
    panic!("a packet from {} to {to} loops", from.name());
}

/// Computes by brute force the number of routers between a decky and each LAN.
fn distances(topology: &Topology, decky: &Decky) -> BTreeMap<LanId, usize> {
    let mut distances: BTreeMap<LanId, usize> = decky.attachments().iter().map(|edge| (edge.lan, 0)).collect();
    for round in 0..topology.lans().len() {
        let routers = topology.deckies().iter().filter(|decky| decky.is_router());
        let near = routers.filter(|router| {
            router
                .attachments()
                .iter()
                .any(|edge| distances.get(&edge.lan) == Some(&round))
        });
        let next: Vec<LanId> = near.flat_map(Decky::attachments).map(|edge| edge.lan).collect();
        for lan in next {
            distances.entry(lan).or_insert(round + 1);
        }
    }
    distances
}

/// Computes by brute force the adjacent router for packets from a decky to each LAN: the nearest, then one on the home LAN, then
/// the one with the lowest address.
fn preferred(topology: &Topology, decky: &Decky) -> BTreeMap<LanId, Ipv4Addr> {
    let own: Vec<LanId> = decky.attachments().iter().map(|edge| edge.lan).collect();
    let routers = topology.deckies().iter().filter(|router| router.is_router());
    let next_door = routers.flat_map(|router| {
        let edges = router.attachments().iter().filter(|edge| own.contains(&edge.lan));
        let ways: Vec<_> = edges.map(|edge| (edge.lan != own[0], edge.ip, router)).collect();
        ways
    });
    let ways = next_door.flat_map(|(is_elsewhere, ip, router)| {
        let distances = distances(topology, router).into_iter();
        distances.map(move |(lan, distance)| (lan, (distance, is_elsewhere, ip)))
    });
    let mut best = BTreeMap::new();
    for (lan, way) in ways.filter(|(lan, _)| !own.contains(lan)) {
        let least = best.entry(lan).or_insert(way);
        *least = way.min(*least);
    }
    best.into_iter().map(|(lan, (.., ip))| (lan, ip)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn packets_that_follow_the_routes_reach_exactly_the_reachable_lans(topology in strategies::topologies()) {
        let graph = Graph::new(&topology);
        let (addresses, routes) = (Addresses::of(&topology), graph.routes());
        for decky in topology.deckies() {
            let distances = distances(&topology, decky);
            prop_assert_eq!(&graph.reach(decky.id()), &distances.keys().copied().collect::<BTreeSet<_>>());
            for lan in topology.lans() {
                // Any address of the LAN works: the last one, which no decky of such a small maze has.
                let to = Ipv4Addr::from_bits(lan.subnet().broadcast().to_bits() - 1);
                let hops = send(&topology, &addresses, &routes, decky, to);
                prop_assert_eq!(hops, distances.get(&lan.id()).copied(), "{} to {}", decky.name(), lan.name());
            }
        }
    }

    #[test]
    fn packets_go_to_the_router_that_is_nearest_then_on_the_home_lan_then_lowest(topology in strategies::topologies()) {
        let routes = Graph::new(&topology).routes();
        for decky in topology.deckies() {
            for (lan, via) in preferred(&topology, decky) {
                let to = topology.lan(lan).map(|lan| lan.subnet().network()).expect("it is there");
                let found = lookup(&routes[&decky.id()], to).map(|route| route.via);
                prop_assert_eq!(found, Some(via), "{} to {}", decky.name(), to);
            }
        }
    }

    #[test]
    fn every_reached_decky_can_reply(topology in strategies::topologies()) {
        let graph = Graph::new(&topology);
        let (addresses, routes) = (Addresses::of(&topology), graph.routes());
        for one in topology.deckies() {
            for (other, edge) in topology.edges() {
                if send(&topology, &addresses, &routes, one, edge.ip).is_none() {
                    continue;
                }
                prop_assert!(graph.reaches(one.id(), other.id()) && graph.reaches(other.id(), one.id()));
                // It is sent from the address on the outgoing LAN.
                let leaving = lookup(&routes[&one.id()], edge.ip).map_or(edge.ip, |route| route.via);
                let on = one.attachments().iter().find(|own| topology.lan(own.lan).is_some_and(|lan| lan.subnet().contains(&leaving)));
                let source = on.expect("the outgoing LAN is one of the decky's").ip;
                prop_assert!(send(&topology, &addresses, &routes, other, source).is_some());
            }
        }
    }

    #[test]
    fn routes_cover_exactly_the_reached_lans_that_are_not_attached(topology in strategies::topologies()) {
        let graph = Graph::new(&topology);
        for (id, routes) in graph.routes() {
            let mut own = topology.decky(id).expect("decky").attachments().iter().map(|edge| edge.lan);
            let own: BTreeSet<LanId> = own.by_ref().collect();
            let others = graph.reach(id).into_iter().filter(|lan| !own.contains(lan));
            let size = |net: ipnet::Ipv4Net| 1_u64 << (32 - net.prefix_len());
            let declared: u64 = others.map(|lan| size(topology.lan(lan).expect("lan").subnet())).sum();
            prop_assert_eq!(routes.iter().map(|route| size(route.destination)).sum::<u64>(), declared);
            let ordered = routes.windows(2).all(|pair| pair[0].destination.broadcast() < pair[1].destination.network());
            prop_assert!(ordered);
            let joinable = routes.windows(2).any(|pair| {
                pair[0].via == pair[1].via && pair[0].destination.supernet() == pair[1].destination.supernet()
            });
            prop_assert!(!joinable, "{:?}", routes);
        }
    }

    #[test]
    fn the_routes_of_one_decky_equal_its_entry_in_all_routes(topology in strategies::topologies()) {
        let graph = Graph::new(&topology);
        for (id, routes) in graph.routes() {
            prop_assert_eq!(&*routes, graph.routes_of(id), "{}", id);
        }
    }

    #[test]
    fn removing_a_choke_point_disconnects_the_maze(topology in strategies::topologies()) {
        let graph = Graph::new(&topology);
        let chokes = graph.choke_points();
        for decky in topology.deckies() {
            let deckies = topology.deckies().iter().filter(|other| other.id() != decky.id()).cloned();
            let without = Topology::new(topology.lans().to_vec(), deckies.collect()).expect("topology");
            let falls = Graph::new(&without).components().len() > graph.components().len();
            prop_assert_eq!(chokes.deckies.contains(&decky.id()), falls, "{}", decky.name());
        }
        for lan in topology.lans() {
            prop_assert_eq!(chokes.lans.contains(&lan.id()), parts_without(&topology, lan.id()) > parts_without_bridges_of(&topology, lan.id()));
        }
    }

    #[test]
    fn every_lan_is_in_one_layer_or_an_orphan(topology in strategies::topologies()) {
        let graph = Graph::new(&topology);
        let mut seen: Vec<LanId> = graph.orphan_lans();
        for (depth, layer) in graph.layers().iter().enumerate() {
            prop_assert!(!layer.is_empty());
            prop_assert!(layer.iter().all(|lan| graph.depth(*lan) == Some(depth)));
            seen.extend(layer);
        }
        seen.sort();
        prop_assert_eq!(&seen, &topology.lans().iter().map(Lan::id).collect::<Vec<_>>());
        let with_dmz = graph.components().into_iter().find(|lans| lans.contains(&LanId::new(0))).expect("component");
        prop_assert_eq!(with_dmz.len() + graph.orphan_lans().len(), seen.len());
    }
}

/// Counts the parts into which the bridge deckies on a LAN are split if the LAN is removed.
fn parts_without(topology: &Topology, removed: LanId) -> usize {
    let bridges: Vec<&Decky> = topology.deckies().iter().filter(|decky| decky.is_bridge()).collect();
    let concerned = |decky: &&&Decky| decky.ip_on(removed).is_some();
    let mut left: BTreeSet<DeckyId> = bridges.iter().filter(concerned).map(|decky| decky.id()).collect();
    let mut parts = 0;
    while let Some(start) = left.pop_first() {
        parts += 1;
        let mut reached: BTreeSet<DeckyId> = BTreeSet::from([start]);
        loop {
            let lans: BTreeSet<LanId> = bridges
                .iter()
                .filter(|decky| reached.contains(&decky.id()))
                .flat_map(|decky| decky.attachments())
                .map(|edge| edge.lan)
                .filter(|lan| *lan != removed)
                .collect();
            let more = bridges
                .iter()
                .filter(|decky| decky.attachments().iter().any(|edge| lans.contains(&edge.lan)));
            let more: BTreeSet<DeckyId> = more.map(|decky| decky.id()).chain(reached.iter().copied()).collect();
            if more.len() == reached.len() {
                break;
            }
            reached = more;
        }
        left.retain(|decky| !reached.contains(decky));
    }
    parts
}

/// With the LAN, they are one part, if there are any.
fn parts_without_bridges_of(topology: &Topology, lan: LanId) -> usize {
    let mut on = topology
        .deckies()
        .iter()
        .filter(|decky| decky.is_bridge() && decky.ip_on(lan).is_some());
    usize::from(on.next().is_some())
}

/// Four LANs in a cycle of routers, and one decky on the first LAN.
fn ring() -> Topology {
    Topology::builder()
        .dmz("a", "10.0.0.0/24")
        .lan("b", "10.0.1.0/24")
        .lan("c", "10.0.2.0/24")
        .lan("d", "10.0.3.0/24")
        .decky("ab", |decky| decky.on("a", "10.0.0.9").on("b", "10.0.1.9").forwards())
        .decky("bc", |decky| decky.on("b", "10.0.1.8").on("c", "10.0.2.8").forwards())
        .decky("cd", |decky| decky.on("c", "10.0.2.7").on("d", "10.0.3.7").forwards())
        .decky("da", |decky| decky.on("d", "10.0.3.6").on("a", "10.0.0.6").forwards())
        .decky("host", |decky| decky.on("a", "10.0.0.2"))
        .decky("both", |decky| decky.on("b", "10.0.1.2").on("d", "10.0.3.2"))
        .build()
        .expect("topology")
}

fn routes_of(topology: &Topology, name: &str) -> Vec<String> {
    let decky = topology.decky_named(&name.parse().expect("name")).expect("decky");
    Graph::new(topology)
        .routes_of(decky.id())
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn packets_take_the_shortest_path_then_the_home_lan_then_the_lowest_address() {
    let ring = ring();
    let host = ["10.0.1.0/24 via 10.0.0.9", "10.0.2.0/23 via 10.0.0.6"];
    assert_eq!(
        routes_of(&ring, "host"),
        host,
        "both ways to c have the same length; the address decides"
    );
    assert_eq!(
        routes_of(&ring, "both"),
        ["10.0.0.0/24 via 10.0.1.9", "10.0.2.0/24 via 10.0.1.8"],
        "both LANs lead to a and c; its home is b"
    );
    assert_eq!(
        routes_of(&ring, "ab"),
        ["10.0.2.0/24 via 10.0.1.8", "10.0.3.0/24 via 10.0.0.6"]
    );
}

/// A chain of LANs whose subnets are out of order, with a shortcut from the first to the middle one, and a decky on each LAN.
fn chain(lans: u32) -> Topology {
    let at = |lan: u32, host: u32| Attachment {
        lan: LanId::new(lan),
        ip: ((10 << 24) + lan * 37 % lans * 256 + host).into(),
    };
    let name = |text: String| text.parse().expect("name");
    let lan = |id| {
        let subnet = format!("{}/24", at(id, 0).ip).parse().expect("subnet");
        Lan::new(LanId::new(id), name(format!("lan-{id}")), subnet, id == 0)
    };
    let router = |one: u32, other: u32| [at(one, 2), at(other, 3)];
    let routers = (1..lans).map(|lan| router(lan, lan - 1).to_vec());
    let hosts = (0..lans).map(|lan| vec![at(lan, 9)]);
    let all = routers.chain([router(0, lans / 2).to_vec()]).chain(hosts);
    let deckies = (0..).zip(all).map(|(id, attachments)| {
        Decky::new(DeckyId::new(id), name(format!("decky-{id}")))
            .forwarding(attachments.len() > 1)
            .with_attachments(attachments)
    });
    Topology::new((0..lans).map(lan).collect(), deckies.collect()).expect("topology")
}

#[test]
fn in_a_long_chain_with_a_cycle_the_routes_of_one_decky_equal_its_entry_in_all_routes() {
    let chain = chain(120);
    let graph = Graph::new(&chain);
    let routes = graph.routes();
    assert!(
        routes.values().any(|routes| routes.len() > 30),
        "subnets are out of order"
    );
    for (id, routes) in routes {
        assert_eq!(*routes, graph.routes_of(id), "{id}");
    }
}

#[test]
fn a_bridge_decky_that_does_not_forward_connects_the_maze_but_adds_no_routes() {
    let topology = Topology::builder()
        .dmz("dmz", "10.0.0.0/24")
        .lan("in", "10.0.1.0/24")
        .lan("far", "10.0.9.0/24")
        .decky("host", |decky| decky.on("dmz", "10.0.0.2"))
        .decky("wall", |decky| decky.on("dmz", "10.0.0.3").on("in", "10.0.1.2"))
        .decky("lost", |decky| decky)
        .build()
        .expect("topology");
    let graph = Graph::new(&topology);
    assert!(graph.routes().values().all(|routes| routes.is_empty()));
    assert_eq!(graph.zones().len(), 3);
    assert_eq!(graph.layers(), [[LanId::new(0)], [LanId::new(1)]]);
    assert_eq!(
        (graph.orphan_lans(), graph.orphan_deckies()),
        (vec![LanId::new(2)], vec![DeckyId::new(2)])
    );
    assert_eq!(graph.choke_points().deckies, [DeckyId::new(1)]);
    assert!(graph.choke_points().lans.is_empty());
    assert!(graph.reach(DeckyId::new(99)).is_empty() && graph.routes_of(DeckyId::new(99)).is_empty());
}

#[test]
fn the_graph_has_one_node_per_part_and_one_edge_per_attachment() {
    let ring = ring();
    let graph = Graph::new(&ring);
    let nodes: Vec<GraphNode> = graph.as_petgraph().node_weights().copied().collect();
    assert_eq!((nodes.len(), graph.as_petgraph().edge_count()), (10, 11));
    assert_eq!(
        (nodes[0], nodes[4]),
        (GraphNode::Lan(LanId::new(0)), GraphNode::Decky(DeckyId::new(0)))
    );
}

#[test]
fn a_large_generated_maze_is_routed_with_few_routes() {
    let config = TopologyConfig::builder("large", 5, 5)
        .deckies_per_lan(1, 2)
        .seed(3)
        .build()
        .expect("config");
    let topology = generate(&config, &Catalog::builtin(), &[]).expect("maze");
    assert!(topology.lans().len() > 300, "{}", topology.lans().len());
    let graph = Graph::new(&topology);
    assert_eq!(graph.zones().len(), 1);
    let routes = graph.routes();
    let most = routes.values().map(|routes| routes.len()).max().expect("routes");
    assert!(most < topology.lans().len() / 2, "{most} routes on one decky");
}

fn drawing() -> Topology {
    Topology::builder()
        .dmz("edge", "10.0.0.0/24")
        .lan("office", "10.0.1.0/24")
        .lan("vault", "10.0.2.0/24")
        .decky("gw", |decky| {
            decky
                .on("edge", "10.0.0.2")
                .services(["http", "a\"]<b>\\&#\n;"])
                .forwards()
        })
        .decky("router", |decky| {
            decky
                .on("office", "10.0.1.2")
                .on("edge", "10.0.0.3")
                .services(["ssh"])
                .forwards()
        })
        .decky("clerk", |decky| decky.on("office", "10.0.1.3").on("vault", "10.0.2.2"))
        .decky("safe", |decky| decky.on("vault", "10.0.2.3").services(["smb"]))
        .build()
        .expect("topology")
}

#[test]
fn a_maze_is_drawn_for_graphviz() {
    insta::assert_snapshot!(Graph::new(&drawing()).to_dot());
}

#[test]
fn a_maze_is_drawn_for_mermaid() {
    insta::assert_snapshot!(Graph::new(&drawing()).to_mermaid());
}

/// The office is on the west host, and its router brings the edge there too.
fn placed() -> (Topology, Placement) {
    let topology = drawing();
    let member = |name: &str, address: &str| {
        let (name, address) = (name.parse().expect("a name"), address.parse().expect("an address"));
        Member::new(name, 10, address, 1500).labelled("public".parse().expect("a label"))
    };
    let name = |text: &str| text.parse().expect("a name");
    let rules = PlacementRules::default().apart([name("edge"), name("office")]);
    let members = [member("east", "192.0.2.1"), member("west", "192.0.2.2")];
    let request = PlaceRequest::new(TopologyId::nil(), members).with_rules(rules);
    let placement = place(&topology, &request).expect("there is room");
    (topology, placement)
}

#[test]
fn a_maze_on_several_hosts_is_drawn_with_them_for_graphviz() {
    let (topology, placement) = placed();
    insta::assert_snapshot!(Graph::new(&topology).placed(&placement).to_dot());
}

#[test]
fn a_maze_on_several_hosts_is_drawn_with_them_for_mermaid() {
    let (topology, placement) = placed();
    insta::assert_snapshot!(Graph::new(&topology).placed(&placement).to_mermaid());
}

#[test]
fn a_maze_on_several_hosts_is_printed_with_them() {
    let (topology, placement) = placed();
    insta::assert_snapshot!(Graph::new(&topology).placed(&placement).to_text());
}

#[test]
fn the_shape_and_the_picture_of_a_maze_on_several_hosts_name_them() {
    let (topology, placement) = placed();
    let graph = Graph::new(&topology).placed(&placement);
    let shape = serde_json::to_value(graph.shape()).expect("JSON");
    let hosts = &shape["placement"];
    assert_ne!(hosts["lans"]["edge"], hosts["lans"]["office"], "{shape}");
    let members = &hosts["stretched"]["edge"]["members"];
    assert_eq!(members, &serde_json::json!(["east", "west"]), "{shape}");
    let without = serde_json::to_value(Graph::new(&topology).shape()).expect("JSON");
    assert_eq!(without.get("placement"), None);

    let picture = graph.to_svg();
    let lan = picture
        .lines()
        .find(|line| line.contains("data-lan=\"edge\""))
        .expect("a box");
    assert!(lan.contains(" data-host=\"") && lan.contains("stretched to "), "{lan}");
    let decky = picture
        .lines()
        .find(|line| line.contains("data-decky=\"clerk\""))
        .expect("a row");
    assert!(
        decky.contains(&format!(", on {}", hosts["deckies"]["clerk"].as_str().expect("a host"))),
        "{decky}"
    );
    assert!(!Graph::new(&topology).to_svg().contains("data-host"));
}
