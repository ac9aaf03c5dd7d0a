//! What is below the links of this host.

use std::{io, net::Ipv4Addr};

use super::device::{self, Device};
use crate::{
    namespace::Namespace,
    netlink::{self, Address},
    protocol::OWNER_PREFIX,
};

/// An address of this host, and its interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAddress {
    /// The address.
    pub address: Ipv4Addr,
    /// The interface.
    pub interface: String,
    /// The MTU of the interface, in bytes.
    pub mtu: u32,
    /// Whether the interface encrypts what it sends.
    pub is_wireguard: bool,
}

/// The name of the kind of `WireGuard` interfaces.
const WIREGUARD: &str = "wireguard";

/// The interface below a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkUnderlay {
    /// The VXLAN device.
    pub device: String,
    /// The address from which it sends.
    pub local: Ipv4Addr,
    /// The interface with that address, if this host has one.
    pub interface: Option<String>,
    /// Whether that interface encrypts what it sends.
    pub is_wireguard: bool,
}

/// Finds what is below the links of the network namespace of this process. Needs no privileges.
///
/// # Errors
///
/// If the kernel does not answer.
pub fn link_underlays() -> io::Result<Vec<LinkUnderlay>> {
    let (devices, addresses) = devices_and_addresses()?;
    let below = |address: Ipv4Addr| {
        let found = addresses.iter().find(|found| found.address == address)?;
        devices.iter().find(|device| device.index == found.link)
    };
    Ok(underlays(&devices, below))
}

/// Lists the IPv4 addresses of the network namespace of this process. Needs no privileges.
///
/// # Errors
///
/// If the kernel does not answer.
pub fn host_addresses() -> io::Result<Vec<HostAddress>> {
    let (devices, addresses) = devices_and_addresses()?;
    let with_device = addresses.into_iter().filter_map(|found| {
        let device = devices.iter().find(|device| device.index == found.link)?;
        Some(HostAddress {
            address: found.address,
            interface: device.name.clone(),
            mtu: device.mtu,
            is_wireguard: device.kind == WIREGUARD,
        })
    });
    Ok(with_device.collect())
}

fn devices_and_addresses() -> io::Result<(Vec<Device>, Vec<Address>)> {
    let mut namespace = Namespace::open()?;
    let answer = namespace.exchange(netlink::get_links)?;
    let devices = answer.iter().filter_map(|message| device::read(message)).collect();
    Ok((devices, namespace.addresses()?))
}

fn underlays<'a>(devices: &'a [Device], below: impl Fn(Ipv4Addr) -> Option<&'a Device>) -> Vec<LinkUnderlay> {
    let own = devices.iter().filter(|device| device.alias.starts_with(OWNER_PREFIX));
    own.filter_map(|device| {
        let local = device.tunnel?.local;
        let below = below(local);
        Some(LinkUnderlay {
            device: device.name.clone(),
            local,
            interface: below.map(|device| device.name.clone()),
            is_wireguard: below.is_some_and(|device| device.kind == WIREGUARD),
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::device::Tunnel;

    fn device(index: u32, name: &str, kind: &str, alias: &str, local: Option<Ipv4Addr>) -> Device {
        Device {
            index,
            name: name.into(),
            kind: kind.into(),
            alias: alias.into(),
            mtu: 1450,
            up: true,
            master: None,
            speaks_ipv6: false,
            tunnel: local.map(|local| Tunnel {
                vni: 7,
                local,
                port: 14789,
                learns: true,
                other: false,
            }),
        }
    }

    #[test]
    fn only_links_of_ours_are_found_with_the_interface_below() {
        let (safe, plain, gone) = ([10, 9, 0, 1].into(), [192, 0, 2, 1].into(), [192, 0, 2, 9].into());
        let owner = format!("{OWNER_PREFIX}one");
        let devices = [
            device(1, "eth0", "", "", None),
            device(2, "wg0", "wireguard", "", None),
            device(3, "d1", "vxlan", &owner, Some(safe)),
            device(4, "d2", "vxlan", &owner, Some(plain)),
            device(5, "d3", "vxlan", &owner, Some(gone)),
            device(6, "vxlan0", "vxlan", "of another program", Some(plain)),
        ];
        let below = |address| match address {
            address if address == safe => Some(&devices[1]),
            address if address == plain => Some(&devices[0]),
            _ => None,
        };
        let found: Vec<_> = underlays(&devices, below)
            .into_iter()
            .map(|found| (found.device, found.interface, found.is_wireguard))
            .collect();
        assert_eq!(
            found,
            [
                ("d1".into(), Some("wg0".into()), true),
                ("d2".into(), Some("eth0".into()), false),
                ("d3".into(), None, false),
            ]
        );
    }

    #[test]
    fn the_kernel_of_this_machine_answers() {
        link_underlays().expect("an answer");
        let addresses = host_addresses().expect("an answer");
        let loopback = addresses.iter().find(|found| found.address == Ipv4Addr::LOCALHOST);
        let loopback = loopback.expect("the address of loopback");
        assert_eq!((loopback.interface.as_str(), loopback.is_wireguard), ("lo", false));
        assert!(loopback.mtu >= 1500, "{loopback:?}");
    }
}
