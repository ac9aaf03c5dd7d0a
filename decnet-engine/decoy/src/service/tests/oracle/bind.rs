//! BIND.

use std::{
    net::{Ipv4Addr, UdpSocket},
    time::{Duration, Instant},
};

use super::{
    Step::{Finish, Part, Say},
    *,
};

/// Shows the header, the question and the number of records; the records have the names and addresses of the host.
fn mask(bytes: &[u8]) -> String {
    let mut shown: Vec<String> = Vec::new();
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let Some((message, after)) = after.split_at_checked(length) else {
            break;
        };
        let counts: Vec<u16> = message
            .get(4..12)
            .unwrap_or_default()
            .chunks(2)
            .map(|two| u16::from_be_bytes([two[0], two[1]]))
            .collect();
        shown.push(format!(
            "(id and flags {}, counts {counts:?}) ",
            text(message.get(..4).unwrap_or(message))
        ));
        rest = after;
    }
    shown.concat() + &text(rest)
}

/// Returns a query over TCP.
fn ask(flags: [u8; 2], name: &str, kind: u16, class: u16, more: &[u8]) -> Vec<u8> {
    let extra = u8::from(!more.is_empty());
    let mut message = [&[0x12, 0x34][..], &flags, &[0, 1, 0, 0, 0, 0, 0, extra]].concat();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend([kind.to_be_bytes(), class.to_be_bytes()].concat());
    message.extend(more);
    framed(&message)
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

/// How long the server may take to load its zones.
const LOADING: Duration = Duration::from_secs(30);

/// How often a server that does not answer is asked again.
const BUSY: usize = 10;

/// Starts the server, and waits until it has loaded its zones. Until then, it answers that it has failed.
fn bind() -> Option<Real> {
    let plan = real::Plan::new("usr/sbin/named")?;
    // As Debian's named.conf.options and named.conf.default-zones, without the root, and with the zone of the host.
    plan.write(
        "db.corp",
        "$TTL 86400\n@ SOA web-01 hostmaster 1 604800 86400 2419200 86400\n@ NS web-01\nweb-01 A 127.0.0.1\n",
    );
    plan.write("db.local", "$TTL 604800\n@ SOA localhost. root.localhost. 2 604800 86400 2419200 604800\n@ NS localhost.\n@ A 127.0.0.1\n@ AAAA ::1\n");
    plan.write("db.127", "$TTL 604800\n@ SOA localhost. root.localhost. 1 604800 86400 2419200 604800\n@ NS localhost.\n1.0.0 PTR localhost.\n");
    let zones = [
        ("corp.local", "db.corp"),
        ("localhost", "db.local"),
        ("127.in-addr.arpa", "db.127"),
    ];
    let zones = zones.map(|(zone, file)| format!("zone \"{zone}\" {{ type master; file \"{file}\"; }};\n"));
    let config = format!(
        "options {{ directory \"{}\"; listen-on port {} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; pid-file none; hostname \"web-01\";\n\
         session-keyfile none; dnssec-validation no; }};\ncontrols {{ }};\n{}",
        plan.path(""),
        plan.port,
        zones.concat()
    );
    let config = plan.write("named.conf", config);
    let server = plan.start("usr/sbin/named", &["-g", "-c", &config]);
    let begun = Instant::now();
    let last_ones = [
        ask([0, 0], "127.in-addr.arpa", 6, 1, b""),
        ask([0, 0], "version.bind", 16, 3, b""),
    ];
    for query in last_ones {
        // The lower half of the fourth byte is the code of the answer.
        while answer(server.port, &query[2..]).is_none_or(|answer| answer[3] & 15 != 0) {
            assert!(begun.elapsed() < LOADING, "the server does not load its zones");
            thread::sleep(Duration::from_millis(20));
        }
    }
    Some(server)
}

/// Returns queries, right and wrong ones, over TCP.
fn queries() -> Vec<Vec<u8>> {
    let (rd, none) = ([1, 0], [0, 0]);
    let edns: &[u8] = b"\0\0\x29\x10\0\0\0\0\0\0\0";
    let edns_1: &[u8] = b"\0\0\x29\x10\0\0\x01\0\0\0\0";
    vec![
        ask(rd, "version.bind", 16, 3, b""),
        ask(rd, "VERSION.BIND", 16, 3, b""),
        ask(rd, "hostname.bind", 16, 3, b""),
        ask(rd, "id.server", 16, 3, b""),
        ask(rd, "authors.bind", 16, 3, b""),
        ask(rd, "nosuch.bind", 16, 3, b""),
        ask(rd, "nosuch", 16, 3, b""),
        ask(rd, "version.bind", 16, 1, b""),
        ask(rd, "version.bind", 1, 3, b""),
        ask(rd, "version.bind", 255, 255, b""),
        ask(rd, "www.example.org", 1, 1, b""),
        ask(rd, "www.example.org", 1, 4, b""),
        ask(none, "corp.local", 6, 1, b""),
        ask(none, "corp.local", 2, 1, b""),
        ask(none, "corp.local", 15, 1, b""),
        ask(none, "corp.local", 255, 1, b""),
        ask(none, "nosuch.corp.local", 1, 1, b""),
        ask(rd, "localhost", 1, 1, b""),
        ask(rd, "localhost", 28, 1, edns),
        ask(rd, "1.0.0.127.in-addr.arpa", 12, 1, edns),
        ask(rd, "corp.local", 6, 1, edns_1),
        ask(rd, "", 2, 1, b""),
        ask(rd, "corp.local", 251, 1, b""),
        ask(rd, "corp.local", 41, 1, b""),
        ask(rd, "corp.local", 249, 1, b""),
        ask([0x10, 0], "corp.local", 6, 1, b""),
        ask([0x08, 0], "corp.local", 6, 1, b""),
        ask([0x20, 0], "corp.local", 6, 1, b""),
        ask([0x28, 0], "corp.local", 6, 1, b""),
        ask([0x78, 0], "corp.local", 6, 1, b""),
        ask([0x02, 0x30], "corp.local", 6, 1, b""),
        framed(b"\x12\x34\x01\0\0\0\0\0\0\0\0\0"),
        framed(b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0"),
        framed(b"\x12\x34\x01\0\0\x02\0\0\0\0\0\0\x01a\0\0\x01\0\x01\x01a\0\0\x01\0\x01"),
        framed(b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01"),
        framed(b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01more"),
    ]
}

#[test]
fn dns_answers_as_bind_does() {
    let Some(real) = bind() else { return };
    let queries = queries();
    let comparison = Comparison {
        service: "dns",
        fields: json!({}),
        greets: false,
        at_once: 8,
        mask,
        on_purpose: &[],
    };
    let single: Vec<[Step; 1]> = queries.iter().map(|query| [Say(query)]).collect();
    let mut conversations: Vec<&[Step]> = single.iter().map(|steps| &steps[..]).collect();
    let first = &queries[0];
    let both = [&queries[0][..], &queries[10]].concat();
    let (answer, short) = (
        framed(b"\x12\x34\x81\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01"),
        framed(b"\x12\x34\x01"),
    );
    let rest: [&[Step]; 6] = [
        &[Part(&first[..1]), Part(&first[1..9]), Say(&first[9..]), Finish],
        &[Say(&both)],
        &[Say(b"GET / HTTP/1.0\r\n\r\n"), Finish],
        &[Say(&answer)],
        &[Say(&short)],
        &[Say(b"\0\0")],
    ];
    conversations.extend(rest);
    comparison.check(&real, &conversations);
}

/// Sends a datagram, and returns the answer.
fn answer(port: u16, datagram: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    socket.send(datagram).unwrap();
    let mut answer = [0; 4096];
    let length = socket.recv(&mut answer).ok()?;
    Some(answer[..length].to_vec())
}

/// Returns what the service sends instead of a long answer: the answers alone, or the question with the bit TC, so that the visitor asks
/// over TCP. The OPT record is kept if there is room.
fn cut(answer: &[u8], most: usize, is_truncated: bool) -> Vec<u8> {
    let mut cut = answer[..12].to_vec();
    let has_options = answer.windows(3).any(|part| part == b"\0\0\x29");
    let question_end = 12 + answer[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
    let is_kept = has_options && question_end + 11 <= most;
    if is_truncated {
        cut[2] |= 2;
        cut[6..8].fill(0);
    }
    cut[8..12].copy_from_slice(&[0, 0, 0, is_kept.into()]);
    cut
}

#[test]
fn datagrams_are_answered_as_bind_does_or_cut() {
    let Some(real) = bind() else { return };
    // As long as the version of Debian's package.
    let fields = json!({"server_version": "9.18.49-1~deb12u3-Debian"});
    let own = Running::serve(service("dns", Vec::new(), fields), Protocol::Udp);
    // The kernel reports the address of a datagram only after the first answer.
    answer(own.port, &ask([0, 0], "corp.local", 6, 1, b"")[2..]);
    let (rd, edns) = ([1, 0], &b"\0\0\x29\x04\xd0\0\0\0\0\0\0"[..]);
    let cookie = b"\0\0\x29\x04\xd0\0\0\0\0\0\x0c\0\x0a\0\x08abcdefgh";
    let wrong_cookie = b"\0\0\x29\x04\xd0\0\0\0\0\0\x07\0\x0a\0\x03abc";
    let padded = [&b"\0\0\x29\x04\xd0\0\0\0\0\0\x64\0\x0c\0\x60"[..], &[0; 96]].concat();
    let more = [
        ask(rd, "web-01.corp.local", 1, 1, b""),
        ask(rd, "web-01.corp.local", 1, 1, edns),
        ask(rd, "web-01.corp.local", 28, 1, b""),
        ask(rd, "corp.local", 6, 1, &padded),
        ask(rd, "version.bind", 16, 3, &padded),
        ask(rd, "nosuch.corp.local", 1, 1, edns),
        ask(rd, "nosuch.corp.local", 1, 1, &padded),
        ask(rd, "www.example.org", 28, 1, edns),
        ask(rd, "corp.local", 252, 1, b""),
        ask(rd, "corp.local", 6, 1, cookie),
        ask(rd, "corp.local", 6, 1, wrong_cookie),
        framed(b"\x12\x34\x01"),
        framed(b"\x12\x34\x81\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01"),
        framed(b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x3fa"),
        framed(b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x01a\0\0\x01\0\x01"),
        framed(b"GET / HTTP/1.0\r\n\r\n"),
        framed(&[0; 12]),
        framed(&[0xff; 40]),
    ];
    let mut differences = Vec::new();
    for query in queries().iter().chain(&more) {
        let query = &query[2..];
        let most = 2 * query.len();
        let (mut theirs, ours) = (answer(real.port, query), answer(own.port, query));
        if theirs.is_none() && ours.is_some() {
            // A server on a busy machine answers late.
            theirs = (0..BUSY).find_map(|_| answer(real.port, query));
        }
        let expected = theirs.map(|theirs| {
            if theirs.len() > most {
                let is_truncated = ours.as_ref().is_none_or(|ours| ours[2] & 2 != 0);
                cut(&theirs, most, is_truncated)
            } else {
                theirs
            }
        });
        let shown = |answer: &Option<Vec<u8>>| answer.as_ref().map_or("(none)".into(), |answer| mask(&framed(answer)));
        if shown(&expected) != shown(&ours) {
            differences.push(format!(
                "{}\n      real: {}\n      ours: {}",
                text(query),
                shown(&expected),
                shown(&ours)
            ));
        }
    }
    own.end();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
