//! The commands after the login (RFC 3501, sections 6.3 and 6.4).

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    client::{CAPABILITIES, LOGGED_IN, report_client},
    fetch::{Set, Wanted, flags, matches},
    reader::{Word, words},
};
use crate::service::{context::Context, dialogue::Turn, event::Event, wire::mailbox::Mailbox};

/// The time that a command took.
const TOOK: &str = "(0.001 + 0.000 secs).";

/// The maximum size of an answer to `FETCH`.
const ANSWER: usize = 1024 * 1024;

/// A user who is logged in.
pub(super) struct Session {
    pub(super) mailbox: Mailbox,
    pub(super) folders: BTreeSet<String>,
    pub(super) selected: Option<Selected>,
    /// The tag of a running `IDLE`.
    idle: Option<String>,
    mistakes: u8,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Selected {
    pub(super) is_inbox: bool,
    pub(super) is_read_only: bool,
}

impl Session {
    pub(super) fn new(context: &Context, user: &[u8], now: Timestamp) -> Self {
        Self {
            mailbox: Mailbox::new(context, user, now),
            folders: BTreeSet::new(),
            selected: None,
            idle: None,
            mistakes: 0,
        }
    }

    /// Answers to a command.
    pub(super) fn command(&mut self, command: &[u8], turn: &mut Turn) {
        if let Some(tag) = self.idle.take() {
            let is_done = command.eq_ignore_ascii_case(b"DONE");
            let reply = if is_done {
                "OK Idle completed"
            } else {
                "BAD Expected DONE"
            };
            turn.send(format!("{tag} {reply} {TOOK}\r\n"));
            return;
        }
        let mut words = words(command).unwrap_or_default().into_iter();
        let tag = words
            .next()
            .map(|word| String::from_utf8_lossy(&word.bytes).into_owned());
        let mut name = words.next().map(|word| word.upper()).unwrap_or_default();
        let is_uid = name == "UID";
        if is_uid {
            name = words.next().map(|word| word.upper()).unwrap_or_default();
        }
        let arguments: Vec<Word> = words.collect();
        // A mail is reported as a file, and a program by its name.
        if !command.is_empty() && !matches!(name.as_str(), "APPEND" | "ID") {
            turn.report(Event::command(command));
        }
        let shown = if is_uid { format!("UID {name}") } else { name.clone() };
        let reply = match (&tag, name.as_str()) {
            (None, _) => Err("* BAD Error in IMAP tag: Invalid tag".to_owned()),
            (Some(_), "") => Err("BAD Error in IMAP command: Invalid command name".to_owned()),
            (Some(tag), name) => {
                let answered = self.answer(tag, name, is_uid, &arguments, turn);
                answered.map_err(|error| {
                    if error.is_empty() {
                        String::new()
                    } else {
                        format!("BAD Error in IMAP command {shown}: {error}")
                    }
                })
            }
        };
        let tag = tag.map(|tag| format!("{tag} ")).unwrap_or_default();
        match reply {
            Ok(reply) if reply.is_empty() => self.mistakes = 0,
            Ok(reply) => {
                self.mistakes = 0;
                turn.send(format!("{tag}{reply} {TOOK}\r\n"));
            }
            Err(error) => {
                let error = if error.is_empty() {
                    "BAD No mailbox selected"
                } else {
                    &error
                };
                turn.send(format!("{tag}{error} {TOOK}\r\n"));
                self.mistakes = self.mistakes.saturating_add(1);
                if self.mistakes >= 20 {
                    turn.send(*b"* BYE Too many invalid IMAP commands.\r\n");
                    turn.close();
                }
            }
        }
    }

