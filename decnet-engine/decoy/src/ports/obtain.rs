//! The service's side: asks the base for sockets.

use std::{
    io,
    net::{TcpListener, UdpSocket},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
    time::{Duration, Instant},
};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{SocketAddrUnix, connect},
};

use super::wire::{self, Answer, PORTS_AT_ONCE, Request};
use crate::protocol::{Listen, Protocol};

/// How long the base may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pauses between two attempts: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The sockets of a service, which are of the base's namespace, each with its port.
pub(crate) struct Obtained {
    /// Ends when the base does.
    pub(crate) base: OwnedFd,
    pub(crate) listeners: Vec<(TcpListener, u16)>,
    pub(crate) sockets: Vec<(UdpSocket, u16)>,
}

/// Where a service gets its sockets from.
pub(crate) struct Supplier {
    pub(crate) path: PathBuf,
    pub(crate) ports: Vec<Listen>,
}

impl Supplier {
    /// Asks until all sockets are there; none if `stop` could be read before. `complain` hears why an attempt failed.
    pub(crate) fn obtain(&self, stop: &UnixStream, mut complain: impl FnMut(&io::Error)) -> Option<Obtained> {
        let pauses = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .without_max_times();
        let mut pauses = pauses.build();
        loop {
            match self.try_to_obtain(stop) {
                Ok(obtained) => return obtained,
                Err(error) => complain(&error),
            }
            let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
            if is_readable(stop, None, Instant::now() + pause) {
                return None;
            }
        }
    }

    fn try_to_obtain(&self, stop: &UnixStream) -> io::Result<Option<Obtained>> {
        let base = wire::socket()?;
        connect(&base, &SocketAddrUnix::new(&*self.path)?)?;
        let (mut listeners, mut sockets) = (Vec::new(), Vec::new());
        for ports in self.ports.chunks(PORTS_AT_ONCE) {
            let listen = ports.to_vec();
            wire::send(&base, &Request { listen }, &[])?;
            if is_readable(stop, Some(&base), Instant::now() + PATIENCE) {
                return Ok(None);
            }
            let received = match wire::receive_sockets(&base) {
                Ok(Some((Answer::Granted, received))) if received.len() == ports.len() => received,
                Ok(Some((Answer::Granted, _))) => return Err(io::Error::other("not all sockets came")),
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
        wire::send(&base, &Request { listen: Vec::new() }, &[])?;
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

/// Waits until `stop` can be read, which is true, or else until the other can, or its time is up.
fn is_readable(stop: &UnixStream, other: Option<&OwnedFd>, deadline: Instant) -> bool {
    loop {
        let mut fds = vec![PollFd::from_borrowed_fd(stop.as_fd(), PollFlags::IN)];
        fds.extend(other.map(|other| PollFd::new(other, PollFlags::IN)));
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        match poll(&mut fds, Some(&left)) {
            Err(Errno::INTR) => {}
            _ => return !fds[0].revents().is_empty(),
        }
    }
}
