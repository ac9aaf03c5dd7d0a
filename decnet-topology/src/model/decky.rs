use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use serde_json::Value;

use crate::{
    id::{DeckyId, LanId},
    model::Position,
    name::{Name, ServiceName},
};

/// The fields that one service is configured with: any JSON value each.
pub type ServiceFields = BTreeMap<String, Value>;

/// Configuration by service.
pub type ServiceConfig = BTreeMap<ServiceName, ServiceFields>;

/// A decky's membership in a LAN, with its address there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attachment {
    /// The LAN.
    pub lan: LanId,
    /// The decky's address on it.
    pub ip: Ipv4Addr,
}

/// A decoy host: a base that owns the network namespace, and one container a service that shares it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decky {
    pub(super) id: DeckyId,
    pub(super) name: Name,
    pub(super) services: BTreeSet<ServiceName>,
    pub(super) service_config: ServiceConfig,
    pub(super) archetype: Option<String>,
    pub(super) forwards_l3: bool,
    pub(super) attachments: Vec<Attachment>,
    pub(super) position: Position,
}

impl Decky {
    /// Puts a decky together that runs nothing and is attached to nothing.
    pub fn new(id: DeckyId, name: Name) -> Self {
        Self {
            id,
            name,
            services: BTreeSet::new(),
            service_config: ServiceConfig::new(),
            archetype: None,
            forwards_l3: false,
            attachments: Vec::new(),
            position: Position::default(),
        }
    }

    /// Puts another decky together that runs what this one runs, and is attached to nothing.
    pub(crate) fn twin(&self, id: DeckyId, name: Name) -> Self {
        Self {
            services: self.services.clone(),
            service_config: self.service_config.clone(),
            archetype: self.archetype.clone(),
            ..Self::new(id, name)
        }
    }

    /// Sets the services.
    #[must_use]
    pub fn with_services(mut self, services: impl IntoIterator<Item = ServiceName>) -> Self {
        self.services = services.into_iter().collect();
        self
    }

    /// Sets the configuration of the services.
    #[must_use]
    pub fn with_service_config(mut self, config: ServiceConfig) -> Self {
        self.service_config = config;
        self
    }

    /// Sets the archetype.
    #[must_use]
    pub fn with_archetype(mut self, archetype: Option<String>) -> Self {
        self.archetype = archetype;
        self
    }

    /// Sets whether it forwards packets.
    #[must_use]
    pub fn forwarding(mut self, forwards_l3: bool) -> Self {
        self.forwards_l3 = forwards_l3;
        self
    }

    /// Sets where it is attached; the first is the home.
    #[must_use]
    pub fn with_attachments(mut self, attachments: impl IntoIterator<Item = Attachment>) -> Self {
        self.attachments = attachments.into_iter().collect();
        self
    }

    /// Sets the place on the canvas.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        self.position = position;
        self
    }

    /// Returns the id.
    pub fn id(&self) -> DeckyId {
        self.id
    }

    /// Returns the name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Returns the services that it runs, in order.
    pub fn services(&self) -> &BTreeSet<ServiceName> {
        &self.services
    }

    /// Returns the configuration of its services.
    pub fn service_config(&self) -> &ServiceConfig {
        &self.service_config
    }

    /// Returns the archetype, if one was given.
    pub fn archetype(&self) -> Option<&str> {
        self.archetype.as_deref()
    }

    /// Tells whether it forwards packets between its LANs.
    pub fn forwards_l3(&self) -> bool {
        self.forwards_l3
    }

    /// Returns where it is attached, home first.
    pub fn attachments(&self) -> &[Attachment] {
        &self.attachments
    }

    /// Returns the home: the first attachment.
    pub fn home(&self) -> Option<Attachment> {
        self.attachments.first().copied()
    }

    /// Returns the address on a LAN, if it is attached there.
    pub fn ip_on(&self, lan: LanId) -> Option<Ipv4Addr> {
        self.attachments
            .iter()
            .find(|attachment| attachment.lan == lan)
            .map(|attachment| attachment.ip)
    }

    /// Tells whether it is attached to two LANs or more.
    pub fn is_bridge(&self) -> bool {
        self.attachments.len() > 1
    }

    /// Tells whether an intruder can route through it: it forwards and is attached to two LANs or more.
    pub fn is_router(&self) -> bool {
        self.forwards_l3 && self.is_bridge()
    }

    /// Returns the place on the canvas.
    pub fn position(&self) -> Position {
        self.position
    }
}
