//! The built-in responder: answers on a service's ports and tells who came.

mod connection;
mod limits;
mod watch;

use std::{
    env,
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    os::unix::net::UnixStream,
    process::ExitCode,
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    low_level::pipe,
};

use self::{
    connection::Connection,
    limits::{AnswerRate, Limits},
    watch::Watch,
};
use crate::{
    namespace::Namespace,
    program::{Failure, log, print_line},
    protocol::{Contact, EXIT_DONE, EXIT_FAILED, Listen, Protocol, SERVICE_VARIABLE, ServiceState},
    timestamp::rfc3339,
};

/// Answers until told to stop, or until the namespace is dead.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    let (stop, told) = UnixStream::pair().map_err(|error| Failure::new("no pipe for signals", error))?;
    for signal in [SIGTERM, SIGINT] {
        told.try_clone()
            .and_then(|told| pipe::register(signal, told))
            .map_err(|error| Failure::new("signals cannot be caught", error))?;
    }
    let json = env::var(SERVICE_VARIABLE).map_err(|error| Failure::usage("no service in DECNET_SERVICE", error))?;
    let state: ServiceState =
        serde_json::from_str(&json).map_err(|error| Failure::usage("DECNET_SERVICE cannot be read", error))?;
    let namespace = Namespace::open().map_err(|error| Failure::new("the namespace cannot be read", error))?;
    let mut responder = Responder::open(state, Limits::default())?;
    let code = responder.answer(&stop, Watch::new(namespace));
    responder.close();
    Ok(ExitCode::from(code))
}

/// No datagram is larger.
const DATAGRAM_BYTES: usize = 65_536;

/// Everything that is open.
struct Responder {
    state: ServiceState,
    limits: Limits,
    listeners: Vec<(TcpListener, u16)>,
    sockets: Vec<(UdpSocket, u16)>,
    connections: Vec<Connection>,
    /// Until when no connection is accepted, for want of file descriptors.
    accept_after: Option<Instant>,
    answers: AnswerRate,
}

