//! Scans that no service sees, sent from the namespace of another base.

use std::{
    net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use decnet_decoy::protocol::{Action, Listen, NetState, Protocol, Record, Redirect, STATE_VARIABLE};
use rustix::net::{AddressFamily, SendFlags, SocketType, ipproto, sendto, socket};

use super::lab::{Lab, eventually, leaf, own_service, try_docker};

const TARGET: &str = "10.201.31.10";
const VISITOR: &str = "10.201.31.20";
/// An unused address of the LAN, so that no host resets the answer.
const NOBODY: &str = "10.201.31.99";

const FIN: u8 = 0x1;
const SYN: u8 = 0x2;
const ACK: u8 = 0x10;

/// Sends a TCP segment without a connection, from the namespace of this thread.
fn send_segment(from: &str, from_port: u16, port: u16, flags: u8) {
    let (source, target): (Ipv4Addr, Ipv4Addr) = (from.parse().unwrap(), TARGET.parse().unwrap());
    let mut segment = [from_port.to_be_bytes(), port.to_be_bytes()].concat();
    segment.extend([0, 0, 0, 7, 0, 0, 0, 0, 0x50, flags, 4, 0, 0, 0, 0, 0]);
    let pseudo = [&source.octets()[..], &target.octets()[..], &[0, 6, 0, 20], &segment].concat();
    let sum: u32 = pseudo
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let folded = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    segment[16..18].copy_from_slice(&(!folded).to_be_bytes());
    // The kernel fills in length and checksum of the IP header.
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0];
    packet.extend([source.octets(), target.octets()].concat());
    packet.extend(segment);
    let raw = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::RAW)).unwrap();
    sendto(&raw, &packet, SendFlags::empty(), &SocketAddrV4::new(target, 0)).unwrap();
}

/// Returns the lines of contacts without those of summaries.
fn contacts(lab: &Lab, container: &str) -> Vec<Record> {
    let records = lab.records(container).into_iter();
    records
        .filter(|record| record.event.action != Action::Summary)
        .collect()
}

fn remote_port(record: &Record) -> u16 {
    record.source.and_then(|source| source.port).expect("a port")
}

