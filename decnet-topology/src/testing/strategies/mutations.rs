use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;
use proptest::{collection, option, prelude::*, sample::select};

use crate::{
    model::{Coordinate, Lan, Persona, Position, ServiceConfig, Topology},
    mutation::{
        AddDecky, AddLan, AttachDecky, DeckyPatch, DetachDecky, LanPatch, Mutation, RemoveDecky, RemoveLan,
        UpdateDecky, UpdateLan,
    },
    name::{Name, ServiceName},
};

/// Generates mutations of a topology: most name existing parts and could be legal, others are not.
///
/// Every fifth named decky or LAN does not exist, a few addresses and services do not fit, and some mutations detach from homes.
pub fn mutations(topology: &Topology) -> BoxedStrategy<Mutation> {
    let lans = Names::new("l", topology.lans().iter().map(|lan| lan.name().clone()));
    let deckies = Names::new("d", topology.deckies().iter().map(|decky| decky.name().clone()));
    let memberships: Vec<(Name, Name)> = topology
        .edges()
        .filter_map(|(decky, at)| Some((decky.name().clone(), topology.lan(at.lan)?.name().clone())))
        .collect();
    let membership = if memberships.is_empty() {
        (deckies.some(), lans.some()).boxed()
    } else {
        prop_oneof![4 => select(memberships), 1 => (deckies.some(), lans.some())].boxed()
    };
    let ip = option::weighted(0.2, address(topology)).boxed();
    prop_oneof![
        2 => add_lan(&lans),
        2 => lans.some().prop_map(|name| RemoveLan::new(name).into()),
        4 => add_decky(&deckies, &lans, ip.clone()),
        4 => (deckies.some(), lans.some(), ip, any::<bool>(), any::<bool>()).prop_map(
            |(decky, lan, ip, forwards_l3, force)| AttachDecky { decky, lan, ip, forwards_l3, force }.into()
        ),
        2 => membership.prop_map(|(decky, lan)| DetachDecky::new(decky, lan).into()),
        1 => deckies.some().prop_map(|decky| RemoveDecky::new(decky).into()),
        4 => update_decky(&deckies),
        2 => update_lan(&lans),
    ]
    .boxed()
}

/// The existing names, and names for new parts.
struct Names {
    there: Vec<Name>,
    letter: &'static str,
}

impl Names {
    fn new(letter: &'static str, there: impl Iterator<Item = Name>) -> Self {
        Self {
            there: there.collect(),
            letter,
        }
    }

    /// Generates a name that likely does not exist.
    fn new_one(&self) -> BoxedStrategy<Name> {
        let letter = self.letter;
        (100_u32..1000)
            .prop_map(move |at| super::name(&format!("{letter}{at}")))
            .boxed()
    }

    /// Generates a name that likely exists.
    fn some(&self) -> BoxedStrategy<Name> {
        if self.there.is_empty() {
            return self.new_one();
        }
        prop_oneof![4 => select(self.there.clone()), 1 => self.new_one()].boxed()
    }

    /// Generates a name that is likely free.
    fn free(&self) -> BoxedStrategy<Name> {
        prop_oneof![9 => self.new_one(), 1 => self.some()].boxed()
    }
}

/// Generates addresses near those of the LANs: free, used, reserved or outside.
fn address(topology: &Topology) -> BoxedStrategy<Ipv4Addr> {
    let gateways: Vec<Ipv4Addr> = topology.lans().iter().map(Lan::gateway).collect();
    if gateways.is_empty() {
        return any::<u32>().prop_map(Ipv4Addr::from_bits).boxed();
    }
    (select(gateways), 0_u32..40)
        .prop_map(|(gateway, past)| Ipv4Addr::from_bits(gateway.to_bits().saturating_add(past)))
        .boxed()
}

fn subnet() -> impl Strategy<Value = Ipv4Net> {
    (0_u8..32, 22_u8..=28).prop_map(|(third, prefix)| Ipv4Net::new_assert([192, 168, third, 0].into(), prefix).trunc())
}

