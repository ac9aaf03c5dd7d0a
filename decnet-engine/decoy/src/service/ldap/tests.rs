use crate::service::dialogue::Next;
use serde_json::{Value, json};

use super::{
    super::{
        context::Context,
        event::Fingerprint,
        testing::{Visitor, context_on, fields_have_an_effect, survives},
        wire::{ber::Writer, ntlm},
    },
    *,
};
use crate::protocol::{Os, Protocol};

fn on(os: Os, fields: Value) -> Context {
    context_on(os, "ldap", 389, Protocol::Tcp, fields)
}

fn windows(fields: Value) -> Visitor {
    Visitor::start(on(Os::WindowsServer2019, fields))
}

fn linux(fields: Value) -> Visitor {
    Visitor::start(on(Os::Debian12, fields))
}

fn message(id: i64, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|w| {
        w.integer(id);
        write(w);
    });
    writer.finish()
}

fn bind(name: &str, password: &str) -> Vec<u8> {
    message(1, |w| {
        w.inside(0x60, |w| {
            _ = w.integer(3).octets(name).element(0x80, password.as_bytes());
        });
    })
}

fn login(tag: u8, content: &[u8]) -> Vec<u8> {
    message(1, |w| {
        _ = w.inside(0x60, |w| _ = w.integer(3).octets("").element(tag, content));
    })
}

fn sasl(mechanism: &str, token: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.octets(mechanism).octets(token);
    login(0xa3, &writer.finish())
}

fn search(base: &str, scope: i64, attribute: &str, wanted: &[&str]) -> Vec<u8> {
    message(2, |w| {
        w.inside(0x63, |w| {
            w.octets(base).number(tag::ENUMERATED, scope).number(tag::ENUMERATED, 0);
            w.integer(0)
                .integer(0)
                .boolean(false)
                .element(0x87, attribute.as_bytes());
            w.sequence(|w| wanted.iter().for_each(|one| _ = w.octets(one)));
        });
    })
}

