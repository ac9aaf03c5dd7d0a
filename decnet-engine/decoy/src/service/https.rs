//! A web site on port 443, behind TLS: the site of [`http`](super::http) with a certificate.
//!
//! Plain HTTP on this port gets nginx's page for it; IIS closes.

use super::{context::Context, dialogue::Dialogue, http::site::Site};

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    Box::new(Site::new(context, "https", certificate_name(context)))
}

/// Returns the name in the certificate, which is also the host of redirects for requests without `Host`: that of the field, or
/// the host's name with its domain.
pub(super) fn certificate_name(context: &Context) -> String {
    let name = context.fields().text("common_name").filter(|name| !name.is_empty());
    name.map_or_else(|| context.persona().fqdn(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::{Os, Protocol};
    use crate::service::{
        event::Event,
        testing::{self, Visitor, context, fields_have_an_effect, survives},
    };

    #[test]
    fn the_certificate_has_the_name_of_the_field_or_of_the_host() {
        let name = |fields| certificate_name(&context("https", 443, Protocol::Tcp, fields));
        assert_eq!(name(json!({})), "web-01.corp.local");
        assert_eq!(name(json!({"common_name": "shop.example"})), "shop.example");
    }

    #[test]
    fn plain_http_on_the_port_of_tls_gets_the_page_of_nginx() {
        let answer = |bytes: &[u8]| {
            let mut visitor = Visitor::connect("https", 443, json!({}));
            let answer = visitor.turn(|dialogue, _, turn| dialogue.unsecured(&mut bytes.into(), turn));
            (String::from_utf8(answer).unwrap(), visitor.events)
        };
        let (page, events) = answer(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(
            page,
            "HTTP/1.1 400 Bad Request\r\nServer: nginx/1.22.1\r\nDate: Wed, 04 Mar 2026 05:06:07 GMT\r\n\
            Content-Type: text/html\r\nContent-Length: 255\r\nConnection: close\r\n\r\n<html>\r\n\
            <head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n<body>\r\n\
            <center><h1>400 Bad Request</h1></center>\r\n\
            <center>The plain HTTP request was sent to HTTPS port</center>\r\n\
            <hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
        );
        assert!(matches!(&events[..], [Event::Request(request)] if request.status == Some(400)));
        assert!(answer(b"hello\r\n").0.contains("<title>400 Bad Request</title>"));
        assert_eq!(answer(b"GET /\r\n").0.len(), 255);
        assert_eq!(answer(b"\r\n\r\n").0, "");
        let (head, _) = answer(b"HEAD / HTTP/1.0\r\n\r\n");
        assert!(head.ends_with("\r\n\r\n") && head.len() == 152, "{head}");
    }

    #[test]
    fn windows_closes_after_plain_http_on_the_port_of_tls() {
        let context = testing::context_on(Os::WindowsServer2019, "https", 443, Protocol::Tcp, json!({}));
        let mut visitor = Visitor::start(context);
        let mut input = (&b"GET / HTTP/1.0\r\n\r\n"[..]).into();
        assert_eq!(
            visitor.turn(|dialogue, _, turn| dialogue.unsecured(&mut input, turn)),
            b""
        );
        assert_eq!(visitor.events.len(), 1);
    }

    #[test]
    fn it_survives_any_input() {
        let messages: [&[u8]; 2] = [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /admin HTTP/1.0\r\n\r\n"];
        survives(&|| Visitor::connect("https", 443, json!({})), &messages, 20_000);
    }

    #[test]
    fn every_field_has_an_effect() {
        let front: &[&[u8]] = &[b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"];
        fields_have_an_effect(
            "https",
            &json!({}),
            &[
                ("server_header", json!("nginx/1.25.3"), 443, front),
                (
                    "common_name",
                    json!("shop.example"),
                    443,
                    &[b"GET /admin HTTP/1.0\r\n\r\n"],
                ),
                ("page", json!("<h1>Shop</h1>"), 443, front),
                ("version", json!("1.25.4"), 443, front),
            ],
        );
    }
}
