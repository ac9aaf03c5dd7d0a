use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::{
    finding::Finding,
    model::{Draft, ServiceConfig, Topology},
    name::ServiceName,
};

/// What the rules look at: a [`Draft`] or a [`Topology`], borrowed.
#[derive(Debug)]
pub struct View<'a> {
    pub(super) lans: Vec<LanView<'a>>,
    pub(super) deckies: Vec<DeckyView<'a>>,
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
    /// In order, each once.
    pub(super) services: Vec<&'a ServiceName>,
    pub(super) config: &'a ServiceConfig,
    pub(super) archetype: Option<&'a str>,
    pub(super) forwards_l3: bool,
    pub(super) attachments: Vec<AttachmentView>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct AttachmentView {
    /// The place of the LAN in [`View::lans`]; of a draft made by hand, it may point nowhere.
    pub(super) lan: usize,
    pub(super) ip: Option<Ipv4Addr>,
}

impl<'a> View<'a> {
    /// Walks the attachments to LANs that are there.
    pub(super) fn attachments(&self) -> impl Iterator<Item = (&DeckyView<'a>, &LanView<'a>, AttachmentView)> {
        self.deckies.iter().flat_map(move |decky| {
            let known =
                move |attachment: &AttachmentView| self.lans.get(attachment.lan).map(|lan| (decky, lan, *attachment));
            decky.attachments.iter().filter_map(known)
        })
    }

    /// Returns the place of the DMZ; of several, the first.
    pub(super) fn dmz(&self) -> Option<usize> {
        self.lans.iter().position(|lan| lan.is_dmz)
    }

    /// Walks the gateways: deckies that forward and have their home in a DMZ.
    pub(super) fn gateways(&self) -> impl Iterator<Item = &DeckyView<'a>> {
        self.deckies.iter().filter(|decky| {
            let home = decky.attachments.first().and_then(|home| self.lans.get(home.lan));
            decky.forwards_l3 && home.is_some_and(|home| home.is_dmz)
        })
    }

    /// Walks the LANs that have a subnet, with their places.
    pub(super) fn subnets(&self) -> impl Iterator<Item = (usize, Ipv4Net)> {
        let lans = self.lans.iter().enumerate();
        lans.filter_map(|(at, lan)| lan.subnet.map(|subnet| (at, subnet)))
    }
}

impl<'a> From<&'a Draft> for View<'a> {
    fn from(draft: &'a Draft) -> Self {
        let lans = draft.lans.iter().map(|lan| LanView {
            name: &lan.name,
            subnet: lan.subnet,
            is_dmz: lan.is_dmz,
        });
        let deckies = draft.deckies.iter().map(|decky| {
            let mut services: Vec<_> = decky.services.iter().collect();
            services.sort_unstable();
            services.dedup();
            let attachments = decky.attachments.iter();
            DeckyView {
                name: &decky.name,
                services,
                config: &decky.service_config,
                archetype: decky.archetype.as_deref(),
                forwards_l3: decky.forwards_l3,
                attachments: attachments
                    .map(|attachment| AttachmentView {
                        lan: attachment.lan,
                        ip: attachment.ip,
                    })
                    .collect(),
            }
        });
        Self {
            lans: lans.collect(),
            deckies: deckies.collect(),
            read: &draft.findings,
            well_formed: false,
        }
    }
}

impl<'a> From<&'a Topology> for View<'a> {
    fn from(topology: &'a Topology) -> Self {
        let lans = topology.lans().iter().map(|lan| LanView {
            name: lan.name().as_str(),
            subnet: Some(lan.subnet()),
            is_dmz: lan.is_dmz(),
        });
        let deckies = topology.deckies().iter().map(|decky| {
            let attachments = decky.attachments().iter().filter_map(|attachment| {
                topology.lan_index(attachment.lan).map(|lan| AttachmentView {
                    lan,
                    ip: Some(attachment.ip),
                })
            });
            DeckyView {
                name: decky.name().as_str(),
                services: decky.services().iter().collect(),
                config: decky.service_config(),
                archetype: decky.archetype(),
                forwards_l3: decky.forwards_l3(),
                attachments: attachments.collect(),
            }
        });
        Self {
            lans: lans.collect(),
            deckies: deckies.collect(),
            read: &[],
            well_formed: true,
        }
    }
}

impl<'a> From<&'a crate::validate::ValidTopology> for View<'a> {
    fn from(valid: &'a crate::validate::ValidTopology) -> Self {
        Self::from(valid.topology())
    }
}
