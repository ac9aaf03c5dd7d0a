//! Who may do what.

use std::sync::Arc;

use decnet_engine::{AccessScope, HttpOptions, TokenFile};
use jiff::Timestamp;
use serde_json::json;

use super::{Client, maze};

/// A client of an API with tokens, and a token for each scope.
fn guarded(folder: &tempfile::TempDir) -> (Client, Arc<TokenFile>, [String; 3]) {
    let tokens = Arc::new(TokenFile::new(folder.path().join("tokens")));
    let token = |scope: AccessScope| {
        let secret = tokens
            .create(&format!("the {scope}er"), scope, Timestamp::now())
            .expect("made");
        format!("Bearer {secret}")
    };
    let secrets = [AccessScope::Read, AccessScope::Write, AccessScope::Admin].map(token);
    (Client::with(HttpOptions::new(tokens.clone())), tokens, secrets)
}

#[tokio::test]
async fn without_a_valid_token_nothing_is_read_or_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (client, tokens, [read, ..]) = guarded(&folder);
    for authorization in [None, Some("Bearer decnet_0"), Some("Basic YTpi"), Some("")] {
        let headers: Vec<_> = authorization
            .map(|value| ("authorization", value))
            .into_iter()
            .collect();
        for (method, path) in [
            ("GET", "/topologies"),
            ("DELETE", "/topologies/x"),
            ("POST", "/topologies"),
            ("GET", "/metrics"),
            ("GET", "/topologies?staus=active"),
        ] {
            let reply = client.send(method, path, &headers, "").await;
            reply.problem(401, "unauthorized");
            assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"decnet\"");
        }
    }
    client.get("/healthz").await.is(200);
    client.get("/openapi.json").await.is(200);
    client
        .send("GET", "/topologies", &[("authorization", &read)], "")
        .await
        .is(200);
    let id = tokens.list().expect("read")[0].id.clone();
    tokens.revoke(&id).expect("revoked");
    client
        .send("GET", "/topologies", &[("authorization", &read)], "")
        .await
        .problem(401, "unauthorized");
    std::fs::write(tokens.path(), "not JSON").expect("written");
    client
        .send("GET", "/topologies", &[("authorization", &read)], "")
        .await
        .problem(503, "auth_unavailable");
    let refused = client.send("GET", "/topologies", &[("authorization", &read)], "").await;
    let (problem, path) = (refused.is(503).to_string(), tokens.path().display().to_string());
    assert!(!problem.contains(&path) && !problem.contains("tokens\""), "{problem}");
}

#[tokio::test]
async fn a_token_does_what_its_scope_allows() {
    let folder = tempfile::tempdir().expect("a folder");
    let (client, _, [read, write, admin]) = guarded(&folder);
    let send = async |token: &str, method: &str, path: &str, body: serde_json::Value| {
        client
            .json(method, path, &[("authorization", token), ("prefer", "wait=60")], &body)
            .await
    };
    let problem = send(&read, "POST", "/topologies", maze("corp"))
        .await
        .problem(403, "forbidden");
    assert_eq!(problem["needs"], "write");
    let id = send(&write, "POST", "/topologies", maze("corp")).await.is(201)["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let path = format!("/topologies/{id}");
    send(&read, "POST", "/topologies/validate", maze("corp")).await.is(200);
    send(&read, "POST", &format!("{path}/plan"), json!({})).await.is(200);
    for (method, part) in [
        ("PUT", ""),
        ("DELETE", ""),
        ("POST", "/lans"),
        ("PATCH", "/lans/dmz"),
        ("DELETE", "/lans/dmz"),
        ("POST", "/mutations"),
        ("POST", "/deploy"),
        ("POST", "/teardown"),
        ("POST", "/restart"),
    ] {
        send(&read, method, &format!("{path}{part}"), json!({}))
            .await
            .problem(403, "forbidden");
    }
    send(&write, "POST", "/reap-orphans", json!({}))
        .await
        .problem(403, "forbidden");
    send(&admin, "POST", "/reap-orphans", json!({})).await.is(200);
    send(&write, "POST", &format!("{path}/deploy"), json!({})).await.is(200);
    let lan = json!({ "op": "add_lan", "payload": { "name": "vault" } });
    let done = send(&write, "POST", &format!("{path}/mutations"), lan).await.is(200);
    assert_eq!(done["mutation"]["actor"], "the writeer");
    let operations = send(&read, "GET", "/operations", json!({})).await.is(200);
    assert_eq!(operations["operations"][0]["actor"], "the writeer");
}

#[tokio::test]
async fn a_key_of_another_sender_is_another_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let (client, _, [_, write, admin]) = guarded(&folder);
    let create = async |token: &str| {
        client
            .json(
                "POST",
                "/topologies",
                &[("authorization", token), ("idempotency-key", "k")],
                &maze("corp"),
            )
            .await
    };
    create(&write).await.is(201);
    create(&write).await.is(201);
    create(&admin).await.problem(409, "name_taken");
}

