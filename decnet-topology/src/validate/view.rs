use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;

use crate::{
    catalog::{Catalog, Service},
    model::{Decky, Draft, DraftDecky, DraftLan, Lan, Persona, ServiceConfig, Topology},
    name::ServiceName,
    validate::{
        ValidTopology,
        fast::{CatalogCache, ServiceView},
    },
};

/// The input of the rules: a borrowed [`Draft`] or [`Topology`].
///
/// Nothing is copied. A large maze does not fit in a processor's caches, so the deckies are walked once, and every rule about
/// single deckies checks each one while it is in the cache.
#[derive(Debug, Clone, Copy)]
pub struct TopologyView<'a>(Maze<'a>);

#[derive(Debug, Clone, Copy)]
enum Maze<'a> {
    Draft(&'a Draft),
    Topology(&'a Topology),
}

/// A LAN of a draft or a topology.
#[derive(Debug, Clone, Copy)]
pub(super) enum LanView<'a> {
    Draft(&'a DraftLan),
    Topology(&'a Lan),
}

/// A decky of a draft or a topology, with its services and LANs looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeckyView<'v> {
    pub(super) name: &'v str,
    pub(super) config: &'v ServiceConfig,
    pub(super) archetype: Option<&'v str>,
    pub(super) persona: Option<&'v Persona>,
    pub(super) forwards_l3: bool,
    /// In order, each once.
    pub(super) services: &'v [ServiceView<'v>],
    /// Home first.
    pub(super) attachments: &'v [AttachmentView<'v>],
}

/// An attachment of a decky.
#[derive(Debug, Clone, Copy)]
pub(super) struct AttachmentView<'v> {
    /// The position of the LAN among [`TopologyView::lans`].
    pub(super) at: usize,
    /// The LAN; none if a draft built in code refers to no LAN.
    pub(super) lan: Option<LanView<'v>>,
    pub(super) ip: Option<Ipv4Addr>,
}

impl<'a> TopologyView<'a> {
    /// Returns the draft, which may not be well-formed; none for a topology.
    pub(super) fn draft(&self) -> Option<&'a Draft> {
        match self.0 {
            Maze::Draft(draft) => Some(draft),
            Maze::Topology(_) => None,
        }
    }

    /// Counts the LANs.
    pub(super) fn lan_count(&self) -> usize {
        match self.0 {
            Maze::Draft(draft) => draft.lans.len(),
            Maze::Topology(topology) => topology.lans().len(),
        }
    }

    /// Returns the LAN at a position.
    pub(super) fn lan(&self, at: usize) -> Option<LanView<'a>> {
        match self.0 {
            Maze::Draft(draft) => draft.lans.get(at).map(LanView::Draft),
            Maze::Topology(topology) => topology.lans().get(at).map(LanView::Topology),
        }
    }

    /// Walks the LANs.
    pub(super) fn lans(&self) -> impl Iterator<Item = LanView<'a>> {
        let view = *self;
        (0..self.lan_count()).filter_map(move |at| view.lan(at))
    }

    /// Walks the LANs with a subnet, with their positions.
    pub(super) fn subnets(&self) -> impl Iterator<Item = (usize, Ipv4Net)> {
        let lans = self.lans().enumerate();
        lans.filter_map(|(at, lan)| lan.subnet().map(|subnet| (at, subnet)))
    }

    /// Returns the DMZ with its position; if there are several, the first.
    pub(super) fn dmz(&self) -> Option<(usize, LanView<'a>)> {
        self.lans().enumerate().find(|(_, lan)| lan.is_dmz())
    }

    /// Walks the names of the deckies.
    pub(super) fn decky_names(&self) -> impl Iterator<Item = &'a str> {
        let view = *self;
        let count = match self.0 {
            Maze::Draft(draft) => draft.deckies.len(),
            Maze::Topology(topology) => topology.deckies().len(),
        };
        (0..count).map(move |at| match view.0 {
            Maze::Draft(draft) => draft.deckies[at].name.as_str(),
            Maze::Topology(topology) => topology.deckies()[at].name().as_str(),
        })
    }

    /// Lists the addresses of deckies: the position of the LAN, the address, the name of the decky.
    pub(super) fn addresses(&self) -> Vec<(usize, Ipv4Addr, &'a str)> {
        match self.0 {
            Maze::Draft(draft) => {
                let attachments = draft.deckies.iter().flat_map(|decky| {
                    let attachments = decky.attachments.iter();
                    attachments.map(|attachment| (attachment, decky.name.as_str()))
                });
                let addresses = attachments.filter_map(|(on, decky)| Some((on.lan, on.ip?, decky)));
                addresses.collect()
            }
            Maze::Topology(topology) => {
                let addresses = topology
                    .edges()
                    .filter_map(|(decky, on)| Some((topology.lan_index(on.lan)?, on.ip, decky.name().as_str())));
                addresses.collect()
            }
        }
    }

    /// Calls a function with each decky.
    pub(super) fn each_decky(&self, catalog: &Catalog, judge: &mut dyn FnMut(&DeckyView<'_>)) {
        let mut known = CatalogCache::new(catalog);
        let (mut services, mut attachments) = (Vec::new(), Vec::new());
        match self.0 {
            Maze::Draft(draft) => {
                for decky in &draft.deckies {
                    services.clear();
                    services.extend(decky.services_in(catalog).map(|name| known.look_up(name)));
                    services.sort_unstable_by_key(|service: &ServiceView<'_>| service.name);
                    services.dedup_by_key(|service| service.name);
                    attachments.clear();
                    attachments.extend(decky.attachments.iter().map(|attachment| AttachmentView {
                        at: attachment.lan,
                        lan: self.lan(attachment.lan),
                        ip: attachment.ip,
                    }));
                    judge(&DeckyView::of_draft(decky, &services, &attachments));
                }
            }
            Maze::Topology(topology) => {
                for decky in topology.deckies() {
                    services.clear();
                    list(decky.services(), &mut known, &mut services);
                    attachments.clear();
                    attachments.extend(decky.attachments().iter().filter_map(|attachment| {
                        let at = topology.lan_index(attachment.lan)?;
                        Some(AttachmentView {
                            at,
                            lan: self.lan(at),
                            ip: Some(attachment.ip),
                        })
                    }));
                    judge(&DeckyView::of_topology(decky, &services, &attachments));
                }
            }
        }
    }
}

fn list<'v>(names: &'v BTreeSet<ServiceName>, known: &mut CatalogCache<'v>, services: &mut Vec<ServiceView<'v>>) {
    // This is a loop, because `extend` would first ask the set for its size.
    for name in names {
        services.push(known.look_up(name));
    }
}

