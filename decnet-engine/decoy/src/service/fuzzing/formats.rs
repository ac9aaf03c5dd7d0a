//! The readers of formats that several protocols share.

use crate::service::{
    dialogue::Input,
    wire::{
        ber, bson,
        client_hello::{ClientHello, is_whole},
        cursor::Cursor,
        dns, http, line, ntlm, sasl, spnego,
    },
};

/// Reads bytes as each shared format.
///
/// # Panics
///
/// If a reader panics, or reads what it wrote in another way.
pub fn formats(bytes: &[u8]) {
    let Some((which, rest)) = bytes.split_first() else {
        return;
    };
    match which % 9 {
        0 => read_ber(rest),
        1 => {
            if let Some(document) = bson::Document::read(&mut Cursor::new(rest)) {
                assert!(document.show(1024).len() <= 8192, "a long text of a document");
                let encoded = document.encode();
                let again = bson::Document::read(&mut Cursor::new(&encoded)).expect("a document that was read");
                assert_eq!(again.encode(), encoded);
            }
        }
        2 => read_dns(rest),
        3 => read_http(rest),
        4 => read_lines(rest),
        5 => {
            let _ = ntlm::kind(rest);
            if let Some(message) = ntlm::Authenticate::parse(rest) {
                let _ = (message.is_anonymous(), message.protects());
                let _ = message.attempt([1; 8], false);
                let _ = message.verify([1; 8], "hunter2");
            }
        }
        6 => {
            let _ = spnego::parse(rest);
        }
        7 => read_sasl(rest),
        _ => {
            let _ = http::form(rest);
            let _ = ntlm::from_utf16(rest);
            let _ = http::quoted(&String::from_utf8_lossy(rest));
        }
    }
}

/// Reads bytes as the first message of a TLS client, whole and in two parts.
///
/// # Panics
///
/// If the reader panics, or if a part says more than the whole.
pub fn client_hello(bytes: &[u8]) {
    let whole = is_whole(bytes);
    let part = is_whole(&bytes[..bytes.len() / 2]);
    assert!(
        part != Some(true) || whole == Some(true),
        "a hello that is whole is not after more bytes"
    );
    assert!(
        part.is_some() || whole.is_none(),
        "bytes that are not TLS became TLS with more bytes"
    );
    if let Some(hello) = ClientHello::parse(bytes) {
        let name = hello.server_name().unwrap_or_default();
        assert!(name.len() <= bytes.len());
        assert_eq!(hello.ja4().len(), 36, "{}", hello.ja4());
    }
}

fn read_ber(bytes: &[u8]) {
    if let Ok(Some(length)) = ber::frame(bytes) {
        assert!(length > 0, "a message without bytes");
    }
    let mut reader = ber::Reader::new(bytes);
    let mut depth = 0;
    while let Ok(element) = reader.element() {
        let _ = (element.integer(), element.boolean(), element.oid());
        depth += 1;
        if let Ok(inside) = element.elements()
            && depth < 1000
        {
            reader = inside;
        }
    }
}

fn read_dns(bytes: &[u8]) {
    let mut reader = dns::Reader::new(bytes);
    while let Some(name) = reader.name() {
        let text = name.text();
        assert!(text.len() <= 4 * 255, "a name of {} bytes", text.len());
        if reader.at() >= bytes.len() {
            break;
        }
        let _ = (reader.u16(), reader.u32(), reader.u8());
    }
}

fn read_http(bytes: &[u8]) {
    for style in [
        http::Style::Nginx,
        http::Style::HttpSys,
        http::Style::Go,
        http::Style::Netty,
    ] {
        let mut reader = http::Reader::new(style, 1 << 20);
        let mut input = Input::default();
        for piece in bytes.chunks(61) {
            input.push(piece);
            loop {
                let before = input.bytes().len();
                match reader.next(&mut input) {
                    http::Read::Request(request) => {
                        let _ = (request.path(), request.query().len(), request.is_head());
                        if input.bytes().len() >= before {
                            break;
                        }
                    }
                    http::Read::Incomplete | http::Read::Expects => break,
                    http::Read::Fault(..) => return,
                }
            }
        }
        let _ = reader.unfinished();
    }
}

fn read_lines(bytes: &[u8]) {
    let mut lines = line::Lines::new(128);
    let mut input = Input::default();
    for piece in bytes.chunks(7) {
        input.push(piece);
        loop {
            match lines.take(&mut input) {
                line::Taken::Partial => break,
                line::Taken::Line(line) => {
                    assert!(line.len() <= 128, "a line of {} bytes", line.len());
                    let _ = line::word(&line);
                }
                line::Taken::TooLong(start) => assert!(start.len() <= 1024, "{} bytes of a line", start.len()),
            }
        }
        assert!(
            input.bytes().len() <= 256,
            "{} bytes wait for their line",
            input.bytes().len()
        );
    }
    let _ = line::foreign(bytes);
}

fn read_sasl(bytes: &[u8]) {
    let mut parts = bytes.split(|byte| *byte == b'\n');
    let mechanism = parts.next().unwrap_or_default();
    let mut step = sasl::start(mechanism, parts.next());
    for part in parts {
        let sasl::Step::Challenge(_, exchange) = step else {
            return;
        };
        step = exchange.answer(part);
    }
}
