//! The rtnetlink messages for devices.
//!
//! The layouts are those of the kernel's `linux/rtnetlink.h` and `linux/if_link.h`. The port of VXLAN is in network byte order, and
//! other numbers are not.

use std::net::Ipv4Addr;

use crate::{
    kernel::{
        AF_INET6, AF_UNSPEC, IFF_UP, IFLA_AF_SPEC, IFLA_IFALIAS, IFLA_IFNAME, IFLA_INET6_ADDR_GEN_MODE, IFLA_INFO_DATA,
        IFLA_INFO_KIND, IFLA_LINKINFO, IFLA_MASTER, IFLA_MTU, IFLA_VXLAN_COLLECT_METADATA, IFLA_VXLAN_GROUP,
        IFLA_VXLAN_GROUP6, IFLA_VXLAN_ID, IFLA_VXLAN_LEARNING, IFLA_VXLAN_LOCAL, IFLA_VXLAN_PORT, NLM_F_ACK,
        NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, RTM_DELLINK, RTM_GETLINK, RTM_NEWLINK, RTM_SETLINK,
    },
    netlink::{MESSAGE_HEADER, Message, attributes, u16_at, u32_at},
    protocol::{VXLAN_PORT, Vxlan},
};

/// The size of `struct ifinfomsg`.
const HEADER: usize = MESSAGE_HEADER + 16;

/// A mode of an IPv6 interface: it gets no link-local address (`IN6_ADDR_GEN_MODE_NONE` of `linux/if_link.h`).
const NO_ADDRESS: u8 = 1;

/// The name of the kind of VXLAN devices.
pub(super) const VXLAN: &str = "vxlan";

/// The name of the kind of bridges.
pub(super) const BRIDGE: &str = "bridge";

/// A network device of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) index: u32,
    pub(super) name: String,
    /// `vxlan` or `bridge`, for instance; empty for hardware.
    pub(super) kind: String,
    pub(super) alias: String,
    pub(super) mtu: u32,
    pub(super) up: bool,
    /// The index of the bridge that it is a port of.
    pub(super) master: Option<u32>,
    /// Whether it gets an IPv6 address when it is up. Then the host would send packets to the LAN.
    pub(super) speaks_ipv6: bool,
    /// What cannot be changed later, of a VXLAN device.
    pub(super) tunnel: Option<Tunnel>,
}

/// The properties of a VXLAN device that cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tunnel {
    pub(super) vni: u32,
    pub(super) local: Ipv4Addr,
    pub(super) port: u16,
    /// Whether it learns behind which peer a hardware address is. The guard keeps strangers from teaching it.
    pub(super) learns: bool,
    /// Whether it has a group to which it sends, or belongs to all VNIs.
    pub(super) other: bool,
}

impl Tunnel {
    /// Returns the tunnel of a device.
    pub(super) fn of(vxlan: &Vxlan) -> Self {
        Self {
            vni: vxlan.vni,
            local: vxlan.local,
            port: VXLAN_PORT,
            learns: true,
            other: false,
        }
    }
}

/// Requests one device.
pub(super) fn get(sequence: u32, name: &str) -> Vec<u8> {
    let mut message = message(RTM_GETLINK, 0, sequence, 0, 0);
    message.attribute(IFLA_IFNAME, &zero_ended(name));
    message.finish()
}

/// Creates a VXLAN device, which is down and in no bridge. The kernel refuses it if the name exists.
pub(super) fn create(sequence: u32, vxlan: &Vxlan) -> Vec<u8> {
    let tunnel = Tunnel::of(vxlan);
    let mut message = message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sequence, 0, 0);
    message.attribute(IFLA_IFNAME, &zero_ended(&vxlan.device));
    message.attribute(IFLA_MTU, &u32::from(vxlan.mtu).to_ne_bytes());
    message.nest(IFLA_LINKINFO, |message| {
        message.attribute(IFLA_INFO_KIND, VXLAN.as_bytes());
        message.nest(IFLA_INFO_DATA, |message| {
            message.attribute(IFLA_VXLAN_ID, &tunnel.vni.to_ne_bytes());
            message.attribute(IFLA_VXLAN_LOCAL, &tunnel.local.octets());
            message.attribute(IFLA_VXLAN_PORT, &tunnel.port.to_be_bytes());
            message.attribute(IFLA_VXLAN_LEARNING, &[u8::from(tunnel.learns)]);
        });
    });
    message.finish()
}

/// Removes a device.
pub(super) fn delete(sequence: u32, index: u32) -> Vec<u8> {
    message(RTM_DELLINK, 0, sequence, index, 0).finish()
}

