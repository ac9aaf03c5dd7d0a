//! Clients that connect to the stream again and again while mutations run.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use decnet_engine::{CancellationToken, HttpOptions, OpenAccess, http};
use decnet_topology::ChangeFilter;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::Client;

/// How many clients follow at the same time, and how often each connects.
const CLIENTS: usize = 8;
const CONNECTIONS: usize = 125;

/// How many numbered events a client reads before it closes its connection.
const READ: usize = 3;

/// Connects, after the event with a number if one is given, and returns the type and the number of the first numbered events.
async fn follow(address: SocketAddr, after: Option<u64>) -> Vec<(String, u64)> {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let last = after.map_or_else(String::new, |after| format!("Last-Event-ID: {after}\r\n"));
    let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n{last}\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let (mut text, mut piece, mut found) = (String::new(), [0; 4096], Vec::new());
    while found.len() < READ {
        let read = tokio::time::timeout(Duration::from_mins(1), stream.read(&mut piece)).await;
        let length = read.expect("events come").expect("readable");
        assert_ne!(length, 0, "the stream goes on: {text}");
        text += &String::from_utf8_lossy(&piece[..length]);
        while let Some((event, rest)) = text.split_once("\n\n") {
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
            if let (Some(kind), Some(id)) = (field("event: "), field("id: ")) {
                found.push((kind.to_owned(), id.parse().expect("a number")));
            }
            text = rest.to_owned();
        }
    }
    found
}

/// Follows with all connections of a client, and returns the numbers that each connection showed, with the number that it began after.
async fn follow_often(address: SocketAddr, continues: bool) -> Vec<(u64, Vec<u64>)> {
    let (mut seen, mut last) = (Vec::new(), None);
    for _ in 0..CONNECTIONS {
        let mut events = follow(address, last).await;
        let after = if let Some(last) = last {
            last
        } else {
            let (kind, number) = events.remove(0);
            assert_eq!(kind, "snapshot");
            number
        };
        assert!(events.iter().all(|(kind, _)| kind != "snapshot"), "{events:?}");
        last = events.last().map(|(_, number)| *number).filter(|_| continues);
        seen.push((after, events.into_iter().map(|(_, number)| number).collect()));
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_miss_no_change() {
    let client = Client::new();
    let id = client.deploy("corp").await;
    let stop = CancellationToken::new();
    let options = HttpOptions::new(Arc::new(OpenAccess)).stop(stop.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(http::serve(client.engine.clone(), options, listener));
    let followers = (0..CLIENTS).map(|number| tokio::spawn(follow_often(address, number % 2 == 0)));
    let followers: Vec<_> = followers.collect();
    let mut x = 0;
    while followers.iter().any(|follower| !follower.is_finished()) {
        x += 1;
        let mutation = json!({ "op": "update_decky", "payload": { "decky": "pc", "x": x } });
        let done = client.operate(&format!("/topologies/{id}/mutations"), &mutation).await;
        assert_eq!(done.is(200)["mutation"]["state"], "applied");
    }
    let filter = ChangeFilter::default();
    let log = client
        .engine
        .repo()
        .changes_since(None, &filter)
        .await
        .expect("the log");
    let log: Vec<u64> = log.changes.iter().map(|change| change.sequence.get()).collect();
    let mut connections = 0;
    for follower in followers {
        for (after, seen) in follower.await.expect("no panic") {
            connections += 1;
            let begin = log.partition_point(|number| *number <= after);
            let expected = log.get(begin..begin + seen.len());
            assert_eq!(Some(&*seen), expected, "after {after}");
        }
    }
    assert_eq!(connections, 1000);
    stop.cancel();
    server.await.expect("no panic").expect("served");
}
