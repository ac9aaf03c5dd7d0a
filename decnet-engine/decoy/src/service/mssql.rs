//! Microsoft SQL Server (MS-TDS), of the versions 2012 to 2022.
//!
//! It says that it does not support encryption, so that the login comes without TLS and its password can be read.

mod login;
mod query;
#[cfg(test)]
mod tests;
mod token;

use std::time::Duration;

use self::{
    login::Login,
    query::Server,
    token::{Tokens, packet},
};
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::{Auth, Event, Fingerprint, Proof, Request, Text},
    wire::cursor::Cursor,
};
use crate::protocol::Os;

/// The maximum length of a message of several packets.
const MOST: usize = 48 * 1024;

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    let fields = context.fields();
    let of_system = match context.persona().os {
        Os::WindowsServer2016 => "2016",
        Os::WindowsServer2022 => "2022",
        _ => "2019",
    };
    let pinned = context
        .persona()
        .versions
        .get("mssql")
        .map_or(of_system, String::as_str);
    let version = fields.text("server_version").unwrap_or(pinned);
    let instance = fields.text("instance").unwrap_or("MSSQLSERVER");
    Box::new(MsSql {
        server: Server::new(context, version, instance),
        instance: instance.to_owned(),
        context: context.clone(),
        state: State::Start,
        message: Vec::new(),
    })
}

/// A conversation.
struct MsSql {
    context: Context,
    server: Server,
    instance: String,
    state: State,
    /// The packets of the message so far.
    message: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Login,
    Session,
}

impl Dialogue for MsSql {
    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        while !turn.is_over() {
            let [kind, status, high, low, ..] = *input.bytes() else {
                if self.state == State::Start && input.bytes().first().is_some_and(|kind| !matches!(kind, 0x10 | 0x12))
                {
                    self.refuse(input, turn);
                }
                return;
            };
            let length = usize::from(u16::from_be_bytes([high, low]));
            let is_known = match self.state {
                State::Start => matches!(kind, 0x10 | 0x12),
                State::Login => matches!(kind, 0x10..=0x12),
                State::Session => matches!(kind, 0x01 | 0x03 | 0x06 | 0x07 | 0x0e),
            };
            if !is_known || length < 8 || self.message.len() + length > MOST {
                return self.refuse(input, turn);
            }
            if input.bytes().len() < length {
                return;
            }
            let bytes = input.take(length);
            self.message.extend(bytes.get(8..).unwrap_or_default());
            if status & 1 == 0 {
                continue;
            }
            let message = std::mem::take(&mut self.message);
            match kind {
                0x12 => self.prelogin(&message, turn),
                0x10 => self.log_in(&message, turn),
                0x11 => self.refuse(&mut Input::from(&message[..]), turn),
                _ => self.command(kind, &message, turn),
            }
        }
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        if !input.bytes().is_empty() {
            turn.report(Event::probe("part of a message", &input.take_all()));
        }
    }
}

impl MsSql {
    /// The real server closes the connection without an answer.
    fn refuse(&self, input: &mut Input, turn: &mut Turn) {
        let _ = self;
        turn.report(Event::probe("not this protocol", &input.take_all()));
        turn.close();
    }

    fn send(tokens: &[u8], turn: &mut Turn) {
        turn.send(packet(tokens));
    }

