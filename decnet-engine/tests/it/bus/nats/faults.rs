//! Servers that end, refuse or hang, and clients that send something else.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use decnet_engine::{Bus, Connectivity, NatsBus, NatsUrl, Pattern, Received};
use decnet_topology::Status;

use super::{NatsServer, TIMEOUT, becomes, connected, following, next};
use crate::bus::{any_event, arrives, patterns};

async fn flush(bus: &NatsBus) {
    bus.flush(TIMEOUT).await;
}

#[tokio::test]
async fn a_killed_server_that_is_started_again_is_found_again() {
    let Some(mut server) = NatsServer::start("") else {
        return;
    };
    let (follower, publisher) = (
        connected(&server, "follower").await,
        connected(&server, "publisher").await,
    );
    let mut heard = following(&follower, &patterns(["topology.>"])).await;
    for _ in 0..3 {
        server.kill();
        becomes(&follower, Connectivity::Lost).await;
        becomes(&publisher, Connectivity::Lost).await;
        let begun = std::time::Instant::now();
        let lost = any_event();
        for _ in 0..10_000 {
            publisher.publish(lost.clone());
        }
        publisher.flush(TIMEOUT).await;
        assert!(begun.elapsed() < TIMEOUT / 2, "publishing does not wait");
        server.begin();
        becomes(&follower, Connectivity::Connected).await;
        arrives(&publisher, &mut heard, flush).await;
    }
}

#[tokio::test]
async fn a_server_that_closes_the_connection_of_a_slow_reader_is_found_again() {
    let Some(server) = NatsServer::start("write_deadline: \"200ms\"\nmax_payload: 100000\nmax_pending: 1000000") else {
        return;
    };
    let follower = connected(&server, "follower").await;
    let mut heard = following(&follower, &patterns(["topology.>"])).await;
    let port = server.port();
    // It blocks the only thread of this runtime: nothing is read meanwhile.
    flood(port);
    becomes(&follower, Connectivity::Lost).await;
    becomes(&follower, Connectivity::Connected).await;
    assert!(server.log().contains("Slow Consumer"), "{}", server.log());
    let publisher = connected(&server, "publisher").await;
    arrives(&publisher, &mut heard, flush).await;
}

/// Publishes 64 MiB from another connection.
fn flood(port: u16) {
    let mut stream = plain(port, "{}");
    let message = [
        &b"PUB decnet.event.topology.x.status 65536\r\n"[..],
        &vec![b'x'; 65536],
        b"\r\n",
    ]
    .concat();
    for _ in 0..1024 {
        stream.write_all(&message).expect("written");
    }
    thread::sleep(Duration::from_secs(1));
}

/// Connects without the library.
fn plain(port: u16, options: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    write!(stream, "CONNECT {options}\r\nPING\r\n").expect("written");
    let mut lines = BufReader::new(stream.try_clone().expect("a stream"));
    let mut line = String::new();
    while !line.ends_with("PONG\r\n") {
        assert_ne!(lines.read_line(&mut line).expect("text"), 0, "{line}");
    }
    stream
}

#[tokio::test]
async fn messages_that_are_not_events_are_ignored() {
    let Some(server) = NatsServer::start("max_payload: 4000000") else {
        return;
    };
    let follower = connected(&server, "follower").await;
    let mut heard = following(&follower, &[Pattern::everything()]).await;
    while heard.try_recv().is_some() {}
    let envelope = any_event();
    let text = serde_json::to_string(&envelope).expect("JSON");
    let subject = format!("decnet.event.{}", envelope.topic());
    let mut stream = plain(server.port(), "{}");
    let long = text.replacen('{', &format!("{{{}", " ".repeat(2 << 20)), 1);
    let foreign = "decnet.event.topology.7.status".to_owned();
    for (subject, body) in [
        (&subject, ""),
        (&subject, "{"),
        (&subject, "[]"),
        (&subject, "\u{0}\u{1}"),
        (&subject, long.as_str()),
        (&foreign, text.as_str()),
        (&subject, text.as_str()),
    ] {
        write!(stream, "PUB {subject} {}\r\n{body}\r\n", body.len()).expect("written");
    }
    assert_eq!(next(&mut heard).await, Received::Event(envelope));
    let last = any_event();
    let publisher = connected(&server, "publisher").await;
    publisher.publish(last.clone());
    assert_eq!(next(&mut heard).await, Received::Event(last));
}

