use serde_json::{Value, json};

use super::{
    super::{
        context::Context,
        event::{Auth, Proof},
        testing::{Visitor, context_on, fields_have_an_effect, survives},
        wire::{
            ntlm::utf16,
            spnego::{self, State},
        },
    },
    *,
};
use crate::protocol::{Os, Protocol};

fn on(os: Os, fields: Value) -> Context {
    context_on(os, "smb", 445, Protocol::Tcp, fields)
}

/// Returns a request in its frame.
fn request(command: u16, tree: u32, session: u64, body: &[u8]) -> Vec<u8> {
    let mut header = b"\xfeSMB\x40\0\x01\0\0\0\0\0".to_vec();
    header.extend(command.to_le_bytes());
    header.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    header.extend(tree.to_le_bytes());
    header.extend(session.to_le_bytes());
    header.extend([0; 16]);
    header.extend_from_slice(body);
    packet::frame(&header)
}

fn negotiation(dialects: &[u16]) -> Vec<u8> {
    let count = u8::try_from(dialects.len()).unwrap();
    let mut body = vec![36, 0, count, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    body.extend([1; 16]);
    let end = 100 + 2 * dialects.len();
    let contexts = end.next_multiple_of(8);
    body.extend(u32::try_from(contexts).unwrap().to_le_bytes());
    body.extend([3, 0, 0, 0]);
    body.extend(dialects.iter().flat_map(|dialect| dialect.to_le_bytes()));
    body.resize(contexts - 64, 0);
    body.extend(b"\x01\0\x26\0\0\0\0\0\x01\0\x20\0\x01\0");
    body.extend([9; 32]);
    body.extend(b"\0\0\x02\0\x0a\0\0\0\0\0\x04\0\x02\0\x01\0\x04\0\x03\0\0\0\0\0\0\0");
    body.extend(b"\x08\0\x08\0\0\0\0\0\x03\0\x02\0\x01\0\0\0");
    request(command::NEGOTIATE, 0, 0, &body)
}

fn setup(session: u64, token: &[u8]) -> Vec<u8> {
    let length = u16::try_from(token.len()).unwrap().to_le_bytes();
    let head = [&[25, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 88, 0][..], &length, &[0; 8]].concat();
    request(command::SESSION_SETUP, 0, session, &[&head, token].concat())
}

fn connect(session: u64, path: &str) -> Vec<u8> {
    let path = utf16(path);
    let length = u16::try_from(path.len()).unwrap().to_le_bytes();
    request(
        command::TREE_CONNECT,
        0,
        session,
        &[&[9, 0, 0, 0, 72, 0][..], &length, &path].concat(),
    )
}

fn create(tree: u32, session: u64, name: &str) -> Vec<u8> {
    let name = utf16(name);
    let length = u16::try_from(name.len()).unwrap().to_le_bytes();
    let body = [&[57, 0][..], &[0; 42], &[120, 0], &length, &[0; 8], &name].concat();
    request(command::CREATE, tree, session, &body)
}

fn transceive(tree: u32, session: u64, file: &[u8], data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap().to_le_bytes();
    let mut body = [&[57, 0, 0, 0, 0x17, 0xc0, 0x11, 0][..], file, &[120, 0, 0, 0], &length].concat();
    body.extend([0; 24]);
    body.extend_from_slice(data);
    request(command::IOCTL, tree, session, &body)
}

fn result(answer: &[u8]) -> u32 {
    packet::long(answer, 12).unwrap()
}

fn session(answer: &[u8]) -> u64 {
    u64::from_le_bytes(answer[44..52].try_into().unwrap())
}

fn tree(answer: &[u8]) -> u32 {
    packet::long(answer, 40).unwrap()
}

/// Negotiates and sends the first and the last message of NTLM. Returns the session and the last answer.
fn login(context: &Context, visitor: &mut Visitor, response: fn([u8; 8]) -> Vec<u8>) -> (u64, Vec<u8>) {
    visitor.send(negotiation(&[0x0202, 0x0210, 0x0300, 0x0302, 0x0311]));
    let answer = visitor.send(setup(0, &spnego::initial(&ntlm::client::negotiate())));
    assert_eq!(result(&answer), status::MORE);
    let session = session(&answer);
    let response = response(context.fresh("challenge 1"));
    (
        session,
        visitor.send(setup(session, &spnego::answer(State::Incomplete, Some(&response)))),
    )
}

/// The bind of smbclient to `srvsvc`.
const BIND: &[u8] = b"\x05\0\x0b\x03\x10\0\0\0\x48\0\0\0\x01\0\0\0\xb8\x10\xb8\x10\0\0\0\0\x01\0\0\0\0\0\x01\0\
    \xc8\x4f\x32\x4b\x70\x16\xd3\x01\x12\x78\x5a\x47\xbf\x6e\xe1\x88\x03\0\0\0\
    \x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\0\x2b\x10\x48\x60\x02\0\0\0";

/// The request for the shares of smbclient.
const LIST: &[u8] = b"\x05\0\0\x03\x10\0\0\0\x5c\0\0\0\x02\0\0\0\x44\0\0\0\0\0\x0f\0\
    \0\0\x02\0\x0a\0\0\0\0\0\0\0\x0a\0\0\x001\x002\x007\0.\x000\0.\x000\0.\x001\0\0\0\
    \x01\0\0\0\x01\0\0\0\x04\0\x02\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\x08\0\x02\0\0\0\0\0";

/// The bytes of an answer that Samba 4.17 sent to nmap.
const NMAP: &[u8] = b"\0\0\0\xa4\xffSMBr\0\0\0\0\x08\x01\x40\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\x06\0\0\x01\0\0\x81\0\
    \x02PC NETWORK PROGRAM 1.0\0\x02MICROSOFT NETWORKS 1.03\0\x02MICROSOFT NETWORKS 3.0\0\x02LANMAN1.0\0\
    \x02LM1.2X002\0\x02Samba\0\x02NT LANMAN 1.0\0\x02NT LM 0.12\0";

#[test]
fn a_client_of_smb_1_gets_what_samba_and_windows_answer() {
    let mut samba = Visitor::start(on(Os::Debian12, json!({})));
    let expected =
        b"\0\0\0\x25\xffSMBr\0\0\0\0\x88\x03\x40\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\x06\0\0\x01\0\x01\xff\xff\0\0";
    assert_eq!(samba.send(NMAP), expected);
    assert_eq!(samba.events.len(), 1);
    let mut windows = Visitor::start(on(Os::WindowsServer2022, json!({})));
    assert_eq!(windows.send(NMAP), b"");
    assert!(windows.next == Next::Close);
    let wildcard = b"\xffSMBr\0\0\0\0\x18\x53\xc8\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xfe\0\0\0\0\0\x22\0\
        \x02NT LM 0.12\0\x02SMB 2.002\0\x02SMB 2.???\0";
    let mut samba = Visitor::start(on(Os::Debian12, json!({})));
    let answer = samba.send(packet::frame(wildcard));
    let expected = [
        &b"\0\0\0\xca\xfeSMB\x40\0\0\0\0\0\0\0\0\0\x01\0\x01\0\0\0"[..],
        &[0; 44],
        b"\x41\0\x01\0\xff\x02\0\0web-01\0\0\0\0\0\0\0\0\0\0\x07\0\0\0\0\0\x80\0\0\0\x80\0\0\0\x80\0",
        b"\x80\x49\xb3\x9b\x94\xab\xdc\x01\0\0\0\0\0\0\0\0\x80\0\x4a\0\0\0\0\0",
        &spnego::offer(false),
    ]
    .concat();
    assert_eq!(answer, expected);
    assert_eq!(samba.send(negotiation(&[0x0210]))[72..74], [0x10, 2]);
}

#[test]
fn the_highest_dialect_of_both_is_chosen() {
    for (dialects, wanted, chosen) in [
        (
            json!(["SMB2", "SMB3"]),
            &[0x0202, 0x0210, 0x0300, 0x0311][..],
            Some([0x11, 3]),
        ),
        (json!(["SMB2"]), &[0x0202, 0x0210, 0x0300, 0x0311], Some([0x10, 2])),
        (json!(["SMB3"]), &[0x0202, 0x0300], Some([0, 3])),
        (json!(["SMB3"]), &[0x0202], None),
    ] {
        let mut visitor = Visitor::start(on(Os::WindowsServer2019, json!({"dialects": dialects})));
        let answer = visitor.send(negotiation(wanted));
        match chosen {
            Some(chosen) => assert_eq!(answer[72..74], chosen),
            None => assert_eq!(result(&answer), status::NOT_SUPPORTED),
        }
    }
    let mut visitor = Visitor::start(on(Os::Debian12, json!({})));
    let answer = visitor.send(negotiation(&[0x0311]));
    // As Samba 4.17: SHA-512 with a salt, AES-128-GCM, AES-GMAC.
    assert_eq!(answer[..4], [0, 0, 1, 0x1c]);
    assert!(answer.ends_with(b"\0\0\x02\0\x04\0\0\0\0\0\x01\0\x02\0\0\0\0\0\x08\0\x04\0\0\0\0\0\x01\0\x02\0"));
}

#[test]
fn a_named_user_is_refused_and_the_response_is_reported() {
    for os in [Os::Debian12, Os::WindowsServer2019] {
        let context = on(os, json!({}));
        let mut visitor = Visitor::start(context.clone());
        let bob = |challenge| ntlm::client::authenticate("bob", "CORP", "hunter2", challenge, 1);
        let (_, answer) = login(&context, &mut visitor, bob);
        assert_eq!(result(&answer), status::LOGON_FAILURE);
        assert_eq!(answer[68..], [9, 0, 0, 0, 0, 0, 0, 0, 0]);
        let [Event::Auth(attempt), Event::Fingerprint(_)] = &visitor.events[..] else {
            panic!("{:?}", visitor.events);
        };
        assert_eq!((attempt.method, attempt.accepted), ("ntlmv2", false));
        assert!(matches!(&attempt.proof, Proof::Hash(hash) if hash.as_str().starts_with("bob::CORP:")));
        assert_eq!(
            result(&visitor.send(connect(1, "\\\\x\\IPC$"))),
            status::USER_SESSION_DELETED
        );
    }
}

#[test]
fn the_shares_are_listed_after_a_login() {
    let context = on(Os::Debian12, json!({"shares": "projects\nfinance"}));
    let mut visitor = Visitor::start(context.clone());
    let (session, answer) = login(&context, &mut visitor, |_| ntlm::client::anonymous());
    assert_eq!(
        answer[68..],
        *b"\x09\0\x02\0\x48\0\x09\0\xa1\x07\x30\x05\xa0\x03\x0a\x01\0"
    );
    assert_eq!(
        visitor.events,
        [Event::Auth(Auth {
            method: "anonymous",
            user: Some("".into()),
            accepted: true,
            ..Auth::default()
        })]
    );
    let answer = visitor.send(connect(session, "\\\\10.9.0.2\\IPC$"));
    assert_eq!(answer[68..], *b"\x10\0\x02\0\0\0\0\0\0\0\0\0\xa9\0\x1f\0");
    let tree = tree(&answer);
    let opened = visitor.send(create(tree, session, "srvsvc"));
    assert_eq!((result(&opened), opened.len()), (0, 4 + 64 + 88));
    let file = &opened[4 + 64 + 64..][..16];
    let answer = visitor.send(transceive(tree, session, file, BIND));
    let expected = b"\x0d\0\\pipe\\srvsvc\0\0\x01\0\0\0\0\0\0\0\x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\0\x2b\x10\x48\x60\x02\0\0\0";
    assert!(answer.ends_with(expected), "{answer:02x?}");
    let answer = visitor.send(transceive(tree, session, file, LIST));
    let expected: Vec<u8> = [
        &b"\x01\0\0\0\x01\0\0\0\x0c\0\x02\0\x04\0\0\0\x10\0\x02\0\x04\0\0\0"[..],
        b"\x14\0\x02\0\0\0\0\0\x18\0\x02\0\x1c\0\x02\0\0\0\0\0\x20\0\x02\0",
        b"\x24\0\x02\0\0\0\0\0\x28\0\x02\0\x2c\0\x02\0\x03\0\0\x80\x30\0\x02\0",
        b"\x07\0\0\0\0\0\0\0\x07\0\0\0p\0r\0i\0n\0t\0$\0\0\0\0\0",
    ]
    .concat();
    let body = &answer[4 + 64 + 48 + 24..];
    assert!(body.starts_with(&expected), "{body:02x?}");
    assert!(body.ends_with(b"\x04\0\0\0\x34\0\x02\0\0\0\0\0\0\0\0\0"));
    let text = ntlm::from_utf16(body);
    for name in ["projects\0", "finance\0", "IPC Service (Samba 4.17.12-Debian)\0"] {
        assert!(text.contains(name), "{text}");
    }
    assert_eq!(visitor.events[1], Event::request("tree connect", "\\\\10.9.0.2\\IPC$"));
    assert_eq!(
        visitor.events[2..],
        [
            Event::request("open", "IPC$\\srvsvc"),
            Event::request("srvsvc", "NetrShareEnum")
        ]
    );
}

#[test]
fn windows_lists_no_shares_for_nobody_and_all_for_guests() {
    for (guest, expected) in [(false, status::ACCESS_DENIED), (true, 0)] {
        let context = on(Os::Windows11, json!({"guest": guest, "shares": "Public"}));
        let mut visitor = Visitor::start(context.clone());
        let (session, answer) = login(&context, &mut visitor, |_| ntlm::client::anonymous());
        assert_eq!(result(&answer), 0);
        let ipc = tree(&visitor.send(connect(session, "\\\\x\\ipc$")));
        assert_eq!(result(&visitor.send(create(ipc, session, "srvsvc"))), expected);
        assert_eq!(
            result(&visitor.send(create(ipc, session, "samr"))),
            status::ACCESS_DENIED
        );
        assert_eq!(
            result(&visitor.send(create(ipc, session, "nothing"))),
            status::NOT_FOUND
        );
        assert_eq!(result(&visitor.send(connect(session, "\\\\x\\Public"))), expected);
        assert_eq!(
            result(&visitor.send(connect(session, "\\\\x\\C$"))),
            status::ACCESS_DENIED
        );
        assert_eq!(
            result(&visitor.send(connect(session, "\\\\x\\none"))),
            status::BAD_NETWORK_NAME
        );
    }
}

#[test]
fn a_netbios_session_is_accepted_and_its_name_is_reported() {
    let mut visitor = Visitor::start(on(Os::Debian12, json!({})));
    let mut call = vec![0x81, 0, 0, 0x44];
    for name in [
        b" CKFDENECFDEFFCFGEFFCCACACACACACA\0",
        b" ELEBEMEJCACACACACACACACACACACAAA\0",
    ] {
        call.extend(name);
    }
    assert_eq!(visitor.send(call), [0x82, 0, 0, 0]);
    assert_eq!(visitor.events, [Event::client_name("KALI")]);
}

#[test]
fn windows_wants_a_netbios_session_first_on_its_port() {
    let call = [&[0x81, 0, 0, 0x44][..], &[b' '; 0x44]].concat();
    let negotiate = [&[0, 0, 0, 5][..], b"\xffSMBr"].concat();
    let start = |os| Visitor::start(context_on(os, "smb", 139, Protocol::Tcp, json!({})));
    let mut windows = start(Os::Windows10);
    assert_eq!(windows.send(&negotiate), [0x83, 0, 0, 1, 0x8f]);
    assert_eq!(windows.next, Next::Close);
    assert_eq!(
        windows.events,
        [Event::probe("message without a NetBIOS session", b"\xffSMBr")]
    );
    let mut windows = start(Os::Windows10);
    assert_eq!(windows.send(call), [0x82, 0, 0, 0]);
    assert_ne!(windows.send(&negotiate), [0x83, 0, 0, 1, 0x8f]);
    assert_ne!(start(Os::Debian12).send(&negotiate), [0x83, 0, 0, 1, 0x8f]);
}

#[test]
fn other_input_is_a_probe() {
    let http = b"GET / HTTP/1.0\r\n\r\n";
    let mut windows = Visitor::start(on(Os::Windows10, json!({})));
    assert_eq!(windows.send(http), b"");
    assert!(windows.next == Next::Close);
    let mut samba = Visitor::start(on(Os::Debian12, json!({})));
    assert_eq!(samba.send(http), b"");
    assert!(samba.next == Next::Continue && samba.events.is_empty());
    samba.finish();
    assert_eq!(
        (&samba.events, &windows.events),
        (&windows.events, &vec![Event::probe("not this protocol", http)])
    );
    assert_eq!(samba.send(b""), b"");
    let mut samba = Visitor::start(on(Os::Debian12, json!({})));
    assert_eq!(samba.send(b"\0\0\0\x04abcd"), b"");
    assert!(samba.next == Next::Close);
}

#[test]
fn samba_and_windows_survive_bad_input() {
    for (os, fields) in [
        (Os::Debian12, json!({"shares": "projects"})),
        (Os::WindowsServer2019, json!({"guest": true})),
    ] {
        let context = on(os, fields);
        let mut visitor = Visitor::start(context.clone());
        let (session, _) = login(&context, &mut visitor, |_| ntlm::client::anonymous());
        let tree = tree(&visitor.send(connect(session, "\\\\x\\IPC$")));
        let opened = visitor.send(create(tree, session, "srvsvc"));
        let file = &opened[4 + 64 + 64..][..16];
        let messages = [
            negotiation(&[0x0202, 0x0311]),
            setup(0, &spnego::initial(&ntlm::client::negotiate())),
            setup(
                session,
                &spnego::answer(State::Incomplete, Some(&ntlm::client::anonymous())),
            ),
            connect(session, "\\\\x\\IPC$"),
            create(tree, session, "srvsvc"),
            transceive(tree, session, file, BIND),
            transceive(tree, session, file, LIST),
            request(
                command::CLOSE,
                tree,
                session,
                &[&[24, 0, 0, 0, 0, 0, 0, 0][..], file].concat(),
            ),
        ];
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        survives(&|| Visitor::start(context.clone()), &messages, 30_000);
        survives(&|| Visitor::start(context.clone()), &[NMAP], 1000);
    }
}

#[test]
fn every_field_has_an_effect() {
    let context = on(Os::Debian12, json!({}));
    let mut visitor = Visitor::start(context.clone());
    let bob = |challenge| ntlm::client::authenticate("bob", "CORP", "hunter2", challenge, 1);
    let (session, _) = login(&context, &mut visitor, |_| ntlm::client::anonymous());
    let ipc = connect(session, "\\\\x\\IPC$");
    let tree = tree(&visitor.send(&ipc));
    let open = create(tree, session, "srvsvc");
    let opened = visitor.send(&open);
    let [bind, enumerate] = [BIND, LIST].map(|data| transceive(tree, session, &opened[4 + 64 + 64..][..16], data));
    let negotiate = negotiation(&[0x0210, 0x0311]);
    let first = setup(0, &spnego::initial(&ntlm::client::negotiate()));
    let last = setup(
        session,
        &spnego::answer(State::Incomplete, Some(&bob(context.fresh("challenge 1")))),
    );
    let anonymous = setup(
        session,
        &spnego::answer(State::Incomplete, Some(&ntlm::client::anonymous())),
    );
    fields_have_an_effect(
        "smb",
        &json!({}),
        &[
            ("hostname", json!("files-02"), 445, &[&negotiate]),
            ("workgroup", json!("ACME"), 445, &[&negotiate, &first]),
            ("dialects", json!(["SMB2"]), 139, &[&negotiate]),
            (
                "shares",
                json!("projects"),
                445,
                &[&negotiate, &first, &anonymous, &connect(session, "\\\\x\\projects")],
            ),
            ("guest", json!(true), 445, &[&negotiate, &first, &last]),
            (
                "version",
                json!("4.13.99"),
                445,
                &[&negotiate, &first, &anonymous, &ipc, &open, &bind, &enumerate],
            ),
        ],
    );
}
