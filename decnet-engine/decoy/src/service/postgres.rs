//! PostgreSQL (the frontend/backend protocol 3.0 in its manual), as PostgreSQL 15 of Debian 12 answers it.
//!
//! It asks for the password in clear text. The errors, with their files and lines, were read from 15.18.

mod answer;
mod catalog;
mod login;
mod message;
mod query;
mod server;
mod startup;
#[cfg(test)]
mod tests;

use self::{
    answer::Answer,
    message::{Fault, message, ready},
    server::Server,
    startup::Login,
};
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::{Event, Proof, Request, Text},
    wire::cursor::Cursor,
};
use crate::protocol::Os;

/// The maximum length of a message.
const MOST: usize = 60 * 1024;

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    let version = version(context);
    Box::new(Postgres {
        server: Server::new(context, &version),
        context: context.clone(),
        version,
        state: State::Startup,
        is_secure: false,
        asked_gss: false,
        login: Login::default(),
        statement: String::new(),
        skips: false,
    })
}

/// Returns the version of the field, of the maze's pin, or of the system's package. On Debian and Ubuntu it names the package.
fn version(context: &Context) -> String {
    let persona = context.persona();
    let options: &[&str] = match persona.os {
        Os::Debian11 => &["13.14", "13.16"],
        Os::Ubuntu2204 => &["14.11", "14.12"],
        Os::Ubuntu2404 => &["16.4", "16.6"],
        Os::Debian12 => &["15.6", "15.8", "15.18"],
        _ => &["15.6", "15.8", "16.2"],
    };
    let of_system = context.pick("postgres version", options);
    let pinned = persona.versions.get("postgres").map_or(of_system, String::as_str);
    let version = context
        .fields()
        .text("server_version")
        .unwrap_or(pinned)
        .replace('\0', "");
    if version.contains(' ') {
        return version;
    }
    match persona.os {
        Os::Debian11 => format!("{version} (Debian {version}-0+deb11u1)"),
        Os::Debian12 => format!("{version} (Debian {version}-0+deb12u1)"),
        Os::Ubuntu2204 => format!("{version} (Ubuntu {version}-0ubuntu0.22.04.1)"),
        Os::Ubuntu2404 => format!("{version} (Ubuntu {version}-0ubuntu0.24.04.1)"),
        _ => version,
    }
}

/// A conversation.
struct Postgres {
    context: Context,
    version: String,
    state: State,
    is_secure: bool,
    asked_gss: bool,
    login: Login,
    server: Server,
    /// The statement of the last `Parse`.
    statement: String,
    /// Whether messages are ignored until `Sync`, after an error.
    skips: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Startup,
    /// The visitor may start to encrypt with GSSAPI. The server has no key for it.
    Gss,
    Password,
    Session,
}

impl Dialogue for Postgres {
    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        loop {
            let goes_on = match self.state {
                State::Startup => self.startup(input, turn),
                State::Gss => Self::gss(input, turn),
                State::Password => self.password(input, turn),
                State::Session => self.session(input, turn),
            };
            if !goes_on || turn.is_over() {
                return;
            }
        }
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        if self.state == State::Password {
            // The visitor saw that a password is needed, and left.
            turn.report(self.attempt(Proof::None, false));
        } else if !input.bytes().is_empty() {
            turn.report(Event::probe("part of a message", &input.take_all()));
        }
    }

    fn secured(&mut self, _: &mut Turn) {
        self.is_secure = true;
    }
}

impl Postgres {
    fn fail(&self, fault: &Fault, turn: &mut Turn) {
        turn.send(fault.encode("FATAL", &self.version));
        turn.close();
    }

