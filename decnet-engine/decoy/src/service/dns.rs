//! DNS over UDP and TCP (RFC 1035), as BIND 9.18 of Debian 12 answers: with its own zone, Debian's zones for `localhost`, and
//! BIND's zones about the server. Zone transfers over TCP are allowed, as they are by default.
//!
//! An answer to a datagram is at most twice as long as the question. One that does not fit is sent without records and with the
//! bit TC, as BIND does if it limits its rate; resolvers then ask over TCP.

use std::{cell::OnceCell, net::SocketAddrV4};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use self::{
    query::{AA, CD, OPCODE, QR, Query, Question, RA, RD, code},
    reply::{EDNS_SIZE, Reply},
    zone::{CH, Found, IN, Zone},
};
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::{Event, Request},
    wire::dns::{Data, Record, kind, kind_name},
};
use crate::protocol::Protocol;

mod authority;
mod query;
#[cfg(test)]
mod recorded;
mod reply;
#[cfg(test)]
mod tests;
mod zone;

/// A name server.
struct Dns {
    context: Context,
    /// The zones. They are made when a question needs them, because each new source of datagrams has its own dialogue.
    zones: OnceCell<Vec<Zone>>,
    recurses: bool,
    is_datagram: bool,
    remote: SocketAddrV4,
    cookie_key: [u8; 16],
}

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    Box::new(Dns::new(context))
}

impl Dialogue for Dns {
    fn open(&mut self, turn: &mut Turn) {
        turn.allow_silence(std::time::Duration::from_secs(30));
    }

    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        if self.is_datagram {
            let message = input.take_all();
            let limit = message.len().saturating_mul(2);
            if let Some(answer) = self.answer(&message, limit, turn) {
                turn.send(answer);
            }
            return;
        }
        while let Some(length) = input.bytes().first_chunk::<2>().filter(|_| !turn.is_over()) {
            let end = usize::from(u16::from_be_bytes(*length)) + 2;
            if input.bytes().len() < end {
                return;
            }
            let message = input.take(end);
            let message = message.get(2..).unwrap_or_default();
            // BIND closes the connection if a message is not a query.
            if Query::read(message).is_none() {
                turn.report(Event::probe("not a query", message));
                return turn.close();
            }
            if let Some(answer) = self.answer(message, usize::from(u16::MAX), turn) {
                send_framed(turn, &answer);
            }
        }
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        if !input.bytes().is_empty() {
            turn.report(Event::probe("not this protocol", &input.take_all()));
        }
    }
}

/// Sends a message over TCP.
fn send_framed(turn: &mut Turn, message: &[u8]) {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    turn.send([&length.to_be_bytes()[..], message].concat());
}

/// Reports a message with the code of its answer.
fn report(message: &[u8], query: &Query, reply: &Reply, turn: &mut Turn) {
    let Some(question) = &query.question else {
        turn.report(Event::probe("not this protocol", message));
        return;
    };
    let kind = kind_name(question.kind);
    let method = match (query.opcode(), question.class) {
        (0, IN) => kind,
        (0, CH) => format!("CH {kind}"),
        (0, class) => format!("CLASS{class} {kind}"),
        (1, _) => "IQUERY".into(),
        (2, _) => "STATUS".into(),
        (4, _) => "NOTIFY".into(),
        (5, _) => "UPDATE".into(),
        (opcode, _) => format!("opcode {opcode}"),
    };
    turn.report(Event::Request(Request {
        method: method.into(),
        target: Some((&question.name.text()).into()),
        status: Some(reply.code),
        ..Request::default()
    }));
}

impl Dns {
    fn new(context: &Context) -> Self {
        Self {
            context: context.clone(),
            zones: OnceCell::new(),
            recurses: context.fields().flag("recursion").unwrap_or(false),
            is_datagram: context.session.transport == Protocol::Udp,
            remote: context.session.remote,
            cookie_key: context.stable("dns cookie"),
        }
    }

    fn zones(&self) -> &[Zone] {
        self.zones.get_or_init(|| authority::zones(&self.context))
    }

