use serde_json::{Value, json};

use super::*;
use crate::service::{
    dialogue::Next,
    testing::{Visitor, context, fields_have_an_effect, survives},
};

/// What nmap sends over UDP.
const OPTIONS: &str = "OPTIONS sip:nm SIP/2.0\r\nVia: SIP/2.0/UDP nm;branch=foo;rport\r\nFrom: <sip:nm@nm>;tag=root\r\n\
    To: <sip:nm2@nm2>\r\nCall-ID: 50000\r\nCSeq: 42 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\
    Contact: <sip:nm@nm>\r\nAccept: application/sdp\r\n\r\n";

fn request(method: &str, extension: &str, more: &str) -> String {
    let uri = if method == "REGISTER" {
        "sip:10.9.0.2".to_owned()
    } else {
        format!("sip:{extension}@10.9.0.2")
    };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TCP 10.9.0.9:5060;branch=z9\r\nFrom: <sip:100@10.9.0.2>;tag=a\r\n\
        To: <sip:{extension}@10.9.0.2>\r\nCall-ID: c1\r\nCSeq: 1 {method}\r\nUser-Agent: friendly-scanner\r\n{more}\
        Content-Length: 0\r\n\r\n"
    )
}

fn connect(fields: Value) -> Visitor {
    Visitor::connect("sip", 5060, fields)
}

fn text(visitor: &mut Visitor, request: &str) -> String {
    String::from_utf8(visitor.send(request)).unwrap()
}

