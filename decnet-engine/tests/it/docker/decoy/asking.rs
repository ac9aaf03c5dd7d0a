//! Which connections a base accepts from the host and from elsewhere, and how much it answers.
//!
//! The tests run on the daemon's machine, so they act as the host. A thread in the namespace of a base acts as an intruder's
//! code.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use decnet_decoy::protocol::{Action, Listen, NetState, Protocol, Published, Target};

use super::lab::{Lab, address, docker, eventually, leaf, own_service};

/// How long the tests wait for packets that must not arrive.
const SILENCE: Duration = Duration::from_millis(500);

fn published(at: &str, port: u16, protocol: Protocol) -> Published {
    Published {
        address: address(at),
        port,
        protocol,
        host_only: false,
    }
}

/// A base on a network with an address of the host, like a gateway on the DMZ.
fn gateway(net: &str, ports: &[(u16, Protocol)]) -> NetState {
    let own = format!("{net}.5");
    NetState {
        default_route: true,
        closed: vec![address(&format!("{net}.1"))],
        published: ports
            .iter()
            .map(|(port, protocol)| published(&own, *port, *protocol))
            .collect(),
        ..leaf(&[&own], &[])
    }
}

fn create_base(lab: &Lab, net: &str, state: &NetState) {
    lab.dmz("dmz", &format!("{net}.0/24"));
    lab.base("one", state, &[("dmz", &format!("{net}.5"))]);
    lab.settled("one");
}

/// Sends a datagram from inside a base. `from` is its port; 0 is any port.
fn sends(lab: &Lab, from: u16, to: SocketAddrV4) -> io::Result<usize> {
    lab.inside("one", move || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, from))?;
        socket.set_broadcast(true)?;
        socket.send_to(b"?", to)
    })
}

/// Returns the source of the next datagram, if one arrives soon.
fn heard(socket: &UdpSocket) -> Option<SocketAddr> {
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    socket.recv_from(&mut [0; 2000]).ok().map(|(_, from)| from)
}

#[test]
#[ignore = "needs Docker"]
fn the_host_reaches_published_ports_and_no_others() {
    const NET: &str = "10.203.7";
    let lab = Lab::new("asked");
    create_base(&lab, NET, &gateway(NET, &[(80, Protocol::Tcp), (80, Protocol::Udp)]));
    let listen = [80, 81]
        .into_iter()
        .flat_map(|port| [Protocol::Tcp, Protocol::Udp].map(|protocol| Listen { port, protocol }));
    let service = own_service("one", listen.collect(), Some("hi"));
    lab.service("http", "one", &service);
    let at = |port| SocketAddr::from((address(&format!("{NET}.5")), port));
    let connects = |port| TcpStream::connect_timeout(&at(port), Duration::from_secs(1)).is_ok();
    eventually("the published port answers", || connects(80));
    assert!(!connects(81));

    let asks = |port| {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        socket.send_to(b"?", at(port)).unwrap();
        heard(&socket)
    };
    assert_eq!(asks(80), Some(at(80)));
    assert_eq!(asks(81), None);
    assert!(!lab.pings("one", &format!("{NET}.1")));
}

