//! Queries to the groups of LLMNR and multicast DNS, from other hosts of a LAN.

use std::{
    net::{Ipv4Addr, UdpSocket},
    os::fd::OwnedFd,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use decnet_decoy::protocol::{Action, BuiltinService, Listen, NetState, Protocol, ServiceState};
use rustix::net::{AddressFamily, SocketType, ipproto, socket};

use super::lab::{Lab, address, docker, eventually, leaf, own_service};

/// The groups and ports (RFC 6762, RFC 4795).
const MDNS: (Ipv4Addr, u16) = (Ipv4Addr::new(224, 0, 0, 251), 5353);
const LLMNR: (Ipv4Addr, u16) = (Ipv4Addr::new(224, 0, 0, 252), 5355);

/// How long answers are waited for.
const WAIT: Duration = Duration::from_millis(700);

/// A datagram as it arrived.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    from: (Ipv4Addr, u16),
    to: Ipv4Addr,
    ttl: u8,
    payload: Vec<u8>,
}

/// Returns a query for an address, with an id.
fn query(name: &[&str], class: u16) -> Vec<u8> {
    let mut message = b"\x12\x34\0\0\0\x01\0\0\0\0\0\0".to_vec();
    for label in name {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1]);
    message.extend(class.to_be_bytes());
    message
}

/// A host that may send to the groups.
fn talker(own: &[&str]) -> NetState {
    NetState {
        broadcast: vec![MDNS.1, LLMNR.1],
        ..leaf(own, &[])
    }
}

fn llmnr() -> ServiceState {
    let listen = [MDNS.1, LLMNR.1].map(|port| Listen {
        port,
        protocol: Protocol::Udp,
    });
    ServiceState {
        services: vec![BuiltinService {
            name: "llmnr".into(),
            listen: listen.into(),
            fields: serde_json::Map::new(),
        }],
        ..own_service("web", Vec::new(), None)
    }
}

/// Receives all datagrams from a port, as a member of both groups, in the namespace of this thread.
struct Listener {
    raw: UdpSocket,
    _members: Vec<UdpSocket>,
}

impl Listener {
    fn on(own: Ipv4Addr) -> Self {
        let raw: OwnedFd = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::UDP)).unwrap();
        let members = [MDNS, LLMNR].map(|(group, _)| {
            let member = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
            member.join_multicast_v4(&group, &own).unwrap();
            member
        });
        Self {
            raw: raw.into(),
            _members: members.into(),
        }
    }

    /// Returns what arrives within a time from ports of the two protocols of other hosts.
    fn heard(&self, own: Ipv4Addr) -> Vec<Heard> {
        let (mut heard, deadline) = (Vec::new(), Instant::now() + WAIT);
        let mut packet = [0; 2000];
        while let Some(left) = deadline
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
        {
            self.raw.set_read_timeout(Some(left)).unwrap();
            let Ok(count) = self.raw.recv(&mut packet) else {
                break;
            };
            // The header of IP has no options, or it is that of another packet.
            let (ip, udp) = packet[..count].split_at(20);
            let octets = |at: usize| <[u8; 4]>::try_from(&ip[at..at + 4]).unwrap();
            let port = u16::from_be_bytes([udp[0], udp[1]]);
            let from = Ipv4Addr::from(octets(12));
            if from != own && [MDNS.1, LLMNR.1].contains(&port) {
                heard.push(Heard {
                    from: (from, port),
                    to: octets(16).into(),
                    ttl: ip[8],
                    payload: udp[8..].to_vec(),
                });
            }
        }
        heard
    }
}

/// Sends messages to a group from a host of a LAN, with a TTL that routers would forward, and returns the answers.
fn ask(
    lab: &Lab,
    host: &str,
    own: &str,
    (group, port): (Ipv4Addr, u16),
    from: u16,
    messages: &[Vec<u8>],
) -> Vec<Heard> {
    let (own, messages) = (address(own), messages.to_vec());
    lab.inside(host, move || {
        let listener = Listener::on(own);
        // The address chooses the interface.
        let socket = UdpSocket::bind((own, from)).unwrap();
        socket.set_multicast_ttl_v4(255).unwrap();
        for message in messages {
            socket.send_to(&message, (group, port)).unwrap();
        }
        listener.heard(own)
    })
}

/// Returns a record of the address of the decky as both protocols end with it.
fn ends_with_address(heard: &Heard, of: &str) -> bool {
    heard.payload.ends_with(&[&[0, 4][..], &address(of).octets()].concat())
}

