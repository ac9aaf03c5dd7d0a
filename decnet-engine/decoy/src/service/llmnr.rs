//! LLMNR (RFC 4795) on 5355 as Windows answers, and multicast DNS (RFC 6762) on 5353 as Avahi answers. Only the own name has an
//! answer; all names that visitors look for are reported.
//!
//! The answer is the address that the visitor reached. Without it there is no answer.

use std::net::Ipv4Addr;

use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::{Event, Request},
    wire::dns::{Data, Name, Reader, Record, Writer, kind, kind_name},
};

/// The port of multicast DNS.
const MDNS: u16 = 5353;
const RESPONSE: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const AUTHORITATIVE: u16 = 0x0400;
const IN: u16 = 1;
/// The bit of a class that asks for an answer to one host, or states that a record is the only one.
const TOP: u16 = 0x8000;

/// A host that answers for its own name.
struct Llmnr {
    name: Name,
    is_mdns: bool,
    /// Whether the visitor is a whole responder of multicast DNS, and not a simple resolver.
    is_responder: bool,
    local: Ipv4Addr,
}

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    let persona = context.persona();
    let hostname = context.fields().text("hostname").unwrap_or(&persona.hostname);
    let is_mdns = context.session.port == MDNS;
    let own = Name::absolute(hostname);
    let name = if is_mdns {
        Name::absolute(&format!("{own}.local"))
    } else {
        own
    };
    Box::new(Llmnr {
        name,
        is_mdns,
        is_responder: context.session.remote.port() == MDNS,
        local: context.session.local,
    })
}

impl Dialogue for Llmnr {
    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        let datagram = input.take_all();
        let limit = datagram.len().saturating_mul(2);
        match self.read(&datagram, turn) {
            Some(answer) if answer.len() <= limit => {
                if !answer.is_empty() {
                    turn.send(answer);
                }
            }
            Some(_) => {}
            None => turn.report(Event::probe("not this protocol", &datagram)),
        }
    }
}

impl Llmnr {
    /// Returns the answer, which is empty if there is none, and nothing for a message that cannot be read.
    fn read(&self, datagram: &[u8], turn: &mut Turn) -> Option<Vec<u8>> {
        const MOST_QUESTIONS: u16 = 8;
        let mut reader = Reader::new(datagram);
        let (id, flags, questions) = (reader.u16()?, reader.u16()?, reader.u16()?);
        reader.bytes(6)?;
        // Announcements and answers of others, and what is not a query.
        if flags & (RESPONSE | OPCODE) != 0 {
            return Some(Vec::new());
        }
        let mut answer = None;
        for _ in 0..questions.min(MOST_QUESTIONS) {
            let (name, kind, class) = (reader.name()?, reader.u16()?, reader.u16()?);
            turn.report(Event::Request(Request {
                method: kind_name(kind).into(),
                target: Some((&name.text()).into()),
                ..Request::default()
            }));
            if answer.is_none() && name.is(&self.name) && class & !TOP == IN {
                answer = self.answer(id, &name, kind, class);
            }
        }
        // LLMNR has one question in a query (RFC 4795, section 2.1.1).
        Some(answer.filter(|_| self.is_mdns || questions == 1).unwrap_or_default())
    }

    fn answer(&self, id: u16, name: &Name, kind: u16, class: u16) -> Option<Vec<u8>> {
        let has_address = matches!(kind, kind::A | kind::ANY);
        // Avahi is silent if it has no record of the type. Windows answers without records.
        if self.local.is_unspecified() || self.is_mdns && !has_address {
            return None;
        }
        let is_short = self.is_mdns && self.is_responder;
        let mut writer = Writer::default();
        writer.u16(if is_short { 0 } else { id });
        writer.u16(RESPONSE | if self.is_mdns { AUTHORITATIVE } else { 0 });
        writer.u16(u16::from(!is_short));
        writer.u16(u16::from(has_address));
        writer.u16(0);
        writer.u16(0);
        if !is_short {
            writer.name(name, true);
            writer.u16(kind);
            writer.u16(class & !TOP);
        }
        if has_address {
            let (ttl, class) = match (self.is_mdns, is_short) {
                (false, _) => (30, IN),
                (true, false) => (10, IN),
                (true, true) => (120, IN | TOP),
            };
            writer.record(&Record {
                name: name.clone(),
                class,
                ttl,
                data: Data::A(self.local.octets()),
            });
        }
        Some(writer.finish())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        protocol::Protocol,
        service::testing::{Visitor, context, fields_have_an_effect, survives},
    };

