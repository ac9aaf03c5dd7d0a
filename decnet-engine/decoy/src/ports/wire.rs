//! The messages between a service and its base: JSON texts; an answer may carry sockets.

use std::{
    collections::BTreeMap,
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::Ipv4Addr,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    SocketFlags, SocketType, recvmsg, sendmsg, socket_with,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::protocol::{Listen, Mac};

/// The maximum number of ports per request. The kernel sends at most 253 descriptors at once.
pub(super) const PORTS_AT_ONCE: usize = 64;

/// The maximum size of a message.
pub(super) const MESSAGE_BYTES: usize = 4096;

/// The hardware addresses of the interfaces of a base, by their addresses.
pub(crate) type Interfaces = BTreeMap<Ipv4Addr, Mac>;

/// How many interfaces fit into a message.
pub(super) const MOST_INTERFACES: usize = 64;

/// A request of a service. An empty list confirms that all sockets arrived.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    pub(super) listen: Vec<Listen>,
    /// With an empty list: whether the base reports its interfaces, now and after each change.
    #[serde(default)]
    pub(super) watch: bool,
}

/// The answer of the base.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// The message carries the sockets, in the order of the request.
    Granted,
    /// The interfaces of the base, at most [`MOST_INTERFACES`].
    Interfaces(Interfaces),
    /// Refused, with the reason.
    Refused(String),
}

/// Creates a non-blocking socket that preserves message boundaries.
pub(super) fn socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

/// Sends a message with sockets.
pub(super) fn send(to: &OwnedFd, message: &impl Serialize, sockets: &[OwnedFd]) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let descriptors: Vec<BorrowedFd<'_>> = sockets.iter().map(|socket| socket.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PORTS_AT_ONCE))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    sendmsg(to, &[IoSlice::new(&text)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives a message and closes any sockets in it. Returns none if the other end disconnected.
pub(super) fn receive<M: DeserializeOwned>(from: &OwnedFd) -> io::Result<Option<M>> {
    receive_into(from, &mut RecvAncillaryBuffer::default())
}

/// Receives a message with its sockets. Returns none if the other end disconnected.
#[cfg(feature = "services")]
pub(super) fn receive_sockets<M: DeserializeOwned>(from: &OwnedFd) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PORTS_AT_ONCE))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = receive_into(from, &mut control)?;
    let mut sockets = Vec::new();
    for received in control.drain() {
        if let rustix::net::RecvAncillaryMessage::ScmRights(descriptors) = received {
            sockets.extend(descriptors);
        }
    }
    Ok(message.map(|message| (message, sockets)))
}

fn receive_into<M: DeserializeOwned>(from: &OwnedFd, control: &mut RecvAncillaryBuffer<'_>) -> io::Result<Option<M>> {
    let mut text = [0; MESSAGE_BYTES];
    let received = recvmsg(
        from,
        &mut [IoSliceMut::new(&mut text)],
        control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    if received.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the message is too long"));
    }
    // Every message has at least one byte.
    if received.bytes == 0 {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&text[..received.bytes])?))
}
