//! The built-in service: answers on its ports and logs visitors.

mod connection;
mod conpot;
mod context;
mod crowd;
mod dialogue;
mod dns;
mod docker_api;
mod elasticsearch;
mod event;
mod ftp;
mod http;
mod https;
mod imap;
mod k8s;
mod ldap;
mod limits;
mod llmnr;
mod mongodb;
mod mqtt;
mod mssql;
mod mysql;
mod persona;
mod plain;
mod pop3;
mod postgres;
mod rdp;
mod redis;
mod registry;
mod secret;
mod sip;
mod smb;
mod smtp;
mod smtp_relay;
mod snmp;
mod ssh;
mod telnet;
#[cfg(test)]
mod testing;
mod tftp;
mod vnc;
mod wire;

use std::{
    env,
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::ExitCode,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGINT, SIGTERM};

use self::{connection::Connection, crowd::Guest, limits::Limits};
use crate::{
    failure::Failure,
    journal::{Bucket, Journal, Visit},
    lines::log,
    ports::{Obtained, Supplier},
    protocol::{EXIT_DONE, EXIT_FAILED, EndReason, PORTS_SOCKET, SERVICE_VARIABLE, ServiceState},
    signals::signals,
};

/// Runs until a stop signal.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    let stop = signals(&[SIGTERM, SIGINT])?;
    let json = env::var(SERVICE_VARIABLE).map_err(|error| Failure::usage("no service in DECNET_SERVICE", error))?;
    let state: ServiceState =
        serde_json::from_str(&json).map_err(|error| Failure::usage("DECNET_SERVICE cannot be read", error))?;
    let supplier = Supplier {
        path: PORTS_SOCKET.into(),
        ports: state.listen.clone(),
    };
    let mut responder = Responder::new(state, Limits::default(), Box::new(io::stdout()));
    let code = responder.run(&supplier, &stop);
    responder.close();
    Ok(ExitCode::from(code))
}

/// The maximum size of a datagram.
const DATAGRAM_BYTES: usize = 65_536;

/// An answer has at most this multiple of the request's size, so forged senders gain little.
const AMPLIFICATION: usize = 2;

/// The open sockets and connections.
struct Responder {
    state: ServiceState,
    limits: Limits,
    listeners: Vec<(TcpListener, u16)>,
    sockets: Vec<(UdpSocket, u16)>,
    connections: Vec<Connection>,
    /// Accepting pauses until this time, because file descriptors are exhausted.
    accept_after: Option<Instant>,
    /// The limit of answers to datagrams, so that forged senders cannot cause a flood, or a loop between two responders.
    answers: Bucket,
    /// The limit of log lines about file descriptors.
    complaints: Bucket,
    journal: Journal,
}

impl Responder {
    fn new(state: ServiceState, limits: Limits, log: Box<dyn io::Write + Send>) -> Self {
        let now = Instant::now();
        Self {
            answers: Bucket::new(
                limits.answers_per_second,
                Duration::from_secs(1) / limits.answers_per_second,
                now,
            ),
            complaints: Bucket::new(4, Duration::from_mins(10), now),
            journal: Journal::new(state.decky.clone(), Some(state.service.clone()), log),
            state,
            limits,
            listeners: Vec::new(),
            sockets: Vec::new(),
            connections: Vec::new(),
            accept_after: None,
        }
    }

    /// Serves until `stop` is readable, with the sockets of one base after another. Returns the exit code.
    fn run(&mut self, supplier: &Supplier, stop: &UnixStream) -> u8 {
        loop {
            let mut logged = String::new();
            let obtained = supplier.obtain(stop, |error| {
                let now = Instant::now();
                self.journal.tick(now);
                let cause = error.to_string();
                if cause != logged && self.complaints.take(now) {
                    log("warn", "the base provides no sockets", &serde_json::json!(cause));
                }
                logged = cause;
            });
            let Some(Obtained {
                base,
                listeners,
                sockets,
            }) = obtained
            else {
                return EXIT_DONE;
            };
            (self.listeners, self.sockets) = (listeners, sockets);
            if let Some(code) = self.answer(stop, &base) {
                return code;
            }
            // Sockets of the old namespace are useless.
            self.listeners.clear();
            self.sockets.clear();
            self.end_all(EndReason::Broken);
        }
    }

    /// Serves until `stop` is readable (returns an exit code) or the base ended (returns none).
    fn answer(&mut self, stop: &UnixStream, base: &OwnedFd) -> Option<u8> {
        loop {
            let now = Instant::now();
            let accepting = self.accept_after.is_none_or(|after| now >= after);
            let ready = match self.wait(stop, base, accepting) {
                Ok(ready) => ready,
                Err(error) => {
                    log(
                        "error",
                        "waiting for contacts failed",
                        &serde_json::json!(error.to_string()),
                    );
                    return Some(EXIT_FAILED);
                }
            };
            if ready.stop {
                return Some(EXIT_DONE);
            }
            // Connections first, because accepting changes their order.
            self.serve_connections(&ready.connections);
            for at in ready.sockets {
                self.receive(at);
            }
            for at in ready.listeners {
                self.accept(at);
            }
            self.journal.tick(Instant::now());
            // The base sends nothing more, so this is its end.
            if ready.base {
                return None;
            }
        }
    }

