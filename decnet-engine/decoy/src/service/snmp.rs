//! SNMP v1, v2c (RFC 1157, RFC 3416) and the discovery of v3 (RFC 3412, RFC 3414), as the agent of Net-SNMP 5.9 answers. A
//! wrong community has no answer.
//!
//! An answer is at most twice as long as the request. One that would be longer is `tooBig`, and `GetBulk` gets fewer objects.

use jiff::Timestamp;

pub(super) use self::system::System;
use self::{system::Value, usm::Discovery};
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::{Auth, Event, Proof, Request, Text},
    wire::ber::{BerError, Oid, Reader, Writer, tag},
};

mod system;
#[cfg(test)]
mod tests;
mod usm;

/// Error codes (RFC 3416, section 3).
const TOO_BIG: i64 = 1;
const NO_SUCH_NAME: i64 = 2;
const NO_ACCESS: i64 = 6;

/// The kinds of messages.
const GET: u8 = 0xa0;
const GET_NEXT: u8 = 0xa1;
const RESPONSE: u8 = 0xa2;
const SET: u8 = 0xa3;
const GET_BULK: u8 = 0xa5;

/// Marks of values that do not exist.
const NO_SUCH_OBJECT: u8 = 0x80;
const NO_SUCH_INSTANCE: u8 = 0x81;
const END_OF_MIB_VIEW: u8 = 0x82;

/// The number of objects that a `GetBulk` gets at most.
const MOST_OBJECTS: usize = 100;

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    let fields = context.fields();
    let mut system = System::of_persona(context);
    if let Some(version) = context.pinned_version() {
        version.clone_into(&mut system.description);
    }
    for (field, value) in [
        ("system_name", &mut system.name),
        ("system_description", &mut system.description),
        ("location", &mut system.location),
        ("contact", &mut system.contact),
    ] {
        if let Some(text) = fields.text(field) {
            text.clone_into(value);
        }
    }
    let community = fields.text("community").unwrap_or("public");
    Box::new(Agent::new(context, system, community))
}

/// An agent.
pub(super) struct Agent {
    context: Context,
    system: System,
    community: String,
    /// The communities that were reported.
    reported: Vec<Vec<u8>>,
    discovery: Discovery,
}

/// A request of v1 or v2c.
struct Pdu<'a> {
    version: i64,
    community: &'a [u8],
    kind: u8,
    id: i64,
    /// The numbers of `GetBulk`: objects to get once, and repetitions.
    numbers: [i64; 2],
    /// The objects and their values as they were sent.
    objects: Vec<(Oid, &'a [u8])>,
    /// The list of objects as it was sent.
    list: &'a [u8],
}

/// An object of an answer, and its value: present, or one of the marks.
type Binding = (Oid, Result<Value, u8>);

impl Dialogue for Agent {
    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        let datagram = input.take_all();
        match self.answer(&datagram, turn) {
            Ok(Some(answer)) if answer.len() <= datagram.len().saturating_mul(2) => turn.send(answer),
            Ok(_) => {}
            Err(_) => turn.report(Event::probe("not this protocol", &datagram)),
        }
    }
}

impl Agent {
    /// Creates an agent of a system.
    pub(super) fn new(context: &Context, system: System, community: &str) -> Self {
        Self {
            discovery: Discovery::new(context, system.vendor),
            context: context.clone(),
            system,
            community: community.into(),
            reported: Vec::new(),
        }
    }

    fn answer(&mut self, datagram: &[u8], turn: &mut Turn) -> Result<Option<Vec<u8>>, BerError> {
        let mut message = Reader::new(datagram).sequence()?;
        let version = message.integer()?;
        if version == 3 {
            // The agent of Windows does not know this version.
            let report = self.discovery.answer(datagram, message, &self.context, turn)?;
            return Ok(report.filter(|_| !self.context.persona().is_windows()));
        }
        let pdu = Pdu::read(version, message)?;
        let accepted = matches!(version, 0 | 1) && pdu.community == self.community.as_bytes();
        self.report_community(pdu.community, accepted, turn);
        if !accepted || !matches!(pdu.kind, GET | GET_NEXT | SET | GET_BULK) {
            return Ok(None);
        }
        let limit = datagram.len().saturating_mul(2);
        let (error, answer) = self.respond(&pdu, turn.now(), limit);
        report(&pdu, error, turn);
        Ok(Some(answer))
    }

    /// Reports each community once.
    fn report_community(&mut self, community: &[u8], accepted: bool, turn: &mut Turn) {
        const MOST: usize = 16;
        if self.reported.iter().any(|one| one == community) {
            return;
        }
        if self.reported.len() >= MOST {
            self.reported.remove(0);
        }
        self.reported.push(community.get(..64).unwrap_or(community).to_vec());
        turn.report(Event::Auth(Auth {
            method: "community",
            proof: Proof::Password(community.into()),
            accepted,
            ..Auth::default()
        }));
    }

