//! The network namespace this process is in: what is there, and one change at a time.

use std::{io, os::fd::OwnedFd};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink::SocketAddrNetlink, recv, sendto,
        socket_with, sockopt,
    },
};

use crate::{
    change::Change,
    netlink::{self, Address, Entry, Link, Reply},
};

/// Larger than any datagram of a dump: the kernel fills at most 32 KiB, or what the reader offers.
const RECEIVE_BYTES: usize = 64 * 1024;

/// A netlink socket in the namespace of this process.
pub(crate) struct Namespace {
    socket: OwnedFd,
    sequence: u32,
}

/// What a namespace is like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) links: Vec<Link>,
    pub(crate) addresses: Vec<Address>,
    pub(crate) entries: Vec<Entry>,
}

impl Namespace {
    /// Opens a socket; reading needs no capability, changing needs `NET_ADMIN`.
    pub(crate) fn open() -> io::Result<Self> {
        // No protocol is protocol 0, `NETLINK_ROUTE`.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        // The kernel answers in the call that asks; a lost answer must not hang PID 1 for ever.
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(std::time::Duration::from_secs(2)))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Reads interfaces, addresses and the main routing table.
    pub(crate) fn observe(&mut self) -> io::Result<Observed> {
        let mut observed = Observed {
            links: self.links()?,
            ..Observed::default()
        };
        for reply in self.ask(netlink::get_addresses)? {
            if let Reply::Address(address) = reply {
                observed.addresses.push(address);
            }
        }
        for reply in self.ask(netlink::get_routes)? {
            if let Reply::Entry(entry) = reply {
                observed.entries.push(entry);
            }
        }
        Ok(observed)
    }

    /// Reads the interfaces alone.
    pub(crate) fn links(&mut self) -> io::Result<Vec<Link>> {
        let replies = self.ask(netlink::get_links)?;
        Ok(replies
            .into_iter()
            .filter_map(|reply| {
                if let Reply::Link(link) = reply {
                    Some(link)
                } else {
                    None
                }
            })
            .collect())
    }

    /// Makes one change.
    pub(crate) fn make(&mut self, change: &Change) -> io::Result<()> {
        let done = match change {
            Change::Forwarding { link, on, .. } => self.ask(|sequence| netlink::set_forwarding(sequence, *link, *on)),
            Change::PutRoute(route) => self.ask(|sequence| netlink::put_route(sequence, route.to, route.via)),
            Change::RemoveRoute(entry) => self.ask(|sequence| netlink::delete_route(sequence, entry)),
        };
        done.map(|_| ())
    }

    /// Sends a request and reads until the kernel says that its answer is complete.
    fn ask(&mut self, request: impl FnOnce(u32) -> Vec<u8>) -> io::Result<Vec<Reply>> {
        self.sequence = self.sequence.wrapping_add(1);
        let kernel = SocketAddrNetlink::new(0, 0);
        sendto(&self.socket, &request(self.sequence), SendFlags::empty(), &kernel)?;
        let mut buffer = vec![0; RECEIVE_BYTES];
        let mut replies = Vec::new();
        loop {
            let (length, _) = match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
                Err(Errno::INTR) => continue,
                received => received?,
            };
            for reply in netlink::replies(&buffer[..length], self.sequence) {
                match reply {
                    Reply::End(0) => return Ok(replies),
                    Reply::End(errno) => return Err(io::Error::from_raw_os_error(errno)),
                    reply => replies.push(reply),
                }
            }
        }
    }
}
