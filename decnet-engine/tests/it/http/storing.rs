//! Mazes are stored, replaced and deleted.

use axum::body::Body;
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use super::{Client, maze};

#[tokio::test]
async fn a_maze_file_is_stored_in_json_and_yaml() {
    let client = Client::new();
    let reply = client.post("/topologies", &maze("corp")).await;
    let stored = reply.is(201);
    assert_eq!((&stored["result"], &stored["deckies"]), (&json!("created"), &json!(2)));
    let path = format!("/api/v1/topologies/{}", stored["id"].as_str().expect("an id"));
    assert_eq!(
        (reply.header("location"), reply.header("etag")),
        (path.as_str(), "\"v1\"")
    );
    let yaml = "format: decnet.topology/1\nname: branch\nlans: [{name: dmz, dmz: true}]\n";
    let reply = client
        .send(
            "POST",
            "/topologies",
            &[("content-type", "application/yaml; charset=utf-8")],
            yaml,
        )
        .await;
    assert_eq!(reply.is(201)["name"], "branch");
}

#[tokio::test]
async fn a_maze_file_for_the_agent_of_an_unknown_host_is_refused_and_not_stored() {
    let client = Client::new();
    client
        .post("/topologies?agent=east", &maze("corp"))
        .await
        .problem(422, "agent_mode");
    let listed = client.get("/topologies").await.is(200);
    assert!(!listed.to_string().contains("corp"), "{listed}");
    client
        .post("/topologies?agent=e_ast", &maze("branch"))
        .await
        .problem(400, "invalid_parameter");
}

#[tokio::test]
async fn a_name_in_use_is_refused_and_the_other_maze_stays() {
    let client = Client::new();
    let id = client.store("corp").await;
    let mut other = maze("CORP");
    other["lans"][1]["subnet"] = json!("10.90.7.0/24");
    let problem = client.post("/topologies", &other).await.problem(409, "name_taken");
    assert_eq!(problem["id"], id);
    client
        .post("/topologies", &maze("branch"))
        .await
        .problem(422, "invalid");
    client
        .post("/topologies/blank", &json!({ "name": "corp" }))
        .await
        .problem(409, "name_taken");
    let kept = client.get(&format!("/topologies/{id}")).await.is(200);
    assert_eq!(kept["topology"]["lans"][1]["subnet"], "10.90.1.0/24");
}

#[tokio::test]
async fn a_wrong_document_is_refused_with_all_findings_and_their_places() {
    let client = Client::new();
    let text = r#"{
  "format": "decnet.topology/1", "name": "corp", "colour": "red",
  "lans": [{"name": "dmz", "dmz": "yes"}, {"name": "o_ffice", "subnet": "10.0.0.1/24"}]
}"#;
    let reply = client
        .send("POST", "/topologies", &[("content-type", "application/json")], text)
        .await;
    let problem = reply.problem(422, "invalid");
    let findings = problem["findings"].as_array().expect("findings");
    let codes: Vec<_> = findings
        .iter()
        .map(|finding| finding["code"].as_str().expect("a code"))
        .collect();
    assert_eq!(codes, ["DOC_UNKNOWN_KEY", "DOC_TYPE", "SUBNET_MALFORMED"], "{problem}");
    assert!(
        findings
            .iter()
            .all(|finding| finding["line"].is_u64() && finding["column"].is_u64()),
        "{problem}"
    );

    let mut rules = maze("corp");
    rules["deckies"][1]["services"] = json!(["htpp"]);
    rules["deckies"][1]["attachments"][0]["ip"] = json!("10.90.1.10");
    let problem = client.post("/topologies", &rules).await.problem(422, "invalid");
    let findings = problem["findings"].as_array().expect("findings");
    let codes: Vec<_> = findings
        .iter()
        .map(|finding| finding["code"].as_str().expect("a code"))
        .collect();
    assert_eq!(codes, ["IP_COLLISION", "UNKNOWN_SERVICE"], "{problem}");
    assert!(findings.iter().all(|finding| finding["line"] == 1), "{problem}");
    assert_eq!(client.get("/topologies").await.is(200)["total"], 0);
}

#[tokio::test]
async fn bodies_that_are_not_documents_are_refused() {
    let client = Client::new();
    for body in [
        "",
        "{",
        "[]",
        "null",
        "{}",
        r#"{"format": "decnet.topology/9"}"#,
        "\u{fffe}",
    ] {
        let reply = client
            .send("POST", "/topologies", &[("content-type", "application/json")], body)
            .await;
        let problem = reply.problem(400, "invalid");
        assert!(
            problem["findings"][0]["code"]
                .as_str()
                .expect("a code")
                .starts_with("DOC_"),
            "{problem}"
        );
    }
    let reply = client
        .send(
            "POST",
            "/topologies",
            &[("content-type", "application/json")],
            vec![0xff, 0xfe],
        )
        .await;
    reply.problem(400, "invalid");
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "",
        "application/xml",
    ] {
        let reply = client
            .send(
                "POST",
                "/topologies",
                &[("content-type", kind)],
                maze("corp").to_string(),
            )
            .await;
        reply.problem(415, "unsupported_media_type");
        assert_eq!(reply.header("accept"), "application/json or application/yaml");
    }
    assert_eq!(client.get("/topologies").await.is(200)["total"], 0);
}

