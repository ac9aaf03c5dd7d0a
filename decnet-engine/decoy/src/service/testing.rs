//! A visitor in tests, and the inputs that every dialogue must survive.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    context::Context,
    dialogue::{Dialogue, Input, Next, Turn},
    event::Event,
    registry::protocol,
};
use crate::protocol::{Os, Protocol};

/// The time of all turns: 2026-03-04 05:06:07 UTC.
pub(crate) const NOW: &str = "2026-03-04T05:06:07Z";

/// Returns the surroundings of a conversation with `web-01.corp.local` on Debian 12, which are the same at each call.
pub(crate) fn context(service: &str, port: u16, transport: Protocol, fields: Value) -> Context {
    context_on(Os::Debian12, service, port, transport, fields)
}

/// As [`context`], on another system.
pub(crate) fn context_on(os: Os, service: &str, port: u16, transport: Protocol, fields: Value) -> Context {
    let Value::Object(fields) = fields else {
        panic!("fields are an object")
    };
    let mut context = Context::example(os, service, port, transport, fields);
    context.session.group = protocol(service).group(port);
    context
}

/// A visitor of one service.
pub(crate) struct Visitor {
    context: Context,
    dialogue: Box<dyn Dialogue>,
    input: Input,
    /// The events so far.
    pub(crate) events: Vec<Event>,
    /// Whether the last answer was sent to a group.
    pub(crate) to_group: bool,
    /// The step after the last turn.
    pub(crate) next: Next,
    /// The greeting.
    pub(crate) greeting: Vec<u8>,
}

impl Visitor {
    /// Connects to a TCP port of a service of the catalogue.
    pub(crate) fn connect(service: &str, port: u16, fields: Value) -> Self {
        Self::start(context(service, port, Protocol::Tcp, fields))
    }

    /// Prepares datagrams to a UDP port of a service of the catalogue.
    pub(crate) fn datagrams(service: &str, port: u16, fields: Value) -> Self {
        Self::start(context(service, port, Protocol::Udp, fields))
    }

    /// Starts a conversation.
    pub(crate) fn start(context: Context) -> Self {
        let dialogue = protocol(&context.service.name).start(&context).expect("a dialogue");
        let mut visitor = Self {
            dialogue,
            input: Input::default(),
            events: Vec::new(),
            to_group: false,
            next: Next::Continue,
            greeting: Vec::new(),
            context,
        };
        if visitor.context.session.transport == Protocol::Tcp {
            visitor.greeting = visitor.turn(|dialogue, _, turn| dialogue.open(turn));
        }
        visitor
    }

    /// Sends bytes, or a datagram, and returns the answer.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        if self.context.session.transport == Protocol::Udp {
            self.input = Input::default();
        }
        self.input.push(bytes.as_ref());
        let mut answer = Vec::new();
        loop {
            let before = self.input.bytes().len();
            answer.extend(self.turn(|dialogue, input, turn| dialogue.receive(input, turn)));
            let left = self.input.bytes().len();
            // As the server: what a long answer left of the input is passed again.
            if left == 0 || left == before || !self.is_open() || self.is_datagram() {
                return answer;
            }
        }
    }

    /// Sends a line and returns the answer as text.
    pub(crate) fn line(&mut self, line: &str) -> String {
        String::from_utf8(self.send(format!("{line}\r\n"))).expect("a test's own value")
    }

    /// Completes the TLS handshake, and returns what is sent after it.
    pub(crate) fn secure(&mut self) -> Vec<u8> {
        self.turn(|dialogue, _, turn| dialogue.secured(turn))
    }

    /// Ends the bytes of the visitor, and returns the answer.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        self.turn(|dialogue, input, turn| dialogue.finish(input, turn))
    }

    /// Makes one turn with the dialogue.
    pub(crate) fn turn(&mut self, act: impl FnOnce(&mut dyn Dialogue, &mut Input, &mut Turn)) -> Vec<u8> {
        let mut turn = Turn::new(NOW.parse::<Timestamp>().expect("a test's own value"));
        act(&mut *self.dialogue, &mut self.input, &mut turn);
        self.events.append(&mut turn.events);
        self.next = turn.next;
        self.to_group = turn.to_group;
        turn.sent.concat()
    }

    fn is_datagram(&self) -> bool {
        self.context.session.transport == Protocol::Udp
    }

    /// Returns whether the conversation goes on with more bytes of the visitor.
    pub(crate) fn is_open(&self) -> bool {
        self.next == Next::Continue
    }
}

/// Random numbers that are the same at each run: Steele and Vigna's SplitMix64.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number below `bound`, or 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound.max(1)).expect("a test's own value");
        usize::try_from((mixed ^ (mixed >> 31)) % bound).expect("a test's own value")
    }

    pub(crate) fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).expect("a test's own value")
    }
}

/// Writes messages to the start of the fuzzer's corpus if `DECNET_SEEDS` is set.
pub(crate) fn record(context: &Context, messages: &[&[u8]]) {
    #[cfg(feature = "fuzzing")]
    if std::env::var_os("DECNET_SEEDS").is_some() {
        super::fuzzing::record(context, messages);
    }
    #[cfg(not(feature = "fuzzing"))]
    let _ = (context, messages);
}

