use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::{
    catalog::Catalog,
    config::TopologyConfig,
    finding::Finding,
    id::TopologyId,
    model::{Persona, Position, ServiceConfig, Topology, TopologyRow},
    name::ServiceName,
    shuffle::Shuffles,
    status::Status,
    version::Version,
};

/// The fields of a document that describe the maze as a whole.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Header {
    /// The topology's name, as written.
    pub name: String,
    /// The id of the stored topology that was printed.
    pub id: Option<TopologyId>,
    /// Its status when it was printed.
    pub status: Option<Status>,
    /// Its version when it was printed.
    pub version: Option<Version>,
    /// The seed it was generated from.
    pub seed: Option<u64>,
    /// The config that it was generated from.
    pub config: Option<TopologyConfig>,
}

/// A maze as a file or an editor has it: names may be invalid or repeated, subnets and addresses may be missing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Draft {
    /// The fields about the maze as a whole.
    pub header: Header,
    /// The LANs, in the order written.
    pub lans: Vec<DraftLan>,
    /// The deckies, in the order written.
    pub deckies: Vec<DraftDecky>,
    /// How often deckies get other services.
    pub shuffles: Shuffles,
    /// The findings of the parser.
    pub findings: Vec<Finding>,
}

/// A LAN of a [`Draft`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DraftLan {
    /// The name, as written.
    pub name: String,
    /// The subnet; none if it is to be allocated or was unreadable.
    pub subnet: Option<Ipv4Net>,
    /// Whether outsiders may reach it.
    pub is_dmz: bool,
    /// The position on the canvas.
    pub position: Position,
}

/// A decky of a [`Draft`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DraftDecky {
    /// The name, as written.
    pub name: String,
    /// The services, as written; none if the key is absent. The decky then gets those of its archetype.
    pub services: Option<Vec<ServiceName>>,
    /// The configuration of the services.
    pub service_config: ServiceConfig,
    /// The archetype.
    pub archetype: Option<String>,
    /// What is pinned of its persona.
    pub persona: Option<Persona>,
    /// Whether it forwards packets.
    pub forwards_l3: bool,
    /// Where it is attached; the first is its home.
    pub attachments: Vec<DraftAttachment>,
    /// The position on the canvas.
    pub position: Position,
}

/// An attachment of a [`DraftDecky`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DraftAttachment {
    /// The position of the LAN in [`Draft::lans`].
    pub lan: usize,
    /// The address; none if it is to be allocated or was unreadable.
    pub ip: Option<Ipv4Addr>,
}

impl DraftDecky {
    /// Returns its services: those written, or without the key those of its archetype in a catalogue.
    pub(crate) fn services_in<'a>(&'a self, catalog: &'a Catalog) -> impl Iterator<Item = &'a ServiceName> {
        let usual = match self.services {
            Some(_) => None,
            None => catalog.usual_services(self.archetype.as_deref()),
        };
        self.services.iter().flatten().chain(usual.into_iter().flatten())
    }
}

impl Draft {
    /// Returns the draft of a generated topology, with its config.
    pub fn generated(topology: &Topology, config: &TopologyConfig) -> Self {
        let header = Header {
            name: config.name().to_string(),
            config: Some(config.clone()),
            ..Header::default()
        };
        Self {
            header,
            ..Self::from(topology)
        }
    }

    /// Returns the draft of a stored topology, with its id, status, version and shuffles.
    pub fn stored(row: &TopologyRow, topology: &Topology) -> Self {
        Self {
            header: Header::from(row),
            shuffles: row.settings.shuffles.clone(),
            ..Self::from(topology)
        }
    }
}

impl From<&TopologyRow> for Header {
    /// Returns the header of a stored topology.
    fn from(row: &TopologyRow) -> Self {
        Self {
            name: row.name.to_string(),
            id: Some(row.id),
            status: Some(row.status),
            version: Some(row.version),
            seed: None,
            config: row.config.clone(),
        }
    }
}

impl From<&Topology> for Draft {
    /// Returns the draft of a topology, with every subnet and address.
    fn from(topology: &Topology) -> Self {
        let lans = topology.lans().iter().map(|lan| DraftLan {
            name: lan.name().to_string(),
            subnet: Some(lan.subnet()),
            is_dmz: lan.is_dmz(),
            position: lan.position(),
        });
        let deckies = topology.deckies().iter().map(|decky| DraftDecky {
            name: decky.name().to_string(),
            // Without the key, a decky with an archetype would get the services of that.
            services: (decky.archetype().is_some() || !decky.services().is_empty())
                .then(|| decky.services().iter().cloned().collect()),
            service_config: decky.service_config().clone(),
            archetype: decky.archetype().map(Into::into),
            persona: decky.persona().cloned(),
            forwards_l3: decky.forwards_l3(),
            attachments: decky
                .attachments()
                .iter()
                .filter_map(|attachment| {
                    topology.lan_index(attachment.lan).map(|lan| DraftAttachment {
                        lan,
                        ip: Some(attachment.ip),
                    })
                })
                .collect(),
            position: decky.position(),
        });
        Self {
            header: Header::default(),
            lans: lans.collect(),
            deckies: deckies.collect(),
            shuffles: Shuffles::default(),
            findings: Vec::new(),
        }
    }
}
