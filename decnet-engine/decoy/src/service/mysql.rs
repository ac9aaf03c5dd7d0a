//! MySQL (the client/server protocol in MySQL's internals manual), as MySQL 8.0 answers it.
//!
//! Without TLS, the server asks for `mysql_native_password`, whose answer can be cracked. Over TLS it asks for the password in
//! clear text, as MySQL does when its cache has no hash of the user.

mod native;
mod packet;
mod query;
#[cfg(test)]
mod tests;
mod values;

use std::time::Duration;

use self::{
    native::{hex, native, native_hash},
    packet::{Login, Packet, frame},
    query::{Answer, Database},
};
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::{Auth, Event, Fingerprint, Proof, Request, Text},
};
use crate::protocol::Os;

const NATIVE: &str = "mysql_native_password";
const CACHING: &str = "caching_sha2_password";

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    // Seven bits, and neither zero nor `$`, as in MySQL.
    let scramble = context.fresh::<20>("mysql scramble").map(|byte| match byte & 0x7f {
        byte @ (0 | b'$') => byte + 1,
        byte => byte,
    });
    let version = version(context);
    let is_mariadb = version.contains("MariaDB");
    let is_old = is_mariadb || version.starts_with("5.");
    Box::new(MySql {
        database: Database::new(context, &version),
        plugin: if is_old { NATIVE } else { CACHING },
        context: context.clone(),
        version,
        is_mariadb,
        scramble,
        state: State::Greeting,
        is_secure: false,
        flags: 0,
        sequence: 0,
    })
}

/// Returns the version of the field, of the maze's pin, or one that fits the system.
fn version(context: &Context) -> String {
    let persona = context.persona();
    let of_system = match persona.os {
        Os::Ubuntu2204 => context.pick(
            "mysql version",
            &[
                "8.0.36-0ubuntu0.22.04.1",
                "8.0.39-0ubuntu0.22.04.1",
                "8.0.40-0ubuntu0.22.04.1",
            ],
        ),
        Os::Ubuntu2404 => context.pick("mysql version", &["8.0.39-0ubuntu0.24.04.2", "8.0.40-0ubuntu0.24.04.1"]),
        _ => context.pick("mysql version", &["8.0.35", "8.0.36", "8.0.37", "8.0.39", "8.0.40"]),
    };
    let pinned = persona.versions.get("mysql").map_or(of_system, String::as_str);
    context
        .fields()
        .text("server_version")
        .unwrap_or(pinned)
        .replace('\0', "")
}

/// A conversation.
struct MySql {
    context: Context,
    version: String,
    is_mariadb: bool,
    /// The plugin in the greeting.
    plugin: &'static str,
    scramble: [u8; 20],
    state: State,
    is_secure: bool,
    /// The visitor's flags.
    flags: u32,
    /// The number of the next packet.
    sequence: u8,
    database: Database,
}

/// What comes next.
enum State {
    /// The login.
    Greeting,
    /// The answer to a request for another method, or for the password in clear text.
    Method(Login, &'static str),
    /// Commands.
    Session(String),
}

impl Dialogue for MySql {
    fn open(&mut self, turn: &mut Turn) {
        turn.allow_silence(Duration::from_secs(10));
        let greeting = self.greeting();
        self.send(&greeting, turn);
    }

    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        while !turn.is_over() {
            let (sequence, payload) = match packet::next(input) {
                Packet::Incomplete => return,
                Packet::TooLong => return self.refuse_length(input, turn),
                Packet::Whole { sequence, payload } => (sequence, payload),
            };
            let expected = if matches!(self.state, State::Session(_)) {
                0
            } else {
                self.sequence
            };
            if sequence != expected {
                turn.report(Event::probe("not this protocol", &payload));
                return self.fail(1156, "08S01", "Got packets out of order", turn);
            }
            self.sequence = sequence.wrapping_add(1);
            match std::mem::replace(&mut self.state, State::Greeting) {
                State::Greeting => {
                    if self.greet(&payload, turn) {
                        return;
                    }
                }
                State::Method(login, method) => self.prove(&login, method, &payload, turn),
                State::Session(user) => {
                    self.command(&user, &payload, turn);
                    self.state = State::Session(user);
                }
            }
        }
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        if let State::Method(login, _) = &self.state {
            // The visitor does not know the method that was asked for.
            turn.report(Event::Auth(Auth {
                method: CACHING,
                user: Some(Text::from(&login.user)),
                domain: Some(Text::from(&login.database)).filter(|name| !name.as_str().is_empty()),
                ..Auth::default()
            }));
        } else if !input.bytes().is_empty() {
            turn.report(Event::probe("part of a packet", &input.take_all()));
        }
    }

