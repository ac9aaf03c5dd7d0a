//! What `FETCH` and `SEARCH` tell of messages (RFC 3501, sections 6.4.4, 6.4.5 and 7.4.2).

use super::reader::Word;
use crate::service::wire::mailbox::Message;

/// The maximum number of parts in an answer.
const MOST: usize = 32;

/// Parts of messages that a visitor asks for.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    items: Vec<Item>,
    /// Whether the messages become seen.
    pub(super) marks_seen: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Item {
    Flags,
    Uid,
    Size,
    InternalDate,
    Envelope,
    /// The structure, with or without extensions.
    Structure(bool),
    /// Text with its name in the answer.
    Text(String, Part),
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    All,
    Header,
    Body,
    /// The fields of the header with these names.
    Fields(Vec<String>),
}

impl Wanted {
    /// Reads the names of parts. The error is the first unknown name.
    pub(super) fn new(names: &Word, is_uid: bool) -> Result<Self, String> {
        let mut wanted = Self::default();
        if is_uid {
            wanted.items.push(Item::Uid);
        }
        for name in names.items() {
            let name = name.upper();
            match name.as_str() {
                "ALL" => wanted.extend([Item::Flags, Item::InternalDate, Item::Size, Item::Envelope]),
                "FAST" => wanted.extend([Item::Flags, Item::InternalDate, Item::Size]),
                "FULL" => wanted.extend([
                    Item::Flags,
                    Item::InternalDate,
                    Item::Size,
                    Item::Envelope,
                    Item::Structure(false),
                ]),
                "FLAGS" => wanted.extend([Item::Flags]),
                "UID" => wanted.extend([Item::Uid]),
                "RFC822.SIZE" => wanted.extend([Item::Size]),
                "INTERNALDATE" => wanted.extend([Item::InternalDate]),
                "ENVELOPE" => wanted.extend([Item::Envelope]),
                "BODY" => wanted.extend([Item::Structure(false)]),
                "BODYSTRUCTURE" => wanted.extend([Item::Structure(true)]),
                "RFC822.HEADER" => wanted.extend([Item::Text(name, Part::Header)]),
                "RFC822" => wanted.read(name, Part::All),
                "RFC822.TEXT" => wanted.read(name, Part::Body),
                _ => wanted.section(name)?,
            }
        }
        Ok(wanted)
    }

    fn extend(&mut self, items: impl IntoIterator<Item = Item>) {
        for item in items {
            if self.items.len() < MOST && !self.items.contains(&item) {
                self.items.push(item);
            }
        }
    }

    fn read(&mut self, name: String, part: Part) {
        self.marks_seen = true;
        self.extend([Item::Text(name, part)]);
    }

    /// Reads a name like `BODY[TEXT]`.
    fn section(&mut self, name: String) -> Result<(), String> {
        let section = name
            .strip_prefix("BODY")
            .map(|rest| rest.strip_prefix(".PEEK").unwrap_or(rest));
        let section = section
            .and_then(|rest| rest.strip_prefix('['))
            .and_then(|rest| rest.split_once(']'));
        let Some((section, _)) = section else {
            return Err(name);
        };
        let part = match section.split_once(' ').unwrap_or((section, "")) {
            ("", _) => Part::All,
            ("HEADER" | "MIME" | "1.MIME", _) => Part::Header,
            ("TEXT" | "1", _) => Part::Body,
            ("HEADER.FIELDS", names) => Part::Fields(
                names
                    .trim_matches(['(', ')'])
                    .split_ascii_whitespace()
                    .map(|name| name.replace('"', ""))
                    .collect(),
            ),
            _ => return Err(name),
        };
        let shown = format!("BODY[{section}]");
        if name.starts_with("BODY.PEEK") {
            self.extend([Item::Text(shown, part)]);
        } else {
            self.read(shown, part);
        }
        Ok(())
    }

    /// Returns the answer for a message. `is_changed` is set if its flags changed.
    pub(super) fn answer(&self, number: usize, message: &Message, is_changed: bool) -> String {
        let mut parts: Vec<String> = Vec::new();
        let mut texts: Vec<String> = Vec::new();
        if is_changed && !self.items.contains(&Item::Flags) {
            parts.push(flags(message));
        }
        for item in &self.items {
            match item {
                Item::Flags => parts.push(flags(message)),
                Item::Uid => parts.push(format!("UID {}", message.uid)),
                Item::Size => parts.push(format!("RFC822.SIZE {}", message.size())),
                Item::InternalDate => parts.push(
                    message
                        .received
                        .strftime("INTERNALDATE \"%d-%b-%Y %H:%M:%S +0000\"")
                        .to_string(),
                ),
                Item::Envelope => parts.push(envelope(message)),
                Item::Structure(is_extended) => parts.push(structure(message, *is_extended)),
                Item::Text(name, part) => {
                    let text = match part {
                        Part::All => message.header.clone() + &message.body,
                        Part::Header => message.header.clone(),
                        Part::Body => message.body.clone(),
                        Part::Fields(names) => {
                            let fields = fields(message)
                                .filter(|(name, _)| names.iter().any(|one| one.eq_ignore_ascii_case(name)));
                            fields.map(|(_, field)| field).collect::<String>() + "\r\n"
                        }
                    };
                    texts.push(format!("{name} {{{}}}\r\n{text}", text.len()));
                }
            }
        }
        parts.append(&mut texts);
        format!("* {number} FETCH ({})\r\n", parts.join(" "))
    }
}

