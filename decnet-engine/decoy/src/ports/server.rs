//! The base's side: binds ports for its clients.

use std::{
    fs::{self, Permissions},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::fs::PermissionsExt as _,
    },
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{SocketAddrUnix, SocketFlags, accept_with, bind, listen},
};

use super::wire::{self, Answer, Interfaces, MOST_INTERFACES, PORTS_AT_ONCE, Request};
use crate::protocol::{Listen, Protocol};

/// The maximum number of connected services. A decky has only a few.
const CLIENTS: usize = 256;
/// How many services may have sockets in transit. The kernel counts these sockets per user of the host, for all deckies
/// together.
const HANDED: usize = 4;
/// How many connections may wait to be accepted.
const BACKLOG: i32 = 128;
/// The timeouts for a service to send a request, and to receive all of its sockets.
const TO_ASK: Duration = Duration::from_secs(5);
const TO_RECEIVE: Duration = Duration::from_secs(2);
/// The pause if there is no room for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Provides sockets to services.
pub(crate) struct SocketServer {
    listener: OwnedFd,
    clients: Vec<Client>,
    interfaces: Interfaces,
}

struct Client {
    socket: OwnedFd,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It may send a request until this time.
    Asking(Instant),
    /// It was sent sockets and must confirm them or ask for more until this time.
    Handed(Instant),
    /// It has all of its sockets. Only its disconnection matters.
    Settled,
    /// The same, and it gets the interfaces after each change.
    Watching,
}

impl SocketServer {
    /// Listens on a path and replaces an earlier socket.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = wire::socket()?;
        bind(&listener, &SocketAddrUnix::new(path)?)?;
        // Only containers of the decky's built-in services mount the folder, and they run as other users.
        fs::set_permissions(path, Permissions::from_mode(0o666))?;
        listen(&listener, BACKLOG)?;
        Ok(Self {
            listener,
            clients: Vec::new(),
            interfaces: Interfaces::new(),
        })
    }

    /// Sends the interfaces of the base to the services that watch them.
    pub(crate) fn publish(&mut self, interfaces: Interfaces) {
        self.interfaces = interfaces.into_iter().take(MOST_INTERFACES).collect();
        let watching = self.clients.iter().filter(|client| client.stage == Stage::Watching);
        for client in watching {
            client.report(&self.interfaces);
        }
    }

    /// Waits for work, does it, and returns which of `others` are readable.
    pub(crate) fn serve(&mut self, others: &[BorrowedFd<'_>]) -> io::Result<Vec<bool>> {
        let ready = self.wait(others)?;
        let (others, rest) = ready.split_at(others.len());
        let now = Instant::now();
        let mut clients = rest[1..].iter();
        let mut handed = self.handed();
        self.clients.retain_mut(|client| {
            let ready = clients.next().copied().unwrap_or(PollFlags::empty());
            client.handle(ready, &mut handed, now, &self.interfaces)
        });
        if !rest[0].is_empty() {
            self.accept(now);
        }
        Ok(others.iter().map(|ready| !ready.is_empty()).collect())
    }

    fn handed(&self) -> usize {
        let handed = self.clients.iter();
        handed.filter(|client| matches!(client.stage, Stage::Handed(_))).count()
    }

    /// Waits for `others`, the listener and the clients.
    fn wait(&self, others: &[BorrowedFd<'_>]) -> io::Result<Vec<PollFlags>> {
        let may_ask = self.handed() < HANDED;
        let mut fds: Vec<_> = others.iter().map(|other| PollFd::new(other, PollFlags::IN)).collect();
        fds.push(PollFd::new(&self.listener, PollFlags::IN));
        for client in &self.clients {
            // A disconnection is always reported.
            let interest = match client.stage {
                Stage::Asking(_) if may_ask => PollFlags::IN,
                Stage::Handed(_) => PollFlags::IN,
                Stage::Asking(_) | Stage::Settled | Stage::Watching => PollFlags::empty(),
            };
            fds.push(PollFd::new(&client.socket, interest));
        }
        let deadlines = self.clients.iter().filter_map(|client| client.stage.deadline());
        let next = deadlines.min().map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 })
        });
        match poll(&mut fds, next.as_ref()) {
            Ok(_) => Ok(fds.iter().map(PollFd::revents).collect()),
            Err(Errno::INTR) => Ok(vec![PollFlags::empty(); fds.len()]),
            Err(error) => Err(error.into()),
        }
    }

    fn accept(&mut self, now: Instant) {
        for _ in 0..BACKLOG {
            match accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(socket) if self.clients.len() < CLIENTS => self.clients.push(Client {
                    socket,
                    stage: Stage::Asking(now + TO_ASK),
                }),
                Ok(socket) => {
                    // A client that does not read has disconnected.
                    let _ = wire::send(&socket, &Answer::Refused("too many connections".into()), &[]);
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                // Out of memory or file descriptors of the host: a retry at once would only spin.
                Err(_) => return thread::sleep(ACCEPT_PAUSE),
            }
        }
    }
}

