//! The rtnetlink messages that a base needs, and the format of all netlink messages.
//!
//! The layouts are those of the kernel's `linux/netlink.h`, `linux/rtnetlink.h`, `linux/if_link.h`, `linux/if_addr.h` and
//! `linux/ip.h`. Numbers are in the machine's byte order; addresses are not.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::{
    kernel::{
        AF_INET, AF_UNSPEC, IFA_ADDRESS, IFA_LOCAL, IFF_LOOPBACK, IFLA_ADDRESS, IFLA_AF_SPEC, IFLA_INET_CONF,
        IPV4_DEVCONF_ARP_NOTIFY, IPV4_DEVCONF_FORWARDING, NLA_TYPE_MASK, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP,
        NLM_F_DUMP_INTR, NLM_F_REPLACE, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, RT_SCOPE_UNIVERSE, RT_TABLE_MAIN,
        RTA_DST, RTA_GATEWAY, RTA_OIF, RTA_PRIORITY, RTA_TABLE, RTM_DELROUTE, RTM_F_CLONED, RTM_GETADDR, RTM_GETLINK,
        RTM_GETROUTE, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE, RTM_SETLINK, RTN_UNICAST, RTPROT_KERNEL, RTPROT_REDIRECT,
        RTPROT_STATIC,
    },
    protocol::{Guard, Mac},
};

/// The sizes of `struct nlmsghdr` and `struct nlattr`.
pub(crate) const MESSAGE_HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) loopback: bool,
    /// The hardware address, if it has six bytes.
    pub(crate) mac: Option<Mac>,
    /// Whether IPv4 packets from this interface are forwarded. `None` if the interface has no IPv4.
    pub(crate) forwarding: Option<bool>,
    /// The values of the guards that the kernel has.
    pub(crate) guards: Vec<(Guard, u32)>,
}

/// An IPv4 address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) link: u32,
    pub(crate) address: Ipv4Addr,
}

/// A route of the main table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) to: Ipv4Net,
    pub(crate) via: Option<Ipv4Addr>,
    /// Whether the kernel added it for an address of an interface.
    pub(crate) of_kernel: bool,
    pub(crate) link: Option<u32>,
    pub(crate) priority: u32,
    pub(crate) tos: u8,
    pub(crate) scope: u8,
    pub(crate) kind: u8,
    pub(crate) protocol: u8,
}

/// A message of the kernel's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Link(Link),
    Address(Address),
    Entry(Entry),
    /// The end of the answer: an errno, or 0 for success.
    End(i32),
    /// An ignored message: another family or table.
    Other,
}

/// Requests all interfaces.
pub(crate) fn get_links(sequence: u32) -> Vec<u8> {
    let mut message = Message::new(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, sequence);
    message.link_header(AF_UNSPEC, 0);
    message.finish()
}

/// Requests all IPv4 addresses.
pub(crate) fn get_addresses(sequence: u32) -> Vec<u8> {
    let mut message = Message::new(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, sequence);
    message.bytes.extend_from_slice(&[AF_INET, 0, 0, 0, 0, 0, 0, 0]);
    message.finish()
}