/// Sets the alias of a device.
pub(super) fn set_alias(sequence: u32, index: u32, alias: &str) -> Vec<u8> {
    set(sequence, index, IFLA_IFALIAS, alias.as_bytes())
}

/// Sets the MTU of a device.
pub(super) fn set_mtu(sequence: u32, index: u32, mtu: u16) -> Vec<u8> {
    set(sequence, index, IFLA_MTU, &u32::from(mtu).to_ne_bytes())
}

/// Makes a device a port of a bridge, and of no other one.
pub(super) fn set_master(sequence: u32, index: u32, bridge: u32) -> Vec<u8> {
    set(sequence, index, IFLA_MASTER, &bridge.to_ne_bytes())
}

/// Keeps a device from getting an IPv6 address.
pub(super) fn silence_ipv6(sequence: u32, index: u32) -> Vec<u8> {
    let mut message = message(RTM_SETLINK, 0, sequence, index, 0);
    message.nest(IFLA_AF_SPEC, |message| {
        message.nest(u16::from(AF_INET6), |message| {
            message.attribute(IFLA_INET6_ADDR_GEN_MODE, &[NO_ADDRESS]);
        });
    });
    message.finish()
}

/// Sets a device up.
pub(super) fn set_up(sequence: u32, index: u32) -> Vec<u8> {
    message(RTM_SETLINK, 0, sequence, index, IFF_UP).finish()
}

fn set(sequence: u32, index: u32, kind: u16, value: &[u8]) -> Vec<u8> {
    let mut message = message(RTM_SETLINK, 0, sequence, index, 0);
    message.attribute(kind, value);
    message.finish()
}

/// Starts a message with its `struct ifinfomsg`, which sets some flags.
fn message(kind: u16, flags: u16, sequence: u32, index: u32, set: u32) -> Message {
    let mut message = Message::new(kind, NLM_F_REQUEST | NLM_F_ACK | flags, sequence);
    message.append(&[AF_UNSPEC, 0, 0, 0]);
    message.append(&index.to_ne_bytes());
    // The flags and the mask of those that change.
    message.append(&set.to_ne_bytes());
    message.append(&set.to_ne_bytes());
    message
}

fn zero_ended(name: &str) -> Vec<u8> {
    [name.as_bytes(), b"\0"].concat()
}

/// Reads a device from a message of the kernel. Returns `None` for any other message.
pub(super) fn read(message: &[u8]) -> Option<Device> {
    if u16_at(message, 4)? != RTM_NEWLINK {
        return None;
    }
    let body = message.get(HEADER..)?;
    let info = find(body, IFLA_LINKINFO).unwrap_or_default();
    let kind = find(info, IFLA_INFO_KIND).map(text).unwrap_or_default();
    let ipv6 = find(body, IFLA_AF_SPEC).and_then(|families| find(families, u16::from(AF_INET6)));
    let mode = ipv6.and_then(|ipv6| find(ipv6, IFLA_INET6_ADDR_GEN_MODE));
    Some(Device {
        index: u32_at(message, MESSAGE_HEADER + 4)?,
        name: text(find(body, IFLA_IFNAME)?),
        alias: find(body, IFLA_IFALIAS).map(text).unwrap_or_default(),
        mtu: u32_at(find(body, IFLA_MTU)?, 0)?,
        up: u32_at(message, MESSAGE_HEADER + 8)? & IFF_UP != 0,
        master: find(body, IFLA_MASTER).and_then(|index| u32_at(index, 0)),
        speaks_ipv6: mode.is_some_and(|mode| mode != [NO_ADDRESS]),
        tunnel: (kind == VXLAN).then(|| tunnel(find(info, IFLA_INFO_DATA)?)).flatten(),
        kind,
    })
}

fn tunnel(data: &[u8]) -> Option<Tunnel> {
    let is_set = |kind| find(data, kind).is_some_and(|value| value.iter().any(|byte| *byte != 0));
    let local = find(data, IFLA_VXLAN_LOCAL).and_then(|value| <[u8; 4]>::try_from(value).ok());
    Some(Tunnel {
        vni: u32_at(find(data, IFLA_VXLAN_ID)?, 0)?,
        local: local.map_or(Ipv4Addr::UNSPECIFIED, Ipv4Addr::from),
        port: u16::from_be(u16_at(find(data, IFLA_VXLAN_PORT)?, 0)?),
        learns: is_set(IFLA_VXLAN_LEARNING),
        other: [IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6, IFLA_VXLAN_COLLECT_METADATA]
            .into_iter()
            .any(is_set),
    })
}

fn find(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes)
        .find(|(kind, _)| *kind == wanted)
        .map(|(_, value)| value)
}

/// Reads a text. Some end with a zero.
fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.strip_suffix(b"\0").unwrap_or(value)).into_owned()
}