#[tokio::test]
async fn an_event_that_is_too_large_is_lost_and_the_next_one_arrives() {
    for settings in ["max_payload: 8000000", "max_payload: 2000"] {
        let Some(server) = NatsServer::start(settings) else {
            return;
        };
        let (follower, publisher) = (
            connected(&server, "follower").await,
            connected(&server, "publisher").await,
        );
        let mut heard = following(&follower, &patterns(["topology.>"])).await;
        while heard.try_recv().is_some() {}
        let mut large = any_event();
        if let decnet_engine::Event::Status { reason, .. } = &mut large.event {
            *reason = Some("x".repeat(2 << 20));
        }
        let last = any_event();
        publisher.publish(large);
        publisher.publish(last.clone());
        assert_eq!(next(&mut heard).await, Received::Event(last), "{settings}");
    }
}

#[tokio::test]
async fn only_the_right_credentials_are_accepted() {
    let users = "authorization { users = [{ user: ada, password: \"s/cret\" }] }";
    let token = "authorization { token: \"t@ken\" }";
    for (settings, right, wrong) in [
        (users, "nats://ada:s%2Fcret@", "nats://ada:other@"),
        (users, "nats://ada:s%2Fcret@", "nats://"),
        (token, "nats://t%40ken@", "nats://other@"),
    ] {
        let Some(server) = NatsServer::start(settings) else {
            return;
        };
        let bus = NatsBus::new(&server.url_with(right), "right");
        becomes(&bus, Connectivity::Connected).await;
        let bus = NatsBus::new(&server.url_with(wrong), "wrong");
        becomes(&bus, Connectivity::Lost).await;
        bus.publish(any_event());
        bus.flush(TIMEOUT).await;
        assert_eq!(*bus.connectivity().borrow(), Connectivity::Lost);
    }
}

#[tokio::test]
async fn a_client_that_may_not_subscribe_is_not_connected() {
    let rights = "permissions: { publish: \">\", subscribe: { deny: \"decnet.>\" } }";
    let settings = format!("authorization {{ users = [{{ user: ada, password: secret, {rights} }}] }}");
    let Some(server) = NatsServer::start(&settings) else {
        return;
    };
    let bus = NatsBus::new(&server.url_with("nats://ada:secret@"), "denied");
    let heard = bus.connectivity();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_ne!(*heard.borrow(), Connectivity::Connected);
}

#[tokio::test]
async fn a_server_without_tls_is_refused_if_the_url_requires_it() {
    let Some(server) = NatsServer::start("") else { return };
    let bus = NatsBus::new(&server.url_with("tls://"), "client");
    becomes(&bus, Connectivity::Lost).await;
    let plain = connected(&server, "plain").await;
    drop(plain);
    assert_eq!(*bus.connectivity().borrow(), Connectivity::Lost);
}

#[tokio::test]
async fn a_server_that_never_answers_delays_nobody() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("bound");
    let url: NatsUrl = format!("nats://{}", silent.local_addr().expect("an address"))
        .parse()
        .expect("a URL");
    let bus = NatsBus::new(&url, "client");
    bus.publish(any_event());
    let begun = std::time::Instant::now();
    bus.flush(Duration::from_millis(300)).await;
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!(*bus.connectivity().borrow(), Connectivity::Connecting);
}

#[tokio::test]
async fn something_else_on_the_port_is_no_server() {
    let web = TcpListener::bind("127.0.0.1:0").expect("bound");
    let url: NatsUrl = format!("nats://{}", web.local_addr().expect("an address"))
        .parse()
        .expect("a URL");
    thread::spawn(move || {
        for stream in web.incoming().take(2) {
            let mut stream = stream.expect("a stream");
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            let _ = stream.read(&mut [0; 64]);
        }
    });
    let bus = NatsBus::new(&url, "client");
    becomes(&bus, Connectivity::Lost).await;
    let mut heard = bus.subscribe(&[Pattern::everything()]);
    bus.publish(crate::bus::status(decnet_topology::rng::topology_id(), Status::Active));
    assert_eq!(heard.try_recv(), None);
}

#[tokio::test]
async fn a_dropped_bus_closes_its_connection_and_ends_its_subscriptions() {
    let Some(server) = NatsServer::start("debug: true") else {
        return;
    };
    let bus = connected(&server, "client").await;
    let mut heard = following(&bus, &patterns(["decky.>"])).await;
    drop(bus);
    assert_eq!(heard.recv().await, None);
    let until = std::time::Instant::now() + TIMEOUT;
    while !server.log().contains("Client connection closed") {
        assert!(std::time::Instant::now() < until, "{}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