/// Returns the flags of a message.
pub(super) fn flags(message: &Message) -> String {
    let flags = [(message.is_deleted, "\\Deleted"), (message.is_seen, "\\Seen")];
    let set: Vec<&str> = flags
        .iter()
        .filter(|(is_set, _)| *is_set)
        .map(|(_, name)| *name)
        .collect();
    format!("FLAGS ({})", set.join(" "))
}

/// Returns the fields of the header: the name, and the whole field with its continuation lines.
fn fields(message: &Message) -> impl Iterator<Item = (&str, String)> {
    let mut fields: Vec<(&str, String)> = Vec::new();
    for line in message.header.split_inclusive('\n') {
        match (line.starts_with([' ', '\t']), fields.last_mut(), line.split_once(':')) {
            (true, Some((_, field)), _) => field.push_str(line),
            (false, _, Some((name, _))) => fields.push((name, line.to_owned())),
            _ => {}
        }
    }
    fields.into_iter()
}

fn field(message: &Message, name: &str) -> Option<String> {
    let (_, field) = fields(message).find(|(own, _)| own.eq_ignore_ascii_case(name))?;
    let (_, value) = field.split_once(':')?;
    Some(value.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn quoted(text: Option<&str>) -> String {
    text.map_or_else(
        || "NIL".into(),
        |text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    )
}

fn envelope(message: &Message) -> String {
    let text = |name| quoted(field(message, name).as_deref());
    let address = |name| {
        let Some(value) = field(message, name) else {
            return "NIL".to_owned();
        };
        // "address (Name)" or "Name <address>".
        let (address, name) = match (value.split_once(" ("), value.split_once('<')) {
            (Some((address, name)), _) => (address, Some(name.trim_end_matches(')'))),
            (None, Some((name, address))) => (address.trim_end_matches('>'), Some(name.trim().trim_matches('"'))),
            (None, None) => (value.as_str(), None),
        };
        let (local, domain) = address.split_once('@').unwrap_or((address, ""));
        format!(
            "(({} NIL {} {}))",
            quoted(name.filter(|name| !name.is_empty())),
            quoted(Some(local)),
            quoted(Some(domain))
        )
    };
    let from = address("From");
    format!(
        "ENVELOPE ({} {} {from} {from} {from} {} NIL NIL NIL {})",
        text("Date"),
        text("Subject"),
        address("To"),
        text("Message-Id")
    )
}

fn structure(message: &Message, is_extended: bool) -> String {
    let is_utf8 = message.header.contains("UTF-8");
    let (charset, encoding) = if is_utf8 {
        ("UTF-8", "8bit")
    } else {
        ("us-ascii", "7bit")
    };
    let lines = message.body.matches('\n').count();
    let (name, extension) = if is_extended {
        ("BODYSTRUCTURE", " NIL NIL NIL NIL")
    } else {
        ("BODY", "")
    };
    format!(
        "{name} (\"text\" \"plain\" (\"charset\" \"{charset}\") NIL NIL \"{encoding}\" {} {lines}{extension})",
        message.body.len()
    )
}

/// Returns whether a message is among those that a visitor searches. Unknown keys match all.
pub(super) fn matches(message: &Message, keys: &[Word]) -> bool {
    let mut keys = keys.iter();
    while let Some(key) = keys.next() {
        let key = key.upper();
        let is_match = match key.as_str() {
            "SEEN" => message.is_seen,
            "UNSEEN" => !message.is_seen,
            "DELETED" => message.is_deleted,
            "UNDELETED" => !message.is_deleted,
            "NEW" | "RECENT" | "ANSWERED" | "FLAGGED" | "DRAFT" => false,
            "SUBJECT" | "FROM" | "TO" | "TEXT" | "BODY" => {
                let text = match key.as_str() {
                    "TEXT" => message.header.clone() + &message.body,
                    "BODY" => message.body.clone(),
                    name => field(message, name).unwrap_or_default(),
                };
                keys.next()
                    .is_some_and(|part| text.to_ascii_uppercase().contains(&part.upper()))
            }
            _ => true,
        };
        if !is_match {
            return false;
        }
    }
    true
}

/// A set of message numbers.
#[derive(Debug)]
pub(super) struct Set(Vec<(u32, u32)>);

impl Set {
    /// Reads a set. `last` is the largest number in use.
    pub(super) fn new(text: &str, last: u32) -> Option<Self> {
        let number = |text: &str| if text == "*" { Some(last) } else { text.parse().ok() };
        let ranges = text.split(',').map(|range| {
            let (from, to) = range.split_once(':').unwrap_or((range, range));
            let (from, to) = (number(from)?, number(to)?);
            Some((from.min(to), from.max(to)))
        });
        ranges.collect::<Option<Vec<_>>>().map(Self)
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        self.0.iter().any(|(from, to)| (*from..=*to).contains(&number))
    }

    /// Returns whether all numbers are in use.
    pub(super) fn is_within(&self, last: u32) -> bool {
        self.0.iter().all(|(from, to)| *from >= 1 && *to <= last)
    }
}
