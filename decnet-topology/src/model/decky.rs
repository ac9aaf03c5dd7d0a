use std::{collections::BTreeSet, net::Ipv4Addr};

use smallvec::SmallVec;

use crate::{
    catalog::Catalog,
    id::{DeckyId, LanId},
    model::{
        Persona, Position, ServiceConfig,
        workload::{Shared, Workload, print_alike},
    },
    name::{Name, ServiceName},
};

/// A decky's membership in a LAN, with its address there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attachment {
    /// The LAN.
    pub lan: LanId,
    /// The decky's address on it.
    pub ip: Ipv4Addr,
}

/// A decoy host: a base that owns the network namespace, and one container per service.
///
/// Copies of a decky share its workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Decky {
    id: DeckyId,
    name: Name,
    workload: Shared,
    forwards_l3: bool,
    /// Home first. Most deckies have one or two.
    attachments: SmallVec<[Attachment; 2]>,
    position: Position,
}

impl Decky {
    /// Creates a decky without services and attachments.
    pub fn new(id: DeckyId, name: Name) -> Self {
        Self {
            id,
            name,
            workload: None,
            forwards_l3: false,
            attachments: SmallVec::new(),
            position: Position::default(),
        }
    }

    /// Creates another decky with the same workload and no attachments.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn twin(&self, id: DeckyId, name: Name) -> Self {
        Self {
            workload: self.workload.clone(),
            ..Self::new(id, name)
        }
    }

    /// Sets the services.
    #[must_use]
    pub fn with_services(mut self, services: impl IntoIterator<Item = ServiceName>) -> Self {
        Workload::change(&mut self.workload, |workload| {
            *workload.services_mut() = services.into_iter().collect();
        });
        self
    }

    /// Removes services, with their configuration and the versions that are pinned for them.
    #[must_use]
    pub fn without_services(self, gone: impl Fn(&ServiceName) -> bool) -> Self {
        let services: Vec<_> = self
            .services()
            .iter()
            .filter(|service| !gone(service))
            .cloned()
            .collect();
        let mut config = self.service_config().clone();
        config.retain(|service, _| !gone(service));
        let persona = self.persona().cloned().map(|mut persona| {
            persona.versions.retain(|service, _| !gone(service));
            persona
        });
        self.with_persona(persona)
            .with_services(services)
            .with_service_config(config)
    }

    /// Sets the configuration of the services.
    #[must_use]
    pub fn with_service_config(mut self, config: ServiceConfig) -> Self {
        if !print_alike(self.service_config(), &config) {
            Workload::change(&mut self.workload, |workload| *workload.service_config_mut() = config);
        }
        self
    }

    /// Sets the archetype.
    #[must_use]
    pub fn with_archetype(mut self, archetype: Option<String>) -> Self {
        if self.archetype() != archetype.as_deref() {
            Workload::change(&mut self.workload, |workload| workload.set_archetype(archetype));
        }
        self
    }

    /// Sets what is pinned of its persona; an empty persona pins nothing.
    #[must_use]
    pub fn with_persona(mut self, persona: Option<Persona>) -> Self {
        let persona = persona.filter(|persona| !persona.is_empty());
        if self.persona() != persona.as_ref() {
            Workload::change(&mut self.workload, |workload| workload.set_persona(persona));
        }
        self
    }

    /// Sets its workload.
    pub(crate) fn with_workload(mut self, workload: Shared) -> Self {
        self.workload = workload;
        self
    }

    /// Returns its workload, for changes.
    pub(super) fn workload_mut(&mut self) -> &mut Shared {
        &mut self.workload
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

    /// Removes it from a LAN.
    pub(super) fn detach(&mut self, lan: LanId) {
        self.attachments.retain(|attachment| attachment.lan != lan);
    }

    /// Sets the position on the canvas.
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
        Workload::of(&self.workload).services()
    }

    /// Returns the configuration of its services.
    pub fn service_config(&self) -> &ServiceConfig {
        Workload::of(&self.workload).service_config()
    }

    /// Returns the archetype, if one was given.
    pub fn archetype(&self) -> Option<&str> {
        Workload::of(&self.workload).archetype()
    }

    /// Returns the operating system that the decky pretends to run: the pinned one, or that of its archetype. It does not follow from
    /// the services, so that one more of them cannot turn a Linux host into a Windows host.
    pub fn system<'a>(&'a self, catalog: &'a Catalog) -> &'a str {
        let pinned = self.persona().and_then(|persona| persona.os.as_deref());
        pinned.unwrap_or_else(|| catalog.system_of(self.archetype()))
    }

    /// Returns what is pinned of its persona, if anything is.
    pub fn persona(&self) -> Option<&Persona> {
        Workload::of(&self.workload).persona()
    }

    /// Returns whether it forwards packets between its LANs.
    pub fn forwards_l3(&self) -> bool {
        self.forwards_l3
    }

    /// Returns where it is attached, home first.
    pub fn attachments(&self) -> &[Attachment] {
        &self.attachments
    }

    /// Returns the home: the first attachment.
    pub fn home(&self) -> Option<Attachment> {
        self.attachments().first().copied()
    }

    /// Returns the address on a LAN, if it is attached there.
    pub fn ip_on(&self, lan: LanId) -> Option<Ipv4Addr> {
        self.attachments()
            .iter()
            .find(|attachment| attachment.lan == lan)
            .map(|attachment| attachment.ip)
    }

    /// Returns whether it is attached to two LANs or more.
    pub fn is_bridge(&self) -> bool {
        self.attachments.len() > 1
    }

    /// Returns whether an intruder can route through it: it forwards and is attached to two LANs or more.
    pub fn is_router(&self) -> bool {
        self.forwards_l3 && self.is_bridge()
    }

    /// Returns the position on the canvas.
    pub fn position(&self) -> Position {
        self.position
    }
}
