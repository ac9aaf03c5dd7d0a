//! MQTT 3.1, 3.1.1 and 5.0 (OASIS), as Mosquitto 2.0 of Debian 12 answers.

use std::time::Duration;

use self::{
    connect::{Connect, Refusal},
    packet::{Fields, Frame, frame, packet, string},
    topics::{Kept, is_filter, selects},
};
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::{Auth, Event, Fingerprint, Proof, Request},
};

mod connect;
mod packet;
mod publish;
#[cfg(test)]
mod tests;
mod topics;

/// The number of filters of one session, and of one packet.
const MOST_FILTERS: usize = 64;
/// The number of bytes of kept messages in one turn.
const MOST_SENT: usize = 64 * 1024;

/// Reason codes of MQTT 5.0.
const NO_SUBSCRIBERS: u8 = 0x10;
const NO_SUBSCRIPTION: u8 = 0x11;
const MALFORMED: u8 = 0x81;
const PROTOCOL_ERROR: u8 = 0x82;
const NOT_AUTHORIZED: u8 = 0x87;
const BAD_METHOD: u8 = 0x8c;
const ALIAS_INVALID: u8 = 0x94;
const TOO_LARGE: u8 = 0x95;

/// A broker and one client.
struct Mqtt {
    context: Context,
    /// 3, 4 or 5 after the client has connected.
    version: u8,
    /// The filters of the client, and their quality of service.
    filters: Vec<(Vec<u8>, u8)>,
    kept: Vec<Kept>,
    /// The messages about the broker, and the uptime that they are of.
    broker: (u64, Vec<Kept>),
    /// The number of bytes of kept messages that this turn may still send.
    room: usize,
    aliases: Vec<(u16, Vec<u8>)>,
    last_id: u16,
    /// Messages of quality 2 that the client did not release yet.
    unreleased: Vec<(u16, Vec<u8>, Vec<u8>)>,
}

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    Box::new(Mqtt {
        context: context.clone(),
        version: 0,
        filters: Vec::new(),
        kept: topics::kept(context),
        broker: (0, Vec::new()),
        room: 0,
        aliases: Vec::new(),
        last_id: 0,
        unreleased: Vec::new(),
    })
}

impl Dialogue for Mqtt {
    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        self.room = MOST_SENT;
        while !turn.is_over() {
            let Some(first) = input.bytes().first().copied() else {
                return;
            };
            if self.version == 0 && first & 0xf0 != 0x10 {
                turn.report(Event::probe("not this protocol", &input.take_all()));
                return turn.close();
            }
            match frame(input.bytes()) {
                Frame::Partial => return,
                Frame::Malformed => {
                    turn.report(Event::probe("malformed packet", &input.take_all()));
                    turn.close();
                }
                Frame::TooLong if self.version == 0 => {
                    turn.report(Event::probe("too long packet", &input.take_all()));
                    turn.close();
                }
                Frame::TooLong => {
                    turn.report(Event::probe("too long packet", &input.take_all()));
                    self.end(TOO_LARGE, turn);
                }
                Frame::Whole(header, length) => {
                    let whole = input.take(header + length);
                    let body = whole.get(header..).unwrap_or_default();
                    if self.version == 0 {
                        self.connect(first, body, turn);
                    } else if let Err(reason) = self.handle(first, body, turn) {
                        turn.report(Event::probe("malformed packet", &whole));
                        self.end(reason, turn);
                    }
                }
            }
        }
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        if !input.bytes().is_empty() {
            turn.report(Event::probe("partial packet", &input.take_all()));
        }
    }
}

impl Mqtt {
    /// Ends the connection. Clients of MQTT 5.0 get the reason; 0 is none.
    fn end(&self, reason: u8, turn: &mut Turn) {
        if self.version == 5 && reason != 0 {
            turn.send([0xe0, 1, reason]);
        }
        turn.close();
    }

