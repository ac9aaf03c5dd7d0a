//! SMTP (RFC 5321, RFC 4954): Postfix as Debian installs it, as a server for mail or as an open relay. No mail is sent on.

mod address;
mod mail;
#[cfg(test)]
mod tests;
mod transaction;

use std::time::Duration;

use self::mail::{Chunk, Mail};
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::{Event, Fingerprint},
    wire::{
        line::{Lines, Taken, foreign, word},
        sasl::{self, Exchange, Step},
    },
};
use crate::protocol::Os;

/// An SMTP server.
struct Smtp {
    context: Context,
    kind: Kind,
    /// The name that the server gives itself.
    name: String,
    domain: String,
    lines: Lines,
    is_secure: bool,
    exchange: Option<Exchange>,
    user: Option<Vec<u8>>,
    sender: Option<Vec<u8>>,
    /// Whether a sender said a size that is too large: Postfix remembers it until the end of the transaction.
    is_oversize: bool,
    /// The number of recipients, and the first ones.
    count: u64,
    recipients: Vec<Vec<u8>>,
    mail: Option<Mail>,
    /// The rest of a chunk of `BDAT`.
    chunk: Option<Chunk>,
    mails: u32,
    errors: u32,
    pause: Duration,
}

/// What the server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The mail of a domain. To send to other domains, a login is required unless the field `auth` is false.
    Domain,
    /// Mail of anyone to anyone.
    Relay,
}

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    start(context, Kind::Domain)
}

/// Starts a conversation with a server of this kind.
pub(super) fn start(context: &Context, kind: Kind) -> Box<dyn Dialogue> {
    let fields = context.fields();
    let domain = fields.text("domain").unwrap_or(&context.persona().domain).to_owned();
    // The greeting and the other answers have the same name.
    let own = fields
        .text("banner")
        .and_then(|banner| banner.split_whitespace().find(|word| word.contains('.')));
    let name = own.map_or_else(|| format!("{}.{domain}", context.persona().hostname), str::to_owned);
    Box::new(Smtp {
        context: context.clone(),
        kind,
        name,
        domain,
        lines: Lines::new(2048),
        is_secure: false,
        exchange: None,
        user: None,
        sender: None,
        is_oversize: false,
        count: 0,
        recipients: Vec::new(),
        mail: None,
        chunk: None,
        mails: 0,
        errors: 0,
        pause: Duration::ZERO,
    })
}

impl Dialogue for Smtp {
    fn open(&mut self, turn: &mut Turn) {
        turn.allow_silence(Duration::from_mins(5));
        if let Some(banner) = self.context.fields().text("banner") {
            let code = if banner.starts_with("220") { "" } else { "220 " };
            turn.send(format!("{code}{}\r\n", banner.trim_end()));
            return;
        }
        let software = match (self.context.pinned_version(), self.context.persona().os) {
            // As with `$mail_name ($mail_version)` in the setting `smtpd_banner`.
            (Some(version), _) if version.starts_with(|first: char| first.is_ascii_digit()) => {
                format!("Postfix ({version})")
            }
            (Some(version), _) => version.to_owned(),
            (None, Os::Debian11 | Os::Debian12) => "Postfix (Debian/GNU)".into(),
            (None, Os::Ubuntu2204 | Os::Ubuntu2404) => "Postfix (Ubuntu)".into(),
            (None, _) => "Postfix".into(),
        };
        turn.send(format!("220 {} ESMTP {software}\r\n", self.name));
    }

    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        self.read(input, turn);
        if turn.is_closed() {
            self.report_mail(None, turn);
        }
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        self.report_mail(None, turn);
        if !input.bytes().is_empty() {
            turn.report(Event::probe(foreign(input.bytes()), input.bytes()));
        }
    }

    fn expire(&mut self, turn: &mut Turn) {
        self.report_mail(None, turn);
        turn.send(format!("421 4.4.2 {} Error: timeout exceeded\r\n", self.name));
    }

    fn secured(&mut self, turn: &mut Turn) {
        self.is_secure = true;
        // RFC 3207, section 4.2: what came before is discarded.
        self.reset(turn);
        self.user = None;
    }
}

