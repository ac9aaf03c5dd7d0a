//! Syslog servers.

use std::{
    fs,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader},
    net::{TcpListener, TcpStream, UdpSocket},
};

use super::*;

async fn listen(address: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(address).await.expect("bound");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

async fn accept(listener: &TcpListener) -> BufReader<TcpStream> {
    BufReader::new(soon(listener.accept()).await.expect("accepted").0)
}

/// Reads a frame of RFC 6587; none at the end of the stream.
async fn frame(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let read = async {
        let mut stream = BufReader::with_capacity(1, stream);
        let mut length = Vec::new();
        if stream.read_until(b' ', &mut length).await.unwrap_or_default() == 0 {
            return None;
        }
        let length = String::from_utf8(length).expect("digits");
        let mut text = vec![0; length.trim().parse().expect("a length")];
        stream.read_exact(&mut text).await.expect("a whole frame");
        Some(String::from_utf8(text).expect("UTF-8"))
    };
    soon(read).await
}

async fn gets(stream: &mut (impl AsyncRead + Unpin), text: &str) {
    let line = frame(stream).await.expect("a frame");
    assert!(line.contains(text) && !line.contains('\n'), "{line}");
}

#[tokio::test]
async fn a_datagram_has_one_line_and_is_cut_at_2048_bytes() {
    let server = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    let address = server.local_addr().expect("an address");
    let mut writer = open(&format!("syslog+udp://{address}"), &options());
    let long = format!("x{}", "é".repeat(2000));
    for text in ["one", &long] {
        writer.put(&item(text)).await.expect("sent");
        let mut space = [0; 4096];
        let length = soon(server.recv(&mut space)).await.expect("a datagram");
        let line = std::str::from_utf8(&space[..length]).expect("whole characters");
        assert!(line.contains(&text[..3]) && !line.ends_with('\n'), "{line}");
        assert!(length <= 2048 && (text == "one" || length >= 2047), "{length}");
    }
}

#[tokio::test]
async fn a_datagram_of_rfc_5424_is_valid_even_if_its_values_are_too_long() {
    let server = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    let address = server.local_addr().expect("an address");
    let options = options().format(LogFormat::Rfc5424);
    let mut writer = open(&format!("syslog+udp://{address}"), &options);
    writer.put(&item(&"\"".repeat(4000))).await.expect("sent");
    let mut space = [0; 4096];
    let length = soon(server.recv(&mut space)).await.expect("a datagram");
    let line = std::str::from_utf8(&space[..length]).expect("whole characters");
    assert!(length <= 2048, "{length}");
    let parsed = syslog_loose::parse_message(line, syslog_loose::Variant::RFC5424);
    assert_eq!(parsed.structured_data.len(), 1, "{line}");
    assert!(parsed.msg.len() > 900, "{line}");
}

#[tokio::test]
async fn datagrams_do_not_wait_for_a_server() {
    let server = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    let address = server.local_addr().expect("an address");
    drop(server);
    let mut writer = open(&format!("syslog+udp://{address}"), &options().retry_for(Duration::ZERO));
    for _ in 0..20 {
        writer.put(&item("lost")).await.expect("a refused datagram is lost");
    }
    let server = UdpSocket::bind(address).await.expect("bound again");
    writer.put(&item("one")).await.expect("sent");
    let mut space = [0; 4096];
    let length = soon(server.recv(&mut space)).await.expect("a datagram");
    assert!(String::from_utf8_lossy(&space[..length]).contains("one"));
}

#[tokio::test]
async fn lines_are_framed_by_their_length() {
    let (listener, address) = listen("127.0.0.1:0").await;
    let mut writer = open(&format!("syslog+tcp://{address}"), &options());
    writer.connect().await.expect("connected");
    let mut server = accept(&listener).await;
    for text in ["one", "zwölf", ""] {
        writer.put(&item(text)).await.expect("sent");
        gets(&mut server, text).await;
    }
    writer.close().await.expect("closed");
    assert_eq!(frame(&mut server).await, None);
}

#[tokio::test]
async fn an_ipv6_address_is_reached() {
    let (listener, address) = listen("[::1]:0").await;
    let mut writer = open(&format!("syslog+tcp://{address}"), &options());
    writer.put(&item("one")).await.expect("sent");
    gets(&mut accept(&listener).await, "one").await;
}

/// Counts the messages of failed attempts.
struct Failures(Arc<AtomicUsize>);

impl tracing::Subscriber for Failures {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::Id {
        tracing::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        if event.fields().any(|field| field.name() == "pause") {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn enter(&self, _: &tracing::Id) {}

    fn exit(&self, _: &tracing::Id) {}
}

/// Waits until the system knows that the other side has closed a connection.
async fn closed(own: SocketAddr) {
    /// The state `CLOSE_WAIT` of proc(5).
    const CLOSED: &str = "08";
    let port = format!(":{:04X}", own.port());
    let is_closed = || {
        let table = fs::read_to_string("/proc/net/tcp").expect("a table");
        table.lines().any(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            fields[1].ends_with(&port) && fields[3] == CLOSED
        })
    };
    soon(async {
        while !is_closed() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // The runtime learns of it too.
        tokio::task::yield_now().await;
    })
    .await;
}

#[tokio::test]
async fn lines_wait_for_a_server_and_for_its_restart() {
    let failures = Arc::new(AtomicUsize::new(0));
    let _guard = tracing::subscriber::set_default(Failures(Arc::clone(&failures)));
    let (listener, address) = listen("127.0.0.1:0").await;
    drop(listener);
    let mut writer = open(&format!("syslog+tcp://{address}"), &options());
    for round in ["one", "two", "three"] {
        let put = tokio::spawn(async move {
            writer.put(&item(round)).await.expect("sent");
            writer
        });
        soon(async {
            while failures.swap(0, Ordering::Relaxed) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        assert!(!put.is_finished(), "nobody listens");
        let (listener, _) = listen(&address.to_string()).await;
        let mut server = accept(&listener).await;
        gets(&mut server, round).await;
        writer = soon(put).await.expect("it ends");
        // The server closes the connection and ends.
        let client = server.get_ref().peer_addr().expect("an address");
        drop((server, listener));
        closed(client).await;
        failures.store(0, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_server_that_does_not_read_is_given_up_and_the_line_is_sent_again() {
    let (listener, address) = listen("127.0.0.1:0").await;
    let options = options().timeout(Duration::from_millis(500));
    let mut writer = open(&format!("syslog+tcp://{address}"), &options);
    // More than the buffers of a connection hold.
    let long = "x".repeat(64 << 20);
    let put = tokio::spawn(async move { writer.put(&item(&long)).await });
    let hanging = soon(listener.accept()).await.expect("accepted");
    let mut server = accept(&listener).await;
    let line = frame(&mut server).await.expect("a frame");
    assert!(line.len() > 64 << 20);
    soon(put).await.expect("it ends").expect("sent");
    drop(hanging);
}

#[tokio::test]
async fn a_server_that_is_never_there_is_an_error_when_the_time_is_over() {
    let (listener, address) = listen("127.0.0.1:0").await;
    drop(listener);
    let options = options().retry_for(Duration::from_millis(500));
    let mut writer = open(&format!("syslog+tcp://{address}"), &options);
    let error = soon(writer.connect()).await.expect_err("nobody listens");
    assert_eq!(error.code(), "target_unavailable");
    assert_eq!(error.to_string(), format!("syslog+tcp://{address} is not available"));
    let mut writer = open("syslog+udp://name.invalid", &options);
    let error = soon(writer.connect()).await.expect_err("no such name");
    assert_eq!(error.code(), "target_unavailable");
}

#[tokio::test]
async fn tls_needs_a_trusted_certificate_of_the_host() {
    let (identity, other) = (Identity::new(), Identity::new());
    let acceptor = identity.acceptor();
    let (listener, address) = listen("127.0.0.1:0").await;
    let target = format!("syslog+tls://localhost:{}", address.port());
    let serve = async {
        loop {
            let stream = soon(listener.accept()).await.expect("accepted").0;
            if let Ok(mut stream) = acceptor.accept(stream).await {
                gets(&mut stream, "one").await;
                gets(&mut stream, "two").await;
                assert_eq!(frame(&mut stream).await, None, "the end is announced");
                return;
            }
        }
    };
    let write = async {
        for (target, ca) in [
            (target.clone(), other.ca()),
            (format!("syslog+tls://{address}"), identity.ca()),
        ] {
            let mut writer = open(&target, &options().ca(ca));
            let error = soon(writer.put(&item("one"))).await.expect_err("not trusted");
            assert_eq!(error.code(), "untrusted_certificate", "{error:?}");
            assert!(!error.to_string().contains("one"), "{error}");
        }
        let mut writer = open(&target, &options().ca(identity.ca()));
        for text in ["one", "two"] {
            soon(writer.put(&item(text))).await.expect("sent");
        }
        writer.close().await.expect("closed");
    };
    tokio::join!(serve, write);
}
