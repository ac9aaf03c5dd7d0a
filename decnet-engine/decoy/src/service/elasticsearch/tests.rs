use serde_json::{Value, json};

use crate::service::{
    dialogue::Next,
    event::Event,
    testing::{Visitor, fields_have_an_effect, survives},
};

fn fields() -> Value {
    json!({"cluster_name": "logs", "node_name": "es01", "server_version": "7.17.9", "indices": "orders\nusers"})
}

fn send(visitor: &mut Visitor, line: &str, body: &str) -> (String, String) {
    let length = body.len();
    let answer = visitor.send(format!(
        "{line} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"
    ));
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn json_of(visitor: &mut Visitor, line: &str) -> Value {
    let (_, body) = send(visitor, line, "");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[test]
fn the_root_is_that_of_the_release() {
    let mut visitor = Visitor::connect("elasticsearch", 9200, fields());
    let (head, body) = send(&mut visitor, "GET /", "");
    assert_eq!(
        head,
        format!(
            "HTTP/1.1 200 OK\r\nX-elastic-product: Elasticsearch\r\ncontent-type: application/json; charset=UTF-8\r\n\
            content-length: {}",
            body.len()
        )
    );
    let start = "{\n  \"name\" : \"es01\",\n  \"cluster_name\" : \"logs\",\n  \"cluster_uuid\" : \"";
    assert!(body.starts_with(start), "{body}");
    let end = "\"build_date\" : \"2023-01-31T05:34:43.305517834Z\",\n    \"build_snapshot\" : false,\n    \
        \"lucene_version\" : \"8.11.1\",\n    \"minimum_wire_compatibility_version\" : \"6.8.0\",\n    \
        \"minimum_index_compatibility_version\" : \"6.0.0-beta1\"\n  },\n  \"tagline\" : \"You Know, for Search\"\n}\n";
    assert!(body.ends_with(end), "{body}");
    // nmap wants these two headers only, which releases before 7.14 send.
    let mut visitor = Visitor::connect("elasticsearch", 9200, json!({}));
    let answer = String::from_utf8(visitor.send("GET / HTTP/1.0\r\n\r\n")).unwrap();
    let start = "HTTP/1.0 200 OK\r\ncontent-type: application/json; charset=UTF-8\r\ncontent-length: ";
    assert!(answer.starts_with(start), "{answer}");
    assert!(answer.contains("\r\n\r\n{\n  \"name\" : \"web-01\",\n  \"cluster_name\" : \"elasticsearch\",\n"));
    assert_eq!(visitor.next, Next::Close);
}

#[test]
fn the_indices_are_listed_as_table_and_as_json() {
    let mut visitor = Visitor::connect("elasticsearch", 9200, fields());
    let (head, table) = send(&mut visitor, "GET /_cat/indices?v", "");
    assert!(head.contains("content-type: text/plain; charset=UTF-8"), "{head}");
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines[0].starts_with("health status index  uuid                   pri rep docs.count "),
        "{table}"
    );
    assert!(
        lines[1].starts_with("yellow open   orders ") && lines[2].starts_with("yellow open   users  "),
        "{table}"
    );
    let (_, plain) = send(&mut visitor, "GET /_cat/indices", "");
    assert_eq!(plain.lines().count(), 2);
    let list = json_of(&mut visitor, "GET /_cat/indices?format=json");
    assert_eq!(list[1]["index"], "users");
    for line in [
        "GET /_cat/nodes?v",
        "GET /_cat/health",
        "GET /_cat/master",
        "GET /_cat/count",
        "GET /_cat/shards",
        "GET /_cat",
    ] {
        assert!(
            send(&mut visitor, line, "").0.starts_with("HTTP/1.1 200 OK\r\n"),
            "{line}"
        );
    }
}

#[test]
fn queries_are_answered_with_invented_content() {
    let mut visitor = Visitor::connect("elasticsearch", 9200, fields());
    let health = json_of(&mut visitor, "GET /_cluster/health?pretty");
    assert_eq!(
        (&health["cluster_name"], &health["active_shards"]),
        (&json!("logs"), &json!(2))
    );
    let found = json_of(&mut visitor, "GET /users/_search?size=3");
    assert_eq!(found["hits"]["hits"].as_array().unwrap().len(), 3);
    assert_eq!(found["hits"]["hits"][0]["_index"], "users");
    let all = json_of(&mut visitor, "GET /_search");
    assert_eq!(all["hits"]["hits"].as_array().unwrap().len(), 10);
    for (line, member) in [
        ("GET /_nodes", "nodes"),
        ("GET /_stats", "indices"),
        ("GET /_cluster/stats", "status"),
        ("GET /_all", "orders"),
        ("GET /_mapping", "users"),
        ("GET /_aliases", "users"),
        ("GET /users", "users"),
        ("GET /users/_settings", "users"),
        ("GET /users/_count", "count"),
    ] {
        assert!(json_of(&mut visitor, line).get(member).is_some(), "{line}");
    }
    let (_, body) = send(
        &mut visitor,
        "POST /users/_search",
        "{\"size\":1,\"query\":{\"match_all\":{}}}",
    );
    assert_eq!(body.matches("\"_id\"").count(), 1);
    let Some(Event::Request(request)) = visitor.events.last() else {
        panic!("{:?}", visitor.events)
    };
    assert_eq!(request.body, Some("{\"size\":1,\"query\":{\"match_all\":{}}}".into()));
}

#[test]
fn changes_are_acknowledged_and_reported() {
    let mut visitor = Visitor::connect("elasticsearch", 9200, fields());
    for (line, status, body) in [
        ("DELETE /users", "200 OK", "{\"acknowledged\":true}"),
        (
            "PUT /read_me",
            "200 OK",
            "{\"acknowledged\":true,\"shards_acknowledged\":true,\"index\":\"read_me\"}",
        ),
    ] {
        let (head, answer) = send(&mut visitor, line, "");
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
        assert_eq!(answer, body);
    }
    let (head, body) = send(&mut visitor, "POST /read_me/_doc/1", "{\"message\":\"pay\"}");
    assert!(
        head.starts_with("HTTP/1.1 201 Created\r\n") && body.contains("\"_id\":\"1\""),
        "{head} {body}"
    );
    assert_eq!(visitor.events.len(), 3);
}

#[test]
fn errors_have_the_form_of_elasticsearch() {
    let mut visitor = Visitor::connect("elasticsearch", 9200, fields());
    let error = "\"type\":\"index_not_found_exception\",\"reason\":\"no such index [nope]\",\
        \"resource.type\":\"index_or_alias\",\"resource.id\":\"nope\",\"index_uuid\":\"_na_\",\"index\":\"nope\"";
    for (line, status, body) in [
        (
            "GET /nope",
            "404 Not Found",
            format!("{{\"error\":{{\"root_cause\":[{{{error}}}],{error}}},\"status\":404}}"),
        ),
        (
            "POST /",
            "405 Method Not Allowed",
            "{\"error\":\"Incorrect HTTP method for uri [/] and method [POST], allowed: [HEAD, GET]\",\"status\":405}"
                .into(),
        ),
        (
            "GET /_security/user",
            "400 Bad Request",
            "{\"error\":\"no handler found for uri [/_security/user] and method [GET]\"}".into(),
        ),
    ] {
        let (head, answer) = send(&mut visitor, line, "");
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
        assert_eq!(
            answer.replace(" : ", ":").replace('\n', "").replace("  ", ""),
            body,
            "{line}"
        );
    }
    let answer = String::from_utf8(visitor.send("nonsense\r\n")).unwrap();
    assert!(
        answer.starts_with("HTTP/1.0 400 Bad Request\r\nX-elastic-product"),
        "{answer}"
    );
    assert!(
        answer.contains("\"reason\":\"text is empty (possibly HTTP/0.9)\""),
        "{answer}"
    );
    assert_eq!(visitor.next, Next::Close);
    assert_eq!(
        visitor.events.last(),
        Some(&Event::probe("not this protocol", b"nonsense\r\n"))
    );
}

#[test]
fn it_survives_any_input() {
    let messages: [&[u8]; 3] = [
        b"GET /?pretty HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /_cat/indices?v HTTP/1.1\r\n\r\n",
        b"POST /users/_search HTTP/1.1\r\nContent-Length: 10\r\n\r\n{\"size\":2}",
    ];
    survives(
        &|| Visitor::connect("elasticsearch", 9200, fields()),
        &messages,
        100_000,
    );
}

#[test]
fn every_field_has_an_effect() {
    let root: &[&[u8]] = &[b"GET / HTTP/1.1\r\n\r\n"];
    fields_have_an_effect(
        "elasticsearch",
        &json!({}),
        &[
            ("cluster_name", json!("prod"), 9200, root),
            ("node_name", json!("n7"), 9200, root),
            ("server_version", json!("7.9.3"), 9200, root),
            ("version", json!("7.9.2"), 9200, root),
            (
                "indices",
                json!("secret"),
                9200,
                &[b"GET /_cat/indices HTTP/1.1\r\n\r\n"],
            ),
        ],
    );
}