impl Smtp {
    fn read(&mut self, input: &mut Input, turn: &mut Turn) {
        self.pause = Duration::ZERO;
        while !turn.is_over() {
            if let Some(chunk) = &mut self.chunk {
                if !chunk.take(input, self.mail.as_mut()) {
                    return;
                }
                self.end_chunk(turn);
                continue;
            }
            if let Some(mail) = &mut self.mail
                && mail.is_data()
            {
                if !mail.take(input) {
                    return;
                }
                self.end_mail(turn);
                continue;
            }
            match self.lines.take(input) {
                Taken::Line(line) | Taken::TooLong(line) => self.line(&line, turn),
                Taken::Partial => return,
            }
        }
    }

    fn line(&mut self, line: &[u8], turn: &mut Turn) {
        if let Some(exchange) = self.exchange.take() {
            self.step(exchange.answer(line), turn);
            return;
        }
        let (command, argument) = word(line);
        // Postfix checks this because it offers SMTPUTF8.
        if str::from_utf8(line).is_err() {
            turn.report(Event::command(line));
            return self.reply("500 5.5.2 Error: bad UTF-8 syntax", turn);
        }
        // Such visitors are programs for other protocols, or send the header of a mail at the wrong time.
        let is_foreign = command.contains(':') || command.starts_with(|first: char| !first.is_ascii_alphabetic());
        if is_foreign || matches!(command.as_str(), "GET" | "POST" | "CONNECT") {
            turn.report(Event::probe("not this protocol", line));
            turn.send(*b"221 2.7.0 Error: I can break rules, too. Goodbye.\r\n");
            turn.close();
            return;
        }
        match command.as_str() {
            "" | "AUTH" => {}
            // The mail is reported when it is complete.
            "DATA" | "BDAT" if !self.recipients.is_empty() => {}
            "EHLO" | "HELO" => turn.report(Event::Fingerprint(Fingerprint {
                method: "client-name",
                value: argument.into(),
                server_name: None,
            })),
            _ => turn.report(Event::command(line)),
        }
        let reply = self.command(&command, argument, turn);
        self.reply(&reply, turn);
    }

    /// Sends a reply. After many errors, Postfix slows down and then ends the connection.
    fn reply(&mut self, reply: &str, turn: &mut Turn) {
        if reply.is_empty() {
            return;
        }
        if reply.starts_with(['4', '5']) {
            self.errors = self.errors.saturating_add(1);
            self.slow_down(turn);
        }
        turn.send(format!("{reply}\r\n"));
        if self.errors >= 20 && !turn.is_closed() {
            self.slow_down(turn);
            turn.send(format!("421 4.7.0 {} Error: too many errors\r\n", self.name));
            turn.close();
        }
    }

    fn slow_down(&mut self, turn: &mut Turn) {
        if self.errors > 10 {
            self.wait(Duration::from_secs(1), turn);
        }
    }

    fn wait(&mut self, pause: Duration, turn: &mut Turn) {
        self.pause = self.pause.saturating_add(pause);
        turn.pause(self.pause);
    }

    /// Returns the reply to a command.
    fn command(&mut self, command: &str, argument: &[u8], turn: &mut Turn) -> String {
        let is_bare = argument.is_empty();
        match command {
            "HELO" | "EHLO" if is_bare => format!("501 Syntax: {command} hostname"),
            "HELO" => {
                self.reset(turn);
                format!("250 {}", self.name)
            }
            "EHLO" => {
                self.reset(turn);
                self.capabilities()
            }
            "STARTTLS" if !is_bare => "501 5.5.4 Syntax: STARTTLS".into(),
            "STARTTLS" if self.is_secure => "554 5.5.1 Error: TLS already active".into(),
            "STARTTLS" => {
                turn.start_tls();
                "220 2.0.0 Ready to start TLS".into()
            }
            "AUTH" => self.auth(argument, turn),
            // Only chunks can be there between two commands.
            "MAIL" | "RCPT" | "DATA" if self.mail.is_some() => format!("503 5.5.1 Error: {command} after BDAT"),
            "MAIL" => self.mail(argument),
            "RCPT" => self.recipient(argument),
            "DATA" if !is_bare => "501 5.5.4 Syntax: DATA".into(),
            "DATA" if self.recipients.is_empty() => "503 5.5.1 Error: need RCPT command".into(),
            "DATA" => {
                self.mail = Some(Mail::data());
                "354 End data with <CR><LF>.<CR><LF>".into()
            }
            "BDAT" => self.start_chunk(argument, turn),
            "RSET" if !is_bare => "501 5.5.4 Syntax: RSET".into(),
            "RSET" => {
                self.reset(turn);
                "250 2.0.0 Ok".into()
            }
            "NOOP" => "250 2.0.0 Ok".into(),
            "VRFY" if is_bare => "501 5.5.4 Syntax: VRFY address [SMTPUTF8]".into(),
            "VRFY" => {
                let address = argument
                    .strip_prefix(b"<")
                    .and_then(|rest| rest.strip_suffix(b">"))
                    .unwrap_or(argument);
                self.refusal(address)
                    .unwrap_or_else(|| format!("252 2.0.0 {}", shown(address)))
            }
            "ETRN" if is_bare => "500 Syntax: ETRN domain".into(),
            "ETRN" => format!("459 <{}>: service unavailable", shown(argument)),
            "XCLIENT" | "XFORWARD" => format!("501 5.5.4 Syntax: {command} attribute=value..."),
            "QUIT" => {
                turn.close();
                "221 2.0.0 Bye".into()
            }
            "" => "500 5.5.2 Error: bad syntax".into(),
            _ if self.context.persona().os == Os::Debian11 => "502 5.5.2 Error: command not recognized".into(),
            _ => "500 5.5.2 Error: command not recognized".into(),
        }
    }

