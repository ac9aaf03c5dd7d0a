//! Captures packets with sockets of this machine. A socket in the namespace of a decky is opened by a thread that enters it.
//!
//! A bridge passes packets between its ports without showing them on its own interface, unless that is promiscuous, which would change
//! the machine. So each port has a socket, for the packets that enter the bridge there; the bridge's own socket has those that the host
//! sends.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, IoSliceMut},
    net::Ipv4Addr,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    sys::{
        socket::{
            AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recvmsg,
            setsockopt, socket, sockopt,
        },
        time::TimeSpec,
    },
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};
use tokio::sync::{mpsc, oneshot};

use super::{Docker, containers, inside};
use crate::{
    naming::ContainerName,
    runtime::{Capture, CapturePlace, CaptureRequest, CapturedPacket, RuntimeError},
};

/// How many packets wait for the reader. Beyond that, the kernel keeps some, and then drops them.
const WAITING: usize = 1024;
/// The kernel's buffer of a socket, in bytes.
const BUFFER: usize = 8 << 20;
/// How often the ports of a bridge are listed again: a decky that restarts gets a new one.
const RELIST: Duration = Duration::from_millis(500);
const POLL: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
/// How many packets of one socket are read before the next socket gets its turn.
const TURN: usize = 64;
/// The type of a packet that was sent on an interface (`PACKET_OUTGOING`).
const OUTGOING: u8 = 4;

type Packets = mpsc::Sender<Result<CapturedPacket, RuntimeError>>;

/// Where this machine finds the packets.
#[derive(Debug)]
enum Source {
    Bridge(String),
    Namespace {
        id: String,
        pid: i64,
        address: Option<Ipv4Addr>,
    },
}

impl Docker {
    pub(super) async fn capture_packets(&self, request: CaptureRequest) -> Result<Capture, RuntimeError> {
        let CaptureRequest {
            instance,
            place,
            snap_length,
        } = request;
        let source = match &place {
            CapturePlace::Network(network) => Source::Bridge(self.bridge_of(instance, network).await?),
            CapturePlace::Base { base, address } => self.namespace_of(instance, base, *address).await?,
        };
        let refused = |reason: String| RuntimeError::NotCapturable {
            reason,
            instead: instead(&source),
        };
        if !self.is_here() {
            return Err(refused("the daemon is not on this machine".into()));
        }
        let instead = instead(&source);
        let (ready, opened) = oneshot::channel();
        let (send, receive) = mpsc::channel(WAITING);
        // The thread ends with the capture, and logs nothing: a subscriber of the log would run in the namespace of a decky.
        let spawned = thread::Builder::new().name("capture".into()).spawn(move || {
            let sockets = Sockets::open(&source, snap_length);
            match sockets {
                Ok(mut sockets) => {
                    // The caller may be gone.
                    let _ = ready.send(Ok(sockets.interface.clone()));
                    if let Err(error) = sockets.run(&send) {
                        let _ = send.blocking_send(Err(RuntimeError::NotCapturable {
                            reason: error.to_string(),
                            instead: String::new(),
                        }));
                    }
                }
                Err(error) => {
                    let _ = ready.send(Err(error.to_string()));
                }
            }
        });
        let opened = match spawned {
            Ok(_) => opened
                .await
                .unwrap_or_else(|_| Err("the capturing thread ended unexpectedly".into())),
            Err(error) => Err(format!("cannot start a thread: {error}")),
        };
        let interface = opened.map_err(|reason| RuntimeError::NotCapturable { reason, instead })?;
        let packets = stream::unfold(
            receive,
            |mut receive| async move { Some((receive.recv().await?, receive)) },
        );
        Ok(Capture {
            interface,
            packets: packets.boxed(),
        })
    }

    async fn namespace_of(
        &self,
        instance: decnet_topology::InstanceId,
        base: &ContainerName,
        address: Option<Ipv4Addr>,
    ) -> Result<Source, RuntimeError> {
        let found = self.find_ours(instance, base).await?;
        if !containers::is_running(&found) {
            return Err(RuntimeError::Conflict {
                reason: format!("container {base} is not running"),
            });
        }
        Ok(Source::Namespace {
            pid: found.state.as_ref().and_then(|state| state.pid).unwrap_or_default(),
            id: found.id.unwrap_or_default(),
            address,
        })
    }
}

