//! Contacts that no service sees: connections that are never completed, and ports where nothing listens.
//!
//! The packet filter copies datagrams and the packets that begin, complete or refuse a connection to a netlink group (`NFLOG`). Joining
//! the group takes `NET_ADMIN`, reading it takes nothing. What a service accepts is in the service's log and not here.

mod nflog;
mod pending;
mod sockets;

use std::{
    io::{self, ErrorKind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::{io::Errno, system::uname};

pub(crate) use self::nflog::{BEGINS, COMPLETES, GROUP};
use self::{
    nflog::{Kind, Packet},
    pending::Pending,
    sockets::Sockets,
};
use crate::{
    journal::{Bucket, Journal},
    lines::log,
    protocol::Protocol,
    socket::Socket,
};

/// How long packets are collected before they are compared with the sockets of the namespace.
const TICK: Duration = Duration::from_millis(500);

/// How long to wait for a packet while no contact waits.
const IDLE: Duration = Duration::from_secs(5);

/// Receives the packets that the filter copies.
pub(crate) struct Detector {
    socket: Socket,
}

impl Detector {
    /// Joins the group.
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::open(Some(nflog::SUBSYSTEM))?;
        for message in nflog::join() {
            socket.send(&message)?;
            nflog::acknowledge(socket.receive()?)?;
        }
        socket.set_timeout(TICK)?;
        Ok(Self { socket })
    }

    /// Writes the contacts to stdout, in a thread of its own.
    pub(crate) fn run_in_background(self) -> io::Result<Scans> {
        // The hostname of a base is the name of its decky.
        let decky = uname().nodename().to_string_lossy().into_owned();
        let scans = Scans(Arc::new(Mutex::new(Contacts {
            pending: Pending::default(),
            sockets: Sockets::read(),
            journal: Journal::new(decky, None, Box::new(io::stdout())),
        })));
        let shared = Scans(Arc::clone(&scans.0));
        let thread = thread::Builder::new().name("scan".into());
        thread.spawn(move || self.run(&shared))?;
        Ok(scans)
    }

    fn run(mut self, scans: &Scans) {
        let mut warnings = Bucket::new(4, Duration::from_mins(10), Instant::now());
        let mut next = Instant::now() + TICK;
        loop {
            match self.socket.receive() {
                Ok(datagram) => scans.lock().add(nflog::packets(datagram)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The buffer was full. What was lost may be what completed a connection that waits.
                Err(error) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {
                    scans.lock().abandon(Instant::now());
                    if warnings.take(Instant::now()) {
                        log(
                            "warn",
                            "some contacts were not seen",
                            &serde_json::json!(error.to_string()),
                        );
                    }
                }
                Err(error) => {
                    log(
                        "error",
                        "scans are not seen any more",
                        &serde_json::json!(error.to_string()),
                    );
                    return;
                }
            }
            let now = Instant::now();
            if now >= next {
                next = now + TICK;
                let waits = scans.lock().settle(now);
                // At worst it wakes up for nothing.
                let _ = self.socket.set_timeout(if waits { TICK } else { IDLE });
            }
        }
    }
}

/// The contacts that a detector found.
pub(crate) struct Scans(Arc<Mutex<Contacts>>);

struct Contacts {
    pending: Pending,
    /// What was open a moment ago.
    sockets: Sockets,
    journal: Journal,
}

impl Scans {
    /// Counts what is not reported, before the process ends.
    pub(crate) fn close(&self) {
        let now = Instant::now();
        let mut contacts = self.lock();
        contacts.settle(now);
        contacts.abandon(now);
        contacts.journal.close(now);
    }

    /// Takes the contacts, also from a thread that panicked: a line is written whole or not at all.
    fn lock(&self) -> MutexGuard<'_, Contacts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contacts {
    /// Adds packets. Beyond the number of contacts that can wait, they are counted without knowing whether a service sees them.
    fn add(&mut self, packets: impl Iterator<Item = Packet>) {
        let now = Instant::now();
        for packet in packets {
            let service_sees = (Protocol::Udp, packet.local_port);
            if packet.kind == Kind::Datagram && self.sockets.listening.contains(&service_sees) {
                continue;
            }
            if !self.pending.add(&packet, now) {
                self.journal.count(*packet.remote.ip(), packet.kind.protocol(), now);
            }
        }
    }

    /// Reports what is known by now. Returns whether any contact waits.
    fn settle(&mut self, now: Instant) -> bool {
        if !self.pending.is_empty() {
            self.sockets = Sockets::read();
            for (scan, times) in self.pending.settle(&self.sockets, now) {
                self.journal.scan(&scan, times, now);
            }
        }
        self.journal.tick(now);
        !self.pending.is_empty()
    }

    fn abandon(&mut self, now: Instant) {
        for (from, protocol, times) in self.pending.abandon() {
            for _ in 0..times {
                self.journal.count(from, protocol, now);
            }
        }
    }
}
