//! Two hosts with a link, and a third one on the same underlay.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use rustix::net::{AddressFamily, SendFlags, SocketType, ipproto, sendto, socket};

use super::fixture::{DEVICE, Host, TABLE, Underlay, receives};
use crate::protocol::{LinkOutcome, VXLAN_PORT, Vxlan};

/// The port on the LAN to which strangers send.
const PORT: u16 = 7777;
const WORDS: &[u8] = b"from a stranger";

/// Returns a datagram of the LAN in an Ethernet frame to all stations.
fn frame(to: Ipv4Addr) -> Vec<u8> {
    let mut frame = [[0xff; 6], [2, 0, 0, 0, 0, 0x66]].concat();
    frame.extend(0x0800_u16.to_be_bytes());
    let datagram = udp(7000, PORT, WORDS);
    frame.extend(ipv4(Ipv4Addr::new(10, 77, 0, 99), to, 0, &datagram));
    frame
}

/// Returns a datagram without a checksum.
fn udp(from: u16, to: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len() + 8).unwrap();
    let header = [from, to, length, 0].map(u16::to_be_bytes).concat();
    [&header, data].concat()
}

/// Returns a packet; `fragment` has the flag for more fragments and the offset in units of eight bytes.
fn ipv4(from: Ipv4Addr, to: Ipv4Addr, fragment: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len() + 20).unwrap().to_be_bytes();
    let fragment = fragment.to_be_bytes();
    let mut header = vec![
        0x45,
        0,
        length[0],
        length[1],
        0x12,
        0x34,
        fragment[0],
        fragment[1],
        64,
        17,
        0,
        0,
    ];
    header.extend(from.octets());
    header.extend(to.octets());
    let sum: u32 = header
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [&header, data].concat()
}

/// Returns the frame in VXLAN.
fn vxlan(link: &Vxlan, frame: &[u8]) -> Vec<u8> {
    let [_, vni @ ..] = link.vni.to_be_bytes();
    let header = [8, 0, 0, 0, vni[0], vni[1], vni[2], 0];
    [&header, frame].concat()
}

/// Sends a frame for the LAN of a host from another host, in one datagram.
fn send(from: &Host, to: &Host, link: &Vxlan) {
    let data = vxlan(link, &frame(to.lan()));
    let target = SocketAddrV4::new(to.address(), VXLAN_PORT);
    let socket = from.run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))).unwrap();
    socket.send_to(&data, target).unwrap();
}

/// Sends the same in two fragments, of which the first one ends before the number of the virtual network.
fn send_in_fragments(from: &Host, to: &Host, link: &Vxlan) {
    const MORE: u16 = 1 << 13;
    let datagram = udp(7000, VXLAN_PORT, &vxlan(link, &frame(to.lan())));
    let raw = from.run(|| socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::RAW)));
    let raw = raw.unwrap();
    for (fragment, data) in [(MORE, &datagram[..8]), (1, &datagram[8..])] {
        let packet = ipv4(from.address(), to.address(), fragment, data);
        let target = SocketAddrV4::new(to.address(), 0);
        sendto(&raw, &packet, SendFlags::empty(), &target).unwrap();
    }
}

#[test]
#[ignore = "needs Docker"]
fn two_hosts_share_a_lan_and_strangers_are_not_on_it() {
    let underlay = Underlay::of(3);
    let [one, two, stranger] = underlay.hosts.as_slice() else {
        unreachable!()
    };
    assert!(!one.reaches(two), "without a link");
    let (first, second) = (one.link_to(&[two]), two.link_to(&[one]));
    assert_eq!(one.ensure(&first), LinkOutcome::Changed);
    assert_eq!(two.ensure(&second), LinkOutcome::Changed);
    one.has(&first);
    assert!(one.reaches(two));
    assert_eq!(one.ensure(&first), LinkOutcome::Unchanged, "with learned entries");

    let socket = one.listen(PORT);
    socket
        .set_read_timeout(Some(std::time::Duration::from_millis(300)))
        .unwrap();
    send(stranger, one, &first);
    send_in_fragments(stranger, one, &first);
    assert_eq!(receives(&socket), None);
    // A frame of the peer passes, so the frames are sound.
    send(two, one, &first);
    assert_eq!(receives(&socket).as_deref(), Some(WORDS));
    send_in_fragments(two, one, &first);
    assert_eq!(receives(&socket).as_deref(), Some(WORDS));

    // Only the guard keeps the stranger out.
    one.shell(&format!("nft delete table inet {TABLE}"));
    assert!(!one.list()[0].guarded);
    send(stranger, one, &first);
    assert_eq!(receives(&socket).as_deref(), Some(WORDS));
    send_in_fragments(stranger, one, &first);
    assert_eq!(receives(&socket).as_deref(), Some(WORDS));
    assert_eq!(one.ensure(&first), LinkOutcome::Changed);
    send(stranger, one, &first);
    assert_eq!(receives(&socket), None);
}

