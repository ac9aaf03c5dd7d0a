//! Keeps two commands from changing the links of a host at the same time.

use std::{
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener},
    },
    thread,
    time::Duration,
};

use super::error::LinkError;

/// The kernel keeps this name in the network namespace, and only while a process has the socket.
const NAME: &[u8] = b"decnet-link";

/// How often, and with which pauses, a command tries again: ten seconds in total.
const ATTEMPTS: usize = 200;
const PAUSE: Duration = Duration::from_millis(50);

/// The right to change the links of this network namespace, until it is dropped.
pub(super) struct Lock {
    _socket: UnixListener,
}

impl Lock {
    /// Waits until no other command has it.
    pub(super) fn acquire() -> Result<Self, LinkError> {
        Self::acquire_within(ATTEMPTS)
    }

    pub(super) fn acquire_within(attempts: usize) -> Result<Self, LinkError> {
        let address = SocketAddr::from_abstract_name(NAME).map_err(LinkError::at("name the lock"))?;
        for attempt in 1..=attempts {
            match UnixListener::bind_addr(&address) {
                Ok(socket) => return Ok(Self { _socket: socket }),
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    return Err(LinkError::at("take the lock")(error));
                }
                Err(_) if attempt < attempts => thread::sleep(PAUSE),
                Err(_) => {}
            }
        }
        Err(LinkError::Busy)
    }
}
