//! What is wrong with a host that an operation needs.

use std::{fmt, net::Ipv4Addr};

use decnet_topology::{Name, shown::count};
use serde::Serialize;

/// A host that is no longer in the fleet, and that may still have a part of a topology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LostHost {
    /// The name of the host.
    pub host: String,
    /// Whether it was revoked; otherwise the fleet never had it, or has forgotten it.
    pub revoked: bool,
    /// How many deckies of the topology it had.
    pub deckies: usize,
}

impl LostHost {
    /// Says why nothing is known of the host, for the unseen hosts of an observation.
    pub(in crate::engine) fn reason(&self) -> String {
        format!("it {}", self.why())
    }

    /// Says why the host cannot be asked, as the end of a sentence about it.
    pub(in crate::engine) fn why(&self) -> &'static str {
        if self.revoked {
            "was revoked"
        } else {
            "is not in the fleet"
        }
    }
}

/// A host without the address from which its links would send.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingUnderlay {
    /// The host.
    pub host: Name,
    /// The address that it should have.
    pub underlay: Ipv4Addr,
    /// The addresses that it has, without those of container networks.
    pub addresses: Vec<Ipv4Addr>,
}

impl fmt::Display for MissingUnderlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
        let (host, underlay, addresses) = (&self.host, self.underlay, addresses.join(", "));
        write!(
            f,
            "host {host} does not have the address {underlay} on the network of the hosts; it has {addresses}"
        )
    }
}

impl fmt::Display for LostHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host {} {}, and ", self.host, self.why())?;
        match self.deckies {
            // It may have networks, or containers from before a move.
            0 => f.write_str("parts of the maze may still be there"),
            deckies => write!(f, "{} may still run there", count(deckies, "decky", "deckies")),
        }
    }
}
