//! A netlink socket.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Duration,
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink::SocketAddrNetlink, recv,
        sendto, socket_with, sockopt,
    },
};

/// Larger than any datagram of a dump: the kernel sends at most 32 KiB, or the size of the reader's buffer.
const RECEIVE_BYTES: usize = 64 * 1024;

/// A netlink socket in the namespace of this process.
pub(crate) struct Socket {
    fd: OwnedFd,
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens a socket to a subsystem. None is rtnetlink, which is number 0.
    pub(crate) fn open(subsystem: Option<Protocol>) -> io::Result<Self> {
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, subsystem)?;
        let socket = Self {
            fd,
            buffer: vec![0; RECEIVE_BYTES],
        };
        // The kernel answers within the request's system call; a lost answer must not block PID 1 forever.
        socket.set_timeout(Duration::from_secs(2))?;
        Ok(socket)
    }

    /// Opens a socket of rtnetlink that gets the notifications of some groups, a bit for each. Requires no capability.
    pub(crate) fn notified_of(groups: u32) -> io::Result<Self> {
        let socket = Self::open(None)?;
        bind(&socket.fd, &SocketAddrNetlink::new(0, groups))?;
        Ok(socket)
    }

    /// Discards all notifications that arrived.
    pub(crate) fn discard(&mut self) {
        loop {
            match recv(&self.fd, &mut *self.buffer, RecvFlags::DONTWAIT) {
                // Some were lost because the buffer was full; the rest follows.
                Ok(_) | Err(Errno::INTR | Errno::NOBUFS) => {}
                Err(_) => return,
            }
        }
    }

    /// Sets how long [`Socket::receive`] waits until it fails with `WouldBlock`.
    pub(crate) fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        sockopt::set_socket_timeout(&self.fd, sockopt::Timeout::Recv, Some(timeout))?;
        Ok(())
    }

    /// Sends to the kernel.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        sendto(&self.fd, bytes, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        Ok(())
    }

    /// Receives one datagram.
    pub(crate) fn receive(&mut self) -> io::Result<&[u8]> {
        let length = loop {
            match recv(&self.fd, &mut *self.buffer, RecvFlags::empty()) {
                Err(Errno::INTR) => {}
                received => break received?.0,
            }
        };
        Ok(&self.buffer[..length])
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