/// Requests all IPv4 routes.
pub(crate) fn get_routes(sequence: u32) -> Vec<u8> {
    let mut message = Message::new(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, sequence);
    message
        .bytes
        .extend_from_slice(&[AF_INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    message.finish()
}

/// Turns forwarding of packets from one interface on or off.
pub(crate) fn set_forwarding(sequence: u32, link: u32, on: bool) -> Vec<u8> {
    set_interface(sequence, link, &[(IPV4_DEVCONF_FORWARDING, u32::from(on))])
}

/// Sets guards of one interface to the required values.
pub(crate) fn set_guards(sequence: u32, link: u32, guards: &[Guard]) -> Vec<u8> {
    let settings: Vec<_> = guards.iter().map(|guard| (guard.number(), guard.wanted())).collect();
    set_interface(sequence, link, &settings)
}

/// Makes the kernel announce a later change of the hardware address of an interface to its neighbours, by ARP.
pub(crate) fn announce_changes(sequence: u32, link: u32) -> Vec<u8> {
    set_interface(sequence, link, &[(IPV4_DEVCONF_ARP_NOTIFY, 1)])
}

/// Sets the hardware address of an interface.
pub(crate) fn set_mac(sequence: u32, link: u32, mac: Mac) -> Vec<u8> {
    let mut message = Message::new(RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, sequence);
    message.link_header(AF_UNSPEC, link);
    message.attribute(IFLA_ADDRESS, &mac.0);
    message.finish()
}

fn set_interface(sequence: u32, link: u32, settings: &[(u16, u32)]) -> Vec<u8> {
    let mut message = Message::new(RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, sequence);
    message.link_header(AF_UNSPEC, link);
    message.nest(IFLA_AF_SPEC, |message| {
        message.nest(u16::from(AF_INET), |message| {
            message.nest(IFLA_INET_CONF, |message| {
                for (setting, value) in settings {
                    message.attribute(*setting, &value.to_ne_bytes());
                }
            });
        });
    });
    message.finish()
}

/// Adds a route, or replaces the one with the same destination.
pub(crate) fn put_route(sequence: u32, to: Ipv4Net, via: Ipv4Addr) -> Vec<u8> {
    let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    let mut message = Message::new(RTM_NEWROUTE, flags, sequence);
    message.route_header(to, 0, RTPROT_STATIC, RT_SCOPE_UNIVERSE, RTN_UNICAST);
    message.attribute(RTA_DST, &to.network().octets());
    message.attribute(RTA_GATEWAY, &via.octets());
    message.finish()
}

/// Removes exactly this route.
pub(crate) fn delete_route(sequence: u32, entry: &Entry) -> Vec<u8> {
    let mut message = Message::new(RTM_DELROUTE, NLM_F_REQUEST | NLM_F_ACK, sequence);
    message.route_header(entry.to, entry.tos, entry.protocol, entry.scope, entry.kind);
    message.attribute(RTA_DST, &entry.to.network().octets());
    message.attribute(RTA_PRIORITY, &entry.priority.to_ne_bytes());
    if let Some(via) = entry.via {
        message.attribute(RTA_GATEWAY, &via.octets());
    }
    if let Some(link) = entry.link {
        message.attribute(RTA_OIF, &link.to_ne_bytes());
    }
    message.finish()
}

/// Parses the replies to a request from a datagram of the kernel.
pub(crate) fn replies(datagram: &[u8], sequence: u32) -> Vec<Reply> {
    messages(datagram)
        .filter(|message| u32_at(message, 8) == Some(sequence))
        .map(|message| reply(message).unwrap_or(Reply::Other))
        .collect()
}

/// Splits a datagram of the kernel into messages and stops at a truncated one.
pub(crate) fn messages(mut datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32_at(datagram, 0)?).ok()?;
        let message = datagram.get(..length).filter(|_| length >= MESSAGE_HEADER)?;
        datagram = datagram.get(aligned(length)..).unwrap_or_default();
        Some(message)
    })
}

/// Returns whether the listed objects changed meanwhile, so that the list may be inconsistent.
pub(crate) fn was_interrupted(message: &[u8]) -> bool {
    u16_at(message, 6).is_some_and(|flags| flags & NLM_F_DUMP_INTR != 0)
}

/// Parses the end of an answer: an errno, or 0 for success. Returns `None` for any other message.
pub(crate) fn ending(message: &[u8]) -> Option<i32> {
    match reply(message)? {
        Reply::End(errno) => Some(errno),
        _ => None,
    }
}

fn reply(message: &[u8]) -> Option<Reply> {
    let body = message.get(MESSAGE_HEADER..)?;
    match u16_at(message, 4)? {
        RTM_NEWLINK => link(body).map(Reply::Link),
        RTM_NEWADDR => address(body).map(Reply::Address),
        RTM_NEWROUTE => entry(body).map(Reply::Entry),
        // The kernel negates the errno.
        NLMSG_ERROR => Some(Reply::End(
            i32::from_ne_bytes(body.get(..4)?.try_into().ok()?).saturating_neg(),
        )),
        NLMSG_DONE => Some(Reply::End(match body.get(..4) {
            Some(code) => i32::from_ne_bytes(code.try_into().ok()?).saturating_neg(),
            None => 0,
        })),
        _ => None,
    }
}

