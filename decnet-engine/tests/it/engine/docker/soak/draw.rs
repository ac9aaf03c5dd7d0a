//! Mutations, valid and invalid, and the way back.

use std::{collections::BTreeMap, net::Ipv4Addr};

use decnet_topology::{
    AddDecky, AddLan, AttachDecky, Decky, DeckyPatch, DetachDecky, Lan, LanPatch, Mutation, Name, Persona, Position,
    RandomStream, RemoveDecky, RemoveLan, ServiceConfig, Topology, UpdateDecky, UpdateLan,
};

/// Services whose images need not be pulled.
const SERVICES: [&str; 6] = ["dns", "ftp", "http", "https", "smb", "ssh"];
/// The maximum size of the maze.
const LANS: usize = 16;
const DECKIES: usize = 32;

/// Draws a mutation of a maze. About every third is refused: by name, by address, or because it requires force.
pub(super) fn draw(stream: &mut RandomStream, maze: &Topology) -> Mutation {
    let what = stream.below(20);
    let mut draw = Draw { stream, maze };
    match what {
        0 | 1 if maze.lans().len() < LANS => draw.add_lan(),
        0..4 => draw.remove_lan(),
        4..8 if maze.deckies().len() < DECKIES => draw.add_decky(),
        4..10 => RemoveDecky::new(draw.decky()).into(),
        10..13 => draw.attach(),
        13..15 => draw.detach(),
        15..19 => draw.update_decky(),
        _ => draw.update_lan(),
    }
}

struct Draw<'a> {
    stream: &'a mut RandomStream,
    maze: &'a Topology,
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

