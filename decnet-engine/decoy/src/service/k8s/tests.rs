use serde_json::json;

use super::*;
use crate::service::{
    dialogue::Next,
    event::{Auth, Proof},
    testing::{Visitor, fields_have_an_effect, survives},
};

fn connect(fields: Value) -> Visitor {
    Visitor::connect("k8s", 6443, fields)
}

fn send(visitor: &mut Visitor, line: &str, more: &str, body: &str) -> (String, String) {
    let length = body.len();
    let answer = visitor.send(format!(
        "{line} HTTP/1.1\r\nHost: a\r\n{more}Content-Length: {length}\r\n\r\n{body}"
    ));
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let body = match body.split_once("\r\n") {
        Some((_, chunk)) if head.contains("chunked") => chunk.trim_end_matches("\r\n0\r\n\r\n"),
        _ => body,
    };
    (head.to_owned(), body.to_owned())
}

fn json_of(visitor: &mut Visitor, line: &str) -> Value {
    let (_, body) = send(visitor, line, "", "");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[test]
fn an_anonymous_visitor_is_forbidden_to_see_more_than_the_version() {
    let mut visitor = connect(json!({"server_version": "v1.27.3"}));
    let (head, body) = send(&mut visitor, "GET /", "User-Agent: curl/7.88.1\r\n", "");
    let lines: Vec<&str> = head.lines().collect();
    assert_eq!(lines[0], "HTTP/1.1 403 Forbidden");
    let names: Vec<&str> = lines[1..].iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(
        names,
        [
            "Audit-Id",
            "Cache-Control",
            "Content-Type",
            "X-Content-Type-Options",
            "X-Kubernetes-Pf-Flowschema-Uid",
            "X-Kubernetes-Pf-Prioritylevel-Uid",
            "Date",
            "Content-Length"
        ]
    );
    assert_eq!(
        body,
        "{\n  \"kind\": \"Status\",\n  \"apiVersion\": \"v1\",\n  \"metadata\": {},\n  \"status\": \"Failure\",\n  \
        \"message\": \"forbidden: User \\\"system:anonymous\\\" cannot get path \\\"/\\\"\",\n  \"reason\": \"Forbidden\",\n  \
        \"details\": {},\n  \"code\": 403\n}"
    );
    let (_, version) = send(&mut visitor, "GET /version", "", "");
    assert_eq!(
        version,
        "{\n  \"major\": \"1\",\n  \"minor\": \"27\",\n  \"gitVersion\": \"v1.27.3\",\n  \
        \"gitCommit\": \"25b4e43193bcda6c7328a6d147b1fb73a33f1598\",\n  \"gitTreeState\": \"clean\",\n  \
        \"buildDate\": \"2023-06-14T09:47:40Z\",\n  \"goVersion\": \"go1.20.5\",\n  \"compiler\": \"gc\",\n  \
        \"platform\": \"linux/amd64\"\n}"
    );
    assert_eq!(send(&mut visitor, "GET /healthz", "", "").1, "ok");
    for (line, message) in [
        (
            "GET /api/v1/namespaces",
            "namespaces is forbidden: User \"system:anonymous\" cannot list resource \"namespaces\" in API group \"\" at the \
            cluster scope",
        ),
        (
            "GET /api/v1/namespaces/default/secrets/x",
            "secrets \"x\" is forbidden: User \"system:anonymous\" cannot get resource \"secrets\" in API group \"\" in the \
            namespace \"default\"",
        ),
        (
            "POST /apis/apps/v1/namespaces/a/deployments",
            "deployments.apps is forbidden: User \"system:anonymous\" cannot create resource \"deployments\" in API group \
            \"apps\" in the namespace \"a\"",
        ),
    ] {
        let status = json_of(&mut visitor, line);
        assert_eq!(
            (&status["message"], &status["code"]),
            (&json!(message), &json!(403)),
            "{line}"
        );
    }
}

#[test]
fn a_bearer_token_is_refused_and_reported() {
    let mut visitor = connect(json!({"anonymous": true}));
    let (head, body) = send(&mut visitor, "GET /version", "Authorization: Bearer eyJhbGci\r\n", "");
    assert!(head.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{head}");
    assert_eq!(
        body,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"Unauthorized\",\
        \"reason\":\"Unauthorized\",\"code\":401}\n"
    );
    let attempt = Auth {
        method: "bearer",
        proof: Proof::Password("eyJhbGci".into()),
        ..Auth::default()
    };
    assert_eq!(visitor.events[0], Event::Auth(attempt));
    assert_eq!(visitor.events.len(), 2);
}

#[test]
fn an_open_cluster_shows_its_objects() {
    let mut visitor = connect(json!({"anonymous": true, "namespaces": "shop"}));
    let namespaces = json_of(&mut visitor, "GET /api/v1/namespaces");
    assert_eq!(namespaces["kind"], "NamespaceList");
    let names: Vec<&str> = namespaces["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["metadata"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["default", "kube-node-lease", "kube-public", "kube-system", "shop"]
    );
    let pods = json_of(&mut visitor, "GET /api/v1/namespaces/shop/pods");
    let pod = pods["items"][0]["metadata"]["name"].as_str().unwrap().to_owned();
    let one = json_of(&mut visitor, &format!("GET /api/v1/namespaces/shop/pods/{pod}"));
    assert_eq!((&one["kind"], &one["metadata"]["name"]), (&json!("Pod"), &json!(pod)));
    let secrets = json_of(&mut visitor, "GET /api/v1/secrets");
    assert_eq!(secrets["items"][0]["data"]["username"], "YXBw");
    for (line, kind) in [
        ("GET /api", "APIVersions"),
        ("GET /apis", "APIGroupList"),
        ("GET /api/v1", "APIResourceList"),
        ("GET /api/v1/nodes", "NodeList"),
        ("GET /api/v1/services", "ServiceList"),
        ("GET /api/v1/serviceaccounts", "ServiceAccountList"),
        ("GET /apis/apps/v1/deployments", "DeploymentList"),
        ("GET /api/v1/namespaces/nope/pods", "PodList"),
        ("GET /api/v1/nonsense", "Status"),
        ("DELETE /api/v1/namespaces/shop", "Status"),
    ] {
        assert_eq!(json_of(&mut visitor, line)["kind"], kind, "{line}");
    }
    assert!(
        json_of(&mut visitor, "GET /")["paths"]
            .as_array()
            .unwrap()
            .contains(&json!("/apis/apps/v1"))
    );
    assert_eq!(send(&mut visitor, "GET /foo", "", "").1, "404 page not found\n");
    let missing = json_of(&mut visitor, "GET /api/v1/namespaces/default/pods/x");
    assert_eq!(missing["message"], "pods \"x\" not found");
}

#[test]
fn commands_in_new_pods_are_reported() {
    let mut visitor = connect(json!({"anonymous": true}));
    let pod = r#"{"kind":"Pod","metadata":{"name":"x"},"spec":{"containers":[{"image":"alpine","command":["sh","-c"],"args":["id"]}]}}"#;
    let (head, body) = send(&mut visitor, "POST /api/v1/namespaces/default/pods", "", pod);
    assert!(head.starts_with("HTTP/1.1 201 Created\r\n"), "{head}");
    let created: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(created["metadata"]["namespace"], "default");
    assert_eq!(visitor.events[0], Event::command("sh -c id"));
    send(
        &mut visitor,
        "POST /api/v1/namespaces/default/pods/x/exec?command=cat&command=%2Fetc%2Fshadow&stdout=1",
        "",
        "",
    );
    assert_eq!(visitor.events[2], Event::command("cat /etc/shadow"));
}

#[test]
fn input_that_is_not_http_gets_the_answer_of_go() {
    let mut visitor = connect(json!({}));
    assert_eq!(
        visitor.send("\x03\x00\x00\x0b\n"),
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"
    );
    assert_eq!(visitor.next, Next::Close);
    let mut visitor = connect(json!({}));
    let answer =
        visitor.turn(|dialogue, _, turn| dialogue.unsecured(&mut (&b"GET / HTTP/1.0\r\n\r\n"[..]).into(), turn));
    assert_eq!(
        answer,
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
    );
}

#[test]
fn it_survives_any_input() {
    let messages: [&[u8]; 3] = [
        b"GET /api/v1/namespaces/default/pods HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /api/v1/namespaces/default/pods HTTP/1.1\r\nHost: a\r\nContent-Length: 22\r\n\r\n{\"command\":[\"a\",\"b\"]}\r\n",
        b"DELETE /apis/apps/v1/namespaces/a/deployments/b HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    survives(&|| connect(json!({"anonymous": true})), &messages, 200_000);
    survives(&|| connect(json!({})), &messages, 200_000);
}

#[test]
fn every_field_has_an_effect() {
    let namespaces: &[&[u8]] = &[b"GET /api/v1/namespaces HTTP/1.1\r\nHost: a\r\n\r\n"];
    fields_have_an_effect(
        "k8s",
        &json!({"anonymous": true}),
        &[
            (
                "server_version",
                json!("v1.26.1"),
                6443,
                &[b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n"],
            ),
            (
                "version",
                json!("v1.26.2"),
                6443,
                &[b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n"],
            ),
            ("anonymous", json!(true), 8080, namespaces),
            ("namespaces", json!("vault"), 6443, namespaces),
        ],
    );
}
