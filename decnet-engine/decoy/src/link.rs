//! Links between hosts: VXLAN devices that join a bridge of this host with the same LAN on other hosts.
//!
//! VXLAN neither encrypts nor authenticates. So each device has a guard, a table of the packet filter, which drops packets for it from
//! other addresses than those of its peers. The guard exists before the device is up, and until the device is removed.
//!
//! The commands run in the network namespace of the host with `NET_ADMIN`. They only touch devices and guards with the given owner.

mod commands;
mod device;
mod error;
mod forwarding;
mod guard;
mod host;
mod lock;
mod underlay;

pub(crate) use commands::{ensure, list, remove};
pub use underlay::{HostAddress, LinkUnderlay, host_addresses, link_underlays};

#[cfg(test)]
mod tests;