    fn query(name: &str, kind: u8, class: u16) -> Vec<u8> {
        let mut message = b"\x12\x34\0\0\0\x01\0\0\0\0\0\0".to_vec();
        for label in name.split('.') {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend(label.as_bytes());
        }
        message.extend([0, 0, kind]);
        message.extend(class.to_be_bytes());
        message
    }

    fn ask(port: u16, message: &[u8]) -> Vec<u8> {
        Visitor::datagrams("llmnr", port, json!({})).send(message)
    }

    #[test]
    fn the_own_name_is_answered_over_llmnr() {
        let question = b"\x06web-01\0\0\x01\0\x01";
        let address = b"\xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\x0a\x09\0\x02";
        let expected = [&b"\x12\x34\x80\0\0\x01\0\x01\0\0\0\0"[..], question, address].concat();
        assert_eq!(ask(5355, &query("web-01", 1, 1)), expected);
        let answer = ask(5355, &query("WEB-01", 28, 1));
        assert_eq!(answer, b"\x12\x34\x80\0\0\x01\0\0\0\0\0\0\x06WEB-01\0\0\x1c\0\x01");
    }

    #[test]
    fn the_own_name_is_answered_over_multicast_dns() {
        let question = b"\x06web-01\x05local\0\0\x01\0\x01";
        let address = b"\xc0\x0c\0\x01\0\x01\0\0\0\x0a\0\x04\x0a\x09\0\x02";
        let expected = [&b"\x12\x34\x84\0\0\x01\0\x01\0\0\0\0"[..], question, address].concat();
        assert_eq!(ask(5353, &query("web-01.local", 1, 1)), expected);
        let mut responder = context("llmnr", 5353, Protocol::Udp, json!({}));
        responder.session.remote.set_port(5353);
        let answer = Visitor::start(responder).send(query("web-01.local", 1, 0x8001));
        let expected = b"\0\0\x84\0\0\0\0\x01\0\0\0\0\x06web-01\x05local\0\0\x01\x80\x01\0\0\0\x78\0\x04\x0a\x09\0\x02";
        assert_eq!(answer, expected);
    }

    #[test]
    fn other_names_and_unknown_addresses_have_no_answer_but_are_reported() {
        for (port, name, kind) in [
            (5355, "fileserver", 1),
            (5355, "web-01.local", 1),
            (5353, "web-01", 1),
            (5353, "printer.local", 1),
            (5353, "web-01.local", 28),
            (5353, "_services._dns-sd._udp.local", 12),
        ] {
            let mut visitor = Visitor::datagrams("llmnr", port, json!({}));
            assert_eq!(visitor.send(query(name, kind, 1)), b"", "{name}");
            let request = Request {
                method: kind_name(kind.into()).into(),
                target: Some(name.into()),
                ..Request::default()
            };
            assert_eq!(visitor.events, [Event::Request(request)]);
        }
        let mut unknown = context("llmnr", 5355, Protocol::Udp, json!({}));
        unknown.session.local = Ipv4Addr::UNSPECIFIED;
        let mut visitor = Visitor::start(unknown);
        assert_eq!(visitor.send(query("web-01", 1, 1)), b"");
        assert_eq!(visitor.events.len(), 1);
    }

    #[test]
    fn what_is_not_a_query_has_no_answer() {
        let mut response = query("web-01", 1, 1);
        response[2] = 0x80;
        let mut two = query("web-01", 1, 1);
        two[5] = 2;
        two.extend(&query("web-01", 1, 1)[12..]);
        for message in [&response[..], &two, b"hello", b""] {
            assert_eq!(ask(5355, message), b"", "{message:?}");
        }
        let mut visitor = Visitor::datagrams("llmnr", 5355, json!({}));
        visitor.send("hello");
        assert_eq!(visitor.events, [Event::probe("not this protocol", b"hello")]);
    }

    #[test]
    fn recorded_messages_are_survived_when_they_are_changed() {
        for (port, name) in [(5355, "web-01"), (5353, "web-01.local")] {
            let (one, two) = (query(name, 1, 1), query(name, 255, 1));
            survives(&|| Visitor::datagrams("llmnr", port, json!({})), &[&one, &two], 1024);
        }
    }

    #[test]
    fn each_field_has_an_effect() {
        fields_have_an_effect(
            "llmnr",
            &json!({}),
            &[("hostname", json!("fileserver"), 5355, &[&query("fileserver", 1, 1)])],
        );
    }
}
