//! What is taken over of a file of another tool, in the terms that all tools share.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::{
    catalog::Port,
    decode::{At, Diagnostics, Problem},
};

/// The networks and hosts of a file.
#[derive(Debug, Default)]
pub(super) struct Lab {
    /// The name, as written.
    pub(super) name: Option<String>,
    pub(super) networks: Vec<Network>,
    pub(super) hosts: Vec<Host>,
}

/// A network.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) origin: Origin,
    /// The name, as written.
    pub(super) name: String,
    pub(super) subnet: Option<Ipv4Net>,
    /// Whether it leads out of the lab.
    pub(super) leads_out: bool,
    /// Whether the tool cuts it off from the outside.
    pub(super) is_internal: bool,
}

/// A host.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) origin: Origin,
    /// The name, as written.
    pub(super) name: String,
    pub(super) image: Option<String>,
    /// Whether it forwards packets between its networks.
    pub(super) forwards: bool,
    /// Whether it can be reached from outside of the lab.
    pub(super) is_published: bool,
    /// The ports on which it listens.
    pub(super) ports: Vec<Port>,
    pub(super) interfaces: Vec<Interface>,
}

/// The interface of a host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interface {
    /// The position of its network in the lab.
    pub(super) network: usize,
    pub(super) address: Option<Ipv4Addr>,
}

/// The place of a part in the file.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    offset: Option<usize>,
    path: String,
}

impl Origin {
    /// Returns the place of a value.
    pub(super) fn of(at: At<'_, '_>) -> Self {
        Self {
            offset: at.offset(),
            path: at.path(),
        }
    }

    /// Gives the part another name in notes, because it is not the value at that place.
    pub(super) fn called(self, path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            ..self
        }
    }

    /// Records what was done with the part.
    pub(super) fn note(&self, diagnostics: &Diagnostics<'_>, message: impl Into<String>) {
        let message = message.into();
        diagnostics.note(self.offset, self.path.clone(), Problem::Other { message });
    }
}

/// Records what was done with a value.
pub(super) fn note(at: At<'_, '_>, message: impl Into<String>) {
    let message = message.into();
    at.note(Problem::Other { message });
}

/// Records a value that has no equivalent in a maze.
pub(super) fn not_taken(at: At<'_, '_>) {
    note(at, "is not taken over");
}

/// Reads a number of a port, which may be written as a text.
pub(super) fn port_number(at: At<'_, '_>) -> Option<u16> {
    let number = match text_or_number(at)?.parse() {
        Ok(0) | Err(_) => None,
        Ok(number) => Some(number),
    };
    if number.is_none() {
        note(at, "is not one port, and is not taken over");
    }
    number
}

/// Reads a port of the form `80`, `8080:80`, `127.0.0.1:8080:80` or `53:53/udp`: that of the host that listens.
pub(super) fn port(at: At<'_, '_>) -> Option<Port> {
    let text = text_or_number(at)?;
    let (numbers, protocol) = text.rsplit_once('/').unwrap_or((&text, "tcp"));
    let number = numbers.rsplit(':').next().unwrap_or_default();
    let port = format!("{number}/{protocol}").parse().ok();
    if port.is_none() {
        note(at, "is not one port of TCP or UDP, and is not taken over");
    }
    port
}

/// Reads a text. A number is read as its digits.
fn text_or_number(at: At<'_, '_>) -> Option<String> {
    match at.as_u64() {
        Some(number) => Some(number.to_string()),
        None => at.text("a port").map(ToOwned::to_owned),
    }
}

/// Reads kernel parameters, as a map or as a list of `key=value`. Returns whether they turn on the forwarding of packets.
pub(super) fn turns_on_forwarding(at: At<'_, '_>) -> bool {
    const KEY: &str = "net.ipv4.ip_forward";
    let mut forwards = false;
    if at.is_map() {
        for (key, at) in at.entries("a map") {
            if key == KEY {
                forwards = text_or_number(at).is_some_and(|value| value == "1");
            } else {
                not_taken(at);
            }
        }
    } else {
        for at in at.items("a list or a map of kernel parameters") {
            match at.text("a text").and_then(|text| text.split_once('=')) {
                Some((KEY, value)) => forwards = value == "1",
                _ => not_taken(at),
            }
        }
    }
    forwards
}
