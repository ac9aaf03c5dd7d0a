//! Receives signals over a socket.

use std::{io, os::unix::net::UnixStream};

use signal_hook::low_level::pipe;

use crate::failure::Failure;

/// Returns a non-blocking socket that becomes readable when the process gets one of these signals.
pub(crate) fn signals(signals: &[i32]) -> Result<UnixStream, Failure> {
    let caught = || -> io::Result<UnixStream> {
        let (receiver, sender) = UnixStream::pair()?;
        receiver.set_nonblocking(true)?;
        for signal in signals {
            pipe::register(*signal, sender.try_clone()?)?;
        }
        Ok(receiver)
    };
    caught().map_err(|error| Failure::new("signals cannot be caught", error))
}
