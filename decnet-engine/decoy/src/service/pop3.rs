//! POP3 (RFC 1939, 2449, 2595, 5034): Dovecot 2.3 as Debian 12 installs it, with logins allowed without TLS.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::{Auth, Event},
    wire::{
        dovecot::{self, Failures},
        line::{Lines, Taken, foreign, word},
        mailbox::Mailbox,
        sasl::{self, Exchange, Login, Step},
    },
};

/// A POP3 server.
struct Pop3 {
    context: Context,
    lines: Lines,
    is_secure: bool,
    user: Option<Vec<u8>>,
    exchange: Option<Exchange>,
    failures: Failures,
    mistakes: u8,
    mailbox: Option<Mailbox>,
}

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    Box::new(Pop3 {
        context: context.clone(),
        lines: Lines::new(dovecot::LINE),
        is_secure: false,
        user: None,
        exchange: None,
        failures: Failures::default(),
        mistakes: 0,
        mailbox: None,
    })
}

impl Dialogue for Pop3 {
    fn open(&mut self, turn: &mut Turn) {
        turn.allow_silence(dovecot::LOGIN_SILENCE);
        let own = self.context.fields().text("banner");
        let banner = own.map_or_else(
            || format!("+OK {}", dovecot::name(&self.context)),
            |own| {
                if own.starts_with("+OK") {
                    own.trim_end().to_owned()
                } else {
                    format!("+OK {}", own.trim_end())
                }
            },
        );
        turn.send(format!("{banner}\r\n"));
    }

    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        while !turn.is_over() {
            match self.lines.take(input) {
                Taken::Line(line) => self.line(&line, turn),
                Taken::TooLong(start) => {
                    turn.report(Event::probe("long line", &start));
                    turn.send(*b"-ERR Input buffer full, aborting\r\n");
                    turn.close();
                }
                Taken::Partial => return,
            }
        }
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        self.report_user(turn);
        if !input.bytes().is_empty() {
            turn.report(Event::probe(foreign(input.bytes()), input.bytes()));
        }
    }

    fn expire(&mut self, turn: &mut Turn) {
        turn.send(if self.mailbox.is_some() {
            "-ERR Disconnected for inactivity.\r\n"
        } else {
            "-ERR Disconnected for inactivity during authentication.\r\n"
        });
    }

    fn secured(&mut self, turn: &mut Turn) {
        self.is_secure = true;
        // RFC 2595, section 4: what came before is discarded.
        self.report_user(turn);
    }

    fn unsecured(&mut self, input: &mut Input, turn: &mut Turn) {
        if input.bytes().is_empty() {
            return;
        }
        turn.report(Event::probe("plain text on a tls port", &input.take_all()));
    }
}

impl Pop3 {
    /// Reports a user whose password did not come.
    fn report_user(&mut self, turn: &mut Turn) {
        if let Some(user) = self.user.take() {
            turn.report(Event::Auth(Auth {
                method: "password",
                user: Some(user.as_slice().into()),
                ..Auth::default()
            }));
        }
    }

    fn line(&mut self, line: &[u8], turn: &mut Turn) {
        if let Some(exchange) = self.exchange.take() {
            self.step(exchange.answer(line), turn);
            return;
        }
        let (command, argument) = word(line);
        if self.mailbox.is_some() {
            self.transaction(line, &command, argument, turn);
            return;
        }
        if !matches!(command.as_str(), "" | "USER" | "PASS" | "AUTH") {
            turn.report(Event::command(line));
        }
        let reply = match command.as_str() {
            "CAPA" => self.capabilities(),
            "STLS" if self.is_secure => "-ERR TLS is already active.".into(),
            "STLS" => {
                turn.start_tls();
                "+OK Begin TLS negotiation now.".into()
            }
            "USER" => {
                self.user = Some(argument.to_vec());
                "+OK".into()
            }
            "PASS" => match self.user.take() {
                Some(user) => {
                    self.log_in(
                        &Login {
                            method: "password",
                            user,
                            password: argument.to_vec(),
                        },
                        turn,
                    );
                    return;
                }
                None => "-ERR No username given.".into(),
            },
            "AUTH" if argument.is_empty() => "+OK\r\nPLAIN\r\n.".into(),
            "AUTH" => {
                let mut words = argument.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
                let mechanism = words.next().unwrap_or_default();
                let step = if mechanism.eq_ignore_ascii_case(b"PLAIN") {
                    sasl::start(mechanism, words.next())
                } else {
                    Step::Unknown
                };
                self.step(step, turn);
                return;
            }
            "QUIT" => {
                turn.close();
                "+OK Logging out".into()
            }
            _ => {
                self.mistakes = self.mistakes.saturating_add(1);
                turn.send(*b"-ERR Unknown command.\r\n");
                if self.mistakes >= 3 {
                    turn.send(*b"-ERR Too many invalid bad commands.\r\n");
                    turn.close();
                }
                return;
            }
        };
        self.mistakes = 0;
        turn.send(format!("{reply}\r\n"));
    }

    fn capabilities(&self) -> String {
        let security = match (&self.mailbox, self.is_secure) {
            (Some(_), _) => "",
            (None, true) => "USER\r\nSASL PLAIN\r\n",
            (None, false) => "STLS\r\nUSER\r\nSASL PLAIN\r\n",
        };
        format!("+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\n{security}.")
    }

