//! The service's side: gets sockets from the base.

use std::{
    io,
    net::{TcpListener, UdpSocket},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::PathBuf,
    time::{Duration, Instant},
};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{SocketAddrUnix, connect},
};

use super::wire::{self, Answer, Interfaces, MESSAGE_BYTES, PORTS_AT_ONCE, Request};
use crate::protocol::{Listen, Protocol};

/// The timeout for an answer of the base.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The first and the longest pause between two attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The sockets of a service, with their ports. They belong to the base's namespace.
pub(crate) struct Obtained {
    /// Ends when the base ends.
    pub(crate) base: OwnedFd,
    pub(crate) listeners: Vec<(TcpListener, u16)>,
    pub(crate) sockets: Vec<(UdpSocket, u16)>,
}

/// Reads the interfaces that a base reports. Returns none if this message is not there yet, or if it is another one, and an error if
/// the base ended.
pub(crate) fn read_interfaces(read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<Option<Interfaces>> {
    let mut message = [0; MESSAGE_BYTES];
    match read(&mut message) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(count) => Ok(match serde_json::from_slice(&message[..count]) {
            Ok(Answer::Interfaces(interfaces)) => Some(interfaces),
            Ok(Answer::Granted | Answer::Refused(_)) | Err(_) => None,
        }),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// The source of the sockets of a service: its base.
pub(crate) struct Supplier {
    path: PathBuf,
}

impl Supplier {
    /// Creates a supplier whose base listens on a path.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Tries until it has the sockets of all ports. The base then reports its interfaces. Returns none if `stop` became readable first. `complain` gets the reason for
    /// a failed attempt.
    pub(crate) fn obtain(
        &self,
        ports: &[Listen],
        stop: &UnixStream,
        mut complain: impl FnMut(&io::Error),
    ) -> Option<Obtained> {
        let pauses = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .without_max_times();
        let mut pauses = pauses.build();
        loop {
            match self.ask(ports, Some(stop), true) {
                Ok(obtained) => return obtained,
                Err(error) => complain(&error),
            }
            let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
            if is_readable(Some(stop), None, Instant::now() + pause) {
                return None;
            }
        }
    }

    /// Gets a listener on a free TCP port.
    pub(crate) fn open_port(&self) -> io::Result<TcpListener> {
        let any = Listen {
            port: 0,
            protocol: Protocol::Tcp,
        };
        let obtained = self.try_to_obtain(&[any], None)?;
        let listener = obtained.and_then(|obtained| obtained.listeners.into_iter().next());
        listener
            .map(|(listener, _)| listener)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Tries once. Returns none if `stop` became readable first.
    pub(crate) fn try_to_obtain(&self, ports: &[Listen], stop: Option<&UnixStream>) -> io::Result<Option<Obtained>> {
        self.ask(ports, stop, false)
    }

    /// Tries once. If `watch`, the base then reports its interfaces.
    fn ask(&self, ports: &[Listen], stop: Option<&UnixStream>, watch: bool) -> io::Result<Option<Obtained>> {
        let base = wire::socket()?;
        connect(&base, &SocketAddrUnix::new(&*self.path)?)?;
        let (mut listeners, mut sockets) = (Vec::new(), Vec::new());
        for ports in ports.chunks(PORTS_AT_ONCE) {
            let listen = ports.to_vec();
            wire::send(&base, &Request { listen, watch: false }, &[])?;
            if is_readable(stop, Some(&base), Instant::now() + TIMEOUT) {
                return Ok(None);
            }
            let received = match wire::receive_sockets(&base) {
                Ok(Some((Answer::Granted, received))) if received.len() == ports.len() => received,
                Ok(Some((Answer::Granted | Answer::Interfaces(_), _))) => {
                    return Err(io::Error::other("not all sockets arrived"));
                }
                Ok(Some((Answer::Refused(reason), _))) => return Err(io::Error::other(reason)),
                Ok(None) => return Err(io::Error::other("the base closed the connection")),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
                Err(error) => return Err(error),
            };
            for (socket, Listen { port, protocol }) in received.into_iter().zip(ports) {
                match protocol {
                    Protocol::Tcp => listeners.push((TcpListener::from(socket), *port)),
                    Protocol::Udp => sockets.push((UdpSocket::from(socket), *port)),
                }
            }
        }
        let listen = Vec::new();
        wire::send(&base, &Request { listen, watch }, &[])?;
        for (listener, _) in &listeners {
            listener.set_nonblocking(true)?;
        }
        for (socket, _) in &sockets {
            socket.set_nonblocking(true)?;
        }
        Ok(Some(Obtained {
            base,
            listeners,
            sockets,
        }))
    }
}

/// Waits until `stop` is readable (true), the other is readable, or the time is up.
fn is_readable(stop: Option<&UnixStream>, other: Option<&OwnedFd>, deadline: Instant) -> bool {
    loop {
        let mut fds: Vec<_> = stop.map(|stop| PollFd::new(stop, PollFlags::IN)).into_iter().collect();
        fds.extend(other.map(|other| PollFd::new(other, PollFlags::IN)));
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        match poll(&mut fds, Some(&left)) {
            Err(Errno::INTR) => {}
            _ => return stop.is_some() && !fds[0].revents().is_empty(),
        }
    }
}
