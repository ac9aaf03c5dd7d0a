//! The probes of published scanners for honeypots find nothing on running deckies.

#[path = "../../../../decoy/src/service/scanners/probe.rs"]
mod probe;

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use decnet_topology::{Port, Protocol};

use self::probe::Probe;
use super::{
    namespace::{connect, spawn_inside},
    *,
};

/// A server that says nothing for this long waits for more.
const QUIET: Duration = Duration::from_millis(300);

/// A maze with most built-in services.
fn maze() -> Topology {
    Topology::builder()
        .dmz("dmz", "10.203.60.0/24")
        .lan("inner", "10.203.61.0/24")
        .decky("gate", |decky| {
            decky.on("dmz", "10.203.60.10").on("inner", "10.203.61.10").forwards()
        })
        .decky("client", |decky| decky.on("inner", "10.203.61.99"))
        .decky("web", |decky| {
            let decky = decky
                .on("inner", "10.203.61.11")
                .services(["http", "https", "ssh", "ftp", "telnet"]);
            decky
                .config("ssh", "password", "hunter2")
                .config("ftp", "password", "secret")
        })
        .decky("mail", |decky| {
            let decky = decky
                .on("inner", "10.203.61.12")
                .services(["smtp", "pop3", "imap", "dns", "snmp"]);
            decky.config("imap", "user", "bob").config("imap", "password", "pw1")
        })
        .decky("db", |decky| {
            let decky = decky
                .on("inner", "10.203.61.13")
                .services(["mysql", "postgres", "redis", "mongodb", "mqtt"]);
            decky
                .config("postgres", "password", "pg")
                .config("redis", "password", "r3")
        })
        .decky("win", |decky| {
            let decky = decky
                .on("inner", "10.203.61.14")
                .services(["smb", "rdp", "ldap", "mssql", "vnc"]);
            decky
                .config("smb", "guest", true)
                .config("smb", "shares", "finance\nhr")
        })
        .decky("misc", |decky| {
            let services = ["elasticsearch", "docker_api", "k8s", "sip", "tftp"];
            let decky = decky.on("inner", "10.203.61.15").services(services);
            decky.config("tftp", "files", "config.txt")
        })
        .decky("plc", |decky| decky.on("inner", "10.203.61.16").services(["conpot"]))
        .build()
        .expect("a topology")
}

/// Sends a probe to a port, and returns all that comes back.
fn ask(to: (Ipv4Addr, u16), probe: &Probe) -> Vec<u8> {
    if probe.datagrams {
        return ask_datagrams(to, probe);
    }
    let mut stream = connect(to);
    stream.set_read_timeout(Some(QUIET)).expect("a timeout");
    let mut answers = Vec::new();
    let mut hear = |stream: &mut std::net::TcpStream| {
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut piece) {
            answers.extend_from_slice(&piece[..count]);
        }
        answers.clone()
    };
    let greeting = hear(&mut stream);
    for message in probe.messages(&greeting) {
        // The server may have closed the connection.
        let _ = stream.write_all(&message);
        hear(&mut stream);
    }
    answers
}

fn ask_datagrams(to: (Ipv4Addr, u16), probe: &Probe) -> Vec<u8> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a socket");
    socket.connect(SocketAddr::from(to)).expect("an address");
    socket
        .set_read_timeout(Some(Duration::from_secs(2)))
        .expect("a timeout");
    let mut answers = Vec::new();
    for message in probe.messages(b"") {
        let mut answer = [0; 2048];
        // A datagram that arrives before the service listens is lost.
        let heard = (0..5).find_map(|_| {
            socket.send(&message).ok()?;
            socket.recv(&mut answer).ok()
        });
        answers.extend_from_slice(&answer[..heard.unwrap_or(0)]);
    }
    answers
}

/// Sends all probes that are for a service to one of its ports, and returns what they find.
fn scan(service: &str, address: Ipv4Addr, port: Port) -> Vec<String> {
    let mut probes = Probe::all();
    probes.retain(|probe| {
        let is_sent = probe.datagrams == (port.protocol == Protocol::Udp);
        probe.genuine.is_none() && is_sent && probe.is_for(service)
    });
    let found = probes.iter().filter_map(|probe| {
        let answers = ask((address, port.number), probe);
        let text = String::from_utf8_lossy(&answers);
        let found = format!("{service} on {port}: {} finds {}: {text:?}", probe.source, probe.finds);
        probe.marks(&answers).then_some(found)
    });
    found.collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn published_scanners_find_no_running_decky() {
    on_docker(async |lab| {
        let topology = maze();
        let id = lab.store("scanners", topology.clone()).await;
        lab.deploy(id).await;
        let catalog = Catalog::builtin();
        let mut scans = Vec::new();
        let client = topology
            .deckies()
            .iter()
            .find(|decky| decky.name().as_str() == "client");
        let client = naming::base(id, client.expect("a decky"));
        for decky in topology.deckies() {
            let address = decky.home().expect("an address").ip;
            for service in decky.services() {
                for port in &catalog.service(service.as_str()).expect("a service").ports {
                    let (name, port) = (service.to_string(), *port);
                    scans.push(spawn_inside(client.as_str(), move || scan(&name, address, port)));
                }
            }
        }
        assert!(scans.len() > 25, "{} scans", scans.len());
        let found: Vec<String> = scans
            .into_iter()
            .flat_map(|scan| scan.join().expect("a scan"))
            .collect();
        assert!(found.is_empty(), "{found:#?}");
    })
    .await;
}