    fn connect(&mut self, first: u8, body: &[u8], turn: &mut Turn) {
        let connect = match Connect::read(first, body) {
            Ok(connect) => connect,
            Err(refusal) => {
                turn.report(Event::probe("malformed packet", body));
                if refusal == Refusal::Version {
                    turn.send([0x20, 2, 0, 1]);
                }
                return turn.close();
            }
        };
        if !connect.client.is_empty() {
            turn.report(Event::Fingerprint(Fingerprint {
                method: "client-name",
                value: connect.client.into(),
                server_name: None,
            }));
        }
        let accepted = self.admits(&connect);
        let refused = match connect.version {
            _ if connect.lacks_name => Some(vec![0x20, 2, 0, 2]),
            5 if connect.has_auth_method => Some(vec![0x20, 3, 0, BAD_METHOD, 0]),
            5 if !accepted => Some(vec![0x20, 3, 0, NOT_AUTHORIZED, 0]),
            _ if !accepted => Some(vec![0x20, 2, 0, 5]),
            _ => None,
        };
        let has_secret = connect.user.is_some() || connect.password.is_some();
        turn.report(Event::Auth(Auth {
            method: if has_secret { "password" } else { "anonymous" },
            user: connect.user.map(Into::into),
            proof: connect
                .password
                .map_or(Proof::None, |password| Proof::Password(password.into())),
            accepted: refused.is_none(),
            ..Auth::default()
        }));
        if let Some((topic, message)) = connect.will {
            report("WILL", topic, Some(message), turn);
        }
        if let Some(refused) = refused {
            turn.send(refused);
            return turn.close();
        }
        self.version = connect.version;
        if self.version == 5 {
            let mut properties = vec![0x22, 0, 10];
            if connect.client.is_empty() {
                properties.push(0x12);
                properties.extend(string(self.own_name().as_bytes()));
            }
            properties.extend([0x21, 0, 20]);
            let length = u8::try_from(properties.len()).unwrap_or_default();
            turn.send(packet(0x20, &[&[0, 0, length], &properties[..]].concat()));
        } else {
            turn.send([0x20, 2, 0, 0]);
        }
        let silence = match connect.keep_alive {
            0 => Duration::from_hours(1),
            seconds => Duration::from_secs(u64::from(seconds) * 3 / 2),
        };
        turn.allow_silence(silence);
    }

    /// Mosquitto checks names only if it has passwords; without a name, a client is anonymous.
    fn admits(&self, connect: &Connect<'_>) -> bool {
        let fields = self.context.fields();
        let allows_anyone = fields.flag("anonymous").unwrap_or(true);
        let has_passwords = fields.text("password").is_some();
        match connect.user {
            Some(user) if has_passwords || !allows_anyone => {
                fields.admits("mqtt", user, connect.password.unwrap_or_default())
            }
            _ => allows_anyone,
        }
    }

    /// Returns the name that the broker gives to a client without one: a random UUID.
    fn own_name(&self) -> String {
        let bytes: [u8; 16] = self.context.fresh("mqtt client");
        let digits = format!("{:032X}", u128::from_be_bytes(bytes));
        let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default();
        let [first, second, third] = [part(0..8), part(8..12), part(12..16)];
        format!("auto-{first}-{second}-{third}-{}-{}", part(16..20), part(20..32))
    }

    /// Handles a packet of a connected client. An error is the reason to end the connection.
    fn handle(&mut self, first: u8, body: &[u8], turn: &mut Turn) -> Result<(), u8> {
        let mut fields = Fields(body);
        let is_second = self.version == 3 || first & 0xf == 2;
        match first >> 4 {
            3 => self.publish(first, &mut fields, turn),
            4 | 5 | 7 => {
                let id = fields.u16().filter(|id| *id > 0).ok_or(0)?;
                if first >> 4 == 5 {
                    turn.send([&[0x62, 2], &id.to_be_bytes()[..]].concat());
                }
                Ok(())
            }
            6 if is_second => {
                let id = fields.u16().filter(|id| *id > 0).ok_or(0)?;
                if let Some(at) = self.unreleased.iter().position(|(own, ..)| *own == id) {
                    let (_, topic, message) = self.unreleased.swap_remove(at);
                    self.deliver(&topic, &message, 2, turn);
                }
                turn.send([&[0x70, 2], &id.to_be_bytes()[..]].concat());
                Ok(())
            }
            8 if is_second => self.subscribe(&mut fields, turn).ok_or(MALFORMED),
            10 if is_second => self.unsubscribe(&mut fields, turn).ok_or(MALFORMED),
            6 | 8 | 10 => Err(MALFORMED),
            12 => {
                turn.send([0xd0, 0]);
                Ok(())
            }
            13 => Ok(()),
            9 | 11 if self.version < 5 => Ok(()),
            14 => {
                turn.close();
                Ok(())
            }
            0 => Err(PROTOCOL_ERROR),
            _ => Err(0),
        }
    }

