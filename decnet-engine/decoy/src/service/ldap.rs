//! LDAP (RFC 4511): a domain controller of Active Directory (MS-ADTS) on Windows, slapd of Debian's OpenLDAP elsewhere.

mod answer;
mod directory;
mod filter;
mod known;
mod search;
#[cfg(test)]
mod tests;

use self::{
    answer::{Answers, Fault},
    directory::{Directory, normal},
};
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::{Auth, Event},
    wire::{
        ber::{self, BerError, Element, Reader, tag},
        ntlm::{Authenticate, Host},
        spnego::{self, State, Token},
    },
};

/// The maximum size of a message. The limit of slapd is four times as high, but no honest request comes near it.
const MOST_BYTES: usize = 60_000;

/// The extended operation that starts TLS.
const START_TLS: &str = "1.3.6.1.4.1.1466.20037";

/// The extended operation that asks for the own name (RFC 4532).
const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";

struct Ldap {
    context: Context,
    host: Host,
    directory: Directory,
    answers: Answers,
    /// The name of the visitor after a good bind, as the answer to [`WHO_AM_I`].
    bound: Option<String>,
    /// The challenge of the NTLM login that is under way, and their number.
    challenge: [u8; 8],
    challenges: u32,
    is_secured: bool,
}

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    let directory = Directory::new(context);
    let mut host = Host::new(context.persona());
    host.domain.clone_from(&directory.netbios);
    host.dns_domain.clone_from(&directory.domain);
    Box::new(Ldap {
        context: context.clone(),
        host,
        answers: Answers::new(context.persona()),
        directory,
        bound: None,
        challenge: [0; 8],
        challenges: 0,
        is_secured: false,
    })
}

impl Dialogue for Ldap {
    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        loop {
            let first = input.bytes().first().copied();
            match ber::frame(input.bytes()) {
                _ if first.is_none() => return,
                Ok(length) if first == Some(tag::SEQUENCE) && length.unwrap_or_default() <= MOST_BYTES => {
                    let Some(length) = length.filter(|length| *length <= input.bytes().len()) else {
                        return;
                    };
                    let message = input.take(length);
                    if self.message(&message, turn).is_err() {
                        turn.report(Event::probe("malformed ldap", &message));
                        turn.send(self.answers.disconnect());
                        turn.close();
                    }
                }
                _ => {
                    // Both servers close without an answer.
                    turn.report(Event::probe("not this protocol", &input.take_all()));
                    turn.close();
                }
            }
            if turn.is_over() {
                return;
            }
        }
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        if !input.bytes().is_empty() {
            turn.report(Event::probe("partial message", &input.take_all()));
        }
    }

    fn secured(&mut self, _turn: &mut Turn) {
        self.is_secured = true;
    }
}

impl Ldap {
    /// Answers to a message.
    fn message(&mut self, message: &[u8], turn: &mut Turn) -> Result<(), BerError> {
        let mut message = Reader::new(message).sequence()?;
        let id = message.integer()?;
        if !(1..=i64::from(i32::MAX)).contains(&id) {
            return Err(BerError::Content(tag::INTEGER));
        }
        let operation = message.element()?;
        match operation.tag {
            0x60 => self.bind(id, &operation, turn)?,
            0x42 => turn.close(),
            0x63 => self.search(id, &operation, turn)?,
            0x66 | 0x68 => {
                let name = operation.elements()?.octets()?;
                let method = if operation.tag == 0x66 { "modify" } else { "add" };
                self.refuse(id, (operation.tag, method), name, turn);
            }
            0x4a => self.refuse(id, (0x6a, "delete"), operation.content, turn),
            0x6c => self.refuse(id, (0x6c, "rename"), operation.elements()?.octets()?, turn),
            0x6e => self.compare(id, &operation, turn)?,
            0x50 => {}
            0x77 => self.extended(id, &operation, turn)?,
            tag => return Err(BerError::Unexpected(tag)),
        }
        Ok(())
    }