fn services() -> impl Strategy<Value = BTreeSet<ServiceName>> {
    let known = vec!["ssh", "http", "https", "smb", "rdp", "ftp", "mysql", "redis"];
    let service = prop_oneof![30 => select(known), 1 => Just("warp"), 1 => Just("conpot")];
    collection::btree_set(service.prop_map(ServiceName::new), 0..4)
}

fn service_config() -> impl Strategy<Value = ServiceConfig> {
    let fields = collection::btree_map("[a-z]{1,8}", any::<i32>().prop_map(Into::into), 0..3);
    let service = select(&["ssh", "http", "smb"][..]).prop_map(ServiceName::new);
    collection::btree_map(service, fields, 0..2)
}

fn position() -> impl Strategy<Value = Position> {
    let coordinate = || option::of((-1000.0..1000.0_f64).prop_map(|number| Coordinate::new(number).expect("finite")));
    (coordinate(), coordinate()).prop_map(|(x, y)| Position { x, y })
}

fn archetype() -> impl Strategy<Value = String> {
    select(&["deaddeck", "toaster", "printer", "windows-server", "network-switch"][..]).prop_map(Into::into)
}

/// Generates personas: most are valid for a decky with `ssh`.
fn persona() -> impl Strategy<Value = Box<Persona>> {
    let os = prop_oneof![9 => select(Persona::SYSTEMS), 1 => Just("beos")];
    let version = option::weighted(0.3, select(&["OpenSSH_8.4", ""][..]));
    (os, option::of("[a-z]{1,8}"), version).prop_map(|(os, hostname, version)| {
        let mut persona = Persona::default().os(os);
        persona.hostname = hostname;
        if let Some(version) = version {
            persona = persona.version("ssh", version);
        }
        Box::new(persona)
    })
}

fn add_lan(lans: &Names) -> impl Strategy<Value = Mutation> + use<> {
    (lans.free(), option::of(subnet()), prop::bool::weighted(0.1), position()).prop_map(
        |(name, subnet, is_dmz, position)| {
            let add = AddLan::new(name).at(position);
            AddLan { subnet, is_dmz, ..add }.into()
        },
    )
}

fn add_decky(
    deckies: &Names,
    lans: &Names,
    ip: BoxedStrategy<Option<Ipv4Addr>>,
) -> impl Strategy<Value = Mutation> + use<> {
    let config = option::weighted(0.2, service_config());
    let persona = option::weighted(0.2, persona());
    let what = (
        option::of(services()),
        config,
        option::of(archetype()),
        persona,
        any::<bool>(),
    );
    (deckies.free(), lans.some(), what, ip, position()).prop_map(|(name, lan, what, ip, position)| {
        let (services, service_config, archetype, persona, forwards_l3) = what;
        AddDecky {
            services,
            service_config,
            archetype,
            persona,
            forwards_l3,
            ip,
            ..AddDecky::new(name, lan).at(position)
        }
        .into()
    })
}

fn update_decky(deckies: &Names) -> impl Strategy<Value = Mutation> + use<> {
    let patch = (
        option::weighted(0.2, service_config()),
        option::of(option::of(archetype())),
        option::weighted(0.2, option::of(persona())),
        option::of(any::<bool>()),
    );
    let patch = patch.prop_map(|(service_config, archetype, persona, forwards_l3)| DeckyPatch {
        service_config,
        archetype,
        persona,
        forwards_l3,
    });
    (deckies.some(), patch, option::of(services()), position(), any::<bool>()).prop_map(
        |(decky, patch, services, position, force)| {
            UpdateDecky {
                patch,
                services,
                force,
                ..UpdateDecky::new(decky).at(position)
            }
            .into()
        },
    )
}

fn update_lan(lans: &Names) -> impl Strategy<Value = Mutation> + use<> {
    let patch = (
        option::of(lans.free()),
        option::weighted(0.3, option::of(subnet())),
        option::weighted(0.2, any::<bool>()),
    );
    let patch = prop_oneof![
        Just(LanPatch::default()),
        patch.prop_map(|(name, subnet, is_dmz)| LanPatch { name, subnet, is_dmz }),
    ];
    (lans.some(), patch, position()).prop_map(|(name, patch, position)| {
        let update = UpdateLan::new(name).at(position);
        UpdateLan { patch, ..update }.into()
    })
}