impl Draw<'_> {
    fn one_of<'t, T>(&mut self, all: &'t [T]) -> Option<&'t T> {
        all.get(self.stream.index(all.len()))
    }

    /// Draws a decky, rarely one that does not exist.
    fn decky(&mut self) -> Name {
        let there = !self.stream.chance(0.08);
        let decky = self.one_of(self.maze.deckies()).filter(|_| there);
        decky.map_or_else(|| name("nobody"), |decky| decky.name().clone())
    }

    /// Draws a LAN, rarely one that does not exist.
    fn lan(&mut self) -> Name {
        let there = !self.stream.chance(0.08);
        let lan = self.one_of(self.maze.lans()).filter(|_| there);
        lan.map_or_else(|| name("nowhere"), |lan| lan.name().clone())
    }

    /// Draws an address that is free, taken, the bridge's own or outside the subnet.
    fn ip(&mut self) -> Option<Ipv4Addr> {
        let gateway = self.one_of(self.maze.lans())?.gateway();
        let past = u32::try_from(self.stream.below(40)).expect("small");
        let wanted = self.stream.chance(0.2);
        wanted.then(|| Ipv4Addr::from_bits(gateway.to_bits() + past))
    }

    fn services(&mut self) -> Vec<&'static str> {
        let drawn = SERVICES.into_iter().filter(|_| self.stream.chance(0.3));
        drawn.collect()
    }

    fn config(&mut self) -> Option<ServiceConfig> {
        let banner = format!("banner {}", self.stream.below(1000));
        let config = self.stream.chance(0.2);
        let fields = BTreeMap::from([("banner".to_owned(), banner.into())]);
        config.then(|| ServiceConfig::from([("ssh".into(), fields)]))
    }

    fn archetype(&mut self) -> Option<String> {
        ["deaddeck", "windows-server", "toaster"]
            .get(self.stream.index(12))
            .map(ToString::to_string)
    }

    /// Draws a persona, whose hostname other deckies may have too.
    fn persona(&mut self) -> Option<Persona> {
        let os = Persona::SYSTEMS[self.stream.index(Persona::SYSTEMS.len())];
        let hostname = format!("host-{}", self.stream.below(60));
        let (pinned, named) = (self.stream.chance(0.2), self.stream.chance(0.5));
        let persona = Persona::default().os(os);
        pinned.then(|| if named { persona.hostname(&hostname) } else { persona })
    }

    fn position(&mut self) -> Position {
        let mut coordinate = || i32::try_from(self.stream.below(1000)).expect("small").into();
        Position {
            x: Some(coordinate()),
            y: Some(coordinate()),
        }
    }

    fn add_lan(&mut self) -> Mutation {
        let fresh = AddLan::new(name(&format!("lan-{}", 12 + self.stream.below(40)))).at(self.position());
        let third = self.stream.between(0, 60);
        let subnet = format!("10.206.{third}.0/{}", self.stream.between(23, 26)).parse::<ipnet::Ipv4Net>();
        let subnet = subnet.expect("a subnet").trunc();
        let chosen = self.stream.chance(0.5);
        AddLan {
            subnet: chosen.then_some(subnet),
            is_dmz: self.stream.chance(0.05),
            ..fresh
        }
        .into()
    }

    /// Removes a LAN, usually one that is not a home.
    fn remove_lan(&mut self) -> Mutation {
        let homes: Vec<_> = self
            .maze
            .deckies()
            .iter()
            .filter_map(Decky::home)
            .map(|home| home.lan)
            .collect();
        let empty: Vec<_> = self
            .maze
            .lans()
            .iter()
            .filter(|lan| !homes.contains(&lan.id()))
            .collect();
        let any = self.stream.chance(0.2);
        let lan = self.one_of(&empty).filter(|_| !any).map(|lan| lan.name().clone());
        RemoveLan::new(lan.unwrap_or_else(|| self.lan())).into()
    }

    fn add_decky(&mut self) -> Mutation {
        let fresh = name(&format!("decoy-{}", self.stream.below(60)));
        let fresh = AddDecky::new(fresh, self.lan())
            .services(self.services())
            .at(self.position());
        AddDecky {
            service_config: self.config(),
            archetype: self.archetype(),
            persona: self.persona().map(Box::new),
            forwards_l3: self.stream.chance(0.1),
            ip: self.ip(),
            ..fresh
        }
        .into()
    }

    fn attach(&mut self) -> Mutation {
        AttachDecky {
            ip: self.ip(),
            forwards_l3: self.stream.chance(0.4),
            force: self.stream.chance(0.5),
            ..AttachDecky::new(self.decky(), self.lan())
        }
        .into()
    }

    /// Removes a membership, usually not the home.
    fn detach(&mut self) -> Mutation {
        let guests = self.maze.deckies().iter().flat_map(|decky| {
            let guest = decky.attachments().iter().skip(1);
            guest.filter_map(|at| Some((decky.name().clone(), self.maze.lan(at.lan)?.name().clone())))
        });
        let guests: Vec<(Name, Name)> = guests.collect();
        let any = self.stream.chance(0.2);
        let guest = self.one_of(&guests).filter(|_| !any).cloned();
        let (decky, lan) = guest.unwrap_or_else(|| (self.decky(), self.lan()));
        DetachDecky::new(decky, lan).into()
    }

    fn update_decky(&mut self) -> Mutation {
        let update = UpdateDecky::new(self.decky()).at(self.position());
        let update = if self.stream.chance(0.6) {
            update.services(self.services())
        } else {
            update
        };
        let forwards_l3 = self.stream.chance(0.5);
        let patch = DeckyPatch {
            service_config: self.config(),
            archetype: self.archetype().map(Some),
            persona: self.persona().map(|persona| Some(Box::new(persona))),
            forwards_l3: self.stream.chance(0.3).then_some(forwards_l3),
        };
        UpdateDecky {
            patch,
            force: self.stream.chance(0.5),
            ..update
        }
        .into()
    }

    fn update_lan(&mut self) -> Mutation {
        let update = UpdateLan::new(self.lan()).at(self.position());
        let renamed = self.stream.chance(0.3);
        let patch = LanPatch {
            name: renamed.then(|| name("renamed")),
            ..LanPatch::default()
        };
        UpdateLan { patch, ..update }.into()
    }
}

/// The subnets of the LANs, whether they are the DMZ, and the deckies.
type MazeFacts<'t> = (
    BTreeMap<&'t Name, (ipnet::Ipv4Net, bool)>,
    BTreeMap<&'t Name, DeckyFacts<'t>>,
);

/// A decky, by names.
type DeckyFacts<'t> = (
    Vec<(&'t Name, Ipv4Addr)>,
    Vec<&'t str>,
    bool,
    Option<&'t str>,
    &'t ServiceConfig,
    Option<&'t Persona>,
);

