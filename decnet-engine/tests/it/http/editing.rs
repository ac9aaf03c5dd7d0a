//! LANs, deckies and attachments, and the queue of mutations.

use serde_json::json;

use super::Client;

#[tokio::test]
async fn the_parts_of_a_pending_maze_are_changed_one_by_one() {
    let client = Client::new();
    let id = client.store("corp").await;
    let path = format!("/topologies/{id}");
    let reply = client
        .post(
            &format!("{path}/lans"),
            &json!({ "name": "vault", "subnet": "10.90.2.0/24" }),
        )
        .await;
    assert_eq!(reply.is(201)["subnet"], "10.90.2.0/24");
    assert_eq!(reply.header("location"), format!("/api/v1{path}/lans/vault"));
    assert_eq!(reply.header("etag"), "\"v2\"");
    let decky = json!({ "name": "safe", "lan": "vault", "services": ["ssh"] });
    let reply = client.post(&format!("{path}/deckies"), &decky).await;
    assert_eq!(reply.is(201)["attachments"][0]["lan"], "vault");
    let reply = client
        .post(&format!("{path}/edges"), &json!({ "decky": "pc", "lan": "vault" }))
        .await;
    assert_eq!(
        reply.is(201),
        json!({ "decky": "pc", "lan": "vault", "ip": "10.90.2.3" })
    );
    assert_eq!(reply.header("location"), format!("/api/v1{path}/edges/pc/vault"));
    assert_eq!(
        client.get(&format!("{path}/edges/PC/Vault")).await.is(200)["ip"],
        "10.90.2.3"
    );
    assert_eq!(
        client.get(&format!("{path}/edges")).await.is(200)["edges"]
            .as_array()
            .expect("a list")
            .len(),
        5
    );

    let patched = client
        .json(
            "PATCH",
            &format!("{path}/lans/vault"),
            &[],
            &json!({ "name": "crypt", "x": 4 }),
        )
        .await
        .is(200);
    assert_eq!((&patched["name"], &patched["x"]), (&json!("crypt"), &json!(4.0)));
    let change = json!({ "services": ["ssh", "smb"], "archetype": null, "y": 2.5 });
    let patched = client
        .json("PATCH", &format!("{path}/deckies/safe"), &[], &change)
        .await
        .is(200);
    assert_eq!(
        (&patched["services"], &patched["y"]),
        (&json!(["smb", "ssh"]), &json!(2.5))
    );

    client
        .send("DELETE", &format!("{path}/edges/pc/crypt"), &[], "")
        .await
        .is(204);
    client
        .send("DELETE", &format!("{path}/deckies/safe"), &[], "")
        .await
        .is(204);
    let reply = client.send("DELETE", &format!("{path}/lans/crypt"), &[], "").await;
    reply.is(204);
    assert_eq!(reply.header("etag"), "\"v9\"");
    client
        .get(&format!("{path}/lans/crypt"))
        .await
        .problem(404, "not_found");
    client
        .get(&format!("{path}/deckies/safe"))
        .await
        .problem(404, "not_found");
    let queue = client.get(&format!("{path}/mutations")).await.is(200);
    assert_eq!(queue["total"], 8);
    assert!(
        queue["mutations"]
            .as_array()
            .expect("a list")
            .iter()
            .all(|row| row["actor"] == "local"),
        "{queue}"
    );
}