    /// Continues a login with SASL.
    fn step(&mut self, step: Step, turn: &mut Turn) {
        let reply = match step {
            Step::Challenge(challenge, exchange) => {
                self.exchange = Some(exchange);
                format!("+ {challenge}")
            }
            Step::Login(login) => {
                self.log_in(&login, turn);
                return;
            }
            Step::Cancelled => "-ERR Authentication aborted by client.".into(),
            Step::NotBase64 => "-ERR [AUTH] Invalid base64 in response".into(),
            Step::Malformed => {
                turn.pause(Duration::from_secs(2));
                "-ERR [AUTH] Authentication failed.".into()
            }
            Step::Unknown => "-ERR [AUTH] Unsupported authentication mechanism.".into(),
        };
        turn.send(format!("{reply}\r\n"));
    }

    fn log_in(&mut self, login: &Login, turn: &mut Turn) {
        let accepted = dovecot::admits(&self.context, login);
        turn.report(Event::password(login.method, &login.user, &login.password, accepted));
        if accepted {
            turn.allow_silence(dovecot::SESSION_SILENCE);
            self.mailbox = Some(Mailbox::new(&self.context, &login.user, turn.now()));
            turn.send(*b"+OK Logged in.\r\n");
        } else {
            self.failures.pause(&self.context, turn);
            turn.send(*b"-ERR [AUTH] Authentication failed.\r\n");
        }
    }

    /// Answers after the login.
    fn transaction(&mut self, line: &[u8], command: &str, argument: &[u8], turn: &mut Turn) {
        if !line.is_empty() {
            turn.report(Event::command(line));
        }
        let capabilities = self.capabilities();
        let Some(mailbox) = &mut self.mailbox else {
            return;
        };
        let argument = String::from_utf8_lossy(argument);
        let argument = argument.trim();
        let mut words = argument.split_ascii_whitespace();
        let number = words.next().and_then(|word| word.parse::<usize>().ok());
        let at = number.and_then(|number| number.checked_sub(1));
        let found = at
            .and_then(|at| mailbox.messages.get_mut(at))
            .filter(|message| !message.is_deleted);
        let missing = match number {
            Some(number) => format!("-ERR There's no message {number}."),
            None => format!("-ERR Invalid message number: {argument}"),
        };
        let reply = match (command, found) {
            ("CAPA", _) => capabilities,
            ("STAT" | "LIST" | "UIDL", _) if command == "STAT" || argument.is_empty() => list(mailbox, command),
            ("LIST", Some(message)) => format!("+OK {} {}", number.unwrap_or_default(), message.size()),
            ("UIDL", Some(message)) => format!(
                "+OK {} {:08x}{:08x}",
                number.unwrap_or_default(),
                message.uid,
                mailbox.validity
            ),
            ("RETR", Some(message)) => {
                message.is_seen = true;
                format!("+OK {} octets\r\n{}{}.", message.size(), message.header, message.body)
            }
            ("TOP", Some(message)) => match words.next().and_then(|word| word.parse::<usize>().ok()) {
                Some(lines) => {
                    let body: String = message.body.split_inclusive('\n').take(lines).collect();
                    format!("+OK\r\n{}{body}.", message.header)
                }
                None => "-ERR Invalid line count.".into(),
            },
            ("DELE", Some(message)) => {
                message.is_deleted = true;
                "+OK Marked to be deleted.".into()
            }
            ("LIST" | "UIDL" | "RETR" | "TOP" | "DELE", None) => missing,
            ("NOOP", _) => "+OK".into(),
            ("RSET", _) => {
                mailbox
                    .messages
                    .iter_mut()
                    .for_each(|message| message.is_deleted = false);
                "+OK".into()
            }
            ("QUIT", _) => {
                turn.close();
                let is_changed = mailbox.messages.iter().any(|message| message.is_deleted);
                if is_changed {
                    "+OK Logging out, messages deleted."
                } else {
                    "+OK Logging out."
                }
                .into()
            }
            ("", _) => "-ERR Unknown command.".into(),
            (command, _) => format!("-ERR Unknown command: {}", command.escape_default()),
        };
        turn.send(format!("{reply}\r\n"));
    }
}

/// Lists the messages that are not deleted.
fn list(mailbox: &Mailbox, command: &str) -> String {
    let messages = mailbox
        .messages
        .iter()
        .enumerate()
        .filter(|(_, message)| !message.is_deleted);
    let (mut count, mut size, mut rows) = (0_usize, 0_usize, Vec::new());
    for (at, message) in messages {
        count = count.saturating_add(1);
        size = size.saturating_add(message.size());
        let number = at.saturating_add(1);
        rows.push(if command == "LIST" {
            format!("{number} {}\r\n", message.size())
        } else {
            format!("{number} {:08x}{:08x}\r\n", message.uid, mailbox.validity)
        });
    }
    let rows = rows.concat();
    match command {
        "STAT" => format!("+OK {count} {size}"),
        "LIST" => format!("+OK {count} messages:\r\n{rows}."),
        _ => format!("+OK\r\n{rows}."),
    }
}