#[test]
#[ignore = "needs Docker"]
fn broadcasts_do_not_reach_the_host_and_answers_open_no_way_to_it() {
    const NET: &str = "10.203.8";
    let lab = Lab::new("everybody");
    let state = gateway(NET, &[(80, Protocol::Udp)]);
    create_base(&lab, NET, &state);
    let host = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = host.local_addr().unwrap().port();
    let everybody = [
        address(&format!("{NET}.255")),
        address(&format!("{NET}.0")),
        Ipv4Addr::BROADCAST,
        Ipv4Addr::new(224, 0, 0, 1),
        Ipv4Addr::new(239, 255, 255, 250),
    ];
    // Also from the published port, whose answers may leave.
    for (from, to) in [0, 80].into_iter().flat_map(|from| everybody.map(|to| (from, to))) {
        let refused = sends(&lab, from, SocketAddrV4::new(to, port)).map_err(|error| error.kind());
        assert_eq!(refused, Err(io::ErrorKind::PermissionDenied), "from {from} to {to}");
    }
    assert_eq!(heard(&host), None);

    // A service of the host sends first, like an answer to a broadcast.
    let decky = |port: u16| SocketAddrV4::new(address(&format!("{NET}.5")), port);
    let gateway = SocketAddrV4::new(address(&format!("{NET}.1")), port);
    for (asked, passes) in [(5000, false), (80, true)] {
        let (ask, done) = std::sync::mpsc::channel::<()>();
        let (speaking, to) = (host.try_clone().unwrap(), decky(asked));
        let speak = std::thread::spawn(move || {
            done.recv().unwrap();
            speaking.send_to(b"!", to).unwrap();
        });
        let (came, answered) = lab.inside("one", move || {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, asked)).unwrap();
            ask.send(()).unwrap();
            (heard(&socket).is_some(), socket.send_to(b"?", gateway).is_ok())
        });
        speak.join().unwrap();
        assert_eq!((came, answered), (passes, passes), "port {asked}");
        assert_eq!(heard(&host).is_some(), passes, "port {asked}");
    }

    // A declared broadcast reaches everybody.
    let declared = NetState {
        broadcast: vec![port],
        ..state
    };
    lab.set("one", &declared);
    sends(&lab, 0, SocketAddrV4::new(everybody[0], port)).unwrap();
    assert!(heard(&host).is_some());
    sends(&lab, 0, SocketAddrV4::new(everybody[0], port ^ 1)).unwrap_err();
}

#[test]
#[ignore = "needs Docker"]
fn a_port_published_on_loopback_is_reachable_only_from_the_host() {
    const NET: &str = "10.203.9";
    let lab = Lab::new("loopback");
    lab.inner("a", &format!("{NET}.0/24"));
    // Each is outside the maze of the other.
    let state = |host_only, closed: &[&str]| NetState {
        lans: Vec::new(),
        closed: closed.iter().map(|closed| address(closed)).collect(),
        published: vec![Published {
            host_only,
            ..published(&format!("{NET}.5"), 80, Protocol::Tcp)
        }],
        ..leaf(&[&format!("{NET}.5")], &[])
    };
    let other = format!("{NET}.6");
    lab.base("one", &state(false, &[]), &[("a", &format!("{NET}.5"))]);
    lab.base("other", &leaf(&[&other], &[]), &[("a", &other)]);
    lab.settled("one");
    lab.settled("other");
    let listen = Listen {
        port: 80,
        protocol: Protocol::Tcp,
    };
    let service = own_service("one", vec![listen], None);
    lab.service("http", "one", &service);
    let port = Target::Tcp {
        address: address(&format!("{NET}.5")),
        port: 80,
    };
    eventually("the service answers", || lab.reaches("other", port));

    lab.set("one", &state(true, &[]));
    assert!(!lab.reaches("other", port), "it is not the host");
    lab.set("one", &state(true, &[&other]));
    assert!(lab.reaches("other", port), "it is the host");
    lab.set("one", &state(false, &[]));
    assert!(!lab.pings("other", &format!("{NET}.5")), "only the port is published");
    assert!(lab.reaches("other", port));
}