#[tokio::test]
async fn changes_that_the_maze_refuses_change_nothing() {
    let client = Client::new();
    let id = client.store("corp").await;
    let path = format!("/topologies/{id}");
    for (method, part, body, status, code) in [
        ("POST", "/lans", json!({ "name": "office" }), 409, "LAN_NAME_DUP"),
        ("POST", "/lans", json!({ "name": "o_o" }), 422, "NAME_INVALID"),
        (
            "POST",
            "/lans",
            json!({ "name": "x", "subnet": "10.90.1.0/25" }),
            422,
            "RESULT_INVALID",
        ),
        ("POST", "/lans", json!({ "name": "x", "dmz": true }), 422, "UNKNOWN_KEY"),
        ("POST", "/lans", json!({}), 422, "MISSING_KEY"),
        ("POST", "/lans", json!([]), 422, "WRONG_TYPE"),
        (
            "POST",
            "/deckies",
            json!({ "name": "web", "lan": "dmz" }),
            409,
            "DECKY_NAME_DUP",
        ),
        (
            "POST",
            "/deckies",
            json!({ "name": "x", "lan": "nowhere" }),
            422,
            "UNKNOWN_LAN",
        ),
        (
            "POST",
            "/deckies",
            json!({ "name": "x", "lan": "dmz", "services": "ssh" }),
            422,
            "WRONG_TYPE",
        ),
        (
            "POST",
            "/edges",
            json!({ "decky": "web", "lan": "office" }),
            422,
            "ALREADY_ATTACHED",
        ),
        ("PATCH", "/lans/nowhere", json!({ "x": 1 }), 404, "UNKNOWN_LAN"),
        ("PATCH", "/lans/office", json!({ "colour": "red" }), 422, "UNKNOWN_KEY"),
        (
            "PATCH",
            "/deckies/nobody",
            json!({ "services": [] }),
            404,
            "UNKNOWN_DECKY",
        ),
        (
            "PATCH",
            "/deckies/pc",
            json!({ "services": ["htpp"] }),
            422,
            "RESULT_INVALID",
        ),
        ("PATCH", "/deckies/pc", json!({ "decky": "web" }), 422, "UNKNOWN_KEY"),
        ("PATCH", "/deckies/pc", json!([1]), 422, "invalid_body"),
        ("DELETE", "/lans/dmz", json!({}), 422, "LAN_IS_A_HOME"),
        ("DELETE", "/lans/nowhere", json!({}), 404, "UNKNOWN_LAN"),
        ("DELETE", "/deckies/..%2fweb", json!({}), 404, "NAME_INVALID"),
        ("DELETE", "/edges/pc/dmz", json!({}), 404, "NOT_ATTACHED"),
        ("DELETE", "/edges/pc/office", json!({}), 422, "DETACH_FROM_HOME"),
        ("PATCH", "/edges/pc/office", json!({}), 405, "method_not_allowed"),
    ] {
        let reply = client.json(method, &format!("{path}{part}"), &[], &body).await;
        reply.problem(status, code);
    }
    let kind = ("content-type", "application/json");
    let twice = r#"{"name": "x", "name": "y"}"#;
    client
        .send("POST", &format!("{path}/lans"), &[kind], twice)
        .await
        .problem(400, "SYNTAX");
    let more = r#"{"name": "x"}, "op": "remove_lan""#;
    client
        .send("POST", &format!("{path}/lans"), &[kind], more)
        .await
        .problem(400, "malformed");
    let refused = client
        .post(
            &format!("{path}/lans"),
            &json!({ "name": "x", "subnet": "10.90.1.0/25" }),
        )
        .await
        .is(422);
    assert_eq!(refused["findings"][0]["code"], "SUBNET_OVERLAP");
    assert_eq!(client.get(&path).await.is(200)["version"], 1);
}

#[tokio::test]
async fn a_part_is_changed_only_at_the_expected_version() {
    let client = Client::new();
    let id = client.store("corp").await;
    let path = format!("/topologies/{id}/deckies/pc");
    let body = json!({ "services": [] });
    let (one, other) = tokio::join!(
        client.json("PATCH", &path, &[("if-match", "\"v1\"")], &body),
        client.send("DELETE", &path, &[("if-match", "\"v1\"")], ""),
    );
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert!([[200, 412], [204, 412]].contains(&statuses), "{statuses:?}");
}

