//! Redis (RESP 2 and 3, and inline requests), as the server 7.0 of Debian 12 answers it on a network.
//!
//! The answers, errors and tables were read from that server. Keys live as long as the conversation.

mod command;
mod hex;
mod info;
mod keyspace;
mod reply;
mod request;
mod strings;
mod table;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use self::{
    keyspace::Keyspace,
    reply::Reply,
    request::{Reader, Request},
};
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::{Event, Text},
};
use crate::protocol::Os;

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    let password = context
        .fields()
        .text("password")
        .filter(|password| !password.is_empty());
    let is_admitted = password.is_none();
    Box::new(Redis {
        version: version(context),
        password: password.map(ToOwned::to_owned),
        context: context.clone(),
        reader: Reader::default(),
        is_admitted,
        is_resp3: false,
        name: Vec::new(),
        keys: Keyspace::default(),
        settings: BTreeMap::new(),
        queue: None,
        master: None,
        channels: 0,
    })
}

/// Returns the version of the field, of the maze's pin, or of the system's package.
fn version(context: &Context) -> String {
    let persona = context.persona();
    let of_system = match persona.os {
        Os::Debian11 | Os::Ubuntu2204 => "6.0.16",
        Os::Debian12 | Os::Ubuntu2404 => "7.0.15",
        _ if persona.is_windows() => "5.0.14.1",
        _ => context.pick("redis version", &["6.2.14", "7.0.15", "7.2.4"]),
    };
    let pinned = persona.versions.get("redis").map_or(of_system, String::as_str);
    context.fields().text("server_version").unwrap_or(pinned).to_owned()
}

/// A conversation.
struct Redis {
    context: Context,
    version: String,
    password: Option<String>,
    reader: Reader,
    is_admitted: bool,
    is_resp3: bool,
    /// The name that the visitor gave its connection.
    name: Vec<u8>,
    keys: Keyspace,
    /// Settings that the visitor changed.
    settings: BTreeMap<&'static str, Vec<u8>>,
    /// The commands since `MULTI`.
    queue: Option<Vec<Vec<Vec<u8>>>>,
    /// The address of `REPLICAOF`.
    master: Option<(Vec<u8>, u16)>,
    /// The number of subscriptions.
    channels: u32,
}

impl Dialogue for Redis {
    fn open(&mut self, turn: &mut Turn) {
        // Real redis has no timeout.
        turn.allow_silence(Duration::from_mins(10));
    }

    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        while !turn.is_over() {
            match self.reader.next(input, self.is_admitted) {
                Request::Incomplete => return,
                Request::Empty => {}
                Request::Arguments(arguments) => self.execute(&arguments, turn),
                Request::Error(text) => {
                    turn.report(Event::probe("not this protocol", input.bytes()));
                    turn.send([b"-ERR ", &text[..], b"\r\n"].concat());
                    turn.close();
                }
            }
        }
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        if !input.bytes().is_empty() {
            turn.report(Event::probe("part of a request", &input.take_all()));
        }
    }
}

impl Redis {
    /// Checks a command as `processCommand` does, and answers it.
    fn execute(&mut self, arguments: &[Vec<u8>], turn: &mut Turn) {
        let Some(first) = arguments.first() else { return };
        let name = String::from_utf8_lossy(first).to_ascii_lowercase();
        if name == "post" || name == "host:" {
            turn.report(Event::probe("http", &arguments.join(&b' ')));
            return turn.close();
        }
        self.report(&name, arguments, turn);
        let reply = self.checked(&name, arguments, turn);
        turn.send(reply.encode(self.is_resp3));
    }

    fn checked(&mut self, name: &str, arguments: &[Vec<u8>], turn: &mut Turn) -> Reply {
        let found = match table::find(name, arguments, self.is_old()) {
            Ok(found) => found,
            Err(error) => {
                if self.queue.is_some() {
                    // `EXEC` does not forgive; one command that cannot run stands for the error.
                    self.queue = Some(vec![Vec::new()]);
                }
                return error;
            }
        };
        if !self.is_admitted && !matches!(name, "auth" | "hello" | "quit" | "reset") {
            return Reply::error("NOAUTH Authentication required.");
        }
        if self.channels > 0
            && !self.is_resp3
            && !matches!(name, "ping" | "quit" | "reset")
            && !name.ends_with("subscribe")
        {
            return Reply::Error(format!(
                "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
            ));
        }
        if self.master.is_some() && found.is_write {
            return Reply::error("READONLY You can't write against a read only replica.");
        }
        if !matches!(name, "exec" | "discard" | "multi" | "quit" | "reset" | "watch")
            && let Some(queue) = &mut self.queue
        {
            if queue.len() >= 64 || queue.iter().flatten().map(Vec::len).sum::<usize>() > 64 * 1024 {
                return Reply::error("OOM command not allowed when used memory > 'maxmemory'.");
            }
            queue.push(arguments.to_vec());
            return Reply::simple("QUEUED");
        }
        self.answer(&found, name, arguments, turn)
    }

    /// Reports a command. Passwords of logins are not part of its line.
    fn report(&self, name: &str, arguments: &[Vec<u8>], turn: &mut Turn) {
        let login = match name {
            "auth" => Some(0),
            "hello" => arguments
                .iter()
                .position(|argument| argument.eq_ignore_ascii_case(b"auth")),
            _ => None,
        };
        if let Some(at) = login {
            if name == "hello" {
                turn.report(Event::command(&arguments.get(..at).unwrap_or_default().join(&b' ')));
            }
            let (user, password, can_succeed) = match (name, arguments.get(at + 1..).unwrap_or_default()) {
                ("auth", [password]) => (&b"default"[..], password, self.password.is_some()),
                ("auth", [user, password]) | (_, [user, password, ..]) => (user.as_slice(), password, true),
                _ => return,
            };
            let succeeds = can_succeed && self.knows(user, password);
            return turn.report(Event::password("password", user, password, succeeds));
        }
        let client = match (name, arguments) {
            ("client", [_, what, name]) if what.eq_ignore_ascii_case(b"setname") => Some(name),
            ("client", [_, what, _, value]) if what.eq_ignore_ascii_case(b"setinfo") => Some(value),
            _ => None,
        };
        if let Some(client) = client {
            turn.report(Event::Fingerprint(super::event::Fingerprint {
                method: "client-name",
                value: Text::from(client),
                server_name: None,
            }));
        }
        turn.report(Event::command(&arguments.join(&b' ')));
    }

    fn knows(&self, user: &[u8], password: &[u8]) -> bool {
        let expected = self.password.as_deref().map(str::as_bytes);
        // Without a password, `AUTH default x` succeeds: the user has the flag `nopass`.
        user == b"default" && expected.is_none_or(|expected| expected == password)
    }

    /// Returns whether the version is older than 7, whose errors and rights are different.
    fn is_old(&self) -> bool {
        self.major() < 7
    }

    fn major(&self) -> u32 {
        self.version
            .split('.')
            .next()
            .and_then(|major| major.parse().ok())
            .unwrap_or(7)
    }
}