#[test]
#[ignore = "needs Docker"]
fn queries_to_the_groups_are_answered_on_each_lan_also_on_one_that_is_attached_later() {
    let lab = Lab::new("multicast");
    lab.inner("a", "10.201.61.0/24");
    lab.inner("b", "10.201.62.0/24");
    let (on_a, on_b, one, two) = ("10.201.61.10", "10.201.62.10", "10.201.61.20", "10.201.62.20");
    lab.base("web", &talker(&[on_a]), &[("a", on_a)]);
    lab.base("one", &talker(&[one]), &[("a", one)]);
    lab.base("two", &talker(&[two]), &[("b", two)]);
    for base in ["web", "one", "two"] {
        lab.settled(base);
    }
    lab.service("llmnr", "web", &llmnr());

    let by_llmnr = || ask(&lab, "one", one, LLMNR, 0, &[query(&["web"], 1)]);
    let mut answers = Vec::new();
    eventually("the name is answered", || {
        answers = by_llmnr();
        !answers.is_empty()
    });
    let [answer] = &answers[..] else {
        panic!("one answer: {answers:?}")
    };
    // To the sender, from the port that was asked (RFC 4795, section 2).
    assert_eq!((answer.from, answer.to), ((address(on_a), LLMNR.1), address(one)));
    assert!(
        answer.payload.starts_with(b"\x12\x34\x80\0") && ends_with_address(answer, on_a),
        "{answer:?}"
    );

    // A whole responder hears the answer at the group, once within a second (RFC 6762, section 6).
    let name = query(&["web", "local"], 1);
    let answers = ask(&lab, "one", one, MDNS, MDNS.1, &[name.clone(), name.clone()]);
    let [answer] = &answers[..] else {
        panic!("one answer: {answers:?}")
    };
    assert_eq!(
        (answer.from, answer.to, answer.ttl),
        ((address(on_a), MDNS.1), MDNS.0, 255)
    );
    assert!(
        answer.payload.starts_with(b"\0\0\x84\0\0\0") && ends_with_address(answer, on_a),
        "{answer:?}"
    );
    // A simple resolver, and one that asks for it, gets it alone.
    for (from, class) in [(0, 1), (MDNS.1, 0x8001)] {
        let answers = ask(&lab, "one", one, MDNS, from, &[query(&["web", "local"], class)]);
        let to: Vec<_> = answers
            .iter()
            .map(|answer| (answer.from, answer.to, answer.ttl))
            .collect();
        assert_eq!(to, [((address(on_a), MDNS.1), address(one), 255)], "port {from}");
    }
    let asked = lab.records("llmnr").into_iter();
    assert!(asked.filter(|record| record.event.action == Action::Request).count() >= 5);

    // Another LAN, and the same one again with another interface.
    let others = || ask(&lab, "two", two, LLMNR, 0, &[query(&["web"], 1)]);
    assert_eq!(others(), []);
    for _ in 0..2 {
        docker(&["network", "connect", "--ip", on_b, &lab.name("b"), &lab.name("web")]);
        lab.set("web", &talker(&[on_a, on_b]));
        eventually("the name is answered on the other LAN", || {
            others().iter().any(|answer| ends_with_address(answer, on_b))
        });
        assert!(by_llmnr().iter().any(|answer| ends_with_address(answer, on_a)));
        docker(&["network", "disconnect", &lab.name("b"), &lab.name("web")]);
        lab.set("web", &talker(&[on_a]));
    }
    assert!(by_llmnr().iter().any(|answer| ends_with_address(answer, on_a)));
    assert_eq!(lab.inspect("llmnr", "{{.State.Running}} {{.RestartCount}}"), "true 0");
}

#[test]
#[ignore = "needs Docker"]
fn multicasts_do_not_leave_the_lan() {
    let lab = Lab::new("groups");
    lab.inner("a", "10.201.63.0/24");
    lab.inner("b", "10.201.64.0/24");
    let (router, one, two) = (["10.201.63.10", "10.201.64.10"], "10.201.63.20", "10.201.64.20");
    let forwarding = NetState {
        forward: true,
        ..talker(&router)
    };
    lab.base("router", &forwarding, &[("a", router[0]), ("b", router[1])]);
    let with_route = |own: &str, to: &str, via: &str| NetState {
        broadcast: talker(&[]).broadcast,
        ..leaf(&[own], &[(to, via)])
    };
    lab.base("one", &with_route(one, "10.201.64.0/24", router[0]), &[("a", one)]);
    lab.base("two", &with_route(two, "10.201.63.0/24", router[1]), &[("b", two)]);
    for base in ["router", "one", "two"] {
        lab.settled(base);
    }
    lab.service("llmnr", "router", &llmnr());
    assert!(lab.pings("one", two), "the router forwards");

    for (group, from, message) in [
        (LLMNR, LLMNR.1, query(&["web"], 1)),
        (MDNS, MDNS.1, query(&["web", "local"], 1)),
    ] {
        eventually("the router answers on the LAN of the query", || {
            let (ready, is_ready) = mpsc::channel();
            let heard_on_b = thread::scope(|scope| {
                let listening = scope.spawn(|| {
                    lab.inside("two", move || {
                        let listener = Listener::on(address(two));
                        ready.send(()).unwrap();
                        listener.heard(address(two))
                    })
                });
                is_ready.recv().unwrap();
                let answers = ask(&lab, "one", one, group, from, std::slice::from_ref(&message));
                (answers, listening.join().unwrap())
            });
            assert_eq!(heard_on_b.1, [], "neither the query nor the answer");
            heard_on_b.0.iter().any(|answer| ends_with_address(answer, router[0]))
        });
    }
}