#[tokio::test]
async fn two_tokens_with_one_name_are_two_senders() {
    let folder = tempfile::tempdir().expect("a folder");
    let (client, tokens, _) = guarded(&folder);
    let create = async |key: &str| {
        let secret = tokens.create("ci", AccessScope::Write, Timestamp::now()).expect("made");
        let headers = [
            ("authorization", &*format!("Bearer {secret}")),
            ("idempotency-key", key),
        ];
        client.json("POST", "/topologies", &headers, &maze("corp")).await
    };
    create("k").await.is(201);
    create("k").await.problem(409, "name_taken");
}

#[tokio::test]
async fn an_operation_belongs_to_the_scope_that_started_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (client, _, [read, write, admin]) = guarded(&folder);
    let send = async |token: &str, method: &str, path: &str, body: serde_json::Value| {
        client.json(method, path, &[("authorization", token)], &body).await
    };
    let path = |begun: &serde_json::Value| format!("/operations/{}", begun["id"].as_str().expect("an id"));
    let id = send(&write, "POST", "/topologies", maze("corp")).await.is(201)["id"].clone();
    client.docker.pace(std::time::Duration::from_secs(1));
    let deploy = format!("/topologies/{}/deploy", id.as_str().expect("an id"));
    let deploy = path(&send(&admin, "POST", &deploy, json!({})).await.is(202));
    let orphans = path(
        &send(&admin, "POST", "/reap-orphans", json!({ "dry_run": true }))
            .await
            .is(202),
    );
    // Everyone sees what happens to a maze; the resources of others are the admin's matter.
    for (token, total) in [(&read, 1), (&write, 1), (&admin, 2)] {
        assert_eq!(
            send(token, "GET", "/operations", json!({})).await.is(200)["total"],
            total
        );
    }
    for token in [&read, &write] {
        send(token, "GET", &deploy, json!({})).await.is(200);
        send(token, "GET", &orphans, json!({})).await.problem(404, "not_found");
        send(token, "DELETE", &deploy, json!({}))
            .await
            .problem(403, "forbidden");
    }
    send(&write, "DELETE", &orphans, json!({}))
        .await
        .problem(404, "not_found");
    let needed = send(&write, "DELETE", &deploy, json!({}))
        .await
        .problem(403, "forbidden");
    assert_eq!(needed["needs"], "admin");
    assert_eq!(
        send(&admin, "GET", &deploy, json!({})).await.is(200)["state"],
        "running"
    );
    send(&admin, "DELETE", &deploy, json!({})).await.is(202);
}