fn extended(name: &str) -> Vec<u8> {
    message(3, |w| _ = w.inside(0x77, |w| _ = w.element(0x80, name.as_bytes())))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The search of nmap and of Windows, with wide lengths.
const NMAP: &[u8] = b"\x30\x84\0\0\0\x2d\x02\x01\x07\x63\x84\0\0\0\x24\x04\0\x0a\x01\0\x0a\x01\0\x02\x01\0\x02\x01\x64\x01\x01\0\x87\x0bobjectClass\x30\x84\0\0\0\0";

#[test]
fn the_root_of_a_domain_controller_is_what_nmap_looks_for() {
    let answer = windows(json!({})).send(NMAP);
    assert!(answer.starts_with(b"0\x84\0\0"));
    assert_eq!(answer[6..9], [2, 1, 7]);
    let name =
        "CN=NTDS Settings,CN=WEB-01,CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration,DC=corp,DC=local";
    let part = [b"dsServiceName1\x84\0\0\0\x6d\x04\x6b", name.as_bytes(), b"0\x84\0"].concat();
    assert!(
        answer.windows(part.len()).any(|window| window == part),
        "{}",
        text(&answer)
    );
    assert!(text(&answer).contains("currentTime1\u{fffd}\0\0\0\u{13}\u{4}\u{11}20260304050607.0Z"));
    assert!(answer.ends_with(b"0\x84\0\0\0\x10\x02\x01\x07\x65\x84\0\0\0\x07\x0a\x01\0\x04\0\x04\0"));
}

#[test]
fn slapd_shows_only_the_classes_of_its_root_unless_asked() {
    let mut visitor = linux(json!({}));
    assert_eq!(
        visitor.send(search("", 0, "objectClass", &[])),
        b"\x30\x30\x02\x01\x02\x64\x2b\x04\0\x30\x27\x30\x25\x04\x0bobjectClass\x31\x16\x04\x03top\x04\x0fOpenLDAProotDSE\
          \x30\x0c\x02\x01\x02\x65\x07\x0a\x01\0\x04\0\x04\0"
    );
    let all = text(&visitor.send(search("", 0, "objectClass", &["+"])));
    assert!(all.contains("namingContexts") && all.contains("dc=corp,dc=local"));
    assert!(!all.contains("OpenLDAProotDSE\u{4}"));
}

#[test]
fn a_wrong_password_is_reported_and_refused_as_the_system_does() {
    let mut visitor = windows(json!({}));
    let text = b"80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 52e, v4563\0";
    let expected = [
        b"0\x84\0\0\0\x68\x02\x01\x01a\x84\0\0\0\x5f\x0a\x01\x31\x04\0\x04\x58",
        &text[..],
    ]
    .concat();
    assert_eq!(visitor.send(bind("CORP\\bob", "hunter2")), expected);
    assert_eq!(
        visitor.events,
        [Event::password("simple", b"CORP\\bob", b"hunter2", false)]
    );
    let mut visitor = linux(json!({}));
    assert_eq!(
        visitor.send(bind("cn=admin,dc=corp,dc=local", "x")),
        b"0\x0c\x02\x01\x01a\x07\x0a\x01\x31\x04\0\x04\0"
    );
    assert_eq!(
        visitor.send(bind("admin", "x")),
        b"0\x16\x02\x01\x01a\x11\x0a\x01\x22\x04\0\x04\x0ainvalid DN"
    );
    let refused = visitor.send(bind("cn=admin,dc=corp,dc=local", ""));
    assert!(refused.ends_with(b"unauthenticated bind (DN with no password) disallowed"));
    assert_eq!(visitor.events.len(), 3);
}

#[test]
fn the_configured_name_binds_and_finds_entries() {
    let fields = json!({"password": "Winter2026!", "bind_dn": "CN=svc-backup,OU=Service,DC=corp,DC=local"});
    for name in [
        "svc-backup@corp.local",
        "CORP\\svc-backup",
        "cn=svc-backup, ou=Service, dc=corp, dc=local",
    ] {
        let mut visitor = windows(fields.clone());
        let refused = text(&visitor.send(search("DC=corp,DC=local", 2, "sAMAccountName", &[])));
        assert!(refused.contains("000004DC: LdapErr: DSID-0C090A5C"), "{refused}");
        assert_eq!(visitor.send(bind(name, "Winter2026!"))[15..], [0x0a, 1, 0, 4, 0, 4, 0]);
        let found = text(&visitor.send(search("DC=corp,DC=local", 2, "sAMAccountName", &["sAMAccountName"])));
        assert!(found.contains("krbtgt") && found.contains("WEB-01$") && !found.contains("objectSid"));
        assert!(found.contains("ldap://ForestDnsZones.corp.local/DC=ForestDnsZones,DC=corp,DC=local"));
        let me = visitor.send(extended(WHO_AM_I));
        assert!(me.ends_with(b"\x8b\x11u:CORP\\svc-backup"), "{}", text(&me));
        let missing = text(&visitor.send(search("OU=x,DC=corp,DC=local", 0, "cn", &[])));
        assert!(missing.contains("best match of:\n\t'DC=corp,DC=local'\n"));
        assert_eq!(
            visitor.events[1],
            Event::password("simple", name.as_bytes(), b"Winter2026!", true)
        );
    }
}

#[test]
fn slapd_lets_everyone_read_and_nobody_write() {
    let mut visitor = linux(json!({"password": "s3cret"}));
    let found = text(&visitor.send(search("dc=corp,dc=local", 1, "ou", &[])));
    assert!(found.contains("ou=people,dc=corp,dc=local") && !found.contains("uid="));
    let change = message(4, |w| _ = w.inside(0x66, |w| _ = w.octets("uid=x").sequence(|_| ())));
    assert!(
        visitor
            .send(&change)
            .ends_with(b"\x67\x2b\x0a\x01\x08\x04\0\x04\x24modifications require authentication")
    );
    visitor.send(bind("cn=admin,dc=corp,dc=local", "s3cret"));
    let me = visitor.send(extended(WHO_AM_I));
    assert!(me.ends_with(b"\x8b\x1cdn:cn=admin,dc=corp,dc=local"), "{}", text(&me));
    let delete = message(5, |w| _ = w.element(0x4a, b"uid=x,dc=corp,dc=local"));
    assert!(
        visitor
            .send(&delete)
            .ends_with(b"\x6b\x1b\x0a\x01\x35\x04\0\x04\x14operation restricted")
    );
    let reported = visitor.events.iter().filter(|event| matches!(event, Event::Request(_)));
    assert_eq!(reported.count(), 4);
}

/// Puts an NTLM message into a request.
type Wrap = fn(&[u8]) -> Vec<u8>;

#[test]
fn the_response_of_an_ntlm_login_is_reported_as_a_hash() {
    let context = on(Os::WindowsServer2022, json!({"password": "hunter2"}));
    let challenge = context.fresh("challenge 1");
    let answers: [Wrap; 3] = [
        |message| sasl("GSS-SPNEGO", &spnego::initial(message)),
        |message| sasl("GSS-SPNEGO", message),
        |message| login(if ntlm::kind(message) == Some(1) { 0x8a } else { 0x8b }, message),
    ];
    for wrap in answers {
        let mut visitor = Visitor::start(context.clone());
        let answer = visitor.send(wrap(&ntlm::client::negotiate()));
        assert!(answer.windows(8).any(|window| window == challenge), "{}", text(&answer));
        let response = ntlm::client::authenticate("bob", "CORP", "guess", challenge, 1);
        let refused = text(&visitor.send(wrap(&response)));
        assert!(refused.contains("8009030C: LdapErr: DSID-0C090587"), "{refused}");
        let [Event::Auth(attempt), Event::Fingerprint(Fingerprint { value, .. })] = &visitor.events[..] else {
            panic!("{:?}", visitor.events);
        };
        assert_eq!(
            (attempt.method, attempt.accepted, value.as_str()),
            ("ntlmv2", false, "KALI")
        );
        visitor.send(wrap(&ntlm::client::negotiate()));
        let challenge = context.fresh("challenge 2");
        let response = ntlm::client::authenticate("Administrator", "CORP", "hunter2", challenge, 1);
        assert!(visitor.send(wrap(&response)).ends_with(b"\x0a\x01\0\x04\0\x04\0"));
    }
}

#[test]
fn tls_starts_once() {
    let mut visitor = windows(json!({}));
    let answer = visitor.send(extended(START_TLS));
    assert!(answer.ends_with(b"\x0a\x01\0\x04\0\x04\0\x8a\x161.3.6.1.4.1.1466.20037"));
    assert_eq!(visitor.next, Next::StartTls);
    visitor.secure();
    assert!(visitor.send(extended(START_TLS)).ends_with(b"TLS already started"));
    let mut visitor = linux(json!({}));
    assert_eq!(
        visitor.send(extended(START_TLS)),
        b"0\x0c\x02\x01\x03\x78\x07\x0a\x01\0\x04\0\x04\0"
    );
}

#[test]
fn old_versions_and_unknown_mechanisms_get_the_texts_of_slapd() {
    let mut visitor = linux(json!({}));
    let old = b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x02\x04\0\x80\0";
    let text = b"historical protocol version requested, use LDAPv3 instead";
    assert_eq!(
        visitor.send(old),
        [b"0E\x02\x01\x01a@\x0a\x01\x02\x04\0\x04\x39", &text[..]].concat()
    );
    assert!(
        visitor
            .send(sasl("PLAIN", b"\0bob\0hunter2"))
            .ends_with(b"SASL(-4): no mechanism available: ")
    );
    assert_eq!(visitor.events[1], Event::password("plain", b"bob", b"hunter2", false));
    assert_eq!(
        windows(json!({})).send(old),
        b"0\x84\0\0\0\x10\x02\x01\x01a\x84\0\0\0\x07\x0a\x01\0\x04\0\x04\0"
    );
}

#[test]
fn other_input_ends_the_connection() {
    for input in [
        &b"GET / HTTP/1.0\r\n\r\n"[..],
        b"\0\0\0\0",
        &[0x30, 0x80],
        &[0x30, 0x84, 0x7f, 0, 0, 0],
    ] {
        let mut visitor = linux(json!({}));
        assert_eq!(visitor.send(input), b"");
        assert_eq!(visitor.events, [Event::probe("not this protocol", input)]);
        assert!(visitor.next == Next::Close);
    }
    let answer = linux(json!({})).send(message(1, |w| _ = w.null()));
    assert_eq!(
        answer,
        b"0\x32\x02\x01\0\x78\x2d\x0a\x01\x02\x04\0\x04\x0edecoding error\x8a\x161.3.6.1.4.1.1466.20036"
    );
    let mut visitor = windows(json!({}));
    visitor.send(b"\x30\x05\x02\x01\x03\x42\0");
    assert!(visitor.next == Next::Close);
}

#[test]
fn both_servers_survive_bad_input() {
    let messages = [
        NMAP.to_vec(),
        bind("CORP\\bob", "hunter2"),
        sasl("GSS-SPNEGO", &spnego::initial(&ntlm::client::negotiate())),
        sasl("GSS-SPNEGO", &ntlm::client::authenticate("bob", "CORP", "x", [0; 8], 1)),
        search("dc=corp,dc=local", 2, "cn", &["*", "+"]),
        extended(WHO_AM_I),
    ];
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    survives(&|| linux(json!({})), &messages, 200_000);
    survives(&|| windows(json!({"password": "hunter2"})), &messages, 200_000);
}

#[test]
fn every_field_has_an_effect() {
    let admin = bind("cn=admin,dc=corp,dc=local", "s3cret");
    let root = search("", 0, "objectClass", &["+"]);
    let top = search("dc=corp,dc=local", 2, "o", &[]);
    fields_have_an_effect(
        "ldap",
        &json!({"password": "s3cret"}),
        &[
            ("base_dn", json!("dc=example,dc=org"), 389, &[&root]),
            ("domain", json!("example.org"), 389, &[&top]),
            ("bind_dn", json!("cn=reader,dc=corp,dc=local"), 389, &[&admin]),
            ("password", json!("s3cret"), 636, &[&admin]),
        ],
    );
}

#[test]
fn a_part_of_a_message_is_reported_at_the_end() {
    let mut visitor = linux(json!({}));
    visitor.send(&NMAP[..20]);
    visitor.finish();
    assert_eq!(visitor.events, [Event::probe("partial message", &NMAP[..20])]);
    let mut visitor = linux(json!({}));
    visitor.finish();
    assert_eq!(visitor.events, []);
}
