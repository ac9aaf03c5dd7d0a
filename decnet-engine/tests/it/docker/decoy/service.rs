//! The built-in service.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpStream, UdpSocket},
    os::unix::fs::MetadataExt as _,
    time::Duration,
};

use decnet_decoy::protocol::{Action, EndReason, KEEPER, Listen, NetState, Protocol, ServiceState, Target};

use super::lab::{Lab, address, docker, eventually, leaf, own_service, router, try_docker};

/// Input that would break a log that quotes it.
const HOSTILE: &[u8] = b"GET /\n\"}\n{\"decky\":\"other\"\x1b\0\xff";

fn http(decky: &str) -> ServiceState {
    let listen = [(80, Protocol::Tcp), (80, Protocol::Udp)].map(|(port, protocol)| Listen { port, protocol });
    own_service(decky, listen.to_vec(), Some("HTTP/1.1 400 Bad Request\r\n\r\n"))
}

#[test]
#[ignore = "needs Docker"]
fn a_published_port_of_a_gateway_answers_and_each_contact_is_logged() {
    let lab = Lab::new("published");
    // Old engines publish on, and route by, the network whose name sorts first.
    lab.dmz(".dmz", "10.201.20.0/24");
    lab.inner("a", "10.201.21.0/24");
    let state = NetState {
        default_route: true,
        ..router(&["10.201.20.5", "10.201.21.5"])
    };
    let networks = [(".dmz", "10.201.20.5"), ("a", "10.201.21.5")];
    lab.base_with(
        "gateway",
        &state,
        &networks,
        &["--publish", "127.0.0.1::80/tcp", "--publish", "127.0.0.1::80/udp"],
    );
    lab.settled("gateway");
    lab.service("http", "gateway", &http("gateway"));

    let published = |port: &str| docker(&["port", &lab.name("gateway"), port]);
    let mut said = Vec::new();
    eventually("the service answers", || {
        said.clear();
        let Ok(mut stream) = TcpStream::connect(published("80/tcp")) else {
            return false;
        };
        stream.write_all(HOSTILE).unwrap();
        let _ = stream.shutdown(Shutdown::Write);
        stream.read_to_end(&mut said).is_ok() && !said.is_empty()
    });
    assert_eq!(said, b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.send_to(b"hello", published("80/udp")).unwrap();
    let mut answer = [0; 64];
    let length = socket.recv(&mut answer).unwrap();
    assert_eq!(&answer[..length], b"HTTP/1.1 4", "at most twice the request");

    let of = |action: Action| {
        let records = lab.records("http").into_iter();
        records
            .filter(|record| record.event.action == action)
            .collect::<Vec<_>>()
    };
    eventually("the input is logged", || of(Action::Probe).len() >= 2);
    let inputs: Vec<String> = of(Action::Probe)
        .into_iter()
        .filter_map(|record| record.decnet.input)
        .collect();
    assert_eq!(
        inputs,
        ["GET /\\x0a\"}\\x0a{\"decky\":\"other\"\\x1b\\x00\\xff", "hello"]
    );
    eventually("the end of the connection is logged", || {
        !of(Action::SessionClose).is_empty()
    });
    let closed = of(Action::SessionClose).remove(0);
    assert_eq!(closed.decnet.bytes, Some(HOSTILE.len() as u64));
    let opened = of(Action::SessionOpen);
    assert!(
        opened
            .iter()
            .any(|record| record.decnet.session == closed.decnet.session)
    );
    for record in lab.records("http") {
        assert_eq!(record.host.name, "gateway");
        assert_eq!(
            record.service.as_ref().map(|service| service.name.as_str()),
            Some("own")
        );
        assert_eq!(record.destination.and_then(|destination| destination.port), Some(80));
    }
}

#[test]
#[ignore = "needs Docker"]
fn a_service_follows_its_base_into_the_new_namespace_and_does_not_exit() {
    let lab = Lab::new("follows");
    lab.inner("a", "10.221.22.0/24");
    lab.base("one", &leaf(&["10.221.22.5"], &[]), &[("a", "10.221.22.5")]);
    lab.base("other", &leaf(&["10.221.22.6"], &[]), &[("a", "10.221.22.6")]);
    lab.service("http", "one", &http("one"));
    let address = address("10.221.22.5");
    let answers = || {
        let ports = [Target::Tcp { address, port: 80 }, Target::Udp { address, port: 80 }];
        ports.into_iter().all(|port| lab.reaches("other", port))
    };
    eventually("the service answers", answers);

    let started = || lab.inspect("http", "{{.State.StartedAt}} {{.RestartCount}}");
    let before = started();
    docker(&["restart", "--time", "0", &lab.name("one")]);
    eventually("the service answers again", answers);
    docker(&["kill", &lab.name("one")]);
    assert!(!answers());
    docker(&["start", &lab.name("one")]);
    eventually("the service answers once more", answers);
    assert_eq!(started(), before);
}

#[test]
#[ignore = "needs Docker"]
fn a_service_that_starts_before_its_base_answers_when_the_base_runs() {
    let lab = Lab::new("early");
    lab.inner("a", "10.221.23.0/24");
    lab.base("one", &leaf(&["10.221.23.5"], &[]), &[("a", "10.221.23.5")]);
    lab.base("other", &leaf(&["10.221.23.6"], &[]), &[("a", "10.221.23.6")]);
    docker(&["stop", "--time", "0", &lab.name("one")]);
    lab.service("http", "one", &http("one"));
    let complains = || {
        try_docker(&["logs", &lab.name("http")], b"")
            .stderr
            .contains("the base provides no sockets")
    };
    eventually("the service says that it waits", complains);
    docker(&["start", &lab.name("one")]);
    let port = Target::Tcp {
        address: address("10.221.23.5"),
        port: 80,
    };
    eventually("the service answers", || lab.reaches("other", port));
    assert_eq!(lab.inspect("http", "{{.RestartCount}}"), "0");
}

#[test]
#[ignore = "needs Docker"]
fn a_service_has_no_network_and_can_write_nothing_where_its_base_keeps_its_state() {
    let lab = Lab::new("bare");
    lab.inner("a", "10.221.24.0/24");
    lab.base("one", &leaf(&["10.221.24.5"], &[]), &[("a", "10.221.24.5")]);
    lab.settled("one");
    lab.service("http", "one", &http("one"));
    let interfaces = lab.inside("http", || {
        let links = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
        links
            .lines()
            .skip(2)
            .map(|line| line.split(':').next().unwrap().trim().to_owned())
            .collect::<Vec<_>>()
    });
    assert_eq!(interfaces, ["lo"]);
    let mounts = lab.inspect("http", "{{range .Mounts}}{{.Destination}} {{.RW}}{{end}}");
    assert_eq!(mounts, "/var/lib false");
    let folder = lab.inspect("one", "{{(index .Mounts 0).Source}}");
    let of = |path: &str| {
        let found = fs::symlink_metadata(format!("{folder}{path}")).unwrap();
        (found.uid(), found.mode() & 0o777)
    };
    assert_eq!(of(""), (KEEPER, 0o755));
    assert_eq!(of("/ports"), (0, 0o755));
    assert_eq!(of("/ports/socket"), (0, 0o666));
}

/// Returns whether a new connection gets the start of the banner.
fn greets(published: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(published) else {
        return false;
    };
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).is_ok() && &answer == b"HTTP/1.1"
}