fn link(body: &[u8]) -> Option<Link> {
    let settings = attributes(body.get(16..)?)
        .find(|(kind, _)| *kind == IFLA_AF_SPEC)
        .and_then(|(_, families)| attributes(families).find(|(kind, _)| *kind == u16::from(AF_INET)))
        .and_then(|(_, inet)| attributes(inet).find(|(kind, _)| *kind == IFLA_INET_CONF))
        .map_or(&[][..], |(_, settings)| settings);
    // Returned as an array that starts with setting 1, unlike the attributes that set them.
    let setting = |number: u16| u32_at(settings, usize::from(number - 1) * 4);
    let mac = attributes(body.get(16..)?).find(|(kind, _)| *kind == IFLA_ADDRESS);
    Some(Link {
        mac: mac.and_then(|(_, mac)| mac.try_into().ok()).map(Mac),
        index: u32_at(body, 4)?,
        loopback: u32_at(body, 8)? & IFF_LOOPBACK != 0,
        forwarding: setting(IPV4_DEVCONF_FORWARDING).map(|value| value != 0),
        guards: Guard::ALL
            .into_iter()
            .filter_map(|guard| Some((guard, setting(guard.number())?)))
            .collect(),
    })
}

fn address(body: &[u8]) -> Option<Address> {
    if *body.first()? != AF_INET {
        return None;
    }
    let of_kind = |wanted| {
        attributes(body.get(8..)?)
            .find(|(kind, _)| *kind == wanted)
            .and_then(|(_, v)| ipv4(v))
    };
    // On a point-to-point link, ADDRESS is the other end's.
    let address = of_kind(IFA_LOCAL).or_else(|| of_kind(IFA_ADDRESS))?;
    Some(Address {
        link: u32_at(body, 4)?,
        address,
    })
}

fn entry(body: &[u8]) -> Option<Entry> {
    let &[family, prefix, _, tos, table, protocol, scope, kind] = body.first_chunk()?;
    // Entries that the kernel caches for some minutes: a smaller MTU, or a redirect of a neighbour.
    if u32_at(body, 8)? & RTM_F_CLONED != 0 || protocol == RTPROT_REDIRECT {
        return None;
    }
    let mut table = u32::from(table);
    let (mut to, mut via, mut link, mut priority) = (Ipv4Addr::UNSPECIFIED, None, None, 0);
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            RTA_DST => to = ipv4(value)?,
            RTA_GATEWAY => via = ipv4(value),
            RTA_OIF => link = u32_at(value, 0),
            RTA_PRIORITY => priority = u32_at(value, 0)?,
            RTA_TABLE => table = u32_at(value, 0)?,
            _ => {}
        }
    }
    if family != AF_INET || table != u32::from(RT_TABLE_MAIN) {
        return None;
    }
    let to = Ipv4Net::new(to, prefix).ok()?;
    Some(Entry {
        to,
        via,
        of_kernel: protocol == RTPROT_KERNEL,
        link,
        priority,
        tos,
        scope,
        kind,
        protocol,
    })
}

/// Iterates over the attributes of a message or an attribute, and stops at a truncated one.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & NLA_TYPE_MASK;
        let value = bytes.get(ATTRIBUTE_HEADER..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some((kind, value))
    })
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_ne_bytes(*chunk))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk))
}

fn ipv4(value: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from)
}

/// Messages and attributes are aligned to four bytes.
const fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// A request under construction.
pub(crate) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    pub(crate) fn new(kind: u16, flags: u16, sequence: u32) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        bytes.extend_from_slice(&[0; 4]);
        Self { bytes }
    }

    /// `struct ifinfomsg`
    fn link_header(&mut self, family: u8, index: u32) {
        self.bytes.extend_from_slice(&[family, 0, 0, 0]);
        self.bytes.extend_from_slice(&index.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 8]);
    }

    /// `struct rtmsg`
    fn route_header(&mut self, to: Ipv4Net, tos: u8, protocol: u8, scope: u8, kind: u8) {
        self.bytes
            .extend_from_slice(&[AF_INET, to.prefix_len(), 0, tos, RT_TABLE_MAIN, protocol, scope, kind]);
        self.bytes.extend_from_slice(&[0; 4]);
    }

    /// Adds bytes between the header and the attributes.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.nest(kind, |message| message.bytes.extend_from_slice(value));
    }

    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        fill(self);
        let length = u16::try_from(self.bytes.len() - start).expect("a request is kept below 64 KiB");
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.bytes.resize(aligned(self.bytes.len()), 0);
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).expect("a request is kept below 64 KiB");
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests;