    fn has_logins(&self) -> bool {
        self.kind == Kind::Domain && self.context.fields().flag("auth") != Some(false)
    }

    fn capabilities(&self) -> String {
        let mut lines = vec![self.name.as_str(), "PIPELINING", "SIZE 10240000", "VRFY", "ETRN"];
        if !self.is_secure {
            lines.push("STARTTLS");
        }
        if self.has_logins() {
            lines.push("AUTH PLAIN LOGIN");
        }
        lines.extend(["ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8"]);
        format!("250-{}\r\n250 CHUNKING", lines.join("\r\n250-"))
    }

    fn auth(&mut self, argument: &[u8], turn: &mut Turn) -> String {
        let words: Vec<&[u8]> = argument
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .collect();
        if !self.has_logins() {
            // The visitor reveals a login all the same.
            let mechanism = words.first().copied().unwrap_or_default();
            let event = match words.get(1).map(|initial| sasl::start(mechanism, Some(initial))) {
                Some(Step::Login(login)) => Event::password(login.method, &login.user, &login.password, false),
                _ => Event::command([b"AUTH ", mechanism].concat().as_slice()),
            };
            turn.report(event);
            return "503 5.5.1 Error: authentication not enabled".into();
        }
        match words[..] {
            _ if self.sender.is_some() => "503 5.5.1 Error: MAIL transaction in progress".into(),
            _ if self.user.is_some() => "503 5.5.1 Error: already authenticated".into(),
            [mechanism] => {
                self.step(sasl::start(mechanism, None), turn);
                String::new()
            }
            [mechanism, initial] => {
                self.step(sasl::start(mechanism, Some(initial)), turn);
                String::new()
            }
            _ => "501 5.5.4 Syntax: AUTH mechanism".into(),
        }
    }

    /// Continues a login.
    fn step(&mut self, step: Step, turn: &mut Turn) {
        let reply = match step {
            Step::Challenge(challenge, exchange) => {
                self.exchange = Some(exchange);
                format!("334 {challenge}")
            }
            Step::Login(login) => {
                let fields = self.context.fields();
                let local = login
                    .user
                    .strip_suffix(format!("@{}", self.domain).as_bytes())
                    .unwrap_or(&login.user);
                let accepted = fields.admits("admin", &login.user, &login.password)
                    || fields.admits("admin", local, &login.password);
                turn.report(Event::password(login.method, &login.user, &login.password, accepted));
                if accepted {
                    self.user = Some(login.user);
                    "235 2.7.0 Authentication successful".into()
                } else {
                    let random = u16::from_le_bytes(self.context.fresh(&format!("delay {}", self.errors)));
                    self.wait(Duration::from_millis(2300 + u64::from(random % 1400)), turn);
                    "535 5.7.8 Error: authentication failed: (reason unavailable)".into()
                }
            }
            Step::Cancelled => "501 5.7.0 Authentication aborted".into(),
            Step::NotBase64 => {
                "535 5.7.8 Error: authentication failed: Invalid base64 data in continued response".into()
            }
            Step::Malformed => "535 5.7.8 Error: authentication failed: (reason unavailable)".into(),
            Step::Unknown => "535 5.7.8 Error: authentication failed: Invalid authentication mechanism".into(),
        };
        self.reply(&reply, turn);
    }
}

/// Returns an address as it is in a reply: Postfix shows control characters as question marks.
fn shown(address: &[u8]) -> String {
    String::from_utf8_lossy(address)
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
