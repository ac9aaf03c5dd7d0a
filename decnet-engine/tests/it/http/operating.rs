//! Operations on Docker.

use std::{sync::Arc, time::Duration};

use decnet_engine::{CancellationToken, HttpOptions, OpenAccess, RuntimeError, simulated::Moment};
use serde_json::json;

use super::Client;

#[tokio::test]
async fn a_maze_goes_from_its_file_to_running_and_back() {
    let client = Client::new();
    let id = client.store("corp").await;
    let path = format!("/topologies/{id}");
    let plan = client.post(&format!("{path}/plan"), &json!({})).await.is(200);
    let steps = plan["steps"].as_array().expect("steps").len();
    assert!(steps > 5 && plan["refusal"].is_null(), "{plan}");

    let reply = client.post(&format!("{path}/deploy"), &json!({})).await;
    let begun = reply.is(202);
    assert_eq!(
        (&begun["operation"], &begun["actor"]),
        (&json!("deploy"), &json!("local"))
    );
    let location = reply
        .header("location")
        .strip_prefix("/api/v1")
        .expect("a path")
        .to_owned();
    let done = client
        .send("GET", &location, &[("prefer", "wait=60")], "")
        .await
        .is(200);
    assert_eq!(
        (&done["state"], &done["result"]["status"]),
        (&json!("succeeded"), &json!("active"))
    );
    assert_eq!(done["result"]["changed"], steps);
    assert_eq!(client.get(&path).await.is(200)["status"], "active");

    let verified = client.operate(&format!("{path}/verify"), &json!({})).await.is(200);
    assert_eq!(verified["result"]["clean"], true, "{verified}");
    let restarted = client
        .operate(&format!("{path}/restart"), &json!({ "decky": "pc" }))
        .await
        .is(200);
    assert_eq!(restarted["state"], "succeeded", "{restarted}");
    let healed = client
        .operate(&format!("{path}/reconcile"), &json!({ "force": false }))
        .await
        .is(200);
    assert_eq!(healed["result"]["changed"], 0, "{healed}");

    let reply = client.operate(&format!("{path}/teardown"), &json!({})).await;
    assert_eq!(reply.is(200)["result"]["status"], "torn_down");
    assert_eq!(reply.header("preference-applied"), "wait=60");
    assert!(client.docker.world().containers.is_empty());
    let all = client.get("/operations").await.is(200);
    assert_eq!(
        (&all["total"], all["operations"].as_array().expect("a list").len()),
        (&json!(5), 5)
    );
    assert!(all["operations"][0].get("result").is_none(), "{all}");
    let page = client.get("/operations?limit=2&offset=3").await.is(200);
    let (first, last) = (&page["operations"][0]["operation"], &page["operations"][1]["operation"]);
    assert_eq!(
        (first, last, &page["total"]),
        (&json!("reconcile"), &json!("teardown"), &json!(5))
    );
}

#[tokio::test]
async fn a_teardown_needs_no_body() {
    let client = Client::new();
    let id = client.deploy("corp").await;
    let reply = client
        .send(
            "POST",
            &format!("/topologies/{id}/teardown"),
            &[("prefer", "wait=60")],
            "",
        )
        .await;
    assert_eq!(reply.is(200)["result"]["status"], "torn_down");
}

#[tokio::test]
async fn a_failed_operation_is_a_problem_and_stays_to_be_read() {
    let client = Client::new();
    let id = client.store("corp").await;
    let refused = RuntimeError::Refused { reason: "no".into() };
    client.docker.fail(3, Moment::Before, refused);
    let reply = client.operate(&format!("/topologies/{id}/deploy"), &json!({})).await;
    let problem = reply.problem(502, "deploy_failed");
    assert!(problem["hint"].is_string(), "{problem}");
    let location = reply
        .header("content-location")
        .strip_prefix("/api/v1")
        .expect("a path");
    let kept = client.get(location).await.is(200);
    assert_eq!(
        (&kept["state"], &kept["problem"]["code"]),
        (&json!("failed"), &json!("deploy_failed"))
    );
    assert_eq!(
        client.get(&format!("/topologies/{id}")).await.is(200)["status"],
        "failed"
    );
}

#[tokio::test]
async fn wrong_bodies_conditions_and_statuses_start_nothing() {
    let client = Client::new();
    let id = client.store("corp").await;
    let path = format!("/topologies/{id}");
    for (action, body, code) in [
        ("deploy", json!({ "forse": true }), "invalid_body"),
        ("deploy", json!({ "force": "yes" }), "invalid_body"),
        (
            "deploy",
            json!({ "settings": { "publish": [], "colour": 1 } }),
            "invalid_body",
        ),
        ("plan", json!({ "operation": "explode" }), "invalid_body"),
        ("restart", json!({}), "invalid_body"),
        ("restart", json!({ "decky": "a b" }), "invalid_body"),
        ("reconcile", json!([true, false]), "invalid_body"),
    ] {
        client.post(&format!("{path}/{action}"), &body).await.problem(422, code);
    }
    let late = client
        .json("POST", &format!("{path}/deploy"), &[("if-match", "\"v7\"")], &json!({}))
        .await;
    late.problem(412, "version_conflict");
    assert!(
        client.get("/operations").await.is(200)["operations"]
            .as_array()
            .expect("a list")
            .is_empty()
    );
    let problem = client
        .operate(&format!("{path}/reconcile"), &json!({}))
        .await
        .problem(409, "wrong_status");
    assert_eq!(problem["hint"], "POST …/deploy deploys it", "{problem}");
    client
        .operate(&format!("{path}/restart"), &json!({ "decky": "nobody" }))
        .await
        .problem(409, "wrong_status");
    client.get("/operations/1234").await.problem(404, "not_found");
    client
        .send("DELETE", "/operations/..%2f", &[], "")
        .await
        .problem(404, "not_found");
    assert!(client.docker.world().containers.is_empty());
}

