//! The protocols, by the name of their service in the catalogue.

use std::net::Ipv4Addr;

use super::{
    conpot,
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    dns, docker_api, elasticsearch, ftp, http, https, imap, k8s, ldap, llmnr, mongodb, mqtt, mssql, mysql, plain, pop3,
    postgres, rdp, redis, sip, smb, smtp, smtp_relay, snmp, telnet, tftp, vnc,
};
use crate::protocol::Protocol as Transport;

/// Starts a conversation.
type Constructor = fn(&Context) -> Box<dyn Dialogue>;

/// A protocol.
pub(super) struct Protocol {
    /// The name of the service in the catalogue.
    name: &'static str,
    /// Starts a conversation on any of its ports; none for SSH, which is not a dialogue.
    constructor: Option<Constructor>,
    /// The TCP ports on which a connection starts with a TLS handshake.
    pub(super) tls_ports: &'static [u16],
    /// The multicast groups whose datagrams its UDP ports receive, by port.
    groups: &'static [(u16, Ipv4Addr)],
    /// Whether the field `banner` is the protocol's own greeting. For other protocols, the banner is sent before anything else.
    pub(super) greets: bool,
}

const fn entry(name: &'static str, constructor: Constructor) -> Protocol {
    Protocol {
        name,
        constructor: Some(constructor),
        tls_ports: &[],
        groups: &[],
        greets: false,
    }
}

impl Protocol {
    const fn tls(self, tls_ports: &'static [u16]) -> Self {
        Self { tls_ports, ..self }
    }

    const fn groups(self, groups: &'static [(u16, Ipv4Addr)]) -> Self {
        Self { groups, ..self }
    }

    const fn greets(self) -> Self {
        Self { greets: true, ..self }
    }

    /// Returns the multicast group of a UDP port.
    pub(super) fn group(&self, port: u16) -> Option<Ipv4Addr> {
        let group = self.groups.iter().find(|(of, _)| *of == port);
        group.map(|(_, group)| *group)
    }

    /// Starts a conversation. Returns none for SSH, which is not a dialogue.
    pub(super) fn start(&self, context: &Context) -> Option<Box<dyn Dialogue>> {
        let dialogue = self.constructor?(context);
        let banner = context.fields().text("banner").filter(|_| !self.greets);
        Some(match banner {
            Some(banner) => Box::new(Bannered {
                banner: banner.to_owned(),
                is_datagram: context.session.transport == Transport::Udp,
                dialogue,
            }),
            None => dialogue,
        })
    }
}

/// All protocols, sorted by name.
const PROTOCOLS: &[Protocol] = &[
    entry("conpot", conpot::new),
    entry("dns", dns::new),
    entry("docker_api", docker_api::new).tls(&[2376]),
    entry("elasticsearch", elasticsearch::new),
    entry("ftp", ftp::new).greets(),
    entry("http", http::new),
    entry("https", https::new).tls(&[443]),
    entry("imap", imap::new).tls(&[993]).greets(),
    entry("k8s", k8s::new).tls(&[6443]),
    entry("ldap", ldap::new).tls(&[636]),
    entry("llmnr", llmnr::new).groups(llmnr::GROUPS),
    entry("mongodb", mongodb::new),
    entry("mqtt", mqtt::new),
    entry("mssql", mssql::new),
    entry("mysql", mysql::new),
    entry("pop3", pop3::new).tls(&[995]).greets(),
    entry("postgres", postgres::new),
    entry("rdp", rdp::new),
    entry("redis", redis::new),
    entry("sip", sip::new),
    entry("smb", smb::new),
    entry("smtp", smtp::new).greets(),
    entry("smtp_relay", smtp_relay::new).greets(),
    entry("snmp", snmp::new),
    SSH,
    entry("telnet", telnet::new).greets(),
    entry("tftp", tftp::new),
    entry("vnc", vnc::new).greets(),
];

/// A service with a name that is not in the list.
const PLAIN: Protocol = entry("", plain::new).greets();

/// SSH, whose library wants a stream.
const SSH: Protocol = Protocol {
    name: "ssh",
    constructor: None,
    tls_ports: &[],
    groups: &[],
    greets: true,
};

/// Returns the protocol of a service.
pub(super) fn protocol(service: &str) -> &'static Protocol {
    PROTOCOLS.iter().find(|entry| entry.name == service).unwrap_or(&PLAIN)
}

/// Returns the names of all protocols.
#[cfg(test)]
pub(super) fn services() -> impl Iterator<Item = &'static str> {
    PROTOCOLS.iter().map(|protocol| protocol.name)
}

/// A conversation whose visitor gets the banner of the maze first, whatever a real server sends.
struct Bannered {
    banner: String,
    is_datagram: bool,
    dialogue: Box<dyn Dialogue>,
}

impl Dialogue for Bannered {
    fn open(&mut self, turn: &mut Turn) {
        turn.send(self.banner.as_bytes());
        self.dialogue.open(turn);
    }

    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        let received = input.bytes().len();
        self.dialogue.receive(input, turn);
        if self.is_datagram {
            turn.sent.clear();
            turn.to_group = false;
            turn.send(plain::answer_of(&self.banner, received));
        }
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        self.dialogue.finish(input, turn);
    }

    fn expire(&mut self, turn: &mut Turn) {
        self.dialogue.expire(turn);
    }

    fn secured(&mut self, turn: &mut Turn) {
        self.dialogue.secured(turn);
    }

    fn unsecured(&mut self, input: &mut Input, turn: &mut Turn) {
        self.dialogue.unsecured(input, turn);
    }

    fn port_opened(&mut self, port: Option<u16>, turn: &mut Turn) {
        self.dialogue.port_opened(port, turn);
    }

    fn received(&mut self, bytes: &[u8]) {
        self.dialogue.received(bytes);
    }

    fn transferred(&mut self, is_done: bool, turn: &mut Turn) {
        self.dialogue.transferred(is_done, turn);
    }
}