    /// Answers a message with at most `limit` bytes.
    fn answer(&self, message: &[u8], limit: usize, turn: &mut Turn) -> Option<Vec<u8>> {
        let Some(query) = Query::read(message) else {
            turn.report(Event::probe("not a query", message));
            return None;
        };
        let mut reply = self.reply(&query);
        report(message, &query, &reply, turn);
        if let (true, Some(question)) = (reply.code == code::NOERROR, &query.question)
            && self.transfers(question)
        {
            self.transfer(&query, question, turn);
            return None;
        }
        let own = query.edns.as_ref().map_or(512, |edns| edns.size.clamp(512, EDNS_SIZE));
        let limit = if self.is_datagram { limit.min(own.into()) } else { limit };
        if let Some(cookie) = query.edns.as_ref().and_then(|edns| edns.cookie) {
            reply.cookie = self.cookie(cookie, turn.now());
        }
        if !authority::knows_addresses(&reply.answers) {
            return Some(reply.truncated().write(&query));
        }
        reply
            .additional
            .retain(|record| authority::knows_addresses(std::slice::from_ref(record)));
        let whole = reply.write(&query);
        if whole.len() <= limit {
            return Some(whole);
        }
        if !reply.answers.is_empty() {
            (reply.authority, reply.additional) = (Vec::new(), Vec::new());
            let short = reply.write(&query);
            if short.len() <= limit {
                return Some(short);
            }
        }
        let mut cut = reply.truncated();
        let short = cut.write(&query);
        if short.len() <= limit {
            return Some(short);
        }
        cut.edns = None;
        Some(cut.write(&query))
    }

    fn reply(&self, query: &Query) -> Reply {
        let mut reply = Reply {
            flags: QR | query.flags & OPCODE,
            code: code::FORMERR,
            ..Reply::default()
        };
        let opcode = query.opcode();
        if opcode == 0 {
            reply.flags |= query.flags & (RD | CD);
        }
        if query.is_readable && !matches!(opcode, 0 | 4 | 5) {
            reply.code = code::NOTIMP;
        }
        let Some(question) = query.question.as_ref().filter(|_| reply.code == code::FORMERR) else {
            return reply;
        };
        reply.question = Some(question.clone());
        reply.edns.clone_from(&query.edns);
        if query.is_wrong {
            return reply;
        }
        if query.edns.as_ref().is_some_and(|edns| edns.version > 0) {
            reply.code = code::BADVERS;
            return reply;
        }
        match opcode {
            0 => self.look_up(query, question, &mut reply),
            4 if question.kind != kind::SOA => {}
            _ => {
                let owns = self.zones().iter().any(|zone| zone.origin.is(&question.name));
                reply.code = match (owns, opcode) {
                    (false, _) => code::NOTAUTH,
                    (true, 4) => {
                        reply.flags |= AA;
                        code::NOERROR
                    }
                    (true, _) => code::REFUSED,
                };
            }
        }
        reply
    }

    fn look_up(&self, query: &Query, question: &Question, reply: &mut Reply) {
        if self.recurses {
            reply.flags |= RA;
        }
        reply.code = match (question.kind, question.class) {
            (kind::OPT | 249 | 250, _) | (_, 0 | 254 | 255) => return,
            (253 | 254, _) => code::NOTIMP,
            (kind::AXFR, _) if self.is_datagram => return,
            (kind::AXFR | kind::IXFR, _) if !self.zones().iter().any(|zone| zone.origin.is(&question.name)) => {
                code::NOTAUTH
            }
            // The visitor must say which version of the zone it has.
            (kind::IXFR, _) if !query.has_authority => return,
            _ => self.find(question, query.flags & RD != 0, reply),
        };
    }