impl Stage {
    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Asking(until) | Self::Handed(until) => Some(until),
            Self::Settled | Self::Watching => None,
        }
    }
}

impl Client {
    /// Handles a client's input. Returns false if the client must be dropped.
    fn handle(&mut self, ready: PollFlags, handed: &mut usize, now: Instant, interfaces: &Interfaces) -> bool {
        let was_handed = matches!(self.stage, Stage::Handed(_));
        if self.stage.deadline().is_some_and(|deadline| deadline <= now) {
            return false;
        }
        let may_ask = was_handed || *handed < HANDED;
        if ready.contains(PollFlags::IN) && may_ask && self.stage.deadline().is_some() {
            let Ok(stage) = self.take_request(now, interfaces) else {
                return false;
            };
            *handed -= usize::from(was_handed);
            *handed += usize::from(matches!(stage, Stage::Handed(_)));
            self.stage = stage;
            return true;
        }
        !ready.intersects(PollFlags::HUP | PollFlags::ERR)
    }

    fn take_request(&self, now: Instant, interfaces: &Interfaces) -> io::Result<Stage> {
        let request = match wire::receive::<Request>(&self.socket) {
            Ok(Some(request)) => request,
            Ok(None) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(self.stage),
            Err(error) => return Err(self.refuse(error.to_string())),
        };
        if request.listen.is_empty() {
            if !request.watch {
                return Ok(Stage::Settled);
            }
            self.report(interfaces);
            return Ok(Stage::Watching);
        }
        let sockets = bind_all(&request.listen).map_err(|reason| self.refuse(reason))?;
        wire::send(&self.socket, &Answer::Granted, &sockets)?;
        // A further request does not extend the timeout.
        Ok(match self.stage {
            Stage::Handed(until) => Stage::Handed(until),
            Stage::Asking(_) | Stage::Settled | Stage::Watching => Stage::Handed(now + TO_RECEIVE),
        })
    }

    /// Sends a client the interfaces.
    fn report(&self, interfaces: &Interfaces) {
        // A client that does not read them keeps the earlier ones.
        let _ = wire::send(&self.socket, &Answer::Interfaces(interfaces.clone()), &[]);
    }

    /// Sends a client the reason for a refusal. The client tries again over a new connection.
    fn refuse(&self, reason: String) -> io::Error {
        // A client that does not read has disconnected.
        let _ = wire::send(&self.socket, &Answer::Refused(reason.clone()), &[]);
        io::Error::other(reason)
    }
}

/// Binds all ports of a request, or reports the one that failed.
fn bind_all(ports: &[Listen]) -> Result<Vec<OwnedFd>, String> {
    if ports.len() > PORTS_AT_ONCE {
        return Err(format!("more than {PORTS_AT_ONCE} ports at once"));
    }
    let bound = ports.iter().map(|port| bind_one(*port));
    bound.collect()
}

fn bind_one(Listen { port, protocol }: Listen) -> Result<OwnedFd, String> {
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let (bound, transport) = match protocol {
        Protocol::Tcp => (TcpListener::bind(address).map(OwnedFd::from), "tcp"),
        Protocol::Udp => (UdpSocket::bind(address).map(OwnedFd::from), "udp"),
    };
    bound.map_err(|error| format!("port {port}/{transport} cannot be bound: {error}"))
}
