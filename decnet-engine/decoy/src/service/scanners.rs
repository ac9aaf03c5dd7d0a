//! The probes of published scanners for honeypots find none of the services.

mod probe;

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    runtime,
};

pub(super) use self::probe::Probe;
use super::{
    context::Context,
    registry::services,
    secret::Secret,
    ssh,
    testing::{Visitor, context_on, ports},
};
use crate::protocol::{Os, Protocol};

/// All systems that a decky can pretend to have.
const SYSTEMS: [Os; 13] = [
    Os::Debian11,
    Os::Debian12,
    Os::Ubuntu2204,
    Os::Ubuntu2404,
    Os::Windows10,
    Os::Windows11,
    Os::WindowsServer2016,
    Os::WindowsServer2019,
    Os::WindowsServer2022,
    Os::EmbeddedLinux,
    Os::Printer,
    Os::NetworkDevice,
    Os::Controller,
];

/// Sends a probe, and returns all that the service sends.
fn ask(context: Context, probe: &Probe) -> Vec<u8> {
    if context.service.name == "ssh" {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        return runtime.expect("a runtime").block_on(ask_ssh(context, probe));
    }
    let mut visitor = Visitor::start(context);
    let mut answers = visitor.greeting.clone();
    for message in probe.messages(&answers) {
        if visitor.is_open() {
            answers.extend(visitor.send(message));
        }
    }
    answers
}

async fn ask_ssh(context: Context, probe: &Probe) -> Vec<u8> {
    let (mut near, far) = duplex(64 * 1024);
    let server = tokio::spawn(ssh::converse(far, context, |_| {}));
    let mut answers = Vec::new();
    while !answers.ends_with(b"\n") {
        answers.push(near.read_u8().await.expect("a greeting"));
    }
    for message in probe.messages(&answers) {
        // The server may have closed the connection.
        let _ = near.write_all(&message).await;
    }
    let _ = near.shutdown().await;
    let _ = near.read_to_end(&mut answers).await;
    let _ = server.await;
    answers
}

/// Sends all probes that are for a service to each of its ports, and returns what they find.
fn found(system: Os, service: &str, fields: &Value, secret: u8, probes: &[Probe]) -> Vec<String> {
    let mut found = Vec::new();
    for (port, transport) in ports(service) {
        for probe in probes {
            if !probe.is_for(service) || probe.datagrams != (transport == Protocol::Udp) {
                continue;
            }
            let mut context = context_on(system, service, port, transport, fields.clone());
            Arc::make_mut(&mut context.service).secret = Secret::new([secret; 32]);
            let answers = ask(context, probe);
            if probe.marks(&answers) {
                let (source, finds) = (&probe.source, &probe.finds);
                let answers = String::from_utf8_lossy(&answers);
                found.push(format!(
                    "{service} on {port} of {system:?}: {source} finds {finds}: {answers:?}"
                ));
            }
        }
    }
    found
}

/// Probes that do not find the real server as well.
fn probes() -> Vec<Probe> {
    let mut probes = Probe::all();
    probes.retain(|probe| probe.genuine.is_none());
    probes
}

#[test]
fn published_scanners_find_no_service_on_any_system() {
    let probes = probes();
    let mut all = Vec::new();
    for service in services() {
        for system in SYSTEMS {
            for (secret, fields) in [(1, json!({})), (2, json!({"user": "root", "password": "hunter2"}))] {
                all.extend(found(system, service, &fields, secret, &probes));
            }
        }
    }
    assert!(all.is_empty(), "{all:#?}");
}

#[test]
fn a_probe_finds_what_it_is_for() {
    let probe = |of: &str| {
        let mut probes = Probe::all().into_iter();
        probes
            .find(|probe| probe.source.contains(of))
            .expect("a test's own value")
    };
    assert!(probe("redis-honeypot-detect").marks(b"-ERR unknown command `QUIT`, with args beginning with: \r\n"));
    assert!(!probe("redis-honeypot-detect").marks(b"+OK\r\n"));
    assert!(probe("cowrie-ssh").marks(b"SSH-2.0-OpenSSH_6.0p1\r\nbad version 1337"));
    assert!(probe("dionaea-mqtt").marks(&[0x20, 2, 0, 0]));
    assert!(!probe("dionaea-mqtt").marks(&[0x20, 3, 0, 0, 0]));
    assert!(probe("dionaea-mysql").marks(b"5.7.16\0 aaaaaaaa"));
    assert!(!probe("dionaea-mysql").marks(b"5.7.16\0 abcdefgh"));
    assert!(probe("dionaea-mongodb").marks(b"ok"));
    assert!(!probe("dionaea-mongodb").marks(b""));
    assert!(probe("honeydet 17").marks(b""));
    assert_eq!(
        probe("detect_kippo").messages(b"SSH-2.0-x\r\n"),
        [b"SSH-2.0-x\r\n\n\n\n\n\n\n\n\n"]
    );
}
