//! Actions as text, for people.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use super::Action;

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnsureImage { image, host } => write!(f, "ensure image {}{}", image.reference(), on(host.as_deref())),
            Self::CreateNetwork { network } => write!(f, "create network {} {}", network.name, network.subnet),
            Self::CreateVolume { volume } => write!(f, "create volume {}", volume.name),
            Self::CreateBase { base } => {
                write!(f, "create base {}", base.name)?;
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
            Self::CreateService { service } => write!(f, "create service {}", service.name),
            Self::Connect { container, interface } => {
                write!(f, "connect {container} to {} {}", interface.network, interface.ip)
            }
            Self::Disconnect { container, network, .. } => write!(f, "disconnect {container} from {network}"),
            Self::SetState { container, state } => {
                let forward = if state.forward { "on" } else { "off" };
                let routes = state.routes.len();
                let plural = if routes == 1 { "" } else { "s" };
                write!(
                    f,
                    "set routes of {container}: {routes} route{plural}, forwarding {forward}"
                )
            }
            Self::Restart { container, .. } => write!(f, "restart {container}"),
            Self::RemoveContainer { container, .. } => write!(f, "remove container {container}"),
            Self::RemoveNetwork { network, .. } => write!(f, "remove network {network}"),
            Self::RemoveVolume { volume } => write!(f, "remove volume {volume}"),
            Self::RemoveImage { reference, host } => write!(f, "remove image {reference}{}", on(host.as_deref())),
            Self::EnsureLink { link } => write!(f, "ensure link {} of {}", link.name, link.network),
            Self::RemoveLink { link, .. } => write!(f, "remove link {link}"),
        }
    }
}

/// Names the member of a fleet, if there is one.
fn on(host: Option<&str>) -> String {
    host.map(|host| format!(" on {host}")).unwrap_or_default()
}
