//! Hosts as network namespaces on one underlay.

use std::{
    collections::BTreeSet,
    fs::File,
    io,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    os::fd::AsFd as _,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::super::{error::LinkError, host::Host as Links};
use crate::protocol::{FoundVxlan, LinkOutcome, OwnedDevice, VXLAN_PORT, Vxlan};

pub(super) const DEVICE: &str = "dcn0";
pub(super) const TABLE: &str = "decnet-dcn0";
pub(super) const OWNER: &str = "decnet 1 maze lan";
pub(super) const BRIDGE: &str = "lan";
const VNI: u32 = 0x0a_0b_0c;

/// How long to wait for a packet that should not come, and for one that should.
const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(5);

/// Hosts that reach each other on an underlay, 192.0.2.0/24. Each has a bridge with an address on the same LAN, 10.77.0.0/24.
pub(super) struct Underlay {
    switch: String,
    pub(super) hosts: Vec<Host>,
}

/// A host: a network namespace.
pub(super) struct Host {
    name: String,
    /// Its number, from 1.
    number: u8,
}

impl Underlay {
    pub(super) fn of(count: u8) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("dcl{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let host = |number| Host {
            name: format!("{prefix}-{number}"),
            number,
        };
        let underlay = Self {
            switch: format!("{prefix}-0"),
            hosts: (1..=count).map(host).collect(),
        };
        let switch = &underlay.switch;
        ip(&format!("netns add {switch}"));
        ip(&format!("-n {switch} link add switch type bridge"));
        ip(&format!("-n {switch} link set switch up"));
        for Host { name, number } in &underlay.hosts {
            ip(&format!("netns add {name}"));
            ip(&format!("-n {name} link set lo up"));
            ip(&format!(
                "-n {name} link add eth0 type veth peer name p{number} netns {switch}"
            ));
            ip(&format!("-n {switch} link set p{number} master switch up"));
            ip(&format!("-n {name} addr add 192.0.2.{number}/24 dev eth0"));
            ip(&format!("-n {name} link set eth0 up"));
            ip(&format!("-n {name} link add {BRIDGE} type bridge"));
            ip(&format!("-n {name} addr add 10.77.0.{number}/24 dev {BRIDGE}"));
            ip(&format!("-n {name} link set {BRIDGE} up"));
        }
        underlay
    }
}

impl Drop for Underlay {
    fn drop(&mut self) {
        for name in self.hosts.iter().map(|host| &host.name).chain([&self.switch]) {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

impl Host {
    pub(super) fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(192, 0, 2, self.number)
    }

    /// Returns its address on the LAN.
    pub(super) fn lan(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, self.number)
    }

    /// Returns the link of this host to others.
    pub(super) fn link_to(&self, peers: &[&Self]) -> Vxlan {
        Vxlan {
            device: DEVICE.into(),
            owner: OWNER.into(),
            vni: VNI,
            local: self.address(),
            peers: peers.iter().map(|peer| peer.address()).collect::<BTreeSet<_>>(),
            mtu: 1400,
            bridge: BRIDGE.into(),
        }
    }

    /// Runs something on a thread in this namespace.
    pub(super) fn run<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/run/netns/{}", self.name)).unwrap();
        thread::scope(|scope| {
            let thread = scope.spawn(move || {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("root");
                what()
            });
            thread.join().expect("the thread ends without a panic")
        })
    }

    pub(super) fn try_ensure(&self, link: &Vxlan) -> Result<LinkOutcome, LinkError> {
        self.run(|| Links::open()?.ensure(link))
    }

    pub(super) fn ensure(&self, link: &Vxlan) -> LinkOutcome {
        self.try_ensure(link).expect("the link is set")
    }

    pub(super) fn try_remove(&self, owner: &str) -> Result<LinkOutcome, LinkError> {
        let named = OwnedDevice {
            device: DEVICE.into(),
            owner: owner.into(),
        };
        self.run(|| Links::open()?.remove(&named))
    }

    pub(super) fn remove(&self) -> LinkOutcome {
        self.try_remove(OWNER).expect("the link is removed")
    }

    pub(super) fn list(&self) -> Vec<FoundVxlan> {
        self.run(|| Links::open()?.list()).expect("the links are read")
    }

    /// Asserts that exactly this link exists and works.
    pub(super) fn has(&self, link: &Vxlan) {
        let found = FoundVxlan {
            vxlan: link.clone(),
            port: VXLAN_PORT,
            up: true,
            guarded: true,
        };
        assert_eq!(self.list(), [found]);
    }

    /// Runs `ip`, `bridge` or `nft` here and returns what it prints.
    pub(super) fn shell(&self, command: &str) -> String {
        run(&format!("ip netns exec {} {command}", self.name))
    }

    /// Opens a UDP socket on a port of the LAN.
    pub(super) fn listen(&self, port: u16) -> UdpSocket {
        let address = SocketAddrV4::new(self.lan(), port);
        let socket = self.run(|| UdpSocket::bind(address)).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        socket
    }

    /// Returns whether a datagram arrives on the LAN of another host, and one in the other direction.
    pub(super) fn reaches(&self, other: &Self) -> bool {
        let (here, there) = (self.listen(7000), other.listen(7000));
        let passes = |from: &UdpSocket, to: &UdpSocket| {
            to.set_read_timeout(Some(SHORT)).unwrap();
            // Sent again while the bridges learn.
            (0..5).any(|_| {
                from.send_to(b"ping", to.local_addr().unwrap()).is_ok()
                    && receives(to).is_some_and(|got| got == b"ping")
            })
        };
        passes(&here, &there) && passes(&there, &here)
    }
}

/// Returns what a socket receives in time.
pub(super) fn receives(socket: &UdpSocket) -> Option<Vec<u8>> {
    let mut buffer = [0; 2048];
    match socket.recv(&mut buffer) {
        Ok(length) => Some(buffer[..length].to_vec()),
        Err(error) => {
            assert!(
                [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut].contains(&error.kind()),
                "{error}"
            );
            None
        }
    }
}

fn ip(arguments: &str) -> String {
    run(&format!("ip {arguments}"))
}

fn run(command: &str) -> String {
    let mut words = command.split(' ');
    let done = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(done.status.success(), "{command}: {done:?}");
    String::from_utf8(done.stdout).unwrap()
}