#[tokio::test]
async fn a_mutation_edits_a_pending_maze_and_queues_for_a_running_one() {
    let client = Client::new();
    let id = client.store("corp").await;
    let path = format!("/topologies/{id}");
    let add = |name: &str| json!({ "op": "add_lan", "payload": { "name": name } });
    let reply = client.post(&format!("{path}/mutations"), &add("vault")).await;
    assert_eq!(
        (&reply.is(200)["topology"]["version"], reply.header("etag")),
        (&json!(2), "\"v2\"")
    );
    let attach = json!({ "op": "attach_decky", "payload": { "decky": "pc", "lan": "vault" } });
    client.post(&format!("{path}/mutations"), &attach).await.is(200);
    client.operate(&format!("{path}/deploy"), &json!({})).await.is(200);

    let decky = json!({ "op": "add_decky", "payload": { "name": "db", "lan": "office", "services": ["mysql"] } });
    let reply = client.post(&format!("{path}/mutations"), &decky).await;
    let queued = reply.is(202);
    assert_eq!(
        (&queued["mutation"]["state"], &queued["mutation"]["actor"]),
        (&json!("pending"), &json!("local"))
    );
    let location = reply.header("location").strip_prefix("/api/v1").expect("a path");
    assert_eq!(client.get(location).await.is(200)["mutation"]["state"], "pending");
    // With a wait, it is applied unless another process does.
    let done = client.operate(&format!("{path}/mutations"), &add("later")).await;
    assert_eq!(done.is(200)["mutation"]["state"], "applied");
    assert_eq!(done.header("preference-applied"), "wait=60");
    assert_eq!(client.get(location).await.is(200)["mutation"]["state"], "applied");

    let queued = client
        .send("DELETE", &format!("{path}/deckies/db"), &[], "")
        .await
        .is(202);
    assert_eq!(queued["mutation"]["mutation"]["op"], "remove_decky");
    let pending = client.get(&format!("{path}/mutations?state=pending")).await.is(200);
    assert_eq!(pending["total"], 1);
    let late = client
        .json(
            "POST",
            &format!("{path}/mutations"),
            &[("if-match", "\"v2\"")],
            &add("x"),
        )
        .await;
    late.problem(412, "version_conflict");
}

#[tokio::test]
async fn wrong_mutations_are_refused() {
    let client = Client::new();
    let id = client.store("corp").await;
    let path = format!("/topologies/{id}/mutations");
    for (body, status, code) in [
        ("", 400, "SYNTAX"),
        ("{", 400, "SYNTAX"),
        ("{\"op\": 1, \"payload\": {}}", 422, "WRONG_TYPE"),
        ("{\"op\": \"add_lamp\", \"payload\": {}}", 422, "UNKNOWN_OP"),
        ("{\"op\": \"add_lan\"}", 422, "MISSING_KEY"),
        (
            "{\"op\": \"add_lan\", \"payload\": {\"name\": \"x\"}, \"actor\": \"root\"}",
            422,
            "UNKNOWN_KEY",
        ),
    ] {
        let reply = client
            .send("POST", &path, &[("content-type", "application/json")], body)
            .await;
        reply.problem(status, code);
    }
    for number in ["0", "99", "-1", "one", "%231"] {
        client.get(&format!("{path}/{number}")).await.problem(404, "not_found");
    }
    client
        .get(&format!("{path}?state=done"))
        .await
        .problem(400, "invalid_parameter");
    // A mutation of another maze is not one of this.
    let branch = client
        .post("/topologies/blank", &json!({ "name": "branch" }))
        .await
        .is(201);
    let branch = format!("/topologies/{}", branch["id"].as_str().expect("an id"));
    client
        .post(&format!("{branch}/lans"), &json!({ "name": "x" }))
        .await
        .is(201);
    client.get(&format!("{branch}/mutations/1")).await.is(200);
    client.get(&format!("{path}/1")).await.problem(404, "not_found");
}
