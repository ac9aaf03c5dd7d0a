//! What can be read, and requests that ask for nothing that exists.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use decnet_topology::{Edit, NewMutation, SqliteRepo, Timestamp, TopologyStore as _};
use serde_json::json;

use super::{Client, maze};

#[tokio::test]
async fn topologies_are_listed_in_pages_and_filtered_by_status_and_name() {
    let client = Client::new();
    for name in ["a", "b", "c"] {
        client.post("/topologies/blank", &json!({ "name": name })).await.is(201);
    }
    let page = client.get("/topologies?limit=2&offset=1").await.is(200);
    let names: Vec<_> = page["topologies"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["name"].clone())
        .collect();
    assert_eq!((names, page["total"].clone()), (vec![json!("b"), json!("c")], json!(3)));
    assert_eq!(
        client.get("/topologies?status=active,degraded").await.is(200)["total"],
        0
    );
    assert_eq!(client.get("/topologies?status=pending").await.is(200)["total"], 3);
    let found = client.get("/topologies?name=B").await.is(200);
    assert_eq!(
        (&found["total"], &found["topologies"][0]["name"]),
        (&json!(1), &json!("b"))
    );
    assert_eq!(client.get("/topologies?name=z").await.is(200)["total"], 0);
}

#[tokio::test]
async fn a_topology_that_another_program_changed_is_read_again() {
    let client = Client::new();
    let id = client.store("corp").await;
    let path = format!("/topologies/{id}");
    let first = client.get(&path).await;
    assert_eq!(first.body, client.get(&path).await.body);

    let mutation =
        serde_json::from_value(json!({ "op": "remove_decky", "payload": { "decky": "pc" } })).expect("a mutation");
    let id = id.parse().expect("an id");
    client
        .engine
        .submit(id, NewMutation::new(mutation), None)
        .await
        .expect("a pending maze is edited");
    let edited = client.get(&path).await;
    assert_eq!(edited.header("etag"), "\"v2\"");
    assert_eq!(
        edited.is(200)["topology"]["deckies"].as_array().expect("deckies").len(),
        1
    );

    client.operate(&format!("{path}/deploy"), &json!({})).await.is(200);
    assert_eq!(client.get(&path).await.is(200)["status"], "active");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn no_answer_is_older_than_a_change_through_another_connection_to_the_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("decnet.db");
    let client = Client::on(Arc::new(SqliteRepo::open(&path).expect("a store")));
    let other = SqliteRepo::open(&path).expect("a store");
    let id = client.store("corp").await;
    let path = format!("/topologies/{id}");
    let id = id.parse().expect("an id");
    let version = async || client.get(&path).await.is(200)["version"].as_u64().expect("a number");
    let done = AtomicU64::new(1);
    let readers = async || {
        let mut reads = 0;
        while done.load(Ordering::SeqCst) < 100 {
            let oldest = done.load(Ordering::SeqCst);
            let read = version().await;
            assert!(read >= oldest, "{read} was read after {oldest} was stored");
            reads += 1;
            tokio::task::yield_now().await;
        }
        reads
    };
    let writer = async {
        for number in 2..=100 {
            let maze = other.load(id).await.expect("a maze").topology;
            other
                .edit(id, Edit::new(maze), Timestamp::now())
                .await
                .expect("it is edited");
            done.store(number, Ordering::SeqCst);
            assert_eq!(version().await, number);
            assert_eq!(version().await, number, "from the text");
        }
    };
    let (one, two, ()) = tokio::join!(readers(), readers(), writer);
    assert!(one > 0 && two > 0);
    other.delete(id, None, Timestamp::now()).await.expect("it is deleted");
    client.get(&path).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_topology_is_returned_with_its_maze_and_its_version() {
    let client = Client::new();
    let id = client.store("corp").await;
    let reply = client.get(&format!("/topologies/{id}")).await;
    let topology = reply.is(200);
    assert_eq!(
        (reply.header("etag"), reply.header("cache-control")),
        ("\"v1\"", "no-store")
    );
    assert_eq!(
        (&topology["status"], &topology["version"]),
        (&json!("pending"), &json!(1))
    );
    assert_eq!(
        topology["topology"]["deckies"][0]["attachments"],
        maze("corp")["deckies"][0]["attachments"]
    );
    assert_eq!(topology["settings"], json!({ "publish": [], "dmz_egress": "none" }));
    let yaml = client.get(&format!("/topologies/{id}/document?syntax=yaml")).await;
    assert_eq!(yaml.header("content-type"), "application/yaml");
    assert!(yaml.body.starts_with(b"format: decnet.topology/1"), "{yaml:?}");
    let document = client.get(&format!("/topologies/{id}/document")).await.is(200);
    assert_eq!(document["lans"], topology["topology"]["lans"]);
    client
        .get(&format!("/topologies/{id}/document?syntax=xml"))
        .await
        .problem(400, "invalid_parameter");
    let head = client.send("HEAD", &format!("/topologies/{id}"), &[], "").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
}

#[tokio::test]
async fn catalogues_and_free_subnets_and_addresses_are_returned() {
    let client = Client::new();
    let services = client.get("/services").await.is(200);
    assert!(
        services["services"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|service| service["name"] == "ssh")
    );
    let archetypes = client.get("/archetypes").await.is(200);
    assert!(!archetypes["archetypes"].as_array().expect("a list").is_empty());
    let health = client.get("/healthz").await.is(200);
    assert_eq!(health["status"], "ok");
    assert!(health.get("instance").is_none(), "everyone may ask: {health}");
    let id = client.store("corp").await;
    let subnet = client.get("/next-subnet?base=10.90.0.0/16").await.is(200);
    assert_eq!(subnet["subnet"], "10.90.2.0/24");
    let ip = client
        .get(&format!("/topologies/{id}/lans/office/next-ip"))
        .await
        .is(200);
    assert_eq!(ip, json!({ "lan": "office", "ip": "10.90.1.2" }));
    client
        .get(&format!("/topologies/{id}/lans/ofice/next-ip"))
        .await
        .problem(404, "not_found");
    client
        .get("/next-subnet?base=10.90.0.0/24&prefix=16")
        .await
        .problem(422, "exhausted");
    client
        .get("/next-subnet?base=127.0.0.0/8")
        .await
        .problem(422, "SUBNET_SPECIAL");
    client
        .get("/next-subnet?base=here")
        .await
        .problem(400, "invalid_parameter");
    client
        .get("/next-subnet?prefix=wide")
        .await
        .problem(400, "invalid_parameter");
}

#[tokio::test]
async fn the_history_of_a_topology_is_returned() {
    let client = Client::new();
    let id = client.deploy("corp").await;
    let events = client.get(&format!("/topologies/{id}/status-events")).await.is(200);
    let to: Vec<_> = events["events"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|event| event["to"].clone())
        .collect();
    assert_eq!(to, [json!("pending"), json!("deploying"), json!("active")]);
    let now = jiff::Timestamp::now();
    let at = client.get(&format!("/topologies/{id}/at?time={now}")).await.is(200);
    assert_eq!(
        (&at["status"], at["deckies"].as_array().expect("a list").len()),
        (&json!("active"), 2)
    );
    client
        .get(&format!("/topologies/{id}/at?time=2000-01-01T00:00:00Z"))
        .await
        .problem(404, "not_found");
    client
        .get(&format!("/topologies/{id}/at?time=soon"))
        .await
        .problem(400, "invalid_parameter");
    client
        .get(&format!("/topologies/{id}/at"))
        .await
        .problem(400, "invalid_parameter");
    let state = client.get(&format!("/topologies/{id}/state")).await.is(200);
    assert_eq!(state["deckies"].as_array().expect("a list").len(), 2);
    assert_eq!(
        client.get(&format!("/topologies/{id}/logs")).await.is(200),
        json!({ "entries": [], "more": false })
    );
}

#[tokio::test]
async fn an_id_that_is_foreign_or_not_an_id_names_nothing() {
    let client = Client::new();
    client.store("corp").await;
    let foreign = "/topologies/01234567-89ab-4cde-8f01-23456789abcd";
    for path in [
        "",
        "/document",
        "/lans",
        "/deckies",
        "/edges",
        "/mutations",
        "/status-events",
        "/events",
        "/logs",
        "/state",
    ] {
        client.get(&format!("{foreign}{path}")).await.problem(404, "not_found");
    }
    for id in [
        "corp",
        "1",
        "%00",
        "..%2f..%2fetc%2fpasswd",
        "0123",
        "%F0%9F%A6%80",
        "'%20OR%201=1--",
    ] {
        client.get(&format!("/topologies/{id}")).await.problem(404, "not_found");
    }
    for action in ["deploy", "teardown", "reconcile", "verify", "plan", "mutations", "lans"] {
        let body = json!({ "op": "remove_lan", "payload": { "name": "office" } });
        let body = if action == "mutations" { body } else { json!({}) };
        let reply = client.post(&format!("{foreign}/{action}"), &body).await;
        assert!([404, 422].contains(&reply.status.as_u16()), "{action}: {reply:?}");
    }
    client.send("DELETE", foreign, &[], "").await.problem(404, "not_found");
    assert_eq!(client.get("/topologies").await.is(200)["total"], 1);
}

#[tokio::test]
async fn literal_paths_are_not_ids() {
    let client = Client::new();
    // Mazes may have these names; they are reached by their ids.
    for name in ["blank", "generate", "validate"] {
        let stored = client.post("/topologies/blank", &json!({ "name": name })).await.is(201);
        client
            .get(&format!("/topologies/{}", stored["id"].as_str().expect("an id")))
            .await
            .is(200);
        let reply = client.get(&format!("/topologies/{name}")).await;
        reply.problem(405, "method_not_allowed");
        assert_eq!(reply.header("allow"), "POST");
    }
}

#[tokio::test]
async fn paths_and_methods_without_a_route_are_problems() {
    let client = Client::new();
    for path in [
        "",
        "/",
        "/nothing",
        "/topologies/",
        "//topologies",
        "/../topologies",
        "/TOPOLOGIES",
    ] {
        let problem = client.get(path).await.problem(404, "not_found");
        assert!(
            problem["hint"].as_str().expect("a hint").contains("openapi.json"),
            "{problem}"
        );
    }
    client.get("/topologies/%ff").await.problem(400, "malformed");
    let reply = client.send("PATCH", "/topologies", &[], "").await;
    reply.problem(405, "method_not_allowed");
    let mut allowed: Vec<_> = reply.header("allow").split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);
    for method in ["OPTIONS", "TRACE", "CONNECT", "BREW"] {
        client
            .send(method, "/topologies", &[], "")
            .await
            .problem(405, "method_not_allowed");
    }
}