    /// Takes a message of the session. Returns whether there may be more to do.
    fn session(&mut self, input: &mut Input, turn: &mut Turn) -> bool {
        let mut cursor = Cursor::new(input.bytes());
        let Some(kind) = cursor.u8() else { return false };
        if !b"QXPBDECSHFdcf".contains(&kind) {
            turn.report(Event::probe("not this protocol", input.bytes()));
            let text = format!("invalid frontend message type {kind}");
            self.fail(&Fault::at("08P01", &text, "postgres.c", 446, "SocketBackend"), turn);
            return false;
        }
        let Some(length) = cursor.u32_be() else { return false };
        let length = usize::try_from(length).unwrap_or(usize::MAX).wrapping_sub(4);
        if length > MOST {
            turn.report(Event::probe("a message that is too long", input.bytes()));
            if length < 0x3fff_ffff {
                self.fail(
                    &Fault::at("53200", "out of memory", "stringinfo.c", 335, "enlargeStringInfo"),
                    turn,
                );
            }
            turn.close();
            return false;
        }
        let Some(body) = cursor.bytes(length) else { return false };
        let body = body.to_vec();
        input.take(length + 5);
        if kind == b'X' {
            turn.close();
        } else if kind == b'Q' {
            self.simple(&body, turn);
        } else {
            self.extended(kind, &body, turn);
        }
        true
    }

    fn report(query: &[u8], error: Option<&Fault>, turn: &mut Turn) {
        turn.report(Event::Request(Request {
            method: "query".into(),
            target: Some(query.into()),
            body: error.map(|fault| Text::from(fault.text.as_str())),
            ..Request::default()
        }));
    }

    /// Answers a simple query, which can have several statements.
    fn simple(&mut self, body: &[u8], turn: &mut Turn) {
        let mut error = None;
        let mut bytes = Vec::new();
        match body.split_last() {
            Some((0, text)) if !text.contains(&0) => {
                let text = String::from_utf8_lossy(text).into_owned();
                let statements = query::split(&text);
                if statements.is_empty() {
                    bytes.extend(message(b'I', &[]));
                }
                for statement in statements {
                    let answer = self.server.answer(statement, turn.now());
                    bytes.extend(answer.encode(true, &self.version));
                    if let Answer::Error(fault) = answer {
                        error = Some(fault);
                        break;
                    }
                }
                Self::report(text.as_bytes(), error.as_ref(), turn);
            }
            _ => {
                let fault = Fault::at(
                    "08P01",
                    "invalid string in message",
                    "pqformat.c",
                    595,
                    "pq_getmsgstring",
                );
                Self::report(body, Some(&fault), turn);
                bytes.extend(fault.encode("ERROR", &self.version));
            }
        }
        bytes.extend(ready(self.server.transaction()));
        turn.send(bytes);
    }

    /// Answers a message of the extended protocol.
    fn extended(&mut self, kind: u8, body: &[u8], turn: &mut Turn) {
        if kind == b'S' {
            self.skips = false;
            return turn.send(ready(self.server.transaction()));
        }
        if self.skips {
            return;
        }
        let mut cursor = Cursor::new(body);
        match kind {
            b'P' => {
                let text = cursor
                    .until_zero()
                    .and_then(|_| cursor.until_zero())
                    .unwrap_or_default();
                self.statement = String::from_utf8_lossy(text).into_owned();
                turn.send(message(b'1', &[]));
            }
            b'B' => turn.send(message(b'2', &[])),
            b'C' => turn.send(message(b'3', &[])),
            b'D' => {
                let parameters = if cursor.u8() == Some(b'S') {
                    message(b't', &[0, 0])
                } else {
                    Vec::new()
                };
                let description = self
                    .server
                    .clone()
                    .answer(self.statement.trim_end_matches(';'), turn.now())
                    .description();
                turn.send([parameters, description].concat());
            }
            b'E' => {
                let statement = self.statement.clone();
                let answer = self.server.answer(statement.trim().trim_end_matches(';'), turn.now());
                turn.send(answer.encode(false, &self.version));
                let error = if let Answer::Error(fault) = &answer {
                    Some(fault)
                } else {
                    None
                };
                self.skips = error.is_some();
                Self::report(statement.as_bytes(), error, turn);
            }
            b'F' => {
                let fault = Fault::at(
                    "42883",
                    "function with OID 0 does not exist",
                    "fastpath.c",
                    139,
                    "fetch_fp_info",
                );
                turn.send([fault.encode("ERROR", &self.version), ready(self.server.transaction())].concat());
            }
            _ => {}
        }
    }
}