/// Returns the command that does the same as root on the daemon's machine.
fn instead(source: &Source) -> String {
    match source {
        Source::Bridge(bridge) => format!("tcpdump -i {bridge} -w FILE"),
        Source::Namespace { pid, .. } => format!("nsenter --net=/proc/{pid}/ns/net tcpdump -i any -w FILE"),
    }
}

/// The sockets of a capture.
struct Sockets {
    /// The interface, for people.
    interface: String,
    snap_length: u32,
    /// The bridge, if it is one.
    bridge: Option<String>,
    /// The process whose namespace this is, if it is one of a decky.
    process: Option<OwnedFd>,
    open: BTreeMap<usize, Socket>,
    /// What the kernel dropped at sockets that are closed.
    dropped_before: u64,
}

/// A socket on one interface.
struct Socket {
    descriptor: OwnedFd,
    index: usize,
    /// Whether to keep packets that were sent there, and those that arrived there.
    sent: bool,
    arrived: bool,
    dropped: u64,
}

impl Sockets {
    fn open(source: &Source, snap_length: u32) -> io::Result<Self> {
        let mut sockets = Self {
            interface: String::new(),
            snap_length,
            bridge: None,
            process: None,
            open: BTreeMap::new(),
            dropped_before: 0,
        };
        match source {
            Source::Bridge(bridge) => {
                sockets.interface.clone_from(bridge);
                sockets.bridge = Some(bridge.clone());
                sockets.list_ports()?;
            }
            Source::Namespace { id, pid, address } => {
                let process = inside::open_process(id, *pid)?;
                let namespace = inside::read(&process, "ns/net")?;
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
                let found = interfaces(*address)?;
                if found.is_empty() {
                    return Err(io::Error::other("it has no such interface"));
                }
                let names: Vec<&str> = found.keys().map(String::as_str).collect();
                sockets.interface = names.join(", ");
                for link in found.into_values() {
                    sockets.add(link, true, true)?;
                }
                sockets.process = Some(process);
            }
        }
        Ok(sockets)
    }

