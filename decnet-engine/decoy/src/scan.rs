//! Contacts that no service sees: incomplete connections, ports where nothing listens, and packets that the containment drops.
//!
//! The packet filter copies datagrams and the packets that open, complete or reset a connection to a netlink group (`NFLOG`), and the
//! packets that it drops to another. Joining a group requires `NET_ADMIN`; reading requires nothing. Contacts that a service accepts are in the log of the
//! service.

mod dropped;
mod nflog;
mod pending;
mod redirects;
mod sockets;

use std::{
    io::{self, ErrorKind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::{io::Errno, system::uname};

pub(crate) use self::nflog::{BEGINS, COMPLETES, DROPPED, DROPS, GROUP};
use self::{
    dropped::Drops,
    nflog::{Copied, Kind, Packet},
    pending::Pending,
    redirects::Redirects,
    sockets::Sockets,
};
use crate::{
    journal::{Bucket, Journal},
    lines::log,
    protocol::{NetState, Protocol},
    socket::Socket,
};

/// How long packets are collected before they are compared with the sockets of the namespace.
const TICK: Duration = Duration::from_millis(500);

/// The timeout while no contact is pending.
const IDLE: Duration = Duration::from_secs(5);

/// Receives the packets that the filter copies.
pub(crate) struct Detector {
    socket: Socket,
    redirects: Redirects,
}

impl Detector {
    /// Joins the groups.
    pub(crate) fn open(state: &NetState) -> io::Result<Self> {
        let mut socket = Socket::open(Some(nflog::SUBSYSTEM))?;
        for message in [GROUP, DROPS].into_iter().flat_map(nflog::join) {
            socket.send(&message)?;
            nflog::acknowledge(socket.receive()?)?;
        }
        socket.set_timeout(TICK)?;
        Ok(Self {
            socket,
            redirects: Redirects::new(state),
        })
    }

    /// Starts a thread that writes the contacts to stdout.
    pub(crate) fn run_in_background(mut self) -> io::Result<Scans> {
        // The hostname of a base is the name of its decky.
        let decky = uname().nodename().to_string_lossy().into_owned();
        let mut redirects = std::mem::take(&mut self.redirects);
        let scans = Scans(Arc::new(Mutex::new(Contacts {
            pending: Pending::default(),
            drops: Drops::new(Instant::now()),
            sockets: Sockets::read(redirects.current()),
            redirects,
            journal: Journal::new(decky, Box::new(io::stdout())),
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
                // The buffer was full. The lost packets may have completed pending connections.
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
                        "scans are no longer seen",
                        &serde_json::json!(error.to_string()),
                    );
                    return;
                }
            }
            let now = Instant::now();
            if now >= next {
                next = now + TICK;
                let waits = scans.lock().settle(now);
                // If it fails, the thread only wakes up more often.
                let _ = self.socket.set_timeout(if waits { TICK } else { IDLE });
            }
        }
    }
}

/// The contacts that a detector found.
pub(crate) struct Scans(Arc<Mutex<Contacts>>);

struct Contacts {
    pending: Pending,
    drops: Drops,
    /// The recently open sockets.
    sockets: Sockets,
    redirects: Redirects,
    journal: Journal,
}

impl Scans {
    /// Counts the unreported contacts before the process ends.
    pub(crate) fn close(&self) {
        let now = Instant::now();
        let mut contacts = self.lock();
        contacts.settle(now);
        contacts.abandon(now);
        contacts.report_drops(None);
        contacts.journal.finish(now);
    }

    /// Locks the contacts, even if another thread panicked: a line is written completely or not at all.
    fn lock(&self) -> MutexGuard<'_, Contacts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contacts {
    /// Adds packets. Beyond the limit of pending contacts they are only counted, whether a service sees them or not.
    fn add(&mut self, packets: impl Iterator<Item = Copied>) {
        let now = Instant::now();
        for packet in packets {
            let packet: Packet = match packet {
                Copied::Incoming(packet) => packet,
                Copied::Outgoing { dropped, number } => {
                    self.drops.add(dropped, number, now);
                    continue;
                }
            };
            let service_sees = (Protocol::Udp, packet.local_port);
            if packet.kind == Kind::Datagram && self.sockets.listening.contains(&service_sees) {
                continue;
            }
            if !self.pending.add(&packet, now) {
                self.journal.count(*packet.remote.ip(), packet.kind.protocol(), now);
            }
        }
    }

    /// Reports the contacts whose outcome is known. Returns whether any are pending.
    fn settle(&mut self, now: Instant) -> bool {
        if !self.pending.is_empty() {
            self.sockets = Sockets::read(self.redirects.current());
            for (scan, times) in self.pending.settle(&self.sockets, now) {
                self.journal.scan(&scan, times, now);
            }
        }
        self.report_drops(Some(now));
        self.journal.tick(now);
        !self.pending.is_empty() || !self.drops.is_empty()
    }

    /// Reports dropped packets if it is time, or without a time all of them.
    fn report_drops(&mut self, now: Option<Instant>) {
        for (dropped, packets) in self.drops.take(now) {
            self.journal.dropped(dropped, packets);
        }
    }

    fn abandon(&mut self, now: Instant) {
        for (from, protocol, times) in self.pending.abandon() {
            for _ in 0..times {
                self.journal.count(from, protocol, now);
            }
        }
    }
}
