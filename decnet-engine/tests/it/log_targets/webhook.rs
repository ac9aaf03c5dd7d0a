//! Webhooks.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Instant};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    sync::{Mutex, mpsc},
    task::JoinHandle,
};

use super::*;

/// What the server does with a request.
#[derive(Debug, Clone, Copy)]
enum Reply {
    /// Answers with a status line, headers and a body.
    Answer(&'static str, &'static str, &'static str),
    /// Closes the connection without an answer.
    Close,
    /// Closes the connection within the answer.
    Break,
    /// Does not answer.
    Hang,
}

use Reply::{Answer, Break, Close, Hang};

#[derive(Debug)]
struct Posted {
    head: String,
    body: String,
    at: Instant,
}

/// A web server with one reply for each request, and then 204.
struct Server {
    address: SocketAddr,
    posted: mpsc::UnboundedReceiver<Posted>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn new(replies: &[Reply], identity: Option<&Identity>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("an address");
        let (sender, posted) = mpsc::unbounded_channel();
        let replies = Arc::new(Mutex::new(replies.iter().copied().collect::<VecDeque<_>>()));
        let acceptor = identity.map(Identity::acceptor);
        let task = tokio::spawn(async move {
            loop {
                let stream = listener.accept().await.expect("accepted").0;
                let (replies, sender, acceptor) = (Arc::clone(&replies), sender.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, replies, sender).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, replies, sender).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, posted, task }
    }

    fn url(&self) -> String {
        format!("http://{}/hooks/s3cret-path", self.address)
    }

    async fn next(&mut self) -> Posted {
        soon(self.posted.recv()).await.expect("a request")
    }

    fn is_quiet(&mut self) -> bool {
        self.posted.try_recv().is_err()
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    sender: mpsc::UnboundedSender<Posted>,
) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.unwrap_or_default() == 0 {
                return;
            }
        }
        let lower = head.to_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.expect("a length").parse().expect("a number")];
        stream.read_exact(&mut body).await.expect("a body");
        let _ = sender.send(Posted {
            head,
            body: String::from_utf8(body).expect("UTF-8"),
            at: Instant::now(),
        });
        let reply = replies.lock().await.pop_front();
        let text = match reply.unwrap_or(Answer("204 No Content", "", "")) {
            Answer(status, headers, body) => {
                format!(
                    "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
                    body.len()
                )
            }
            Close => return,
            Break => {
                let _ = stream.write_all(b"HTTP/1.1 20").await;
                return;
            }
            Hang => return std::future::pending().await,
        };
        stream.write_all(text.as_bytes()).await.expect("answered");
        stream.flush().await.expect("answered");
    }
}

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn lines_are_posted_in_batches_of_json() {
    let mut server = Server::new(&[], None).await;
    let header = "Authorization: Bearer s3cret".parse().expect("a header");
    let mut writer = open(&server.url(), &options().batch(2, HOUR).headers([header]));
    for text in ["one", "two", "three"] {
        writer.put(&item(text)).await.expect("accepted");
    }
    let first = server.next().await;
    assert!(
        first.head.starts_with("POST /hooks/s3cret-path HTTP/1.1\r\n"),
        "{first:?}"
    );
    let head = first.head.to_lowercase();
    for header in ["content-type: application/x-ndjson", "authorization: bearer s3cret"] {
        assert!(head.contains(&format!("\r\n{header}\r\n")), "{head}");
    }
    let lines: Vec<serde_json::Value> = first
        .body
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines[0]["disconnected"]["reason"], "one");
    assert_eq!(lines.len(), 2);
    assert!(server.is_quiet() && !writer.is_flushed(), "the third waits");
    assert!(writer.due().is_some_and(|due| due > Instant::now()));
    writer.flush().await.expect("accepted");
    assert!(server.next().await.body.contains("three") && writer.is_flushed());
    writer.put(&item("four")).await.expect("accepted");
    writer.close().await.expect("accepted");
    assert!(server.next().await.body.contains("four"));
}

#[tokio::test]
async fn a_large_batch_is_sent_in_parts() {
    let mut server = Server::new(&[], None).await;
    let mut writer = open(&server.url(), &options().batch(1000, HOUR));
    let long = "x".repeat(400 << 10);
    for _ in 0..5 {
        writer.put(&item(&long)).await.expect("accepted");
    }
    writer.close().await.expect("accepted");
    let mut lines = Vec::new();
    while let Ok(posted) = server.posted.try_recv() {
        lines.push(posted.body.lines().count());
    }
    assert_eq!(lines, [2, 2, 1]);
}

