//! Clients that break the protocol.

use std::time::Duration;

use decnet_engine::{Bus, Connection, Pattern, UnixBus};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::{Served, any_event};

/// Sends bytes and returns everything that is answered until the connection is closed.
async fn answer(served: &Served, said: &[u8]) -> String {
    let mut stream = UnixStream::connect(served.path()).await.expect("connected");
    stream.write_all(said).await.expect("written");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
    read.await.expect("the connection is closed").expect("read");
    String::from_utf8_lossy(&answer).into_owned()
}

fn frame(header: &str, body: &str) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("short");
    [header.as_bytes(), b"\n", &length.to_be_bytes(), body.as_bytes()].concat()
}

fn greeted(header: &str, body: &str) -> Vec<u8> {
    [frame("HELLO 1", r#"{"name":"x"}"#), frame(header, body)].concat()
}

#[tokio::test]
async fn a_client_that_breaks_the_protocol_is_disconnected_with_a_reason_and_no_other_is() {
    let served = Served::new();
    let mut bystander = Connection::open(served.path(), "bystander").await.expect("connected");
    bystander.subscribe(&[Pattern::everything()]).await.expect("subscribed");
    let envelope = serde_json::to_string(&any_event()).expect("JSON");
    let oversized = [&b"PUB x\n\x7f\xff\xff\xff"[..], b"{}"].concat();
    let cases: [(Vec<u8>, &str); 13] = [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "control character"),
        (b"HELO 1\n\0\0\0\x02{}".to_vec(), "unknown verb"),
        (frame("PUB x", "{}"), "PUB came before HELLO"),
        (frame("HELLO 2", r#"{"name":"x"}"#), "protocol"),
        (frame("HELLO 1", "[]"), "the body of HELLO"),
        (oversized, "2147483647 bytes"),
        (vec![b'x'; 5000], "a header of more than 4096 bytes"),
        (b"HELLO \xc3\x28\n\0\0\0\0".to_vec(), "not UTF-8"),
        (greeted("PUB topology.1.status", "{\"v\":1}"), "the body of PUB"),
        (greeted("PUB topology.1.status", &envelope), "the envelope's topic"),
        (greeted("SUB a..b", "{}"), "is empty"),
        (greeted("SUB a", "{"), "the body of SUB"),
        (greeted("EVT lagged", "{}"), "EVT is not valid here"),
    ];
    for (said, why) in cases {
        let answer = answer(&served, &said).await;
        let (_, bye) = answer
            .split_once("BYE\n")
            .unwrap_or_else(|| panic!("no BYE in {answer:?} for {why}"));
        assert!(bye.contains(why), "{bye:?} lacks {why:?}");
    }
    let last = any_event();
    bystander.publish(&last).await.expect("published");
    assert_eq!(
        bystander.recv().await.expect("an event"),
        decnet_engine::Received::Event(last)
    );
}

#[tokio::test]
async fn a_client_that_never_reads_its_answers_is_disconnected() {
    let served = Served::new();
    let mut stream = UnixStream::connect(served.path()).await.expect("connected");
    stream
        .write_all(&frame("HELLO 1", r#"{"name":"x"}"#))
        .await
        .expect("written");
    let ask = frame(
        &format!("SUB {}", "a".repeat(500)),
        &" ".repeat(60_000).replacen(' ', "1", 1),
    );
    // The buffers of the kernel and of the server fill up sooner or later.
    let mut left = false;
    for _ in 0..10_000 {
        if stream.write_all(&ask).await.is_err() {
            left = true;
            break;
        }
    }
    assert!(left, "the client was not disconnected");
}

#[tokio::test]
async fn too_many_patterns_are_refused() {
    let served = Served::new();
    let mut connection = Connection::open(served.path(), "greedy").await.expect("connected");
    let wanted: Vec<Pattern> = (0..257)
        .map(|number| format!("a.{number}").parse().expect("a pattern"))
        .collect();
    let mut error = None;
    for pattern in wanted {
        if let Err(refused) = connection.subscribe(&[pattern]).await {
            error = Some(refused.to_string());
        }
    }
    let error = error.expect("refused");
    assert!(error.contains("at most 256 patterns"), "{error}");
}

#[tokio::test]
async fn an_event_that_is_too_large_is_lost_and_the_next_one_arrives() {
    let served = Served::new();
    let mut heard = Connection::open(served.path(), "listener").await.expect("connected");
    heard.subscribe(&[Pattern::everything()]).await.expect("subscribed");
    let bus = UnixBus::new(served.path(), "engine");
    let mut large = any_event();
    if let decnet_engine::Event::Status { reason, .. } = &mut large.event {
        *reason = Some("x".repeat(2 << 20));
    }
    let next = any_event();
    bus.publish(large);
    bus.publish(next.clone());
    assert_eq!(
        heard.recv().await.expect("an event"),
        decnet_engine::Received::Event(next)
    );
}
