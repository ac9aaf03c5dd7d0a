//! A UDP socket that knows which address of the decky a datagram was sent to. Answers leave from the same address, or a visitor
//! of a decky with several addresses would not recognise them.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{self, Ipv4Addr, SocketAddrV4},
    os::fd::AsRawFd as _,
};

use nix::{
    cmsg_space,
    libc::{in_addr, in_pktinfo},
    sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt,
        sockopt::Ipv4PacketInfo,
    },
};
use tokio::{io::Interest, net::UdpSocket};

/// The socket of a port.
pub(super) struct DatagramSocket(UdpSocket);

/// The ends of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ends {
    pub(super) remote: SocketAddrV4,
    /// The decky's address, from which answers leave.
    pub(super) local: Ipv4Addr,
}

impl DatagramSocket {
    pub(super) fn new(socket: net::UdpSocket) -> io::Result<Self> {
        setsockopt(&socket, Ipv4PacketInfo, &true)?;
        Ok(Self(UdpSocket::from_std(socket)?))
    }

    /// Receives a datagram. Returns its size and its ends.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Ends)> {
        self.0
            .async_io(Interest::READABLE, || receive_now(&self.0, buffer))
            .await
    }

    /// Sends a datagram if the kernel has room for it.
    pub(super) fn send(&self, bytes: &[u8], ends: Ends) -> io::Result<()> {
        let source = in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: in_addr {
                s_addr: u32::from_ne_bytes(ends.local.octets()),
            },
            ipi_addr: in_addr { s_addr: 0 },
        };
        let sent = sendmsg(
            self.0.as_raw_fd(),
            &[IoSlice::new(bytes)],
            &[ControlMessage::Ipv4PacketInfo(&source)],
            MsgFlags::MSG_DONTWAIT,
            Some(&SockaddrIn::from(ends.remote)),
        );
        Ok(sent.map(|_| ())?)
    }
}

fn receive_now(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, Ends)> {
    let mut space = cmsg_space!(in_pktinfo);
    let mut parts = [IoSliceMut::new(buffer)];
    let received = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_DONTWAIT)?;
    let local = received.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes())),
        _ => None,
    });
    let remote = received.address.ok_or(io::ErrorKind::InvalidData)?;
    let ends = Ends {
        remote: SocketAddrV4::new(remote.ip(), remote.port()),
        local: local.unwrap_or(Ipv4Addr::UNSPECIFIED),
    };
    Ok((received.bytes, ends))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_leaves_from_the_address_that_was_asked() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let any = net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
            any.set_nonblocking(true).unwrap();
            let port = any.local_addr().unwrap().port();
            let socket = DatagramSocket::new(any).unwrap();
            let visitor = UdpSocket::bind((Ipv4Addr::new(127, 0, 7, 1), 0)).await.unwrap();
            for local in [Ipv4Addr::new(127, 0, 7, 2), Ipv4Addr::new(127, 0, 7, 3)] {
                visitor.send_to(b"who?", (local, port)).await.unwrap();
                let mut buffer = [0; 16];
                let (count, ends) = socket.receive(&mut buffer).await.unwrap();
                assert_eq!((&buffer[..count], ends.local), (&b"who?"[..], local));
                socket.send(b"me", ends).unwrap();
                let (count, from) = visitor.recv_from(&mut buffer).await.unwrap();
                assert_eq!((&buffer[..count], from), (&b"me"[..], (local, port).into()));
            }
        });
    }
}
