use jiff::Timestamp;

use super::*;

/// Reads all requests, and returns the methods, targets and bodies, or the fault.
fn check(style: Style, bytes: &[u8]) -> (Vec<String>, Option<Fault>) {
    let mut reader = Reader::new(style, 1024 * 1024);
    let mut input = Input::from(bytes);
    let mut requests = Vec::new();
    loop {
        match reader.next(&mut input) {
            Read::Incomplete => return (requests, None),
            Read::Expects => requests.push("expects".into()),
            Read::Request(request) => requests.push(format!(
                "{} {} {}",
                request.method,
                String::from_utf8_lossy(&request.target),
                String::from_utf8_lossy(&request.body)
            )),
            Read::Fault(fault, _) => return (requests, Some(fault)),
        }
    }
}

#[test]
fn requests_follow_each_other_on_one_connection() {
    let bytes = b"\r\nGET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\nPOST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc\
        PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\nGET /z";
    let (requests, fault) = check(Style::Nginx, bytes);
    assert_eq!(requests, ["GET /a?b=c ", "POST /p abc", "PUT /c abcde"]);
    assert_eq!(fault, None);
}

#[test]
fn a_head_with_too_many_headers_is_too_long() {
    for style in [Style::Nginx, Style::HttpSys, Style::Go, Style::Netty] {
        let head = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(count));
        assert_eq!(check(style, head(127).as_bytes()).0, ["GET / "], "{style:?}");
        assert_eq!(
            check(style, head(128).as_bytes()).1,
            Some(Fault::LongHeaders),
            "{style:?}"
        );
    }
    let ignored = format!("GET / HTTP/1.1\r\n{}", "b@d: 1\r\n".repeat(129));
    assert_eq!(check(Style::Nginx, ignored.as_bytes()).1, Some(Fault::LongHeaders));
}

#[test]
fn a_head_in_pieces_is_read_again_only_at_the_end_of_a_line() {
    let mut reader = Reader::new(Style::HttpSys, 10);
    let mut input = Input::from(&b"GET / HTTP/1.1\r\nHost: a\r\nx: "[..]);
    let start = reader.next(&mut input);
    assert!(matches!(start, Read::Incomplete), "{start:?}");
    // A control character in the lines that were read is not seen again.
    let mut changed = input.take_all();
    changed[16] = 0;
    let mut input = Input::from(&[&changed[..], b"y"].concat()[..]);
    assert!(matches!(reader.next(&mut input), Read::Incomplete));
    input.push(b"\n");
    let end = reader.next(&mut input);
    assert!(matches!(end, Read::Fault(Fault::Header, _)), "{end:?}");
    let mut reader = Reader::new(Style::HttpSys, 10);
    let mut input = Input::from(&b"GET / HTTP/1.1\r\nx: "[..]);
    let mut sent = 0;
    while matches!(reader.next(&mut input), Read::Incomplete) {
        input.push(b"y");
        sent += 1;
    }
    assert_eq!(sent, 16 * 1024 - 19);
}

