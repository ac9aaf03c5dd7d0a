use serde_json::{Value, json};

use super::super::{
    event::{Event, File, Request},
    testing::{Visitor, context_on, fields_have_an_effect, survives},
};
use crate::protocol::{Os, Protocol};

fn fields() -> Value {
    json!({"files": "startup-config\nimage.bin", "writable": true})
}

fn reading() -> Visitor {
    Visitor::datagrams("tftp", 69, json!({"files": "startup-config\nimage.bin"}))
}

fn writing() -> Visitor {
    Visitor::datagrams("tftp", 69, fields())
}

fn request(method: &str, name: &str, status: u16) -> Event {
    Event::Request(Request {
        method: method.into(),
        target: Some(name.into()),
        status: Some(status),
        ..Request::default()
    })
}

#[test]
fn a_file_is_sent_in_one_block_that_is_not_longer_than_twice_the_request() {
    for (ask, line_end) in [
        (&b"\0\x01startup-config\0octet\0"[..], "\n"),
        (b"\0\x01/startup-config\0NetASCII\0", "\r\n"),
        (b"\0\x01startup-config\0octet\0tsize\x000\0blksize\x001024\0", "\n"),
    ] {
        let mut visitor = reading();
        let answer = visitor.send(ask);
        assert!(answer.len() <= 2 * ask.len());
        let expected = format!("\0\x03\0\x01hostname web-01{line_end}enable password ");
        assert_eq!(answer[..expected.len()], *expected.as_bytes());
        assert_eq!(visitor.send(ask), answer, "a repeated request has the same answer");
        assert_eq!(visitor.send(b"\0\x04\0\x01"), b"");
        let [Event::File(file)] = &visitor.events[..] else {
            panic!("{:?}", visitor.events)
        };
        assert_eq!((file.name.as_str(), file.is_upload), ("startup-config", false));
    }
    assert_eq!(reading().send(b"\0\x01image.bin\0octet\0").len(), 36);
}

#[test]
fn requests_that_are_wrong_get_an_error() {
    for (ask, answer, event) in [
        (
            &b"\0\x01etc\0octet\0"[..],
            &b"\0\x05\0\x01File not found\0"[..],
            request("read", "etc", 1),
        ),
        (
            b"\0\x02new\0octet\0",
            b"\0\x05\0\x01File not found\0",
            request("write", "new", 1),
        ),
        (
            b"\0\x02image.bin\0octet\0",
            b"\0\x05\0\x02Access violation\0",
            request("write", "image.bin", 2),
        ),
        (
            b"\0\x01image.bin\0mail\0",
            b"\0\x05\0\x04Illegal TFTP operation\0",
            request("read", "image.bin", 4),
        ),
        (
            b"\0\x01image.bin",
            b"\0\x05\0\x04Illegal TFTP operation\0",
            request("read", "image.bin", 4),
        ),
        (b"\0\x07abc", b"", Event::probe("not this protocol", b"\0\x07abc")),
        (b"\0", b"", Event::probe("not this protocol", b"\0")),
        (
            b"\0\x03\0\x01abc",
            b"",
            Event::probe("data without a request", b"\0\x03\0\x01abc"),
        ),
    ] {
        let mut visitor = reading();
        assert_eq!(visitor.send(ask), answer, "{ask:?}");
        assert_eq!(visitor.events, [event]);
    }
    let mut switch = Visitor::start(context_on(Os::NetworkDevice, "tftp", 69, Protocol::Udp, json!({})));
    assert_eq!(
        switch.send(b"\0\0\x10\0\0\0\0\0\0\0\0\0"),
        b"\0\x05\0\x04Illegal operation\0"
    );
}

#[test]
fn an_upload_is_acknowledged_block_by_block_and_reported_at_its_end() {
    let mut visitor = writing();
    assert_eq!(visitor.send(b"\0\x02x.bin\0octet\0"), b"\0\x04\0\0");
    let block = [&b"\0\x03\0\x01"[..], &[b'a'; 512]].concat();
    assert_eq!(visitor.send(&block), b"\0\x04\0\x01");
    assert_eq!(
        visitor.send(&block),
        b"\0\x04\0\x01",
        "a repeated block is acknowledged again"
    );
    assert_eq!(visitor.send(b"\0\x03\0\x09abc"), b"", "a block out of order is not");
    assert_eq!(visitor.send(b"\0\x03\0\x02bc"), b"\0\x04\0\x02");
    let file = File {
        name: "x.bin".into(),
        is_upload: true,
        bytes: 514,
        sha256: Some(super::hex(&<sha2::Sha256 as sha2::Digest>::digest(
            [&[b'a'; 512][..], b"bc"].concat(),
        ))),
    };
    assert_eq!(visitor.events, [request("write", "x.bin", 0), Event::File(file)]);
}

#[test]
fn options_of_an_upload_are_answered() {
    let mut visitor = writing();
    let answer = visitor.send(b"\0\x02x\0octet\0BLKSIZE\x0016\0tsize\x0018\0timeout\x005\0other\x001\0");
    assert_eq!(answer, b"\0\x06blksize\x0016\0tsize\x0018\0timeout\x005\0");
    assert_eq!(visitor.send(b"\0\x03\0\x010123456789abcdef"), b"\0\x04\0\x01");
    assert_eq!(visitor.send(b"\0\x03\0\x02gh"), b"\0\x04\0\x02");
    assert!(matches!(&visitor.events[1], Event::File(file) if file.bytes == 18));
}

#[test]
fn an_upload_that_is_too_long_is_refused() {
    let full = b"\0\x05\0\x03Disk full or allocation exceeded\0";
    assert_eq!(writing().send(b"\0\x02x\0octet\0tsize\x005000000000\0"), full);
    let mut visitor = writing();
    visitor.send(b"\0\x02x\0octet\0blksize\x0065464\0");
    let mut answer = Vec::new();
    for block in 1..=65_u16 {
        answer = visitor.send([&b"\0\x03"[..], &block.to_be_bytes(), &vec![0; 65_464]].concat());
    }
    assert_eq!(answer, full);
    assert_eq!(visitor.send(b"\0\x03\0\x42abc"), b"");
}

#[test]
fn recorded_messages_are_survived_when_they_are_changed() {
    let messages: [&[u8]; 5] = [
        b"\0\x01startup-config\0octet\0",
        b"\0\x04\0\x01",
        b"\0\x02x\0octet\0blksize\x0016\0tsize\x0018\0",
        b"\0\x03\0\x010123456789abcdef",
        b"\0\x03\0\x02gh",
    ];
    survives(&writing, &messages, 4096);
}

#[test]
fn each_field_has_an_effect() {
    fields_have_an_effect(
        "tftp",
        &json!({}),
        &[
            ("files", json!("boot.cfg"), 69, &[b"\0\x01boot.cfg\0octet\0"]),
            ("writable", json!(true), 69, &[b"\0\x02boot.cfg\0octet\0"]),
        ],
    );
}
