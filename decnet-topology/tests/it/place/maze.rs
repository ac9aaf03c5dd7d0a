use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use decnet_topology::{
    Attachment, Decky, DeckyId, GenericUuid, Lan, LanId, Member, Name, PlaceRequest, Placement, Topology,
    TopologyBuilder, TopologyId, Uuid, Vni,
};

pub(super) fn id(number: u128) -> TopologyId {
    TopologyId::from_untyped_uuid(Uuid::from_u128(number))
}

pub(super) fn lan(number: u32) -> LanId {
    LanId::new(number)
}

pub(super) fn vni(number: u32) -> Vni {
    Vni::new(number).expect("within the range")
}

pub(super) fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

pub(super) fn member(number: u8, capacity: u32) -> Member {
    Member::new(
        name(&format!("m{number}")),
        capacity,
        Ipv4Addr::new(192, 0, 2, number),
        1500,
    )
}

pub(super) fn public(number: u8, capacity: u32) -> Member {
    member(number, capacity).labelled(name("public"))
}

/// A DMZ with a gateway, and an office behind it with a desk.
pub(super) fn behind_a_gateway() -> TopologyBuilder {
    Topology::builder()
        .dmz("dmz", "10.0.0.0/24")
        .lan("office", "10.0.1.0/24")
        .decky("gate", |decky| {
            decky.on("dmz", "10.0.0.2").on("office", "10.0.1.2").forwards()
        })
        .decky("desk", |decky| decky.on("office", "10.0.1.3"))
}

/// A maze whose LANs are a tree: the parent of each LAN after the DMZ, and the number of deckies at home in each one. The first
/// decky of a LAN is also attached to the parent.
pub(super) fn tree(parents: &[usize], deckies: &[usize]) -> Topology {
    assert_eq!(parents.len() + 1, deckies.len());
    let base = |lan: usize| (10 << 24) + (u32::try_from(lan).expect("few") << 12);
    let lans: Vec<Lan> = (0..deckies.len())
        .map(|lan| {
            let subnet = format!("{}/20", Ipv4Addr::from(base(lan)));
            let subnet = subnet.parse().expect("a subnet");
            let number = u32::try_from(lan).expect("few");
            Lan::new(LanId::new(number), name(&format!("lan-{lan}")), subnet, lan == 0)
        })
        .collect();
    let mut next = vec![2; lans.len()];
    let mut attach = |lan: usize| {
        next[lan] += 1;
        Attachment {
            lan: lans[lan].id(),
            ip: (base(lan) + next[lan] - 1).into(),
        }
    };
    let mut made: Vec<Decky> = Vec::new();
    for (lan, &count) in deckies.iter().enumerate() {
        assert!(lan == 0 || count > 0, "the bridge is at home in the LAN");
        for number in 0..count {
            let id = u32::try_from(made.len()).expect("few");
            let home = attach(lan);
            let above = (lan > 0 && number == 0).then(|| attach(parents[lan - 1]));
            let decky = Decky::new(DeckyId::new(id), name(&format!("decky-{id}")));
            made.push(decky.with_attachments([home].into_iter().chain(above)));
        }
    }
    Topology::new(lans, made).expect("a maze")
}

/// Counts the LANs that are on another member than their parent.
pub(super) fn cuts(maze: &Topology, placement: &Placement) -> usize {
    let hosts = |attachment: &Attachment| &placement.lans[&attachment.lan];
    let deckies = maze.deckies().iter().map(Decky::attachments);
    deckies
        .filter(|attachments| attachments.iter().any(|other| hosts(other) != hosts(&attachments[0])))
        .count()
}

/// Checks what is true for every placement, and returns it.
pub(super) fn sound(maze: &Topology, request: &PlaceRequest, placement: Placement) -> Placement {
    let members: BTreeMap<&Name, &Member> = request.members.iter().map(|member| (&member.name, member)).collect();
    assert!(placement.lans.keys().copied().eq(maze.lans().iter().map(Lan::id)));
    assert!(
        placement
            .deckies
            .keys()
            .copied()
            .eq(maze.deckies().iter().map(Decky::id))
    );

    let mut load: BTreeMap<&Name, u32> = BTreeMap::new();
    let mut on: BTreeMap<LanId, BTreeSet<&Name>> = BTreeMap::new();
    for decky in maze.deckies() {
        let host = &placement.deckies[&decky.id()];
        *load.entry(host).or_default() += 1;
        if let Some(home) = decky.home() {
            assert_eq!(host, &placement.lans[&home.lan], "a decky follows its home");
        }
        if maze.is_gateway(decky) {
            assert!(members[host].has_label(Member::PUBLIC), "{host}");
        }
        for attachment in decky.attachments() {
            let on = on.entry(attachment.lan).or_default();
            on.extend([host, &placement.lans[&attachment.lan]]);
        }
    }
    for (host, deckies) in load {
        assert!(deckies <= members[host].capacity, "{host} has {deckies}");
    }
    let host = |lan: &Name| &placement.lans[&maze.lan_named(lan).expect("a LAN").id()];
    for pin in &request.rules.pins {
        assert!(members[host(&pin.lan)].labels.contains(&pin.label), "{pin:?}");
    }
    for group in &request.rules.apart {
        let hosts: BTreeSet<&Name> = group.iter().map(host).collect();
        assert_eq!(hosts.len(), group.len(), "{group:?}");
    }

    let spanning: Vec<LanId> = on.iter().filter(|(_, on)| on.len() > 1).map(|(lan, _)| *lan).collect();
    assert!(placement.stretched.keys().copied().eq(spanning));
    for (lan, stretched) in &placement.stretched {
        assert!(stretched.members.iter().eq(on[lan].iter().copied()));
        if let Some(mtu) = placement.mtu {
            assert!(stretched.members.iter().all(|member| members[member].mtu >= mtu + 50));
        }
        assert!(!request.used_vnis.contains(&stretched.vni));
    }
    let vnis: BTreeSet<Vni> = placement.vnis().collect();
    assert_eq!(vnis.len(), placement.stretched.len());
    placement
}