    fn subscribe(&mut self, fields: &mut Fields<'_>, turn: &mut Turn) -> Option<()> {
        let id = fields.u16().filter(|id| *id > 0)?;
        let mut answer = id.to_be_bytes().to_vec();
        if self.version == 5 {
            fields.properties()?;
            answer.push(0);
        }
        let mut wanted: Vec<(&[u8], u8)> = Vec::new();
        while !fields.0.is_empty() {
            let filter = fields.string().filter(|filter| is_filter(filter))?;
            let options = fields.u8()?;
            let reserved = if self.version == 5 { 0xc0 } else { 0xfc };
            if options & reserved != 0 || options & 3 == 3 || options & 0x30 == 0x30 {
                return None;
            }
            wanted.push((filter, options & 3));
        }
        if wanted.is_empty() || wanted.len() > MOST_FILTERS {
            return None;
        }
        answer.extend(wanted.iter().map(|(_, quality)| quality));
        turn.send(packet(0x90, &answer));
        for (filter, quality) in wanted {
            report("SUBSCRIBE", filter, None, turn);
            self.filters.retain(|(own, _)| own != filter);
            if self.filters.len() < MOST_FILTERS {
                self.filters.push((filter.into(), quality));
            }
            self.send_kept(filter, turn);
        }
        Some(())
    }

    /// Sends the kept messages that a filter selects, until the turn has no room for more.
    fn send_kept(&mut self, filter: &[u8], turn: &mut Turn) {
        let is_about_the_broker = filter.first() == Some(&b'$');
        if is_about_the_broker {
            let (uptime, _) = self.context.uptime(turn.now());
            if self.broker.0 != uptime || self.broker.1.is_empty() {
                self.broker = (uptime, topics::about_the_broker(&self.context, uptime));
            }
        }
        let own = if is_about_the_broker {
            &self.broker.1
        } else {
            &self.kept
        };
        let mut room = self.room;
        for (topic, message) in own.iter().filter(|(topic, _)| selects(filter, topic)) {
            let packet = self.message(0x31, topic, &[], message);
            let Some(rest) = room.checked_sub(packet.len()) else {
                room = 0;
                break;
            };
            room = rest;
            turn.send(packet);
        }
        self.room = room;
    }

    fn unsubscribe(&mut self, fields: &mut Fields<'_>, turn: &mut Turn) -> Option<()> {
        let id = fields.u16().filter(|id| *id > 0)?;
        let mut answer = id.to_be_bytes().to_vec();
        if self.version == 5 {
            fields.properties()?;
            answer.push(0);
        }
        if fields.0.is_empty() {
            return None;
        }
        while !fields.0.is_empty() {
            let filter = fields.string().filter(|filter| is_filter(filter))?;
            let before = self.filters.len();
            self.filters.retain(|(own, _)| own != filter);
            if self.version == 5 {
                answer.push(if self.filters.len() < before {
                    0
                } else {
                    NO_SUBSCRIPTION
                });
            }
        }
        turn.send(packet(0xb0, &answer));
        Some(())
    }
}

fn report(method: &'static str, topic: &[u8], body: Option<&[u8]>, turn: &mut Turn) {
    turn.report(Event::Request(Request {
        method: method.into(),
        target: Some(topic.into()),
        body: body.map(Into::into),
        ..Request::default()
    }));
}
