//! The messages are those that `strace` shows of iproute2 on a little-endian machine, in the order of this program.

use std::net::Ipv4Addr;

use super::{
    device::{self, Device, Tunnel},
    forwarding::{self, Entry},
};
use crate::{
    kernel::{
        AF_INET6, IFLA_AF_SPEC, IFLA_IFALIAS, IFLA_IFNAME, IFLA_INET6_ADDR_GEN_MODE, IFLA_INFO_DATA, IFLA_INFO_KIND,
        IFLA_LINKINFO, IFLA_MASTER, IFLA_MTU, IFLA_VXLAN_GROUP, IFLA_VXLAN_ID, IFLA_VXLAN_LEARNING, IFLA_VXLAN_LOCAL,
        IFLA_VXLAN_PORT, RTM_NEWLINK, RTM_NEWNEIGH,
    },
    netlink::{MESSAGE_HEADER, Message},
    protocol::Vxlan,
};

mod fixture;
mod healing;
mod ownership;
mod strangers;

fn vxlan() -> Vxlan {
    Vxlan {
        device: "dcn0".into(),
        owner: "decnet 1".into(),
        vni: 0x01_02_03,
        local: Ipv4Addr::new(192, 0, 2, 1),
        peers: [Ipv4Addr::new(192, 0, 2, 2)].into(),
        mtu: 1400,
        bridge: "lan".into(),
    }
}

#[test]
#[cfg(target_endian = "little")]
fn a_device_is_created_with_its_tunnel_and_fails_if_its_name_exists() {
    #[rustfmt::skip]
    let expected = [
        104, 0, 0, 0,  16, 0,  5, 6,  7, 0, 0, 0,  0, 0, 0, 0,
        0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,
        9, 0, 3, 0, b'd', b'c', b'n', b'0', 0, 0, 0, 0,
        8, 0, 4, 0, 0x78, 5, 0, 0,
        52, 0, 18, 0,
        9, 0, 1, 0, b'v', b'x', b'l', b'a', b'n', 0, 0, 0,
        36, 0, 2, 0,
        8, 0, 1, 0, 3, 2, 1, 0,
        8, 0, 4, 0, 192, 0, 2, 1,
        6, 0, 15, 0, 0x39, 0xc5, 0, 0,
        5, 0, 7, 0, 1, 0, 0, 0,
    ];
    assert_eq!(device::create(7, &vxlan()), expected);
}

#[test]
#[cfg(target_endian = "little")]
fn a_device_is_set_up_and_its_bridge_and_ipv6_are_set() {
    #[rustfmt::skip]
    let up = [
        32, 0, 0, 0,  19, 0,  5, 0,  7, 0, 0, 0,  0, 0, 0, 0,
        0, 0, 0, 0,  3, 0, 0, 0,  1, 0, 0, 0,  1, 0, 0, 0,
    ];
    assert_eq!(device::set_up(7, 3), up);
    assert_eq!(device::set_master(7, 3, 9)[32..], [8, 0, 10, 0, 9, 0, 0, 0]);
    let silent = [16, 0, 26, 0, 12, 0, 10, 0, 5, 0, 8, 0, 1, 0, 0, 0];
    assert_eq!(device::silence_ipv6(7, 3)[32..], silent);
}

#[test]
#[cfg(target_endian = "little")]
fn a_peer_is_appended_to_those_for_broadcasts() {
    #[rustfmt::skip]
    let expected = [
        48, 0, 0, 0,  28, 0,  5, 12,  7, 0, 0, 0,  0, 0, 0, 0,
        7, 0, 0, 0,  3, 0, 0, 0,  128, 0, 2, 0,
        10, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        8, 0, 1, 0, 192, 0, 2, 2,
    ];
    let entry = Entry::flood(Ipv4Addr::new(192, 0, 2, 2));
    assert_eq!(forwarding::add(7, 3, &entry), expected);
    let mut removed = forwarding::remove(7, 3, &entry);
    assert_eq!(removed[4..8], [29, 0, 5, 0]);
    // The kernel describes an entry in a message of another type than the request.
    removed[4..6].copy_from_slice(&RTM_NEWNEIGH.to_ne_bytes());
    assert_eq!(forwarding::read(&removed, 3), Some(entry));
    assert_eq!(forwarding::read(&removed, 4), None, "of another device");
    // An entry of the bridge.
    removed[MESSAGE_HEADER + 10] = 4;
    assert_eq!(forwarding::read(&removed, 3), None);
}

/// Returns a kernel's description of a device.
fn described(group: Option<Ipv4Addr>) -> Vec<u8> {
    let mut message = Message::new(RTM_NEWLINK, 0, 4);
    message.append(&[0, 0, 1, 0]);
    for number in [6_u32, 0x1043, 0] {
        message.append(&number.to_ne_bytes());
    }
    message.attribute(IFLA_IFNAME, b"dcn0\0");
    message.attribute(IFLA_MTU, &1400_u32.to_ne_bytes());
    message.attribute(IFLA_MASTER, &9_u32.to_ne_bytes());
    message.attribute(IFLA_IFALIAS, b"decnet 1\0");
    message.nest(IFLA_LINKINFO, |message| {
        message.attribute(IFLA_INFO_KIND, b"vxlan\0");
        message.nest(IFLA_INFO_DATA, |message| {
            message.attribute(IFLA_VXLAN_ID, &0x01_02_03_u32.to_ne_bytes());
            if let Some(group) = group {
                message.attribute(IFLA_VXLAN_GROUP, &group.octets());
            }
            message.attribute(IFLA_VXLAN_LOCAL, &[192, 0, 2, 1]);
            message.attribute(IFLA_VXLAN_LEARNING, &[1]);
            message.attribute(IFLA_VXLAN_PORT, &14_789_u16.to_be_bytes());
        });
    });
    message.nest(IFLA_AF_SPEC, |message| {
        message.nest(u16::from(AF_INET6), |message| {
            message.attribute(IFLA_INET6_ADDR_GEN_MODE, &[0]);
        });
    });
    message.finish()
}

#[test]
fn a_device_is_read_with_its_owner_and_its_tunnel() {
    let tunnel = Tunnel::of(&vxlan());
    let device = Device {
        index: 6,
        name: "dcn0".into(),
        kind: "vxlan".into(),
        alias: "decnet 1".into(),
        mtu: 1400,
        up: true,
        master: Some(9),
        speaks_ipv6: true,
        tunnel: Some(tunnel),
    };
    assert_eq!(device::read(&described(None)), Some(device));
    let group = described(Some(Ipv4Addr::new(239, 1, 1, 1)));
    let group = device::read(&group).unwrap().tunnel;
    assert_eq!(group, Some(Tunnel { other: true, ..tunnel }));
}

#[test]
fn truncated_messages_do_not_panic() {
    let entry = Entry::flood(Ipv4Addr::new(192, 0, 2, 2));
    for whole in [described(None), forwarding::add(7, 3, &entry)] {
        for length in 0..whole.len() {
            let _ = device::read(&whole[..length]);
            let _ = forwarding::read(&whole[..length], 3);
        }
    }
}