    fn expire(&mut self, turn: &mut Turn) {
        if matches!(self.state, State::Session(_)) {
            self.sequence = 0;
            let text = "The client was disconnected by the server because of inactivity. See wait_timeout and interactive_timeout for configuring this behavior.";
            self.fail(4031, "HY000", text, turn);
        }
    }

    fn secured(&mut self, _: &mut Turn) {
        self.is_secure = true;
    }
}

impl MySql {
    fn send(&mut self, payload: &[u8], turn: &mut Turn) {
        turn.send(frame(self.sequence, payload));
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Sends an error and closes the connection.
    fn fail(&mut self, code: u16, state: &str, text: &str, turn: &mut Turn) {
        // MySQL sends this error with its state even before it knows the visitor's flags.
        let flags = if code == 1156 { packet::PROTOCOL_41 } else { self.flags };
        self.send(&packet::error(flags, code, state, text), turn);
        turn.close();
    }

    fn refuse_length(&mut self, input: &mut Input, turn: &mut Turn) {
        let header = input.take_all();
        turn.report(Event::probe("not this protocol", &header));
        let is_expected = header.get(3)
            == Some(&if matches!(self.state, State::Session(_)) {
                0
            } else {
                self.sequence
            });
        if is_expected {
            self.sequence = self.sequence.wrapping_add(1);
            self.fail(
                1153,
                "08S01",
                "Got a packet bigger than 'max_allowed_packet' bytes",
                turn,
            );
        } else {
            self.fail(1156, "08S01", "Got packets out of order", turn);
        }
    }

    fn greeting(&self) -> Vec<u8> {
        // The flags of a real server: MariaDB 10.11 of Debian without TLS; MySQL 5.7; MySQL 8.0.
        let (low, charset, high) = match (self.is_mariadb, self.plugin) {
            (true, _) => ([0xfe, 0xf7], 0x2d, [0xff, 0x81]),
            (false, NATIVE) => ([0xff, 0xff], 0x08, [0xff, 0xc1]),
            _ => ([0xff, 0xff], 0xff, [0xff, 0xdf]),
        };
        let thread = u32::from(u16::from_le_bytes(self.context.fresh("mysql thread")) | 0x80) & 0xfff5;
        let (first, second) = self.scramble.split_at(8);
        [
            &[10],
            self.version.as_bytes(),
            &[0],
            &thread.to_le_bytes(),
            first,
            &[0],
            &low,
            &[charset, 2, 0],
            &high,
            &[21, 0, 0, 0, 0, 0, 0],
            &[if self.is_mariadb { 0x1d } else { 0 }, 0, 0, 0],
            second,
            &[0],
            self.plugin.as_bytes(),
            &[0],
        ]
        .concat()
    }

    /// Takes the handshake response. Returns whether TLS starts.
    fn greet(&mut self, payload: &[u8], turn: &mut Turn) -> bool {
        let flags = payload.first_chunk().map_or(0, |flags| u32::from_le_bytes(*flags));
        self.flags = flags;
        if payload.len() == 32 && flags & packet::SSL != 0 && !self.is_secure && !self.is_mariadb {
            turn.start_tls();
            return true;
        }
        let Some(login) = packet::login(payload).filter(|_| flags & packet::PROTOCOL_41 != 0) else {
            turn.report(Event::probe("not this protocol", payload));
            self.fail(1043, "08S01", "Bad handshake", turn);
            return false;
        };
        if !login.attributes.is_empty() {
            let value = |name: &[u8]| {
                login
                    .attributes
                    .iter()
                    .find(|(key, _)| key == name)
                    .map(|(_, value)| value.as_slice())
            };
            let names = [
                &b"_client_name"[..],
                b"_client_version",
                b"_os",
                b"_platform",
                b"program_name",
            ];
            let client: Vec<&[u8]> = names.iter().filter_map(|name| value(name)).collect();
            turn.report(Event::Fingerprint(Fingerprint {
                method: "client-name",
                value: Text::from(&client.join(&b' ')),
                server_name: None,
            }));
        }
        let is_caching = login.plugin == CACHING.as_bytes();
        if login.response.is_empty() && (is_caching || login.plugin == NATIVE.as_bytes() || login.plugin.is_empty()) {
            self.finish_login(&login, Proof::Password(Text::default()), NATIVE, b"", turn);
        } else if is_caching && self.is_secure {
            // Full authentication: the visitor sends the password.
            self.send(&[1, 4], turn);
            self.state = State::Method(login, CACHING);
        } else if login.plugin == NATIVE.as_bytes() || flags & packet::PLUGIN_AUTH == 0 {
            self.prove(&login, NATIVE, &login.response, turn);
        } else {
            let request = [&[0xfe], NATIVE.as_bytes(), &[0], &self.scramble[..], &[0]].concat();
            self.send(&request, turn);
            self.state = State::Method(login, NATIVE);
        }
        false
    }

    fn prove(&mut self, login: &Login, method: &'static str, response: &[u8], turn: &mut Turn) {
        if method == CACHING {
            let password = response.strip_suffix(b"\0").unwrap_or(response);
            return self.finish_login(login, Proof::Password(password.into()), CACHING, password, turn);
        }
        let proof = match response.len() {
            0 => Proof::Password(Text::default()),
            20 => Proof::Hash(native_hash(&self.scramble, response)),
            _ => Proof::Hash(Text::hash(&hex(response))),
        };
        self.finish_login(login, proof, NATIVE, response, turn);
    }

    /// Reports the attempt and admits the visitor, or not. `response` is what the visitor sent with this method.
    fn finish_login(&mut self, login: &Login, proof: Proof, method: &'static str, response: &[u8], turn: &mut Turn) {
        let fields = self.context.fields();
        let is_known = login.user == fields.text("user").unwrap_or("root").as_bytes();
        let accepted = is_known
            && fields
                .text("password")
                .filter(|own| !own.is_empty())
                .is_some_and(|own| match method {
                    CACHING => own.as_bytes() == response,
                    _ => native(own.as_bytes(), &self.scramble) == response,
                });
        let database = Some(Text::from(&login.database)).filter(|name| !name.as_str().is_empty());
        turn.report(Event::Auth(Auth {
            method,
            user: Some(Text::from(&login.user)),
            domain: database,
            proof,
            accepted,
        }));
        let user = String::from_utf8_lossy(&login.user).into_owned();
        if !accepted {
            let password = if response.is_empty() { "NO" } else { "YES" };
            let text = format!(
                "Access denied for user '{user}'@'{}' (using password: {password})",
                self.context.session.remote.ip()
            );
            return self.fail(1045, "28000", &text, turn);
        }
        if !login.database.is_empty() && !self.database.select(&String::from_utf8_lossy(&login.database)) {
            let text = format!("Unknown database '{}'", String::from_utf8_lossy(&login.database));
            return self.fail(1049, "42000", &text, turn);
        }
        self.send(&packet::ok(0), turn);
        turn.allow_silence(Duration::from_mins(10));
        self.state = State::Session(user);
    }

    fn command(&mut self, user: &str, payload: &[u8], turn: &mut Turn) {
        let (code, text) = payload.split_first().unwrap_or((&0xff, &[]));
        let query = String::from_utf8_lossy(text).into_owned();
        let name = match code {
            0x01 => "quit",
            0x02 => "init db",
            0x03 => "query",
            0x04 => "field list",
            0x09 => "statistics",
            0x0e => "ping",
            0x11 => "change user",
            0x16 => "prepare",
            0x19 => return,
            0x1f => "reset connection",
            _ => "unknown command",
        };
        let answer = match name {
            "quit" => {
                turn.report(Event::request(name, ""));
                return turn.close();
            }
            "init db" if self.database.select(&query) => Answer::Ok(0),
            "init db" => Answer::Error(1049, "42000", format!("Unknown database '{query}'")),
            "query" => self.database.query(user, &query, turn.now()),
            "ping" | "reset connection" => Answer::Ok(0),
            "statistics" => Answer::Text(self.database.statistics(turn.now())),
            "prepare" => Answer::Error(
                1295,
                "HY000",
                "This command is not supported in the prepared statement protocol yet".into(),
            ),
            "field list" => Answer::Error(
                1146,
                "42S02",
                self.database.no_table(query.split('\0').next().unwrap_or_default()),
            ),
            _ => Answer::Error(1047, "08S01", "Unknown command".into()),
        };
        turn.report(Event::Request(Request {
            method: name.into(),
            target: Some(Text::from(text)).filter(|text| !text.as_str().is_empty()),
            status: Some(if let Answer::Error(code, ..) = answer { code } else { 0 }),
            ..Request::default()
        }));
        match answer {
            Answer::Ok(affected) => self.send(&packet::ok(affected), turn),
            Answer::Text(text) => self.send(text.as_bytes(), turn),
            Answer::Error(code, state, text) => {
                let payload = packet::error(self.flags, code, state, &text);
                self.send(&payload, turn);
            }
            Answer::Table(columns, rows) => {
                let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
                for payload in packet::table(self.flags, &columns, &rows) {
                    self.send(&payload, turn);
                }
            }
        }
        if name == "change user" {
            turn.close();
        }
    }
}
