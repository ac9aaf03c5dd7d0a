//! Actions as text, for people.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use super::Action;

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_effect(f)?;
        // The host of a fleet comes last, so that the names are those that Docker's own commands take.
        match self.host() {
            Some(host) => write!(f, " on {host}"),
            None => Ok(()),
        }
    }
}

impl Action {
    fn write_effect(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnsureImage { image, .. } => write!(f, "ensure image {}", image.reference()),
            Self::CreateNetwork { network } => write!(f, "create network {} {}", network.name.as_str(), network.subnet),
            Self::CreateVolume { volume } => write!(f, "create volume {}", volume.name.as_str()),
            Self::CreateBase { base } => {
                write!(f, "create base {}", base.name.as_str())?;
                for interface in &base.interfaces {
                    write!(f, " {}", interface.ip)?;
                }
                for port in &base.publish {
                    f.write_str(" publish ")?;
                    match port.host_ip {
                        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => {}
                        IpAddr::V4(address) => write!(f, "{address}:")?,
                        IpAddr::V6(address) => write!(f, "[{address}]:")?,
                    }
                    write!(f, "{}:{}", port.host_port, port.port)?;
                }
                Ok(())
            }
            Self::CreateService { service } => write!(f, "create service {}", service.name.as_str()),
            Self::Connect { container, interface } => {
                let (container, network) = (container.as_str(), interface.network.as_str());
                write!(f, "connect {container} to {network} {}", interface.ip)
            }
            Self::Disconnect { container, network, .. } => {
                write!(f, "disconnect {} from {}", container.as_str(), network.as_str())
            }
            Self::SetState { container, state } => {
                let forward = if state.forward { "on" } else { "off" };
                let routes = state.routes.len();
                let plural = if routes == 1 { "" } else { "s" };
                write!(
                    f,
                    "set routes of {}: {routes} route{plural}, forwarding {forward}",
                    container.as_str()
                )
            }
            Self::Restart { container, .. } => write!(f, "restart {}", container.as_str()),
            Self::RemoveContainer { container, .. } => write!(f, "remove container {}", container.as_str()),
            Self::RemoveNetwork { network, .. } => write!(f, "remove network {}", network.as_str()),
            Self::RemoveVolume { volume } => write!(f, "remove volume {}", volume.as_str()),
            Self::RemoveImage { reference, .. } => write!(f, "remove image {reference}"),
            Self::EnsureLink { link } => {
                let (name, network) = (link.name.as_str(), link.network.as_str());
                write!(f, "ensure link {name} of {network}, VNI {}, to", link.vni)?;
                for (at, peer) in link.peers.iter().enumerate() {
                    write!(f, "{} {peer}", if at == 0 { "" } else { "," })?;
                }
                Ok(())
            }
            Self::RemoveLink { link, .. } => write!(f, "remove link {}", link.as_str()),
        }
    }
}