impl<'v> DeckyView<'v> {
    fn of_draft(decky: &'v DraftDecky, services: &'v [ServiceView<'v>], attachments: &'v [AttachmentView<'v>]) -> Self {
        Self {
            name: &decky.name,
            config: &decky.service_config,
            archetype: decky.archetype.as_deref(),
            persona: decky.persona.as_ref(),
            forwards_l3: decky.forwards_l3,
            services,
            attachments,
        }
    }

    fn of_topology(decky: &'v Decky, services: &'v [ServiceView<'v>], attachments: &'v [AttachmentView<'v>]) -> Self {
        Self {
            name: decky.name().as_str(),
            config: decky.service_config(),
            archetype: decky.archetype(),
            persona: decky.persona(),
            forwards_l3: decky.forwards_l3(),
            services,
            attachments,
        }
    }

    /// Walks the services that it may run.
    pub(super) fn running(&self) -> impl Iterator<Item = &'v Service> {
        let known = self.services.iter().filter_map(|service| service.known);
        known.filter(|service| !service.singleton)
    }

    /// Returns the catalogue entry of a service of the decky; none if the decky does not have it.
    pub(super) fn declared(&self, name: &ServiceName) -> Option<&'v ServiceView<'v>> {
        let at = self.services.binary_search_by_key(&name, |service| service.name);
        at.ok().map(|at| &self.services[at])
    }

    /// Walks its LANs, with its address on each.
    pub(super) fn lans(&self) -> impl Iterator<Item = (LanView<'v>, Option<Ipv4Addr>)> {
        let attachments = self.attachments.iter();
        attachments.filter_map(|attachment| Some((attachment.lan?, attachment.ip)))
    }

    /// Returns whether it is a gateway: it forwards and has its home in a DMZ.
    pub(super) fn is_gateway(&self) -> bool {
        let home = || self.attachments.first().and_then(|home| home.lan);
        self.forwards_l3 && home().is_some_and(LanView::is_dmz)
    }
}

impl<'a> LanView<'a> {
    pub(super) fn name(self) -> &'a str {
        match self {
            Self::Draft(lan) => &lan.name,
            Self::Topology(lan) => lan.name().as_str(),
        }
    }

    pub(super) fn subnet(self) -> Option<Ipv4Net> {
        match self {
            Self::Draft(lan) => lan.subnet,
            Self::Topology(lan) => Some(lan.subnet()),
        }
    }

    pub(super) fn is_dmz(self) -> bool {
        match self {
            Self::Draft(lan) => lan.is_dmz,
            Self::Topology(lan) => lan.is_dmz(),
        }
    }
}

impl<'a> From<&'a Draft> for TopologyView<'a> {
    fn from(draft: &'a Draft) -> Self {
        Self(Maze::Draft(draft))
    }
}

impl<'a> From<&'a Topology> for TopologyView<'a> {
    fn from(topology: &'a Topology) -> Self {
        Self(Maze::Topology(topology))
    }
}

impl<'a> From<&'a ValidTopology> for TopologyView<'a> {
    fn from(valid: &'a ValidTopology) -> Self {
        Self::from(valid.topology())
    }
}
