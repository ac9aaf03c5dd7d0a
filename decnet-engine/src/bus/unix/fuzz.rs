//! Ten thousand invalid frames.

use std::time::Duration;

use bytes::BytesMut;
use decnet_topology::{RandomStream, Status, rng};
use futures_util::StreamExt;
use jiff::Timestamp;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};
use tokio_util::{
    codec::{Encoder, FramedRead},
    sync::CancellationToken,
};

use super::{
    Connection, Server,
    frame::{Frame, FrameCodec, MAX_BODY, MAX_HEADER, Verb},
};
use crate::{
    bus::{Pattern, Received},
    event::{Envelope, Event},
};

const FRAMES: usize = 10_000;

fn any_event() -> Envelope {
    let event = Event::Status {
        topology: rng::topology_id(),
        from: None,
        to: Status::Pending,
        reason: None,
    };
    Envelope::new(event, Timestamp::now())
}

fn bytes(stream: &mut RandomStream, most: u64) -> Vec<u8> {
    (0..stream.below(most)).map(|_| stream.between(0, 255)).collect()
}

fn valid_frame(stream: &mut RandomStream) -> Vec<u8> {
    let envelope = any_event();
    let (verb, args, body) = match stream.below(5) {
        0 => (Verb::Hello, "1".to_owned(), serde_json::json!({"name": "x"})),
        1 => (Verb::Sub, "decky.>".to_owned(), serde_json::json!({})),
        2 => (Verb::Unsub, "decky.>".to_owned(), serde_json::json!({})),
        3 => (Verb::Bye, String::new(), serde_json::json!({"reason": "x"})),
        _ => (
            Verb::Pub,
            envelope.topic(),
            serde_json::to_value(&envelope).expect("JSON"),
        ),
    };
    let frame = Frame::new(verb, args, &body).expect("a frame");
    let mut bytes = BytesMut::new();
    FrameCodec::default().encode(&frame, &mut bytes).expect("encoded");
    bytes.to_vec()
}

/// A frame that is random, truncated, too large, interrupted by another, not UTF-8, or valid.
fn random_input(stream: &mut RandomStream) -> Vec<u8> {
    let mut frame = valid_frame(stream);
    match stream.below(8) {
        0 => bytes(stream, 400),
        1 => {
            frame.truncate(stream.index(frame.len()));
            frame
        }
        2 => [&b"PUB x\n"[..], &u32::MAX.to_be_bytes(), &bytes(stream, 50)].concat(),
        3 => vec![b'A'; MAX_HEADER + 2],
        4 => {
            let other = valid_frame(stream);
            let at = stream.index(frame.len());
            frame.splice(at..at, other);
            frame
        }
        5 => [&b"SUB \xff\xfe"[..], &bytes(stream, 20), b"\n\0\0\0\0"].concat(),
        6 => {
            let at = stream.index(frame.len());
            frame[at] = stream.between(0, 255);
            frame
        }
        _ => frame,
    }
}

#[tokio::test]
async fn ten_thousand_invalid_frames_do_no_harm() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bus.sock");
    let stop = CancellationToken::new();
    let server = tokio::spawn(Server::bind(&path).expect("bound").serve(stop.clone()));
    let mut bystander = Connection::open(&path, "bystander").await.expect("connected");
    bystander.subscribe(&[Pattern::everything()]).await.expect("subscribed");
    let mut stream = RandomStream::new(7, "rubbish", 0);
    let mut sent = 0;
    while sent < FRAMES {
        let mut socket = UnixStream::connect(&path).await.expect("the server runs");
        if stream.chance(0.7) {
            let hello = b"HELLO 1\n\0\0\0\x0c{\"name\":\"x\"}";
            socket.write_all(hello).await.expect("written");
        }
        loop {
            sent += 1;
            // The server may have closed the connection, and the test may close it in the middle.
            if socket.write_all(&random_input(&mut stream)).await.is_err() || stream.chance(0.2) {
                break;
            }
        }
        if stream.chance(0.1) {
            let _ = socket.shutdown().await;
            let mut rest = Vec::new();
            let end = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut rest)).await;
            assert!(end.is_ok(), "the server kept a connection that had ended");
        }
    }
    let last = any_event();
    bystander.publish(&last).await.expect("published");
    loop {
        // The valid frames were events too.
        if bystander.recv().await.expect("an event") == Received::Event(last.clone()) {
            break;
        }
    }
    Connection::open(&path, "newcomer").await.expect("connected");
    stop.cancel();
    server.await.expect("served");
}

#[tokio::test]
async fn a_reader_of_invalid_bytes_keeps_at_most_one_frame() {
    let mut stream = RandomStream::new(8, "rubbish", 1);
    let mut largest = 0;
    for _ in 0..FRAMES {
        let said = random_input(&mut stream);
        let mut frames = FramedRead::new(&said[..], FrameCodec::default());
        while let Some(Ok(_)) = frames.next().await {}
        largest = largest.max(frames.read_buffer().capacity());
    }
    // A body that was announced and did not arrive takes no memory.
    assert!(largest <= 32 << 10, "{largest} bytes");
    let announced = [
        b"PUB x\n".to_vec(),
        u32::try_from(MAX_BODY).expect("small").to_be_bytes().to_vec(),
    ]
    .concat();
    let body = vec![b' '; MAX_BODY * 4];
    let mut frames = FramedRead::new(announced.chain(&body[..]), FrameCodec::default());
    while let Some(Ok(_)) = frames.next().await {}
    let capacity = frames.read_buffer().capacity();
    assert!(capacity <= 4 * MAX_BODY, "{capacity} bytes");
}