    fn wait(&self, stop: &UnixStream, base: &OwnedFd, accepting: bool) -> io::Result<Ready> {
        let mut fds = vec![PollFd::new(stop, PollFlags::IN), PollFd::new(base, PollFlags::IN)];
        fds.extend(
            self.sockets
                .iter()
                .map(|(socket, _)| PollFd::new(socket, PollFlags::IN)),
        );
        fds.extend(
            self.connections
                .iter()
                .map(|connection| PollFd::from_borrowed_fd(connection.as_fd(), connection.interest())),
        );
        if accepting {
            fds.extend(
                self.listeners
                    .iter()
                    .map(|(listener, _)| PollFd::new(listener, PollFlags::IN)),
            );
        }
        let tick = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(self.limits.tick.subsec_nanos()),
        };
        match poll(&mut fds, Some(&tick)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let (sockets, rest) = ready[2..].split_at(self.sockets.len());
        let (connections, listeners) = rest.split_at(self.connections.len());
        let set = |flags: &[bool]| {
            flags
                .iter()
                .enumerate()
                .filter(|(_, ready)| **ready)
                .map(|(at, _)| at)
                .collect()
        };
        Ok(Ready {
            stop: ready[0],
            base: ready[1],
            sockets: set(sockets),
            listeners: set(listeners),
            connections: connections.to_vec(),
        })
    }

    /// Serves every ready connection and logs those that ended.
    fn serve_connections(&mut self, ready: &[bool]) {
        let now = Instant::now();
        let banner = self.state.banner.as_deref().unwrap_or_default().as_bytes();
        let mut at = 0;
        let mut reasons = Vec::new();
        let over = self.connections.extract_if(.., |connection| {
            let is_ready = ready.get(at).copied().unwrap_or_default();
            at += 1;
            let served = is_ready.then(|| connection.serve(banner, &self.limits, now)).flatten();
            let reason = served.or_else(|| connection.overdue(&self.limits, now));
            reasons.extend(reason);
            reason.is_some()
        });
        let ended: Vec<Connection> = over.collect();
        for (connection, reason) in ended.iter().zip(reasons) {
            self.journal.end(&connection.entry, connection.bytes, reason, now);
        }
    }

    fn accept(&mut self, at: usize) {
        for _ in 0..self.limits.accepts {
            let Some((listener, port)) = self.listeners.get(at) else {
                return;
            };
            match listener.accept() {
                Ok((stream, SocketAddr::V4(remote))) => {
                    let local_port = *port;
                    self.greet(stream, Visit { remote, local_port });
                }
                // The listeners are IPv4.
                Ok((_, SocketAddr::V6(_))) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // A connection that was aborted before the accept does not affect the next one.
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                // Out of file descriptors or memory. If other processes hold them, connections keep waiting, but a retry at
                // once would only spin.
                Err(error) => {
                    let now = Instant::now();
                    if self.complaints.take(now) {
                        let detail = serde_json::json!(error.to_string());
                        log("warn", "no room for another connection", &detail);
                    }
                    if !self.displace(Ipv4Addr::UNSPECIFIED, 0, now) {
                        self.accept_after = Some(now + self.limits.accept_pause);
                        return;
                    }
                }
            }
        }
    }

    /// Adds a connection, and closes another if there are too many.
    fn greet(&mut self, stream: TcpStream, visit: Visit) {
        let now = Instant::now();
        let source = *visit.remote.ip();
        self.displace(source, self.limits.connections, now);
        let guest = Guest { source, last: now };
        let mut connection = Connection::new(stream, guest, self.journal.connect(visit, now));
        let banner = self.state.banner.as_deref().unwrap_or_default().as_bytes();
        if connection.open(banner) {
            self.journal.end(&connection.entry, 0, EndReason::Broken, now);
        } else {
            self.connections.push(connection);
        }
    }

    /// Closes a connection if there is no room for another from this source. Returns whether it did.
    fn displace(&mut self, newcomer: Ipv4Addr, of_all: usize, now: Instant) -> bool {
        let open: Vec<Guest> = self.connections.iter().map(|connection| connection.guest).collect();
        let Some(at) = crowd::displaced(&open, newcomer, self.limits.of_source, of_all) else {
            return false;
        };
        let connection = self.connections.remove(at);
        self.journal
            .end(&connection.entry, connection.bytes, EndReason::Displaced, now);
        true
    }

    fn receive(&mut self, at: usize) {
        let mut buffer = vec![0; DATAGRAM_BYTES];
        for _ in 0..self.limits.accepts {
            let Some((socket, port)) = self.sockets.get(at) else {
                return;
            };
            // Errors other than "would block" are about an earlier answer that could not be delivered.
            let (bytes, remote) = match socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => continue,
            };
            let SocketAddr::V4(remote) = remote else { continue };
            let now = Instant::now();
            let visit = Visit {
                remote,
                local_port: *port,
            };
            let banner = self.state.banner.as_deref().unwrap_or_default().as_bytes();
            let answer = &banner[..banner.len().min(bytes * AMPLIFICATION)];
            if !answer.is_empty() && self.answers.take(now) {
                let _ = socket.send_to(answer, remote);
            }
            self.journal.datagram(visit, bytes as u64, now);
        }
    }

    fn end_all(&mut self, reason: EndReason) {
        let now = Instant::now();
        for connection in std::mem::take(&mut self.connections) {
            self.journal.end(&connection.entry, connection.bytes, reason, now);
        }
    }

    fn close(&mut self) {
        self.end_all(EndReason::Stopped);
        self.journal.close(Instant::now());
    }
}

/// The sockets that are ready: indices in the responder's lists, and one flag per connection.
struct Ready {
    stop: bool,
    base: bool,
    sockets: Vec<usize>,
    listeners: Vec<usize>,
    connections: Vec<bool>,
}

#[cfg(test)]
mod tests;