#[tokio::test]
async fn unknown_repeated_and_wrong_parameters_are_refused() {
    let client = Client::new();
    for (query, code) in [
        ("staus=active", "unknown_parameter"),
        ("ticket=1", "unknown_parameter"),
        ("limit=1&limit=2", "invalid_parameter"),
        ("limit=-1", "invalid_parameter"),
        ("limit=1001", "invalid_parameter"),
        ("offset=2147483649", "invalid_parameter"),
        ("offset=many", "invalid_parameter"),
        ("offset=2147483649", "invalid_parameter"),
        ("status=sleeping", "invalid_parameter"),
        ("name=", "invalid_parameter"),
    ] {
        client.get(&format!("/topologies?{query}")).await.problem(400, code);
    }
    let problem = client
        .get("/topologies?staus=active")
        .await
        .problem(400, "unknown_parameter");
    assert!(
        problem["detail"].as_str().expect("a detail").contains("`status`"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_wrong_parameter_is_named_with_the_form_of_its_values() {
    let client = Client::new();
    for (path, detail) in [
        (
            "/topologies?limit=-1",
            "`limit` is `-1`; it must be a whole number from 0 to 1000",
        ),
        (
            "/topologies?offset=many",
            "`offset` is `many`; it must be a whole number from 0 to 2147483648",
        ),
        (
            "/topologies/00000000-0000-0000-0000-000000000000/graph.svg?states=maybe",
            "`states` is `maybe`; it must be `true` or `false`",
        ),
        (
            "/topologies?limit=1001",
            "`limit` is `1001`; it must be a whole number from 0 to 1000",
        ),
        (
            "/next-subnet?prefix=many",
            "`prefix` is `many`; it must be a whole number from 0 to 32",
        ),
        (
            "/topologies/00000000-0000-0000-0000-000000000000/at?time=tomorow",
            "`time` is `tomorow`; it must be a time like 2030-01-31T12:00:00Z",
        ),
    ] {
        let problem = client.get(path).await.problem(400, "invalid_parameter");
        assert_eq!(problem["detail"], detail);
    }
}

#[tokio::test]
async fn every_answer_has_the_id_of_its_request() {
    let client = Client::new();
    for path in ["/topologies", "/nothing"] {
        let given = client.send("GET", path, &[("x-request-id", "abc-1.2")], "").await;
        assert_eq!(given.header("x-request-id"), "abc-1.2");
        let drawn = client.get(path).await;
        assert_eq!(drawn.header("x-request-id").len(), 16);
        for hostile in ["a b", "<script>", &"x".repeat(129)] {
            let reply = client.send("GET", path, &[("x-request-id", hostile)], "").await;
            assert_ne!(reply.header("x-request-id"), hostile);
        }
    }
}