#[test]
#[ignore = "needs Docker"]
fn a_frame_to_another_address_of_the_host_is_dropped() {
    let underlay = Underlay::of(2);
    let [one, two] = underlay.hosts.as_slice() else {
        unreachable!()
    };
    let link = one.link_to(&[two]);
    one.ensure(&link);
    one.shell("ip addr add 192.0.2.201/24 dev eth0");
    let socket = one.listen(PORT);
    socket
        .set_read_timeout(Some(std::time::Duration::from_millis(300)))
        .unwrap();
    let data = vxlan(&link, &frame(one.lan()));
    let sender = two.run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))).unwrap();
    sender.send_to(&data, ("192.0.2.201", VXLAN_PORT)).unwrap();
    assert_eq!(receives(&socket), None);
    sender.send_to(&data, (one.address(), VXLAN_PORT)).unwrap();
    assert_eq!(receives(&socket).as_deref(), Some(WORDS));
}

#[test]
#[ignore = "needs Docker"]
fn frames_over_ipv6_are_dropped_and_other_datagrams_pass() {
    let underlay = Underlay::of(2);
    let [one, two] = underlay.hosts.as_slice() else {
        unreachable!()
    };
    one.shell("ip addr add fd00::1/64 dev eth0 nodad");
    two.shell("ip addr add fd00::2/64 dev eth0 nodad");
    let link = one.link_to(&[two]);
    one.ensure(&link);
    let bind = |host: &Host, address: &str| host.run(|| UdpSocket::bind(address)).unwrap();
    let socket = bind(one, "[fd00::1]:14789");
    socket
        .set_read_timeout(Some(std::time::Duration::from_millis(300)))
        .unwrap();
    let sender = bind(two, "[fd00::2]:0");
    let data = vxlan(&link, b"frame");
    let send = |data: &[u8]| sender.send_to(data, "[fd00::1]:14789").unwrap();
    send(&data);
    assert_eq!(receives(&socket), None);
    // That of another VNI is not for this link.
    let other = Vxlan {
        vni: link.vni + 1,
        ..link.clone()
    };
    let other = vxlan(&other, b"frame");
    send(&other);
    assert_eq!(receives(&socket), Some(other));
    one.remove();
    send(&data);
    assert_eq!(receives(&socket), Some(data));
}

#[test]
#[ignore = "needs Docker"]
fn other_links_of_the_host_are_not_disturbed() {
    let underlay = Underlay::of(3);
    let [one, two, three] = underlay.hosts.as_slice() else {
        unreachable!()
    };
    for host in [one, three] {
        host.shell("ip link add lan2 type bridge");
        host.shell("ip link set lan2 up");
    }
    let first = one.link_to(&[two]);
    let other = |host: &Host, peer: &Host| Vxlan {
        device: "dcn1".into(),
        vni: first.vni + 1,
        bridge: "lan2".into(),
        ..host.link_to(&[peer])
    };
    one.ensure(&first);
    one.ensure(&other(one, three));
    two.ensure(&two.link_to(&[one]));
    three.ensure(&other(three, one));
    one.shell("ip addr add 10.78.0.1/24 dev lan2");
    three.shell("ip addr add 10.78.0.3/24 dev lan2");
    assert!(one.reaches(two));
    let (here, there) = (Ipv4Addr::new(10, 78, 0, 1), Ipv4Addr::new(10, 78, 0, 3));
    let bind = |host: &Host, address: Ipv4Addr| host.run(|| UdpSocket::bind((address, 7001))).unwrap();
    let (near, far) = (bind(one, here), bind(three, there));
    far.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    near.send_to(b"ping", (there, 7001)).unwrap();
    assert_eq!(receives(&far).as_deref(), Some(&b"ping"[..]));
    let names: Vec<_> = one
        .list()
        .into_iter()
        .map(|link| (link.vxlan.device, link.guarded))
        .collect();
    assert_eq!(names, [(DEVICE.to_owned(), true), ("dcn1".to_owned(), true)]);
    assert_eq!(one.remove(), LinkOutcome::Changed);
    near.send_to(b"ping", (there, 7001)).unwrap();
    assert_eq!(receives(&far).as_deref(), Some(&b"ping"[..]));
}
