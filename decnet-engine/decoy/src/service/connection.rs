//! One TCP connection of a responder.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    os::fd::{AsFd, BorrowedFd},
    time::Instant,
};

use rustix::event::PollFlags;

use super::{Limits, crowd::Guest};
use crate::{journal::Entry, protocol::EndReason};

/// An open connection: sends the banner, and counts and discards input.
pub(super) struct Connection {
    stream: TcpStream,
    /// Its source and times.
    pub(super) guest: Guest,
    pub(super) entry: Entry,
    pub(super) bytes: u64,
    opened: Instant,
    sent: usize,
    unsent: bool,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, guest: Guest, entry: Entry) -> Self {
        Self {
            stream,
            guest,
            entry,
            bytes: 0,
            opened: guest.last,
            sent: 0,
            unsent: true,
        }
    }

    /// Sends the banner. Returns true if the connection is closed already.
    pub(super) fn open(&mut self, banner: &[u8]) -> bool {
        self.stream.set_nonblocking(true).is_err() || !self.send(banner)
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Returns the events to wait for.
    pub(super) fn interest(&self) -> PollFlags {
        if self.unsent {
            PollFlags::IN | PollFlags::OUT
        } else {
            PollFlags::IN
        }
    }

    /// Writes and reads. Returns the reason if the connection ended.
    pub(super) fn serve(&mut self, banner: &[u8], limits: &Limits, now: Instant) -> Option<EndReason> {
        if self.unsent && !self.send(banner) {
            return Some(EndReason::Broken);
        }
        let mut buffer = [0; 4096];
        // One read per turn, so that one busy sender does not block the others.
        match self.stream.read(&mut buffer) {
            Ok(0) => Some(EndReason::Closed),
            Ok(read) => {
                self.bytes += read as u64;
                self.guest.last = now;
                (self.bytes >= limits.bytes).then_some(EndReason::Size)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => None,
            Err(_) => Some(EndReason::Broken),
        }
    }

    /// Returns the reason if the connection exceeded a time limit.
    pub(super) fn overdue(&self, limits: &Limits, now: Instant) -> Option<EndReason> {
        if now.duration_since(self.opened) >= limits.life {
            Some(EndReason::Age)
        } else if now.duration_since(self.guest.last) >= limits.idle {
            Some(EndReason::Idle)
        } else {
            None
        }
    }

    /// Sends as much of the banner as possible. Returns false if the connection failed.
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