    fn bind(&mut self, id: i64, operation: &Element<'_>, turn: &mut Turn) -> Result<(), BerError> {
        let mut fields = operation.elements()?;
        let version = fields.integer()?;
        let name = fields.octets()?;
        let proof = fields.element()?;
        self.bound = None;
        let name = String::from_utf8_lossy(name).into_owned();
        let is_windows = self.directory.is_windows;
        if version != 3 && !(is_windows && version == 2) {
            let fault = self.answers.wrong_version(version);
            turn.report(Event::request("bind", format!("version {version}")));
            turn.send(self.answers.result(id, 0x61, "", &fault));
            return Ok(());
        }
        match proof.tag {
            0x80 => {
                let fault = self.simple(&name, proof.content, turn);
                turn.send(self.answers.result(id, 0x61, "", &fault));
            }
            0xa3 => self.sasl(id, &name, &proof, turn)?,
            // The logins of MS-ADTS, section 5.1.1.1.3: the names of the mechanisms, then the messages of NTLM.
            0x89 if is_windows => turn.send(self.answers.result(id, 0x61, "NTLM", &Fault::NONE)),
            0x8a if is_windows => match self.challenge(proof.content, turn) {
                Some(challenge) => turn.send(self.answers.bytes(id, &challenge)),
                None => turn.send(self.answers.result(id, 0x61, "", &self.answers.wrong_login(true))),
            },
            0x8b if is_windows => {
                let fault = self.authenticate(proof.content, turn)?;
                turn.send(self.answers.result(id, 0x61, "", &fault));
            }
            _ => {
                let fault = self.answers.unknown_method();
                turn.send(self.answers.result(id, 0x61, "", &fault));
            }
        }
        Ok(())
    }

    fn simple(&mut self, name: &str, password: &[u8], turn: &mut Turn) -> Fault {
        if password.is_empty() {
            let is_anonymous = name.is_empty();
            turn.report(Event::Auth(Auth {
                method: "anonymous",
                user: Some(name.into()),
                accepted: is_anonymous,
                ..Auth::default()
            }));
            if is_anonymous || self.directory.is_windows {
                return Fault::NONE;
            }
            return Fault::new(53, "unauthenticated bind (DN with no password) disallowed");
        }
        let own = self.context.fields().text("password");
        let accepted = self.is_own(name) && own.is_some_and(|own| own.as_bytes() == password);
        turn.report(Event::password("simple", name.as_bytes(), password, accepted));
        if accepted {
            self.bound = Some(self.identity());
            Fault::NONE
        } else if !self.directory.is_windows && !name.is_empty() && !name.contains('=') {
            Fault::new(34, "invalid DN")
        } else {
            self.answers.wrong_login(false)
        }
    }

    fn sasl(&mut self, id: i64, name: &str, proof: &Element<'_>, turn: &mut Turn) -> Result<(), BerError> {
        let mut fields = proof.elements()?;
        let mechanism = String::from_utf8_lossy(fields.octets()?).into_owned();
        let credentials = fields.optional(tag::OCTETS)?.map_or(&[][..], |element| element.content);
        if !self.directory.is_windows || !matches!(mechanism.as_str(), "GSS-SPNEGO" | "GSSAPI") {
            match credentials.split(|byte| *byte == 0).collect::<Vec<_>>()[..] {
                [_, user, password] if mechanism == "PLAIN" => {
                    turn.report(Event::password("plain", user, password, false));
                }
                _ => turn.report(Event::request("bind", format!("{mechanism} {name}"))),
            }
            let fault = self.answers.unknown_mechanism();
            turn.send(self.answers.result(id, 0x61, "", &fault));
            return Ok(());
        }
        let (message, is_bare) = match spnego::parse(credentials) {
            Ok(Token::Bare(message)) => (message, true),
            Ok(Token::Ntlm(message)) => (message, false),
            Ok(Token::OffersNtlm) => {
                turn.send(self.answers.next(id, &spnego::answer(State::Incomplete, None)));
                return Ok(());
            }
            Ok(Token::Other) | Err(_) => {
                turn.report(Event::request("bind", mechanism));
                turn.send(self.answers.result(id, 0x61, "", &self.answers.wrong_login(true)));
                return Ok(());
            }
        };
        if let Some(challenge) = self.challenge(&message, turn) {
            let token = if is_bare {
                challenge
            } else {
                spnego::answer(State::Incomplete, Some(&challenge))
            };
            turn.send(self.answers.next(id, &token));
        } else {
            let fault = self.authenticate(&message, turn)?;
            turn.send(self.answers.result(id, 0x61, "", &fault));
        }
        Ok(())
    }

