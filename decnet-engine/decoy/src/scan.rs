//! Contacts that no service sees: connections that are never completed, and ports where nothing listens.
//!
//! The packet filter copies the packets that begin, complete or refuse a connection to a netlink group (`NFLOG`), and datagrams. Joining the group takes `NET_ADMIN`, reading it takes nothing. What a service accepts is in the service's log
//! and not here.

mod nflog;
mod pending;
mod sockets;

use std::{
    io::{self, ErrorKind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::system::uname;

pub(crate) use self::nflog::{BEGINS, COMPLETES, GROUP};
pub(crate) use self::pending::Scan;
use self::{pending::Pending, sockets::Sockets};
use crate::{
    journal::{Bucket, Journal},
    program::log,
    socket::Socket,
};

/// How long packets are collected before they are compared with the sockets of the namespace.
const TICK: Duration = Duration::from_millis(500);

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

    /// Writes the contacts to stdout, in a thread of its own. Returns the log, to be closed in the end.
    pub(crate) fn run_in_background(self) -> io::Result<Arc<Mutex<Journal>>> {
        // The hostname of a base is the name of its decky.
        let decky = uname().nodename().to_string_lossy().into_owned();
        let journal = Arc::new(Mutex::new(Journal::new(decky, None, Box::new(io::stdout()))));
        let log = Arc::clone(&journal);
        let thread = thread::Builder::new().name("scan".into());
        thread.spawn(move || self.run(&log))?;
        Ok(journal)
    }

    fn run(mut self, journal: &Mutex<Journal>) {
        let mut pending = Pending::default();
        let mut warnings = Bucket::new(4, Duration::from_mins(10), Instant::now());
        let mut next = Instant::now() + TICK;
        loop {
            match self.socket.receive() {
                Ok(datagram) => {
                    let now = Instant::now();
                    for packet in nflog::packets(datagram) {
                        if !pending.add(&packet, now) {
                            lock(journal).count(*packet.remote.ip(), packet.kind.protocol(), now);
                        }
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The kernel reports once that its buffer was full, and goes on.
                Err(error) => {
                    if warnings.take(Instant::now()) {
                        log(
                            "warn",
                            "some contacts were not seen",
                            &serde_json::json!(error.to_string()),
                        );
                    }
                }
            }
            let now = Instant::now();
            if now < next {
                continue;
            }
            next = now + TICK;
            let mut journal = lock(journal);
            if !pending.is_empty() {
                for (contact, times) in pending.settle(&Sockets::read(), now) {
                    journal.scan(&contact, times, now);
                }
            }
            journal.tick(now);
        }
    }
}

/// Takes the log, also from a thread that panicked: a line is written whole or not at all.
pub(crate) fn lock(journal: &Mutex<Journal>) -> MutexGuard<'_, Journal> {
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}
