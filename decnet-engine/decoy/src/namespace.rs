//! Reads and changes the network namespace of this process.

use std::io;

use rustix::{io::Errno, net::netlink::NETFILTER};

use crate::{
    change::Change,
    kernel::{RTMGRP_IPV4_IFADDR, RTMGRP_LINK},
    netfilter::{self, CONTAINMENT, FoundTable, Label, Question, Table},
    netlink::{self, Address, Link, Reply},
    observed::Observed,
    ports::Interfaces,
    protocol::Mac,
    socket::Socket,
};

/// How often a list is read again if it changed while it was read.
const LISTINGS: usize = 5;

/// The namespace of this process, through netlink.
pub(crate) struct Namespace {
    socket: Socket,
    sequence: u32,
}

impl Namespace {
    /// Opens a socket. Reading requires no capability; changes require `NET_ADMIN`.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self {
            socket: Socket::open(None)?,
            sequence: 0,
        })
    }

    /// Reads interfaces, addresses and the main routing table.
    pub(crate) fn observe(&mut self) -> io::Result<Observed> {
        let mut observed = Observed {
            links: self.links()?,
            addresses: self.addresses()?,
            ..Observed::default()
        };
        for reply in self.ask(netlink::get_routes)? {
            if let Reply::Entry(entry) = reply {
                observed.entries.push(entry);
            }
        }
        Ok(observed)
    }

    /// Reads only the interfaces.
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

    /// Makes one change. It is not an error if the object is already removed.
    pub(crate) fn make(&mut self, change: &Change) -> io::Result<()> {
        let done = match change {
            Change::Forwarding { link, on, .. } => self.ask(|sequence| netlink::set_forwarding(sequence, *link, *on)),
            Change::Guard { link, guards } => self.ask(|sequence| netlink::set_guards(sequence, *link, guards)),
            Change::Mac { link, mac } => self.set_mac(*link, *mac),
            Change::PutRoute(route) => self.ask(|sequence| netlink::put_route(sequence, route.to, route.via)),
            Change::RemoveRoute(entry) => self.ask(|sequence| netlink::delete_route(sequence, entry)),
        };
        match done {
            Err(error) if is_missing(change, &error) => Ok(()),
            done => done.map(|_| ()),
        }
    }

    /// Sets a hardware address. Neighbours that know the earlier one learn the new one.
    fn set_mac(&mut self, link: u32, mac: Mac) -> io::Result<Vec<Reply>> {
        self.ask(|sequence| netlink::announce_changes(sequence, link))?;
        self.ask(|sequence| netlink::set_mac(sequence, link, mac))
    }

    /// Reads the addresses of the interfaces other than loopback, with their hardware addresses.
    pub(crate) fn interfaces(&mut self) -> io::Result<Interfaces> {
        let (links, addresses) = (self.links()?, self.addresses()?);
        let with_mac = addresses.iter().filter_map(|one| {
            let link = links.iter().find(|link| link.index == one.link && !link.loopback)?;
            Some((one.address, link.mac?))
        });
        Ok(with_mac.collect())
    }

    pub(crate) fn addresses(&mut self) -> io::Result<Vec<Address>> {
        let replies = self.ask(netlink::get_addresses)?.into_iter();
        let addresses = replies.filter_map(|reply| match reply {
            Reply::Address(address) => Some(address),
            _ => None,
        });
        Ok(addresses.collect())
    }

    /// Sends a request and reads the complete answer, again if it changed meanwhile.
    fn ask(&mut self, request: impl Fn(u32) -> Vec<u8>) -> io::Result<Vec<Reply>> {
        let answer = self.exchange(request)?;
        let replies = answer
            .iter()
            .flat_map(|message| netlink::replies(message, self.sequence));
        Ok(replies.collect())
    }

    /// Sends a request and returns the messages of the complete answer. It asks again if the answer changed meanwhile.
    pub(crate) fn exchange(&mut self, request: impl Fn(u32) -> Vec<u8>) -> io::Result<Vec<Vec<u8>>> {
        for _ in 0..LISTINGS {
            self.sequence = self.sequence.wrapping_add(1);
            self.socket.send(&request(self.sequence))?;
            let (answer, whole) = whole_answer(&mut self.socket, self.sequence)?;
            if whole {
                return Ok(answer);
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }
}

/// Opens a socket that is readable when interfaces or addresses change.
pub(crate) fn changes_of_interfaces() -> io::Result<Socket> {
    Socket::notified_of(RTMGRP_LINK | RTMGRP_IPV4_IFADDR)
}

/// Returns whether an error means that there is nothing left to remove or to set.
fn is_missing(change: &Change, error: &io::Error) -> bool {
    let missing = [Errno::SRCH, Errno::NODEV].map(Errno::raw_os_error);
    let is_missing = error.raw_os_error().is_some_and(|errno| missing.contains(&errno));
    is_missing && !matches!(change, Change::PutRoute(_))
}

/// Replaces the table. Requires `NET_ADMIN`.
pub(crate) fn replace_table(table: &Table) -> io::Result<()> {
    commit(table.replace())
}

/// Makes a transaction of `nf_tables`, whose last message has this number. Requires `NET_ADMIN`.
pub(crate) fn commit((batch, last): (Vec<u8>, u32)) -> io::Result<()> {
    let mut socket = Socket::open(Some(NETFILTER))?;
    socket.send(&batch)?;
    loop {
        for message in netlink::messages(socket.receive()?) {
            match netlink::ending(message) {
                Some(0) if netlink::u32_at(message, 8) == Some(last) => return Ok(()),
                None | Some(0) => {}
                // If one part was refused, all of it was.
                Some(errno) => return Err(io::Error::from_raw_os_error(errno)),
            }
        }
    }
}

/// Returns whether the kernel has exactly this table. Requires `NET_ADMIN`.
pub(crate) fn has_table(table: &Table) -> io::Result<bool> {
    compare(table, CONTAINMENT.name, |question, answer| table.is(question, answer))
}

/// The same for a table with another label.
pub(crate) fn has_table_as(label: Label<'_>, table: &Table) -> io::Result<bool> {
    compare(table, label.name, |question, answer| {
        table.is_as(label, question, answer)
    })
}

/// Returns the names and the comments of all tables of the family `inet`.
pub(crate) fn tables() -> io::Result<Vec<FoundTable>> {
    let mut socket = Socket::open(Some(NETFILTER))?;
    for sequence in (1..).take(LISTINGS) {
        socket.send(&Question::Table.message("", sequence))?;
        let (answer, whole) = whole_answer(&mut socket, sequence)?;
        if whole {
            return Ok(netfilter::tables(&answer));
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

fn compare(table: &Table, name: &str, is: impl Fn(Question, &[Vec<u8>]) -> bool) -> io::Result<bool> {
    let mut socket = Socket::open(Some(NETFILTER))?;
    for (sequence, question) in (1..).zip(table.questions()) {
        socket.send(&question.message(name, sequence))?;
        match whole_answer(&mut socket, sequence) {
            // A list that changed meanwhile is compared as well: it is the table, or someone is changing it.
            Ok((answer, _)) if is(question, &answer) => {}
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Returns whether the kernel has `nf_tables`, loaded or built in. If it is a module, this loads it. Requires `NET_ADMIN`.
pub fn has_nf_tables() -> io::Result<bool> {
    let mut socket = Socket::open(Some(NETFILTER))?;
    socket.send(&netfilter::get_generation(1))?;
    let datagram = socket.receive()?;
    let errno = netlink::messages(datagram).find_map(netlink::ending);
    match errno.map(Errno::from_raw_os_error) {
        None => Ok(true),
        Some(Errno::INVAL | Errno::OPNOTSUPP) => Ok(false),
        Some(errno) => Err(errno.into()),
    }
}

/// Reads a complete answer. Also returns whether the listed objects stayed the same meanwhile.
fn whole_answer(socket: &mut Socket, sequence: u32) -> io::Result<(Vec<Vec<u8>>, bool)> {
    let (mut answer, mut whole) = (Vec::new(), true);
    loop {
        for message in netlink::messages(socket.receive()?) {
            if netlink::u32_at(message, 8) != Some(sequence) {
                continue;
            }
            whole &= !netlink::was_interrupted(message);
            match netlink::ending(message) {
                None => answer.push(message.to_vec()),
                Some(0) => return Ok((answer, whole)),
                Some(errno) => return Err(io::Error::from_raw_os_error(errno)),
            }
        }
    }
}
