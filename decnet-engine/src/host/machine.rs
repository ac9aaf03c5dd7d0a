//! What is on the machine of a runtime besides containers.

#[cfg(feature = "docker")]
use std::{collections::BTreeMap, net::Ipv4Addr};

use decnet_topology::{HostRoute, Listener};
use serde::{Deserialize, Serialize};

/// The interface of an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressInterface {
    /// Its name.
    pub name: String,
    /// Its MTU, in bytes.
    pub mtu: u16,
    /// Whether it is of `WireGuard`, which encrypts what it sends.
    pub is_wireguard: bool,
}

/// What is on the machine of a runtime besides containers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MachineFacts {
    /// Its routes without the default ones.
    pub routes: Vec<HostRoute>,
    /// Its listening sockets.
    pub listeners: Vec<Listener>,
    /// The kernel's limit of neighbours for all network namespaces together.
    pub neighbours: u64,
}

impl MachineFacts {
    /// Reads those of this machine. What the kernel does not provide is empty, and the limit is the default.
    pub fn read() -> Self {
        Self {
            routes: super::routes(),
            listeners: super::listeners(),
            neighbours: super::neighbours().unwrap_or(super::DEFAULT_NEIGHBOURS),
        }
    }
}

/// Returns this machine's addresses without loopback, and their interfaces. Returns none if the kernel does not provide them.
#[cfg(feature = "docker")]
pub(crate) fn interfaces() -> BTreeMap<Ipv4Addr, AddressInterface> {
    #[cfg(target_os = "linux")]
    let found = decnet_decoy::host_addresses().unwrap_or_default();
    #[cfg(target_os = "linux")]
    return found
        .into_iter()
        .filter(|found| !found.address.is_loopback())
        .map(|found| {
            let interface = AddressInterface {
                name: found.interface,
                mtu: u16::try_from(found.mtu).unwrap_or(u16::MAX),
                is_wireguard: found.is_wireguard,
            };
            (found.address, interface)
        })
        .collect();
    #[cfg(not(target_os = "linux"))]
    BTreeMap::new()
}
