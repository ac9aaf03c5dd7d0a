//! Streams of events.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{Request, header},
};
use decnet_engine::{AccessScope, CancellationToken, Envelope, Event, HttpOptions, OpenAccess, TokenFile};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::Client;
use crate::watch::failing_store::{FailingStore, unreachable};

/// An open stream, the text that was received and not read, and the id of the last event that had one.
struct Stream {
    last: String,
    body: axum::body::BodyDataStream,
    text: String,
}

impl Stream {
    async fn open(client: &Client, path: &str) -> Self {
        Self::open_after(client, path, "").await
    }

    /// Opens a stream again, after the event with this id.
    async fn open_after(client: &Client, path: &str, id: &str) -> Self {
        let mut request = Request::get(format!("/api/v1{path}")).header(header::HOST, "localhost");
        if !id.is_empty() {
            request = request.header("last-event-id", id);
        }
        let request = request.body(Body::empty()).expect("a request");
        let response = client
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("a router never fails");
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self {
            body: response.into_body().into_data_stream(),
            text: String::new(),
            last: id.to_owned(),
        }
    }

    /// Returns the next event and its data; none at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .map(str::to_owned)
                };
                let kind = field("event: ").expect("every event has a type");
                let data = field("data: ").expect("every event has data");
                self.last = field("id: ").unwrap_or_else(|| self.last.clone());
                self.text = String::from(rest);
                return Some((kind, serde_json::from_str(&data).expect("JSON")));
            }
            let piece = self.body.next().await?.expect("a piece");
            self.text += std::str::from_utf8(&piece).expect("a text");
        }
    }

    /// Waits for an event of a type.
    async fn wait_for(&mut self, kind: &str) -> Value {
        loop {
            let (found, data) = self.next().await.expect("the stream goes on");
            if found == kind {
                return data;
            }
        }
    }
}

#[tokio::test]
async fn a_stream_begins_with_a_snapshot_and_has_every_later_event() {
    let client = Client::new();
    let id = client.store("corp").await;
    let mut stream = Stream::open(&client, "/events").await;
    let (kind, snapshot) = stream.next().await.expect("a snapshot");
    assert_eq!(
        (kind.as_str(), &snapshot["payload"]["topologies"][0]["status"]),
        ("snapshot", &json!("pending"))
    );
    client
        .operate(&format!("/topologies/{id}/deploy"), &json!({}))
        .await
        .is(200);
    for to in ["deploying", "active"] {
        let status = stream.wait_for("status").await;
        assert_eq!(
            (&status["payload"]["to"], &status["maze"]),
            (&json!(to), &json!("corp")),
            "{status}"
        );
    }
    let body = json!({ "op": "add_lan", "payload": { "name": "vault" } });
    client
        .operate(&format!("/topologies/{id}/mutations"), &body)
        .await
        .is(200);
    loop {
        let mutation = stream.wait_for("mutation").await;
        if mutation["payload"]["state"] == "applied" {
            break;
        }
    }
}

#[tokio::test]
async fn a_stream_of_one_topology_has_no_events_of_others() {
    let client = Client::new();
    let id = client.store("corp").await;
    let other = client
        .post("/topologies/blank", &json!({ "name": "branch" }))
        .await
        .is(201);
    let mut stream = Stream::open(&client, &format!("/topologies/{id}/events")).await;
    let snapshot = stream.wait_for("snapshot").await;
    assert_eq!(snapshot["payload"]["topologies"].as_array().expect("a list").len(), 1);
    let other = other["id"].as_str().expect("an id");
    client
        .operate(&format!("/topologies/{other}/deploy"), &json!({}))
        .await
        .is(200);
    client
        .operate(&format!("/topologies/{id}/deploy"), &json!({}))
        .await
        .is(200);
    let status = stream.wait_for("status").await;
    assert_eq!(status["maze"], "corp", "{status}");
}

#[tokio::test]
async fn a_client_that_connects_again_gets_what_it_missed() {
    let client = Client::new();
    let id = client.store("corp").await;
    let mut stream = Stream::open(&client, "/events").await;
    let snapshot = stream.wait_for("snapshot").await;
    let last = stream.last.clone();
    assert_eq!(snapshot["seq"].to_string(), last);
    drop(stream);
    client
        .operate(&format!("/topologies/{id}/deploy"), &json!({}))
        .await
        .is(200);
    client
        .post("/topologies/blank", &json!({ "name": "branch" }))
        .await
        .is(201);
    for (path, expected) in [
        ("/events".to_owned(), vec!["deploying", "active", "pending"]),
        (format!("/topologies/{id}/events"), vec!["deploying", "active"]),
    ] {
        let mut last = last.clone();
        for to in expected {
            let mut stream = Stream::open_after(&client, &path, &last).await;
            let (kind, data) = stream.next().await.expect("what was missed");
            assert_eq!(
                (kind.as_str(), &data["payload"]["to"]),
                ("status", &json!(to)),
                "{data}"
            );
            last = stream.last;
        }
    }
    // A number of another store, and what is not a number.
    for id in ["4711", "yesterday", "-1"] {
        let mut stream = Stream::open_after(&client, "/events", id).await;
        let (kind, data) = stream.next().await.expect("the state");
        assert_eq!(
            (kind.as_str(), data["payload"]["topologies"].as_array().map(Vec::len)),
            ("snapshot", Some(2))
        );
    }
}

