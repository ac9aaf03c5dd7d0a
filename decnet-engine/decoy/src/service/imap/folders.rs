//! The commands on folders after the login (RFC 3501, section 6.3).

use super::{
    reader::Word,
    session::{Selected, Session, text},
};
use crate::service::{
    dialogue::Turn,
    wire::{digest::Digest, mailbox::Message},
};

/// The maximum number of folders and messages that a visitor adds.
const MOST: usize = 32;

/// The maximum length of a folder's name.
const NAME: usize = 255;

const FLAGS: &str = "\\Answered \\Flagged \\Deleted \\Seen \\Draft";

impl Session {
    pub(super) fn is_known(&self, folder: &Word) -> bool {
        folder.upper() == "INBOX" || self.folders.contains(&text(folder))
    }

    pub(super) fn list(&self, name: &str, arguments: &[Word], turn: &mut Turn) -> Result<String, String> {
        let [_, pattern, ..] = arguments else {
            return Err(if arguments.is_empty() {
                "Invalid reference"
            } else {
                "Invalid pattern"
            }
            .into());
        };
        let (answer, done) = if name == "LSUB" {
            ("LSUB", "Lsub")
        } else {
            ("LIST", "List")
        };
        if pattern.bytes.is_empty() {
            turn.send(format!("* {answer} (\\Noselect) \"/\" \"\"\r\n"));
        } else if name != "LSUB" {
            let is_all = pattern.bytes.iter().any(|byte| matches!(byte, b'*' | b'%'));
            let inbox = "INBOX".to_owned();
            for folder in std::iter::once(&inbox).chain(&self.folders) {
                if is_all || folder.eq_ignore_ascii_case(&text(pattern)) {
                    turn.send(format!("* LIST (\\HasNoChildren) \"/\" {}\r\n", shown(folder)));
                }
            }
        }
        Ok(format!("OK {done} completed"))
    }

    pub(super) fn select(&mut self, is_read_only: bool, arguments: &[Word], turn: &mut Turn) -> Result<String, String> {
        let folder = arguments.first().ok_or("Invalid arguments")?;
        self.selected = None;
        if !self.is_known(folder) {
            return Ok(format!("NO Mailbox doesn't exist: {}", text(folder)));
        }
        let selected = Selected {
            is_inbox: folder.upper() == "INBOX",
            is_read_only,
        };
        self.selected = Some(selected);
        let (messages, next) = if selected.is_inbox {
            (&self.mailbox.messages[..], self.mailbox.next)
        } else {
            (&[][..], 1)
        };
        let permanent = if is_read_only {
            "()] Read-only mailbox.".into()
        } else {
            format!("({FLAGS} \\*)] Flags permitted.")
        };
        let unseen = messages.iter().position(|message| !message.is_seen);
        let unseen = unseen
            .map(|at| format!("* OK [UNSEEN {}] First unseen.\r\n", at.saturating_add(1)))
            .unwrap_or_default();
        turn.send(format!(
            "* FLAGS ({FLAGS})\r\n* OK [PERMANENTFLAGS {permanent}\r\n* {} EXISTS\r\n* 0 RECENT\r\n{unseen}* OK [UIDVALIDITY {}] UIDs \
             valid\r\n* OK [UIDNEXT {next}] Predicted next UID\r\n",
            messages.len(),
            self.mailbox.validity
        ));
        Ok(if is_read_only {
            "OK [READ-ONLY] Examine completed"
        } else {
            "OK [READ-WRITE] Select completed"
        }
        .into())
    }

    pub(super) fn status(&self, arguments: &[Word], turn: &mut Turn) -> Result<String, String> {
        let [folder, items] = arguments else {
            return Err("Missing arguments".into());
        };
        if !self.is_known(folder) {
            return Ok(format!("NO Mailbox doesn't exist: {}", text(folder)));
        }
        let is_inbox = folder.upper() == "INBOX";
        let messages = if is_inbox { &self.mailbox.messages[..] } else { &[] };
        let wanted: Vec<String> = items.items().iter().map(Word::upper).collect();
        let values = [
            ("MESSAGES", messages.len().to_string()),
            ("RECENT", "0".into()),
            ("UIDNEXT", if is_inbox { self.mailbox.next } else { 1 }.to_string()),
            ("UIDVALIDITY", self.mailbox.validity.to_string()),
            (
                "UNSEEN",
                messages.iter().filter(|message| !message.is_seen).count().to_string(),
            ),
        ];
        let shown_values: Vec<String> = values
            .iter()
            .filter(|(name, _)| wanted.iter().any(|one| one == name))
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        turn.send(format!(
            "* STATUS {} ({})\r\n",
            shown(&text(folder)),
            shown_values.join(" ")
        ));
        Ok("OK Status completed".into())
    }

    pub(super) fn change_folders(&mut self, name: &str, arguments: &[Word]) -> Result<String, String> {
        let folder = text(arguments.first().ok_or("Invalid arguments")?);
        let is_known = self.folders.contains(&folder);
        if arguments.iter().any(|name| name.bytes.len() > NAME) {
            return Ok("NO [CANNOT] Mailbox name too long".into());
        }
        let done = |what: &str| Ok(format!("OK {what} completed"));
        match name {
            "CREATE" if is_known || folder.eq_ignore_ascii_case("INBOX") => {
                Ok("NO [ALREADYEXISTS] Mailbox already exists".into())
            }
            "CREATE" if self.folders.len() >= MOST => Ok("NO [LIMIT] Too many mailboxes".into()),
            "CREATE" => {
                self.folders.insert(folder);
                done("Create")
            }
            "SUBSCRIBE" => done("Subscribe"),
            "UNSUBSCRIBE" => done("Unsubscribe"),
            _ if !is_known => Ok(format!("NO [NONEXISTENT] Mailbox doesn't exist: {folder}")),
            "DELETE" => {
                self.folders.remove(&folder);
                done("Delete")
            }
            _ => {
                let target = text(arguments.get(1).ok_or("Invalid arguments")?);
                self.folders.remove(&folder);
                self.folders.insert(target);
                done("Rename")
            }
        }
    }

    pub(super) fn append(&mut self, arguments: &[Word], turn: &mut Turn) -> Result<String, String> {
        let [folder, .., mail] = arguments else {
            return Err("Missing message size".into());
        };
        let mut digest = Digest::default();
        digest.add(&mail.bytes);
        turn.report(digest.file(format!("mail for {}", text(folder)), true));
        if !self.is_known(folder) {
            return Ok(format!("NO [TRYCREATE] Mailbox doesn't exist: {}", text(folder)));
        }
        let uid = self.mailbox.next;
        if folder.upper() == "INBOX" && self.mailbox.messages.len() < MOST {
            let mail = text(mail);
            let (header, body) = mail.split_once("\r\n\r\n").unwrap_or((&mail, ""));
            self.mailbox.messages.push(Message {
                uid,
                received: turn.now(),
                header: format!("{header}\r\n\r\n"),
                body: body.into(),
                is_deleted: false,
                is_seen: false,
            });
            self.mailbox.next = uid.saturating_add(1);
        }
        Ok(format!(
            "OK [APPENDUID {} {uid}] Append completed",
            self.mailbox.validity
        ))
    }
}

/// Returns the name of a folder, in quotes if it must have them.
fn shown(folder: &str) -> String {
    if !folder.is_empty()
        && folder
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/'))
    {
        return folder.into();
    }
    format!(
        "\"{}\"",
        folder
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace(['\r', '\n'], "")
    )
}