fn decky_shape<'t>(maze: &'t Topology, decky: &'t Decky) -> DeckyFacts<'t> {
    let on = decky
        .attachments()
        .iter()
        .filter_map(|at| Some((maze.lan(at.lan)?.name(), at.ip)));
    let mut on: Vec<_> = on.collect();
    // The home is first.
    on[1..].sort_unstable();
    let services = decky.services().iter().map(AsRef::as_ref);
    (
        on,
        services.collect(),
        decky.forwards_l3(),
        decky.archetype(),
        decky.service_config(),
        decky.persona(),
    )
}

/// Returns the properties of a maze on Docker: its LANs and deckies by name, without ids and positions on the canvas.
pub(super) fn shape(maze: &Topology) -> MazeFacts<'_> {
    let lans = maze.lans().iter().map(|lan| (lan.name(), (lan.subnet(), lan.is_dmz())));
    let deckies = maze
        .deckies()
        .iter()
        .map(|decky| (decky.name(), decky_shape(maze, decky)));
    (lans.collect(), deckies.collect())
}

/// Returns the mutations from one maze to another with the same gateways, in order.
pub(super) fn way_back(from: &Topology, to: &Topology) -> Vec<Mutation> {
    let mut way: Vec<Mutation> = Vec::new();
    let same_lan = |lan: &Lan| {
        to.lan_named(lan.name())
            .is_some_and(|other| (other.subnet(), other.is_dmz()) == (lan.subnet(), lan.is_dmz()))
    };
    let home = |maze: &Topology, decky: &Decky| {
        let home = decky.home()?;
        Some((maze.lan(home.lan)?.name().clone(), home.ip))
    };
    let stays = |decky: &&Decky| {
        to.decky_named(decky.name())
            .is_some_and(|other| home(to, other) == home(from, decky))
    };
    let (staying, leaving): (Vec<&Decky>, Vec<&Decky>) = from.deckies().iter().partition(stays);
    let close = |decky: &Decky| -> Mutation {
        UpdateDecky {
            force: true,
            ..UpdateDecky::new(decky.name().clone()).forwarding(false)
        }
        .into()
    };
    for decky in leaving {
        if from.is_gateway(decky) {
            way.push(close(decky));
        }
        way.push(RemoveDecky::new(decky.name().clone()).into());
    }
    for decky in &staying {
        let other = to.decky_named(decky.name()).expect("it stays");
        if from.is_gateway(decky) && !to.is_gateway(other) {
            way.push(close(decky));
        }
        let (on, wanted) = (decky_shape(from, decky).0, decky_shape(to, other).0);
        let surplus = on.into_iter().filter(|at| !wanted.contains(at));
        way.extend(surplus.map(|(lan, _)| DetachDecky::new(decky.name().clone(), lan.clone()).into()));
    }
    let foreign = from.lans().iter().filter(|lan| !same_lan(lan));
    way.extend(foreign.map(|lan| RemoveLan::new(lan.name().clone()).into()));
    let missing = to
        .lans()
        .iter()
        .filter(|lan| !from.lan_named(lan.name()).is_some_and(same_lan));
    way.extend(missing.map(|lan| {
        let add = AddLan::new(lan.name().clone()).subnet(lan.subnet());
        AddLan {
            is_dmz: lan.is_dmz(),
            ..add
        }
        .into()
    }));
    for decky in to.deckies() {
        let there = staying.iter().find(|there| there.name() == decky.name());
        let on = there.map_or_else(Vec::new, |there| decky_shape(from, there).0);
        let wanted = decky_shape(to, decky).0;
        for (index, (lan, ip)) in wanted.into_iter().enumerate() {
            if on.contains(&(lan, ip)) {
                continue;
            }
            way.push(if index == 0 {
                AddDecky::new(decky.name().clone(), lan.clone()).ip(ip).into()
            } else {
                AttachDecky::new(decky.name().clone(), lan.clone())
                    .ip(ip)
                    .force()
                    .into()
            });
        }
        if there.is_some_and(|there| decky_shape(from, there) == decky_shape(to, decky)) {
            continue;
        }
        let update = UpdateDecky::new(decky.name().clone())
            .services(decky.services().iter().cloned())
            .service_config(decky.service_config().clone())
            .archetype(decky.archetype())
            .persona(decky.persona().cloned())
            .forwarding(decky.forwards_l3());
        way.push(update.force().into());
    }
    way
}