#[tokio::test]
async fn a_batch_that_is_too_large_for_the_server_is_divided() {
    let too_large = Answer("413 Content Too Large", "", "");
    let accepted = Answer("204 No Content", "", "");
    // All four lines, the first two, the last two, of which one, and then the other.
    let mut server = Server::new(&[too_large, accepted, too_large, too_large, accepted], None).await;
    let mut writer = open(&server.url(), &options().batch(4, HOUR));
    for text in ["one", "two", "three", "four"] {
        soon(writer.put(&item(text))).await.expect("accepted or left out");
    }
    assert!(writer.is_flushed());
    let mut sent = Vec::new();
    while let Ok(posted) = server.posted.try_recv() {
        let has = |text: &&str| posted.body.contains(*text);
        sent.push(
            ["one", "two", "three", "four"]
                .into_iter()
                .filter(has)
                .collect::<Vec<_>>()
                .join(" "),
        );
    }
    assert_eq!(sent, ["one two three four", "one two", "three four", "three", "four"]);
    soon(writer.put(&item("five"))).await.expect("it goes on");
    writer.close().await.expect("accepted");
}

#[tokio::test]
async fn a_batch_is_sent_again_until_it_is_accepted() {
    let replies = [
        Answer("503 Service Unavailable", "", "later"),
        Answer("429 Too Many Requests", "Retry-After: 2\r\n", ""),
        Close,
        Break,
        Hang,
        Answer("500 Internal Server Error", "Connection: close\r\n", ""),
        Answer("200 OK", "", "thanks"),
    ];
    let mut server = Server::new(&replies, None).await;
    let options = options().batch(1, HOUR).timeout(Duration::from_millis(500));
    let mut writer = open(&server.url(), &options);
    soon(writer.put(&item("one"))).await.expect("accepted at last");
    let mut times = Vec::new();
    for reply in replies {
        let posted = server.next().await;
        assert!(
            posted.body.contains("one") && posted.body.lines().count() == 1,
            "{reply:?}: {posted:?}"
        );
        times.push(posted.at);
    }
    assert!(server.is_quiet(), "it is accepted once");
    assert!(
        times[2] - times[1] >= Duration::from_secs(2),
        "the server asked for 2 s"
    );
    soon(writer.put(&item("two"))).await.expect("accepted");
    assert!(server.next().await.body.contains("two"));
}

#[tokio::test]
async fn a_refusal_is_an_error_that_shows_no_secret() {
    let echo = "no such token: s3cret-token, in\nBearer s3cret-token";
    for (reply, said) in [
        (
            Answer("401 Unauthorized", "", echo),
            "status 401: no such token: ***, in",
        ),
        (Answer("400 Bad Request", "", ""), "status 400"),
        (
            Answer(
                "404 Not Found",
                "",
                "The requested URL /hooks/s3cret-path was not found; s3cret-path is gone",
            ),
            "The requested URL *** was not found; *** is gone",
        ),
        (
            Answer("301 Moved Permanently", "Location: /\r\n", ""),
            "redirects are not followed",
        ),
    ] {
        let mut server = Server::new(&[reply], None).await;
        let header = "Authorization: Bearer s3cret-token".parse().expect("a header");
        let mut writer = open(&server.url(), &options().batch(2, HOUR).headers([header]));
        writer.put(&item("one")).await.expect("it waits");
        let error = soon(writer.put(&item("two"))).await.expect_err("refused");
        assert_eq!(error.code(), "target_rejected");
        assert!(error.to_string().contains(said), "{error}");
        let shown = format!("{error} {error:?} {writer:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
        assert!(!writer.is_flushed(), "the lines are still there");
        server.next().await;
        assert!(server.is_quiet(), "it is not sent again");
    }
}

#[tokio::test]
async fn a_webhook_that_is_not_there_is_an_error_when_the_time_is_over() {
    let mut server = Server::new(&[], None).await;
    let url = server.url();
    server.task.abort();
    let ended = (&mut server.task).await;
    assert!(ended.is_err_and(|error| error.is_cancelled()), "the port is closed");
    let options = options().batch(1, HOUR).retry_for(Duration::from_millis(500));
    let error = soon(open(&url, &options).put(&item("one")))
        .await
        .expect_err("nobody listens");
    assert_eq!(error.code(), "target_unavailable");
}

#[tokio::test]
async fn https_needs_a_trusted_certificate() {
    let (identity, other) = (Identity::new(), Identity::new());
    let mut server = Server::new(&[], Some(&identity)).await;
    let url = format!("https://localhost:{}/", server.address.port());
    let options = || options().batch(1, HOUR);
    let mut writer = open(&url, &options().ca(other.ca()));
    let error = soon(writer.put(&item("one"))).await.expect_err("not trusted");
    assert_eq!(error.code(), "untrusted_certificate", "{error:?}");
    let mut writer = open(&url, &options().ca(identity.ca()));
    soon(writer.put(&item("two"))).await.expect("accepted");
    assert!(server.next().await.body.contains("two"));
}
