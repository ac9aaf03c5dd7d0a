//! Reasons why this machine loses packets of a maze.

use std::fmt;

use ipnet::Ipv4Net;
use serde::Serialize;

use crate::{
    naming::{self, NetworkName},
    observe::ObservedNetwork,
};

/// Docker writes its rules again when it starts, and only then; Podman when it is asked to.
pub(super) const RESTART_DOCKER: &str =
    "`systemctl restart docker` re-creates Docker's rules, and `podman network reload --all` those of Podman";

/// One reason why packets are lost on this machine, and what fixes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// A stable code, `FIREWALL_FORWARD` for instance.
    pub code: &'static str,
    /// What was found.
    pub message: String,
    /// What fixes it, or where to look.
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// The interface.
    pub name: String,
    /// The LAN, or the network where the LAN is not known.
    pub lan: String,
    /// The subnet.
    pub subnet: Ipv4Net,
}

impl Bridge {
    /// Returns the bridge of a network, if that has a subnet. Docker names it after the network's id; Podman is given a name.
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