#[tokio::test]
async fn the_settings_of_a_deploy_are_stored() {
    let client = Client::new();
    let id = client.store("corp").await;
    let body = json!({ "settings": { "publish": ["ssh=2222"], "dmz_egress": "dns-only" } });
    client.operate(&format!("/topologies/{id}/deploy"), &body).await.is(200);
    let settings = client.get(&format!("/topologies/{id}")).await.is(200)["settings"].clone();
    assert_eq!(settings, body["settings"]);
}

#[tokio::test]
async fn without_docker_mazes_are_edited_and_not_deployed() {
    let client = Client::new();
    client.docker.go_away();
    let id = client.store("corp").await;
    let path = format!("/topologies/{id}");
    client
        .post(&format!("{path}/lans"), &json!({ "name": "vault" }))
        .await
        .is(201);
    client
        .operate(&format!("{path}/deploy"), &json!({}))
        .await
        .problem(503, "docker_unreachable");
    client
        .post(&format!("{path}/plan"), &json!({}))
        .await
        .problem(503, "docker_unreachable");
    client
        .get(&format!("{path}/state"))
        .await
        .problem(503, "docker_unreachable");
    client.get("/healthz").await.is(200);
    assert_eq!(client.get(&path).await.is(200)["status"], "pending");
}

#[tokio::test]
async fn a_maze_that_is_edited_after_its_condition_was_checked_is_not_deployed() {
    for action in ["deploy", "teardown"] {
        let client = Client::new();
        let id = client.store("corp").await;
        let path = format!("/topologies/{id}");
        let (edit, action) = (format!("{path}/lans"), format!("{path}/{action}"));
        let headers = [("if-match", "\"v1\""), ("prefer", "wait=60")];
        // Both conditions hold when the requests arrive.
        let (nothing, lan) = (json!({}), json!({ "name": "vault", "subnet": "10.90.2.0/24" }));
        let (operated, edited) = tokio::join!(
            client.json("POST", &action, &headers, &nothing),
            client.json("POST", &edit, &headers, &lan),
        );
        edited.is(201);
        let problem = operated.problem(412, "version_conflict");
        assert_eq!((&problem["expected"], &problem["current"]), (&json!(1), &json!(2)));
        let kept = client
            .get(operated.header("content-location").trim_start_matches("/api/v1"))
            .await
            .is(200);
        assert_eq!(kept["problem"]["status"], 412);
        assert_eq!(client.get(&path).await.is(200)["status"], "pending");
        assert!(client.docker.world().containers.is_empty());
    }
}

#[tokio::test]
async fn an_operation_is_interrupted_and_undone() {
    let client = Client::new();
    let id = client.store("corp").await;
    client.docker.pace(Duration::from_millis(20));
    let begun = client
        .post(&format!("/topologies/{id}/deploy"), &json!({}))
        .await
        .is(202);
    let operation = format!("/operations/{}", begun["id"].as_str().expect("an id"));
    client.send("DELETE", &operation, &[], "").await.is(202);
    let ended = client
        .send("GET", &operation, &[("prefer", "wait=60")], "")
        .await
        .is(200);
    assert_eq!(
        (&ended["state"], &ended["problem"]["code"]),
        (&json!("failed"), &json!("interrupted"))
    );
    assert!(client.docker.world().containers.is_empty());
}

#[tokio::test]
async fn a_short_wait_ends_with_the_place_of_the_operation() {
    let client = Client::new();
    let id = client.store("corp").await;
    client.docker.pace(Duration::from_millis(20));
    let reply = client
        .json(
            "POST",
            &format!("/topologies/{id}/deploy"),
            &[("prefer", "wait=0")],
            &json!({}),
        )
        .await;
    assert_eq!(reply.is(202)["state"], "running");
    assert!(reply.header("location").starts_with("/api/v1/operations/"), "{reply:?}");
}

#[tokio::test]
async fn there_are_only_so_many_operations_and_none_after_the_stop() {
    let stop = CancellationToken::new();
    let options = HttpOptions::new(Arc::new(OpenAccess))
        .max_operations(1)
        .stop(stop.clone());
    let client = Client::with(options);
    let id = client.store("corp").await;
    client.docker.pace(Duration::from_millis(20));
    let begun = client
        .post(&format!("/topologies/{id}/deploy"), &json!({}))
        .await
        .is(202);
    client
        .post(&format!("/topologies/{id}/verify"), &json!({}))
        .await
        .problem(503, "too_many_operations");
    stop.cancel();
    let operation = format!("/operations/{}", begun["id"].as_str().expect("an id"));
    let ended = client
        .send("GET", &operation, &[("prefer", "wait=60")], "")
        .await
        .is(200);
    assert_eq!(ended["problem"]["code"], "interrupted");
    client
        .post(&format!("/topologies/{id}/deploy"), &json!({}))
        .await
        .problem(503, "stopping");
    client.get("/healthz").await.problem(503, "stopping");
}

#[tokio::test]
async fn orphans_are_reported_and_reaped() {
    let client = Client::new();
    let nothing = client
        .operate("/reap-orphans", &json!({ "dry_run": true }))
        .await
        .is(200);
    assert_eq!(nothing["result"]["executed"], false);
    let done = client.operate("/reap-orphans", &json!({})).await.is(200);
    assert_eq!(done["result"]["report"]["orphans"], json!([]));
    client
        .operate("/reap-orphans", &json!({ "all": true }))
        .await
        .problem(422, "invalid_body");
    client
        .operate("/reap-orphans", &json!({ "instance": "mine" }))
        .await
        .problem(422, "invalid_body");
}
