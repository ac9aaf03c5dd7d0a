//! The commands of a transaction: sender, recipients and the mail.

use super::{
    Kind, Smtp,
    address::{Parameter, Path, parse},
    mail::{Chunk, Mail},
    shown,
};
use crate::service::{
    dialogue::Turn,
    event::{Event, Request},
};

/// The maximum size of a mail: `message_size_limit` of Postfix.
const MAIL: u64 = 10_240_000;

/// The number of recipients of a mail that are reported.
const RECIPIENTS: usize = 32;

impl Smtp {
    pub(super) fn mail(&mut self, argument: &[u8]) -> String {
        if self.sender.is_some() {
            return "503 5.5.1 Error: nested MAIL command".into();
        }
        let Some((path, parameters)) = parse(b"FROM:", argument) else {
            return "501 5.5.4 Syntax: MAIL FROM:<address>".into();
        };
        let Path::Address(address) = path else {
            return "501 5.1.7 Bad sender address syntax".into();
        };
        for Parameter { name, value } in parameters {
            match (name.as_str(), value) {
                ("SIZE", size) => match size.parse::<u64>() {
                    Ok(size) => self.is_oversize = size > MAIL,
                    Err(_) => return "501 5.5.4 Bad message size syntax".into(),
                },
                ("BODY" | "SMTPUTF8" | "RET" | "ENVID" | "AUTH", _) => {}
                (name, "") => return format!("555 5.5.4 Unsupported option: {name}"),
                (name, value) => return format!("555 5.5.4 Unsupported option: {name}={value}"),
            }
        }
        if self.is_oversize {
            return "552 5.3.4 Message size exceeds fixed limit".into();
        }
        self.sender = Some(address);
        "250 2.1.0 Ok".into()
    }

    pub(super) fn recipient(&mut self, argument: &[u8]) -> String {
        if self.sender.is_none() {
            return "503 5.5.1 Error: need MAIL command".into();
        }
        let Some((path, parameters)) = parse(b"TO:", argument) else {
            return "501 5.5.4 Syntax: RCPT TO:<address>".into();
        };
        let address = match path {
            Path::Address(address) if !address.is_empty() => address,
            _ => return "501 5.1.3 Bad recipient address syntax".into(),
        };
        if let Some(Parameter { name, .. }) = parameters
            .iter()
            .find(|one| !matches!(one.name.as_str(), "NOTIFY" | "ORCPT"))
        {
            return format!("555 5.5.4 Unsupported option: {name}");
        }
        if let Some(refusal) = self.refusal(&address) {
            return refusal;
        }
        let usual = if self.kind == Kind::Relay { 50 } else { 1000 };
        let most = self.context.fields().number("max_recipients").unwrap_or(usual);
        if self.count >= most {
            return "452 4.5.3 Error: too many recipients".into();
        }
        self.count = self.count.saturating_add(1);
        if self.recipients.len() < RECIPIENTS {
            self.recipients.push(address);
        }
        "250 2.1.5 Ok".into()
    }

    /// Returns why mail for an address is refused.
    pub(super) fn refusal(&self, address: &[u8]) -> Option<String> {
        if self.kind == Kind::Relay || !self.has_logins() || self.user.is_some() {
            return None;
        }
        let text = String::from_utf8_lossy(address).to_ascii_lowercase();
        let (local, domain) = text.rsplit_once('@').unwrap_or((&text, &self.domain));
        let is_local = domain == self.domain.to_ascii_lowercase() || domain == self.name.to_ascii_lowercase();
        if !is_local {
            return Some(format!("454 4.7.1 <{}>: Relay access denied", shown(address)));
        }
        let user = self
            .context
            .fields()
            .text("user")
            .unwrap_or("admin")
            .to_ascii_lowercase();
        let is_known = local == user.split('@').next().unwrap_or_default()
            || matches!(
                local,
                "root" | "postmaster" | "abuse" | "hostmaster" | "webmaster" | "info"
            );
        (!is_known).then(|| {
            let address = shown(address);
            format!("550 5.1.1 <{address}>: Recipient address rejected: User unknown in local recipient table")
        })
    }

    /// Starts to read the bytes of `BDAT` (RFC 3030).
    pub(super) fn start_chunk(&mut self, argument: &[u8], turn: &mut Turn) -> String {
        let argument = String::from_utf8_lossy(argument).to_ascii_uppercase();
        let words: Vec<&str> = argument.split_whitespace().collect();
        let (count, is_last) = match words[..] {
            [count] => (count.parse::<u64>(), false),
            [count, "LAST"] => (count.parse::<u64>(), true),
            _ => (argument.parse::<u64>(), false),
        };
        let Ok(count) = count else {
            turn.close();
            return "521 5.5.4 Syntax: BDAT count [LAST]".into();
        };
        if !self.recipients.is_empty() {
            self.mail.get_or_insert_with(Mail::chunks);
        }
        self.chunk = Some(Chunk::new(count, is_last));
        String::new()
    }

    pub(super) fn end_chunk(&mut self, turn: &mut Turn) {
        let Some(chunk) = self.chunk.take() else {
            return;
        };
        if self.mail.is_none() {
            self.reply("503 5.5.1 Error: need RCPT command", turn);
        } else if chunk.is_last {
            self.end_mail(turn);
        } else {
            self.reply(&format!("250 2.0.0 Ok: {} bytes", chunk.count), turn);
        }
    }

    /// Answers to a whole mail, and reports it.
    pub(super) fn end_mail(&mut self, turn: &mut Turn) {
        if self.mail.as_ref().is_some_and(|mail| mail.bytes() > MAIL) {
            self.report_mail(Some(552), turn);
            self.reply("552 5.3.4 Error: message file too big", turn);
        } else {
            let random = u32::from_le_bytes(self.context.fresh(&format!("queue {}", self.mails)));
            let file = u16::from_le_bytes(self.context.stable("queue")) | 0x400;
            let number = u32::from(file).saturating_add(self.mails.wrapping_mul(2));
            let id = format!("{:05X}{number:X}", random % 1_000_000);
            self.mails = self.mails.saturating_add(1);
            self.report_mail(Some(250), turn);
            self.errors = 0;
            self.reply(&format!("250 2.0.0 Ok: queued as {id}"), turn);
        }
        self.reset(turn);
    }

    /// Reports the mail that was received, whole or in part.
    pub(super) fn report_mail(&mut self, status: Option<u16>, turn: &mut Turn) {
        let Some(mail) = self.mail.take() else {
            return;
        };
        let (start, digest) = mail.end();
        turn.report(Event::Request(Request {
            method: "DATA".into(),
            target: Some(self.recipients.join(&b", "[..]).as_slice().into()),
            status,
            body: Some(start.as_slice().into()),
            ..Request::default()
        }));
        let sender = self.sender.clone().unwrap_or_default();
        turn.report(digest.file([b"mail from ", sender.as_slice()].concat().as_slice(), true));
    }

    /// Ends the transaction. A mail of which only some chunks came is reported.
    pub(super) fn reset(&mut self, turn: &mut Turn) {
        self.report_mail(None, turn);
        self.sender = None;
        self.is_oversize = false;
        self.recipients.clear();
        self.count = 0;
    }
}
