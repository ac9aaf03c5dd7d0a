//! A UDP socket that knows which address of the decky a datagram was sent to. Answers leave from the same address, or a visitor
//! of a decky with several addresses would not recognise them.

use std::{
    collections::BTreeSet,
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
use rustix::net::sockopt::{
    set_ip_add_membership, set_ip_drop_membership, set_ip_multicast_loop, set_ip_multicast_ttl, set_ip_ttl,
};
use tokio::{io::Interest, net::UdpSocket};

/// The TTL of everything that a port with a group sends (RFC 6762, section 11; RFC 4795, section 2.5).
const GROUP_TTL: u32 = 255;

/// The socket of a port.
pub(super) struct DatagramSocket {
    socket: UdpSocket,
    /// The addresses of the interfaces on which it is in its group.
    joined: BTreeSet<Ipv4Addr>,
}

/// The ends of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ends {
    pub(super) remote: SocketAddrV4,
    /// The decky's address, from which answers leave.
    pub(super) local: Ipv4Addr,
    /// The multicast group that it was sent to.
    pub(super) group: Option<Ipv4Addr>,
}

impl DatagramSocket {
    pub(super) fn new(socket: net::UdpSocket) -> io::Result<Self> {
        setsockopt(&socket, Ipv4PacketInfo, &true)?;
        Ok(Self {
            socket: UdpSocket::from_std(socket)?,
            joined: BTreeSet::new(),
        })
    }

    /// Receives a datagram. Returns its size and its ends.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Ends)> {
        self.socket
            .async_io(Interest::READABLE, || receive_now(&self.socket, buffer))
            .await
    }

    /// Joins a group on the interfaces with these addresses, and leaves it on others. Returns an error if one failed.
    ///
    /// A group is joined again where it was joined before: an address may have moved to another interface.
    pub(super) fn join(&mut self, group: Ipv4Addr, own: Vec<Ipv4Addr>) -> io::Result<()> {
        set_ip_ttl(&self.socket, GROUP_TTL)?;
        set_ip_multicast_ttl(&self.socket, GROUP_TTL)?;
        set_ip_multicast_loop(&self.socket, false)?;
        for address in std::mem::take(&mut self.joined) {
            // It fails if the interface is gone.
            let _ = set_ip_drop_membership(&self.socket, &group, &address);
        }
        let mut done = Ok(());
        for address in own {
            match set_ip_add_membership(&self.socket, &group, &address) {
                Ok(()) => {
                    self.joined.insert(address);
                }
                Err(error) => done = Err(error.into()),
            }
        }
        done
    }

    /// Sends a datagram from an address of the decky if the kernel has room for it.
    pub(super) fn send(&self, bytes: &[u8], local: Ipv4Addr, to: SocketAddrV4) -> io::Result<()> {
        let source = in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: in_addr {
                s_addr: u32::from_ne_bytes(local.octets()),
            },
            ipi_addr: in_addr { s_addr: 0 },
        };
        let sent = sendmsg(
            self.socket.as_raw_fd(),
            &[IoSlice::new(bytes)],
            &[ControlMessage::Ipv4PacketInfo(&source)],
            MsgFlags::MSG_DONTWAIT,
            Some(&SockaddrIn::from(to)),
        );
        Ok(sent.map(|_| ())?)
    }
}

fn receive_now(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, Ends)> {
    let mut space = cmsg_space!(in_pktinfo);
    let mut parts = [IoSliceMut::new(buffer)];
    let received = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_DONTWAIT)?;
    let of = |address: in_addr| Ipv4Addr::from(address.s_addr.to_ne_bytes());
    let info = received.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some((of(info.ipi_spec_dst), of(info.ipi_addr))),
        _ => None,
    });
    let (local, to) = info.unwrap_or((Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED));
    let remote = received.address.ok_or(io::ErrorKind::InvalidData)?;
    let ends = Ends {
        remote: SocketAddrV4::new(remote.ip(), remote.port()),
        local,
        group: Some(to).filter(Ipv4Addr::is_multicast),
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
                assert_eq!((&buffer[..count], ends.local, ends.group), (&b"who?"[..], local, None));
                socket.send(b"me", ends.local, ends.remote).unwrap();
                let (count, from) = visitor.recv_from(&mut buffer).await.unwrap();
                assert_eq!((&buffer[..count], from), (&b"me"[..], (local, port).into()));
            }
        });
    }
}
