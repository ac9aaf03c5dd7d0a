//! IMAP (RFC 3501): Dovecot 2.3 as Debian 12 installs it, with logins allowed without TLS.

mod client;
mod fetch;
mod folders;
mod reader;
mod session;
#[cfg(test)]
mod tests;

use std::time::Duration;

use self::{
    client::{CAPABILITIES, LOGGED_IN, report_client},
    reader::{Read, Reader, Word, words},
    session::Session,
};
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::Event,
    wire::{
        dovecot::{self, Failures},
        line::foreign,
        sasl::{self, Exchange, Login, Step},
    },
};

/// The maximum size of literals after the login: that of a mail.
const LITERALS: usize = 64 * 1024;

/// The answer to what is not a command before the login.
const ERROR: &str = "BAD Error in IMAP command received by server.";

/// An IMAP server.
struct Imap {
    context: Context,
    reader: Reader,
    is_secure: bool,
    /// The tag of a login with SASL, and the exchange.
    exchange: Option<(String, Exchange)>,
    failures: Failures,
    mistakes: u8,
    /// Whether the visitor asked for the capabilities.
    knows_capabilities: bool,
    session: Option<Session>,
}

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    Box::new(Imap {
        context: context.clone(),
        reader: Reader::new(dovecot::LINE),
        is_secure: false,
        exchange: None,
        failures: Failures::default(),
        mistakes: 0,
        knows_capabilities: false,
        session: None,
    })
}

impl Dialogue for Imap {
    fn open(&mut self, turn: &mut Turn) {
        turn.allow_silence(dovecot::LOGIN_SILENCE);
        let banner = match self.context.fields().text("banner") {
            Some(own) if own.starts_with('*') => own.trim_end().to_owned(),
            Some(own) => format!("* OK {}", own.trim_end()),
            None => format!(
                "* OK [CAPABILITY {}] {}",
                self.capabilities(),
                dovecot::name(&self.context)
            ),
        };
        turn.send(format!("{banner}\r\n"));
    }

    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        while !turn.is_over() {
            let most = if self.session.is_some() {
                LITERALS
            } else {
                dovecot::LINE
            };
            match self.reader.take(input, most) {
                Read::Partial => return,
                Read::Command(command) => self.command(&command, turn),
                Read::Wait => turn.send(*b"+ OK\r\n"),
                Read::TooLarge => {
                    turn.send(*b"* BYE Literal size too large\r\n");
                    turn.close();
                }
                Read::TooLong(start) => {
                    turn.report(Event::probe("long line", &start));
                    turn.send(*b"* BYE Input buffer full, aborting\r\n");
                    turn.close();
                }
            }
        }
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        if !input.bytes().is_empty() {
            turn.report(Event::probe(foreign(input.bytes()), input.bytes()));
        }
    }

    fn expire(&mut self, turn: &mut Turn) {
        let stage = if self.session.is_some() {
            ""
        } else {
            " during authentication"
        };
        turn.send(format!("* BYE Disconnected for inactivity{stage}.\r\n"));
    }

    fn secured(&mut self, _turn: &mut Turn) {
        self.is_secure = true;
    }

    fn unsecured(&mut self, input: &mut Input, turn: &mut Turn) {
        if input.bytes().is_empty() {
            return;
        }
        turn.report(Event::probe("plain text on a tls port", &input.take_all()));
    }
}

impl Imap {
    fn capabilities(&self) -> String {
        let starttls = if self.is_secure { "" } else { " STARTTLS" };
        format!("{CAPABILITIES}{starttls} AUTH=PLAIN")
    }

    fn command(&mut self, command: &[u8], turn: &mut Turn) {
        if let Some((tag, exchange)) = self.exchange.take() {
            self.step(tag, exchange.answer(command), turn);
            return;
        }
        if let Some(session) = &mut self.session {
            session.command(command, turn);
            return;
        }
        let words = words(command);
        let is_quoted = words.is_some();
        let mut words = words.unwrap_or_default().into_iter();
        let tag = match words.next() {
            Some(tag) => String::from_utf8_lossy(&tag.bytes).into_owned(),
            None if is_quoted => "*".into(),
            None => {
                let first = command.split(|byte| *byte == b' ').next().unwrap_or_default();
                String::from_utf8_lossy(first).into_owned()
            }
        };
        let name = words.next().map(|word| word.upper()).unwrap_or_default();
        let arguments: Vec<Word> = words.collect();
        if !command.is_empty() && !matches!(name.as_str(), "LOGIN" | "AUTHENTICATE" | "ID") {
            turn.report(Event::command(command));
        }
        let reply = if is_quoted {
            self.answer(&tag, &name, &arguments, turn)
        } else {
            "BAD Missing '\"'".into()
        };
        if reply == ERROR {
            self.mistakes = self.mistakes.saturating_add(1);
            if self.mistakes >= 3 {
                turn.send(*b"* BYE Too many invalid IMAP commands.\r\n");
                turn.close();
                return;
            }
        } else if !reply.is_empty() {
            self.mistakes = 0;
        }
        if !reply.is_empty() {
            turn.send(format!("{tag} {reply}\r\n"));
        }
    }