#[test]
fn each_server_refuses_what_the_real_one_refuses() {
    let host = "HTTP/1.1\r\nHost: a\r\n";
    for (style, bytes, fault) in [
        (Style::Nginx, "\x16\x03\x01\x02".to_owned(), Some(Fault::Method)),
        (Style::Go, "\x16\x03\x01\x02".to_owned(), None),
        (Style::Go, "\x16\x03\x01\x02\n".to_owned(), Some(Fault::Method)),
        (Style::Nginx, "get / HTTP/1.1\r\n".to_owned(), Some(Fault::Method)),
        (Style::HttpSys, "get / HTTP/1.1\r\n".to_owned(), None),
        (Style::Nginx, "GET x:\x01".to_owned(), Some(Fault::Target)),
        (Style::Nginx, "GET / FTP/1.0\r\n".to_owned(), Some(Fault::Line)),
        (Style::Nginx, "GET /a b HTTP/1.1\r\n".to_owned(), Some(Fault::Line)),
        (Style::Nginx, "GET / HTTP/2.0\r\n".to_owned(), Some(Fault::Version)),
        (Style::Nginx, "GET / HTTP/1.1\r\n\r\n".to_owned(), Some(Fault::Host)),
        (Style::Netty, "GET / HTTP/1.1\r\n\r\n".to_owned(), None),
        (Style::Nginx, format!("GET / {host}Host: a\r\n\r\n"), Some(Fault::Host)),
        (Style::Nginx, format!("GET / {host}bad\r\nb@d: 1\r\n\r\n"), None),
        (Style::Go, format!("GET / {host}bad\r\n\r\n"), Some(Fault::Header)),
        (Style::Nginx, format!("GET / {host}bad : x\r\n"), Some(Fault::Header)),
        (Style::Nginx, format!("GET / {host}a: b\r\n c\r\n"), Some(Fault::Header)),
        (Style::Nginx, format!("GET /%zz {host}\r\n"), Some(Fault::Target)),
        (Style::Nginx, format!("GET /a/../../x {host}\r\n"), Some(Fault::Target)),
        (Style::Go, format!("GET /a/../../x {host}\r\n"), None),
        (
            Style::Nginx,
            format!("GET /{}", "a".repeat(8200)),
            Some(Fault::LongLine),
        ),
        (
            Style::Nginx,
            format!("GET / {host}X: {}", "a".repeat(8200)),
            Some(Fault::LongHeaders),
        ),
        (
            Style::Nginx,
            format!("GET / {host}{}", format!("X: {}\r\n", "a".repeat(8000)).repeat(5)),
            Some(Fault::LongHeaders),
        ),
        (
            Style::Nginx,
            format!("POST / {host}Content-Length: x\r\n\r\n"),
            Some(Fault::Length),
        ),
        (
            Style::Nginx,
            format!("POST / {host}Content-Length: 99999999999999999999999\r\n\r\n"),
            Some(Fault::Length),
        ),
        (
            Style::Nginx,
            format!("POST / {host}Content-Length: 1048577\r\n\r\n"),
            Some(Fault::Large),
        ),
        (
            Style::Nginx,
            format!("POST / {host}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Some(Fault::Length),
        ),
        (
            Style::Nginx,
            format!("POST / {host}Transfer-Encoding: gzip\r\n\r\n"),
            Some(Fault::Encoding),
        ),
        (
            Style::Nginx,
            format!("POST / {host}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
            Some(Fault::Chunk),
        ),
        (
            Style::Nginx,
            format!("POST / {host}Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\n"),
            Some(Fault::Large),
        ),
    ] {
        assert_eq!(check(style, bytes.as_bytes()).1, fault, "{style:?} {bytes:.80?}");
    }
}

#[test]
fn a_visitor_who_expects_it_gets_a_continue_before_the_body() {
    let bytes = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(check(Style::Go, bytes).0, ["expects", "POST / x"]);
    assert_eq!(check(Style::Nginx, bytes).0, ["POST / x"]);
}

#[test]
fn of_a_large_body_the_beginning_and_the_hash_are_kept() {
    let mut reader = Reader::new(Style::Nginx, 1024 * 1024);
    let mut input = Input::from(&b"PUT / HTTP/1.0\r\nContent-Length: 100000\r\n\r\n"[..]);
    for _ in 0..100 {
        assert!(matches!(reader.next(&mut input), Read::Incomplete));
        input.push(&[b'a'; 1000]);
    }
    let Read::Request(request) = reader.next(&mut input) else {
        panic!("the body is complete")
    };
    assert_eq!((request.body.len(), request.length), (16 * 1024, 100_000));
    assert_eq!(request.sha256, hex(&Sha256::digest(vec![b'a'; 100_000])));
}

#[test]
fn paths_and_forms_are_decoded() {
    for (target, path) in [
        ("/a%20b%2", "/a b%2"),
        ("http://h:80/x?y", "/x"),
        ("http://h", ""),
        ("/x#f", "/x"),
        ("*", ""),
    ] {
        let request = Request {
            target: target.into(),
            ..Request::default()
        };
        assert_eq!(request.path(), path, "{target}");
    }
    let pairs = form(b"user=a%40b&pass=x+y%2B&&z");
    let expected = [("user", "a@b"), ("pass", "x y+"), ("z", "")];
    assert_eq!(
        pairs,
        expected.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
    );
}

#[test]
fn an_answer_keeps_the_order_of_its_headers() {
    let response = Response::new("404 Not Found")
        .header("b", "1")
        .header("A", "2\r\n3")
        .body("x");
    assert_eq!(response.status(), 404);
    assert_eq!(
        response.bytes(false),
        b"HTTP/1.1 404 Not Found\r\nb: 1\r\nA: 2  3\r\n\r\nx"
    );
    assert_eq!(
        response.ten().bytes(true),
        b"HTTP/1.0 404 Not Found\r\nb: 1\r\nA: 2  3\r\n\r\n"
    );
    let time: Timestamp = "1994-11-06T08:49:37Z".parse().unwrap();
    assert_eq!(date(time), "Sun, 06 Nov 1994 08:49:37 GMT");
}

#[test]
fn json_is_indented_as_elasticsearch_and_go_do() {
    let json = r#"{"a":{},"b":[1,"x:{\"y"],"c":[]}"#;
    assert_eq!(
        indented(json, " : ", " "),
        "{\n  \"a\" : { },\n  \"b\" : [\n    1,\n    \"x:{\\\"y\"\n  ],\n  \"c\" : [ ]\n}"
    );
    assert!(indented(json, ": ", "").starts_with("{\n  \"a\": {},\n"));
}
