//! RDP up to the login (MS-RDPBCGR): Windows' Terminal Services, or xrdp elsewhere.
//!
//! With network level authentication, the login is `CredSSP` (MS-CSSP) with NTLM inside TLS. Otherwise the visitor sends the
//! password with its settings. Nobody is let in, because the maze has no password for this service.

mod session;
#[cfg(test)]
mod tests;

use self::session::Session;
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::Event,
    wire::{
        ber::{self, BerError, Reader, Writer, tag},
        ntlm::{Authenticate, Host},
        spnego::{self, State, Token},
    },
};

/// The protocols that a client asks for, as bits (section 2.2.1.1.1).
mod protocol {
    pub(super) const RDP: u32 = 0;
    pub(super) const TLS: u32 = 1;
    pub(super) const NLA: u32 = 2;
    pub(super) const NLA_EX: u32 = 8;
}

/// The result of a failed login (MS-ERREF): `STATUS_LOGON_FAILURE`.
const LOGON_FAILURE: i64 = 0xc000_006d - (1 << 32);

/// What the visitor sends next.
#[derive(Debug)]
enum Phase {
    /// The request for a connection.
    Request,
    /// The messages of `CredSSP`, after the challenge if there is one.
    Login(Option<[u8; 8]>),
    /// The settings.
    Session(Session),
}

struct Rdp {
    context: Context,
    host: Host,
    security: String,
    phase: Phase,
}

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    let (fields, persona) = (context.fields(), context.persona());
    let mut host = Host::new(persona);
    if let Some(name) = fields.text("hostname") {
        host.computer = name.chars().take(15).collect::<String>().to_uppercase();
        host.dns_computer = format!("{name}.{}", persona.domain);
    }
    if let Some(domain) = fields.text("domain") {
        host.domain = domain.chars().take(15).collect::<String>().to_uppercase();
    }
    let usual = if persona.is_windows() { "nla" } else { "tls" };
    Box::new(Rdp {
        context: context.clone(),
        host,
        security: fields.text("security").unwrap_or(usual).to_owned(),
        phase: Phase::Request,
    })
}

impl Dialogue for Rdp {
    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        while !turn.is_over() && !input.bytes().is_empty() {
            let length = match self.phase {
                Phase::Login(_) => ber::frame(input.bytes()).map_err(|_| ()),
                _ => frame(input.bytes()),
            };
            let Ok(length) = length else {
                turn.report(Event::probe("not this protocol", &input.take_all()));
                return turn.close();
            };
            let Some(length) = length.filter(|length| *length <= input.bytes().len()) else {
                if length.unwrap_or_default() > Input::MOST {
                    turn.close();
                }
                return;
            };
            let message = input.take(length);
            let is_known = match &mut self.phase {
                Phase::Request => self.connect(&message, turn),
                Phase::Login(_) => self.login(&message, turn).is_ok(),
                Phase::Session(session) => session.message(&message, turn),
            };
            if !is_known {
                turn.report(Event::probe("not this protocol", &message));
                turn.close();
            }
        }
    }
    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        if !input.bytes().is_empty() {
            turn.report(Event::probe("partial message", &input.take_all()));
        }
    }
}

/// Returns the length of a packet (RFC 1006, section 6). It is none until its head is there.
fn frame(bytes: &[u8]) -> Result<Option<usize>, ()> {
    match bytes {
        [3, _, high, low, ..] => {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            if length < 7 { Err(()) } else { Ok(Some(length)) }
        }
        [3, ..] => Ok(None),
        _ => Err(()),
    }
}

