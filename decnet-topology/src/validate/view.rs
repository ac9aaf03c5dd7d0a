use std::{net::Ipv4Addr, ops::Range};

use ipnet::Ipv4Net;

use crate::{
    catalog::{Catalog, Service},
    finding::Finding,
    model::{Draft, ServiceConfig, Topology},
    name::ServiceName,
    validate::ValidTopology,
};

/// What the rules look at: a [`Draft`] or a [`Topology`], borrowed.
///
/// Services and attachments of all deckies stand in one list each: of a large maze, the rules then walk memory in its order.
#[derive(Debug)]
pub struct View<'a> {
    pub(super) lans: Vec<LanView<'a>>,
    pub(super) deckies: Vec<DeckyView<'a>>,
    /// Copied, which for their short names costs less than finding them in memory once more for every rule.
    services: Vec<ServiceName>,
    attachments: Vec<AttachmentView>,
    /// What was found when the document was read.
    pub(super) read: &'a [Finding],
    /// Whether names and attachments are known to be well-formed.
    pub(super) well_formed: bool,
}

#[derive(Debug)]
pub(super) struct LanView<'a> {
    pub(super) name: &'a str,
    pub(super) subnet: Option<Ipv4Net>,
    pub(super) is_dmz: bool,
}

#[derive(Debug)]
pub(super) struct DeckyView<'a> {
    pub(super) name: &'a str,
    /// None if nothing is configured.
    pub(super) config: Option<&'a ServiceConfig>,
    pub(super) archetype: Option<&'a str>,
    pub(super) forwards_l3: bool,
    services: Range<usize>,
    attachments: Range<usize>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct AttachmentView {
    /// The place of the LAN in [`View::lans`]; of a draft made by hand, it may point nowhere.
    pub(super) lan: usize,
    pub(super) ip: Option<Ipv4Addr>,
}

impl<'a> View<'a> {
    fn with_lans(lans: impl Iterator<Item = LanView<'a>>, well_formed: bool) -> Self {
        Self {
            lans: lans.collect(),
            deckies: Vec::new(),
            services: Vec::new(),
            attachments: Vec::new(),
            read: &[],
            well_formed,
        }
    }

    /// Adds a decky; of a service that stands there twice, one counts.
    fn add(
        &mut self,
        (name, config, archetype, forwards_l3): (&'a str, &'a ServiceConfig, Option<&'a str>, bool),
        services: impl Iterator<Item = &'a ServiceName>,
        attachments: impl Iterator<Item = AttachmentView>,
    ) {
        let first_service = self.services.len();
        self.services.extend(services.cloned());
        let own = &mut self.services[first_service..];
        // Of a topology they are a set; looking at them again is what costs most in a large one.
        if !self.well_formed && !own.is_sorted_by(|one, other| one < other) {
            own.sort_unstable();
            let mut distinct = self.services.split_off(first_service);
            distinct.dedup();
            self.services.append(&mut distinct);
        }
        let first_attachment = self.attachments.len();
        self.attachments.extend(attachments);
        self.deckies.push(DeckyView {
            name,
            config: Some(config).filter(|config| !config.is_empty()),
            archetype,
            forwards_l3,
            services: first_service..self.services.len(),
            attachments: first_attachment..self.attachments.len(),
        });
    }

    /// Returns the services of a decky, in order, each once.
    pub(super) fn services(&self, decky: &DeckyView<'a>) -> &[ServiceName] {
        &self.services[decky.services.clone()]
    }

    /// Looks every service up, once for all rules.
    pub(super) fn look_up<'c>(&self, catalog: &'c Catalog) -> Known<'c> {
        let look_up = |name: &ServiceName| catalog.service(name.as_str());
        Known(self.services.iter().map(look_up).collect())
    }

    /// Returns where a decky is attached, home first.
    pub(super) fn attached(&self, decky: &DeckyView<'a>) -> &[AttachmentView] {
        &self.attachments[decky.attachments.clone()]
    }

    /// Walks the attachments to LANs that are there.
    pub(super) fn attachments(&self) -> impl Iterator<Item = (&DeckyView<'a>, &LanView<'a>, AttachmentView)> {
        self.deckies.iter().flat_map(move |decky| {
            let known = move |at: &AttachmentView| self.lans.get(at.lan).map(|lan| (decky, lan, *at));
            self.attached(decky).iter().filter_map(known)
        })
    }

    /// Returns the place of the DMZ; of several, the first.
    pub(super) fn dmz(&self) -> Option<usize> {
        self.lans.iter().position(|lan| lan.is_dmz)
    }

    /// Walks the gateways: deckies that forward and have their home in a DMZ.
    pub(super) fn gateways(&self) -> impl Iterator<Item = &DeckyView<'a>> {
        self.deckies.iter().filter(|decky| {
            let home = || self.attached(decky).first().and_then(|home| self.lans.get(home.lan));
            decky.forwards_l3 && home().is_some_and(|home| home.is_dmz)
        })
    }

    /// Walks the LANs that have a subnet, with their places.
    pub(super) fn subnets(&self) -> impl Iterator<Item = (usize, Ipv4Net)> {
        let lans = self.lans.iter().enumerate();
        lans.filter_map(|(at, lan)| lan.subnet.map(|subnet| (at, subnet)))
    }
}