    /// Returns the challenge to the first NTLM message, and none for another message.
    fn challenge(&mut self, message: &[u8], turn: &Turn) -> Option<Vec<u8>> {
        let number = self.challenges.saturating_add(1);
        let challenge = self.context.fresh(&format!("challenge {number}"));
        let answer = self.host.challenge(message, challenge, turn.now())?;
        (self.challenge, self.challenges) = (challenge, number);
        Some(answer)
    }

    /// Answers to the last NTLM message. A visitor who signs what follows is not let in: the answers could not be read.
    fn authenticate(&mut self, message: &[u8], turn: &mut Turn) -> Result<Fault, BerError> {
        let message = Authenticate::parse(message).ok_or(BerError::Content(tag::OCTETS))?;
        let own = self.context.fields().text("password");
        let is_right = own.is_some_and(|own| message.verify(self.challenge, own).is_some());
        let is_user = self.is_own(&message.user) && is_right && !message.protects();
        let accepted = is_user || message.is_anonymous();
        turn.report(Event::Auth(message.attempt(self.challenge, accepted)));
        if !message.workstation.is_empty() {
            turn.report(Event::client_name(&message.workstation));
        }
        if is_user {
            self.bound = Some(self.identity());
        }
        Ok(if accepted {
            Fault::NONE
        } else {
            self.answers.wrong_login(true)
        })
    }

    /// Returns whether this is the name that may bind. Active Directory knows it as `CN=…`, `DOMAIN\name` and `name@domain` too.
    fn is_own(&self, name: &str) -> bool {
        let own = &self.directory.bind_dn;
        let is_dn = name.contains('=');
        normal(name) == normal(own)
            || self.directory.is_windows && !is_dn && account(name).eq_ignore_ascii_case(account(own))
    }

    fn identity(&self) -> String {
        let Directory { bind_dn, netbios, .. } = &self.directory;
        if self.directory.is_windows {
            format!("u:{netbios}\\{}", account(bind_dn))
        } else {
            format!("dn:{bind_dn}")
        }
    }

    /// Refuses a change. `operation` is the tag of the request and its name.
    fn refuse(&mut self, id: i64, operation: (u8, &'static str), name: &[u8], turn: &mut Turn) {
        turn.report(Event::request(operation.1, name));
        let fault = self.answers.no_change(self.bound.is_some());
        turn.send(self.answers.result(id, operation.0 | 1, "", &fault));
    }

    fn extended(&mut self, id: i64, operation: &Element<'_>, turn: &mut Turn) -> Result<(), BerError> {
        let name = operation.elements()?.expect(0x80)?;
        let name = String::from_utf8_lossy(name.content).into_owned();
        turn.report(Event::request("extended", name.as_str()));
        match name.as_str() {
            START_TLS if self.is_secured => {
                let fault = Fault::new(1, "TLS already started");
                turn.send(self.answers.result(id, 0x78, "", &fault));
            }
            START_TLS => {
                turn.send(self.answers.start_tls(id, START_TLS));
                turn.start_tls();
            }
            WHO_AM_I => turn.send(self.answers.identity(id, self.bound.as_deref().unwrap_or_default())),
            _ => {
                let fault = self.answers.unknown_operation();
                turn.send(self.answers.result(id, 0x78, "", &fault));
            }
        }
        Ok(())
    }
}

/// Returns the name of the login in a name of any form.
fn account(name: &str) -> &str {
    let first = name.split(',').next().unwrap_or_default();
    if let Some((_, value)) = first.split_once('=') {
        return value.trim();
    }
    let (_, name) = name.split_once('\\').unwrap_or(("", name));
    name.split('@').next().unwrap_or_default()
}