    /// Answers the options of a client with those of the server.
    fn prelogin(&mut self, message: &[u8], turn: &mut Turn) {
        let mut cursor = Cursor::new(message);
        let (mut instance, mut has_mars) = (&b""[..], false);
        while let Some(option) = cursor.u8().filter(|option| *option != 0xff) {
            let (Some(offset), Some(length)) = (cursor.u16_be(), cursor.u16_be()) else {
                break;
            };
            let (start, end) = (usize::from(offset), usize::from(offset) + usize::from(length));
            match option {
                2 => instance = message.get(start..end).unwrap_or_default(),
                4 => has_mars = true,
                _ => {}
            }
        }
        let instance = instance.split(|byte| *byte == 0).next().unwrap_or_default();
        let is_other = !instance.is_empty() && !instance.eq_ignore_ascii_case(self.instance.as_bytes());
        // Version, encryption (not supported), instance, thread (empty), MARS (off).
        let [build_high, build_low] = self.server.build.to_be_bytes();
        let values: &[(u8, &[u8])] = &[
            (0, &[self.server.major, 0, build_high, build_low, 0, 0]),
            (1, &[2]),
            (2, &[u8::from(is_other)]),
            (3, &[]),
            (4, &[0]),
        ];
        let values = values.get(..if has_mars { 5 } else { 4 }).unwrap_or_default();
        let mut offset = u16::try_from(values.len() * 5 + 1).unwrap_or_default();
        let (mut head, mut body) = (Vec::new(), Vec::new());
        for (option, value) in values {
            let length = u16::try_from(value.len()).unwrap_or_default();
            head.push(*option);
            head.extend(offset.to_be_bytes());
            head.extend(length.to_be_bytes());
            body.extend(*value);
            offset += length;
        }
        Self::send(&[&head[..], &[0xff], &body].concat(), turn);
        self.state = State::Login;
    }

    fn log_in(&mut self, message: &[u8], turn: &mut Turn) {
        let Some(login) = Login::read(message) else {
            return self.refuse(&mut Input::from(message), turn);
        };
        let client: Vec<&str> = [&login.application, &login.library, &login.host]
            .into_iter()
            .map(String::as_str)
            .filter(|part| !part.is_empty())
            .collect();
        if !client.is_empty() {
            turn.report(Event::Fingerprint(Fingerprint {
                method: "client-name",
                value: client.join(" ").into(),
                server_name: None,
            }));
        }
        let version = login.version;
        let domain = Some(Text::from(login.database.as_str())).filter(|name| !name.as_str().is_empty());
        if login.is_integrated {
            turn.report(Event::Auth(Auth {
                method: "sspi",
                domain,
                ..Auth::default()
            }));
            let text = "Login failed. The login is from an untrusted domain and cannot be used with Integrated authentication.";
            return self.fail(18452, text, version, turn);
        }
        let password = self.context.fields().text("password").filter(|own| !own.is_empty());
        let accepted = login.user.eq_ignore_ascii_case("sa") && password.is_some_and(|own| own == login.password);
        turn.report(Event::Auth(Auth {
            method: "password",
            user: Some(login.user.as_str().into()),
            domain,
            proof: Proof::Password(login.password.as_str().into()),
            accepted,
        }));
        if !accepted {
            let text = format!("Login failed for user '{}'.", login.user);
            return self.fail(18456, &text, version, turn);
        }
        if !self.server.start(&login) {
            let text = format!(
                "Cannot open database \"{}\" requested by the login. The login failed.",
                login.database
            );
            return self.fail(4060, &text, version, turn);
        }
        Self::send(&self.server.greeting(&login), turn);
        turn.allow_silence(Duration::from_mins(10));
        self.state = State::Session;
    }

    fn fail(&self, number: i32, text: &str, version: u32, turn: &mut Turn) {
        let mut tokens = Tokens::new(version, &self.server.name);
        let (state, class) = if number == 4060 { (1, 11) } else { (1, 14) };
        tokens.error(number, state, class, text);
        tokens.done(2, 0, 0);
        Self::send(&tokens.bytes, turn);
        turn.close();
    }

    fn command(&mut self, kind: u8, message: &[u8], turn: &mut Turn) {
        if kind == 0x06 {
            let mut tokens = Tokens::new(self.server.tds, &self.server.name);
            tokens.done(0x20, 0, 0);
            return Self::send(&tokens.bytes, turn);
        }
        let (method, text) = match kind {
            0x01 => ("batch", login::batch(message, self.server.tds)),
            0x03 => ("rpc", login::procedure(message, self.server.tds)),
            _ => ("other", String::new()),
        };
        let (tokens, error) = self.server.answer(&text, turn.now());
        turn.report(Event::Request(Request {
            method: method.into(),
            target: Some(text.into()),
            status: u16::try_from(error).ok().filter(|error| *error != 0),
            ..Request::default()
        }));
        Self::send(&tokens, turn);
    }
}
