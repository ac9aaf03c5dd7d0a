//! The protocols, by the name of their service in the catalogue.

use super::{
    conpot, context::Context, dialogue::Dialogue, dns, docker_api, elasticsearch, ftp, http, https, imap, k8s, ldap,
    llmnr, mongodb, mqtt, mssql, mysql, plain, pop3, postgres, rdp, redis, sip, smb, smtp, smtp_relay, snmp, telnet,
    tftp, vnc,
};

/// Starts a conversation.
type Constructor = fn(&Context) -> Box<dyn Dialogue>;

/// A protocol.
pub(super) struct Entry {
    /// The name of the service in the catalogue.
    pub(super) name: &'static str,
    /// Starts a conversation on any of its ports.
    pub(super) start: Constructor,
    /// The TCP ports on which a connection starts with a TLS handshake.
    pub(super) tls_ports: &'static [u16],
    /// Whether the field `banner` is the protocol's own greeting. For other protocols, the banner is sent before anything else.
    pub(super) greets: bool,
}

const fn entry(name: &'static str, start: Constructor) -> Entry {
    Entry {
        name,
        start,
        tls_ports: &[],
        greets: false,
    }
}

impl Entry {
    const fn tls(self, tls_ports: &'static [u16]) -> Self {
        Self { tls_ports, ..self }
    }

    const fn greets(self) -> Self {
        Self { greets: true, ..self }
    }
}

/// All protocols, sorted by name.
pub(super) const PROTOCOLS: &[Entry] = &[
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
    entry("llmnr", llmnr::new),
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
    entry("telnet", telnet::new).greets(),
    entry("tftp", tftp::new),
    entry("vnc", vnc::new).greets(),
];

/// A service with a name that is not in [`PROTOCOLS`].
const PLAIN: Entry = entry("", plain::new).greets();

/// Returns the protocol of a service.
pub(super) fn protocol(service: &str) -> &'static Entry {
    PROTOCOLS.iter().find(|entry| entry.name == service).unwrap_or(&PLAIN)
}
