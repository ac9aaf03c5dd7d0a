//! How far an intruder is, and what is lost with each decky, compared with a search by brute force.

use std::collections::BTreeSet;

use decnet_topology::{Attachment, Code, Decky, DeckyId, Graph, Lan, LanId, Target, Topology, testing::strategies};
use proptest::prelude::*;

/// Computes by brute force the LANs that an intruder reaches after taking over some deckies.
fn reached_with(topology: &Topology, taken: &BTreeSet<DeckyId>) -> BTreeSet<LanId> {
    let mut reached: BTreeSet<LanId> = topology.lans().iter().filter(|lan| lan.is_dmz()).map(Lan::id).collect();
    loop {
        let open = topology
            .deckies()
            .iter()
            .filter(|decky| decky.is_router() || taken.contains(&decky.id()))
            .filter(|decky| decky.attachments().iter().any(|edge| reached.contains(&edge.lan)));
        let more: BTreeSet<LanId> = open.flat_map(Decky::attachments).map(|edge| edge.lan).collect();
        let before = reached.len();
        reached.extend(more);
        if reached.len() == before {
            return reached;
        }
    }
}

/// Computes by brute force the fewest compromises for each LAN: each round takes over every decky that is reached.
fn rounds(topology: &Topology) -> Vec<BTreeSet<LanId>> {
    let mut taken = BTreeSet::new();
    let mut rounds = vec![reached_with(topology, &taken)];
    loop {
        let last = rounds.last().expect("the first");
        let near = topology
            .deckies()
            .iter()
            .filter(|decky| decky.attachments().iter().any(|edge| last.contains(&edge.lan)));
        taken.extend(near.map(Decky::id));
        let next = reached_with_one_round(topology, last, &taken);
        if next.len() == last.len() {
            return rounds;
        }
        rounds.push(next);
    }
}

/// From the reached LANs, crosses each taken decky once, then any number of routers.
fn reached_with_one_round(
    topology: &Topology,
    reached: &BTreeSet<LanId>,
    taken: &BTreeSet<DeckyId>,
) -> BTreeSet<LanId> {
    let crossed = topology.deckies().iter().filter(|decky| taken.contains(&decky.id()));
    let mut next: BTreeSet<LanId> = crossed.flat_map(Decky::attachments).map(|edge| edge.lan).collect();
    next.extend(reached);
    loop {
        let routers = topology.deckies().iter().filter(|decky| decky.is_router());
        let open = routers.filter(|decky| decky.attachments().iter().any(|edge| next.contains(&edge.lan)));
        let more: BTreeSet<LanId> = open.flat_map(Decky::attachments).map(|edge| edge.lan).collect();
        let before = next.len();
        next.extend(more);
        if next.len() == before {
            return next;
        }
    }
}

/// Returns the LANs and deckies that bridge deckies connect to the DMZ.
fn connected(topology: &Topology) -> (BTreeSet<LanId>, BTreeSet<DeckyId>) {
    let everyone = topology.deckies().iter().map(Decky::id).collect();
    let lans = reached_with(topology, &everyone);
    let on = |decky: &&Decky| decky.attachments().iter().any(|edge| lans.contains(&edge.lan));
    let deckies = topology.deckies().iter().filter(on).map(Decky::id).collect();
    (lans, deckies)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_fewer_compromises_reach_a_lan(topology in strategies::topologies()) {
        let analysis = Graph::new(&topology).analysis();
        let rounds = rounds(&topology);
        for lan in topology.lans() {
            let fewest = rounds.iter().position(|round| round.contains(&lan.id()));
            prop_assert_eq!(analysis.compromises(lan.id()), fewest, "{}", lan.name());
        }
        let routed: BTreeSet<LanId> = analysis.routed_lans().into_iter().collect();
        prop_assert_eq!(&routed, &rounds[0]);
        for decky in topology.deckies() {
            let of_lans = decky.attachments().iter().filter_map(|edge| analysis.compromises(edge.lan));
            prop_assert_eq!(analysis.compromises_before(decky.id()), of_lans.min());
        }
    }

    #[test]
    fn a_path_leads_from_the_dmz_to_the_lan_and_has_as_many_compromises_as_it_says(topology in strategies::topologies()) {
        let analysis = Graph::new(&topology).analysis();
        for lan in topology.lans() {
            let Some(path) = analysis.path(lan.id()) else {
                prop_assert_eq!(analysis.compromises(lan.id()), None);
                continue;
            };
            let mut at = topology.dmz().expect("a DMZ").id();
            for crossing in &path {
                let decky = topology.decky(crossing.decky).expect("a decky");
                prop_assert!(decky.ip_on(at).is_some() && decky.ip_on(crossing.lan).is_some());
                prop_assert_eq!(crossing.is_compromise, !decky.is_router());
                at = crossing.lan;
            }
            prop_assert_eq!(at, lan.id());
            let taken = path.iter().filter(|crossing| crossing.is_compromise).count();
            prop_assert_eq!(Some(taken), analysis.compromises(lan.id()));
        }
    }

    #[test]
    fn what_is_lost_with_a_decky_is_what_the_maze_without_it_does_not_reach(topology in strategies::topologies()) {
        let analysis = Graph::new(&topology).analysis();
        let (lans, deckies) = connected(&topology);
        let report = analysis.report();
        for (decky, row) in topology.deckies().iter().zip(&report.deckies) {
            let others = topology.deckies().iter().filter(|other| other.id() != decky.id()).cloned();
            let without = Topology::new(topology.lans().to_vec(), others.collect()).expect("topology");
            let (lans_left, deckies_left) = connected(&without);
            let loss = analysis.loss(decky.id());
            prop_assert_eq!(&loss.lans, &lans.difference(&lans_left).copied().collect::<Vec<_>>());
            let lost = deckies.difference(&deckies_left).copied().filter(|other| *other != decky.id());
            prop_assert_eq!(&loss.deckies, &lost.collect::<Vec<_>>());
            prop_assert_eq!((row.loss.lans, row.loss.deckies), (loss.lans.len(), loss.deckies.len()));
        }
    }

    #[test]
    fn the_report_has_each_lan_and_decky_in_order_and_its_links_lead_to_the_dmz(topology in strategies::topologies()) {
        let graph = Graph::new(&topology);
        let (analysis, layers) = (graph.analysis(), graph.layers());
        prop_assert_eq!(analysis.depth() + 1, layers.len());
        prop_assert_eq!(Some(analysis.width()), layers.iter().map(Vec::len).max());
        let report = analysis.report();
        for (lan, row) in topology.lans().iter().zip(&report.lans) {
            prop_assert_eq!((row.lan, row.depth), (lan.name(), graph.depth(lan.id())));
            prop_assert_eq!(row.compromises, analysis.compromises(lan.id()));
            let (mut at, mut length) = (row, 0);
            while let Some(from) = at.from {
                prop_assert!(at.through.is_some());
                at = report.lans.iter().find(|row| row.lan == from).expect("a LAN");
                length += 1;
            }
            prop_assert_eq!(length, analysis.path(lan.id()).map_or(0, |path| path.len()));
        }
        prop_assert!(topology.deckies().iter().map(Decky::name).eq(report.deckies.iter().map(|row| row.decky)));
    }
}

