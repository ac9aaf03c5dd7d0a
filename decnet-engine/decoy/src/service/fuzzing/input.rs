//! How the bytes of the fuzzer are a conversation.
//!
//! The first byte chooses a port of a service, the second the system and the fields. Then there are pieces: each has two bytes,
//! little-endian, with the step in the upper four bits and the length in the others, and that many bytes.

use crate::protocol::Protocol::{self, Tcp, Udp};

/// All ports of the built-in services. A test compares them with the catalogue.
pub(super) const PORTS: &[(&str, u16, Protocol)] = &[
    ("conpot", 80, Tcp),
    ("conpot", 102, Tcp),
    ("conpot", 502, Tcp),
    ("conpot", 161, Udp),
    ("dns", 53, Tcp),
    ("dns", 53, Udp),
    ("docker_api", 2375, Tcp),
    ("docker_api", 2376, Tcp),
    ("elasticsearch", 9200, Tcp),
    ("ftp", 21, Tcp),
    ("http", 80, Tcp),
    ("https", 443, Tcp),
    ("imap", 143, Tcp),
    ("imap", 993, Tcp),
    ("k8s", 6443, Tcp),
    ("k8s", 8080, Tcp),
    ("ldap", 389, Tcp),
    ("ldap", 636, Tcp),
    ("llmnr", 5353, Udp),
    ("llmnr", 5355, Udp),
    ("mongodb", 27017, Tcp),
    ("mqtt", 1883, Tcp),
    ("mssql", 1433, Tcp),
    ("mysql", 3306, Tcp),
    ("pop3", 110, Tcp),
    ("pop3", 995, Tcp),
    ("postgres", 5432, Tcp),
    ("rdp", 3389, Tcp),
    ("redis", 6379, Tcp),
    ("sip", 5060, Tcp),
    ("sip", 5060, Udp),
    ("smb", 139, Tcp),
    ("smb", 445, Tcp),
    ("smtp", 25, Tcp),
    ("smtp", 587, Tcp),
    ("smtp_relay", 25, Tcp),
    ("smtp_relay", 587, Tcp),
    ("snmp", 161, Udp),
    ("ssh", 22, Tcp),
    ("telnet", 23, Tcp),
    ("tftp", 69, Udp),
    ("vnc", 5900, Tcp),
    // A service of a user's own catalogue.
    ("own", 4000, Tcp),
    ("own", 4000, Udp),
];

/// What a piece does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Its bytes arrive.
    Receive,
    /// Its bytes arrive, and then the visitor's bytes end.
    Finish,
    /// The visitor was silent for too long.
    Expire,
    /// The next step of the dialogue fails: no TLS, no second connection.
    Refuse,
}

const LENGTH: u16 = 0x0fff;

/// Splits the rest of an input into pieces. The last one may be shorter than it says.
pub(super) fn pieces(mut bytes: &[u8]) -> Vec<(Step, &[u8])> {
    let mut pieces = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<2>() {
        let head = u16::from_le_bytes(*head);
        let (piece, rest) = rest.split_at(usize::from(head & LENGTH).min(rest.len()));
        let step = match head >> 12 {
            13 => Step::Finish,
            14 => Step::Expire,
            15 => Step::Refuse,
            _ => Step::Receive,
        };
        pieces.push((step, piece));
        bytes = rest;
    }
    pieces
}

/// Returns the input in which these messages arrive at a port.
#[cfg(test)]
pub(super) fn encode(port: u8, surroundings: u8, messages: &[&[u8]]) -> Vec<u8> {
    let mut input = vec![port, surroundings];
    for message in messages {
        for piece in message.chunks(LENGTH.into()) {
            input.extend(u16::try_from(piece.len()).expect("it is at most 4 095").to_le_bytes());
            input.extend(piece);
        }
    }
    input
}
