//! What a line of the log is about.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::protocol::Protocol;

/// The source and the target of a contact.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visit {
    pub(crate) remote: SocketAddrV4,
    /// The decky's address; none if it is not known.
    pub(crate) local: Option<Ipv4Addr>,
    pub(crate) local_port: u16,
    pub(crate) protocol: Protocol,
}

/// A contact that no service sees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scan {
    pub(crate) visit: Visit,
    pub(crate) kind: ScanKind,
}

/// The kind of a contact that no service sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ScanKind {
    /// A connection was requested and never completed (`nmap -sS`).
    HalfOpen,
    /// A connection request or a datagram arrived at a port where nothing listens.
    ClosedPort,
    /// A packet arrived outside of any connection that does not open one (`nmap -sA`, `-sF`, `-sM`, `-sN`, `-sX`).
    Stray,
}

impl ScanKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::HalfOpen => "half_open",
            Self::ClosedPort => "closed_port",
            Self::Stray => "stray",
        }
    }
}

/// A packet that the filter dropped on its way out: who sent it, and its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Dropped {
    pub(crate) from: Ipv4Addr,
    pub(crate) to: Ipv4Addr,
    /// The transport and the port; none for other protocols.
    pub(crate) port: Option<(Protocol, u16)>,
}