#[tokio::test]
async fn bodies_that_are_too_large_are_refused_with_and_without_a_length() {
    let client = Client::new();
    let kind = ("content-type", "application/json");
    let large = "x".repeat((1 << 20) + 1);
    let problem = client
        .send("POST", "/topologies/blank", &[kind], large.clone())
        .await
        .problem(413, "body_too_large");
    assert_eq!(problem["limit"], 1 << 20);
    let pieces = || {
        let pieces: Vec<Result<_, std::io::Error>> = (0..2).map(|_| Ok("x".repeat(600_000))).collect();
        Body::from_stream(futures_util::stream::iter(pieces))
    };
    client
        .send("POST", "/topologies/blank", &[kind], pieces())
        .await
        .problem(413, "body_too_large");
    let id = client.store("corp").await;
    client
        .send("POST", &format!("/topologies/{id}/mutations"), &[kind], large.clone())
        .await
        .problem(413, "body_too_large");
    // A document may be larger; this one is refused for what it is.
    client
        .send("POST", "/topologies", &[kind], large)
        .await
        .problem(400, "invalid");
    let huge = vec![b' '; (64 << 20) + 1];
    client
        .send("POST", "/topologies", &[kind], huge)
        .await
        .problem(413, "body_too_large");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_pauses_for_too_long_is_refused() {
    let client = Client::new();
    let never = futures_util::stream::pending::<Result<String, std::io::Error>>();
    let body = Body::from_stream(never);
    let reply = client
        .send("POST", "/topologies", &[("content-type", "application/json")], body)
        .await;
    reply.problem(408, "slow_body");
}

#[tokio::test]
async fn uploads_that_stand_still_keep_no_other_waiting() {
    let client = std::sync::Arc::new(Client::new());
    let upload = |text: String, goes_on: bool| {
        let first = stream::iter([Ok::<_, std::io::Error>(text)]);
        let rest = stream::unfold(goes_on, async |goes_on| {
            if !goes_on {
                std::future::pending::<()>().await;
            }
            None
        });
        let (client, body) = (std::sync::Arc::clone(&client), Body::from_stream(first.chain(rest)));
        tokio::spawn(async move {
            client
                .send("POST", "/topologies", &[("content-type", "application/json")], body)
                .await
        })
    };
    let slow: Vec<_> = (0..40).map(|_| upload(" ".repeat(2 << 20), false)).collect();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let padded = format!("{}{}", " ".repeat(2 << 20), maze("corp"));
    upload(padded, true).await.expect("no panic").is(201);
    assert!(slow.iter().all(|upload| !upload.is_finished()));
    for upload in slow {
        upload.abort();
    }
}

#[tokio::test]
async fn a_config_is_generated_and_its_faults_are_listed() {
    let client = Client::new();
    let config = json!({ "name": "corp", "depth": 1, "branching_factor": 2, "seed": 7 });
    let stored = client.post("/topologies/generate", &config).await.is(201);
    assert_eq!((&stored["seed"], &stored["result"]), (&json!(7), &json!("created")));
    let wrong = json!({ "name": "corp", "depth": 0, "branching_factor": "2", "colour": "red" });
    let problem = client
        .post("/topologies/generate", &wrong)
        .await
        .problem(422, "invalid_config");
    let fields: Vec<_> = problem["faults"]
        .as_array()
        .expect("faults")
        .iter()
        .map(|fault| fault["field"].clone())
        .collect();
    assert_eq!(fields, [json!("branching_factor"), json!("colour"), json!("depth")]);
    let kind = ("content-type", "application/json");
    client
        .send("POST", "/topologies/generate", &[kind], "{\"name\"")
        .await
        .problem(400, "malformed");
}

#[tokio::test]
async fn a_blank_maze_has_a_dmz() {
    let client = Client::new();
    let body = json!({ "name": "corp", "subnet": "10.5.0.0/24" });
    let id = client.post("/topologies/blank", &body).await.is(201)["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let lans = client.get(&format!("/topologies/{id}/lans")).await.is(200);
    assert_eq!(lans["lans"][0]["subnet"], "10.5.0.0/24");
    for (body, status, code) in [
        (json!({}), 422, "invalid_body"),
        (json!({ "name": 7 }), 422, "invalid_body"),
        (json!({ "name": "x", "color": 1 }), 422, "invalid_body"),
        (json!([]), 422, "invalid_body"),
        (json!({ "name": "" }), 422, "invalid_name"),
        (json!({ "name": "x", "subnet": "10.0.0.1/24" }), 422, "SUBNET_MALFORMED"),
        (json!({ "name": "x", "subnet": "127.0.0.0/24" }), 422, "invalid"),
    ] {
        client.post("/topologies/blank", &body).await.problem(status, code);
    }
    assert_eq!(client.get("/topologies").await.is(200)["total"], 1);
}

#[tokio::test]
async fn a_document_is_validated_without_being_stored() {
    let client = Client::new();
    let valid = client.post("/topologies/validate", &maze("corp")).await.is(200);
    assert_eq!((&valid["valid"], &valid["errors"]), (&json!(true), &json!(0)));
    assert_eq!(client.get("/topologies").await.is(200)["total"], 0);
    client.store("corp").await;
    let other = maze("branch");
    assert_eq!(client.post("/topologies/validate", &other).await.is(200)["valid"], true);
    let against = client
        .post("/topologies/validate?against_store=true", &other)
        .await
        .is(200);
    assert_eq!(
        (&against["valid"], &against["findings"][0]["code"]),
        (&json!(false), &json!("SUBNET_OVERLAP"))
    );
    let kind = ("content-type", "application/yaml");
    let broken = client.send("POST", "/topologies/validate", &[kind], "a: [").await;
    assert_eq!(broken.problem(400, "invalid")["findings"][0]["code"], "DOC_SYNTAX");
    let wrong = "format: decnet.topology/1\nname: corp\nlan: []";
    let wrong = client
        .send("POST", "/topologies/validate", &[kind], wrong)
        .await
        .is(200);
    let first = &wrong["findings"][0];
    assert_eq!(
        (&first["code"], &first["line"]),
        (&json!("DOC_UNKNOWN_KEY"), &json!(3)),
        "{wrong}"
    );
    client
        .post("/topologies/validate?live=maybe", &other)
        .await
        .problem(400, "invalid_parameter");
}

#[tokio::test]
async fn a_pending_maze_is_replaced_if_it_has_the_expected_version() {
    let client = Client::new();
    let id = client.store("corp").await;
    let path = format!("/topologies/{id}");
    let mut changed = maze("corp");
    changed["deckies"][1]["services"] = json!(["smb", "rdp"]);
    let put = |tag: &'static str, body| {
        let (client, path) = (&client, path.clone());
        async move { client.json("PUT", &path, &[("if-match", tag)], &body).await }
    };
    let reply = put("\"v1\"", changed.clone()).await;
    assert_eq!(
        (&reply.is(200)["result"], reply.header("etag")),
        (&json!("replaced"), "\"v2\"")
    );
    // A second writer saw the first version too.
    let mut other = maze("corp");
    other["deckies"][1]["services"] = json!([]);
    let problem = put("\"v1\"", other.clone()).await.problem(412, "version_conflict");
    assert_eq!((&problem["expected"], &problem["current"]), (&json!(1), &json!(2)));
    assert_eq!(put("\"v2\"", changed).await.is(200)["result"], "unchanged");
    put("v2", other.clone()).await.problem(400, "invalid_header");
    put("\"v2\"", maze("branch")).await.problem(422, "name_mismatch");
    assert_eq!(client.json("PUT", &path, &[], &other).await.is(200)["version"], 3);
    let maze = client.get(&path).await.is(200);
    assert!(maze["topology"]["deckies"][1].get("services").is_none(), "{maze}");
}

#[tokio::test]
async fn two_writers_with_one_version_do_not_overwrite_each_other() {
    let client = Client::new();
    let id = client.store("corp").await;
    let path = format!("/topologies/{id}");
    let write = |services: &[&str]| {
        let mut body = maze("corp");
        body["deckies"][1]["services"] = json!(services);
        let (client, path) = (&client, path.clone());
        async move {
            client
                .json("PUT", &path, &[("if-match", "\"v1\"")], &body)
                .await
                .status
                .as_u16()
        }
    };
    let (rdp, none) = (["rdp"], []);
    let (one, other) = tokio::join!(write(&rdp), write(&none));
    let mut statuses = [one, other];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    assert_eq!(client.get(&path).await.is(200)["version"], 2);
}

#[tokio::test]
async fn a_running_maze_is_neither_replaced_nor_deleted() {
    let client = Client::new();
    let id = client.deploy("corp").await;
    let path = format!("/topologies/{id}");
    let mut changed = maze("corp");
    changed["deckies"][1]["services"] = json!([]);
    client
        .json("PUT", &path, &[], &changed)
        .await
        .problem(409, "wrong_status");
    let problem = client.send("DELETE", &path, &[], "").await.problem(409, "wrong_status");
    let hint = problem["hint"].as_str().expect("a hint");
    assert!(
        hint.contains(&format!("POST /api/v1/topologies/{id}/teardown")),
        "{hint}"
    );
    client.operate(&format!("{path}/teardown"), &json!({})).await.is(200);
    client
        .send("DELETE", &path, &[("if-match", "\"v9\"")], "")
        .await
        .problem(412, "version_conflict");
    client
        .send("DELETE", &path, &[("if-match", "\"v1\"")], "")
        .await
        .is(204);
    client.get(&path).await.problem(404, "not_found");
}