impl Responder {
    /// Binds every port; one that is still held by the service's former self gets some time to come free.
    fn open(state: ServiceState, limits: Limits) -> Result<Self, Failure> {
        let (mut listeners, mut sockets) = (Vec::new(), Vec::new());
        let deadline = Instant::now() + limits.bind;
        for &Listen { port, protocol } in &state.listen {
            let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
            loop {
                let bound = match protocol {
                    Protocol::Tcp => TcpListener::bind(address).and_then(|listener| {
                        listener
                            .set_nonblocking(true)
                            .map(|()| listeners.push((listener, port)))
                    }),
                    Protocol::Udp => UdpSocket::bind(address)
                        .and_then(|socket| socket.set_nonblocking(true).map(|()| sockets.push((socket, port)))),
                };
                match bound {
                    Ok(()) => break,
                    Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(100)),
                    Err(error) => return Err(Failure::new("a port cannot be bound", format!("{port}: {error}"))),
                }
            }
        }
        let answers = AnswerRate::new(limits.answers_per_second, Instant::now());
        Ok(Self {
            state,
            limits,
            listeners,
            sockets,
            connections: Vec::new(),
            accept_after: None,
            answers,
        })
    }

    /// Serves until `stop` can be read or the namespace is found dead; the result is the exit code.
    fn answer(&mut self, stop: &UnixStream, mut watch: Watch) -> u8 {
        loop {
            let now = Instant::now();
            let accepting = self.accept_after.is_none_or(|after| now >= after);
            let ready = match self.wait(stop, accepting) {
                Ok(ready) => ready,
                Err(error) => {
                    log(
                        "error",
                        "waiting for contacts failed",
                        &serde_json::json!(error.to_string()),
                    );
                    return EXIT_FAILED;
                }
            };
            if ready.stop {
                return EXIT_DONE;
            }
            // Connections first: accepting changes their order.
            self.serve_connections(&ready.connections);
            for at in ready.sockets {
                self.receive(at);
            }
            for at in ready.listeners {
                self.accept(at);
            }
            if watch.is_dead(Instant::now()) {
                log(
                    "warn",
                    "the namespace has no interface any more",
                    &serde_json::Value::Null,
                );
                return EXIT_FAILED;
            }
        }
    }

    fn wait(&self, stop: &UnixStream, accepting: bool) -> io::Result<Ready> {
        let mut fds = vec![PollFd::new(stop, PollFlags::IN)];
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
        let (sockets, rest) = ready[1..].split_at(self.sockets.len());
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
            sockets: set(sockets),
            listeners: set(listeners),
            connections: connections.to_vec(),
        })
    }

    /// Moves every connection on and logs those that ended.
    fn serve_connections(&mut self, ready: &[bool]) {
        let now = Instant::now();
        let banner = self.state.banner.as_deref().unwrap_or_default().as_bytes();
        let mut at = 0;
        let ended: Vec<Connection> = self
            .connections
            .extract_if(.., |connection| {
                let is_ready = ready.get(at).copied().unwrap_or_default();
                at += 1;
                (is_ready && connection.serve(banner, &self.limits, now)) || connection.is_overdue(&self.limits, now)
            })
            .collect();
        for connection in ended {
            self.tell(&connection.contact(), false);
        }
    }

    fn accept(&mut self, at: usize) {
        let Some((listener, port)) = self.listeners.get(at) else {
            return;
        };
        let banner = self.state.banner.as_deref().unwrap_or_default().as_bytes();
        for _ in 0..self.limits.accepts {
            match listener.accept() {
                Ok((stream, remote)) => {
                    let mut connection = Connection::new(stream, remote, *port, Instant::now());
                    let full = self.connections.len() >= self.limits.connections;
                    if full || connection.open(banner) {
                        self.tell(&connection.contact(), full);
                    } else {
                        self.connections.push(connection);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // One that went away before it was accepted says nothing about the next.
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                Err(error) => {
                    // Out of file descriptors or memory: those waiting keep, but asking at once again would only spin.
                    log(
                        "warn",
                        "connections have to wait",
                        &serde_json::json!(error.to_string()),
                    );
                    self.accept_after = Some(Instant::now() + self.limits.accept_pause);
                    return;
                }
            }
        }
    }

    fn receive(&mut self, at: usize) {
        let mut buffer = vec![0; DATAGRAM_BYTES];
        for _ in 0..self.limits.accepts {
            let Some((socket, port)) = self.sockets.get(at) else {
                return;
            };
            // Any error but "none there" is about a datagram sent before: an answer that came back as undeliverable.
            let (bytes, remote) = match socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => continue,
            };
            if let Some(banner) = self
                .state
                .banner
                .as_deref()
                .filter(|_| self.answers.take(Instant::now()))
            {
                let _ = socket.send_to(banner.as_bytes(), remote);
            }
            let contact = Ended {
                at: SystemTime::now(),
                remote,
                port: *port,
                protocol: Protocol::Udp,
                bytes: bytes as u64,
            };
            self.tell(&contact, false);
        }
    }

    fn close(&mut self) {
        for connection in std::mem::take(&mut self.connections) {
            self.tell(&connection.contact(), false);
        }
    }

    fn tell(&self, ended: &Ended, dropped: bool) {
        let SocketAddr::V4(remote) = ended.remote else { return };
        print_line(&Contact {
            ts: rfc3339(ended.at),
            decky: self.state.decky.clone(),
            service: self.state.service.clone(),
            remote_addr: *remote.ip(),
            remote_port: remote.port(),
            local_port: ended.port,
            protocol: ended.protocol,
            bytes: ended.bytes,
            dropped,
        });
    }
}

/// What can be gone on with: places in the responder's lists, and for connections one flag each.
struct Ready {
    stop: bool,
    sockets: Vec<usize>,
    listeners: Vec<usize>,
    connections: Vec<bool>,
}

/// A contact that is over.
struct Ended {
    at: SystemTime,
    remote: SocketAddr,
    port: u16,
    protocol: Protocol,
    bytes: u64,
}
