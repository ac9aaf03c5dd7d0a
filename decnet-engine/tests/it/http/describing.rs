//! The description of the API, and its counters.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Client;

#[tokio::test]
async fn every_route_is_described_and_every_described_route_exists() {
    let client = Client::new();
    let description = client.get("/openapi.json").await.is(200);
    assert_eq!(description["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    let paths = description["paths"].as_object().expect("paths");
    for (path, methods) in paths {
        let below = path.strip_prefix("/api/v1").expect("a path of the API");
        let below = below
            .replace("{id}", "01234567-89ab-4cde-8f01-23456789abcd")
            .replace(['{', '}'], "");
        for (method, operation) in methods.as_object().expect("methods") {
            let id = operation["operationId"].as_str().expect("an id");
            assert!(ids.insert(id.to_owned()), "{id} occurs twice");
            assert!(operation["summary"].as_str().expect("a summary").ends_with('.'), "{id}");
            assert!(operation["responses"].as_object().expect("responses").len() > 1, "{id}");
            check_path(path, operation);
            // A stream does not end.
            if id != "follow" {
                let reply = client.send(&method.to_uppercase(), &below, &[], "").await;
                let code = serde_json::from_slice::<Value>(&reply.body).unwrap_or_default()["code"].clone();
                assert_ne!(code, "method_not_allowed", "{method} {path}");
                assert!(reply.status.as_u16() < 500, "{method} {path}: {reply:?}");
            }
        }
    }
    assert!(ids.len() > 45, "{ids:?}");
}

/// Each name in the path is a parameter, and the other way round.
fn check_path(path: &str, operation: &Value) {
    let named: BTreeSet<_> = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .collect();
    let parameters = operation["parameters"].as_array().expect("parameters").iter();
    let in_path = parameters.filter(|parameter| parameter["in"] == "path");
    let described: BTreeSet<_> = in_path.filter_map(|parameter| parameter["name"].as_str()).collect();
    assert_eq!(named, described, "{path}");
}

#[tokio::test]
async fn every_reference_of_the_description_leads_somewhere() {
    let description = Client::new().get("/openapi.json").await.is(200);
    let mut references = Vec::new();
    collect(&description, &mut references);
    assert!(references.len() > 50, "{}", references.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a reference within the document");
        assert!(description.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect<'v>(value: &'v Value, references: &mut Vec<&'v str>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

#[tokio::test]
async fn requests_mazes_and_operations_are_counted() {
    let client = Client::new();
    client.deploy("corp").await;
    client
        .post("/topologies/blank", &json!({}))
        .await
        .problem(422, "invalid_body");
    let reply = client.get("/metrics").await;
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4");
    let text = String::from_utf8(reply.body.to_vec()).expect("a text");
    for line in [
        "decnet_topologies{status=\"active\"} 1",
        "decnet_topologies{status=\"pending\"} 0",
        "decnet_mutations_unfinished 0",
        "decnet_operations_running 0",
        "decnet_event_streams 0",
        "decnet_http_requests_total{operation=\"create_topology\",status=\"201\"} 1",
        "decnet_http_requests_total{operation=\"create_blank_topology\",status=\"422\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
    }
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    for line in samples {
        let (name, value) = line.rsplit_once(' ').expect("a value");
        assert!(name.starts_with("decnet_") && value.parse::<f64>().is_ok(), "{line}");
    }
}
