//! The rtnetlink messages for the forwarding table of a VXLAN device: to which peers it sends frames for a hardware address.
//!
//! The layouts are those of the kernel's `linux/neighbour.h`. Frames for many or for unknown stations have the address
//! 00:00:00:00:00:00 in this table, with one entry for each peer.

use std::net::Ipv4Addr;

use crate::{
    kernel::{
        AF_BRIDGE, NDA_DST, NDA_IFINDEX, NDA_LLADDR, NDA_PORT, NDA_VNI, NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE,
        NLM_F_DUMP, NLM_F_REQUEST, NTF_SELF, NUD_PERMANENT, RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH,
    },
    netlink::{MESSAGE_HEADER, Message, attributes, u16_at, u32_at},
};

/// The size of `struct ndmsg`.
const HEADER: usize = MESSAGE_HEADER + 12;

/// The address for frames to many or to unknown stations.
const ALL: [u8; 6] = [0; 6];

/// An entry of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    mac: [u8; 6],
    state: u16,
    /// The attributes that determine where frames are sent: address, port, VNI and interface. Usually there is only the address.
    target: Vec<(u16, Vec<u8>)>,
}

impl Entry {
    /// Returns the entry that sends broadcasts to a peer.
    pub(super) fn flood(peer: Ipv4Addr) -> Self {
        Self {
            mac: ALL,
            state: NUD_PERMANENT,
            target: vec![(NDA_DST, peer.octets().to_vec())],
        }
    }

    /// Returns the peer if frames are sent to the usual port of an IPv4 address with the VNI of the device.
    pub(super) fn peer(&self) -> Option<Ipv4Addr> {
        match self.target.as_slice() {
            [(NDA_DST, address)] => <[u8; 4]>::try_from(address.as_slice()).ok().map(Ipv4Addr::from),
            _ => None,
        }
    }

    /// Returns whether it is for broadcasts.
    pub(super) fn is_flood(&self) -> bool {
        self.mac == ALL
    }

    fn write(&self, mut message: Message, index: u32) -> Vec<u8> {
        message.append(&[AF_BRIDGE, 0, 0, 0]);
        message.append(&index.to_ne_bytes());
        message.append(&self.state.to_ne_bytes());
        message.append(&[NTF_SELF, 0]);
        message.attribute(NDA_LLADDR, &self.mac);
        for (kind, value) in &self.target {
            message.attribute(*kind, value);
        }
        message.finish()
    }
}

/// Requests all entries of a device.
pub(super) fn get(sequence: u32, index: u32) -> Vec<u8> {
    let mut message = Message::new(RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP, sequence);
    // With a `struct ifinfomsg`, the kernel filters by the index.
    message.append(&[AF_BRIDGE, 0, 0, 0]);
    message.append(&index.to_ne_bytes());
    message.append(&[0; 8]);
    message.finish()
}

/// Adds an entry; others for the same hardware address stay.
pub(super) fn add(sequence: u32, index: u32, entry: &Entry) -> Vec<u8> {
    let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND;
    entry.write(Message::new(RTM_NEWNEIGH, flags, sequence), index)
}

/// Removes exactly this entry.
pub(super) fn remove(sequence: u32, index: u32, entry: &Entry) -> Vec<u8> {
    entry.write(Message::new(RTM_DELNEIGH, NLM_F_REQUEST | NLM_F_ACK, sequence), index)
}

/// Reads an entry of a device from a message of the kernel. Returns `None` for any other message, also for an entry of the bridge.
pub(super) fn read(message: &[u8], index: u32) -> Option<Entry> {
    let is_entry = u16_at(message, 4)? == RTM_NEWNEIGH && *message.get(MESSAGE_HEADER)? == AF_BRIDGE;
    let flags = *message.get(MESSAGE_HEADER + 10)?;
    if !is_entry || u32_at(message, MESSAGE_HEADER + 4)? != index || flags & NTF_SELF == 0 {
        return None;
    }
    let body = message.get(HEADER..)?;
    let (_, mac) = attributes(body).find(|(kind, _)| *kind == NDA_LLADDR)?;
    let is_target = |kind: &u16| [NDA_DST, NDA_PORT, NDA_VNI, NDA_IFINDEX].contains(kind);
    Some(Entry {
        mac: mac.try_into().ok()?,
        state: u16_at(message, MESSAGE_HEADER + 8)?,
        target: attributes(body)
            .filter(|(kind, _)| is_target(kind))
            .map(|(kind, value)| (kind, value.to_vec()))
            .collect(),
    })
}
