//! MongoDB (its wire protocol, <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/>), as `mongod` without
//! a replica set answers it.
//!
//! Unless the maze sets a version, it is one before 5.1: later ones answer no `OP_QUERY`, and a published scanner takes such a
//! server for a honeypot.
//!
//! The server pretends to know each user, so that a SCRAM login goes on to its proof, and refuses that.

mod command;
mod exchange;
mod login;
mod message;
mod server;
mod store;
#[cfg(test)]
mod tests;

use std::time::Duration;

use self::{
    exchange::Exchange,
    message::{Message, Query},
    store::Store,
};
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::{Event, Fingerprint, Request, Text},
    wire::bson::{Document, Value},
};

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    let pinned = context.persona().versions.get("mongodb").cloned();
    let version = context
        .fields()
        .text("server_version")
        .map(ToOwned::to_owned)
        .or(pinned);
    let usual = || {
        context
            .pick("mongodb version", &["5.0.15", "5.0.18", "4.4.19", "5.0.21", "4.4.24"])
            .to_owned()
    };
    Box::new(MongoDb {
        needs_login: context.fields().flag("auth").unwrap_or(true),
        store: Store::new(context),
        version: version.unwrap_or_else(usual),
        context: context.clone(),
        exchange: None,
        exchanges: 0,
        answers: 0,
        has_said_its_name: false,
    })
}

/// A conversation.
struct MongoDb {
    context: Context,
    version: String,
    needs_login: bool,
    store: Store,
    /// The login that goes on.
    exchange: Option<Exchange>,
    exchanges: i32,
    /// The number of answers so far, which is their id.
    answers: i32,
    has_said_its_name: bool,
}

impl Dialogue for MongoDb {
    fn open(&mut self, turn: &mut Turn) {
        turn.allow_silence(Duration::from_mins(10));
    }

    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        while !turn.is_over() {
            if input.bytes().starts_with(b"GET ") {
                let end = input
                    .bytes()
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .unwrap_or(input.bytes().len());
                turn.report(Event::probe("http", input.take_all().get(..end).unwrap_or_default()));
                turn.send(http());
                return turn.close();
            }
            match message::next(input) {
                Message::Incomplete => return,
                Message::Wrong => {
                    turn.report(Event::probe("not this protocol", &input.take_all()));
                    return turn.close();
                }
                Message::Whole(query) => self.answer(&query, turn),
            }
        }
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        self.abandon_login(turn);
        if !input.bytes().is_empty() {
            turn.report(Event::probe("part of a message", &input.take_all()));
        }
    }
}

/// What `mongod` says to a browser.
fn http() -> String {
    let body = "It looks like you are trying to access MongoDB over HTTP on the native driver port.\n";
    let length = body.len();
    format!(
        "HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

impl MongoDb {
    fn answer(&mut self, query: &Query, turn: &mut Turn) {
        let Some((name, _)) = query.body.0.first() else {
            turn.report(Event::probe("an empty command", b""));
            return turn.close();
        };
        self.fingerprint(&query.body, turn);
        let lower = name.to_ascii_lowercase();
        let document = if query.is_legacy && self.major() >= 6 && !matches!(lower.as_str(), "hello" | "ismaster") {
            Self::report(query, name, Some(352), turn);
            let text = format!(
                "Unsupported OP_QUERY command: {name}. The client driver may require an upgrade. For more details see https://dochub.mongodb.org/core/legacy-opcode-removal"
            );
            message::error(&text, 352, "UnsupportedOpQueryCommand")
        } else if lower.starts_with("sasl") || lower == "authenticate" {
            self.log_in(&lower, &query.body, &query.database, turn)
        } else {
            let mut document = self.run(&lower, name, query, turn);
            let code = match document.get("code") {
                Some(Value::Int32(code)) => u16::try_from(*code).ok(),
                _ => None,
            };
            match query.body.get("maxAwaitTimeMS") {
                // A driver waits for changes of the server, again and again. There are none.
                Some(Value::Int32(wait))
                    if matches!(lower.as_str(), "hello" | "ismaster")
                        && query.body.document("topologyVersion").is_some() =>
                {
                    let wait = u64::try_from(*wait).unwrap_or(0).clamp(100, 10_000);
                    turn.pause(Duration::from_millis(wait));
                }
                _ => Self::report(query, name, code, turn),
            }
            if let Some(start) = query.body.document("speculativeAuthenticate")
                && matches!(lower.as_str(), "hello" | "ismaster")
            {
                let database = start.get("db").and_then(Value::as_str).unwrap_or("admin").to_owned();
                let answer = self.log_in("saslstart", start, &database, turn);
                if answer.get("code").is_none() {
                    let ok = document.0.pop();
                    document = document.with("speculativeAuthenticate", Value::Document(answer));
                    document.0.extend(ok);
                }
            }
            document
        };
        if query.wants_answer {
            self.answers = self.answers.wrapping_add(1);
            turn.send(message::encode(&document, self.answers, query));
        }
    }

    /// Reports what the visitor's driver says of itself, once.
    fn fingerprint(&mut self, body: &Document, turn: &mut Turn) {
        let Some(client) = body.document("client").filter(|_| !self.has_said_its_name) else {
            return;
        };
        self.has_said_its_name = true;
        let part = |outer: &str, inner: &str| client.document(outer)?.get(inner)?.as_str().map(ToOwned::to_owned);
        let parts = [
            ("driver", "name"),
            ("driver", "version"),
            ("os", "type"),
            ("os", "name"),
            ("application", "name"),
        ];
        let parts: Vec<String> = parts.iter().filter_map(|(outer, inner)| part(outer, inner)).collect();
        turn.report(Event::Fingerprint(Fingerprint {
            method: "client-name",
            value: parts.join(" ").into(),
            server_name: None,
        }));
    }

    fn report(query: &Query, name: &str, status: Option<u16>, turn: &mut Turn) {
        turn.report(Event::Request(Request {
            method: name.into(),
            target: Some(query.database.as_str().into()),
            status,
            body: Some(query.body.show(Text::MOST).into()),
            ..Request::default()
        }));
    }

    fn major(&self) -> u32 {
        self.version
            .split('.')
            .next()
            .and_then(|major| major.parse().ok())
            .unwrap_or(6)
    }
}
