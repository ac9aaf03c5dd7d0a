//! Requests with an idempotency key.

use serde_json::{Value, json};

use super::{Client, Reply, maze};

async fn create(client: &Client, key: &str, body: &Value) -> Reply {
    client
        .json("POST", "/topologies", &[("idempotency-key", key)], body)
        .await
}

#[tokio::test]
async fn a_repeated_request_has_the_same_answer_and_is_done_once() {
    let client = Client::new();
    let first = create(&client, "one", &maze("corp")).await;
    let again = create(&client, "one", &maze("corp")).await;
    assert_eq!(first.is(201), again.is(201));
    assert_eq!(
        (first.header("location"), first.header("etag")),
        (again.header("location"), again.header("etag"))
    );
    assert!(!first.headers.contains_key("idempotency-replayed"));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_ne!(first.header("x-request-id"), again.header("x-request-id"));
    assert_eq!(client.get("/topologies").await.is(200)["total"], 1);
    // Without the key, or with another, it is another request.
    create(&client, "two", &maze("corp")).await.problem(409, "name_taken");
    create(&client, "two", &maze("corp")).await.problem(409, "name_taken");
}

#[tokio::test]
async fn a_key_of_another_request_is_refused() {
    let client = Client::new();
    create(&client, "one", &maze("corp")).await.is(201);
    create(&client, "one", &maze("branch"))
        .await
        .problem(422, "idempotency_key_reused");
    let other = client
        .json(
            "POST",
            "/topologies/validate",
            &[("idempotency-key", "one")],
            &maze("corp"),
        )
        .await;
    // Reading needs no key.
    other.is(200);
    for key in ["", " ", "\u{e9}", &"x".repeat(256)] {
        create(&client, key, &maze("corp")).await.problem(400, "invalid_header");
    }
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let client = Client::new();
    let id = client.store("corp").await;
    create(&client, "one", &maze("corp")).await.problem(409, "name_taken");
    client
        .send("DELETE", &format!("/topologies/{id}"), &[], "")
        .await
        .is(204);
    let stored = create(&client, "one", &maze("corp")).await;
    stored.is(201);
    assert!(!stored.headers.contains_key("idempotency-replayed"));
}

#[tokio::test]
async fn the_condition_is_a_part_of_the_request() {
    let client = Client::new();
    let id = client.store("corp").await;
    let path = format!("/topologies/{id}/lans");
    let add = async |version: &str| {
        let headers = [("idempotency-key", "one"), ("if-match", version)];
        client
            .json(
                "POST",
                &path,
                &headers,
                &json!({ "name": "vault", "subnet": "10.90.2.0/24" }),
            )
            .await
    };
    add("\"v1\"").await.is(201);
    add("\"v1\"").await.is(201);
    add("\"v2\"").await.problem(422, "idempotency_key_reused");
}

#[tokio::test]
async fn the_same_request_at_the_same_time_is_done_once() {
    let client = Client::new();
    let body = maze("corp");
    let (one, other, third) = tokio::join!(
        create(&client, "one", &body),
        create(&client, "one", &body),
        create(&client, "one", &body)
    );
    assert_eq!((one.is(201), other.is(201)), (third.is(201), third.is(201)));
    let id = client.store_and_deploy_twice("two").await;
    assert_eq!(
        client.get("/operations").await.is(200)["operations"]
            .as_array()
            .expect("a list")
            .len(),
        1,
        "{id}"
    );
}

impl Client {
    async fn store_and_deploy_twice(&self, key: &str) -> String {
        let stored = self.get("/topologies").await.is(200);
        let id = stored["topologies"][0]["id"].as_str().expect("an id").to_owned();
        let path = format!("/topologies/{id}/deploy");
        let header = [("idempotency-key", key)];
        let body = json!({});
        let (one, other) = tokio::join!(
            self.json("POST", &path, &header, &body),
            self.json("POST", &path, &header, &body)
        );
        assert_eq!(one.is(202)["id"], other.is(202)["id"]);
        id
    }
}