/// Starts a gateway with one service. Returns its published address.
fn published_gateway(lab: &Lab, network: &str, more: &[&str]) -> String {
    lab.dmz(".dmz", &format!("{network}.0/24"));
    let ip = format!("{network}.5");
    let state = NetState {
        default_route: true,
        ..router(&[&ip])
    };
    lab.base_with("gateway", &state, &[(".dmz", &ip)], &["--publish", "127.0.0.1::80/tcp"]);
    lab.settled("gateway");
    lab.service_with("http", "gateway", &http("gateway"), more);
    let published = docker(&["port", &lab.name("gateway"), "80/tcp"]);
    eventually("the service answers", || greets(&published));
    published
}

#[test]
#[ignore = "needs Docker"]
fn a_service_without_file_descriptors_closes_the_idlest_connection_and_continues() {
    let lab = Lab::new("starved");
    let published = published_gateway(&lab, "10.201.24", &["--ulimit", "nofile=24:24"]);
    let open: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(&published).unwrap()).collect();
    eventually("a newcomer is greeted", || greets(&published));
    let complaints = try_docker(&["logs", &lab.name("http")], b"").stderr;
    assert!(complaints.contains("no room for another connection"), "{complaints}");
    assert!(complaints.lines().count() <= 4, "{complaints}");
    drop(open);
    assert_eq!(lab.inspect("http", "{{.RestartCount}}"), "0");
}

#[test]
#[ignore = "needs Docker"]
fn connections_beyond_the_limit_displace_others_and_the_service_continues() {
    let lab = Lab::new("many");
    let published = published_gateway(&lab, "10.201.23", &[]);
    let open: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(&published).unwrap()).collect();
    eventually("some are displaced", || {
        let mut records = lab.records("http").into_iter();
        records.any(|record| record.decnet.reason == Some(EndReason::Displaced))
    });
    // They stay open, like those of an attacker who wants to lock others out.
    eventually("a newcomer is greeted", || greets(&published));
    drop(open);
    assert_eq!(lab.inspect("http", "{{.RestartCount}}"), "0");

    docker(&["stop", "--time", "30", &lab.name("http")]);
    assert_eq!(lab.inspect("http", "{{.State.ExitCode}}"), "0");
}
