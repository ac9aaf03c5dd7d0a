//! SNMP v3: the discovery of an engine. The engine knows no user, so every login fails.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::super::{
    context::Context,
    dialogue::Turn,
    event::{Auth, Event, Proof, Text},
    wire::ber::{BerError, Oid, Reader, Writer, tag},
};

/// What an engine says to those who ask.
pub(super) struct Discovery {
    engine: Vec<u8>,
    answers: u64,
}

/// The report that an engine is not known, or a user.
const UNKNOWN_USERS: u32 = 3;
const UNKNOWN_ENGINES: u32 = 4;
const REPORT: u8 = 0xa8;
/// The user-based security model.
const USM: i64 = 3;

impl Discovery {
    /// Creates the engine of a decky. Its id has the form that Net-SNMP gives: a random number and the time of the first start.
    pub(super) fn new(context: &Context, vendor: u32) -> Self {
        const NET_SNMP: u32 = 8072;
        let mut engine = (vendor | 0x8000_0000).to_be_bytes().to_vec();
        if vendor == NET_SNMP {
            let [random @ .., early, late] = context.stable::<6>("snmp engine");
            // Some time in 2024.
            let start = 1_704_067_200 + u32::from(early) * 120_000 + u32::from(late) * 400;
            engine.push(0x80);
            engine.extend(random);
            engine.extend(u64::from(start).to_le_bytes());
        } else {
            engine.push(5);
            engine.extend(context.stable::<8>("snmp engine"));
        }
        Self { engine, answers: 0 }
    }

    /// Answers a message of v3, whose version was read.
    pub(super) fn answer(
        &mut self,
        datagram: &[u8],
        mut message: Reader<'_>,
        context: &Context,
        turn: &mut Turn,
    ) -> Result<Option<Vec<u8>>, BerError> {
        let mut header = message.sequence()?;
        let (id, _size, flags, model) = (
            header.integer()?,
            header.integer()?,
            header.octets()?,
            header.integer()?,
        );
        let mut security = Reader::new(message.octets()?).sequence()?;
        let engine = security.octets()?;
        let (_boots, _time) = (security.integer()?, security.integer()?);
        let (user, proof) = (security.octets()?, security.octets()?);
        let flags = flags.first().copied().unwrap_or_default();
        let (is_hashed, is_encrypted, wants_report) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
        // An encrypted request hides its number.
        let request = if is_encrypted { None } else { request_id(message).ok() };
        let is_known = engine == self.engine;
        if user.is_empty() {
            turn.report(Event::request("discovery", "v3"));
        } else {
            turn.report(Event::Auth(Auth {
                method: "usm",
                user: Some(user.into()),
                proof: if is_hashed && proof.len() == 12 {
                    Proof::Hash(Text::hash(&hash(datagram, id, engine, proof)))
                } else {
                    Proof::None
                },
                accepted: false,
                ..Auth::default()
            }));
        }
        if model != USM || !wants_report {
            return Ok(None);
        }
        let reason = if is_known { UNKNOWN_USERS } else { UNKNOWN_ENGINES };
        Ok(Some(self.report(
            id,
            request.unwrap_or_default(),
            reason,
            context,
            turn.now(),
        )))
    }

    fn report(&mut self, id: i64, request: i64, reason: u32, context: &Context, now: Timestamp) -> Vec<u8> {
        let (uptime, boots) = context.uptime(now);
        self.answers += 1;
        let count = uptime / 40_000 + self.answers;
        let number = |number: u64| i64::try_from(number).unwrap_or_default();
        let mut security = Writer::new();
        security.sequence(|security| {
            security
                .octets(&self.engine)
                .integer(number(boots))
                .integer(number(uptime));
            security.octets([]).octets([]).octets([]);
        });
        let security = security.finish();
        let mut message = Writer::new();
        message.sequence(|message| {
            message.integer(3);
            message.sequence(|header| _ = header.integer(id).integer(65_507).octets([0]).integer(3));
            message.octets(&security);
            message.sequence(|scoped| {
                scoped.octets(&self.engine).octets([]);
                scoped.inside(REPORT, |body| {
                    body.integer(request).integer(0).integer(0);
                    body.sequence(|list| {
                        list.sequence(|one| {
                            let counter = Oid::from(&[1, 3, 6, 1, 6, 3, 15, 1, 1, reason, 0][..]);
                            one.oid(&counter).unsigned(tag::COUNTER_32, count);
                        });
                    });
                });
            });
        });
        message.finish()
    }
}

fn request_id(mut message: Reader<'_>) -> Result<i64, BerError> {
    let mut scoped = message.sequence()?;
    scoped.octets()?;
    scoped.octets()?;
    scoped.element()?.elements()?.integer()
}

/// Returns the proof in the form of hashcat's mode 25000: the message without the proof, the engine and the proof.
fn hash(datagram: &[u8], id: i64, engine: &[u8], proof: &[u8]) -> String {
    let mut message = datagram.to_vec();
    let at = datagram.windows(proof.len()).position(|window| window == proof);
    if let Some(place) = at.and_then(|at| message.get_mut(at..at + proof.len())) {
        place.fill(0);
    }
    let mut hash = format!("$SNMPv3$0${id}$");
    for (part, end) in [(&message[..], "$"), (engine, "$"), (proof, "")] {
        for byte in part {
            let _ = write!(hash, "{byte:02x}");
        }
        hash.push_str(end);
    }
    hash
}