/// Checks that a dialogue survives recorded messages that arrive in pieces, are cut off, or are changed: it does not panic,
/// answers at most `most` bytes in all, and answers pieces in the same way as the whole.
pub(crate) fn survives(start: &dyn Fn() -> Visitor, messages: &[&[u8]], most: usize) {
    record(&start().context, messages);
    let whole = converse(&mut start(), messages, most);
    if start().context.session.transport == Protocol::Tcp {
        let bytes: Vec<&[u8]> = messages.iter().flat_map(|message| message.chunks(1)).collect();
        assert_eq!(converse(&mut start(), &bytes, most), whole, "one byte at a time");
    }
    for message in 0..messages.len() {
        for length in 0..messages[message].len().min(600) {
            let cut = [&messages[..message], &[&messages[message][..length]]].concat();
            let mut visitor = start();
            converse(&mut visitor, &cut, most);
            visitor.finish();
        }
    }
    let mut draw = Draw::new(0x9e37_79b9_7f4a_7c15);
    for round in 0..400 {
        let mut changed: Vec<Vec<u8>> = messages.iter().map(|message| message.to_vec()).collect();
        if round % 4 == 0 || changed.is_empty() {
            let length = draw.below(300);
            changed.push((0..length).map(|_| draw.byte()).collect());
        }
        for _ in 0..=draw.below(4) {
            let at = draw.below(changed.len());
            let message = &mut changed[at];
            if message.is_empty() {
                continue;
            }
            let place = draw.below(message.len());
            match draw.below(4) {
                0 => message[place] = draw.byte(),
                1 => message[place] = [0, 0xff, 0x7f, 0x80][draw.below(4)],
                2 => message.truncate(place),
                _ => {
                    let copy = message[place..].to_vec();
                    message.extend(copy);
                }
            }
        }
        let changed: Vec<&[u8]> = changed.iter().map(Vec::as_slice).collect();
        let mut visitor = start();
        converse(&mut visitor, &changed, most);
        visitor.finish();
    }
}

/// Sends messages while the conversation is open, and returns all answers and events.
fn converse(visitor: &mut Visitor, messages: &[&[u8]], most: usize) -> (Vec<u8>, Vec<Event>) {
    let mut answers = visitor.greeting.clone();
    for message in messages {
        if !visitor.is_open() {
            break;
        }
        answers.extend(visitor.send(message));
        if visitor.next == Next::StartTls {
            answers.extend(visitor.secure());
        }
        assert!(answers.len() <= most, "{} bytes of answers", answers.len());
        assert!(visitor.input.bytes().len() <= Input::MOST, "too much input is kept");
    }
    (answers, visitor.events.clone())
}

/// The built-in catalogue.
fn catalogue() -> toml::Table {
    toml::from_str(include_str!("../../../../decnet-topology/src/catalog/builtin.toml")).expect("a test's own value")
}

/// Returns the ports of a service in the built-in catalogue.
pub(crate) fn ports(service: &str) -> Vec<(u16, Protocol)> {
    let catalogue = catalogue();
    let ports = catalogue["services"][service]["ports"].as_array();
    let ports = ports.expect("a test's own value").iter().map(|port| {
        let (port, transport) = port
            .as_str()
            .and_then(|port| port.split_once('/'))
            .expect("a test's own value");
        let transport = if transport == "udp" {
            Protocol::Udp
        } else {
            Protocol::Tcp
        };
        (port.parse().expect("a test's own value"), transport)
    });
    ports.collect()
}

/// Checks that each field of a service in the built-in catalogue changes what a visitor sees or what is reported. `cases` has
/// a field, its value, the port and the messages that show the difference. `base` are fields that all cases set, if they do not set them
/// themselves. The banner of a protocol that does not greet is left out: the registry sends it.
///
/// The case `version` pins a version in the persona. A service has it if, and only if, its entry of the catalogue has a `version`: the
/// version of another service cannot be pinned.
pub(crate) fn fields_have_an_effect(service: &str, base: &Value, cases: &[(&str, Value, u16, &[&[u8]])]) {
    let catalogue = catalogue();
    let declared: BTreeSet<&str> = catalogue["services"][service]["fields"]
        .as_array()
        .expect("a test's own value")
        .iter()
        .map(|field| field["key"].as_str().expect("a test's own value"))
        .filter(|key| *key != "banner" || protocol(service).greets)
        .chain(catalogue["services"][service].get("version").map(|_| "version"))
        .collect();
    let tried: BTreeSet<&str> = cases.iter().map(|(field, ..)| *field).collect();
    assert_eq!(tried, declared, "the fields of {service} in the catalogue");
    let ports = ports(service);
    for (field, value, port, messages) in cases {
        let is = |transport| ports.contains(&(*port, transport));
        let transport = if is(Protocol::Udp) && !is(Protocol::Tcp) {
            Protocol::Udp
        } else {
            Protocol::Tcp
        };
        let converse_with = |mut fields: Value| {
            let pinned = fields.as_object_mut().and_then(|fields| fields.remove("version"));
            let mut context = context(service, *port, transport, fields);
            if let Some(Value::String(version)) = pinned {
                let service = Arc::make_mut(&mut context.service);
                service.persona.versions.insert(service.name.clone(), version);
            }
            converse(&mut Visitor::start(context), messages, usize::MAX)
        };
        let mut with = base.clone();
        let mut without = base.clone();
        with[*field] = value.clone();
        without.as_object_mut().expect("a test's own value").remove(*field);
        assert_ne!(
            converse_with(with),
            converse_with(without),
            "the field {field} of {service} has no effect"
        );
    }
}