#[tokio::test]
async fn a_ticket_of_a_revoked_token_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (client, tokens, [read, ..]) = guarded(&folder);
    let authorization = [("authorization", &*read)];
    let issued = client.send("POST", "/tickets", &authorization, "").await.is(200);
    let id = tokens.list().expect("read")[0].id.clone();
    tokens.revoke(&id).expect("revoked");
    let path = format!("/events?ticket={}", issued["ticket"].as_str().expect("a ticket"));
    client.get(&path).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn without_tokens_only_this_machine_and_no_web_page_of_others_is_admitted() {
    let client = Client::new();
    for host in ["evil.example", "10.0.0.1:8080", "localhost.evil.example"] {
        client
            .send("GET", "/topologies", &[("host", host)], "")
            .await
            .problem(403, "foreign_host");
    }
    for host in ["127.0.0.1", "[::1]:8080", "LOCALHOST"] {
        client.send("GET", "/topologies", &[("host", host)], "").await.is(200);
    }
    let id = client.deploy("corp").await;
    let path = format!("/topologies/{id}/teardown");
    for origin in ["https://evil.example", "null", "http://localhost:8081"] {
        client
            .send("POST", &path, &[("origin", origin)], "")
            .await
            .problem(403, "foreign_origin");
    }
    assert_eq!(
        client.get(&format!("/topologies/{id}")).await.is(200)["status"],
        "active"
    );
    client
        .send(
            "POST",
            &path,
            &[("origin", "http://localhost:8080"), ("prefer", "wait=60")],
            "",
        )
        .await
        .is(200);
}

#[tokio::test]
async fn web_pages_of_configured_origins_are_admitted() {
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = Arc::new(TokenFile::new(folder.path().join("tokens")));
    let secret = tokens
        .create("map", AccessScope::Write, Timestamp::now())
        .expect("made");
    let origins = ["https://map.example".parse().expect("a header")];
    let client = Client::with(HttpOptions::new(tokens).origins(origins));
    let ask = |origin: &'static str| {
        let asked = [
            ("origin", origin),
            ("access-control-request-method", "PATCH"),
            ("access-control-request-headers", "authorization,if-match"),
        ];
        let client = &client;
        async move { client.send("OPTIONS", "/topologies/x/lans/y", &asked, "").await }
    };
    let allowed = ask("https://map.example").await;
    assert_eq!(
        (allowed.status.as_u16(), allowed.header("access-control-allow-origin")),
        (200, "https://map.example")
    );
    assert!(allowed.header("access-control-allow-methods").contains("PATCH"));
    assert!(allowed.header("access-control-allow-headers").contains("if-match"));
    assert!(
        !ask("https://evil.example")
            .await
            .headers
            .contains_key("access-control-allow-origin")
    );
    let bearer = format!("Bearer {secret}");
    let headers = [("origin", "https://map.example"), ("authorization", bearer.as_str())];
    let reply = client.json("POST", "/topologies", &headers, &maze("corp")).await;
    reply.is(201);
    assert!(reply.header("access-control-expose-headers").contains("etag"));
    // Without configured origins there is no such header.
    let closed = Client::new();
    let asked = closed
        .send(
            "OPTIONS",
            "/topologies",
            &[
                ("origin", "https://map.example"),
                ("access-control-request-method", "GET"),
            ],
            "",
        )
        .await;
    asked.problem(405, "method_not_allowed");
    assert!(!asked.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn a_ticket_opens_one_stream_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let stop = decnet_engine::CancellationToken::new();
    let tokens = Arc::new(TokenFile::new(folder.path().join("tokens")));
    let secret = tokens.create("map", AccessScope::Read, Timestamp::now()).expect("made");
    let client = Client::with(HttpOptions::new(tokens).stop(stop.clone()));
    let bearer = format!("Bearer {secret}");
    let issued = client
        .send("POST", "/tickets", &[("authorization", &bearer)], "")
        .await
        .is(200);
    let ticket = issued["ticket"].as_str().expect("a ticket").to_owned();
    assert_eq!(issued["expires_in"], 60);
    // A stream that begins after the stop ends after its snapshot.
    stop.cancel();
    client
        .get(&format!("/topologies?ticket={ticket}"))
        .await
        .problem(401, "unauthorized");
    let stream = client.get(&format!("/events?ticket={ticket}")).await;
    assert_eq!(
        (stream.status.as_u16(), stream.header("content-type")),
        (200, "text/event-stream")
    );
    client
        .get(&format!("/events?ticket={ticket}"))
        .await
        .problem(401, "unauthorized");
    client.get("/events?ticket=guess").await.problem(401, "unauthorized");
    client.get("/events").await.problem(401, "unauthorized");
}