#[test]
fn the_probe_of_nmap_gets_the_answer_of_asterisk_in_less_than_twice_its_length() {
    let mut visitor = Visitor::datagrams("sip", 5060, json!({"user_agent": "Asterisk PBX 18.10.0"}));
    let answer = text(&mut visitor, OPTIONS);
    let (tag, rest) = answer.split_once(";tag=as").map(|(_, rest)| rest.split_at(8)).unwrap();
    assert!(tag.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert!(rest.starts_with("\r\nCall-ID: 50000\r\n"));
    assert_eq!(
        answer.replace(tag, "TAG"),
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP nm;branch=foo;received=10.9.0.9;rport=40000\r\nFrom: <sip:nm@nm>;tag=root\r\n\
        To: <sip:nm2@nm2>;tag=asTAG\r\nCall-ID: 50000\r\nCSeq: 42 OPTIONS\r\nServer: Asterisk PBX 18.10.0\r\n\
        Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, MESSAGE\r\n\
        Supported: replaces, timer\r\nContact: <sip:10.9.0.2:5060>\r\nAccept: application/sdp\r\nContent-Length: 0\r\n\r\n"
    );
    assert!(answer.len() <= 2 * OPTIONS.len(), "{}", answer.len());
}

#[test]
fn a_datagram_is_answered_with_the_address_that_the_visitor_used() {
    let mut context = context("sip", 5060, Protocol::Udp, json!({}));
    context.session.local = Ipv4Addr::UNSPECIFIED;
    let mut visitor = Visitor::start(context);
    let answer = text(&mut visitor, &OPTIONS.replace("sip:nm ", "sip:100@10.9.0.77:5060 "));
    assert!(answer.contains("\r\nContact: <sip:10.9.0.77:5060>\r\n"), "{answer}");
    let answer = text(&mut visitor, OPTIONS);
    assert!(
        answer.contains("\r\nContact: <sip:web-01.corp.local:5060>\r\n"),
        "{answer}"
    );
}

#[test]
fn a_login_is_challenged_reported_and_refused() {
    let mut visitor = connect(json!({}));
    let challenge = text(&mut visitor, &request("REGISTER", "100", ""));
    assert!(
        challenge
            .starts_with("SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/TCP 10.9.0.9:5060;branch=z9;received=10.9.0.9\r\n")
    );
    let start = "WWW-Authenticate: Digest algorithm=MD5, realm=\"asterisk\", nonce=\"";
    let nonce = challenge.split_once(start).unwrap().1.split('"').next().unwrap();
    assert_eq!(nonce.len(), 8);
    let login = format!(
        "Authorization: Digest username=\"100\", realm=\"asterisk\", nonce=\"{nonce}\", uri=\"sip:10.9.0.2:5060\", \
        response=\"0123456789abcdef0123456789abcdef\", algorithm=MD5, qop=auth, cnonce=\"ab,c\", nc=00000001\r\n"
    );
    let refused = text(&mut visitor, &request("REGISTER", "100", &login));
    assert!(refused.starts_with("SIP/2.0 403 Forbidden\r\n"), "{refused}");
    let hash = format!(
        "$sip$*10.9.0.2*10.9.0.9*100*asterisk*REGISTER*sip*10.9.0.2*5060*{nonce}*ab,c*00000001*auth*MD5*\
        0123456789abcdef0123456789abcdef"
    );
    let attempt = Auth {
        method: "digest",
        user: Some("100".into()),
        domain: Some("asterisk".into()),
        proof: Proof::Hash(hash.into()),
        accepted: false,
    };
    assert_eq!(visitor.events[1], Event::Auth(attempt));
    assert_eq!(visitor.events.len(), 3);
    let old = login.replace(nonce, "00000000");
    let again = text(&mut visitor, &request("REGISTER", "100", &old));
    assert!(
        again.starts_with("SIP/2.0 401 ") && again.contains("\", stale=true\r\n"),
        "{again}"
    );
}

#[test]
fn a_call_is_reported_with_its_number() {
    let mut visitor = connect(json!({}));
    let answer = text(&mut visitor, &request("INVITE", "00441234567", ""));
    assert!(answer.starts_with("SIP/2.0 401 Unauthorized\r\n"), "{answer}");
    let Event::Request(request) = &visitor.events[0] else {
        panic!("{:?}", visitor.events)
    };
    assert_eq!(request.target, Some("sip:00441234567@10.9.0.2".into()));
    assert_eq!(
        (request.status, request.agent.clone()),
        (Some(401), Some("friendly-scanner".into()))
    );
}

#[test]
fn extensions_that_are_not_listed_do_not_exist() {
    let mut visitor = connect(json!({"extensions": "100\n200"}));
    for (method, extension, status) in [
        ("REGISTER", "100", "401 Unauthorized"),
        ("REGISTER", "101", "404 Not Found"),
        ("INVITE", "200", "401 Unauthorized"),
        ("INVITE", "900", "404 Not Found"),
        ("OPTIONS", "100", "200 OK"),
        ("OPTIONS", "300", "404 Not Found"),
    ] {
        let answer = text(&mut visitor, &request(method, extension, ""));
        assert!(
            answer.starts_with(&format!("SIP/2.0 {status}\r\n")),
            "{method} {extension}: {answer}"
        );
    }
}

#[test]
fn other_methods_and_nonsense_get_what_asterisk_sends() {
    let mut visitor = connect(json!({}));
    for (method, status) in [
        ("BYE", "481 Call leg/transaction does not exist"),
        ("NOTIFY", "489 Bad event"),
        ("PRACK", "501 Method Not Implemented"),
    ] {
        let answer = text(&mut visitor, &request(method, "1", ""));
        assert!(answer.starts_with(&format!("SIP/2.0 {status}\r\n")), "{answer}");
    }
    assert_eq!(text(&mut visitor, &request("ACK", "1", "")), "");
    assert_eq!(text(&mut visitor, "\r\n\r\n"), "");
    assert_eq!(visitor.events.len(), 4);
    let nonsense = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(text(&mut visitor, nonsense), "");
    assert_eq!(
        visitor.events[4],
        Event::probe("not this protocol", nonsense.as_bytes())
    );
    assert_eq!(visitor.next, Next::Continue);
    assert_eq!(visitor.send(vec![b'a'; 30_000]), b"");
    assert_eq!(visitor.next, Next::Close);
}

#[test]
fn it_survives_any_input() {
    let register = request(
        "REGISTER",
        "100",
        "Authorization: Digest username=\"1\", nonce=\"2\"\r\n",
    );
    let invite =
        request("INVITE", "1", "v: SIP/2.0/TCP x\r\n y\r\n").replace("Content-Length: 0\r\n\r\n", "l: 3\r\n\r\nv=0");
    let messages = [OPTIONS.as_bytes(), register.as_bytes(), invite.as_bytes()];
    survives(&|| connect(json!({})), &messages, 10_000);
    survives(&|| Visitor::datagrams("sip", 5060, json!({})), &messages, 10_000);
}

#[test]
fn every_field_has_an_effect() {
    let register = request("REGISTER", "100", "");
    let messages: &[&[u8]] = &[register.as_bytes()];
    fields_have_an_effect(
        "sip",
        &json!({}),
        &[
            ("user_agent", json!("FPBX-16.0.40(18.16.0)"), 5060, messages),
            ("version", json!("20.1.0"), 5060, messages),
            ("realm", json!("pbx.example"), 5060, messages),
            ("extensions", json!("200"), 5060, messages),
        ],
    );
}

#[test]
fn a_long_response_to_the_challenge_is_reported_whole() {
    let mut visitor = connect(json!({}));
    let login = format!(
        "Authorization: Digest username=\"100\", realm=\"asterisk\", nonce=\"00000000\", uri=\"sip:{}\", \
        response=\"0123456789abcdef0123456789abcdef\", algorithm=MD5\r\n",
        "a".repeat(1500)
    );
    visitor.send(request("REGISTER", "100", &login));
    let Event::Auth(Auth {
        proof: Proof::Hash(hash),
        ..
    }) = &visitor.events[0]
    else {
        panic!("{:?}", visitor.events)
    };
    assert!(
        hash.as_str().ends_with("*MD5*0123456789abcdef0123456789abcdef"),
        "{hash:?}"
    );
}
