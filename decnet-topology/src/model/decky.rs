use std::{collections::BTreeSet, fmt, net::Ipv4Addr, sync::Arc};

use crate::{
    id::{DeckyId, LanId},
    model::{
        Position, ServiceConfig,
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

/// How many attachments a decky stores inline.
const NEAR: usize = 2;

/// A decoy host: a base that owns the network namespace, and one container a service that shares it.
///
/// Mazes have many deckies. So the parts that most deckies share, and the parts that few deckies have, are stored elsewhere and
/// shared between copies.
#[derive(Clone)]
pub struct Decky {
    name: Name,
    workload: Shared,
    seldom: Option<Arc<Seldom>>,
    /// The attachments, if they fit inline.
    near: [Attachment; NEAR],
    id: DeckyId,
    /// How many attachments are in `near`.
    held: u8,
    forwards_l3: bool,
}

/// The parts that few deckies have.
struct Seldom {
    position: Position,
    /// All attachments, if they do not fit inline.
    attachments: Box<[Attachment]>,
}

impl Decky {
    /// Creates a decky without services and attachments.
    pub fn new(id: DeckyId, name: Name) -> Self {
        const NOWHERE: Attachment = Attachment {
            lan: LanId::new(0),
            ip: Ipv4Addr::UNSPECIFIED,
        };
        Self {
            name,
            workload: None,
            seldom: None,
            near: [NOWHERE; NEAR],
            id,
            held: 0,
            forwards_l3: false,
        }
    }

    /// Creates another decky with the same workload and no attachments.
    #[cfg(feature = "sqlite")]
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
        self.set_attachments(attachments);
        self
    }

    fn set_attachments(&mut self, attachments: impl IntoIterator<Item = Attachment>) {
        let mut attachments = attachments.into_iter();
        self.held = 0;
        for (place, attachment) in self.near.iter_mut().zip(attachments.by_ref()) {
            *place = attachment;
            self.held += 1;
        }
        let third = attachments.next();
        if third.is_some() || self.seldom.is_some() {
            let all = third.map(|third| self.near.into_iter().chain([third]).chain(attachments).collect());
            self.set_seldom(self.position(), all.unwrap_or_default());
        }
    }

    /// Removes it from a LAN.
    pub(super) fn detach(&mut self, lan: LanId) {
        if self.ip_on(lan).is_some() {
            let kept = self.attachments().iter().filter(|attachment| attachment.lan != lan);
            let kept: Vec<_> = kept.copied().collect();
            self.set_attachments(kept);
        }
    }

    /// Sets the position on the canvas.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        if position != self.position() {
            let attachments = self.seldom.as_ref().map(|seldom| seldom.attachments.clone());
            self.set_seldom(position, attachments.unwrap_or_default());
        }
        self
    }

    /// Sets the position, and the attachments if they do not fit inline.
    fn set_seldom(&mut self, position: Position, attachments: Box<[Attachment]>) {
        let is_any = position != Position::default() || !attachments.is_empty();
        self.seldom = is_any.then(|| Arc::new(Seldom { position, attachments }));
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

    /// Returns whether it forwards packets between its LANs.
    pub fn forwards_l3(&self) -> bool {
        self.forwards_l3
    }

    /// Returns where it is attached, home first.
    pub fn attachments(&self) -> &[Attachment] {
        match &self.seldom {
            Some(seldom) if !seldom.attachments.is_empty() => &seldom.attachments,
            _ => &self.near[..usize::from(self.held)],
        }
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
        self.held > 1
    }

    /// Returns whether an intruder can route through it: it forwards and is attached to two LANs or more.
    pub fn is_router(&self) -> bool {
        self.forwards_l3 && self.is_bridge()
    }

    /// Returns the position on the canvas.
    pub fn position(&self) -> Position {
        self.seldom
            .as_ref()
            .map_or_else(Position::default, |seldom| seldom.position)
    }
}

impl PartialEq for Decky {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
            && self.forwards_l3 == other.forwards_l3
            && self.attachments() == other.attachments()
            && self.name == other.name
            && self.workload == other.workload
            && self.position() == other.position()
    }
}

#[expect(
    clippy::missing_fields_in_debug,
    reason = "prints the contents of a decky, not their storage"
)]
impl fmt::Debug for Decky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decky")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("services", self.services())
            .field("service_config", self.service_config())
            .field("archetype", &self.archetype())
            .field("forwards_l3", &self.forwards_l3)
            .field("attachments", &self.attachments())
            .field("position", &self.position())
            .finish()
    }
}
