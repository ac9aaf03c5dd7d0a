use std::net::Ipv4Addr;

use crate::{
    id::{DeckyId, LanId},
    model::{Attachment, Decky, Lan, Persona, Topology, TopologyError, workload::Workload},
    name::{Name, ServiceName},
    net::{self, SubnetError},
};

/// The first fault of a topology that is built in code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum BuildError {
    /// A text is not a subnet.
    #[error("the subnet of LAN `{lan}` is not valid")]
    #[strum(serialize = "malformed_subnet")]
    Subnet {
        /// The LAN.
        lan: String,
        /// The reason.
        source: SubnetError,
    },
    /// A text is not an address.
    #[error("`{text}` is not an IPv4 address (decky `{decky}`)")]
    #[strum(serialize = "malformed_address")]
    Address {
        /// The decky.
        decky: String,
        /// The text.
        text: String,
    },
    /// The topology is not well-formed.
    #[error(transparent)]
    Topology(#[from] TopologyError),
}

impl BuildError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Topology(error) => error.code(),
            error => error.into(),
        }
    }
}

impl Topology {
    /// Starts to build a topology in code.
    pub fn builder() -> TopologyBuilder {
        TopologyBuilder::default()
    }
}

/// Builds a topology in code; [`build`](Self::build) returns the first fault.
///
/// ```
/// use decnet_topology::Topology;
///
/// let topology = Topology::builder()
///     .dmz("dmz", "172.20.0.0/24")
///     .lan("office", "172.20.1.0/24")
///     .decky("web", |decky| decky.on("dmz", "172.20.0.10").on("office", "172.20.1.10").services(["http"]).forwards())
///     .build()?;
/// assert_eq!(topology.edges().count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct TopologyBuilder {
    lans: Vec<Lan>,
    deckies: Vec<Decky>,
    fault: Option<BuildError>,
}

impl TopologyBuilder {
    /// Adds the DMZ.
    #[must_use]
    pub fn dmz(self, name: &str, subnet: &str) -> Self {
        self.add_lan(name, subnet, true)
    }

    /// Adds a LAN that is not the DMZ.
    #[must_use]
    pub fn lan(self, name: &str, subnet: &str) -> Self {
        self.add_lan(name, subnet, false)
    }

    fn add_lan(mut self, name: &str, subnet: &str, is_dmz: bool) -> Self {
        let id = LanId::new(u32::try_from(self.lans.len()).unwrap_or(u32::MAX));
        let parsed = Name::new(name).map_err(|source| {
            let name = name.into();
            TopologyError::LanName { name, source }.into()
        });
        let lan = parsed.and_then(|parsed| {
            let subnet = net::parse_subnet(subnet).map_err(|source| BuildError::Subnet {
                lan: name.into(),
                source,
            })?;
            Ok(Lan::new(id, parsed, subnet, is_dmz))
        });
        match lan {
            Ok(lan) => self.lans.push(lan),
            Err(fault) => self.fault = self.fault.or(Some(fault)),
        }
        self
    }

    /// Adds a decky; the closure configures it. Add its LANs first.
    #[must_use]
    pub fn decky(mut self, name: &str, fill: impl FnOnce(DeckyBuilder<'_>) -> DeckyBuilder<'_>) -> Self {
        let id = DeckyId::new(u32::try_from(self.deckies.len()).unwrap_or(u32::MAX));
        let parsed = Name::new(name).map_err(|source| {
            let name = name.into();
            TopologyError::DeckyName { name, source }.into()
        });
        let decky = parsed.and_then(|name| {
            let filled = fill(DeckyBuilder {
                lans: &self.lans,
                decky: Decky::new(id, name),
                attachments: Vec::new(),
                fault: None,
            });
            match filled.fault {
                Some(fault) => Err(fault),
                None => Ok(filled.decky.with_attachments(filled.attachments)),
            }
        });
        match decky {
            Ok(decky) => self.deckies.push(decky),
            Err(fault) => self.fault = self.fault.or(Some(fault)),
        }
        self
    }

    /// Builds the topology, or returns the first fault.
    pub fn build(self) -> Result<Topology, BuildError> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(Topology::new(self.lans, self.deckies)?),
        }
    }
}

/// Builds one decky of a [`TopologyBuilder`].
#[derive(Debug)]
pub struct DeckyBuilder<'a> {
    lans: &'a [Lan],
    decky: Decky,
    attachments: Vec<Attachment>,
    fault: Option<BuildError>,
}

impl DeckyBuilder<'_> {
    /// Attaches it to a LAN; the first is its home.
    #[must_use]
    pub fn on(mut self, lan: &str, ip: &str) -> Self {
        let found = self
            .lans
            .iter()
            .find(|known| known.name().as_str().eq_ignore_ascii_case(lan));
        match (found, ip.parse::<Ipv4Addr>()) {
            (Some(found), Ok(ip)) => self.attachments.push(Attachment { lan: found.id(), ip }),
            (None, _) => {
                let fault = TopologyError::UnknownLan {
                    decky: self.decky.name().to_string(),
                    lan: lan.into(),
                };
                self.fault = self.fault.or(Some(fault.into()));
            }
            (_, Err(_)) => {
                let fault = BuildError::Address {
                    decky: self.decky.name().to_string(),
                    text: ip.into(),
                };
                self.fault = self.fault.or(Some(fault));
            }
        }
        self
    }

    /// Adds services.
    #[must_use]
    pub fn services<'s>(mut self, services: impl IntoIterator<Item = &'s str>) -> Self {
        Workload::change(self.decky.workload_mut(), |workload| {
            workload
                .services_mut()
                .extend(services.into_iter().map(ServiceName::new));
        });
        self
    }

    /// Sets one field of a service's configuration.
    #[must_use]
    pub fn config(mut self, service: &str, field: &str, value: impl Into<serde_json::Value>) -> Self {
        Workload::change(self.decky.workload_mut(), |workload| {
            let config = workload.service_config_mut();
            let fields = config.entry(ServiceName::new(service)).or_default();
            fields.insert(field.into(), value.into());
        });
        self
    }

    /// Sets what is pinned of its persona.
    #[must_use]
    pub fn persona(mut self, persona: Persona) -> Self {
        self.decky = self.decky.with_persona(Some(persona));
        self
    }

    /// Lets it forward packets.
    #[must_use]
    pub fn forwards(mut self) -> Self {
        self.decky = self.decky.forwarding(true);
        self
    }
}