#[tokio::test]
async fn streams_end_with_the_server() {
    let stop = CancellationToken::new();
    let client = Client::with(HttpOptions::new(Arc::new(OpenAccess)).stop(stop.clone()));
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(Stream::open(&client, "/events").await);
    }
    stop.cancel();
    for mut stream in streams {
        while stream.next().await.is_some() {}
    }
}

#[tokio::test]
async fn there_are_only_so_many_streams() {
    let client = Client::with(HttpOptions::new(Arc::new(OpenAccess)).max_streams(2));
    let one = Stream::open(&client, "/events").await;
    let _other = Stream::open(&client, "/events").await;
    client.get("/events").await.problem(503, "too_many_streams");
    drop(one);
    Stream::open(&client, "/events").await;
}

#[tokio::test]
async fn each_principal_has_only_so_many_streams() {
    let client = Client::with(HttpOptions::new(Arc::new(OpenAccess)).max_streams_each(1));
    let one = Stream::open(&client, "/events").await;
    let refused = client.get("/events").await;
    refused.problem(503, "too_many_streams");
    assert_eq!(refused.header("retry-after"), "1");
    drop(one);
    Stream::open(&client, "/events").await;
}

#[tokio::test(start_paused = true)]
async fn the_streams_of_a_revoked_token_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = Arc::new(TokenFile::new(folder.path().join("tokens")));
    let secret = tokens.create("map", AccessScope::Read, Timestamp::now()).expect("made");
    let client = Client::with(HttpOptions::new(tokens.clone()));
    let bearer = format!("Bearer {secret}");
    let issued = client
        .send("POST", "/tickets", &[("authorization", &bearer)], "")
        .await
        .is(200);
    let path = format!("/events?ticket={}", issued["ticket"].as_str().expect("a ticket"));
    let mut stream = Stream::open(&client, &path).await;
    stream.wait_for("ping").await;
    stream.wait_for("ping").await;
    let id = tokens.list().expect("read")[0].id.clone();
    tokens.revoke(&id).expect("revoked");
    let begun = tokio::time::Instant::now();
    let problem = stream.wait_for("problem").await;
    assert_eq!(problem["code"], "unauthorized");
    assert!(begun.elapsed() < Duration::from_secs(16), "{:?}", begun.elapsed());
    assert_eq!(stream.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_has_a_ping_every_fifteen_seconds() {
    let client = Client::new();
    let mut stream = Stream::open(&client, "/events").await;
    let begun = tokio::time::Instant::now();
    stream.wait_for("ping").await;
    stream.wait_for("ping").await;
    let took = begun.elapsed();
    assert!(
        (Duration::from_secs(30)..Duration::from_secs(31)).contains(&took),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_reader_who_was_too_slow_gets_a_new_snapshot() {
    let client = Client::new();
    let id = client.store("corp").await;
    let mut stream = Stream::open(&client, "/events").await;
    stream.wait_for("snapshot").await;
    let topology = id.parse().expect("an id");
    for steps in 0..100_000 {
        let deleted_logs = Vec::new();
        let event = Event::Planned {
            topology,
            steps,
            deleted_logs,
        };
        client.engine.publish(Envelope::new(event, Timestamp::now()));
    }
    let lagged = stream.wait_for("lagged").await;
    assert!(lagged["payload"]["lost"].as_u64().expect("a number") > 1000, "{lagged}");
    let snapshot = stream.wait_for("snapshot").await;
    assert_eq!(snapshot["payload"]["topologies"][0]["status"], "pending", "{snapshot}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_after_the_database_could_not_be_reached() {
    let store = FailingStore::default();
    let client = Client::on(Arc::new(store.clone()));
    let mut stream = Stream::open(&client, "/events").await;
    stream.wait_for("snapshot").await;
    store.fail(Some(|_| Some(unreachable())));
    assert_eq!(stream.wait_for("database").await, json!({ "connected": false }));
    while store.failures() < 4 {
        // It stays open, and alive.
        stream.wait_for("ping").await;
    }
    store.fail(None);
    client.store("corp").await;
    let status = stream.wait_for("status").await;
    assert_eq!(status["maze"], json!("corp"), "{status}");
    assert_eq!(stream.wait_for("database").await, json!({ "connected": true }));
}
