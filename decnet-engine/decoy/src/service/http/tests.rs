use serde_json::{Value, json};

use crate::{
    protocol::{Os, Protocol},
    service::{
        event::{Auth, Event, Proof},
        testing::{Visitor, context_on, fields_have_an_effect, survives},
    },
};

const HOST: &str = "HTTP/1.1\r\nHost: a\r\n";

fn connect(fields: Value) -> Visitor {
    Visitor::connect("http", 80, fields)
}

fn text(visitor: &mut Visitor, request: &str) -> String {
    String::from_utf8(visitor.send(request)).unwrap()
}

/// The answer of nginx with a page.
fn page(status: &str, connection: &str, more: &str) -> String {
    let page = format!(
        "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n\
        <hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
    );
    format!(
        "HTTP/1.1 {status}\r\nServer: nginx/1.22.1\r\nDate: Wed, 04 Mar 2026 05:06:07 GMT\r\nContent-Type: text/html\r\n\
        Content-Length: {}\r\n{more}Connection: {connection}\r\n\r\n{page}",
        page.len()
    )
}

#[test]
fn the_front_page_is_that_of_debians_nginx() {
    let mut visitor = connect(json!({}));
    assert_eq!(visitor.greeting, b"");
    let answer = text(&mut visitor, &format!("GET / {HOST}User-Agent: curl/7.88.1\r\n\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let lines: Vec<&str> = head.lines().collect();
    assert_eq!(
        lines[..5],
        [
            "HTTP/1.1 200 OK",
            "Server: nginx/1.22.1",
            "Date: Wed, 04 Mar 2026 05:06:07 GMT",
            "Content-Type: text/html",
            "Content-Length: 615"
        ]
    );
    let names: Vec<&str> = lines[5..].iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(names, ["Last-Modified", "Connection", "ETag", "Accept-Ranges"]);
    assert_eq!(body.len(), 615);
    assert!(body.starts_with("<!DOCTYPE html>\n<html>\n<head>\n<title>Welcome to nginx!</title>\n<style>\nhtml {"));
    let Event::Request(request) = &visitor.events[0] else {
        panic!("{:?}", visitor.events)
    };
    assert_eq!((request.method.as_str(), request.status), ("GET", Some(200)));
    assert_eq!(request.agent.as_ref().unwrap().as_str(), "curl/7.88.1");
}

#[test]
fn wrong_requests_get_what_nginx_sends() {
    let bad = page("400 Bad Request", "close", "");
    for (request, expected) in [
        (format!("GET /nope {HOST}\r\n"), page("404 Not Found", "keep-alive", "")),
        ("GET /nope HTTP/1.0\r\n\r\n".into(), page("404 Not Found", "close", "")),
        (format!("FOO / {HOST}\r\n"), page("405 Not Allowed", "keep-alive", "")),
        (
            format!("OPTIONS / {HOST}\r\n"),
            page("405 Not Allowed", "keep-alive", ""),
        ),
        (format!("TRACE / {HOST}\r\n"), page("405 Not Allowed", "close", "")),
        (
            format!("POST / {HOST}Content-Length: 3\r\n\r\nabc"),
            page("405 Not Allowed", "keep-alive", ""),
        ),
        (
            format!("PUT /x {HOST}Content-Length: 3\r\n\r\nabc"),
            page("404 Not Found", "keep-alive", ""),
        ),
        (
            format!("GET /admin/ {HOST}\r\n"),
            page("403 Forbidden", "keep-alive", ""),
        ),
        (
            format!("GET /admin {HOST}\r\n"),
            page("301 Moved Permanently", "keep-alive", "Location: http://a/admin/\r\n"),
        ),
        ("GET / HTTP/1.1\r\n\r\n".into(), bad.clone()),
        ("get / HTTP/1.1\r\n".into(), bad.clone()),
        ("\x16\x03\x01".into(), bad.clone()),
        (
            "GET / HTTP/3.0\r\n".into(),
            page("505 HTTP Version Not Supported", "close", ""),
        ),
        (
            format!("GET /{}", "a".repeat(9000)),
            page("414 Request-URI Too Large", "close", ""),
        ),
        ("\r\n".into(), String::new()),
    ] {
        let mut visitor = connect(json!({}));
        assert_eq!(text(&mut visitor, &request), expected, "{request:.60}");
        let closes = expected.contains("Connection: close");
        assert_eq!(
            visitor.next == crate::service::dialogue::Next::Close,
            closes,
            "{request:.60}"
        );
        let requests = visitor.events.iter().filter(|event| !matches!(event, Event::File(_)));
        assert_eq!(requests.count(), usize::from(!expected.is_empty()), "{request:.60}");
    }
    let head = text(&mut connect(json!({})), &format!("HEAD /x {HOST}\r\n"));
    assert_eq!(head.len(), 155);
    let long = text(&mut connect(json!({})), &format!("GET / {HOST}X: {}", "a".repeat(9000)));
    assert!(long.contains("Content-Length: 233\r\n") && long.contains("<center>Request Header Or Cookie Too Large<"));
    let chrome = text(
        &mut connect(json!({})),
        &format!("GET /x {HOST}User-Agent: Mozilla Chrome/1\r\n\r\n"),
    );
    assert!(chrome.contains("Content-Length: 555\r\n"), "{chrome}");
    let old = text(&mut connect(json!({})), "GET /\r\n");
    assert_eq!(old.len(), 615);
}

#[test]
fn a_part_and_an_unchanged_file_are_answered() {
    let mut visitor = connect(json!({}));
    let part = text(&mut visitor, &format!("GET / {HOST}Range: bytes=0-9\r\n\r\n"));
    assert!(part.starts_with("HTTP/1.1 206 Partial Content\r\n"), "{part}");
    assert!(
        part.ends_with("Content-Range: bytes 0-9/615\r\n\r\n<!DOCTYPE "),
        "{part}"
    );
    let none = text(&mut visitor, &format!("GET / {HOST}Range: bytes=9999-\r\n\r\n"));
    assert!(
        none.starts_with("HTTP/1.1 416 ") && none.contains("Content-Range: bytes */615\r\n"),
        "{none}"
    );
    let same = text(&mut visitor, &format!("GET / {HOST}If-None-Match: *\r\n\r\n"));
    assert!(
        same.starts_with("HTTP/1.1 304 Not Modified\r\n") && same.ends_with("\"\r\n\r\n"),
        "{same}"
    );
}

#[test]
fn the_login_form_reports_user_and_password_and_refuses_them() {
    let mut visitor = connect(json!({}));
    let form = text(&mut visitor, &format!("GET /login {HOST}\r\n"));
    assert!(form.contains("<title>web-01 - Sign in</title>"), "{form}");
    let body = "username=admin&password=s%26cret";
    let answer = text(
        &mut visitor,
        &format!(
            "POST /login {HOST}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    assert!(answer.contains("Invalid username or password."), "{answer}");
    assert_eq!(visitor.events[1], Event::password("form", b"admin", b"s&cret", false));
    let Event::Request(request) = &visitor.events[2] else {
        panic!("{:?}", visitor.events)
    };
    assert_eq!(request.body, None);
    assert_eq!(visitor.events.len(), 3);
}

#[test]
fn a_realm_asks_for_a_password_and_reports_it() {
    let mut visitor = connect(json!({"realm": "Staff \"only\""}));
    let first = text(&mut visitor, &format!("GET / {HOST}\r\n"));
    assert!(
        first.starts_with("HTTP/1.1 401 Unauthorized\r\n") && first.contains("Content-Length: 179\r\n"),
        "{first}"
    );
    assert!(
        first.contains("keep-alive\r\nWWW-Authenticate: Basic realm=\"Staff \\\"only\\\"\"\r\n\r\n"),
        "{first}"
    );
    let second = text(
        &mut visitor,
        &format!("GET / {HOST}Authorization: Basic Ym9iOmE6Yg==\r\n\r\n"),
    );
    assert_eq!(first, second);
    assert_eq!(visitor.events[1], Event::password("basic", b"bob", b"a:b", false));
    visitor.send(format!("GET / {HOST}Authorization: Bearer abc\r\n\r\n"));
    let bearer = Auth {
        method: "bearer",
        proof: Proof::Password("abc".into()),
        ..Auth::default()
    };
    assert_eq!(visitor.events[3], Event::Auth(bearer));
}

#[test]
fn uploads_and_known_exploits_are_reported() {
    let mut visitor = connect(json!({}));
    visitor.send(format!("PUT /shell.php {HOST}Content-Length: 5\r\n\r\n<?php"));
    let Event::File(file) = &visitor.events[1] else {
        panic!("{:?}", visitor.events)
    };
    assert_eq!(
        (file.name.as_str(), file.bytes, file.is_upload),
        ("/shell.php", 5, true)
    );
    visitor.send(format!(
        "GET / {HOST}User-Agent: () {{ :; }}; id\r\nX: ${{JNDI:ldap://x}}\r\n\r\n"
    ));
    assert_eq!(visitor.events[2], Event::probe("shellshock", b"() { :; }; id"));
    assert_eq!(visitor.events[3], Event::probe("log4shell", b"${JNDI:ldap://x}"));
}

#[test]
fn a_request_that_ends_too_early_is_reported() {
    let mut visitor = connect(json!({}));
    visitor.send(format!("POST /x {HOST}Content-Length: 9\r\n\r\nabc"));
    assert_eq!(visitor.finish(), b"");
    assert!(matches!(&visitor.events[..], [Event::Request(request)] if request.body == Some("abc".into())));
    let mut visitor = connect(json!({}));
    visitor.send("GET / HT");
    assert_eq!(visitor.finish(), b"");
    assert_eq!(
        visitor.events,
        [Event::probe("request that is not complete", b"GET / HT")]
    );
}

#[test]
fn systems_have_their_own_server() {
    for (os, server) in [
        (Os::Debian11, "nginx/1.18.0"),
        (Os::Ubuntu2404, "nginx/1.24.0 (Ubuntu)"),
        (Os::Windows11, "Microsoft-IIS/10.0"),
    ] {
        let mut visitor = Visitor::start(context_on(os, "http", 80, Protocol::Tcp, json!({})));
        let answer = text(&mut visitor, "GET / HTTP/1.0\r\n\r\n");
        assert!(answer.contains(&format!("\r\nServer: {server}\r\n")), "{answer}");
    }
}

#[test]
fn windows_answers_as_iis_and_http_sys_do() {
    let send = |request: &str| {
        let context = context_on(Os::WindowsServer2019, "http", 80, Protocol::Tcp, json!({}));
        text(&mut Visitor::start(context), request)
    };
    let front = send(&format!("GET / {HOST}\r\n"));
    let (head, body) = front.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nLast-Modified: "),
        "{head}"
    );
    assert!(head.ends_with("GMT\r\nContent-Length: 703"), "{head}");
    assert!(body.contains("<title>IIS Windows Server</title>"));
    // The lengths of the real pages.
    for (request, status, length) in [
        (format!("GET /nope {HOST}\r\n"), "404 Not Found", "1245"),
        (format!("GET /ADMIN/ {HOST}\r\n"), "403 Forbidden", "1233"),
        (format!("PUT / {HOST}\r\n"), "405 Method Not Allowed", "1293"),
        (format!("OPTIONS / {HOST}\r\n"), "200 OK", "0"),
        ("GET / HTTP/1.1\r\n\r\n".into(), "400 Bad Request", "334"),
        ("\x16\x03".into(), "400 Bad Request", "326"),
        ("GET \x01 ".into(), "400 Bad Request", "324"),
    ] {
        let answer = send(&request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{request}: {answer}"
        );
        assert!(
            answer.contains(&format!("\r\nContent-Length: {length}\r\n")),
            "{request}: {answer}"
        );
    }
}

#[test]
fn it_survives_any_input() {
    let first = format!("GET / {HOST}\r\n");
    let second = format!("POST /login {HOST}Content-Length: 14\r\n\r\nuser=a&pass=bc");
    let third = format!("PUT /x {HOST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    let messages = [first.as_bytes(), second.as_bytes(), third.as_bytes()];
    survives(&|| connect(json!({})), &messages, 50_000);
    survives(
        &|| Visitor::start(context_on(Os::WindowsServer2022, "http", 80, Protocol::Tcp, json!({}))),
        &messages,
        50_000,
    );
}

#[test]
fn every_field_has_an_effect() {
    let front: &[&[u8]] = &[b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"];
    fields_have_an_effect(
        "http",
        &json!({}),
        &[
            ("server_header", json!("nginx/1.25.3"), 80, front),
            ("version", json!("1.25.4"), 80, front),
            ("title", json!("Intranet"), 80, front),
            ("page", json!("<h1>Shop</h1>"), 80, front),
            ("realm", json!("Staff"), 80, front),
        ],
    );
}