/// A chain of LANs. Bridge deckies with an even number forward.
fn chain(lans: u32) -> Topology {
    let at = |lan: u32, host: u32| Attachment {
        lan: LanId::new(lan),
        ip: ((10 << 24) + lan * 256 + host).into(),
    };
    let name = |text: String| text.parse().expect("name");
    let lan = |id| {
        let subnet = format!("{}/24", at(id, 0).ip).parse().expect("subnet");
        Lan::new(LanId::new(id), name(format!("lan-{id}")), subnet, id == 0)
    };
    let bridge = |id: u32| {
        Decky::new(DeckyId::new(id), name(format!("d{id}")))
            .forwarding(id.is_multiple_of(2))
            .with_attachments([at(id, 2), at(id + 1, 3)])
    };
    Topology::new((0..lans).map(lan).collect(), (0..lans - 1).map(bridge).collect()).expect("topology")
}

#[test]
fn a_chain_of_4000_lans_has_one_loss_for_each_decky_and_a_short_text_for_its_path() {
    let chain = chain(4000);
    let analysis = Graph::new(&chain).analysis();
    let last = chain.lans()[3999].id();
    assert_eq!((analysis.depth(), analysis.width()), (3999, 1));
    assert_eq!(analysis.compromises(last), Some(1999), "every second decky forwards");
    assert_eq!(
        analysis.path_text(last).expect("a path"),
        "d0 (forwards), d1 (taken over), d2 (forwards), 3993 more, d3996 (forwards), d3997 (taken over), d3998 (forwards)"
    );
    let report = analysis.report();
    assert!((1..4000).rev().eq(report.deckies.iter().map(|row| row.loss.lans)));
}

#[test]
fn without_a_dmz_nothing_is_reached_and_nothing_is_lost() {
    let chain = chain(3);
    let lans = chain.lans().iter().map(|lan| {
        let number = lan.id().ordinal();
        Lan::new(LanId::new(number), lan.name().clone(), lan.subnet(), false)
    });
    let cut = Topology::new(lans.collect(), chain.deckies().to_vec()).expect("topology");
    let analysis = Graph::new(&cut).analysis();
    assert_eq!((analysis.depth(), analysis.width()), (0, 0));
    assert!(analysis.routed_lans().is_empty());
    for lan in cut.lans() {
        assert_eq!((analysis.compromises(lan.id()), analysis.path(lan.id())), (None, None));
        assert_eq!(analysis.shallower_than(lan.id(), 9), None);
    }
    assert_eq!(analysis.loss(cut.deckies()[0].id()), analysis.loss(DeckyId::new(77)));
    assert_eq!(analysis.compromises(LanId::new(77)), None);
    assert_eq!(Graph::new(&Topology::default()).analysis().report().lans.len(), 0);
}

#[test]
fn a_lan_with_fewer_compromises_than_intended_is_a_finding_with_the_path() {
    let chain = chain(3);
    let analysis = Graph::new(&chain).analysis();
    let [dmz, one, two] = [0, 1, 2].map(|at| chain.lans()[at].id());
    assert_eq!(analysis.shallower_than(two, 1), None);
    assert_eq!(analysis.shallower_than(one, 0), None);
    let finding = analysis.shallower_than(two, 2).expect("too shallow");
    assert_eq!(finding.code, Code::MazeShallow);
    assert_eq!(finding.target, Target::Lan { lan: "lan-2".into() });
    assert_eq!(
        finding.to_string(),
        "error MAZE_SHALLOW: LAN `lan-2` takes 1 compromise from the DMZ, fewer than the intended 2 (path: d0 (forwards), d1 \
         (taken over); turn off `forwards_l3` of a router on the path, or detach a decky on it from one of its LANs)"
    );
    let message = analysis.shallower_than(dmz, 1).expect("too shallow").message;
    assert!(
        message.contains("intruders start there: name an inner LAN"),
        "{message}"
    );
}
