//! Reasons why this machine loses packets of a maze.

use std::fmt;

use ipnet::Ipv4Net;
use serde::Serialize;

use crate::{naming, observe::ObservedNetwork};

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
    /// The member of a fleet that has it; none if there is only one host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

impl Bridge {
    /// Returns the bridge of a network that has a subnet. Docker names the bridge after the network's id; Podman is given a
    /// name.
    pub fn of(network: &ObservedNetwork, podman: bool) -> Option<Self> {
        let lan = network.labels.get(naming::LAN).cloned();
        let host = network.name.host();
        // On a member of a fleet, the id begins with its name.
        let id = network.id.rsplit('/').next()?;
        Some(Self {
            name: if podman {
                naming::bridge(&network.name)
            } else {
                format!("br-{}", id.get(..12)?)
            },
            lan: lan.unwrap_or_else(|| network.name.as_str().into()),
            subnet: network.subnet?,
            host: host.map(Into::into),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naming::{Labels, NetworkName};

    fn network(name: &str, id: &str) -> ObservedNetwork {
        ObservedNetwork {
            id: id.into(),
            name: NetworkName::from_docker(name),
            labels: Labels::from([(naming::LAN.into(), "dmz".into())]),
            subnet: Some("10.0.0.0/24".parse().expect("a subnet")),
        }
    }

    #[test]
    fn a_bridge_on_a_member_has_the_name_that_its_host_knows() {
        let (id, podman) = ("0123456789abcdef", false);
        let here = Bridge::of(&network("corp-dmz", id), podman).expect("a bridge");
        assert_eq!((here.name.as_str(), here.host), ("br-0123456789ab", None));
        let on = Bridge::of(&network("east/corp-dmz", &format!("east/{id}")), podman).expect("a bridge");
        assert_eq!(
            (on.name.as_str(), on.host.as_deref()),
            ("br-0123456789ab", Some("east"))
        );
        let named = |name| Bridge::of(&network(name, id), true).expect("a bridge").name;
        assert_eq!(named("corp-dmz"), named("east/corp-dmz"));
    }
}