    /// Returns the tagged reply before the login.
    fn answer(&mut self, tag: &str, name: &str, arguments: &[Word], turn: &mut Turn) -> String {
        match (name, arguments) {
            ("CAPABILITY", _) => {
                self.knows_capabilities = true;
                turn.send(format!("* CAPABILITY {}\r\n", self.capabilities()));
                "OK Pre-login capabilities listed, post-login capabilities have more.".into()
            }
            ("NOOP", _) => "OK NOOP completed.".into(),
            ("ENABLE", _) => {
                turn.send(*b"* ENABLED\r\n");
                "OK ENABLE ignored in non-authenticated state.".into()
            }
            ("ID", arguments) => match report_client(arguments, turn) {
                Some(answer) => {
                    turn.send(answer);
                    "OK ID completed.".into()
                }
                None => "BAD Invalid ID parameters".into(),
            },
            ("STARTTLS", _) if self.is_secure => "BAD TLS is already active.".into(),
            ("STARTTLS", _) => {
                turn.start_tls();
                "OK Begin TLS negotiation now.".into()
            }
            ("LOGOUT", _) => {
                turn.send(*b"* BYE Logging out\r\n");
                turn.close();
                "OK Logout completed.".into()
            }
            ("LOGIN", [user, password]) if !user.is_list && !password.is_list => {
                let login = Login {
                    method: "password",
                    user: user.bytes.clone(),
                    password: password.bytes.clone(),
                };
                self.log_in(tag, &login, turn);
                String::new()
            }
            ("AUTHENTICATE", [mechanism, rest @ ..]) if rest.len() <= 1 => {
                let initial = rest.first().map(|word| word.bytes.as_slice());
                let is_known = mechanism.upper() == "PLAIN";
                let step = if is_known {
                    sasl::start(&mechanism.bytes, initial)
                } else {
                    Step::Unknown
                };
                self.step(tag.into(), step, turn);
                String::new()
            }
            _ => ERROR.into(),
        }
    }

    /// Continues a login with SASL.
    fn step(&mut self, tag: String, step: Step, turn: &mut Turn) {
        let reply = match step {
            Step::Challenge(challenge, exchange) => {
                turn.send(format!("+ {challenge}\r\n"));
                self.exchange = Some((tag, exchange));
                return;
            }
            Step::Login(login) => {
                self.log_in(&tag, &login, turn);
                return;
            }
            Step::Cancelled => "BAD Authentication aborted by client.",
            Step::NotBase64 => "NO [ALERT] Invalid base64 in response",
            Step::Malformed => {
                turn.pause(Duration::from_secs(2));
                "NO [AUTHENTICATIONFAILED] Authentication failed."
            }
            Step::Unknown => "NO [ALERT] Unsupported authentication mechanism.",
        };
        turn.send(format!("{tag} {reply}\r\n"));
    }

    fn log_in(&mut self, tag: &str, login: &Login, turn: &mut Turn) {
        let accepted = dovecot::admits(&self.context, login);
        turn.report(Event::password(login.method, &login.user, &login.password, accepted));
        if !accepted {
            self.failures.pause(&self.context, turn);
            turn.send(format!("{tag} NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"));
            return;
        }
        turn.allow_silence(dovecot::SESSION_SILENCE);
        self.session = Some(Session::new(&self.context, &login.user, turn.now()));
        turn.send(if self.knows_capabilities {
            format!("* CAPABILITY {CAPABILITIES}{LOGGED_IN}\r\n{tag} OK Logged in\r\n")
        } else {
            format!("{tag} OK [CAPABILITY {CAPABILITIES}{LOGGED_IN}] Logged in\r\n")
        });
    }
}
