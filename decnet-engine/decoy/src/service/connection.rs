//! One TCP connection of a responder.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::{AsFd, BorrowedFd},
    time::{Instant, SystemTime},
};

use rustix::event::PollFlags;

use super::{Ended, Limits};
use crate::protocol::Protocol;

/// An open connection: the banner goes out, whatever comes in is counted and forgotten.
pub(super) struct Connection {
    stream: TcpStream,
    remote: SocketAddr,
    port: u16,
    began: SystemTime,
    opened: Instant,
    last: Instant,
    bytes: u64,
    sent: usize,
    unsent: bool,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, remote: SocketAddr, port: u16, now: Instant) -> Self {
        let began = SystemTime::now();
        Self {
            stream,
            remote,
            port,
            began,
            opened: now,
            last: now,
            bytes: 0,
            sent: 0,
            unsent: true,
        }
    }

    /// Begins to talk; true when the connection is over already.
    pub(super) fn open(&mut self, banner: &[u8]) -> bool {
        self.stream.set_nonblocking(true).is_err() || !self.send(banner)
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// What to wait for.
    pub(super) fn interest(&self) -> PollFlags {
        if self.unsent {
            PollFlags::IN | PollFlags::OUT
        } else {
            PollFlags::IN
        }
    }

    /// Sends and reads what can be; true when the connection is over.
    pub(super) fn serve(&mut self, banner: &[u8], limits: &Limits, now: Instant) -> bool {
        if self.unsent && !self.send(banner) {
            return true;
        }
        let mut buffer = [0; 4096];
        // One read a turn, so that one busy sender does not keep the others waiting.
        match self.stream.read(&mut buffer) {
            Ok(0) => true,
            Ok(read) => {
                self.bytes += read as u64;
                self.last = now;
                self.bytes >= limits.bytes
            }
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    pub(super) fn is_overdue(&self, limits: &Limits, now: Instant) -> bool {
        now.duration_since(self.last) >= limits.idle || now.duration_since(self.opened) >= limits.life
    }

    /// What there is to say of it.
    pub(super) fn contact(&self) -> Ended {
        Ended {
            at: self.began,
            remote: self.remote,
            port: self.port,
            protocol: Protocol::Tcp,
            bytes: self.bytes,
        }
    }

    /// Sends as much of the banner as goes; false when the connection broke.
    fn send(&mut self, banner: &[u8]) -> bool {
        while let Some(rest) = banner.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        self.unsent = false;
        true
    }
}
