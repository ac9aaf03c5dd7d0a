//! Pictures, analyses, and the page of the map.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, header},
};
use serde_json::json;
use tower::ServiceExt as _;

use super::{Client, Reply};

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.to_vec()).expect("a text")
}

#[tokio::test]
async fn a_picture_has_the_parts_and_the_states_of_a_maze() {
    let client = Client::new();
    let id = client.store("corp").await;
    let path = format!("/topologies/{id}/graph.svg");
    let stored = client.get(&path).await;
    assert_eq!(
        (stored.header("content-type"), stored.header("etag")),
        ("image/svg+xml", "\"v1\"")
    );
    assert!(
        stored
            .header("content-security-policy")
            .starts_with("default-src 'none'")
    );
    for part in [
        "data-lan=\"office\"",
        "data-decky=\"pc\"",
        "data-from=\"dmz\" data-to=\"office\"",
    ] {
        assert!(text(&stored).contains(part), "{part}");
    }
    let down = text(&client.get(&format!("{path}?states=true")).await);
    assert_eq!(
        down.matches("✕ gone").count(),
        6,
        "text, title and label of two deckies"
    );
    let done = client.operate(&format!("/topologies/{id}/deploy"), &json!({})).await;
    done.is(200);
    let running = text(&client.get(&format!("{path}?states=true")).await);
    assert_eq!(running.matches("● running").count(), 6, "{running}");
    for (query, code) in [
        ("states=true&time=2030-01-01T00:00:00Z", "invalid_parameter"),
        ("time=yesterday", "invalid_parameter"),
        ("state=true", "unknown_parameter"),
    ] {
        client.get(&format!("{path}?{query}")).await.problem(400, code);
    }
    client
        .get(&format!("{path}?time=2000-01-01T00:00:00Z"))
        .await
        .problem(404, "not_found");
    let nobody = "/topologies/01234567-89ab-4cde-8f01-23456789abcd/graph.svg";
    client.get(nobody).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_picture_of_the_past_has_the_deckies_of_that_time() {
    let client = Client::new();
    let id = client.store("corp").await;
    let path = format!("/topologies/{id}");
    let edit = async |mutation| client.post(&format!("{path}/mutations"), &mutation).await.is(200);
    edit(json!({ "op": "update_decky", "payload": { "decky": "pc", "services": ["ftp"] } })).await;
    edit(json!({ "op": "add_lan", "payload": { "name": "vault", "subnet": "10.90.2.0/24" } })).await;
    edit(json!({ "op": "attach_decky", "payload": { "decky": "pc", "lan": "vault" } })).await;
    edit(json!({ "op": "detach_decky", "payload": { "decky": "pc", "lan": "vault" } })).await;
    edit(json!({ "op": "remove_lan", "payload": { "name": "vault" } })).await;
    edit(json!({ "op": "remove_decky", "payload": { "decky": "pc" } })).await;
    let changes = client.get(&format!("{path}/mutations")).await.is(200);
    let time = |at: usize| {
        changes["mutations"][at]["stored_at"]
            .as_str()
            .expect("a time")
            .to_owned()
    };
    let draw = async |time: String| text(&client.get(&format!("{path}/graph.svg?time={time}")).await);
    let created = client.get(&path).await.is(200)["created_at"]
        .as_str()
        .expect("a time")
        .to_owned();
    assert!(draw(created).await.contains("host pc, 10.90.1.20, smb"));
    assert!(draw(time(0)).await.contains("host pc, 10.90.1.20, ftp"));
    // The LAN is no longer there, so the attachment to it is not shown.
    let attached = draw(time(2)).await;
    assert!(attached.contains("host pc, 10.90.1.20, ftp") && !attached.contains("vault"));
    assert!(!draw(time(5)).await.contains("data-decky=\"pc\""));
}

#[tokio::test]
async fn an_analysis_has_the_compromises() {
    let client = Client::new();
    let id = client.store("corp").await;
    let report = client.get(&format!("/topologies/{id}/analysis")).await.is(200);
    assert_eq!(report["lans"][1]["lan"], "office", "{report}");
    assert_eq!(report["lans"][1]["compromises"], 0, "{report}");
    assert_eq!(report["deckies"][1]["decky"], "pc", "{report}");
}

async fn fetch(router: &Router, path: &str) -> Reply {
    let request = Request::get(path).header(header::HOST, "localhost");
    let request = request.body(Body::empty()).expect("a request");
    let response = router.clone().oneshot(request).await.expect("a router never fails");
    let (parts, body) = response.into_parts();
    Reply {
        status: parts.status,
        headers: parts.headers,
        body: to_bytes(body, usize::MAX).await.expect("a body"),
    }
}

#[tokio::test]
async fn the_page_is_served_beside_the_api_and_finds_it_where_it_is_nested() {
    let client = Client::new();
    for (router, path, prefix) in [
        (client.router.clone(), "/", ""),
        (Router::new().nest("/mazes", client.router.clone()), "/mazes", "/mazes"),
    ] {
        let page = fetch(&router, path).await;
        assert_eq!(
            (page.status.as_u16(), page.header("content-type")),
            (200, "text/html; charset=utf-8")
        );
        let policy = page.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert!(
            text(&page).contains(&format!("content=\"{prefix}/api/v1\"")),
            "{}",
            text(&page)
        );
        for (file, kind) in [
            ("map.js", "text/javascript; charset=utf-8"),
            ("map.css", "text/css; charset=utf-8"),
        ] {
            assert!(text(&page).contains(&format!("\"{prefix}/{file}\"")), "{file}");
            let asset = fetch(&router, &format!("{prefix}/{file}")).await;
            assert_eq!((asset.status.as_u16(), asset.header("content-type")), (200, kind));
            assert!(!asset.body.is_empty());
        }
        let api = fetch(&router, &format!("{prefix}/api/v1/topologies")).await;
        assert_eq!(api.is(200)["total"], 0);
        fetch(&router, &format!("{prefix}/other.js"))
            .await
            .problem(404, "not_found");
    }
}