#[test]
#[ignore = "needs Docker"]
fn half_open_connections_and_closed_ports_are_reported_and_completed_connections_are_not() {
    let lab = Lab::new("scan");
    lab.inner("a", "10.201.31.0/24");
    let hostname = ["--hostname", "web"];
    lab.base_with("target", &leaf(&[TARGET], &[]), &[("a", TARGET)], &hostname);
    lab.base("visitor", &leaf(&[VISITOR], &[]), &[("a", VISITOR)]);
    lab.settled("target");
    lab.settled("visitor");
    let listen = [(80, Protocol::Tcp), (80, Protocol::Udp)].map(|(port, protocol)| Listen { port, protocol });
    lab.service("http", "target", &own_service("web", listen.to_vec(), None));
    eventually("the service listens", || {
        lab.inside("visitor", || TcpStream::connect((TARGET, 80)).is_ok())
    });

    lab.inside("visitor", || {
        let datagram = UdpSocket::bind((VISITOR, 5001)).unwrap();
        datagram.send_to(b"?", (TARGET, 80)).unwrap();
        datagram.send_to(b"?", (TARGET, 81)).unwrap();
        // The visitor's kernel resets the answer, as for any scanner.
        send_segment(VISITOR, 5002, 80, SYN);
        send_segment(VISITOR, 5003, 81, SYN);
        send_segment(VISITOR, 5004, 80, FIN);
        send_segment(VISITOR, 5005, 80, ACK);
        send_segment(NOBODY, 5006, 80, SYN);
        send_segment(VISITOR, 5007, 80, FIN | ACK);
        send_segment(VISITOR, 5008, 80, SYN | ACK);
    });
    let found = || {
        let key = |record: &Record| {
            let probe = record.decnet.probe.clone().expect("a scan");
            let port = record.destination.and_then(|destination| destination.port);
            let transport = record.network.expect("a transport").transport;
            (remote_port(record), port.expect("a port"), probe, transport)
        };
        let mut found: Vec<_> = contacts(&lab, "target").iter().map(key).collect();
        found.sort_unstable();
        found
    };
    let expected = [
        (5001, 81, "closed_port".to_owned(), Protocol::Udp),
        (5002, 80, "half_open".to_owned(), Protocol::Tcp),
        (5003, 81, "closed_port".to_owned(), Protocol::Tcp),
        (5004, 80, "stray".to_owned(), Protocol::Tcp),
        (5005, 80, "stray".to_owned(), Protocol::Tcp),
        (5006, 80, "half_open".to_owned(), Protocol::Tcp),
        (5007, 80, "stray".to_owned(), Protocol::Tcp),
        (5008, 80, "stray".to_owned(), Protocol::Tcp),
    ];
    for _ in 0..300 {
        if found() == expected {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(found(), expected);
    for contact in contacts(&lab, "target") {
        assert_eq!((contact.host.name.as_str(), &contact.service), ("web", &None));
        let from: Ipv4Addr = if remote_port(&contact) == 5006 { NOBODY } else { VISITOR }
            .parse()
            .unwrap();
        assert_eq!(contact.source.and_then(|source| source.ip), Some(from));
    }
    // The service reports its contact, and the base does not.
    let of_service: Vec<u16> = contacts(&lab, "http").iter().map(remote_port).collect();
    assert!(of_service.contains(&5001), "{of_service:?}");
    assert!(
        of_service.iter().all(|port| !(5002..=5008).contains(port)),
        "{of_service:?}"
    );
}

#[test]
#[ignore = "needs Docker"]
fn scans_of_redirected_ports_are_reported_with_the_port_that_visitors_see() {
    let lab = Lab::new("mapped");
    lab.inner("a", "10.201.31.0/24");
    let to = |port, protocol| Redirect { port, to: 80, protocol };
    let state = NetState {
        redirects: vec![to(22, Protocol::Tcp), to(69, Protocol::Udp)],
        ..leaf(&[TARGET], &[])
    };
    lab.base_with("target", &state, &[("a", TARGET)], &["--hostname", "web"]);
    lab.base("visitor", &leaf(&[VISITOR], &[]), &[("a", VISITOR)]);
    lab.settled("target");
    lab.settled("visitor");
    let listen = [(80, Protocol::Tcp), (80, Protocol::Udp)].map(|(port, protocol)| Listen { port, protocol });
    lab.service("http", "target", &own_service("web", listen.to_vec(), None));
    eventually("the service answers on the outside port", || {
        lab.inside("visitor", || TcpStream::connect((TARGET, 22)).is_ok())
    });
    lab.inside("visitor", || {
        let datagram = UdpSocket::bind((VISITOR, 5001)).unwrap();
        datagram.send_to(b"?", (TARGET, 69)).unwrap();
        datagram.send_to(b"?", (TARGET, 80)).unwrap();
        send_segment(VISITOR, 5002, 22, SYN);
        send_segment(VISITOR, 5003, 80, SYN);
        assert!(
            TcpStream::connect((TARGET, 80)).is_err(),
            "the inside port looks closed"
        );
    });
    let found = || {
        let key = |record: &Record| {
            let port = record.destination.and_then(|destination| destination.port);
            (
                remote_port(record),
                port.expect("a port"),
                record.decnet.probe.clone().expect("a scan"),
            )
        };
        let mut found: Vec<_> = contacts(&lab, "target").iter().map(key).collect();
        // The refused connection has a port of its own.
        found.retain(|(from, ..)| (5001..=5003).contains(from));
        found.sort_unstable();
        found
    };
    let expected = [
        (5001, 80, "closed_port".to_owned()),
        (5002, 22, "half_open".to_owned()),
        (5003, 80, "closed_port".to_owned()),
    ];
    for _ in 0..300 {
        if found() == expected {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(found(), expected);
}

#[test]
#[ignore = "needs Docker"]
fn scans_beyond_the_bounds_are_counted() {
    let lab = Lab::new("scanned");
    lab.inner("a", "10.201.31.0/24");
    lab.base("target", &leaf(&[TARGET], &[]), &[("a", TARGET)]);
    lab.base("visitor", &leaf(&[VISITOR], &[]), &[("a", VISITOR)]);
    lab.settled("target");
    lab.settled("visitor");
    lab.inside("visitor", || {
        (1..=500).for_each(|port| send_segment(VISITOR, 5000, port, SYN));
    });
    eventually("each contact has a line or is counted", || {
        let single = contacts(&lab, "target").len();
        let summaries = lab
            .records("target")
            .into_iter()
            .filter_map(|record| record.decnet.summary);
        let counted: u64 = summaries.map(|summary| summary.connections).sum();
        (single, counted) == (32, 468)
    });
}

#[test]
#[ignore = "needs Docker"]
fn a_base_that_cannot_see_scans_logs_it_and_runs() {
    let lab = Lab::new("unseen");
    lab.inner("a", "10.201.32.0/24");
    let state = leaf(&["10.201.32.10"], &[]);
    lab.base("one", &state, &[("a", "10.201.32.10")]);
    lab.settled("one");
    // The kernel gives the packets of a namespace to one listener only.
    let (name, network) = (lab.name("two"), format!("container:{}", lab.name("one")));
    let state = format!("{STATE_VARIABLE}={}", serde_json::to_string(&state).unwrap());
    let options = [
        "--cap-drop",
        "ALL",
        "--cap-add",
        "NET_ADMIN",
        "--network",
        &network,
        "--env",
        &state,
    ];
    lab.start(&name, &options, "base");
    eventually("it logs this", || {
        try_docker(&["logs", &name], b"").stderr.contains("scans are not seen")
    });
    assert_eq!(lab.inspect("two", "{{.State.Running}} {{.RestartCount}}"), "true 0");
    assert!(lab.check("one").deviations.is_empty());
}
