use std::{fmt, net::Ipv4Addr, sync::Arc};

use ipnet::Ipv4Net;

use crate::{id::LanId, model::Position, name::Name, net};

/// One L2 segment with one IPv4 subnet; on Docker, one bridge network.
#[derive(Clone, PartialEq)]
pub struct Lan {
    id: LanId,
    name: Name,
    subnet: Ipv4Net,
    is_dmz: bool,
    /// None for the default, which most LANs have.
    position: Option<Arc<Position>>,
}

impl Lan {
    /// Creates a LAN. Host bits of the subnet are dropped.
    pub fn new(id: LanId, name: Name, subnet: Ipv4Net, is_dmz: bool) -> Self {
        Self {
            id,
            name,
            subnet: subnet.trunc(),
            is_dmz,
            position: None,
        }
    }

    /// Sets the position on the canvas.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        self.position = (position != Position::default()).then(|| Arc::new(position));
        self
    }

    /// Returns the id.
    pub fn id(&self) -> LanId {
        self.id
    }

    /// Returns the name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Returns the subnet, without host bits.
    pub fn subnet(&self) -> Ipv4Net {
        self.subnet
    }

    /// Returns the address of Docker's bridge: the first host of the subnet.
    pub fn gateway(&self) -> Ipv4Addr {
        net::gateway(self.subnet)
    }

    /// Returns whether outsiders may reach it.
    pub fn is_dmz(&self) -> bool {
        self.is_dmz
    }

    /// Returns the position on the canvas.
    pub fn position(&self) -> Position {
        self.position.as_deref().copied().unwrap_or_default()
    }
}

impl fmt::Debug for Lan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lan")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("subnet", &self.subnet)
            .field("is_dmz", &self.is_dmz)
            .field("position", &self.position())
            .finish()
    }
}
