//! VNC (RFC 6143) with a password, as `TigerVNC` of Debian answers. After the login there is an empty screen.

mod screen;
#[cfg(test)]
mod tests;

use std::time::Duration;

use des::{
    Des,
    cipher::{BlockCipherEncrypt, KeyInit},
};

use self::screen::Screen;
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::{Auth, Event, Proof, Text},
    wire::ntlm::hex,
};

/// The security type of a password.
const PASSWORD: u8 = 2;

/// What the visitor sends next.
#[derive(Debug)]
enum Phase {
    Version,
    /// The choice of a security type.
    Choice,
    Response,
    /// Whether others may see the screen too.
    Start,
    Screen(Screen),
}

struct Vnc {
    banner: String,
    /// The second number of the server's version, and later of both.
    minor: u16,
    name: String,
    password: Option<String>,
    challenge: [u8; 16],
    phase: Phase,
}

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    let (fields, persona) = (context.fields(), context.persona());
    let banner = fields.text("banner").unwrap_or("RFB 003.008").trim_end();
    let display = if persona.is_windows() { "" } else { ":1" };
    let usual = format!("{}{display}", persona.hostname);
    Box::new(Vnc {
        minor: version(format!("{banner}\n").as_bytes()).map_or(8, |(_, minor)| minor),
        banner: format!("{banner}\n"),
        name: fields.text("desktop_name").map_or(usual, str::to_owned),
        password: fields.text("password").map(str::to_owned),
        challenge: context.fresh("challenge"),
        phase: Phase::Version,
    })
}

impl Dialogue for Vnc {
    fn open(&mut self, turn: &mut Turn) {
        turn.send(self.banner.as_bytes());
    }

    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        while !turn.is_over() {
            let length = match &self.phase {
                Phase::Version => 12,
                Phase::Choice | Phase::Start => 1,
                Phase::Response => 16,
                Phase::Screen(_) => match Screen::length(input.bytes()) {
                    Ok(Some(length)) => length,
                    Ok(None) => return,
                    Err(()) => {
                        turn.report(Event::probe("not this protocol", &input.take_all()));
                        return turn.close();
                    }
                },
            };
            if matches!(self.phase, Phase::Version)
                && !b"RFB ".starts_with(input.bytes().get(..4).unwrap_or(input.bytes()))
            {
                turn.report(Event::probe("not this protocol", &input.take_all()));
                return turn.close();
            }
            if input.bytes().len() < length {
                return;
            }
            let message = input.take(length);
            self.message(&message, turn);
        }
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        match &mut self.phase {
            Phase::Version if !input.bytes().is_empty() => {
                turn.report(Event::probe("not this protocol", &input.take_all()));
            }
            Phase::Screen(screen) => screen.finish(turn),
            _ => {}
        }
    }
}

impl Vnc {
    fn message(&mut self, message: &[u8], turn: &mut Turn) {
        match &mut self.phase {
            Phase::Version => {
                let Some((3, minor)) = version(message) else {
                    turn.report(Event::probe("not this protocol", message));
                    return turn.close();
                };
                // Versions between the three are older than they look.
                let known = |minor| match minor {
                    8.. => 8,
                    7 => 7,
                    _ => 3,
                };
                self.minor = known(self.minor).min(known(minor));
                turn.report(Event::client_name(format!("RFB 003.{minor:03}")));
                if self.minor == 3 {
                    turn.send([&[0, 0, 0, PASSWORD][..], &self.challenge].concat());
                    self.phase = Phase::Response;
                } else {
                    turn.send([1, PASSWORD]);
                    self.phase = Phase::Choice;
                }
            }
            Phase::Choice => {
                if message == [PASSWORD] {
                    turn.send(self.challenge);
                    self.phase = Phase::Response;
                } else {
                    self.refuse("Requested security type not available", turn);
                }
            }
            Phase::Response => self.login(message, turn),
            Phase::Start => {
                turn.send(Screen::start(&self.name));
                self.phase = Phase::Screen(Screen::default());
            }
            Phase::Screen(screen) => screen.message(message, turn),
        }
    }

    fn login(&mut self, response: &[u8], turn: &mut Turn) {
        let own = self.password.as_deref();
        let accepted = own.is_some_and(|own| encrypt(own.as_bytes(), self.challenge) == response);
        let hash = format!("$vnc$*{}*{}", hex(&self.challenge), hex(response)).to_uppercase();
        turn.report(Event::Auth(Auth {
            method: "vnc",
            proof: Proof::Hash(Text::hash(&hash.replace("$VNC$", "$vnc$"))),
            accepted,
            ..Auth::default()
        }));
        if accepted {
            turn.send([0; 4]);
            self.phase = Phase::Start;
        } else {
            turn.pause(Duration::from_millis(100));
            self.refuse("Authentication failure", turn);
        }
    }

    /// Ends the login. Only version 3.8 gives a reason.
    fn refuse(&self, reason: &str, turn: &mut Turn) {
        let mut answer = vec![0, 0, 0, 1];
        if self.minor >= 8 {
            answer.extend(u32::try_from(reason.len()).unwrap_or_default().to_be_bytes());
            answer.extend(reason.as_bytes());
        }
        turn.send(answer);
        turn.close();
    }
}

/// Returns the numbers of a version.
fn version(message: &[u8]) -> Option<(u16, u16)> {
    let [b'R', b'F', b'B', b' ', major @ .., b'\n'] = message else {
        return None;
    };
    let (major, minor) = std::str::from_utf8(major).ok()?.split_once('.')?;
    let number = |text: &str| (text.len() == 3).then(|| text.parse().ok())?;
    Some((number(major)?, number(minor)?))
}

/// Encrypts a challenge with a password (RFC 6143, section 7.2.2): DES with the bits of each byte of the key in reverse.
fn encrypt(password: &[u8], challenge: [u8; 16]) -> [u8; 16] {
    let key: [u8; 8] = std::array::from_fn(|place| password.get(place).map_or(0, |byte| byte.reverse_bits()));
    let cipher = Des::new(&key.into());
    let mut encrypted = challenge;
    for half in encrypted.chunks_exact_mut(8) {
        let mut block = <[u8; 8]>::try_from(&*half).unwrap_or_default().into();
        cipher.encrypt_block(&mut block);
        half.copy_from_slice(&block);
    }
    encrypted
}