    /// Answers from the zones.
    fn find(&self, question: &Question, wants_recursion: bool, reply: &mut Reply) -> u16 {
        let Some(mut zone) = self.zone_of(question) else {
            let recurses = self.recurses && wants_recursion && question.class == IN;
            return if recurses { code::SERVFAIL } else { code::REFUSED };
        };
        reply.flags |= AA;
        // A datagram has no room for the differences of a zone, so its answer is the newest SOA record.
        let kind = if question.kind == kind::IXFR {
            kind::SOA
        } else {
            question.kind
        };
        let mut name = question.name.clone();
        for _ in 0..8 {
            let (found, records) = zone.records_of(&name);
            let is_asked = |record: &&Record| kind == kind::ANY || record.data.kind() == kind;
            let asked: Vec<Record> = records.iter().filter(is_asked).cloned().collect();
            if !asked.is_empty() {
                reply.answers.extend(asked);
                complete(zone, kind, wants_recursion, reply);
                return code::NOERROR;
            }
            let alias = records.into_iter().find_map(|record| match &record.data {
                Data::Cname(target) => Some((target.clone(), record)),
                _ => None,
            });
            let Some((target, record)) = alias else {
                reply.authority.extend(zone.soa().cloned());
                return if found == Found::Name {
                    code::NOERROR
                } else {
                    code::NXDOMAIN
                };
            };
            reply.answers.push(record);
            let next = Question {
                name: target,
                ..*question
            };
            let Some(next_zone) = self.zone_of(&next) else {
                break;
            };
            (zone, name) = (next_zone, next.name);
        }
        code::NOERROR
    }

    /// Returns the zone with the longest name that a question is in.
    fn zone_of(&self, question: &Question) -> Option<&Zone> {
        let of_class = self.zones().iter().filter(|zone| zone.class == question.class);
        let around = of_class.filter(|zone| question.name.is_under(&zone.origin));
        around.max_by_key(|zone| zone.origin.order().len())
    }

    /// Returns whether a question gets a whole zone.
    fn transfers(&self, question: &Question) -> bool {
        !self.is_datagram && question.class == IN && matches!(question.kind, kind::AXFR | kind::IXFR)
    }

    /// Sends a whole zone in messages of about 16 KiB.
    fn transfer(&self, query: &Query, question: &Question, turn: &mut Turn) {
        let Some(zone) = self.zone_of(question) else { return };
        let mut records = zone.records.clone();
        records.retain(|record| authority::knows_addresses(std::slice::from_ref(record)));
        records.sort_by_key(|record| record.name.order());
        records.extend(zone.soa().cloned());
        let mut reply = Reply {
            flags: QR | AA,
            question: Some(question.clone()),
            edns: query.edns.clone(),
            ..Reply::default()
        };
        while !records.is_empty() {
            let rest = records.split_off(records.len().min(100));
            reply.answers = std::mem::replace(&mut records, rest);
            send_framed(turn, &reply.write(query));
            reply.question = None;
        }
    }

    /// Returns a server's cookie of version 1 (RFC 9018) after that of the visitor. The hash is another one than BIND's, which
    /// nobody without the key can tell.
    fn cookie(&self, visitors: [u8; 8], now: Timestamp) -> Vec<u8> {
        let time = u32::try_from(now.as_second()).unwrap_or_default().to_be_bytes();
        let start = [&visitors[..], &[1, 0, 0, 0], &time].concat();
        let hash = Sha256::new()
            .chain_update(self.cookie_key)
            .chain_update(&start)
            .chain_update(self.remote.ip().octets())
            .finalize();
        [&start, hash.get(..8).unwrap_or_default()].concat()
    }
}

/// Adds the name servers, unless the visitor wants recursion, and the addresses of the hosts in the answer.
fn complete(zone: &Zone, kind: u16, wants_recursion: bool, reply: &mut Reply) {
    if !wants_recursion && !matches!(kind, kind::NS | kind::ANY) {
        let servers = zone.records_of(&zone.origin).1;
        let servers = servers.into_iter().filter(|one| one.data.kind() == kind::NS);
        reply.authority.extend(servers);
    }
    if kind == kind::ANY || zone.class != IN {
        return;
    }
    for record in reply.answers.iter().chain(&reply.authority) {
        if let Data::Ns(host) | Data::Mx(_, host) | Data::Srv(_, host) = &record.data
            && !reply.additional.iter().any(|known| known.name.is(host))
            && host.is_under(&zone.origin)
        {
            let addresses = zone.records_of(host).1;
            let addresses = addresses
                .into_iter()
                .filter(|one| matches!(one.data.kind(), kind::A | kind::AAAA));
            reply.additional.extend(addresses);
        }
    }
}