/// What the catalogue knows of the services of all deckies.
#[derive(Debug)]
pub(super) struct Known<'c>(Vec<Option<&'c Service>>);

impl<'c> Known<'c> {
    /// Returns what is known of each service of a decky, in the order of [`View::services`].
    pub(super) fn of(&self, decky: &DeckyView<'_>) -> &[Option<&'c Service>] {
        &self.0[decky.services.clone()]
    }

    /// Walks the services of a decky that it may run.
    pub(super) fn running(&self, decky: &DeckyView<'_>) -> impl Iterator<Item = &'c Service> {
        let known = self.of(decky).iter().copied().flatten();
        known.filter(|service| !service.singleton)
    }
}

impl<'a> From<&'a Draft> for View<'a> {
    fn from(draft: &'a Draft) -> Self {
        let mut view = Self::with_lans(
            draft.lans.iter().map(|lan| LanView {
                name: &lan.name,
                subnet: lan.subnet,
                is_dmz: lan.is_dmz,
            }),
            false,
        );
        for decky in &draft.deckies {
            let archetype = decky.archetype.as_deref();
            let attachments = decky.attachments.iter().map(|attachment| AttachmentView {
                lan: attachment.lan,
                ip: attachment.ip,
            });
            view.add(
                (&decky.name, &decky.service_config, archetype, decky.forwards_l3),
                decky.services.iter(),
                attachments,
            );
        }
        view.read = &draft.findings;
        view
    }
}

impl<'a> From<&'a Topology> for View<'a> {
    fn from(topology: &'a Topology) -> Self {
        let mut view = Self::with_lans(
            topology.lans().iter().map(|lan| LanView {
                name: lan.name().as_str(),
                subnet: Some(lan.subnet()),
                is_dmz: lan.is_dmz(),
            }),
            true,
        );
        for decky in topology.deckies() {
            let attachments = decky.attachments().iter().filter_map(|attachment| {
                topology.lan_index(attachment.lan).map(|lan| AttachmentView {
                    lan,
                    ip: Some(attachment.ip),
                })
            });
            view.add(
                (
                    decky.name().as_str(),
                    decky.service_config(),
                    decky.archetype(),
                    decky.forwards_l3(),
                ),
                decky.services().iter(),
                attachments,
            );
        }
        view
    }
}

impl<'a> From<&'a ValidTopology> for View<'a> {
    fn from(valid: &'a ValidTopology) -> Self {
        Self::from(valid.topology())
    }
}