#[test]
#[ignore = "needs Docker"]
fn answers_that_leave_the_maze_are_bounded_and_a_download_is_whole() {
    /// The limit of the containment: bytes per second, and the same as a burst.
    const UDP_BYTES: f64 = 32.0 * 1024.0;
    const LENGTH: usize = 1400;
    const PACKETS: usize = 50_000;
    const NET: &str = "10.203.10";
    let lab = Lab::new("bounded");
    create_base(
        &lab,
        NET,
        &gateway(NET, &[(9000, Protocol::Udp), (9000, Protocol::Tcp)]),
    );
    let decky = SocketAddr::from((address(&format!("{NET}.5")), 9000));

    let host = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let (ready, is_ready) = std::sync::mpsc::channel::<()>();
    let asking = host.try_clone().unwrap();
    let ask = std::thread::spawn(move || {
        is_ready.recv().unwrap();
        asking.send_to(b"?", decky).unwrap();
    });
    let (sent, took) = lab.inside("one", move || {
        let socket = UdpSocket::bind(("0.0.0.0", 9000)).unwrap();
        ready.send(()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let (_, from) = socket.recv_from(&mut [0; 8]).unwrap();
        let began = Instant::now();
        let sent = (0..PACKETS)
            .filter(|_| socket.send_to(&[0; LENGTH], from).is_ok())
            .count();
        (sent, began.elapsed().as_secs_f64())
    });
    ask.join().unwrap();
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let bytes = (sent * (LENGTH + 28)) as f64;
    assert!(sent > 0 && bytes <= UDP_BYTES * (2.0 + took), "{sent} in {took} s");

    // Each of the others is counted. If the kernel could not copy some, the number of the next packet shows it.
    let resolver = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 11), 53);
    sends(&lab, 0, resolver).unwrap_err();
    let dropped = u64::try_from(PACKETS - sent).unwrap() + 1;
    eventually("all are counted", || counted(&lab, "one") >= dropped);
    assert_eq!(counted(&lab, "one"), dropped);

    // Ten pages of 60 kB, each complete.
    let serving = std::thread::spawn(move || {
        (0..10)
            .map(|_| {
                let mut stream = eventually_connects(decky);
                let mut page = Vec::new();
                stream.read_to_end(&mut page).unwrap();
                page.len()
            })
            .collect::<Vec<_>>()
    });
    lab.inside("one", || {
        let listener = TcpListener::bind(("0.0.0.0", 9000)).unwrap();
        for _ in 0..10 {
            listener.accept().unwrap().0.write_all(&vec![b'x'; 60_000]).unwrap();
        }
    });
    assert_eq!(serving.join().unwrap(), [60_000; 10]);
}

/// Returns how many dropped packets a base has reported.
fn counted(lab: &Lab, base: &str) -> u64 {
    let records = lab.records(base).into_iter();
    records
        .filter(|record| record.event.action == Action::ContainmentDrop)
        .filter_map(|record| record.decnet.packets)
        .sum()
}

#[test]
#[ignore = "needs Docker"]
fn ipv6_is_off_and_where_it_is_on_dropped_packets_are_counted() {
    const NET: &str = "10.203.13";
    const OTHER: &str = "10.203.14";
    let lab = Lab::new("ipv6");
    create_base(&lab, NET, &gateway(NET, &[]));
    lab.inner("later", &format!("{OTHER}.0/24"));
    docker(&[
        "network",
        "connect",
        "--ip",
        &format!("{OTHER}.5"),
        &lab.name("later"),
        &lab.name("one"),
    ]);
    let multicast = |index| SocketAddrV6::new(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1), 9, 0, index);
    let addressless = lab.inside("one", move || {
        let addresses = std::fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap_or_default();
        let sent = (1..100).filter(|index| {
            let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0));
            socket.is_ok_and(|socket| socket.send_to(b"?", multicast(*index)).is_ok())
        });
        (addresses, sent.count())
    });
    assert_eq!(addressless, (String::new(), 0));
    assert_eq!(counted(&lab, "one"), 0);

    // Other engines may leave it on.
    lab.inside("one", || {
        for (setting, value) in [("accept_dad", "0"), ("disable_ipv6", "0")] {
            for interface in ["all", "default", "eth0"] {
                std::fs::write(format!("/proc/sys/net/ipv6/conf/{interface}/{setting}"), value).unwrap();
            }
        }
    });
    let index = lab.inside("one", || {
        let addresses = std::fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap();
        let own = addresses
            .lines()
            .find(|line| line.starts_with("fe80"))
            .unwrap()
            .to_owned();
        u32::from_str_radix(own.split_whitespace().nth(1).unwrap(), 16).unwrap()
    });
    let sends = |to: SocketAddrV6| {
        lab.inside("one", move || {
            let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
            socket.send_to(b"?", to).map_err(|error| error.kind())
        })
    };
    let refused = Err(io::ErrorKind::PermissionDenied);
    eventually("the address can be used", || sends(multicast(index)) == refused);
    let neighbour = SocketAddrV6::new(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x99), 9, 0, index);
    assert_eq!([sends(neighbour), sends(neighbour)], [refused; 2]);
    eventually("both packets to the neighbour are counted", || {
        counted(&lab, "one") >= 2
    });
    assert_eq!(counted(&lab, "one"), 2, "packets to groups are not");
}

fn eventually_connects(to: SocketAddr) -> TcpStream {
    let mut stream = None;
    eventually("the port answers", || {
        stream = TcpStream::connect(to).ok();
        stream.is_some()
    });
    stream.unwrap()
}