    /// Returns the reply without its tag and time. An empty error means that no mailbox is selected.
    fn answer(
        &mut self,
        tag: &str,
        name: &str,
        is_uid: bool,
        arguments: &[Word],
        turn: &mut Turn,
    ) -> Result<String, String> {
        let done = |what: &str| Ok(format!("OK {what} completed"));
        if is_uid && !matches!(name, "FETCH" | "STORE" | "SEARCH" | "COPY" | "MOVE" | "EXPUNGE") {
            return Err("Unknown command".into());
        }
        match name {
            "CAPABILITY" => {
                turn.send(format!("* CAPABILITY {CAPABILITIES}{LOGGED_IN}\r\n"));
                done("Capability")
            }
            "NOOP" => done("NOOP"),
            "LOGOUT" => {
                turn.send(*b"* BYE Logging out\r\n");
                turn.close();
                done("Logout")
            }
            "ID" => {
                let answer = report_client(arguments, turn).unwrap_or_default();
                turn.send(answer);
                done("ID")
            }
            "ENABLE" => {
                if !arguments.is_empty() {
                    let names: Vec<String> = arguments
                        .iter()
                        .map(Word::upper)
                        .filter(|name| matches!(name.as_str(), "CONDSTORE" | "QRESYNC"))
                        .collect();
                    turn.send(format!("* ENABLED {}\r\n", names.join(" ")));
                }
                Ok("OK Enabled".into())
            }
            "NAMESPACE" => {
                turn.send(*b"* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
                done("Namespace")
            }
            "IDLE" => {
                self.idle = Some(tag.into());
                turn.send(*b"+ idling\r\n");
                Ok(String::new())
            }
            "LIST" | "XLIST" | "LSUB" => self.list(name, arguments, turn),
            "SELECT" | "EXAMINE" => self.select(name == "EXAMINE", arguments, turn),
            "STATUS" => self.status(arguments, turn),
            "CREATE" | "DELETE" | "SUBSCRIBE" | "UNSUBSCRIBE" | "RENAME" => self.change_folders(name, arguments),
            "APPEND" => self.append(arguments, turn),
            "CLOSE" | "UNSELECT" | "CHECK" | "EXPUNGE" | "FETCH" | "STORE" | "SEARCH" | "COPY" | "MOVE" => {
                let selected = self.selected.ok_or_else(String::new)?;
                match name {
                    "CHECK" => done("Check"),
                    "UNSELECT" => {
                        self.selected = None;
                        done("Unselect")
                    }
                    "CLOSE" | "EXPUNGE" => {
                        self.expunge(selected, name == "EXPUNGE", turn);
                        if name == "CLOSE" {
                            self.selected = None;
                        }
                        done(if name == "CLOSE" { "Close" } else { "Expunge" })
                    }
                    _ => self.on_messages(name, is_uid, selected, arguments, turn),
                }
            }
            _ => Err("Unknown command".into()),
        }
    }

    fn expunge(&mut self, selected: Selected, is_shown: bool, turn: &mut Turn) {
        if !selected.is_inbox || selected.is_read_only {
            return;
        }
        let mut number = 1_usize;
        self.mailbox.messages.retain(|message| {
            if message.is_deleted {
                if is_shown {
                    turn.send(format!("* {number} EXPUNGE\r\n"));
                }
            } else {
                number = number.saturating_add(1);
            }
            !message.is_deleted
        });
    }

    /// Handles the commands that have a set of messages, and `SEARCH`.
    fn on_messages(
        &mut self,
        name: &str,
        is_uid: bool,
        selected: Selected,
        arguments: &[Word],
        turn: &mut Turn,
    ) -> Result<String, String> {
        let messages = if selected.is_inbox {
            &mut self.mailbox.messages[..]
        } else {
            &mut []
        };
        let count = u32::try_from(messages.len()).unwrap_or(u32::MAX);
        if name == "SEARCH" {
            let found = (1_u32..)
                .zip(messages.iter())
                .filter(|(_, message)| matches(message, arguments));
            let numbers = found.map(|(number, message)| if is_uid { message.uid } else { number });
            let found: Vec<String> = numbers.map(|number| number.to_string()).collect();
            let gap = if found.is_empty() { "" } else { " " };
            turn.send(format!("* SEARCH{gap}{}\r\n", found.join(" ")));
            return Ok("OK Search completed".into());
        }
        let [set, argument, rest @ ..] = arguments else {
            return Err("Invalid arguments".into());
        };
        let last = if is_uid {
            self.mailbox.next.saturating_sub(1)
        } else {
            count
        };
        let set = Set::new(&text(set), last)
            .filter(|set| is_uid || set.is_within(count))
            .ok_or("Invalid messageset")?;
        if matches!(name, "COPY" | "MOVE") {
            return Ok(format!("NO [TRYCREATE] Mailbox doesn't exist: {}", text(argument)));
        }
        let numbered = (1_usize..).zip(messages.iter_mut());
        let chosen = numbered.filter(|(number, message)| {
            set.contains(if is_uid {
                message.uid
            } else {
                u32::try_from(*number).unwrap_or(u32::MAX)
            })
        });
        if name == "FETCH" {
            let wanted = Wanted::new(argument, is_uid).map_err(|name| format!("Unknown parameter: {name}"))?;
            let mut size = 0_usize;
            for (number, message) in chosen {
                let is_changed = wanted.marks_seen && !selected.is_read_only && !message.is_seen;
                message.is_seen |= is_changed;
                let answer = wanted.answer(number, message, is_changed);
                size = size.saturating_add(answer.len());
                if size > ANSWER {
                    return Ok("NO [SERVERBUG] Internal error occurred".into());
                }
                turn.send(answer);
            }
            return Ok("OK Fetch completed".into());
        }
        let action = argument.upper();
        let named: Vec<String> = rest.iter().flat_map(Word::items).map(|word| word.upper()).collect();
        for (number, message) in chosen {
            for (flag, name) in [(&mut message.is_deleted, "\\DELETED"), (&mut message.is_seen, "\\SEEN")] {
                let is_named = named.iter().any(|one| one == name);
                *flag = match action.get(..1) {
                    Some("+") => *flag || is_named,
                    Some("-") => *flag && !is_named,
                    _ => is_named,
                };
            }
            if !action.ends_with(".SILENT") {
                let uid = if is_uid {
                    format!("UID {} ", message.uid)
                } else {
                    String::new()
                };
                turn.send(format!("* {number} FETCH ({uid}{})\r\n", flags(message)));
            }
        }
        Ok("OK Store completed".into())
    }
}

pub(super) fn text(word: &Word) -> String {
    String::from_utf8_lossy(&word.bytes).into_owned()
}
