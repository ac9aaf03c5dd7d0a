//! BIND.

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

#[test]
fn dns_answers_as_bind_does() {
    let Some(plan) = real::Plan::new("usr/sbin/named") else {
        return;
    };
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
        "options {{ directory \"{}\"; listen-on port {} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; pid-file none;\n\
         session-keyfile none; dnssec-validation no; }};\ncontrols {{ }};\n{}",
        plan.path(""),
        plan.port,
        zones.concat()
    );
    let config = plan.write("named.conf", config);
    let real = plan.start("usr/sbin/named", &["-g", "-c", &config]);
    let comparison = Comparison {
        service: "dns",
        fields: json!({}),
        greets: false,
        at_once: 8,
        mask,
        on_purpose: &[],
    };
    let (rd, none) = ([1, 0], [0, 0]);
    let edns: &[u8] = b"\0\0\x29\x10\0\0\0\0\0\0\0";
    let edns_1: &[u8] = b"\0\0\x29\x10\0\0\x01\0\0\0\0";
    let queries = [
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
    ];
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