impl Rdp {
    /// Answers to the request for a connection (section 2.2.1.1). Returns whether it is one.
    fn connect(&mut self, message: &[u8], turn: &mut Turn) -> bool {
        let Some([_, 0xe0, _, _, _, _, _, rest @ ..]) = message.get(4..) else {
            return false;
        };
        let mut rest = rest;
        if let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
            let cookie = rest.get(..end).unwrap_or_default();
            turn.report(Event::request(
                "connect",
                cookie.strip_prefix(b"Cookie: ").unwrap_or(cookie),
            ));
            rest = rest.get(end + 2..).unwrap_or_default();
        }
        let asked = match rest {
            [1, _, 8, 0, protocols @ ..] => protocols.first_chunk().map(|asked| u32::from_le_bytes(*asked)),
            _ => None,
        };
        let chosen = match (self.security.as_str(), asked) {
            (_, None) | ("rdp", Some(0)) => Ok(protocol::RDP),
            ("rdp", _) => Err(2),
            ("tls", Some(asked)) if asked & (protocol::TLS | protocol::NLA) != 0 => Ok(protocol::TLS),
            ("tls", _) => Err(1),
            (_, Some(asked)) if asked & protocol::NLA_EX != 0 => Ok(protocol::NLA_EX),
            (_, Some(asked)) if asked & protocol::NLA != 0 => Ok(protocol::NLA),
            _ => Err(5),
        };
        let head: &[u8] = if asked.is_none() {
            b"\x03\0\0\x0b\x06\xd0\0\0\x124\0"
        } else {
            b"\x03\0\0\x13\x0e\xd0\0\0\x124\0"
        };
        let mut answer = head.to_vec();
        let flags = if self.context.persona().is_windows() { 0x1f } else { 1 };
        match chosen {
            _ if asked.is_none() => {}
            Ok(chosen) => {
                answer.extend([2, flags, 8, 0]);
                answer.extend(chosen.to_le_bytes());
            }
            Err(code) => {
                answer.extend([3, 0, 8, 0]);
                answer.extend(u32::to_le_bytes(code));
            }
        }
        turn.send(answer);
        match chosen {
            Err(_) => turn.close(),
            Ok(protocol::RDP) if asked.is_none() && self.security != "rdp" => {
                // The server wants TLS, so it hangs up at the next message.
                self.phase = Phase::Session(Session::refusing());
            }
            Ok(protocol::RDP) => self.phase = Phase::Session(Session::new(protocol::RDP)),
            Ok(protocol::TLS) => {
                self.phase = Phase::Session(Session::new(asked.unwrap_or_default()));
                turn.start_tls();
            }
            Ok(_) => {
                self.phase = Phase::Login(None);
                turn.start_tls();
            }
        }
        true
    }

    /// Answers to a message of `CredSSP` (MS-CSSP, section 2.2.1).
    fn login(&mut self, message: &[u8], turn: &mut Turn) -> Result<(), BerError> {
        let mut fields = Reader::new(message).sequence()?;
        let version = fields.inside(0xa0)?.integer()?;
        let mut tokens = fields.inside(0xa1)?.sequence()?;
        let token = tokens.sequence()?.inside(0xa0)?.octets()?;
        let (message, is_bare) = match spnego::parse(token)? {
            Token::Bare(message) => (message, true),
            Token::Ntlm(message) => (message, false),
            Token::OffersNtlm => {
                turn.send(request(Some(&spnego::answer(State::Incomplete, None)), None));
                return Ok(());
            }
            Token::Other => return Err(BerError::Content(tag::OCTETS)),
        };
        let Phase::Login(Some(challenge)) = self.phase else {
            let challenge = self.context.fresh("challenge");
            let answer = self.host.challenge(&message, challenge, turn.now());
            let answer = answer.ok_or(BerError::Content(tag::OCTETS))?;
            let token = if is_bare {
                answer
            } else {
                spnego::answer(State::Incomplete, Some(&answer))
            };
            turn.send(request(Some(&token), None));
            self.phase = Phase::Login(Some(challenge));
            return Ok(());
        };
        let message = Authenticate::parse(&message).ok_or(BerError::Content(tag::OCTETS))?;
        turn.report(Event::Auth(message.attempt(challenge, false)));
        if !message.workstation.is_empty() {
            turn.report(Event::client_name(&message.workstation));
        }
        // Older clients do not know the field.
        if matches!(version, 3 | 4 | 6..) {
            turn.send(request(None, Some(LOGON_FAILURE)));
        }
        turn.close();
        Ok(())
    }
}

/// Returns a message of `CredSSP` with a token or an error.
fn request(token: Option<&[u8]>, error: Option<i64>) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|w| {
        w.inside(0xa0, |w| _ = w.integer(6));
        if let Some(token) = token {
            w.inside(0xa1, |w| {
                w.sequence(|w| {
                    w.sequence(|w| {
                        w.inside(0xa0, |w| _ = w.octets(token));
                    });
                });
            });
        }
        if let Some(error) = error {
            w.inside(0xa4, |w| _ = w.integer(error));
        }
    });
    writer.finish()
}
