//! LLMNR (RFC 4795) on 5355 as Windows answers, and multicast DNS (RFC 6762) on 5353 as Avahi answers. Only the own name has an
//! answer; all names that visitors look for are reported.
//!
//! The answer is the address that the visitor reached. Without it there is no answer. Queries come to multicast groups of the LAN. LLMNR
//! answers to the sender, and not to a datagram that was sent to the own address (section 2.4). Multicast DNS answers to the group,
//! except a simple resolver, a sender that asks for it, and a datagram that was sent to the own address (section 5.4, 5.5, 6.7).

use std::net::Ipv4Addr;

use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::{Event, Request},
    wire::dns::{Data, Name, Reader, Record, Writer, kind, kind_name},
};

/// The port of multicast DNS.
const MDNS: u16 = 5353;
/// The groups by port.
pub(super) const GROUPS: &[(u16, Ipv4Addr)] = &[
    (MDNS, Ipv4Addr::new(224, 0, 0, 251)),
    (5355, Ipv4Addr::new(224, 0, 0, 252)),
];
const RESPONSE: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const AUTHORITATIVE: u16 = 0x0400;
/// LLMNR's bit of a query that had several answers. It has no more (RFC 4795, section 2.1.1).
const CONFLICT: u16 = 0x0400;
/// The TTL of the address over multicast DNS.
const TTL: u32 = 120;
const IN: u16 = 1;
/// The bit of a class that asks for an answer to one host, or states that a record is the only one.
const TOP: u16 = 0x8000;

/// A host that answers for its own name.
struct Llmnr {
    name: Name,
    is_mdns: bool,
    /// Whether the visitor is a whole responder of multicast DNS, and not a simple resolver.
    is_responder: bool,
    /// Whether the visitor sends to the group.
    is_multicast: bool,
    local: Ipv4Addr,
}

/// An answer.
#[derive(Default)]
struct Answer {
    bytes: Vec<u8>,
    to_group: bool,
}

/// The numbers of the entries of a message.
struct Counts {
    questions: u16,
    answers: u16,
    authorities: u16,
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
        is_multicast: context.session.group.is_some(),
        local: context.session.local,
    })
}

impl Dialogue for Llmnr {
    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        let datagram = input.take_all();
        let limit = datagram.len().saturating_mul(2);
        match self.read(&datagram, turn) {
            Some(answer) if answer.bytes.is_empty() || answer.bytes.len() > limit => {}
            Some(answer) if answer.to_group => turn.send_to_group(answer.bytes),
            Some(answer) => turn.send(answer.bytes),
            None => turn.report(Event::probe("not this protocol", &datagram)),
        }
    }
}

impl Llmnr {
    /// Returns the answer, which is empty if there is none, and nothing for a message that cannot be read.
    fn read(&self, datagram: &[u8], turn: &mut Turn) -> Option<Answer> {
        const MOST_QUESTIONS: u16 = 8;
        let mut reader = Reader::new(datagram);
        let (id, flags) = (reader.u16()?, reader.u16()?);
        let counts = Counts {
            questions: reader.u16()?,
            answers: reader.u16()?,
            authorities: reader.u16()?,
        };
        reader.u16()?;
        // Announcements and answers of others, and what is not a query.
        if flags & (RESPONSE | OPCODE) != 0 {
            return Some(Answer::default());
        }
        let mut answer = None;
        for _ in 0..counts.questions.min(MOST_QUESTIONS) {
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
        let is_answered = if self.is_mdns {
            !self.is_known(&mut reader, &counts)
        } else {
            // RFC 4795, section 2.1.1.
            let is_plain = (counts.questions, counts.answers, counts.authorities) == (1, 0, 0);
            is_plain && flags & CONFLICT == 0 && self.is_multicast
        };
        Some(answer.filter(|_| is_answered).unwrap_or_default())
    }

    /// Returns whether the visitor has the address already, for at least half of its time (RFC 6762, section 7.1).
    fn is_known(&self, reader: &mut Reader<'_>, counts: &Counts) -> bool {
        const MOST_ANSWERS: u16 = 32;
        let mut known = || {
            let (name, kind, class) = (reader.name()?, reader.u16()?, reader.u16()?);
            let (ttl, length) = (reader.u32()?, reader.u16()?);
            let value = reader.bytes(length.into())?;
            let is_own = kind == kind::A && class & !TOP == IN && name.is(&self.name);
            Some(is_own && value == self.local.octets() && ttl >= TTL / 2)
        };
        (0..counts.answers.min(MOST_ANSWERS))
            .map_while(|_| known())
            .any(|known| known)
    }

    fn answer(&self, id: u16, name: &Name, kind: u16, class: u16) -> Option<Answer> {
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
                (true, true) => (TTL, IN | TOP),
            };
            writer.record(&Record {
                name: name.clone(),
                class,
                ttl,
                data: Data::A(self.local.octets()),
            });
        }
        Some(Answer {
            bytes: writer.finish(),
            to_group: is_short && self.is_multicast && class & TOP == 0,
        })
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
        let expected = b"\0\0\x84\0\0\0\0\x01\0\0\0\0\x06web-01\x05local\0\0\x01\x80\x01\0\0\0\x78\0\x04\x0a\x09\0\x02";
        let group = responder.session.group;
        // Only a query to the group without the bit for an answer to one host is answered to the group.
        for (sent_to, class, to_group) in [(group, 1, true), (group, 0x8001, false), (None, 1, false)] {
            responder.session.group = sent_to;
            let mut visitor = Visitor::start(responder.clone());
            assert_eq!(visitor.send(query("web-01.local", 1, class)), expected);
            assert_eq!(visitor.to_group, to_group, "{sent_to:?} {class}");
        }
    }

    /// Returns a query with a record in its part for answers.
    fn knowing(record: &[u8]) -> Vec<u8> {
        let mut message = query("web-01.local", 1, 1);
        message[7] = 1;
        [message, record.to_vec()].concat()
    }

    #[test]
    fn an_address_that_the_visitor_knows_is_not_repeated() {
        let known = |ttl: u8, last: u8| [&b"\xc0\x0c\0\x01\x80\x01\0\0\0"[..], &[ttl, 0, 4, 10, 9, 0, last]].concat();
        assert_eq!(ask(5353, &knowing(&known(60, 2))), b"");
        for other in [known(59, 2), known(60, 3), b"\xc0".to_vec()] {
            assert_ne!(ask(5353, &knowing(&other)), b"", "{other:?}");
        }
    }

    #[test]
    fn llmnr_answers_only_plain_queries_to_the_group() {
        let mut direct = context("llmnr", 5355, Protocol::Udp, json!({}));
        direct.session.group = None;
        let mut visitor = Visitor::start(direct);
        assert_eq!(visitor.send(query("web-01", 1, 1)), b"");
        assert_eq!(visitor.events.len(), 1, "it is reported");
        for (at, value) in [(2, 0x04), (7, 1), (9, 1)] {
            let mut other = query("web-01", 1, 1);
            other[at] = value;
            assert_eq!(ask(5355, &other), b"", "byte {at}");
        }
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
