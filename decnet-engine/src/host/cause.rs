//! Reasons why this machine loses packets of a maze.

use std::fmt;

use ipnet::Ipv4Net;
use serde::Serialize;

use crate::{
    naming::{self, NetworkName},
    observe::ObservedNetwork,
};

/// The commands that recreate the rules of an engine. Docker creates its rules only when it starts.
pub(super) const RESTART_DOCKER: &str =
    "`systemctl restart docker` recreates Docker's rules, `podman network reload --all` those of Podman";

/// A reason why this machine loses packets, and its fix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// A stable code, for instance `FIREWALL_FORWARD`.
    pub code: &'static str,
    /// The finding.
    pub message: String,
    /// The fix, or where to look.
    pub fix: String,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.fix)
    }
}

impl Cause {
    pub(super) fn new(code: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            fix: fix.into(),
        }
    }
}

/// The bridge of a LAN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bridge {
    /// The name of the interface.
    pub name: String,
    /// The LAN, or the network if the LAN is not known.
    pub lan: String,
    /// The subnet.
    pub subnet: Ipv4Net,
}

impl Bridge {
    /// Returns the bridge of a network that has a subnet. Docker names the bridge after the network's id; Podman is given a
    /// name.
    pub fn of(network: &ObservedNetwork, podman: bool) -> Option<Self> {
        let lan = network.labels.get(naming::LAN).cloned();
        Some(Self {
            name: if podman {
                naming::bridge(&network.name)
            } else {
                format!("br-{}", network.id.get(..12)?)
            },
            lan: lan.unwrap_or_else(|| NetworkName::to_string(&network.name)),
            subnet: network.subnet?,
        })
    }
}