    /// Returns the error code and the answer.
    fn respond(&self, pdu: &Pdu<'_>, now: Timestamp, limit: usize) -> (i64, Vec<u8>) {
        let objects = self.system.objects(&self.context, now);
        let refused = |error: i64, index: usize| {
            let index = i64::try_from(index).unwrap_or_default();
            (error, pdu.response(error, index, pdu.list))
        };
        let next = |name: &Oid| objects.iter().find(|(own, _)| own > name).cloned();
        let bindings: Vec<Binding> = match pdu.kind {
            SET if pdu.objects.is_empty() => Vec::new(),
            SET => return refused(if pdu.version == 0 { NO_SUCH_NAME } else { NO_ACCESS }, 1),
            GET => pdu.objects.iter().map(|(name, _)| get(&objects, name)).collect(),
            GET_NEXT => pdu
                .objects
                .iter()
                .map(|(name, _)| following(name, next(name)))
                .collect(),
            _ => bulk(pdu, &next),
        };
        let missing = bindings.iter().position(|(_, value)| value.is_err());
        if let (0, Some(missing)) = (pdu.version, missing)
            && pdu.kind != GET_BULK
        {
            return refused(NO_SUCH_NAME, missing + 1);
        }
        if let (0, Some(0)) = (pdu.version, missing) {
            return refused(NO_SUCH_NAME, 1);
        }
        let mut bindings = &bindings[..];
        loop {
            let answer = pdu.response(0, 0, &write(bindings));
            if answer.len() <= limit {
                return (0, answer);
            }
            match bindings.split_last() {
                Some((_, fewer)) if pdu.kind == GET_BULK && !fewer.is_empty() => bindings = fewer,
                _ => break,
            }
        }
        let list = if pdu.version == 0 { pdu.list } else { &[] };
        (TOO_BIG, pdu.response(TOO_BIG, 0, list))
    }
}

fn get(objects: &[(Oid, Value)], name: &Oid) -> Binding {
    if let Some((_, value)) = objects.iter().find(|(own, _)| own == name) {
        return (name.clone(), Ok(value.clone()));
    }
    // An object is known if one with another instance is there.
    let (_, object) = name.parts().split_last().unwrap_or((&0, &[]));
    let is_known = objects
        .iter()
        .any(|(own, _)| !object.is_empty() && own.parts().starts_with(object) && object.len() > 7);
    let mark = if is_known { NO_SUCH_INSTANCE } else { NO_SUCH_OBJECT };
    (name.clone(), Err(mark))
}

fn following(name: &Oid, next: Option<(Oid, Value)>) -> Binding {
    match next {
        Some((own, value)) => (own, Ok(value)),
        None => (name.clone(), Err(END_OF_MIB_VIEW)),
    }
}

fn bulk(pdu: &Pdu<'_>, next: &dyn Fn(&Oid) -> Option<(Oid, Value)>) -> Vec<Binding> {
    let [once, repetitions] = pdu.numbers.map(|number| usize::try_from(number).unwrap_or_default());
    let mut bindings: Vec<Binding> = Vec::new();
    let (first, repeated) = pdu.objects.split_at(once.min(pdu.objects.len()));
    for (name, _) in first.iter().take(MOST_OBJECTS) {
        bindings.push(following(name, next(name)));
    }
    let mut names: Vec<Oid> = repeated.iter().map(|(name, _)| name.clone()).collect();
    for _ in 0..repetitions.min(MOST_OBJECTS) {
        let mut has_more = false;
        for name in &mut names {
            if bindings.len() >= MOST_OBJECTS {
                return bindings;
            }
            let binding = following(name, next(name));
            has_more |= binding.1.is_ok();
            name.clone_from(&binding.0);
            bindings.push(binding);
        }
        if !has_more {
            break;
        }
    }
    bindings
}

/// Writes a list of objects.
fn write(bindings: &[Binding]) -> Vec<u8> {
    let mut list = Writer::new();
    for (name, value) in bindings {
        list.sequence(|one| {
            one.oid(name);
            match value {
                Ok(value) => value.write(one),
                Err(mark) => _ = one.element(*mark, &[]),
            }
        });
    }
    list.finish()
}

impl<'a> Pdu<'a> {
    fn read(version: i64, mut message: Reader<'a>) -> Result<Self, BerError> {
        let community = message.octets()?;
        let body = message.element()?;
        let mut fields = body.elements()?;
        let id = fields.integer()?;
        let numbers = [fields.integer()?, fields.integer()?];
        let list = fields.expect(tag::SEQUENCE)?;
        let mut objects = Vec::new();
        let mut elements = list.elements()?;
        while !elements.is_empty() {
            let mut one = elements.sequence()?;
            objects.push((one.oid()?, one.element()?.content));
        }
        Ok(Self {
            version,
            community,
            kind: body.tag,
            id,
            numbers,
            objects,
            list: list.content,
        })
    }

    fn response(&self, error: i64, index: i64, list: &[u8]) -> Vec<u8> {
        let mut message = Writer::new();
        message.sequence(|message| {
            message.integer(self.version).octets(self.community);
            message.inside(RESPONSE, |body| {
                body.integer(self.id).integer(error).integer(index);
                body.element(tag::SEQUENCE, list);
            });
        });
        message.finish()
    }
}

fn report(pdu: &Pdu<'_>, error: i64, turn: &mut Turn) {
    let names: Vec<String> = pdu.objects.iter().take(8).map(|(name, _)| name.to_string()).collect();
    let method = match pdu.kind {
        GET => "get",
        GET_NEXT => "getnext",
        SET => "set",
        _ => "getbulk",
    };
    let value = pdu.objects.first().map(|(_, value)| Text::from(*value));
    turn.report(Event::Request(Request {
        method: method.into(),
        target: Some(names.join(" ").into()),
        status: u16::try_from(error).ok(),
        body: value.filter(|_| pdu.kind == SET),
        ..Request::default()
    }));
}
