//! The server on a real socket.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use decnet_engine::{CancellationToken, HttpOptions, OpenAccess, http, simulated::Simulated};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::engine;

/// A running server.
struct Served {
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
}

impl Served {
    async fn start() -> Self {
        let stop = CancellationToken::new();
        let options = HttpOptions::new(Arc::new(OpenAccess))
            .stop(stop.clone())
            .grace(Duration::from_secs(1))
            .write_timeout(Duration::from_millis(300));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self {
            address: listener.local_addr().expect("an address"),
            server: tokio::spawn(http::serve(engine(&Simulated::new()), options, listener)),
            stop,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connected")
    }

    /// Sends a request, and returns everything that is answered until the connection is closed.
    async fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
        read.expect("in time").expect("read");
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn end(self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(10), self.server).await;
        ended.expect("in time").expect("no panic").expect("served");
    }
}

#[tokio::test]
async fn requests_are_answered_over_a_socket() {
    let served = Served::start().await;
    let answer = served
        .exchange("GET /api/v1/topologies HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("{\"topologies\":[],\"total\":0}"), "{answer}");
    let answer = served
        .exchange("GET /api/v1/topologies HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 403 ") && answer.contains("foreign_host"),
        "{answer}"
    );
    served.end().await;
}

#[tokio::test]
async fn requests_that_two_programs_could_read_differently_are_refused() {
    let served = Served::start().await;
    let head = "POST /api/v1/topologies/blank HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    for (smuggled, is_refused) in [
        ("Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", true),
        ("Content-Length: 2, 3\r\n\r\n{}x", true),
        ("Content-Length: +2\r\n\r\n{}", true),
        ("Transfer-Encoding: chunked, identity\r\n\r\n{}", true),
        ("X: a\rb\r\n\r\n", true),
        ("X : a\r\n\r\n", true),
        ("Content-Length: 2\r\nConnection: close\r\n\r\n{}", false),
    ] {
        let answer = served.exchange(&format!("{head}{smuggled}")).await;
        let expected = if is_refused { "HTTP/1.1 400 " } else { "HTTP/1.1 422 " };
        assert!(answer.starts_with(expected), "{smuggled:?}: {answer}");
    }
    served.end().await;
}

#[tokio::test]
async fn a_client_that_never_reads_is_disconnected() {
    let served = Served::start().await;
    let mut stream = served.connect().await;
    let request = "GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    // It asks until the server has closed the connection.
    let asking = async { while stream.write_all(request.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(Duration::from_mins(1), asking)
        .await
        .expect("the server closes it");
    served.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_has_ten_seconds_for_the_head_of_a_request() {
    let served = Served::start().await;
    let begun = tokio::time::Instant::now();
    let mut stream = served.connect().await;
    stream
        .write_all(b"GET /api/v1/topologies HTTP/1.1\r\nHost:")
        .await
        .expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("closed");
    assert!(begun.elapsed() <= Duration::from_secs(11), "{:?}", begun.elapsed());
    served.end().await;
}

#[tokio::test]
async fn a_long_head_is_refused() {
    let served = Served::start().await;
    let long = "x".repeat(100 << 10);
    let request =
        format!("GET /api/v1/topologies HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\nConnection: close\r\n\r\n");
    let (mut stream, mut answer) = (served.connect().await, Vec::new());
    // The server closes the connection before it has read everything, so the client may find it reset.
    let _ = stream.write_all(request.as_bytes()).await;
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    served.end().await;
}

#[tokio::test]
async fn the_server_ends_although_clients_are_idle_follow_or_never_read() {
    let served = Served::start().await;
    let mut idle = Vec::new();
    for _ in 0..50 {
        idle.push(served.connect().await);
    }
    let mut half = served.connect().await;
    half.write_all(b"POST /api/v1/topologies HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{")
        .await
        .expect("sent");
    for _ in 0..20 {
        let mut follower = served.connect().await;
        follower
            .write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .expect("sent");
        let mut first = [0; 15];
        follower.read_exact(&mut first).await.expect("answered");
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        idle.push(follower);
    }
    served.end().await;
}

#[tokio::test]
async fn without_tokens_a_server_listens_on_this_machine_only() {
    let listener = TcpListener::bind("0.0.0.0:0").await.expect("a port");
    let options = HttpOptions::new(Arc::new(OpenAccess));
    let refused = http::serve(engine(&Simulated::new()), options, listener)
        .await
        .expect_err("refused");
    assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
    assert!(refused.to_string().contains("loopback"), "{refused}");
}

#[tokio::test]
async fn the_router_can_be_nested() {
    use axum::{Router, body::Body, http::Request};
    use tower::ServiceExt as _;

    let api = http::router(engine(&Simulated::new()), HttpOptions::new(Arc::new(OpenAccess)));
    let program = Router::new().nest("/decnet", api);
    let request = Request::post("/decnet/api/v1/topologies/blank")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Body::from("{\"name\": \"corp\"}"))
        .expect("a request");
    let response = program.oneshot(request).await.expect("a router never fails");
    assert_eq!(response.status().as_u16(), 201);
    let location = response.headers()["location"].to_str().expect("a text");
    assert!(location.starts_with("/decnet/api/v1/topologies/"), "{location}");
}
