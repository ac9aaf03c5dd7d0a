//! The hardware addresses of interfaces.

use std::net::Ipv4Addr;

use decnet_decoy::protocol::Mac;
use decnet_topology::{InstallationSecret, TopologyId};
use sha2::{Digest as _, Sha256};

/// The first three bytes of an address, which the IEEE assigns to vendors.
type Prefix = [u8; 3];

/// Returns the prefixes of vendors whose hosts have a system.
///
/// Source: the registry of the IEEE, as in Nmap's `nmap-mac-prefixes` 7.93; that of Proxmox was assigned later. Printers, switches
/// and controllers are those that the services of such a decky imitate.
const fn prefixes(system: &str) -> &'static [Prefix] {
    match system.as_bytes() {
        // Dell, Dell, HP, HP.
        b"windows-10" | b"windows-11" => &[
            [0xd4, 0xbe, 0xd9],
            [0x50, 0x9a, 0x4c],
            [0x3c, 0x52, 0x82],
            [0x40, 0xb0, 0x34],
        ],
        // VMware, Microsoft (Hyper-V), Dell, HPE.
        b"windows-server-2016" | b"windows-server-2019" | b"windows-server-2022" => &[
            [0x00, 0x0c, 0x29],
            [0x00, 0x15, 0x5d],
            [0x24, 0x6e, 0x96],
            [0x70, 0x10, 0x6f],
        ],
        // TP-Link, Hikvision.
        b"embedded-linux" => &[[0x50, 0xc7, 0xbf], [0x28, 0x57, 0xbe]],
        // HP.
        b"printer" => &[[0x3c, 0x4a, 0x92], [0x9c, 0xb6, 0x54]],
        // Zyxel.
        b"network-device" => &[[0x00, 0x13, 0x49], [0x4c, 0x9e, 0xff], [0x5c, 0xf4, 0xab]],
        // Siemens.
        b"controller" => &[[0x00, 0x1b, 0x1b], [0x00, 0x0e, 0x8c], [0x28, 0x63, 0x36]],
        // KVM, Proxmox, VMware, Supermicro.
        _ => &[
            [0x52, 0x54, 0x00],
            [0xbc, 0x24, 0x11],
            [0x00, 0x0c, 0x29],
            [0xac, 0x1f, 0x6b],
        ],
    }
}

/// Makes the hardware addresses of a topology. They derive from the installation's secret, never from the maze's seed.
pub(super) struct Macs {
    key: [u8; 32],
}

impl Macs {
    pub(super) fn new(installation: &InstallationSecret, topology: TopologyId) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"mac");
        hash.update(installation.as_bytes());
        hash.update(topology.to_string());
        Self {
            key: hash.finalize().into(),
        }
    }

    /// Returns the address of an interface. All interfaces of a decky have one vendor, and no two interfaces of a LAN have one address.
    pub(super) fn of(&self, decky: &str, system: &str, ip: Ipv4Addr) -> Mac {
        let prefixes = prefixes(system);
        let [draw, ..] = self.digest(b"vendor", decky.to_lowercase().as_bytes());
        let [one, two, three] = prefixes[usize::from(draw) % prefixes.len()];
        let [_, four, five, six] = self.shuffled(ip.to_bits() & 0xff_ffff).to_be_bytes();
        Mac([one, two, three, four, five, six])
    }

    /// Maps numbers of 24 bits to one another: a Feistel network. Hosts of one LAN differ in these bits of their IP addresses, unless
    /// the LAN is larger than a /8.
    fn shuffled(&self, number: u32) -> u32 {
        let (mut left, mut right) = (number >> 12, number & 0xfff);
        for round in 0..4_u8 {
            let [high, low, ..] = self.digest(&[round], &right.to_be_bytes());
            let mixed = left ^ (u32::from(u16::from_be_bytes([high, low])) & 0xfff);
            (left, right) = (right, mixed);
        }
        left << 12 | right
    }

    fn digest(&self, label: &[u8], value: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(label);
        hash.update(value);
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use decnet_topology::Persona;

    use super::*;

    const TOPOLOGY: &str = "01234567-89ab-4cde-8f01-23456789abcd";

    fn macs(secret: u8) -> Macs {
        Macs::new(&InstallationSecret::new([secret; 32]), TOPOLOGY.parse().unwrap())
    }

    #[test]
    fn no_two_hosts_of_a_lan_have_one_address() {
        let macs = macs(7);
        let lan = 0..1_u32 << 14;
        let of = |host| macs.of("web", "debian-12", Ipv4Addr::from_bits(0x0a01_0000 + host));
        let all: BTreeSet<_> = lan.clone().map(of).collect();
        assert_eq!(all.len(), lan.len());
    }

    #[test]
    fn the_vendor_fits_the_system_and_is_the_same_on_all_interfaces() {
        let macs = macs(7);
        for system in Persona::SYSTEMS {
            let vendor = |mac: Mac| [mac.0[0], mac.0[1], mac.0[2]];
            let one = macs.of("web", system, [10, 0, 0, 2].into());
            let other = macs.of("WEB", system, [10, 0, 1, 2].into());
            assert!(prefixes(system).contains(&vendor(one)), "{system}");
            assert_eq!(vendor(one), vendor(other));
            assert_ne!(one, other);
            for [first, ..] in prefixes(system) {
                // The bit for groups of hosts is never set.
                assert_eq!(first & 1, 0, "{system}");
            }
        }
    }

    #[test]
    fn another_installation_has_other_addresses() {
        let of = |secret| macs(secret).of("web", "printer", [10, 0, 0, 2].into());
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }
}