    /// Opens a socket for each new port of the bridge, and closes those of ports that are gone. It fails if the bridge or the decky
    /// is gone.
    fn list_ports(&mut self) -> io::Result<()> {
        if let Some(process) = &self.process {
            inside::read(process, "ns/net").map_err(|_| io::Error::other("the decky was stopped or restarted"))?;
        }
        let Some(bridge) = &self.bridge else { return Ok(()) };
        let ports = ports(bridge);
        let links = interfaces(None)?;
        if !links.contains_key(bridge) {
            return Err(io::Error::other(format!("there is no interface {bridge}")));
        }
        let wanted = links
            .iter()
            .filter(|(name, _)| *name == bridge || ports.contains(*name));
        let wanted: BTreeMap<usize, (bool, LinkAddr)> = wanted
            .map(|(name, link)| (link.ifindex(), (name == bridge, *link)))
            .collect();
        let gone: Vec<usize> = self
            .open
            .keys()
            .copied()
            .filter(|index| !wanted.contains_key(index))
            .collect();
        for index in gone {
            self.dropped_before += self.open.remove(&index).map_or(0, |socket| socket.dropped);
        }
        for (index, (is_bridge, link)) in wanted {
            if !self.open.contains_key(&index) {
                match self.add(link, is_bridge, !is_bridge) {
                    // The port may be gone again.
                    Err(error) if error.raw_os_error() == Some(Errno::ENODEV as i32) => {}
                    added => added?,
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, link: LinkAddr, sent: bool, arrived: bool) -> io::Result<()> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        setsockopt(&socket, sockopt::RxqOvfl, &1)?;
        // A smaller buffer only drops packets earlier.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &BUFFER);
        bind(socket.as_raw_fd(), &link)?;
        let index = link.ifindex();
        let socket = Socket {
            descriptor: socket,
            index,
            sent,
            arrived,
            dropped: 0,
        };
        self.open.insert(index, socket);
        Ok(())
    }

    /// Sends packets until the receiver is gone.
    fn run(&mut self, packets: &Packets) -> io::Result<()> {
        let mut listed = Instant::now();
        let mut buffer = vec![
            0;
            usize::try_from(self.snap_length)
                .unwrap_or(usize::MAX)
                .clamp(1, 1 << 18)
        ];
        while !packets.is_closed() {
            if listed.elapsed() >= RELIST {
                self.list_ports()?;
                listed = Instant::now();
            }
            let mut ready: Vec<_> = self
                .open
                .values()
                .map(|socket| PollFd::new(&socket.descriptor, PollFlags::IN))
                .collect();
            match poll(&mut ready, Some(&POLL)) {
                Err(rustix::io::Errno::INTR) => continue,
                polled => polled?,
            };
            let ready: Vec<bool> = ready.iter().map(|fd| !fd.revents().is_empty()).collect();
            let indices: Vec<usize> = self
                .open
                .keys()
                .copied()
                .zip(ready)
                .filter_map(|(index, ready)| ready.then_some(index))
                .collect();
            for index in indices {
                for _ in 0..TURN {
                    let read = self.open.get_mut(&index).map(|socket| socket.read(&mut buffer));
                    let Some(mut packet) = read.transpose()?.flatten() else {
                        break;
                    };
                    packet.dropped = self.dropped();
                    if packets.blocking_send(Ok(packet)).is_err() {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns how many packets the kernel has dropped at all sockets.
    fn dropped(&self) -> u64 {
        self.dropped_before + self.open.values().map(|socket| socket.dropped).sum::<u64>()
    }
}

impl Socket {
    /// Reads a packet of the interface; none if there is no more.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<CapturedPacket>> {
        let mut control = nix::cmsg_space!(TimeSpec, u32);
        loop {
            let room = buffer.len();
            let mut parts = [IoSliceMut::new(buffer)];
            let flags = MsgFlags::MSG_TRUNC | MsgFlags::MSG_DONTWAIT;
            let message = match recvmsg::<LinkAddr>(self.descriptor.as_raw_fd(), &mut parts, Some(&mut control), flags)
            {
                // The interface is down or gone; its socket is closed with the next list.
                Err(Errno::EAGAIN | Errno::ENETDOWN | Errno::ENXIO) => return Ok(None),
                Err(Errno::EINTR) => continue,
                message => message?,
            };
            let (mut at, from, length) = (None, message.address, message.bytes);
            for part in message.cmsgs().into_iter().flatten() {
                match part {
                    ControlMessageOwned::ScmTimestampns(time) => at = timestamp(time),
                    ControlMessageOwned::RxqOvfl(dropped) => self.dropped = self.dropped.max(dropped.into()),
                    _ => {}
                }
            }
            // Until it was bound, the socket got the packets of all interfaces.
            let from = from.filter(|from| from.ifindex() == self.index);
            let wants = |from: LinkAddr| {
                if from.pkttype() == OUTGOING {
                    self.sent
                } else {
                    self.arrived
                }
            };
            if from.is_some_and(wants) {
                return Ok(Some(CapturedPacket {
                    at: at.unwrap_or_else(Timestamp::now),
                    length: u32::try_from(length).unwrap_or(u32::MAX),
                    data: buffer[..length.min(room)].to_vec(),
                    dropped: self.dropped,
                }));
            }
        }
    }
}

fn timestamp(time: TimeSpec) -> Option<Timestamp> {
    Timestamp::new(time.tv_sec(), i32::try_from(time.tv_nsec()).ok()?).ok()
}

/// Returns the ports of a bridge.
fn ports(bridge: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(Path::new("/sys/class/net").join(bridge).join("brif"));
    let entries = entries.into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// Returns the Ethernet interfaces of this thread's namespace by name: all, or the one with an address.
fn interfaces(address: Option<Ipv4Addr>) -> io::Result<BTreeMap<String, LinkAddr>> {
    /// `ARPHRD_ETHER`.
    const ETHERNET: u16 = 1;
    let all: Vec<_> = getifaddrs()?.collect();
    let has_address: BTreeSet<&str> = all
        .iter()
        .filter(|one| {
            let found = one.address.as_ref().and_then(|found| found.as_sockaddr_in());
            address.is_none() || found.is_some_and(|found| Some(found.ip()) == address)
        })
        .map(|one| one.interface_name.as_str())
        .collect();
    let links = all.iter().filter_map(|one| {
        let link = one.address.as_ref()?.as_link_addr()?;
        let wanted = link.hatype() == ETHERNET && has_address.contains(one.interface_name.as_str());
        wanted.then(|| (one.interface_name.clone(), *link))
    });
    Ok(links.collect())
}
